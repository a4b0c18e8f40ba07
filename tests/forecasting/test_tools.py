"""The forecasters inside sktime's tools: each answer is also made by hand."""

import copy
import pickle
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal
from sktime.base import load
from sktime.datasets import load_airline
from sktime.forecasting.compose import (
    EnsembleForecaster,
    ForecastingPipeline,
    ForecastX,
    MultiplexForecaster,
    TransformedTargetForecaster,
    make_reduction,
)
from sktime.forecasting.model_evaluation import evaluate
from sktime.forecasting.model_selection import ForecastingGridSearchCV
from sktime.forecasting.naive import NaiveForecaster
from sktime.forecasting.reconcile import ReconcilerForecaster
from sktime.performance_metrics.forecasting import MeanAbsoluteError
from sktime.split import ExpandingWindowSplitter
from sktime.transformations.hierarchical.aggregate import Aggregator
from sktime.transformations.series.boxcox import LogTransformer
from sktime.transformations.series.detrend import Deseasonalizer
from sktime.transformations.series.difference import Differencer
from sktime.transformations.series.exponent import ExponentTransformer
from statsmodels.tsa.seasonal import seasonal_decompose

from skrnn import GRURegressor
from skrnn._devices import one_thread
from skrnn.forecasting import GRUForecaster, LSTMForecaster, RNNForecaster

pytestmark = [
    # sktime 1.2, 25 November 2026: its own forecasters announce a new default.
    pytest.mark.filterwarnings(
        r"ignore:The default of config ``remember_data``:FutureWarning:sktime\..*"
    ),
    # sktime 1.2, 25 November 2026: ReconcilerForecaster adds up a second time.
    pytest.mark.filterwarnings(
        r"ignore:Found elements in the index of X named:UserWarning:sktime\..*"
    ),
]
ALL = [RNNForecaster, LSTMForecaster, GRUForecaster]
FH = [1, 2, 3]
COLUMNS = ["wave", "price"]


@pytest.fixture(autouse=True, scope="module")
def one_torch_thread():
    """Tiny networks on cores that others use too: waiting threads would cost most."""
    with one_thread(torch.device("cpu")):
        yield


def make(cls: Any = GRUForecaster, **params: Any) -> Any:
    values = {"hidden_size": 4, "max_epochs": 1, "num_samples": 20, "device": "cpu"}
    values["n_estimators"] = 1
    return cls(**{**values, "early_stopping": False, "random_state": 0, **params})


@pytest.fixture(scope="module")
def y():
    return load_airline()[-72:]


@pytest.fixture(scope="module")
def X(y):
    rng = np.random.default_rng(0)
    wave = np.sin(np.arange(len(y)))
    return pd.DataFrame({"wave": wave, "price": rng.uniform(1, 2, len(y))}, y.index)


@pytest.fixture(scope="module")
def hierarchy():
    """Two shops with two goods each, three years of months."""
    rng = np.random.default_rng(1)
    months = pd.period_range("2020-01", periods=36, freq="M")
    index = pd.MultiIndex.from_product(
        [["north", "south"], ["milk", "tea"], months], names=["shop", "good", "month"]
    )
    level = np.repeat([10.0, 20.0, 30.0, 40.0], 36)
    season = np.tile(np.sin(2 * np.pi * np.arange(36) / 12), 4)
    noise = rng.normal(0, 0.1, len(index))
    return pd.DataFrame({"sales": level * (1 + 0.2 * season) + noise}, index)


@pytest.fixture(scope="module")
def panel():
    """Five series of 30 steps at different levels."""
    index = pd.MultiIndex.from_product(
        [list("abcde"), range(30)], names=["series", "time"]
    )
    walks = np.random.default_rng(2).normal(0, 1, (5, 30)).cumsum(axis=1)
    levels = 10.0 * np.arange(5)[:, None]
    return pd.DataFrame({"y": (levels + walks).ravel()}, index)


@pytest.fixture
def fitted(y, X):
    return make().fit(y[:-3], X[:-3])


def weights_of(forecaster):
    return {name: each.copy() for name, each in forecaster.network_.weights.items()}


# --- transformations of y and of X ---------------------------------------------------


@pytest.mark.parametrize("cls", ALL)
def test_transformed_target_forecasts_are_those_of_the_transformed_series(cls, y):
    pipe = TransformedTargetForecaster(
        [("log", LogTransformer()), ("forecaster", make(cls, log=False))]
    ).fit(y)
    by_hand = make(cls, log=False).fit(np.log(y))
    assert_allclose(pipe.predict(FH), np.exp(by_hand.predict(FH)), rtol=1e-9)
    assert_allclose(
        pipe.predict_quantiles(FH, alpha=[0.1, 0.5, 0.9]),
        np.exp(by_hand.predict_quantiles(FH, alpha=[0.1, 0.5, 0.9])),
        rtol=1e-9,
    )


def test_deseasonalizer_takes_the_seasonal_component_away_and_puts_it_back(y):
    pipe = (Deseasonalizer(sp=12) * make(sp=1)).fit(y)
    seasonal = seasonal_decompose(y.to_timestamp(), period=12).seasonal.to_numpy()
    by_hand = make(sp=1).fit(y - seasonal)
    coming = seasonal[-12:][:3]  # the last value is one of a December
    assert_allclose(pipe.predict(FH), by_hand.predict(FH) + coming, rtol=1e-9)
    lower_and_upper = by_hand.predict_interval(FH, coverage=0.8).to_numpy()
    assert_allclose(
        pipe.predict_interval(FH, coverage=0.8),
        lower_and_upper + coming[:, None],
        rtol=1e-9,
    )


def test_differencer_adds_the_forecasts_of_the_changes_up(y):
    pipe = (Differencer() * make()).fit(y)
    by_hand = make().fit(y.diff().fillna(0.0))
    expected = y.iloc[-1] + by_hand.predict(FH).cumsum()
    assert_allclose(pipe.predict(FH), expected, rtol=1e-9)


def test_differencer_adds_the_quantiles_of_the_changes_up(y):
    pipe = (Differencer() * make()).fit(y)
    by_hand = make().fit(y.diff().fillna(0.0))
    changes = by_hand.predict_interval(FH, coverage=[0.5, 0.9])
    expected = y.iloc[-1] + changes.cumsum()
    assert_allclose(pipe.predict_interval(FH, coverage=[0.5, 0.9]), expected, rtol=1e-9)


def test_pipeline_transforms_the_past_and_the_future_of_X(y, X):
    pipe = ForecastingPipeline(
        [("square", ExponentTransformer(power=2, offset=0)), ("forecaster", make())]
    )
    pipe.fit(y[:-3], X[:-3])
    by_hand = make().fit(y[:-3], X[:-3] ** 2)
    expected = by_hand.predict(FH, X[-3:] ** 2)
    assert_series_equal(pipe.predict(FH, X[-3:]), expected)
    assert_frame_equal(
        pipe.predict_interval(FH, X[-3:]), by_hand.predict_interval(FH, X[-3:] ** 2)
    )
    pipe.update(y[-3:], X[-3:], update_params=False)
    by_hand.update(y[-3:], X[-3:] ** 2, update_params=False)
    further = X[-3:].set_axis(pd.period_range(y.index[-1] + 1, periods=3))
    assert_series_equal(pipe.predict(FH, further), by_hand.predict(FH, further**2))


def test_ForecastX_forecasts_the_X_that_nobody_knows(y, X):
    both = ForecastX(make(), NaiveForecaster()).fit(y[:-3], X[:-3], fh=FH)
    last = pd.DataFrame([X.iloc[-4]] * 3, X.index[-3:])
    expected = make().fit(y[:-3], X[:-3], fh=FH).predict(X=last)
    assert_series_equal(both.predict(), expected)


# --- evaluation and search -----------------------------------------------------------


def splitter(y):
    return ExpandingWindowSplitter(fh=FH, initial_window=len(y) - 9, step_length=3)


def forecasts_by_hand(y, X, strategy):
    """What ``evaluate`` should get, fold by fold."""
    forecaster, found = make(), []
    for fold, (seen, asked) in enumerate(splitter(y).split(y)):
        now = (y.iloc[seen], None if X is None else X.iloc[seen])
        if fold == 0 or strategy == "refit":
            forecaster = make().fit(*now, fh=FH)
        else:
            forecaster.update(*now, update_params=strategy == "update")
        found.append(forecaster.predict(X=None if X is None else X.iloc[asked]))
    return found


@pytest.mark.parametrize("strategy", ["refit", "update", "no-update_params"])
@pytest.mark.parametrize("with_X", [False, True], ids=["y alone", "with X"])
def test_evaluate_gives_what_the_folds_give_by_hand(y, X, strategy, with_X):
    X = X if with_X else None
    results = evaluate(
        make(),
        splitter(y),
        y,
        X=X,
        strategy=strategy,
        return_data=True,
        scoring=MeanAbsoluteError(),
        error_score="raise",
    )
    expected = forecasts_by_hand(y, X, strategy)
    assert len(results) == len(expected) == 3
    for y_pred, by_hand in zip(results["y_pred"], expected, strict=True):
        assert_series_equal(y_pred, by_hand)
    errors = [(each - y[each.index]).abs().mean() for each in expected]
    assert_allclose(results["test_MeanAbsoluteError"], errors, rtol=1e-12)


def test_the_three_strategies_differ_after_the_first_fold(y):
    refit, update, keep = (
        forecasts_by_hand(y, None, strategy)
        for strategy in ("refit", "update", "no-update_params")
    )
    assert_series_equal(refit[0], keep[0])
    assert (refit[1] != keep[1]).all()
    assert (update[1] != keep[1]).all()


@pytest.mark.parametrize("update_params", [False, True])
@pytest.mark.parametrize("with_X", [False, True], ids=["y alone", "with X"])
def test_update_predict_is_a_loop_of_updates(y, X, update_params, with_X):
    X = X if with_X else None
    past, coming = slice(None, -12), slice(-12, None)

    def part(frame, rows):
        return None if frame is None else frame.iloc[rows]

    cv = ExpandingWindowSplitter(fh=FH, initial_window=3, step_length=3)
    forecaster = make().fit(y[past], part(X, past), fh=FH)
    # X as a whole: sktime gives all of it to each predict
    found = forecaster.update_predict(
        y[coming], cv, part(X, coming), update_params=update_params
    )
    by_hand = make().fit(y[past], part(X, past), fh=FH)
    for cutoff in found.columns:
        window = y[coming].index <= cutoff
        window &= y[coming].index > by_hand.cutoff[0]
        rows = part(X, coming)
        by_hand.update(
            y[coming][window],
            None if rows is None else rows[window],
            update_params=update_params,
        )
        expected = by_hand.predict(X=rows)
        assert_series_equal(found[cutoff].dropna(), expected, check_names=False)
    assert len(found.columns) == 3


def search(backend=None, **options):
    return ForecastingGridSearchCV(
        make(),
        param_grid={"hidden_size": [3, 5]},
        scoring=MeanAbsoluteError(),
        error_score="raise",
        backend=backend,
        **options,
    )


def test_grid_search_takes_the_best_by_the_errors_of_its_folds(y):
    grid = search(cv=splitter(y)).fit(y)
    scores = {}
    for params in grid.cv_results_["params"]:
        errors = []
        for seen, asked in splitter(y).split(y):
            y_pred = make(**params).fit(y.iloc[seen], fh=FH).predict()
            errors.append((y_pred - y.iloc[asked]).abs().mean())
        scores[tuple(params.values())] = np.mean(errors)
    found = grid.cv_results_["mean_test_MeanAbsoluteError"]
    assert_allclose(found, list(scores.values()), rtol=1e-12)
    assert tuple(grid.best_params_.values()) == min(scores, key=scores.get)
    best = make(**grid.best_params_).fit(y)
    assert_series_equal(grid.predict(FH), best.predict(FH))


@pytest.mark.parametrize(
    ("backend", "options"),
    [
        ("threading", {"n_jobs": 2}),
        pytest.param("loky", {"n_jobs": 2}, marks=pytest.mark.slow),
        pytest.param("dask", {"scheduler": "threads"}, marks=pytest.mark.slow),
    ],
)
def test_grid_search_in_parallel_finds_what_it_finds_alone(y, backend, options):
    alone = search(cv=splitter(y)).fit(y)
    together = search(
        cv=splitter(y), backend=backend, backend_params=dict(options)
    ).fit(y)
    assert together.best_params_ == alone.best_params_
    scores = "mean_test_MeanAbsoluteError"
    assert_array_equal(together.cv_results_[scores], alone.cv_results_[scores])
    assert_series_equal(together.predict(FH), alone.predict(FH))


def test_threads_give_the_forecasts_that_fits_one_by_one_give(y):
    def forecasts(seed):
        forecaster = make(random_state=seed, dropout=0.2).fit(y)
        return np.c_[forecaster.predict(FH), forecaster.predict_interval(FH)]

    alone = [forecasts(seed) for seed in range(6)]
    jobs = [joblib.delayed(forecasts)(seed) for seed in range(6)]
    together = joblib.Parallel(n_jobs=3, backend="threading")(jobs)
    assert_array_equal(together, alone)
    assert len({each.tobytes() for each in alone}) == 6


# --- hierarchies ---------------------------------------------------------------------


@pytest.mark.parametrize("cls", ALL)
def test_a_hierarchy_shares_one_network(cls, hierarchy):
    forecaster = make(cls).fit(hierarchy)
    assert not hasattr(forecaster, "forecasters_")
    assert forecaster.network_.config["n_columns"] == 1
    together = forecaster.predict(FH)
    for key in [("north", "tea"), ("south", "milk")]:
        alone = make(cls).pretrain(hierarchy).fit(hierarchy.loc[key])
        assert_allclose(together.loc[key], alone.predict(FH), rtol=1e-5)
        intervals = forecaster.predict_interval(FH).loc[key]
        assert (intervals.iloc[:, 0] < intervals.iloc[:, 1]).all()


@pytest.mark.parametrize("method", ["bu", "ols", "mint_shrink", "wls_var", "td_fcst"])
def test_reconciled_forecasts_add_up(hierarchy, method):
    reconciled = ReconcilerForecaster(make(), method=method).fit(hierarchy)
    y_pred = reconciled.predict(FH)["sales"].unstack("month")
    assert len(y_pred) == 7
    goods = y_pred.drop("__total", level="good")
    for shop in ["north", "south"]:
        total = y_pred.loc[(shop, "__total")]
        assert_allclose(total, goods.loc[shop].sum(), rtol=1e-9)
    assert_allclose(y_pred.loc[("__total", "__total")], goods.sum(), rtol=1e-9)
    # the values of a year ago, by and large: nothing has been lost on the way
    last_year = hierarchy["sales"].unstack("month").iloc[:, 24:27]
    assert_allclose(goods.sort_index(), last_year.sort_index(), rtol=0.5)


def test_bottom_up_forecasts_are_sums_of_the_forecasts_of_the_bottom(hierarchy):
    y_pred = ReconcilerForecaster(make(), method="bu").fit(hierarchy).predict(FH)
    bottom = make().fit(hierarchy).predict(FH)
    assert_frame_equal(y_pred.loc[bottom.index], bottom)
    assert_frame_equal(y_pred, Aggregator().fit_transform(bottom))


# --- forecasters made of others ------------------------------------------------------


def regressor():
    return GRURegressor(
        hidden_size=4, max_epochs=2, random_state=0, device="cpu", features_per_step=1
    )


def windows_of(values, length):
    return np.lib.stride_tricks.sliding_window_view(values, length)


def test_reduction_to_our_regressor_feeds_forecasts_back(y):
    """2-D windows, one forecast after the other."""
    reduced = make_reduction(
        regressor(), strategy="recursive", window_length=8, scitype="tabular-regressor"
    ).fit(y)
    values = y.to_numpy()
    by_hand = regressor().fit(windows_of(values[:-1], 8), values[8:])
    for step in range(3):
        values = np.append(values, by_hand.predict(values[None, -8:]))
        assert_allclose(reduced.predict([step + 1]), values[-1:], rtol=1e-6)


def test_direct_reduction_to_our_regressor_has_one_for_each_step(y):
    reduced = make_reduction(
        regressor(), strategy="direct", window_length=8, scitype="tabular-regressor"
    ).fit(y, fh=FH)
    values = y.to_numpy()
    windows = windows_of(values, 8)[:-3]
    expected = [
        regressor()
        .fit(windows, values[7 + step :][: len(windows)])
        .predict(values[None, -8:])[0]
        for step in FH
    ]
    assert_allclose(reduced.predict(), expected, rtol=1e-6)


def test_an_ensemble_of_two_is_their_mean(y):
    two = [("gru", make()), ("lstm", make(LSTMForecaster))]
    ensemble = EnsembleForecaster(two).fit(y, fh=FH)
    each = [forecaster.clone().fit(y, fh=FH).predict() for _, forecaster in two]
    assert_allclose(ensemble.predict(), (each[0] + each[1]) / 2, rtol=1e-12)
    assert (each[0] != each[1]).all()


def test_a_multiplexer_is_what_it_has_selected(y):
    several = [("gru", make()), ("rnn", make(RNNForecaster))]
    chosen = MultiplexForecaster(several, selected_forecaster="rnn").fit(y)
    expected = make(RNNForecaster).fit(y)
    assert_series_equal(chosen.predict(FH), expected.predict(FH))
    assert_frame_equal(chosen.predict_interval(FH), expected.predict_interval(FH))


# --- copies --------------------------------------------------------------------------


def saved_to_memory(forecaster, folder):
    return load(forecaster.save())


def saved_to_a_path(forecaster, folder):
    forecaster.save(folder / "forecaster")
    return load(folder / "forecaster.zip")


def pickled(forecaster, folder):
    return pickle.loads(pickle.dumps(forecaster))


def dumped(forecaster, folder):
    joblib.dump(forecaster, folder / "forecaster.joblib")
    return joblib.load(folder / "forecaster.joblib")


def deep_copied(forecaster, folder):
    return copy.deepcopy(forecaster)


@pytest.mark.parametrize(
    "copied", [saved_to_memory, saved_to_a_path, pickled, dumped, deep_copied]
)
def test_a_copy_forecasts_bit_for_bit_the_same(copied, fitted, y, X, tmp_path):
    other = copied(fitted, tmp_path)
    assert other.cutoff.equals(fitted.cutoff)
    assert_series_equal(
        other.predict(FH, X[-3:]), fitted.predict(FH, X[-3:]), check_exact=True
    )
    assert_frame_equal(
        other.predict_interval(FH, X[-3:]),
        fitted.predict_interval(FH, X[-3:]),
        check_exact=True,
    )
    before = fitted.predict(FH, X[-3:])
    other.update(y[-3:], X[-3:])  # the copy goes on; the other stays where it is
    assert other.cutoff[0] == y.index[-1]
    assert_series_equal(fitted.predict(FH, X[-3:]), before, check_exact=True)
    fitted.update(y[-3:], X[-3:])
    further = X[-3:].set_axis(pd.period_range(y.index[-1] + 1, periods=3))
    assert_series_equal(
        other.predict(FH, further), fitted.predict(FH, further), check_exact=True
    )


@pytest.mark.parametrize("cls", ALL)
def test_a_clone_is_not_fitted_and_fits_to_the_same(cls, y):
    forecaster = make(cls, net_params={"optimizer__amsgrad": True}).fit(y)
    other = forecaster.clone()
    assert not other.is_fitted
    assert not hasattr(other, "network_")
    assert other.get_params() == forecaster.get_params()
    assert_series_equal(
        other.fit(y).predict(FH), forecaster.predict(FH), check_exact=True
    )


# --- pretraining ---------------------------------------------------------------------


@pytest.mark.parametrize("cls", ALL)
def test_a_pretrained_forecaster_reads_a_new_series_without_training(cls, panel):
    pretrained = make(cls).pretrain(panel)
    weights = weights_of(pretrained)
    other = pretrained.clone()
    assert other.state == "pretrained"
    new = pd.Series(50 + np.sin(np.arange(20.0)))
    other.fit(new)
    for name, each in weights.items():
        assert_array_equal(other.network_.weights[name], each)
        assert_array_equal(pretrained.network_.weights[name], each)
    assert len(other.history_) == len(pretrained.history_) == 1
    y_pred = other.predict(FH)
    assert list(y_pred.index) == [20, 21, 22]
    assert ((y_pred > 45) & (y_pred < 55)).all()  # at the level of the new series
    again = pickle.loads(pickle.dumps(pretrained)).fit(new)
    assert_series_equal(again.predict(FH), y_pred, check_exact=True)


def test_a_pretrained_forecaster_reads_a_series_too_short_to_train_on(panel):
    forecaster = make().pretrain(panel).fit(pd.Series([7.0, 7.5]))
    y_pred = forecaster.predict(FH)
    assert ((y_pred > 5) & (y_pred < 10)).all()


def test_pretraining_twice_goes_on_with_the_same_network(panel):
    forecaster = make().pretrain(panel)
    once = weights_of(forecaster)
    forecaster.pretrain(panel)
    assert len(forecaster.history_) == 2
    assert any((forecaster.network_.weights[name] != once[name]).any() for name in once)


def test_update_trains_a_pretrained_network_further_unless_told_not_to(panel):
    forecaster = make().pretrain(panel)
    weights = weights_of(forecaster)
    new = pd.Series(50 + np.sin(np.arange(24.0)))
    forecaster.fit(new[:20])
    forecaster.update(new[20:22], update_params=False)
    found = forecaster.module_.state_dict()
    assert all((found[name].numpy() == weights[name]).all() for name in weights)
    forecaster.update(new[22:])
    found = forecaster.module_.state_dict()
    assert any((found[name].numpy() != weights[name]).any() for name in weights)
