"""The rows on forecasting of the project's fault list: what users get wrong, and what
goes wrong around them. The tests have the numbers of their rows in their names.
"""

import copy
import multiprocessing
import os
import random
import re
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_index_equal, assert_series_equal
from sklearn.utils._param_validation import InvalidParameterError
from sktime.datasets import load_airline
from sktime.exceptions import NotFittedError
from sktime.forecasting.base import ForecastingHorizon

from skrnn._devices import one_thread
from skrnn.forecasting import GRUForecaster, LSTMForecaster, RNNForecaster

ALL = [RNNForecaster, LSTMForecaster, GRUForecaster]
FH = [1, 2, 3]
N = 40
DAYS = pd.date_range("2024-01-01", periods=N + 20, freq="D")


@pytest.fixture(autouse=True, scope="module")
def one_torch_thread():
    """Tiny networks on cores that others use too: waiting threads would cost most."""
    with one_thread(torch.device("cpu")):
        yield


def make(cls: Any = GRUForecaster, **params: Any) -> Any:
    values = {"hidden_size": 4, "max_epochs": 1, "num_samples": 10, "device": "cpu"}
    values["n_estimators"] = 1
    return cls(**{**values, "early_stopping": False, "random_state": 0, **params})


def values(n=N):
    steps = np.arange(n)
    return 10 + steps / 10 + np.sin(steps)


def series(index=None, n=N):
    index = DAYS[:n] if index is None else index
    return pd.Series(values(len(index)), index)


def frame(index=None):
    return pd.DataFrame({"a": series(index), "b": 2 * series(index).to_numpy()})


def panel(index=None, first=None):
    """Series "p" and "q"; only "q" has the times given, unless ``first`` is too."""
    parts = {"p": series(first), "q": series(index)}
    return pd.concat({key: each.to_frame("a") for key, each in parts.items()})


FORMS = {"series": series, "frame": frame, "panel": panel}
in_all_forms = pytest.mark.parametrize("form", FORMS)


def where(form, name="y"):
    return f"{name} of series ('q',)" if form == "panel" else name


def which(form):
    return "series ('q',)" if form == "panel" else "y"


def X_of(index, *names):
    steps = np.arange(len(index))
    return pd.DataFrame({n: np.cos(steps + i) for i, n in enumerate(names)}, index)


def snapshot(forecaster, X=None):
    """All that a forecaster says."""
    return np.c_[
        np.asarray(forecaster.predict(FH, X)),
        np.asarray(forecaster.predict_interval(FH, X)),
    ]


def refused(message, y, *, before=None, kind=ValueError, **params):
    """``fit`` and ``update`` refuse y, and leave an old forecaster as it was."""
    pattern = re.escape(message)
    with pytest.raises(kind, match=pattern):
        make(**params).fit(y)
    if before is None:
        return
    forecaster = make(**params).fit(before)
    cutoff, expected = forecaster.cutoff, snapshot(forecaster)
    for act in (forecaster.update, forecaster.fit):
        with pytest.raises(kind, match=pattern):
            act(y)
        assert forecaster.cutoff.equals(cutoff)
        assert_array_equal(snapshot(forecaster), expected)


def earlier(form):
    """Good values before those of the other functions."""
    index = DAYS[:N] - pd.Timedelta(days=N)
    return panel(index, index) if form == "panel" else FORMS[form](index)


# --- times: rows 51 to 57 ------------------------------------------------------------


@in_all_forms
def test_row_51_unsorted_times_are_refused(form):
    index = DAYS[[0, 2, 1, *range(3, N)]]
    message = (
        f"{where(form)} is not in the order of time: 2024-01-02 00:00:00 comes after "
        "2024-01-03 00:00:00. Pass y.sort_index() and X.sort_index()."
    )
    refused(message, FORMS[form](index), before=earlier(form))


@in_all_forms
def test_row_52_a_time_that_comes_twice_is_refused(form):
    index = DAYS[[0, 1, 1, *range(2, N)]]
    message = (
        f"{where(form)} has the time 2024-01-02 00:00:00 more than once (1 rows too "
        "many): keep one row of each, for example data[~data.index.duplicated()]."
    )
    y = panel(index)
    if form != "panel":  # pandas does not align doubled times
        y = pd.DataFrame({"a": values(N + 1)}, index)
        y = y["a"] if form == "series" else y.assign(b=y["a"])
    refused(message, y, before=earlier(form))
    assert len(make().fit(y[~y.index.duplicated()]).predict(FH)) == len(
        make().fit(FORMS[form]()).predict(FH)
    )


@in_all_forms
def test_row_53_a_gap_is_named_and_NaN_fills_it(form):
    message = (
        f"{which(form)} has a gap: after 2024-01-05 00:00:00 comes 2024-01-07 00:00:00"
        ", but 2024-01-06 00:00:00 is missing. Put the missing times in with NaN"
    )
    y = FORMS[form](DAYS[:N].delete(5))
    refused(message, y, before=earlier(form))
    filled = FORMS[form]()
    y = y.reindex(filled.index)
    assert y.isna().to_numpy().sum() == (2 if form == "frame" else 1)
    assert np.isfinite(np.asarray(make().fit(y).predict(FH))).all()


@pytest.mark.parametrize(
    ("index", "missing"),
    [
        (pd.RangeIndex(41).delete(5), ("4", "6", "5")),
        (pd.RangeIndex(0, 80, 2), ("0", "2", "1")),
        (DAYS[:41].to_period().delete(5), ("2024-01-05", "2024-01-07", "2024-01-06")),
    ],
    ids=["integers", "every other integer", "periods"],
)
@pytest.mark.parametrize("form", ["series", "panel"])
def test_row_53_gaps_of_other_times(index, missing, form):
    y = panel(index, index) if form == "panel" else series(index)
    key = "series ('p',)" if form == "panel" else "y"
    before, after, absent = missing
    refused(
        f"{key} has a gap: after {before} comes {after}, but {absent} is missing.", y
    )


def test_row_53_the_advice_for_the_gaps_of_a_panel_works():
    first, last = 0, 40
    for index, advised in [
        (pd.RangeIndex(0, 41, 2), "one.droplevel(0).reindex(range(first, last + 1))"),
        (DAYS[:41].delete(5), "one.droplevel(0).asfreq('D')"),
    ]:
        y = panel(index, index)
        advice = f"y.groupby(level=0).apply(lambda one: {advised})"
        refused(f"for each series by itself, {advice}", y)
        filled = eval(advice, {"y": y, "first": first, "last": last, "range": range})
        assert np.isfinite(make().fit(filled).predict(FH)).to_numpy().all()


@in_all_forms
def test_row_53_times_between_fit_and_update_may_be_missing(form):
    """What came in between is unknown, so it is read as NaN."""
    y = FORMS[form]() if form != "panel" else panel(DAYS[:N])
    days = y.index.get_level_values(-1)
    jumping = make().fit(y[days < DAYS[25]])
    jumping.update(y[days >= DAYS[30]], update_params=False)
    filled = make().fit(y[days < DAYS[25]])
    unknown = y.copy()
    unknown[(days >= DAYS[25]) & (days < DAYS[30])] = np.nan
    filled.update(unknown[days >= DAYS[25]], update_params=False)
    assert_array_equal(snapshot(jumping), snapshot(filled))


@in_all_forms
def test_row_54_irregular_times_are_refused(form):
    steps = np.random.default_rng(0).integers(1, 9000, N).cumsum()
    index = pd.DatetimeIndex(np.array("2024-01-01", dtype="M8[s]") + steps)
    first = index if form == "panel" else None
    y = panel(index, first) if form == "panel" else FORMS[form](index)
    key = "series ('p',)" if form == "panel" else "y"
    refused(f"{key} has no regular frequency: after {index[1]} a step of", y)


@in_all_forms
@pytest.mark.parametrize("kind", ["texts", "floats"])
def test_row_54_an_index_that_holds_no_times_is_refused(form, kind):
    index = pd.Index([f"t{i:02d}" for i in range(N)] if kind == "texts" else values())
    y = panel(index, index) if form == "panel" else FORMS[form](index)
    key = "y of series ('p',)" if form == "panel" else "y"
    message = f"{key} has an index of Index ({index.dtype})"
    refused(message, y, kind=TypeError)


def test_row_54_a_missing_time_is_refused():
    index = DAYS[:N].to_series().reset_index(drop=True)
    index[3] = pd.NaT
    refused("y has a time that is missing", series(pd.DatetimeIndex(index)))


@in_all_forms
def test_row_55_a_frequency_that_is_not_set_is_inferred(form):
    bare = FORMS[form](pd.DatetimeIndex(DAYS[:N].to_numpy()))
    assert getattr(bare.index, "freq", None) is None
    forecaster = make().fit(bare)
    assert_array_equal(snapshot(forecaster), snapshot(make().fit(FORMS[form]())))
    y_pred = forecaster.predict(FH)
    expected = DAYS[N : N + 3]
    times = y_pred.index.get_level_values(-1).unique()
    assert_array_equal(times, expected)


def test_row_55_a_frequency_that_is_set_is_kept():
    """Two days of a week do not tell whether Saturday comes next."""
    friday = pd.bdate_range("2024-01-05", periods=1)
    forecaster = make().pretrain(panel(first=DAYS[:N])).fit(series(friday))
    assert str(forecaster.predict([1]).index[0].date()) == "2024-01-08"
    half_months = pd.date_range("2024-01-01", periods=33, freq="SME")
    y_pred = make().fit(series(half_months[:30])).predict(FH)
    assert_array_equal(y_pred.index, half_months[30:])


def test_row_55_a_pretrained_network_wants_times_of_the_same_kind():
    forecaster = make().pretrain(panel(first=DAYS[:N]))
    hours = pd.date_range("2024-01-01", periods=N, freq="h")
    alone = pd.DatetimeIndex(["2024-01-05"])
    for index, freq in [(hours, "<Hour>"), (alone, "None")]:
        message = f"y has times with the frequency {freq}, whose calendar is not"
        with pytest.raises(ValueError, match=message):
            forecaster.fit(series(index))
    business = pd.bdate_range("2024-01-01", periods=N)
    assert forecaster.fit(series(business)).predict([1]).index[0].dayofweek < 5
    years = {key: series(pd.RangeIndex(N)).to_frame() for key in "pq"}
    forecaster = make().pretrain(pd.concat(years)).fit(pd.Series([5.0], alone))
    with pytest.raises(ValueError, match=r"single time, 2024-01-05.*y\.index\.freq"):
        forecaster.predict(FH)


@pytest.mark.parametrize("start", ["2024-03-29", "2024-10-25"], ids=["on", "off"])
@pytest.mark.parametrize("freq", ["h", "D"])
@pytest.mark.parametrize("bare", [False, True], ids=["freq", "no freq"])
def test_row_56_absolute_times_are_kept_when_clocks_change(start, freq, bare):
    begin = pd.Timestamp(start, tz="Europe/Berlin")
    if freq == "D":
        begin -= pd.DateOffset(days=N)
    times = pd.date_range(begin, periods=N + 36, freq=freq)
    seen = pd.DatetimeIndex(list(times[:N])) if bare else times[:N]
    forecaster = make().fit(series(seen))
    coming = times[N:]
    offsets = {each.utcoffset() for each in times}
    assert len(offsets) == 2  # the clocks do change
    for fh in (range(1, 37), ForecastingHorizon(coming, is_relative=False)):
        y_pred = forecaster.predict(fh)
        assert_array_equal(y_pred.index.asi8, coming.asi8)
        assert y_pred.index.tz == times.tz
    forecaster.update(series(coming[:10]), update_params=False)
    assert_array_equal(forecaster.predict(FH).index.asi8, coming[10:13].asi8)


def continuation(freq, kind):
    """N times and the three after them, as pandas makes them."""
    if kind == "periods":
        times = pd.period_range("2020-01-01", periods=300, freq=freq)
    else:
        times = pd.date_range("2020-01-01", periods=300, freq=freq)
    return times[:280], times[280:283]


@pytest.mark.parametrize(
    ("freq", "kind", "season"),
    [
        ("M", "periods", 12),
        ("Q-NOV", "periods", 4),
        ("W-TUE", "periods", 52),
        ("15min", "periods", 96),
        ("D", "periods", 7),
        ("Y", "periods", 1),
        ("ME", "timestamps", 12),
        ("MS", "timestamps", 12),
        ("BME", "timestamps", 12),
        ("QE", "timestamps", 4),
        ("B", "timestamps", 5),
        ("W-TUE", "timestamps", 52),
        ("15min", "timestamps", 96),
        ("30min", "timestamps", 48),
        ("h", "timestamps", 24),
        ("D", "timestamps", 7),
        ("s", "timestamps", 60),
        ("YS-APR", "timestamps", 1),
    ],
)
@pytest.mark.parametrize("form", ["series", "panel"])
def test_row_57_frequencies_give_seasons_and_times_to_come(freq, kind, season, form):
    times, coming = continuation(freq, kind)
    y = panel(times, times) if form == "panel" else series(times)
    forecaster = make(context_length=8, horizon=2).fit(y)
    assert forecaster.network_.lags[0] == season
    for fh in (FH, ForecastingHorizon(coming, is_relative=False)):
        y_pred = forecaster.predict(fh)
        if form == "panel":
            y_pred = y_pred.loc["q"]
        assert_index_equal(pd.Index(y_pred.index), pd.Index(coming), exact=False)


# --- horizons: rows 58, 59 and 61 ----------------------------------------------------


@in_all_forms
@pytest.mark.parametrize("strategy", ["recursive", "direct"])
def test_row_58_some_steps_are_those_of_all_steps(form, strategy):
    forecaster = make(strategy=strategy, horizon=3).fit(FORMS[form]())
    every, some = range(1, 8), [1, 3, 7]
    for ask in (
        forecaster.predict,
        forecaster.predict_interval,
        forecaster.predict_var,
    ):
        steps = ask(every)
        days = steps.index.get_level_values(-1)
        assert_frame_equal(
            pd.DataFrame(ask(some)),
            pd.DataFrame(steps[days.isin(DAYS[[N, N + 2, N + 6]])]),
            check_freq=False,
        )


@in_all_forms
def test_row_59_known_times_are_forecast_one_step_ahead(form):
    """Each is what a forecaster says that has read only the values before."""
    y = FORMS[form]() if form != "panel" else panel(first=DAYS[:N])
    forecaster = make().fit(y)
    several = y if form == "panel" else pd.concat({"p": pd.DataFrame(y)})
    pretrained = make().pretrain(several)  # the same network
    fh = [-9, -1, 0, 2]
    found = forecaster.predict(fh)
    days = y.index.get_level_values(-1)
    for step in fh[:3]:
        place = N - 1 + step
        before = pretrained.clone().fit(y[days < DAYS[place]])
        at = found.index.get_level_values(-1) == DAYS[place]
        assert_allclose(found[at], before.predict([1]), rtol=1e-5)
    at = found.index.get_level_values(-1) == DAYS[N + 1]
    assert_array_equal(found[at], forecaster.predict([2]))
    intervals = forecaster.predict_interval(fh).to_numpy()
    assert (intervals[:, 0] < intervals[:, 1]).all()


@in_all_forms
def test_row_59_there_is_nothing_before_the_first_value(form):
    forecaster = make().fit(FORMS[form]())
    assert len(forecaster.predict([1 - N])) == (2 if form == "panel" else 1)
    key = "series ('p',)" if form == "panel" else "y"
    message = f"fh asks for {N} steps before the last value of {key}, which has only"
    for ask in (forecaster.predict, forecaster.predict_interval):
        with pytest.raises(ValueError, match=re.escape(message)):
            ask([-N, 1])
    absolute = ForecastingHorizon(pd.DatetimeIndex(["2023-12-25"]), is_relative=False)
    message = f"fh asks for 2023-12-25 00:00:00, which is no time of {key}: its times"
    with pytest.raises(ValueError, match=re.escape(message)):
        forecaster.predict(absolute)


def test_row_59_a_time_between_two_steps_is_refused():
    noon = ForecastingHorizon(pd.DatetimeIndex(["2024-02-12 12:00"]), is_relative=False)
    with pytest.raises(ValueError, match=r"2024-02-12 12:00:00, which is no time of y"):
        make().fit(series()).predict(noon)


LONG_WAY = """
import resource, sys
import numpy as np, pandas as pd
from skrnn.forecasting import GRUForecaster

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

y = pd.Series(10 + np.sin(np.arange(40)))
params = {"hidden_size": 4, "max_epochs": 1, "num_samples": 10, "device": "cpu"}
forecaster = GRUForecaster(**params, early_stopping=False, random_state=0).fit(y)
forecaster.predict_interval([1, 2, 3])
before = peak()
answer = forecaster.predict_interval(np.arange(1, 30_001)).to_numpy()
assert answer.shape == (30_000, 2) and np.isfinite(answer).all()
print(peak() - before)
"""


@pytest.mark.slow
def test_row_61_a_horizon_of_30000_takes_little_memory():
    """All memory, torch's too, in a process of its own."""
    run = subprocess.run([sys.executable, "-c", LONG_WAY], capture_output=True)
    assert (run.stderr, run.returncode) == (b"", 0)
    assert int(run.stdout) < 60e6


@in_all_forms
def test_row_61_forecasts_that_are_not_finite_bring_a_warning(form):
    y = np.exp(17.0 * np.arange(N))
    if form == "frame":
        y = np.c_[y, y]
    days = DAYS[:N]
    y = pd.DataFrame(y, days) if form != "series" else pd.Series(y, days)
    if form == "panel":
        y = pd.concat({"p": y, "q": y})
    forecaster = make(log=True).fit(y)
    assert np.isfinite(np.asarray(forecaster.predict(FH))).all()
    with pytest.warns(UserWarning, match=r"forecasts are not finite.*log=False"):
        forecaster.predict_quantiles([300], alpha=0.9)


# --- X: row 60 -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def with_X():
    return make().fit(series(), X_of(DAYS[:N], "u", "w"))


def future_X(*names):
    return X_of(DAYS, *names)[N:]


ask_all = pytest.mark.parametrize(
    "ask", ["predict", "predict_interval", "predict_quantiles", "predict_var"]
)


@ask_all
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([0, 1], "1 of the 3 times of y that the forecast needs: 2024-02-12 00:00:00."),
        ([0, 2], "1 of the 3 times of y that the forecast needs: 2024-02-11 00:00:00."),
        (
            [3, 4, 5],
            "3 of the 3 times of y that the forecast needs: 2024-02-10 00:00:00, "
            "2024-02-11 00:00:00, 2024-02-12 00:00:00.",
        ),
    ],
    ids=["short", "with a hole", "misaligned"],
)
def test_row_60_missing_rows_of_a_future_X_are_named(with_X, ask, rows, message):
    with pytest.raises(ValueError, match=re.escape(f"X has no row for {message}")):
        getattr(with_X, ask)(FH, future_X("u", "w").iloc[rows])


@ask_all
def test_row_60_a_future_X_that_is_missing_is_asked_for(with_X, ask):
    message = (
        "X is needed to predict: the network was fitted with the columns ['u', 'w']. "
        "Pass X for 2024-02-10 00:00:00 to 2024-02-12 00:00:00, or name columns that "
        "are not known ahead in past_only."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(with_X, ask)(FH)


def test_row_60_other_columns_are_refused(with_X):
    message = "X has no column ['u'], which fit had. It has the columns ['z', 'w']."
    with pytest.raises(ValueError, match=re.escape(message)):
        with_X.predict(FH, future_X("z", "w"))
    message = "X has no column ['w'], which fit had. It has the columns ['u']."
    with pytest.raises(ValueError, match=re.escape(message)):
        with_X.predict(FH, future_X("u"))


def test_row_60_columns_are_found_by_name(with_X):
    X = future_X("u", "w")
    expected = snapshot(with_X, X[:3])
    assert_array_equal(snapshot(with_X, X[["w", "u"]]), expected)
    assert_array_equal(snapshot(with_X, X.assign(z=9.0)), expected)
    swapped = X.rename(columns={"u": "w", "w": "u"})
    assert (snapshot(with_X, swapped) != expected).any()


def test_row_60_X_may_hold_more_times_than_the_forecast_needs(with_X):
    expected = snapshot(with_X, future_X("u", "w")[:3])
    assert_array_equal(snapshot(with_X, X_of(DAYS, "u", "w")), expected)


def test_row_60_X_of_fit_and_update_has_all_times_of_y():
    X, message = X_of(DAYS, "u", "w"), "X has no row for 5 of the {} times of y"
    with pytest.raises(ValueError, match=message.format(N)):
        make().fit(series(), X[: N - 5])
    forecaster = make().fit(series(n=30), X[:30])
    expected = snapshot(forecaster, X)
    coming = series()[30:]
    with pytest.raises(ValueError, match=message.format(10)):
        forecaster.update(coming, X[30:35])
    with pytest.raises(ValueError, match=r"fitted with the columns \['u', 'w'\] of X"):
        forecaster.update(coming)
    assert_array_equal(snapshot(forecaster, X), expected)


def test_row_60_each_series_of_a_panel_needs_its_own_X():
    X = pd.concat({key: X_of(DAYS, "u") for key in "pq"})
    known = X.index.get_level_values(-1) < DAYS[N]
    forecaster = make().fit(panel(first=DAYS[:N]), X[known])
    message = "X has no row for 1 of the 3 times of series ('q',) that the forecast"
    with pytest.raises(ValueError, match=re.escape(message)):
        forecaster.predict(FH, X.drop(index=("q", DAYS[N + 1])))
    with pytest.raises(ValueError, match=re.escape("no rows for series ('q',)")):
        forecaster.predict(FH, X.loc[["p"]])


def test_row_60_faulty_times_of_X_are_refused_too(with_X):
    X = future_X("u", "w")
    with pytest.raises(ValueError, match="X is not in the order of time"):
        with_X.predict(FH, X.iloc[[0, 2, 1]])
    with pytest.raises(ValueError, match="X has the time 2024-02-11 00:00:00 more"):
        with_X.predict(FH, X.iloc[[0, 1, 1, 2]])
    with pytest.raises(ValueError, match="X has no row for 3 of the 3 times"):
        with_X.predict(FH, X.to_period()[:3])


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e200])
def test_row_60_infinity_in_X_is_refused_in_fit_update_and_predict(with_X, value):
    X = X_of(DAYS, "u", "w")
    X.iloc[[20, N], 1] = value
    message = r"Column 'w' of X contains infinity or a number beyond 1e\+150 at {}: rep"
    with pytest.raises(ValueError, match=message.format("2024-01-21 00:00:00")):
        make().fit(series(), X[:N])
    with pytest.raises(ValueError, match=message.format("2024-02-10 00:00:00")):
        with_X.predict(FH, X)
    forecaster = make().fit(series(n=15), X[:15])
    with pytest.raises(ValueError, match=message.format("2024-01-21 00:00:00")):
        forecaster.update(series()[15:], X)


def test_row_60_X_that_fit_did_not_have_is_ignored_with_a_warning():
    forecaster = make().fit(series(n=30))
    with pytest.warns(
        UserWarning, match="X is ignored: the network was fitted without"
    ):
        forecaster.update(series()[30:], X_of(DAYS, "u"), update_params=False)
    expected = make().fit(series(n=30)).update(series()[30:], update_params=False)
    assert_array_equal(snapshot(forecaster), snapshot(expected))


# --- values of y ---------------------------------------------------------------------


def spoilt(form, value, row=-3):
    y = FORMS[form]() if form != "panel" else panel(first=DAYS[:N])
    y = y.copy()
    if form == "series":
        y.iloc[row] = value
    else:
        y.iloc[row, -1] = value
    return y


@in_all_forms
@pytest.mark.parametrize("value", [np.inf, -np.inf, 1.5e308])
def test_infinity_in_y_is_refused(form, value):
    column = {"series": "0", "frame": "'b'", "panel": "'a'"}[form]
    time = "2024-02-07 00:00:00"
    time = "('q', Timestamp('2024-02-07 00:00:00'))" if form == "panel" else time
    message = (
        f"y contains infinity or numbers beyond 1e+300: 1 in all, the first, {value}, "
        f"at {time} in column {column}. Replace it, for example by NaN"
    )
    refused(message, spoilt(form, value), before=earlier(form))


@pytest.mark.parametrize("factor", [2.0**-10, 2.0**40, 2.0**900])
def test_the_unit_of_y_changes_nothing(factor):
    expected = snapshot(make(log=False).fit(series()))
    found = snapshot(make(log=False).fit(series() * factor))
    assert_allclose(found / factor, expected, rtol=1e-5)


def test_numbers_whose_squares_overflow_are_no_reason_to_warn():
    rng = np.random.default_rng(0)
    y = series() * 0 + 1e299 * (1 + rng.uniform(0, 1, N) * np.linspace(0, 1, N))
    assert np.isfinite(make().fit(y).predict(FH)).all()


def test_a_series_without_values_teaches_nothing():
    for y in (series() * np.nan, frame() * np.nan, panel(first=DAYS[:N]) * np.nan):
        with pytest.raises(ValueError, match=r"or all of their values are missing\."):
            make().fit(y)


@pytest.mark.parametrize("form", ["frame", "panel"])
def test_a_column_or_series_without_values_is_pointed_out(form):
    y = frame() if form == "frame" else panel(first=DAYS[:N])
    if form == "frame":
        y["b"] = np.nan
    else:
        y.loc["q"] = np.nan
    message = f"{which(form)} has a column without any value: its forecasts are about 0"
    with pytest.warns(UserWarning, match=re.escape(message)):
        forecaster = make().fit(y)
    y_pred = forecaster.predict(FH)
    rest = y_pred["a"] if form == "frame" else y_pred.loc["p", "a"]
    assert ((rest > 10) & (rest < 16)).all()
    assert np.isfinite(y_pred.to_numpy()).all()


@pytest.mark.parametrize("level", [0.0, 5.0, -1e6])
@pytest.mark.parametrize("cls", ALL)
def test_a_constant_series_goes_on_constantly(cls, level):
    forecaster = make(cls).fit(series() * 0 + level)
    assert_allclose(forecaster.predict(FH), level, rtol=1e-6, atol=1e-6)
    intervals = forecaster.predict_interval(FH)
    assert_allclose(intervals, level, rtol=1e-3, atol=1e-6)


@in_all_forms
@pytest.mark.parametrize("loss", ["poisson", "negative_binomial"])
@pytest.mark.parametrize("value", [-1.0, 2.5])
def test_losses_for_counts_refuse_other_numbers(form, loss, value):
    good = earlier(form).round()
    y = spoilt(form, value).round() if value < 0 else spoilt(form, 2.0).round()
    if form == "series":
        y.iloc[-3] = value
    else:
        y.iloc[-3, -1] = value
    message = (
        f"loss={loss!r} is for counts, but {which(form)} holds {value}: use "
        "loss='student_t' or 'quantile'."
    )
    refused(message, y, before=good, loss=loss)


def test_log_refuses_values_it_cannot_take():
    y = spoilt("series", -2.0)
    refused("needs values above -1, but y holds -2", y, log=True)
    assert make(log="auto").fit(y).network_.log is False


@in_all_forms
@pytest.mark.parametrize("n", [1, 2, 3])
def test_one_to_three_values_are_too_few_to_learn_from(form, n):
    y = panel(DAYS[:n], DAYS[:n]) if form == "panel" else FORMS[form](DAYS[:n])
    message = f"y has {n} values in its longest series, and a network needs at least 4"
    refused(message, y)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_one_to_three_values_are_enough_to_forecast_from(n):
    """In a panel with longer series, or after pretraining."""
    short = panel(DAYS[:n], DAYS[:N])
    y_pred = make().fit(short).predict([1]).loc["q"]
    assert y_pred.index[0] == DAYS[n]
    pretrained = make().pretrain(short).fit(series(DAYS[:n]))
    assert_allclose(y_pred["a"], pretrained.predict([1]), rtol=1e-5)
    if n > 1:  # these say that they are days
        pretrained = make().pretrain(short).fit(short.loc["q"])
        assert_allclose(y_pred, pretrained.predict([1]), rtol=1e-5)


def test_no_values_are_refused():
    for y in (series()[:0], frame()[:0], panel()[:0]):
        with pytest.raises(ValueError, match="y has no rows: pass at least one value"):
            make().fit(y)


def test_columns_of_y_are_found_by_name_in_update():
    both = earlier("frame").join(earlier("frame").mul(100).rename(columns=str.upper))
    more = both.shift(N, freq="D")
    forecaster = make().fit(both).update(more, update_params=False)
    turned = make().fit(both).update(more[["B", "b", "A", "a"]], update_params=False)
    assert_array_equal(snapshot(turned), snapshot(forecaster))
    with pytest.raises(ValueError, match=r"y has no column \['a'\], which fit had"):
        turned.update(more.rename(columns={"a": "c"}))
    with pytest.raises(ValueError, match="y has 2 columns, but the network was fitted"):
        turned.update(more[["a", "b"]])


# --- forms of y ----------------------------------------------------------------------


def test_an_array_is_read_like_a_series_with_steps_from_0():
    expected = snapshot(make().fit(series(pd.RangeIndex(N))))
    assert_array_equal(snapshot(make().fit(values())), expected)
    columns = make().fit(np.c_[values(), -values()])
    named = make().fit(pd.DataFrame({"a": values(), "b": -values()}))
    assert_array_equal(columns.predict(FH), named.predict(FH))


def test_masked_numbers_are_read_as_missing():
    mask = np.arange(N) % 7 == 3
    masked = np.ma.masked_array(values(), mask=mask)
    expected = snapshot(make().fit(np.where(mask, np.nan, values())))
    assert_array_equal(snapshot(make().fit(masked)), expected)


def test_integers_may_name_columns():
    y = frame().set_axis([1, 0], axis=1)
    numbered, named = make().fit(y), make().fit(frame())
    assert list(numbered.predict(FH).columns) == [1, 0]
    assert_array_equal(numbered.predict(FH), named.predict(FH))
    assert_array_equal(numbered.predict_interval(FH), named.predict_interval(FH))
    assert list(numbered.predict_var(FH).columns) == [1, 0]


@pytest.mark.parametrize("dtype", ["int64", "float32", "Float64", "Int64"])
def test_numbers_of_any_kind_are_read_as_float64(dtype):
    whole = series().round()
    expected = make().fit(whole).predict(FH)
    assert_series_equal(make().fit(whole.astype(dtype)).predict(FH), expected)


@pytest.mark.parametrize(
    "dtype", ["str", object, complex, "category", "datetime64[ns]"]
)
@pytest.mark.parametrize("form", ["series", "frame", "panel"])
def test_rows_38_to_40_what_is_no_real_number_is_refused(dtype, form):
    wrong = series().round().astype(dtype).rename("b")
    y = {"series": wrong, "frame": pd.concat([series().rename("a"), wrong], axis=1)}
    y["panel"] = pd.concat({"p": y["frame"], "q": y["frame"]})
    message = rf"Column 'b' of y holds values of type {re.escape(str(wrong.dtype))}"
    for act in (make().fit, make().fit(series()).update):
        with pytest.raises(TypeError, match=message):
            act(y[form])


def test_columns_of_one_name_are_looked_at_one_by_one():
    texts = series().astype(str)
    y = pd.concat([series(), texts], axis=1, keys=["a", "a"])
    message = f"Column 'a' of y holds values of type {texts.dtype}"
    with pytest.raises(TypeError, match=message):
        make().fit(y)


def test_row_49_frames_of_polars_are_forecast_as_such():
    import polars

    frame = polars.DataFrame({"a": values(), "b": 2 * values()})
    forecast = make().fit(frame).predict(FH)
    assert isinstance(forecast, polars.DataFrame)
    expected = make().fit(pd.DataFrame({"a": values(), "b": 2 * values()})).predict(FH)
    assert_array_equal(forecast.select("a", "b").to_numpy(), expected.to_numpy())
    with pytest.raises(TypeError, match="must be in an sktime compatible format"):
        make().fit(polars.Series(values()))


@pytest.mark.parametrize(
    "huge",
    [
        {"context_length": 10**9},
        {"horizon": 10**9},
        {"horizon": 10**9, "strategy": "direct"},
    ],
    ids=str,
)
def test_row_25_lengths_beyond_the_series_take_no_memory(huge):
    forecaster = make(**huge).fit(series())
    assert np.isfinite(snapshot(forecaster)).all()
    n_weights = sum(weight.size for weight in forecaster.network_.weights.values())
    assert n_weights < 10**4


@pytest.mark.parametrize("form", [list, iter, tuple])
def test_row_50_what_has_no_times_is_refused(form):
    with pytest.raises(TypeError, match="must be in an sktime compatible format"):
        make().fit(form(values().tolist()))


def test_rows_63_and_64_what_was_not_fitted_or_is_misspelt():
    for ask in (make().predict, make().predict_interval, make().predict_var):
        with pytest.raises(NotFittedError):
            ask(FH)
    with pytest.raises(NotFittedError):
        make().update(series())
    with pytest.raises(ValueError, match=r"Invalid keys provided: \['hidden_sise'\]"):
        make().set_params(hidden_sise=3)
    with pytest.raises(TypeError, match="hidden_sise"):
        GRUForecaster(hidden_sise=3)


def panel_of(*keys):
    """Series with these keys; each is the one before, doubled."""
    parts = []
    for place, key in enumerate(keys):
        names = [[name] for name in key]
        index = pd.MultiIndex.from_product([*names, DAYS[:N]])
        parts.append(pd.DataFrame({"a": values() * 2**place}, index))
    return pd.concat(parts)


@pytest.mark.parametrize(
    "keys",
    [
        [(1,), ("1",)],
        [("a", "bc"), ("ab", "c")],
        [(1, 2), (2, 1)],
        [("1", "2"), (1, 2), ("12", "")],
    ],
    ids=["1 and '1'", "a-bc and ab-c", "1-2 and 2-1", "'1'-'2', 1-2 and '12'-''"],
)
def test_names_of_series_never_collide(keys):
    y = panel_of(*keys)
    forecaster = make(num_samples=50).fit(y)
    y_pred = forecaster.predict(FH).to_numpy().reshape(len(keys), 3)
    for place in range(1, len(keys)):
        assert_allclose(y_pred[place], 2**place * y_pred[0], rtol=1e-5)
    intervals = forecaster.predict_interval(FH).to_numpy().reshape(len(keys), -1)
    for place in range(1, len(keys)):  # paths of their own
        assert (intervals[place] / intervals[0] != 2**place).all()
    pretrained = make(num_samples=50).pretrain(y)
    for place, key in enumerate(keys):  # the same paths without the others
        alone = pretrained.clone().fit(panel_of(key) * 2**place)
        assert_allclose(
            alone.predict_interval(FH).to_numpy().ravel(), intervals[place], rtol=1e-5
        )
    forecaster.update(y, update_params=False)  # known values are passed over
    assert_array_equal(forecaster.predict(FH).to_numpy().ravel(), y_pred.ravel())


# --- parameters ----------------------------------------------------------------------

WRONG = {
    "hidden_size": 0,
    "num_layers": 1.5,
    "dropout": 1.0,
    "context_length": 0,
    "horizon": 2.5,
    "sp": 0,
    "strategy": "both",
    "loss": "mse",
    "log": "yes",
    "past_only": "u",
    "static": "u",
    "num_samples": 1,
    "lr": 0.0,
    "lr_schedule": "linear",
    "optimizer": "lion",
    "weight_decay": -1.0,
    "max_grad_norm": 0.0,
    "max_epochs": 0,
    "n_estimators": 0,
    "batch_size": -1,
    "early_stopping": "yes",
    "n_iter_no_change": 0,
    "dtype": "float16",
    "device": 0,
    "engine": "c",
    "checkpoint": 3,
    "callbacks": "print",
    "net_params": ["lr"],
    "random_state": -1,
    "verbose": -1,
}


def test_every_parameter_has_a_wrong_value_here():
    assert set(WRONG) == set(make().get_params())


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values_of_parameters_are_named(name):
    forecaster = make(**{name: WRONG[name]})
    for act in (forecaster.fit, forecaster.clone().pretrain):
        with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of"):
            act(panel(first=DAYS[:N]))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"sp": ()}, r"sp=\(\) is empty"),
        ({"sp": (7, 0)}, r"sp=\(7, 0\) holds 0, expected whole numbers"),
        ({"sp": [1.5]}, r"sp=\[1\.5\] holds 1\.5"),
        ({"device": "gpu"}, "device='gpu' is not a device"),
        ({"device": "cuda:99"}, "device='cuda:99' is not available"),
        ({"past_only": ["z"]}, r"past_only names \['z'\], but the columns of X are"),
        ({"static": ["z"]}, r"static names \['z'\], but the columns of X are"),
        ({"past_only": ["u"], "static": ["u"]}, "past_only and static both name"),
    ],
)
def test_wrong_combinations_of_parameters_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        make(**params).fit(series(), X_of(DAYS[:N], "u"))


def test_a_network_that_does_not_fit_into_memory_is_refused():
    with pytest.raises(MemoryError, match=r"needs about \d+ GiB.*smaller hidden_size"):
        make(hidden_size=10**6).fit(series())


# --- what a failure, a fit and a forecast leave behind -------------------------------


class Failure(Exception):
    """Raised in the midst of training."""


@pytest.mark.parametrize("error", [Failure, KeyboardInterrupt])
@pytest.mark.parametrize("act", ["fit", "update"])
def test_training_that_fails_leaves_the_old_forecaster(act, error, monkeypatch):
    X = X_of(DAYS, "u")
    forecaster = make().fit(series(n=30), X[:30])
    cutoff, expected = forecaster.cutoff, snapshot(forecaster, X)
    known = dict(vars(forecaster))

    def fail(*args):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("skrnn.forecasting._learning.fit_module", fail)
        with pytest.raises(error):
            getattr(forecaster, act)(series() + 100, X[:N])
    assert forecaster.is_fitted
    assert forecaster.cutoff.equals(cutoff)
    assert vars(forecaster).keys() == known.keys()
    assert_array_equal(snapshot(forecaster, X), expected)
    forecaster.update(series()[30:], X[30:N])  # and it goes on
    assert forecaster.cutoff[0] == DAYS[N - 1]


def test_pretraining_that_fails_leaves_the_old_network(monkeypatch):
    y = panel(first=DAYS[:N])
    forecaster = make().pretrain(y)
    expected = snapshot(forecaster.clone().fit(series()))

    def fail(*args):
        raise Failure

    with monkeypatch.context() as patch:
        patch.setattr("skrnn.forecasting._learning.fit_module", fail)
        with pytest.raises(Failure):
            forecaster.pretrain(y)
    y.iloc[3] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        forecaster.pretrain(y)
    assert forecaster.state == "pretrained"
    assert_array_equal(snapshot(forecaster.fit(series())), expected)


def test_a_wrong_parameter_leaves_the_old_forecaster():
    forecaster = make().fit(series())
    expected = snapshot(forecaster)
    forecaster.hidden_size = 0
    with pytest.raises(InvalidParameterError):
        forecaster.fit(series() + 5)
    assert_array_equal(snapshot(forecaster), expected)


def everything_global():
    return (
        random.getstate(),
        [
            each.tolist() if isinstance(each, np.ndarray) else each
            for each in np.random.get_state()
        ],
        torch.get_rng_state().tolist(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.get_default_dtype(),
        list(warnings.filters),
        np.geterr(),
        dict(os.environ),
    )


@pytest.mark.parametrize("cls", ALL)
def test_nothing_global_is_changed_and_no_file_written(cls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = everything_global()
    forecaster = make(cls, dropout=0.2, early_stopping=True).fit(series()[:30])
    forecaster.update(series()[30:])
    snapshot(forecaster)
    forecaster.predict_proba(FH)
    assert everything_global() == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cls", ALL)
def test_the_same_seed_gives_the_same_forecasts(cls):
    one = make(cls, random_state=7, dropout=0.2).fit(series())
    np.random.rand()
    torch.rand(1)
    two = make(cls, random_state=7, dropout=0.2).fit(series())
    assert_array_equal(snapshot(one), snapshot(two))
    other = make(cls, random_state=8, dropout=0.2).fit(series())
    assert (snapshot(one) != snapshot(other)).all()


@pytest.mark.parametrize(
    "make_state", [np.random.RandomState, np.random.default_rng], ids=["state", "rng"]
)
def test_generators_are_seeds_too(make_state):
    one = make(random_state=make_state(3)).fit(series())
    two = make(random_state=make_state(3)).fit(series())
    assert_array_equal(snapshot(one), snapshot(two))


@pytest.mark.parametrize("random_state", [0, None])
def test_asking_twice_gives_the_same_intervals(random_state):
    forecaster = make(random_state=random_state).fit(series())
    first = snapshot(forecaster)
    forecaster.predict_quantiles([5], alpha=0.3)
    assert_array_equal(snapshot(forecaster), first)


def test_a_season_longer_than_the_series_is_not_used_and_says_so():
    with pytest.warns(UserWarning, match=r"sp=52 needs series of 56 values or more"):
        forecaster = make(sp=52).fit(load_airline()[:40])
    assert forecaster.network_.lags == (1,)


def test_x_for_a_network_without_x_is_ignored_and_says_so():
    y = load_airline()
    forecaster = make().fit(y[:-3])
    X = pd.DataFrame({"x": 1.0}, index=y.index[-3:])
    with pytest.warns(UserWarning, match="X is ignored"):
        found = forecaster.predict(fh=[1], X=X)
    assert_array_equal(found, forecaster.predict(fh=[1]))


def test_a_callback_that_is_none_is_refused():
    with pytest.raises(TypeError, match="is 1, expected a skorch callback"):
        make(callbacks=[1]).fit(load_airline())
    with pytest.raises(ValueError, match="net_params may not hold 'max_epochs'"):
        make(net_params={"max_epochs": 3}).fit(load_airline())


def test_a_forecaster_whose_device_is_gone_runs_on_the_cpu_and_says_so():
    y = load_airline()
    forecaster = make().fit(y[:-3])
    expected = forecaster.predict_interval(fh=[1, 2])
    forecaster.device = "cuda:99"  # as on another machine, after unpickling
    with pytest.warns(UserWarning, match="runs on the CPU: device='cuda:99' is not"):
        found = forecaster.predict_interval(fh=[1, 2])
    assert_frame_equal(found, expected)
    with pytest.raises(ValueError, match="device='cuda:99' is not available"):
        make(device="cuda:99").fit(y)


def test_values_that_have_no_logarithm_are_refused_by_a_network_with_logs():
    y = load_airline()
    forecaster = make(log="auto").fit(y[:100])
    assert forecaster.network_.log
    expected = forecaster.predict(fh=[1])
    bad = y[100:103].copy()
    bad.iloc[1] = -1.0
    with pytest.raises(ValueError, match=r"needs values above -1, but y holds -1"):
        forecaster.update(bad, update_params=False)
    assert_series_equal(forecaster.predict(fh=[1]), expected)


def test_periods_of_another_frequency_are_refused():
    forecaster = make().fit(load_airline())
    for freq in ["Q", "2M"]:
        wanted = pd.period_range("1961-01", periods=3, freq=freq)
        with pytest.raises(ValueError, match=r"Frequencies|fh has periods of"):
            forecaster.predict(fh=ForecastingHorizon(wanted, is_relative=False))
    every_other = load_airline()[::2].to_timestamp().asfreq("2MS").to_period("2M")
    forecaster = make().fit(every_other)
    wanted = pd.PeriodIndex(["1961-01", "1961-02"], freq="2M")
    with pytest.raises(ValueError, match="fh has periods of 2M, such as 1961-01"):
        forecaster.predict(fh=wanted)


def test_a_pretrained_network_refuses_times_of_another_frequency():
    index = pd.period_range("2000-01", periods=40, freq="M")
    months = pd.DataFrame({"y": np.arange(40.0)}, index)
    forecaster = make().pretrain(pd.concat({"a": months, "b": 2 * months}))
    quarters = months.set_axis(pd.period_range("2000Q1", periods=40, freq="Q"))
    with pytest.raises(ValueError, match="frequency 'Q', but the network"):
        forecaster.fit(quarters)
    two = months.assign(z=1.0)
    with pytest.raises(ValueError, match="y has 2 columns, but the network was fitted"):
        forecaster.pretrain(pd.concat({"a": two, "b": two}))


@pytest.mark.parametrize("loss", ["student_t", "huber"])
def test_the_default_device_of_the_caller_makes_no_difference(loss):
    y = load_airline()

    def fit_and_ask():
        forecaster = make(loss=loss, early_stopping=True, device="cpu").fit(y)
        return forecaster.predict_interval(fh=[-1, 1, 5]), forecaster.module_

    expected, _ = fit_and_ask()
    with torch.device("meta"):
        found, module = fit_and_ask()
    assert_frame_equal(found, expected)
    assert {part.device.type for part in module.state_dict().values()} == {"cpu"}


# --- threads and processes: rows 69 to 72 --------------------------------------------


def test_row_69_fits_in_threads_are_those_of_a_loop():
    def fit(seed):
        params = {"dropout": 0.2, "early_stopping": True, "random_state": seed}
        return snapshot(make(**params).fit(series()))

    seeds = [*range(4), *range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert_array_equal([*pool.map(fit, seeds)], [fit(seed) for seed in seeds])


def test_row_70_forecasts_in_threads_are_those_of_a_loop():
    forecaster = make().fit(series())
    horizons = [[*range(1, n)] for n in range(2, 30)]
    with ThreadPoolExecutor(4) as pool:
        together = [*pool.map(forecaster.predict_interval, horizons)]
    for fh, got in zip(horizons, together, strict=True):
        assert_frame_equal(got, forecaster.predict_interval(fh), check_exact=True)


@pytest.mark.parametrize("update_params", [False, True])
def test_row_71_a_forecast_during_an_update_is_the_old_or_the_new_one(update_params):
    forecaster = make(max_epochs=30).fit(series())
    old = forecaster.predict(FH).to_numpy().tobytes()
    more = [series(DAYS)[:n] for n in (N + 5, N + 12)]
    twin, allowed = copy.deepcopy(forecaster), [old]
    for y in more:
        twin.update(y, update_params=update_params)
        allowed.append(twin.predict(FH).to_numpy().tobytes())
    assert len(set(allowed)) == 3
    updates = threading.Thread(
        target=lambda: [forecaster.update(y, update_params=update_params) for y in more]
    )
    seen = [old]
    updates.start()
    while updates.is_alive():
        seen.append(forecaster.predict(FH).to_numpy().tobytes())
    updates.join()
    seen.append(forecaster.predict(FH).to_numpy().tobytes())
    places = [allowed.index(each) for each in seen]
    assert places == sorted(places)
    assert places[-1] == 2


FORK = """
import multiprocessing, pickle
import numpy as np, torch
from sktime.datasets import load_airline
from skrnn.forecasting import GRUForecaster

torch.set_num_threads(2)
y = load_airline()

SETTINGS = [
    {},
    {"engine": "torch", "num_layers": 2, "early_stopping": False},
    {"strategy": "direct", "loss": "quantile"},
]

def fit(params):
    shared = {"hidden_size": 200, "max_epochs": 1, "random_state": 0, "n_estimators": 1}
    return GRUForecaster(**shared, **params).fit(y, fh=[1, 2])

def use(model):
    asked = [model.predict_interval(), model.predict([-1, 0])]
    asked.append(pickle.loads(pickle.dumps(model)).predict())
    asked.append(model.update(y).predict())
    return [answer.to_numpy() for answer in asked]

def work(_):
    return [*map(use, old), *(use(fit(each)) for each in SETTINGS)]

if __name__ == "__main__":
    old, expected = [*map(fit, SETTINGS)], [use(fit(each)) for each in SETTINGS]
    a = torch.randn(1000, 1000)
    (a @ a).exp().sum()  # starts the threads that a forked child does not have
    with multiprocessing.get_context("fork").Pool(1) as pool:
        results = pool.map(work, [0])[0]
    for answers, truths in zip(results, expected + expected):
        for answer, truth in zip(answers, truths):
            np.testing.assert_array_equal(answer, truth)
    print("done")
"""


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork here"
)
def test_row_72_a_forked_process_fits_and_forecasts():
    run = subprocess.run(
        [sys.executable, "-c", FORK], capture_output=True, text=True, timeout=60
    )
    assert (run.stdout, run.returncode) == ("done\n", 0), run.stderr
