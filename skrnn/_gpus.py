"""Which of several GPUs a process works on."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path

import torch
from filelock import FileLock, Timeout

__all__ = ["own_gpu", "quietest"]

_held: list[FileLock] = []


def own_gpu() -> torch.device:
    """Choose a GPU for this process, which stays with it."""
    n_gpus = torch.cuda.device_count()
    if n_gpus == 1:
        return torch.device("cuda")
    about = [torch.cuda.get_device_properties(place) for place in range(n_gpus)]
    return torch.device("cuda", quietest(tuple(str(each.uuid) for each in about)))


@cache
def quietest(names: tuple[str, ...]) -> int:
    """Find the place of the name that the fewest processes of this user have chosen.

    A process locks a file until it ends, in whatever way it does: candidates of a
    search that are fitted by several processes spread over the GPUs.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir(), f"skrnn-{user}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.lstat().st_uid != user:
            raise PermissionError(f"{folder} is of another user")
        others = 0
        while True:
            for place, name in enumerate(names):
                lock = FileLock(folder / f"{name}.{others}.lock")
                try:
                    lock.acquire(timeout=0)
                except Timeout:
                    continue
                _held.append(lock)
                return place
            others += 1
    except (OSError, NotImplementedError):  # no place for files or locks, or not ours
        return 0
