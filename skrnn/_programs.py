"""Programs of torch.export, and formulas that compute with tensors."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skrnn._devices import plain_torch

__all__ = ["program_of", "runner"]

Arrays = dict[str, NDArray[Any]]
N_EXAMPLE = 3  # sequences of the example; sizes 0 and 1 would be special to torch


class Program(nn.Module):
    """The formulas of a step as a module, whose ``forward`` names the inputs."""

    def __init__(self, step: Any) -> None:
        super().__init__()

        def forward(**given: Tensor) -> dict[str, Tensor]:
            found: dict[str, Tensor] = step(Formulas(), given)
            return found

        names = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
            for name in step.inputs
        ]
        forward.__signature__ = inspect.Signature(names)  # type: ignore[attr-defined]
        self.forward = forward


def program_of(step: Any) -> bytes:
    """Export a step, with any number of sequences."""
    size = torch.export.Dim(step.axis)
    example = {
        name: torch.zeros(
            [N_EXAMPLE if n is None else n for n in form.shape],
            dtype=getattr(torch, form.dtype),
            device="cpu",
        )
        for name, form in step.inputs.items()
    }
    changing = {
        name: {axis: size for axis, n in enumerate(form.shape) if n is None}
        for name, form in step.inputs.items()
    }
    file = io.BytesIO()
    with cpu_only():
        program = torch.export.export(
            Program(step), (), example, dynamic_shapes=changing, strict=False
        )
        torch.export.save(program, file)
    return file.getvalue()


def runner(content: bytes) -> Callable[[Arrays], Arrays]:
    """Load a program: a function of named arrays."""
    with cpu_only():
        program = torch.export.load(io.BytesIO(content)).module()

    def run(given: Arrays) -> Arrays:
        with cpu_only():
            tensors = {name: torch.tensor(each) for name, each in given.items()}
            return {name: each.numpy() for name, each in program(**tensors).items()}

    return run


@contextmanager
def cpu_only() -> Iterator[None]:
    """One thread and no mode of the caller; inference tensors cannot be exported."""
    with plain_torch(torch.device("cpu")), torch.no_grad():
        yield


class Formulas:
    """What formulas need besides operators, as ``_graph.Formulas`` has it, too."""

    def constant(self, array: NDArray[Any]) -> Tensor:
        """Make an array known to the program."""
        return torch.as_tensor(np.ascontiguousarray(array))

    def cast(self, x: Tensor, dtype: str) -> Tensor:
        """Change the type."""
        return x.to(getattr(torch, dtype))

    def cat(self, parts: Sequence[Tensor], axis: int) -> Tensor:
        """Join along an axis."""
        return torch.cat([*parts], axis)

    def stack(self, parts: Sequence[Tensor], axis: int) -> Tensor:
        """Join along a new axis."""
        return torch.stack([*parts], axis)

    def insert(self, x: Tensor, axis: int) -> Tensor:
        """Add an axis of length 1."""
        return x.unsqueeze(axis)

    def pick(self, x: Tensor, index: int, axis: int) -> Tensor:
        """Take one place of an axis, which goes."""
        return x.select(axis, index)

    def take(self, x: Tensor, places: Tensor) -> Tensor:
        """Take rows by their places."""
        return x[places]

    def cut(self, x: Tensor, start: int, stop: int, axis: int) -> Tensor:
        """Take the places from ``start`` to before ``stop`` of an axis."""
        return x.narrow(axis, start, stop - start)

    def reshape(self, x: Tensor, *shape: int) -> Tensor:
        """Give the numbers another shape; -1 is what is left."""
        return x.reshape(shape)

    def where(self, condition: Tensor, this: Tensor, other: Any) -> Tensor:
        """Choose number by number."""
        return torch.where(condition, this, other)

    def isnan(self, x: Tensor) -> Tensor:
        """Whether numbers are NaN."""
        return x.isnan()

    def maximum(self, x: Tensor, other: Any) -> Tensor:
        """Take the larger numbers."""
        return x.clamp(min=other)

    def softmax(self, x: Tensor) -> Tensor:
        """Make shares along the last axis."""
        return x.softmax(-1)

    def sum(self, x: Tensor, axis: int) -> Tensor:
        """Add up along an axis, which goes."""
        return x.sum(axis)

    def mean(self, x: Tensor, axis: int) -> Tensor:
        """Mean along an axis, which goes."""
        return x.mean(axis)

    def exp(self, x: Tensor) -> Tensor:
        """Exponential function."""
        return x.exp()

    def log(self, x: Tensor) -> Tensor:
        """Natural logarithm."""
        return x.log()

    def sqrt(self, x: Tensor) -> Tensor:
        """Square root."""
        return x.sqrt()

    def abs(self, x: Tensor) -> Tensor:
        """Absolute value."""
        return x.abs()

    def sign(self, x: Tensor) -> Tensor:
        """-1, 0 or 1."""
        return x.sign()

    def floor(self, x: Tensor) -> Tensor:
        """Round down."""
        return x.floor()

    def tanh(self, x: Tensor) -> Tensor:
        """Hyperbolic tangent."""
        return x.tanh()

    def sigmoid(self, x: Tensor) -> Tensor:
        """Logistic function."""
        return x.sigmoid()
