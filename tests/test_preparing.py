"""Sequences with scales of their own, compared with scikit-learn's scaler."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import StandardScaler

from skrnn import GRUClassifier, GRURegressor, Sequences, as_sequences
from skrnn._preparing import (
    ENOUGH,
    Preparation,
    count_epochs,
    input_scale,
    to_own_scale,
)
from skrnn._training_set import Selection
from skrnn.testing import check_sequence_estimator

SMALL = {"hidden_size": 4, "max_epochs": 2, "device": "cpu", "random_state": 0}


def make(n=40, n_steps=12, decades=5.0, seed=0):
    """Sequences of two features, which rise or fall, of sizes that are far apart."""
    rng = np.random.default_rng(seed)
    sizes = 10 ** np.linspace(-decades / 2, decades / 2, n)[rng.permutation(n)]
    y = np.arange(n) % 2
    slope = np.linspace(-1, 1, n_steps) * (2 * y - 1)[:, None]
    X = slope[:, :, None] + 0.3 * rng.normal(size=(n, n_steps, 2))
    return X * sizes[:, None, None], y, sizes


@given(lengths=st.lists(st.integers(2, 9), min_size=1, max_size=5), seed=st.integers(0))
@settings(max_examples=40)
def test_each_sequence_is_scaled_like_a_table_by_itself(lengths, seed):
    rng = np.random.default_rng(seed)
    X = [10 ** rng.uniform(-5, 5) * rng.normal(3, 1, size=(n, 2)) for n in lengths]
    scaled, about = to_own_scale(as_sequences(X))
    start = 0
    for x, found in zip(X, scaled, strict=True):
        theirs = StandardScaler().fit(x)
        assert_allclose(found, theirs.transform(x), rtol=1e-6, atol=1e-8)
        rows = about[start : start + len(x)]
        assert_allclose(rows[:, :2], np.log(theirs.scale_)[None].repeat(len(x), 0))
        assert_allclose(np.sinh(rows[:, 2:]) * theirs.scale_, [theirs.mean_] * len(x))
        start += len(x)


def test_a_constant_sequence_keeps_its_level():
    scaled, about = to_own_scale(as_sequences([np.full((3, 1), 7.0)]))
    assert_array_equal(scaled.values, 0)
    assert_allclose(about, [[0, np.arcsinh(7)]] * 3)


def test_the_largest_numbers_do_not_overflow():
    values = np.array([1.7e308, -1.7e308, 1.7e308, -1.7e308])[:, None]
    scaled, about = to_own_scale(as_sequences([values]))
    assert_allclose(scaled.values.ravel(), [1, -1, 1, -1])
    assert np.isfinite(about).all()


@pytest.mark.parametrize(("decades", "scale"), [(3.6, "feature"), (3.9, "sequence")])
def test_auto_looks_how_far_sizes_are_apart(decades, scale):
    # of the deviations, a tenth at either end may be odd: 0.8 of the decades count
    n_steps = 400  # so that each deviation is near its size
    X = make(200, n_steps, decades)[0]
    selection = Selection(as_sequences(X))
    assert input_scale("auto", True, selection) == scale
    assert input_scale("auto", False, selection) == "feature"
    assert input_scale("sequence", False, selection) == "sequence"
    assert input_scale(None, True, selection) is None
    few = X[: ENOUGH - 1]
    assert input_scale("auto", True, Selection(as_sequences(few))) == "feature"


def test_sequences_in_which_nothing_changes_do_not_count():
    X, _, _ = make(40, 30, decades=0.0)
    X[::2] = 5.0
    assert input_scale("auto", True, Selection(as_sequences(X))) == "feature"


def test_small_sequences_are_told_apart_as_well_as_large_ones():
    X, y, sizes = make(60, decades=8.0)
    params = {**SMALL, "max_epochs": 30, "hidden_size": 8}
    auto = GRUClassifier(**params).fit(X, y)
    assert auto.input_scale_ == "sequence"
    small = sizes < 1
    assert auto.score(X[small], y[small]) == 1.0
    plain = GRUClassifier(**params, scale_inputs="feature").fit(X, y)
    assert plain.score(X[small], y[small]) < 0.8


def test_the_size_of_a_sequence_can_be_learned_from():
    X, _, sizes = make(60, decades=8.0)
    params = {**SMALL, "max_epochs": 80, "hidden_size": 8, "lr": 0.01}
    model = GRURegressor(**params).fit(X, np.log10(sizes))
    assert model.input_scale_ == "sequence"
    assert model.score(X, np.log10(sizes)) > 0.95


@pytest.mark.parametrize("missing", ["error", "mask"])
def test_units_change_nothing(missing):
    X, y, _ = make()
    if missing == "mask":
        X[np.random.default_rng(1).random(X.shape) < 0.2] = np.nan
    params = {**SMALL, "dtype": "float64", "missing": missing, "batch_size": 40}
    params |= {"dropout": 0.0, "scale_inputs": "sequence"}
    units = np.array([1e-3, 1e6])
    expected = GRUClassifier(**params).fit(X, y).transform(X)
    found = GRUClassifier(**params).fit(X * units, y).transform(X * units)
    assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_missing_values_are_filled_in_the_scale_of_the_sequence():
    x = np.array([[1e6], [np.nan], [3e6]])
    prepare = Preparation(own_scale=True, fill=np.array([0.5]), dtype="float64")
    values = prepare(as_sequences([x, np.array([[np.nan], [4.0], [4.0]])])).values
    expected = [[-1, 0], [-1, 1], [1, 0], [0.5, 1], [0, 0], [0, 0]]
    assert_allclose(values[:, [0, 3]], expected)
    assert_allclose(values[:3, 1], np.log(1e6))
    assert_allclose(values[:3, 2], np.arcsinh(2.0))
    assert values.shape[1] == prepare.n_inputs(1) == 4
    assert prepare.n_scaled(1) == 3


def test_marks_of_missing_values_are_not_scaled():
    X, y, _ = make()
    X[3, 4, 1] = np.nan
    model = GRUClassifier(**SMALL, missing="mask").fit(X, y)
    assert model.input_scale_ == "sequence"
    scaling = model.module_.scaling
    assert_array_equal(scaling.mean[6:], [0.0, 0.0])
    assert_array_equal(scaling.scale[6:], [1.0, 1.0])
    assert_allclose(scaling.scale[:2], 1.0, rtol=1e-3)
    assert_allclose(model.fill_values_, 0.0, atol=1e-3)


@pytest.mark.parametrize("missing", ["error", "mask"])
def test_a_memory_map_gives_what_an_array_gives(missing, tmp_path):
    X, y, _ = make()
    np.save(tmp_path / "values.npy", X.reshape(-1, 2))
    mapped = np.load(tmp_path / "values.npy", mmap_mode="r")
    offsets = np.arange(len(X) + 1) * X.shape[1]
    params = {**SMALL, "missing": missing}
    found = GRUClassifier(**params).fit(Sequences(mapped, offsets), y)
    expected = GRUClassifier(**params).fit(X, y)
    assert found.input_scale_ == expected.input_scale_ == "sequence"
    assert_array_equal(found.predict_proba(X), expected.predict_proba(X))


def test_answers_do_not_depend_on_company():
    X, y, _ = make()
    ragged = [x[: 5 + n % 7] for n, x in enumerate(X)]
    model = GRUClassifier(**SMALL, scale_inputs="sequence").fit(ragged, y)
    together = model.predict_proba(ragged)
    alone = [model.predict_proba([x])[0] for x in ragged]
    assert_array_equal(together, alone)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict_proba(ragged), together)


def test_a_weight_is_a_number_of_copies():
    X, y, _ = make()
    weights = 1 + np.arange(len(X)) % 3
    params = {**SMALL, "batch_size": 200}
    weighted = GRUClassifier(**params).fit(X, y, sample_weight=weights)
    copied = GRUClassifier(**params).fit(X.repeat(weights, 0), y.repeat(weights))
    assert weighted.input_scale_ == "sequence"
    assert_array_equal(weighted.predict_proba(X), copied.predict_proba(X))


def test_a_network_keeps_its_scale_when_training_goes_on():
    X, y, _ = make()
    model = GRUClassifier(**SMALL, warm_start=True).fit(X, y)
    alike, y_alike, _ = make(decades=0.0)
    model.fit(alike, y_alike)  # "auto" would choose otherwise now
    assert model.input_scale_ == "sequence"
    model.set_params(scale_inputs="feature")
    with pytest.raises(ValueError, match="has scale_inputs='sequence', now"):
        model.fit(X, y)
    model.set_params(warm_start=False).fit(X, y)
    assert model.input_scale_ == "feature"


def test_a_network_that_needs_whole_sequences_does_not_go_step_by_step():
    X, y, _ = make()
    params = {**SMALL, "bidirectional": False, "scale_inputs": "sequence"}
    model = GRUClassifier(**params).fit(X, y)
    with pytest.raises(ValueError, match="scale_inputs='feature'"):
        model.initial_state()
    auto = GRUClassifier(**SMALL, bidirectional=False).fit(X, y)
    assert auto.input_scale_ == "feature"
    auto.initial_state()


@pytest.mark.slow
@pytest.mark.parametrize("cls", [GRUClassifier, GRURegressor])
def test_it_passes_the_checks_of_estimators(cls):
    check_sequence_estimator(cls(**SMALL, scale_inputs="sequence"))


@pytest.mark.parametrize(
    ("wanted", "n_sequences", "expected"),
    [
        ("auto", 1, 100),
        ("auto", 960, 100),  # 30 batches
        ("auto", 961, 96),
        ("auto", 6920, 13),
        ("auto", 10**6, 10),
        (7, 10**6, 7),
    ],
)
def test_many_sequences_are_gone_through_less_often(wanted, n_sequences, expected):
    assert count_epochs(wanted, n_sequences, 32) == expected


def test_a_fit_counts_its_epochs_after_identical_ones_were_merged():
    X = np.arange(40.0).reshape(40, 1, 1)
    params = {"hidden_size": 2, "batch_size": 1, "random_state": 0, "stem": 0}
    model = GRURegressor(**params).fit(X, X.ravel())
    assert model.n_iter_ == 75  # 40 batches
    again = GRURegressor(**params).fit(np.concatenate([X, X]), np.tile(X.ravel(), 2))
    assert again.n_iter_ == 75
