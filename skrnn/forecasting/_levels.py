"""What a step of a series is described by: levels, scale, and candidate forecasts.

Every statistic uses earlier values only and can be carried on: a series read in two
parts gives the same numbers as the series read at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

__all__ = ["RATES", "Carry", "Steps", "fill_missing", "memory_of", "n_candidates"]
__all__ += ["period_of", "read_steps", "scale_of"]

Array = NDArray[np.float64]

RATES = {"fast": 0.5, "slow": 0.2, "trend": 0.2}  # of exponentially weighted means
PROFILE_RATE = 0.35  # of the seasonal profile, from season to season


class Carry(NamedTuple):
    """All that the past of one series says about its future; ``n_seen`` values.

    With a leading axis (n_series) on every field it describes several series.
    """

    values: Array  # (memory, n_columns), the last ones
    levels: Array  # (memory, n_columns), slow means after each of these values
    profile: Array  # (period, n_columns), usual distance from the slow mean
    fast: Array  # (n_columns,)
    trend: Array  # mean change from value to value
    change: Array  # mean absolute change from value to value
    seasonal: Array  # mean absolute change from season to season
    size: Array  # mean absolute value
    n_seen: Any  # number of values


class Steps(NamedTuple):
    """What is known at each of (n_steps,) before its value is."""

    values: Array  # (n_steps, n_columns), what came then
    candidates: Array  # (n_steps, n_columns, n_candidates), first the seasonal naive
    origin: Array  # (n_steps, n_columns), the slow mean
    scale: Array  # (n_steps, n_columns)
    size: Array  # (n_steps, n_columns), mean absolute value
    n_seen: NDArray[np.int64]  # (n_steps,), values before
    levels: Array  # slow mean after each value
    profile: Array  # usual distance from the slow mean, after each value
    fast: Array  # fast mean after each value
    trend: Array  # mean change after each value


def memory_of(lags: tuple[int, ...]) -> int:
    """How many past values the candidates can ask for."""
    return max(lags) + 1


def period_of(lags: tuple[int, ...]) -> int:
    """Give the longest lag that holds whole seasons, but not that of two seasons."""
    return max(lag for lag in lags if lag % lags[0] == 0 and lag != 2 * lags[0])


def n_candidates(lags: tuple[int, ...]) -> int:
    """How many candidates ``candidates_of`` makes."""
    further = sum((place > 0) + (lag > 1) for place, lag in enumerate(lags))
    return 4 + 2 * (lags[0] > 1) + further


def seasonal_rate(season: int) -> float:
    """Weight of the newest change in the scale: about four seasons count."""
    return 1.0 / max(4 * season, 32)


def fill_missing(
    values: Array, season: int, carry: Carry | None = None
) -> tuple[Array, NDArray[np.bool_]]:
    """Fill NaN with the value a season earlier, or else the last one: (values, found).

    ``carry`` knows the values before. Nothing from later steps is used, but for
    what stands before the first value of a column, which takes that one.
    """
    missing = np.isnan(values)
    filled = values.copy()
    everything, n_past, n_seen = filled, 0, 0
    if carry is not None:
        everything = np.concatenate([carry.values, filled])
        n_past, n_seen = len(carry.values), int(carry.n_seen)
    for column in np.flatnonzero(missing.any(axis=0)):
        series = everything[:, column]
        known = ~np.isnan(series)
        if not known.any():
            series[:] = 0.0
            continue
        series[: known.argmax()] = series[known.argmax()]
        for step in np.flatnonzero(missing[:, column]):
            row = n_past + step
            if np.isnan(series[row]):  # else it stood before the first value
                lag = season if n_seen + step >= season else 1
                series[row] = series[row - lag]
    return everything[n_past:], missing


def first_carry(values: Array, memory: int, period: int) -> Carry:
    """Know that value before the first value, by convention."""
    first = values[0]
    zero = np.zeros_like(first)
    tail = np.repeat(first[None], memory, axis=0)
    profile = np.zeros((period, len(first)))
    return Carry(tail, tail, profile, first, zero, zero, zero, np.abs(first), 0)


def read_steps(
    values: Array,
    lags: tuple[int, ...],
    carry: Carry | None = None,
    unit: float = 1.0,
) -> tuple[Steps, Carry]:
    """Describe each step of a series (n_steps, n_columns) without missing values.

    The first of ``lags`` is the season. Goes on from ``carry``. Where all values so far
    were 0, the scale is ``unit``.
    """
    memory, season = memory_of(lags), lags[0]
    if carry is None:
        carry = first_carry(values, memory, period_of(lags))
    count = int(carry.n_seen) + np.arange(len(values))
    longer = np.concatenate([carry.values, values])
    change = np.diff(longer[memory - 1 :], axis=0)
    seasonal = values - longer[memory - season :][: len(values)]
    change[count == 0] = 0.0
    seasonal[count < season] = 0.0
    rate = seasonal_rate(season)
    fast = smooth(values, RATES["fast"], carry.fast, count)
    slow = smooth(values, RATES["slow"], carry.levels[-1], count)
    trend = smooth(change, RATES["trend"], carry.trend, count - 1)
    steps = smooth(np.abs(change), rate, carry.change, count - 1)
    seasons = smooth(np.abs(seasonal), rate, carry.seasonal, count - season)
    size = smooth(np.abs(values), rate, carry.size, count)
    levels = np.concatenate([carry.levels, slow])
    origin = before(slow, carry.levels[-1])
    profile = profile_of(values - origin, carry)
    known = Steps(
        values=values,
        candidates=candidates_of(
            longer,
            levels,
            before(fast, carry.fast),
            before(trend, carry.trend),
            profile,
            lags,
        ),
        origin=origin,
        scale=scale_of(
            before(steps, carry.change),
            before(seasons, carry.seasonal),
            before(size, carry.size),
            count[:, None],
            season,
            unit,
        ),
        size=before(size, carry.size),
        n_seen=count,
        levels=slow,
        profile=profile[len(carry.profile) :],
        fast=fast,
        trend=trend,
    )
    n_seen = int(carry.n_seen) + len(values)
    if len(values) == 0:
        return known, carry
    return known, Carry(
        values=longer[-memory:],
        levels=levels[-memory:],
        profile=profile[-len(carry.profile) :],
        fast=fast[-1],
        trend=trend[-1],
        change=steps[-1],
        seasonal=seasons[-1],
        size=size[-1],
        n_seen=n_seen,
    )


def profile_of(moves: Array, carry: Carry) -> Array:
    """Weighted means of the moves at each place of the period: before, and after each.

    A move is how far a value is from the slow mean before it. Of (n_steps, n_columns)
    it makes (period + n_steps, n_columns).
    """
    (n_steps, n_columns), period = moves.shape, len(carry.profile)
    n_rows = -(-n_steps // period)
    rows = np.zeros((n_rows * period, n_columns))
    rows[:n_steps] = moves
    count = (int(carry.n_seen) + np.arange(len(rows))) // period
    means = smooth(
        rows.reshape(n_rows, period * n_columns),
        PROFILE_RATE,
        carry.profile.reshape(-1),
        np.repeat(count.reshape(n_rows, period), n_columns, axis=1),
    )
    return np.concatenate([carry.profile, means.reshape(rows.shape)[:n_steps]])


def smooth(values: Array, rate: float, start: Array, count: NDArray[Any]) -> Array:
    """Exponentially weighted means (n_steps, n_columns) whose weights add up to 1.

    ``count``, (n_steps,) or (n_steps, n_columns), says how many values the mean held
    before each; where it is negative, the value does not count yet and is 0.
    """
    if len(values) == 0:
        return values
    count = np.maximum(count.reshape(len(count), -1), -1)
    before_first = np.maximum(0, count[0])
    keep = 1.0 - rate
    sums, _ = lfilter(
        [rate],
        [1.0, -keep],
        values,
        axis=0,
        zi=keep * (start * (1.0 - keep**before_first))[None],
    )
    totals = 1.0 - keep ** (count + 1.0)
    means: Array = sums / np.where(totals > 0, totals, 1.0)
    return means


def before(after: Array, start: Array) -> Array:
    """Shift means after each step to those before it."""
    return np.concatenate([start[None], after])[:-1] if len(after) else after


def scale_of(
    change: Array, seasonal: Array, size: Array, count: Any, season: int, unit: float
) -> Array:
    """Half the mean absolute changes from value to value and season to season.

    Not below 1e-4 of the mean absolute value, and a tenth of it before the first
    change; ``unit`` where that is 0.
    """
    scale = np.where(count > season, 0.5 * (change + seasonal), change)
    scale = np.maximum(np.where(count > 1, scale, 0.1 * size), 1e-4 * size)
    return np.where(scale > 0, scale, unit)


def candidates_of(
    longer: Array,
    levels: Array,
    fast: Array,
    trend: Array,
    profile: Array,
    lags: tuple[int, ...],
) -> Array:
    """Forecasts that need no training, (n_steps, n_columns, n_candidates).

    In this order: the value a season ago, the fast and the slow mean, the last value
    plus the trend; unless the season is 1, the last value, and for each lag the value
    then, corrected by the change of the slow mean since; for further lags also
    uncorrected; at last, unless the season is 1, the slow mean plus the profile.
    """
    memory, n_steps = memory_of(lags), len(fast)

    def back(array: Array, lag: int) -> Array:
        return array[memory - lag : memory - lag + n_steps]

    last, slow = back(longer, 1), back(levels, 1)
    found = [back(longer, lags[0]), fast, slow, last + trend]
    if lags[0] > 1:
        found.append(last)
    for place, lag in enumerate(lags):
        if place:
            found.append(back(longer, lag))
        if lag > 1:
            found.append(back(longer, lag) + slow - back(levels, lag + 1))
    if lags[0] > 1:
        found.append(slow + profile[:n_steps])
    return np.stack(found, axis=-1)
