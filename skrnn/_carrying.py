"""Batches of long sequences: one piece after another, with the state carried along."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from skrnn._batches import Share, TargetsPerStep, sort_in_pools
from skrnn._training_set import TrainingSet

__all__ = ["CarriedSteps"]

PIECES = 16  # of a lane, at most: beginnings are learned, too

Lanes = NDArray[np.int64]  # (n_lanes, 2): where a lane begins and ends among all steps


class CarriedSteps(TargetsPerStep):
    """Sequences that are read in pieces of ``bptt`` steps (Williams & Peng, 1990).

    Gradients end where a piece begins, but the state comes from the piece before. Each
    row of a batch reads one lane: a sequence, or a part of a long one, so that one long
    text fills a batch, too. A part begins with the first step of its sequence.
    """

    def __init__(
        self, data: TrainingSet, device: torch.device, bptt: int, empty: torch.Tensor
    ) -> None:
        super().__init__(data, device)
        self.bptt = bptt
        self.empty = empty  # the state of one sequence before its first step
        values = self.sequences.read().values
        self.values = torch.from_numpy(np.ascontiguousarray(values)).to(device)

    def iterator(  # type: ignore[override]  # another iterator, used in the same way
        self,
        batch_size: int,
        generator: np.random.Generator | None = None,
        n_epochs: int = 0,
        share: Share | None = None,
    ) -> CarriedIterator:
        """Make what gives the batches of one epoch; they are not shared."""
        return CarriedIterator(self, batch_size, generator)

    def lanes(self, batch_size: int) -> Lanes:
        """Cut what is longer than its share of a batch, or than some pieces."""
        share = -(-int(self.offsets[-1]) // batch_size)
        most = min(max(self.bptt, share), self.bptt * PIECES)
        n_parts = -(-self.lengths // most)
        begins = []
        for start, length, parts in zip(
            self.offsets[:-1], self.lengths, n_parts, strict=True
        ):
            begins.append(start + np.arange(parts) * length // parts)
        starts = np.concatenate(begins)
        return np.stack([starts, np.append(starts[1:], self.offsets[-1])], axis=1)

    def piece(self, lanes: Lanes, place: int) -> tuple[dict[str, Any], torch.Tensor]:
        """Pad the next steps of lanes from ``place`` on: inputs and targets."""
        starts = lanes[:, 0] + place
        lengths = np.minimum(lanes[:, 1] - starts, self.bptt)
        steps = np.arange(lengths.max())
        outside = steps >= lengths[:, None]
        where = starts[:, None] + steps
        where[outside] = starts[0]
        index, no_step = (
            torch.from_numpy(each).to(self.device) for each in (where, outside)
        )
        assert self.weights is not None  # narrows the type only
        weights = self.weights[index].masked_fill(no_step, 0.0)
        targets = self.targets[index].masked_fill(no_step, -1)
        x = self.values[index]
        if place == 0:
            sequence = np.searchsorted(self.offsets, starts, side="right") - 1
            x[:, 0] = self.values[torch.from_numpy(self.offsets[sequence])]
        return {"x": x, "weights": weights}, targets


class CarriedIterator:
    """All pieces of some lanes, then those of the next lanes.

    Lanes of similar length are read side by side, the longest first, so that those
    that end leave the batch. Their number is the same in each epoch.
    """

    def __init__(
        self,
        dataset: CarriedSteps,
        batch_size: int,
        generator: np.random.Generator | None,
    ) -> None:
        self.dataset, self.generator = dataset, generator
        self.lanes = dataset.lanes(batch_size)
        self.lengths = self.lanes[:, 1] - self.lanes[:, 0]
        self.n_pieces = -(-self.lengths // dataset.bptt)
        self.n_groups = -(-len(self.lanes) // batch_size)
        by_length = np.sort(self.n_pieces, kind="stable")[::-1]
        groups = np.array_split(by_length, self.n_groups)
        self.n_batches = int(sum(group[0] for group in groups))

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[Any]:
        # the mean over the batches, by their rows, is the mean over the steps
        factor = float(self.n_pieces.sum()) / len(self.dataset)
        for group in self.groups():
            lanes, n_pieces = self.lanes[group], self.n_pieces[group]
            state = self.dataset.empty.expand(-1, -1, len(group), -1)
            for number in range(n_pieces[0]):
                going = int((n_pieces > number).sum())
                place = number * self.dataset.bptt
                inputs, targets = self.dataset.piece(lanes[:going], place)
                inputs["weights"] = inputs["weights"] * factor
                before = state[:, :, :going]
                state = torch.empty_like(before)
                inputs["carry"] = before, state
                yield inputs, targets

    def groups(self) -> list[NDArray[np.int64]]:
        """Say which lanes are read side by side."""
        if self.generator is None:
            order = np.argsort(-self.lengths, kind="stable")
            return np.array_split(order, self.n_groups)
        order = self.generator.permutation(len(self.lanes))
        order = order[np.argsort(-self.n_pieces[order], kind="stable")]
        groups = np.array_split(order, self.n_groups)
        return sort_in_pools(groups, -self.lengths, self.generator)
