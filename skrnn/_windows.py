"""make_windows: one long series becomes many short sequences and their targets."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import (
    Interval,
    validate_parameter_constraints,
)

from skrnn._frames import frame_to_array, is_frame

__all__ = ["make_windows"]


def make_windows(
    series: ArrayLike | Any,
    window_length: int,
    *,
    horizon: int = 1,
    step: int = 1,
    target: int | str | None = None,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Cut a series into windows and the values that come after them.

    Windows and targets come in the order of time, and neighbours share most of their
    steps. Split them in order of time too: by ``TimeSeriesSplit``, or by
    ``train_test_split`` with ``shuffle=False``. If no step of a test window may have
    been seen in training, set ``TimeSeriesSplit(gap=window_length + horizon - 1)`` if
    ``step`` is 1, and ``gap=(window_length + horizon - 1) // step`` for any step.

    Parameters
    ----------
    series : array of shape (n_times,) or (n_times, n_features), Series or DataFrame
        The series, oldest value first.
    window_length : int
        Number of time steps of a window.
    horizon : int, default=1
        How many time steps after the end of a window its target lies.
    step : int, default=1
        Number of time steps from the start of a window to that of the next.
    target : int, str or None, default=None
        The feature to predict: a position, or a column label if ``series`` is a
        DataFrame. None takes all features.

    Returns
    -------
    X : ndarray of shape (n_windows, window_length, n_features)
        The windows: a read-only view of ``series``, no copy.
    y : ndarray of shape (n_windows,) or (n_windows, n_features)
        The values of ``target``; 2-D only for all of several features.

    Raises
    ------
    ValueError
        If the series is too short for one window and its target, is not in the order of
        time or has a time twice, or is not numeric, or if ``target`` is no feature of
        it.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import make_windows
    >>> X, y = make_windows(np.arange(10.0), window_length=4)
    >>> X.shape
    (6, 4, 1)
    >>> X[0].ravel()
    array([0., 1., 2., 3.])
    >>> float(y[0])
    4.0
    """
    count = [Interval(Integral, 1, None, closed="left")]
    validate_parameter_constraints(
        {"window_length": count, "horizon": count, "step": count},
        {"window_length": window_length, "horizon": horizon, "step": step},
        caller_name="make_windows",
    )
    values = _read_series(series)
    column = _find_target(series, values.shape[1], target)
    n_times = len(values)
    if window_length + horizon > n_times:
        raise ValueError(_too_long(window_length, horizon, n_times))
    windows = sliding_window_view(values, window_length, axis=0)
    X = windows[: n_times - window_length - horizon + 1 : step].transpose(0, 2, 1)
    y = values[window_length + horizon - 1 :: step, column]
    return X, y.copy()


def _read_series(series: Any) -> NDArray[Any]:
    """Make a numeric array (n_times, n_features), a view where possible."""
    if is_frame(series):
        _refuse_disorder(series.index)
        values = frame_to_array(series.to_frame() if series.ndim == 1 else series)
    else:
        values = np.asarray(series)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(
            f"series has shape {values.shape}, expected (n_times,) or (n_times, "
            "n_features) with at least one feature. Window one series at a time."
        )
    if values.dtype.kind not in "fiub":
        raise ValueError(
            f"series has dtype {values.dtype}, expected real numbers. Convert it with "
            "series.astype(float)."
        )
    return values


def _refuse_disorder(index: Any) -> None:
    """Rows of several series, or known to be out of order, make false windows."""
    if index.nlevels > 1:
        raise ValueError(
            "series has a MultiIndex, so it holds several series: window one at a "
            "time, or read them as sequences by as_sequences(series)."
        )
    has_times = index.dtype.kind == "M" or hasattr(index, "to_timestamp")
    if not has_times:
        return
    if not index.is_monotonic_increasing:
        raise ValueError(
            "series is not in the order of time: its index goes back at some point. "
            "Pass series.sort_index()."
        )
    if not index.is_unique:
        twice = index[index.duplicated()][0]
        raise ValueError(
            f"series has the time {twice} more than once in its index, expected each "
            "time once. Keep one value of each, for example by "
            "series.groupby(level=0).mean()."
        )


def _find_target(series: Any, n_features: int, target: Any) -> int | slice:
    """Position of the target feature; all of them if there are several."""
    if target is None:
        return 0 if n_features == 1 else slice(None)
    labels = list(range(n_features))
    if is_frame(series):
        labels = [series.name] if series.ndim == 1 else list(series.columns)
    if labels.count(target) != 1:
        raise ValueError(
            f"target={target!r} is not one feature of series: expected one of {labels}."
        )
    return labels.index(target)


def _too_long(window_length: int, horizon: int, n_times: int) -> str:
    longest = n_times - horizon
    if longest < 1:
        return (
            f"horizon={horizon} leaves no window in a series of {n_times} steps: use "
            f"a series of at least {window_length + horizon} steps."
        )
    return (
        f"window_length={window_length} leaves no window in a series of {n_times} "
        f"steps with horizon={horizon}: use window_length <= {longest} or a longer "
        "series."
    )
