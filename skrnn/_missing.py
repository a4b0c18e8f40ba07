"""Missing values: carried forward, then filled, with an indicator per feature."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skrnn._sequences import Sequences

__all__ = ["fill_values", "mask_missing"]


def fill_values(sequences: Sequences) -> NDArray[np.float64]:
    """Mean of each feature over the observed steps; 0 where nothing was observed."""
    observed = ~np.isnan(sequences.values)
    counts = observed.sum(axis=0)
    totals = np.where(observed, sequences.values, 0.0).sum(axis=0, dtype=np.float64)
    means: NDArray[np.float64] = totals / np.maximum(counts, 1)
    return means


def mask_missing(sequences: Sequences, fill: NDArray[np.float64]) -> Sequences:
    """Replace NaN and append one indicator per feature (1.0: was missing).

    A missing value becomes the last value observed before it in its sequence, or
    ``fill`` if there is none ("GRU-forward" with masks of Che et al., 2018). Nothing
    from later steps is used.
    """
    values = sequences.values
    missing = np.isnan(values)
    rows = np.arange(len(values))
    starts = np.repeat(sequences.offsets[:-1], sequences.lengths)
    last_seen = np.where(missing, -1, rows[:, None])
    np.maximum.accumulate(last_seen, axis=0, out=last_seen)
    carried: NDArray[Any] = np.take_along_axis(values, last_seen.clip(0), axis=0)
    nothing_seen = last_seen < starts[:, None]
    filled = np.where(nothing_seen, fill.astype(values.dtype), carried)
    both = np.concatenate([filled, missing.astype(values.dtype)], axis=1)
    return sequences.with_values(both)
