"""Batches cut whole out of tensors that hold all steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from skrnn._training_set import TrainingSet

__all__ = ["BatchIterator", "StepDataset"]

POOL = 8  # batches whose sequences are sorted by length together


class StepDataset(torch.utils.data.Dataset[Any]):
    """All steps on the device, once; batches are cut out of them."""

    def __init__(self, data: TrainingSet, device: torch.device) -> None:
        sequences = data.sequences
        self.lengths = sequences.lengths
        self.uniform = sequences.is_uniform
        values = torch.from_numpy(np.ascontiguousarray(sequences.values)).to(device)
        if self.uniform:
            values = values.view(len(sequences), -1, sequences.n_features)
        self.values = values
        self.starts = torch.from_numpy(sequences.offsets[:-1]).to(device)
        self.lengths_there = torch.from_numpy(self.lengths).to(device)
        self.targets = torch.from_numpy(data.targets).to(device)
        weights = data.weights / data.weights.mean()
        dtype = values.dtype
        self.weights = torch.from_numpy(weights).to(device=device, dtype=dtype)

    def __len__(self) -> int:
        return len(self.lengths)

    def iterator(
        self, batch_size: int, generator: np.random.Generator | None = None
    ) -> BatchIterator:
        """Make what gives the batches of one epoch."""
        return BatchIterator(self, batch_size, generator)

    def batch(self, rows: NDArray[np.int64]) -> Any:
        """Pad some sequences to the longest of them: (inputs, targets).

        The inputs hold the weights, too. Sequences of equal length come without
        ``lengths``, hence without masks.
        """
        index = torch.from_numpy(rows).to(self.values.device)
        targets, weights = self.targets[index], self.weights[index]
        if self.uniform:
            x = self.values.index_select(0, index)
            return {"x": x, "weights": weights}, targets
        lengths = self.lengths_there[index]
        steps = torch.arange(int(self.lengths[rows].max()), device=index.device)
        inside = steps < lengths[:, None]
        where = (self.starts[index][:, None] + steps) * inside
        x = self.values[where] * inside[:, :, None]
        return {"x": x, "lengths": lengths, "weights": weights}, targets


class BatchIterator:
    """Whole batches of almost equal size, of sequences of similar length.

    With a generator, rows are shuffled, sorted by length within pools of some batches,
    and the batches shuffled again; without one, rows are sorted by length.
    """

    def __init__(
        self,
        dataset: StepDataset,
        batch_size: int,
        generator: np.random.Generator | None = None,
    ) -> None:
        self.dataset = dataset
        self.generator = generator
        self.n_batches = max(1, -(-len(dataset) // batch_size))

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[Any]:
        rows = np.arange(len(self.dataset))
        if self.generator is None:
            rows = np.argsort(self.dataset.lengths, kind="stable")
            return map(self.dataset.batch, np.array_split(rows, self.n_batches))
        self.generator.shuffle(rows)
        batches = np.array_split(rows, self.n_batches)
        if not self.dataset.uniform:
            batches = self._bucket(batches)
        return map(self.dataset.batch, batches)

    def _bucket(self, batches: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
        assert self.generator is not None  # narrows the type only
        sorted_batches: list[NDArray[np.int64]] = []
        for start in range(0, len(batches), POOL):
            pool = batches[start : start + POOL]
            rows = np.concatenate(pool)
            rows = rows[np.argsort(self.dataset.lengths[rows], kind="stable")]
            cuts = np.cumsum([len(batch) for batch in pool])[:-1]
            sorted_batches += np.split(rows, cuts)
        order = self.generator.permutation(len(sorted_batches))
        return [sorted_batches[i] for i in order]
