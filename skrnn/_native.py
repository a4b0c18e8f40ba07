"""The compiled layers: the library of native/layers.c, called through ctypes.

ctypes lets other threads run during a call. The library is there if a compiler was
when the package was installed; without it, torch's own layers do the same.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Read", "Walk", "Weights", "is_available", "kept_of_walk", "place"]
__all__ += ["reused_memory", "run_backward", "run_forward"]

FOLDER = Path(__file__).parent / "native"
ABI = 4  # of layers.c
CELLS = {"rnn": 0, "lstm": 1, "gru": 2}
TARGETS = ("baseline", "avx2", "avx512")
SIZES = "cell target is_double n_rows n_steps n_inputs n_hidden reverse stride"
POINTERS = """lengths w_ih w_hh b_ih b_hh packed
x h_0 c_0 outputs h_n c_n sums maxima places reserve scratch
grad_outputs grad_h_n grad_c_n grad_sums grad_maxima grad_x grad_h_0 grad_c_0
grad_w_ih grad_w_hh grad_b_ih grad_b_hh walk"""
WALK_SIZES = """n_columns n_candidates n_numbers width n_lags n_places
place n_walked period"""
WALK_POINTERS = """lags rates fading values moves profile means unseen n_seen zeros
head head_back numbers kept
grad_values grad_moves grad_means grad_candidates grad_numbers"""
SMALL = 2**20  # bytes, below which an allocator reuses memory by itself
ALIGNMENT = 64  # bytes
FEW_TASKS = 8  # prepared for numbers of rows

Sizes = tuple[int, ...]


class Task(ctypes.Structure):
    """What a call is about, as in layers.c."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in SIZES.split()),
        *((name, ctypes.c_void_p) for name in POINTERS.split()),
    )


class Walk(ctypes.Structure):
    """How a layer reads what it has forecast itself, as in layers.c."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in WALK_SIZES.split()),
        *((name, ctypes.c_void_p) for name in WALK_POINTERS.split()),
    )


class Weights(NamedTuple):
    """Weights of one layer in one direction, as torch has them."""

    w_ih: Tensor  # (gates * hidden_size, n_features)
    w_hh: Tensor  # (gates * hidden_size, hidden_size)
    b_ih: Tensor  # (gates * hidden_size)
    b_hh: Tensor


class Read(NamedTuple):
    """What a layer has made of sequences; directions stand side by side."""

    outputs: Tensor  # (n, n_steps, n_directions * hidden_size), zero after the end
    h_n: Tensor  # (n, n_directions * hidden_size), after the last step of each
    c_n: Tensor | None  # of an LSTM
    sums: Tensor | None  # over steps, (n, n_directions * hidden_size), if asked for
    maxima: Tensor | None
    places: Tensor | None  # steps that have the maxima, in the order of reading
    reserves: list[Tensor]  # what the backward pass of each direction needs


@lru_cache(maxsize=1)
def load_library() -> ctypes.CDLL | None:
    """Load the library, if there is one that fits this file."""
    for path in sorted(FOLDER.glob("layers.*")):
        if path.suffix not in (".so", ".dylib", ".dll"):
            continue
        with suppress(OSError, AttributeError):  # of another machine, or no library
            library = ctypes.CDLL(str(path))
            library.skrnn_abi.restype = ctypes.c_int64
            library.skrnn_target.restype = ctypes.c_int64
            library.skrnn_walk_kept.restype = ctypes.c_int64
            for name in ("skrnn_pack", "skrnn_forward", "skrnn_backward"):
                getattr(library, name).restype = None
            if library.skrnn_abi() == ABI:
                return library
    return None


def is_available() -> bool:
    """Whether there is a library."""
    return load_library() is not None


@lru_cache(maxsize=1)
def best_target() -> int:
    """Place in ``TARGETS`` of the best instruction set that the processor has."""
    library = load_library()
    return 0 if library is None else int(library.skrnn_target())


@lru_cache(maxsize=4096)
def bytes_of(sizes: Sizes) -> Sizes:
    """Bytes of packed weights, reserve, and scratch of forward and backward."""
    found = (ctypes.c_int64 * 4)()
    call("skrnn_sizes", Task(*sizes), found)
    return tuple(found)


def call(name: str, task: Task, *more: Any) -> None:
    """Call a function of the library."""
    getattr(load_library(), name)(ctypes.byref(task), *more)


def sizes_of(
    cell: str, weights: Weights, x: Tensor, reverse: bool, n_directions: int
) -> Sizes:
    """Sizes of a call, in the order of ``SIZES``."""
    n_rows, n_steps, n_inputs = x.shape
    hidden_size = weights.w_hh.shape[1]
    return (
        CELLS[cell],
        best_target(),
        int(x.dtype == torch.float64),
        n_rows,
        n_steps,
        n_inputs,
        hidden_size,
        int(reverse),
        n_directions * hidden_size,
    )


def place(tensor: Tensor | None, offset: int = 0) -> int | None:
    """Where the numbers of a contiguous tensor lie, from its ``offset``-th on."""
    if tensor is None:
        return None
    address: int = tensor.data_ptr()
    return address + offset * tensor.itemsize if offset else address


def place_of_walk(walk: Walk | None) -> int | None:
    """Where a description lies that lasts longer than the call."""
    return None if walk is None else ctypes.addressof(walk)


def kept_of_walk(walk: Walk) -> int:
    """How many numbers a walk keeps of each step of a row."""
    library = load_library()
    assert library is not None  # narrows the type only
    return int(library.skrnn_walk_kept(ctypes.byref(walk)))


def run_forward(
    cell: str,
    directions: Sequence[Weights],
    x: Tensor,
    h_0: Tensor | None = None,
    c_0: Tensor | None = None,
    lengths: Tensor | None = None,
    pool: bool = False,
    keep: bool = False,
    walk: Walk | None = None,
) -> Read:
    """Read sequences (n, n_steps, n_features) of one number type, contiguous.

    The second of two directions reads each sequence from its end. ``h_0`` and ``c_0``
    (n, hidden_size) are for one direction; None stands for zeros. With ``pool`` outputs
    are summed up, too; with ``keep`` the backward pass is possible. With ``walk``, one
    direction puts what it forecasts into ``x`` as it goes.
    """
    n_rows, n_steps, _ = x.shape
    hidden_size = directions[0].w_hh.shape[1]
    width = len(directions) * hidden_size
    outputs = empty((n_rows, n_steps, width), x.dtype)
    h_n = x.new_empty(n_rows, width)
    c_n = torch.empty_like(h_n) if cell == "lstm" else None
    sums, maxima, places = (torch.empty_like(h_n) if pool else None for _ in range(3))
    reserves = []
    for index, weights in enumerate(directions):
        sizes = sizes_of(cell, weights, x, index == 1, len(directions))
        packed_bytes, reserve_bytes, scratch_bytes, _ = bytes_of(sizes)
        packed = empty((packed_bytes,), torch.uint8)
        scratch = empty((scratch_bytes,), torch.uint8)
        reserve = empty((reserve_bytes,), torch.uint8) if keep else None
        here = index * hidden_size
        task = Task(
            *sizes,
            place(lengths),
            *map(place, weights),
            packed=packed.data_ptr(),
            x=x.data_ptr(),
            h_0=place(h_0),
            c_0=place(c_0),
            outputs=place(outputs, here),
            h_n=place(h_n, here),
            c_n=place(c_n, here),
            sums=place(sums, here),
            maxima=place(maxima, here),
            places=place(places, here),
            reserve=place(reserve),
            scratch=scratch.data_ptr(),
            walk=place_of_walk(walk),
        )
        call("skrnn_pack", task)
        call("skrnn_forward", task)
        reserves += [] if reserve is None else [reserve]
    return Read(outputs, h_n, c_n, sums, maxima, places, reserves)


def run_backward(
    cell: str,
    directions: Sequence[Weights],
    x: Tensor,
    h_0: Tensor | None,
    c_0: Tensor | None,
    lengths: Tensor | None,
    read: Read,
    grads: Sequence[Tensor | None],
    wanted: Sequence[bool],
    walk: Walk | None = None,
) -> tuple[Tensor | None, ...]:
    """Gradients of x, h_0 and c_0 where ``wanted``, and of all weights.

    ``grads`` are those of the first five of ``read``; None stands for zeros.
    """
    hidden_size = directions[0].w_hh.shape[1]
    of_outputs, of_h_n, of_c_n, of_sums, of_maxima = (
        grad if grad is None else grad.contiguous() for grad in grads
    )
    total_x: Tensor | None = None
    grad_h = x.new_empty(len(x), hidden_size) if wanted[1] else None
    grad_c = x.new_empty(len(x), hidden_size) if wanted[2] else None
    of_weights: list[Tensor] = []
    for index, weights in enumerate(directions):
        sizes = sizes_of(cell, weights, x, index == 1, len(directions))
        scratch = empty((bytes_of(sizes)[3],), torch.uint8)
        grad_x = empty(x.shape, x.dtype) if wanted[0] else None
        new = Weights(*map(torch.empty_like, weights))
        here = index * hidden_size
        task = Task(
            *sizes,
            place(lengths),
            *map(place, weights),
            x=x.data_ptr(),
            h_0=place(h_0),
            c_0=place(c_0),
            outputs=place(read.outputs, here),
            places=place(read.places, here),
            reserve=read.reserves[index].data_ptr(),
            scratch=scratch.data_ptr(),
            grad_outputs=place(of_outputs, here),
            grad_h_n=place(of_h_n, here),
            grad_c_n=place(of_c_n, here),
            grad_sums=place(of_sums, here),
            grad_maxima=place(of_maxima, here),
            grad_x=place(grad_x),
            grad_h_0=place(grad_h),
            grad_c_0=place(grad_c),
            grad_w_ih=place(new.w_ih),
            grad_w_hh=place(new.w_hh),
            grad_b_ih=place(new.b_ih),
            grad_b_hh=place(new.b_hh),
            walk=place_of_walk(walk),
        )
        call("skrnn_backward", task)
        of_weights += new
        total_x = grad_x if total_x is None or grad_x is None else total_x.add_(grad_x)
    return total_x, grad_h, grad_c, *of_weights


# --- memory ----------------------------------------------------------------------


class Shelf(threading.local):
    """Memory of this thread that waits to be used again; None: nothing is kept."""

    free: list[NDArray[np.uint8]] | None = None


SHELF = Shelf()


class Loan(np.ndarray[Any, Any]):
    """Memory that goes back to the shelf when its last user has gone."""


@contextmanager
def reused_memory() -> Iterator[None]:
    """Use the memory of one batch again for the next, in this thread.

    A system gives large memory away page by page, filled with zeros, and takes it back
    at once when it is freed: for a long batch, that takes longer than the arithmetic.
    """
    before = SHELF.free
    SHELF.free = [] if before is None else before
    try:
        yield
    finally:
        SHELF.free = before


def empty(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Memory without values: from the shelf, if there is one and much is asked for."""
    n_bytes = dtype.itemsize
    for size in shape:
        n_bytes *= size
    shelf = SHELF.free
    if shelf is None or n_bytes < SMALL:
        return torch.empty(shape, dtype=dtype)
    fitting = [i for i, memory in enumerate(shelf) if memory.nbytes >= n_bytes + 64]
    if fitting:
        memory = shelf.pop(min(fitting, key=lambda index: shelf[index].nbytes))
    else:
        if shelf:  # the largest is too small, too: this one takes its place
            del shelf[max(range(len(shelf)), key=lambda index: shelf[index].nbytes)]
        memory = np.empty(n_bytes + n_bytes // 8 + ALIGNMENT, dtype=np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    loan = memory[start : start + n_bytes].view(Loan)
    weakref.finalize(loan, shelf.append, memory)
    return torch.from_numpy(loan).view(dtype).view(tuple(shape))


# --- single steps ----------------------------------------------------------------


class PackedLayer:
    """One layer whose weights are packed once, to read one step at a time."""

    def __init__(self, cell: str, weights: Weights) -> None:
        self.cell = cell
        self.weights = weights  # keeps them where they lie
        self.packed: Tensor | None = None
        library = load_library()
        assert library is not None  # narrows the type only
        self.forward = library.skrnn_forward
        self.local = threading.local()  # tasks are changed by their calls

    def read(self, n_rows: int, x: int, before: int, after: int) -> None:
        """Read one step of ``n_rows`` sequences, given by addresses.

        ``x`` holds (n_rows, n_features); ``before`` and ``after`` hold states: outputs
        (n_rows, hidden_size) and then, of an LSTM, memory cells.
        """
        tasks: dict[Any, Any] = self.local.__dict__
        if n_rows not in tasks:
            if len(tasks) >= FEW_TASKS:
                tasks.clear()
            tasks[n_rows] = self.task_for(n_rows)
        task, memory, pointer, _ = tasks[n_rows]
        task.x, task.h_0, task.h_n = x, before, after
        task.outputs = after  # of one step, the same
        if memory:
            task.c_0, task.c_n = before + memory, after + memory
        self.forward(pointer)

    def task_for(self, n_rows: int) -> tuple[Task, int, Any, Tensor]:
        """Prepare calls: task, bytes before memory cells, pointer to it, scratch."""
        like = self.weights.w_hh.new_empty(n_rows, 1, self.weights.w_ih.shape[1])
        sizes = sizes_of(self.cell, self.weights, like, False, 1)
        packed_bytes, _, scratch_bytes, _ = bytes_of(sizes)
        scratch = torch.empty(scratch_bytes, dtype=torch.uint8)
        task = Task(*sizes, None, *map(place, self.weights))
        task.scratch = scratch.data_ptr()
        if self.packed is None:
            packed = torch.empty(packed_bytes, dtype=torch.uint8)
            task.packed = packed.data_ptr()
            call("skrnn_pack", task)
            self.packed = packed
        task.packed = self.packed.data_ptr()
        hidden_size = self.weights.w_hh.shape[1]
        memory = n_rows * hidden_size * like.itemsize if self.cell == "lstm" else 0
        return task, memory, ctypes.byref(task), scratch
