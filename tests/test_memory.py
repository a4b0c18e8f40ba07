"""Memory maps: X is never copied whole, and gives what an array gives."""

import gc
import os
import pickle
import subprocess
import sys
import warnings
import weakref

import numpy as np
import pytest

import skrnn
from skrnn import GRUClassifier, GRURegressor, RNNRegressor, Sequences
from skrnn._sequences import is_mapped

SMALL = {"hidden_size": 4, "max_epochs": 2, "batch_size": 16, "random_state": 0}
SMALL |= {"device": "cpu"}
SHAPE = 8192, 2, 4096  # of float32: 256 MiB, 32 KiB each
ALLOWED = 48 * 2**20  # a truth value for each number of X would need 64 MiB
# glibc's own ways of keeping what was freed differ from run to run
GIVEN_BACK = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}

LIMITED = f"""
import pickle, resource, sys
import numpy as np
from skrnn import RNNRegressor

def used():
    with open("/proc/self/status") as status:
        return next(int(x.split()[1]) for x in status if x.startswith("VmData")) * 1024

path, params, in_memory = pickle.load(sys.stdin.buffer)
X = np.memmap(path, np.float32, "r", shape={SHAPE})
if in_memory:
    X = X.copy()
y = np.arange(len(X)) % 7.0
model = RNNRegressor(**params).fit(X[:32].copy(), y[:32])  # all that is loaded later
_ = model.predict(X[:200])
resource.setrlimit(resource.RLIMIT_DATA, (used() + {ALLOWED}, -1))
try:
    np.ones(X.shape, bool)
except MemoryError:
    pass
else:
    raise RuntimeError("this system does not keep to the limit")
model.fit(X, y)
first = model.predict(X)
second = model.partial_fit(X, y).predict(X)
pickle.dump([first, second], sys.stdout.buffer)
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Give the path of a map of distinct sequences, most of which is a hole."""
    path = tmp_path_factory.mktemp("large") / "X"
    X = np.memmap(path, np.float32, "w+", shape=SHAPE)
    X[:, :, :8] = np.random.default_rng(0).normal(size=(*SHAPE[:2], 8))
    X.flush()
    del X
    yield path
    path.unlink()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems set no such limit")
@pytest.mark.parametrize(
    ("options", "in_memory"),
    [
        ({}, False),
        pytest.param({"early_stopping": True}, True, marks=pytest.mark.slow),
        pytest.param({"early_stopping": True}, False, marks=pytest.mark.slow),
        pytest.param({"missing": "mask"}, False, marks=pytest.mark.slow),
        pytest.param({"dtype": "float64"}, False, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_fit_and_predict_need_far_less_memory_than_X(options, in_memory, large):
    params = {**SMALL, "batch_size": 32, "bidirectional": False, **options}
    run = subprocess.run(
        [sys.executable, "-c", LIMITED],
        input=pickle.dumps((large, params, in_memory)),
        capture_output=True,
        env={**os.environ, **GIVEN_BACK},
    )
    assert run.returncode == 0, run.stderr.decode()
    first, second = pickle.loads(run.stdout)
    assert not np.array_equal(first, second)
    if not options:
        X = np.fromfile(large, np.float32).reshape(SHAPE)
        y = np.arange(len(X)) % 7.0
        model = RNNRegressor(**params).fit(X, y)
        np.testing.assert_array_equal(model.predict(X), first)
        np.testing.assert_array_equal(model.partial_fit(X, y).predict(X), second)


def mapped(array, path):
    """Write an array to a file and map it, so that it can only be read."""
    np.save(path, array)
    return np.load(path, mmap_mode="r")


def everything(model, X, y):
    model.fit(X, y)
    fitted = model.predict(X), model.transform(X), model.history_[-1]["train_loss"]
    return *fitted, model.partial_fit(X, y).predict(X)


@pytest.mark.parametrize(
    "options", [{}, {"early_stopping": True}, {"missing": "mask"}], ids=str
)
@pytest.mark.parametrize("stored", ["float32", "float64", "float16", "int8", ">f4"])
@pytest.mark.parametrize("used", ["float32", "float64"])
@pytest.mark.parametrize("form", ["panel", "table", "ragged"])
def test_a_map_gives_what_the_array_gives(options, stored, used, form, tmp_path):
    random = np.random.default_rng(0)
    X = (10 * random.normal(size=(60, 5, 3))).astype(stored)
    X[30:40] = X[:10]  # some are merged
    y = random.normal(size=60)
    y[30:35] = y[:5]
    if options.get("missing") and stored != "int8":
        X[random.random(X.shape) < 0.2] = np.nan
    if form == "table":
        X = X.reshape(60, 15)
        options = {**options, "features_per_step": 3}
    X_mapped = mapped(X, tmp_path / "X.npy")
    if form == "ragged":
        offsets = np.append(0, np.cumsum(np.arange(60) % 3 + 2))
        values = X.reshape(-1, 3)[: offsets[-1]]
        X = Sequences(values, offsets)
        X_mapped = Sequences(mapped(values, tmp_path / "values.npy"), offsets)
    model = GRURegressor(**SMALL, dtype=used, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = everything(model, X_mapped, y)
    for one, other in zip(got, everything(model, X, y), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_lies_in_a_file_is_told_from_what_was_copied_out_of_it(tmp_path):
    X = mapped(np.zeros((6, 5, 2)), tmp_path / "X.npy")
    file = np.memmap(tmp_path / "X.npy", np.uint8, "r")
    for array in (X, X[1:], np.asarray(X)[::2], X.reshape(30, 2), np.frombuffer(file)):
        assert is_mapped(array)
    for array in (X[[0, 2]], np.array(X), X + 1, X.astype(np.float32), np.zeros(3)):
        assert not is_mapped(np.asarray(array))


def test_values_of_a_map_are_checked(tmp_path):
    X = np.zeros((20, 5, 2))
    X[7, 3, 1] = 1e300
    model = GRUClassifier(**SMALL)
    y = np.arange(20) % 2
    with pytest.raises(ValueError, match=r"too large for float32.*sequence 7, step 3"):
        model.fit(mapped(X, tmp_path / "X.npy"), y)
    X[7, 3, 1] = np.inf
    with pytest.raises(ValueError, match=r"infinity: 1 value.*sequence 7, step 3"):
        model.fit(mapped(X, tmp_path / "inf.npy"), y)
    X[7, 3, 1] = np.nan
    with pytest.raises(ValueError, match=r"NaN: 1 value.*sequence 7, step 3"):
        model.fit(mapped(X, tmp_path / "nan.npy"), y)


def test_the_array_is_neither_kept_nor_changed(tmp_path):
    X = np.random.default_rng(0).normal(size=(40, 5, 2)).astype(np.float32)
    before = X.copy()
    model = skrnn.LSTMRegressor(**SMALL).fit(X, X.sum(axis=(1, 2)))
    np.testing.assert_array_equal(X, before)
    expected = model.predict(before)
    X[:] = np.nan
    np.testing.assert_array_equal(model.predict(before), expected)
    there = weakref.ref(X)
    del X
    gc.collect()
    assert there() is None
