"""Features of steps that are categories: which ones, how many, how they are coded."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skrnn._sequences import Sequences, place_of

__all__ = ["UNKNOWN_ROW", "check_codes", "check_step_codes", "holds_vectors", "size_of"]
__all__ += ["learn_categories", "tables_of"]

UNKNOWN_ROW = 0  # row of a table of vectors; the categories follow
LARGEST = 2**24  # codes beyond which single precision leaves some out
LARGEST_VECTOR = 64
EXPECTED = (
    "but it is a category: expected whole numbers from 0 on, and -1 for unknown ones; "
    "nothing may scale them before."
)


def learn_categories(estimator: Any, sequences: Sequences) -> NDArray[np.int64]:
    """Count the categories of each feature; features that are numbers have none."""
    wanted, declared = estimator.categorical_features, sequences.n_categories
    said = np.zeros(sequences.n_features) if declared is None else np.array(declared)
    counts = np.zeros(sequences.n_features)  # may be huge by mistake
    if isinstance(wanted, str):  # "auto"
        counts[:] = said
    else:
        columns = columns_of(wanted, sequences)
        for column in columns:
            largest = np.fmax.reduce(sequences.values[:, column], initial=0.0)
            counts[column] = max(1.0, largest + 1.0, said[column])
        if holds_vectors(estimator.embedding) and len(columns) == 1:
            counts[columns] = max(counts[columns[0]], len(estimator.embedding))
    if counts.max(initial=0) > LARGEST:
        raise ValueError(
            f"Feature {int(counts.argmax())} of X has {counts.max():.0f} categories, "
            f"more than {LARGEST}: give rare ones a common code, or hash them."
        )
    if counts.any() and estimator.scale_inputs == "sequence":
        raise ValueError(
            "scale_inputs='sequence' has no meaning for categories (categorical_"
            "features): use scale_inputs='feature'."
        )
    return counts.astype(np.int64)


def columns_of(wanted: Any, sequences: Sequences) -> list[int]:
    """Find the columns of the features that are named."""
    names, n_features = sequences.feature_names, sequences.n_features
    found = []
    for each in [] if wanted is None else wanted:
        is_place = isinstance(each, int | np.integer) and not isinstance(each, bool)
        if isinstance(each, str) and each in (names or ()):
            found.append((names or ()).index(each))
        elif is_place and 0 <= each < n_features:
            found.append(int(each))
        else:
            raise ValueError(
                f"categorical_features holds {each!r}, expected numbers of features "
                f"from 0 to {n_features - 1}"
                + (f", or names out of {list(names)}." if names else ".")
            )
    return found


def check_codes(sequences: Sequences, counts: NDArray[np.int64], reset: bool) -> None:
    """Refuse categories that are no whole numbers, or those of another encoder."""
    declared = sequences.n_categories
    if declared is not None and not reset and (counts > 0).any():
        for column in np.flatnonzero(counts):
            if declared[column] not in (0, counts[column]):
                raise ValueError(
                    f"Feature {column} of X has {declared[column]} categories, and the "
                    f"network has learned {counts[column]}: use the encoder that made "
                    "the X of fit; with warm_start give TokenEncoder a vocabulary."
                )
    if sequences.dtype.kind in "iub":
        return
    for column in np.flatnonzero(counts):
        codes = sequences.values[:, column]
        odd = is_odd(codes)
        if odd.any():
            row = int(odd.argmax())
            index, step = place_of(sequences.offsets, row)
            raise ValueError(
                f"Feature {column} of X holds {codes[row]} (sequence {index}, step "
                f"{step}), {EXPECTED}"
            )


def check_step_codes(
    x: NDArray[Any], counts: NDArray[np.int64], name: str = "x"
) -> None:
    """Refuse categories of single steps (n, n_features) that are no whole numbers."""
    for column in np.flatnonzero(counts):
        odd = is_odd(x[:, column])
        if odd.any():
            found = x[odd.argmax(), column]
            raise ValueError(f"Feature {column} of {name} holds {found}, {EXPECTED}")


def is_odd(codes: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether codes are no whole numbers; missing ones may be."""
    odd: NDArray[np.bool_] = (codes != np.floor(codes)) & ~np.isnan(codes)
    return odd


def holds_vectors(embedding: Any) -> bool:
    """Whether the parameter holds vectors, and no size."""
    return not isinstance(embedding, str | Integral)


def tables_of(counts: NDArray[np.int64], embedding: Any) -> tuple[Any, ...]:
    """Say for each feature with categories: its column, their number, their size."""
    columns = np.flatnonzero(counts).tolist()
    if holds_vectors(embedding) and len(columns) != 1:
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
    if not holds_vectors(embedding):
        return int(embedding)
    try:
        vectors = np.asarray(embedding, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"embedding cannot be read as vectors of one size ({error})."
        ) from error
    good = vectors.ndim == 2 and len(vectors) == n_categories and vectors.size > 0
    if not good or not np.isfinite(vectors).all():
        raise ValueError(
            f"embedding has the shape {vectors.shape}, expected ({n_categories}, "
            "size): one vector of finite numbers for each category, in the order of "
            "the codes."
        )
    return len(vectors[0])
