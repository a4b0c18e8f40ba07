"""Draw tokens from what a network says of the next one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Draws", "log_softmax"]


def log_softmax(outputs: NDArray[Any]) -> NDArray[np.float64]:
    """Logarithms of the probabilities of outputs (..., n_tokens)."""
    shifted = outputs.astype(np.float64)
    shifted -= shifted.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


class Draws:
    """How tokens are drawn, with a generator for each sequence.

    So what is drawn for one does not depend on how many others there are.
    """

    def __init__(
        self,
        seeds: list[int],
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        never: tuple[int, ...] = (),
    ) -> None:
        self.generators = [np.random.default_rng(seed) for seed in seeds]
        self.temperature, self.top_k, self.top_p = temperature, top_k, top_p
        self.never = list(never)

    def __call__(self, outputs: NDArray[Any]) -> NDArray[np.int64]:
        """Draw one token for each row of outputs (n, n_tokens)."""
        outputs = outputs.astype(np.float64)
        outputs[:, self.never] = -np.inf
        if self.temperature == 0.0:
            return np.asarray(outputs.argmax(axis=1))
        outputs -= outputs.max(axis=1, keepdims=True)
        with np.errstate(over="ignore"):  # what is far below the best is never drawn
            probabilities = np.exp(log_softmax(outputs / self.temperature))
        order = np.argsort(-probabilities, axis=1, kind="stable")
        ranked = np.take_along_axis(probabilities, order, axis=1)
        if self.top_k is not None:
            ranked[:, self.top_k :] = 0.0
        if self.top_p is not None:  # the fewest whose sum reaches it
            before = np.cumsum(ranked, axis=1) - ranked
            ranked[before >= self.top_p * ranked.sum(axis=1, keepdims=True)] = 0.0
        total = np.cumsum(ranked, axis=1)
        uniform = np.array([[each.random()] for each in self.generators])
        place = (total <= uniform * total[:, -1:]).sum(axis=1, keepdims=True)
        drawn: NDArray[np.int64] = np.take_along_axis(order, place, axis=1)[:, 0]
        return drawn
