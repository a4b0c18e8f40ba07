"""Series on their way into the future: what the next step is described by.

A step is described alike in training, while a series is read, and on the way.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from skrnn.forecasting._levels import RATES

__all__ = ["DAMPING", "Start", "State", "Walker", "describe", "start_of_walk"]

DAMPING = 0.9  # of the trend, for each step away from the last known value


class State(NamedTuple):
    """Where n series stand; a value that a ``Walker`` leaves as it is."""

    hidden: Tensor  # (num_layers, 1 or 2, n, hidden_size)
    values: Tensor  # (n, memory, n_columns)
    levels: Tensor  # (n, memory, n_columns), slow means
    profile: Tensor  # (n, period, n_columns)
    fast: Tensor  # (n, n_columns)
    trend: Tensor  # (n, n_columns)
    scale: Tensor  # (n, n_columns)
    size: Tensor  # (n, n_columns)
    n_seen: Tensor  # (n, 1)

    def take(self, rows: Tensor) -> State:
        """Pick series, in this order."""
        return State(self.hidden[:, :, rows], *(part[rows] for part in self[1:]))


def describe(
    candidates: Tensor,
    origin: Tensor,
    scale: Tensor,
    size: Tensor,
    count: Tensor,
    missing: Tensor,
) -> tuple[Tensor, Tensor]:
    """Describe steps: scaled candidates (..., n_columns, n_candidates) and numbers.

    The numbers (..., n_numbers) are what the encoder reads, besides exogenous ones:
    candidates, relative roughness and missing values of each column, and the age.
    """
    scaled = (candidates - origin[..., None]) / scale[..., None]
    numbers = [squash(scaled).flatten(-2), roughness(scale, size), missing, age(count)]
    return scaled, torch.cat(numbers, dim=-1)


def squash(x: Tensor) -> Tensor:
    """Area hyperbolic sine; torch's own takes ten times as long for many numbers."""
    return (x.abs() + (x.square() + 1.0).sqrt()).log().copysign(x)


def roughness(scale: Tensor, size: Tensor) -> Tensor:
    """How large changes are beside the values."""
    return 0.25 * (scale / (size + scale)).log()


def age(count: Tensor) -> Tensor:
    """How many values came before."""
    return 0.2 * torch.log1p(count)


class Start(NamedTuple):
    """Series that set out: values around the origin then, in units of the scale."""

    values: Tensor  # (n, memory, n_columns)
    moves: Tensor  # (n, memory - 1, n_columns), each value from the level before it
    profile: Tensor  # (n, period, n_columns), usual moves
    means: Tensor  # (n, 3, n_columns), in the order of RATES
    unseen: Tensor  # (n, 3), of the weights of the means: what was before all values
    constant: Tensor  # (n, 2 * n_columns), inputs of the encoder: roughness, missing
    n_seen: Tensor  # (n, 1)


def start_of_walk(state: State, dtype: torch.dtype) -> Start:
    """Describe where series stand for a walk."""
    base, scale = state.levels[:, -1], state.scale
    origin, unit = base[:, None], scale[:, None]
    means = torch.stack([state.fast - base, torch.zeros_like(base), state.trend], 1)
    keep = means.new_tensor([1.0 - rate for rate in RATES.values()])
    count = torch.cat([state.n_seen, state.n_seen, state.n_seen - 1.0], 1)
    rough = roughness(scale, state.size)
    parts = (
        (state.values - origin) / unit,
        (state.values[:, 1:] - state.levels[:, :-1]) / unit,
        state.profile / unit,
        means / unit,
        keep ** count.clamp(min=0.0),
        torch.cat([rough, torch.zeros_like(rough)], 1),
        state.n_seen,
    )
    return Start(*(part.to(dtype) for part in parts))


def series_last(numbers: Tensor) -> Tensor:
    """Bring (n, ..., n_columns) to (..., n_columns, n)."""
    return numbers.movedim(0, -1).contiguous()


class Walker:
    """Series on their way, step by step; the scale stays what it was at the start.

    Inside, values are around the origin at the start and in units of the scale, so
    single precision does for any series. The series are the last axis, along which
    torch is fast: values and levels are (n_columns, n).
    """

    def __init__(self, state: State, lags: tuple[int, ...], dtype: torch.dtype) -> None:
        self.lags, self.dtype = lags, dtype
        self.base, self.scale = state.levels[:, -1], state.scale
        start = start_of_walk(state, dtype)
        self.values = list(series_last(start.values).unbind(0))
        # how far each value was from the level before it: what a step forecasts
        self.moves = list(series_last(start.moves).unbind(0))
        self.profile = series_last(start.profile)
        self.n_pushed = 0
        self.means = series_last(start.means)
        keep = [1.0 - rate for rate in RATES.values()]
        self.keep = self.means.new_tensor(keep)[:, None, None]
        self.unseen = series_last(start.unseen[:, :, None])
        self.constant, self.n_seen = start.constant, start.n_seen
        self.nothing = torch.zeros_like(self.means[0])
        self.damping = 1.0

    @property
    def slow(self) -> Tensor:
        """The level now."""
        return self.means[1]

    def scaled(self, ahead: int = 1) -> Tensor:
        """Candidates (n, n_columns, n_candidates) of the value ``ahead`` steps on.

        They are around the level now, in the order of ``candidates_of``. A lag shorter
        than that is taken twice, three times, ... The trend fades (Gardner & McKenzie,
        1985, doi:10.1287/mnsc.31.10.1237).
        """
        fast, slow, trend = self.means.unbind(0)
        last = self.values[-1] - slow

        def back(lag: int) -> int:
            return -(-(ahead // -lag) * lag - ahead + 1)

        steps = self.damping * (1.0 - DAMPING**ahead) / (1.0 - DAMPING)
        found = [self.values[back(self.lags[0])] - slow, fast - slow, self.nothing]
        found.append(torch.add(last, trend, alpha=steps))
        if self.lags[0] > 1:
            found.append(last)
        for place, lag in enumerate(self.lags):
            if place:
                found.append(self.values[back(lag)] - slow)
            if lag > 1:
                found.append(self.moves[back(lag)])
        if self.lags[0] > 1:
            found.append(self.profile[(self.n_pushed + ahead - 1) % len(self.profile)])
        return torch.stack(found, dim=1).permute(2, 0, 1)

    def inputs(self, scaled: Tensor, extra: Tensor) -> Tensor:
        """Give what the encoder reads at the coming step, (n, n_inputs)."""
        numbers = squash(scaled).flatten(1)
        parts = [numbers, self.constant, age(self.n_seen), extra]
        return torch.cat(parts, dim=1).to(extra.dtype)

    def push(self, new: Tensor) -> None:
        """Take values (n_columns, n), as they are inside, for what came."""
        self.damping *= DAMPING
        self.n_pushed += 1
        self.n_seen = self.n_seen + 1.0
        self.unseen = self.unseen * self.keep
        weights = (1.0 - self.keep) / (1.0 - self.unseen)
        goal = torch.stack([new, new, new - self.values[-1]])
        self.moves.append(new - self.slow)
        self.values.append(new)
        self.means = torch.lerp(self.means, goal, weights)
        del self.values[0], self.moves[0]

    def inside(self, values: Tensor) -> Tensor:
        """Values (n, n_columns) around the level now, in units of the scale."""
        return (values - self.base) / self.scale - self.slow.t()

    def outside(self, values: Tensor) -> Tensor:
        """Values that were (n_columns, n) inside, as (n, n_columns)."""
        return self.base + self.scale * values.t()

    def units(self) -> tuple[Tensor, Tensor]:
        """Give the level now in units of the scale, and the scale, for heads."""
        origin = self.base / self.scale + self.slow.t()
        return origin.to(self.dtype), self.scale.to(self.dtype)
