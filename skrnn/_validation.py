"""Check X and y at scikit-learn's door; after this nobody checks data again."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sized
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data

from skrnn._frames import frame_to_array, is_frame
from skrnn._inputs import (
    FORMS,
    InputKind,
    array_of,
    as_list,
    input_kind,
    read_sequences,
    refuse_times,
    refuse_unclear_frames,
    table_to_sequences,
)
from skrnn._sequences import Sequences, is_mapped, place_of

__all__ = ["check_sequences", "check_step", "check_target_length", "draft_of"]
__all__ += ["refuse_unclear"]

Estimator = TypeVar("Estimator")
NUMBERS_IN_A_BLOCK = 2**18


def draft_of(estimator: Estimator) -> Estimator:
    """Make a shallow copy that can be changed and thrown away."""
    draft = object.__new__(type(estimator))
    draft.__dict__ = dict(estimator.__dict__)
    return draft


def check_sequences(
    estimator: Any,
    X: Any,
    *,
    reset: bool,
    dtype: Any = np.float64,
    allow_nan: bool = False,
    keep_mapped: bool = False,
) -> Sequences:
    """Read X as Sequences of numbers; with ``reset``, remember its features.

    ``dtype`` is one type or a list of types to keep; ``keep_mapped`` leaves the numbers
    of a memory map as they are. Sets ``n_features_in_`` (columns of a table, else
    features per step), ``feature_names_in_`` and ``_input_kind``.
    """
    width: int | None = estimator.features_per_step
    kind: InputKind = "panel"
    if type(X) is not np.ndarray or X.ndim != 3:  # there is something to find out
        X = as_list(X)
        refuse_unclear_frames(X)
        if _is_empty_list(X) and (reset or estimator._input_kind != "table"):
            n_features = 1 if reset else estimator._n_step_features
            X = Sequences(np.empty((0, n_features)), [0])
        kind = input_kind(X)
    if kind == "table":
        sequences = table_to_sequences(_check_table(estimator, X, reset), width)
    else:
        sequences = read_sequences(X, kind, width)
        if reset and len(sequences) == 0:
            raise ValueError(
                f"Found array with 0 sample(s) (shape={np.shape(X)}) while a minimum "
                f"of 1 is required by {type(estimator).__name__}."
            )
        _check_names(estimator, sequences, reset)
    if reset:
        if kind != "table":
            estimator.n_features_in_ = sequences.n_features
        estimator._input_kind = kind
        estimator._n_step_features = sequences.n_features
    else:
        _check_step_features(estimator, sequences, kind)
    types = dtype if isinstance(dtype, list) else [dtype]
    _check_finite(estimator, sequences, allow_nan)
    if sequences.dtype in types:
        return sequences
    if np.dtype(types[0]).itemsize < sequences.dtype.itemsize:
        _check_cast(sequences, types[0])
    if keep_mapped and is_mapped(sequences.values):
        return sequences
    return sequences.with_values(sequences.values.astype(types[0]))


def _is_empty_list(X: Any) -> bool:
    is_list = isinstance(X, list | tuple) or (
        isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1
    )
    return is_list and len(X) == 0


def _check_table(estimator: BaseEstimator, X: Any, reset: bool) -> NDArray[Any]:
    if np.ma.isMaskedArray(X):
        X = np.ma.filled(X.astype(np.float64), np.nan)
    options = {
        "dtype": [np.float64, np.float32],
        "ensure_all_finite": False,  # checked below, with the place of the value
        "ensure_min_samples": 1 if reset else 0,
    }
    try:
        if isinstance(X, list | tuple):
            X = np.asarray(X)
        refuse_times(X, "X")
        if reset or estimator._input_kind == "table":
            table = validate_data(estimator, X, reset=reset, **options)
        else:  # fitted on 3-D or ragged input: only the features of a step count
            table = check_array(X, estimator=estimator, input_name="X", **options)
    except (RuntimeError, TypeError, ValueError) as error:
        if is_frame(X):
            frame_to_array(X if X.ndim == 2 else X.to_frame())  # names the column
        elif hasattr(X, "__array__"):
            array_of(X)  # says how a tensor gives its numbers
        if "float" not in str(error) or "X" in str(error):
            raise
        raise type(error)(
            f"X is {type(X).__name__} and cannot be read as numbers ({error}). "
            f"Expected {FORMS}, all of numbers; texts become such by TokenEncoder."
        ) from error
    return np.asarray(table)


def _check_names(estimator: Any, sequences: Sequences, reset: bool) -> None:
    """As scikit-learn does for columns of a table, for features of a step."""
    names = sequences.feature_names
    if reset:
        if names is not None:
            estimator.feature_names_in_ = np.array(names, dtype=object)
        elif hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
        return
    fitted = getattr(estimator, "feature_names_in_", None)
    if fitted is None or estimator._input_kind == "table":
        return
    if names is None:
        warnings.warn(
            "X does not have valid feature names, but "
            f"{type(estimator).__name__} was fitted with feature names",
            UserWarning,
            stacklevel=4,
        )
    elif tuple(fitted) != names:
        raise ValueError(
            "The feature names should match those that were passed during fit.\n"
            f"Got {list(names)}, expected {list(fitted)}, in this order."
        )


def _check_step_features(estimator: Any, sequences: Sequences, kind: InputKind) -> None:
    expected, got = estimator._n_step_features, sequences.n_features
    if got == expected:
        return
    name = type(estimator).__name__
    message = (
        f"X has {got} features per step, but {name} is expecting {expected} features "
        "as input."
    )
    if kind == "table":
        message += (
            f" A 2-D X is read with one feature per step: pass X of shape "
            f"(n_sequences, n_steps, {expected}) or set features_per_step={expected}."
        )
    raise ValueError(message)


def _check_finite(estimator: Any, sequences: Sequences, allow_nan: bool) -> None:
    values = sequences.values
    if len(values) < NUMBERS_IN_A_BLOCK // 64 and np.isfinite(values).all():
        return
    if all(np.isfinite(block).all() for block in _blocks(values)):
        return
    name = type(estimator).__name__
    infinite = np.isinf(values)
    if infinite.any():
        raise ValueError(
            f"Input X contains infinity: {_first_place(sequences, infinite)}. "
            f"{name} needs finite numbers: remove or clip these values."
        )
    if allow_nan:
        return
    missing = np.isnan(values)
    steps = missing.all(axis=1)
    ends = sequences.offsets[1:][sequences.lengths > 0] - 1
    advice = "Impute them first"
    if hasattr(estimator, "missing"):
        advice += " or set missing='mask'"
    if steps[ends].any():
        advice += (
            "; if NaN at the end of a sequence is padding, pass "
            "as_sequences(X, padding='nan')"
        )
    raise ValueError(
        f"Input X contains NaN: {_first_place(sequences, missing)}. "
        f"{name} does not accept missing values. {advice}."
    )


def _check_cast(sequences: Sequences, dtype: Any) -> None:
    def overflow(block: NDArray[Any]) -> NDArray[np.bool_]:
        with np.errstate(over="ignore"):
            return np.asarray(np.isinf(block.astype(dtype)) & ~np.isinf(block))

    if any(overflow(block).any() for block in _blocks(sequences.values)):
        place = _first_place(sequences, overflow(sequences.values))
        raise ValueError(
            f"Input X is too large for {np.dtype(dtype)} (it would become infinity): "
            f"{place}. Scale X, for example with SequenceScaler, or set "
            "dtype='float64'."
        )


def _blocks(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Cut steps into parts that need little memory: X may be a large memory map."""
    n_rows = max(1, NUMBERS_IN_A_BLOCK // max(1, values.shape[1]))
    return (values[i : i + n_rows] for i in range(0, len(values), n_rows))


def _first_place(sequences: Sequences, found: NDArray[np.bool_]) -> str:
    """Where the first found value is, and how many there are."""
    row, feature = np.argwhere(found)[0]
    index, step = place_of(sequences.offsets, row)
    count = int(found.sum())
    return (
        f"{count} value{'s' if count > 1 else ''}, the first is "
        f"{sequences.values[row, feature]} in sequence {index}, step {step}, "
        f"feature {feature}"
    )


def refuse_unclear(values: Any, name: str) -> None:
    """Targets and weights that can be read only once, or of which some are masked."""
    if isinstance(values, Iterable) and not isinstance(values, Sized):
        raise TypeError(
            f"{name} is a {type(values).__name__}, which can be read only once. "
            f"Pass list({name})."
        )
    masked = _masked_rows(values)
    if masked.any():
        count = int(masked.sum())
        raise ValueError(
            f"{name} holds masked values for {count} sequence{'s' * (count > 1)}, the "
            f"first is {name}[{masked.argmax()}]. Drop these sequences from X, y and "
            "sample_weight."
        )


def _masked_rows(values: Any) -> NDArray[np.bool_]:
    """For which sequences a masked array, or a list of such, holds masked values."""
    if isinstance(values, list | tuple):
        return np.array([np.ma.is_masked(value) for value in values], dtype=bool)
    mask = np.atleast_1d(np.ma.getmaskarray(values) if np.ma.isMA(values) else False)
    return np.asarray(mask.any(axis=tuple(range(1, mask.ndim))))


def check_step(
    x: Any, shape: tuple[int, int], dtype: Any, allow_nan: bool
) -> NDArray[Any]:
    """Check one step of each sequence: (n_sequences, n_features)."""
    values = np.asarray(x, dtype=dtype)
    if values.shape != shape:
        raise ValueError(
            f"x has shape {values.shape}, expected {shape}: one step of each "
            "sequence, (n_sequences, n_features)."
        )
    bad = np.isinf(values) if allow_nan else ~np.isfinite(values)
    if bad.any():
        row, feature = np.argwhere(bad)[0]
        raise ValueError(
            f"x holds {values[row, feature]} (sequence {row}, feature {feature}): "
            "drop such values, or fit with missing='mask', which takes NaN."
        )
    return values


def check_target_length(sequences: Sequences, y: Any, name: str = "y") -> None:
    """One target (or weight) for each sequence."""
    if len(y) != len(sequences):
        raise ValueError(
            f"{name} has {len(y)} values for {len(sequences)} sequences in X: found "
            "input variables with inconsistent numbers of samples."
        )
