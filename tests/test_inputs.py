"""as_sequences: every form of the same data gives the same Sequences."""

import subprocess
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sktime.datasets import load_basic_motions, load_japanese_vowels
from sktime.datatypes import convert

from skrnn import Sequences, as_sequences
from skrnn._frames import is_frame, is_nested_frame

ARRAYS = [np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([[7.0, 8.0]])]
LONG = pd.DataFrame(
    {
        "id": ["b", "b", "b", "a"],
        "time": [0, 1, 2, 0],
        "x": [1.0, 3.0, 5.0, 7.0],
        "z": [2.0, 4.0, 6.0, 8.0],
    }
)
PANEL = LONG.set_index(["id", "time"])
NESTED = pd.DataFrame(
    {
        "x": [pd.Series([1.0, 3.0, 5.0]), pd.Series([7.0])],
        "z": [pd.Series([2.0, 4.0, 6.0]), pd.Series([8.0])],
    }
)
NAN = np.nan
GRADIENT = torch.eye(2, requires_grad=True)


def assert_equal(sequences: Sequences, expected: Sequences) -> None:
    np.testing.assert_array_equal(sequences.offsets, expected.offsets)
    np.testing.assert_array_equal(sequences.values, expected.values)


def load(loader: Callable[..., Any], form: str) -> Any:
    return loader(split="train", return_X_y=True, return_type=form)[0]


@pytest.mark.parametrize(
    "X",
    [
        ARRAYS,
        tuple(ARRAYS),
        np.asarray(Sequences.from_arrays(ARRAYS)),
        [array.tolist() for array in ARRAYS],
        [pd.DataFrame(array) for array in ARRAYS],
        deque(ARRAYS),
        pd.Series(ARRAYS, index=["b", "a"]),
        pd.Series([pd.DataFrame(array) for array in ARRAYS]),
        [torch.tensor(array) for array in ARRAYS],
        Sequences.from_arrays(ARRAYS),
        PANEL,
        NESTED,
        NESTED.map(lambda cell: cell.to_numpy()),
    ],
    ids=lambda X: type(X).__name__,
)
def test_all_forms_of_ragged_data_give_the_same(X: Any) -> None:
    assert_equal(as_sequences(X), Sequences.from_arrays(ARRAYS))


def test_a_table_has_one_feature_per_step() -> None:
    table = np.arange(6.0).reshape(2, 3)
    assert_equal(as_sequences(table), Sequences(table.reshape(6, 1), [0, 3, 6]))


def test_a_plain_frame_is_a_table() -> None:
    table = np.arange(6.0).reshape(2, 3)
    assert_equal(as_sequences(pd.DataFrame(table)), as_sequences(table))


@pytest.mark.parametrize("form", ["nested_univ", "numpy3D", "pd-multiindex", "df-list"])
def test_basic_motions_is_the_same_in_all_of_sktimes_forms(form: str) -> None:
    numpy3d = load(load_basic_motions, "numpy3D")
    expected = Sequences.from_arrays([instance.T for instance in numpy3d])
    layout: Any = "features-steps" if form == "numpy3D" else "steps-features"
    X = load(load_basic_motions, form)
    assert_equal(as_sequences(X, layout=layout), expected)


@pytest.mark.parametrize("form", ["nested_univ", "pd-multiindex", "df-list"])
def test_japanese_vowels_are_the_same_in_all_of_sktimes_forms(form: str) -> None:
    frames = load(load_japanese_vowels, "df-list")
    expected = Sequences.from_arrays([frame.to_numpy() for frame in frames])
    sequences = as_sequences(load(load_japanese_vowels, form))
    assert_equal(sequences, expected)
    assert sequences.feature_names == tuple(f"dim_{i}" for i in range(12))


@pytest.mark.parametrize("form", ["nested_univ", "pd-multiindex", "df-list"])
def test_what_sktime_converts_is_read_alike(form: str) -> None:
    numpy3d = np.random.default_rng(0).normal(size=(5, 2, 7))
    X = convert(numpy3d, from_type="numpy3D", to_type=form, as_scitype="Panel")
    assert_equal(as_sequences(X), as_sequences(numpy3d, layout="features-steps"))


def test_other_words_for_the_layout_are_refused() -> None:
    layout: Any = "ntd"
    with pytest.raises(ValueError, match="layout must be 'steps-features' or"):
        as_sequences(np.zeros((2, 3, 4)), layout=layout)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.sampled_from([NAN, 0.0]))
def test_padding_is_removed(lengths: list[int], padding: float) -> None:
    arrays = [np.full((length, 2), 1.0 + i) for i, length in enumerate(lengths)]
    expected = Sequences.from_arrays(arrays)
    padded = expected.to_padded(padding, n_steps=6)
    assert_equal(as_sequences(padded, padding=padding), expected)


def test_padding_may_be_called_nan() -> None:
    padded = Sequences.from_arrays(ARRAYS).to_padded(NAN)
    assert_equal(as_sequences(padded, padding="nan"), Sequences.from_arrays(ARRAYS))


def test_padding_inside_a_sequence_is_data() -> None:
    panel = np.array([[[0.0], [1.0], [0.0], [2.0], [0.0]]])
    assert as_sequences(panel, padding=0.0).values.ravel().tolist() == [0, 1, 0, 2]


def test_lengths_cut_a_padded_array() -> None:
    panel = Sequences.from_arrays(ARRAYS).to_padded(-1.0)
    assert_equal(as_sequences(panel, lengths=[3, 1]), Sequences.from_arrays(ARRAYS))


def test_lengths_cut_concatenated_steps() -> None:
    steps = np.concatenate(ARRAYS)
    assert_equal(as_sequences(steps, lengths=[3, 1]), Sequences.from_arrays(ARRAYS))


@given(st.permutations(range(4)))
def test_rows_of_a_panel_may_come_in_any_order(order: list[int]) -> None:
    shuffled = PANEL.iloc[order]
    sequences = as_sequences(shuffled)
    firsts = list(dict.fromkeys(shuffled.index.get_level_values("id")))
    expected = [PANEL.loc[name].to_numpy() for name in firsts]
    assert_equal(sequences, Sequences.from_arrays(expected))


@given(st.permutations(range(4)))
def test_rows_of_a_long_frame_may_come_in_any_order(order: list[int]) -> None:
    shuffled = LONG.iloc[order]
    sequences = as_sequences(shuffled, sequence_id="id", time="time")
    assert_equal(sequences, as_sequences(shuffled.set_index(["id", "time"])))


def test_without_time_the_rows_of_a_sequence_keep_their_order() -> None:
    frame = pd.DataFrame({"id": [1, 0, 1, 0], "x": [4, 3, 2, 1]})
    sequences = as_sequences(frame, sequence_id="id")
    assert_equal(sequences, Sequences([[4], [2], [3], [1]], [0, 2, 4]))


def test_a_long_frame_of_polars_is_read_like_one_of_pandas() -> None:
    import polars

    days = pd.to_datetime(["2024-01-10", "2024-01-09", "2024-01-09"])
    frame = pd.DataFrame({"id": ["b", "b", "a"], "day": days, "x": [2.0, 1.0, 3.0]})
    same = polars.DataFrame({name: frame[name].to_numpy() for name in frame})
    sequences = as_sequences(same, sequence_id="id", time="day")
    assert_equal(sequences, as_sequences(frame, sequence_id="id", time="day"))


def test_dates_are_sorted_as_dates() -> None:
    days = pd.to_datetime(["2024-01-10", "2024-01-09"])
    frame = pd.DataFrame({"id": [0, 0], "day": days, "x": [2, 1]})
    sequences = as_sequences(frame, sequence_id="id", time="day")
    assert sequences.values.ravel().tolist() == [1, 2]


def test_all_levels_but_the_last_tell_sequences_apart() -> None:
    index = pd.MultiIndex.from_product([["s", "t"], ["a", "b"], [0, 1, 2]])
    frame = pd.DataFrame({"x": np.arange(12)}, index=index)
    sequences = as_sequences(frame)
    assert_equal(sequences, Sequences(np.arange(12)[:, None], [0, 3, 6, 9, 12]))


def test_sequences_of_three_levels_come_in_order_of_first_appearance() -> None:
    keys = [("s", "b", 0), ("t", "a", 0), ("s", "a", 0), ("s", "b", 1)]
    frame = pd.DataFrame({"x": [1, 2, 3, 4]}, index=pd.MultiIndex.from_tuples(keys))
    assert_equal(as_sequences(frame), Sequences([[1], [4], [2], [3]], [0, 2, 3, 4]))


def test_a_series_with_two_levels_is_a_panel_of_one_feature() -> None:
    assert_equal(as_sequences(PANEL["x"]), as_sequences(PANEL[["x"]]))


def test_an_empty_panel_has_no_sequences() -> None:
    assert len(as_sequences(PANEL.iloc[:0])) == 0


@pytest.mark.parametrize("X", [PANEL, NESTED], ids=["panel", "nested"])
def test_names_of_columns_are_kept(X: Any) -> None:
    assert as_sequences(X).feature_names == ("x", "z")


def test_names_of_listed_frames_are_kept() -> None:
    frames = [frame for _, frame in PANEL.groupby("id", sort=False)]
    assert as_sequences(frames).feature_names == ("x", "z")


def test_names_that_are_not_strings_are_dropped() -> None:
    assert as_sequences(PANEL.rename(columns={"x": 0})).feature_names is None


def test_float32_stays_float32() -> None:
    assert as_sequences(PANEL.astype(np.float32)).dtype == np.float32


def test_missing_values_of_pandas_become_nan() -> None:
    frame = PANEL.assign(x=pd.array([1, None, 3, 4], dtype="Int64"))
    values = as_sequences(frame).values[:, 0]
    np.testing.assert_array_equal(values, [1.0, NAN, 3.0, 4.0])


def test_numbers_and_truth_values_mix() -> None:
    values = as_sequences(PANEL.assign(x=[True, False, True, True])).values
    np.testing.assert_array_equal(values[:, 0], [1.0, 0.0, 1.0, 1.0])


def test_objects_that_are_numbers_are_read() -> None:
    frame = PANEL.assign(x=np.array([1, 2.5, None, 4], dtype=object))
    np.testing.assert_array_equal(as_sequences(frame).values[:, 0], [1, 2.5, NAN, 4])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sequence_id": "case"}, r"sequence_id='case' is 0 columns .*reset_index"),
        ({"sequence_id": "id", "time": "t"}, r"time='t' is 0 columns of X"),
        ({"sequence_id": ["id"]}, r"sequence_id=\['id'\] is 0 columns of X"),
        ({"time": "time"}, r"time='time' .* also needs sequence_id"),
    ],
)
def test_columns_that_are_not_there_are_named(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        as_sequences(LONG, **options)


@pytest.mark.parametrize(
    "bad",
    [
        ["1", "2", "three", "4"],
        pd.to_datetime(["2024-01-01"] * 4),
        pd.to_timedelta([1, 2, 3, 4]),
        np.array([1j, 2, 3, 4]),
        pd.Categorical(["u", "v", "u", "v"]),
    ],
    ids=["text", "times", "durations", "complex", "categories"],
)
def test_a_column_without_numbers_is_named(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"Column 'x' has dtype .*Drop the column"):
        as_sequences(PANEL.assign(x=bad))


def test_a_time_that_comes_twice_is_named_with_its_sequence() -> None:
    frame = LONG.assign(time=[0, 1, 1, 0])
    message = r"Sequence b has more than one step at time 1 \(seen in row 2, 1 such"
    with pytest.raises(ValueError, match=message):
        as_sequences(frame, sequence_id="id", time="time")
    with pytest.raises(ValueError, match=message):
        as_sequences(frame.set_index(["id", "time"]))


@pytest.mark.parametrize("column", ["id", "time"])
def test_a_missing_key_is_named_with_its_row(column: str) -> None:
    frame = LONG.astype({"time": float})
    frame.loc[2, column] = None
    with pytest.raises(ValueError, match=f"Column '{column}' has no value in row 2"):
        as_sequences(frame, sequence_id="id", time="time")


def test_a_missing_index_value_is_named_with_its_level() -> None:
    ids = pd.Series(["b", None, "b", "a"])
    frame = LONG.assign(id=ids).set_index(["id", "time"])
    with pytest.raises(ValueError, match="Index level 0 has no value in row 1"):
        as_sequences(frame)


def test_a_frame_without_features_is_refused() -> None:
    with pytest.raises(ValueError, match="no feature columns"):
        as_sequences(LONG[["id", "time"]], sequence_id="id", time="time")


def test_a_series_has_no_column_to_tell_sequences_apart() -> None:
    with pytest.raises(TypeError, match="X is a Series"):
        as_sequences(LONG["x"], sequence_id="id")


def test_cells_of_different_lengths_are_named_with_their_row() -> None:
    frame = pd.DataFrame(
        {"x": [np.zeros(2), np.zeros(3)], "z": [np.zeros(2), np.zeros(1)]},
        index=["first", "second"],
    )
    with pytest.raises(ValueError, match="Row second has cells of 1 to 3 steps"):
        as_sequences(frame)


@pytest.mark.parametrize("cell", [1.0, None, "text", np.zeros((2, 2))])
def test_a_cell_that_is_no_series_is_named(cell: Any) -> None:
    frame = pd.DataFrame({"x": [np.zeros(2)] * 2, "z": [np.zeros(2), None]})
    frame.at[1, "z"] = cell
    with pytest.raises(ValueError, match="Column 'z' of row 1 holds a"):
        as_sequences(frame)


def test_cells_of_text_are_named_with_their_column() -> None:
    frame = pd.DataFrame({"x": [np.array(["a", "b"]), np.array(["c"])]})
    with pytest.raises(ValueError, match="Column 'x' has dtype"):
        as_sequences(frame)


@pytest.mark.parametrize(
    ("X", "options", "error", "message"),
    [
        ([np.zeros((2, 3)), np.zeros((2, 4))], {}, ValueError, r"X\[1\] has 4 feat"),
        ([np.zeros((1, 2, 3))], {}, ValueError, r"X\[0\] has 3 dimensions"),
        (np.zeros((1, 2, 3, 4)), {}, ValueError, "X has 4 dimensions"),
        (np.zeros(3), {}, ValueError, "X has 1 dimensions"),
        (pd.Series([1.0, 2.0]), {}, ValueError, "X has 1 dimensions"),
        ((x for x in ARRAYS), {}, TypeError, "can be read only once"),
        ([np.array([["a"]])], {}, ValueError, r"X\[0\] has dtype <U1"),
        ([np.array([[1j]])], {}, ValueError, "Complex data not supported"),
        (ARRAYS, {"sequence_id": "id"}, TypeError, "sequence_id='id' has no mea"),
        (ARRAYS, {"lengths": [3, 2]}, TypeError, "because X is a list of sequences"),
        (ARRAYS, {"padding": 0.0}, TypeError, "padding=0.0 has no meaning here"),
        (np.zeros((4, 3)), {"layout": "features-steps"}, TypeError, "because X is 2-D"),
        (np.zeros((4, 3)), {"lengths": [4], "padding": 0}, TypeError, "2-D with len"),
        (np.zeros((2, 3, 1)), {"padding": "zero"}, ValueError, "must be 'nan', a num"),
        (np.zeros((2, 3, 1)), {"layout": "nft"}, ValueError, "layout must be"),
        ([], {}, ValueError, "X is an empty list"),
        ([np.zeros((0, 2))], {}, ValueError, "Sequence 0 has 0 steps"),
        (csr_array(np.zeros((2, 3))), {}, TypeError, "Sparse data was passed"),
        ([csr_array(np.eye(2))] * 2, {}, TypeError, r"X\[0\] is sparse.*toarray"),
        ([np.eye(2), csr_array(np.eye(2))], {}, TypeError, r"X\[1\] is sparse"),
        ([np.eye(2), GRADIENT], {}, TypeError, r"X\[1\] is a Tensor.*requires grad"),
        ([torch.eye(2).bfloat16()], {}, TypeError, r"X\[0\] is a Tensor.*\.float\(\)"),
        (GRADIENT, {}, TypeError, r"X is a Tensor.*\.detach\(\)\.cpu\(\)"),
        (deque(), {}, ValueError, "X is an empty deque"),
        (np.zeros((4, 1)), {"lengths": [3, 2]}, ValueError, "add up to 5 steps"),
        (np.zeros((4, 1)), {"lengths": [4, 0]}, ValueError, "Sequence 1 has 0 steps"),
        (np.zeros((4, 1)), {"lengths": [1.5]}, ValueError, "array of integers"),
        (np.zeros((2, 3, 1)), {"lengths": [3]}, ValueError, "1 values for 2 seq"),
        (np.zeros((2, 3, 1)), {"lengths": [3, 4]}, ValueError, r"lengths\[1\] is 4"),
        (np.zeros((2, 3, 1)), {"padding": 0.0}, ValueError, "Sequence 0 has 0 steps"),
    ],
)
def test_input_that_does_not_fit_is_explained(
    X: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        as_sequences(X, **options)


def test_listed_frames_with_other_columns_are_named() -> None:
    frames = [pd.DataFrame({"x": [1.0]}), pd.DataFrame({"z": [1.0]})]
    with pytest.raises(ValueError, match=r"X\[1\] has the columns \('z',\)"):
        as_sequences(frames)


def test_a_3d_array_is_read_without_a_copy() -> None:
    panel: NDArray[np.float64] = np.zeros((2, 3, 4))
    assert np.shares_memory(as_sequences(panel).values, panel)


def test_asking_for_frames_does_not_import_pandas() -> None:
    code = (
        "import sys, numpy, skrnn._frames as frames;"
        "frames.is_frame(numpy.zeros(2)); frames.is_nested_frame([1]);"
        "print('pandas' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.stdout.strip(), run.stderr) == ("False", "")


@pytest.mark.parametrize("X", [LONG, LONG["x"], NESTED])
def test_frames_and_series_are_frames(X: Any) -> None:
    assert is_frame(X)


@pytest.mark.parametrize("X", [np.zeros((2, 2)), [LONG], {"x": [1]}, None])
def test_other_things_are_no_frames(X: Any) -> None:
    assert not is_frame(X)


def test_only_frames_of_series_are_nested() -> None:
    assert is_nested_frame(NESTED)
    assert is_nested_frame(NESTED["x"])
    assert not is_nested_frame(LONG)
    assert not is_nested_frame(NESTED.iloc[:0])


def test_options_are_refused_where_sequences_are_told_apart_already() -> None:
    done = as_sequences(ARRAYS)
    with pytest.raises(TypeError, match="because X is Sequences"):
        as_sequences(done, padding="nan")
    panel = pd.DataFrame(
        {"x": [1.0, 2.0]}, index=pd.MultiIndex.from_tuples([(0, 0), (0, 1)])
    )
    with pytest.raises(TypeError, match="rows or cells tell the sequences apart"):
        as_sequences(panel, lengths=[2])


def test_names_of_columns_are_kept_with_lengths() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "z": [4.0, 5.0, 6.0]})
    assert as_sequences(frame, lengths=[1, 2]).feature_names == ("x", "z")
