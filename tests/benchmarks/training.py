"""Time of fit and predict, as ratios to a hand-written torch loop.

Run it with ``python tests/benchmarks/training.py``. The contestants take turns in one
process, on one thread; CPU time is measured, and a ratio is the median over the turns.
A ratio below 1 is faster than the hand-written loop. Ratios vary by about a tenth.
"""

import argparse
import time
import warnings
from functools import partial

import numpy as np
import torch
from skorch import NeuralNetRegressor
from torch import nn

import skrnn

GRID = [  # layer, n_steps, hidden_size, batch_size, n_sequences
    ("LSTM", 32, 32, 32, 2048),
    ("LSTM", 32, 64, 256, 4096),
    ("LSTM", 128, 64, 32, 512),
    ("GRU", 32, 32, 32, 2048),
    ("GRU", 32, 64, 256, 4096),
    ("GRU", 128, 64, 32, 512),
]
N_FEATURES, EPOCHS = 8, 2


class LastOutput(nn.Module):
    """What a user writes by hand."""

    def __init__(self, layer, hidden_size):
        super().__init__()
        self.layer = getattr(nn, layer)(N_FEATURES, hidden_size, batch_first=True)
        self.head = nn.Linear(hidden_size, 1)

    def forward(self, x):
        return self.head(self.layer(x)[0][:, -1])


def fit_by_hand(layer, hidden_size, batch_size, X, y):
    module = LastOutput(layer, hidden_size)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    x, targets = torch.from_numpy(X), torch.from_numpy(y)[:, None]
    for _ in range(EPOCHS):
        order = torch.randperm(len(x))
        for start in range(0, len(x), batch_size):
            rows = order[start : start + batch_size]
            optimizer.zero_grad()
            outputs = module(x.index_select(0, rows))
            ((outputs - targets[rows]) ** 2).mean().backward()
            optimizer.step()
    return module


def fit_skorch(layer, hidden_size, batch_size, X, y):
    net = NeuralNetRegressor(
        LastOutput,
        module__layer=layer,
        module__hidden_size=hidden_size,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=batch_size,
        max_epochs=EPOCHS,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    )
    return net.fit(X, y[:, None])


def fit_skrnn(layer, hidden_size, batch_size, X, y, **params):
    model = getattr(skrnn, f"{layer}Regressor")(
        hidden_size,
        bidirectional=False,
        pooling="last",
        dropout=0.0,
        batch_size=batch_size,
        max_epochs=EPOCHS,
        device="cpu",
        random_state=0,
        **params,
    )
    return model.fit(X, y)


@torch.inference_mode()
def run_bare(module, x, times):
    for _ in range(times):
        for part in x.split(128):
            module(part)


def run_skrnn(model, X, times):
    for _ in range(times):
        model.predict(X)


def pad_to_longest(X):
    """What a user without masks does: all sequences as long as the longest."""
    return skrnn.as_sequences(X).to_padded()


def compare(contestants, repeats):
    """Median ratio of CPU time to the first contestant's, by name."""
    seconds = {name: [] for name in contestants}
    for _ in range(repeats + 1):
        for name, run in contestants.items():
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
    base = np.array(next(iter(seconds.values()))[1:])  # the first turn warms up
    return {n: float(np.median(np.array(s[1:]) / base)) for n, s in seconds.items()}


def print_row(label, ratios):
    print(f"{label:38}" + "".join(f"{n}: {r:5.2f}   " for n, r in ratios.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    random = np.random.default_rng(0)
    print(f"torch {torch.__version__}, skrnn {skrnn.__version__}: ratios of CPU time")
    for layer, n_steps, hidden_size, batch_size, n in GRID:
        X = random.normal(size=(n, n_steps, N_FEATURES)).astype(np.float32)
        args = layer, hidden_size, batch_size, X, X.sum(axis=(1, 2))
        ratios = compare(
            {
                "by hand": lambda args=args: fit_by_hand(*args),
                "skorch": lambda args=args: fit_skorch(*args),
                "skrnn": lambda args=args: fit_skrnn(*args),
            },
            repeats,
        )
        label = f"fit {layer} T={n_steps} H={hidden_size} B={batch_size}"
        print_row(label, ratios)
    lengths = np.minimum(random.geometric(1 / 50, size=1024) + 4, 200)
    ragged = [random.normal(size=(t, N_FEATURES)).astype(np.float32) for t in lengths]
    y = np.array([x.mean() for x in ragged], dtype=np.float32)
    for layer in ("LSTM", "GRU"):
        ratios = compare(
            {
                "padded to longest": lambda layer=layer: fit_by_hand(
                    layer, 64, 32, pad_to_longest(ragged), y
                ),
                "skrnn": lambda layer=layer: fit_skrnn(layer, 64, 32, ragged, y),
            },
            repeats,
        )
        print_row(f"fit {layer} of 5 to 200 steps", ratios)
    X = random.normal(size=(2048, 64, N_FEATURES)).astype(np.float32)
    for layer in ("LSTM", "GRU"):
        model = fit_skrnn(layer, 64, 128, X[:256], X[:256].sum(axis=(1, 2)))
        for n in (1, 2048):
            x = torch.from_numpy(X[:n])

            times = 100 if n == 1 else 1
            ratios = compare(
                {
                    "bare module": partial(run_bare, model.module_, x, times),
                    "skrnn": partial(run_skrnn, model, X[:n], times),
                },
                repeats,
            )
            print_row(f"predict {layer} of {n} sequences, T=64", ratios)


if __name__ == "__main__":
    main()
