"""Which device, how many threads, how much memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from ctypes import CDLL
from functools import lru_cache
from pathlib import Path

import torch
from threadpoolctl import ThreadpoolController

__all__ = ["check_memory", "one_thread", "plain_torch", "resolve_device"]


def resolve_device(device: str) -> torch.device:
    """Turn a name into a device that is there; "auto" prefers CUDA."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} is not a device. Use 'auto', 'cpu', 'cuda', 'cuda:1' "
            "(the second GPU) or 'mps'."
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
    try:
        with thread_controller().limit(limits=1, user_api="openmp"):
            yield
    finally:
        set_mkl_threads(before)


@contextmanager
def plain_torch(device: torch.device, gradients: bool = True) -> Iterator[None]:
    """One thread, gradients or none, and none of the modes the caller may be in."""
    on_cpu = torch.device("cpu")  # where new tensors lie unless told otherwise
    with (
        one_thread(device),
        nullcontext() if default_is_cpu() else on_cpu,  # it takes time at every call
        torch.autocast(device.type, enabled=False),
        torch.inference_mode(not gradients),
        torch.set_grad_enabled(gradients),
    ):
        yield


def default_is_cpu() -> bool:
    """Whether the caller has left the default device of torch alone."""
    try:
        return torch.empty(0).device.type == "cpu"
    except (AssertionError, RuntimeError):  # it is one that is not there
        return False


@lru_cache(maxsize=1)
def thread_controller() -> ThreadpoolController:
    """Find the OpenMP libraries that torch has loaded."""
    return ThreadpoolController()


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


def check_memory(n_weights: int, bytes_each: int) -> None:
    """Weights, gradients and two moments must fit into the machine's memory."""
    needed = 4 * n_weights * bytes_each
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > there:
        raise MemoryError(
            f"Training this network needs about {needed / 2**30:.0f} GiB for its "
            f"weights, gradients and moments; this machine has {there / 2**30:.0f} GiB"
            ". Use a smaller hidden_size or fewer num_layers."
        )
