"""What pickles and files of skops hold, and values of pandas as plain ones."""

import copy
import datetime
import io
import json
import pickle
import zoneinfo

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from skorch.callbacks import Callback, LRScheduler
from sktime.base import load
from sktime.datasets import load_airline
from sktime.datatypes._dtypekind import DtypeKind
from sktime.forecasting.base import ForecastingHorizon
from sktime.utils._testing.hierarchical import _make_hierarchical

import skrnn
import skrnn.panel
from skrnn._plain import Reader, Writer
from skrnn.datasets import make_waves
from skrnn.forecasting import GRUForecaster, LSTMForecaster, RNNForecaster

SMALL = {"hidden_size": 3, "max_epochs": 2, "random_state": 0}
FH = [1, 2, 5]
MONDAYS = pd.offsets.CustomBusinessDay(weekmask="Mon")


def airline(kind):
    y = load_airline()[:60]
    if kind == "times":
        return y.set_axis(y.index.to_timestamp())
    if kind == "integers":
        return y.reset_index(drop=True)
    if kind == "hours":
        zone = pd.date_range("2024-03-30", periods=60, freq="h", tz="Europe/Berlin")
        return y.set_axis(zone)
    if kind == "columns":
        return pd.DataFrame({1: y, "two": y.to_numpy()[::-1]})
    return y


def waves_of(name):
    """A panel for a class of skrnn.panel."""
    X, y = make_waves(n_sequences=24, n_steps=12, random_state=0)
    y = y.astype(float) if name.endswith("Regressor") else y.astype(str)
    return X.transpose(0, 2, 1), y


class Watch(pickle.Unpickler):
    """Remembers all that a pickle loads by its name."""

    def find_class(self, module, name):
        self.names.add(f"{module}.{name}")
        return super().find_class(module, name)


def names_in(pickled):
    watch = Watch(io.BytesIO(pickled))
    watch.names = set()
    watch.load()
    return watch.names


def pickled(model):
    return pickle.loads(pickle.dumps(model))


def dumped(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    return joblib.load(io.BytesIO(file.getvalue()))


def through_skops(model):
    """Dump and load, with our own names trusted only."""
    data = skops.io.dumps(model)
    names = skops.io.get_untrusted_types(data=data)
    assert names == [f"{type(model).__module__}.{type(model).__name__}"]
    return skops.io.loads(data, trusted=names)


copies = pytest.mark.parametrize(
    "copied",
    [
        pickled,
        dumped,
        copy.copy,
        copy.deepcopy,
        lambda m: load(m.save()),
        through_skops,
    ],
    ids=["pickle", "joblib", "copy", "deepcopy", "sktime", "skops"],
)


# --- forecasters ---------------------------------------------------------------------


@copies
@pytest.mark.parametrize("kind", ["periods", "times", "integers", "hours", "columns"])
def test_a_copy_of_a_forecaster_goes_on_like_it(copied, kind):
    y = airline(kind)
    model = GRUForecaster(**SMALL, n_estimators=2).fit(y[:50], fh=FH)
    model.update(y[50:54], update_params=False)
    other = copied(model)
    assert other.get_params() == model.get_params()
    assert other.get_tags() == model.get_tags()
    assert other.cutoff.identical(model.cutoff)
    assert other.history_ == model.history_
    for each in (model, other):
        each.update(y[54:56], update_params=False)
        each.update(y[56:], update_params=True)
    ours, theirs = (each.predict_interval() for each in (model, other))
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True, check_freq=True)


@copies
@pytest.mark.parametrize("cls", [RNNForecaster, LSTMForecaster])
def test_a_copy_of_a_forecaster_of_a_panel_goes_on_like_it(copied, cls):
    y = _make_hierarchical((2, 3), 30, 30, random_state=0)
    n_times = 30 * np.arange(7)
    letters = pd.Categorical(["u", "v"] * (len(y) // 2))
    X = pd.DataFrame({"number": np.arange(len(y)), "letter": letters}, index=y.index)
    early = np.concatenate([np.arange(a, a + 24) for a in n_times[:-1]])
    later = np.setdiff1d(np.arange(len(y)), early)
    model = cls(**SMALL, n_estimators=1, past_only=["number"])
    model.fit(y.iloc[early], X=X.iloc[early])
    other = copied(model)
    ahead = X[["letter"]].iloc[later]
    ours, theirs = (each.predict(fh=FH, X=ahead) for each in (model, other))
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    for each in (model, other):
        each.update(y.iloc[later[:3]], X.iloc[later[:3]])  # of one series
    ours, theirs = (each.predict(fh=[1], X=ahead) for each in (model, other))
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


@copies
def test_a_copy_before_a_fit_is_one(copied):
    model = GRUForecaster(**SMALL, sp=(3, 4), optimizer="sgd")
    other = copied(model)
    assert not other.is_fitted
    assert other.get_params() == model.get_params()
    y = airline("periods")
    ours, theirs = (each.fit(y, fh=FH).predict() for each in (model, other))
    pd.testing.assert_series_equal(ours, theirs, check_exact=True)


@copies
def test_a_copy_of_a_pretrained_forecaster_is_one(copied):
    y = _make_hierarchical((4,), 30, 30, random_state=0)
    model = GRUForecaster(**SMALL, n_estimators=1).pretrain(y)
    other = copied(model)
    new = y.loc["h0_0"]
    ours, theirs = (each.fit(new, fh=FH).predict() for each in (model, other))
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


@pytest.mark.parametrize("names", [[1, 2], [np.str_("a"), "b"], [2.5, "b"]])
def test_keys_of_series_keep_their_type(names):
    """Random numbers of paths depend on them."""
    index = pd.Index(np.array(names, dtype=object)).repeat(20)
    steps = np.tile(np.arange(20), 2)
    y = pd.DataFrame({"y": steps % 7.0}, index=[index, steps])
    model = GRUForecaster(**SMALL, n_estimators=1).fit(y, fh=FH)
    ours, theirs = (each.predict_interval() for each in (model, pickled(model)))
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


def test_a_pickled_forecaster_holds_names_of_numpy_and_its_own_only():
    y = _make_hierarchical((3,), 30, 30, random_state=0)
    for data in (airline("periods"), y):
        model = GRUForecaster(**SMALL, n_estimators=2).fit(data, fh=FH)
        found = names_in(pickle.dumps(model))
        assert {n for n in found if not n.startswith("numpy.")} <= {
            "numpy.dtype",
            "skrnn.forecasting._forecasters.GRUForecaster",
            "_codecs.encode",
        }


class Counter(Callback):
    """Counts epochs from a number."""

    def __init__(self, first=0):
        self.first = first

    def on_epoch_end(self, net, **kwargs):
        net.history.record("number", self.first + len(net.history))


def squared(outputs, targets):
    return (outputs - targets) ** 2


@pytest.mark.parametrize("copied", [pickled, copy.deepcopy])
def test_callbacks_and_losses_of_a_user_are_pickled_as_they_are(copied):
    schedule = ("schedule", LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=1))
    params = {**SMALL, "callbacks": [Counter(5), schedule], "n_estimators": 1}
    params["lr_schedule"] = "constant"
    model = GRUForecaster(**params).fit(airline("periods"), fh=FH)
    other = copied(model)
    assert [type(other.callbacks[0]), other.callbacks[1][0]] == [Counter, "schedule"]
    pd.testing.assert_series_equal(model.predict(), other.predict(), check_exact=True)
    assert other.callbacks[0].first == clone(other).callbacks[0].first == 5
    assert [epoch["number"] for epoch in other.history_] == [6, 7]
    X, y = waves_of("GRURegressor")
    del params["n_estimators"]
    panel = skrnn.panel.GRURegressor(**params, loss=squared).fit(X, y)
    other = copied(panel)
    assert other.loss is squared
    assert type(other.callbacks[0]) is Counter
    assert_array_equal(other.predict(X), panel.predict(X))
    assert_array_equal(other.fit(X, y).predict(X), panel.fit(X, y).predict(X))


def test_times_without_a_name_are_pickled_as_they_are():
    times = pd.date_range("2024-01-01", periods=40, freq=MONDAYS)
    y = pd.Series(np.arange(40.0), times)
    model = GRUForecaster(**SMALL, n_estimators=1).fit(y, fh=FH)
    other = pickled(model)
    ours, theirs = model.predict(), other.predict()
    pd.testing.assert_series_equal(ours, theirs, check_exact=True, check_freq=True)
    assert other.cutoff.freq == MONDAYS


def test_a_pickle_from_before_is_read():
    """It held attributes as they are."""
    model = GRUForecaster(**SMALL, n_estimators=1).fit(airline("periods"), fh=FH)
    other = GRUForecaster.__new__(GRUForecaster)
    other.__setstate__(dict(vars(model)))
    pd.testing.assert_series_equal(model.predict(), other.predict(), check_exact=True)


def test_a_data_set_that_is_remembered_is_copied():
    model = GRUForecaster(**SMALL, n_estimators=1).set_config(remember_data=True)
    model.fit(airline("hours"), fh=FH)
    other = through_skops(model)
    pd.testing.assert_series_equal(other._y.squeeze(), model._y.squeeze())
    assert other.get_config() == model.get_config()


# --- panels --------------------------------------------------------------------------


@copies
@pytest.mark.parametrize("name", skrnn.panel.__all__)
def test_a_copy_of_an_estimator_of_panels_predicts_the_same(copied, name):
    X, y = waves_of(name)
    model = getattr(skrnn.panel, name)(**SMALL).fit(X, y)
    other = copied(model)
    assert other.get_params() == model.get_params()
    assert_array_equal(other.predict(X), model.predict(X))
    if name.endswith("Classifier"):
        assert_array_equal(other.predict_proba(X), model.predict_proba(X))
        assert_array_equal(other.classes_, model.classes_)
    assert other.get_fitted_params().keys() == model.get_fitted_params().keys()
    assert_array_equal(other.fit(X, y).predict(X), model.predict(X))


@pytest.mark.parametrize("name", skrnn.panel.__all__)
def test_a_pickled_estimator_of_panels_holds_no_torch(name):
    X, y = waves_of(name)
    model = getattr(skrnn.panel, name)(**SMALL).fit(X, y)
    found = names_in(pickle.dumps(model))
    assert {n.split(".")[0] for n in found} <= {"numpy", "skrnn", "_codecs"}


# --- values of pandas and sktime -----------------------------------------------------


def indexes():
    days = {"start": "2024-03-30", "periods": 50}
    yield pd.RangeIndex(3, 30, 3, name="t")
    yield pd.Index([1, 5, 9], name=("a", 1))
    yield pd.Index([1, 2], dtype="int32")
    yield pd.Index(["a", None, "b"], dtype="str")
    yield pd.Index(["a", 1, None, 2.5], dtype=object)
    yield pd.Index([True, False])
    yield pd.Index([1, 2], dtype="Int64")
    yield pd.date_range(**days)
    yield pd.date_range(**days, freq="2W-TUE", unit="s")
    yield pd.date_range(**days, freq="30min", tz="Europe/Berlin")
    yield pd.date_range("2024-10-27", periods=9, freq="h", tz="Europe/Berlin")
    yield pd.date_range(**days, tz=datetime.timezone(datetime.timedelta(hours=1)))
    yield pd.date_range(**days, tz=zoneinfo.ZoneInfo("America/New_York"))
    yield pd.DatetimeIndex(["2024-01-01", "2025-03-01"])
    yield pd.date_range("2024-01-01", periods=0, freq="D")
    yield pd.period_range("2024-01", periods=5, freq="2M", name="p")
    yield pd.period_range("2024-01", periods=5, freq="W-TUE")
    yield pd.period_range("2024-01", periods=0, freq="M")
    yield pd.timedelta_range("1D", periods=4, freq="2D", name="d")
    yield pd.TimedeltaIndex(["1D", "5D"])
    yield pd.CategoricalIndex(["b", "a"], categories=["c", "b", "a"], ordered=True)
    months = pd.period_range("2024-01", periods=3, freq="M")
    yield pd.MultiIndex.from_product([["x", "y"], months], names=["k", None])
    letters = pd.CategoricalIndex(["b", "a"], categories=["b", "a", "c"])
    yield pd.MultiIndex.from_product([letters, pd.date_range("2024", periods=2)])
    yield pd.MultiIndex.from_tuples([("a", 1), (np.nan, 2)])
    yield pd.MultiIndex.from_arrays([[], []])


def come_back(value):
    """Describe a value, write and read that as JSON, and make the value again."""
    writer = Writer()
    tree = json.loads(json.dumps(writer.write(value, "value")))
    return Reader(writer.arrays).read(tree)


@pytest.mark.parametrize("index", [*indexes()], ids=lambda index: type(index).__name__)
def test_an_index_comes_back(index):
    found = come_back(index)
    pd.testing.assert_index_equal(found, index, exact=True, check_exact=True)
    assert getattr(found, "freq", None) == getattr(index, "freq", None)
    assert found.names == index.names


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([1.0, 2], pd.date_range("2024", periods=2), name="q"),
        pd.Series(["a", None], dtype="str"),
        pd.Series([1, 2], dtype="Int64"),
        pd.Series(pd.date_range("2024", periods=2, tz="UTC")),
        pd.Series(pd.period_range("2024", periods=2, freq="M")),
        pd.Series(pd.Categorical(["a", "b"], categories=["b", "a", "z"])),
        pd.Series(pd.arrays.SparseArray([0.0, 1.0])),
    ],
    ids=lambda series: str(series.dtype),
)
def test_a_column_comes_back(series):
    pd.testing.assert_series_equal(come_back(series), series, check_exact=True)
    frame = pd.concat([series, series], axis=1, keys=[("a", 1), ("a", 1)])
    pd.testing.assert_frame_equal(come_back(frame), frame, check_exact=True)


@pytest.mark.parametrize(
    "fh",
    [
        ForecastingHorizon([1, 2, 5]),
        ForecastingHorizon([1, 2], freq="ME"),
        ForecastingHorizon([1], freq=pd.period_range("2024", periods=3, freq="2M")),
        ForecastingHorizon(pd.to_timedelta([1, 2], unit="D"), is_relative=True),
        ForecastingHorizon(pd.date_range("2024", periods=3, freq="B"), False),
        ForecastingHorizon(pd.period_range("2024", periods=3, freq="M"), False),
    ],
    ids=str,
)
def test_a_horizon_comes_back(fh):
    found = come_back(fh)
    assert type(found) is ForecastingHorizon
    pd.testing.assert_index_equal(found.to_pandas(), fh.to_pandas(), exact=True)
    assert (found.freq, found.is_relative) == (fh.freq, fh.is_relative)


@pytest.mark.parametrize(
    "value",
    [
        pd.Period("2024-05", "M"),
        pd.Timestamp("2024-05-06 07:08", tz="UTC"),
        pd.Timestamp("2024-05-06 07:08:09.123456789"),
        pd.Timestamp("2024-10-27 01:30", tz="UTC").tz_convert("Europe/Berlin"),
        pd.Timestamp("2024-10-27 01:30", tz=zoneinfo.ZoneInfo("America/New_York")),
        pd.Timestamp("2024-05-06", tz=datetime.timezone(datetime.timedelta(hours=-3))),
        DtypeKind.FLOAT,
        np.str_("text"),
        np.float32(0.1),
        np.datetime64("2024-05-06", "s"),
    ],
    ids=repr,
)
def test_a_single_value_comes_back(value):
    found = come_back(value)
    assert type(found) is type(value)
    assert found == value
    assert getattr(found, "tz", None) == getattr(value, "tz", None)
    assert getattr(found, "unit", None) == getattr(value, "unit", None)


@pytest.mark.parametrize(
    "value",
    [
        pd.date_range("2024", periods=5, freq=MONDAYS),
        ForecastingHorizon([1], freq=MONDAYS),
        pd.interval_range(0, 5),
        pd.NA,
        pd.offsets.MonthEnd(2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_plain_form_is_refused(value):
    with pytest.raises(TypeError, match="which a model file cannot hold"):
        come_back(value)
