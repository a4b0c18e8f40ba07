"""Train the network of a forecaster, with a guard that compares it with the naive."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, compress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skrnn._checkpoints import compare_processes, open_checkpoint, plain_epoch
from skrnn._devices import plain_torch
from skrnn._layers import check_engine
from skrnn._settings import DivergenceError, Settings
from skrnn._training import fit_module
from skrnn.forecasting._autoregressive import (
    N_ERRORS,
    AutoregressiveModule,
    begin_at,
    roll,
)
from skrnn.forecasting._heads import Point
from skrnn.forecasting._network import (
    History,
    Network,
    describe_history,
    draw_uniforms,
)
from skrnn.forecasting._walker import State
from skrnn.forecasting._windows import StepTable, WindowDataset

__all__ = ["own_loss", "train"]

LEVELS = np.array([0.05, 0.1, 0.25, 0.75, 0.9, 0.95])  # quantiles that judge a spread
SHARES = [0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.6, 2.0]  # of a spread
WIDER = [1.0, 1.1, 1.25, 1.4, 1.6, 2.0, 2.5, 3.0, 4.0, 5.0]
N_DRAWS = 200  # of each value, to judge how far they spread
ENOUGH = 6  # values to judge by
FEW = 10  # validation windows, too few to choose an epoch by
STEADY = 6  # values, before which the scale of a series is not worth learning from
ENOUGH_RUNS = 300  # free ones in a fit, from which on they are done less often
MOST_APART = 4  # updates, one of which runs freely
ANCHORS = 8  # of a window, from which a direct forecast learns


def train(network: Network, histories: list[History], settings: Settings) -> Network:
    """Train on all series and give back the network with its weights.

    With weights in ``network``, training goes on from them. The networks of an
    ensemble differ by their seeds, three for each; those that are worse than the
    value a season ago are left out, unless all are.
    """
    device = settings.device
    check_engine(network.config["engine"], device)
    checkpoint = settings.checkpoint
    plan = {**vars(network), "weights": None, "history": None}
    about = (settings, plan, network.weights, chain.from_iterable(histories))
    compare_processes(*about)
    if checkpoint is not None:
        checkpoint = open_checkpoint(*about)
        settings = replace(settings, checkpoint=checkpoint)
    described = []
    for history in histories:
        each, _, _ = describe_history(network, history)
        n_steps, season = len(history.values), network.lags[0]
        early = each.steps.n_seen < max(2, min(max(season, STEADY), n_steps // 3))
        known = each.known & ~torch.from_numpy(early)[:, None]
        described.append(each._replace(known=known))
    validate = settings.patience is not None
    with plain_torch(device):
        table = StepTable(described, network.lags, device)
        n_epochs = settings.max_epochs
        fitting, validation = cut_windows(network, table, validate, n_epochs)
        few = validation is not None and len(validation) < FEW
        modules, good, told = [], [], list[str]()
        record = list(network.history)
        for place in range(network.n_networks):
            one, n_told = network.part(place), len(told)
            own = replace(settings, seeds=settings.seeds[3 * place : 3 * place + 3])
            if validation is not None and few:
                module, net = fit_twice(one, table, fitting, validation, own, told)
            else:
                module, net = fit_guarded(one, fitting, validation, own, told)
                if validation is not None and net is not None:
                    module = better_of(one, module, validation, own, told)
            modules.append(module)
            stays = net is None and bool(one.weights)  # as it was: training diverged
            good.append(stays or len(told) == n_told)
            notes = [] if net is None else [plain_epoch(each) for each in net.history]
            if network.n_networks > 1:
                notes = [{"network": place, **note} for note in notes]
            record += notes
        if any(good):  # the others would only spoil the mean
            modules = list(compress(modules, good))
        settle_spread(modules, fitting, None if few else validation, settings.seeds[2])
        weights = stack_weights(modules)
    if len(told) == network.n_networks:
        warnings.warn(told[0], UserWarning, stacklevel=2)
    if checkpoint is not None:
        checkpoint.remove()
    n_networks = len(modules)
    return replace(network, n_networks=n_networks, weights=weights, history=record)


def stack_weights(modules: list[AutoregressiveModule]) -> dict[str, NDArray[Any]]:
    """Give the weights of all networks by name, with an axis of networks first."""
    states = [module.state_dict() for module in modules]
    return {
        name: np.stack([state[name].cpu().numpy() for state in states])
        for name in states[0]
    }


def fit_twice(
    network: Network,
    table: StepTable,
    fitting: WindowDataset,
    validation: WindowDataset,
    settings: Settings,
    told: list[str],
) -> tuple[AutoregressiveModule, Any]:
    """Try without the last values whether training helps; if so, train on all.

    A few windows are too few to choose an epoch by, and one odd year is too little to
    judge by: all windows that end in the last half of a series do. But the last values
    show how far draws must be spread: what was trained on looks surer than it is.
    """
    module, net = fit_guarded(network, fitting, None, settings, told)
    if net is None:
        return module, net
    judge, seed = last_half(network, table), settings.seeds[2]
    kept = better_of(network, module, judge, settings, told)
    spread = unseen_spread(kept, fitting, validation, seed)
    if kept is module:
        everything, _ = cut_windows(network, table, False, settings.max_epochs)
        kept, net = fit_guarded(network, everything, None, settings, told)
    kept.spread.fill_(spread)
    return kept, net


@torch.no_grad()
def unseen_spread(
    module: AutoregressiveModule,
    fitting: WindowDataset,
    unseen: WindowDataset,
    seed: int,
) -> float:
    """How many times as wide draws must be to fit the ends of windows; 1 at least."""
    distribution = module.distribution
    if distribution.counts:
        return 1.0
    module.spread.fill_(1.0)
    if isinstance(distribution, Point):
        measure_errors(module, fitting, seed)
    generator = np.random.default_rng(seed)
    errors, draws = [], []
    for inputs, _ in unseen.iterator(64):
        known = inputs["truth_known"][:, 0]
        for step, (centre, raw, target) in enumerate(ends_of(module, inputs)):
            ahead = 1 if module.decoder is None else step + 1
            shape = (N_DRAWS, *target.shape, distribution.n_uniforms)
            uniform = torch.from_numpy(generator.random(shape)).to(target.device)
            drawn = module.draw(centre, raw, uniform.clamp(1e-6, 1 - 1e-6), ahead=ahead)
            point = distribution.point(centre, raw)
            errors.append((target - point)[known[:, step]].double())
            draws.append((drawn - point)[:, known[:, step]].double())
    error, around = torch.cat(errors), torch.cat(draws, dim=1)
    if len(error) < ENOUGH:
        return 1.0
    levels = around.new_tensor(LEVELS)
    quantiles = torch.quantile(around, levels, dim=0)
    losses = [
        float(pinball(error, share * quantiles, levels[:, None]).mean())
        for share in WIDER
    ]
    return WIDER[int(np.argmin(losses))]


def ends_of(
    module: AutoregressiveModule, inputs: dict[str, Any]
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Centre, raw numbers and target (n, n_columns) of the last steps of windows."""
    hidden = module.encoder.initial_state(len(inputs["inputs"]))
    outputs, _ = module.encoder.advance(inputs["inputs"], hidden)
    extras, truth = inputs["extras"][:, 0], inputs["truth"][:, 0]
    if module.decoder is not None:
        begin = begin_at(inputs["state"], hidden)
        anchor = int(inputs["anchors"][0, 0])
        for part in module.look_far(outputs[:, anchor], begin, extras, truth):
            yield part[:3]
        return
    for step in range(-truth.shape[1], 0):
        known = module.extras_of(inputs["inputs"][:, step])
        centre, raw = module.read(outputs[:, step], inputs["scaled"][:, step], known)
        yield centre, raw, inputs["targets"][:, step]


def pinball(truth: Tensor, quantiles: Tensor, levels: Tensor) -> Tensor:
    """Loss of quantiles, elementwise."""
    error = truth - quantiles
    return torch.maximum(levels * error, (levels - 1) * error)


def cut_windows(
    network: Network, table: StepTable, validate: bool, max_epochs: int
) -> tuple[WindowDataset, WindowDataset | None]:
    """Say where windows end: all places, but the last ones validate."""
    horizon, longest = network.horizon, network.context + network.horizon
    shortest = horizon + 2
    enough = table.lengths >= shortest + horizon + max(2, network.lags[0])
    kept = np.where(enough & validate, horizon, 0)
    parts = []
    for place, length in enumerate(table.lengths):
        ends = np.arange(shortest, length - kept[place] + 1)
        parts.append((ends + table.begins[place], np.full(len(ends), place), ends))
    ends, series, steps = (np.concatenate(part) for part in zip(*parts, strict=True))
    n_apart = max(len(table.lengths), int(table.lengths.sum() // longest))
    n_batches = int(np.clip(3 + 0.09 * n_apart, 3, 30))
    n_runs = n_batches * max_epochs // ENOUGH_RUNS
    direct = network.config["n_ahead"] > 1
    fitting = WindowDataset(
        table,
        ends,
        series,
        np.minimum(steps, longest),
        horizon,
        n_batches=n_batches,
        n_anchors=ANCHORS if direct else 1,
        free_every=1 if direct else int(np.clip(n_runs, 1, MOST_APART)),
    )
    places = np.flatnonzero(kept)
    if len(places) == 0:
        return fitting, None
    lengths = np.minimum(table.lengths[places], longest)
    return fitting, WindowDataset(
        table, table.begins[places + 1], places, lengths, horizon
    )


def last_half(network: Network, table: StepTable) -> WindowDataset:
    """All windows that end in the last half of a series."""
    horizon, longest = network.horizon, network.context + network.horizon
    parts = []
    for place, length in enumerate(table.lengths):
        ends = np.arange(max(horizon + 2, length // 2), length + 1)
        parts.append((ends + table.begins[place], np.full(len(ends), place), ends))
    ends, series, steps = (np.concatenate(part) for part in zip(*parts, strict=True))
    return WindowDataset(table, ends, series, np.minimum(steps, longest), horizon)


def fit_guarded(
    network: Network,
    fitting: WindowDataset,
    validation: WindowDataset | None,
    settings: Settings,
    told: list[str],
) -> tuple[AutoregressiveModule, Any]:
    """Train; where that diverges, with a tenth of the rate, and then not at all.

    What users should hear of is ``told``.
    """
    if validation is None:
        settings = replace(settings, patience=None)
    for share in (1.0, 0.1, 0.01):
        module = fresh(network, settings)
        try:
            net = fit_module(
                module, fitting, validation, replace(settings, lr=settings.lr * share)
            )
        except DivergenceError:
            continue
        return module.eval(), net
    result = "the forecasts are those of the value a season ago"
    if network.weights:
        result = "what was learned before stays as it was"
    told.append(
        f"Training diverged with lr={settings.lr}, a tenth and a hundredth of it: "
        f"{result}. Look for values that are out of all proportion in y or X, or try a "
        "smaller lr."
    )
    return fresh(network, settings).eval(), None


def fresh(network: Network, settings: Settings) -> AutoregressiveModule:
    """Build a module with new weights, or with those learned before."""
    module = network.module(settings.device)
    if not network.weights:
        module.initialize(torch.Generator().manual_seed(settings.seeds[0]))
        module.to(settings.device)
    return module


@torch.no_grad()
def free_error(module: AutoregressiveModule, windows: WindowDataset) -> float:
    """Mean absolute error of a free run, in units of the scale."""
    total = count = 0.0
    for inputs, _ in windows.iterator(64):
        state = start_of(module, inputs)
        extras, truth = inputs["extras"][:, 0], inputs["truth"][:, 0]
        path = torch.stack(list(roll(module, state, extras.unbind(1))), 1)
        known = inputs["truth_known"][:, 0]
        error = ((path - truth) / state.scale[:, None]).abs()
        total += float(error[known].sum())
        count += float(known.sum())
    return total / max(count, 1.0)


def start_of(module: AutoregressiveModule, inputs: dict[str, Any]) -> State:
    """Encode the context of windows: the state in which their free run begins."""
    horizon = inputs["truth"].shape[2]
    context = inputs["inputs"][:, :-horizon]
    hidden = module.encoder.initial_state(len(context))
    _, hidden = module.encoder.advance(context, hidden)
    return begin_at(inputs["state"], hidden)


def better_of(
    network: Network,
    module: AutoregressiveModule,
    validation: WindowDataset,
    settings: Settings,
    told: list[str],
) -> AutoregressiveModule:
    """Fall back to the seasonal naive forecast where training made it worse."""
    naive = replace(network, weights={}).module(settings.device)
    naive.initialize(torch.Generator().manual_seed(settings.seeds[0]))
    naive.to(settings.device).eval()
    trained, untrained = free_error(module, validation), free_error(naive, validation)
    if trained <= 1.05 * untrained:
        return module
    told.append(
        "On the last values the trained network is worse than the "
        f"value a season ago (mean absolute error {trained:.3g} against "
        f"{untrained:.3g}, in units of usual changes): the forecasts are those of the "
        "value a season ago. Longer series, more of them, or another sp may help."
    )
    return naive


@torch.no_grad()
def settle_spread(
    modules: list[AutoregressiveModule],
    fitting: WindowDataset,
    validation: WindowDataset | None,
    seed: int,
) -> None:
    """Measure the errors of point losses; widen or narrow draws to fit validation."""
    distribution = modules[0].distribution
    if isinstance(distribution, Point):
        for module in modules:
            measure_errors(module, fitting, seed)
    if distribution.counts or validation is None:
        return
    if len(validation) * validation.horizon < 100:  # too few to judge by
        return
    losses: dict[int, float] = {}

    def loss(place: int) -> float:
        if place not in losses:
            share = SHARES[place]
            losses[place] = spread_loss(modules, validation, share, seed)
        return losses[place]

    best = SHARES.index(1.0)  # the loss falls towards its minimum, then rises
    while best + 1 < len(SHARES) and loss(best + 1) < loss(best):
        best += 1
    while best > 0 and loss(best - 1) < loss(best):
        best -= 1
    for module in modules:
        module.spread.fill_(SHARES[best])


@torch.no_grad()
def measure_errors(
    module: AutoregressiveModule, windows: WindowDataset, seed: int
) -> None:
    """Keep quantiles of the errors of a point loss, for each step that it looks on."""
    found: list[list[Tensor]] = [[] for _ in module.errors]
    rows = np.random.default_rng(seed).permutation(len(windows))[:512]
    for part in np.array_split(rows, max(1, len(rows) // 64)):
        inputs, _ = windows.batch(part)
        hidden = module.encoder.initial_state(len(part))
        outputs, _ = module.encoder.advance(inputs["inputs"], hidden)
        if module.decoder is None:
            extras = module.extras_of(inputs["inputs"])
            centre, raw = module.read(outputs, inputs["scaled"], extras)
            errors = inputs["targets"] - module.distribution.point(centre, raw)
            found[0].append(errors[inputs["known"]].double())
            continue
        outputs = outputs[:, inputs["anchors"][0]].flatten(0, 1)
        begin = begin_at(inputs["state"], hidden)
        extras, truth = inputs["extras"].flatten(0, 1), inputs["truth"].flatten(0, 1)
        known = inputs["truth_known"].flatten(0, 1)
        ahead = module.look_far(outputs, begin, extras, truth)
        for step, (centre, raw, target, _) in enumerate(ahead):
            errors = target - module.distribution.point(centre, raw)
            found[step].append(errors[known[:, step]].double())
    for step, parts in enumerate(found):
        together = torch.cat(parts)
        if len(together):
            levels = (torch.arange(N_ERRORS) + 0.5).to(together) / N_ERRORS
            module.errors[step] = torch.quantile(together[:100_000], levels)


@torch.no_grad()
def spread_loss(
    modules: list[AutoregressiveModule],
    windows: WindowDataset,
    spread: float,
    seed: int,
) -> float:
    """Mean pinball loss of sampled paths at some quantiles, in units of the scale."""
    for module in modules:
        module.spread.fill_(spread)
    n_paths, n_most = max(50, 20 * len(modules)), 200
    choice = np.random.default_rng(seed).permutation(len(windows))[:n_most]
    total = 0.0
    for rows in np.array_split(choice, max(1, len(choice) // 80)):
        inputs, _ = windows.batch(rows)
        generator = np.random.default_rng(seed)
        paths = []
        for module in modules:
            state = start_of(module, inputs)
            each = torch.arange(len(rows), device=state.scale.device)
            each = each.repeat_interleave(n_paths // len(modules))
            uniforms = draw_uniforms(
                module, [generator], len(each), windows.horizon, state.scale.device
            )
            ahead = inputs["extras"][each, 0].unbind(1)
            path = torch.stack(list(roll(module, state.take(each), ahead, uniforms)), 1)
            paths.append(path.view(len(rows), -1, *path.shape[1:]))
        draws = torch.cat(paths, dim=1).movedim(1, -1)
        levels = draws.new_tensor(LEVELS)
        quantiles = torch.quantile(draws.contiguous(), levels, dim=-1)
        truth = inputs["truth"][:, 0]
        losses = pinball(truth, quantiles, levels[:, None, None, None])
        losses = losses / state.scale[:, None]
        known = inputs["truth_known"][:, 0]
        total += float((losses * known).sum())
    return total


def own_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Take what the module gives, which is the loss of each window."""
    return outputs
