"""Features of steps that are categories: which ones, how many, how they are coded."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skrnn._sequences import Sequences

__all__ = ["UNKNOWN", "check_codes", "learn_categories", "tables_of"]

UNKNOWN = 0  # row of a table of vectors; the categories follow
LARGEST = 2**24  # codes beyond which single precision leaves some out
LARGEST_VECTOR = 64


def learn_categories(estimator: Any, sequences: Sequences) -> NDArray[np.int64]:
    """Count the categories of each feature; features that are numbers have none."""
    wanted, n_features = estimator.categorical_features, sequences.n_features
    counts = np.zeros(n_features, dtype=np.int64)
    if isinstance(wanted, str):  # "auto"
        if sequences.n_categories is not None:
            counts[:] = sequences.n_categories
    else:
        for column in columns_of(wanted, sequences):
            largest = sequences.values[:, column].max(initial=0)
            counts[column] = max(1, int(np.nan_to_num(largest)) + 1)
    if counts.max(initial=0) > LARGEST:
        raise ValueError(
            f"Feature {int(counts.argmax())} of X has {counts.max()} categories, more "
            f"than {LARGEST}: give rare ones a common code, or hash them."
        )
    if counts.any() and estimator.scale_inputs == "sequence":
        raise ValueError(
            "scale_inputs='sequence' has no meaning for categories (categorical_"
            "features): use scale_inputs='feature'."
        )
    return counts


def columns_of(wanted: Any, sequences: Sequences) -> list[int]:
    """Find the columns of the features that are named."""
    names, n_features = sequences.feature_names, sequences.n_features
    found = []
    for each in [] if wanted is None else wanted:
        if isinstance(each, str) and each in (names or ()):
            found.append((names or ()).index(each))
        elif isinstance(each, int | np.integer) and 0 <= each < n_features:
            found.append(int(each))
        else:
            raise ValueError(
                f"categorical_features holds {each!r}, expected numbers of features "
                f"from 0 to {n_features - 1}"
                + (f", or names out of {list(names)}." if names else ".")
            )
    return found


def check_codes(sequences: Sequences, counts: NDArray[np.int64] | None) -> None:
    """Refuse categories that are no whole numbers."""
    if counts is None or sequences.dtype.kind in "iub":
        return
    for column in np.flatnonzero(counts):
        codes = sequences.values[:, column]
        odd = (codes != np.floor(codes)) & ~np.isnan(codes)
        if odd.any():
            row = int(odd.argmax())
            place = int(np.searchsorted(sequences.offsets, row, side="right")) - 1
            raise ValueError(
                f"Feature {column} of X holds {codes[row]} (sequence {place}, step "
                f"{row - sequences.offsets[place]}), but it is a category: expected "
                "whole numbers from 0 on, and -1 for unknown ones."
            )


def tables_of(counts: NDArray[np.int64], embedding: Any) -> tuple[Any, ...]:
    """Say for each feature with categories: its column, their number, their size."""
    columns = np.flatnonzero(counts).tolist()
    if np.ndim(embedding) > 0 and len(columns) != 1:
        raise ValueError(
            f"embedding holds vectors for one feature, but {len(columns)} features of "
            "X are categories (categorical_features): use 'auto' or a size."
        )
    return tuple(
        (column, int(counts[column]), size_of(int(counts[column]), embedding))
        for column in columns
    )


def size_of(n_categories: int, embedding: Any) -> int:
    """Choose how many numbers stand for a category."""
    if isinstance(embedding, str):  # "auto"
        return min(LARGEST_VECTOR, round(1.6 * math.pow(n_categories, 0.56)))
    if np.ndim(embedding) == 0:
        return int(embedding)
    vectors = np.asarray(embedding, dtype=np.float64)
    good = vectors.ndim == 2 and len(vectors) == n_categories and vectors.size > 0
    if not good or not np.isfinite(vectors).all():
        raise ValueError(
            f"embedding has the shape {vectors.shape}, expected ({n_categories}, "
            "size): one vector of finite numbers for each category, in the order of "
            "the codes."
        )
    return len(vectors[0])
