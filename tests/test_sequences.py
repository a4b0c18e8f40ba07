"""Sequences, compared with plain lists of arrays."""

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.model_selection import KFold, train_test_split

from skrnn import Sequences, as_sequences

Arrays = list[NDArray[np.float64]]


@st.composite
def array_lists(draw: st.DrawFn, min_size: int = 1) -> Arrays:
    """Lists of 2-D arrays of any lengths, 0 too; no number comes twice."""
    lengths = draw(st.lists(st.integers(0, 5), min_size=min_size, max_size=8))
    n_features = draw(st.integers(1, 3))
    values = np.arange(sum(lengths) * n_features, dtype=float)
    return np.split(values.reshape(-1, n_features), np.cumsum(lengths)[:-1])


def assert_same(sequences: Sequences, arrays: Arrays) -> None:
    assert isinstance(sequences, Sequences)
    assert len(sequences) == len(arrays)
    for index, array in enumerate(arrays):
        np.testing.assert_array_equal(sequences[index], array)


@pytest.fixture
def sequences() -> Sequences:
    values = np.arange(12.0).reshape(6, 2)
    return Sequences(values, [0, 3, 4, 6], feature_names=["speed", "load"])


@given(array_lists())
def test_integers_give_the_same_arrays_as_a_list(arrays: Arrays) -> None:
    sequences = Sequences.from_arrays(arrays)
    for index in range(-len(arrays), len(arrays)):
        np.testing.assert_array_equal(sequences[index], arrays[index])


@given(array_lists())
def test_iteration_gives_the_same_arrays_as_a_list(arrays: Arrays) -> None:
    for sequence, array in zip(Sequences.from_arrays(arrays), arrays, strict=True):
        np.testing.assert_array_equal(sequence, array)


@given(array_lists(), st.data())
def test_slices_give_the_same_arrays_as_a_list(arrays: Arrays, data: Any) -> None:
    key = data.draw(st.slices(len(arrays)))
    assert_same(Sequences.from_arrays(arrays)[key], arrays[key])


@pytest.mark.parametrize("key", [slice(2, 1), slice(9, 12), slice(3, 0), slice(-1, -9)])
def test_slices_without_sequences_are_empty(sequences: Sequences, key: slice) -> None:
    assert_same(sequences[key], [])


@given(array_lists(), st.data())
def test_integer_arrays_give_the_same_arrays_as_a_list(
    arrays: Arrays, data: Any
) -> None:
    n = len(arrays)
    key = data.draw(st.lists(st.integers(-n, n - 1), max_size=10))
    taken = Sequences.from_arrays(arrays)[np.array(key, dtype=int)]
    assert_same(taken, [arrays[index] for index in key])


@given(array_lists(), st.data())
def test_masks_give_the_same_arrays_as_a_list(arrays: Arrays, data: Any) -> None:
    n = len(arrays)
    mask = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    taken = Sequences.from_arrays(arrays)[np.array(mask)]
    assert_same(taken, [a for a, keep in zip(arrays, mask, strict=True) if keep])


@given(array_lists(), st.integers(0, 3))
def test_padding_can_be_cut_off_again(arrays: Arrays, extra: int) -> None:
    longest = max(len(array) for array in arrays)
    padded = Sequences.from_arrays(arrays).to_padded(np.nan, longest + extra)
    assert padded.shape[1] == longest + extra
    for row, array in zip(padded, arrays, strict=True):
        np.testing.assert_array_equal(row[: len(array)], array)
        assert np.isnan(row[len(array) :]).all()


@settings(deadline=None)
@given(array_lists(min_size=2), st.integers(0, 100))
def test_train_test_split_splits_as_it_splits_a_list(arrays: Arrays, seed: int) -> None:
    parts = train_test_split(Sequences.from_arrays(arrays), random_state=seed)
    expected = train_test_split(arrays, random_state=seed)
    for part, plain in zip(parts, expected, strict=True):
        assert_same(part, plain)


@given(array_lists(min_size=3))
def test_k_fold_splits_as_it_splits_a_list(arrays: Arrays) -> None:
    sequences = Sequences.from_arrays(arrays)
    for train, test in KFold(3).split(sequences):
        assert_same(sequences[train], [arrays[index] for index in train])
        assert_same(sequences[test], [arrays[index] for index in test])


@given(array_lists())
def test_an_object_array_holds_the_same_arrays(arrays: Arrays) -> None:
    objects = np.asarray(Sequences.from_arrays(arrays))
    assert objects.shape == (len(arrays),)
    for found, array in zip(objects, arrays, strict=True):
        np.testing.assert_array_equal(found, array)


@given(array_lists())
def test_lengths_are_those_of_the_arrays(arrays: Arrays) -> None:
    lengths = [len(array) for array in arrays]
    assert Sequences.from_arrays(arrays).lengths.tolist() == lengths


def test_a_panel_comes_back_without_a_copy() -> None:
    panel = np.arange(24.0).reshape(4, 3, 2)
    back = Sequences.from_panel(panel).to_panel()
    np.testing.assert_array_equal(back, panel)
    assert np.shares_memory(back, panel)


def test_slices_share_memory(sequences: Sequences) -> None:
    assert np.shares_memory(sequences[1:].values, sequences.values)


def test_pickle_keeps_everything(sequences: Sequences) -> None:
    back = pickle.loads(pickle.dumps(sequences))
    np.testing.assert_array_equal(back.values, sequences.values)
    np.testing.assert_array_equal(back.offsets, sequences.offsets)
    assert back.feature_names == ("speed", "load")


@pytest.mark.parametrize("key", [slice(1), [2, 0], np.array([True, False, True])])
def test_names_stay_with_a_selection(sequences: Sequences, key: Any) -> None:
    assert sequences[key].feature_names == ("speed", "load")


def test_names_stay_with_values_of_the_same_width(sequences: Sequences) -> None:
    assert sequences.with_values(sequences.values * 2).feature_names is not None
    assert sequences.with_values(sequences.values[:, :1]).feature_names is None


def test_repr_tells_the_lengths(sequences: Sequences) -> None:
    assert repr(sequences) == "<Sequences: 3 sequences, 1 to 3 steps, 2 features>"
    assert repr(sequences[:1]) == "<Sequences: 1 sequences, 3 steps each, 2 features>"
    assert repr(sequences[:0]) == "<Sequences: 0 sequences, no steps, 2 features>"


@pytest.mark.parametrize(
    ("values", "offsets", "names", "message"),
    [
        (np.zeros(3), [0, 3], None, "values has 1 dimensions, expected 2"),
        (np.zeros((3, 1)), [], None, "begins with 0"),
        (np.zeros((3, 1)), [1, 3], None, "begins with 0"),
        (np.zeros((3, 1)), [[0, 3]], None, r"got shape \(1, 2\)"),
        (np.zeros((3, 1)), [0, 2], None, "number of steps, 3; the last one is 2"),
        (np.zeros((3, 1)), [0, 2, 1, 3], None, "must never fall"),
        (np.zeros((3, 1)), [0, 3], ["a", "b"], "2 names for 1 features"),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    values: Any, offsets: Any, names: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Sequences(values, offsets, names)


def test_a_sequence_longer_than_the_padding_is_named(sequences: Sequences) -> None:
    with pytest.raises(ValueError, match=r"Sequence 0 has 3 steps.*n_steps >= 3"):
        sequences.to_padded(n_steps=2)


def test_ragged_sequences_make_no_panel(sequences: Sequences) -> None:
    with pytest.raises(ValueError, match=r"1 to 3 steps.*to_padded"):
        sequences.to_panel()


def test_ragged_sequences_make_no_array_of_numbers(sequences: Sequences) -> None:
    with pytest.raises(ValueError, match="to_padded"):
        np.asarray(sequences, dtype=float)


@pytest.mark.parametrize("key", [3, -4, [0, 3], np.array([True, False])])
def test_keys_outside_the_sequences_are_refused(sequences: Sequences, key: Any) -> None:
    with pytest.raises(IndexError):
        sequences[key]


@pytest.mark.parametrize(
    "key",
    [
        np.array([[0, 1], [2, 0]]),
        None,
        np.bool_(True),
        True,
        np.array([[0]]),
    ],
    ids=str,
)
def test_keys_of_other_dimensions_are_refused(sequences: Sequences, key: Any) -> None:
    with pytest.raises(IndexError, match=r"one axis.*integer, a slice or a 1-D array"):
        sequences[key]


def test_an_array_of_one_integer_is_that_integer(sequences: Sequences) -> None:
    np.testing.assert_array_equal(sequences[np.array(2)], sequences[2])


@given(array_lists())
def test_a_sequence_is_in_sequences_if_it_is_one_of_them(arrays: Arrays) -> None:
    sequences = Sequences.from_arrays(arrays)
    assert all(array in sequences for array in arrays)
    assert arrays[0] + 1000 not in sequences or len(arrays[0]) == 0
    assert 3 not in sequences


def test_no_arrays_cannot_be_joined() -> None:
    with pytest.raises(ValueError, match="no arrays: pass at least one"):
        Sequences.from_arrays([])


@pytest.mark.parametrize("names", [[0, 1], ["speed", 1], np.arange(2)], ids=str)
def test_names_that_are_not_all_strings_are_dropped(names: Any) -> None:
    assert Sequences(np.zeros((3, 2)), [0, 3], names).feature_names is None
    steps = pd.DataFrame(np.zeros((3, 2)), columns=names)
    for frame in ([steps], pd.concat({"a": steps})):
        assert as_sequences(frame).feature_names is None
    assert as_sequences(steps, lengths=[3]).feature_names is None


def test_a_second_axis_is_refused(sequences: Sequences) -> None:
    with pytest.raises(IndexError, match="one axis"):
        sequences[0, 1]


def test_nan_padding_makes_integers_float() -> None:
    sequences = Sequences(np.array([[1], [2], [3]]), [0, 1, 3])
    padded = sequences.to_padded(np.nan)
    np.testing.assert_array_equal(padded[:, :, 0], [[1, np.nan], [2, 3]])


def test_offsets_that_are_not_integers_are_refused() -> None:
    with pytest.raises(ValueError, match="dtype float64"):
        Sequences(np.zeros((2, 1)), [0.0, 1.7, 2.0])


@given(array_lists(), st.integers(1, 3))
def test_joined_features_stand_side_by_side(arrays: Arrays, n_more: int) -> None:
    static = np.random.default_rng(0).integers(9, size=(len(arrays), n_more))
    whole = Sequences.from_arrays(arrays)
    expected = [
        np.column_stack([array, *(np.full(len(array), value) for value in row)])
        for array, row in zip(arrays, static, strict=True)
    ]
    assert_same(whole.join(static), expected)
    assert_same(
        whole.join(whole), [np.concatenate([array, array], axis=1) for array in arrays]
    )


def test_joined_features_keep_names_and_categories(sequences: Sequences) -> None:
    codes = np.array([[0], [1], [2], [0], [1], [1]])
    words = Sequences(codes, [0, 3, 4, 6], ["w"], [3])
    joined = sequences.join(words)
    assert joined.feature_names == ("speed", "load", "w")
    assert joined.n_categories == (0, 0, 3)
    static = pd.DataFrame({"age": [61.0, 47.0, 30.0], "clinic": [0.0, 1.0, 0.0]})
    joined = words.join(static, n_categories=[0, 2])
    assert joined.feature_names == ("w", "age", "clinic")
    assert joined.n_categories == (3, 0, 2)
    assert sequences.join([1, 2, 3]).feature_names is None
    assert sequences.join(sequences).feature_names is None  # each comes twice
    assert sequences.join([1, 2, 3]).n_categories is None


@pytest.mark.parametrize(
    ("other", "options", "message"),
    [
        ([1, 2], {}, r"shape \(2,\), expected \(3,\)"),
        (5, {}, r"shape \(\)"),
        ([[1], [2, 3], [4]], {}, "rows of different lengths, expected"),
        (Sequences(np.zeros((6, 1)), [0, 2, 4, 6]), {}, "sequence 0 has 3 steps here"),
        (Sequences(np.zeros((6, 1)), [0, 6]), {}, "numbers of sequences differ"),
        (
            Sequences(np.zeros((6, 1)), [0, 3, 4, 6]),
            {"n_categories": [1]},
            "static",
        ),
        ([1, 2, 3], {"n_categories": [1, 2]}, "n_categories"),
    ],
)
def test_features_that_do_not_fit_are_not_joined(
    sequences: Sequences, other: Any, options: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        sequences.join(other, **options)


def test_joined_texts_are_refused(sequences: Sequences) -> None:
    with pytest.raises(TypeError, match="real numbers"):
        sequences.join(["a", "b", "c"])


def test_what_is_masked_is_missing_after_a_join(sequences: Sequences) -> None:
    joined = sequences.join(np.ma.array([61.0, 47.0, 5.0], mask=[0, 1, 0]))
    assert np.isnan(joined[1][:, 2]).all()
    assert joined[0][0, 2] == 61.0
