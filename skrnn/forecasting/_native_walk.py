"""Series on their way by the compiled library: what Walker and network do, in one call.

A step by torch is some fifty small operations, each of which takes longer to begin than
to do, and as many on the way back.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from skrnn._native import (
    Read,
    Walk,
    Weights,
    kept_of_walk,
    place,
    run_backward,
    run_forward,
)
from skrnn.forecasting._levels import RATES, n_candidates
from skrnn.forecasting._walker import DAMPING, State, start_of_walk

__all__ = ["Going", "NativeWalk"]

ROUND = 64  # bytes, to which rows of weights are padded


class Going(NamedTuple):
    """What goes with series on their way."""

    cell: str
    weights: Weights
    head: Tensor  # (n_columns * n_numbers, hidden_size)


class NativeWalk:
    """Series on their way. They are the first axis here.

    There is memory for ``n_steps`` at a time. With ``counts``, forecasts are means of
    counts.
    """

    def __init__(
        self,
        going: Going,
        state: State,
        lags: tuple[int, ...],
        n_inputs: int,
        n_steps: int,
        counts: bool,
    ) -> None:
        self.going, self.n_inputs = going, n_inputs
        parts = [part.contiguous() for part in state.hidden[0].unbind()]
        self.h, self.c = parts[0], parts[1] if len(parts) > 1 else None
        dtype = going.head.dtype
        self.base, self.scale = state.levels[:, -1], state.scale
        start = start_of_walk(state, dtype)
        n, self.memory, n_columns = start.values.shape
        self.walk = Walk(
            n_columns=n_columns,
            n_candidates=n_candidates(lags),
            n_numbers=len(going.head) // n_columns,
            width=padded(len(going.head), dtype),
            n_lags=len(lags),
            n_places=self.memory + n_steps,
            place=self.memory,
        )
        shape = (n, self.memory + n_steps, n_columns)
        self.values, self.moves = torch.empty((2, *shape), dtype=dtype).unbind(0)
        self.values[:, : self.memory] = start.values
        self.moves[:, 1 : self.memory] = start.moves
        self.means, self.unseen = start.means, start.unseen
        self.profile = start.profile.contiguous()
        self.walk.period = self.profile.shape[1]
        self.n_seen, self.constant = start.n_seen.clone(), start.constant
        self.lags, self.rates = constants(lags, dtype)
        self.point("lags", "rates", "values", "moves", "profile")
        self.point("means", "unseen", "n_seen")
        if counts:
            self.zeros = (-self.base / self.scale).to(dtype)
            self.point("zeros")

    def point(self, *names: str) -> None:
        """Tell the library where arrays lie."""
        for name in names:
            array: Tensor = getattr(self, name)
            assert array.is_contiguous(), name
            setattr(self.walk, name, place(array))

    def prepare(self, extras: Tensor, numbers: Tensor, head: Tensor) -> Tensor:
        """Make what the steps of (n, n_steps, n_extras) need; give their inputs."""
        walk, (n, n_steps, n_extras) = self.walk, extras.shape
        x = extras.new_empty(n, n_steps, self.n_inputs)
        begin = walk.n_columns * walk.n_candidates
        x[:, :, begin : begin + 2 * walk.n_columns] = self.constant[:, None]
        x[:, :, self.n_inputs - n_extras :] = extras
        steps = torch.arange(walk.n_walked, walk.n_walked + n_steps, dtype=x.dtype)
        self.fading = DAMPING**steps
        self.head = pad(head.t(), walk.width)
        self.head_back = pad(head, padded(head.shape[1], head.dtype))
        self.numbers = pad(numbers, walk.width)
        self.kept = x.new_empty(n, n_steps, kept_of_walk(walk))
        self.point("fading", "head", "head_back", "numbers", "kept")
        return x

    def prepare_back(self, grad: Tensor) -> None:
        """Make what the way back needs, from gradients (n, n_steps, n_columns)."""
        self.grad_values = torch.zeros_like(self.values)
        self.grad_values[:, self.memory :] = grad
        self.grad_moves = torch.zeros_like(self.moves)
        self.grad_means = torch.zeros_like(self.means)
        size = self.walk.n_columns * self.walk.n_candidates
        self.grad_candidates = grad.new_empty(len(grad), size)
        self.grad_numbers = torch.zeros_like(self.numbers)
        self.point("grad_values", "grad_moves", "grad_means", "grad_candidates")
        self.point("grad_numbers")

    def run(self, extras: Tensor, numbers: Tensor) -> Tensor:
        """Go all steps of (n, n_steps, n_extras): forecasts (n, n_steps, n_columns).

        ``numbers`` (n, n_steps, n_columns * n_numbers) are added to those of the head.
        """
        path: Tensor = WalkFunction.apply(  # type: ignore[no-untyped-call]
            self, extras, self.h, self.c, numbers, self.going.head, *self.going.weights
        )
        return path

    def look(self, extra: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Go one step: its centres (n, n_columns) and raw numbers (..., n_raw)."""
        walk, going = self.walk, self.going
        if walk.place == walk.n_places:  # the memory goes on from its end
            for array in (self.values, self.moves):
                array[:, : self.memory] = array[:, -self.memory :].clone()
            walk.place = self.memory
        x = self.prepare(extra[:, None], numbers[:, None], going.head)
        read = run_forward(going.cell, [going.weights], x, self.h, self.c, walk=walk)
        self.h, self.c = read.h_n, read.c_n
        walk.place += 1
        walk.n_walked += 1
        n_columns, n_candidates = walk.n_columns, walk.n_candidates
        kept = self.kept[:, 0, :-3].view(len(x), n_columns, -1)
        found = self.numbers[:, 0, : len(going.head)].view(len(x), n_columns, -1)
        return kept[..., -1], found[..., n_candidates + 1 :]

    @property
    def slow(self) -> Tensor:
        """The level now, (n, n_columns)."""
        return self.means[:, 1]

    def outside(self, values: Tensor) -> Tensor:
        """Values (n, n_columns) as they were given."""
        return self.base + self.scale * values

    def push(self, new: Tensor) -> None:
        """Take values (n, n_columns) for what came, instead of the forecast."""
        self.values[:, self.walk.place - 1] = new


class WalkFunction(torch.autograd.Function):
    """Gradients through a walk."""

    @staticmethod
    def forward(
        ctx: Any,
        native: NativeWalk,
        extras: Tensor,
        h_0: Tensor,
        c_0: Tensor | None,
        numbers: Tensor,
        head: Tensor,
        *weights: Tensor,
    ) -> Tensor:
        """Give forecasts (n, n_steps, n_columns)."""
        x = native.prepare(extras, numbers, head)
        read = run_forward(
            native.going.cell,
            [Weights(*weights)],
            x,
            h_0,
            c_0,
            keep=True,
            walk=native.walk,
        )
        ctx.native = native
        ctx.save_for_backward(x, h_0, c_0, read.outputs, *read.reserves, head, *weights)
        return native.values[:, native.memory :].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Give gradients of the states, the numbers, and all weights."""
        x, h_0, c_0, outputs, reserve, head, *weights = ctx.saved_tensors
        native: NativeWalk = ctx.native
        native.prepare_back(grad)
        read = Read(outputs, outputs, None, None, None, None, [reserve])
        _, of_h, of_c, *of_weights = run_backward(
            native.going.cell,
            [Weights(*weights)],
            x,
            h_0,
            c_0,
            None,
            read,
            [None] * 5,
            [False, *ctx.needs_input_grad[2:4]],
            native.walk,
        )
        of_numbers = native.grad_numbers[:, :, : len(head)]
        of_head = of_numbers.flatten(0, 1).mT @ outputs.flatten(0, 1)
        return None, None, of_h, of_c, of_numbers, of_head, *of_weights


@lru_cache(maxsize=64)
def constants(lags: tuple[int, ...], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Give lags, and rates of the means, as the library reads them."""
    return torch.tensor(lags), torch.tensor(list(RATES.values()), dtype=dtype)


def padded(size: int, dtype: torch.dtype) -> int:
    """Round a number of numbers up to whole vectors of any instruction set."""
    per_round = ROUND // dtype.itemsize
    return -(-size // per_round) * per_round


def pad(tensor: Tensor, width: int) -> Tensor:
    """Copy a tensor with zeros after the last axis, contiguous."""
    result = tensor.new_zeros(*tensor.shape[:-1], width)
    result[..., : tensor.shape[-1]] = tensor
    return result
