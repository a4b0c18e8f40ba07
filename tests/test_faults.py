"""The last rows of the project's fault list: memory, devices, leaks, depth.

Row 87 (a GPU without memory) is tried with an error like torch's, and once more by
test_devices.py where there is a GPU; row 91 for files is in test_saving.py, row 92 in
test_tracking.py.
"""

import copy
import os
import pickle
import subprocess
import sys
import weakref

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from skorch.callbacks import Callback
from sktime.datasets import load_airline

import skrnn
from skrnn import GRUClassifier, GRURegressor, LSTMRegressor
from skrnn._devices import clear_memory
from skrnn.datasets import make_waves
from skrnn.forecasting import GRUForecaster

SMALL = {"hidden_size": 3, "max_epochs": 2, "random_state": 0}
NO_MEMORY = "not enough memory for this network.*smaller batch_size, shorter sequences"
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(scope="module")
def waves():
    return make_waves(n_sequences=30, n_steps=12, random_state=0)


# --- memory: rows 87 and 89 ----------------------------------------------------------


class Full:
    """A loss, or a callback, that runs out of memory in its third call."""

    def __init__(self, error):
        self.error = error
        self.calls = 0
        self.kept = None

    def __call__(self, outputs, targets):
        large = torch.zeros(1000)  # which the traceback would keep
        self.kept = weakref.ref(large)
        self.calls += 1
        if self.calls == 3:
            raise self.error
        return (outputs - targets).square() + large[0]


class FullCallback(Callback):
    def on_batch_begin(self, net, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory.")


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("MPS backend out of memory (MPS allocated: 9.06 GB)"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"),
    MemoryError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_row_87_a_fit_without_memory_frees_it_and_keeps_the_old_model(error, waves):
    X, y = waves[0], waves[0].mean(axis=(1, 2))
    model = GRURegressor(**SMALL, batch_size=8).fit(X, y)
    expected, loss = model.predict(X), Full(error)
    model.set_params(loss=loss, hidden_size=5)
    with pytest.raises(MemoryError, match=NO_MEMORY) as caught:
        model.fit(X, y)
    assert str(error) in str(caught.value)
    assert loss.calls == 3
    assert loss.kept() is None  # though the error is still there
    assert_array_equal(model.predict(X), expected)
    model.set_params(hidden_size=3)
    loss.calls = 2
    with pytest.raises(MemoryError, match=NO_MEMORY):
        model.partial_fit(X, y)
    assert_array_equal(model.predict(X), expected)


def test_row_87_what_fits_afterwards_is_fitted(waves):
    X, y = waves[0], waves[0].mean(axis=(1, 2))
    loss = Full(torch.OutOfMemoryError())
    model = GRURegressor(**SMALL, loss=loss)
    with pytest.raises(MemoryError):
        model.set_params(batch_size=8).fit(X, y)
    assert not hasattr(model, "net_")
    assert np.isfinite(model.fit(X, y).predict(X)).all()


@pytest.mark.parametrize("act", ["fit", "update"])
def test_row_87_a_forecaster_without_memory_stays_as_it_was(act):
    y = load_airline()
    model = GRUForecaster(**SMALL, n_estimators=1).fit(y[:60], fh=[1, 2])
    expected = model.predict()
    model.callbacks = [FullCallback()]
    with pytest.raises(MemoryError, match=NO_MEMORY):
        getattr(model, act)(y[:70])
    assert_array_equal(model.predict(), expected)


def test_row_87_a_predict_without_memory_says_so(waves, monkeypatch):
    model = GRUClassifier(**SMALL).fit(*waves)
    expected = model.predict_proba(waves[0])

    def fail(*args):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with monkeypatch.context() as patch:
        patch.setattr(type(model.module_), "embed", fail)
        with pytest.raises(MemoryError, match=NO_MEMORY):
            model.predict(waves[0])
    assert_array_equal(model.predict_proba(waves[0]), expected)


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes differ"), MemoryError("use fewer"), ValueError()]
)
def test_other_errors_stay_as_they_are(error):
    with pytest.raises(type(error)) as caught, clear_memory():
        raise error
    assert caught.value is error


LIMITED = """
import resource
import numpy as np
from skrnn import GRURegressor
from skrnn.forecasting import GRUForecaster
from sktime.datasets import load_airline

def attempt(act):
    try:
        act()
    except MemoryError as error:
        assert "smaller batch_size" in str(error), error
    else:
        raise AssertionError("there was memory enough")

X = np.random.default_rng(0).normal(size=(256, 400, 2))
y, series = X.mean(axis=(1, 2)), load_airline()
params = {"max_epochs": 1, "random_state": 0, "engine": ENGINE}
model = GRURegressor(4, **params, batch_size=8, stem=0).fit(X[:32], y[:32])
forecaster = GRUForecaster(4, **params, n_estimators=1).fit(series, fh=[1, 2])
expected, forecast = model.predict(X), forecaster.predict()
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 150 * 2**20, resource.RLIM_INFINITY))
model.set_params(hidden_size=1500, batch_size=256)
forecaster.hidden_size = 4000
attempt(lambda: model.fit(X, y))
attempt(lambda: forecaster.fit(series, fh=[1, 2]))
assert (model.predict(X) == expected).all()
assert (forecaster.predict() == forecast).all()
model.set_params(hidden_size=4, batch_size=8).fit(X[:32], y[:32])
assert (model.predict(X) == expected).all()
"""


@on_linux
@pytest.mark.slow
@pytest.mark.parametrize("engine", ["torch", "native"])
def test_row_89_within_a_limit_of_memory_old_models_stay(engine):
    code = f"ENGINE = {engine!r}\n{LIMITED}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert (run.stderr.decode(), run.returncode) == ("", 0)


# --- devices: row 88 -----------------------------------------------------------------


def test_row_88_each_worker_takes_the_device_it_has(waves, monkeypatch):
    """device="auto" is looked up by fit, kept in device_, and not in a pickle."""
    model = GRUClassifier(**SMALL).fit(*waves)
    here = "cuda:0" if torch.cuda.is_available() else "cpu"
    assert (model.device, model.device_) == ("auto", here)
    pickled = pickle.dumps(model)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    worker = pickle.loads(pickled)
    assert (worker.device, worker.device_) == ("auto", "cpu")
    assert worker.fit(*waves).device_ == "cpu"


# --- leaks: row 90 -------------------------------------------------------------------

REPEATED = """
import gc
import resource
from sktime.datasets import load_airline
from skrnn import GRUClassifier, LSTMRegressor
from skrnn.datasets import make_waves
from skrnn.forecasting import GRUForecaster

def used():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

X, y = make_waves(n_sequences=40, n_steps=20, random_state=0)
params = {"hidden_size": 64, "max_epochs": 1, "random_state": 0}
classifier, regressor = GRUClassifier(**params), LSTMRegressor(**params)
forecaster = GRUForecaster(**params, n_estimators=1, num_samples=20)

def fit():
    series = load_airline()  # pandas notes in it who has looked at it
    classifier.fit(X, y)
    regressor.fit(X, y).partial_fit(X, y)
    forecaster.fit(series[:100], fh=[1, 2, 3])
    forecaster.update(series[100:110])

def ask():
    classifier.predict(X)
    classifier.step(X[:1, 0], classifier_state)
    regressor.transform(X)
    forecaster.predict()
    forecaster.predict_interval()

classifier.set_params(bidirectional=False, stem=0, scale_inputs="feature")
for n_times, act in [(40, fit), (300, ask)]:
    if act is ask:
        classifier_state = classifier.initial_state()
    for _ in range(n_times // 4):
        act()
    before, objects = used(), len(gc.get_objects())
    for _ in range(n_times):
        act()
    print(used() - before, len(gc.get_objects()) - objects)
"""


@on_linux
@pytest.mark.slow
def test_row_90_memory_stays_flat_over_many_fits_and_predictions():
    """A network that stayed after each fit would take 40 times 0.2 MB."""
    run = subprocess.run(
        [sys.executable, "-c", REPEATED],
        capture_output=True,
        text=True,
        env={**os.environ, "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"},
    )
    assert (run.stderr, run.returncode) == ("", 0)
    for line in run.stdout.splitlines():
        n_bytes, n_objects = map(int, line.split())
        assert n_bytes < 2e6
        assert n_objects < 100


# --- depth: row 91 -------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["torch", "native"])
@pytest.mark.parametrize("cls", [LSTMRegressor, GRUForecaster])
def test_row_91_hundreds_of_layers(cls, engine, waves, tmp_path):
    model = cls(**{**SMALL, "max_epochs": 1}, num_layers=200, engine=engine)
    if cls is GRUForecaster:
        asked = []
        model.set_params(n_estimators=1).fit(load_airline()[:30], fh=[1, 2])
    else:
        X, _ = waves
        asked = [X]
        model.set_params(bidirectional=False).fit(X, X.mean(axis=(1, 2)))
    expected = model.predict(*asked)
    assert np.isfinite(expected).all()
    skrnn.save(model, tmp_path / "model")
    for other in (
        skrnn.load(tmp_path / "model"),
        pickle.loads(pickle.dumps(model)),
        copy.deepcopy(model),
    ):
        assert_array_equal(other.predict(*asked), expected)
