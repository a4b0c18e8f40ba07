"""Training: sequences of equal length, of different lengths, and a grid search."""

import itertools
import time
from functools import partial

import by_hand
import numpy as np
import ours
import torch
from contest import Table, all_cores, compete
from peers import installed, make_keras, make_skorch, silence
from sklearn.model_selection import GridSearchCV, KFold

N_FEATURES = 8
GRID = {"n_steps": [32, 128], "hidden_size": [32, 64, 128], "batch_size": [32, 256]}
TINY = {"n_steps": [8], "hidden_size": [16], "batch_size": [32]}
LAYERS = ["LSTM", "GRU"]
KERAS = "Keras (JAX)"


def make_data(n, n_steps):
    X = np.random.default_rng(0).normal(size=(n, n_steps, N_FEATURES))
    X = X.astype(np.float32)
    return X, X.sum(axis=(1, 2)) / n_steps


def training(options):
    """Sequences of equal length."""
    peers = installed([KERAS], options) if options.device == "cpu" else []
    table = Table(
        "Training",
        f"T steps of {N_FEATURES} features, H hidden units, batches of B; a fit of two "
        "epochs. skrnn also clips gradients, schedules the learning rate and watches "
        "for NaN. Keras is compiled before.",
        ["hand loop", "skorch", *peers, *ours.engines()],
    )
    sizes = TINY if options.quick else GRID
    for layer, *size in itertools.product(LAYERS, *sizes.values()):
        contestants = fits(layer, *size, options, peers)
        with silence():
            ratios = compete(contestants, options)
        table.add("{} T={} H={} B={}".format(layer, *size), ratios)
    table.add_mean()
    return [table]


def fits(layer, n_steps, hidden_size, batch_size, options, peers):
    """The contestants that fit one network, by name."""
    n = 64 if options.quick else {32: 2048, 128: 1024}[n_steps]
    X, y = make_data(n, n_steps)
    x, targets = (torch.from_numpy(each).to(options.device) for each in (X, y[:, None]))
    skorch = make_skorch(
        layer, hidden_size, batch_size, N_FEATURES, options.device, max_epochs=2
    )
    network = layer, hidden_size
    contestants = {
        "hand loop": partial(by_hand.fit, *network, batch_size, x, targets, 2),
        "skorch": partial(skorch.fit, X, y[:, None]),
    }
    if KERAS in peers:
        with silence():
            keras = make_keras(layer, hidden_size, n_steps, N_FEATURES)
        contestants[KERAS] = partial(
            keras.fit, X, y[:, None], batch_size=batch_size, epochs=2, verbose=0
        )
    for name, params in ours.engines().items():
        model = ours.make_regressor(
            *network,
            batch_size=batch_size,
            max_epochs=2,
            device=options.device,
            **params,
        )
        contestants[name] = partial(model.fit, X, y)
    return contestants


def make_ragged(n):
    """Sequences of 5 to 200 steps, 55 on average."""
    random = np.random.default_rng(0)
    n_steps = np.minimum(random.geometric(1 / 52, size=n) + 4, 200)
    n_steps[0] = 200
    X = [random.normal(size=(t, N_FEATURES)).astype(np.float32) for t in n_steps]
    return X, np.array([x.mean() for x in X], dtype=np.float32)


def lengths(options):
    """Sequences of different lengths."""
    ways = ["pad to longest", "pad each batch", "pack"]
    table = Table(
        "Training on sequences of different lengths",
        "1024 sequences of 5 to 200 steps, 55 on average, H=64, two epochs. By hand: "
        "all padded to the longest once; each batch to its own longest; each batch "
        "packed. skrnn: the lists as they are.",
        [*ways, *ours.engines()],
    )
    n, hidden_size = (32, 16) if options.quick else (1024, 64)
    X, y = make_ragged(n)
    x, targets = [torch.from_numpy(each) for each in X], torch.from_numpy(y)[:, None]
    for layer, batch_size in itertools.product(LAYERS, [32, 128]):
        network = layer, hidden_size, batch_size
        contestants = {
            way: partial(by_hand.fit_ragged, *network, x, targets, 2, way)
            for way in ways
        }
        for name, params in ours.engines().items():
            model = ours.make_regressor(
                layer, hidden_size, batch_size=batch_size, max_epochs=2, **params
            )
            contestants[name] = partial(model.fit, X, y)
        table.add(f"{layer} B={batch_size}", compete(contestants, options))
        if options.quick:
            break
    return [table]


RATES = [3e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2]


def search(options):
    """A grid search of scikit-learn."""
    n, n_steps, hidden_size, epochs = (
        (48, 8, 8, 1) if options.quick else (960, 32, 32, 5)
    )
    X, y = make_data(n, n_steps)
    searches = {
        layer: partial(make_search, layer, hidden_size, epochs) for layer in LAYERS
    }
    table = Table(
        "Grid search",
        f"6 learning rates x 3 folds, {epochs} epochs each, against the same fits and "
        "predictions by hand.",
        ["hand loop", "GridSearchCV"],
    )
    for layer, make in searches.items():
        contestants = {
            "hand loop": partial(search_by_hand, layer, hidden_size, epochs, X, y),
            "GridSearchCV": partial(make(n_jobs=1).fit, X, y),
        }
        table.add(layer, compete(contestants, options))
    on_two = Table(
        "Grid search on two cores",
        "The same search with `n_jobs=2` against `n_jobs=1`: time on the wall, all "
        "cores. It means something only where nothing else runs.",
        ["`n_jobs=1`", "`n_jobs=2`"],
    )
    with all_cores(options):
        for layer, make in searches.items():
            contestants = {
                f"`n_jobs={n_jobs}`": partial(make(n_jobs=n_jobs).fit, X, y)
                for n_jobs in (1, 2)
            }
            ratios = compete(contestants, options, clock=time.perf_counter)
            on_two.add(layer, ratios)
    return [table, on_two]


def make_search(layer, hidden_size, epochs, n_jobs):
    model = ours.make_regressor(layer, hidden_size, max_epochs=epochs)
    return GridSearchCV(model, {"lr": RATES}, cv=3, n_jobs=n_jobs, refit=False)


def search_by_hand(layer, hidden_size, epochs, X, y):
    x, targets = torch.from_numpy(X), torch.from_numpy(y)[:, None]
    for lr, (train, test) in itertools.product(RATES, KFold(3).split(X)):
        module = by_hand.fit(
            layer, hidden_size, 32, x[train], targets[train], epochs, lr
        )
        errors = by_hand.predict(module, x[test]) - y[test, None]
        np.mean(errors**2)
