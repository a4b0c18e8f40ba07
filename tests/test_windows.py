"""make_windows, compared with a plain loop."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.model_selection import TimeSeriesSplit

from skrnn import make_windows

SERIES = np.arange(20.0).reshape(10, 2)


def loop(
    series: NDArray[Any], window_length: int, horizon: int, step: int
) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Cut windows one by one until there is no target left."""
    X, y = [], []
    start = 0
    while start + window_length + horizon <= len(series):
        X.append(series[start : start + window_length])
        y.append(series[start + window_length + horizon - 1])
        start += step
    return X, y


@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 5), st.integers(10, 15))
def test_windows_agree_with_a_loop(
    window_length: int, horizon: int, step: int, n_times: int
) -> None:
    series = np.arange(n_times * 3).reshape(n_times, 3)
    X, y = make_windows(series, window_length, horizon=horizon, step=step)
    expected_X, expected_y = loop(series, window_length, horizon, step)
    np.testing.assert_array_equal(X, expected_X)
    np.testing.assert_array_equal(y, expected_y)


def test_a_series_of_one_feature_has_one_target_per_window() -> None:
    X, y = make_windows(np.arange(5.0), 3)
    np.testing.assert_array_equal(X, [[[0], [1], [2]], [[1], [2], [3]]])
    np.testing.assert_array_equal(y, [3.0, 4.0])


def test_windows_are_a_view() -> None:
    X, _ = make_windows(SERIES, 4)
    assert np.shares_memory(X, SERIES)


def test_windows_are_read_only() -> None:
    X, _ = make_windows(SERIES, 4)
    with pytest.raises(ValueError, match="read-only"):
        X[0, 0, 0] = 1.0


def test_changing_the_targets_leaves_the_series_alone() -> None:
    series = SERIES.copy()
    _, y = make_windows(series, 4)
    y[:] = -1.0
    np.testing.assert_array_equal(series, SERIES)


def test_the_longest_window_leaves_one() -> None:
    X, y = make_windows(SERIES, 7, horizon=3, target=1)
    assert X.shape == (1, 7, 2)
    assert y.tolist() == [19.0]


def test_a_target_is_found_by_its_position() -> None:
    _, y = make_windows(SERIES, 9, target=1)
    assert y.tolist() == [19.0]


def test_a_target_is_found_by_its_column_name() -> None:
    frame = pd.DataFrame(SERIES, columns=["load", "price"])
    _, y = make_windows(frame, 9, target="price")
    assert y.tolist() == [19.0]


@pytest.mark.parametrize("name", ["load", None])
def test_a_pandas_series_is_cut_like_its_values(name: Any) -> None:
    index = pd.date_range("2024-01-01", periods=10, freq="D")
    series = pd.Series(SERIES[:, 0], index=index, name=name)
    X, y = make_windows(series, 4)
    expected_X, expected_y = make_windows(SERIES[:, 0], 4)
    np.testing.assert_array_equal(X, expected_X)
    np.testing.assert_array_equal(y, expected_y)


@pytest.mark.parametrize("step", [1, 2, 3, 6, 7])
def test_a_gap_between_parts_keeps_test_windows_unseen(step: int) -> None:
    window_length, horizon = 4, 3
    X, y = make_windows(np.arange(300), window_length, horizon=horizon, step=step)
    gap = (window_length + horizon - 1) // step
    for train, test in TimeSeriesSplit(n_splits=3, gap=gap).split(X):
        seen = max(X[train].max(), y[train].max())
        assert 1 <= X[test].min() - seen <= step  # and a smaller gap would not do


def test_a_window_that_is_too_long_names_the_longest_possible() -> None:
    message = (
        r"window_length=48 leaves no window in a series of 40 steps with horizon=1: "
        r"use window_length <= 39 or a longer series\."
    )
    with pytest.raises(ValueError, match=message):
        make_windows(np.zeros(40), 48)


def test_a_horizon_beyond_the_series_names_the_length_needed() -> None:
    with pytest.raises(ValueError, match=r"horizon=9 .* at least 11 steps"):
        make_windows(np.zeros(9), 2, horizon=9)


@pytest.mark.parametrize("value", [0, -1, 1.5, None])
@pytest.mark.parametrize("name", ["window_length", "horizon", "step"])
def test_counts_must_be_positive_integers(name: str, value: Any) -> None:
    arguments = {"window_length": 2, name: value}
    with pytest.raises(ValueError, match=f"'{name}' parameter of make_windows must be"):
        make_windows(np.zeros(10), **arguments)


@pytest.mark.parametrize("target", [2, -1, "price"])
def test_an_unknown_target_is_refused(target: Any) -> None:
    with pytest.raises(ValueError, match=r"expected one of \[0, 1\]"):
        make_windows(SERIES, 3, target=target)


def test_an_unknown_column_is_refused() -> None:
    frame = pd.DataFrame(SERIES, columns=["load", "price"])
    with pytest.raises(ValueError, match=r"target='cost'.*\['load', 'price'\]"):
        make_windows(frame, 3, target="cost")


def test_more_than_one_series_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 10, 1\).*one series at a time"):
        make_windows(np.zeros((2, 10, 1)), 3)


def test_a_panel_of_series_is_refused() -> None:
    index = pd.MultiIndex.from_product([["a", "b"], range(5)])
    with pytest.raises(ValueError, match="several series"):
        make_windows(pd.Series(range(10), index=index), 3)


@pytest.mark.parametrize("as_period", [False, True])
def test_a_series_out_of_order_is_refused(as_period: bool) -> None:
    days = pd.date_range("2024-01-01", periods=10, freq="D")
    index = days.to_period() if as_period else days
    with pytest.raises(ValueError, match="not in the order of time"):
        make_windows(pd.Series(range(10), index=index[::-1]), 3)


@pytest.mark.parametrize("as_frame", [False, True])
@pytest.mark.parametrize("as_period", [False, True])
def test_a_time_that_comes_twice_is_named(as_period: bool, as_frame: bool) -> None:
    days = pd.date_range("2024-01-01", periods=9, freq="D")
    index = days.to_period() if as_period else days
    series = pd.Series(np.arange(10.0), index=index.insert(4, index[3]))
    with pytest.raises(ValueError, match=r"time 2024-01-04.* more than once"):
        make_windows(series.to_frame("load") if as_frame else series, 3)


def test_the_remedy_for_a_time_that_comes_twice_helps() -> None:
    days = pd.date_range("2024-01-01", periods=9, freq="D")
    series = pd.Series(np.arange(10.0), index=days.insert(4, days[3]))
    X, _ = make_windows(series.groupby(level=0).mean(), 3)
    assert X[1].ravel().tolist() == [1.0, 2.0, 3.5]


def test_numbers_of_rows_may_come_twice() -> None:
    halves = pd.concat([pd.Series(np.arange(5.0)), pd.Series(np.arange(5.0, 10.0))])
    X, _ = make_windows(halves, 4)
    np.testing.assert_array_equal(X, make_windows(SERIES[:, 0] / 2, 4)[0])


def test_text_is_refused() -> None:
    with pytest.raises(ValueError, match="expected real numbers"):
        make_windows(["a", "b", "c"], 1)


def test_a_column_of_text_is_named() -> None:
    frame = pd.DataFrame({"load": [1.0, 2.0, 3.0], "place": ["x", "y", "z"]})
    with pytest.raises(ValueError, match="Column 'place'"):
        make_windows(frame, 1)
