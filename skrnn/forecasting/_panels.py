"""Frames of series become arrays, and arrays frames again."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skrnn.forecasting._times import check_order, regular

__all__ = ["Exogenous", "Series", "check_frame", "join_rows", "split_series"]


class Series(NamedTuple):
    """One series: its key in the panel, its times, and a row of values for each."""

    key: tuple[Any, ...]
    index: Any
    values: NDArray[np.float64]

    @property
    def where(self) -> str:
        """How messages call it."""
        return f"Series {self.key}" if self.key else "y"


def check_frame(frame: Any, name: str) -> None:
    """Look at the times of a frame or series before anybody else does."""
    if not isinstance(frame, pd.DataFrame | pd.Series) or len(frame) == 0:
        return
    if frame.index.nlevels == 1:
        check_order(frame.index, name)
        return
    for key, rows in groups_of(frame.index):
        check_order(frame.index[rows].get_level_values(-1), f"Series {key} of {name}")


def groups_of(index: Any) -> list[tuple[tuple[Any, ...], NDArray[np.int64]]]:
    """Rows of each series, by the order in which the series appear."""
    if index.nlevels == 1:
        return [((), np.arange(len(index)))]
    keys = index.droplevel(-1)
    codes, labels = pd.factorize(keys)
    order = np.argsort(codes, kind="stable")
    cuts = np.cumsum(np.bincount(codes))[:-1]
    names = [label if isinstance(label, tuple) else (label,) for label in labels]
    return list(zip(names, np.split(order, cuts), strict=True))


def split_series(frame: pd.DataFrame, freq: Any = None) -> list[Series]:
    """Take a frame, with or without levels above time, apart into regular series."""
    values = frame.to_numpy(dtype=np.float64)
    infinite = np.isinf(values)
    if infinite.any():
        row, column = np.argwhere(infinite)[0]
        raise ValueError(
            f"y contains infinity: {infinite.sum()} values, the first at "
            f"{frame.index[row]} in column {frame.columns[column]!r}. Replace it, for "
            "example by NaN, which the forecaster can read."
        )
    found: list[Series] = []
    for key, rows in groups_of(frame.index):
        times = frame.index[rows].get_level_values(-1)
        series = Series(key, times, values[rows])
        check_order(times, series.where)
        found.append(series._replace(index=regular(times, series.where, freq)))
    return found


def join_rows(
    keys: list[tuple[Any, ...]], times: list[Any], names: Any
) -> pd.Index | pd.MultiIndex:
    """Make the index of a result: times of each series, below its key."""
    if keys == [()]:
        index: pd.Index = times[0].rename(names[-1])
        return index
    lengths = [len(each) for each in times]
    levels = [
        np.repeat(np.array([key[level] for key in keys], dtype=object), lengths)
        for level in range(len(keys[0]))
    ]
    frame = pd.DataFrame(dict(enumerate(levels))).infer_objects()
    everything = times[0].append(times[1:])
    arrays = [frame[level] for level in range(len(levels))] + [everything]
    return pd.MultiIndex.from_arrays(arrays, names=names)


class Exogenous:
    """Turns the columns of X into numbers: scaled, categories as indicators.

    Missing numbers become the mean, with an indicator if any was missing in ``fit``.
    """

    def __init__(self, frame: pd.DataFrame, past_only: Any, static: Any) -> None:
        self.columns = list(frame.columns)
        self.past_only = self._check_names(past_only, "past_only")
        self.static = self._check_names(static, "static")
        both = [name for name in self.past_only if name in self.static]
        if both:
            raise ValueError(f"past_only and static both name {both}: use one of them.")
        self.categories: dict[Any, list[Any]] = {}
        self.means: dict[Any, float] = {}
        self.scales: dict[Any, float] = {}
        self.gappy: list[Any] = []
        for name in self.columns:
            column = frame[name]
            if not is_numeric(column):
                found = column.dropna().unique().tolist()
                self.categories[name] = sorted(found, key=lambda x: (str(type(x)), x))
                continue
            numbers = to_numbers(column)
            if np.isnan(numbers).any():
                self.gappy.append(name)
            known = numbers[~np.isnan(numbers)]
            self.means[name] = float(known.mean()) if len(known) else 0.0
            deviation = float(known.std()) if len(known) else 0.0
            self.scales[name] = deviation if deviation > 0 else 1.0

    def _check_names(self, names: Any, parameter: str) -> list[Any]:
        names = [] if names is None else list(names)
        unknown = [name for name in names if name not in self.columns]
        if unknown:
            raise ValueError(
                f"{parameter} names {unknown}, but the columns of X are {self.columns}."
            )
        return names

    def width_of(self, name: Any) -> int:
        """How many numbers a column becomes."""
        if name in self.categories:
            return len(self.categories[name])
        return 2 if name in self.gappy else 1

    def read(self, frame: pd.DataFrame, names: list[Any]) -> NDArray[np.float64]:
        """Read columns as (n_rows, n_numbers)."""
        absent = [name for name in names if name not in frame.columns]
        if absent:
            raise ValueError(
                f"X has no column {absent}, which fit had. It has the columns "
                f"{list(frame.columns)}."
            )
        parts: list[NDArray[np.float64]] = [np.empty((len(frame), 0))]
        for name in names:
            if name in self.categories:
                column = frame[name].to_numpy(dtype=object)
                parts += [
                    np.array([value == category for value in column], dtype=np.float64)[
                        :, None
                    ]
                    for category in self.categories[name]
                ]
                continue
            numbers = to_numbers(frame[name])
            if np.isinf(numbers).any():
                raise ValueError(
                    f"Column {name!r} of X contains infinity at "
                    f"{frame.index[int(np.isinf(numbers).argmax())]}: replace it."
                )
            scaled = (numbers - self.means[name]) / self.scales[name]
            missing = np.isnan(scaled)
            parts.append(np.where(missing, 0.0, np.clip(scaled, -10, 10))[:, None])
            if name in self.gappy:
                parts.append(missing.astype(np.float64)[:, None])
        return np.concatenate(parts, axis=1)


def is_numeric(column: pd.Series[Any]) -> bool:
    """Whether a column holds numbers or truth values; others are categories."""
    return bool(
        pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)
    )


def to_numbers(column: pd.Series[Any]) -> NDArray[np.float64]:
    """Read a numeric column; missing values become NaN."""
    return column.to_numpy(dtype=np.float64, na_value=np.nan)
