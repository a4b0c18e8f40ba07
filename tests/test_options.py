"""Options that reach into training: losses, callbacks, rates, weights, X_val."""

import copy
import io
import pickle
import pickletools

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback, EpochScoring, LRScheduler
from torch import nn

from skrnn import GRUClassifier, GRURegressor, RNNRegressor, Sequences
from skrnn.datasets import make_waves

SMALL = {"hidden_size": 4, "max_epochs": 3, "device": "cpu", "random_state": 0}
CONSTANT = {**SMALL, "lr_schedule": "constant"}


class LogsLosses(Callback):
    """Remembers in an attribute that its constructor does not take."""

    def __init__(self):
        self.losses = []

    def on_epoch_end(self, net, **kwargs):
        self.losses.append(net.history[-1]["train_loss"])


@pytest.fixture(scope="module")
def waves():
    return make_waves(n_sequences=48, n_steps=12, ragged=True, random_state=0)


@pytest.fixture(scope="module")
def means(waves):
    return waves[0], np.array([x.mean() for x in waves[0]])


# --- initial weights -----------------------------------------------------------------


def test_chrono_reads_the_longest_sequence_of_the_first_batch(waves):
    """As the module does that is given its length; a later fit keeps its weights."""
    X, y = waves
    params = {**SMALL, "init": "chrono", "lr": 1e-30, "stem": 0}
    model = GRUClassifier(**params).fit(X, y)
    keeping = model.module_.encoder.forward_layers[0].bias_ih_l0[4:8]
    longest = max(len(x) for x in X)
    assert (keeping.exp() + 1 <= longest).all()
    assert (keeping.exp() + 1 >= 2).all()
    assert keeping.exp().max() > longest / 3  # so are the largest of four draws
    again = GRUClassifier(**params).partial_fit(X, y)
    again.partial_fit([np.tile(x, (9, 1)) for x in X], y)
    torch.testing.assert_close(
        again.module_.encoder.forward_layers[0].bias_ih_l0[4:8], keeping
    )


def test_a_network_without_gates_has_no_chrono(means):
    with pytest.raises(ValueError, match="an RNN has no gates: take an LSTM"):
        RNNRegressor(**SMALL, init="chrono").fit(*means)


# --- losses --------------------------------------------------------------------------


def test_a_loss_that_pairs_all_sequences_is_refused(means):
    model = GRURegressor(loss=lambda o, t: (o - t.squeeze()) ** 2, **SMALL)
    with pytest.raises(ValueError, match="it must give one number per sequence or per"):
        model.fit(*means)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (nn.MSELoss, r"loss is the class MSELoss: pass an instance.*reduction='none'"),
        (lambda o, t: 1.0, "gave a float, expected a tensor"),
    ],
)
def test_things_that_are_no_loss_are_explained(means, loss, message):
    with pytest.raises(TypeError, match=message):
        GRURegressor(loss=loss, **SMALL).fit(*means)


def test_a_loss_with_weights_is_cast_to_the_precision_of_the_network(waves):
    loss = nn.CrossEntropyLoss(weight=torch.ones(3), reduction="none")
    model = GRUClassifier(loss=loss, dtype="float64", **SMALL).fit(*waves)
    plain = GRUClassifier(dtype="float64", **SMALL).fit(*waves)
    X = waves[0]
    np.testing.assert_allclose(model.predict_proba(X), plain.predict_proba(X))
    assert loss.weight.dtype == torch.float32


class Scaled(nn.Module):
    """A squared error with a weight of its own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, outputs, targets):
        return self.scale.abs() * (outputs - targets) ** 2


def test_a_fit_leaves_the_loss_of_the_user_alone(means):
    loss = Scaled()
    first, second = (GRURegressor(loss=loss, **SMALL).fit(*means) for _ in range(2))
    assert loss.scale.item() == 1.0
    X = means[0]
    np.testing.assert_array_equal(first.predict(X), second.predict(X))


# --- rates ---------------------------------------------------------------------------


class Rates(Callback):
    def __init__(self):
        self.rates = []

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.rates.append([group["lr"] for group in net.optimizer_.param_groups])


def test_a_schedule_scales_the_rate_of_each_group(means):
    rates = Rates()
    groups = [("head.*", {"lr": 1e-5})]
    params = {"net_params": {"optimizer__param_groups": groups}, "callbacks": [rates]}
    GRURegressor(lr=1e-2, lr_schedule="cosine", **params, **SMALL).fit(*means)
    head, others = np.array(rates.rates).T
    np.testing.assert_allclose(head[0], 1e-5)
    np.testing.assert_allclose(others, head * 1e3)


def test_a_scheduler_of_skorch_needs_a_constant_schedule(means):
    scheduler = LRScheduler("StepLR", step_size=1, gamma=0.1)
    with pytest.raises(ValueError, match="use lr_schedule='constant' with it"):
        GRURegressor(callbacks=[scheduler], **SMALL).fit(*means)
    model = GRURegressor(callbacks=[scheduler], lr=0.1, **CONSTANT).fit(*means)
    rates = [epoch["event_lr"] for epoch in model.net_.history]
    np.testing.assert_allclose(rates, [0.1, 0.01, 0.001])


def test_an_optimizer_can_be_asked_for_foreach(means):
    params = {"optimizer__foreach": True}
    model = GRURegressor(net_params=params, **SMALL).fit(*means)
    plain = GRURegressor(**SMALL).fit(*means)
    X = means[0]
    np.testing.assert_allclose(model.predict(X), plain.predict(X), atol=1e-5)


# --- callbacks -----------------------------------------------------------------------


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss"])
def test_scorers_of_classifiers_can_be_named(waves, scoring):
    X, y = waves
    score = EpochScoring(scoring, name="score", lower_is_better=False)
    model = GRUClassifier(callbacks=[score], **SMALL).fit(X, y, X_val=X, y_val=y)
    logged = model.history_[-1]["score"]
    expected = (
        model.score(X, y)
        if scoring == "accuracy"
        else -model.history_[-1]["valid_loss"]
    )
    assert logged == pytest.approx(expected, rel=1e-5)


def test_scorers_of_labels_can_be_named(waves):
    X, y = waves
    labels = np.stack([y > 0, y > 1], axis=1).astype(int)
    score = EpochScoring("accuracy", name="score", lower_is_better=False)
    model = GRUClassifier(callbacks=[score], **SMALL)
    model.fit(X, labels, X_val=X, y_val=labels)
    assert model.history_[-1]["score"] == pytest.approx(model.score(X, labels))


def test_a_score_is_in_the_history_whatever_its_name(means):
    score = EpochScoring(lambda net, X, y: 1.0, name="my_best", on_train=True)
    model = GRURegressor(callbacks=[score], **SMALL).fit(*means)
    assert model.history_[-1]["my_best"] == 1.0


def test_a_pickle_holds_no_tensors_of_callbacks(means):
    scheduler = LRScheduler("StepLR", step_size=1)
    model = GRURegressor(callbacks=[scheduler], **CONSTANT).fit(*means)
    pickled = pickle.dumps(model)
    names = {str(arg) for _, arg, _ in pickletools.genops(io.BytesIO(pickled)) if arg}
    assert not {name for name in names if "torch" in name and "." in name}
    X = means[0]
    loaded = pickle.loads(pickled)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


@pytest.mark.parametrize("named", [False, True])
def test_a_model_with_a_callback_that_remembers_can_be_saved_and_copied(means, named):
    log = LogsLosses()
    model = GRURegressor(callbacks=[("log", log) if named else log], **SMALL)
    model.fit(*means)
    assert len(log.losses) == model.n_iter_
    X = means[0]
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(again.predict(X), model.predict(X))
        assert again.partial_fit(*means).n_iter_ == model.n_iter_ + 1
    assert len(log.losses) == model.n_iter_  # the copies have their own


def test_callbacks_that_remember_do_so_for_their_own_clone(means):
    log = LogsLosses()
    model = GRURegressor(callbacks=[log], **SMALL)
    clones = [clone(model).fit(*means) for _ in range(2)]
    assert [len(m.callbacks[0].losses) for m in clones] == [m.n_iter_ for m in clones]
    assert log.losses == []


def test_parameters_set_during_a_fit_are_kept(means):
    model = GRURegressor(**SMALL)

    class Setter(Callback):
        def on_train_begin(self, net, **kwargs):
            model.set_params(lr=0.5)

    model.set_params(callbacks=[Setter()]).fit(*means)
    assert model.lr == 0.5
    assert model.n_iter_ == 3


# --- weights and validation ----------------------------------------------------------


def test_class_weights_act_on_the_validation_loss(waves):
    X, y = waves
    weights = {0: 100.0}
    model = GRUClassifier(class_weight=weights, **SMALL).fit(X, y, X_val=X, y_val=y)
    each = np.where(y == 0, 100.0, 1.0)
    losses = -model.predict_log_proba(X)[np.arange(len(y)), y]
    expected = np.average(losses, weights=each)
    assert model.history_[-1]["valid_loss"] == pytest.approx(expected, rel=1e-5)


def test_class_weights_that_leave_nothing_are_refused(waves):
    X, y = waves
    model = GRUClassifier(class_weight={0: 0}, **SMALL)
    only = [x for x, label in zip(X, y, strict=True) if label == 0]
    with pytest.raises(ValueError, match="nothing is left to train on"):
        model.partial_fit(only, [0] * len(only), classes=[0, 1, 2])


def test_an_unknown_class_without_weight_is_ignored_later_too(waves):
    X, y = waves
    model = GRUClassifier(**SMALL).partial_fit(X, y)
    labels, weights = y.copy(), np.ones(len(y))
    labels[0], weights[0] = 99, 0
    assert model.partial_fit(X, labels, sample_weight=weights).n_iter_ == 2


@pytest.mark.parametrize(
    ("X_val", "y_val", "message"),
    [
        ([np.full((3, 1), np.nan)], [0], "In X_val and y_val: Input X contains NaN"),
        ([np.zeros((3, 1))], [7], "In X_val and y_val: y contains the unknown class 7"),
        ([], [], "X_val is empty"),
    ],
)
def test_errors_name_the_validation_data(waves, X_val, y_val, message):
    with pytest.raises(ValueError, match=message):
        GRUClassifier(**SMALL).fit(*waves, X_val=X_val, y_val=y_val)


def test_a_validation_target_that_is_too_large_is_no_divergence(means):
    X, y = means
    with pytest.raises(ValueError, match="too large for float32 beside the standard"):
        GRURegressor(**SMALL).fit(X, y * 1e-30, X_val=X[:3], y_val=[1e30] * 3)


# --- what was fitted decides ---------------------------------------------------------


def test_predict_refuses_nan_if_the_fit_did(waves):
    X, y = waves
    model = GRUClassifier(**SMALL).fit(X, y).set_params(missing="mask")
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.predict([np.full((3, 1), np.nan)])


def test_predict_keeps_the_precision_of_the_fit(waves):
    X, y = waves
    model = GRUClassifier(**SMALL).fit(X, y).set_params(dtype="float64")
    with pytest.raises(ValueError, match="too large for float32"):
        model.predict([np.full((3, 1), 1e300)])


def test_modes_of_the_caller_change_nothing(waves):
    X, y = waves
    expected = GRUClassifier(**SMALL).fit(X, y).predict_proba(X)
    with torch.inference_mode():
        model = GRUClassifier(**SMALL).fit(X, y)
    with torch.no_grad():
        without = GRUClassifier(**SMALL).fit(X, y).predict_proba(X)
        assert not torch.is_grad_enabled()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = GRUClassifier(**SMALL).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(model.predict_proba(X), expected)
    np.testing.assert_array_equal(cast, expected)
    np.testing.assert_array_equal(without, expected)


@pytest.mark.parametrize(
    "values",
    [np.array([["a"]]), np.array([[1j]]), np.array([["2020-01-01"]], "datetime64[D]")],
)
def test_sequences_hold_real_numbers(values):
    with pytest.raises(TypeError, match="expected real numbers"):
        Sequences(values, [0, 1])


def test_masked_values_are_missing():
    masked = np.ma.masked_array(np.ones((2, 1)), mask=[[True], [False]])
    assert np.isnan(Sequences(masked, [0, 2]).values[0, 0])


def test_blocks_of_long_sequences_change_no_bit(waves, monkeypatch):
    X, y = waves
    model = GRUClassifier(**SMALL).fit(X, y)
    expected = model.predict_proba(X)
    monkeypatch.setattr("skrnn._running.NUMBERS_IN_A_BLOCK", 1)
    np.testing.assert_array_equal(model.predict_proba(X), expected)


# --- messages ------------------------------------------------------------------------


def test_text_is_no_target_of_a_regressor(means):
    with pytest.raises(ValueError, match=r"y cannot be read as numbers.*use a classif"):
        GRURegressor(**SMALL).fit(means[0], ["a"] * len(means[0]))


def test_several_columns_of_classes_are_explained(waves):
    X, y = waves
    with pytest.raises(ValueError, match="MultiOutputClassifier"):
        GRUClassifier(**SMALL).fit(X, np.stack([y, y + 1], axis=1))


def test_classes_must_fit_the_columns_of_labels(waves):
    X, y = waves
    labels = np.stack([y > 0, y > 1], axis=1).astype(int)
    with pytest.raises(ValueError, match="2 label columns: leave classes out"):
        GRUClassifier(**SMALL).partial_fit(X, labels, classes=[0, 1, 2])


def test_four_dimensions_are_too_many():
    with pytest.raises(ValueError, match="X has 4 dimensions"):
        GRURegressor(**SMALL).fit(np.zeros((2, 2, 2, 2)), [0.0, 1.0])
