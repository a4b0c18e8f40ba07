"""scikit-learn's meta-estimators around ours, on every form of sequences."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - for Halving...
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    KFold,
    RandomizedSearchCV,
    TimeSeriesSplit,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    train_test_split,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrnn import (
    GRUClassifier,
    GRURegressor,
    LSTMClassifier,
    LSTMRegressor,
    RNNClassifier,
    RNNRegressor,
    Sequences,
    SequenceScaler,
    as_sequences,
)
from skrnn.datasets import make_waves

SMALL = {"hidden_size": 4, "max_epochs": 2, "device": "cpu", "random_state": 0}
GRID = {"hidden_size": [2, 3], "lr": [0.001, 0.01]}
FOLDS = KFold(3)


def objects(arrays):
    array = np.empty(len(arrays), dtype=object)
    array[:] = arrays
    return array


def ragged_waves():
    return make_waves(n_sequences=36, n_steps=12, ragged=True, random_state=0)[0]


def forms(data):
    """Pairs (name, X) of the same data, the first as the reference."""
    if data == "ragged":
        X = ragged_waves()
        return [("list", X), ("objects", objects(X)), ("Sequences", as_sequences(X))]
    X, _ = make_waves(n_sequences=36, n_steps=12, random_state=0)
    return [("2-D", X[:, :, 0]), ("3-D", X), ("list", list(X))]


def numbers(X):
    """A target for each sequence: how much it moves."""
    return np.array([np.abs(np.diff(x, axis=0)).mean() for x in as_sequences(X)])


def classes(X, n_classes=2):
    """Classes of equal size, from few to much movement."""
    return np.argsort(np.argsort(numbers(X))) * n_classes // len(X)


CLASSIFIERS = {
    "Pipeline": lambda model: make_pipeline(SequenceScaler(), model),
    "GridSearch": lambda model: GridSearchCV(model, GRID, cv=2),
    "RandomizedSearch": lambda model: RandomizedSearchCV(
        model, GRID, n_iter=2, cv=2, random_state=0
    ),
    "HalvingGridSearch": lambda model: HalvingGridSearchCV(
        model, GRID, cv=2, random_state=0
    ),
    "HalvingRandomSearch": lambda model: HalvingRandomSearchCV(
        model, GRID, n_candidates=3, cv=2, random_state=0
    ),
    "HalvingEpochs": lambda model: HalvingGridSearchCV(
        model, {"lr": [0.001, 0.01]}, cv=2, resource="max_epochs", max_resources=4
    ),
    "Stacking": lambda model: StackingClassifier(
        [("one", model), ("two", clone(model).set_params(random_state=1))],
        LogisticRegression(),
        cv=2,
    ),
    "Voting": lambda model: VotingClassifier(
        [("one", model), ("two", clone(model).set_params(random_state=1))],
        voting="soft",
    ),
    "HardVoting": lambda model: VotingClassifier([("one", model), ("two", model)]),
    "Calibrated": lambda model: CalibratedClassifierCV(model, cv=2),
    "TunedThreshold": lambda model: TunedThresholdClassifierCV(model, cv=2),
    "FixedThreshold": lambda model: FixedThresholdClassifier(model, threshold=0.4),
    "OneVsRest": OneVsRestClassifier,
}
REGRESSORS = {
    "Pipeline": CLASSIFIERS["Pipeline"],
    "GridSearch": CLASSIFIERS["GridSearch"],
    "RandomizedSearch": CLASSIFIERS["RandomizedSearch"],
    "HalvingGridSearch": CLASSIFIERS["HalvingGridSearch"],
    "HalvingRandomSearch": CLASSIFIERS["HalvingRandomSearch"],
    "Stacking": lambda model: StackingRegressor(
        [("one", model), ("two", clone(model).set_params(random_state=1))],
        Ridge(),
        cv=2,
    ),
    "Voting": lambda model: VotingRegressor(
        [("one", model), ("two", clone(model).set_params(random_state=1))]
    ),
    "TransformedTarget": lambda model: TransformedTargetRegressor(
        model, func=np.log, inverse_func=np.exp
    ),
}


def assert_forms_agree(make, target, data):
    """Fitted to the same data in other forms, it predicts the same, to the bit."""
    expected = None
    for name, X in forms(data):
        meta = make().fit(X, target(X))
        method = "predict_proba" if hasattr(meta, "predict_proba") else "predict"
        got = np.array(getattr(meta, method)(X))
        expected = got if expected is None else expected
        np.testing.assert_array_equal(got, expected, err_msg=name)
        assert np.isfinite(got.astype(float)).all()


@pytest.mark.parametrize("data", ["equal", "ragged"])
@pytest.mark.parametrize("meta", CLASSIFIERS)
def test_meta_classifiers_read_every_form(meta, data):
    assert_forms_agree(lambda: CLASSIFIERS[meta](GRUClassifier(**SMALL)), classes, data)


@pytest.mark.parametrize("data", ["equal", "ragged"])
@pytest.mark.parametrize("meta", REGRESSORS)
def test_meta_regressors_read_every_form(meta, data):
    assert_forms_agree(lambda: REGRESSORS[meta](GRURegressor(**SMALL)), numbers, data)


@pytest.mark.parametrize("data", ["equal", "ragged"])
def test_one_model_per_output_reads_every_form(data):
    assert_forms_agree(
        lambda: MultiOutputRegressor(LSTMRegressor(**SMALL)),
        lambda X: np.column_stack([numbers(X), -numbers(X)]),
        data,
    )
    assert_forms_agree(
        lambda: MultiOutputClassifier(LSTMClassifier(**SMALL)),
        lambda X: np.column_stack([classes(X), classes(X, 3)]) > 0,
        data,
    )


@pytest.mark.slow
@pytest.mark.parametrize("data", ["equal", "ragged"])
@pytest.mark.parametrize("model", [RNNClassifier, LSTMClassifier])
@pytest.mark.parametrize("meta", CLASSIFIERS)
def test_meta_estimators_read_every_form_with_every_classifier(meta, model, data):
    assert_forms_agree(lambda: CLASSIFIERS[meta](model(**SMALL)), classes, data)


@pytest.mark.slow
@pytest.mark.parametrize("data", ["equal", "ragged"])
@pytest.mark.parametrize("model", [RNNRegressor, LSTMRegressor])
@pytest.mark.parametrize("meta", REGRESSORS)
def test_meta_estimators_read_every_form_with_every_regressor(meta, model, data):
    assert_forms_agree(lambda: REGRESSORS[meta](model(**SMALL)), numbers, data)


# --- on ragged sequences, compared with the same done by hand ------------------------


@pytest.fixture(scope="module")
def ragged():
    return ragged_waves()


def take(X, rows):
    return [X[i] for i in rows]


def fit_folds(model, X, y, cv=FOLDS):
    """Triples of a fitted clone, X of the test part and its rows."""
    for train, test in cv.split(X):
        yield clone(model).fit(take(X, train), y[train]), take(X, test), test


def test_a_pipeline_is_a_scaler_and_then_a_network(ragged):
    y = classes(ragged)
    scaled = SequenceScaler().fit(ragged).transform(ragged)
    expected = GRUClassifier(**SMALL).fit(scaled, y).predict_proba(scaled)
    pipeline = make_pipeline(SequenceScaler(), GRUClassifier(**SMALL)).fit(ragged, y)
    np.testing.assert_array_equal(pipeline.predict_proba(ragged), expected)
    np.testing.assert_array_equal(pipeline[:-1].transform(ragged)[3], scaled[3])


def test_a_network_can_be_the_features_of_another_model(ragged):
    y = numbers(ragged)
    embedding = GRURegressor(**SMALL).fit(ragged, y).transform(ragged)
    pipeline = make_pipeline(GRURegressor(**SMALL), Ridge()).fit(ragged, y)
    expected = Ridge().fit(embedding, y).predict(embedding)
    np.testing.assert_array_equal(pipeline.predict(ragged), expected)


def test_a_grid_search_scores_what_a_loop_scores(ragged):
    y = numbers(ragged)
    model = GRURegressor(**SMALL)
    search = GridSearchCV(model, {"hidden_size": [2, 3]}, cv=FOLDS).fit(ragged, y)
    for column, hidden_size in enumerate([2, 3]):
        model.set_params(hidden_size=hidden_size)
        for fold, (fitted, X, rows) in enumerate(fit_folds(model, ragged, y)):
            got = search.cv_results_[f"split{fold}_test_score"][column]
            assert got == r2_score(y[rows], fitted.predict(X))


def test_a_grid_search_over_a_pipeline_sets_both_parts(ragged):
    pipeline = make_pipeline(SequenceScaler(), GRUClassifier(**SMALL))
    grid = {
        "sequencescaler__method": ["standard", "minmax"],
        "gruclassifier__hidden_size": [2, 3],
    }
    search = GridSearchCV(pipeline, grid, cv=2).fit(
        as_sequences(ragged), classes(ragged)
    )
    best = search.best_estimator_
    assert best[0].method == search.best_params_["sequencescaler__method"]
    assert (
        best[1].module_.config["hidden_size"]
        == search.best_params_["gruclassifier__hidden_size"]
    )


@pytest.mark.parametrize("method", ["predict_proba", "decision_function", "predict"])
def test_cross_validated_predictions_are_those_of_a_loop(ragged, method):
    y = classes(ragged)
    model = GRUClassifier(**SMALL)
    got = cross_val_predict(model, ragged, y, cv=FOLDS, method=method)
    for fitted, X, rows in fit_folds(model, ragged, y):
        np.testing.assert_array_equal(got[rows], getattr(fitted, method)(X))


def test_splits_in_order_of_time_read_sequences(ragged):
    y = numbers(ragged)
    cv = TimeSeriesSplit(3)
    model = GRURegressor(**SMALL)
    got = cross_val_score(model, Sequences.from_arrays(ragged), y, cv=cv)
    expected = [
        r2_score(y[rows], fitted.predict(X))
        for fitted, X, rows in fit_folds(model, ragged, y, cv)
    ]
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("form", [list, objects, as_sequences])
def test_train_test_split_keeps_the_form(ragged, form):
    X = form(ragged)
    train, test = train_test_split(X, random_state=0)
    assert type(train) is type(test) is type(X)
    assert len(train) == 27
    assert len(test) == 9


def test_voting_averages_the_networks(ragged):
    y = classes(ragged)
    models = [GRUClassifier(**SMALL), RNNClassifier(**SMALL)]
    voting = VotingClassifier([("gru", models[0]), ("rnn", models[1])], voting="soft")
    expected = sum(model.fit(ragged, y).predict_proba(ragged) for model in models) / 2
    got = voting.fit(ragged, y).predict_proba(ragged)
    np.testing.assert_allclose(got, expected, rtol=1e-15)


def test_stacking_learns_from_cross_validated_predictions(ragged):
    y = numbers(ragged)
    model = GRURegressor(**SMALL)
    inside = cross_val_predict(model, ragged, y, cv=FOLDS)[:, None]
    outside = model.fit(ragged, y).predict(ragged)[:, None]
    expected = Ridge().fit(inside, y).predict(outside)
    stacking = StackingRegressor([("gru", model)], Ridge(), cv=FOLDS).fit(ragged, y)
    np.testing.assert_allclose(stacking.predict(ragged), expected, rtol=1e-12)


def test_a_frozen_network_is_calibrated_by_its_decisions(ragged):
    y = classes(ragged)
    model = GRUClassifier(**SMALL).fit(ragged, y)
    calibrated = CalibratedClassifierCV(FrozenEstimator(model), method="isotonic")
    got = calibrated.fit(ragged, y).predict_proba(ragged)[:, 1]
    scores = model.decision_function(ragged)
    isotonic = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    np.testing.assert_allclose(got, isotonic.fit(scores, y).predict(scores), rtol=1e-6)


def test_a_tuned_threshold_is_applied_to_our_probabilities(ragged):
    y = np.where(np.arange(36) % 3 == 0, "rare", "usual")
    model = GRUClassifier(**SMALL)
    tuned = TunedThresholdClassifierCV(model, cv=2, response_method="predict_proba")
    tuned.fit(ragged, y)
    above = model.fit(ragged, y).predict_proba(ragged)[:, 1] >= tuned.best_threshold_
    np.testing.assert_array_equal(tuned.predict(ragged), model.classes_[above * 1])
    assert 0 <= tuned.best_score_ <= 1
    assert balanced_accuracy_score(y, tuned.predict(ragged)) >= 0.5


def test_one_against_the_rest_fits_one_network_per_class(ragged):
    y = classes(ragged, n_classes=3)
    meta = OneVsRestClassifier(GRUClassifier(**SMALL)).fit(ragged, y)
    for label, fitted in enumerate(meta.estimators_):
        alone = GRUClassifier(**SMALL).fit(ragged, (y == label).astype(int))
        np.testing.assert_array_equal(
            fitted.predict_proba(ragged), alone.predict_proba(ragged)
        )


@pytest.mark.parametrize(
    ("meta", "model"),
    [
        (MultiOutputRegressor, GRURegressor(**SMALL)),
        (MultiOutputClassifier, GRUClassifier(**SMALL)),
    ],
)
def test_many_outputs_are_one_network_each(ragged, meta, model):
    y = np.column_stack([classes(ragged), 1 - classes(ragged, 3) // 2])
    got = meta(model).fit(ragged, y).predict(ragged)
    for column in range(2):
        alone = clone(model).fit(ragged, y[:, column])
        np.testing.assert_array_equal(got[:, column], alone.predict(ragged))


def test_a_transformed_target_is_learned(ragged):
    y = numbers(ragged)
    model = GRURegressor(**SMALL)
    meta = TransformedTargetRegressor(model, func=np.log, inverse_func=np.exp)
    expected = np.exp(model.fit(ragged, np.log(y)).predict(ragged))
    np.testing.assert_allclose(meta.fit(ragged, y).predict(ragged), expected)


# --- tables of several features per step, for tools that know only tables ------------


@pytest.fixture(scope="module")
def panel():
    """Two features of 6 steps; the target is the mean of the first feature."""
    X = np.random.default_rng(0).normal(size=(60, 6, 2)) * [1.0, 100.0]
    return X, X[:, :, 0].mean(axis=1)


def test_standard_scaler_scales_the_columns_of_a_table(panel):
    X, y = panel
    table = X.reshape(60, 12)
    model = GRURegressor(features_per_step=2, **SMALL)
    pipeline = make_pipeline(StandardScaler(), model).fit(table, y)
    by_hand = (X - X.mean(axis=0)) / X.std(axis=0)
    expected = GRURegressor(**SMALL).fit(by_hand, y).predict(by_hand)
    np.testing.assert_allclose(pipeline.predict(table), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("bagging", "model"),
    [(BaggingRegressor, GRURegressor), (BaggingClassifier, GRUClassifier)],
)
def test_bagging_averages_networks_of_tables(panel, bagging, model):
    X, y = panel
    table = X.reshape(60, 12)
    y = y if model is GRURegressor else (y > 0).astype(int)
    base = model(features_per_step=2, **SMALL)
    bags = bagging(base, n_estimators=3, random_state=0).fit(table, y)
    method = "predict" if model is GRURegressor else "predict_proba"
    each = [getattr(fitted, method)(X) for fitted in bags.estimators_]
    got = getattr(bags, method)(table)
    np.testing.assert_allclose(got, np.mean(each, axis=0), rtol=1e-12)


def test_permutation_importance_finds_the_feature_that_matters(panel):
    X, y = panel
    table = (X / [1.0, 100.0]).reshape(60, 12)
    model = GRURegressor(8, max_epochs=30, lr=0.03, features_per_step=2, random_state=0)
    model.fit(table, y)
    importance = permutation_importance(model, table, y, n_repeats=3, random_state=0)
    matters, noise = importance.importances_mean.reshape(6, 2).T
    assert matters.min() > 2 * np.abs(noise).max()


# --- metadata ------------------------------------------------------------------------


@pytest.fixture
def _routing():
    with config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("_routing")
def test_weights_are_routed_through_a_pipeline_in_a_search(ragged):
    y = numbers(ragged)
    weights = np.arange(36) % 3 + 1.0
    model = GRURegressor(**SMALL).set_fit_request(sample_weight=True)
    model.set_score_request(sample_weight=True)
    pipeline = make_pipeline(SequenceScaler(), model)
    grid = {"gruregressor__hidden_size": [2, 3]}
    search = GridSearchCV(pipeline, grid, cv=FOLDS)
    search.fit(ragged, y, sample_weight=weights)
    train, test = next(FOLDS.split(ragged))
    scaler = SequenceScaler().fit(take(ragged, train))
    by_hand = clone(model).set_params(hidden_size=2)
    by_hand.fit(
        scaler.transform(take(ragged, train)), y[train], sample_weight=weights[train]
    )
    score = by_hand.score(
        scaler.transform(take(ragged, test)), y[test], sample_weight=weights[test]
    )
    assert search.cv_results_["split0_test_score"][0] == score


@pytest.mark.usefixtures("_routing")
def test_what_can_be_requested():
    model = GRUClassifier().set_fit_request(sample_weight=True, X_val=True, y_val=True)
    model.set_partial_fit_request(classes=True, sample_weight=False)
    routing = model.get_metadata_routing()
    assert routing.fit.requests == {"sample_weight": True, "X_val": True, "y_val": True}
    assert routing.partial_fit.requests == {"classes": True, "sample_weight": False}


@pytest.mark.usefixtures("_routing")
def test_weights_that_nobody_requested_are_refused(ragged):
    pipeline = make_pipeline(SequenceScaler(), GRURegressor(**SMALL))
    with pytest.raises(ValueError, match="sample_weight"):
        pipeline.fit(ragged, numbers(ragged), sample_weight=np.ones(36))
