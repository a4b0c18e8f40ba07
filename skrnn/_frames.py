"""The only door to pandas: frames become Sequences; pandas is imported when needed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skrnn._sequences import Sequences, offsets_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["as_pandas", "frame_to_array", "is_frame", "is_nested_frame"]
__all__ += ["is_series_of_sequences", "missing_cells", "sequences_from_frame"]


def is_frame(X: Any) -> bool:
    """Whether X is a pandas DataFrame or Series; never imports pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(X, pandas.DataFrame | pandas.Series)


def as_pandas(X: Any) -> Any:
    """Make a long frame of polars one of pandas; leave anything else as it is."""
    polars = sys.modules.get("polars")
    if polars is None or not isinstance(X, polars.DataFrame):
        return X
    import pandas as pd

    return pd.DataFrame({name: X[name].to_numpy() for name in X.columns})


def is_nested_frame(X: Any) -> bool:
    """Whether some cells of the frame X are whole series; never imports pandas."""
    if not is_frame(X) or len(X) == 0:
        return False
    columns = [X] if X.ndim == 1 else [X.iloc[:, i] for i in range(X.shape[1])]
    return any(c.dtype == object and _is_series(c.iloc[0]) for c in columns)


def missing_cells(array: NDArray[Any]) -> NDArray[np.bool_]:
    """Where an array of objects or of times holds None, NaN, NaT or NA."""
    import pandas

    return np.asarray(pandas.isna(array))


def is_series_of_sequences(X: Any) -> bool:
    """Whether X is a Series whose cells are (n_steps, n_features) each."""
    if not is_frame(X) or X.ndim != 1 or X.dtype != object or len(X) == 0:
        return False
    return np.ndim(X.iloc[0]) == 2


def sequences_from_frame(X: Any, *, sequence_id: Any, time: Any) -> Sequences | None:
    """Read a long, multi-indexed or nested frame; None for one row per sequence."""
    if sequence_id is not None:
        return _read_long(X, sequence_id, time)
    if time is not None:
        raise ValueError(
            f"time={time!r} names a column of a long DataFrame, which also needs "
            "sequence_id: pass the column that tells the sequences apart."
        )
    frame = X.to_frame() if X.ndim == 1 else X
    if frame.index.nlevels > 1:
        return _read_multiindex(frame)
    return _read_nested(frame) if is_nested_frame(frame) else None


def frame_to_array(frame: pd.DataFrame) -> NDArray[Any]:
    """Make a numeric array (n_rows, n_columns); missing values become NaN."""
    dtypes = list(frame.dtypes)
    if dtypes and all(isinstance(d, np.dtype) and d.kind in "fiub" for d in dtypes):
        return frame.to_numpy(dtype=np.result_type(*dtypes))
    array = np.empty(frame.shape)
    for position, label in enumerate(frame.columns):
        array[:, position] = _to_numbers(frame.iloc[:, position], label)
    return array


def _to_numbers(column: pd.Series[Any], label: Any) -> NDArray[np.float64]:
    """Read one column (n_rows,) that is not a plain numpy number column."""
    if column.dtype.kind in "cmM":
        raise ValueError(
            f"Column {label!r} has dtype {column.dtype}, expected real numbers. "
            "Drop the column or turn it into numbers; a column of times belongs in "
            "time=, one of names in sequence_id=."
        )
    try:
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Column {label!r} has dtype {column.dtype} and cannot be read as numbers "
            f"({error}). Drop the column or encode it, for example with OrdinalEncoder."
        ) from error


def _read_long(X: Any, sequence_id: Any, time: Any) -> Sequences:
    """One row per step; a column says to which sequence it belongs."""
    if X.ndim == 1:
        raise TypeError(
            "sequence_id names a column of a long DataFrame, but X is a Series. "
            "Pass a DataFrame, for example X.reset_index()."
        )
    special = {"sequence_id": sequence_id}
    if time is not None:
        special["time"] = time
    labels = list(X.columns)
    for parameter, label in special.items():
        if labels.count(label) != 1:
            raise ValueError(
                f"{parameter}={label!r} is {labels.count(label)} columns of X, "
                f"expected 1. The columns are {labels}; index levels become columns "
                "by X.reset_index()."
            )
    features = X.iloc[:, [i for i, c in enumerate(labels) if c not in special.values()]]
    groups = _codes(X[sequence_id], f"Column {sequence_id!r}")
    times = None if time is None else _codes(X[time], f"Column {time!r}", ordered=True)
    if times is not None:
        _refuse_duplicates(groups, times, X[sequence_id].array, X[time].array)
    return _join_groups(features, groups, times)


def _read_multiindex(frame: pd.DataFrame) -> Sequences:
    """One row per step; all index levels but the last say to which sequence."""
    index = frame.index
    groups = np.zeros(len(frame), dtype=np.int64)
    for level in range(index.nlevels - 1):
        codes = _codes(index.get_level_values(level), f"Index level {level}")
        groups = groups * (codes.max(initial=0) + 1) + codes
        groups = _codes(groups, "The index")  # small numbers again: no overflow
    moments = index.get_level_values(-1)
    times = _codes(moments, f"Index level {index.nlevels - 1}", ordered=True)
    sequences = index.droplevel([-1])  # type: ignore[list-item]  # wrong in the stubs
    _refuse_duplicates(groups, times, sequences, moments)
    return _join_groups(frame, groups, times)


def _codes(keys: Any, where: str, ordered: bool = False) -> NDArray[np.int64]:
    """Give equal keys one number, by first appearance or, if ordered, by value."""
    import pandas

    try:
        codes, _ = pandas.factorize(keys, sort=ordered)
    except TypeError as error:
        raise TypeError(f"{where} cannot be put in order ({error}).") from error
    codes = np.asarray(codes, dtype=np.int64)
    if codes.min(initial=0) < 0:
        raise ValueError(
            f"{where} has no value in row {int(codes.argmin())}, but every step needs "
            "one. Fill in the value or drop the row."
        )
    return codes


def _refuse_duplicates(
    groups: NDArray[np.int64], times: NDArray[np.int64], ids: Any, moments: Any
) -> None:
    """Two steps of a sequence at the same time cannot be put in order."""
    order = np.lexsort((times, groups))
    same = (np.diff(groups[order]) == 0) & (np.diff(times[order]) == 0)
    if same.any():
        row = int(order[1:][same].min())
        raise ValueError(
            f"Sequence {ids[row]} has more than one step at time "
            f"{moments[row]} (seen in row {row}, {same.sum()} such steps in "
            "all). Remove or average them."
        )


def _join_groups(
    frame: pd.DataFrame, groups: NDArray[np.int64], times: NDArray[np.int64] | None
) -> Sequences:
    """Bring the rows of a sequence together, in order of time or of rows."""
    if frame.shape[1] == 0:
        raise ValueError("X has no feature columns: every step needs at least one.")
    values = frame_to_array(frame)
    order = np.lexsort((groups,) if times is None else (times, groups))
    if (np.diff(order) != 1).any():
        values = values[order]
    lengths = np.bincount(groups)
    return Sequences(values, offsets_of(lengths), frame.columns)


def _read_nested(frame: pd.DataFrame) -> Sequences:
    """One row per sequence; each cell is the Series of one feature."""
    columns, lengths = [], np.empty(frame.shape, dtype=np.int64)
    for position, label in enumerate(frame.columns):
        cells = list(frame.iloc[:, position])
        for row, cell in zip(frame.index, cells, strict=True):
            if not _is_series(cell) or cell.ndim != 1:
                raise ValueError(
                    f"Column {label!r} of row {row} holds a {type(cell).__name__} of "
                    f"shape {np.shape(cell)}, expected a Series or 1-D array: each "
                    "cell of a nested DataFrame is one feature of a whole sequence. "
                    f"For cells that are whole sequences, pass list(X[{label!r}])."
                )
        lengths[:, position] = [len(cell) for cell in cells]
        columns.append(_join_cells(cells, label))
    unequal = (lengths != lengths[:, :1]).any(axis=1)
    if unequal.any():
        row = int(unequal.argmax())
        raise ValueError(
            f"Row {frame.index[row]} has cells of {lengths[row].min()} to "
            f"{lengths[row].max()} steps: all features of a sequence need the same "
            "number of steps."
        )
    values = np.stack(columns, axis=1)
    return Sequences(values, offsets_of(lengths[:, 0]), frame.columns)


def _join_cells(cells: list[Any], label: Any) -> NDArray[Any]:
    """Join the cells of one column to an array (n_total_steps,)."""
    import pandas

    joined = np.concatenate([np.asarray(cell) for cell in cells])
    return frame_to_array(pandas.DataFrame({label: joined}))[:, 0]


def _is_series(cell: Any) -> bool:
    return isinstance(cell, np.ndarray) or (is_frame(cell) and cell.ndim == 1)
