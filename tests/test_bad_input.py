"""The fault list of the project's study, row by row: what users get wrong, and what
goes wrong around them. Each test has the number of its row in its name or docstring.

Rows that stand elsewhere:

====== ================================================================================
rows   where, and what is here
====== ================================================================================
11     forms of input that work: test_inputs.py; here only one ragged list
12     independence of batch mates: test_common.py, test_modules.py; here only one case
35     there are no categories in X; an unknown class in a further y is tested instead
49     forecasters: forecasting/test_bad_input.py; frames of polars are tested here
51-61  forecasting/test_bad_input.py, which has rows 25, 38-40, 49, 50, 63, 64, 69-72 of
       forecasters, too
77-84  test_saving.py and test_checkpoints.py
85     test_testing.py and test_plain.py; here only those with wrong parameters
86     test_devices.py and test_saving.py; here only that a missing device is refused
87-91  test_faults.py; here what a fit says of its device
92     test_tracking.py
====== ================================================================================
"""

import copy
import multiprocessing
import os
import pickle
import random
import re
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.exceptions import (
    ConvergenceWarning,
    DataConversionWarning,
    NotFittedError,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback, EpochScoring

from skrnn import (
    GRUClassifier,
    GRURegressor,
    LSTMClassifier,
    LSTMRegressor,
    RNNClassifier,
    RNNRegressor,
    Sequences,
    SequenceScaler,
    make_windows,
)
from skrnn._devices import one_thread
from skrnn._dumping import dump_net

N, N_STEPS, N_FEATURES = 20, 5, 2
REGRESSORS = [RNNRegressor, LSTMRegressor, GRURegressor]
CLASSIFIERS = [RNNClassifier, LSTMClassifier, GRUClassifier]

both_tasks = pytest.mark.parametrize("cls", [GRURegressor, GRUClassifier])


@pytest.fixture(autouse=True, scope="module")
def one_torch_thread() -> Iterator[None]:
    """Tiny networks on cores that others use too: waiting threads would cost most."""
    with one_thread(torch.device("cpu")):
        yield


def make(cls: Any = GRURegressor, **params: Any) -> Any:
    values = {"hidden_size": 4, "max_epochs": 2, "batch_size": 8, "random_state": 0}
    return cls(**{**values, "device": "cpu", **params})


def make_X(n: int = N, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal((n, N_STEPS, N_FEATURES))


def make_y(cls: Any, n: int = N) -> Any:
    """Means of the first feature, or whether they are positive."""
    means = make_X(n)[:, :, 0].mean(axis=1)
    return (means > 0).astype(int) if issubclass(cls, tuple(CLASSIFIERS)) else means


X = make_X()


def fitted(cls: Any = GRURegressor, **params: Any) -> Any:
    return make(cls, **params).fit(X, make_y(cls))


def answers(model: Any, X: Any = X) -> Any:
    """What a fitted model says, in numbers."""
    return model.predict_proba(X) if is_classifier(model) else model.predict(X)


def with_value(value: float, *place: int) -> Any:
    changed = X.copy()
    changed[place] = value
    return changed


# --- numbers that are no numbers: rows 1 to 5 ----------------------------------------


@both_tasks
def test_row_1_nan_in_X(cls: Any) -> None:
    message = (
        r"Input X contains NaN: 1 value, the first is nan in sequence 3, step 1, "
        rf"feature 0\. {cls.__name__} does not accept missing values\. Impute them "
        r"first or set missing='mask'\."
    )
    bad = with_value(np.nan, 3, 1, 0)
    with pytest.raises(ValueError, match=message):
        make(cls).fit(bad, make_y(cls))
    with pytest.raises(ValueError, match=message):
        fitted(cls).predict(bad)
    assert np.isfinite(answers(make(cls, missing="mask").fit(bad, make_y(cls)))).all()


def test_row_1_nan_in_ragged_X_at_the_end() -> None:
    ragged = [X[0], X[1][:3].copy()]
    ragged[1][2] = np.nan
    with pytest.raises(
        ValueError, match=r"2 values.*sequence 1, step 2.*padding='nan'"
    ):
        make().fit(ragged, [0.0, 1.0])


@both_tasks
@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("missing", ["error", "mask"])
def test_row_2_infinity_in_X(cls: Any, value: float, missing: str) -> None:
    message = (
        rf"Input X contains infinity: 1 value, the first is {value} in sequence 19, "
        r"step 4, feature 1.*remove or clip"
    )
    bad = with_value(value, 19, 4, 1)
    with pytest.raises(ValueError, match=message):
        make(cls, missing=missing).fit(bad, make_y(cls))
    with pytest.raises(ValueError, match=message):
        fitted(cls, missing=missing).predict(bad)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_row_2_infinity_in_y(value: float) -> None:
    y = make_y(GRURegressor)
    y[4] = value
    with pytest.raises(ValueError, match="Input y contains infinity"):
        make().fit(X, y)


@both_tasks
def test_row_3_nan_in_y(cls: Any) -> None:
    y = make_y(cls).astype(float)
    y[4] = np.nan
    with pytest.raises(ValueError, match="Input y contains NaN"):
        make(cls).fit(X, y)


@both_tasks
def test_row_4_numbers_too_large_for_float32(cls: Any) -> None:
    bad = with_value(1e300, 2, 0, 1)
    message = (
        r"Input X is too large for float32 .*1 value, the first is 1e\+300 in "
        r"sequence 2, step 0, feature 1\. Scale X, for example with SequenceScaler, "
        r"or set dtype='float64'\."
    )
    with pytest.raises(ValueError, match=message):
        make(cls).fit(bad, make_y(cls))
    with pytest.raises(ValueError, match=message):
        fitted(cls).predict(bad)
    wide = make(cls, dtype="float64").fit(bad, make_y(cls))
    assert np.isfinite(answers(wide, bad)).all()


def test_row_4_large_targets_are_scaled_before_they_are_cast() -> None:
    y = make_y(GRURegressor)
    expected = make().fit(X, y).predict(X)
    predictions = make().fit(X, y * 2.0**900).predict(X)
    assert_allclose(predictions / 2.0**900, expected, rtol=1e-5)


@pytest.mark.parametrize("factor", [2.0**-100, 2.0**100, 2.0**1000, 2.0**-1000])
def test_row_5_the_unit_of_y_changes_nothing(factor: float) -> None:
    y = make_y(GRURegressor)
    expected = make().fit(X, y).predict(X)
    predictions = make().fit(X, y * factor).predict(X)
    assert_allclose(predictions / factor, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("factor", [2.0**-100, 2.0**100, 2.0**500, 2.0**-500])
def test_row_5_the_unit_of_X_changes_nothing_behind_a_scaler(factor: float) -> None:
    y = make_y(GRURegressor)
    expected = make_pipeline(SequenceScaler(), make()).fit(X, y).predict(X)
    pipeline = make_pipeline(SequenceScaler(), make()).fit(X * factor, y)
    assert_allclose(pipeline.predict(X * factor), expected, rtol=1e-4, atol=1e-6)


# --- too few of something: rows 6 to 10, 13 to 16 ------------------------------------


@both_tasks
@pytest.mark.parametrize(
    "empty",
    [
        np.empty((0, N_STEPS, N_FEATURES)),
        np.empty((0, N_STEPS)),
        np.empty((0,), dtype=object),
        [],
        Sequences(np.empty((0, N_FEATURES)), [0]),
    ],
    ids=["3-D", "2-D", "objects", "list", "Sequences"],
)
def test_row_6_no_sequences_to_fit(cls: Any, empty: Any) -> None:
    with pytest.raises(ValueError, match=r"0 sample\(s\)|at least one|minimum of 1"):
        make(cls).fit(empty, [])


@pytest.mark.parametrize(
    "empty",
    [
        np.empty((0, N_STEPS, N_FEATURES)),
        [],
        Sequences(np.empty((0, N_FEATURES)), [0]),
    ],
    ids=["3-D", "list", "Sequences"],
)
def test_row_7_no_sequences_to_predict(empty: Any) -> None:
    assert fitted().predict(empty).shape == (0,)
    two = make().fit(X, np.zeros((N, 2)))
    assert two.predict(empty).shape == (0, 2)
    classifier = fitted(GRUClassifier)
    assert classifier.predict(empty).shape == (0,)
    assert classifier.predict(empty).dtype == classifier.classes_.dtype
    assert classifier.predict_proba(empty).shape == (0, 2)
    assert classifier.transform(empty).shape == (0, classifier.transform(X).shape[1])


def test_row_7_no_rows_of_a_table_to_predict() -> None:
    model = make().fit(X[:, :, 0], make_y(GRURegressor))
    assert model.predict(np.empty((0, N_STEPS))).shape == (0,)


@both_tasks
def test_row_8_sequences_without_steps(cls: Any) -> None:
    message = r"X\[0\] has 0 steps: every sequence needs at least one\. Remove"
    with pytest.raises(ValueError, match=message):
        make(cls).fit(np.empty((N, 0, N_FEATURES)), make_y(cls))
    with pytest.raises(ValueError, match=message):
        fitted(cls).predict([np.empty((0, N_FEATURES))])


@both_tasks
def test_row_9_one_sequence_without_steps(cls: Any) -> None:
    ragged = list(X)
    ragged[7] = np.empty((0, N_FEATURES))
    with pytest.raises(ValueError, match=r"X\[7\] has 0 steps"):
        make(cls).fit(ragged, make_y(cls))
    with pytest.raises(ValueError, match=r"X\[7\] has 0 steps"):
        fitted(cls).predict(ragged)


@pytest.mark.parametrize("cls", REGRESSORS + CLASSIFIERS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_row_10_one_step(cls: Any, bidirectional: bool) -> None:
    model = make(cls, bidirectional=bidirectional).fit(X[:, :1], make_y(cls))
    assert np.isfinite(answers(model, X[:, :1])).all()


@both_tasks
def test_row_11_ragged_lists(cls: Any) -> None:
    ragged = [x[: 1 + i % N_STEPS] for i, x in enumerate(X)]
    model = make(cls).fit(ragged, make_y(cls))
    assert np.isfinite(answers(model, ragged)).all()


@both_tasks
def test_row_12_batch_mates_change_nothing(cls: Any) -> None:
    ragged = [x[: 1 + i % N_STEPS] for i, x in enumerate(X)]
    model = make(cls).fit(ragged, make_y(cls))
    alone = np.concatenate([answers(model, [x]) for x in ragged])
    assert_array_equal(answers(model, ragged), alone)


def test_row_13_series_shorter_than_the_window() -> None:
    with pytest.raises(
        ValueError, match=r"window_length=9 .* 6 steps.*window_length <= 5"
    ):
        make_windows(np.zeros(6), 9)


@pytest.mark.parametrize("n", [1, 3])
def test_row_14_very_few_sequences(n: int) -> None:
    y = make_y(GRURegressor)[:n]
    assert make().fit(X[:n], y).predict(X[:n]).shape == (n,)


def test_row_14_too_few_sequences_to_set_some_aside() -> None:
    message = r"validation_fraction=0.1 leaves no sequence.*early_stopping=False"
    with pytest.raises(ValueError, match=message):
        make(early_stopping=True).fit(X[:1], [1.0])


@both_tasks
def test_row_14_three_sequences_with_a_part_set_aside(cls: Any) -> None:
    model = make(cls, early_stopping=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X[:3], [0, 1, 1] if is_classifier(model) else [0, 1, 2])
    messages = [str(w.message) for w in caught]
    assert len(messages) == (1 if cls is GRUClassifier else 0)
    assert all("not stratified" in message for message in messages)
    assert np.isfinite(model.history_[-1]["valid_loss"])


@both_tasks
@pytest.mark.parametrize("batch_size", [1, N - 1])
def test_row_15_a_batch_of_one(cls: Any, batch_size: int) -> None:
    model = fitted(cls, batch_size=batch_size)
    assert np.isfinite(answers(model)).all()
    assert model.predict(X[:1]).shape == (1,)


@both_tasks
def test_row_16_a_batch_size_above_the_number_of_sequences(cls: Any) -> None:
    model = fitted(cls, batch_size=N)
    assert_array_equal(answers(fitted(cls, batch_size=100 * N)), answers(model))


# --- parameters: rows 17 to 25, 64, and devices --------------------------------------


@both_tasks
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("batch_size", value) for value in [0, -1, 1.5, "all", None]),  # 17
        *(("max_epochs", value) for value in [0, -1, 1.5]),  # 18, 19, 20
        *(("lr", value) for value in [-0.1, 0.0, np.nan, np.inf, "fast"]),  # 21
        *(("hidden_size", value) for value in [0, -3, 2.5, (4, 4)]),  # 24
        ("num_layers", 0),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("weight_decay", -1.0),
        ("weight_decay", np.inf),
        ("max_grad_norm", 0.0),
        ("max_grad_norm", np.nan),
        ("validation_fraction", 0.0),
        ("validation_fraction", 1.0),
        ("n_iter_no_change", 0),
        ("features_per_step", 0),
        ("pooling", "sum"),
        ("lr_schedule", "linear"),
        ("optimizer", "lbfgs"),
        ("loss", "mse"),
        ("dtype", "float16"),
        ("missing", "drop"),
        ("random_state", -1),
        ("random_state", "seed"),
        ("callbacks", Callback()),
        ("net_params", [1]),
    ],
)
def test_rows_17_to_24_parameters(cls: Any, name: str, value: Any) -> None:
    message = rf"The '{name}' parameter of {cls.__name__} must be .*Got .* instead"
    with pytest.raises(ValueError, match=message):
        make(cls, **{name: value}).fit(X, make_y(cls))


@both_tasks
def test_a_class_that_is_no_optimiser_is_refused(cls: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="optimizer"):
        make(cls, optimizer=dict).fit(X, make_y(cls))


@pytest.mark.parametrize("max_epochs", [1, 5])
@pytest.mark.parametrize("cls", REGRESSORS + CLASSIFIERS)
def test_row_22_a_huge_learning_rate_is_reported(cls: Any, max_epochs: int) -> None:
    model = make(cls, lr=1e10, max_epochs=max_epochs)
    with pytest.warns(ConvergenceWarning, match=r"smaller lr \(it is 10000000000.0\)"):
        model.fit(X, make_y(cls))
    assert np.isfinite(answers(model)).all()


@both_tasks
@pytest.mark.parametrize("batch_size", [2, 8])
def test_row_22_a_fit_that_learns_is_not_reported(cls: Any, batch_size: int) -> None:
    for seed in range(8):
        fitted(cls, batch_size=batch_size, max_epochs=3, random_state=seed)


class NanAfter:
    """A loss that becomes NaN after some calls."""

    def __init__(self, n_calls: int) -> None:
        self.n_calls = n_calls
        self.calls = 0

    def __call__(self, outputs: Any, targets: Any) -> Any:
        self.calls += 1
        if self.calls > self.n_calls:
            return outputs.sum(dim=1) * torch.nan
        return (outputs - targets).square()


def test_row_23_nan_in_a_later_epoch_keeps_the_last_good_weights() -> None:
    y = make_y(GRURegressor)
    n_batches = 3
    params = {"lr_schedule": "constant", "dropout": 0.5}
    good = make(max_epochs=4, **params).fit(X, y)
    model = make(max_epochs=10, loss=NanAfter(4 * n_batches + 1), **params)
    message = (
        r"NaN or infinite in epoch 5\. The weights of the last good epoch are kept"
    )
    with pytest.warns(ConvergenceWarning, match=message):
        model.fit(X, y)
    assert model.n_iter_ == 4
    assert_array_equal(model.predict(X), good.predict(X))
    assert [epoch["train_loss"] for epoch in model.history_] == [
        epoch["train_loss"] for epoch in good.history_
    ]


def test_row_23_nan_with_early_stopping_keeps_the_best_weights() -> None:
    y = make_y(GRURegressor)
    # A call per batch, 3 in training and 3 in validation.
    model = make(max_epochs=10, loss=NanAfter(4 * 6 + 1), early_stopping=True, lr=0.1)
    with pytest.warns(ConvergenceWarning, match="in epoch 5"):
        model.fit(X, y, X_val=X, y_val=y)
    losses = [epoch["valid_loss"] for epoch in model.history_]
    errors = (model.predict(X) - y) / model.target_scale_
    assert np.mean(errors**2) == pytest.approx(min(losses), rel=1e-5)


@pytest.mark.parametrize("n_calls", [0, 2])
def test_row_23_nan_in_the_first_epoch_is_an_error(n_calls: int) -> None:
    model = make(loss=NanAfter(n_calls))
    message = r"NaN or infinite in epoch 1, .*Nothing was fitted\. Try a smaller lr"
    with pytest.raises(ValueError, match=message):
        model.fit(X, make_y(GRURegressor))
    assert not hasattr(model, "net_")


@pytest.mark.parametrize("batch_size", [8, N])
def test_row_23_a_finite_loss_with_gradients_of_nan_is_an_error(
    batch_size: int,
) -> None:
    def root(outputs: Any, targets: Any) -> Any:
        return (0.0 * outputs).sqrt()  # 0, with an infinite slope times 0

    with pytest.raises(ValueError, match="Training diverged"):
        make(loss=root, batch_size=batch_size).fit(X, make_y(GRURegressor))


@both_tasks
@pytest.mark.parametrize("hidden_size", [10**6, 10**9, 10**12])
def test_row_25_a_network_larger_than_the_memory(cls: Any, hidden_size: int) -> None:
    message = r"needs about \d+ GiB.*has [\d.]+ GiB\. Use a smaller hidden_size"
    start = time.perf_counter()
    with pytest.raises(MemoryError, match=message):
        make(cls, hidden_size=hidden_size).fit(X, make_y(cls))
    assert time.perf_counter() - start < 5.0


@both_tasks
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_row_25_a_batch_larger_than_the_memory(
    cls: Any, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = tmp_path / "memory.max"  # of a container
    limit.write_text(f"{2**20}\n")
    monkeypatch.setattr("skrnn._devices.CONTAINER_LIMIT", limit)
    n_steps = 1 + 2**20 // (8 * 4 * 3 * 4)  # 8 sequences, 4 units, 3 gates, float32
    long = [np.zeros((n_steps, 2)), *X]
    y = make_y(cls, N + 1)
    message = (
        rf"needs about 0\.00098 GiB for a batch of 8 sequences of {n_steps} steps.*has "
        r"0\.00098 GiB\. Use a smaller batch_size, shorter sequences \(for windows, a "
        r"smaller window_length\) or a smaller hidden_size"
    )
    options = {"batch_size": 8, "num_layers": 1, "bidirectional": False}
    with pytest.raises(MemoryError, match=message):
        getattr(make(cls, **options), method)(long[:8], y[:8])
    getattr(make(cls, **options), method)([x[:-1] for x in long[:8]], y[:8])


@both_tasks
def test_row_64_a_misspelt_parameter(cls: Any) -> None:
    with pytest.raises(ValueError, match="Invalid parameter 'hidden_sizes'"):
        make(cls).set_params(hidden_sizes=3)


@both_tasks
@pytest.mark.parametrize("name", ["module", "criterion", "device", "callbacks"])
def test_net_params_may_not_hold_what_the_estimator_sets(cls: Any, name: str) -> None:
    with pytest.raises(ValueError, match=rf"net_params may not hold '{name}'"):
        make(cls, net_params={name: None}).fit(X, make_y(cls))


@both_tasks
@pytest.mark.parametrize("name", [1, None, ("optimizer", "betas")])
def test_the_names_in_net_params_are_text(cls: Any, name: Any) -> None:
    message = rf"net_params holds the name {re.escape(repr(name))}, expected names"
    with pytest.raises(TypeError, match=message):
        make(cls, net_params={name: 0.5}).fit(X, make_y(cls))


@both_tasks
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_row_86_a_device_that_is_not_there(cls: Any, device: str) -> None:
    message = (
        rf"device='{device}' is not available: .*sees 0 CUDA device.*device='auto'"
    )
    with pytest.raises(ValueError, match=message):
        make(cls, device=device).fit(X, make_y(cls))


@both_tasks
@pytest.mark.parametrize("device", ["gpu", "cudda", "cpu:x", ""])
def test_a_misspelt_device(cls: Any, device: str) -> None:
    with pytest.raises(ValueError, match=rf"device='{device}' is not a.*'cpu', 'cuda'"):
        make(cls, device=device).fit(X, make_y(cls))


def test_row_88_the_device_of_the_network_is_known_after_a_fit() -> None:
    assert fitted(device="cpu").device_ == "cpu"
    expected = "cuda:0" if torch.cuda.is_available() else "cpu"
    assert fitted(device="auto").device_ == expected


# --- shapes and names: rows 26 to 30 -------------------------------------------------


@both_tasks
@pytest.mark.parametrize("n_features", [1, 3])
def test_row_26_another_number_of_features(cls: Any, n_features: int) -> None:
    other = np.zeros((4, N_STEPS, n_features))
    message = (
        rf"X has {n_features} features per step, but {cls.__name__} is expecting 2 "
        "features as input"
    )
    for form in (other, list(other)):
        with pytest.raises(ValueError, match=message):
            fitted(cls).predict(form)


@both_tasks
def test_row_26_a_table_of_another_width(cls: Any) -> None:
    model = make(cls).fit(X[:, :, 0], make_y(cls))
    message = rf"X has 4 features, but {cls.__name__} is expecting 5 features as input"
    with pytest.raises(ValueError, match=message):
        model.predict(X[:, :4, 0])


@both_tasks
def test_row_26_sequences_of_different_width(cls: Any) -> None:
    ragged = [*X[:-1], np.zeros((N_STEPS, 4))]
    message = r"X\[19\] has 4 features, but X\[0\] has 2"
    with pytest.raises(ValueError, match=message):
        make(cls).fit(ragged, make_y(cls))


@both_tasks
def test_row_27_columns_of_a_table_in_another_order(cls: Any) -> None:
    frame = pd.DataFrame(X[:, :, 0], columns=list("abcde"))
    model = make(cls).fit(frame, make_y(cls))
    with pytest.raises(
        ValueError, match=r"(?s)feature names should match.*in the same order"
    ):
        model.predict(frame[list("edcba")])


@both_tasks
def test_row_27_features_of_the_steps_in_another_order(cls: Any) -> None:
    frames = [pd.DataFrame(x, columns=["speed", "load"]) for x in X]
    model = make(cls).fit(frames, make_y(cls))
    swapped = [frame[["load", "speed"]] for frame in frames]
    message = r"Got \['load', 'speed'\], expected \['speed', 'load'\], in this order"
    with pytest.raises(ValueError, match=message):
        model.predict(swapped)


@both_tasks
@pytest.mark.parametrize("form", [np.asarray, list], ids=["array", "list"])
def test_row_28_X_and_y_of_different_length(cls: Any, form: Any) -> None:
    with pytest.raises(ValueError, match="y has 18 values for 20 sequences in X"):
        make(cls).fit(form(X), make_y(cls)[:18])


@both_tasks
def test_row_28_X_val_and_y_val_of_different_length(cls: Any) -> None:
    y = make_y(cls)
    with pytest.raises(ValueError, match="y_val has 3 values for 4 sequences"):
        make(cls).fit(X, y, X_val=X[:4], y_val=y[:3])
    with pytest.raises(ValueError, match="X_val and y_val belong together"):
        make(cls).fit(X, y, X_val=X[:4])


def test_row_29_a_column_of_targets_is_fitted_like_a_vector() -> None:
    y = make_y(GRURegressor)
    vector, column = make().fit(X, y), make().fit(X, y[:, None])
    assert column.predict(X).shape == (N, 1)
    assert_array_equal(column.predict(X)[:, 0], vector.predict(X))
    assert column.history_[0]["train_loss"] == vector.history_[0]["train_loss"]


def test_row_29_a_column_of_classes_is_fitted_like_a_vector() -> None:
    y = make_y(GRUClassifier)
    with pytest.warns(DataConversionWarning, match="column-vector"):
        column = make(GRUClassifier).fit(X, y[:, None])
    assert_array_equal(answers(column), answers(make(GRUClassifier).fit(X, y)))


def test_row_30_two_targets_have_two_outputs() -> None:
    y = make_y(GRURegressor)
    model = make(max_epochs=30, lr=0.05).fit(X, np.column_stack([y, -3 * y]))
    predictions = model.predict(X)
    assert predictions.shape == (N, 2)
    assert model.n_outputs_ == 2
    assert np.corrcoef(predictions.T)[0, 1] < -0.9


def test_row_30_another_number_of_targets_later() -> None:
    model = make().partial_fit(X, make_y(GRURegressor))
    with pytest.raises(ValueError, match=r"y has 2 columns.*fitted with 1"):
        model.partial_fit(X, np.zeros((N, 2)))
    with pytest.raises(ValueError, match=r"dim(ensions)? 3|3 dimensions"):
        make().fit(X, np.zeros((N, 2, 2)))


# --- labels: rows 31 to 35 -----------------------------------------------------------

HALVES = np.arange(N) % 2


@pytest.mark.parametrize("cls", CLASSIFIERS)
@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["no", "yes"], "U"),
        ([5, 7], "i"),
        ([-1, 1], "i"),
        ([0.0, 1.0], "f"),
        ([False, True], "b"),
    ],
    ids=str,
)
def test_rows_31_and_32_labels_of_any_type(cls: Any, labels: Any, kind: str) -> None:
    y = np.array(labels)[HALVES]
    model = make(cls).fit(X, y)
    assert_array_equal(model.classes_, labels)
    assert model.predict(X).dtype == y.dtype
    assert y.dtype.kind == kind
    assert set(model.predict(X)) <= set(labels)
    assert_array_equal(answers(model), answers(make(cls).fit(X, HALVES)))


def test_row_31_labels_of_objects() -> None:
    y = np.array(["no", "yes"], dtype=object)[HALVES]
    model = make(GRUClassifier).fit(X, y)
    assert_array_equal(answers(model), answers(make(GRUClassifier).fit(X, HALVES)))
    assert_array_equal(model.predict(X), y[[0, 1]][model.predict_proba(X).argmax(1)])


def test_row_32_three_labels_with_gaps() -> None:
    y = np.array([-1, 0, 7])[np.arange(N) % 3]
    model = make(GRUClassifier).fit(X, y)
    assert_array_equal(model.classes_, [-1, 0, 7])
    assert model.predict_proba(X).shape == (N, 3)


def test_row_32_numbers_are_no_classes() -> None:
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        make(GRUClassifier).fit(X, make_y(GRURegressor))


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_row_33_one_class(cls: Any) -> None:
    message = rf"{cls.__name__} .*at least 2 classes.*one class: .*'only'"
    with pytest.raises(ValueError, match=message):
        make(cls).fit(X, ["only"] * N)


def test_row_34_a_class_with_one_member() -> None:
    y = HALVES.copy()
    y[0] = 9
    make(GRUClassifier).fit(X, y)
    model = make(GRUClassifier, early_stopping=True)
    message = r"not stratified: a class has only 1 sequence.*Pass X_val and y_val"
    with pytest.warns(UserWarning, match=message):
        model.fit(X, y)
    assert_array_equal(model.classes_, [0, 1, 9])


def test_row_35_an_unknown_class_later() -> None:
    y = np.array(["no", "yes"])[HALVES]
    message = r"y contains the unknown class .*'maybe'.*known are \['no', 'yes'\]"
    with pytest.raises(ValueError, match=message):
        make(GRUClassifier).fit(X, y, X_val=X[:2], y_val=["yes", "maybe"])
    model = make(GRUClassifier).partial_fit(X, y)
    with pytest.raises(ValueError, match=message):
        model.partial_fit(X[:2], ["yes", "maybe"])
    with pytest.raises(ValueError, match="unknown class"):
        make(GRUClassifier).partial_fit(X, y, classes=["no", "never"])


COLUMNS = np.stack([HALVES, 1 - HALVES, np.arange(N) % 3 // 2], axis=1)


@pytest.mark.parametrize(
    ("y", "values"),
    [
        (COLUMNS + 1, r"\[1, 2\]"),
        (2 * COLUMNS - 1, r"\[-1, 1\]"),
        (2.0 * COLUMNS, r"\[0.0, 2.0\]"),
        (pd.DataFrame(COLUMNS + 1).astype("Int64"), r"\[1, 2\]"),
        (np.full((N, 2), 5), r"\[5\]"),
    ],
    ids=["1 and 2", "-1 and 1", "0.0 and 2.0", "Int64", "constant"],
)
def test_columns_of_labels_must_be_0_or_1(y: Any, values: str) -> None:
    message = rf"y has \d columns with the values {values}, expected 0 and 1 .*astype"
    with pytest.raises(ValueError, match=message):
        make(GRUClassifier).fit(X, y)
    n_columns = y.shape[1]
    model = make(GRUClassifier).partial_fit(X, COLUMNS[:, :n_columns])
    with pytest.raises(ValueError, match=message):
        model.partial_fit(X, y)
    with pytest.raises(ValueError, match=rf"In X_val and y_val: {message}"):
        make(GRUClassifier).fit(X, COLUMNS[:, :n_columns], X_val=X, y_val=y)


@pytest.mark.parametrize(
    "form",
    [
        lambda y: y.astype(bool),
        lambda y: y.astype(float),
        lambda y: y.astype(object),
        lambda y: y.astype(bool).astype(object),
        lambda y: y.tolist(),
        lambda y: pd.DataFrame(y).astype("Int64"),
        lambda y: pd.DataFrame(y.astype(bool)),
    ],
    ids=["bool", "float", "objects", "bool objects", "lists", "Int64", "frame"],
)
def test_columns_of_labels_may_be_of_any_type(form: Any) -> None:
    expected = make(GRUClassifier).fit(X, COLUMNS)
    model = make(GRUClassifier).fit(X, form(COLUMNS))
    assert_array_equal(answers(model), answers(expected))


STRINGS = np.dtypes.StringDType(na_object=np.nan)


def with_missing(missing: Any, dtype: Any) -> Any:
    y = pd.Series(np.array(["no", "yes"])[HALVES], dtype=dtype)
    y[3] = y[7] = missing
    return y


@pytest.mark.parametrize(
    ("y", "missing"),
    [
        (with_missing(pd.NA, "string"), "<NA>"),
        (with_missing(np.nan, "str"), "nan"),
        (with_missing(np.nan, "category"), "nan"),
        (with_missing(None, object).to_numpy(), "None"),
        (with_missing(None, object).tolist(), "None"),
        (with_missing(np.nan, object).tolist(), "nan"),  # to numpy the label "nan"
        (with_missing(np.nan, object).to_numpy().astype(STRINGS), "nan"),
        (pd.Series(HALVES == 1, dtype="boolean").mask(np.isin(range(N), [3, 7])), "NA"),
        (pd.Series(pd.to_datetime(HALVES)).mask(np.isin(range(N), [3, 7])), "NaT"),
    ],
    ids=[
        *("string", "str", "category", "objects", "list", "NaN in a list"),
        *("StringDType", "boolean", "NaT"),
    ],
)
def test_missing_labels_are_refused(y: Any, missing: str) -> None:
    message = (
        rf"y has 2 missing labels, the first is .*{missing}.* in y\[3\]: every "
        r"sequence needs a label\. Drop these sequences"
    )
    with pytest.raises(ValueError, match=message):
        make(GRUClassifier).fit(X, y)


@pytest.mark.parametrize("form", [list, lambda y: np.array(y, dtype=object)])
def test_labels_of_several_types_are_refused(form: Any) -> None:
    y = form([0 if half else "yes" for half in HALVES])
    message = "y mixes labels of type str, such as 'yes', with labels of type int, .* 0"
    with pytest.raises(ValueError, match=message):
        make(GRUClassifier).fit(X, y)
    with pytest.raises(ValueError, match="classes mixes labels of type int"):
        make(GRUClassifier).partial_fit(X, HALVES, classes=[0, "yes"])


@pytest.mark.parametrize("form", [list, np.array, lambda y: np.array(y, dtype=object)])
def test_labels_of_bytes_are_refused_with_a_way_out(form: Any) -> None:
    y = form([b"yes" if half else b"no" for half in HALVES])
    with pytest.raises(TypeError, match=r"bytes, such as .*b'no'.*Pass text.*decode"):
        make(GRUClassifier).fit(X, y)
    text = np.char.decode(np.asarray(y, dtype=bytes))
    assert make(GRUClassifier).fit(X, text).classes_.tolist() == ["no", "yes"]


def test_labels_that_are_no_array_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"y cannot be read as an array.*one label per"
    ):
        make(GRUClassifier).fit(X, [[0]] * (N - 1) + [[0, 1]])


# --- types of y: rows 36 to 40 -------------------------------------------------------


@pytest.mark.parametrize("constant", [0.0, 4.5, -1e9, 1e-300])
def test_row_36_a_constant_target(constant: float) -> None:
    model = make(max_epochs=60, lr=0.05).fit(X, np.full(N, constant))
    assert_allclose(model.predict(X), constant, rtol=1e-6, atol=0.2)
    assert model.target_scale_.tolist() == [1.0]
    assert np.isfinite(model.score(X, np.full(N, constant)))


@pytest.mark.parametrize("dtype", [int, bool, np.int8, np.float32, object])
def test_row_37_targets_of_other_types(dtype: Any) -> None:
    y = np.arange(N) % 2
    predictions = make().fit(X, y.astype(dtype)).predict(X)
    assert predictions.dtype == np.float64
    assert_array_equal(predictions, make().fit(X, y.astype(float)).predict(X))


@both_tasks
def test_row_38_numbers_in_an_object_array(cls: Any) -> None:
    expected = answers(fitted(cls))
    assert_array_equal(answers(make(cls).fit(X.astype(object), make_y(cls))), expected)
    assert_array_equal(answers(fitted(cls), X.astype(object)), expected)


@both_tasks
@pytest.mark.parametrize(
    "bad",
    [
        np.full(X.shape, "1.5 m"),
        np.full(X.shape, None),
        np.full(X.shape, {"a": 1}),
        [[["a", "b"]] * N_STEPS] * N,
    ],
    ids=["text", "None", "dicts", "lists of text"],
)
def test_row_38_objects_that_are_no_numbers(cls: Any, bad: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"X.*(numbers|NaN)"):
        make(cls).fit(bad, make_y(cls))


def test_row_39_text_as_target_of_a_regressor() -> None:
    with pytest.raises(ValueError, match=r"could not convert string to float|numeric"):
        make().fit(X, np.array(["low", "high"])[HALVES])


@both_tasks
def test_row_40_complex_numbers(cls: Any) -> None:
    message = "Complex data not supported"
    for bad in (X + 1j, list(X + 1j), (X + 1j)[:, :, 0]):
        with pytest.raises(ValueError, match=message):
            make(cls).fit(bad, make_y(cls))
    with pytest.raises(ValueError, match=message):
        fitted(cls).predict(X + 1j)
    with pytest.raises(ValueError, match=rf"{message}|Unknown label type"):
        make(cls).fit(X, make_y(cls) + 1j)


MASK = np.isin(np.arange(N), [3, 7])


@both_tasks
@pytest.mark.parametrize(
    "form", [lambda y: y, list, lambda y: np.ma.stack([y, y], axis=1)]
)
def test_masked_targets_are_refused(cls: Any, form: Any) -> None:
    y = make_y(cls)
    masked = form(np.ma.array(y, mask=MASK))
    message = r"y holds masked values for 2 sequences, the first is y\[3\].*Drop these"
    with pytest.raises(ValueError, match=message):
        make(cls).fit(X, masked)
    with pytest.raises(ValueError, match=message):
        make(cls).partial_fit(X, masked)
    with pytest.raises(ValueError, match=rf"In X_val and y_val: {message}"):
        make(cls).fit(X, y, X_val=X, y_val=masked)


@both_tasks
@pytest.mark.parametrize("form", [lambda y: y, list])
def test_masked_weights_are_refused(cls: Any, form: Any) -> None:
    weights = form(np.ma.array(np.ones(N), mask=MASK))
    message = (
        r"sample_weight holds masked values for 2 .*sample_weight\[3\].*Drop these"
    )
    with pytest.raises(ValueError, match=message):
        make(cls).fit(X, make_y(cls), sample_weight=weights)
    with pytest.raises(ValueError, match="sample_weight holds masked values"):
        make(cls).fit(X, make_y(cls), sample_weight=np.ma.masked)


@both_tasks
def test_masked_arrays_without_masked_values_are_targets_and_weights(cls: Any) -> None:
    y, weights = np.ma.array(make_y(cls)), np.ma.array(np.ones(N))
    model = make(cls).fit(X, y, sample_weight=weights, X_val=X, y_val=y)
    assert_array_equal(answers(model), answers(fitted(cls)))


TIMES = np.array(["2024-01-01", "2024-02-01"], dtype="datetime64[s]")[HALVES]


@pytest.mark.parametrize(
    "y",
    [
        TIMES,
        TIMES - TIMES[0],
        list(TIMES),
        np.array(list(TIMES - TIMES[0]), dtype=object),
        pd.Series(TIMES),
        pd.Series(TIMES).dt.tz_localize("UTC"),
        pd.DataFrame({"duration": TIMES - TIMES[0]}),
    ],
    ids=["dates", "durations", "list", "objects", "Series", "time zone", "frame"],
)
def test_times_are_no_targets_of_a_regressor(y: Any) -> None:
    message = r"y .*(datetime|timedelta)64.*expected real numbers.*Turn times into"
    with pytest.raises(ValueError, match=message):
        make().fit(X, y)


# --- types of X: rows 41 to 50 -------------------------------------------------------


@both_tasks
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "bool"])
def test_row_41_numbers_of_any_type(cls: Any, dtype: str) -> None:
    numbers = np.round(X).clip(0, 1).astype(dtype)
    y = make_y(cls)
    model = make(cls).fit(numbers, y)
    expected = make(cls).fit(numbers.astype(np.float64), y)
    assert_array_equal(
        answers(model, numbers), answers(expected, numbers.astype(float))
    )


@both_tasks
def test_row_42_masked_values_are_missing_values(cls: Any) -> None:
    mask = np.zeros(X.shape, dtype=bool)
    mask[3, 1, 0] = True
    masked, with_nan = np.ma.array(X, mask=mask), with_value(np.nan, 3, 1, 0)
    message = "1 value, the first is nan in sequence 3, step 1, feature 0"
    for form in (masked, list(masked)):
        with pytest.raises(ValueError, match=message):
            make(cls).fit(form, make_y(cls))
    with pytest.raises(ValueError, match=r"1 value.*sequence 3, step 1"):
        make(cls).fit(masked[:, :, 0], make_y(cls))
    model = make(cls, missing="mask").fit(masked, make_y(cls))
    expected = make(cls, missing="mask").fit(with_nan, make_y(cls))
    assert_array_equal(answers(model, masked), answers(expected, with_nan))


@both_tasks
def test_row_42_masked_arrays_without_masked_values_are_arrays(cls: Any) -> None:
    assert_array_equal(answers(fitted(cls), np.ma.array(X)), answers(fitted(cls)))


@both_tasks
@pytest.mark.parametrize("form", [scipy.sparse.csr_matrix, scipy.sparse.coo_array])
def test_row_43_sparse_matrices(cls: Any, form: Any) -> None:
    table = X[:, :, 0]
    with pytest.raises(TypeError, match="Sparse data was passed for X, but dense"):
        make(cls).fit(form(table), make_y(cls))
    with pytest.raises(TypeError, match="Sparse data was passed for X, but dense"):
        make(cls).fit(table, make_y(cls)).predict(form(table))


@both_tasks
@pytest.mark.parametrize("form", [scipy.sparse.csr_matrix, scipy.sparse.coo_array])
def test_row_43_sparse_matrices_in_a_list(cls: Any, form: Any) -> None:
    for n_dense in (0, 3):
        mixed = [*X[:n_dense], *map(form, X[n_dense:])]
        with pytest.raises(TypeError, match=rf"X\[{n_dense}\] is sparse.*toarray"):
            make(cls).fit(mixed, make_y(cls))


@both_tasks
@pytest.mark.parametrize(
    "change", [lambda x: x.requires_grad_(), lambda x: x.bfloat16()]
)
def test_tensors_that_numpy_cannot_read(cls: Any, change: Any) -> None:
    model, y = make(cls), make_y(cls)
    for place, form in [
        (r"X\[0\]", list),
        ("X", lambda t: t),
        ("X", lambda t: t[..., 0]),
    ]:
        tensors = form(change(torch.tensor(X)))
        with pytest.raises(TypeError, match=rf"{place} is a Tensor.*\.detach\(\)\.cpu"):
            model.fit(tensors, y)


@both_tasks
@pytest.mark.parametrize("form", [deque, pd.Series], ids=["deque", "Series"])
def test_lists_in_another_guise(cls: Any, form: Any) -> None:
    listed = make_pipeline(SequenceScaler(), make(cls)).fit(list(X), make_y(cls))
    model = clone(listed).fit(form(list(X)), make_y(cls))
    assert_array_equal(answers(model, form(list(X))), answers(listed, list(X)))
    assert_array_equal(answers(model[-1], form(list(X))), answers(model[-1], X))


@both_tasks
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_row_44_read_only_and_mapped_memory(
    cls: Any, dtype: Any, tmp_path: Path
) -> None:
    path = tmp_path / "X.npy"
    np.save(path, X.astype(dtype))
    mapped = np.load(path, mmap_mode="r")
    read_only = X.astype(dtype)
    read_only.flags.writeable = False
    y = make_y(cls)
    y.flags.writeable = False
    weights = np.ones(N)
    weights.flags.writeable = False
    numbers = X.astype(dtype)
    expected = answers(make(cls, dtype=dtype).fit(numbers, y), numbers)
    for form in (mapped, read_only, [*read_only], Sequences.from_panel(mapped)):
        model = make(cls, dtype=dtype).fit(form, y, sample_weight=weights)
        assert_allclose(answers(model, form), expected, rtol=1e-4)
    assert path.read_bytes()[-X.astype(dtype).nbytes :] == X.astype(dtype).tobytes()


@both_tasks
@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[::-1][::-1],
        lambda a: np.flip(np.flip(a, (0, 1, 2)).copy(), (0, 1, 2)),
        lambda a: np.asfortranarray(a),
        lambda a: np.repeat(a, 3, axis=1)[:, ::3],
        lambda a: a.astype(">f8"),
    ],
    ids=["reversed", "negative", "Fortran", "strided", "big-endian"],
)
def test_rows_45_and_46_the_place_in_memory_changes_nothing(
    cls: Any, view: Any
) -> None:
    y = make_y(cls)
    expected = answers(fitted(cls))
    model = make(cls).fit(view(X), y)
    assert_array_equal(answers(model, view(X)), expected)
    assert_array_equal(answers(model, list(view(X))), expected)
    table, plain = make(cls).fit(view(X)[:, :, 0], y), make(cls).fit(X[:, :, 0], y)
    assert_array_equal(answers(table, view(X)[:, :, 0]), answers(plain, X[:, :, 0]))


def test_row_45_targets_with_negative_strides() -> None:
    y = make_y(GRURegressor)
    flipped = np.flip(np.flip(y).copy())
    assert_array_equal(make().fit(X, flipped).predict(X), fitted().predict(X))


@both_tasks
@pytest.mark.parametrize("dtype", ["Float64", "double[pyarrow]"])
def test_row_47_nullable_numbers_of_pandas(cls: Any, dtype: str) -> None:
    plain = pd.DataFrame(X[:, :, 0], columns=list("abcde"))
    frame, y = plain.astype(dtype), make_y(cls)
    model = make(cls).fit(
        frame, pd.Series(y).astype("Int64" if y.dtype == int else dtype)
    )
    assert_array_equal(answers(model, frame), answers(make(cls).fit(plain, y), plain))
    steps = [pd.DataFrame(x, columns=["p", "q"]).astype(dtype) for x in X]
    assert_array_equal(answers(make(cls).fit(steps, y), steps), answers(fitted(cls)))


@both_tasks
def test_row_49_frames_of_polars(cls: Any) -> None:
    import polars

    plain, y = pd.DataFrame(X[:, :, 0], columns=list("abcde")), make_y(cls)
    frame = polars.DataFrame({name: plain[name].to_numpy() for name in plain})
    model = make(cls).fit(frame, polars.Series(y))
    assert_array_equal(answers(model, frame), answers(make(cls).fit(plain, y), plain))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[:, ::-1])
    gappy = frame.with_columns(polars.Series("b", [None, *y[1:]], strict=False))
    message = "Input X contains NaN: 1 value, the first is nan in sequence 0, step 1"
    with pytest.raises(ValueError, match=message):
        make(cls).fit(gappy, y)


@both_tasks
@pytest.mark.parametrize("dtype", ["Int64", "Float64"])
def test_row_48_missing_values_of_pandas(cls: Any, dtype: str) -> None:
    frame = pd.DataFrame(np.arange(N * 3).reshape(N, 3), columns=list("abc"))
    frame = frame.astype(dtype)
    frame.iloc[4, 1] = pd.NA
    message = "Input X contains NaN: 1 value, the first is nan in sequence 4, step 1"
    with pytest.raises(ValueError, match=message):
        make(cls).fit(frame, make_y(cls))
    model = make(cls, missing="mask").fit(frame, make_y(cls))
    assert np.isfinite(answers(model, frame)).all()


@both_tasks
@pytest.mark.parametrize("dtype", ["Int64", "Float64"])
def test_row_48_missing_values_of_pandas_in_the_steps(cls: Any, dtype: str) -> None:
    steps = [pd.DataFrame(np.round(x), columns=["p", "q"]).astype(dtype) for x in X]
    steps[4].iloc[1, 1] = pd.NA
    message = "NaN: 1 value, the first is nan in sequence 4, step 1, feature 1"
    with pytest.raises(ValueError, match=message):
        make(cls).fit(steps, make_y(cls))


def test_row_48_missing_targets_of_pandas() -> None:
    y = pd.Series(np.arange(N)).astype("Int64")
    y[3] = pd.NA
    with pytest.raises(ValueError, match=r"y contains NaN|missing|NA"):
        make().fit(X, y)


DATES = np.zeros(X.shape, dtype="datetime64[s]")


@both_tasks
@pytest.mark.parametrize("times", [DATES, DATES - DATES], ids=["dates", "durations"])
@pytest.mark.parametrize(
    "form",
    [
        lambda x: x,
        list,
        lambda x: x.tolist() if x.dtype.kind == "O" else [[*map(list, s)] for s in x],
        lambda x: [s[: 1 + i % N_STEPS] for i, s in enumerate(x)],
        lambda x: np.array([[list(step) for step in s] for s in x], dtype=object),
        lambda x: x[:, :, 0],
        lambda x: [list(s) for s in x[:, :, 0]],
        lambda x: pd.DataFrame(x[:, :, 0]),
        lambda x: [pd.DataFrame(s) for s in x],
    ],
    ids=[
        *("3-D", "list", "nested lists", "ragged", "objects", "2-D", "list of lists"),
        *("frame", "list of frames"),
    ],
)
def test_times_are_no_features(cls: Any, times: Any, form: Any) -> None:
    message = r"(datetime|timedelta)64.*expected real numbers"
    bad = form(times)
    with pytest.raises(ValueError, match=message):
        make(cls).fit(bad, make_y(cls))
    with pytest.raises(ValueError, match=message):
        SequenceScaler().fit(bad)
    table = isinstance(bad, pd.DataFrame) or np.ndim(bad[0]) == 1
    model = make(cls).fit(X[:, :, 0] if table else X, make_y(cls))
    with pytest.raises(ValueError, match=message):
        model.predict(bad)


@both_tasks
def test_row_50_generators(cls: Any) -> None:
    with pytest.raises(TypeError, match=r"X is a generator.*read only once.*list\(X\)"):
        make(cls).fit((x for x in X), make_y(cls))
    with pytest.raises(TypeError, match=r"X is a generator.*list\(X\)"):
        fitted(cls).predict(x for x in X)


@both_tasks
def test_row_50_generators_of_targets_and_weights(cls: Any) -> None:
    y = make_y(cls)
    with pytest.raises(TypeError, match=r"y is a generator.*only once.*list\(y\)"):
        make(cls).fit(X, (value for value in y))
    with pytest.raises(TypeError, match=r"In X_val and y_val: y is a map.*list\(y\)"):
        make(cls).fit(X, y, X_val=X, y_val=map(int, y))
    with pytest.raises(TypeError, match=r"sample_weight is a gen.*list\(sample_weight"):
        make(cls).fit(X, y, sample_weight=(1.0 for _ in y))


@both_tasks
@pytest.mark.parametrize(
    "bad", [None, 3.0, "text", b"bytes", {"a": 1}, {1, 2}, object()]
)
def test_things_that_are_no_sequences(cls: Any, bad: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"X|array"):
        make(cls).fit(bad, make_y(cls))


@both_tasks
@pytest.mark.parametrize("shape", [(N,), (N, N_STEPS, 2, 2), (N, N_STEPS, 0)])
def test_arrays_of_other_dimensions(cls: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"dimensions|0 feature|1D|Expected 2D|dim"):
        make(cls).fit(np.ones(shape), make_y(cls))


# --- sample weights and order of calls: rows 62 and 63 --------------------------------


@both_tasks
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([-1.0] + [1.0] * 19, r"sample_weight\[0\] is -1.0.*negative"),
        ([1.0] * 19 + [np.nan], r"sample_weight\[19\] is nan.*must be finite"),
        ([1.0, np.inf] + [1.0] * 18, r"sample_weight\[1\] is inf.*must be finite"),
        ([0.0] * 20, "at least one non-zero"),
        ([1.0] * 19, "sample_weight has 19 values for 20 sequences"),
        ([[1.0]] * 20, r"1D array or scalar, got shape \(20, 1\)"),
        (["heavy"] * 20, "sample_weight cannot be read as numbers"),
        (np.full(20, 1 + 1j), "sample_weight has dtype complex128, expected real"),
        ([1j] * 20, "sample_weight has dtype complex128, expected real numbers"),
        (TIMES, r"sample_weight has dtype datetime64\[s\], expected real numbers"),
        (TIMES - TIMES[0], r"sample_weight has dtype timedelta64\[s\], expected real"),
    ],
    ids=[
        *("negative", "NaN", "inf", "zeros", "short", "2-D", "text", "complex"),
        *("list of complex", "dates", "durations"),
    ],
)
def test_row_62_sample_weights(cls: Any, weights: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(cls).fit(X, make_y(cls), sample_weight=weights)
    with pytest.raises(ValueError, match=message):
        make(cls).partial_fit(X, make_y(cls), sample_weight=weights)


@both_tasks
@pytest.mark.parametrize("factor", [1e308, 1e150, 1e-300])
def test_row_62_only_ratios_of_weights_matter(cls: Any, factor: float) -> None:
    weights = 1.0 + np.arange(N) % 2 / 2
    params = {"early_stopping": True, "validation_fraction": 0.4}
    expected = make(cls, **params).fit(X, make_y(cls), sample_weight=weights)
    model = make(cls, **params).fit(X, make_y(cls), sample_weight=weights * factor)
    assert_allclose(answers(model), answers(expected), rtol=1e-5)
    model.partial_fit(X, make_y(cls), sample_weight=weights * factor)
    assert np.isfinite(answers(model)).all()


@both_tasks
def test_row_62_one_weight_may_be_huge(cls: Any) -> None:
    weights, y = np.ones(N), make_y(cls)
    weights[0], y[0] = 1e308, 0
    model = make(cls).fit(X, y, sample_weight=weights)
    assert np.isfinite(answers(model)).all()


def test_row_62_huge_weights_of_classes() -> None:
    params = {"class_weight": "balanced"}
    expected = make(GRUClassifier, **params).fit(X, HALVES)
    model = make(GRUClassifier, **params)
    model.fit(X, HALVES, sample_weight=np.full(N, 1e308))
    assert_allclose(answers(model), answers(expected), rtol=1e-5)
    model = make(GRUClassifier, class_weight={0: 1e308, 1: 1e308})
    model.fit(X, HALVES, sample_weight=np.full(N, 1e308))
    assert_allclose(answers(model), answers(fitted_halves()), rtol=1e-5)


def fitted_halves(**params: Any) -> Any:
    return make(GRUClassifier, **params).fit(X, HALVES)


@pytest.mark.parametrize("weight", ["x", "2", None, 1j, [1, 2]], ids=repr)
def test_weights_of_classes_are_numbers(weight: Any) -> None:
    message = rf"class_weight\[0\] is {re.escape(repr(weight))}, expected a number"
    with pytest.raises(TypeError, match=message):
        fitted_halves(class_weight={0: weight})


@pytest.mark.parametrize("weight", [np.nan, np.inf, -np.inf, -1, -0.5, 10**310])
def test_weights_of_classes_are_finite_and_not_negative(weight: Any) -> None:
    message = r"class_weight\[1\] is .*: weights of classes must be finite and >= 0"
    with pytest.raises(ValueError, match=message):
        fitted_halves(class_weight={0: 1.0, 1: weight})


@pytest.mark.parametrize("class_weight", [{0: 0, 1: 0}, {0: 0.0, 1: 0.0, 2: 1.0}])
def test_weights_of_classes_are_not_all_zero(class_weight: Any) -> None:
    with pytest.raises(ValueError, match="class_weight gives all sequences in y the w"):
        fitted_halves(class_weight=class_weight)


@pytest.mark.parametrize(
    "class_weight", [{0: 1, 7: 2}, {7: 2}, {"0": 1, "1": 1}, {0: 1, "1": 2}], ids=str
)
def test_a_class_without_weight_beside_an_unknown_one_is_a_misprint(
    class_weight: Any,
) -> None:
    message = r"class_weight names the class .*not in y, and gives no weight to .*1"
    with pytest.raises(ValueError, match=message):
        fitted_halves(class_weight=class_weight)
    with pytest.raises(ValueError, match="not in class_weight"):
        LogisticRegression(class_weight=class_weight).fit(X[:, :, 0], HALVES)


@pytest.mark.parametrize("cls", REGRESSORS + CLASSIFIERS)
def test_row_63_predict_before_fit(cls: Any) -> None:
    methods = ["predict", "transform", "score"]
    if issubclass(cls, tuple(CLASSIFIERS)):
        methods += ["predict_proba", "predict_log_proba", "decision_function"]
    for name in methods:
        arguments = (X, make_y(cls)) if name == "score" else (X,)
        with pytest.raises(
            NotFittedError, match=f"{cls.__name__} instance is not fitted"
        ):
            getattr(make(cls), name)(*arguments)


# --- fits that fail: rows 65, 74 and 75 ----------------------------------------------


def raiser(error: type[BaseException], when: str) -> Callback:
    """A callback that raises when a fit has begun to change something."""
    calls = []

    def method(self: Any, *args: Any, **kwargs: Any) -> None:
        calls.append(when)
        if len(calls) == (2 if when in ("on_batch_end", "on_grad_computed") else 1):
            raise error("from the callback")

    return type("Raiser", (Callback,), {when: method})()


METHODS = ["on_train_begin", "on_batch_end", "on_grad_computed", "on_epoch_end"]
METHODS += ["on_train_end"]


def snapshot(model: Any) -> dict[str, Any]:
    """Everything that a model knows, as numbers and names, by value."""
    state = {
        name: copy.deepcopy(v) for name, v in vars(model).items() if name != "net_"
    }
    if "net_" in vars(model):
        state["net_"] = copy.deepcopy(dump_net(model.net_))
    return state


def assert_same_state(got: Any, expected: Any) -> None:
    assert type(got) is type(expected)
    if isinstance(expected, dict):
        assert got.keys() == expected.keys()
        for key, value in expected.items():
            assert_same_state(got[key], value)
    elif isinstance(expected, list):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert_same_state(one, other)
    elif isinstance(expected, np.ndarray):
        assert_array_equal(got, expected, strict=True)
    elif not callable(expected):
        assert got == expected


def fit_again(model: Any, y: Any, method: str) -> None:
    if method == "warm fit":
        model.set_params(warm_start=True)
    getattr(model, "partial_fit" if method == "partial_fit" else "fit")(X + 1.0, y)


ways_to_fit = pytest.mark.parametrize("method", ["fit", "warm fit", "partial_fit"])


@both_tasks
@ways_to_fit
@pytest.mark.parametrize("when", METHODS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_rows_74_and_75_an_interrupted_fit_leaves_the_old_model(
    cls: Any, method: str, when: str, error: Any
) -> None:
    model = make(cls).fit(X, make_y(cls)).partial_fit(X, make_y(cls))
    model.set_params(
        callbacks=[raiser(error, when)], batch_size=4, warm_start=method == "warm fit"
    )
    predictions, state = answers(model), snapshot(model)
    del state["callbacks"]
    with pytest.raises(error, match="from the callback"):
        fit_again(model, make_y(cls), method)
    after = snapshot(model)
    del after["callbacks"]
    assert_same_state(after, state)
    assert_array_equal(answers(model), predictions)
    model.set_params(callbacks=None)
    fit_again(model, make_y(cls), method)
    assert not np.array_equal(answers(model), predictions)


@both_tasks
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_rows_74_and_75_an_interrupted_first_fit_leaves_no_model(
    cls: Any, error: Any
) -> None:
    model = make(cls, callbacks=[raiser(error, "on_batch_end")])
    before = dict(vars(model))
    with pytest.raises(error, match="from the callback"):
        model.fit(X, make_y(cls))
    assert vars(model) == before
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_row_74_an_interrupt_ends_a_grid_search() -> None:
    callbacks = [raiser(KeyboardInterrupt, "on_batch_end")]
    search = GridSearchCV(make(callbacks=callbacks), {"hidden_size": [2, 3]}, cv=2)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, make_y(GRURegressor))


@both_tasks
@ways_to_fit
@pytest.mark.parametrize(
    "mistake",
    [
        {"X": with_value(np.nan, 0, 0, 0)},
        {"X": np.empty((0, N_STEPS, N_FEATURES))},
        {"y": np.full(N, np.nan)},
        {"y": np.zeros(3)},
        {"sample_weight": np.zeros(N)},
        {"lr": -1.0},
        {"device": "cudda"},
        {"loss": NanAfter(0)},
        {"loss": lambda outputs, targets: outputs.sum()},
        {"net_params": {"no_such_thing": 1}},
    ],
    ids=lambda mistake: "-".join(mistake),
)
def test_row_65_a_failed_refit_leaves_the_old_model(
    cls: Any, method: str, mistake: dict[str, Any]
) -> None:
    model = make(cls).fit(X, make_y(cls)).partial_fit(X, make_y(cls))
    predictions = answers(model)
    data = {"X": X, "y": make_y(cls), "sample_weight": None}
    data |= {name: value for name, value in mistake.items() if name in data}
    model.set_params(
        **{name: value for name, value in mistake.items() if name not in data},
        warm_start=method == "warm fit",
    )
    state = snapshot(model)
    call = model.partial_fit if method == "partial_fit" else model.fit
    with pytest.raises((ValueError, TypeError)):
        call(**data)
    assert_same_state(snapshot(model), state)
    assert_array_equal(answers(model), predictions)


@both_tasks
def test_row_65_a_refit_with_other_features_that_fails_leaves_the_old_model(
    cls: Any,
) -> None:
    model = fitted(cls, callbacks=[])
    state, predictions = snapshot(model), answers(model)
    model.callbacks.append(raiser(RuntimeError, "on_batch_end"))
    frame = pd.DataFrame(X[:, :, 0], columns=list("abcde"))
    with pytest.raises(RuntimeError, match="from the callback"):
        model.fit(frame, make_y(cls))
    model.callbacks.clear()
    assert_same_state(snapshot(model), state)
    assert_array_equal(answers(model), predictions)


@both_tasks
def test_a_refit_forgets_what_the_first_fit_learned(cls: Any) -> None:
    frame = pd.DataFrame(X[:, :, 0], columns=list("abcde"))
    model = make(cls, missing="mask").fit(frame, make_y(cls))
    model.set_params(missing="error").fit(X, make_y(cls))
    expected = fitted(cls)
    assert vars(model).keys() == vars(expected).keys()
    assert_array_equal(answers(model), answers(expected))


@both_tasks
def test_warm_start_refuses_a_network_of_another_size(cls: Any) -> None:
    model = fitted(cls, warm_start=True).set_params(hidden_size=6)
    message = "has hidden_size=4, now hidden_size=6.*keep hidden_size.*warm_start=False"
    with pytest.raises(ValueError, match=message):
        model.fit(X, make_y(cls))


@both_tasks
@pytest.mark.parametrize("method", ["warm fit", "partial_fit"])
@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("hidden_size", 4, 6),
        ("num_layers", 1, 2),
        ("bidirectional", True, False),
        ("pooling", "concat", "last"),
        ("dropout", 0.1, 0.5),
        ("dtype", "float32", "float64"),
        ("missing", "error", "mask"),
        ("missing", "mask", "error"),
    ],
)
def test_further_training_keeps_the_network(
    cls: Any, method: str, name: str, before: Any, after: Any
) -> None:
    model = fitted(cls, **{name: before}).set_params(**{name: after})
    state = snapshot(model)
    message = (
        rf"has {name}={before!r}, now {name}={after!r}: to train it further, keep "
        rf"{name}; to begin anew, use warm_start=False and fit\."
    )
    with pytest.raises(ValueError, match=message):
        fit_again(model, make_y(cls), method)
    state["warm_start"] = model.warm_start
    assert_same_state(snapshot(model), state)
    model.set_params(warm_start=False).fit(X, make_y(cls))
    assert_array_equal(answers(model), answers(fitted(cls, **{name: after})))


@both_tasks
def test_further_training_names_missing_before_it_reads_X(cls: Any) -> None:
    model = fitted(cls, warm_start=True).set_params(missing="mask")
    with pytest.raises(ValueError, match="has missing='error', now missing='mask'"):
        model.fit(with_value(np.nan, 3, 1, 0), make_y(cls))


@both_tasks
@pytest.mark.parametrize("method", ["warm fit", "partial_fit"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr", 0.01),
        ("lr_schedule", "cosine"),
        ("optimizer", "sgd"),
        ("weight_decay", 0.5),
        ("max_grad_norm", None),
        ("max_epochs", 3),
        ("batch_size", 5),
        ("early_stopping", True),
        ("random_state", 1),
    ],
)
def test_further_training_may_train_in_another_way(
    cls: Any, method: str, name: str, value: Any
) -> None:
    model = fitted(cls).set_params(**{name: value})
    fit_again(model, make_y(cls), method)
    more = 1 if method == "partial_fit" else model.max_epochs
    assert model.n_iter_ == 2 + more
    assert np.isfinite(answers(model)).all()


# --- randomness: rows 66 to 69 -------------------------------------------------------


@both_tasks
@pytest.mark.parametrize(
    "make_state",
    [
        lambda seed: seed,
        lambda seed: np.int64(seed),
        lambda seed: np.random.RandomState(seed),
        lambda seed: np.random.default_rng(seed),
    ],
    ids=["int", "numpy int", "RandomState", "Generator"],
)
def test_row_66_forms_of_random_state(cls: Any, make_state: Any) -> None:
    first, again, other = (
        answers(fitted(cls, random_state=make_state(seed))) for seed in [0, 0, 1]
    )
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@both_tasks
def test_row_66_without_a_seed_numpy_s_global_seed_decides(cls: Any) -> None:
    results = []
    for seed in [0, 0, 1]:
        np.random.seed(seed)  # the global seed is the subject
        torch.manual_seed(len(results))
        results.append(answers(fitted(cls, random_state=None)))
    assert_array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])
    assert not np.array_equal(answers(fitted(cls, random_state=None)), results[2])


@both_tasks
def test_row_66_a_shared_generator_gives_different_models(cls: Any) -> None:
    generator = np.random.default_rng(0)
    first, second = (fitted(cls, random_state=generator) for _ in range(2))
    assert not np.array_equal(answers(first), answers(second))


def global_state() -> dict[str, Any]:
    """What a library should leave alone."""
    return {
        "torch": torch.get_rng_state().numpy().copy(),
        "numpy": pickle.dumps(np.random.get_state()),
        "python": str(random.getstate()),
        "dtype": str(torch.get_default_dtype()),
        "grad": torch.is_grad_enabled(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "filters": list(warnings.filters),
        "errors": np.geterr(),
        "folder": os.getcwd(),
    }


@both_tasks
@pytest.mark.parametrize("random_state", [0, np.random.RandomState(0)], ids=type)
def test_row_67_global_state_is_left_alone(cls: Any, random_state: Any) -> None:
    y = make_y(cls)
    params = {"dropout": 0.5, "early_stopping": True, "random_state": random_state}
    before = global_state()
    model = make(cls, **params).fit(X, y)
    model.partial_fit(X, y)
    model.predict(X)
    model.transform(X)
    pickle.loads(pickle.dumps(model))
    assert_same_state(global_state(), before)


@both_tasks
def test_row_67_only_a_fit_without_a_seed_draws_from_numpy_s_global_seed(
    cls: Any,
) -> None:
    model = fitted(cls, random_state=None)
    before = global_state()
    model.predict(X)
    model.transform(X)
    pickle.loads(pickle.dumps(model)).predict(X)
    copy.deepcopy(model)
    assert_same_state(global_state(), before)


@both_tasks
def test_row_67_a_loaded_model_goes_on_with_the_same_random_numbers(cls: Any) -> None:
    model = fitted(cls, random_state=np.random.RandomState(0), dropout=0.5)
    loaded = pickle.loads(pickle.dumps(model))
    for one in (model, loaded):
        one.partial_fit(X, make_y(cls))
    assert_array_equal(answers(loaded), answers(model))


@both_tasks
def test_row_68_the_seed_decides_everything(cls: Any) -> None:
    results = []
    for seed in range(2):
        torch.manual_seed(seed)
        np.random.seed(seed)  # the global seed is the subject
        random.seed(seed)
        params = {"dropout": 0.5, "early_stopping": True, "num_layers": 2}
        results.append(answers(fitted(cls, **params)))
    assert_array_equal(results[0], results[1])


@pytest.mark.parametrize("params", [{}, {"dropout": 0.5}, {"batch_size": 20}], ids=str)
def test_row_68_the_seed_matters(params: Any) -> None:
    first, second = (fitted(random_state=seed, **params) for seed in range(2))
    assert not np.array_equal(first.predict(X), second.predict(X))


def in_threads(work: Callable[[Any], Any], items: Any, n_threads: int = 4) -> list[Any]:
    call = joblib.delayed(work)
    return joblib.Parallel(n_threads, backend="threading")(call(item) for item in items)


@both_tasks
def test_row_69_fits_in_threads_are_those_of_a_loop(cls: Any) -> None:
    def fit(seed: int) -> Any:
        return answers(fitted(cls, dropout=0.5, early_stopping=True, random_state=seed))

    seeds = [*range(6), *range(6)]
    assert_array_equal(in_threads(fit, seeds), [fit(seed) for seed in seeds])


# --- several threads and processes: rows 70 to 73 -------------------------------------


@both_tasks
def test_row_70_predictions_in_threads_are_those_of_a_loop(cls: Any) -> None:
    model = fitted(cls)
    parts = [X[: 1 + i % N] for i in range(60)]
    together = in_threads(lambda part: answers(model, part), parts)
    for part, got in zip(parts, together, strict=True):
        assert_array_equal(got, answers(model)[: len(part)])


def answers_while(model: Any, train: Callable[[], None], ask: Any) -> list[Any]:
    """Ask a model again and again while another thread trains it."""
    errors: list[BaseException] = []

    def work() -> None:
        try:
            train()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    results = [ask(model)]
    thread.start()
    while thread.is_alive():
        results.append(ask(model))
    thread.join()
    results.append(ask(model))
    assert not errors
    return results


@both_tasks
def test_row_71_predict_during_partial_fit_sees_one_whole_model(cls: Any) -> None:
    y, n_fits = make_y(cls), 12
    params = {"lr": 0.01, "batch_size": 2}
    twin = fitted(cls, **params)
    allowed = [answers(twin).tobytes()]
    for _ in range(n_fits):
        allowed.append(answers(twin.partial_fit(X, y)).tobytes())
    assert len(set(allowed)) == n_fits + 1
    model = fitted(cls, **params)

    def train() -> None:
        for _ in range(n_fits):
            model.partial_fit(X, y)

    results = [result.tobytes() for result in answers_while(model, train, answers)]
    seen = [allowed.index(result) for result in results]  # fails for a mixture
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert seen[-1] == n_fits


def test_row_71_predict_during_a_refit_with_other_classes_sees_one_whole_model() -> (
    None
):
    model = make(GRUClassifier).fit(X, HALVES)
    letters = np.array(["a", "b", "c"])[np.arange(N) % 3]

    def train() -> None:
        for _ in range(6):
            model.fit(X, letters)
            model.fit(X, HALVES)

    results = answers_while(model, train, lambda m: set(m.predict(X).tolist()))
    assert all(seen <= {0, 1} or seen <= {"a", "b", "c"} for seen in results)


FORK = """
    import multiprocessing, pickle
    import numpy as np
    import torch
    from skrnn import LSTMRegressor, RNNClassifier

    if {n_threads}:
        torch.set_num_threads({n_threads})
    X = np.random.default_rng(0).standard_normal((64, 4, 20))
    targets = X[:, :, 0].mean(axis=1), X[:, 0, 0] > 0
    classes = LSTMRegressor, RNNClassifier

    def fit(cls, y):  # large enough for torch and MKL to use several threads
        params = {{"bidirectional": False, "stem": 0, "scale_inputs": "feature"}}
        params |= {{"max_epochs": 1, "random_state": 0, "device": "cpu"}}
        return cls(hidden_size=200, **params).fit(X, y)

    def use(model, y):
        again = pickle.loads(pickle.dumps(model))
        stepped, _ = model.step(X[:, 0], model.initial_state(len(X)))
        answers = [model.predict(X), model.transform(X), stepped]
        return *answers, again.partial_fit(X, y).predict(X)

    def work(_):
        models = [fit(cls, y) for cls, y in zip(classes, targets)]
        return [
            use(model, y)
            for models in (old, models)
            for model, y in zip(models, targets)
        ]

    if __name__ == "__main__":
        old = [fit(cls, y) for cls, y in zip(classes, targets)]
        expected = [use(model, y) for model, y in zip(old, targets)]
        a = torch.randn(1000, 1000)
        (a @ a).exp().sum()  # starts the threads that a forked child does not have
        with multiprocessing.get_context("fork").Pool(1) as pool:
            results = pool.map(work, [0])[0]
        for result, truth in zip(results, expected + expected):
            for answer, true_answer in zip(result, truth):
                np.testing.assert_array_equal(answer, true_answer)
        print("done")
"""


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork here"
)
@pytest.mark.parametrize("n_threads", [0, 2], ids=["default", "2 threads"])
def test_row_72_a_forked_process_fits_and_predicts(n_threads: int) -> None:
    code = textwrap.dedent(FORK.format(n_threads=n_threads))
    process = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=40,  # else it hangs
        check=False,
    )
    assert (process.stdout, process.returncode) == ("done\n", 0), process.stderr


def test_row_73_a_search_in_threads_is_that_of_a_loop() -> None:
    grid = {"hidden_size": [2, 3], "lr": [0.01, 0.1]}
    y, before = make_y(GRURegressor), torch.get_num_threads()
    serial = GridSearchCV(make(dropout=0.5), grid, cv=2).fit(X, y)
    with joblib.parallel_config("threading"):
        threaded = GridSearchCV(make(dropout=0.5), grid, cv=2, n_jobs=4).fit(X, y)
    scores = [s.cv_results_["mean_test_score"] for s in (serial, threaded)]
    assert_array_equal(scores[1], scores[0])
    assert torch.get_num_threads() == before


@pytest.mark.slow
def test_row_73_a_search_in_processes_is_that_of_a_loop() -> None:
    grid = {"hidden_size": [2, 3], "lr": [0.01, 0.1]}
    y, before = make_y(GRURegressor), torch.get_num_threads()
    serial = GridSearchCV(make(dropout=0.5), grid, cv=2).fit(X, y)
    with joblib.parallel_config("loky"):
        parallel = GridSearchCV(make(dropout=0.5), grid, cv=2, n_jobs=2).fit(X, y)
    scores = [s.cv_results_["mean_test_score"] for s in (serial, parallel)]
    assert_array_equal(scores[1], scores[0])
    assert torch.get_num_threads() == before


def test_row_73_threads_of_others_keep_their_threads_during_a_fit() -> None:
    counts: list[int] = []
    start = threading.Event()

    class Starter(Callback):
        def on_batch_end(self, net: Any, **kwargs: Any) -> None:
            start.set()
            time.sleep(0.01)

    def other() -> None:
        torch.set_num_threads(2)
        start.wait()
        counts.append(torch.get_num_threads())

    before = torch.get_num_threads()
    thread = threading.Thread(target=other)
    thread.start()
    fitted(callbacks=[Starter()])
    thread.join()
    assert counts == [2]
    assert torch.get_num_threads() == before


# --- callbacks: row 76 ---------------------------------------------------------------


def test_row_76_a_callback_that_cannot_be_pickled_leaves_the_model_usable() -> None:
    y = make_y(GRURegressor)
    scoring = EpochScoring(
        lambda net, X, y: 1.0, name="one", on_train=True, use_caching=False
    )
    model = fitted(callbacks=[scoring])
    predictions, state = model.predict(X), snapshot(model)
    assert model.history_[-1]["one"] == 1.0
    with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
        pickle.dumps(model)
    assert_array_equal(model.predict(X), predictions)
    assert_array_equal(model.partial_fit(X, y).predict(X), model.predict(X))
    assert model.n_iter_ == len(state["net_"]["history"]) + 1
    unpickled = pickle.loads(pickle.dumps(model.set_params(callbacks=None)))
    assert_array_equal(unpickled.predict(X), model.predict(X))


def test_row_76_a_local_callback_can_be_used_and_cloned() -> None:
    class Local(Callback):
        pass

    model = make(callbacks=[Local()])
    assert np.isfinite(clone(model).fit(X, make_y(GRURegressor)).predict(X)).all()


def test_row_76_searches_in_processes_can_send_what_pickle_cannot() -> None:
    y = make_y(GRURegressor)
    scoring = EpochScoring(lambda net, X, y: 1.0, name="one", on_train=True)
    model = fitted(loss=lambda outputs, y: (outputs - y) ** 4, callbacks=[scoring])
    wrapped = joblib.wrap_non_picklable_objects(model, keep_wrapper=False)
    sent = pickle.loads(pickle.dumps(wrapped))
    assert_array_equal(sent.predict(X), model.predict(X))
    assert sent.partial_fit(X, y).n_iter_ == model.n_iter_ + 1


def test_row_76_something_that_is_no_callback() -> None:
    with pytest.raises((TypeError, ValueError), match=re.compile("callback", re.I)):
        make(callbacks=[lambda net: None]).fit(X, make_y(GRURegressor))


# --- loading: row 85 -----------------------------------------------------------------


@both_tasks
@pytest.mark.parametrize(
    "params",
    [
        {"lr": -1.0},
        {"lr": "fast"},
        {"net_params": {"foo": 1}},
        {"batch_size": "many"},
        {"optimizer": "nothing"},
        {"loss": "nothing"},
        {"hidden_size": -3},
        {"verbose": "much"},
        {"device": None},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:The network runs on the CPU")
def test_row_85_a_model_loads_whatever_its_parameters_were_set_to(
    cls: Any, params: Any
) -> None:
    y, (name,) = make_y(cls), params
    model = make(cls, optimizer="adam").fit(X, y).partial_fit(X, y)
    expected, before = answers(model), getattr(model, name, None)
    loaded = pickle.loads(pickle.dumps(copy.deepcopy(model).set_params(**params)))
    assert loaded.get_params() == {**model.get_params(), **params}
    assert_array_equal(answers(loaded), expected)
    with pytest.raises((TypeError, ValueError)):
        loaded.fit(X, y)
    loaded.set_params(**{name: before}).partial_fit(X, y)
    assert_array_equal(answers(loaded), answers(model.partial_fit(X, y)))
