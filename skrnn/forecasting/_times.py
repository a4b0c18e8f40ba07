"""Times: which season they have, whether one is missing, and where a horizon lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.tseries.frequencies import to_offset

__all__ = ["calendar", "check_frequency", "check_order", "frequency_of", "future"]
__all__ += ["locate", "regular", "seasons_of"]

PER_YEAR = {"Y": 1, "A": 1, "H": 2, "Q": 4, "M": 12, "W": 52}
SECONDS = {"D": 86400, "h": 3600, "min": 60, "s": 1}


def check_order(index: pd.Index, where: str) -> None:
    """Refuse times that are none, or do not rise."""
    if not is_time(index):
        raise TypeError(
            f"{where} has an index of {type(index).__name__} ({index.dtype}), expected "
            "integers, a PeriodIndex or a DatetimeIndex: use pd.to_datetime for texts."
        )
    if index.hasnans:
        raise ValueError(f"{where} has a time that is missing (NaT or NaN): drop it.")
    if not index.is_unique:
        twice = index[index.duplicated()]
        raise ValueError(
            f"{where} has the time {twice[0]} more than once ({len(twice)} rows too "
            "many): keep one row of each, for example data[~data.index.duplicated()]."
        )
    if not index.is_monotonic_increasing:
        place = int(np.argmax(index[1:] < index[:-1])) + 1
        raise ValueError(
            f"{where} is not in the order of time: {index[place]} comes after "
            f"{index[place - 1]}. Pass y.sort_index() and X.sort_index()."
        )


def is_time(index: Any) -> bool:
    """Whether an index holds integers, periods or timestamps."""
    times = pd.PeriodIndex | pd.DatetimeIndex
    return isinstance(index, times) or index.dtype.kind in "iu"


def regular(index: Any, where: str, freq: Any = None) -> Any:
    """Give the same times with a frequency, or name the gap that hinders it.

    Integers must rise by one. A single timestamp has no frequency but a given one.
    """
    if isinstance(index, pd.PeriodIndex):
        wrong = np.diff(index.asi8) != step_of(index)
        if wrong.any():
            place = int(np.argmax(wrong))
            raise gap_error(index, place, index[place] + 1, where)
        return index
    if isinstance(index, pd.DatetimeIndex):
        if index.freq is not None:
            return index
        if freq is None:
            freq = infer_frequency(index)
        if freq is None:
            return index
        expected = pd.date_range(index[0], periods=len(index), freq=freq)
        if len(expected) and expected.equals(index):
            return expected
        place = int(np.argmax(expected != index)) if len(expected) else 1
        if place and expected[place] < index[place]:
            raise gap_error(index, place - 1, expected[place], where)
        raise ValueError(
            f"{where} has no regular frequency: after {index[max(place - 1, 0)]} a "
            f"step of {freq} gives {expected[place]}, but the next time is "
            f"{index[place]}. Bring it to a grid, for example y.resample('D').mean()."
        )
    steps = np.diff(index.to_numpy())
    if (steps != 1).any():
        place = int(np.argmax(steps != 1))
        raise gap_error(index, place, index[place] + 1, where)
    return index


def gap_error(index: Any, place: int, missing: Any, where: str) -> ValueError:
    """Say between which times something is missing, and what to do."""
    integers = pd.api.types.is_integer_dtype(index.dtype)
    if where.startswith("series"):  # of a panel
        regular = "reindex(range(first, last + 1))" if integers else "asfreq('D')"
        each = f"lambda one: one.droplevel(0).{regular}"
        advice = f"for each series by itself, y.groupby(level=0).apply({each})"
    elif integers:
        advice = (
            "y.reindex(range(first, last + 1)), or count anew by reset_index(drop=True)"
        )
    else:
        advice = "y.asfreq('D') for days, or y.reindex(...) with all times"
    return ValueError(
        f"{where} has a gap: after {index[place]} comes {index[place + 1]}, but "
        f"{missing} is missing. Put the missing times in with NaN, which the "
        f"forecaster can read: {advice}."
    )


def infer_frequency(index: pd.DatetimeIndex) -> Any:
    """Find the frequency of most times, also where some are missing."""
    if len(index) < 2:
        return None
    if len(index) == 2:
        return step_between(index)
    found = pd.infer_freq(index)
    for start in range(0, len(index) - 3):
        if found is not None:
            break
        found = pd.infer_freq(index[start : start + 4])
    return to_offset(found) if found is not None else step_between(index)


def step_between(index: pd.DatetimeIndex) -> Any:
    """Give the first two times' distance; whole days are days, not hours."""
    step = index[1] - index[0]
    whole_days = step == pd.Timedelta(days=step.days)
    return pd.offsets.Day(step.days) if whole_days else to_offset(step)


def frequency_of(index: Any) -> tuple[str, int]:
    """Give the base of a frequency ("M", "h", ...) and its multiple; "" for none."""
    freq = getattr(index, "freq", None)
    if freq is None:
        return "", 1
    offset = to_offset(freq)
    name = offset.rule_code.split("-")[0]
    if name in ("B", "C"):
        return "B", offset.n
    if name in SECONDS:
        return name, offset.n
    return name.lstrip("B")[:1], offset.n


def check_frequency(series: Any, expected: str) -> None:
    """Refuse times of another frequency than the network was trained on."""
    found, _ = frequency_of(series.index)
    if found != expected and {found, expected} != {"B", "D"}:
        raise ValueError(
            f"{series.where} has times of the frequency {found or 'integer'!r}, but "
            f"the network was trained on {expected or 'integer'!r}: seasons and "
            "calendar would be wrong. Train another network for it."
        )


def seasons_of(index: Any) -> tuple[int, ...]:
    """Season lengths that belong to a frequency, the shortest first; (1,) for none."""
    base, multiple = frequency_of(index)
    if base == "B":
        return (5,)
    if base in PER_YEAR:
        per_year = PER_YEAR[base]
        return (per_year // multiple if per_year % multiple == 0 else 1,)
    if base not in SECONDS:
        return (1,)
    step = SECONDS[base] * multiple
    if base == "D":
        return (7,) if multiple == 1 else (1,)
    periods = [3600] if step < 60 else [86400, 7 * 86400]
    if step < 60:
        periods = [60, 3600]
    return tuple(p // step for p in periods if p % step == 0 and p > step) or (1,)


def calendar(index: Any) -> NDArray[np.float64]:
    """Where each time lies in its year, week and day: (n_times, n_numbers).

    Sines and cosines of what the frequency can tell; no column for integers and years.
    """
    base, _ = frequency_of(index)
    waves: list[tuple[Any, float]] = []
    if base in ("Q", "H"):
        waves = [((index.month - 1) // 3, 4)]
    elif base == "M":
        waves = [(index.month - 1, 12)]
    elif base == "W":
        waves = [(index.dayofyear, 365.25)]
    elif base in ("D", "B"):
        waves = [(index.dayofweek, 7), (2 * index.dayofweek, 7)]
        waves += [(index.dayofyear, 365.25)]
    elif base in SECONDS:
        hours = index.hour + index.minute / 60 + index.second / 3600
        waves = [(hours, 24), (2 * hours, 24), (index.dayofweek, 7)]
        waves += [(index.dayofyear, 365.25)]
    columns = []
    for place, length in waves:
        angle = 2 * np.pi * np.asarray(place, dtype=np.float64) / length
        columns += [np.sin(angle), np.cos(angle)]
    return np.stack(columns, axis=1) if columns else np.empty((len(index), 0))


def future(index: Any, n_steps: int, where: str) -> Any:
    """Give the next times after an index."""
    if n_steps <= 0:
        return index[:0]
    if isinstance(index, pd.DatetimeIndex):
        if index.freq is None:
            raise ValueError(
                f"{where} has a single time, {index[-1]}, without a frequency: set "
                "y.index.freq, or pass more values."
            )
        return pd.date_range(index[-1], periods=n_steps + 1, freq=index.freq)[1:]
    if isinstance(index, pd.PeriodIndex):
        return pd.period_range(index[-1] + 1, periods=n_steps, freq=index.freq)
    last = int(index[-1])
    return pd.RangeIndex(last + 1, last + 1 + n_steps)


def step_of(index: Any) -> int:
    """How far apart the numbers of periods are."""
    return int(index.freq.n)


def locate(fh: Any, index: Any, where: str) -> NDArray[np.int64]:
    """Give the steps of a horizon from the last time of an index (1 is the next)."""
    wanted: Any = fh.to_pandas()
    if fh.is_relative and wanted.dtype.kind in "iu":
        return np.asarray(wanted, dtype=np.int64)
    if fh.is_relative:  # time differences
        wanted = index[-1] + wanted
    if isinstance(index, pd.PeriodIndex):
        if not isinstance(wanted, pd.PeriodIndex):
            wanted = pd.PeriodIndex(wanted, freq=index.freq)
        apart = wanted.asi8 - index.asi8[-1]
        if wanted.freq != index.freq or (apart % step_of(index)).any():
            raise ValueError(
                f"fh has periods of {wanted.freqstr}, such as {wanted[0]}, which are "
                f"not among those of {where}: it goes on from {index[-1]} by "
                f"{index.freqstr}."
            )
        return np.asarray(apart // step_of(index))
    if not isinstance(index, pd.DatetimeIndex):
        return np.asarray(wanted, dtype=np.int64) - int(index[-1])
    if isinstance(wanted, pd.PeriodIndex):
        wanted = wanted.to_timestamp()
    everything: Any = index
    if wanted.max() > index[-1]:
        n_steps = 16
        while everything[-1] < wanted.max():
            n_steps *= 2
            everything = index.append(future(index, n_steps, where))
    places = everything.get_indexer(wanted)
    if (places < 0).any():
        raise ValueError(
            f"fh asks for {wanted[places < 0][0]}, which is no time of {where}: its "
            f"times end with {index[-1]} and go on by {index.freq}, and before "
            f"{index[0]} there is nothing."
        )
    return np.asarray(places - (len(index) - 1), dtype=np.int64)
