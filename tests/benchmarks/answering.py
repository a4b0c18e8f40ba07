"""Predictions: of one sequence, of many, and step by step."""

from functools import partial

import by_hand
import numpy as np
import ours
import torch
from contest import Table, compete, repeat
from fitting import LAYERS, N_FEATURES, make_data
from peers import make_skorch


def inference(options):
    """Predict for one sequence, and for many."""
    n_steps, hidden_size = (8, 16) if options.quick else (128, 64)
    table = Table(
        "Prediction",
        f"T={n_steps}, H={hidden_size}; the bare module under `torch.no_grad()`, many "
        "sequences in batches of 128.",
        ["bare module", "skorch", *ours.engines()],
    )
    for layer in LAYERS:
        X, y = make_data(64, n_steps)
        models = fit_all(layer, hidden_size, X, y, options)
        for n in [1, 64 if options.quick else 10_000]:
            X, _ = make_data(n, n_steps)
            x = torch.from_numpy(X).to(options.device)
            runs = {"bare module": partial(by_hand.predict, models["module"], x)}
            for name in table.columns[1:]:
                runs[name] = partial(models[name].predict, X)
            times = 1 if n > 1 else 10 if options.quick else 100
            contestants = {name: repeat(times, run) for name, run in runs.items()}
            label = f"{layer}, {n} sequence{'s' * (n > 1)}"
            table.add(label, compete(contestants, options))
    return [table]


def fit_all(layer, hidden_size, X, y, options):
    """One fitted model of each kind; how well does not matter here."""
    device = options.device
    x, targets = (torch.from_numpy(each).to(device) for each in (X, y[:, None]))
    models = {
        "module": by_hand.fit(layer, hidden_size, 32, x, targets, 1).eval(),
        "skorch": make_skorch(
            layer, hidden_size, 128, N_FEATURES, device, max_epochs=1
        ).fit(X, y[:, None]),
    }
    for name, params in ours.engines().items():
        model = ours.make_regressor(
            layer, hidden_size, max_epochs=1, device=device, **params
        )
        models[name] = model.fit(X, y)
    return models


def streaming(options):
    """One step after the other, the state carried along."""
    n_steps, hidden_size = (20, 16) if options.quick else (1000, 64)
    X, y = make_data(64, 8)
    models = {
        layer: ours.make_regressor(layer, hidden_size, max_epochs=1).fit(X, y)
        for layer in LAYERS
    }
    table = Table(
        "Streaming",
        f"One step of one sequence at a time, H={hidden_size}: nn.LSTM or nn.GRU, "
        "nn.LSTMCell or nn.GRUCell, with a head and under `torch.no_grad()`. skrnn: "
        "step, which checks its input, and what computes the layer in it.",
        ["layer", "cell", "skrnn", "skrnn, layer only"],
    )
    stream = np.random.default_rng(0).normal(size=(n_steps, N_FEATURES))
    stream = stream[:, None].astype(np.float32)
    x = torch.from_numpy(stream[:, 0])
    for layer in LAYERS:
        module = by_hand.LastOutput(layer, N_FEATURES, hidden_size).eval()
        cell = by_hand.make_cell(module)
        contestants = {
            "layer": partial(by_hand.stream_layer, module, x),
            "cell": partial(by_hand.stream_cell, cell, module.head, x),
            "skrnn": partial(ours.stream, models[layer], stream),
            "skrnn, layer only": partial(ours.stream_layer, models[layer], stream),
        }
        table.add(layer, compete(contestants, options))
    return [table]
