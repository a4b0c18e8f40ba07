"""Exported steps of forecasters, compared with ``predict`` and ``update``."""

import numpy as np
import pandas as pd
import pytest
import torch
from exports import FORMATS, exported_step, new_state
from scipy import stats
from sktime.exceptions import NotFittedError

import skrnn
from skrnn import forecasting
from skrnn.forecasting import GRUForecaster, _steps
from skrnn.forecasting._autoregressive import roll
from skrnn.forecasting._network import state_of

QUICK = {"hidden_size": 5, "max_epochs": 3, "random_state": 0, "n_estimators": 1}
QUICK |= {"early_stopping": False, "device": "cpu"}
N, AHEAD = 60, 30
BOTH = ["onnx", pytest.param("torch", marks=pytest.mark.slow)]  # seconds to export
MONTHS = pd.period_range("2015-01", periods=N + AHEAD, freq="M")
LOSSES = ["normal", "student_t", "negative_binomial", "poisson", "quantile"]
LOSSES += ["huber", "squared_error", "absolute_error"]


def series(n_columns=1, level=200.0, seed=0):
    """Counts with a season and a random walk, (N + AHEAD) values."""
    random = np.random.default_rng(seed)
    time = np.arange(N + AHEAD)[:, None]
    walk = random.normal(size=(N + AHEAD, n_columns)).cumsum(axis=0)
    wave = 30 * np.sin(2 * np.pi * time / 12 + np.arange(n_columns))
    names = [f"column {k}" for k in range(n_columns)]
    return pd.DataFrame(np.round(level + wave + 3 * walk), MONTHS, names)


def panel(n_columns=1):
    """Three series of different sizes."""
    parts = {k: series(n_columns, 10.0 ** (k + 2), k) for k in range(3)}
    return pd.concat(parts, names=["series", "time"])


def first(frame, n):
    """The first ``n`` times of each series."""
    return frame[frame.index.get_level_values(-1) < MONTHS[n]]


def extras_of(model, n_steps, X=None):
    """Exogenous numbers of each step to come, as inputs."""
    extras = skrnn.step_extras(model, np.arange(1, n_steps + 1), X)
    return [
        {"extra": extra} if extra.shape[1] else {} for extra in extras.swapaxes(0, 1)
    ]


def roll_out(run, state, extras):
    """Point forecasts (n_series, n_steps, n_columns)."""
    n_series, n_columns = state["missing"].shape
    value, found = np.full((n_series, n_columns), np.nan), []
    for extra in extras:
        out = run(value=value, **extra, **state)
        found.append(out["y"])
        state = new_state(out)
    return np.stack(found, axis=1)


def assert_close(found, expected, y):
    """Equal to 1e-5 of the usual change from value to value."""
    expected = expected.to_numpy().reshape(found.shape)
    change = (
        y.groupby(level=[*range(y.index.nlevels - 1)]) if y.index.nlevels > 1 else y
    )
    unit = change.diff().abs().mean().to_numpy()
    np.testing.assert_array_less(np.abs(found - expected) / unit, 1e-5)


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize(
    ("cell", "params"),
    [
        *[("GRU", {"loss": loss}) for loss in LOSSES],
        ("RNN", {"num_layers": 2, "sp": 1}),
        ("LSTM", {"num_layers": 2, "n_estimators": 3, "loss": "poisson"}),
        ("LSTM", {"n_estimators": 2, "log": True, "loss": "normal"}),
        ("GRU", {"log": False, "dtype": "float64", "sp": (4, 12)}),
    ],
)
def test_a_roll_out_is_what_predict_gives(cell, params, form, tmp_path):
    y = first(series(n_columns=2), N)
    model = getattr(forecasting, f"{cell}Forecaster")(**{**QUICK, **params}).fit(y)
    run = exported_step(model, tmp_path, form)
    found = roll_out(run, skrnn.step_state(model), extras_of(model, AHEAD))
    assert_close(found, model.predict(fh=np.arange(1, AHEAD + 1)), y)


def columns_of_x():
    """A known, a past-only and a category column."""
    random = np.random.default_rng(1)
    frame = pd.DataFrame(random.normal(size=(N + AHEAD, 2)), MONTHS, ["a", "b"])
    return frame.assign(c=np.resize(["low", "high", "high"], N + AHEAD))


@pytest.mark.parametrize("form", BOTH)
def test_columns_of_x_are_read(form, tmp_path):
    y, X = series(), columns_of_x()
    model = GRUForecaster(**QUICK, past_only=["b"]).fit(y[:N], X[:N])
    run = exported_step(model, tmp_path, form)
    extras = extras_of(model, AHEAD, X[N:].drop(columns="b"))
    found = roll_out(run, skrnn.step_state(model), extras)
    expected = model.predict(np.arange(1, AHEAD + 1), X[N:])
    assert_close(found, expected, y)
    other = X[N:].assign(a=0.0)
    changed = roll_out(run, skrnn.step_state(model), extras_of(model, AHEAD, other))
    assert np.abs(changed - found).max() > 1e-3


@pytest.mark.parametrize("form", BOTH)
def test_a_panel_goes_on_together_and_each_series_alone(form, tmp_path):
    y = first(panel(2), N)
    model = GRUForecaster(**{**QUICK, "n_estimators": 2}).fit(y)
    run = exported_step(model, tmp_path, form)
    state, extras = skrnn.step_state(model), extras_of(model, 5)
    found = roll_out(run, state, extras)
    expected = model.predict(fh=np.arange(1, 6)).to_numpy().reshape(found.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    axes = {name: form.index(None) for name, form in shapes(model).items()}
    alone = {name: each.take([1], axes[name]) for name, each in state.items()}
    extras = [{"extra": each["extra"][1:2]} for each in extras]
    np.testing.assert_allclose(roll_out(run, alone, extras), found[1:2], rtol=1e-6)


def shapes(model):
    """Shapes of the state, None for the number of series."""
    step = _steps.ForecastStep(model.network_)
    return {name: form.shape for name, form in step.state.items()}


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize("cell", ["RNN", "LSTM", "GRU"])
def test_a_stream_is_read_as_update_reads_it(cell, form, tmp_path):
    """Columns without a value take that of a season before; forecasts on the way."""
    y, n_read = panel(2), 20
    y = y.mask(np.random.default_rng(0).random(y.shape) < 0.2)
    y.iloc[:, 0] = y.iloc[:, 0].where(~y.isna().all(axis=1), 50.0)
    params = {**QUICK, "n_estimators": 2, "log": True}
    model = getattr(forecasting, f"{cell}Forecaster")(**params).fit(first(y, N))
    run, state = exported_step(model, tmp_path, form), skrnn.step_state(model)
    values = y.to_numpy().copy().reshape(3, N + AHEAD, 2)
    extras, seen = extras_of(model, AHEAD), []
    for step in range(n_read):
        out = run(value=values[:, N + step], **extras[step], **state)
        seen.append(out["y"])
        state = new_state(out)
    model.update(first(y, N + n_read), update_params=False)
    again = skrnn.step_state(model)
    for name, each in again.items():
        np.testing.assert_allclose(state[name], each, rtol=1e-5, atol=1e-5)
    fh = np.arange(1 - n_read, 6)
    expected = model.predict(fh=fh).to_numpy().reshape(3, len(fh), 2)
    found = roll_out(run, state, extras[n_read : n_read + 5])
    found = np.concatenate([np.stack(seen, axis=1), found], axis=1)
    np.testing.assert_allclose(found, expected, rtol=2e-5)


@pytest.mark.parametrize("form", FORMATS)
def test_a_roll_out_goes_on_from_a_stream(form, tmp_path):
    y = series()
    model = GRUForecaster(**QUICK).fit(y[:N])
    run, state = exported_step(model, tmp_path, form), skrnn.step_state(model)
    extras = extras_of(model, 9)
    for step in range(4):
        value = y.to_numpy()[[N + step]]
        state = new_state(run(value=value, **extras[step], **state))
    model.update(y[: N + 4], update_params=False)
    found = roll_out(run, state, extras[4:])
    assert_close(found, model.predict(fh=[1, 2, 3, 4, 5]), y)


def test_a_series_may_be_read_on_while_others_roll_on(tmp_path):
    y = first(panel(), N)
    model = GRUForecaster(**QUICK).fit(y)
    run, state = exported_step(model, tmp_path, "onnx"), skrnn.step_state(model)
    value = np.array([[123.0], [np.nan], [np.nan]])
    after = new_state(run(value=value, **extras_of(model, 1)[0], **state))
    assert after["n_seen"].ravel().tolist() == [N + 1.0] * 3
    assert after["n_known"].ravel().tolist() == [N + 1.0, N, N]
    for name in ("change", "size", "profile"):
        before, now = state[name][0], after[name][0]
        assert not np.array_equal(before[0], now[0])
        rolled = np.roll(before[1:], -1, axis=1) if name == "profile" else before[1:]
        np.testing.assert_array_equal(rolled, now[1:])


@pytest.mark.parametrize("loss", ["normal", "student_t", "negative_binomial"])
def test_parameters_are_those_of_the_draws(loss, tmp_path):
    """Of two networks: what each draws for given uniform numbers."""
    y = first(panel(), N)
    params = {**QUICK, "loss": loss, "n_estimators": 2, "early_stopping": True}
    model = GRUForecaster(**params).fit(y)
    run, state = exported_step(model, tmp_path, "onnx"), skrnn.step_state(model)
    extra = extras_of(model, 1)[0]
    found = run(value=np.full((3, 1), np.nan), **extra, **state)
    memory, level = model._memory, np.array([0.1, 0.8])
    for place, module in enumerate(memory.network.modules(torch.device("cpu"))):
        start = state_of(memory.network, memory.standings, torch.device("cpu"), place)
        n_uniforms = module.distribution.n_uniforms
        uniform = torch.from_numpy(np.tile(level[:n_uniforms], (3, 1, 1)))
        with torch.no_grad():
            step = torch.from_numpy(extra["extra"])
            draw = next(roll(module, start, [step], iter([uniform]))).numpy()
        where = found["location"][place]
        if loss == "negative_binomial":
            failures = found["failures"][place]
            share = failures / (failures + where)
            expected = stats.nbinom.ppf(level[0], failures, share)
        else:
            spread = found["spread"][place]
            standard = stats.norm.ppf(level[0])
            if loss == "student_t":
                freedom = found["freedom"][place]
                radius = freedom * np.expm1(-2 / freedom * np.log(level[0]))
                standard = np.sqrt(radius) * np.cos(2 * np.pi * level[1])
            expected = where + spread * standard
        np.testing.assert_allclose(draw, expected, rtol=1e-5)


def test_missing_ends_are_rolled_over(tmp_path):
    y = first(series(), N).copy()
    y.iloc[-3:] = np.nan
    model = GRUForecaster(**QUICK).fit(y)
    extras = extras_of(model, 4)
    assert len(extras) == 7
    run = exported_step(model, tmp_path, "onnx")
    found = roll_out(run, skrnn.step_state(model), extras)[:, 3:]
    assert_close(found, model.predict(fh=[1, 2, 3, 4]), y)


def test_integer_times_need_no_extras(tmp_path):
    y = pd.Series(np.random.default_rng(0).normal(size=40).cumsum())
    model = GRUForecaster(**QUICK).fit(y)
    assert skrnn.step_extras(model, [1, 2]).shape == (1, 2, 0)
    run = exported_step(model, tmp_path, "onnx")
    found = roll_out(run, skrnn.step_state(model), extras_of(model, 9))
    assert_close(found, model.predict(fh=np.arange(1, 10)), y.to_frame())


def test_steps_begin_where_sktime_has_set_the_cutoff(tmp_path):
    y = series()
    model = GRUForecaster(**QUICK).fit(y[:N])
    expected = skrnn.step_state(model)
    model.update(y[: N + 5], update_params=False)
    assert skrnn.step_state(model)["n_seen"].item() == N + 5
    model.update(y[:N], update_params=False)
    found = skrnn.step_state(model)
    for name, each in expected.items():
        np.testing.assert_allclose(found[name], each, rtol=1e-6, atol=1e-6)


def test_what_cannot_be_exported_is_named(tmp_path):
    y = first(series(), N)
    direct = GRUForecaster(**QUICK, strategy="direct", horizon=3).fit(y)
    for door in (skrnn.to_torch, lambda *given: skrnn.to_onnx(*given, kind="step")):
        with pytest.raises(ValueError, match=r"strategy='direct' .fit with strategy="):
            door(direct, tmp_path / "model")
        with pytest.raises(NotFittedError):
            door(GRUForecaster(), tmp_path / "model")
    model = GRUForecaster(**QUICK).fit(y)
    with pytest.raises(ValueError, match="step by step: use kind='step'"):
        skrnn.to_onnx(model, tmp_path / "model")
    with pytest.raises(TypeError, match="a dict, expected a forecaster"):
        skrnn.step_extras({}, [1])
    with pytest.raises(ValueError, match=r"The series have \[0\] steps"):
        skrnn.step_extras(model, [-1, 0])
    ragged = first(panel(), N)
    ragged.iloc[-1] = np.nan
    with pytest.raises(ValueError, match=r"The series have \[2, 3\] steps"):
        skrnn.step_extras(GRUForecaster(**QUICK).fit(ragged), [1, 2])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DAMPING", 0.5),
        ("PROFILE_RATE", 0.5),
        ("RATES", {"slow": 0.1, "fast": 0.5, "trend": 0.2}),
    ],
)
def test_a_step_that_differs_is_not_written(name, value, form, tmp_path, monkeypatch):
    """What matters for roll-outs, for reading and for both."""
    model = GRUForecaster(**QUICK).fit(first(series(), N))
    monkeypatch.setattr(_steps, name, value)
    with pytest.raises(RuntimeError, match=r"differs from the estimator by .* nothing"):
        exported_step(model, tmp_path, form)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", FORMATS)
def test_what_gives_no_numbers_is_not_written(form, tmp_path):
    model = GRUForecaster(**QUICK).fit(first(series(), N))
    weights = model._memory.network.weights
    weights["head.bias"] = weights["head.bias"] * np.nan
    with pytest.raises(RuntimeError, match="differs from the estimator by nan"):
        exported_step(model, tmp_path, form)
    assert not list(tmp_path.iterdir())
