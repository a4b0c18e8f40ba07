"""A linear-chain conditional random field: its loss, marginals and best paths.

The score of a path of labels is ``start`` of the first, plus the outputs of the network
for the label of each step, plus ``between`` of each two neighbours, plus ``end`` of the
last; its probability is proportional to the exponential (Lafferty et al., 2001).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["Crf", "Scores", "by_length", "marginals", "viterbi"]

Array = NDArray[Any]
NUMBERS_IN_A_BLOCK = 2**20
RATE = 10.0  # times as fast as other weights the scores of neighbours are learned


class Scores(NamedTuple):
    """What a field adds to the outputs of a network, in double precision."""

    start: Array  # (n_labels,)
    between: Array  # (n_labels, n_labels), from row to column
    end: Array  # (n_labels,)


class Crf(nn.Module):
    """Scores of neighbouring labels, and the loss of labels in view of them.

    What is learned are the scores divided by ``RATE``: an optimiser whose steps have
    one size would else take long to reach scores that matter beside the outputs.
    """

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
        learned = (self.start, self.between, self.end)
        start, between, end = (RATE * in_double(each) for each in learned)
        outputs = in_double(outputs)
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
        learned = (self.start, self.between, self.end)
        return Scores(
            *(RATE * each.detach().cpu().double().numpy() for each in learned)
        )


def in_double(x: Tensor) -> Tensor:
    """Use double precision, where there is one."""
    return x if x.device.type == "mps" else x.double()


def later_scores(
    outputs: Tensor, inside: Tensor, between: Tensor, end: Tensor
) -> Tensor:
    """Sum up all ways on from each label of each step: (n, n_steps, n_labels)."""
    sum_up = by_products if is_moderate(outputs, between, end) else by_sums
    last = end.expand(len(outputs), -1)
    later = [last]
    for step in range(outputs.shape[1] - 1, 0, -1):
        found = sum_up(outputs[:, step] + later[-1], between)
        later.append(torch.where(inside[:, step, None], found, last))
    return torch.stack(later[::-1], dim=1)


def is_moderate(outputs: Tensor, between: Tensor, end: Tensor) -> bool:
    """Whether no exponential of a difference of scores becomes zero."""
    outputs, between, end = (each.detach() for each in (outputs, between, end))
    of_steps = (outputs.amax(dim=2) - outputs.amin(dim=2)).max()
    of_labels = 2 * (between.max() - between.min()) + end.max() - end.min()
    return float(of_steps + of_labels) < 0.8 * math.log(torch.finfo(end.dtype).max)


def by_products(ahead: Tensor, between: Tensor) -> Tensor:
    """Logarithm of the sum over labels that may come next, by a matrix product."""
    top, highest = ahead.detach().amax(dim=1, keepdim=True), between.detach().max()
    sums = (ahead - top).exp() @ (between - highest).exp().T
    return sums.log() + (top + highest)


def by_sums(ahead: Tensor, between: Tensor) -> Tensor:
    """Compute the same for numbers of any size, which takes several times as long."""
    return torch.logsumexp(between + ahead[:, None, :], dim=2)


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
    if len(lengths) == 0:
        return compute(np.zeros((1, 1, outputs.shape[1])), scores)[0, :0]
    n_labels, results, places = outputs.shape[1], [], []
    for n_steps in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == n_steps)
        at_once = max(1, NUMBERS_IN_A_BLOCK // (max(n_steps, n_labels) * n_labels))
        for first in range(0, len(rows), at_once):
            some = rows[first : first + at_once]
            where = offsets[some][:, None] + np.arange(n_steps)
            found = compute(outputs[where], scores)
            results.append(found.reshape(where.size, *found.shape[2:]))
            places.append(where.ravel())
    order = np.argsort(np.concatenate(places))
    together: Array = np.concatenate(results)[order]
    return together
