"""The choice between torch's layers and the compiled ones, and the loop of a GRU."""

import pickle
import warnings
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from skrnn import GRUClassifier, GRURegressor, LSTMRegressor, RNNRegressor, _layers
from skrnn._devices import one_thread
from skrnn._layers import FEW_ROWS, GRULoop, advance_layer, check_engine, read_layer
from skrnn._modules import SequenceModule
from skrnn._native import is_available
from skrnn.datasets import make_adding_problem
from skrnn.forecasting import GRUForecaster

CPU = torch.device("cpu")
LAYERS: dict[str, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
SMALL = {"hidden_size": 6, "max_epochs": 2, "device": "cpu", "random_state": 0}

needs_library = pytest.mark.skipif(not is_available(), reason="no compiled layers")
all_cells = pytest.mark.parametrize("cell", list(LAYERS))


@pytest.fixture(autouse=True, scope="module")
def one_torch_thread() -> Any:
    with one_thread(CPU):
        yield


def make_module(cell="gru", **config):
    module = SequenceModule(cell, 3, 2, 8, **config)
    module.initialize(torch.Generator().manual_seed(0))
    return module.eval()


@pytest.fixture
def used(monkeypatch):
    """Which engines have been used."""
    names = []
    for name in ("read_natively", "run_torch"):
        run = getattr(_layers, name)

        def note(*args, name=name, run=run):
            names.append(name)
            return run(*args)

        monkeypatch.setattr(_layers, name, note)
    return names


@needs_library
@all_cells
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", ["last", "concat", "attention"])
def test_engines_agree(cell, bidirectional, pooling):
    x, lengths = torch.randn(5, 7, 3), torch.tensor([7, 2, 5, 1, 7])
    found = []
    for engine in ("torch", "native"):
        module = make_module(
            cell,
            num_layers=2,
            bidirectional=bidirectional,
            pooling=pooling,
            engine=engine,
        )
        outputs = module(x, lengths)
        grads = torch.autograd.grad(outputs.square().sum(), list(module.parameters()))
        found.append([outputs, *grads])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@all_cells
@pytest.mark.parametrize("engine", ["torch", "auto"])
def test_reading_on_is_reading_at_once(cell, engine):
    layer = LAYERS[cell](3, 8, batch_first=True)
    x, zeros = torch.randn(4, 9, 3), torch.zeros(4, 8)
    state = (zeros, zeros) if cell == "lstm" else (zeros,)
    whole = read_layer([layer], x, None, engine).all
    first, state = advance_layer(layer, x[:, :4], state, engine)
    second, state = advance_layer(layer, x[:, 4:], state, engine)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)
    torch.testing.assert_close(state[0], whole[:, -1])


@needs_library
def test_auto_takes_the_compiled_layers_on_a_cpu(used):
    make_module()(torch.randn(2, 3, 3))
    make_module(engine="torch")(torch.randn(2, 3, 3))
    assert used == ["read_natively", "run_torch"]


def test_auto_takes_torch_where_there_is_no_library(used, monkeypatch):
    monkeypatch.setattr(_layers, "is_available", lambda: False)
    make_module()(torch.randn(2, 3, 3))
    assert used == ["run_torch"]


def test_other_number_types_are_for_torch(used):
    module = make_module().to(torch.bfloat16)
    assert module(torch.randn(2, 3, 3, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert used == ["run_torch"]


@pytest.mark.parametrize("name", ["weight_hh_l0", "bias_ih_l0"])
def test_weights_of_another_type_or_form_are_for_torch(name, used):
    module = make_module()
    layer = module.encoder.forward_layers[0]
    setattr(layer, name, nn.Parameter(getattr(layer, name).double()))
    with suppress(ValueError, RuntimeError):  # torch takes some and refuses others
        module(torch.randn(2, 3, 3))
    setattr(layer, name, nn.Parameter(torch.ones(3)))
    with pytest.raises((ValueError, RuntimeError)):
        module(torch.randn(2, 3, 3))
    assert set(used) == {"run_torch"}


def test_weights_without_numbers_are_for_torch(used):
    module = make_module().to("meta")
    with pytest.raises((ValueError, RuntimeError, NotImplementedError)):
        module(torch.randn(2, 3, 3))
    assert set(used) == {"run_torch"}


def test_predict_follows_a_change_of_precision():
    X, y = make_adding_problem(20, n_steps=5, random_state=0)
    model = GRURegressor(**SMALL).fit(X, y)
    want = model.predict(X)
    model.module_.double()
    np.testing.assert_allclose(model.predict(X), want, atol=1e-5)


def test_a_pickle_is_read_in_inference_mode():
    X, y = make_adding_problem(20, n_steps=5, random_state=0)
    model = GRURegressor(**SMALL).fit(X, y)
    with torch.inference_mode():
        copy = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(copy.predict(X), model.predict(X))


def test_a_view_is_learned_from_like_a_copy():
    X, y = make_adding_problem(60, n_steps=8, random_state=0)
    wide = np.concatenate([X, X], axis=2).astype(np.float32)
    one = GRURegressor(**SMALL, batch_size=4).fit(wide[:, :, : X.shape[2]], y)
    other = GRURegressor(**SMALL, batch_size=4).fit(X.astype(np.float32), y)
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


def test_what_torch_records_is_for_torch(used):
    module, x = make_module("lstm"), torch.randn(2, 3, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing is deprecated
        traced = torch.jit.trace(module, x, check_trace=False)
    assert set(used) == {"run_torch"}
    torch.testing.assert_close(traced(x), module(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cls", [GRURegressor, LSTMRegressor, RNNRegressor])
def test_fits_agree(cls):
    X, y = make_adding_problem(40, n_steps=12, random_state=0)
    one, other = (cls(**SMALL, engine=e).fit(X, y) for e in ("torch", "auto"))
    np.testing.assert_allclose(one.predict(X), other.predict(X), atol=1e-4)


def test_weights_move_from_one_engine_to_the_other():
    X, y = make_adding_problem(40, n_steps=12, random_state=0)
    model = GRURegressor(**SMALL, engine="torch", warm_start=True).fit(X, y)
    want = model.predict(X)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(X), want)
    module = make_same(model.module_, engine="auto")
    x = torch.as_tensor(X, dtype=torch.float32)
    torch.testing.assert_close(module(x), model.module_(x), rtol=1e-5, atol=1e-6)
    model.set_params(engine="auto").fit(X, y)  # trains on
    assert model.module_.config["engine"] == model.module_.encoder.engine == "auto"
    assert model.n_iter_ == 4


def make_same(module, **config):
    same = SequenceModule(**{**module.config, **config})
    same.to_empty(device="cpu")
    same.load_state_dict(module.state_dict())
    return same.eval()


def test_the_compiled_layers_are_for_a_cpu():
    with pytest.raises(ValueError, match="device is cuda: use engine='auto'"):
        check_engine("native", torch.device("cuda"))


@pytest.mark.parametrize("engine", ["auto", "torch"])
def test_torch_is_for_every_device(engine):
    check_engine(engine, torch.device("cuda"))


@pytest.mark.parametrize(
    ("cls", "data"),
    [
        (GRUClassifier, (np.zeros((4, 3, 1)), [0, 1, 0, 1])),
        (GRUForecaster, (pd.Series(np.arange(40.0)), None, [1])),
    ],
)
def test_a_missing_library_is_named(cls, data, monkeypatch):
    monkeypatch.setattr(_layers, "is_available", lambda: False)
    model = cls(hidden_size=4, max_epochs=1, device="cpu", engine="native")
    with pytest.raises(ValueError, match="engine='native' needs the compiled layers"):
        model.fit(*data)
    assert not hasattr(model, "net_")


@pytest.mark.parametrize("engine", ["c", None, 1])
def test_an_unknown_engine_is_refused(engine):
    X, y = make_adding_problem(10, n_steps=3, random_state=0)
    with pytest.raises(ValueError, match="The 'engine' parameter"):
        GRURegressor(**SMALL, engine=engine).fit(X, y)


def test_the_loop_is_the_layer():
    layer = nn.GRU(3, 5, batch_first=True).double()
    x = torch.randn(4, 6, 3, dtype=torch.float64, requires_grad=True)
    h_0 = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    weights = list(layer.parameters())
    factor = torch.randn(4, 6, 5, dtype=torch.float64)
    found = []
    for outputs in (layer(x, h_0[None])[0], GRULoop.apply(x, h_0, *weights)):
        grads = torch.autograd.grad((outputs * factor).sum(), [x, h_0, *weights])
        found.append([outputs, *grads])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-13)
    assert torch.autograd.gradcheck(GRULoop.apply, (x, h_0, *weights))


@pytest.mark.parametrize("n_rows", [1, FEW_ROWS, FEW_ROWS + 1])
def test_the_loop_is_for_few_rows(n_rows):
    layer = nn.GRU(3, 5, batch_first=True)
    assert _layers.use_loop(layer, torch.randn(n_rows, 2, 3)) == (n_rows <= FEW_ROWS)
    with torch.no_grad():
        assert not _layers.use_loop(layer, torch.randn(n_rows, 2, 3))


@pytest.mark.parametrize("engine", ["auto", "torch"])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_what_only_torch_can_do_is_for_torch(cell, engine):
    module, x = make_module(cell, engine=engine), torch.randn(2, 3, 3)
    layer = module.encoder.forward_layers[0]
    want = module(x).detach()
    calls = []
    handle = layer.register_forward_hook(lambda *args: calls.append(args))
    torch.testing.assert_close(module(x), want, rtol=1e-5, atol=1e-6)
    assert len(calls) == 1
    handle.remove()
    slope = torch.func.grad(lambda x: module(x).sum())(x)
    copied = x.clone().requires_grad_()
    module(copied).sum().backward()
    torch.testing.assert_close(slope, copied.grad, rtol=1e-5, atol=1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(module(x).float(), want, rtol=0.1, atol=0.1)
    negative = torch._neg_view(-x)
    torch.testing.assert_close(module(negative), want, rtol=1e-5, atol=1e-6)
    torch.nn.utils.parametrizations.weight_norm(layer, "weight_hh_l0")
    torch.testing.assert_close(module(x), want, rtol=1e-5, atol=1e-6)


def test_the_loop_is_not_recorded(used):
    module, x = make_module(engine="torch"), torch.randn(2, 3, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing is deprecated
        traced = torch.jit.trace(module, x, check_trace=False)
    assert "GRULoop" not in str(traced.inlined_graph)
    torch.testing.assert_close(traced(x), module(x), rtol=1e-5, atol=1e-6)
