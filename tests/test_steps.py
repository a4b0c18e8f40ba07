"""Exported steps of classifiers and regressors, compared with ``predict``."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from exports import FORMATS, exported_step, new_state
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

import skrnn
from skrnn import GRUClassifier, LSTMRegressor, _steps
from skrnn.datasets import make_waves

SMALL = {"hidden_size": 5, "max_epochs": 3, "random_state": 0, "bidirectional": False}
POOLINGS = ["last", "mean", "max", "concat", "attention"]
STEPS = [("GRU", pooling, "mask") for pooling in POOLINGS]
STEPS += [("RNN", "attention", "error"), ("LSTM", "concat", "error")]
STEPS += [("GRU", "last", "error")]


@pytest.fixture(scope="module")
def waves():
    """Sequences of 20 to 40 steps and two features."""
    X, y = make_waves(n_sequences=40, n_steps=40, ragged=True, random_state=0)
    return [np.column_stack([x, 50 + 10 * x**2]) for x in X], y


def export(form, model, path):
    """Write a step in this format."""
    if form == "onnx":
        skrnn.to_onnx(model, path, kind="step")
    else:
        skrnn.to_torch(model, path)


def assert_steps_are_batches(run, model, stream, name, decode, atol=1e-5):
    """Every step says what ``decode`` says of the steps so far."""
    state = skrnn.step_state(model, len(stream))
    for step in range(stream.shape[1]):
        found = run(x=stream[:, step], **state)
        expected = decode(stream[:, : step + 1].astype(float))
        assert_allclose(found[name], expected.reshape(found[name].shape), atol=atol)
        state = new_state(found)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("cell", "pooling", "missing"), STEPS)
def test_a_step_goes_on_as_the_estimator_does(
    cell, pooling, missing, form, waves, tmp_path
):
    X, y = waves
    if missing == "mask":
        random = np.random.default_rng(0)
        X = [np.where(random.random(x.shape) < 0.4, np.nan, x) for x in X]
        X[0][:3] = np.nan
    params = {**SMALL, "pooling": pooling, "num_layers": 2, "missing": missing}
    model = getattr(skrnn, f"{cell}Classifier")(**params).fit(X, y)
    run = exported_step(model, tmp_path, form)
    stream = np.stack([x[:20] for x in X[:3]]).astype(np.float32)
    for some in (stream, stream[:1]):
        assert_steps_are_batches(run, model, some, "probabilities", model.predict_proba)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_numbers_come_in_the_unit_of_y(n_outputs, form, waves, tmp_path):
    X, _ = waves
    y = np.array([[1e4 + 100 * x[:, 0].mean(), len(x), 1e-3 * x.max()] for x in X])
    y = y[:, :n_outputs].squeeze()
    model = LSTMRegressor(**SMALL, dtype="float64").fit(X, y)
    run = exported_step(model, tmp_path, form)
    stream = np.stack([x[:5] for x in X]).astype(np.float32)
    atol = 1e-5 * np.ptp(y, axis=0).max()
    assert_steps_are_batches(run, model, stream, "y", model.predict, atol)


@pytest.mark.parametrize("form", FORMATS)
def test_several_labels_have_a_probability_each(form, waves, tmp_path):
    X, y = waves
    y = np.column_stack([y > 0, y < 2]).astype(int)
    model = GRUClassifier(**SMALL).fit(X, y)
    run = exported_step(model, tmp_path, form)
    stream = np.stack([x[:5] for x in X]).astype(np.float32)
    assert_steps_are_batches(run, model, stream, "probabilities", model.predict_proba)


def test_a_graph_names_the_likeliest_class(waves, tmp_path):
    X, y = waves
    model = GRUClassifier(**SMALL).fit(X, np.array(["low", "mid", "high"])[y])
    run = exported_step(model, tmp_path, "onnx")
    stream = np.stack([x[:1] for x in X]).astype(np.float32)
    found = run(x=stream[:, 0], **skrnn.step_state(model, len(X)))
    assert_array_equal(found["label"], model.predict(stream))


def test_a_program_needs_torch_only(waves, tmp_path):
    X, y = waves
    model = GRUClassifier(**SMALL, pooling="mean").fit(X, y)
    path = tmp_path / "step.pt2"
    skrnn.to_torch(model, path)
    x = np.float32([[0.25, 50.0]])
    code = f"""
import sys, torch
step = torch.export.load({str(path)!r}).module()
out = step(x=torch.tensor({x.tolist()}), n_steps=torch.tensor(0),
           hidden=torch.zeros(1, 1, 1, 5), pooled_0=torch.zeros(1, 5).double())
print(out["probabilities"].tolist()[0], "skrnn" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    numbers, loaded = run.stdout.strip().rsplit(" ", 1)
    assert loaded == "False"
    assert_allclose(eval(numbers), model.predict_proba(x[:, None])[0], atol=1e-5)


def test_a_program_leaves_torch_as_it_was(waves, tmp_path):
    model = GRUClassifier(**SMALL).fit(*waves)

    def settings():
        states = [torch.get_rng_state().sum().item(), np.random.get_state()[1].sum()]
        modes = [torch.is_grad_enabled(), torch.is_inference_mode_enabled()]
        return [*states, *modes, torch.get_num_threads(), torch.get_default_dtype()]

    before = settings()
    skrnn.to_torch(model, tmp_path / "step.pt2")
    assert settings() == before
    with torch.inference_mode():
        skrnn.to_torch(model, tmp_path / "step.pt2")
    assert [each.name for each in tmp_path.iterdir()] == ["step.pt2"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"scale_inputs": "sequence"}, "cannot have scale_inputs='sequence' .fit with"),
        ({"bidirectional": True, "stem": 1}, "'step' .* bidirectional=True, stem=1"),
    ],
)
def test_what_a_step_cannot_do_is_named(params, message, waves, tmp_path):
    model = GRUClassifier(**{**SMALL, **params}).fit(*waves)
    for form in FORMATS:
        with pytest.raises(ValueError, match=message):
            export(form, model, tmp_path / "model")
    with pytest.raises(ValueError, match=message):
        skrnn.step_state(model)
    assert not list(tmp_path.iterdir())


def test_what_is_no_fitted_network_is_refused(tmp_path):
    for door, more in ((skrnn.to_torch, [tmp_path / "x"]), (skrnn.step_state, [])):
        with pytest.raises(TypeError, match=f"a dict, expected .* {door.__name__} the"):
            door({}, *more)
        with pytest.raises(NotFittedError):
            door(GRUClassifier(), *more)


@pytest.mark.parametrize("form", FORMATS)
def test_a_step_that_differs_is_not_written(form, waves, tmp_path, monkeypatch):
    """As a wrong order of gates would make it."""
    model = GRUClassifier(**SMALL).fit(*waves)
    right = _steps.split
    monkeypatch.setattr(_steps, "split", lambda *given: right(*given)[::-1])
    with pytest.raises(RuntimeError, match=r"differs from the estimator by .* nothing"):
        export(form, model, tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", FORMATS)
def test_a_step_that_goes_wrong_after_some_steps_is_not_written(
    form, waves, tmp_path, monkeypatch
):
    model = GRUClassifier(**SMALL, pooling="mean").fit(*waves)
    right = _steps.SequenceStep.pool

    def forgets(self, ops, last, kept, n_steps):
        few = -ops.maximum(-ops.cast(n_steps, "float64"), -9.0)
        return right(self, ops, last, kept, few)

    monkeypatch.setattr(_steps.SequenceStep, "pool", forgets)
    with pytest.raises(RuntimeError, match="differs from the estimator"):
        export(form, model, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def last_of(answers):
    """What is said after the last step."""
    return np.stack([each[-1] for each in answers])


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_labels_and_numbers_of_steps_go_on_as_predicted(cell, form, waves, tmp_path):
    X, _ = waves
    stream = np.stack([x[:9] for x in X[:3]]).astype(np.float32)
    labels = [np.where(x[:, 0] > 0, "above", "below") for x in X]
    tagger = getattr(skrnn, f"{cell}Tagger")(**SMALL).fit(X, labels)
    run = exported_step(tagger, tmp_path, form)
    assert_steps_are_batches(
        run, tagger, stream, "probabilities", lambda x: last_of(tagger.predict_proba(x))
    )
    numbers = [1e3 + 10 * np.cumsum(x[:, 0]) for x in X]
    model = getattr(skrnn, f"{cell}SequenceRegressor")(**SMALL).fit(X, numbers)
    run = exported_step(model, tmp_path, form)
    assert_steps_are_batches(
        run, model, stream, "y", lambda x: last_of(model.predict(x)), atol=1e-3
    )


@pytest.mark.parametrize("form", FORMATS)
def test_texts_and_sessions_go_on_as_predicted(form, tmp_path):
    params = {"hidden_size": 5, "max_epochs": 3, "random_state": 0}
    texts = ["abcab", "bcabc", "cabca", "aabbc"]
    model = skrnn.LSTMLanguageModel(num_layers=2, **params).fit(texts)
    items = [[ord(sign) for sign in text] for text in texts]
    recommender = skrnn.NextItemRecommender(**params).fit(items)
    for fitted, known, X in (
        (model, model.tokens_, texts),
        (recommender, recommender.items_, items),
    ):
        run = exported_step(fitted, tmp_path, form)
        codes = {token: k for k, token in enumerate(known.tolist())}
        state = skrnn.step_state(fitted, len(X))
        for step in range(5):
            x = np.array([[codes[sequence[step]]] for sequence in X], np.float32)
            found = run(x=x, **state)
            expected = fitted.predict_proba([sequence[: step + 1] for sequence in X])
            assert_allclose(found["probabilities"], expected, atol=1e-5)
            state = new_state(found)


@pytest.mark.parametrize("form", FORMATS)
def test_a_field_is_not_exported(form, waves, tmp_path):
    X, _ = waves
    labels = [np.where(x[:, 0] > 0, "above", "below") for x in X]
    tagger = skrnn.GRUTagger(head="crf", **SMALL).fit(X, labels)
    with pytest.raises(ValueError, match="head='crf'"):
        export(form, tagger, tmp_path / "tagger.pt2")
