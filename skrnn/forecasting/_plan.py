"""What the data ask for: season, lags, context, horizon, logarithm."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from skrnn.forecasting._panels import Series
from skrnn.forecasting._times import seasons_of

__all__ = ["Plan", "check_seasons", "grows_with_level", "make_plan"]

LONGEST_CONTEXT = 512


class Plan(NamedTuple):
    """How long a series is looked at, and in what scale."""

    lags: tuple[int, ...]  # the first is the season
    horizon: int
    context: int
    log: bool
    lowest: float  # of what a network with logs forecasts
    unit: float  # usual change from value to value


def make_plan(
    series: list[Series], sp: Any, horizon: int | None, context: int | None, log: Any
) -> Plan:
    """Choose what the parameters leave open by the lengths and times of the series."""
    lengths = np.array([len(each.values) for each in series])
    typical, longest = int(np.median(lengths)), int(lengths.max())
    given = seasons_of(series[0].index) if sp is None else sp
    seasons = [int(given)] if isinstance(given, Integral) else [int(s) for s in given]
    season = seasons[0] if typical >= seasons[0] + 4 else 1
    if sp is not None and season != seasons[0]:
        warnings.warn(
            f"sp={sp!r} needs series of {seasons[0] + 4} values or more, but a typical "
            f"one has {typical}: no season is used.",
            UserWarning,
            stacklevel=2,
        )
    further = [2 * season, *seasons[1:]] if season > 1 else []
    lags = [season]
    lags += [lag for lag in further if lag not in lags and typical >= 2 * lag]
    if horizon is None:
        horizon = min(max(season, 6), 24)
    horizon = max(1, min(horizon, typical // 4, (longest - 2) // 2))
    if context is None:
        context = min(max(2 * season, 2 * horizon, 12), LONGEST_CONTEXT)
    if log == "auto":
        log = season > 1 and grows_with_level(series, season)
    unit = usual_change(series, bool(log))
    negative = any((each.values < 0).any() for each in series)
    lowest = -np.inf if negative else 0.0
    return Plan(tuple(lags), horizon, int(context), bool(log), lowest, unit)


def usual_change(series: list[Series], log: bool) -> float:
    """Median over the series of the mean absolute change; almost 0 if none changes."""
    changes = []
    for each in series:
        values = np.log1p(each.values) if log else each.values
        change = np.abs(np.diff(values, axis=0))
        changes.append(float(np.nanmean(change)) if np.isfinite(change).any() else 0.0)
    moving = [change for change in changes if change > 0]
    return float(np.median(moving)) if moving else 1e-8


def check_seasons(sp: Any) -> None:
    """Seasons are whole numbers of steps."""
    if isinstance(sp, tuple | list) and len(sp) == 0:
        raise ValueError(f"sp={sp!r} is empty: use None, 1 for no season, or lengths.")
    for season in sp if isinstance(sp, tuple | list) else ():
        if not isinstance(season, Integral) or season < 1:
            raise ValueError(
                f"sp={sp!r} holds {season!r}, expected whole numbers of steps from 1 "
                "on, the most important season first."
            )


def grows_with_level(series: list[Series], season: int) -> bool:
    """Whether the spread of values grows with their level more than by its root.

    Regresses the log of the standard deviation of each season on the log of its mean
    (Guerrero, 1993, doi:10.1002/for.3980120104): a slope above 1/2 asks for a
    logarithm. Only for values that are never negative.
    """
    slopes = []
    for each in series:
        for column in each.values.T:
            known = column[~np.isnan(column)]
            if len(known) and known.min() < 0:
                return False
            width = max(season, 4)
            parts = known[: len(known) // width * width].reshape(-1, width)
            with np.errstate(over="ignore"):
                means, spreads = parts.mean(axis=1), parts.std(axis=1)
            good = (means > 0) & (spreads > 0) & (spreads < np.inf)
            if good.sum() < 3 or means[good].max() < 10:
                continue
            level, spread = np.log(means[good]), np.log(spreads[good])
            if level.std() > 0.1:
                slopes.append(float(np.polyfit(level, spread, 1)[0]))
    return bool(slopes) and float(np.median(slopes)) > 0.5
