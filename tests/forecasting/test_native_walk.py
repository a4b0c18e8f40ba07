"""Walks by the compiled library, compared with those of torch, step by step."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skrnn import _native
from skrnn._devices import one_thread
from skrnn.forecasting import _autoregressive
from skrnn.forecasting._autoregressive import AutoregressiveModule, roll
from skrnn.forecasting._heads import HEADS
from skrnn.forecasting._levels import memory_of, n_candidates, period_of
from skrnn.forecasting._walker import State

pytestmark = pytest.mark.skipif(not _native.is_available(), reason="no compiled layers")
CELLS = ["rnn", "lstm", "gru"]
TOLERANCE = {"float64": 1e-12, "float32": 1e-4}  # of walks, which carry errors on


@pytest.fixture(autouse=True, scope="module")
def one_torch_thread():
    with one_thread(torch.device("cpu")):
        yield


def make_module(engine, cell="gru", lags=(4,), n_columns=1, n_extras=0, **config):
    """A module whose weights are random in all layers."""
    config = {
        "n_ahead": 1,
        "loss": "student_t",
        "hidden_size": 6,
        "num_layers": 1,
        "dropout": 0.0,
        "dtype": "float64",
        **config,
    }
    sizes = n_columns, n_candidates(lags), n_extras
    module = AutoregressiveModule(cell, *sizes, lags, **config, engine=engine)
    generator = torch.Generator().manual_seed(0)
    module.initialize(generator)
    with torch.no_grad():
        for parameter in module.head.parameters():
            parameter.normal_(0, 0.3, generator=generator)
    return module.eval()


def make_state(module, n, wants_gradient=False):
    """Series that stand anywhere, some of which have just begun."""
    config = module.config
    memory, n_columns = memory_of(config["lags"]), config["n_columns"]
    rng = np.random.default_rng(n)

    def draw(*shape):
        return torch.from_numpy(rng.normal(size=shape))

    parts = 2 if config["cell"] == "lstm" else 1
    hidden = draw(1, parts, n, config["hidden_size"]).to(module.head.weight.dtype)
    return State(
        hidden=hidden.requires_grad_(wants_gradient),
        values=5 + draw(n, memory, n_columns),
        levels=5 + draw(n, memory, n_columns),
        profile=draw(n, period_of(config["lags"]), n_columns),
        fast=5 + draw(n, n_columns),
        trend=0.1 * draw(n, n_columns),
        scale=0.5 + draw(n, n_columns).abs(),
        size=5 + draw(n, n_columns).abs(),
        n_seen=torch.from_numpy(rng.integers(0, 40, size=(n, 1))).double(),
    )


def go_both(n, n_steps, **config):
    """Paths and gradients of all weights and of the state: by torch, by the library."""
    found = []
    for engine in ["torch", "native"]:
        module = make_module(engine, **config)
        state = make_state(module, n, wants_gradient=True)
        assert (module.native_walk(state, n_steps) is not None) == (engine == "native")
        generator = torch.Generator().manual_seed(1)
        shape = (n, n_steps, module.config["n_extras"])
        extras = torch.randn(shape, generator=generator, dtype=state.hidden.dtype)
        path = module.go(state, extras)
        weights = torch.linspace(-1, 1, path.numel(), dtype=path.dtype)
        (path * weights.view_as(path)).sum().backward()
        gradients = {name: each.grad for name, each in module.named_parameters()}
        found.append({"path": path.detach(), **gradients, "hidden": state.hidden.grad})
    return found


def assert_same(n, n_steps, **config):
    """Gradients in units of the largest one: a sum may cancel out to almost nothing."""
    expected, got = go_both(n, n_steps, **config)
    tolerance = TOLERANCE[config.get("dtype", "float64")]
    sizes = {name: float(values.abs().max()) for name, values in expected.items()}
    largest = max(size for name, size in sizes.items() if name != "path")
    for name, values in expected.items():
        size = sizes["path"] if name == "path" else largest
        assert_allclose(got[name], values, rtol=0, atol=tolerance * size, err_msg=name)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("loss", HEADS)
@pytest.mark.parametrize("cell", CELLS)
def test_a_walk_and_its_gradients_are_those_of_torch(cell, loss, dtype):
    assert_same(37, 9, cell=cell, loss=loss, dtype=dtype)
    assert_same(3, 5, cell=cell, loss=loss, dtype=dtype, n_columns=3, n_extras=2)


def test_a_gradient_that_cancels_out_is_judged_by_what_it_is_summed_from():
    sizes = {"hidden_size": 1, "n_columns": 2, "n_extras": 3, "lags": (7, 14)}
    assert_same(57, 1, cell="rnn", loss="quantile", **sizes)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_sizes(data):
    draw = data.draw
    n_lags = draw(st.integers(1, 9), "lags")
    assert_same(
        draw(st.integers(1, 70), "series"),
        draw(st.integers(1, 12), "steps"),
        cell=draw(st.sampled_from(CELLS)),
        loss=draw(st.sampled_from(["quantile", "poisson"])),
        n_columns=draw(st.integers(1, 4), "columns"),
        n_extras=draw(st.integers(0, 3), "extras"),
        hidden_size=draw(st.integers(1, 40), "units"),
        lags=tuple(draw(st.permutations(range(1, 20)))[:n_lags]),
    )


@pytest.mark.parametrize("target", range(3))
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_every_instruction_set_walks_alike(target, dtype, monkeypatch):
    if target > _native.best_target():
        pytest.skip(f"this processor has no {_native.TARGETS[target]}")
    monkeypatch.setattr(_native, "best_target", lambda: target)
    assert_same(37, 9, cell="lstm", dtype=dtype, lags=(7, 28, 1), n_columns=2)


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_a_roll_out_is_that_of_torch_however_long(cell, sampled, monkeypatch):
    monkeypatch.setattr(_autoregressive, "STEPS_KEPT", 5)
    rng = np.random.default_rng(0)
    found = []
    extras = torch.from_numpy(rng.normal(size=(33, 10, 2)))
    uniforms = torch.from_numpy(rng.random((33, 10, 2, 2)))
    for engine in ["torch", "native"]:
        module = make_module(engine, cell, (4, 9), n_columns=2, n_extras=2)
        state, drawn = make_state(module, 10), iter(uniforms) if sampled else None
        with torch.no_grad():
            found.append(torch.stack(list(roll(module, state, extras, drawn))))
    assert_allclose(found[1], found[0], rtol=1e-10)


def test_a_walk_does_not_depend_on_its_companions():
    module = make_module("native", lags=(4, 9), dtype="float32", n_columns=2)
    state = make_state(module, 75)
    extras = torch.zeros(75, 12, 0)
    together = module.go(state, extras).detach()
    for rows in [torch.tensor([3]), torch.arange(40, 75), torch.tensor([70, 1, 33])]:
        alone = module.go(state.take(rows), extras[rows]).detach()
        assert_array_equal(alone, together[rows])


def test_the_state_stays_as_it_was_and_gradients_can_be_asked_for_again():
    module = make_module("native")
    state = make_state(module, 5)
    before = [part.clone() for part in state]
    path = module.go(state, torch.zeros(5, 12, 0).double())
    weight = module.head.weight
    (once,) = torch.autograd.grad(path.sum(), weight, retain_graph=True)
    (again,) = torch.autograd.grad(path.sum(), weight)
    assert_array_equal(once, again)
    for part, old in zip(state, before, strict=True):
        assert_array_equal(part, old)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_so(value):
    found = []
    for engine in ["torch", "native"]:
        module = make_module(engine)
        state = make_state(module, 5)
        state.values[2, -1] = value
        with torch.no_grad():
            found.append(module.go(state, torch.zeros(5, 6, 0).double()))
    assert_array_equal(torch.isfinite(found[0]), torch.isfinite(found[1]))
    assert not torch.isfinite(found[0]).all()


@pytest.mark.parametrize(
    "config", [{"num_layers": 2}, {"n_ahead": 3}, {"dropout": 0.5}]
)
def test_other_networks_are_left_to_torch(config):
    module = make_module("auto", **config).train()
    state = make_state(module, 5)
    assert module.native_walk(state, 3) is None
    assert make_module("auto").train().native_walk(state, 3) is not None
