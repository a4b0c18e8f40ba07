"""What a forecaster has learned; reading series with it, and rolling it out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skrnn._devices import plain_torch
from skrnn.forecasting._autoregressive import (
    AutoregressiveModule,
    encode,
    roll,
)
from skrnn.forecasting._levels import Carry, fill_missing, read_steps
from skrnn.forecasting._walker import State
from skrnn.forecasting._windows import (
    Described,
    describe_steps,
)

__all__ = ["History", "Network", "Standing", "describe_history", "draw_uniforms"]
__all__ += ["look_back", "read_on", "walk"]

Array = NDArray[np.float64]
COUNTS = ("poisson", "negative_binomial")
ROWS_AT_ONCE = 2000  # of a roll-out: series times paths
SMALLEST = 1e-12  # uniform number: 0 and 1 would be infinitely far off
STEPS_DRAWN = 64  # whose uniform numbers are drawn together


@dataclass
class Network:
    """All that was learned, as plain numbers and arrays, and how to read a series."""

    config: dict[str, Any]
    lags: tuple[int, ...]  # the first is the season
    horizon: int  # steps of the free run in training
    context: int  # steps before it
    log: bool  # whether the network sees log(1 + y)
    lowest: float  # of what a network with logs forecasts
    unit: float  # usual change from value to value, inside
    frequency: str  # of the times, "" for integers
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

    def to_outside(self, values: Array, drawn: bool = False) -> Array:
        """Transform back; draws of counts are whole numbers."""
        if self.config["loss"] in COUNTS and drawn:
            return np.maximum(np.round(values), 0.0)
        if not self.log:
            return values
        with np.errstate(over="ignore"):
            outside: Array = np.expm1(values)
        return np.maximum(outside, self.lowest)


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
    values = network.to_inside(history.values)
    filled, missing = fill_missing(values, network.lags[0], carry)
    steps, after = read_steps(filled, network.lags, carry, network.unit)
    first = np.zeros(values.shape[1], bool) if standing is None else standing.missing
    missing_before = np.concatenate([first[None], missing])
    free = history.extras.copy()
    free[:, network.past] = 0.0
    described = describe_steps(
        steps, missing_before[:-1], missing, history.extras, free, network.dtype
    )
    return described, after, missing_before[-1]


def read_on(
    network: Network,
    histories: list[History],
    standings: list[Standing] | None,
    device: torch.device,
) -> tuple[list[Standing], list[Described], list[Tensor]]:
    """Read series from where they stand (None: from their beginning)."""
    before: Sequence[Standing | None] = (
        [None] * len(histories) if standings is None else standings
    )
    read = [
        describe_history(network, history, standing)
        for history, standing in zip(histories, before, strict=True)
    ]
    described = [each for each, _, _ in read]
    with plain_torch(device, gradients=False):
        module = network.module(device)
        if standings is None:
            hidden = module.encoder.initial_state(len(histories))
        else:
            arrays = np.stack([standing.hidden for standing in standings], axis=2)
            hidden = torch.from_numpy(arrays).to(device)
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
        steps, _ = read_steps(one_step, network.lags, standing.carry, network.unit)
        carries.append(standing.carry)
        scales.append(steps.scale[0])

    def stack(arrays: list[Any]) -> Tensor:
        return torch.from_numpy(np.stack(arrays)).to(device)

    counts = np.array([[float(carry.n_seen)] for carry in carries])
    return State(
        hidden=stack([standing.hidden for standing in standings]).permute(1, 2, 0, 3),
        values=stack([carry.values for carry in carries]),
        levels=stack([carry.levels for carry in carries]),
        fast=stack([carry.fast for carry in carries]),
        trend=stack([carry.trend for carry in carries]),
        scale=stack(scales),
        size=stack([carry.size for carry in carries]),
        n_seen=torch.from_numpy(counts).to(device),
    )


def generator_of(seed: int, key: tuple[Any, ...], *more: int) -> np.random.Generator:
    """Give each series its own random numbers, whatever its place and company."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, "little"), *more])


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

    ``wanted`` rises and counts from 0, the step after the last value. ``reduce`` maps
    draws (n_series, n_paths, n_columns) of one step to (n_series, ...); ``n_paths=0``
    gives it the point forecasts (n_series, 1, n_columns). Nothing but its results is
    kept.
    """
    per_block = max(1, ROWS_AT_ONCE // max(1, n_paths))
    results: list[Array] = []
    with plain_torch(device, gradients=False):
        module = network.module(device)
        for begin in range(0, len(keys), per_block):
            block = slice(begin, begin + per_block)
            generators = [generator_of(seed, key) for key in keys[block]]
            state = state_of(network, standings[block], device)
            walked = walk_block(
                network, module, state, extras[block], generators, n_paths, device
            )
            results += collect(walked, wanted[block], network, reduce, n_paths > 0)
    return results


def collect(
    walked: Iterator[Array],
    wanted: list[NDArray[np.int64]],
    network: Network,
    reduce: Callable[[Array], Array],
    drawn: bool,
) -> list[Array]:
    """Keep what ``reduce`` makes of the wanted steps of each series."""
    results: list[Array] = []
    done = np.zeros(len(wanted), dtype=np.int64)  # steps of each series
    asked = [iter(steps.tolist()) for steps in wanted]
    coming = np.array([next(steps) for steps in asked])
    for step in range(max(int(steps[-1]) for steps in wanted) + 1):
        values = next(walked)
        now = np.flatnonzero(coming == step)
        if len(now) == 0:
            continue
        reduced = reduce(network.to_outside(values[now], drawn))
        if not results:
            results = [np.empty((len(each), *reduced.shape[1:])) for each in wanted]
        for place, value in zip(now.tolist(), reduced, strict=True):
            results[place][done[place]] = value
            coming[place] = next(asked[place], -1)
        done[now] += 1
    return results


def walk_block(
    network: Network,
    module: AutoregressiveModule,
    state: State,
    extras: list[Array],
    generators: list[np.random.Generator],
    n_paths: int,
    device: torch.device,
) -> Iterator[Array]:
    """Roll some series out together: (n_series, n_paths or 1, n_columns) per step."""
    n_series, n_rows = len(extras), max(1, n_paths)
    rows = torch.arange(n_series, device=device).repeat_interleave(n_rows)
    uniforms = draw_uniforms(module, generators, n_paths, device) if n_paths else None
    ahead = step_extras(extras, rows, network.dtype, device)
    for new in roll(module, state.take(rows), ahead, uniforms):
        yield new.reshape(n_series, n_rows, -1).cpu().numpy()


def step_extras(
    extras: list[Array], rows: Tensor, dtype: torch.dtype, device: torch.device
) -> Iterator[Tensor]:
    """Give the exogenous numbers of each step, one row for each path."""
    for step in range(max(len(each) for each in extras)):
        # a series of which fewer steps are wanted stays at its last numbers
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
        drawn = np.clip(drawn, SMALLEST, 1.0 - SMALLEST)
        together = torch.from_numpy(drawn.reshape(STEPS_DRAWN, -1, *shape[1:]))
        yield from together.to(device)


def look_back(
    network: Network,
    keys: list[tuple[Any, ...]],
    described: list[Described],
    outputs: list[Tensor],
    wanted: list[NDArray[np.int64]],
    reduce: Callable[[Array], Array],
    n_paths: int,
    seed: int,
    device: torch.device,
) -> list[Array]:
    """Forecasts of known steps of each series, each one step ahead."""
    results = []
    with plain_torch(device, gradients=False):
        module = network.module(device)
        shape = (max(1, n_paths), module.config["n_columns"])
        for key, each, output, places in zip(
            keys, described, outputs, wanted, strict=True
        ):
            scaled = each.scaled.to(device).double()
            centre, raw = module.look_ahead(output, scaled, each.extras.to(device))
            origin = torch.from_numpy(each.steps.origin).to(device)
            scale = torch.from_numpy(each.steps.scale).to(device)
            found = []
            for place in places.tolist():
                uniform = None
                if n_paths:
                    generator = generator_of(seed, key, place)
                    drawn = generator.random((*shape, module.distribution.n_uniforms))
                    drawn = np.clip(drawn, SMALLEST, 1.0 - SMALLEST)
                    uniform = torch.from_numpy(drawn).to(device)
                units = (origin[place] / scale[place], scale[place])
                draw = module.draw(centre[place], raw[place], uniform, *units)
                values = (origin[place] + scale[place] * draw).expand(1, *shape)
                outside = network.to_outside(values.cpu().numpy(), n_paths > 0)
                found.append(reduce(outside))
            results.append(np.concatenate(found))
    return results
