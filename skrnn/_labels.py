"""Labels of classes: an array of their natural type, none of them missing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skrnn._frames import missing_cells

__all__ = ["check_label_columns", "read_labels"]

KINDS: dict[str, tuple[type, ...]] = {
    "bool": (bool, np.bool_),
    "int": (int, np.integer),
    "float": (float, np.floating),
    "str": (str,),
    "bytes": (bytes,),
}
NUMBERS = {"bool", "int", "float"}


def read_labels(y: Any, name: str = "y") -> NDArray[Any]:
    """Make an array of labels; objects that are all numbers become numbers."""
    try:
        labels = np.asarray(y)
    except ValueError as error:
        raise ValueError(
            f"{name} cannot be read as an array ({error}). Expected one label per "
            "sequence, or columns of 0 and 1, one per label."
        ) from error
    if labels.dtype.kind == "T":  # numpy's strings of any length, unknown to others
        labels = labels.astype(object)
    objects = labels
    if isinstance(y, list | tuple) and labels.dtype.kind in "US":
        objects = np.asarray(y, dtype=object)  # in labels, 1 and None became text
    if objects.dtype.kind in "OmM":
        _refuse_missing(objects, name)
    if objects.dtype == object and _kinds(objects, name) & NUMBERS:
        labels = np.array(labels.tolist())
    if labels.dtype.kind == "S" or (labels.size and isinstance(labels.flat[0], bytes)):
        raise TypeError(
            f"{name} has labels of bytes, such as {labels.flat[0]!r}, which the scores "
            "of scikit-learn cannot read. Pass text, for example "
            f"np.char.decode(np.asarray({name}, dtype=bytes))."
        )
    return labels


def check_label_columns(labels: NDArray[Any]) -> None:
    """Columns of labels say whether (1) or not (0) a sequence has a label."""
    values = np.unique(labels)
    if not np.isin(values, [0, 1]).all():
        raise ValueError(
            f"y has {labels.shape[1]} columns with the values {values.tolist()}, "
            "expected 0 and 1 (or False and True): 1 where a sequence has the label of "
            f"the column. Pass (y == {values.tolist()[-1]!r}).astype(int), for example."
        )


def _refuse_missing(labels: NDArray[Any], name: str) -> None:
    missing = missing_cells(labels)
    if missing.any():
        first = tuple(np.argwhere(missing)[0].tolist())
        place = f"{name}[{', '.join(map(str, first))}]"
        n_missing = int(missing.sum())
        raise ValueError(
            f"{name} has {n_missing} missing label{'s' if n_missing > 1 else ''}, the "
            f"first is {labels[first]!r} in {place}: every sequence needs a label. "
            "Drop these sequences, or give them a label of their own."
        )


def _kinds(labels: NDArray[Any], name: str) -> set[str]:
    """Say of what types the labels are: of one, or of int and float."""
    examples = {type(label): label for label in labels.flat}
    kinds = {_kind(of_type): label for of_type, label in examples.items()}
    if len(kinds) > 1 and kinds.keys() != {"int", "float"}:
        (first, one), (second, other) = list(kinds.items())[:2]
        raise ValueError(
            f"{name} mixes labels of type {first}, such as {one!r}, with labels of "
            f"type {second}, such as {other!r}: they have no common order. Make all of "
            f"one type, for example [str(label) for label in {name}]."
        )
    return set(kinds)


def _kind(of_type: type) -> str:
    if issubclass(of_type, np.timedelta64):  # to numpy a kind of integer
        return of_type.__name__
    kinds = (kind for kind, types in KINDS.items() if issubclass(of_type, types))
    return next(kinds, of_type.__name__)
