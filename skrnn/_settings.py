"""How to train, and how training may end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch

__all__ = ["DivergenceError", "Kind", "NonFiniteError", "Settings"]
__all__ += ["StopTraining"]

Kind = Literal["numbers", "classes", "labels"]


@dataclass(frozen=True)
class Settings:
    """How to train, in the words of the estimators."""

    loss: Any
    optimizer: Any
    lr: float
    lr_schedule: str
    weight_decay: float
    max_grad_norm: float | None
    max_epochs: int
    batch_size: int
    device: torch.device
    verbose: int
    callbacks: Any
    net_params: dict[str, Any] | None
    kind: Kind = "numbers"  # what the targets are
    per_step: bool = False  # whether there is one for each step
    paired: bool = False  # whether they are sequences of lengths of their own
    patience: int | None = None  # epochs; None never stops early
    seeds: list[int] = field(default_factory=list)  # weights, dropout, shuffling
    checkpoint: Any = None  # a path, or what was opened there
    tasks: Any = None  # for callbacks of scikit-learn: see FitTasks
    processes: Any = None  # that train together: see Processes
    bptt: int | None = None  # steps of a piece, of sequences that are read in pieces


class StopTraining(Exception):  # no error: early stopping is done
    """An EarlyStopping callback has seen enough; raised inside the loop only."""


class NonFiniteError(ArithmeticError):
    """The loss is NaN or infinite; raised inside the loop only."""


class DivergenceError(ValueError):
    """Training diverged before any epoch ended well."""
