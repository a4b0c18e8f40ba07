"""Taggers: what they learn, what they read, and what they refuse."""

import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, log_loss
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import compute_class_weight, estimator_checks

import skrnn
from skrnn import GRUTagger, LSTMTagger, RNNTagger, Sequences, SequenceScaler
from skrnn._crf import marginals, viterbi
from skrnn.datasets import make_events
from skrnn.inspection import SequenceImportanceDisplay, sequence_importance
from skrnn.metrics import (
    entity_f1_scorer,
    flatten_steps,
    step_accuracy_score,
    step_accuracy_scorer,
    step_f1_score,
    step_f1_scorer,
)
from skrnn.tuning import search_space

CLASSES = [RNNTagger, LSTMTagger, GRUTagger]
HEADS = ["softmax", "crf"]
SMALL = {"hidden_size": 8, "max_epochs": 3, "random_state": 0, "device": "cpu"}
STILL = {"lr": 1e-12, "weight_decay": 0.0, "dropout": 0.0, "max_epochs": 1}
CHECKS = [  # of scikit-learn; all others call fit with one target per row of a table
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_set_params",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_param_validation",
    "check_estimators_unfitted",
    "check_mixin_order",
]


@pytest.fixture(scope="module")
def events():
    return make_events(n_sequences=60, n_steps=30, random_state=0)


def assert_equal_steps(found, expected):
    assert found.dtype == object
    assert [len(each) for each in found] == [len(each) for each in expected]
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate(expected))


def chances(model, X):
    return np.concatenate(model.predict_proba(X))


def outputs_alone(model, x):
    """What the network says of one sequence, without any padding."""
    with torch.no_grad():
        x = torch.tensor(x[None], dtype=torch.float32)
        return model.module_(x)[0].double().numpy()


# --- what they learn -----------------------------------------------------------------


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("head", HEADS)
def test_activities_are_told_apart_by_what_is_around_them(cls, head):
    X, y = make_events(n_sequences=120, noise=0.4, random_state=0)
    flat = np.concatenate(X[:90]), np.concatenate(y[:90])
    alone = LogisticRegression().fit(*flat)
    by_itself = alone.score(np.concatenate(X[90:]), np.concatenate(y[90:]))
    model = cls(hidden_size=16, head=head, max_epochs=60, lr=0.02, random_state=0)
    score = model.fit(X[:90], y[:90]).score(X[90:], y[90:])
    assert by_itself < 0.55
    assert score > 0.8


def test_a_crf_learns_which_labels_follow_each_other():
    """Labels of noise: always a, b, c in turn; the beginning is seen, little else."""
    rng = np.random.default_rng(0)
    X, y = [], []
    for length in rng.integers(6, 12, size=150):
        codes = (rng.integers(3) + np.arange(length)) % 3
        x = 0.8 * np.eye(3)[codes] + rng.normal(size=(length, 3))
        X, y = [*X, x], [*y, np.array(["a", "b", "c"])[codes]]
    options = {"bidirectional": False, "hidden_size": 8, "max_epochs": 30, "lr": 0.02}
    scores = {}
    for head in HEADS:
        model = GRUTagger(head=head, random_state=0, **options).fit(X[:100], y[:100])
        scores[head] = model.score(X[100:], y[100:])
        follows = {
            (one, other)
            for labels in model.predict(X[100:])
            for one, other in pairwise(labels.tolist())
        }
    assert scores["crf"] > scores["softmax"]
    assert follows == {("a", "b"), ("b", "c"), ("c", "a")}  # head="crf" came last


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("params", [{}, {"hidden_size": 5, "engine": "torch"}])
def test_answers_are_those_of_the_network_and_the_definition(events, cls, params):
    X, y = events
    for head in HEADS:
        model = cls(head=head, **{**SMALL, **params}).fit(X[:40], y[:40])
        probabilities, labels = model.predict_proba(X[40:]), model.predict(X[40:])
        for x, chance, label in zip(X[40:], probabilities, labels, strict=True):
            outputs = outputs_alone(model, x)
            if head == "softmax":
                expected, path = softmax(outputs, axis=1), outputs.argmax(axis=1)
            else:
                scores = model.module_.crf.scores()
                expected = marginals(outputs[None], scores)[0]
                path = viterbi(outputs[None], scores)[0]
            np.testing.assert_allclose(chance, expected, atol=1e-5)
            np.testing.assert_array_equal(label, model.classes_[path])


def test_embeddings_are_what_the_head_sees(events):
    X, y = events
    model = GRUTagger(**SMALL).fit(X, y)
    embeddings = model.transform(X)
    assert [e.shape for e in embeddings] == [(len(x), 16) for x in X]
    head = model.module_.head
    weight, bias = head.weight.detach().numpy(), head.bias.detach().numpy()
    expected = softmax(np.concatenate(embeddings) @ weight.T + bias, axis=1)
    np.testing.assert_allclose(chances(model, X), expected, atol=1e-6)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("batch_size", [100, 7])
def test_the_loss_is_the_mean_over_all_steps(events, head, batch_size):
    X, y = events
    model = GRUTagger(head=head, **{**SMALL, **STILL}, batch_size=batch_size)
    loss = model.fit(X, y).history_[0]["train_loss"]
    # the field begins with scores of zero: then both heads say the same
    assert loss == pytest.approx(log_loss(np.concatenate(y), chances(model, X)), 1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_weights_of_steps_are_factors_of_their_losses(events, head):
    X, y = events
    rng = np.random.default_rng(0)
    weights = [rng.integers(0, 3, size=len(x)) / 4 for x in X]
    model = GRUTagger(head=head, **{**SMALL, **STILL}).fit(X, y, sample_weight=weights)
    flat = np.concatenate(weights)
    expected = log_loss(np.concatenate(y), chances(model, X), sample_weight=flat)
    assert model.history_[0]["train_loss"] == pytest.approx(expected, 1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_weights_of_classes_are_weights_of_their_steps(events, head):
    X, y = events
    factors = {"rest": 0.5, "run": 2.0, "walk": 1.0}
    weights = [np.array([factors[label] for label in labels]) for labels in y]
    one = GRUTagger(head=head, class_weight=factors, **SMALL).fit(X, y)
    other = GRUTagger(head=head, **SMALL).fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(chances(one, X), chances(other, X), rtol=1e-4)
    flat = np.concatenate(y)
    found = compute_class_weight("balanced", classes=np.unique(flat), y=flat)
    balanced = GRUTagger(class_weight="balanced", **SMALL).fit(X, y)
    by_hand = dict(zip(np.unique(flat), found, strict=True))
    by_hand = GRUTagger(class_weight=by_hand, **SMALL).fit(X, y)
    np.testing.assert_allclose(chances(balanced, X), chances(by_hand, X), rtol=1e-4)


def test_a_label_of_weight_zero_says_nothing(events):
    X, y = events
    weights = [np.ones(len(x)) for x in X]
    weights[3][2:5] = 0.0
    expected = GRUTagger(**SMALL).fit(X, y, sample_weight=weights)
    other = [labels.copy() for labels in y]
    other[3][2:5] = "run"
    model = GRUTagger(**SMALL).fit(X, other, sample_weight=weights)
    np.testing.assert_allclose(chances(model, X), chances(expected, X), rtol=1e-5)


def test_a_class_of_weight_zero_is_left_out(events):
    X, y = events
    X, y = [*X, X[0]], [*y, np.full(len(X[0]), "run")]
    model = GRUTagger(class_weight={"rest": 1, "walk": 1, "run": 0}, **SMALL)
    expected = clone(model).fit(X[:-1], y[:-1])  # the last one has nothing else
    np.testing.assert_allclose(
        chances(model.fit(X, y), X), chances(expected, X), rtol=1e-5
    )


# --- what they read ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "kind"),
    [((0, 1, 2), "i"), (("a", "bcd", "e"), "U"), ((False, True, True), "b")],
)
def test_labels_keep_their_type(events, labels, kind):
    X, y = events
    names = dict(zip(["rest", "run", "walk"], labels, strict=True))
    lists = [[names[label] for label in each.tolist()] for each in y]
    arrays = [np.array(each) for each in lists]
    objects = [np.array(each, dtype=object) for each in lists]
    model = GRUTagger(**SMALL).fit(X, lists)
    assert model.classes_.dtype.kind == kind
    expected = model.predict(X)
    assert {each.dtype.kind for each in expected} == {kind}
    for other in (arrays, objects, tuple(arrays), pd.Series(arrays)):
        assert_equal_steps(clone(model).fit(X, other).predict(X), expected)


@pytest.mark.parametrize("make", [np.asarray, pd.DataFrame, lambda y: y.astype(object)])
def test_a_table_of_labels_is_read(make):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 6))
    y = np.where(X > 0, "up", "down")
    model = GRUTagger(**SMALL).fit(X, make(y))
    assert_equal_steps(model.predict(X), GRUTagger(**SMALL).fit(X, [*y]).predict(X))
    wide = GRUTagger(features_per_step=2, **SMALL).fit(X, y[:, ::2])
    assert [len(each) for each in wide.predict(X)] == [3] * 20


def test_answers_come_as_objects_even_of_equal_lengths():
    X = np.random.default_rng(0).normal(size=(10, 4, 2))
    model = GRUTagger(**SMALL).fit(X, X[:, :, 0] > 0)
    assert model.predict(X).shape == model.predict_proba(X).shape == (10,)
    assert model.predict(X[:0]).shape == model.predict_proba(X[:0]).shape == (0,)
    crf = GRUTagger(head="crf", **SMALL).fit(X, X[:, :, 0] > 0)
    assert crf.predict(X[:0]).shape == crf.predict_proba(X[:0]).shape == (0,)


def test_equal_sequences_with_other_labels_are_not_merged():
    X = [np.ones((3, 1)), np.ones((3, 1)), np.zeros((2, 1))]
    y = [["a", "a", "b"], ["a", "b", "b"], ["b", "a"]]
    model = GRUTagger(hidden_size=16, max_epochs=300, lr=0.02, random_state=0)
    first = model.fit(X, y).predict_proba(X[:1])[0]
    np.testing.assert_allclose(first[:, 0], [1.0, 0.5, 0.0], atol=0.1)


# --- what they refuse ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: [*y[:5], y[5][:-1], *y[6:]], r"y\[5\] has \d+ values, but X\[5\]"),
        (lambda y: y[:-1], r"y has 59 values for 60 sequences"),
        (lambda y: [labels[0] for labels in y], r"y\[0\] is .*one value for each step"),
        (lambda y: np.arange(60), r"y\[0\] is .*one value per sequence"),
        (lambda y: ["O" * len(labels) for labels in y], r"y\[0\] is 'O+'"),
        (
            lambda y: [*y[:5], [None, *y[5][1:]], *y[6:]],
            r"1 missing label\(s\), the first is None in y\[5\]\[0\]",
        ),
        (
            lambda y: [*y[:5], [*y[5][:2], float("nan"), *y[5][3:]], *y[6:]],
            r"nan in y\[5\]\[2\]",
        ),
        (lambda y: [*y[:5], [1] * len(y[5]), *y[6:]], "mixes labels of type"),
        (lambda y: [labels[:, None] for labels in y], r"y\[0\] has shape"),
        (lambda y: [[[label] for label in labels] for labels in y], "lists in place"),
        (lambda y: [np.full(len(labels), "a") for labels in y], "at least 2 classes"),
        (lambda y: [np.linspace(0, 1, len(labels)) for labels in y], "continuous"),
    ],
)
def test_labels_that_do_not_fit_are_refused(events, change, message):
    X, y = events
    with pytest.raises(ValueError, match=message):
        GRUTagger(**SMALL).fit(X, change(y))
    validation = GRUTagger(**SMALL)
    if "2 classes" not in message:
        with pytest.raises(
            ValueError, match=f"In X_val and y_val: .*({message}|known)"
        ):
            validation.fit(X, y, X_val=X, y_val=change(y))


def test_what_is_no_list_is_refused(events):
    X, y = events
    with pytest.raises(TypeError, match="y is a generator"):
        GRUTagger(**SMALL).fit(X, (labels for labels in y))
    with pytest.raises(TypeError, match="y is a str, expected a list"):
        GRUTagger(**SMALL).fit(X, "OBI")
    with pytest.raises(ValueError, match="requires y to be passed"):
        GRUTagger(**SMALL).fit(X, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w[:-1], r"sample_weight has 59 values for 60"),
        (lambda w: [*w[:2], w[2][1:], *w[3:]], r"sample_weight\[2\] has \d+ values"),
        (lambda w: [*w[:2], -w[2], *w[3:]], r"sample_weight\[2\]\[0\] is -1.0: neg"),
        (lambda w: [*w[:2], w[2] * np.nan, *w[3:]], r"sample_weight\[2\]\[0\] is nan"),
        (lambda w: [each * 0 for each in w], "all of sample_weight are zero"),
        (lambda w: [each[:, None] for each in w], "several columns"),
        (lambda w: [[str, *each[1:]] for each in w], r"sample_weight\[0\] cannot be"),
    ],
)
def test_weights_that_do_not_fit_are_refused(events, change, message):
    X, y = events
    with pytest.raises((TypeError, ValueError), match=message):
        GRUTagger(**SMALL).fit(X, y, change([np.ones(len(x)) for x in X]))


def test_unknown_labels_are_refused_with_their_place(events):
    X, y = events
    model = GRUTagger(**SMALL).fit(X, y)
    other = [*y[:4], np.array([*y[4][:2], "jump", *y[4][3:]]), *y[5:]]
    with pytest.raises(ValueError, match=r"unknown class 'jump' in y\[4\]\[2\]; known"):
        model.partial_fit(X, other)
    with pytest.raises(ValueError, match="differ from those of the first call"):
        model.partial_fit(X, y, classes=["rest", "jump"])
    model = GRUTagger(**SMALL).partial_fit(
        X, y, classes=["jump", "rest", "run", "walk"]
    )
    assert model.partial_fit(X, other).n_iter_ == 2


def test_what_needs_one_answer_per_sequence_is_refused(events, tmp_path):
    X, y = events
    model = GRUTagger(bidirectional=False, **SMALL).fit(X, y)
    with pytest.raises(ValueError, match="an output for each step"):
        sequence_importance(model, X)
    with pytest.raises(ValueError, match="an output for each step"):
        SequenceImportanceDisplay.from_estimator(model, X)
    with pytest.raises(
        ValueError, match=r"an output for each step .export kind='step'"
    ):
        skrnn.to_onnx(model, tmp_path / "tagger.onnx")


# --- scikit-learn --------------------------------------------------------------------


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("check", CHECKS)
def test_the_checks_of_scikit_learn_that_need_no_table_pass(cls, check):
    if check == "check_mixin_order" and not hasattr(estimator_checks, check):
        return
    getattr(estimator_checks, check)(cls.__name__, cls(**SMALL))


@pytest.mark.parametrize("cls", CLASSES)
def test_parameters_are_validated_as_by_scikit_learn(cls, events):
    X, y = events
    for name, value in [("head", "svm"), ("hidden_size", 0), ("class_weight", 3)]:
        with pytest.raises(ValueError, match=f"The '{name}' parameter"):
            cls(**{**SMALL, name: value}).fit(X, y)


@pytest.mark.parametrize("head", HEADS)
def test_a_search_takes_our_scorers(events, head):
    X, y = events
    tags = {"rest": "O", "walk": "I-walk", "run": "I-run"}
    y = [[tags[label] for label in labels] for labels in y]
    scoring = {
        "accuracy": step_accuracy_scorer,
        "f1": step_f1_scorer,
        "entities": entity_f1_scorer,
    }
    options = {**SMALL, "max_epochs": 15}
    model = make_pipeline(SequenceScaler(), GRUTagger(head=head, **options))
    grid = {"grutagger__lr": [1e-4, 0.03]}
    search = GridSearchCV(
        model, grid, cv=2, scoring=scoring, refit="f1", error_score="raise"
    )
    search.fit(X, y)
    assert search.best_params_ == {"grutagger__lr": 0.03}
    assert search.best_estimator_.score(X, y) == step_accuracy_score(
        y, search.predict(X)
    )
    alone = cross_val_score(model, X, y, cv=2)  # by its own score
    accuracy = cross_val_score(model, X, y, cv=2, scoring=step_accuracy_scorer)
    np.testing.assert_array_equal(alone, accuracy)


def test_predictions_across_folds_come_in_order(events):
    X, y = events
    model = GRUTagger(**SMALL)
    found = cross_val_predict(model, X, y, cv=2)
    expected = [
        *clone(model).fit(X[30:], y[30:]).predict(X[:30]),
        *clone(model).fit(X[:30], y[:30]).predict(X[30:]),
    ]
    assert_equal_steps(found, expected)


def test_a_tagger_is_no_classifier_and_says_what_it_is():
    model = make_pipeline(SequenceScaler(), GRUTagger())
    assert not is_classifier(model)
    assert model.__sklearn_tags__().estimator_type == "tagger"


def test_the_score_takes_weights(events):
    X, y = events
    model = GRUTagger(**SMALL).fit(X, y)
    right = flatten_steps(model.predict(X)) == flatten_steps(y)
    assert model.score(X, y) == pytest.approx(right.mean())
    weights = np.arange(len(X))
    of_steps = np.repeat(weights, [len(x) for x in X])
    expected = np.average(right, weights=of_steps)
    assert model.score(X, y, weights) == pytest.approx(expected)
    with pytest.raises(ValueError, match=r"y_true\[0\] has"):
        model.score(X, [labels[1:] for labels in y])


def test_searches_have_a_space_without_a_pooling():
    assert "pooling" not in search_space(GRUTagger())
    assert search_space(GRUTagger()).keys() <= GRUTagger().get_params().keys()


def test_routed_weights_of_steps_reach_a_search(events):
    X, y = events
    weights = [np.ones(len(x)) for x in X]
    with sklearn.config_context(enable_metadata_routing=True):
        model = GRUTagger(**SMALL)
        model.set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        search = GridSearchCV(model, {"lr": [0.01]}, cv=2, error_score="raise")
        search.fit(X, y, sample_weight=weights)
    assert search.best_score_ > 0


# --- the story of fit ----------------------------------------------------------------


@pytest.mark.parametrize("head", HEADS)
def test_early_stopping_splits_sequences_or_takes_others(events, head):
    X, y = events
    model = GRUTagger(head=head, early_stopping=True, **{**SMALL, "max_epochs": 5})
    own = clone(model).fit(X, y)
    given = clone(model).fit(X[:50], y[:50], X_val=X[50:], y_val=y[50:])
    assert all("valid_loss" in epoch for epoch in own.history_ + given.history_)
    if head == "softmax":
        still = {**SMALL, **STILL}
        model = GRUTagger(**still).fit(X[:50], y[:50], X_val=X[50:], y_val=y[50:])
        expected = log_loss(np.concatenate(y[50:]), chances(model, X[50:]))
        assert model.history_[0]["valid_loss"] == pytest.approx(expected, 1e-5)


def test_warm_start_goes_on_and_keeps_the_head(events):
    X, y = events
    model = GRUTagger(warm_start=True, head="crf", **SMALL).fit(X, y)
    assert model.fit(X, y).n_iter_ == 6
    expected = chances(model, X)
    model.set_params(head="softmax")
    np.testing.assert_array_equal(chances(model, X), expected)  # of what was fitted
    with pytest.raises(ValueError, match="has head='crf', now head='softmax'"):
        model.fit(X, y)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("missing", ["error", "mask"])
def test_models_come_back_from_files_and_pickles(events, head, missing, tmp_path):
    X, y = events
    model = LSTMTagger(head=head, missing=missing, **SMALL).fit(X, y)
    skrnn.save(model, tmp_path / "tagger.skrnn")
    loaded = skrnn.load(tmp_path / "tagger.skrnn")
    for other in (loaded, pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(chances(other, X), chances(model, X))
        assert_equal_steps(other.predict(X), model.predict(X))
    with pytest.raises(NotFittedError):
        clone(loaded).predict(X)


@pytest.mark.parametrize("head", HEADS)
def test_a_killed_fit_goes_on_to_the_same_model(events, head, tmp_path):
    X, y = events
    expected = GRUTagger(head=head, **SMALL).fit(X, y)
    calls = []

    class Killed(Exception):
        pass

    from skorch.callbacks import Callback

    class Kill(Callback):
        def on_epoch_end(self, net, **kwargs):
            calls.append(1)
            if len(calls) == 2:
                raise Killed

    path = tmp_path / "fit.checkpoint"
    model = GRUTagger(head=head, checkpoint=path, callbacks=[Kill()], **SMALL)
    with pytest.raises(Killed):
        model.fit(X, y)
    assert path.exists()
    with pytest.raises(ValueError, match="data"):
        clone(model).set_params(callbacks=None).fit(X, [labels[::-1] for labels in y])
    model.set_params(callbacks=None).fit(X, y)
    np.testing.assert_array_equal(chances(model, X), chances(expected, X))


def test_a_stream_gives_the_probabilities_of_each_step(events):
    X, y = events
    model = LSTMTagger(bidirectional=False, num_layers=2, **SMALL).fit(X, y)
    state = model.initial_state(1)
    for row, expected in zip(X[0], model.predict_proba(X[:1])[0], strict=True):
        found, state = model.step(row[None], state)
        np.testing.assert_allclose(found, expected[None], atol=1e-6)


def test_a_crf_cannot_go_step_by_step(events):
    model = GRUTagger(bidirectional=False, head="crf", **SMALL).fit(*events)
    with pytest.raises(ValueError, match=r"depend on what comes later.*softmax"):
        model.initial_state()
    with pytest.raises(NotFittedError):
        GRUTagger(head="crf").initial_state()


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("options", [{"scale_inputs": "sequence"}, {"init": "chrono"}])
def test_options_of_other_networks_work_here(events, head, options):
    X, y = events
    model = GRUTagger(head=head, **{**SMALL, "max_epochs": 50, "lr": 0.02}, **options)
    assert model.fit(X, y).score(X, y) > 0.6


def test_engines_agree(events):
    X, y = events
    for head in HEADS:
        one, other = (
            GRUTagger(head=head, engine=engine, dtype="float64", **SMALL).fit(X, y)
            for engine in ("auto", "torch")
        )
        np.testing.assert_allclose(chances(one, X), chances(other, X), rtol=1e-8)


def test_containers_of_sequences_are_read(events):
    X, y = events
    model = GRUTagger(**SMALL).fit(Sequences.from_arrays(X), y)
    assert_equal_steps(model.predict(X), GRUTagger(**SMALL).fit(X, y).predict(X))


def test_a_placeholder_of_weight_zero_is_no_class():
    X = [np.random.default_rng(place).normal(size=(3, 1)) for place in range(12)]
    weights = [[0, 1, 1]] * 12
    for head in ("softmax", "crf"):
        tagger = GRUTagger(head=head, hidden_size=4, max_epochs=2, random_state=0)
        tagger.fit(X, [["?", "b", "c"]] * 12, sample_weight=weights)
        assert tagger.classes_.tolist() == ["b", "c"]
    with pytest.raises(ValueError, match="contains only one class: 'b'"):
        tagger.fit(X, [["?", "b", "b"]] * 12, sample_weight=weights)


def test_a_validation_part_without_weight_is_refused():
    X = [np.ones((3, 1)) * place for place in range(12)]
    tagger = GRUTagger(hidden_size=4, class_weight={"b": 0, "c": 1}, max_epochs=2)
    with pytest.raises(ValueError, match="class_weight gives all of y_val the weight"):
        tagger.fit(X, [["b", "b", "c"]] * 12, X_val=X[:2], y_val=[["b"] * 3] * 2)


# --- several labels at each step ------------------------------------------------------


def make_chords(n=40, seed=0):
    """Steps with two numbers; three labels, each of a rule of its own."""
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(rng.integers(3, 9), 2)) for _ in range(n)]
    y = [np.stack([x[:, 0] > 0, x[:, 1] > 0, x.sum(1) > 0], axis=1) * 1 for x in X]
    return X, y


@pytest.mark.parametrize("cls", CLASSES)
def test_several_labels_are_learned_each_by_itself(cls):
    X, y = make_chords(80)
    model = cls(hidden_size=16, lr=1e-2, max_epochs=80, random_state=0)
    model.fit(X[:60], y[:60])
    found, probabilities = model.predict(X[60:]), model.predict_proba(X[60:])
    assert model.classes_.tolist() == [0, 1, 2]
    for marks, shares in zip(found, probabilities, strict=True):
        assert_array_equal(marks, (shares > 0.5).astype(int))
    right = np.concatenate(found) == np.concatenate(y[60:])
    assert right.mean() > 0.9
    assert model.score(X[60:], y[60:]) == right.all(axis=1).mean()


def test_the_loss_of_several_labels_is_that_of_each():
    X, y = make_chords()
    params = {"lr": 1e-12, "max_epochs": 1, "dropout": 0.0, "dtype": "float64"}
    model = GRUTagger(hidden_size=4, random_state=0, **params).fit(X, y)
    p, t = np.concatenate(model.predict_proba(X)), np.concatenate(y)
    expected = -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))
    assert_allclose(model.history_[0]["train_loss"], expected, rtol=1e-6)


def test_several_labels_take_weights_and_go_step_by_step(tmp_path):
    X, y = make_chords()
    small = {"hidden_size": 4, "max_epochs": 3, "random_state": 0}
    one = GRUTagger(**small).fit(X[:20], y[:20], sample_weight=[2] * 10 + [1] * 10)
    other = GRUTagger(**small).fit(X[:10] + X[:20], y[:10] + y[:20])
    for a, b in zip(one.predict_proba(X), other.predict_proba(X), strict=True):
        assert_array_equal(a, b)
    live = GRUTagger(**small, bidirectional=False).fit(X, y)
    state = live.initial_state()
    for step, row in enumerate(X[0]):
        found, state = live.step(row[None], state)
        assert_allclose(found[0], live.predict_proba(X[:1])[0][step], rtol=1e-5)
    skrnn.save(live, tmp_path / "model")
    copy = skrnn.load(tmp_path / "model").partial_fit(X, y)
    assert copy.predict(X)[0].shape == y[0].shape


def test_scores_of_several_labels_are_those_of_scikit_learn():
    _, y = make_chords()
    wrong = [np.where(np.arange(len(part))[:, None] == 0, 1 - part, part) for part in y]
    true, found = np.concatenate(y), np.concatenate(wrong)
    assert step_f1_score(y, wrong) == f1_score(true, found, average="macro")
    assert step_accuracy_score(y, wrong) == np.mean((true == found).all(axis=1))
    assert_array_equal(flatten_steps(y), true)


@pytest.mark.parametrize(
    ("change", "params", "message"),
    [
        (
            lambda y: [2 * part for part in y],
            {},
            r"y\[\d+\]\[\d+\] is \[.*2.*\], expected",
        ),
        (lambda y: y, {"head": "crf"}, "neither head='crf' nor class_weight"),
        (lambda y: y, {"class_weight": "balanced"}, "neither head='crf' nor"),
        (lambda y: [*y[:-1], y[-1][:, :2]], {}, "all need the same number of outputs"),
        (lambda y: [*y[:-1], y[-1][:-1]], {}, "values, but X"),
    ],
)
def test_several_labels_that_cannot_be_learned_are_named(change, params, message):
    X, y = make_chords()
    with pytest.raises(ValueError, match=message):
        GRUTagger(max_epochs=1, **params).fit(X, change(y))


def test_one_label_and_several_are_not_mixed():
    X, y = make_chords()
    model = GRUTagger(max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="does not fit the 3"):
        model.partial_fit(X, [part[:, 0] for part in y])
    with pytest.raises(ValueError, match="does not fit the 3"):
        model.partial_fit(X, [part[:, :2] for part in y])
