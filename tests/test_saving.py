"""Model files: that they give back what was saved, and refuse everything else."""

import contextlib
import datetime
import errno
import io
import json
import multiprocessing
import os
import pickle
import random
import signal
import stat
import sys
import time
import tracemalloc
import zipfile
from hashlib import sha256
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.callback import ScoringMonitor
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import EpochScoring
from sktime.datasets import load_airline
from sktime.utils._testing.hierarchical import _make_hierarchical

import skrnn
import skrnn.forecasting
import skrnn.panel
from skrnn import (
    GRUClassifier,
    GRURegressor,
    LSTMRegressor,
    ModelFileError,
    _files,
)
from skrnn._plain import Reader
from skrnn.datasets import make_waves
from skrnn.forecasting import GRUForecaster
from skrnn.forecasting._panels import Panel, split_panel

GOLDEN = Path(__file__).parent / "golden"
SMALL = {"hidden_size": 3, "max_epochs": 2, "random_state": 0}
CLASSIFIERS = [skrnn.RNNClassifier, skrnn.LSTMClassifier, GRUClassifier]
REGRESSORS = [skrnn.RNNRegressor, LSTMRegressor, GRURegressor]


@pytest.fixture(scope="module")
def waves():
    return make_waves(n_sequences=48, n_steps=20, ragged=True, random_state=0)


@pytest.fixture(scope="module")
def saved(waves, tmp_path_factory):
    """A model and its file."""
    path = tmp_path_factory.mktemp("saved") / "model.skrnn"
    model = GRUClassifier(**SMALL).fit(*waves)
    skrnn.save(model, path)
    return model, path


def again(model, tmp_path):
    """What is loaded of what was saved."""
    skrnn.save(model, tmp_path / "model.skrnn")
    return skrnn.load(tmp_path / "model.skrnn")


def parts_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_parts(path, parts, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)


def forge(path, source, change, cls=None):
    """Write a file with a changed object of a class, and checksums that fit."""
    parts = parts_of(source)
    config, manifest = (json.loads(parts[k]) for k in ("config.json", "manifest.json"))
    arrays = safetensors.numpy.load(parts["model.safetensors"])
    objects = config["objects"] if "objects" in config else [config["estimator"]]
    change(next(o for o in objects if cls in (None, o["class"])), arrays, manifest)
    parts["config.json"] = json.dumps(config).encode()
    parts["model.safetensors"] = safetensors.numpy.save(arrays)
    for name, about in manifest["files"].items():
        about["size"] = len(parts[name])
        about["sha256"] = sha256(parts[name]).hexdigest()
    parts["manifest.json"] = json.dumps(manifest).encode()
    write_parts(path, parts)


# --- what comes back -----------------------------------------------------------------


@pytest.mark.parametrize("cls", CLASSIFIERS)
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"missing": "mask", "num_layers": 2, "pooling": "attention"},
        {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5}, "dtype": "float64"},
        {"bidirectional": False, "scale_inputs": None, "optimizer": "sgd"},
        {"scale_inputs": "sequence", "early_stopping": True},
    ],
)
def test_classifiers_come_back(cls, params, waves, tmp_path):
    model = cls(**{**SMALL, **params}).fit(*waves)
    loaded = again(model, tmp_path)
    assert type(loaded) is cls
    assert_array_equal(loaded.predict_proba(waves[0]), model.predict_proba(waves[0]))
    assert_array_equal(loaded.predict(waves[0]), model.predict(waves[0]))
    assert loaded.history_ == model.history_
    ours, theirs = (each.get_params() for each in (model, loaded))
    assert str(ours) == str(theirs)


@pytest.mark.parametrize("cls", REGRESSORS)
@pytest.mark.parametrize("n_outputs", [None, 2])
def test_regressors_come_back(cls, n_outputs, waves, tmp_path):
    X, _ = waves
    y = np.array([[x.mean(), len(x)] for x in X])
    y = y if n_outputs else y[:, 0]
    model = cls(**SMALL).fit(X, y)
    loaded = again(model, tmp_path)
    assert_array_equal(loaded.predict(X), model.predict(X))


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["quiet", "loud", "Überlaut"]),
        np.array(["quiet", "loud", "loudest"], dtype=object),
        np.array([-1.0, 0.0, 7.0]),
        np.array([False, True, True]),
    ],
)
def test_labels_of_any_type_come_back(labels, waves, tmp_path):
    X, y = waves
    loaded = again(GRUClassifier(**SMALL).fit(X, labels[y]), tmp_path)
    assert_array_equal(loaded.classes_, np.unique(labels))
    assert loaded.classes_.dtype == np.unique(labels).dtype
    assert set(loaded.predict(X)) <= set(labels)


def test_a_loaded_network_goes_on_learning_and_reading_as_the_saved_one(
    waves, tmp_path
):
    X, y = waves
    model = GRUClassifier(**SMALL, bidirectional=False, optimizer="adam")
    model.partial_fit(X[:24], y[:24], classes=[0, 1, 2])
    loaded = again(model, tmp_path)
    state = model.initial_state(1)
    _, ours = model.step(X[0][:1], state)
    _, theirs = loaded.step(X[0][:1], loaded.initial_state(1))
    assert_array_equal(ours.hidden, theirs.hidden)
    for each in (model, loaded):
        each.partial_fit(X[24:], y[24:])
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_a_fit_with_a_generator_goes_on_with_its_numbers(waves, tmp_path):
    X, y = waves
    for generator in (np.random.default_rng(5), np.random.RandomState(5)):
        model = GRUClassifier(**{**SMALL, "random_state": generator}).fit(X, y)
        loaded = again(model, tmp_path)
        ours, theirs = (each.fit(X, y).predict_proba(X) for each in (model, loaded))
        assert_array_equal(ours, theirs)


def test_what_has_not_been_fitted_keeps_its_parameters(tmp_path):
    params = {"lr": 0.5, "optimizer": torch.optim.Adagrad, "net_params": {"a": (1, 2)}}
    loaded = again(GRURegressor(**params), tmp_path)
    assert {k: v for k, v in loaded.get_params().items() if k in params} == params
    assert not hasattr(loaded, "net_")


def test_estimators_of_scikit_learn_come_back_with_ours_inside(waves, tmp_path):
    X, y = waves
    numbers = np.array([x.mean() for x in X])
    networks = [(str(s), GRUClassifier(**{**SMALL, "random_state": s})) for s in (1, 2)]
    regressor = GRURegressor(**SMALL)
    for model, target in [
        (make_pipeline(skrnn.SequenceScaler("robust"), GRUClassifier(**SMALL)), y),
        (VotingClassifier(networks, voting="soft"), y),
        (TransformedTargetRegressor(regressor, transformer=StandardScaler()), numbers),
        (TransformedTargetRegressor(regressor), numbers),
    ]:
        loaded = again(model.fit(X, target), tmp_path)
        assert_array_equal(loaded.predict(X), model.predict(X))
        assert type(loaded) is type(model)


@pytest.mark.parametrize("name", skrnn.panel.__all__)
def test_panel_estimators_come_back(name, waves, tmp_path):
    X = np.stack([x[:10, 0] for x in waves[0]])[:, None, :]
    y = waves[1].astype(float if name.endswith("Regressor") else str)
    model = getattr(skrnn.panel, name)(**SMALL).fit(X, y)
    loaded = again(model, tmp_path)
    assert type(loaded) is type(model)
    assert_array_equal(loaded.predict(X), model.predict(X))


def passengers(kind):
    y = load_airline()[:60]
    if kind == "integers":
        return y.reset_index(drop=True)
    if kind == "times":
        return y.set_axis(y.index.to_timestamp())
    if kind == "hours":
        zone = pd.date_range("2024-03-30", periods=60, freq="h", tz="Europe/Berlin")
        return y.set_axis(zone)
    if kind == "frame":
        return pd.DataFrame({"one": y, "other": y.to_numpy()[::-1]})
    return y


@pytest.mark.parametrize("kind", ["periods", "times", "integers", "hours", "frame"])
def test_forecasters_come_back(kind, tmp_path):
    y = passengers(kind)
    model = GRUForecaster(**SMALL, n_estimators=2).fit(y[:50], fh=[1, 2, 5])
    loaded = again(model, tmp_path)
    for each in (model, loaded):
        each.update(y[50:55], update_params=False)
    ours, theirs = model.predict(), loaded.predict()
    assert_array_equal(ours, theirs)
    assert ours.index.equals(theirs.index)
    assert getattr(ours.index, "freq", None) == getattr(theirs.index, "freq", None)
    assert_array_equal(
        model.predict_interval(fh=[1, 9]), loaded.predict_interval(fh=[1, 9])
    )
    for each in (model, loaded):
        each.update(y[55:], update_params=True)
    assert_array_equal(model.predict(), loaded.predict())


@pytest.mark.parametrize("cls", ["RNNForecaster", "LSTMForecaster", "GRUForecaster"])
def test_forecasters_of_panels_come_back(cls, tmp_path):
    y = _make_hierarchical((2, 2), 30, 30, random_state=0)
    letters = pd.Categorical(["u", "v"] * (len(y) // 2))
    X = pd.DataFrame({"number": np.arange(len(y)), "letter": letters}, index=y.index)
    model = getattr(skrnn.forecasting, cls)(**SMALL, past_only=["number"])
    model.fit(y, X=X)
    loaded = again(model, tmp_path)
    later = X[["letter"]].reset_index()
    later.iloc[:, 2] += pd.Timedelta(30, "D")
    later = later.set_index(X.index.names)
    ours, theirs = (each.predict(fh=[1, 3], X=later) for each in (model, loaded))
    pd.testing.assert_frame_equal(ours, theirs)


def test_a_further_series_takes_little_room(tmp_path):
    sizes = []
    for n in (10, 60):
        y = _make_hierarchical((n,), 30, 30, random_state=0)
        model = GRUForecaster(**SMALL, n_estimators=1).fit(y)
        skrnn.save(model, tmp_path / "model")
        sizes.append(len(parts_of(tmp_path / "model")["config.json"]))
    assert sizes[1] - sizes[0] < 50 * 50


def test_series_of_different_times_come_back(tmp_path):
    parts = {
        "early": pd.period_range("2020-01", periods=30, freq="M"),
        "late": pd.period_range("2021-01", periods=30, freq="M"),
        "again": pd.period_range("2020-01", periods=30, freq="M"),
        "longer": pd.period_range("2020-01", periods=40, freq="M"),
    }
    y = pd.concat(
        {k: pd.DataFrame({"y": np.arange(len(v)) % 7.0}, v) for k, v in parts.items()}
    )
    model = GRUForecaster(**SMALL, n_estimators=1).fit(y, fh=[1, 2])
    loaded = again(model, tmp_path)
    pd.testing.assert_frame_equal(loaded.predict(), model.predict(), check_exact=True)


def test_a_forecaster_that_remembers_its_data_comes_back(tmp_path):
    model = GRUForecaster(**SMALL).set_config(remember_data=True)
    y = load_airline()
    kinds = pd.CategoricalDtype(["warm", "cold", "never"], ordered=True)
    seasons = np.where(y.index.month.isin([6, 7, 8]), "warm", "cold")
    X = {"month": y.index.month, "season": pd.Categorical(seasons, dtype=kinds)}
    model.fit(y, X=pd.DataFrame(X, y.index), fh=[1])
    loaded = again(model, tmp_path)
    pd.testing.assert_series_equal(loaded._y.squeeze(), model._y.squeeze())
    pd.testing.assert_frame_equal(loaded._X, model._X)


@pytest.mark.parametrize("way", ["file", "pickle"])
def test_what_a_gpu_fitted_is_loaded_where_there_is_none(way, waves, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    X, y = waves
    classifier = GRUClassifier(**SMALL).fit(X, y)
    classifier.device = "cuda"
    forecaster = GRUForecaster(**SMALL).fit(load_airline(), fh=[1, 2])
    vars(forecaster._memory)["device"] = torch.device("cuda:0")
    expected = classifier.predict_proba(X)

    def load(model):
        if way == "file":
            return again(model, tmp_path)
        return pickle.loads(pickle.dumps(model))

    with pytest.warns(UserWarning, match="on the CPU: device"):
        loaded = load(classifier)
    assert_array_equal(loaded.predict_proba(X), expected)
    loaded = load(forecaster)  # which looks for a device at each forecast
    assert np.isfinite(loaded.predict()).all()
    forecaster.device = "cuda"
    with pytest.warns(UserWarning, match="on the CPU: device"):
        load(forecaster).predict()


def test_a_file_is_a_zip_of_json_and_safetensors(saved):
    """Which other programs read; the weights are those of the network."""
    model, path = saved
    parts = parts_of(path)
    arrays = safetensors.numpy.load(parts["model.safetensors"])
    weights = model.module_.state_dict()
    for name, weight in weights.items():
        assert_array_equal(arrays[f"GRUClassifier.net_.weights.{name}"], weight)
    config = json.loads(parts["config.json"])["objects"][0]
    assert config["class"] == "GRUClassifier"
    assert config["state"]["hidden_size"] == 3
    versions = json.loads(parts["manifest.json"])["versions"]
    assert versions["skrnn"] == skrnn.__version__
    assert versions["torch"].startswith("2.")


def test_the_same_model_gives_the_same_file(saved, tmp_path):
    model, path = saved
    skrnn.save(model, tmp_path / "again.skrnn")
    assert (tmp_path / "again.skrnn").read_bytes() == path.read_bytes()


# --- what is refused -----------------------------------------------------------------


def squared(outputs, targets):
    return (outputs - targets) ** 2


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (PCA(), "estimator is a PCA, expected an estimator of skrnn"),
        ("model", "estimator is a str"),
        (GRURegressor(loss=squared), r"GRURegressor.loss is <function squared .*code"),
        (GRURegressor(callbacks=[EpochScoring("r2")]), r"GRURegressor.callbacks.0 is"),
        (Pipeline([("pca", PCA())]), r"Pipeline.steps.0.1 is PCA\(\)"),
    ],
)
def test_what_no_file_can_hold_is_named(model, message, tmp_path):
    with pytest.raises(TypeError, match=message):
        skrnn.save(model, tmp_path / "model.skrnn")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "index",
    [
        pd.date_range(
            "2024-01-01",
            periods=40,
            freq=pd.offsets.CustomBusinessDay(weekmask="Mon Tue"),
        ),
        pd.date_range(
            "2024-01-01",
            periods=40,
            freq="h",
            tz=datetime.timezone(datetime.timedelta(hours=1), "CET1"),
        ),
    ],
)
def test_times_that_have_no_name_are_refused_when_they_are_saved(index, tmp_path):
    """Not when the model is needed again."""
    y = pd.Series(np.arange(40.0), index)
    model = GRUForecaster(**SMALL, n_estimators=1).fit(y)
    with pytest.raises(TypeError, match=r"DatetimeIndex\), which a model file cannot"):
        skrnn.save(model, tmp_path / "model")


def test_what_would_be_too_large_to_read_is_not_written(saved, tmp_path, monkeypatch):
    monkeypatch.setitem(_files.LARGEST, "config.json", 3000)
    with pytest.raises(
        ValueError, match=r"config.json would have \d+ bytes, more than"
    ):
        skrnn.save(saved[0], tmp_path / "model")


def test_a_bit_generator_that_RandomState_cannot_set_is_refused(tmp_path):
    model = GRURegressor(random_state=np.random.RandomState(np.random.PCG64(3)))
    with pytest.raises(TypeError, match=r"GRURegressor.random_state is RandomState"):
        skrnn.save(model, tmp_path / "model")


def test_paths_sets_and_all_optimizers_of_torch_come_back(tmp_path):
    params = {
        "checkpoint": Path("some") / "file",
        "optimizer": torch.optim.Adafactor,
        "net_params": {"a": {(1, 2), (3, 4)}},
    }
    loaded = again(GRURegressor(**params), tmp_path)
    assert loaded.checkpoint == str(Path("some") / "file")
    assert loaded.optimizer is torch.optim.Adafactor
    assert loaded.net_params == params["net_params"]


def test_classes_made_from_ours_are_refused(tmp_path):
    class GRUClassifier(skrnn.GRUClassifier):
        pass

    with pytest.raises(TypeError, match="estimator is a GRUClassifier, expected"):
        skrnn.save(GRUClassifier(), tmp_path / "model.skrnn")


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        skrnn.load(tmp_path / "nothing.skrnn")
    with pytest.raises(IsADirectoryError):
        skrnn.load(tmp_path)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        skrnn.save(GRURegressor(), tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK", b"\x80\x04N.", os.urandom(5000)])
def test_other_files_are_refused(content, tmp_path):
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"other cannot be loaded as a model"):
        skrnn.load(tmp_path / "other")


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("write", [pickle.dump, torch.save, joblib.dump])
def test_row_81_code_in_a_file_is_not_run(write, tmp_path):
    harmed = tmp_path / "harmed"
    with (tmp_path / "other").open("wb") as file:
        write(Payload(harmed), file)
    with pytest.raises(ModelFileError, match=r"other cannot be loaded as a model"):
        skrnn.load(tmp_path / "other")
    assert not harmed.exists()
    pickle.loads(pickle.dumps(Payload(harmed)))
    assert harmed.exists()


def test_without_safetensors_it_says_what_to_install(saved, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match="need safetensors: pip install safetensors"):
        skrnn.save(saved[0], tmp_path / "model")
    with pytest.raises(ImportError, match="need safetensors: pip install safetensors"):
        skrnn.load(saved[1])
    assert not list(tmp_path.iterdir())


def test_files_that_were_cut_off_are_refused(saved, tmp_path):
    whole = saved[1].read_bytes()
    for length in [*range(0, len(whole), 997), len(whole) - 1]:
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(ModelFileError):
            skrnn.load(tmp_path / "cut")


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_a_flipped_bit_is_found_or_changes_nothing(saved, waves, tmp_path, data):
    model, path = saved
    whole = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1), "place")
    whole[place] ^= 1 << data.draw(st.integers(0, 7), "bit")
    (tmp_path / "flipped").write_bytes(whole)
    try:
        loaded = skrnn.load(tmp_path / "flipped")
    except ModelFileError:
        return
    assert_array_equal(loaded.predict_proba(waves[0]), model.predict_proba(waves[0]))
    assert repr(loaded.get_params()) == repr(model.get_params())


def rename(state, arrays, manifest):
    state["class"] = "os.system"


def add_attribute(state, arrays, manifest):
    state["state"]["predict"] = "echo"


def add_dunder(state, arrays, manifest):
    state["state"]["__class__"] = "echo"


def drop_steps(state, arrays, manifest):
    state["class"] = "Pipeline"


def enlarge(state, arrays, manifest):
    net = dict(state["state"]["net_"]["items"])
    dict_of(net["config"])["hidden_size"][1] = 10**9


def deepen(state, arrays, manifest):
    net = dict(state["state"]["net_"]["items"])
    dict_of(net["config"])["num_layers"][1] = 10**12


def reshape(state, arrays, manifest):
    name = next(name for name in arrays if name.endswith("head.weight"))
    arrays[name] = arrays[name].T.copy()


def drop_array(state, arrays, manifest):
    del arrays[next(iter(arrays))]


def add_array(state, arrays, manifest):
    arrays["more"] = np.zeros(3)


def nest(state, arrays, manifest):
    deep = []
    for _ in range(900):
        deep = [deep]
    state["state"]["verbose"] = deep


def overflow(state, arrays, manifest):
    arrays["key"] = np.zeros(624, dtype=np.uint32)
    inside = {"is": "dict", "items": [["key", {"is": "array", "name": "key"}]]}
    inside["items"].append(["pos", 2**30])
    plain = {"bit_generator": "MT19937", "has_gauss": 0, "gauss": 0.0}
    found = {"is": "RandomState", "state": {**plain, "state": inside}}
    state["state"]["random_state"] = found


def bunch(state, arrays, manifest):
    arrays.clear()
    state["class"], state["state"] = "Bunch", {"get_params": 1}


def unknown_kind(state, arrays, manifest):
    state["state"]["verbose"] = {"is": "lambda", "code": "1"}


def unknown_optimizer(state, arrays, manifest):
    state["state"]["optimizer"] = {"is": "optimizer", "name": "lr_scheduler"}


def unknown_generator(state, arrays, manifest):
    inside = {"bit_generator": "seed"}
    state["state"]["random_state"] = {"is": "Generator", "state": inside}


def unknown_type(state, arrays, manifest):
    state["state"]["classes_"]["dtype"] = "O"


def newer(state, arrays, manifest):
    manifest["format_version"] = 99
    manifest["versions"]["skrnn"] = "7.0"


def foreign(state, arrays, manifest):
    manifest["format"] = "keras"


def dict_of(described):
    return {item[0]: item for item in described["items"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (rename, "it holds a 'os.system', which is none of"),
        (add_attribute, r"GRUClassifier has wrong attributes: \['predict'\]"),
        (add_dunder, "wrong attributes"),
        (drop_steps, r"Pipeline has wrong attributes: \['steps'\]"),
        (enlarge, "numbers are not the weights of a network with"),
        (deepen, "numbers are not the weights of a network with"),
        (reshape, "size mismatch for head.weight"),
        (drop_array, "cannot be loaded"),
        (add_array, r"nothing uses \['more'\]"),
        (nest, "cannot be loaded"),
        (overflow, "it holds a generator that stands beyond its end"),
        (bunch, "it holds no estimator"),
        (unknown_kind, "it holds a value of unknown kind 'lambda'"),
        (unknown_optimizer, "it holds an optimizer 'lr_scheduler'"),
        (unknown_generator, "it holds a 'seed'"),
        (unknown_type, "it holds an array of 'O'"),
        (newer, "format 99, written by skrnn 7.0, .* up to 2: upgrade skrnn"),
        (foreign, "its manifest is not one of a skrnn model"),
    ],
)
def test_files_made_to_deceive_are_refused(change, message, saved, tmp_path):
    forge(tmp_path / "forged", saved[1], change)
    with pytest.raises(ModelFileError, match=message):
        skrnn.load(tmp_path / "forged")


def read_plain(top, objects=()):
    """Make what a file with this tree would hold."""
    return Reader({}).read({"top": top, "objects": [*objects]})


def test_objects_may_not_hold_each_other_without_end():
    """To look for one in a set would go through all of them."""

    def chain(n):
        inside = [{"is": "made", "place": place + 1} for place in range(n - 1)]
        return [
            {"class": "Standing", "state": {"carry": each, "missing": 0, "hidden": 0}}
            for each in [*inside, 0]
        ]

    first = {"is": "made", "place": 0}
    assert read_plain(first, chain(1000)).missing == 0
    with pytest.raises(ModelFileError, match="more than 1000 objects hold each other"):
        read_plain(first, chain(1001))


ENDLESS = {"is": "range", "start": 0, "stop": 10**15, "step": 1, "name": None}
MANY = {**ENDLESS, "stop": 10**9}


@pytest.mark.parametrize(
    "tree",
    [
        {"is": "set", "parts": ENDLESS},
        {"is": "frozenset", "parts": ENDLESS},
        {"is": "tuple", "parts": ENDLESS},
        {"is": "dict", "items": ENDLESS},
        {"is": "texts", "parts": ENDLESS, "dtype": "O", "shape": [1]},
        {"is": "series", "values": 1, "index": MANY, "dtype": "float64", "name": "a"},
        {"is": "series", "values": MANY, "index": MANY, "dtype": "int64", "name": "a"},
        {
            "is": "frame",
            "values": [1.0],
            "index": MANY,
            "dtypes": [None],
            "columns": [],
        },
        {"is": "levels", "levels": [MANY, MANY], "names": ["a", "b"]},
    ],
    ids=lambda tree: tree["is"],
)
def test_what_would_be_made_larger_than_a_file_is_refused(tree):
    with pytest.raises((ModelFileError, ValueError), match="it holds"):
        read_plain(tree)


@pytest.mark.parametrize("name", ["places", "indexes", "keys"])
def test_a_panel_without_end_is_refused(name):
    parts = {"keys": [], "indexes": [], "places": np.zeros(0, int)}
    parts["values"] = np.zeros((0, 1))
    endless = pd.RangeIndex(10**15)
    parts[name] = [endless] if name == "keys" else endless
    with pytest.raises(ValueError, match="no series side by side"):
        split_panel(Panel(**parts))


def test_what_a_pickle_packs_is_nothing_to_a_file(tmp_path):
    """Each forecaster would else be unpacked in the other, again and again."""
    model = GRUForecaster(**SMALL)
    skrnn.save(model, tmp_path / "model")

    def pack(state, arrays, manifest):
        packed = {"tree": "not json", "arrays": {}, "others": []}
        items = [
            [k, {"is": "dict", "items": []} if k == "arrays" else v]
            for k, v in packed.items()
        ]
        state["state"]["learned"] = {"is": "dict", "items": items}

    forge(tmp_path / "forged", tmp_path / "model", pack)
    assert skrnn.load(tmp_path / "forged").hidden_size == 3


def test_listeners_are_not_saved(waves, tmp_path):
    model = GRUClassifier(**SMALL).set_callbacks(ScoringMonitor(scoring="accuracy"))
    loaded = again(model.fit(*waves), tmp_path)
    assert_array_equal(loaded.predict(waves[0]), model.predict(waves[0]))
    assert "_skl_callbacks" not in vars(loaded)


def test_a_parameter_that_is_newer_than_a_file_has_its_default(saved, tmp_path):
    def forget(state, arrays, manifest):
        del state["state"]["weight_decay"]

    forge(tmp_path / "old", saved[1], forget)
    assert skrnn.load(tmp_path / "old").weight_decay == 0.01


def test_a_forged_file_without_a_change_is_loaded(saved, tmp_path):
    """So that the tests before fail for their own reason."""
    forge(tmp_path / "forged", saved[1], lambda *parts: None)
    assert skrnn.load(tmp_path / "forged").hidden_size == 3


def test_weights_of_another_forecaster_are_refused(tmp_path):
    model = GRUForecaster(**SMALL).fit(load_airline())
    skrnn.save(model, tmp_path / "model")

    def enlarge(state, arrays, manifest):
        dict_of(state["state"]["config"])["hidden_size"][1] = 10**7

    forge(tmp_path / "forged", tmp_path / "model", enlarge, "Network")
    with pytest.raises(ModelFileError, match="are not the weights of a network with"):
        skrnn.load(tmp_path / "forged")


@pytest.mark.parametrize(
    "name", ["hidden", "missing", "profile", "values", "levels", "size", "fast"]
)
def test_a_standing_that_is_none_of_its_network_is_refused(name, tmp_path):
    """The compiled walk would read what is not there."""
    skrnn.save(GRUForecaster(**SMALL).fit(load_airline()), tmp_path / "model")

    def cut(state, arrays, manifest):
        ends = tuple(
            f"standings{series}.{part}{name}"
            for series in ("", ".0")  # that of the first format
            for part in ("", "carry.")
        )
        (place,) = (k for k in arrays if k.endswith(ends))
        arrays[place] = arrays[place][..., :0].copy()

    for source in (tmp_path / "model", GOLDEN / "format1_forecaster.skrnn"):
        forge(tmp_path / "forged", source, cut)
        with pytest.raises(ModelFileError, match="y was not read by this network"):
            skrnn.load(tmp_path / "forged")


def take_away_a_series(state, arrays, manifest):
    place = next(k for k in arrays if k.endswith("series.places"))
    arrays[place] = arrays[place][1:].copy()


def ask_for_other_times(state, arrays, manifest):
    place = next(k for k in arrays if k.endswith("series.places"))
    arrays[place] = arrays[place] + 1


def shorten_the_values(state, arrays, manifest):
    place = next(k for k in arrays if k.endswith("series.values"))
    arrays[place] = arrays[place][1:].copy()


def shorten_what_was_told(state, arrays, manifest):
    place = next(k for k in arrays if k.endswith("_memory.told"))
    arrays[place] = arrays[place][1:].copy()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (take_away_a_series, "differ in number"),
        (ask_for_other_times, "index out of range"),
        (shorten_the_values, "was not read by this network"),
        (shorten_what_was_told, "differ in number"),
    ],
)
def test_a_panel_whose_parts_do_not_fit_is_refused(change, message, tmp_path):
    y = _make_hierarchical((3,), 30, 30, random_state=0)
    skrnn.save(GRUForecaster(**SMALL, n_estimators=1).fit(y), tmp_path / "model")
    forge(tmp_path / "forged", tmp_path / "model", change)
    with pytest.raises(ModelFileError, match=message):
        skrnn.load(tmp_path / "forged")


@pytest.mark.parametrize(
    "described",
    [
        {"is": "texts", "dtype": "<U300000000", "shape": [1], "parts": ["a"]},
        {
            "is": "index",
            "values": {"is": "range", "start": 0, "stop": 10**10, "step": 1},
            "dtype": "float64",
            "name": None,
        },
    ],
)
def test_no_more_memory_is_taken_than_a_file_has(described, saved, tmp_path):
    def hide(state, arrays, manifest):
        described.get("values", {})["name"] = None
        state["state"]["verbose"] = described

    forge(tmp_path / "forged", saved[1], hide)
    tracemalloc.start()
    try:
        with contextlib.suppress(ModelFileError):
            skrnn.load(tmp_path / "forged")
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()


def test_compressed_parts_are_refused_before_they_are_read(saved, tmp_path):
    parts = parts_of(saved[1]) | {"config.json": b" " * 10**8}
    write_parts(tmp_path / "bomb", parts, zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelFileError, match=r"is compressed"):
        skrnn.load(tmp_path / "bomb")


def test_more_parts_than_there_should_be_are_refused(saved, tmp_path):
    write_parts(tmp_path / "more", parts_of(saved[1]) | {"../../evil": b"x"})
    with pytest.raises(ModelFileError, match=r"expected .*found \['\.\./\.\./evil'"):
        skrnn.load(tmp_path / "more")


DEEP = 100_000
PIPELINES = b'{"is": "object", "class": "Pipeline", "state": {"steps": ['


@pytest.mark.parametrize("first", ["estimator", "objects"])
@pytest.mark.parametrize(
    "nested",
    [
        b"[" * DEEP + b"]" * DEEP,
        b'{"is": "tuple", "parts": [' * DEEP + b"]}" * DEEP,
        PIPELINES * DEEP + b"]}}" * DEEP,
    ],
)
def test_json_that_is_nested_without_end_is_refused(nested, first, saved, tmp_path):
    parts = parts_of(saved[1])
    parts["config.json"] = b'{"top": 0, "%s": %s}' % (first.encode(), nested)
    manifest = json.loads(parts["manifest.json"])
    checksum = sha256(parts["config.json"]).hexdigest()
    about = {"size": len(parts["config.json"]), "sha256": checksum}
    manifest["files"]["config.json"] = about
    parts["manifest.json"] = json.dumps(manifest).encode()
    write_parts(tmp_path / "nested", parts)
    with pytest.raises(ModelFileError, match="maximum recursion depth"):
        skrnn.load(tmp_path / "nested")


def test_a_manifest_that_is_nested_without_end_is_refused(saved, tmp_path):
    parts = parts_of(saved[1])
    parts["manifest.json"] = b"[" * 50_000
    write_parts(tmp_path / "nested", parts)
    with pytest.raises(ModelFileError, match="maximum recursion depth"):
        skrnn.load(tmp_path / "nested")


@pytest.mark.parametrize("place", [0, 1, -1, "0", None])
def test_an_object_inside_itself_is_refused(place, saved, tmp_path):
    def turn(state, arrays, manifest):
        state["state"]["verbose"] = {"is": "made", "place": place}

    forge(tmp_path / "forged", saved[1], turn)
    with pytest.raises(ModelFileError, match="cannot be loaded"):
        skrnn.load(tmp_path / "forged")


def nested(model, n_pipelines):
    for _ in range(n_pipelines):
        model = Pipeline([("inside", model)])
    return model


def test_pipelines_come_back_however_deep_they_are_nested(saved, waves, tmp_path):
    model = saved[0]
    loaded = again(nested(model, 500), tmp_path)
    for _ in range(500):
        ((name, loaded),) = loaded.steps
        assert name == "inside"
    assert_array_equal(loaded.predict_proba(waves[0]), model.predict_proba(waves[0]))


def test_what_holds_itself_is_refused(tmp_path):
    params = {"a": 1}
    params["b"] = [params]
    pipeline = Pipeline([("one", GRURegressor())])
    pipeline.steps += [("two", pipeline), ("three", pipeline)]
    for model in (GRURegressor(net_params=params), pipeline):
        with pytest.raises(
            ValueError, match=r"of (GRURegressor|Pipeline) holds itself"
        ):
            skrnn.save(model, tmp_path / "model")
    assert not list(tmp_path.iterdir())


# --- what stays whole ----------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_an_old_file_stays_if_a_new_one_cannot_be_written(
    number, saved, tmp_path, monkeypatch
):
    path = tmp_path / "model.skrnn"
    path.write_bytes(saved[1].read_bytes())

    def fail(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"was not written .* stays") as caught:
        skrnn.save(GRURegressor(), path)
    assert caught.value.errno == number
    assert path.read_bytes() == saved[1].read_bytes()
    assert [each.name for each in tmp_path.iterdir()] == ["model.skrnn"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_a_full_disk_is_named(saved, tmp_path, monkeypatch):
    """Where the draft itself cannot be written."""
    real = Path.open

    def full(self, mode="r", *args, **kwargs):
        return real(Path("/dev/full"), "wb") if mode == "xb" else real(self, mode)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space left on device"):
        skrnn.save(saved[0], tmp_path / "model.skrnn")


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="was not written"):
        skrnn.save(GRURegressor(), tmp_path / "nowhere" / "model.skrnn")


def test_a_new_file_can_be_read_by_whom_the_umask_lets(tmp_path):
    before = os.umask(0o022)
    try:
        skrnn.save(GRURegressor(), tmp_path / "model.skrnn")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "model.skrnn").stat().st_mode) == 0o644


def test_an_old_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "model.skrnn"
    skrnn.save(GRURegressor(), path)
    path.chmod(0o600)
    skrnn.save(GRURegressor(), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_may_have_a_long_name(tmp_path):
    skrnn.save(GRURegressor(), tmp_path / ("m" * 250))


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "model.skrnn")
    skrnn.save(GRURegressor(hidden_size=5), tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert skrnn.load(tmp_path / "model.skrnn").hidden_size == 5


def save_for_ever(models, path, begun):
    while True:
        for model in models:
            skrnn.save(model, path)
            begun.set()


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_a_whole_file(waves, tmp_path):
    path = tmp_path / "model.skrnn"
    models = [GRUClassifier(**{**SMALL, "hidden_size": n}).fit(*waves) for n in (3, 9)]
    skrnn.save(models[0], path)
    draw, sizes = random.Random(0), set()
    for _ in range(50):
        context = multiprocessing.get_context("fork")
        begun, order = context.Event(), draw.sample(models, 2)
        process = context.Process(target=save_for_ever, args=(order, path, begun))
        process.start()
        assert begun.wait(60)
        time.sleep(draw.uniform(0.0, 0.05))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        sizes.add(skrnn.load(path).hidden_size)
    assert sizes == {3, 9}


# --- golden files --------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.skrnn")), ids=lambda p: p.name)
def test_files_of_every_format_are_loaded_by_every_later_version(path):
    """They are never made anew; tests/golden/make.py made them."""
    model = skrnn.load(path)
    with np.load(io.BytesIO(path.with_suffix(".npz").read_bytes())) as known:
        if hasattr(model, "predict_quantiles"):
            got = model.predict_quantiles(fh=[1, 2, 12], alpha=[0.1, 0.9]).to_numpy()
        else:
            got = model.predict_proba(list(known["X"]))
        np.testing.assert_allclose(got, known["expected"], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*classifier.skrnn")), ids=str)
def test_models_of_every_format_are_trained_further(path):
    """What is newer than a file does not keep it from that."""
    model = skrnn.load(path)
    with np.load(io.BytesIO(path.with_suffix(".npz").read_bytes())) as known:
        X = list(known["X"])
    y = np.resize(model.classes_, len(X))
    before = model.predict_proba(X)
    assert abs(model.partial_fit(X, y).predict_proba(X) - before).max() > 0
    model.set_params(warm_start=True, random_state=0).fit(X, y)


def test_the_golden_files_are_there():
    names = {path.stem for path in GOLDEN.glob("*.skrnn")}
    kinds = ("classifier", "pipeline", "forecaster")
    assert names >= {f"format{n}_{kind}" for n in (1, 2) for kind in kinds}
    assert "format2_panel" in names
