"""Forecasters: time of an update, of point forecasts, and of sampled paths."""

from functools import partial

import by_hand
import numpy as np
import ours
import torch
from contest import Table, compete, seconds_per_update
from peer_forecasters import FORECASTERS, Task
from peers import installed, silence

LAYERS = ["LSTM", "GRU"]
BY_HAND = "hand loop"


def make_series(n_series, n_times):
    """Waves with noise that adds up."""
    noise = np.random.default_rng(0).normal(scale=0.02, size=(n_series, n_times))
    return np.sin(np.arange(n_times) / 4) + noise.cumsum(axis=1)


def make_task(layer, options):
    if options.quick:
        sizes = {"hidden_size": 8, "context": 12, "horizon": 4, "n_paths": 5}
        return Task(make_series(20, 40), layer, **sizes)
    return Task(make_series(200, 150), layer)


class Hand:
    layers = ("LSTM", "GRU")

    def __init__(self, task):
        self.task = task
        self.values = torch.from_numpy(task.values.astype(np.float32))

    def fit(self, n_updates):
        task = self.task
        self.module = by_hand.fit_forecaster(
            task.layer,
            task.hidden_size,
            task.batch_size,
            self.values,
            task.context + task.horizon,
            n_updates,
        )

    def forecast(self):
        context = self.values[:, -self.task.context :]
        by_hand.forecast(self.module, context, self.task.horizon)

    def prepare_paths(self):
        self.fit(2)

    def roll_out(self):
        task = self.task
        context = self.values[:, -task.context :]
        by_hand.roll_out(
            self.module, context, task.horizon, task.n_paths, list(task.levels)
        )


class Skrnn:
    layers = ("LSTM", "GRU")

    def __init__(self, task, **params):
        self.task, self.params = task, params
        self.panel = ours.make_panel(task.values)
        self.steps = range(1, task.horizon + 1)

    def fit(self, n_updates):
        task = self.task
        self.model = ours.make_forecaster(
            task.layer,
            task.hidden_size,
            task.batch_size,
            task.context,
            task.horizon,
            max_epochs=-(-n_updates // 30),  # an epoch has up to 30 updates
            num_samples=task.n_paths,
            **self.params,
        )
        self.model.fit(self.panel)

    def forecast(self):
        self.model.predict(self.steps)

    def prepare_paths(self):
        self.fit(1)

    def roll_out(self):
        self.model.predict_quantiles(self.steps, alpha=list(self.task.levels))


def contestants(options):
    """Classes by name: the hand-written one first, ours last."""
    peers = {name: FORECASTERS[name] for name in installed(FORECASTERS, options)}
    own = {name: partial(Skrnn, **params) for name, params in ours.engines().items()}
    return {BY_HAND: Hand, **peers, **own}


def able(kinds, method):
    """Those that have a method."""
    plain = {n: k.func if isinstance(k, partial) else k for n, k in kinds.items()}
    return {name: kinds[name] for name in kinds if hasattr(plain[name], method)}


def contest(table, kinds, options, prepare, run_of):
    """Fill a table: each contestant is made and prepared, then they take turns."""
    for layer in LAYERS:
        task = make_task(layer, options)
        with silence():
            made = {name: kind(task) for name, kind in kinds.items()}
            made = {name: each for name, each in made.items() if layer in each.layers}
            for each in made.values():
                prepare(each)
            runs = {name: run_of(each) for name, each in made.items()}
            table.add(layer, compete(runs, options))
    return table


def forecasting(options):
    """Training and forecasts of a panel."""
    kinds = contestants(options)
    n_updates = 4 if options.quick else 60
    size = "200 series of 150 values, 48 steps of context, 24 of horizon, H=64"
    updates = Table(
        "Training forecasters",
        f"{size}, batches of 32 windows: time from update to update. The networks "
        "differ. A window of skrnn also runs freely over its last 24 steps.",
        list(kinds),
    )
    contest(
        updates,
        kinds,
        options,
        prepare=lambda each: None,
        run_of=lambda each: partial(seconds_per_update, partial(each.fit, n_updates)),
    )
    pointwise = able(kinds, "forecast")
    points = Table(
        "Point forecasts",
        f"{size}: forecasts of all series. skrnn has read them in fit.",
        list(pointwise),
    )
    contest(
        points,
        pointwise,
        options,
        prepare=lambda each: each.fit(2),
        run_of=lambda each: each.forecast,
    )
    sampling = able(kinds, "roll_out")
    paths = Table(
        "Sampled paths",
        f"{size}: 100 paths of each series, and three quantiles of each step. By hand, "
        "all paths run together.",
        list(sampling),
    )
    contest(
        paths,
        sampling,
        options,
        prepare=lambda each: each.prepare_paths(),
        run_of=lambda each: each.roll_out,
    )
    return [updates, points, paths]
