"""What an estimator learns and keeps: targets, labels, weights, further training."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback, EpochScoring

import skrnn
from skrnn import (
    GRUClassifier,
    GRURegressor,
    LSTMClassifier,
    LSTMRegressor,
    RNNRegressor,
    Sequences,
    SequenceScaler,
)
from skrnn.datasets import make_waves

CELLS = ["RNN", "LSTM", "GRU"]
CLASSES = [f"{cell}{task}" for cell in CELLS for task in ("Regressor", "Classifier")]
SMALL = {"hidden_size": 4, "max_epochs": 2, "device": "cpu", "random_state": 0}


@pytest.fixture(scope="module")
def waves():
    """Ragged waves of three classes."""
    return make_waves(n_sequences=36, n_steps=12, ragged=True, random_state=0)


@pytest.fixture(scope="module")
def moving(waves):
    """Ragged waves, and how much each of them moves."""
    X, _ = waves
    return X, np.array([np.abs(np.diff(x, axis=0)).mean() for x in X])


def task_of(name, waves, moving):
    return moving if name.endswith("Regressor") else waves


def outputs(fitted, X):
    """Everything the estimator says: probabilities, or predictions."""
    if hasattr(fitted, "predict_proba"):
        return fitted.predict_proba(X)
    return fitted.predict(X)


# --- targets -------------------------------------------------------------------------


def test_several_outputs_are_learned_whatever_their_units(moving):
    X, y = moving
    both = np.column_stack([y, 1e6 - 1e4 * y])
    model = GRURegressor(8, max_epochs=30, lr=0.02, random_state=0).fit(X, both)
    predicted = model.predict(X)
    assert predicted.shape == (36, 2)
    assert model.n_outputs_ == 2
    errors = ((predicted - both) ** 2).mean(axis=0) / both.var(axis=0)
    assert errors.max() < 0.2


def test_one_column_is_a_column_again(moving):
    X, y = moving
    vector = LSTMRegressor(**SMALL).fit(X, y).predict(X)
    column = LSTMRegressor(**SMALL).fit(X, y[:, None]).predict(X)
    assert column.shape == (36, 1)
    np.testing.assert_array_equal(column[:, 0], vector)


def test_predictions_are_in_the_unit_of_the_target(moving):
    X, y = moving
    expected = GRURegressor(**SMALL).fit(X, y).predict(X)
    shifted = GRURegressor(**SMALL).fit(X, 1024.0 + 4.0 * y).predict(X)
    np.testing.assert_allclose(shifted, 1024.0 + 4.0 * expected, rtol=1e-6)


LABELS = {
    "strings": ["no", "perhaps", "yes"],
    "numbers with gaps": [-7, 0, 40],
    "floats": [-1.0, 0.0, 2.0],
    "numpy strings": np.array(["no", "perhaps", "yes"]),
    "objects": np.array(["no", "perhaps", "yes"], dtype=object),
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_labels_of_any_type_are_predicted(waves, labels):
    X, codes = waves
    expected = GRUClassifier(**SMALL).fit(X, codes)
    labels = np.asarray(labels)
    model = GRUClassifier(**SMALL).fit(X, labels[codes])
    np.testing.assert_array_equal(model.classes_, labels)
    assert model.classes_.dtype == labels.dtype
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    predicted = model.predict(X)
    assert predicted.dtype == labels.dtype
    np.testing.assert_array_equal(predicted, labels[expected.predict(X)])
    assert model.score(X, labels[codes]) == expected.score(X, codes)


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        (np.array([-7, 0, 40], dtype=object), np.int64),
        (np.array([-1.0, 0, 2], dtype=object), np.float64),
        (pd.array([-7, 0, 40], dtype="Int64"), np.int64),
        (pd.array([3, 4, 5], dtype="UInt8"), np.uint8),
        (np.array(["no", "perhaps", "yes"], np.dtypes.StringDType()), object),
        (pd.array(["no", "perhaps", "yes"], dtype="string"), object),
    ],
    ids=["int objects", "float objects", "Int64", "UInt8", "StringDType", "string"],
)
def test_labels_of_objects_and_of_pandas_become_their_natural_type(
    waves, labels, dtype
):
    X, codes = waves
    expected = GRUClassifier(**SMALL).fit(X, codes)
    model = GRUClassifier(**SMALL).fit(X, labels[codes])
    assert model.classes_.tolist() == list(labels)
    assert model.classes_.dtype == dtype
    assert model.predict(X).dtype == dtype
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))


@pytest.mark.parametrize(
    "form",
    [lambda y: y.astype(object), lambda y: pd.Series(y, dtype="boolean")],
    ids=["objects", "boolean"],
)
def test_true_and_false_are_labels_in_any_array(waves, form):
    X, codes = waves
    model = GRUClassifier(**SMALL).fit(X, form(codes > 0))
    assert model.classes_.dtype == bool
    assert model.predict(X).dtype == bool


def test_labels_in_a_list_keep_the_type_that_numpy_gives_them(waves):
    X, codes = waves
    text = GRUClassifier(**SMALL).fit(X, [["no", "perhaps", "yes"][i] for i in codes])
    assert text.classes_.dtype == np.dtype("U7")
    assert GRUClassifier(**SMALL).fit(X, codes.tolist()).classes_.dtype == int


def test_dates_are_labels(waves):
    X, codes = waves
    days = np.array(["2024-01-01", "2024-02-01", "2024-03-01"], dtype="datetime64[D]")
    model = GRUClassifier(**SMALL).fit(X, days[codes])
    np.testing.assert_array_equal(model.classes_, days)
    assert model.predict(X).dtype == days.dtype


@pytest.mark.parametrize("as_list", [False, True])
def test_true_and_false_are_labels(waves, as_list):
    X, codes = waves
    y = codes > 0
    model = GRUClassifier(**SMALL).fit(X, y.tolist() if as_list else y)
    assert model.classes_.tolist() == [False, True]
    assert model.predict(X).dtype == bool


def test_labels_can_be_a_series_of_pandas(waves):
    X, codes = waves
    y = pd.Series(np.array(["a", "b", "c"])[codes], index=range(100, 136))
    model = GRUClassifier(**SMALL).fit(X, y)
    assert set(model.predict(X)) <= {"a", "b", "c"}


def test_several_labels_are_learned_each_for_itself(waves):
    X, codes = waves
    y = np.column_stack([codes == 0, codes > 0, codes == 2]).astype(int)
    model = LSTMClassifier(8, max_epochs=30, lr=0.02, random_state=0).fit(X, y)
    probability = model.predict_proba(X)
    assert probability.shape == (36, 3)
    assert model.classes_.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(model.predict(X), probability > 0.5)
    np.testing.assert_allclose(np.log(probability), model.predict_log_proba(X))
    odds = np.log(probability / (1 - probability))
    np.testing.assert_allclose(model.decision_function(X), odds, rtol=1e-6)
    assert model.score(X, y) == accuracy_score(y, model.predict(X)) > 0.8


@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_decisions_and_predictions_agree(waves, n_classes):
    X, codes = waves
    model = GRUClassifier(**SMALL).fit(X, codes % n_classes)
    probability = model.predict_proba(X)
    np.testing.assert_allclose(probability.sum(axis=1), 1.0)
    np.testing.assert_allclose(np.log(probability), model.predict_log_proba(X))
    np.testing.assert_array_equal(probability.argmax(axis=1), model.predict(X))
    decision = model.decision_function(X)
    if n_classes == 2:
        odds = np.log(probability[:, 1] / probability[:, 0])
        np.testing.assert_allclose(decision, odds, rtol=1e-6, atol=1e-9)
    else:
        np.testing.assert_array_equal(decision.argmax(axis=1), model.predict(X))


# --- weights of classes --------------------------------------------------------------


def test_balanced_is_the_dict_that_balances(waves):
    X, codes = waves
    y = np.array(["rare", "usual"])[(codes > 0) * 1]
    by_hand = {label: 36 / (2 * (y == label).sum()) for label in ("rare", "usual")}
    balanced = GRUClassifier(class_weight="balanced", **SMALL).fit(X, y)
    explicit = GRUClassifier(class_weight=by_hand, **SMALL).fit(X, y)
    np.testing.assert_array_equal(balanced.predict_proba(X), explicit.predict_proba(X))


def test_weights_of_classes_multiply_those_of_sequences(waves):
    X, y = waves
    weights = np.arange(36) % 3 + 1.0
    model = GRUClassifier(class_weight={0: 2.0, 2: 3.0}, **SMALL)
    model.fit(X, y, sample_weight=weights)
    product = weights * np.array([2.0, 1.0, 3.0])[y]
    by_hand = GRUClassifier(**SMALL).fit(X, y, sample_weight=product)
    np.testing.assert_array_equal(model.predict_proba(X), by_hand.predict_proba(X))


def test_weights_of_classes_move_the_predictions(waves):
    X, codes = waves
    y = (codes > 0).astype(int)
    options = {**SMALL, "max_epochs": 10, "lr": 0.02}
    plain, weighted = (
        GRUClassifier(class_weight=weight, **options).fit(X, y).predict_proba(X)[:, 0]
        for weight in (None, {0: 10.0})
    )
    assert (weighted > plain).all()


@pytest.mark.parametrize("absent", ["left out", "without weight"])
def test_weights_of_absent_classes_are_ignored_as_by_scikit_learn(waves, absent):
    X, y = waves
    there = y < 2
    options = {"class_weight": {0: 2.0, 1: 1.0, 2: 5.0}, **SMALL}
    few = [x for x, is_there in zip(X, there, strict=True) if is_there]
    by_hand = GRUClassifier(**{**options, "class_weight": {0: 2.0}}).fit(few, y[there])
    model = GRUClassifier(**options)
    if absent == "left out":
        model.fit(few, y[there])
    else:
        model.fit(X, y, sample_weight=there)
    assert model.classes_.tolist() == [0, 1]
    np.testing.assert_array_equal(model.predict_proba(X), by_hand.predict_proba(X))


def test_weights_of_absent_classes_do_not_break_a_cross_validation(waves):
    X, y = waves
    rare = np.where(np.arange(36) == 0, 3, y)  # absent where its fold is left out
    model = GRUClassifier(class_weight={0: 1, 1: 1, 2: 2, 3: 9}, **SMALL)
    scores = cross_val_score(model, Sequences.from_arrays(X), rare, cv=KFold(3))
    assert np.isfinite(scores).all()


# --- further training ----------------------------------------------------------------


@pytest.mark.parametrize("name", CLASSES)
def test_partial_fit_goes_on_after_pickle(name, waves, moving):
    X, y = task_of(name, waves, moving)
    calls = [slice(0, 20), slice(20, 36), slice(0, 36), slice(10, 30)]
    straight = getattr(skrnn, name)(**SMALL)
    broken_off = clone(straight)
    first = {} if name.endswith("Regressor") else {"classes": [0, 1, 2]}
    for number, rows in enumerate(calls):
        more = first if number == 0 else {}
        straight.partial_fit(X[rows], y[rows], **more)
        broken_off = pickle.loads(pickle.dumps(broken_off))
        broken_off.partial_fit(X[rows], y[rows], **more)
    assert straight.n_iter_ == broken_off.n_iter_ == 4
    np.testing.assert_array_equal(outputs(broken_off, X), outputs(straight, X))


def test_partial_fit_goes_down(moving):
    X, y = moving
    model = GRURegressor(8, lr=0.02, random_state=0)
    for _ in range(20):
        model.partial_fit(X, y)
    losses = [epoch["train_loss"] for epoch in model.history_]
    assert len(losses) == 20
    assert losses[-1] < 0.2 * losses[0]


def test_partial_fit_can_meet_a_class_later(waves):
    X, y = waves
    known = y < 2
    model = GRUClassifier(8, lr=0.02, random_state=0)
    first = [x for x, is_known in zip(X, known, strict=True) if is_known]
    model.partial_fit(first, y[known], classes=[2, 1, 0])
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.predict_proba(X).shape == (36, 3)
    for _ in range(30):
        model.partial_fit(X, y)
    assert 2 in model.predict(X)


def test_partial_fit_counts_weights_as_copies(moving):
    X, y = moving
    weights = np.arange(36) % 3
    rows = np.repeat(np.arange(36), weights)
    weighted, copied = GRURegressor(**SMALL), GRURegressor(**SMALL)
    for _ in range(2):
        weighted.partial_fit(X, y, sample_weight=weights)
        copied.partial_fit([X[i] for i in rows], y[rows])
    np.testing.assert_array_equal(weighted.predict(X), copied.predict(X))


@pytest.mark.parametrize("name", CLASSES)
def test_a_warm_start_goes_on_from_the_fitted_weights(name, waves, moving):
    X, y = task_of(name, waves, moving)
    model = getattr(skrnn, name)(**SMALL).fit(X, y)
    before = outputs(model, X)
    model.set_params(warm_start=True, lr=1e-12, max_epochs=3).fit(X, y)
    assert model.n_iter_ == 5
    np.testing.assert_allclose(outputs(model, X), before, rtol=1e-5, atol=1e-7)
    model.set_params(warm_start=False).fit(X, y)
    assert model.n_iter_ == 3
    assert not np.allclose(outputs(model, X), before, rtol=1e-3)


def test_a_warm_start_without_a_model_is_a_fit(moving):
    X, y = moving
    cold = GRURegressor(**SMALL).fit(X, y)
    warm = GRURegressor(warm_start=True, **SMALL).fit(X, y)
    np.testing.assert_array_equal(warm.predict(X), cold.predict(X))


def test_a_warm_start_learns_more(moving):
    X, y = moving
    model = GRURegressor(**{**SMALL, "max_epochs": 10}, lr=0.01, warm_start=True)
    first = model.fit(X, y).score(X, y)
    assert model.fit(X, y).score(X, y) > first


# --- validation and early stopping ---------------------------------------------------


def scaled_error(model, X, y):
    return np.mean(((model.predict(X) - y) / model.target_scale_) ** 2)


def test_the_validation_loss_is_that_of_the_given_data(moving):
    X, y = moving
    model = GRURegressor(**SMALL).fit(X[:24], y[:24], X_val=X[24:], y_val=y[24:])
    losses = [epoch["valid_loss"] for epoch in model.history_]
    assert len(losses) == 2
    assert losses[-1] == pytest.approx(scaled_error(model, X[24:], y[24:]), rel=1e-4)


def test_the_validation_loss_of_a_classifier_is_the_log_loss(waves):
    X, y = waves
    model = GRUClassifier(**SMALL).fit(X[:24], y[:24], X_val=X[24:], y_val=y[24:])
    expected = log_loss(y[24:], model.predict_proba(X[24:]), labels=[0, 1, 2])
    assert model.history_[-1]["valid_loss"] == pytest.approx(expected, rel=1e-4)


def test_validation_data_change_nothing_without_early_stopping(moving):
    X, y = moving
    plain = GRURegressor(**SMALL).fit(X[:24], y[:24])
    looked = clone(plain).fit(X[:24], y[:24], X_val=X[24:], y_val=y[24:])
    np.testing.assert_array_equal(looked.predict(X), plain.predict(X))


def test_early_stopping_restores_the_best_epoch(moving):
    X, y = moving
    rng = np.random.default_rng(0)
    X_val, y_val = X[24:], rng.permutation(y[24:])  # learning must soon do harm
    model = GRURegressor(
        16,
        max_epochs=200,
        lr=0.02,
        lr_schedule="constant",
        early_stopping=True,
        n_iter_no_change=5,
        random_state=0,
    )
    model.fit(X[:24], y[:24], X_val=X_val, y_val=y_val)
    losses = [epoch["valid_loss"] for epoch in model.history_]
    best = int(np.argmin(losses))
    assert model.n_iter_ == best + 1 + 5 < 200
    assert losses[best] == pytest.approx(scaled_error(model, X_val, y_val), rel=1e-4)
    assert losses[-1] > 1.001 * losses[best]


@pytest.mark.parametrize("name", CLASSES)
def test_early_stopping_sets_sequences_aside(name, waves, moving):
    X, y = task_of(name, waves, moving)
    model = getattr(skrnn, name)(early_stopping=True, validation_fraction=0.25, **SMALL)
    model.fit(X, y)
    assert all("valid_loss" in epoch for epoch in model.history_)
    again = clone(model).fit(X[::-1], y[::-1])  # chosen by content, not by place
    np.testing.assert_array_equal(outputs(again, X), outputs(model, X))


# --- skorch, and what is shown -------------------------------------------------------


class CountsBatches(Callback):
    def on_train_begin(self, net, **kwargs):
        self.epochs, self.batches = 0, 0

    def on_epoch_end(self, net, **kwargs):
        self.epochs += 1

    def on_batch_begin(self, net, **kwargs):
        self.batches += 1


def test_callbacks_reach_skorch(moving):
    X, y = moving
    counter = CountsBatches()
    model = GRURegressor(batch_size=10, callbacks=[counter], **SMALL).fit(X, y)
    assert (counter.epochs, counter.batches) == (2, 2 * 4)
    names = [name for name, _ in model.net_.callbacks_]
    assert "CountsBatches" in names


def test_net_params_reach_skorch(moving):
    X, y = moving
    params = {"optimizer__betas": (0.5, 0.9)}
    model = GRURegressor(net_params=params, **SMALL).fit(X, y)
    assert model.net_.optimizer_.defaults["betas"] == (0.5, 0.9)
    plain = GRURegressor(**SMALL).fit(X, y)
    assert not np.array_equal(model.predict(X), plain.predict(X))


def test_verbose_prints_the_losses_of_the_history(moving, capsys):
    X, y = moving
    model = GRURegressor(verbose=1, **SMALL)
    model.fit(X[:24], y[:24], X_val=X[24:], y_val=y[24:])
    printed = capsys.readouterr().out
    for epoch in model.history_:
        assert f"{epoch['train_loss']:.4f}" in printed
        assert f"{epoch['valid_loss']:.4f}" in printed
    assert "\x1b" not in printed  # no colours in a file


def test_small_batches_that_learn_are_no_reason_to_warn(moving):
    """The loss of the first batch alone is no measure; warnings are errors here."""
    X, y = moving
    for seed in range(5):
        model = GRURegressor(batch_size=3, **{**SMALL, "random_state": seed}).fit(X, y)
        losses = [epoch["train_loss"] for epoch in model.history_]
        assert losses[-1] < 1.5 * losses[0]


def test_training_that_diverges_is_a_reason_to_warn(moving):
    X, y = moving
    options = {**SMALL, "max_epochs": 5, "lr": 100.0, "lr_schedule": "constant"}
    with pytest.warns(ConvergenceWarning, match="Try a smaller lr"):
        RNNRegressor(max_grad_norm=None, optimizer="sgd", **options).fit(X, y)


@pytest.mark.parametrize("call", ["f()", "ThreadPoolExecutor(1).submit(f).result()"])
def test_one_thread_is_one_thread_after_torch_was_told_otherwise(call):
    """MKL inside torch has its own number; a thread's first use of torch sets both."""
    code = f"""
import torch
from concurrent.futures import ThreadPoolExecutor
from skrnn._devices import one_thread
def f():
    with one_thread(torch.device("cpu")):
        print(torch.__config__.parallel_info())
torch.set_num_threads(2)
{call}
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    lines = [x for x in run.stdout.splitlines() if "get_max_threads()" in x]
    assert lines, run.stderr
    assert {line.split(":")[1].strip() for line in lines} == {"1"}


# --- files, frames, names, pictures --------------------------------------------------


@pytest.mark.parametrize("name", CLASSES)
def test_skops_needs_to_trust_our_own_names_only(name, waves, moving):
    X, y = task_of(name, waves, moving)
    model = getattr(skrnn, name)(**SMALL).fit(X, y)
    data = skops.io.dumps(model)
    untrusted = skops.io.get_untrusted_types(data=data)
    assert {kind.split(".")[0] for kind in untrusted} == {"skrnn"}
    back = skops.io.loads(data, trusted=untrusted)
    np.testing.assert_array_equal(outputs(back, X), outputs(model, X))


def test_a_pipeline_goes_through_skops(waves):
    X, y = waves
    pipeline = make_pipeline(SequenceScaler(), GRUClassifier(**SMALL)).fit(X, y)
    data = skops.io.dumps(pipeline)
    untrusted = skops.io.get_untrusted_types(data=data)
    assert all(kind.startswith("skrnn.") for kind in untrusted)
    back = skops.io.loads(data, trusted=untrusted)
    np.testing.assert_array_equal(back.predict_proba(X), pipeline.predict_proba(X))


def test_the_names_of_sequences_are_kept(moving):
    X, y = moving
    named = Sequences.from_arrays(X, feature_names=["height"])
    model = GRURegressor(**SMALL).fit(named, y)
    assert model.feature_names_in_.tolist() == ["height"]
    np.testing.assert_array_equal(
        model.predict(named), clone(model).fit(X, y).predict(X)
    )


@pytest.mark.parametrize(
    ("params", "n_columns"),
    [
        ({}, 24),
        ({"bidirectional": False}, 12),
        ({"pooling": "last"}, 8),
        ({"pooling": "attention", "bidirectional": False}, 4),
    ],
    ids=str,
)
def test_the_columns_of_an_embedding_have_names(moving, params, n_columns):
    X, y = moving
    model = GRURegressor(**params, **SMALL).fit(X, y)
    plain = model.transform(X)
    frame = model.set_output(transform="pandas").transform(X)
    names = [f"gruregressor{i}" for i in range(n_columns)]
    assert model.get_feature_names_out().tolist() == names
    assert list(frame.columns) == names
    np.testing.assert_array_equal(frame.to_numpy(), plain)


@pytest.mark.parametrize("form", ["table", "panel", "list", "named"])
def test_the_columns_of_the_embedding_of_a_pipeline_have_names(form):
    panel = np.random.default_rng(0).normal(size=(10, 4, 2))
    X = {
        "table": pd.DataFrame(panel[:, :, 0], columns=["t0", "t1", "t2", "t3"]),
        "panel": panel,
        "list": list(panel),
        "named": Sequences.from_panel(panel, feature_names=["height", "speed"]),
    }[form]
    model = make_pipeline(SequenceScaler(), GRURegressor(**SMALL))
    model.set_output(transform="pandas").fit(X, panel[:, 0, 0])
    names = [f"gruregressor{i}" for i in range(len(model[-1].get_feature_names_out()))]
    assert model.get_feature_names_out().tolist() == names
    assert list(model.transform(X).columns) == names


def test_an_embedding_keeps_the_index_of_a_frame():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(10, 4)), index=range(5, 15))
    X.columns = ["t0", "t1", "t2", "t3"]
    model = GRURegressor(**SMALL).set_output(transform="pandas")
    frame = model.fit(X, X["t0"]).transform(X)
    assert frame.index.tolist() == list(range(5, 15))


def test_the_picture_of_a_model_shows_its_parameters(waves):
    model = GRUClassifier(hidden_size=5)
    html = make_pipeline(SequenceScaler(), model)._repr_html_()
    assert "GRUClassifier" in html
    assert "hidden_size" in html
    fitted = GRUClassifier(**SMALL).fit(*waves)._repr_html_()
    assert "Fitted" in fitted


class TestNames:
    """Names of columns of a table, and of features of steps."""

    @pytest.fixture
    def table(self):
        values = np.random.default_rng(0).normal(size=(10, 4))
        return pd.DataFrame(values, columns=["t0", "t1", "t2", "t3"])

    @pytest.fixture
    def frames(self):
        rng = np.random.default_rng(0)
        return [
            pd.DataFrame(rng.normal(size=(n, 2)), columns=["speed", "load"])
            for n in range(3, 13)
        ]

    @pytest.fixture
    def y(self):
        return np.arange(10.0)

    def test_of_columns_are_kept(self, table, y):
        model = GRURegressor(**SMALL).fit(table, y)
        assert model.feature_names_in_.tolist() == ["t0", "t1", "t2", "t3"]
        assert model.n_features_in_ == 4

    def test_of_columns_in_another_order_are_refused(self, table, y):
        model = GRURegressor(**SMALL).fit(table, y)
        with pytest.raises(ValueError, match="feature names should match"):
            model.predict(table[["t1", "t0", "t2", "t3"]])

    def test_of_columns_are_missed(self, table, y):
        model = GRURegressor(**SMALL).fit(table, y)
        with pytest.warns(UserWarning, match="does not have valid feature names"):
            model.predict(table.to_numpy())

    def test_of_features_are_kept(self, frames, y):
        model = GRURegressor(**SMALL).fit(frames, y)
        assert model.feature_names_in_.tolist() == ["speed", "load"]
        assert model.n_features_in_ == 2

    def test_of_features_in_another_order_are_refused(self, frames, y):
        model = GRURegressor(**SMALL).fit(frames, y)
        with pytest.raises(ValueError, match=r"Got \['load', 'speed'\], expected"):
            model.predict([frame[["load", "speed"]] for frame in frames])

    def test_of_features_are_missed(self, frames, y):
        model = GRURegressor(**SMALL).fit(frames, y)
        with pytest.warns(UserWarning, match="does not have valid feature names"):
            model.predict([frame.to_numpy() for frame in frames])

    def test_are_forgotten_by_a_fit_without(self, table, frames, y):
        for named in (table, frames):
            model = GRURegressor(**SMALL).fit(named, y)
            model.fit([frame.to_numpy() for frame in frames], y)
            assert not hasattr(model, "feature_names_in_")


def test_scores_of_skorch_see_the_targets(moving):
    X, y = moving
    seen = []

    def remember(net, data, targets):
        seen.append((len(data), np.sort(targets[:, 0])))
        return 0.5

    scoring = EpochScoring(remember, name="half", on_train=True)
    model = GRURegressor(callbacks=[scoring], **SMALL).fit(X, y)
    assert model.history_[-1]["half"] == 0.5
    expected = np.sort((y - model.target_loc_) / model.target_scale_)
    assert seen[-1][0] == len(y)
    np.testing.assert_allclose(seen[-1][1], expected, rtol=1e-5)


@pytest.mark.parametrize("pickled", [False, True])
def test_another_optimizer_begins_without_the_moments_of_the_old(moving, pickled):
    X, y = moving
    model = GRURegressor(optimizer="adam", **SMALL).partial_fit(X, y)
    model.set_params(optimizer="rmsprop")
    other = pickle.loads(pickle.dumps(model)) if pickled else model
    other.partial_fit(X, y)
    steps = {float(s["step"]) for s in other.net_.optimizer_.state.values()}
    assert steps == {2.0}  # one epoch of two batches


def test_balanced_weights_do_not_depend_on_the_order_of_rows(waves):
    X, y = waves
    random = np.random.default_rng(0)
    model = GRUClassifier(class_weight="balanced", **SMALL)
    for _ in range(10):
        weights, order = random.random(len(y)), random.permutation(len(y))
        expected = clone(model).fit(X, y, sample_weight=weights).predict_proba(X)
        shuffled = [X[i] for i in order]
        got = clone(model).fit(shuffled, y[order], sample_weight=weights[order])
        np.testing.assert_array_equal(got.predict_proba(X), expected)
