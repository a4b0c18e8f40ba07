"""Targets and weights of each step of sequences, indexed like the sequences."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skrnn._sequences import offsets_of

__all__ = ["StepTargets", "split_steps"]


@dataclass(frozen=True)
class StepTargets:
    """Targets of sequences, one sequence after the other; indexed by sequence."""

    values: NDArray[Any]  # (n_total_steps,) or (n_total_steps, n_outputs)
    shares: NDArray[np.float64]  # (n_total_steps,), of the weights of their sequences
    offsets: NDArray[np.int64]  # where each sequence begins, then the total

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, key: Any) -> StepTargets:
        rows = np.arange(len(self))[key]
        offsets = offsets_of(self.lengths[rows])
        shift = np.repeat(self.offsets[rows] - offsets[:-1], np.diff(offsets))
        where = shift + np.arange(offsets[-1])
        return StepTargets(self.values[where], self.shares[where], offsets)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of steps of each sequence."""
        return np.diff(self.offsets)

    def with_values(self, values: NDArray[Any]) -> StepTargets:
        """Exchange the values."""
        return replace(self, values=values)

    def weights(self, of_sequences: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights of the steps, from those of the sequences."""
        return self.shares * np.repeat(of_sequences, self.lengths)

    def weighed(
        self, factors: NDArray[np.float64]
    ) -> tuple[StepTargets, NDArray[np.float64]]:
        """Multiply the shares by a factor for each step, and divide by the largest.

        These largest, one per sequence, come beside.
        """
        shares = self.shares * factors
        largest = np.maximum.reduceat(shares, self.offsets[:-1])
        scale = np.repeat(np.where(largest > 0, largest, 1.0), self.lengths)
        return replace(self, shares=shares / scale), largest

    def content(self) -> NDArray[np.uint8]:
        """Give 16 bytes per sequence, equal only if values and shares are."""
        arrays = [np.ascontiguousarray(each) for each in (self.values, self.shares)]
        digests = bytearray()
        for start, stop in pairwise(self.offsets.tolist()):
            found = hashlib.blake2b(digest_size=16)
            for array in arrays:
                found.update(array[start:stop].tobytes())
            digests += found.digest()
        return np.frombuffer(digests, np.uint8).reshape(len(self), 16)


def split_steps(values: NDArray[Any], offsets: NDArray[np.int64]) -> NDArray[Any]:
    """Make an object array (n_sequences,) of arrays, one row for each step."""
    parts = np.empty(len(offsets) - 1, dtype=object)
    for index, (start, stop) in enumerate(pairwise(offsets.tolist())):
        parts[index] = values[start:stop].copy()
    return parts
