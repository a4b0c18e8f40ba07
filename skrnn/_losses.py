"""Losses: one number per sequence, so that weights can act on sequences."""

from __future__ import annotations

from collections.abc import Callable

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
        if losses.ndim == 0 or losses.shape[0] != len(targets):
            raise ValueError(
                f"loss={self.name} gave a result of shape {tuple(losses.shape)} for "
                f"{len(targets)} sequences: it must give one number per sequence (for "
                "losses of torch, set reduction='none')."
            )
        return losses if losses.ndim == 1 else losses.flatten(1).mean(dim=1)


def make_loss(loss: str | Loss) -> PerSequenceLoss:
    """Look a loss up by name, or wrap the user's function."""
    if isinstance(loss, str):
        return PerSequenceLoss(LOSSES[loss], repr(loss))
    return PerSequenceLoss(loss, repr(loss))
