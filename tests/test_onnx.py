"""ONNX files, run by onnxruntime, compared with the estimators they come from."""

import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

import skrnn
from skrnn import (
    GRUClassifier,
    GRURegressor,
    LSTMClassifier,
    SequenceScaler,
    _onnx_sequence,
)
from skrnn.datasets import make_waves

SMALL = {"hidden_size": 5, "max_epochs": 3, "random_state": 0}
CELLS = ["RNN", "LSTM", "GRU"]


@pytest.fixture(scope="module")
def waves():
    """Sequences of 20 to 40 steps and two features."""
    X, y = make_waves(n_sequences=40, n_steps=40, ragged=True, random_state=0)
    return [np.column_stack([x, 50 + 10 * x**2]) for x in X], y


def exported(model, tmp_path, **options):
    """A function that runs the file: outputs by name."""
    path = tmp_path / "model.onnx"
    skrnn.to_onnx(model, path, **options)
    session = onnxruntime.InferenceSession(path)
    names = [each.name for each in session.get_outputs()]

    def run(**inputs):
        return dict(zip(names, session.run(names, inputs), strict=True))

    return run


def padded(X, value=0.0):
    lengths = np.array([len(x) for x in X])
    x = np.full((len(X), lengths.max(), X[0].shape[1]), value, np.float32)
    for row, each in zip(x, X, strict=True):
        row[: len(each)] = each
    return {"x": x, "lengths": lengths}


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "concat", "attention"])
@pytest.mark.parametrize("stem", [0, 1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_a_graph_gives_what_the_estimator_gives(cell, stem, pooling, waves, tmp_path):
    """Whatever stands in the padding; sequences of lengths that no batch had before."""
    X, y = waves
    params = {**SMALL, "pooling": pooling, "stem": stem, "num_layers": 2}
    model = getattr(skrnn, f"{cell}Classifier")(**params).fit(X, y)
    run = exported(model, tmp_path)
    other = [X[0][:1], np.tile(X[1], (4, 1)), X[2][:17]]
    for some in (X, other, X[3:4]):
        found = run(**padded(some, value=1e3))
        assert_allclose(found["probabilities"], model.predict_proba(some), atol=1e-5)
        assert_array_equal(found["label"], model.predict(some))


@pytest.mark.parametrize("missing", ["error", "mask"])
@pytest.mark.parametrize("scale", [None, "feature", "sequence"])
@pytest.mark.parametrize("stem", [0, 1])
def test_a_graph_prepares_sequences_as_the_estimator_does(
    stem, scale, missing, waves, tmp_path
):
    """Sizes far apart, constant features, values that never come, infinite padding."""
    X, y = waves
    random = np.random.default_rng(0)
    X = [x * np.exp(5 * random.normal()) for x in X]
    if missing == "mask":
        X = [np.where(random.random(x.shape) < 0.4, np.nan, x) for x in X]
        X[0][:, 1] = np.nan
        X[1][:7] = np.nan
    X[2] = np.column_stack([X[2][:, 0], np.full(len(X[2]), 1e-3)])
    X = [x.astype(np.float32).astype(float) for x in X]
    params = {**SMALL, "missing": missing, "scale_inputs": scale, "stem": stem}
    model = LSTMClassifier(**params).fit(X, y)
    run = exported(model, tmp_path)
    for value in (0.0, np.inf, np.nan):
        for some in (X, X[2:3]):
            found = run(**padded(some, value))["probabilities"]
            assert_allclose(found, model.predict_proba(some), atol=1e-5)


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_numbers_come_in_the_unit_of_y(cell, n_outputs, waves, tmp_path):
    X, _ = waves
    y = np.array([[1e4 + 100 * x[:, 0].mean(), len(x), 1e-3 * x.max()] for x in X])
    y = y[:, :n_outputs]
    model = getattr(skrnn, f"{cell}Regressor")(**SMALL).fit(X, y.squeeze())
    found = exported(model, tmp_path)(**padded(X))["y"]
    assert found.shape == (len(X), n_outputs)
    expected = model.predict(X).reshape(found.shape)
    assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "names",
    [
        np.array(["low", "mid", "hïgh"]),
        np.array(["low", "mid", "high"], dtype=object),
        np.array([-5, 0, 2**40]),
    ],
)
def test_labels_are_those_of_the_fit(names, waves, tmp_path):
    X, y = waves
    model = GRUClassifier(**SMALL).fit(X, names[y])
    found = exported(model, tmp_path)(**padded(X))
    assert_array_equal(found["label"], model.predict(X))


@pytest.mark.parametrize("names", [np.array([0.0, 1.0, 5.0]), np.array([True, False])])
def test_other_labels_have_probabilities_only(names, waves, tmp_path):
    X, y = waves
    model = GRUClassifier(**SMALL).fit(X, names[y % len(names)])
    found = exported(model, tmp_path)(**padded(X))
    assert list(found) == ["probabilities"]
    assert_allclose(found["probabilities"], model.predict_proba(X), atol=1e-5)


def test_several_labels_have_a_probability_each(waves, tmp_path):
    X, y = waves
    model = GRUClassifier(**SMALL).fit(X, np.column_stack([y > 0, y < 2]).astype(int))
    found = exported(model, tmp_path)(**padded(X))
    assert_allclose(found["probabilities"], model.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize(
    "params",
    [
        {"dtype": "float64"},
        {"scale_inputs": None},
        {"bidirectional": False, "stem": 1},
        {"engine": "torch"},
        {"features_per_step": 2},
    ],
)
def test_other_settings_are_exported_too(params, waves, tmp_path):
    X, y = waves
    if "features_per_step" in params:
        X = np.stack([x[:20].ravel() for x in X])
    model = LSTMClassifier(**{**SMALL, **params}).fit(X, y)
    run = exported(model, tmp_path)
    inputs = padded([np.asarray(x).reshape(-1, 2) for x in X])
    assert_allclose(run(**inputs)["probabilities"], model.predict_proba(X), atol=1e-5)


def test_a_file_says_what_made_it_and_what_it_takes(waves, tmp_path):
    model = GRUClassifier(**SMALL).fit(*waves)
    skrnn.to_onnx(model, tmp_path / "model.onnx")
    found = onnx.load(tmp_path / "model.onnx")
    assert (found.producer_name, found.producer_version) == ("skrnn", "0.1.0")
    x = found.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in x] == ["n_sequences", "n_steps", 2]
    assert [each.name for each in tmp_path.iterdir()] == ["model.onnx"]


def test_what_a_graph_cannot_be_is_named(waves, tmp_path):
    model = GRUClassifier(**SMALL).fit(*waves)
    with pytest.raises(ValueError, match=r"kind='cell', expected one of \('sequence',"):
        skrnn.to_onnx(model, tmp_path / "model.onnx", kind="cell")
    assert not list(tmp_path.iterdir())


def test_what_is_no_fitted_network_is_refused(waves, tmp_path):
    pipeline = make_pipeline(SequenceScaler(), GRUClassifier(**SMALL)).fit(*waves)
    with pytest.raises(TypeError, match=r"Pipeline, .* give to_onnx the last step"):
        skrnn.to_onnx(pipeline, tmp_path / "model.onnx")
    with pytest.raises(NotFittedError):
        skrnn.to_onnx(GRURegressor(), tmp_path / "model.onnx")


def test_without_onnx_it_says_what_to_install(waves, tmp_path, monkeypatch):
    model = GRUClassifier(**SMALL).fit(*waves)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match="pip install onnx onnxruntime"):
        skrnn.to_onnx(model, tmp_path / "model.onnx")


def test_a_graph_that_differs_is_not_written(waves, tmp_path, monkeypatch):
    """As a wrong order of gates would make it."""
    model = LSTMClassifier(**SMALL).fit(*waves)
    monkeypatch.setitem(_onnx_sequence.ORDER, "lstm", [0, 1, 2, 3])
    with pytest.raises(RuntimeError, match=r"differs from the estimator by .* nothing"):
        skrnn.to_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["sequence", "step"])
def test_what_gives_no_numbers_is_not_written(kind, waves, tmp_path):
    model = GRUClassifier(**SMALL, bidirectional=False, stem=0).fit(*waves)
    model.module_.head.bias.data.fill_(float("nan"))
    with pytest.raises(RuntimeError, match="differs from the estimator by nan"):
        skrnn.to_onnx(model, tmp_path / "model.onnx", kind=kind)
