"""Frames of one or more series, taken apart, continued, and put together again."""

from __future__ import annotations

from itertools import islice, repeat
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skrnn.forecasting._times import check_order, future, regular

__all__ = ["Panel", "Series", "check_frame", "check_values", "check_width"]
__all__ += ["groups_of", "join_rows", "join_series", "later", "named", "split_panel"]
__all__ += ["split_rows", "split_series", "unmasked", "with_columns"]

LARGEST = 1e300  # of y: differences of larger numbers may overflow


class Series(NamedTuple):
    """One series: its key in the panel, its times, and a row of values for each."""

    key: tuple[Any, ...]
    index: Any
    values: NDArray[np.float64]  # (n_times, n_columns)

    @property
    def where(self) -> str:
        """How messages call it."""
        return f"series {self.key}" if self.key else "y"

    def first_column(self) -> Any:
        """Give the values of its first column, by time."""
        return pd.Series(self.values[:, 0], self.index)

    def until(self, n_times: int) -> Series:
        """Take the first of its times."""
        return Series(self.key, self.index[:n_times], self.values[:n_times])

    def append(self, other: Series) -> Series:
        """Put what comes after behind it."""
        index = self.index.append(other.index)
        if isinstance(index, pd.DatetimeIndex) and self.index.freq is not None:
            index = pd.DatetimeIndex(index, freq=self.index.freq)
        return Series(self.key, index, np.concatenate([self.values, other.values]))


class Panel(NamedTuple):
    """Several series, with the values of all in one array and equal times once."""

    keys: list[list[Any]]  # of all series, for each level
    indexes: list[Any]
    places: NDArray[np.int64]  # among them, of each series
    values: NDArray[np.float64]  # (n_times of all, n_columns)


def join_series(series: list[Series]) -> Panel:
    """Put series of equal width into one value."""
    indexes: list[Any] = []
    alike: dict[Any, list[int]] = {}  # places of what may be equal
    places = []
    for _, index, _ in series:
        ends = (len(index), *index[[0, -1]]) if len(index) else (0,)
        known = alike.setdefault(ends, [])
        found = [k for k in known if index.identical(indexes[k])]
        if not found:
            found = [len(indexes)]
            indexes.append(index)
            known += found
        places.append(found[0])
    keys = [list(level) for level in zip(*(each.key for each in series), strict=True)]
    values = np.concatenate([each.values for each in series])
    return Panel(keys, indexes, np.array(places, dtype=np.int64), values)


def split_panel(panel: Panel) -> list[Series]:
    """Take the series apart again."""
    lists = [panel.keys, panel.indexes, *panel.keys]
    arrays = [panel.places, panel.values]
    if not all(isinstance(each, list) for each in lists) or not all(
        isinstance(each, np.ndarray) for each in arrays
    ):
        raise ValueError("These are no series side by side.")
    keys = zip(*panel.keys, strict=True) if panel.keys else repeat(())
    indexes = [panel.indexes[place] for place in panel.places]
    values = split_rows(panel.values, indexes)
    return [
        Series(*each)
        for each in zip(islice(keys, len(indexes)), indexes, values, strict=True)
    ]


def split_rows(rows: NDArray[Any], indexes: list[Any]) -> list[NDArray[Any]]:
    """Take rows of several series apart, as many for each as it has times."""
    ends = np.cumsum([len(index) for index in indexes])
    return np.split(rows, ends[:-1])


def named(series: list[Series], key: Any) -> Series:
    """Find a series by its key; the first one for None."""
    if key is None:
        return series[0]
    wanted = key if isinstance(key, tuple) else (key,)
    for each in series:
        if each.key == wanted:
            return each
    keys = [each.key for each in series]
    raise ValueError(f"series={key!r}, expected one of {keys[:10]} ({len(keys)}).")


def groups_of(index: Any) -> list[tuple[tuple[Any, ...], NDArray[np.int64]]]:
    """Rows of each series, by the order in which the series appear."""
    if index.nlevels == 1:
        return [((), np.arange(len(index)))]
    codes, labels = pd.factorize(index.droplevel(-1))
    order = np.argsort(codes, kind="stable")
    cuts = np.cumsum(np.bincount(codes))[:-1]
    keys = [label if isinstance(label, tuple) else (label,) for label in labels]
    return list(zip(keys, np.split(order, cuts), strict=True))


def check_frame(frame: Any, name: str) -> None:
    """Look at the times of a frame before anybody else does."""
    if not isinstance(frame, pd.DataFrame | pd.Series) or len(frame) == 0:
        return
    for key, rows in groups_of(frame.index):
        where = f"{name} of series {key}" if key else name
        check_order(frame.index[rows].get_level_values(-1), where)
    if name == "y":  # columns of X may hold anything
        check_numbers(frame)


def check_numbers(y: Any) -> None:
    """Refuse columns that hold no real numbers, before others call them categories."""
    columns = pd.DataFrame(y)
    for place, name in enumerate(columns):
        column = columns.iloc[:, place]
        kind = column.dtype
        if np.ndim(column.iloc[0]) > 0:  # nested: a whole series in each cell
            continue
        if not pd.api.types.is_numeric_dtype(kind) or kind.kind == "c":
            raise TypeError(
                f"Column {name!r} of y holds values of type {kind}, the first is "
                f"{column.iloc[0]!r}, and a forecaster needs real numbers, nothing "
                "categorical: convert them first, for example by pd.to_numeric."
            )


def unmasked(data: Any) -> Any:
    """Put NaN in the masked places of an array, which nobody else looks at."""
    if isinstance(data, np.ma.MaskedArray):
        return np.ma.filled(data.astype(np.float64), np.nan)
    return data


def check_values(series: Series, counts: str | None, log: bool) -> None:
    """Refuse values that a loss for ``counts`` or a logarithm cannot take."""
    known = series.values[~np.isnan(series.values)]
    wrong = (known < 0) | (known != np.floor(known))
    if counts and wrong.any():
        raise ValueError(
            f"loss={counts!r} is for counts, but {series.where} holds "
            f"{known[wrong][0]}: use loss='student_t' or 'quantile'."
        )
    if log and (known <= -1).any():
        raise ValueError(
            "A network that sees log(1 + y) needs values above -1, but "
            f"{series.where} holds {known.min():.4g}: fit anew with log=False."
        )


def check_width(y: pd.DataFrame, expected: int) -> None:
    """Refuse another number of columns than the network has."""
    if y.shape[1] != expected:
        raise ValueError(
            f"y has {y.shape[1]} columns, but the network was fitted with {expected}."
        )


def with_columns(y: pd.DataFrame, columns: Any) -> pd.DataFrame:
    """Take the columns of y by the names they had in ``fit``; one may change it."""
    if y.shape[1] == 1:
        return y
    absent = [name for name in columns if name not in y.columns]
    if absent:
        raise ValueError(
            f"y has no column {absent}, which fit had. It has the columns "
            f"{list(y.columns)}."
        )
    return y[list(columns)]


def split_series(frame: pd.DataFrame, freq: Any = None) -> list[Series]:
    """Take a frame, with or without levels above time, apart into regular series."""
    if len(frame) == 0:
        raise ValueError("y has no rows: pass at least one value.")
    values = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    too_large = np.abs(values) > LARGEST
    if too_large.any():
        row, column = np.argwhere(too_large)[0]
        raise ValueError(
            f"y contains infinity or numbers beyond {LARGEST}: {too_large.sum()} in "
            f"all, the first, {values[row, column]}, at {frame.index[row]} in column "
            f"{frame.columns[column]!r}. Replace it, for example by NaN, which the "
            "forecaster can read."
        )
    found = []
    for key, rows in groups_of(frame.index):
        times = frame.index  # as it is, with the frequency that was given
        if key:
            times = frame.index[rows].get_level_values(-1)
        found.append(Series(key, times, values[rows]))
    longest = max(found, key=lambda series: len(series.index))
    if freq is None:
        freq = getattr(regular(longest.index, longest.where), "freq", None)
    return [
        each._replace(index=regular(each.index, each.where, freq)) for each in found
    ]


def later(old: Series, new: Series) -> Series:
    """Take the values of ``new`` that come after ``old``; times between get NaN."""
    n_old = int(new.index.searchsorted(old.index[-1], side="right"))
    index, values = new.index[n_old:], new.values[n_old:]
    if len(index) == 0:
        return Series(old.key, index, values)
    n_steps = 16
    grid = future(old.index, n_steps, old.where)
    while grid[-1] < index[-1]:
        n_steps *= 2
        grid = future(old.index, n_steps, old.where)
    places = grid.get_indexer(index)
    if (places < 0).any():
        raise ValueError(
            f"{old.where} goes on at {index[places < 0][0]}, which is no step of "
            f"{old.index.freq} after {old.index[-1]}."
        )
    filled = np.full((places[-1] + 1, values.shape[1]), np.nan)
    filled[places] = values
    return Series(old.key, grid[: places[-1] + 1], filled)


def join_rows(keys: list[tuple[Any, ...]], times: list[Any], names: Any) -> pd.Index:
    """Make the index of a result: times of each series, below its key."""
    if keys == [()]:
        single: pd.Index = times[0].rename(names[-1])
        return single
    lengths = [len(each) for each in times]
    levels: list[Any] = [
        pd.Index([key[level] for key in keys]).repeat(lengths)
        for level in range(len(keys[0]))
    ]
    return pd.MultiIndex.from_arrays(
        [*levels, times[0].append(times[1:])], names=list(names)
    )
