"""Ranges of hyper-parameters: valid for each class, found in pipelines, searched."""

import math

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    ParameterGrid,
    ParameterSampler,
    RandomizedSearchCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.utils._param_validation import validate_parameter_constraints
from sktime.datasets import load_airline
from sktime.forecasting.compose import TransformedTargetForecaster
from sktime.forecasting.model_selection import ForecastingRandomizedSearchCV
from sktime.split import SingleWindowSplitter
from sktime.transformations.series.detrend import Detrender

import skrnn
from skrnn import GRUClassifier, GRURegressor, SequenceScaler, forecasting, panel
from skrnn.datasets import make_waves
from skrnn.forecasting import GRUForecaster
from skrnn.tuning import search_space, suggest_params

pytestmark = pytest.mark.filterwarnings(  # of sktime's own pipelines and searches
    r"ignore:The default of config ``remember_data``:FutureWarning:sktime\..*"
)
ENDINGS = ("Classifier", "Regressor", "Tagger", "Forecaster")
ENDINGS += ("LanguageModel", "Transducer", "Recommender")
CLASSES = [
    getattr(home, name)
    for home in (skrnn, panel, forecasting)
    for name in home.__all__
    if name.endswith(ENDINGS)
]


def name_of(cls):
    return f"{cls.__module__.split('.')[1]}-{cls.__name__}"


@pytest.mark.parametrize("cls", CLASSES, ids=name_of)
def test_all_values_are_valid(cls):
    model = cls()
    constraints = cls._parameter_constraints if hasattr(cls, "_cell") else {}
    sampler = ParameterSampler(search_space(model), n_iter=40, random_state=0)
    for params in [*sampler, *ParameterGrid(search_space(model, grid=True))]:
        clone = cls(**params)
        for name, value in params.items():
            assert clone.get_params()[name] == value
            if constraints:
                validate_parameter_constraints(constraints, {name: value}, "it")


@pytest.mark.parametrize("cls", CLASSES, ids=name_of)
def test_the_default_lies_within_each_range(cls):
    defaults = cls().get_params()
    for name, values in search_space(cls()).items():
        if isinstance(values, list):
            assert defaults[name] in values
        else:
            low, high = values.support()
            assert low <= defaults[name] <= high
    for name, values in search_space(cls(), grid=True).items():
        assert defaults[name] in values


def test_the_network_is_found_wherever_it_stands():
    steps = [("d", Detrender()), ("f", GRUForecaster())]
    for model, prefix in [
        (make_pipeline(SequenceScaler(), GRUClassifier()), "gruclassifier__"),
        (TransformedTargetRegressor(GRURegressor()), "regressor__"),
        (TransformedTargetForecaster(steps), "f__"),
    ]:
        for grid in (False, True):
            space = search_space(model, grid=grid)
            assert all(name.startswith(prefix) for name in space)
        model.set_params(**next(iter(ParameterSampler(space, 1, random_state=0))))


def test_a_loss_that_others_cannot_replace_stays():
    space = search_space(GRUForecaster(loss="negative_binomial"))
    assert "lr" in space
    assert not {"loss", "log"} & set(space)
    assert "loss" in search_space(GRUForecaster(loss="huber"))


def test_a_space_may_be_changed():
    search_space(GRUClassifier())["pooling"].append("last")
    assert "last" not in search_space(GRUClassifier())["pooling"]


@pytest.mark.parametrize("function", [search_space, lambda e: suggest_params(None, e)])
def test_what_holds_no_network_is_refused(function):
    with pytest.raises(ValueError, match="holds 0 networks of skrnn, expected one"):
        function(LogisticRegression())
    with pytest.raises(ValueError, match="holds 2 networks"):
        function(make_pipeline(GRURegressor(), GRUClassifier()))
    with pytest.raises(TypeError, match="expected an estimator with parameters"):
        function("GRUClassifier")


def test_a_random_and_a_full_search_run():
    X, y = make_waves(n_sequences=40, random_state=0)
    model = GRURegressor(random_state=0, device="cpu", stem=0)
    space = {**search_space(model), "max_epochs": [2, 3], "hidden_size": [4, 8]}
    RandomizedSearchCV(model, space, n_iter=2, cv=2, random_state=0).fit(X, y)
    grid = {**search_space(model, grid=True), "hidden_size": [4], "lr": [0.01, 0.02]}
    model.set_params(max_epochs=2)
    search = GridSearchCV(model, grid, cv=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_search_of_sktime_runs():
    model = GRUForecaster(random_state=0, device="cpu", n_estimators=1)
    space = {**search_space(model), "max_epochs": [1, 2], "hidden_size": [4]}
    search = ForecastingRandomizedSearchCV(
        model,
        cv=SingleWindowSplitter(fh=range(1, 13), window_length=120),
        param_distributions=space,
        n_iter=2,
        random_state=0,
        error_score="raise",
    ).fit(load_airline(), fh=[1, 2])
    assert set(search.best_params_) == set(space)


class Trial:
    """Suggests the middle of each range, as optuna.Trial does with a seed."""

    def __init__(self):
        self.asked = {}

    def suggest_float(self, name, low, high, *, log=False):
        self.asked[name] = low, high, log
        return math.sqrt(low * high) if log else (low + high) / 2

    def suggest_int(self, name, low, high):
        self.asked[name] = low, high
        return (low + high) // 2

    def suggest_categorical(self, name, choices):
        self.asked[name] = choices
        return choices[-1]


@pytest.mark.parametrize("cls", [GRUClassifier, GRUForecaster])
def test_a_trial_is_asked_for_the_same_ranges(cls):
    trial, model = Trial(), cls()
    params = suggest_params(trial, model)
    space = search_space(model)
    assert list(params) == list(space) == list(trial.asked)
    for name, values in space.items():
        if isinstance(values, list):
            assert trial.asked[name] == values
            continue
        low, high, *log = trial.asked[name]
        assert (low, high) == values.support()
        is_log = isinstance(values.dist, type(loguniform))
        assert log == ([is_log] if isinstance(params[name], float) else [])
    assert isinstance(params["hidden_size"], int)
    model.set_params(**params)
