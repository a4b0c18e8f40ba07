"""Forecasters of several networks, compared with their networks one by one."""

import copy

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sktime.datasets import load_airline

from skrnn.forecasting import GRUForecaster, LSTMForecaster

STRATEGIES = ["recursive", "direct"]


def make(cls=GRUForecaster, **params):
    quick = {"hidden_size": 6, "max_epochs": 2, "num_samples": 31, "dtype": "float64"}
    quick |= {"random_state": 0, "device": "cpu", "early_stopping": False}
    return cls(**{"n_estimators": 3, "lr": 0.02, **quick, **params})


def make_panel(n_series=3):
    rng = np.random.default_rng(0)
    season = 20 + 5 * np.sin(np.arange(60) * np.pi / 6)
    values = season + rng.normal(size=(n_series, 60)).cumsum(axis=1)
    index = pd.MultiIndex.from_product([range(n_series), range(60)])
    return pd.DataFrame({"y": values.ravel()}, index=index)


def alone(forecaster, place):
    """A forecaster of one of the networks only, which has read the same series."""
    other = copy.deepcopy(forecaster)
    other._memory = other._memory.with_network(other.network_.part(place))
    return other


def fit_airline(**params):
    y = load_airline()[:72].to_numpy()
    return make(**params).fit(pd.DataFrame({"y": y}))


@pytest.mark.parametrize("cls", [GRUForecaster, LSTMForecaster])
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("log", [True, False])
def test_a_forecast_is_the_mean_of_those_of_the_networks(cls, strategy, log):
    params = {"cls": cls, "strategy": strategy, "log": log, "horizon": 5}
    forecaster, fh = fit_airline(**params), [-60, -3, 0, 1, 4, 17]
    parts = [alone(forecaster, place).predict(fh=fh) for place in range(3)]
    assert (parts[0] != parts[1]).any(axis=None)
    if log:
        expected = np.expm1(np.mean([np.log1p(part) for part in parts], axis=0))
    else:
        expected = np.mean(parts, axis=0)
    assert_allclose(forecaster.predict(fh=fh), expected, rtol=1e-9)


def test_paths_are_shared_out_among_the_networks():
    forecaster, fh = fit_airline(), [-2, 1, 9]
    paths = paths_of(forecaster, fh)
    assert paths.shape == (31, 3)
    # 11, 10 and 10 of 31: those of the first network are those that it draws alone
    first = alone(forecaster, 0)
    first.num_samples = 11
    assert_allclose(paths[:11], paths_of(first, fh), rtol=1e-9)
    assert (np.diff(np.sort(paths[:, 1])) > 0).all()  # no path comes twice


def paths_of(forecaster, fh):
    spl = forecaster.predict_proba(fh=fh).spl
    return spl["y"].to_numpy().reshape(-1, len(fh))


def test_fewer_paths_than_networks_come_from_the_first_ones():
    forecaster = fit_airline(num_samples=2)
    assert paths_of(forecaster, [1, 2]).shape == (2, 2)
    assert np.isfinite(forecaster.predict_var(fh=[1, 2])).all(axis=None)


def test_the_first_network_is_the_one_that_is_trained_alone():
    panel = make_panel()
    one, three = make(n_estimators=1).fit(panel), make().fit(panel)
    for name, weight in three.network_.weights.items():
        assert weight.shape == (3, *one.network_.weights[name].shape[1:])
        assert_array_equal(weight[0], one.network_.weights[name][0])
    weights = three.network_.weights["head.weight"]
    assert (weights[0] != weights[1]).any()
    assert (weights[1] != weights[2]).any()
    assert [epoch["network"] for epoch in three.history_] == [0, 0, 1, 1, 2, 2]
    assert "network" not in one.history_[0]


@pytest.mark.parametrize("cls", [GRUForecaster, LSTMForecaster])
def test_what_is_read_step_by_step_gives_the_forecasts_of_all_read_at_once(cls):
    y = pd.DataFrame({"y": load_airline()[:72].to_numpy()})
    forecaster = make(cls).fit(y[:60])
    whole = forecaster._memory.read(forecaster._split(y), None)
    again = whole.with_network(forecaster.network_)
    for step in range(60, 72):
        forecaster.update(y[step : step + 1], update_params=False)
    found = forecaster._memory
    assert_allclose(found.standings[0].hidden, again.standings[0].hidden, rtol=1e-9)
    assert found.standings[0].hidden.shape[0] == 3


def test_an_update_trains_all_networks_further():
    y = pd.DataFrame({"y": load_airline()[:72].to_numpy()})
    forecaster = make().fit(y[:60])
    before = forecaster.network_.weights["encoder.forward_layers.0.weight_hh_l0"]
    forecaster.update(y[60:])
    after = forecaster._memory.network.weights["encoder.forward_layers.0.weight_hh_l0"]
    assert (before != after).any(axis=(1, 2)).all()


@pytest.mark.parametrize("n_series", [1, 20])
def test_networks_worse_than_the_season_before_are_left_out(n_series, monkeypatch):
    from skrnn.forecasting import _learning

    panel = make_panel(n_series)
    every = make(early_stopping=True).fit(panel).network_
    errors = iter([1.06, 1.0, 1.0, 1.0, 1.07, 1.0])  # of three networks and the naive
    monkeypatch.setattr(_learning, "free_error", lambda *args: next(errors))
    forecaster = make(early_stopping=True).fit(panel)  # and nothing is told
    assert forecaster.network_.n_networks == 1
    for name, weight in forecaster.network_.weights.items():
        if name != "spread":
            assert_array_equal(weight[0], every.weights[name][1])
    assert np.isfinite(forecaster.predict(fh=[1, 2])).all(axis=None)


def test_the_user_is_told_once_if_all_networks_are_worse(monkeypatch):
    from skrnn.forecasting import _learning

    errors = iter([1.06, 1.0] * 3)
    monkeypatch.setattr(_learning, "free_error", lambda *args: next(errors))
    with pytest.warns(UserWarning, match="worse than the value a season ago") as told:
        forecaster = make(early_stopping=True).fit(make_panel(20))
    assert len(told) == 1
    assert not forecaster.network_.weights["head.weight"].any()


def test_all_networks_have_one_spread_judged_by_their_paths_together(monkeypatch):
    from skrnn.forecasting import _learning

    judged = []

    def loss(modules, windows, share, seed):
        judged.append(len(modules))
        return abs(share - 1.4)

    monkeypatch.setattr(_learning, "spread_loss", loss)
    weights = make(early_stopping=True).fit(make_panel(40)).network_.weights
    assert_allclose(weights["spread"].ravel(), [1.4] * 3, rtol=1e-6)
    assert set(judged) == {3}


@pytest.mark.parametrize("n_failing", [1, 3])
def test_a_network_stays_as_it_was_where_training_further_diverges(
    n_failing, monkeypatch, recwarn
):
    from skrnn.forecasting import _learning

    y = pd.DataFrame({"y": load_airline()[:72].to_numpy()})
    forecaster = make().fit(y[:60])
    before = forecaster.network_.weights["head.weight"]
    fit, calls = _learning.fit_module, []

    def fail_at_first(*args):
        calls.append(args)
        if len(calls) <= 3 * n_failing:  # three rates for each network
            raise _learning.DivergenceError
        return fit(*args)

    monkeypatch.setattr(_learning, "fit_module", fail_at_first)
    recwarn.clear()
    forecaster.update(y[60:])
    after = forecaster._memory.network.weights["head.weight"]
    changed = (before != after).any(axis=(1, 2))
    assert changed.tolist() == [False] * n_failing + [True] * (3 - n_failing)
    told = [str(each.message) for each in recwarn if "diverged" in str(each.message)]
    assert len(told) == (n_failing == 3)
    assert all("learned before stays as it was" in each for each in told)
