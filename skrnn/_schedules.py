"""How the learning rate changes during a fit, as a share of what it begins with."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["SCHEDULES", "Factor", "cosine", "one_cycle"]

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
