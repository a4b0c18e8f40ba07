"""Which device, how many threads, how much memory."""

from __future__ import annotations

import gc
import math
import os
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ctypes import CDLL
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import ThreadpoolController

from skrnn._gpus import own_gpu
from skrnn._processes import (
    BY_ACCELERATE,
    Processes,
    have_joined,
    the_processes,
)

__all__ = ["check_batch_memory", "check_memory", "clear_memory", "device_or_cpu"]
__all__ += ["has_room", "memory_limit", "one_thread", "others_of", "plain_torch"]
__all__ += ["resolve_device"]

NO_MEMORY = (  # what errors say: on CPUs, Windows, MPS and of libraries of CUDA
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "_STATUS_ALLOC_FAILED",
)
CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def resolve_device(device: str) -> torch.device:
    """Turn a name into a device that is there; "auto" prefers CUDA.

    Of several GPUs, "auto" takes the one that the fewest processes have taken.
    """
    if device == BY_ACCELERATE:
        return the_processes().device
    if device == "auto":
        return own_gpu() if torch.cuda.is_available() else torch.device("cpu")
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device={device!r} is not a device. Use 'auto', 'cpu', 'cuda', 'cuda:1' "
            "(the second GPU), 'mps' or 'accelerate'."
        ) from error
    missing = ""
    if resolved.type == "cuda":
        count = torch.cuda.device_count()
        if (resolved.index or 0) >= count:
            missing = f"torch {torch.__version__} sees {count} CUDA device(s)"
    elif resolved.type == "mps" and not torch.backends.mps.is_available():
        missing = f"torch {torch.__version__} sees no MPS device"
    elif resolved.type not in ("cpu", "cuda", "mps"):
        missing = "only CPU, CUDA and MPS are supported"
    if missing:
        raise ValueError(
            f"device={device!r} is not available: {missing}. Use device='auto' or "
            "device='cpu', or install a build of torch for that device."
        )
    return resolved


def device_or_cpu(device: str) -> torch.device:
    """Turn a name into a device; warn and take the CPU if it is not there.

    It never waits for other processes: only a fit joins them.
    """
    if device == BY_ACCELERATE and not have_joined():
        device = "auto"
    try:
        return resolve_device(device)
    except ValueError as error:
        warnings.warn(f"The network runs on the CPU: {error}", stacklevel=3)
        return torch.device("cpu")


def others_of(device: str) -> Processes | None:
    """Give the processes that train together on a device, if there are several."""
    if device != BY_ACCELERATE or the_processes().count == 1:
        return None
    return the_processes()


@contextmanager
def one_thread(device: torch.device) -> Iterator[None]:
    """Let torch use one thread, in the calling thread only.

    Sums over several threads depend on their number, parallel regions hang after a
    fork, and workers of a search get in each other's way. ``torch.set_num_threads``
    would also reach threads that begin in the meantime.
    """
    if device.type != "cpu":
        yield
        return
    torch.get_num_threads()  # torch sets a new thread up now, and not in the block
    set_mkl_threads = mkl_setter()
    before = set_mkl_threads(1)
    pools = [(library, library.get_num_threads()) for library in openmp_libraries()]
    try:
        for library, _ in pools:
            library.set_num_threads(1)
        yield
    finally:
        for library, n_threads in pools:
            library.set_num_threads(n_threads)
        set_mkl_threads(before)


@contextmanager
def plain_torch(device: torch.device, gradients: bool = True) -> Iterator[None]:
    """One thread, gradients or none, and none of the modes the caller may be in.

    An error of memory becomes a ``MemoryError`` that says what to do.
    """
    # each mode that is entered takes time at every call of predict
    if default_is_cpu() and not torch.is_autocast_enabled(device.type):
        with one_thread(device), torch.inference_mode(not gradients), clear_memory():
            yield
        return
    with (
        one_thread(device),
        torch.device("cpu"),  # where new tensors lie unless told otherwise
        torch.autocast(device.type, enabled=False),
        torch.inference_mode(not gradients),  # also sets whether there are gradients
        clear_memory(),
    ):
        yield


@contextmanager
def clear_memory() -> Iterator[None]:
    """Turn errors of memory into one that helps, and free what was taken."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # they hold the tensors
        gc.collect()
        torch.cuda.empty_cache()  # nothing, where CUDA is not used
        raise MemoryError(
            "There is not enough memory for this network and its data. Use a smaller "
            "batch_size, shorter sequences, a smaller hidden_size, for forecasts a "
            "smaller context_length or num_samples, or another device. It began with: "
            f"{error}"
        ) from error


def is_of_memory(error: Exception) -> bool:
    """Whether torch, numpy or a library of CUDA got no memory, and nobody said more."""
    if isinstance(error, MemoryError):
        return type(error) is not MemoryError or not error.args
    text = str(error)
    return isinstance(error, torch.OutOfMemoryError) or any(
        part in text for part in NO_MEMORY
    )


def default_is_cpu() -> bool:
    """Whether the caller has left the default device of torch alone."""
    try:
        return torch.empty(0).device.type == "cpu"
    except (AssertionError, RuntimeError):  # it is one that is not there
        return False


@lru_cache(maxsize=1)
def openmp_libraries() -> list[Any]:
    """Find the OpenMP libraries that are loaded; torch loads its own."""
    return list(ThreadpoolController().select(user_api="openmp").lib_controllers)


@lru_cache(maxsize=1)
def mkl_setter() -> Callable[[int], int]:
    """Find what sets MKL's threads for one thread and gives the number before.

    MKL is linked into torch's own library, where threadpoolctl does not see it.
    """
    for path in (Path(torch.__file__).parent / "lib").glob("*torch_cpu.*"):
        with suppress(OSError, AttributeError):  # not a library, or one without MKL
            setter: Callable[[int], int] = CDLL(str(path)).MKL_Set_Num_Threads_Local
            return setter
    return lambda n_threads: n_threads


def has_room(device: torch.device, n_bytes: int) -> bool:
    """Whether a GPU can hold so much, and as much again for the work."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return 2 * n_bytes <= free


def memory_limit() -> float:
    """Bytes that there are for this process: the machine's, or its container's."""
    limits = [math.inf]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with suppress(OSError, ValueError):  # no container, or one with the limit "max"
        limits.append(int(CONTAINER_LIMIT.read_text()))
    return min(limits)


def check_memory(n_weights: int, bytes_each: int) -> None:
    """Weights, gradients and two moments must fit into the machine's memory."""
    refuse_above_limit(
        4 * n_weights * bytes_each,
        "its weights, gradients and moments",
        "a smaller hidden_size or fewer num_layers",
    )


def check_batch_memory(n_rows: int, n_steps: int, bytes_per_step: int) -> None:
    """All that a batch keeps for its gradients must fit, too."""
    refuse_above_limit(
        n_rows * n_steps * bytes_per_step,
        f"a batch of {n_rows} sequences of {n_steps} steps",
        "a smaller batch_size, shorter sequences (for windows, a smaller "
        "window_length) or a smaller hidden_size",
    )


def refuse_above_limit(needed: int, what: str, advice: str) -> None:
    """Refuse what cannot fit, before torch or the system ends the process."""
    there = memory_limit()
    if needed > there:
        raise MemoryError(
            f"Training this network needs about {in_gib(needed)} for {what}; this "
            f"machine has {in_gib(there)}. Use {advice}."
        )


def in_gib(n_bytes: float) -> str:
    """Write a number of bytes in GiB, with two digits at least."""
    size = n_bytes / 2**30
    return f"{size:.0f} GiB" if size >= 10 else f"{size:.2g} GiB"
