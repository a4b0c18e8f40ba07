"""What a step is told besides y: the calendar, and columns of X as numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skrnn.forecasting._panels import Series, groups_of
from skrnn.forecasting._times import calendar

__all__ = ["Exogenous", "Frames", "check_calendar", "frames_of"]

Array = NDArray[np.float64]
Frames = dict[tuple[Any, ...], pd.DataFrame]
LARGEST = 1e150  # the squares of larger numbers overflow
FARTHEST = 10.0  # standard deviations; what lies further off is brought back to it


def frames_of(X: Any) -> Frames | None:
    """Rows of X of each series, by time."""
    if X is None:
        return None
    return {
        key: X.iloc[rows].set_axis(X.index[rows].get_level_values(-1), axis=0)
        for key, rows in groups_of(X.index)
    }


class Exogenous:
    """Turns times and rows of X into numbers; learned from the X of ``fit``.

    The numbers of a step are, in this order: the calendar, columns known ahead, static
    ones, and those known for the past only, which are those of the step before, with a
    number that says whether they are known. Numeric columns are standardised, others
    become an indicator for each category (none for a new one). A missing number becomes
    the mean, with an indicator if there were any in ``fit``.
    """

    def __init__(self, X: Any, past_only: Any, static: Any) -> None:
        self.columns = [] if X is None else list(X.columns)
        self.past_only = self._check_names(past_only, "past_only")
        self.static = self._check_names(static, "static")
        both = [name for name in self.past_only if name in self.static]
        if both:
            raise ValueError(f"past_only and static both name {both}: use one of them.")
        apart = [*self.past_only, *self.static]
        self.known = [name for name in self.columns if name not in apart]
        self.categories: dict[Any, list[Any]] = {}
        self.means: dict[Any, float] = {}
        self.scales: dict[Any, float] = {}
        self.gappy: list[Any] = []
        for name in self.columns:
            self._learn(name, X[name])

    def _check_names(self, names: Any, parameter: str) -> list[Any]:
        names = [] if names is None else list(names)
        unknown = [name for name in names if name not in self.columns]
        if unknown:
            raise ValueError(
                f"{parameter} names {unknown}, but the columns of X are {self.columns}."
            )
        return [*names]

    def _learn(self, name: Any, column: pd.Series[Any]) -> None:
        if not is_numeric(column):
            found = column.dropna().unique().tolist()
            self.categories[name] = sorted(found, key=lambda each: (repr(each),))
            return
        numbers = to_numbers(column)
        known = numbers[~np.isnan(numbers)]
        if len(known) < len(numbers):
            self.gappy.append(name)
        self.means[name] = float(known.mean()) if len(known) else 0.0
        deviation = float(known.std()) if len(known) else 0.0
        self.scales[name] = deviation if 0 < deviation < np.inf else 1.0

    def width_of(self, names: list[Any]) -> int:
        """How many numbers some columns become."""
        return sum(
            len(self.categories[name])
            if name in self.categories
            else 1 + (name in self.gappy)
            for name in names
        )

    @property
    def n_past(self) -> int:
        """How many of the last numbers of a step a forecast does not know."""
        return self.width_of(self.past_only) + 1 if self.past_only else 0

    def seen(
        self, series: Series, frames: Frames | None, before: Array | None = None
    ) -> tuple[Array, Array]:
        """Numbers (n_steps, n) of times with known y, and what to tell the next step.

        ``before`` is what was told so by an earlier part of the series.
        """
        frame = self._rows(series, frames, "y")
        parts = [calendar(series.index)]
        parts += [self._read(frame, self.known), self._read(frame, self.static)]
        past = np.empty((len(frame), 0))
        if self.past_only:
            ones = np.ones((len(frame), 1))
            past = np.concatenate([self._read(frame, self.past_only), ones], axis=1)
        first = np.zeros(self.n_past) if before is None else before
        told = np.concatenate([first[None], past])
        return np.concatenate([*parts, told[:-1]], axis=1), told[-1]

    def ahead(
        self, series: Series, frames: Frames | None, last: Array, told: Array
    ) -> Array:
        """Numbers (n_steps, n) of times to forecast.

        Static ones are as in ``last``, the numbers of the step before; past-only ones
        are ``told`` to the first time, and unknown after it.
        """
        parts = [calendar(series.index)]
        n_steps = len(series.index)
        if self.known:
            if frames is None:
                raise ValueError(
                    f"X is needed to predict: the network was fitted with the columns "
                    f"{self.known}. Pass X for {series.index[0]} to "
                    f"{series.index[-1]}, or name columns that are not known ahead in "
                    "past_only."
                )
            frame = self._rows(series, frames, "the forecast")
            parts.append(self._read(frame, self.known))
        start = len(last) - self.n_past - self.width_of(self.static)
        static = last[start : len(last) - self.n_past]
        past = np.zeros((n_steps, self.n_past))
        past[:1] = told
        return np.concatenate([*parts, np.tile(static, (n_steps, 1)), past], axis=1)

    def _rows(self, series: Series, frames: Frames | None, whose: str) -> pd.DataFrame:
        """Take the rows of X that belong to the times of a series."""
        if not self.columns:
            return pd.DataFrame(index=series.index)
        if frames is None:
            raise ValueError(
                f"The network was fitted with the columns {self.columns} of X: pass X "
                "for these times too."
            )
        if series.key not in frames:
            raise ValueError(
                f"X has no rows for {series.where}: its series are {list(frames)[:5]}."
            )
        frame = frames[series.key]
        places = frame.index.get_indexer(series.index)
        if (places < 0).any():
            absent = series.index[places < 0]
            more = ", ..." if len(absent) > 3 else ""
            raise ValueError(
                f"X has no row for {len(absent)} of the {len(places)} times of "
                f"{series.where} that {whose} needs: "
                f"{', '.join(map(str, absent[:3]))}{more}. A network goes step by "
                "step: pass X for every time up to the last one."
            )
        return frame.iloc[places]

    def _read(self, frame: pd.DataFrame, names: list[Any]) -> Array:
        """Read columns as (n_rows, n_numbers)."""
        absent = [name for name in names if name not in frame.columns]
        if absent:
            raise ValueError(
                f"X has no column {absent}, which fit had. It has the columns "
                f"{list(frame.columns)}."
            )
        parts = [np.empty((len(frame), 0))]
        for name in names:
            if name in self.categories:
                column = frame[name].tolist()
                parts += [
                    np.array([[float(value == category)] for value in column])
                    for category in self.categories[name]
                ]
                continue
            numbers = to_numbers(frame[name])
            missing = np.isnan(numbers)
            scaled = (numbers - self.means[name]) / self.scales[name]
            scaled = np.clip(np.where(missing, 0.0, scaled), -FARTHEST, FARTHEST)
            parts.append(scaled[:, None])
            if name in self.gappy:
                parts.append(missing.astype(np.float64)[:, None])
        return np.concatenate(parts, axis=1)


def check_calendar(series: Series, extras: Array, n_expected: int) -> None:
    """Refuse times whose calendar has other numbers than the network reads."""
    if extras.shape[1] != n_expected:
        freq = getattr(series.index, "freq", None)
        raise ValueError(
            f"{series.where} has times with the frequency {freq}, whose calendar is "
            "not that of the times the network was trained on (years or integers, "
            "months or weeks, days, hours). Pass times of that kind, for example "
            "y.asfreq('D'), or train another network."
        )


def is_numeric(column: pd.Series[Any]) -> bool:
    """Whether a column holds numbers or truth values; others are categories."""
    return bool(pd.api.types.is_numeric_dtype(column))


def to_numbers(column: pd.Series[Any]) -> Array:
    """Read a numeric column; missing values become NaN."""
    try:
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Column {column.name!r} of X held numbers in fit and cannot be read as "
            f"numbers now ({error})."
        ) from error
    too_large = np.abs(numbers) > LARGEST
    if too_large.any():
        place = column.index[int(too_large.argmax())]
        raise ValueError(
            f"Column {column.name!r} of X contains infinity or a number beyond "
            f"{LARGEST} at {place}: replace it, for example by NaN."
        )
    return numbers
