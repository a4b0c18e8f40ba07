"""sktime's classes: what sktime demands, and that the scikit-learn ones answer."""

import inspect
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import KFold
from skorch.callbacks import LRScheduler
from sktime.base import load
from sktime.classification.model_selection import TSCGridSearchCV
from sktime.datatypes import check_raise, convert
from sktime.regression.model_selection import TSRGridSearchCV
from sktime.utils.estimator_checks import check_estimator

import skrnn
from skrnn import as_sequences, panel

CLASSIFIERS = ["RNNClassifier", "LSTMClassifier", "GRUClassifier"]
REGRESSORS = ["RNNRegressor", "LSTMRegressor", "GRURegressor"]
NAMES = CLASSIFIERS + REGRESSORS
QUICK = {"hidden_size": 4, "max_epochs": 2, "random_state": 0}
GONE = {"warm_start", "features_per_step"}  # without a meaning under sktime's rules
GONE |= {"categorical_features", "embedding", "word_dropout"}  # panels hold numbers
FORMS = ["pd-multiindex", "nested_univ", "df-list", "numpy3D"]
N_SEQUENCES = 24


def make_panel(form="pd-multiindex", n_steps=(3, 9), n_missing=0):
    """Two features; the names of the series are in no order."""
    rng = np.random.default_rng(0)
    series = [
        pd.DataFrame(rng.normal(size=(n, 2)), columns=["u", "v"])
        for n in rng.integers(*n_steps, size=N_SEQUENCES)
    ]
    for each in series[:n_missing]:
        each.iloc[1, 0] = np.nan
    names = [f"{'dbca'[i % 4]}{i}" for i in range(N_SEQUENCES)]
    frame = pd.concat(series, keys=names, names=["series", "time"])
    check_raise(frame, "pd-multiindex", scitype="Panel")
    return convert(frame, "pd-multiindex", form, "Panel")


def make_targets(name):
    """Differ with the order of the series."""
    if name in CLASSIFIERS:
        return np.array(["up", "down", "level"] * (N_SEQUENCES // 3))
    return np.linspace(-3, 5, N_SEQUENCES) ** 2


def make(name, **params):
    return getattr(panel, name)(**{**QUICK, **params})


def make_core(name, **params):
    return getattr(skrnn, name)(**{"missing": "mask", **QUICK, **params})


def defaults(function):
    return {n: p.default for n, p in inspect.signature(function).parameters.items()}


@pytest.mark.parametrize(
    ("name", "n_kinds", "n_tests"),
    [
        ("GRURegressor", 41, 211),
        *(
            pytest.param(name, *counts, marks=pytest.mark.slow)
            for names, counts in [
                (REGRESSORS[:2], (41, 211)),
                (CLASSIFIERS, (45, 378)),
            ]
            for name in names
        ),
    ],
)
@pytest.mark.filterwarnings("default")  # sktime's tests provoke warnings
def test_sktime_finds_no_fault(name, n_kinds, n_tests):
    estimator = getattr(panel, name)
    assert estimator.get_class_tag("tests:skip_by_name") is None
    assert not estimator.get_class_tag("tests:skip_all")
    results = check_estimator(estimator, verbose=False)
    assert {test: what for test, what in results.items() if what != "PASSED"} == {}
    assert len({test.split("[")[0] for test in results}) >= n_kinds
    assert len(results) >= n_tests


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_of_the_scikit_learn_class(name):
    expected = defaults(getattr(skrnn, name))
    assert expected.keys() >= GONE
    left = [(n, "mask" if n == "missing" else d) for n, d in expected.items()]
    left = [(n, d) for n, d in left if n not in GONE]
    assert list(defaults(getattr(panel, name)).items()) == left


@pytest.mark.parametrize("name", NAMES)
def test_test_parameters_differ_and_are_valid(name):
    sets = getattr(panel, name).get_test_params()
    assert len(sets) >= 3
    assert len({str(each) for each in sets}) == len(sets)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_predictions_are_those_of_the_scikit_learn_class(name, form):
    n_steps = (6, 7) if form == "numpy3D" else (3, 9)
    X = make_panel(form, n_steps, n_missing=5)
    y = make_targets(name)
    sequences = as_sequences(make_panel(n_steps=n_steps, n_missing=5))
    model, core = make(name).fit(X, y), make_core(name).fit(sequences, y)
    np.testing.assert_array_equal(model.predict(X), core.predict(sequences))
    if name in CLASSIFIERS:
        probabilities = core.predict_proba(sequences)
        np.testing.assert_array_equal(model.predict_proba(X), probabilities)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_reaches_the_scikit_learn_class(name, tmp_path):
    params = {
        "hidden_size": 3,
        "num_layers": 2,
        "bidirectional": False,
        "dropout": 0.2,
        "pooling": "max",
        "stem": 1,
        "scale_inputs": None,
        "lr": 0.01,
        "lr_schedule": "cosine",
        "optimizer": "adam",
        "weight_decay": 0.1,
        "max_grad_norm": None,
        "max_epochs": 1,
        "batch_size": 8,
        "loss": "log_loss" if name in CLASSIFIERS else "huber",
        "class_weight": "balanced",
        "early_stopping": True,
        "validation_fraction": 0.2,
        "n_iter_no_change": 3,
        "missing": "error",
        "dtype": "float64",
        "device": "cpu",
        "engine": "torch",
        "callbacks": [],
        "net_params": {"optimizer__betas": (0.8, 0.9)},
        "checkpoint": str(tmp_path / "fit"),
        "init": "orthogonal" if name.startswith("RNN") else "chrono",
        "random_state": 3,
        "verbose": False,
    }
    if name in REGRESSORS:
        del params["class_weight"]
    model = getattr(panel, name)(**params).fit(make_panel(), make_targets(name))
    assert model.get_params(deep=False) == params
    core = model.estimator_.get_params(deep=False)
    assert {n: value for n, value in core.items() if n not in GONE} == params


def test_missing_values_need_mask_and_the_tag_says_so():
    X, y = make_panel(n_missing=3), make_targets("GRUClassifier")
    model = make("GRUClassifier", missing="error")
    assert not model.get_tag("capability:missing_values")
    with pytest.raises(ValueError, match="GRUClassifier instance has missing values"):
        model.fit(X, y)
    model.set_params(missing="mask")
    assert model.get_tag("capability:missing_values")
    assert model.fit(X, y).is_fitted


@pytest.mark.parametrize("name", REGRESSORS)
def test_several_outputs_are_learned_by_one_network(name):
    X = make_panel()
    y = pd.DataFrame({"b": make_targets(name), "a": np.arange(N_SEQUENCES)})
    predicted = make(name).fit(X, y).predict(X)
    core = make_core(name).fit(as_sequences(X), y.to_numpy())
    assert list(predicted.columns) == ["b", "a"]
    np.testing.assert_array_equal(predicted, core.predict(as_sequences(X)))


def test_several_columns_of_classes_have_a_network_each():
    X, y = make_panel(), make_targets("GRUClassifier")
    two = pd.DataFrame({"p": y, "q": y[::-1]})
    model = make("GRUClassifier").fit(X, two)
    for column in two:
        alone = make("GRUClassifier").fit(X, two[column].to_numpy())
        np.testing.assert_array_equal(model.predict(X)[column], alone.predict(X))


def test_a_series_of_targets_is_an_array_of_targets():
    X, y = make_panel(), make_targets("GRURegressor")
    expected = make("GRURegressor").fit(X, y).predict(X)
    assert expected.shape == (N_SEQUENCES,)
    series = pd.Series(y, index=X.index.unique(level=0))
    np.testing.assert_array_equal(
        make("GRURegressor").fit(X, series).predict(X), expected
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_second_fit_begins_anew(name):
    X, y = make_panel(), make_targets(name)
    model = make(name).fit(X, y)
    before = model.predict(X)
    np.testing.assert_array_equal(model.fit(X, y).predict(X), before)


@pytest.mark.parametrize("name", NAMES)
def test_pickled_and_saved_models_predict_the_same(name, tmp_path):
    X = make_panel(n_missing=4)
    model = make(name).fit(X, make_targets(name))
    expected = model.predict(X)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(model)).predict(X), expected
    )
    np.testing.assert_array_equal(load(model.save()).predict(X), expected)
    model.save(tmp_path / "model").close()
    loaded = load(tmp_path / "model.zip")
    np.testing.assert_array_equal(loaded.predict(X), expected)


def test_fit_leaves_callbacks_alone():
    callback = LRScheduler("StepLR", step_size=1)
    model = make("GRURegressor", callbacks=[callback], lr_schedule="constant")
    model.fit(make_panel(), make_targets("GRURegressor"))
    assert model.callbacks[0] is callback
    assert not hasattr(callback, "lr_scheduler_")
    assert hasattr(model.estimator_.callbacks[0], "lr_scheduler_")


@pytest.mark.parametrize(
    ("name", "search"),
    [("GRUClassifier", TSCGridSearchCV), ("GRURegressor", TSRGridSearchCV)],
)
def test_sktime_searches_a_grid(name, search):
    X, y = make_panel(n_missing=4), make_targets(name)
    grid = {"hidden_size": [2, 3], "missing": ["mask"]}
    found = search(make(name), grid, cv=KFold(2, shuffle=True, random_state=0))
    found.fit(X, y)
    assert found.best_params_["hidden_size"] in (2, 3)
    best = make(name, **found.best_params_).fit(X, y)
    np.testing.assert_array_equal(found.predict(X), best.predict(X))


def test_scikit_learn_clones_the_estimator_inside():
    X, y = make_panel(), make_targets("GRUClassifier")
    model = make("GRUClassifier").fit(X, y)
    again = clone(model.estimator_).fit(as_sequences(X), y)
    np.testing.assert_array_equal(again.predict(as_sequences(X)), model.predict(X))


def test_class_weight_is_a_capability():
    X, y = make_panel(), make_targets("GRUClassifier")
    weights = {"up": 1e3, "down": 1e-3, "level": 1e-3}
    model = make("GRUClassifier", class_weight=weights, max_epochs=20, lr=0.05)
    assert model.get_tag("capability:class_weight")
    assert set(model.fit(X, y).predict(X)) == {"up"}


def test_one_class_is_predicted_for_all():
    X = make_panel()
    model = make("GRUClassifier")
    with pytest.warns(UserWarning, match="only single label"):
        model.fit(X, np.full(N_SEQUENCES, "same"))
    assert set(model.predict(X)) == {"same"}


@pytest.mark.parametrize("name", NAMES)
def test_messages_about_parameters_are_those_of_the_core(name):
    X, y = make_panel(), make_targets(name)
    with pytest.raises(ValueError, match=rf"'hidden_size' parameter of {name} must be"):
        make(name, hidden_size=0).fit(X, y)
    with pytest.raises(ValueError, match=rf"'missing' parameter of {name} must be"):
        make(name, missing="drop").fit(X, y)
    with pytest.raises(TypeError, match="unexpected keyword argument 'warm_start'"):
        make(name, warm_start=True)


@pytest.mark.parametrize("name", NAMES)
def test_messages_about_values_are_those_of_the_core(name):
    X, y = make_panel(), make_targets(name)
    infinite = X.copy()
    infinite.iloc[1, 1] = np.inf
    place = "infinity: 1 value, the first is inf in sequence 0, step 1, feature 1"
    with pytest.raises(ValueError, match=place):
        make(name).fit(infinite, y)
    model = make(name).fit(X, y)
    with pytest.raises(ValueError, match=place):
        model.predict(infinite)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(X[["v", "u"]])
    with pytest.raises(ValueError, match=f"X has 1 features per step, but {name}"):
        make(name).fit(np.zeros((N_SEQUENCES, 2, 5)), y).predict(np.zeros((3, 5)))


def test_numbers_that_are_no_numbers_are_refused():
    X = make_panel()
    X["v"] = "text"
    with pytest.raises(TypeError, match="do not support categorical features"):
        make("GRUClassifier").fit(X, make_targets("GRUClassifier"))


def test_import_loads_no_torch():
    code = "import sys, skrnn.panel; print(*{'torch', 'skorch'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.stdout.strip(), run.stderr, run.returncode) == ("", "", 0)
