"""Several processes that train one network together, through Accelerate."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["BY_ACCELERATE", "Processes", "have_joined", "the_processes"]

BY_ACCELERATE = "accelerate"  # the device that Accelerate gives each process


class Processes:
    """One process among those that train the same network on other rows.

    Each has all data and the same weights, and reads its share of every batch. What
    they find is added up before each update (Li et al., 2020, arXiv:2006.15704, without
    its overlap of adding and computing, which small networks do not need).
    """

    def __init__(self) -> None:
        if multiprocessing.parent_process() is not None:
            raise ValueError(
                "device='accelerate' is for processes that torchrun has started, and "
                "this is a worker of one: leave n_jobs at None there."
            )
        try:
            from accelerate import Accelerator
            from accelerate.state import is_initialized
        except ImportError as error:
            raise ImportError(
                "device='accelerate' needs Accelerate: pip install accelerate."
            ) from error
        # one that the user has made before decides for all
        on_cpu = not is_initialized() and not torch.cuda.is_available()
        self.accelerator = Accelerator(cpu=on_cpu)
        self.device: torch.device = self.accelerator.device
        self.place: int = self.accelerator.process_index
        self.count: int = self.accelerator.num_processes
        started = int(os.environ.get("WORLD_SIZE", "1"))
        if started != self.count:
            raise ValueError(
                f"device='accelerate': {started} processes were started (WORLD_SIZE), "
                f"but Accelerate sees {self.count}. Make its Accelerator(cpu=True) "
                "before the fit, or start them with torchrun."
            )

    def share(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Give the rows of a batch that this process reads."""
        if len(rows) < self.count:
            raise ValueError(
                f"A batch of {len(rows)} cannot be shared by {self.count} processes: "
                "use a larger batch_size, more data, or fewer processes."
            )
        return rows[self.place :: self.count]

    def add_up(self, tensors: Iterable[Tensor], weight: float) -> None:
        """Give each tensor the sum over all processes, each with its weight."""
        kept = list(tensors)
        together = torch.cat([each.detach().flatten() for each in kept]) * weight
        together = self.accelerator.reduce(together, reduction="sum")
        parts = together.split([each.numel() for each in kept])
        for each, part in zip(kept, parts, strict=True):
            each.detach().copy_(part.view_as(each))

    def any(self, flag: bool) -> bool:
        """Whether a flag is set in one of the processes."""
        flags = torch.tensor([float(flag)], device=self.device)
        return bool(self.accelerator.reduce(flags, reduction="sum").item() > 0)

    def compare(self, about: dict[str, str]) -> None:
        """Refuse to train together what is not the same in all processes."""
        from accelerate.utils import gather_object

        everywhere = gather_object([about])
        other = sorted(
            {name for each in everywhere for name in about if each[name] != about[name]}
        )
        if other:
            raise ValueError(
                f"The {self.count} processes were given other {other}: all must have "
                "the same data and parameters, and an integer as random_state."
            )


def have_joined() -> bool:
    """Whether this process has joined others before."""
    return the_processes.cache_info().currsize > 0


@cache
def the_processes() -> Processes:
    """Join the other processes, once; alone if this one was not started with others."""
    return Processes()
