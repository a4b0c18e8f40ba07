"""Optimisers by name, and how their learning rates change during a fit."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch

__all__ = ["OPTIMIZERS", "SCHEDULES", "Factor", "cosine", "one_cycle"]
__all__ += ["optimizer_params"]


class Light(torch.optim.Optimizer):
    """A part of an optimiser that does without torch's compiler.

    torch marks methods of its optimisers as not to be compiled, and loads the compiler
    at their first call in order to do so; that takes longer than a small fit. These
    call what is inside the mark.
    """

    def step(self, closure: Any = None) -> Any:
        """Make an update."""
        with torch.no_grad():
            return inspect.unwrap(super().step.__func__)(self, closure)  # type: ignore[attr-defined]

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take weights with settings of their own."""
        inspect.unwrap(torch.optim.Optimizer.add_param_group)(self, param_group)

    def state_dict(self) -> dict[str, Any]:
        """Give moments and settings."""
        state: dict[str, Any] = inspect.unwrap(torch.optim.Optimizer.state_dict)(self)
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take moments and settings over."""
        inspect.unwrap(torch.optim.Optimizer.load_state_dict)(self, state_dict)


class AdamW(Light, torch.optim.AdamW):
    """Loshchilov & Hutter (2019)."""


class Adam(Light, torch.optim.Adam):
    """Kingma & Ba (2015)."""


class SGD(Light, torch.optim.SGD):
    """Stochastic gradient descent."""


class RMSprop(Light, torch.optim.RMSprop):
    """Tieleman & Hinton (2012)."""


OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adamw": AdamW,
    "adam": Adam,
    "sgd": SGD,
    "rmsprop": RMSprop,
}

OF_VECTORS = 30.0  # times the weight decay of other weights
Factor = Callable[[int, int], float]  # (update, n_updates) -> share of lr


def one_cycle(update: int, n_updates: int, warm_up: float = 0.25) -> float:
    """Rise from 1/25 to 1 in the first quarter, then fall to 0 (Smith & Topin)."""
    done = update / n_updates
    if done < warm_up:
        return 0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * done / warm_up))
    return 0.5 * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up)))


def cosine(update: int, n_updates: int) -> float:
    """Fall from 1 to 0 (Loshchilov & Hutter, 2017)."""
    return 0.5 * (1 + math.cos(math.pi * update / n_updates))


SCHEDULES: dict[str, Factor] = {"one_cycle": one_cycle, "cosine": cosine}


def optimizer_params(
    optimizer: Any,
    weight_decay: float,
    device: torch.device,
    net_params: dict[str, Any] | None,
    embeds: bool = False,
) -> dict[str, Any]:
    """Find the class of an optimiser, given by name, and what it takes of the rest.

    Vectors of categories decay faster: rare ones would else say by heart what the few
    sequences were in which they stood.
    """
    optimizer = OPTIMIZERS.get(optimizer, optimizer)
    if not isinstance(optimizer, type) or not issubclass(
        optimizer, torch.optim.Optimizer
    ):
        raise TypeError(
            f"optimizer={optimizer!r} is no optimizer class: use one of "
            f"{sorted(OPTIMIZERS)} or a class from torch.optim."
        )
    kind: Any = optimizer
    accepted = accepted_by(kind)
    params: dict[str, Any] = {"optimizer": optimizer}
    if "weight_decay" in accepted:
        params["optimizer__weight_decay"] = weight_decay
        if embeds:
            faster = {"weight_decay": OF_VECTORS * weight_decay}
            params["optimizer__param_groups"] = [("*embedding.tables.*", faster)]
    chosen = {"optimizer__fused", "optimizer__foreach"} & set(net_params or {})
    if "fused" in accepted and not chosen and device.type in ("cpu", "cuda"):
        params["optimizer__fused"] = True
    return params


@lru_cache
def accepted_by(optimizer: Any) -> frozenset[str]:
    """Name the parameters of an optimiser."""
    return frozenset(inspect.signature(optimizer).parameters)
