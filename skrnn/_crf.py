"""A linear-chain conditional random field: its loss, marginals and best paths.

The score of a path of labels is ``start`` of the first, plus the outputs of the network
for the label of each step, plus ``between`` of each two neighbours, plus ``end`` of the
last; its probability is proportional to the exponential (Lafferty et al., 2001).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["Crf", "Scores", "by_length", "marginals", "viterbi"]

Array = NDArray[Any]
NUMBERS_IN_A_BLOCK = 2**20


class Scores(NamedTuple):
    """What a field adds to the outputs of a network, in double precision."""

    start: Array  # (n_labels,)
    between: Array  # (n_labels, n_labels), from row to column
    end: Array  # (n_labels,)


class Crf(nn.Module):
    """Scores of neighbouring labels, and the loss of labels in view of them."""

    def __init__(self, n_labels: int, dtype: torch.dtype | None = None) -> None:
        super().__init__()

        def scores(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(shape, device="cpu", dtype=dtype))

        self.start = scores(n_labels)
        self.between = scores(n_labels, n_labels)
        self.end = scores(n_labels)

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map (n, n_steps, n_labels) and codes (n, n_steps) to losses (n, n_steps).

        Codes are -1 after the end of a sequence. The loss of a step is minus the
        logarithm of the probability of its label, given all outputs and the labels
        before it; those of a sequence add up to that of all its labels.
        """
        outputs, start, between, end = map(
            in_double, (outputs, self.start, self.between, self.end)
        )
        inside, codes = targets >= 0, targets.clamp(min=0)
        later = later_scores(outputs, inside, between, end)
        label = codes[:, :, None]
        ahead = later.gather(2, label)[:, :, 0]
        scores = outputs.gather(2, label)[:, :, 0] + ahead
        before = between[codes[:, :-1], codes[:, 1:]]
        scores = scores + torch.cat([start[codes[:, :1]], before], dim=1)
        every = torch.logsumexp(start + outputs[:, 0] + later[:, 0], dim=1)
        every = torch.cat([every[:, None], ahead[:, :-1]], dim=1)
        return (every - scores).masked_fill(~inside, 0.0)

    def scores(self) -> Scores:
        """Copy the scores."""
        parts = (self.start, self.between, self.end)
        return Scores(*(part.detach().cpu().double().numpy() for part in parts))


def in_double(x: Tensor) -> Tensor:
    """Use double precision, where there is one."""
    return x if x.device.type == "mps" else x.double()


def later_scores(
    outputs: Tensor, inside: Tensor, between: Tensor, end: Tensor
) -> Tensor:
    """Sum up all ways on from each label of each step: (n, n_steps, n_labels)."""
    last = end.expand(len(outputs), -1)
    later = [last]
    for step in range(outputs.shape[1] - 1, 0, -1):
        ways = between + (outputs[:, step] + later[-1])[:, None, :]
        found = torch.logsumexp(ways, dim=2)
        later.append(torch.where(inside[:, step, None], found, last))
    return torch.stack(later[::-1], dim=1)


def marginals(outputs: Array, scores: Scores) -> Array:
    """Probability of each label at each step: (n, n_steps, n_labels).

    By the forward-backward algorithm; all sequences have ``n_steps`` steps.
    """
    n_steps = outputs.shape[1]
    earlier, later = np.empty_like(outputs), np.empty_like(outputs)
    earlier[:, 0], later[:, -1] = scores.start, scores.end
    for step in range(1, n_steps):
        known = (outputs[:, step - 1] + earlier[:, step - 1])[:, :, None]
        earlier[:, step] = np.logaddexp.reduce(known + scores.between, axis=1)
    for step in range(n_steps - 1, 0, -1):
        known = (outputs[:, step] + later[:, step])[:, None, :]
        later[:, step - 1] = np.logaddexp.reduce(known + scores.between, axis=2)
    together = earlier + outputs + later
    total = np.logaddexp.reduce(together, axis=2, keepdims=True)
    probabilities: Array = np.exp(together - total)
    return probabilities


def viterbi(outputs: Array, scores: Scores) -> NDArray[np.int64]:
    """Codes (n, n_steps) of the path with the highest score (Viterbi, 1967)."""
    n, n_steps, n_labels = outputs.shape
    best = scores.start + outputs[:, 0]
    came_from = np.empty((n_steps, n, n_labels), dtype=np.int64)
    for step in range(1, n_steps):
        ways = best[:, :, None] + scores.between
        came_from[step] = ways.argmax(axis=1)
        best = ways.max(axis=1) + outputs[:, step]
    path = np.empty((n, n_steps), dtype=np.int64)
    path[:, -1] = (best + scores.end).argmax(axis=1)
    for step in range(n_steps - 1, 0, -1):
        path[:, step - 1] = came_from[step, np.arange(n), path[:, step]]
    return path


def by_length(
    compute: Callable[[Array, Scores], Array],
    outputs: Array,
    offsets: NDArray[np.int64],
    scores: Scores,
) -> Array:
    """Compute something of sequences, of those of equal length together.

    ``outputs`` (n_total_steps, n_labels) and the result hold one sequence after the
    other.
    """
    lengths = np.diff(offsets)
    results, places = [], []
    for n_steps in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == n_steps)
        at_once = max(1, NUMBERS_IN_A_BLOCK // (n_steps * outputs.shape[1]))
        for first in range(0, len(rows), at_once):
            some = rows[first : first + at_once]
            where = offsets[some][:, None] + np.arange(n_steps)
            found = compute(outputs[where], scores)
            results.append(found.reshape(where.size, *found.shape[2:]))
            places.append(where.ravel())
    order = np.argsort(np.concatenate(places))
    together: Array = np.concatenate(results)[order]
    return together
