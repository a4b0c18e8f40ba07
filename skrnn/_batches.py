"""Batches gathered by index, padded to their own longest sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skrnn._devices import check_batch_memory, has_room
from skrnn._modules import SequenceModule
from skrnn._sequences import is_mapped
from skrnn._sizes import count_activations
from skrnn._step_targets import StepTargets
from skrnn._training_set import Selection, TrainingSet

__all__ = ["BatchIterator", "Dataset", "PairedSteps", "Share", "StepDataset"]
__all__ += ["TargetsPerStep", "check_batch", "sort_in_pools"]

Share = Callable[[NDArray[np.int64]], NDArray[np.int64]]
POOL = 8  # batches whose sequences are sorted by length together


class Dataset(Protocol):
    """What knows how to cut its batches: (inputs, targets).

    The inputs are a dict of what the module takes and, unless all are 1, "weights".
    """

    def iterator(
        self,
        batch_size: int,
        generator: np.random.Generator | None = None,
        n_epochs: int = 0,
        share: Share | None = None,
    ) -> Any:
        """Make what gives the batches of one epoch; shuffled with a generator.

        ``n_epochs`` have been before. With a ``share``, which takes its part of the
        rows of each batch, the inputs tell ``n_rows``, the number of all.
        """


class StepDataset(torch.utils.data.Dataset[Any]):
    """Sequences where they lie, or all of them on another device than the CPU.

    For the CPU, batches are copied out of X itself: there is no second X, and X may be
    a memory map larger than the memory. Another device keeps all steps if it has room;
    else, and from a memory map, it gets the batches one by one.
    """

    def __init__(self, data: TrainingSet, device: torch.device) -> None:
        sequences = Selection.of(data.sequences)
        self.device = device
        self.sequences = sequences
        self.lengths = sequences.lengths
        self.uniform = sequences.is_uniform
        self.lengths_there = torch.from_numpy(self.lengths).to(device)
        self.dtype = getattr(torch, sequences.dtype.name)
        self.weights: Tensor | None = None  # all are 1
        self.keep_targets(data.targets, data.weights)
        if reads_from_memory(sequences, device):
            self.gather = self.gather_here
            self.starts = sequences.whole.offsets[:-1][sequences.rows]
            self.of_one_length = sequences.whole.is_uniform
            self.source = sequences.whole.values
            if self.of_one_length:
                self.source = sequences.whole.to_panel()
        else:
            self.gather = self.gather_there
            there = sequences.read()
            self.values_there = torch.tensor(there.values, device=device)
            self.starts_there = torch.from_numpy(there.offsets[:-1]).to(device)

    def keep_targets(self, targets: Any, weights: NDArray[np.float64]) -> None:
        """Keep one row of targets, and perhaps a weight, for each sequence."""
        self.targets = torch.from_numpy(targets).to(self.device)
        if weights.min() < weights.max():
            shares = torch.from_numpy(weights / weights.mean())
            self.weights = shares.to(device=self.device, dtype=self.dtype)

    def __len__(self) -> int:
        return len(self.lengths)

    def iterator(
        self,
        batch_size: int,
        generator: np.random.Generator | None = None,
        n_epochs: int = 0,
        share: Share | None = None,
    ) -> BatchIterator:
        """Make what gives the batches of one epoch."""
        return BatchIterator(self, batch_size, generator, share)

    def batch(self, rows: NDArray[np.int64], share: Share | None = None) -> Any:
        """Pad some sequences to the longest of them: (inputs, targets).

        Sequences of equal length come without ``lengths``, hence without masks.
        """
        inputs: dict[str, Any] = {}
        if share is not None:
            inputs["n_rows"], rows = len(rows), share(rows)
        index = torch.from_numpy(rows).to(self.device)
        inputs["x"] = self.gather(rows)
        if self.weights is not None:
            inputs["weights"] = self.weights[index]
        if not self.uniform:
            inputs["lengths"] = self.lengths_there[index]
        return inputs, self.targets[index]

    def gather_here(self, rows: NDArray[np.int64]) -> Tensor:
        """Copy padded sequences out of X: (n_sequences, n_steps, n_features)."""
        if self.sequences.fill is not None:
            padded = self.sequences.read(rows).to_padded()
            return torch.tensor(padded, device=self.device)
        source, where = self.source, self.sequences.rows[rows]
        inside = None
        if not self.of_one_length:
            lengths = self.lengths[rows]
            steps = np.arange(lengths.max())
            inside = steps < lengths[:, None]
            where = (self.starts[rows][:, None] + steps) * inside
        x = torch.empty(where.shape + source.shape[1:], dtype=self.dtype)
        if source.dtype == self.sequences.dtype and source.flags.c_contiguous:
            # any mode but the default one writes into x without a copy in between
            source.take(where, axis=0, out=x.numpy(), mode="clip")
        else:
            x.numpy()[:] = source[where]
        if inside is not None:
            x.numpy()[~inside] = 0.0
        return x.to(self.device)

    def gather_there(self, rows: NDArray[np.int64]) -> Tensor:
        """Do the same on the device that holds all steps."""
        index = torch.from_numpy(rows).to(self.device)
        if self.uniform:
            panel = self.values_there.view(len(self), -1, self.values_there.shape[1])
            return panel.index_select(0, index)
        steps = torch.arange(int(self.lengths[rows].max()), device=self.device)
        inside = steps < self.lengths_there[index][:, None]
        where = (self.starts_there[index][:, None] + steps) * inside
        return self.values_there[where] * inside[:, :, None]


class TargetsPerStep(StepDataset):
    """Sequences with a target and a weight for each step."""

    def keep_targets(self, targets: StepTargets, weights: NDArray[np.float64]) -> None:
        """Keep both one step after the other; a sequence has the mean weight 1."""
        self.offsets = targets.offsets
        self.targets = torch.from_numpy(targets.values).to(self.device)
        of_steps = targets.weights(weights)
        share = of_steps / (of_steps.sum() / len(weights) or 1.0)
        self.weights = torch.from_numpy(share).to(device=self.device, dtype=self.dtype)

    def batch(self, rows: NDArray[np.int64], share: Share | None = None) -> Any:
        """Pad sequences, and their targets: codes by -1, numbers and weights by 0."""
        inputs: dict[str, Any] = {}
        if share is not None:
            inputs["n_rows"], rows = len(rows), share(rows)
        inputs["x"] = self.gather(rows)
        if not self.uniform:
            there = torch.from_numpy(rows).to(self.device)
            inputs["lengths"] = self.lengths_there[there]
        targets, inputs["weights"] = self.pad_targets(rows)
        return inputs, targets

    def pad_targets(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Give targets (n, n_steps, [n_outputs]) and weights (n, n_steps)."""
        lengths = (self.offsets[1:] - self.offsets[:-1])[rows]
        steps = np.arange(lengths.max())
        outside = steps >= lengths[:, None]
        where = self.offsets[rows][:, None] + steps
        where[outside] = 0
        index, no_step = (
            torch.from_numpy(each).to(self.device) for each in (where, outside)
        )
        targets = self.targets[index]
        targets[no_step] = 0.0 if targets.is_floating_point() else -1
        assert self.weights is not None  # narrows the type only
        return targets, self.weights[index].masked_fill(no_step, 0.0)


class PairedSteps(TargetsPerStep):
    """Sequences with targets that are sequences of codes, which all end with a mark.

    What a network has written before each of them, the mark first, comes beside.
    """

    def batch(self, rows: NDArray[np.int64], share: Share | None = None) -> Any:
        """Pad sequences and targets, each to their own longest."""
        inputs, targets = super().batch(rows, share)
        mark = self.targets[self.offsets[1] - 1]
        before = mark.expand(len(targets), 1)
        written = torch.cat([before, targets[:, :-1]], dim=1)
        inputs["written"] = written[:, :, None].to(inputs["x"].dtype)
        return inputs, targets


def reads_from_memory(sequences: Selection, device: torch.device) -> bool:
    """Whether the steps stay where they are, and batches go to the device."""
    if device.type == "cpu" or is_mapped(sequences.whole.values):
        return True
    n_numbers = int(sequences.lengths.sum()) * sequences.whole.n_features
    return not has_room(device, n_numbers * sequences.dtype.itemsize)


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
        share: Share | None = None,
    ) -> None:
        self.dataset = dataset
        self.generator = generator
        self.batch = partial(dataset.batch, share=share)
        self.n_batches = max(1, -(-len(dataset) // batch_size))

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[Any]:
        rows = np.arange(len(self.dataset))
        if self.generator is None:
            rows = np.argsort(self.dataset.lengths, kind="stable")
            return map(self.batch, np.array_split(rows, self.n_batches))
        self.generator.shuffle(rows)
        batches = np.array_split(rows, self.n_batches)
        if not self.dataset.uniform:
            batches = sort_in_pools(batches, self.dataset.lengths, self.generator)
        return map(self.batch, batches)


def sort_in_pools(
    batches: list[NDArray[np.int64]],
    keys: NDArray[np.int64],
    generator: np.random.Generator,
) -> list[NDArray[np.int64]]:
    """Sort the rows of some batches by their keys, and shuffle the batches then."""
    sorted_batches: list[NDArray[np.int64]] = []
    for start in range(0, len(batches), POOL):
        pool = batches[start : start + POOL]
        rows = np.concatenate(pool)
        rows = rows[np.argsort(keys[rows], kind="stable")]
        cuts = np.cumsum([len(batch) for batch in pool])[:-1]
        sorted_batches += np.split(rows, cuts)
    return [sorted_batches[k] for k in generator.permutation(len(batches))]


def check_batch(
    module: SequenceModule, data: TrainingSet, batch_size: int, bptt: int | None = None
) -> None:
    """Check that the batch with the longest sequence, or piece, fits into memory."""
    n_rows = len(data.weights)
    longest = int(data.sequences.lengths.max())
    if bptt is not None and longest > bptt:
        n_rows, longest = batch_size, bptt
    n_batches = -(-n_rows // batch_size)
    itemsize = next(module.parameters()).dtype.itemsize
    bytes_per_step = count_activations(module.config) * itemsize
    check_batch_memory(-(-n_rows // n_batches), longest, bytes_per_step)
