"""What libraries make of the same input: python behaviour.py, in any environment.

The rows of the README that are no scores and no times. Each library gets a network of
its own and the same sequences; of those that are not installed nothing is said.
"""

import argparse
import warnings
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch
from torch import nn

N_SEQUENCES, N_STEPS, N_FEATURES = 60, 12, 3


def skrnn(X, y, **fit_params):
    from skrnn import GRUClassifier

    return GRUClassifier(max_epochs=2, random_state=0).fit(X, y, **fit_params)


class Network(nn.Module):
    """What a user of skorch writes."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(N_FEATURES, 8, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.gru(x)[0][:, -1]).softmax(-1)


def skorch(X, y, **fit_params):
    from skorch import NeuralNetClassifier

    net = NeuralNetClassifier(Network, max_epochs=2, verbose=0)
    return net.fit(X, y, **fit_params)


def sktime(X, y, **fit_params):
    from sktime.classification.deep_learning import GRUClassifier

    class Transposed(GRUClassifier):  # its arrays have features before steps
        def predict_proba(self, X):
            return super().predict_proba(np.swapaxes(X, 1, 2))

    X = np.swapaxes(X, 1, 2) if isinstance(X, np.ndarray) else frame_of(X)
    return Transposed(num_epochs=2, random_state=0).fit(X, y, **fit_params)


def frame_of(sequences):
    """A list of arrays in the form that sktime has for unequal lengths."""
    import pandas as pd

    frames = [pd.DataFrame(each) for each in sequences]
    return pd.concat(frames, keys=range(len(frames)), names=["sequence", "step"])


def tsai(X, y, **fit_params):
    import tsai.inference  # noqa: F401 (gives networks get_X_preds)
    from tsai.data.core import TSClassification
    from tsai.tslearner import TSClassifier

    model = TSClassifier(
        np.swapaxes(X, 1, 2),
        y,
        splits=(list(range(len(X))), []),
        tfms=[None, TSClassification()],
        arch="GRU",
        seed=0,
        metrics=None,
    )
    with model.no_bar(), model.no_logging():
        model.fit_one_cycle(2, 3e-4, **fit_params)

    class Fitted:
        def predict_proba(self, X):
            with model.no_bar():
                return np.asarray(model.get_X_preds(np.swapaxes(X, 1, 2))[0])

    return Fitted()


LIBRARIES = {each.__name__: each for each in (skrnn, skorch, sktime, tsai)}


def attempt(fit, X, y, **fit_params):
    """Whether it works, or else what is said."""
    try:
        fit(X, y, **fit_params)
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0][:60]}"
    return "yes"


def company(fit, X, y):
    """How much a probability changes when others are asked about in another order."""
    model = fit(X, y)
    change = model.predict_proba(X) - model.predict_proba(X[::-1].copy())[::-1]
    return f"{np.abs(change).max():.1g}"


def seeds(fit, X, y):
    """Which global generators have moved after a fit with a seed of its own."""
    before = torch.get_rng_state().clone(), np.random.get_state()[1:3]
    fit(X, y)
    after = torch.get_rng_state(), np.random.get_state()[1:3]
    moved = ["torch"] if (before[0] != after[0]).any() else []
    same = (before[1][0] == after[1][0]).all() and before[1][1] == after[1][1]
    return ", ".join(moved + ([] if same else ["numpy"])) or "none"


def rows():
    """Name of the claim, and what tests it on a library."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_SEQUENCES, N_STEPS, N_FEATURES)).astype(np.float32)
    y = np.arange(N_SEQUENCES) % 2
    ragged = [x[: 5 + k % 8] for k, x in enumerate(X)]
    texts, ones = np.array(["no", "yes"])[y], np.ones(N_SEQUENCES)
    yield "lists of different lengths", lambda fit: attempt(fit, ragged, y)
    yield "float64", lambda fit: attempt(fit, X.astype(float), y)
    yield "texts as labels", lambda fit: attempt(fit, X, texts)
    yield "sample_weight", lambda fit: attempt(fit, X, y, sample_weight=ones)
    yield "change in other company", lambda fit: company(fit, X, y)
    yield "global seeds moved", lambda fit: seeds(fit, X, y)


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    warnings.simplefilter("ignore")
    for library, fit in LIBRARIES.items():
        try:
            print(library, version(library))
        except PackageNotFoundError:
            continue
        for claim, check in rows():
            print(f"  {claim:27} {check(fit)}", flush=True)


if __name__ == "__main__":
    main()
