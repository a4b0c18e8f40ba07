"""What users pass as targets and weights of each step, read and checked.

``y`` holds one list or array per sequence, with one label or number for each of its
steps; ``sample_weight`` holds one number per sequence, or has the same form.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets

from skrnn._frames import is_frame, missing_cells
from skrnn._inputs import as_list, refuse_times
from skrnn._labels import read_labels
from skrnn._sequences import offsets_of, place_of
from skrnn._training_set import check_sample_weight

__all__ = ["labels_of_steps", "marks_of_steps", "numbers_of_steps", "parts_of"]
__all__ += ["weights_of_steps"]


def parts_of(y: Any, lengths: NDArray[np.int64] | None, name: str = "y") -> list[Any]:
    """Give one list or array per sequence, as long as the sequence.

    Without ``lengths``, any lengths will do.
    """
    y = as_list(y)
    if is_frame(y):
        y = np.asarray(y)
    if is_one(y):
        raise TypeError(
            f"{name} is a {type(y).__name__}, expected a list with one list or array "
            "per sequence, or an array of shape (n_sequences, n_steps)."
        )
    parts = [*y]
    if lengths is not None and len(parts) != len(lengths):
        raise ValueError(
            f"{name} has {len(parts)} values for {len(lengths)} sequences in X: found "
            "input variables with inconsistent numbers of samples."
        )
    for index, part in enumerate(parts):
        if is_one(part):
            raise ValueError(
                f"{name}[{index}] is {part!r}, expected a list or an array with one "
                f"value for each step of X[{index}]. For one value per sequence there "
                "are the classifiers and regressors."
            )
        if lengths is not None and len(part) != lengths[index]:
            raise ValueError(
                f"{name}[{index}] has {len(part)} values, but X[{index}] has "
                f"{lengths[index]} steps: pass one value for each step."
            )
    return parts


def is_one(part: Any) -> bool:
    """Whether this is a single value."""
    single = isinstance(part, str | bytes) or not hasattr(part, "__len__")
    return single or getattr(part, "ndim", 1) == 0


def labels_of_steps(parts: list[Any], name: str = "y") -> NDArray[Any]:
    """Make one array of the labels of all steps, (n_total_steps,)."""
    for index, part in enumerate(parts):
        if getattr(part, "ndim", 1) != 1:
            raise ValueError(
                f"{name}[{index}] has shape {part.shape}, expected ({len(part)},): one "
                "label for each step."
            )
    kinds = {p.dtype.kind if isinstance(p, np.ndarray) else "O" for p in parts}
    if len(kinds) == 1 and kinds <= set("biuU"):
        flat: Any = np.concatenate(parts)
    else:
        flat = [label for part in parts for label in np_list(part)]
        refuse_missing(flat, parts, name)
    labels = read_labels(flat, name)
    if labels.ndim != 1:
        raise ValueError(
            f"{name} holds lists in place of labels: pass one label for each step."
        )
    check_classification_targets(labels)
    return labels


def np_list(part: Any) -> list[Any]:
    """Give the values of a list or array, those of an array as Python's own."""
    return list(part.tolist() if hasattr(part, "tolist") else part)


def refuse_missing(flat: list[Any], parts: list[Any], name: str) -> None:
    """Say at which step of which sequence a label is missing."""
    cells = np.empty(len(flat), dtype=object)
    cells[:] = flat
    missing = missing_cells(cells)
    if missing.any():
        first = int(missing.argmax())
        raise ValueError(
            f"{name} has {int(missing.sum())} missing label(s), the first is "
            f"{flat[first]!r} in {place(parts, first, name)}: every step needs a "
            "label. Give it one that occurs, and a sample_weight of 0."
        )


def place(parts: list[Any], step: int, name: str) -> str:
    """Say where a step of all steps is, as an expression."""
    offsets = offsets_of([len(part) for part in parts])
    index, step = place_of(offsets, step)
    return f"{name}[{index}][{step}]"


def numbers_of_steps(parts: list[Any], name: str = "y") -> NDArray[np.float64]:
    """Make one array of the numbers of all steps, (n_total_steps, [n_outputs])."""
    arrays = [read_numbers(part, f"{name}[{i}]") for i, part in enumerate(parts)]
    for index, array in enumerate(arrays):
        if array.shape[1:] != arrays[0].shape[1:]:
            raise ValueError(
                f"{name}[{index}] has shape {array.shape}, but {name}[0] has "
                f"{arrays[0].shape}: all need the same number of outputs per step."
            )
    flat = np.concatenate(arrays)
    bad = ~np.isfinite(flat.reshape(len(flat), -1)).all(axis=1)
    if bad.any():
        first = int(bad.argmax())
        raise ValueError(
            f"Input {name} contains NaN or infinity: {place(parts, first, name)} is "
            f"{flat[first]}. Every step needs finite numbers; where one is unknown, "
            "give it any, and a sample_weight of 0."
        )
    return flat


def marks_of_steps(parts: list[Any], name: str = "y") -> NDArray[np.float64]:
    """Make one array of the labels that steps have (1) or not (0): (n_steps, k)."""
    marks = numbers_of_steps(parts, name)
    odd = ~np.isin(marks, (0.0, 1.0)).reshape(len(marks), -1).all(axis=1)
    if marks.ndim != 2 or odd.any():
        first = int(odd.argmax())
        raise ValueError(
            f"{place(parts, first, name)} is {np.asarray(marks[first]).tolist()}, "
            "expected for each step one label, or a 0 or 1 for each of several labels."
        )
    return marks


def read_numbers(part: Any, where: str) -> NDArray[np.float64]:
    """Read the numbers of one sequence."""
    refuse_times(part, where)
    array = np.asarray(part)
    try:
        numbers = array.astype(np.float64) if array.dtype.kind != "c" else None
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"{where} cannot be read as numbers ({error}): pass one number for each "
            "step. For labels there are the taggers."
        ) from error
    if numbers is None or numbers.ndim not in (1, 2):
        raise ValueError(
            f"{where} has shape {array.shape} and dtype {array.dtype}, expected real "
            f"numbers of shape ({len(array)},) or ({len(array)}, n_outputs)."
        )
    return numbers


def weights_of_steps(
    sample_weight: Any, lengths: NDArray[np.int64]
) -> tuple[Any, NDArray[np.float64]]:
    """Give a weight per sequence, its largest, and the shares of its steps in it."""
    shares = np.ones(int(lengths.sum()))
    if is_per_sequence(sample_weight):
        return check_sample_weight(sample_weight, len(lengths)), shares
    name = "sample_weight"
    parts = parts_of(sample_weight, lengths, name)
    weights = numbers_of_steps(parts, name)
    if weights.ndim != 1:
        raise ValueError(f"{name}[0] has several columns: pass one number per step.")
    if (weights < 0).any():
        first = int((weights < 0).argmax())
        raise ValueError(
            f"{place(parts, first, name)} is {weights[first]}: negative values in data "
            "passed to `sample_weight`; weights must be >= 0."
        )
    if len(weights) == 0:
        return check_sample_weight(np.empty(0), len(lengths)), shares
    largest = np.maximum.reduceat(weights, offsets_of(lengths)[:-1])
    of_sequences = check_sample_weight(largest, len(lengths))
    scale = np.repeat(np.where(largest > 0, largest, 1.0), lengths)
    return of_sequences, weights / scale


def is_per_sequence(sample_weight: Any) -> bool:
    """Whether there is no more than one weight per sequence."""
    if is_frame(sample_weight):
        sample_weight = np.asarray(sample_weight)
    if is_one(sample_weight):  # None, too
        return True
    one_axis = getattr(sample_weight, "ndim", 1) == 1
    return one_axis and (len(sample_weight) == 0 or is_one(sample_weight[0]))
