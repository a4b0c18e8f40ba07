"""Devices, threads and memory; the tests on a GPU run where there is one."""

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from filelock import FileLock
from skorch.callbacks import Callback
from sktime.datasets import load_airline

from skrnn import GRUClassifier, GRURegressor, LSTMRegressor, RNNRegressor
from skrnn._devices import (
    check_memory,
    has_room,
    memory_limit,
    one_thread,
    resolve_device,
)
from skrnn._gpus import quietest
from skrnn._modules import SequenceModule
from skrnn._net import Net
from skrnn._sizes import count_activations, count_weights
from skrnn.datasets import make_adding_problem, make_waves
from skrnn.forecasting import GRUForecaster

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="needs no GPU")
CPU = torch.device("cpu")
SMALL = {"hidden_size": 4, "max_epochs": 2, "random_state": 0}


@pytest.fixture(scope="module")
def waves():
    return make_waves(n_sequences=24, ragged=True, random_state=0)


def test_auto_is_a_gpu_if_there_is_one():
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device("auto").type == expected


CHOOSE = """
from skrnn._gpus import quietest
print(quietest(("one", "other")), flush=True)
input()
"""


def choose_in_a_process(folder):
    """Begin a process that chooses one of two and stays: itself, and its choice."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHOOSE],
        env=os.environ | {"TMPDIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    return process, int(process.stdout.readline())


@pytest.mark.slow
def test_processes_spread_over_gpus_and_leave_them_when_they_are_killed(tmp_path):
    started = [choose_in_a_process(tmp_path) for _ in range(4)]
    try:
        assert [choice for _, choice in started] == [0, 1, 0, 1]
        started[1][0].kill()
        started[1][0].communicate()
        started.append(choose_in_a_process(tmp_path))
        assert started[-1][1] == 1
        started.append(choose_in_a_process(tmp_path))
        assert started[-1][1] == 0
    finally:
        for process, _ in started:
            process.kill()
            process.communicate()


def test_without_a_place_for_locks_the_first_gpu_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "not there"))
    assert quietest(("no", "place")) == 0


@needs_no_gpu
def test_auto_takes_the_quietest_of_several_gpus(tmp_path, monkeypatch):
    """As far as it goes without any: torch is told that there are three."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    about = [SimpleNamespace(uuid=f"gpu-{place}") for place in range(3)]
    monkeypatch.setattr(torch.cuda, "get_device_properties", about.__getitem__)
    folder = tmp_path / f"skrnn-{os.getuid()}"
    folder.mkdir()
    with FileLock(folder / "gpu-0.0.lock"):
        assert resolve_device("auto") == torch.device("cuda:1")
        assert resolve_device("auto") == torch.device("cuda:1")


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cuda:99", r"device='cuda:99' is not available: torch .* sees \d+ CUDA"),
        ("gpu", "device='gpu' is not a device. Use 'auto', 'cpu', 'cuda'"),
        ("meta", "only CPU, CUDA and MPS are supported"),
    ],
)
def test_a_device_that_is_not_there_is_explained(device, message, waves):
    with pytest.raises(ValueError, match=message):
        GRUClassifier(device=device, **SMALL).fit(*waves)


def test_the_device_is_looked_up_by_each_fit(waves):
    model = GRUClassifier(device="cpu", **SMALL).fit(*waves)
    assert model.device_ == "cpu"


@needs_no_gpu
def test_a_model_made_on_a_gpu_loads_on_a_machine_without(waves):
    model = GRUClassifier(**SMALL).fit(*waves)
    expected = model.predict_proba(waves[0])
    pickled = pickle.dumps(model.set_params(device="cuda"))
    with pytest.warns(UserWarning, match="The network runs on the CPU"):
        loaded = pickle.loads(pickled)
    assert (loaded.device, loaded.device_) == ("cuda", "cpu")
    np.testing.assert_array_equal(loaded.predict_proba(waves[0]), expected)


def test_one_thread_is_for_this_block_only():
    before = torch.get_num_threads()
    with one_thread(CPU):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_memory_is_counted_before_it_is_taken():
    # weights: 4 gates of (1 + 10^7 + 2) * 10^7 floats, and the head
    n_weights = 4 * (10**7 + 3) * 10**7 + 10**7 + 1
    config = {"cell": "lstm", "n_features": 1, "n_outputs": 1, "num_layers": 1}
    config |= {"hidden_size": 10**7, "bidirectional": False, "pooling": "last"}
    config["stem"] = 0
    assert count_weights(config) == n_weights
    with pytest.raises(MemoryError, match=f"about {16 * n_weights / 2**30:.0f} GiB"):
        check_memory(n_weights, bytes_each=4)


@pytest.mark.parametrize(
    ("text", "share"), [("max\n", 1.0), (None, 1.0), ("1000\n", 0.0), (f"{2**62}", 1.0)]
)
def test_the_limit_of_a_container_is_respected(text, share, tmp_path, monkeypatch):
    path = tmp_path / "memory.max"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr("skrnn._devices.CONTAINER_LIMIT", path)
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert memory_limit() == (machine if share else 1000)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize(("num_layers", "bidirectional"), [(1, False), (3, True)])
def test_no_more_numbers_are_counted_than_a_step_keeps(cell, num_layers, bidirectional):
    """torch saves more than that for the gradients, never less."""
    module = SequenceModule(cell, 3, 2, 8, num_layers, bidirectional)
    module.to_empty(device="cpu")
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = module(torch.zeros(50, 40, 3))
    assert outputs.requires_grad
    assert 50 * 40 * 4 * count_activations(module.config) <= sum(kept.values())


@pytest.mark.parametrize("pooling", ["last", "concat", "attention"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize(("num_layers", "bidirectional"), [(1, False), (3, True)])
def test_weights_are_counted_as_they_are(cell, pooling, num_layers, bidirectional):
    module = SequenceModule(cell, 3, 2, 5, num_layers, bidirectional, pooling=pooling)
    expected = sum(p.numel() for p in module.parameters())
    assert count_weights(module.config) == expected


def fit_and_ask(waves):
    """Answers of a model that was fitted, loaded, and trained further."""
    options = {"dropout": 0.1, "bidirectional": True, "pooling": "attention"}
    options |= {"early_stopping": True, "validation_fraction": 0.2}
    model = GRUClassifier(device="cpu", **options, **SMALL)
    model = pickle.loads(pickle.dumps(model.fit(*waves))).partial_fit(*waves)
    return model.predict_proba(waves[0]), model.transform(waves[0])


@pytest.mark.parametrize("default", ["meta", "cuda:99"])
def test_the_default_device_of_the_caller_changes_nothing(default, waves):
    expected = fit_and_ask(waves)
    with torch.device(default):
        within_block = fit_and_ask(waves)
    torch.set_default_device(default)
    try:
        everywhere = fit_and_ask(waves)
    finally:
        torch.set_default_device(None)
    np.testing.assert_equal(within_block, expected)
    np.testing.assert_equal(everywhere, expected)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", torch.optim.NAdam])
def test_the_default_device_of_the_caller_changes_no_optimizer(optimizer, waves):
    def weights():
        model = RNNRegressor(optimizer=optimizer, device="cpu", **SMALL).fit(*waves)
        return [weight.numpy() for weight in model.module_.state_dict().values()]

    expected = weights()
    with torch.device("meta"):
        found = weights()
    np.testing.assert_equal(found, expected)


@needs_gpu
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("model", [GRUClassifier, LSTMRegressor, RNNRegressor])
def test_a_gpu_predicts_what_the_cpu_does(model, dtype, waves):
    on_cpu = model(device="cpu", dtype=dtype, **SMALL).fit(*waves)
    on_gpu = model(device="cuda", dtype=dtype, **SMALL).fit(*waves)
    on_gpu.module_.load_state_dict(on_cpu.module_.state_dict())
    for name in ("target_loc_", "target_scale_"):
        if hasattr(on_cpu, name):
            setattr(on_gpu, name, getattr(on_cpu, name))
    rtol = 1e-9 if dtype == "float64" else 1e-2
    np.testing.assert_allclose(
        on_gpu.transform(waves[0]), on_cpu.transform(waves[0]), rtol=rtol, atol=rtol
    )


@needs_gpu
def test_a_model_fitted_on_a_gpu_can_be_pickled_and_trained_further(waves):
    model = GRUClassifier(device="cuda", **SMALL).partial_fit(*waves)
    loaded = pickle.loads(pickle.dumps(model)).partial_fit(*waves)
    assert loaded.device_.startswith("cuda")
    assert loaded.n_iter_ == 2


@needs_gpu
@pytest.mark.parametrize("strategy", ["recursive", "direct"])
@pytest.mark.parametrize("loss", ["student_t", "quantile", "huber", "poisson"])
def test_a_gpu_forecasts_what_the_cpu_does(loss, strategy):
    y = load_airline()
    params = {"loss": loss, "strategy": strategy, "hidden_size": 6, "max_epochs": 2}
    params |= {"early_stopping": False, "random_state": 0, "num_samples": 10}
    on_gpu = GRUForecaster(device="cuda", dtype="float64", **params).fit(y)
    on_cpu = pickle.loads(pickle.dumps(on_gpu))
    on_cpu.device = "cpu"
    for fh in [range(1, 13), range(-5, 1)]:
        found = on_gpu.predict_quantiles(fh=fh, alpha=[0.1, 0.9])
        expected = on_cpu.predict_quantiles(fh=fh, alpha=[0.1, 0.9])
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    on_cpu.update(y[-3:] + 1, update_params=True)


@pytest.mark.parametrize(("free", "fits"), [(2000, True), (1999, False)])
def test_a_gpu_keeps_what_fits_twice(free, fits, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10**9))
    assert has_room(torch.device("cuda"), 1000) == fits
    assert has_room(CPU, 10**18)


class Listener(Callback):
    """Looks at every batch."""

    def on_batch_end(self, net, **kwargs):
        assert "train_loss" in net.history[-1]["batches"][-1]


def fit_like_on_a_gpu(monkeypatch, **params):
    """A fit that takes the CPU for a device that has to be waited for."""
    waits = Net.waits_for_losses

    def waits_elsewhere(net):
        net.device, there = "cuda", net.device
        try:
            return waits(net)
        finally:
            net.device = there

    monkeypatch.setattr(Net, "waits_for_losses", waits_elsewhere)
    X, y = make_adding_problem(100, n_steps=5, random_state=0)
    model = GRURegressor(
        4, max_epochs=3, batch_size=10, device="cpu", random_state=0, **params
    )
    return model.fit(X, y)


def test_a_gpu_is_waited_for_once_an_epoch(monkeypatch):
    X, y = make_adding_problem(100, n_steps=5, random_state=0)
    plain = {"batch_size": 10, "device": "cpu", "random_state": 0}
    want = GRURegressor(4, max_epochs=3, max_grad_norm=None, **plain).fit(X, y)
    taken = []
    for name in ("item", "tolist", "__float__", "__bool__"):
        take = getattr(torch.Tensor, name)

        def count(tensor, name=name, take=take):
            taken.append(name)
            return take(tensor)

        monkeypatch.setattr(torch.Tensor, name, count)
    got = fit_like_on_a_gpu(monkeypatch, max_grad_norm=None)
    assert taken.count("tolist") == 3
    assert len(taken) < 15  # of 30 batches
    losses = [[epoch["train_loss"] for epoch in m.history_] for m in (want, got)]
    assert len(losses[0]) == 3
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-6)


def test_a_callback_that_looks_at_batches_finds_their_losses(monkeypatch):
    fit_like_on_a_gpu(monkeypatch, callbacks=[Listener()])


def test_divergence_is_found_at_the_end_of_the_epoch(monkeypatch):
    with pytest.raises(ValueError, match="became NaN or infinite in epoch 1"):
        fit_like_on_a_gpu(monkeypatch, lr=1e30, max_grad_norm=None, optimizer="sgd")


@needs_gpu
def test_row_87_a_gpu_without_memory_is_left_as_it_was(waves):
    def too_large(outputs, targets):
        return outputs.sum() + torch.empty(2**50, device=outputs.device).sum()

    X, y = waves[0], np.array([x.mean() for x in waves[0]])
    model = GRURegressor(**SMALL, device="cuda").fit(X, y)
    expected, before = model.predict(X), torch.cuda.memory_allocated()
    model.set_params(loss=too_large, hidden_size=50)
    with pytest.raises(MemoryError, match="Use a smaller batch_size"):
        model.fit(X, y)
    assert torch.cuda.memory_allocated() <= before
    np.testing.assert_array_equal(model.predict(X), expected)


def test_a_forecaster_of_another_gpu_loads_without_a_warning():
    model = GRUForecaster(**SMALL, n_estimators=1).fit(load_airline()[:60], fh=[1])
    elsewhere = replace(model._memory, device=torch.device("cuda:1"))
    model._memory = elsewhere
    loaded = pickle.loads(pickle.dumps(model))
    assert np.isfinite(loaded.predict()).all()
