"""Missing values: carried forward, then filled, with an indicator per feature."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skrnn._sequences import Sequences

__all__ = ["fill_values", "mask_missing", "mask_step"]


def fill_values(sequences: Sequences | Iterable[Sequences]) -> NDArray[np.float64]:
    """Mean of each feature over the observed steps; 0 where nothing was observed."""
    blocks = [sequences] if isinstance(sequences, Sequences) else sequences
    totals: Any = 0.0
    counts: Any = 0
    for block in blocks:
        observed = ~np.isnan(block.values)
        totals += block.values.sum(axis=0, dtype=np.float64, where=observed)
        counts += observed.sum(axis=0)
    means: NDArray[np.float64] = totals / np.maximum(counts, 1)
    return means


def mask_missing(
    sequences: Sequences, fill: NDArray[np.float64], dtype: Any = None
) -> Sequences:
    """Replace NaN and append one indicator per feature (1.0: was missing).

    The values of the result have the type ``dtype``; None keeps that of ``sequences``.

    A missing value becomes the last value observed before it in its sequence, or
    ``fill`` if there is none ("GRU-forward" with masks of Che et al., 2018). Nothing
    from later steps is used.
    """
    values = sequences.values
    n_steps, n_features = values.shape
    dtype = values.dtype if dtype is None else dtype
    both = np.zeros((n_steps, 2 * n_features), dtype)
    both[:, :n_features] = values
    firsts = sequences.offsets[:-1][sequences.lengths > 0]
    for feature in range(n_features):  # one at a time: what they need besides is small
        missing = np.isnan(values[:, feature])
        if not missing.any():
            continue
        both[firsts[missing[firsts]], feature] = fill[feature]
        source = np.arange(n_steps)
        source[missing] = 0
        source[firsts] = firsts  # nothing is carried over from the sequence before
        np.maximum.accumulate(source, out=source)
        both[:, feature] = both[source, feature]
        both[:, n_features + feature] = missing
    return sequences.with_values(both)


def mask_step(
    x: NDArray[Any], state: Any, fill: NDArray[np.float64]
) -> tuple[NDArray[Any], Any]:
    """Do to one step what ``mask_missing`` does; the state keeps the last values."""
    before = fill if state.filled is None else state.filled
    missing = np.isnan(x)
    filled = np.where(missing, before, x).astype(x.dtype)
    both = np.concatenate([filled, missing], axis=1, dtype=x.dtype)
    return both, state._replace(filled=filled)
