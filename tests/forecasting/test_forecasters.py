"""Values of forecasts: what sktime's suite does not look at."""

import copy
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skorch.callbacks import Callback
from sktime.datasets import load_airline

from skrnn._modules import RecurrentEncoder
from skrnn._native import is_available
from skrnn.forecasting import (
    GRUForecaster,
    LSTMForecaster,
    RNNForecaster,
    _native_walk,
)

CLASSES = [RNNForecaster, LSTMForecaster, GRUForecaster]
STRATEGIES = ["recursive", "direct"]


def make(cls=GRUForecaster, **params):
    """Small and quick; double precision, so that equal means equal to many digits."""
    quick = {"hidden_size": 6, "max_epochs": 2, "num_samples": 30, "dtype": "float64"}
    quick["n_estimators"] = 1
    quick |= {"random_state": 0, "device": "cpu", "early_stopping": False}
    return cls(**{**quick, **params})


def like(forecaster):
    """A forecaster that has read nothing yet, with the network of another."""
    other = forecaster.clone()
    other.network_, other.exogenous_ = forecaster.network_, forecaster.exogenous_
    other._pretrained_attrs, other._state = ["network_", "exogenous_"], "pretrained"
    return other


def make_panel(lengths=(40, 52, 31), seed=0, names=None, start="2000-01"):
    """Series with a season of 12 months, different levels, and different lengths."""
    rng = np.random.default_rng(seed)
    parts = {}
    for n, length in enumerate(lengths):
        t = np.arange(length)
        season = np.sin(2 * np.pi * t / 12) * (n + 1)
        index = pd.period_range(start, periods=length, freq="M", name="month")
        values = 10 * (n + 1) + season + rng.normal(scale=0.3, size=length)
        parts[n if names is None else names[n]] = pd.DataFrame({"y": values}, index)
    return pd.concat(parts, names=["series"])


def after(panel, n_steps):
    """The last steps of each series, and what comes before."""
    last = panel.groupby(level=0, sort=False).tail(n_steps)
    return panel.drop(last.index), last


# --- steps ----------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("cls", CLASSES)
def test_a_step_is_forecast_alike_whatever_else_is_asked_for(cls, strategy):
    forecaster = make(cls, strategy=strategy, horizon=4).fit(load_airline())
    whole = forecaster.predict(fh=range(1, 13))
    assert_array_equal(forecaster.predict(fh=[3]), whole.iloc[[2]])
    assert_array_equal(forecaster.predict(fh=[2, 11]), whole.iloc[[1, 10]])
    intervals = forecaster.predict_interval(fh=range(1, 13))
    assert_array_equal(forecaster.predict_interval(fh=[7]), intervals.iloc[[6]])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_forecast_of_a_known_time_is_one_step_ahead_of_what_came_before(strategy):
    y = load_airline()
    forecaster = make(strategy=strategy, horizon=4).fit(y)
    looking_back = forecaster.predict(fh=[-30, -7, 0])
    for steps, forecast in zip([30, 7, 0], looking_back, strict=True):
        until = like(forecaster)
        expected = until.fit(y[: -steps - 1]).predict(fh=[1])
        assert_allclose(forecast, expected.iloc[0], rtol=1e-9)


def test_the_season_is_found_by_the_frequency():
    y = load_airline()
    assert make().fit(y).network_.lags == (12, 24)
    assert make().fit(y.reset_index(drop=True)).network_.lags == (1,)
    assert make(sp=(4, 12)).fit(y).network_.lags == (4, 8, 12)


# --- distributions --------------------------------------------------------------------

LOSSES = ["normal", "student_t", "quantile", "huber", "poisson", "negative_binomial"]


@pytest.mark.parametrize("loss", LOSSES)
def test_quantiles_intervals_and_variances_come_from_the_same_paths(loss):
    forecaster = make(loss=loss).fit(load_airline())
    fh = [1, 5, 12]
    distribution = forecaster.predict_proba(fh=fh)
    paths = distribution.spl.to_numpy().reshape(30, len(fh))
    levels = [0.1, 0.5, 0.9]
    quantiles = forecaster.predict_quantiles(fh=fh, alpha=levels)
    assert_allclose(quantiles, np.quantile(paths, levels, axis=0).T, rtol=1e-12)
    intervals = forecaster.predict_interval(fh=fh, coverage=0.8)
    assert_allclose(intervals, quantiles.iloc[:, [0, 2]])
    variances = forecaster.predict_var(fh=fh)
    assert_allclose(variances.to_numpy()[:, 0], paths.var(axis=0, ddof=1), rtol=1e-9)


def test_covariances_are_those_of_the_paths():
    panel = make_panel()
    forecaster = make().fit(panel)
    paths = forecaster.predict_proba(fh=[1, 3]).spl["y"].to_numpy().reshape(30, 3, 2)
    found = forecaster.predict_var(fh=[1, 3], cov=True)
    assert list(found.columns) == [("y", 1), ("y", 3)]
    for key in range(3):
        expected = np.cov(paths[:, key].T)
        assert_allclose(found.loc[key], expected, rtol=1e-9)


@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_forecasts_do_not_depend_on_the_unit_of_y(factor):
    y = load_airline()
    expected = make(log=False).fit(y).predict_interval(fh=[1, 24])
    found = make(log=False).fit(factor * y).predict_interval(fh=[1, 24])
    assert_allclose(found, factor * expected, rtol=1e-6)


@pytest.mark.parametrize("loss", ["poisson", "negative_binomial"])
def test_paths_of_counts_are_counts(loss):
    rng = np.random.default_rng(0)
    y = pd.Series(rng.poisson(2.0, size=80))
    paths = make(loss=loss).fit(y).predict_proba(fh=[1, 2, 3]).spl
    assert_array_equal(paths, paths.round())
    assert paths.to_numpy().min() == 0.0


def test_forecasts_in_logs_do_not_fall_below_zero_where_y_does_not():
    y = load_airline()
    noise = pd.Series(np.random.default_rng(0).random(100))
    paths = make(log=True).fit(noise).predict_proba(fh=range(1, 25)).spl.to_numpy()
    assert paths.min() == 0.0
    paths = make(log=True).fit(noise - 0.5).predict_proba(fh=range(1, 25)).spl
    assert -1 < paths.to_numpy().min() < -0.5
    assert make().fit(y).network_.log  # the spread of passengers grows with them
    assert not make().fit(y.diff().iloc[1:]).network_.log
    assert not make(loss="poisson").fit(y).network_.log
    assert not make(sp=1).fit(y).network_.log  # growth would go on for ever


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["student_t", "normal", "quantile", "huber"])
def test_intervals_of_random_walks_widen_and_cover_what_they_should(loss):
    """The truth: 80 % lie within 1.28 standard deviations, sqrt(h) after h steps.

    The network learns from 200 walks and forecasts 1000 others: of the 200 alone, the
    true intervals would cover from 76 to 90 %, depending on the step.
    """
    n_train, n_test, n_steps, horizon = 200, 1000, 80, 24
    rng = np.random.default_rng(0)
    walks = rng.normal(size=(n_train + n_test, n_steps + horizon)).cumsum(axis=1)
    index = pd.MultiIndex.from_product([range(len(walks)), range(n_steps)])
    y = pd.DataFrame({"y": walks[:, :n_steps].ravel()}, index=index)
    forecaster = GRUForecaster(loss=loss, horizon=horizon, random_state=0)
    forecaster.pretrain(y[: n_train * n_steps]).fit(y[n_train * n_steps :])
    intervals = forecaster.predict_interval(fh=range(1, horizon + 1), coverage=0.8)
    low, high = intervals.to_numpy().T.reshape(2, n_test, horizon)
    truth = walks[n_train:, n_steps:]
    coverage = ((low <= truth) & (truth <= high)).mean(axis=0)
    assert coverage.min() >= 0.70
    assert coverage.max() <= 0.90
    width = (high - low).mean(axis=0)
    ratio = width / (2 * 1.2816 * np.sqrt(np.arange(1, horizon + 1)))
    assert ratio.min() > 0.8
    assert ratio.max() < 1.25


# --- panels ---------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("cls", CLASSES)
def test_series_of_a_panel_do_not_influence_each_other_at_predict(cls, strategy):
    panel = make_panel()
    forecaster = make(cls, strategy=strategy, horizon=4).fit(panel)
    fh = range(1, 15)
    together = forecaster.predict_interval(fh=fh)
    points = forecaster.predict(fh=fh)
    for key in range(3):
        alone = like(forecaster)
        alone.fit(panel.loc[[key]])
        assert_allclose(alone.predict(fh=fh), points.loc[[key]], rtol=1e-9)
        found = alone.predict_interval(fh=fh)
        assert_allclose(found, together.loc[[key]], rtol=1e-9)


def test_the_order_of_series_makes_no_difference_at_predict():
    panel = make_panel()
    forecaster = make().pretrain(panel)
    expected = forecaster.clone().fit(panel).predict_interval(fh=[1, 9])
    turned = pd.concat([panel.loc[[key]] for key in [2, 0, 1]])
    found = forecaster.clone().fit(turned).predict_interval(fh=[1, 9])
    assert_allclose(found.loc[expected.index], expected, rtol=1e-9)


def test_the_order_of_series_makes_no_difference_to_training():
    panel = make_panel()
    turned = pd.concat([panel.loc[[key]] for key in [2, 0, 1]])
    expected = make(dropout=0.1).fit(panel).network_.weights
    for name, weight in make(dropout=0.1).fit(turned).network_.weights.items():
        assert_array_equal(weight, expected[name])


def test_one_network_is_trained_for_a_hierarchy():
    panel = make_panel()
    hierarchy = pd.concat({"a": panel, "b": 2 * panel}, names=["group"])
    forecaster = make().fit(hierarchy)
    assert not forecaster._is_vectorized
    y_pred = forecaster.predict(fh=[1, 2])
    assert y_pred.index.names == ["group", "series", "month"]
    assert len(y_pred) == 12


def test_each_series_goes_on_from_its_own_end():
    panel = make_panel()
    y_pred = make().fit(panel).predict(fh=[1, 2])
    for key, length in enumerate([40, 52, 31]):
        end = pd.Period("2000-01", "M") + length
        assert list(y_pred.loc[key].index) == [end, end + 1]


# --- update ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("cls", CLASSES)
def test_an_update_is_like_reading_the_whole_history_at_once(cls, dtype):
    panel = make_panel()
    first, second = after(panel, 9)
    forecaster = make(cls, dtype=dtype).fit(first)
    whole = like(forecaster)
    expected = whole.fit(panel)
    forecaster.update(second, update_params=False)
    rtol = 1e-9 if dtype == "float64" else 1e-6
    fh = range(1, 13)
    assert_allclose(forecaster.predict(fh=fh), expected.predict(fh=fh), rtol=rtol)
    assert_allclose(
        forecaster.predict_interval(fh=fh), expected.predict_interval(fh=fh), rtol=1e-5
    )


def test_updates_with_x_and_missing_values_are_like_reading_at_once():
    panel = make_panel()
    rng = np.random.default_rng(1)
    panel[rng.random(panel.shape) < 0.15] = np.nan
    X = pd.DataFrame(rng.normal(size=(len(panel), 2)), panel.index, ["a", "b"])
    X["kind"] = rng.choice(["x", "y", "z"], size=len(X))
    params = {"past_only": ["b"]}
    first, second = after(panel, 7)
    forecaster = make(**params).fit(first, X.loc[first.index])
    whole = like(forecaster)
    whole.fit(panel, X)
    for part in [second.groupby(level=0).head(3), second]:  # the second overlaps
        forecaster.update(part, X.loc[part.index], update_params=False)
    ahead = whole.predict(fh=[1, 2], X=future_x(panel))
    assert_allclose(forecaster.predict(fh=[1, 2], X=future_x(panel)), ahead, rtol=1e-9)


def future_x(panel, n_steps=2):
    """Columns "a" and "kind" for the next steps of each series."""
    parts = {}
    for key, series in panel.groupby(level=0, sort=False):
        end = series.index[-1][-1]
        times = pd.period_range(end + 1, periods=n_steps, freq="M", name="month")
        parts[key] = pd.DataFrame({"a": 0.5, "kind": "x"}, index=times)
    return pd.concat(parts, names=["series"])


def test_an_update_of_one_series_leaves_the_others_where_they_are():
    panel = make_panel()
    first, second = after(panel, 5)
    forecaster = make().fit(panel.loc[[0, 2]])
    expected = forecaster.predict(fh=[1, 2])
    forecaster.update(first.loc[[1]], update_params=False)  # new, and ends earlier
    assert_allclose(forecaster.predict(fh=[1, 2]).loc[[0, 2]], expected, rtol=1e-9)
    forecaster.update(second.loc[[1]], update_params=False)
    found = forecaster.predict(fh=[1, 2])
    assert_allclose(found.loc[[0, 2]], expected, rtol=1e-9)
    whole = like(forecaster).fit(panel.loc[[1]]).predict(fh=[1, 2])
    assert_allclose(found.loc[[1]], whole, rtol=1e-9)


def test_a_fit_after_an_update_begins_with_the_pretrained_network_again():
    panel = make_panel()
    forecaster = make().pretrain(panel)
    expected = forecaster.fit(panel.loc[0][:30]).predict(fh=[1])
    forecaster.update(panel.loc[0][30:])
    assert_array_equal(forecaster.fit(panel.loc[0][:30]).predict(fh=[1]), expected)


def test_a_cutoff_that_sktime_has_set_back_hides_what_came_later():
    y, X = make_driven(90)
    forecaster = make(past_only=["kind"]).fit(y, X)
    expected = like(forecaster).fit(y[:70], X[:70]).predict(fh=[1, 5], X=X[70:])
    forecaster._set_cutoff(y.index[69:70])
    assert_allclose(forecaster.predict(fh=[1, 5], X=X[70:]), expected, rtol=1e-9)


def test_an_update_of_parameters_changes_the_network_a_little():
    y = load_airline()
    forecaster = make(max_epochs=10).fit(y[:-24])
    before = forecaster.module_.head.weight.detach().clone()
    n_epochs = len(forecaster.history_)
    forecaster.update(y[-24:])
    moved = (forecaster.module_.head.weight - before).abs().max()
    assert 0 < moved < 0.5
    assert len(forecaster.history_) == n_epochs + 1
    assert forecaster.cutoff == y.index[-1:]


# --- columns of y, and X --------------------------------------------------------------


def test_a_column_that_leads_another_is_used_to_forecast_it():
    rng = np.random.default_rng(0)
    lead = rng.normal(size=301)
    y = pd.DataFrame({"a": lead[1:], "b": lead[:-1]})  # b says what a said before
    params = {"max_epochs": 20, "hidden_size": 16, "lr": 0.02}
    joint = make(**params).fit(y[:250])
    errors = []
    for t in range(250, 299):
        forecast = joint.predict(fh=[1])["b"].iloc[0]
        errors.append(forecast - y["b"].iloc[t])
        joint.update(y.iloc[[t]], update_params=False)
    assert np.mean(np.abs(errors)) < 0.5 * np.abs(y["b"][250:]).mean()


def make_driven(n=300, seed=0):
    """A series that X drives at the same step, with little noise."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"x": rng.normal(size=n)})
    X["kind"] = rng.choice(["high", "low"], size=n)
    y = 3 * X["x"] + 2 * (X["kind"] == "high") + rng.normal(scale=0.1, size=n)
    return y.rename("y"), X


def test_columns_known_ahead_are_used_for_the_steps_they_belong_to():
    y, X = make_driven()
    forecaster = make(max_epochs=60, hidden_size=16, lr=0.02).fit(y[:250], X[:250])
    y_pred = forecaster.predict(fh=range(1, 51), X=X[250:])
    assert np.abs(y_pred - y[250:]).mean() < 0.25 * np.abs(y[250:] - y.mean()).mean()


def test_a_column_for_the_past_only_is_used_with_a_delay():
    rng = np.random.default_rng(0)
    x = rng.normal(size=301)
    y = pd.Series(2 * x[:-1] + rng.normal(scale=0.1, size=300))
    X = pd.DataFrame({"x": x[1:]})  # known with y, tells of the next y
    params = {"past_only": ["x"], "max_epochs": 60, "hidden_size": 16, "lr": 0.02}
    forecaster = make(**params).fit(y[:250], X[:250])
    errors = []
    for t in range(250, 299):
        errors.append(forecaster.predict(fh=[1]).iloc[0] - y[t])
        forecaster.update(y.iloc[[t]], X=X.iloc[[t]], update_params=False)
    assert np.mean(np.abs(errors)) < 0.35 * np.abs(y[250:]).mean()


def test_static_columns_are_carried_on():
    panel = make_panel()
    X = pd.DataFrame({"size": panel.index.get_level_values(0) * 1.0}, panel.index)
    X["name"] = [f"s{key}" for key in panel.index.get_level_values(0)]
    forecaster = make(static=["size", "name"]).fit(panel, X)
    y_pred = forecaster.predict(fh=[1, 2])
    known = make().fit(panel, X)
    times = y_pred.index
    ahead = pd.DataFrame({"size": times.get_level_values(0) * 1.0}, times)
    ahead["name"] = [f"s{key}" for key in times.get_level_values(0)]
    assert_allclose(known.predict(fh=[1, 2], X=ahead), y_pred, rtol=1e-9)


def test_the_order_of_the_columns_of_x_makes_no_difference():
    y, X = make_driven(80)
    forecaster = make().fit(y[:70], X[:70])
    expected = forecaster.predict(fh=[1, 2, 3], X=X[70:])
    turned = forecaster.predict(fh=[1, 2, 3], X=X.loc[70:, ["kind", "x"]])
    assert_array_equal(turned, expected)


def test_a_new_category_and_a_missing_number_are_read():
    y, X = make_driven(80)
    X.loc[5, "x"] = np.nan
    forecaster = make().fit(y[:70], X[:70])
    ahead = pd.DataFrame({"x": [np.nan, 0.0], "kind": ["new", None]}, index=[70, 71])
    assert np.isfinite(forecaster.predict(fh=[1, 2], X=ahead)).all()


# --- missing values -------------------------------------------------------------------


def test_missing_values_change_only_what_comes_after_them():
    y = load_airline()
    gappy = y.copy()
    gappy.iloc[100] = np.nan
    forecaster = make(log=True, sp=12).fit(y)
    other = like(forecaster)
    fh = np.arange(-143, 1)
    known, missing = forecaster.predict(fh=fh), other.fit(gappy).predict(fh=fh)
    assert_array_equal(missing[:101], known[:101])
    assert not np.allclose(missing[101:], known[101:])
    assert missing.notna().all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_missing_values_at_the_end_are_forecast_like_times_to_come(strategy):
    y = load_airline()
    gappy = y.copy()
    gappy.iloc[-5:] = np.nan
    forecaster = make(strategy=strategy, horizon=4).fit(y[:-5])
    expected = forecaster.predict_interval(fh=[6, 9])
    other = like(forecaster).fit(gappy)
    assert_allclose(other.predict_interval(fh=[1, 4]), expected, rtol=1e-9)
    other.update(y[-5:] * np.nan, update_params=False)  # nothing new
    forecaster.update(gappy[-5:-2], update_params=False)
    assert_allclose(forecaster.predict_interval(fh=[3, 6]), expected, rtol=1e-9)
    later = pd.Series([450.0], y.index[-1:] + 1, name=y.name)
    whole = like(forecaster).fit(pd.concat([gappy, later]))
    forecaster.update(later, update_params=False)
    assert_allclose(forecaster.predict(fh=[1]), whole.predict(fh=[1]), rtol=1e-9)


def test_a_series_with_many_missing_values_is_learned_from():
    rng = np.random.default_rng(0)
    t = np.arange(400)
    y = pd.Series(10 + 3 * np.sin(2 * np.pi * t / 7) + rng.normal(scale=0.1, size=400))
    gappy = y.where(rng.random(400) > 0.3)
    forecaster = make(sp=7, max_epochs=20, hidden_size=16).fit(gappy[:370])
    y_pred = forecaster.predict(fh=range(1, 31))
    assert np.abs(y_pred - y[370:]).mean() < 0.35


# --- pretraining ----------------------------------------------------------------------


def test_a_pretrained_network_forecasts_a_series_it_has_not_seen():
    panel = make_panel(lengths=[60] * 30, seed=1)
    other = make_panel(lengths=[60, 60, 60], seed=2).loc[2]
    forecaster = make(max_epochs=20, hidden_size=16).pretrain(panel)
    weights = forecaster.network_.weights
    forecaster.fit(other[:48])
    for name, weight in forecaster.network_.weights.items():
        assert_array_equal(weight, weights[name])
    error = np.abs(forecaster.predict(fh=range(1, 13)) - other[48:]).to_numpy().mean()
    naive = np.abs(other[36:48].to_numpy() - other[48:].to_numpy()).mean()
    assert error < 1.1 * naive


def test_pretraining_again_goes_on_from_the_weights():
    panel = make_panel()
    forecaster = make().pretrain(panel)
    n_epochs = len(forecaster.history_)
    forecaster.pretrain(2 * panel)
    assert len(forecaster.history_) == 2 * n_epochs


def test_the_spread_of_draws_is_judged_anew_when_pretraining_goes_on():
    panel = make_panel()
    params = {"early_stopping": True, "max_epochs": 10, "lr": 0.01}
    forecaster = make(**params).pretrain(panel)
    other = copy.deepcopy(forecaster)
    other.network_.weights["spread"][:] = 4.0
    expected = forecaster.pretrain(panel).network_.weights["spread"]
    assert_array_equal(other.pretrain(panel).network_.weights["spread"], expected)


# --- guards ---------------------------------------------------------------------------


def seasonal_naive(y, n_steps, season=12):
    return np.resize(y.to_numpy()[-season:], n_steps)


@pytest.mark.parametrize("n_series", [1, 20])
def test_a_network_worse_than_the_season_before_is_not_used(n_series, monkeypatch):
    from skrnn.forecasting import _learning

    panel = make_panel(lengths=[60] * n_series)
    errors = iter([1.06, 1.0])  # of the trained and of an untrained network
    monkeypatch.setattr(_learning, "free_error", lambda *args: next(errors))
    with pytest.warns(UserWarning, match="worse than the value a season ago"):
        forecaster = make(early_stopping=True).fit(panel)
    y_pred = forecaster.predict(fh=range(1, 25))
    for key in range(n_series):
        assert_allclose(
            y_pred.loc[key, "y"], seasonal_naive(panel.loc[key, "y"], 24), rtol=1e-12
        )


def test_a_network_as_good_as_the_season_before_is_used(monkeypatch):
    from skrnn.forecasting import _learning

    errors = iter([1.05, 1.0])
    monkeypatch.setattr(_learning, "free_error", lambda *args: next(errors))
    forecaster = make(early_stopping=True).fit(load_airline())
    assert forecaster.network_.weights["head.weight"].any()


def test_training_that_diverges_begins_anew_with_a_lower_rate(monkeypatch):
    from skrnn.forecasting import _learning

    rates, fit = [], _learning.fit_module

    def fail_at_first(module, train, validation, settings):
        rates.append(settings.lr)
        if len(rates) < 2:
            raise _learning.DivergenceError("diverged")
        return fit(module, train, validation, settings)

    monkeypatch.setattr(_learning, "fit_module", fail_at_first)
    make(lr=0.02, early_stopping=False).fit(load_airline())
    assert_allclose(rates, [0.02, 0.002])


def test_training_that_always_diverges_leaves_the_season_before(monkeypatch):
    from skrnn.forecasting import _learning

    def fail(*args):
        raise _learning.DivergenceError("diverged")

    monkeypatch.setattr(_learning, "fit_module", fail)
    y = load_airline()
    with pytest.warns(UserWarning, match=r"diverged with lr=0\.005"):
        forecaster = make().fit(y)
    assert_allclose(forecaster.predict(fh=range(1, 25)), seasonal_naive(y, 24))


def test_the_best_epoch_is_restored_where_there_are_enough_series():
    panel = make_panel(lengths=[60] * 20, seed=1)
    params = {"lr": 0.05, "lr_schedule": "constant", "early_stopping": True}
    forecaster = make(max_epochs=40, n_iter_no_change=1, **params).fit(panel)
    losses = [epoch["valid_loss"] for epoch in forecaster.history_]
    assert len(losses) < 40  # stopped
    best = int(np.argmin(losses))
    assert best == len(losses) - 2
    again = make(max_epochs=best + 1, **params).fit(panel)
    for name, weight in again.network_.weights.items():
        assert_allclose(weight, forecaster.network_.weights[name], rtol=1e-9)
    assert again.network_.weights["head.weight"].any()


class Rates(Callback):
    """Notes the learning rate of each update."""

    seen: ClassVar[list[float]] = []

    def on_batch_end(self, net, training=False, **kwargs):
        if training:
            self.seen.append(net.optimizer_.param_groups[0]["lr"])


@pytest.mark.parametrize("n_series", [1, 20])
def test_the_learning_rate_rises_and_falls_to_zero_within_the_budget(n_series):
    panel = make_panel(lengths=[60] * n_series)
    Rates.seen.clear()
    make(callbacks=[Rates()], max_epochs=5, lr=0.02).fit(panel)
    assert len(Rates.seen) >= 5 * 3
    assert len(Rates.seen) % 5 == 0
    assert max(Rates.seen) == pytest.approx(0.02, rel=0.05)
    assert Rates.seen[-1] < 0.02 * 0.05


# --- accuracy and cost ----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("cls", [GRUForecaster, LSTMForecaster])
def test_the_default_beats_the_seasonal_naive_forecast_on_air_passengers(cls):
    y = load_airline()
    train, test = y[:-24], y[-24:]
    y_pred = cls(random_state=0).fit(train, fh=range(1, 25)).predict()
    error = np.abs(y_pred - test).mean()
    assert error < 0.6 * np.abs(seasonal_naive(train, 24) - test).mean()


@pytest.mark.parametrize(
    "engine",
    [
        "torch",
        pytest.param(
            "native",
            marks=pytest.mark.skipif(not is_available(), reason="no compiled layers"),
        ),
    ],
)
def test_a_forecast_takes_one_step_of_the_network_per_step(engine, monkeypatch):
    forecaster = make(engine=engine).fit(load_airline())
    calls = []
    if engine == "torch":
        advance = RecurrentEncoder.advance

        def count(self, x, state):
            calls.append(x.shape[:2])
            return advance(self, x, state)

        monkeypatch.setattr(RecurrentEncoder, "advance", count)
    else:
        run = _native_walk.run_forward

        def count(cell, weights, x, *args, **more):
            calls.append(x.shape[:2])
            return run(cell, weights, x, *args, **more)

        monkeypatch.setattr(_native_walk, "run_forward", count)
    forecaster.predict(fh=range(1, 51))
    assert calls == [(1, 1)] * 50  # nothing is encoded anew
    calls.clear()
    forecaster.predict_interval(fh=range(1, 51))
    assert calls == [(30, 1)] * 50


def test_paths_are_rolled_out_in_blocks(monkeypatch):
    from skrnn.forecasting import _network

    panel = make_panel()
    forecaster = make().fit(panel)
    expected = forecaster.predict_interval(fh=[1, 5])
    monkeypatch.setattr(_network, "ROWS_AT_ONCE", 30)  # one series at a time
    assert_allclose(forecaster.predict_interval(fh=[1, 5]), expected, rtol=1e-9)


def test_a_backtest_reads_each_value_once(monkeypatch):
    from skrnn.forecasting import _memory

    y = load_airline()
    forecaster = make().fit(y[:100])
    read, read_on = [], _memory.read_on

    def count(network, histories, standings, device):
        read.extend(len(history.values) for history in histories)
        return read_on(network, histories, standings, device)

    monkeypatch.setattr(_memory, "read_on", count)
    for t in range(100, 120):
        forecaster.update(y.iloc[[t]], update_params=False)
        forecaster.predict(fh=[1, 2, 3])
    assert read == [1] * 20
