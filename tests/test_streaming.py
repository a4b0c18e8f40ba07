"""Reading step by step, compared with reading at once."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

import skrnn
from skrnn import GRUClassifier, LSTMRegressor
from skrnn._native import is_available
from skrnn._streaming import stepper_of

REGRESSORS = ["RNNRegressor", "LSTMRegressor", "GRURegressor"]
CLASSIFIERS = ["RNNClassifier", "LSTMClassifier", "GRUClassifier"]
POOLINGS = ["last", "mean", "max", "concat", "attention"]
ENGINES = ["torch"] + ["native"] * is_available()
N, T, F = 5, 7, 3


def make(cls, y="numbers", missing=False, **params):
    """A fitted estimator that reads forwards, and what it was fitted to."""
    random = np.random.default_rng(0)
    X = random.normal(size=(20, T, F))
    if missing:
        X[random.random(X.shape) < 0.3] = np.nan
        params["missing"] = "mask"
    targets: Any = {
        "numbers": random.normal(size=20) * 50 + 1000,
        "columns": random.normal(size=(20, 2)),
        "classes": np.resize(["a", "b", "c"], 20),
        "labels": random.integers(0, 2, size=(20, 4)),
    }[y]
    model = getattr(skrnn, cls)(
        6, bidirectional=False, max_epochs=2, device="cpu", random_state=0, **params
    )
    return model.fit(X, targets), X[:N]


def assert_steps_are_batches(model, X, atol=1e-6):
    """Every step says what predict says of the steps so far."""
    predict = getattr(model, "predict_proba", model.predict)
    state = model.initial_state(len(X))
    for t in range(X.shape[1]):
        output, state = model.step(X[:, t], state)
        want = predict(X[:, : t + 1])
        scale = getattr(model, "target_scale_", np.ones(1)).max()
        np.testing.assert_allclose(output, want, rtol=0, atol=atol * scale)
    assert state.n_steps == X.shape[1]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("cls", REGRESSORS + CLASSIFIERS)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("num_layers", [1, 2])
def test_steps_are_batches(cls, pooling, num_layers, engine):
    y = "classes" if "Classifier" in cls else "numbers"
    model, X = make(cls, y, pooling=pooling, num_layers=num_layers, engine=engine)
    assert_steps_are_batches(model, X)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("cls", "y"), [("LSTMRegressor", "columns"), ("GRUClassifier", "labels")]
)
def test_several_outputs_and_types(cls, y, dtype, engine):
    model, X = make(cls, y, dtype=dtype, engine=engine)
    assert_steps_are_batches(model, X, 1e-6 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_missing_values_are_carried_on(engine):
    model, X = make("GRURegressor", missing=True, engine=engine)
    assert np.isnan(X[:, 0]).any()
    assert_steps_are_batches(model, X)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("n", [1, 3, 40])
def test_sequences_side_by_side_are_sequences_alone(n, engine):
    model, _ = make("LSTMRegressor", engine=engine)
    X = np.random.default_rng(1).normal(size=(n, T, F))
    assert_steps_are_batches(model, X)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_state_is_a_value(engine):
    model, X = make("GRUClassifier", "classes", engine=engine)
    _, state = model.step(X[:, 0], model.initial_state(N))
    copies = [part.copy() for part in (state.hidden, *state.pooled)]
    first, _ = model.step(X[:, 1], state)
    for part, copy in zip((state.hidden, *state.pooled), copies, strict=True):
        np.testing.assert_array_equal(part, copy)
    restored = pickle.loads(pickle.dumps(state))
    np.testing.assert_array_equal(model.step(X[:, 1], restored)[0], first)
    fresh = pickle.loads(pickle.dumps(model))
    np.testing.assert_allclose(fresh.step(X[:, 1], state)[0], first, atol=1e-7)


@pytest.mark.parametrize("engine", ENGINES)
def test_threads_do_not_mix(engine):
    model, _ = make("LSTMRegressor", engine=engine)
    X = np.random.default_rng(1).normal(size=(8, 200, F))

    def stream(series):
        state, outputs = model.initial_state(1), []
        for row in series:
            output, state = model.step(row[None], state)
            outputs.append(output[0])
        return outputs

    alone = [stream(series) for series in X]
    with ThreadPoolExecutor(8) as pool:
        np.testing.assert_array_equal(list(pool.map(stream, X)), alone)


@pytest.mark.parametrize("engine", ENGINES)
def test_new_weights_are_noticed(engine):
    model, X = make("GRURegressor", engine=engine, warm_start=True)
    begin = model.initial_state(N)
    before, _ = model.step(X[:, 0], begin)
    with torch.no_grad():
        model.module_.head.bias += 1.0
    after, _ = model.step(X[:, 0], begin)
    np.testing.assert_allclose(after, before + model.target_scale_)
    layer = model.module_.encoder.forward_layers[0]
    layer.weight_ih_l0 = torch.nn.Parameter(layer.weight_ih_l0 * 2)
    assert_steps_are_batches(model, X)
    model.module_.head.weight.data *= 3  # which torch does not count
    assert_steps_are_batches(model, X)
    head = torch.nn.Linear(model.module_.head.in_features, 1)
    model.module_.head = head
    assert_steps_are_batches(model, X)
    model.partial_fit(X, np.zeros(N))
    assert_steps_are_batches(model, X)


def test_a_bidirectional_network_is_refused():
    model, X = make("GRURegressor")
    state = model.initial_state()
    model.set_params(bidirectional=True).fit(X, np.arange(5.0))
    with pytest.raises(ValueError, match="fit with bidirectional=False"):
        model.initial_state()
    with pytest.raises(ValueError, match="fit with bidirectional=False"):
        model.step(X[:1, 0], state)


@pytest.mark.parametrize("cls", [GRUClassifier, LSTMRegressor])
def test_an_unfitted_estimator_says_so(cls):
    with pytest.raises(NotFittedError, match="not fitted"):
        cls().initial_state()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros(F), r"x has shape \(3,\), expected \(5, 3\): one step"),
        (np.zeros((N, F + 1)), r"x has shape \(5, 4\), expected \(5, 3\)"),
        (np.zeros((2, F)), r"x has shape \(2, 3\), expected \(5, 3\)"),
        (np.full((N, F), np.nan), r"x holds nan \(sequence 0, feature 0\)"),
        (np.full((N, F), np.inf), "x holds inf"),
        ([["a"] * F] * N, "could not convert string"),
    ],
)
def test_bad_steps_are_refused(x, message):
    model, _ = make("GRURegressor")
    with pytest.raises(ValueError, match=message):
        model.step(x, model.initial_state(N))


def test_infinite_values_are_never_missing():
    model, _ = make("GRURegressor", missing=True)
    with pytest.raises(ValueError, match="x holds -inf"):
        model.step(np.full((N, F), -np.inf), model.initial_state(N))


def test_other_states_are_refused():
    model, X = make("GRURegressor")
    with pytest.raises(TypeError, match="state is a NoneType, expected what"):
        model.step(X[:, 0], None)
    begin = model.initial_state(N)
    for broken in (
        begin._replace(hidden=begin.hidden[0]),
        begin._replace(pooled=tuple(each[:1] for each in begin.pooled)),
    ):
        with pytest.raises(ValueError, match="state is of another network"):
            model.step(X[:, 0], broken)
    other, _ = make("LSTMRegressor")
    with pytest.raises(ValueError, match="state is of another network"):
        model.step(X[:, 0], other.initial_state(N))


def test_the_stepper_is_kept_with_the_network():
    model, _ = make("GRURegressor")
    assert stepper_of(model.net_) is stepper_of(model.net_)
