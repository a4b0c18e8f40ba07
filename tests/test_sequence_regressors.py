"""Sequence regressors: a number, or several, for each step."""

import pickle

import numpy as np
import pytest
from sklearn.base import is_regressor
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.utils import estimator_checks

import skrnn
from skrnn import GRUSequenceRegressor, LSTMSequenceRegressor, RNNSequenceRegressor
from skrnn.metrics import step_r2_score, step_r2_scorer

CLASSES = [RNNSequenceRegressor, LSTMSequenceRegressor, GRUSequenceRegressor]
SMALL = {"hidden_size": 8, "max_epochs": 3, "random_state": 0, "device": "cpu"}
STILL = {"lr": 1e-12, "weight_decay": 0.0, "dropout": 0.0, "max_epochs": 1}
CHECKS = [  # of scikit-learn; all others call fit with one target per row of a table
    "check_estimator_cloneable",
    "check_get_params_invariance",
    "check_no_attributes_set_in_init",
    "check_param_validation",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
]


@pytest.fixture(scope="module")
def sums():
    """Noise, and the sums of it so far."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 1)) for n in rng.integers(4, 12, size=80)]
    return X, [100 + 10 * np.cumsum(x[:, 0]) for x in X]


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("bidirectional", [True, False])
def test_sums_so_far_are_learned(sums, cls, bidirectional):
    X, y = sums
    model = cls(bidirectional=bidirectional, lr=0.02, max_epochs=40, random_state=0)
    assert model.fit(X[:60], y[:60]).score(X[60:], y[60:]) > 0.9


def test_answers_have_the_shape_and_the_unit_of_the_targets(sums):
    X, y = sums
    model = GRUSequenceRegressor(**SMALL).fit(X, y)
    assert [each.shape for each in model.predict(X)] == [each.shape for each in y]
    assert abs(np.concatenate(model.predict(X)).mean() - 100) < 20
    two = [np.column_stack([each, -each]) for each in y]
    both = GRUSequenceRegressor(**SMALL).fit(X, two)
    assert [each.shape for each in both.predict(X)] == [each.shape for each in two]
    assert both.n_outputs_ == 2
    column = GRUSequenceRegressor(**SMALL).fit(X, [each[:, None] for each in y])
    for one, other in zip(column.predict(X), model.predict(X), strict=True):
        np.testing.assert_array_equal(one[:, 0], other)


def test_the_targets_are_scaled_over_all_weighted_steps(sums):
    X, y = sums
    weights = np.arange(len(X))
    model = GRUSequenceRegressor(**SMALL).fit(X, y, weights)
    flat, of_steps = np.concatenate(y), np.repeat(weights, [len(x) for x in X])
    mean = np.average(flat, weights=of_steps)
    variance = np.average((flat - mean) ** 2, weights=of_steps)
    np.testing.assert_allclose(model.target_loc_, mean)
    np.testing.assert_allclose(model.target_scale_, np.sqrt(variance))


@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_the_mean_over_all_steps(sums, weighted):
    X, y = sums
    rng = np.random.default_rng(0)
    weights = [rng.integers(0, 3, size=len(x)) for x in X] if weighted else None
    model = GRUSequenceRegressor(**{**SMALL, **STILL, "batch_size": 9})
    model.fit(X, y, weights)
    true, found = np.concatenate(y), np.concatenate(model.predict(X))
    flat = np.concatenate(weights) if weighted else None
    expected = mean_squared_error(true, found, sample_weight=flat)
    scale = float(model.target_scale_[0]) ** 2
    assert model.history_[0]["train_loss"] == pytest.approx(expected / scale, rel=1e-4)


@pytest.mark.parametrize("loss", ["absolute_error", "huber", lambda a, b: abs(a - b)])
def test_other_losses(sums, loss):
    X, y = sums
    model = GRUSequenceRegressor(loss=loss, **{**SMALL, **STILL}).fit(X, y)
    error = (np.concatenate(y) - np.concatenate(model.predict(X))) / model.target_scale_
    if loss == "huber":
        size = np.abs(error)
        expected = np.where(size < 1, size**2 / 2, size - 0.5).mean()
    else:
        expected = np.abs(error).mean()
    assert model.history_[0]["train_loss"] == pytest.approx(expected, rel=1e-4)


def test_the_score_is_r2_over_all_steps(sums):
    X, y = sums
    model = GRUSequenceRegressor(**SMALL).fit(X, y)
    found = model.predict(X)
    expected = r2_score(np.concatenate(y), np.concatenate(found))
    assert model.score(X, y) == pytest.approx(expected)
    assert step_r2_score(y, found) == pytest.approx(expected)


def test_a_search_takes_our_scorer(sums):
    X, y = sums
    options = {**SMALL, "max_epochs": 15}
    search = GridSearchCV(
        GRUSequenceRegressor(**options),
        {"lr": [1e-4, 0.03]},
        cv=2,
        scoring=step_r2_scorer,
        error_score="raise",
    )
    assert search.fit(X, y).best_params_ == {"lr": 0.03}
    found = cross_val_predict(search.best_estimator_, X, y, cv=2)
    assert [each.shape for each in found] == [each.shape for each in y]
    assert not is_regressor(search)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: [*y[:7], y[7][1:], *y[8:]], r"y\[7\] has \d+ values, but X\[7\]"),
        (lambda y: [each.mean() for each in y], r"y\[0\] is .*one value for each step"),
        (lambda y: [*y[:7], y[7] * np.nan, *y[8:]], r"y\[7\]\[0\] is nan"),
        (lambda y: [*y[:7], y[7] + np.inf, *y[8:]], r"y\[7\]\[0\] is inf"),
        (lambda y: [*y[:7], y[7][:, None], *y[8:]], r"y\[7\] has shape"),
        (lambda y: [*y[:7], ["O"] * len(y[7]), *y[8:]], r"y\[7\] cannot be .*taggers"),
        (lambda y: [each + 1j for each in y], r"y\[0\] has shape .*complex"),
        (lambda y: [each.astype("M8[s]") for each in y], r"y\[0\] has dtype datetime"),
        (lambda y: [each.reshape(-1, 1, 1) for each in y], r"y\[0\] has shape"),
    ],
)
def test_targets_that_do_not_fit_are_refused(sums, change, message):
    X, y = sums
    with pytest.raises(ValueError, match=message):
        GRUSequenceRegressor(**SMALL).fit(X, change(y))


def test_other_targets_than_before_are_refused(sums):
    X, y = sums
    model = GRUSequenceRegressor(**SMALL).partial_fit(X, y)
    assert model.partial_fit(X, y).n_iter_ == 2
    with pytest.raises(ValueError, match=r"y has 2 numbers per step, .* fitted with 1"):
        model.partial_fit(X, [np.column_stack([each, each]) for each in y])


def test_early_stopping_and_validation_sets(sums):
    X, y = sums
    model = GRUSequenceRegressor(early_stopping=True, **SMALL)
    assert "valid_loss" in model.fit(X, y).history_[-1]
    still = GRUSequenceRegressor(**{**SMALL, **STILL})
    still.fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    true, found = np.concatenate(y[60:]), np.concatenate(still.predict(X[60:]))
    expected = mean_squared_error(true, found) / float(still.target_scale_[0]) ** 2
    assert still.history_[0]["valid_loss"] == pytest.approx(expected, rel=1e-4)


def test_models_come_back_from_files_and_pickles(sums, tmp_path):
    X, y = sums
    model = LSTMSequenceRegressor(**SMALL).fit(X, y)
    skrnn.save(model, tmp_path / "model.skrnn")
    others = skrnn.load(tmp_path / "model.skrnn"), pickle.loads(pickle.dumps(model))
    for other in others:
        for one, expected in zip(other.predict(X), model.predict(X), strict=True):
            np.testing.assert_array_equal(one, expected)


@pytest.mark.parametrize("cls", CLASSES)
def test_a_stream_gives_the_number_of_each_step(sums, cls):
    X, y = sums
    model = cls(bidirectional=False, **SMALL).fit(X, y)
    state, expected = model.initial_state(1), model.predict(X[:1])[0]
    for row, number in zip(X[0], expected, strict=True):
        found, state = model.step(row[None], state)
        np.testing.assert_allclose(found, [number], rtol=1e-5)


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("check", CHECKS)
def test_the_checks_of_scikit_learn_that_need_no_table_pass(cls, check):
    getattr(estimator_checks, check)(cls.__name__, cls(**SMALL))
