"""Train the network of a forecaster, read series with it, and roll it out."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skrnn._devices import plain_torch, resolve_device
from skrnn._training import DivergenceError, Settings, fit_module, plain_epoch
from skrnn.forecasting._autoregressive import (
    N_ERRORS,
    AutoregressiveModule,
    State,
    begin_at,
    encode,
    roll,
)
from skrnn.forecasting._heads import Point
from skrnn.forecasting._levels import (
    Carry,
    Steps,
    fill_missing,
    memory_of,
    read_steps,
)
from skrnn.forecasting._windows import (
    Described,
    StepTable,
    WindowDataset,
    describe_steps,
)

__all__ = ["History", "Network", "Standing", "read_on", "train", "walk"]

Array = NDArray[np.float64]
ROWS_AT_ONCE = 2000  # of a roll-out: series times paths
FEW = 10  # validation windows, too few to choose an epoch by
ANCHORS = 8  # of a window, from which a direct forecast learns
STEPS_DRAWN = 64  # whose uniform numbers are drawn together


@dataclass
class Network:
    """All that was learned, as plain numbers and arrays, and how to read a series."""

    config: dict[str, Any]
    lags: tuple[int, ...]  # the first is the season
    log: bool  # whether the network sees log(1 + y)
    horizon: int  # steps of the free run in training
    context: int  # steps before it
    past: list[int]  # places of the exogenous numbers that a free run does not know
    weights: dict[str, NDArray[Any]] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)

    def module(self, device: torch.device) -> AutoregressiveModule:
        """Build the module, with the weights if there are any."""
        module = AutoregressiveModule(**self.config)
        if self.weights:
            module.to_empty(device=device)
            arrays = {n: torch.from_numpy(w.copy()) for n, w in self.weights.items()}
            module.load_state_dict(arrays)
        return module.eval()

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the encoder."""
        kind: torch.dtype = getattr(torch, self.config["dtype"])
        return kind

    def to_inside(self, values: Array) -> Array:
        """Transform values to what the network works on."""
        return np.log1p(values) if self.log else values

    def to_outside(self, values: Array) -> Array:
        """Transform back."""
        if not self.log:
            return values
        with np.errstate(over="ignore"):
            outside: Array = np.expm1(values)
        return outside


class History(NamedTuple):
    """Values (n_steps, n_columns) of one series, exogenous numbers (n_steps, n)."""

    values: Array
    extras: Array


class Standing(NamedTuple):
    """Where one series stands after what was read of it; plain arrays."""

    carry: Carry
    missing: NDArray[np.bool_]  # whether the last value was
    hidden: NDArray[Any]  # (num_layers, 1 or 2, hidden_size)


def describe_history(
    network: Network, history: History, standing: Standing | None = None
) -> tuple[Described, Carry, NDArray[np.bool_]]:
    """Describe every step of a series, or of what comes after ``standing``."""
    carry = None if standing is None else standing.carry
    past = None if carry is None else carry.values
    values = network.to_inside(history.values)
    filled, missing = fill_missing(values, network.lags[0], past)
    steps, after = read_steps(filled, network.lags, carry)
    first = np.zeros(values.shape[1], bool) if standing is None else standing.missing
    missing_before = np.concatenate([first[None], missing])
    free = history.extras.copy()
    free[:, network.past] = 0.0
    described = describe_steps(
        steps, missing_before[:-1], missing, history.extras, free, network.dtype
    )
    return described, after, missing_before[-1]


@torch.inference_mode()
def read_on(
    network: Network,
    histories: list[History],
    standings: list[Standing] | None,
    device: torch.device,
) -> tuple[list[Standing], list[Described], list[Tensor]]:
    """Read series from where they stand (None: from their beginning)."""
    module = network.module(device)
    before = standings or [None] * len(histories)
    read = [
        describe_history(network, history, standing)
        for history, standing in zip(histories, before, strict=True)
    ]
    if standings is None:
        hidden = module.encoder.initial_state(len(histories))
    else:
        arrays = np.stack([standing.hidden for standing in standings], axis=2)
        hidden = torch.from_numpy(arrays).to(device)
    described = [each for each, _, _ in read]
    inputs = [each.inputs.to(device) for each in described]
    hidden, outputs = encode(module, inputs, hidden, keep=True)
    arrays = hidden.cpu().numpy()
    after = [
        Standing(carry, missing, arrays[:, :, place].copy())
        for place, (_, carry, missing) in enumerate(read)
    ]
    return after, described, outputs


def state_of(
    network: Network, standings: list[Standing], device: torch.device
) -> State:
    """Stack the standings of series to the state of a roll-out."""
    one_step = np.zeros((1, network.config["n_columns"]))
    carries, scales = [], []
    for standing in standings:  # the scale is that of a step that comes now
        steps, _ = read_steps(one_step, network.lags, standing.carry)
        carries.append(standing.carry)
        scales.append(steps.scale[0])

    def stack(arrays: list[Any]) -> Tensor:
        return torch.from_numpy(np.stack(arrays)).to(device)

    counts = np.array([[float(carry.count)] for carry in carries])
    return State(
        hidden=stack([standing.hidden for standing in standings]).permute(1, 2, 0, 3),
        values=stack([carry.values for carry in carries]),
        levels=stack([carry.levels for carry in carries]),
        fast=stack([carry.fast for carry in carries]),
        trend=stack([carry.trend for carry in carries]),
        scale=stack(scales),
        size=stack([carry.size for carry in carries]),
        count=torch.from_numpy(counts).to(device),
    )


def generator_of(seed: int, key: tuple[Any, ...], *more: int) -> np.random.Generator:
    """Give each series its own random numbers, whatever its place and company."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, "little"), *more])


@torch.inference_mode()
def walk(
    network: Network,
    keys: list[tuple[Any, ...]],
    standings: list[Standing],
    extras: list[Array],
    wanted: list[NDArray[np.int64]],
    reduce: Callable[[Array], Array],
    n_paths: int,
    seed: int,
    device: torch.device,
) -> list[Array]:
    """Roll out series: for each, what ``reduce`` makes of its wanted steps.

    ``wanted`` counts from 0, the step after the last value. ``reduce`` maps draws
    (n_paths, n_columns) of one step and series to an array; ``n_paths=0`` gives it the
    point forecast (1, n_columns). Nothing but its results is kept.
    """
    module = network.module(device)
    per_block = max(1, ROWS_AT_ONCE // max(1, n_paths))
    results: list[Array] = []
    for begin in range(0, len(keys), per_block):
        block = slice(begin, begin + per_block)
        state = state_of(network, standings[block], device)
        n_series, n_rows = len(keys[block]), max(1, n_paths)
        rows = torch.arange(n_series, device=device).repeat_interleave(n_rows)
        n_steps = max(int(steps.max(initial=-1)) + 1 for steps in wanted[block])
        uniforms = None
        if n_paths:
            generators = [generator_of(seed, key) for key in keys[block]]
            uniforms = draw_uniforms(module, generators, n_paths, device)
        ahead = step_extras(extras[block], n_steps, rows, network.dtype, device)
        found: list[dict[int, Array]] = [{} for _ in range(n_series)]
        asked = [set(steps.tolist()) for steps in wanted[block]]
        for step, new in enumerate(roll(module, state.take(rows), ahead, uniforms)):
            values = new.view(n_series, n_rows, -1).cpu().numpy()
            for place, steps in enumerate(asked):
                if step in steps:
                    found[place][step] = reduce(network.to_outside(values[place]))
        for place, steps in enumerate(wanted[block]):
            results.append(np.stack([found[place][step] for step in steps.tolist()]))
    return results


def step_extras(
    extras: list[Array],
    n_steps: int,
    rows: Tensor,
    dtype: torch.dtype,
    device: torch.device,
) -> Iterator[Tensor]:
    """Give the exogenous numbers of each step, one row for each path."""
    for step in range(n_steps):  # a series that ends earlier stays at its last ones
        now = np.stack([each[min(step, len(each) - 1)] for each in extras])
        yield torch.from_numpy(now).to(device, dtype)[rows]


def draw_uniforms(
    module: AutoregressiveModule,
    generators: list[np.random.Generator],
    n_paths: int,
    device: torch.device,
) -> Iterator[Tensor]:
    """Give uniform numbers (n_series * n_paths, n_columns, n_uniforms) step by step."""
    shape = (n_paths, module.config["n_columns"], module.distribution.n_uniforms)
    while True:
        drawn = np.stack([each.random((STEPS_DRAWN, *shape)) for each in generators], 1)
        drawn = np.clip(drawn, 1e-12, 1.0 - 1e-12)
        yield from torch.from_numpy(drawn.reshape(STEPS_DRAWN, -1, *shape[1:])).to(device)


@torch.inference_mode()
def look_back(
    network: Network,
    key: tuple[Any, ...],
    described: Described,
    outputs: Tensor,
    places: NDArray[np.int64],
    reduce: Callable[[Array], Array],
    n_paths: int,
    seed: int,
    device: torch.device,
) -> Array:
    """Forecasts of known steps of one series, each one step ahead."""
    module, steps = network.module(device), described.steps
    scaled = described.scaled.to(device).double()
    centre, raw = module.look_ahead(outputs, scaled, described.extras.to(device))
    origin = torch.from_numpy(steps.origin).to(device)
    scale = torch.from_numpy(steps.scale).to(device)
    shape = (max(1, n_paths), module.config["n_columns"])
    results = []
    for place in places.tolist():
        uniform = None
        if n_paths:
            generator = generator_of(seed, key, place)
            drawn = generator.random((*shape, module.distribution.n_uniforms))
            uniform = torch.from_numpy(np.clip(drawn, 1e-12, 1 - 1e-12)).to(device)
        units = (origin[place] / scale[place], scale[place])
        draw = module.draw(centre[place], raw[place], uniform, *units)
        values = (origin[place] + scale[place] * draw).expand(shape)
        results.append(reduce(network.to_outside(values.cpu().numpy())))
    return np.stack(results)


# --- training ---------------------------------------------------------------------


def train(network: Network, histories: list[History], settings: Settings) -> Network:
    """Train on all series and give back the network with its weights.

    With weights in ``network``, training goes on from them.
    """
    device = resolve_device(str(settings.device))
    described = []
    for history in histories:
        each, _, _ = describe_history(network, history)
        n_steps, season = len(history.values), network.lags[0]
        early = each.steps.count < max(2, min(season, n_steps // 3))
        known = each.known & ~torch.from_numpy(early)[:, None]
        described.append(each._replace(known=known))
    validate = settings.patience is not None
    with plain_torch(device):
        table = StepTable(described, network.lags, device)
        fitting, validation = cut_windows(network, table, validate)
        if validation is not None and len(validation) < FEW:
            module, net = fit_module_twice(
                network, table, fitting, validation, settings, device
            )
        else:
            module, net = fit_guarded(network, fitting, validation, settings, device)
            if validation is not None and net is not None:
                module = better_of(network, module, validation, settings, device)
        settle_spread(module, fitting, validation, settings.seeds[2])
        weights = {n: w.cpu().numpy() for n, w in module.state_dict().items()}
    notes = [] if net is None else [plain_epoch(epoch) for epoch in net.history]
    return replace(network, weights=weights, history=network.history + notes)


def fit_module_twice(
    network: Network,
    table: StepTable,
    fitting: WindowDataset,
    validation: WindowDataset,
    settings: Settings,
    device: torch.device,
) -> tuple[AutoregressiveModule, Any]:
    """Try without the last values whether training helps; if so, train on all.

    A few windows are too few to choose an epoch by, but the last values count.
    """
    module, net = fit_guarded(network, fitting, None, settings, device)
    if net is None:
        return module, net
    kept = better_of(network, module, validation, settings, device)
    if kept is not module:
        return kept, net
    everything, _ = cut_windows(network, table, validate=False)
    return fit_guarded(network, everything, None, settings, device)


def cut_windows(
    network: Network, table: StepTable, validate: bool = True
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
    fitting = WindowDataset(
        table,
        ends,
        series,
        np.minimum(steps, longest),
        horizon,
        n_batches=int(np.clip(3 + 0.09 * n_apart, 3, 30)),
        n_anchors=1 if network.config["n_ahead"] == 1 else ANCHORS,
    )
    places = np.flatnonzero(kept)
    if len(places) == 0:
        return fitting, None
    lengths = np.minimum(table.lengths[places], longest)
    return fitting, WindowDataset(
        table, table.begins[places + 1], places, lengths, horizon
    )


def fit_guarded(
    network: Network,
    fitting: WindowDataset,
    validation: WindowDataset | None,
    settings: Settings,
    device: torch.device,
) -> tuple[AutoregressiveModule, Any]:
    """Train; where that diverges, with a tenth of the rate, and then not at all."""
    if validation is None:
        settings = replace(settings, patience=None)
    for share in (1.0, 0.1, 0.01):
        module = fresh(network, settings, device)
        try:
            net = fit_module(
                module, fitting, validation, replace(settings, lr=settings.lr * share)
            )
        except DivergenceError:
            continue
        return module.eval(), net
    warnings.warn(
        f"Training diverged with lr={settings.lr}, a tenth and a hundredth of it: the "
        "forecasts are those of the value a season ago. Look for values that are out of "
        "all proportion in y or X, or try a smaller lr.",
        UserWarning,
        stacklevel=2,
    )
    return fresh(network, settings, device).eval(), None


def fresh(
    network: Network, settings: Settings, device: torch.device
) -> AutoregressiveModule:
    """Build a module with new weights, or with those learned before."""
    module = network.module(device)
    if not network.weights:
        module.initialize(torch.Generator().manual_seed(settings.seeds[0]))
        module.to(device)
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
    device: torch.device,
) -> AutoregressiveModule:
    """Fall back to the seasonal naive forecast where training made it worse."""
    naive = network.module(device)
    naive.initialize(torch.Generator().manual_seed(settings.seeds[0]))
    naive.to(device).eval()
    trained, untrained = free_error(module, validation), free_error(naive, validation)
    if trained <= 1.05 * untrained:
        return module
    warnings.warn(
        f"On the last {network.horizon} values the trained network is worse than the "
        f"value a season ago (mean absolute error {trained:.3g} against "
        f"{untrained:.3g}, in units of usual changes): the forecasts are those of the "
        "value a season ago. Longer series, more of them, or another sp may help.",
        UserWarning,
        stacklevel=2,
    )
    return naive


@torch.no_grad()
def settle_spread(
    module: AutoregressiveModule,
    fitting: WindowDataset,
    validation: WindowDataset | None,
    seed: int,
) -> None:
    """Measure the errors of point losses; widen or narrow draws to fit validation."""
    if isinstance(module.distribution, Point):
        measure_errors(module, fitting, seed)
    if module.distribution.counts or validation is None:
        return
    if len(validation) * validation.horizon < 100:  # too few to judge by
        return
    shares = [0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.6, 2.0]
    losses = [spread_loss(module, validation, share, seed) for share in shares]
    module.spread.fill_(shares[int(np.argmin(losses))])


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
            centre, raw = module.read(outputs, inputs["scaled"])
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
            levels = torch.linspace(0, 1, N_ERRORS).to(together)
            module.errors[step] = torch.quantile(together[:100_000], levels)


@torch.no_grad()
def spread_loss(
    module: AutoregressiveModule, windows: WindowDataset, spread: float, seed: int
) -> float:
    """Mean pinball loss of sampled paths at some quantiles, in units of the scale."""
    module.spread.fill_(spread)
    n_paths, n_most = 50, 200
    choice = np.random.default_rng(seed).permutation(len(windows))[:n_most]
    levels = torch.tensor([0.05, 0.1, 0.25, 0.75, 0.9, 0.95], dtype=torch.float64)
    total = 0.0
    for rows in np.array_split(choice, max(1, len(choice) // 40)):
        inputs, _ = windows.batch(rows)
        state = start_of(module, inputs)
        each = torch.arange(len(rows), device=state.scale.device)
        each = each.repeat_interleave(n_paths)
        generator = np.random.default_rng(seed)
        uniforms = draw_uniforms(module, [generator], len(each), state.scale.device)
        ahead = inputs["extras"][each, 0].unbind(1)
        path = torch.stack(list(roll(module, state.take(each), ahead, uniforms)), 1)
        draws = path.view(len(rows), n_paths, *path.shape[1:])
        levels = levels.to(draws.device)
        quantiles = torch.quantile(draws, levels, dim=1)
        error = (inputs["truth"][:, 0] - quantiles) / state.scale[:, None]
        weights = levels[:, None, None, None]
        losses = torch.maximum(weights * error, (weights - 1) * error)
        known = inputs["truth_known"][:, 0]
        total += float((losses * known).sum())
    return total
