"""Losses: one number per sequence, so that weights can act on sequences."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["PerSequenceLoss", "make_loss"]

Loss = Callable[[Tensor, Tensor], Tensor]


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Squared error, same shape."""
    return (outputs - targets).square()


def absolute_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Absolute error, same shape."""
    return (outputs - targets).abs()


def huber(outputs: Tensor, targets: Tensor) -> Tensor:
    """Quadratic up to one standard deviation of the target, then linear."""
    return functional.huber_loss(outputs, targets, reduction="none")


def log_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of class codes, or of each 0/1 label if targets have columns."""
    if targets.ndim == 1:
        return functional.cross_entropy(outputs, targets, reduction="none")
    return functional.binary_cross_entropy_with_logits(
        outputs, targets, reduction="none"
    )


LOSSES: dict[str, Loss] = {
    "squared_error": squared_error,
    "absolute_error": absolute_error,
    "huber": huber,
    "log_loss": log_loss,
}


class PerSequenceLoss(nn.Module):
    """A loss that refuses unequal shapes and is averaged over outputs only."""

    def __init__(self, loss: Loss, name: str) -> None:
        super().__init__()
        self.loss = loss
        self.name = name

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map outputs (n, k) and targets (n, k) or class codes (n,) to (n,)."""
        if targets.ndim == 2 and outputs.shape != targets.shape:
            raise ValueError(
                f"The network gave outputs of shape {tuple(outputs.shape)} for targets "
                f"of shape {tuple(targets.shape)}: a loss needs equal shapes."
            )
        losses = self.loss(outputs, targets)
        if not isinstance(losses, Tensor):
            raise TypeError(
                f"loss={self.name} gave a {type(losses).__name__}, expected a tensor "
                "with one number per sequence."
            )
        if losses.shape not in (targets.shape[:1], outputs.shape):
            raise ValueError(
                f"loss={self.name} gave a result of shape {tuple(losses.shape)} for "
                f"outputs of shape {tuple(outputs.shape)} and targets of shape "
                f"{tuple(targets.shape)}: it must give one number per sequence or per "
                "output (for losses of torch, set reduction='none')."
            )
        return losses if losses.ndim == 1 else losses.flatten(1).mean(dim=1)


class PerStepLoss(PerSequenceLoss):
    """A loss of each step; what stands at the padding counts with weight 0."""

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map outputs (n, n_steps, k) and targets (n, n_steps, [k]) to (n, n_steps)."""
        if not targets.is_floating_point():  # codes, -1 at the padding
            targets = targets.clamp(min=0)
        losses = super().forward(outputs.flatten(0, 1), targets.flatten(0, 1))
        return losses.view(targets.shape[:2])


def make_loss(
    loss: str | Loss, dtype: torch.dtype = torch.float32, per_step: bool = False
) -> PerSequenceLoss:
    """Look a loss up by name, or wrap the user's function or a copy of the module."""
    wrap = PerStepLoss if per_step else PerSequenceLoss
    if isinstance(loss, str):
        return wrap(LOSSES[loss], repr(loss))
    if isinstance(loss, type):
        raise TypeError(
            f"loss is the class {loss.__name__}: pass an instance, for losses of torch "
            f"{loss.__name__}(reduction='none')."
        )
    if isinstance(loss, nn.Module):
        loss = copy.deepcopy(loss).to(dtype)
    return wrap(loss, repr(loss))
