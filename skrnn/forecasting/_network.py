"""What a forecaster has learned; reading series with it, and rolling it out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skrnn._devices import one_thread, plain_torch
from skrnn._sizes import check_weights, count_layer_weights
from skrnn.forecasting._autoregressive import (
    AutoregressiveModule,
    encode,
    roll,
)
from skrnn.forecasting._levels import Carry, fill_missing, read_steps, scale_of
from skrnn.forecasting._walker import State
from skrnn.forecasting._windows import (
    Described,
    describe_steps,
)

__all__ = ["History", "Network", "Standing", "describe_history", "draw_uniforms"]
__all__ += ["join_standings", "look_back", "quantiles_of", "read_on"]
__all__ += ["split_standings", "walk"]

Array = NDArray[np.float64]
CPU = torch.device("cpu")
COUNTS = ("poisson", "negative_binomial")
ROWS_AT_ONCE = 4000  # of a roll-out: series times paths
SMALLEST = 1e-12  # uniform number: 0 and 1 would be infinitely far off
STEPS_DRAWN = 64  # whose uniform numbers are drawn together


@dataclass
class Network:
    """All that was learned, as plain numbers and arrays, and how to read a series.

    An ensemble has ``n_networks`` of the same form; that is the first axis of weights.
    """

    config: dict[str, Any]
    lags: tuple[int, ...]  # the first is the season
    horizon: int  # steps of the free run in training
    context: int  # steps before it
    log: bool  # whether the network sees log(1 + y)
    lowest: float  # of what a network with logs forecasts
    unit: float  # usual change from value to value, inside
    frequency: str  # of the times, "" for integers
    past: list[int]  # places of the exogenous numbers that a free run does not know
    n_networks: int = 1
    weights: dict[str, NDArray[Any]] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)

    def part(self, place: int) -> Network:
        """Take one network out of the ensemble."""
        weights = {name: each[place][None] for name, each in self.weights.items()}
        return replace(self, n_networks=1, weights=weights)

    def modules(self, device: torch.device) -> list[AutoregressiveModule]:
        """Build all modules, with their weights."""
        return [self.part(k).module(device) for k in range(self.n_networks)]

    def module(self, device: torch.device) -> AutoregressiveModule:
        """Build the first module, with the weights if there are any."""
        with one_thread(CPU):  # several would hang after a fork
            module = AutoregressiveModule(**self.config)
            if self.weights:
                module.to_empty(device=device)
                own = {
                    n: torch.from_numpy(w[0].copy()) for n, w in self.weights.items()
                }
                module.load_state_dict(own)
            return module.eval()

    def check(self) -> None:
        """Refuse weights that are not those of such a network."""
        if self.weights:
            check_weights(self.config, self.weights, least_weights)
            self.modules(CPU)

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


def least_weights(config: dict[str, Any]) -> int:
    """Count the weights of the layers, as if they had one input each."""
    each = count_layer_weights(config["cell"], config["hidden_size"], [1])
    return int(config["num_layers"] * each)


class History(NamedTuple):
    """Values (n_steps, n_columns) of one series, exogenous numbers (n_steps, n)."""

    values: Array
    extras: Array


class Standing(NamedTuple):
    """Where one series stands after what was read of it; plain arrays."""

    carry: Carry
    missing: NDArray[np.bool_]  # whether the last value was
    hidden: NDArray[Any]  # (n_networks, num_layers, 1 or 2, hidden_size)


def join_standings(standings: list[Standing]) -> Standing:
    """Put those of several series into one, with a leading axis on every array."""
    missing = np.stack([standing.missing for standing in standings])
    hidden = np.stack([standing.hidden for standing in standings])
    return Standing(join_carries(standings), missing, hidden)


def join_carries(standings: list[Standing]) -> Carry:
    """Put what the pasts of several series say into one."""
    fields = zip(*(standing.carry for standing in standings), strict=True)
    return Carry(*(np.stack(field) for field in fields))


def split_standings(together: Standing) -> list[Standing]:
    """Take those of several series apart again."""
    carries = (Carry(*parts) for parts in zip(*together.carry, strict=True))
    parts = zip(carries, together.missing, together.hidden, strict=True)
    return [Standing(*each) for each in parts]


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
    with one_thread(CPU):  # several would hang after a fork
        described = describe_steps(
            steps, missing_before[:-1], missing, history.extras, free, network.dtype
        )
    return described, after, missing_before[-1]


def read_on(
    network: Network,
    histories: list[History],
    standings: list[Standing] | None,
    device: torch.device,
) -> tuple[list[Standing], list[Described], list[list[Tensor]]]:
    """Read series from where they stand (None: from their beginning).

    Outputs of the encoders are those of each network, of each series.
    """
    before: Sequence[Standing | None] = (
        [None] * len(histories) if standings is None else standings
    )
    read = [
        describe_history(network, history, standing)
        for history, standing in zip(histories, before, strict=True)
    ]
    described = [each for each, _, _ in read]
    with plain_torch(device, gradients=False):
        inputs = [each.inputs.to(device) for each in described]
        hidden, outputs = [], []
        for place, module in enumerate(network.modules(device)):
            begin = (
                module.encoder.initial_state(len(histories))
                if standings is None
                else hidden_of(standings, place, device)
            )
            state, output = encode(module, inputs, begin, keep=True)
            hidden.append(state.cpu().numpy())
            outputs.append(output)
    together = np.stack(hidden)
    after = [
        Standing(carry, missing, together[:, :, :, place].copy())
        for place, (_, carry, missing) in enumerate(read)
    ]
    return after, described, outputs


def hidden_of(standings: list[Standing], place: int, device: torch.device) -> Tensor:
    """Stack where one network stands in series: (num_layers, 1 or 2, n, hidden)."""
    arrays = np.stack([standing.hidden[place] for standing in standings], axis=2)
    return torch.from_numpy(arrays).to(device)


def state_of(
    network: Network, standings: list[Standing], device: torch.device, place: int = 0
) -> State:
    """Stack the standings of series to the state of one network's roll-out."""
    carry = join_carries(standings)
    count = carry.n_seen[:, None]
    scale = scale_of(  # that of a step that comes now
        carry.change, carry.seasonal, carry.size, count, network.lags[0], network.unit
    )

    def there(array: Any) -> Tensor:
        return torch.from_numpy(array).to(device)

    return State(
        hidden=hidden_of(standings, place, device),
        values=there(carry.values),
        levels=there(carry.levels),
        profile=there(carry.profile),
        fast=there(carry.fast),
        trend=there(carry.trend),
        scale=there(scale),
        size=there(carry.size),
        n_seen=there(count.astype(np.float64)),
    )


def generator_of(seed: int, key: tuple[Any, ...], *more: int) -> np.random.Generator:
    """Give each series its own random numbers, whatever its place and company."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, "little"), *more])


def members(
    network: Network, n_paths: int, device: torch.device
) -> Iterator[tuple[int, AutoregressiveModule, int]]:
    """Give each network that walks, and how many of the paths are its own."""
    shares = np.array_split(np.arange(n_paths), network.n_networks)
    for place, (module, share) in enumerate(
        zip(network.modules(device), shares, strict=True)
    ):
        if n_paths == 0 or len(share):
            yield place, module, len(share)


def pool(parts: Sequence[Array], n_paths: int) -> Array:
    """Make one of what networks say: the mean of points, or the paths of all."""
    if n_paths == 0:
        mean: Array = np.mean(parts, axis=0)
        return mean
    return np.concatenate(parts, axis=1)


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
        walkers = list(members(network, n_paths, device))
        for begin in range(0, len(keys), per_block):
            block = slice(begin, begin + per_block)
            walks = []
            for place, module, n_own in walkers:
                generators = [generator_of(seed, key, place) for key in keys[block]]
                state = state_of(network, standings[block], device, place)
                walks.append(
                    walk_block(
                        network, module, state, extras[block], generators, n_own, device
                    )
                )
            walked = (pool(parts, n_paths) for parts in zip(*walks, strict=True))
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
    n_wanted = np.array([len(steps) for steps in wanted])
    asked = np.full((len(wanted), n_wanted.max() + 1), -1)
    for row, steps in zip(asked, wanted, strict=True):
        row[: len(steps)] = steps
    results: Array | None = None
    done = np.zeros(len(wanted), dtype=np.int64)  # steps of each series
    for step in range(int(asked.max()) + 1):
        values = next(walked)
        now = np.flatnonzero(asked[np.arange(len(done)), done] == step)
        if len(now) == 0:
            continue
        reduced = reduce(network.to_outside(values[now], drawn))
        if results is None:
            results = np.empty((len(done), n_wanted.max(), *reduced.shape[1:]))
        results[now, done[now]] = reduced
        done[now] += 1
    assert results is not None  # narrows the type only
    return [each[:n] for each, n in zip(results, n_wanted, strict=True)]


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
    n_steps = max(len(each) for each in extras)
    uniforms = (
        draw_uniforms(module, generators, n_paths, n_steps, device) if n_paths else None
    )
    ahead = step_extras(extras, rows, network.dtype, device)
    for new in roll(module, state.take(rows), ahead, uniforms):
        yield new.reshape(n_series, n_rows, -1).cpu().numpy()


def step_extras(
    extras: list[Array], rows: Tensor, dtype: torch.dtype, device: torch.device
) -> Iterator[Tensor]:
    """Give the exogenous numbers of each step, one row for each path."""
    n_steps, width = max(len(each) for each in extras), extras[0].shape[1]
    if width == 0:
        yield from torch.empty(n_steps, len(rows), 0, dtype=dtype, device=device)
        return
    for step in range(n_steps):
        # a series of which fewer steps are wanted stays at its last numbers
        now = np.stack([each[min(step, len(each) - 1)] for each in extras])
        yield torch.from_numpy(now).to(device, dtype)[rows]


def draw_uniforms(
    module: AutoregressiveModule,
    generators: list[np.random.Generator],
    n_paths: int,
    n_steps: int,
    device: torch.device,
) -> Iterator[Tensor]:
    """Give uniform numbers (n_series * n_paths, n_columns, n_uniforms) step by step."""
    shape = (n_paths, module.config["n_columns"], module.distribution.n_uniforms)
    for begin in range(0, n_steps, STEPS_DRAWN):
        steps = min(STEPS_DRAWN, n_steps - begin)
        drawn = np.stack([each.random((steps, *shape)) for each in generators], 1)
        np.clip(drawn, SMALLEST, 1.0 - SMALLEST, out=drawn)
        together = torch.from_numpy(drawn.reshape(steps, -1, *shape[1:]))
        yield from together.to(device)


def look_back(
    network: Network,
    keys: list[tuple[Any, ...]],
    described: list[Described],
    outputs: list[list[Tensor]],
    wanted: list[NDArray[np.int64]],
    reduce: Callable[[Array], Array],
    n_paths: int,
    seed: int,
    device: torch.device,
) -> list[Array]:
    """Forecasts of known steps of each series, each one step ahead."""
    results = []
    with plain_torch(device, gradients=False):
        lookers = list(members(network, n_paths, device))
        for row, (key, each, steps) in enumerate(
            zip(keys, described, wanted, strict=True)
        ):
            parts = []
            for place, module, n_own in lookers:
                output = outputs[place][row]
                generators = [
                    generator_of(seed, key, place, step + 1) for step in steps.tolist()
                ]
                parts.append(look(module, each, output, steps, generators, n_own))
            values = network.to_outside(pool(parts, n_paths), n_paths > 0)
            results.append(np.concatenate([reduce(step[None]) for step in values]))
    return results


def look(
    module: AutoregressiveModule,
    described: Described,
    output: Tensor,
    wanted: NDArray[np.int64],
    generators: list[np.random.Generator],
    n_paths: int,
) -> Array:
    """Draws of wanted steps by one network, (n_wanted, n_paths or 1, n_columns)."""
    device = output.device
    steps = torch.from_numpy(wanted).to(device)
    scaled = described.scaled.to(device)[steps].double()
    extras = described.extras.to(device)[steps]
    centre, raw = module.look_ahead(output[steps], scaled, extras)
    origin = torch.from_numpy(described.steps.origin[wanted]).to(device)
    scale = torch.from_numpy(described.steps.scale[wanted]).to(device)
    n_columns, n_uniforms = module.config["n_columns"], module.distribution.n_uniforms
    found = []
    for place, generator in enumerate(generators):
        uniform = None
        if n_paths:
            drawn = generator.random((n_paths, n_columns, n_uniforms))
            drawn = np.clip(drawn, SMALLEST, 1.0 - SMALLEST)
            uniform = torch.from_numpy(drawn).to(device)
        units = (origin[place] / scale[place], scale[place])
        draw = module.draw(centre[place], raw[place], uniform, *units)
        found.append((origin[place] + scale[place] * draw).expand(max(1, n_paths), -1))
    values: Array = torch.stack(found).cpu().numpy()
    return values


def quantiles_of(
    draws: NDArray[np.float64], alpha: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Do what ``np.quantile`` does over axis 1, but sort rows, in which numpy is fast.

    Draws (n, n_paths, n_columns) become (n, n_columns, n_levels).
    """
    ordered = np.sort(np.ascontiguousarray(np.moveaxis(draws, 1, -1)), axis=-1)
    last = ordered.shape[-1] - 1
    below = np.minimum((alpha * last).astype(np.int64), last - 1)
    low, high = ordered[..., below], ordered[..., below + 1]
    found = low + (alpha * last - below) * (high - low)
    missing = np.isnan(ordered[..., -1:])  # they come last
    return np.where(missing, np.nan, found)
