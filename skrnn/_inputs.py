"""What users pass as X becomes Sequences, or an error that says what to change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse

from skrnn._frames import (
    as_pandas,
    frame_to_array,
    is_frame,
    is_nested_frame,
    is_series_of_sequences,
    sequences_from_frame,
)
from skrnn._sequences import Sequences, offsets_of

__all__ = ["InputKind", "array_of", "as_list", "as_sequences", "input_kind"]
__all__ += ["read_sequences", "refuse_times", "refuse_unclear_frames"]
__all__ += ["table_to_sequences"]

InputKind = Literal["table", "panel", "ragged"]

FORMS = (
    "a 2-D array (n_sequences, n_steps), a 3-D array (n_sequences, n_steps, "
    "n_features), a list of arrays (n_steps_i, n_features) or Sequences"
)


def as_sequences(
    X: Any,
    *,
    layout: Literal["steps-features", "features-steps"] = "steps-features",
    padding: float | Literal["nan"] | None = None,
    lengths: ArrayLike | None = None,
    sequence_id: Any = None,
    time: Any = None,
) -> Sequences:
    """Turn any form of sequence data into one ``Sequences`` container.

    No axis is guessed: a 3-D array is (n_sequences, n_steps, n_features) unless
    ``layout`` says otherwise.

    Parameters
    ----------
    X : array, list, DataFrame or Sequences
        One of

        - 2-D array of shape (n_sequences, n_steps): one feature per step;
        - 3-D array of shape (n_sequences, n_steps, n_features);
        - list or object array of arrays of shape (n_steps_i, n_features) or
          (n_steps_i,), or of data frames with equal columns, or a Series of them;
        - with ``lengths``, array of shape (n_total_steps, n_features): all sequences,
          one after the other;
        - DataFrame with a MultiIndex (sequence, time), as in sktime's ``pd-multiindex``
          panels; its columns are the features;
        - nested DataFrame, one row per sequence, whose cells are Series;
        - long DataFrame, of polars too, with one row per step, ``sequence_id`` and
          maybe ``time``;
        - plain DataFrame, one row per sequence, one column per step.
    layout : {"steps-features", "features-steps"}, default="steps-features"
        Order of the last two axes of a 3-D array. sktime's ``numpy3D`` and aeon are
        "features-steps".
    padding : float, "nan" or None, default=None
        Steps at the end of a sequence of a 3-D array in which every feature has this
        value are padding and are removed. None keeps all steps.
    lengths : array of int of shape (n_sequences,) or None, default=None
        Number of steps of each sequence, for concatenated or padded arrays.
    sequence_id : str or None, default=None
        Column that says to which sequence a row of a long DataFrame belongs. Sequences
        come in the order of first appearance.
    time : str or None, default=None
        Column by which the rows of a sequence are sorted; None keeps their order.

    Returns
    -------
    sequences : Sequences
        All sequences, in their order; a view where X is one array.

    Raises
    ------
    TypeError
        If ``X`` is of a form that is not listed, or an argument has no meaning for
        its form.
    ValueError
        If the parts of ``X`` do not fit together; the message names the sequence.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import as_sequences
    >>> padded = np.array([[[1.0], [2.0], [np.nan]], [[3.0], [4.0], [5.0]]])
    >>> as_sequences(padded, padding="nan").lengths
    array([2, 3])
    >>> sktime_panel = np.zeros((10, 2, 24))  # instances, variables, time
    >>> as_sequences(sktime_panel, layout="features-steps").n_features
    2
    """
    if layout not in ("steps-features", "features-steps"):
        raise ValueError(
            f"layout must be 'steps-features' or 'features-steps', got {layout!r}."
        )
    if isinstance(X, Sequence) and len(X) == 0:
        raise ValueError(f"X is an empty {type(X).__name__}. Expected {FORMS}.")
    X = as_list(X)
    of_frames = {"sequence_id": sequence_id, "time": time}
    of_arrays = {"lengths": lengths, "padding": padding}
    of_panels = {"layout": None if layout == "steps-features" else layout}
    if isinstance(X, Sequences):
        _refuse_options("Sequences", {**of_frames, **of_arrays, **of_panels})
        return X
    if sequence_id is not None:
        X = as_pandas(X)
    if is_frame(X):
        framed = sequences_from_frame(X, sequence_id=sequence_id, time=time)
        if framed is not None:
            form = "a DataFrame whose rows or cells tell the sequences apart"
            _refuse_options(form, {**of_arrays, **of_panels})
            return framed
    _refuse_options(f"of type {type(X).__name__}, no long DataFrame", of_frames)
    if input_kind(X) == "ragged":
        _refuse_options("a list of sequences", {**of_arrays, **of_panels})
        sequences = _read_ragged(X, None)
        _check_lengths(sequences.lengths)
        return sequences
    array = _numeric_array(X)
    if array.ndim == 2:
        _refuse_options("2-D", of_panels)
        if lengths is not None:
            _refuse_options("2-D with lengths", {"padding": padding})
            names = X.columns if is_frame(X) and X.ndim == 2 else None
            return _split_steps(array, np.asarray(lengths), names)
        array = array[:, :, None]
    elif layout == "features-steps":
        array = array.transpose(0, 2, 1)
    if padding is not None:
        _refuse_options("cut by padding already", {"lengths": lengths})
        lengths = _lengths_without_padding(array, padding)
    if lengths is None:
        return Sequences.from_panel(array)
    return _cut_panel(array, np.asarray(lengths))


def _refuse_options(form: str, options: dict[str, Any]) -> None:
    """Say which argument has no meaning for this form of X."""
    for name, value in options.items():
        if value is not None:
            raise TypeError(
                f"{name}={value!r} has no meaning here, because X is {form}. "
                f"Leave {name} out, or see as_sequences for the form it belongs to."
            )


def as_list(X: Any) -> Any:
    """Make a list of a deque or a Series of sequences; leave anything else as it is."""
    ours = isinstance(X, list | tuple | str | bytes) or hasattr(X, "ndim")
    is_other_list = isinstance(X, Sequence) and not ours
    return list(X) if is_other_list or is_series_of_sequences(X) else X


def input_kind(X: Any) -> InputKind:
    """Tell a table (2-D), a panel (3-D) and ragged input apart, without a copy."""
    if isinstance(X, Sequences):
        return "ragged"
    if isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1 and len(X):
        return "ragged" if isinstance(X[0], Sized) else "table"
    if isinstance(X, list | tuple) and len(X):
        first = X[0]
        if is_frame(first) or isinstance(first, np.ndarray):
            return "ragged" if first.ndim > 0 else "table"
        if isinstance(first, list | tuple):
            return _kind_of_nested_lists(X)
        is_array = hasattr(first, "__array__") and np.ndim(first) > 0
        return "ragged" if is_array or issparse(first) else "table"
    if isinstance(X, Iterable) and not isinstance(X, Sized):
        raise TypeError(
            f"X is a {type(X).__name__}, which can be read only once. Pass list(X)."
        )
    return "panel" if getattr(X, "ndim", 2) >= 3 else "table"


def _kind_of_nested_lists(X: Any) -> InputKind:
    """Tell lists of lists apart: equal counts of numbers are a table."""
    equal = len({len(row) for row in X}) == 1
    deeper = any(np.ndim(row[0]) > 0 for row in X if len(row))
    return "ragged" if deeper or not equal else "table"


def read_sequences(X: Any, kind: InputKind, features_per_step: int | None) -> Sequences:
    """Read ragged or 3-D input; ``input_kind`` has told which it is."""
    if isinstance(X, Sequences):
        sequences = X
    elif kind == "ragged":
        sequences = _read_ragged(X, features_per_step)
    else:
        sequences = Sequences.from_panel(_numeric_array(X))
    if features_per_step is not None and sequences.n_features != features_per_step:
        raise ValueError(
            f"X has {sequences.n_features} features per step, but "
            f"features_per_step={features_per_step}. The parameter is only needed for "
            "2-D tables; leave it at None or pass X with that many features."
        )
    if len(sequences) and sequences.lengths.min() == 0:
        empty = int(sequences.lengths.argmin())
        raise ValueError(
            f"X[{empty}] has 0 steps: every sequence needs at least one. "
            "Remove the empty sequences (and their targets)."
        )
    if sequences.n_features == 0:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={np.shape(X)}) while a minimum of "
            "1 is required."
        )
    return sequences


def table_to_sequences(table: NDArray[Any], features_per_step: int | None) -> Sequences:
    """Read a 2-D table, time-major: all features of step 0, then of step 1, ..."""
    n_features = 1 if features_per_step is None else features_per_step
    n_sequences, n_columns = table.shape
    if n_columns % n_features:
        raise ValueError(
            f"X has {n_columns} columns, which is not a multiple of "
            f"features_per_step={n_features}: a table holds n_steps * "
            "features_per_step columns, all features of the first step first."
        )
    return Sequences.from_panel(
        table.reshape(n_sequences, n_columns // n_features, n_features)
    )


def refuse_unclear_frames(X: Any) -> None:
    """Frames whose rows are not sequences need ``as_sequences``."""
    if not is_frame(X):
        return
    if getattr(X.index, "nlevels", 1) > 1:
        raise ValueError(
            "X is a DataFrame with a MultiIndex: its rows are steps, not sequences. "
            "Pass as_sequences(X)."
        )
    if is_nested_frame(X):
        raise ValueError(
            "X is a nested DataFrame (its cells are whole series). "
            "Pass as_sequences(X)."
        )


def refuse_times(values: Any, where: str) -> None:
    """Numpy would read dates and durations as numbers of some unit of time."""
    if is_frame(values) and values.ndim == 2:
        for label, dtype in zip(values.columns, values.dtypes, strict=True):
            _refuse_times(dtype, f"Column {label!r} of {where}")
    elif isinstance(values, np.ndarray) and values.dtype == object:
        for of_type, value in {type(value): value for value in values.flat}.items():
            if issubclass(of_type, np.datetime64 | np.timedelta64):
                _refuse_times(value.dtype, where)
    else:
        _refuse_times(getattr(values, "dtype", None), where)


def _refuse_times(dtype: Any, where: str) -> None:
    if getattr(dtype, "kind", None) in ("m", "M"):
        raise ValueError(
            f"{where} has dtype {dtype}, expected real numbers. Turn times into "
            "numbers first, for example (t - t[0]) / np.timedelta64(1, 's')."
        )


def array_of(X: Any, where: str = "X") -> NDArray[Any]:
    """Make an array of X, or say what to do: some tensors do not become one."""
    try:
        return np.asarray(X)
    except ValueError as error:
        raise ValueError(
            f"{where} cannot be read as an array ({error}). Expected {FORMS}."
        ) from error
    except (RuntimeError, TypeError) as error:
        raise TypeError(
            f"{where} is a {type(X).__name__} that cannot be read as an array "
            f"({error}). Pass an array of numpy; of a tensor, that is "
            "tensor.detach().cpu().float().numpy()."
        ) from error


def _numeric_array(X: Any, where: str = "X") -> NDArray[Any]:
    """Make a real numeric array; NaN for masked entries."""
    if type(X) is np.ndarray and X.ndim == 3 and X.dtype.kind in "fiub":
        return X
    if np.ma.isMaskedArray(X):
        X = np.ma.filled(X.astype(np.float64), np.nan)
    if issparse(X):
        raise TypeError(
            f"{where} is sparse: Sparse data was passed, but dense data is required. "
            "Use '.toarray()' to convert to a dense numpy array."
        )
    if is_frame(X):
        X = frame_to_array(X if X.ndim == 2 else X.to_frame()).reshape(X.shape)
    array = array_of(X, where)
    refuse_times(array, where)
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported\n{where} is complex.")
    if array.dtype.kind not in "fiub":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"{where} has dtype {array.dtype} and cannot be read as numbers "
                f"({error}). Expected {FORMS}, all of numbers."
            ) from error
    if where == "X" and array.ndim not in (2, 3):
        raise ValueError(
            f"X has {array.ndim} dimensions, shape {array.shape}. Expected {FORMS}."
        )
    return array


def _read_ragged(X: Any, features_per_step: int | None) -> Sequences:
    names = _common_names(X)
    arrays = [_read_one(x, i, features_per_step) for i, x in enumerate(X)]
    n_features = arrays[0].shape[1]
    for index, array in enumerate(arrays):
        if array.shape[1] != n_features:
            raise ValueError(
                f"X[{index}] has {array.shape[1]} features, but X[0] has "
                f"{n_features}: all sequences need the same features in the same "
                "order."
            )
    return Sequences.from_arrays(arrays, names)


def _read_one(x: Any, index: int, features_per_step: int | None) -> NDArray[Any]:
    array = _numeric_array(x, f"X[{index}]")
    if array.ndim == 1:
        width = 1 if features_per_step is None else features_per_step
        if len(array) % width:
            raise ValueError(
                f"X[{index}] has {len(array)} numbers, which is not a multiple of "
                f"features_per_step={width}."
            )
        return array.reshape(-1, width)
    if array.ndim != 2:
        raise ValueError(
            f"X[{index}] has {array.ndim} dimensions, shape {array.shape}. Expected "
            "one sequence of shape (n_steps, n_features) or (n_steps,)."
        )
    return array


def _common_names(X: Any) -> tuple[Any, ...] | None:
    """Column names of a list of frames, which must agree."""
    if not is_frame(X[0]) or X[0].ndim != 2:
        return None
    names = tuple(X[0].columns)
    for index, x in enumerate(X):
        other = tuple(x.columns) if is_frame(x) and x.ndim == 2 else None
        if other != names:
            raise ValueError(
                f"X[{index}] has the columns {other}, but X[0] has {names}: all "
                "sequences need the same features in the same order."
            )
    return names


def _split_steps(array: NDArray[Any], lengths: NDArray[Any], names: Any) -> Sequences:
    _check_lengths(lengths)
    if lengths.sum() != len(array):
        raise ValueError(
            f"lengths add up to {lengths.sum()} steps, but X has {len(array)} rows."
        )
    return Sequences(array, offsets_of(lengths), names)


def _cut_panel(panel: NDArray[Any], lengths: NDArray[Any]) -> Sequences:
    _check_lengths(lengths)
    n_sequences, n_steps, _ = panel.shape
    if len(lengths) != n_sequences:
        raise ValueError(
            f"lengths has {len(lengths)} values for {n_sequences} sequences in X."
        )
    if (lengths > n_steps).any():
        longest = int(lengths.argmax())
        raise ValueError(
            f"lengths[{longest}] is {lengths[longest]}, but X has only {n_steps} steps."
        )
    return Sequences(panel[np.arange(n_steps) < lengths[:, None]], offsets_of(lengths))


def _check_lengths(lengths: NDArray[Any]) -> None:
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu":
        raise ValueError(
            "lengths must be a 1-D array of integers, got "
            f"shape {lengths.shape} and dtype {lengths.dtype}."
        )
    if (lengths < 1).any():
        index = int(np.argmax(lengths < 1))
        raise ValueError(
            f"Sequence {index} has {lengths[index]} steps: every sequence needs at "
            "least one. Remove the empty sequences (and their targets)."
        )


def _lengths_without_padding(panel: NDArray[Any], padding: Any) -> NDArray[np.int64]:
    if padding != "nan" and not isinstance(padding, Real):
        raise ValueError(f"padding must be 'nan', a number or None, got {padding!r}.")
    is_nan = padding == "nan" or bool(np.isnan(padding))
    is_step = ~(np.isnan(panel) if is_nan else panel == padding).all(axis=2)
    trailing = is_step[:, ::-1].argmax(axis=1)
    lengths = np.where(is_step.any(axis=1), panel.shape[1] - trailing, 0)
    return lengths.astype(np.int64)
