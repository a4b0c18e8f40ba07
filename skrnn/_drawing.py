"""Draw tokens from what a network says of the next one."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.utils._param_validation import Interval

__all__ = ["OF_DRAWS", "Draws", "draw_tokens"]


OF_DRAWS: dict[str, list[Any]] = {
    "n_samples": [Interval(Integral, 1, None, closed="left")],
    "max_tokens": [Interval(Integral, 1, None, closed="left")],
    "temperature": [Interval(Real, 0.0, None, closed="left")],
    "top_k": [Interval(Integral, 1, None, closed="left"), None],
    "top_p": [Interval(Real, 0.0, 1.0, closed="right"), None],
    "stop": [str, list, tuple, None],
    "random_state": ["random_state", np.random.Generator],
}


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
            probabilities = softmax(outputs / self.temperature, axis=1)
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


def draw_tokens(
    stepper: Any,
    draw: Draws,
    begun: list[NDArray[np.int64]],
    n_tokens: int,
    max_tokens: int,
    stops: list[list[int]],
) -> list[list[int]]:
    """Draw codes of tokens, each list until its end, a stop or ``max_tokens``."""
    state, outputs = read_all(stepper, begun, n_tokens)
    drawn: list[list[int]] = [[] for _ in begun]
    going = np.ones(len(begun), dtype=bool)
    for _ in range(max_tokens):
        codes = draw(outputs)
        for place in np.flatnonzero(going):
            code, tokens = int(codes[place]), drawn[place]
            if code == n_tokens:
                going[place] = False
                continue
            tokens.append(code)
            drawn_now = [len(stop) for stop in stops if tokens[-len(stop) :] == stop]
            if drawn_now:
                del tokens[-max(drawn_now) :]  # the longest began first
                going[place] = False
        if not going.any():
            break
        read = np.minimum(codes, n_tokens)[:, None].astype(stepper.dtype)
        outputs, state = stepper.read(read, state)
    return drawn


def read_all(
    stepper: Any, begun: list[NDArray[np.int64]], n_tokens: int
) -> tuple[Any, NDArray[Any]]:
    """Read the mark of the beginning and lists of tokens of any lengths."""
    state = stepper.initial_state(len(begun))
    mark = np.full((len(begun), 1), n_tokens, stepper.dtype)
    outputs, state = stepper.read(mark, state)
    lengths = np.array([len(codes) for codes in begun])
    for step in range(lengths.max(initial=0)):
        rows = np.flatnonzero(lengths > step)
        x = np.array([[begun[row][step]] for row in rows], stepper.dtype)
        part = state._replace(hidden=state.hidden[:, :, rows])
        found, part = stepper.read(x, part)
        outputs[rows] = found
        state.hidden[:, :, rows] = part.hidden
    return state, outputs
