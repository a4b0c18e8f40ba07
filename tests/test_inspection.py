"""Importance and gates, compared with sums, brute force and the layers themselves."""

import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib import pyplot
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sktime.datasets import load_airline
from sktime.exceptions import NotFittedError as NotFitted
from sktime.utils._testing.hierarchical import _make_hierarchical

import skrnn
from skrnn import GRUClassifier, GRURegressor, LSTMRegressor, SequenceScaler
from skrnn.datasets import make_waves
from skrnn.forecasting import GRUForecaster
from skrnn.inspection import (
    ForecastDisplay,
    GateDisplay,
    SequenceImportanceDisplay,
    TrainingHistoryDisplay,
    sequence_importance,
)
from skrnn.panel import GRUClassifier as PanelClassifier

SMALL = {"hidden_size": 6, "max_epochs": 4, "random_state": 0, "device": "cpu"}
EXACT = {**SMALL, "dtype": "float64"}


@pytest.fixture(autouse=True)
def no_windows():
    mpl.use("agg")
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def waves():
    return make_waves(n_sequences=40, n_steps=24, ragged=True, random_state=0)


@pytest.fixture(scope="module")
def pairs(waves):
    """Sequences of two features, and two numbers for each."""
    X = [np.column_stack([x, np.cos(3 * x)]) for x in waves[0]]
    return X, np.array([[5 + x.mean(), 100 * x.std()] for x in X])


# --- importance ----------------------------------------------------------------------


@pytest.mark.parametrize("stem", [0, 1])
@pytest.mark.parametrize("engine", ["torch", "auto"])
@pytest.mark.parametrize("cls", [GRURegressor, LSTMRegressor, skrnn.RNNRegressor])
def test_integrated_gradients_add_up_to_the_difference(cls, engine, stem, pairs):
    X, y = pairs
    model = cls(**EXACT, engine=engine, stem=stem, pooling="mean").fit(X, y)
    baseline = np.array([0.3, -0.2])
    same = [np.tile(baseline, (len(x), 1)) for x in X]
    for column in (0, 1):
        found = sequence_importance(
            model, X, target=column, baseline=baseline, n_points=400
        )
        assert [each.shape for each in found] == [x.shape for x in X]
        difference = (model.predict(X) - model.predict(same))[:, column]
        total = np.array([each.sum() for each in found])
        size = np.abs(difference).max()
        assert_allclose(total, difference, atol=0.02 * size, rtol=0)


def test_classes_are_explained_by_their_scores(waves):
    X, y = waves
    model = GRUClassifier(**EXACT, stem=0).fit(X, np.array(["a", "b", "c"])[y])
    zero = [np.zeros_like(x) for x in X]
    scores = model.decision_function(X) - model.decision_function(zero)
    how = {"baseline": [0.0], "n_points": 300}
    total = [each.sum() for each in sequence_importance(model, X, target="b", **how)]
    assert_allclose(total, scores[:, 1], rtol=0.02, atol=1e-3)
    total = [each.sum() for each in sequence_importance(model, X, **how)]
    predicted = model.decision_function(X).argmax(axis=1)
    scores = scores[np.arange(len(X)), predicted]
    assert_allclose(total, scores, rtol=0.02, atol=1e-3)


def test_two_classes_are_explained_by_the_log_odds(waves):
    X, y = waves
    model = GRUClassifier(**EXACT, stem=0).fit(X, np.array(["a", "b", "a"])[y])
    how = {"baseline": [0.0], "n_points": 300}
    odds = model.decision_function(X)
    odds = odds - model.decision_function([np.zeros_like(x) for x in X])
    for target, sign in (("b", 1), ("a", -1)):
        found = sequence_importance(model, X, target=target, **how)
        total = [each.sum() for each in found]
        assert_allclose(total, sign * odds, rtol=0.02, atol=1e-3)


def test_marks_of_missing_values_count_for_their_feature(pairs):
    X, y = pairs
    rng = np.random.default_rng(0)
    gappy = [np.where(rng.random(x.shape) < 0.3, np.nan, x) for x in X]
    model = GRURegressor(**EXACT, missing="mask", pooling="mean").fit(gappy, y)
    found = sequence_importance(model, gappy, baseline=[0.0, 0.0], n_points=400)
    nothing = model.predict([np.zeros_like(x) for x in X])
    difference = (model.predict(gappy) - nothing)[:, 0]
    size = np.abs(difference).max()
    total = [each.sum() for each in found]
    assert_allclose(total, difference, atol=0.02 * size, rtol=0)
    hidden = sequence_importance(model, gappy, method="occlusion", baseline=[0.0, 0.0])
    assert [each.shape for each in hidden] == [x.shape for x in X]


@pytest.mark.parametrize("width", [1, 3])
def test_occlusion_is_what_brute_force_gives(width, pairs):
    X, y = pairs
    model = GRURegressor(**EXACT).fit(X, y)
    found = sequence_importance(
        model, X[:3], method="occlusion", baseline=[0.1, 0.2], width=width, target=1
    )
    for x, importance in zip(X[:3], found, strict=True):
        whole = model.predict([x])[0, 1]
        for step in range(len(x)):
            for feature, value in enumerate([0.1, 0.2]):
                other = x.copy()
                near = slice(max(step - width // 2, 0), step + width // 2 + 1)
                other[near, feature] = value
                expected = whole - model.predict([other])[0, 1]
                assert importance[step, feature] == pytest.approx(expected, abs=1e-9)


def test_importance_does_not_depend_on_company(waves):
    X, y = waves
    model = GRUClassifier(**EXACT).fit(X, y)
    together = sequence_importance(model, X, baseline=[0.0])
    for place in (0, 7):
        alone = sequence_importance(model, X[place : place + 1], baseline=[0.0])[0]
        assert_allclose(alone, together[place], atol=1e-10)


def test_the_baseline_is_the_mean_of_all_steps(waves):
    X, y = waves
    model = GRUClassifier(**EXACT).fit(X, y)
    mean = np.concatenate(X).mean(axis=0)
    for ours, theirs in zip(
        sequence_importance(model, X),
        sequence_importance(model, X, baseline=mean),
        strict=True,
    ):
        assert_allclose(ours, theirs, atol=1e-12)


def test_importance_leaves_the_model_as_it_was(waves):
    X, y = waves
    model = GRUClassifier(**SMALL).fit(X, y)
    before = model.predict_proba(X)
    state = torch.get_rng_state()
    sequence_importance(model, X)
    assert_array_equal(model.predict_proba(X), before)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "magic"}, "method='magic', expected one of"),
        ({"target": 9}, r"target=9, expected one of \[0, 1, 2\]"),
        ({"baseline": [0.0, 1.0]}, r"expected 1 finite number\(s\)"),
        ({"baseline": [np.nan]}, r"expected 1 finite number\(s\)"),
        ({"n_points": 0}, "n_points=0, expected a number from 1 on"),
        ({"width": 0.5}, "width=0.5, expected a number from 1 on"),
        ({"width": 2}, "width=2, expected an odd number"),
        ({"baseline": "mean"}, r"baseline='mean', expected 1 finite number\(s\)"),
        ({"target": [1, 2]}, r"target=\[1, 2\], expected one of"),
    ],
)
def test_wrong_arguments_are_named(arguments, message, waves):
    model = GRUClassifier(**SMALL).fit(*waves)
    with pytest.raises(ValueError, match=message):
        sequence_importance(model, waves[0], **arguments)


def test_what_cannot_be_explained_is_refused(waves):
    X, y = waves
    pipeline = make_pipeline(SequenceScaler(), GRUClassifier(**SMALL)).fit(X, y)
    with pytest.raises(TypeError, match=r"Pipeline, .* pass the last step"):
        sequence_importance(pipeline, X)
    model = GRUClassifier(**SMALL, scale_inputs="sequence").fit(X, y)
    with pytest.raises(ValueError, match="fit with scale_inputs='feature'"):
        sequence_importance(model, X)


# --- gates ---------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("cell", ["RNN", "LSTM", "GRU"])
def test_gates_lead_to_the_outputs_of_the_layer(cell, layer, direction, pairs):
    """As torch computes them, and as the equations of the cells say."""
    X, y = pairs
    cls = getattr(skrnn, f"{cell}Regressor")
    model = cls(**EXACT, num_layers=2, engine="torch", stem=1).fit(X, y)
    display = GateDisplay.from_estimator(model, X, layer=layer, direction=direction)
    module, inputs = model.module_, torch.from_numpy(X[0])[None]
    with torch.no_grad():
        seen, _ = module.stem(module.scaling(inputs), None)
        below = seen
        for k in range(layer + 1):
            stacks = (module.encoder.forward_layers, module.encoder.backward_layers)
            ahead, back = stacks[0][k](below)[0], stacks[1][k](below.flip(1))[0].flip(1)
            below = torch.cat([ahead, back], dim=2)
    expected = ahead if direction == "forward" else back
    assert_allclose(display.gates["hidden"], expected[0], atol=1e-12)
    for name in ("input", "forget", "output", "reset", "update"):
        gate = display.gates.get(name, np.array([0.5]))
        assert (gate > 0).all()
        assert (gate < 1).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layer": 1}, r"layer=1, but the network has 1 layer\(s\)"),
        ({"direction": "up"}, "direction='up', expected 'forward' or"),
        ({"direction": "backward"}, "reads forwards only"),
        ({"gates": ["forget"]}, r"gates hold 'forget', expected some of \['reset'"),
    ],
)
def test_gates_that_are_not_there_are_named(arguments, message, waves):
    X, y = waves
    model = GRUClassifier(**SMALL, bidirectional=False).fit(X, y)
    with pytest.raises(ValueError, match=message):
        GateDisplay.from_estimator(model, X, **arguments)


# --- pictures ------------------------------------------------------------------------


def test_a_history_has_a_line_for_each_loss(waves):
    model = GRUClassifier(**SMALL, early_stopping=True).fit(*waves)
    display = TrainingHistoryDisplay.from_estimator(model, log_scale=True)
    losses = [
        [each[k] for each in model.history_] for k in ("train_loss", "valid_loss")
    ]
    for line, expected in zip(display.lines_, losses, strict=True):
        assert_array_equal(line.get_ydata(), expected)
        assert_array_equal(line.get_xdata(), [1, 2, 3, 4])
    assert display.ax_.get_yscale() == "log"
    assert all(tick == round(tick) for tick in display.ax_.get_xticks())
    only = TrainingHistoryDisplay.from_estimator(model, metrics=["dur"], ax=display.ax_)
    assert only.ax_ is display.ax_
    with pytest.raises(ValueError, match=r"metrics=\['nothing'\], but the history has"):
        TrainingHistoryDisplay.from_estimator(model, metrics=["nothing"])
    with pytest.raises(TypeError, match="SequenceScaler has no history_"):
        TrainingHistoryDisplay.from_estimator(SequenceScaler())
    for unfitted in (GRURegressor(), GRUForecaster(), PanelClassifier()):
        with pytest.raises((NotFittedError, NotFitted)):
            TrainingHistoryDisplay.from_estimator(unfitted)


def test_a_history_of_an_ensemble_has_a_line_for_each_network():
    model = GRUForecaster(**SMALL, n_estimators=2).fit(load_airline())
    display = TrainingHistoryDisplay.from_estimator(model, metrics="train_loss")
    runs = [
        [e["train_loss"] for e in model.history_ if e["network"] == k] for k in (0, 1)
    ]
    assert [list(line.get_ydata()) for line in display.lines_] == runs


def test_without_matplotlib_it_says_what_to_install(waves, monkeypatch):
    model = GRUClassifier(**SMALL).fit(*waves)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        TrainingHistoryDisplay.from_estimator(model)


def test_a_loss_stands_at_its_epoch(waves):
    model = GRUClassifier(**SMALL).partial_fit(*waves)
    model.set_params(warm_start=True, early_stopping=True).fit(*waves)
    display = TrainingHistoryDisplay.from_estimator(model)
    valid = display.lines_[1]
    known = valid.get_xdata()[np.isfinite(valid.get_ydata())]
    assert_array_equal(known, [2, 3, 4, 5])


def test_a_forecast_is_drawn_with_its_bands():
    y = load_airline()
    model = GRUForecaster(**SMALL).fit(y[:-12])
    fh = range(1, 13)
    display = ForecastDisplay.from_estimator(model, fh, y_test=y[-12:])
    assert_array_equal(display.line_.get_ydata(), model.predict(fh))
    assert_array_equal(display.y, y[-60:-12])
    wide = model.predict_interval(fh, coverage=0.95).to_numpy()
    points = display.bands_[0].get_paths()[0].vertices[:, 1]
    assert {points.min(), points.max()} == {wide.min(), wide.max()}
    labels = [each.get_text() for each in display.ax_.get_legend().get_texts()]
    assert labels == ["95 %", "80 %", "50 %", "known", "forecast", "what came"]
    assert display.ax_.get_ylabel() == y.name
    band = display.bands_[0].get_facecolor()[0]
    assert not np.allclose(mpl.colors.to_rgb(display.line_.get_color()), band[:3])
    draw = ForecastDisplay.from_estimator
    assert len(draw(model, fh, coverage=0.9).bands_) == 1
    assert len(draw(model, fh, coverage=[]).bands_) == 0
    with pytest.raises(TypeError, match="estimator is a GRURegressor, expected"):
        draw(GRURegressor())
    with pytest.raises(ValueError, match="n_past=-3, expected a number from 0 on"):
        draw(model, fh, n_past=-3)
    with pytest.raises(TypeError, match="fitted on a ndarray, expected a Series"):
        draw(GRUForecaster(**SMALL).fit(y.to_numpy()), fh)


def test_a_series_of_a_panel_is_chosen_by_its_name():
    y = _make_hierarchical((2, 2), 30, 30, random_state=0)
    model = GRUForecaster(**SMALL, n_estimators=1).fit(y)
    key = ("h0_0", "h1_1")
    display = ForecastDisplay.from_estimator(
        model, [1, 2], series=key, n_past=7, y_test=y
    )
    assert_array_equal(display.y_test, y.loc[key].iloc[:, 0])
    expected = model.predict([1, 2]).loc[key].iloc[:, 0]
    assert_array_equal(display.line_.get_ydata(), expected)
    assert_array_equal(display.y, y.loc[key].iloc[-7:, 0])
    with pytest.raises(ValueError, match=r"series='nobody', expected one of \[\("):
        ForecastDisplay.from_estimator(model, [1], series="nobody")


def test_importance_is_drawn_below_its_sequence(pairs):
    X, y = pairs
    frame = pd.DataFrame({"flow": X[2][:, 0], "level": X[2][:, 1]})
    model = GRURegressor(**SMALL).fit(X, y)
    display = SequenceImportanceDisplay.from_estimator(model, X, 2, target=1)
    assert_allclose(display.axes_[0].lines[0].get_ydata(), X[2][:, 0], rtol=1e-6)
    mean = np.concatenate(X).mean(axis=0)
    expected = sequence_importance(model, X[2:3], target=1, baseline=mean)[0]
    assert_allclose(display.importance, expected)
    how = {"method": "occlusion", "width": 3}
    wide = SequenceImportanceDisplay.from_estimator(model, X[2:3], **how)
    assert_allclose(wide.importance, sequence_importance(model, X[2:3], **how)[0])
    assert_array_equal(display.image_.get_array(), display.importance.T)
    named = GRURegressor(**SMALL).fit([frame, frame], [0.0, 1.0])
    picture = SequenceImportanceDisplay.from_estimator(named, [frame, frame], -1)
    ticks = [each.get_text() for each in picture.axes_[1].get_yticklabels()]
    assert ticks == ["flow", "level"]
    with pytest.raises(ValueError, match="width=2, expected an odd number"):
        SequenceImportanceDisplay.from_estimator(model, X, width=2)
    with pytest.raises(ValueError, match="index=99, but X has 40 sequence"):
        SequenceImportanceDisplay.from_estimator(model, X, 99)


def test_gates_are_drawn_one_below_the_other(waves):
    X, y = waves
    model = GRUClassifier(**SMALL, stem=0).fit(X, y)
    display = GateDisplay.from_estimator(model, X)
    assert len(display.images_) == 4
    for image, values in zip(display.images_, display.gates.values(), strict=True):
        assert_array_equal(image.get_array(), values.T)
    assert [ax.get_ylabel() for ax in display.axes_] == [*display.gates]
