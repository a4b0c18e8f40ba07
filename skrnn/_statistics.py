"""Location and scale of the features of sequences, missing values left out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["at_each_step", "statistics"]


def statistics(
    values: NDArray[Any],
    offsets: NDArray[np.int64],
    method: str,
    constant: float = 1.0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Location and scale, (n_segments, n_features), of the steps between offsets.

    The scale of a feature that does not vary is ``constant``.
    """
    values = values.astype(np.float64, copy=False)
    low = np.fmin.reduceat(values, offsets[:-1], axis=0)
    high = np.fmax.reduceat(values, offsets[:-1], axis=0)
    largest = np.maximum(np.abs(low), np.abs(high))
    size = largest  # of the values the scale comes from: for quartiles, no outliers
    if method == "robust":
        low, loc, high = quartiles_of(values, offsets)
        scale, size = high - low, np.maximum(np.abs(low), np.abs(high))
    elif method == "standard":
        loc, scale = mean_and_deviation(values, offsets, size)
    else:
        loc, scale = low, high - low
    rounding = 10 * np.finfo(np.float64).eps * size
    overflow = np.finfo(np.float32).tiny * largest  # an outlier would become infinite
    # comparisons with NaN are false: a feature without a value is constant, at 0
    varies = (scale > rounding) & (scale > overflow)
    return np.where(np.isnan(size), 0.0, loc), np.where(varies, scale, constant)


def mean_and_deviation(
    values: NDArray[np.float64], offsets: NDArray[np.int64], size: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two passes, in units of a power of two near ``size``: no square overflows."""
    lengths = np.diff(offsets)
    missing = np.isnan(values)
    starts = offsets[:-1]
    count = np.add.reduceat(~missing, starts, axis=0, dtype=np.float64)
    count = np.maximum(count, 1.0)
    exponent = np.frexp(np.where(np.isnan(size), 1.0, size))[1]
    unit = np.ldexp(1.0, np.clip(exponent, -1000, 1000))

    deviations = values / at_each_step(unit, lengths)
    deviations[missing] = 0.0
    mean = np.add.reduceat(deviations, starts, axis=0) / count
    deviations -= at_each_step(mean, lengths)
    deviations[missing] = 0.0
    rest = np.add.reduceat(deviations, starts, axis=0) / count  # rounding of the mean
    deviations *= deviations
    variance = np.add.reduceat(deviations, starts, axis=0) / count
    return (mean + rest) * unit, np.sqrt(variance) * unit


def quartiles_of(
    values: NDArray[np.float64], offsets: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Quartiles of the known values, (3, n_segments, n_features), interpolated."""
    lengths = np.diff(offsets)
    count = np.add.reduceat(~np.isnan(values), offsets[:-1], axis=0, dtype=np.int64)
    last = np.maximum(count - 1, 0)
    place = np.array([0.25, 0.5, 0.75])[:, None, None] * last
    below = place.astype(np.int64)
    above = np.minimum(below + 1, last)
    ranked = np.empty_like(values)
    segment = np.repeat(np.arange(len(lengths)), lengths)
    for feature, column in enumerate(values.T):  # NaN come last
        if len(lengths) == 1:  # only the places that are read need the right value
            read = np.unique([below[:, 0, feature], above[:, 0, feature]])
            ranked[:, feature] = np.partition(column, read)
        else:
            ranked[:, feature] = column[np.lexsort((column, segment))]
    starts, features = offsets[:-1, None], np.arange(values.shape[1])
    lower, upper = ranked[starts + below, features], ranked[starts + above, features]
    quartiles: NDArray[np.float64] = lower + (upper - lower) * (place - below)
    return quartiles


def at_each_step(
    statistic: NDArray[np.float64], lengths: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Repeat the row of each segment for its steps; a single row broadcasts."""
    return statistic if len(lengths) == 1 else np.repeat(statistic, lengths, axis=0)
