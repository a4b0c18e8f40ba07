"""Run a fitted module over sequences, so that no answer depends on another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skrnn._devices import one_thread
from skrnn._modules import SequenceModule, aligned_copy, blocks, round_up
from skrnn._sequences import Sequences

__all__ = ["run_module"]

Part = Literal["outputs", "embedding"]
ROWS_ON_CPU = 32  # sequences in a block: larger blocks are slower
ROWS_ELSEWHERE = 512


@torch.inference_mode()
def run_module(
    module: SequenceModule,
    sequences: Sequences,
    part: Part = "outputs",
) -> NDArray[Any]:
    """Run a module over sequences: (n_sequences, n_outputs or embedding_size).

    A sequence's answer is computed in a block whose length depends on its own length
    only and whose number of rows makes no difference (see ``aligned_copy``): it does
    not depend on its companions, to the bit on one CPU.
    """
    device = next(module.parameters()).device
    config = module.config
    size = config["n_outputs"] if part == "outputs" else module.embedding_size
    columns = torch.arange(size)
    if device.type == "cpu":
        runner = aligned_copy(module)
        if part == "embedding":
            hidden = config["hidden_size"]
            columns = blocks(hidden, runner.config["hidden_size"], size)
    else:
        runner = module
    n_rows = ROWS_ON_CPU if device.type == "cpu" else ROWS_ELSEWHERE
    dtype = next(module.parameters()).dtype
    results = np.empty((len(sequences), size), dtype=str(dtype).split(".")[1])
    with one_thread(device):
        for rows, n_steps in blocks_of_rows(sequences.lengths, n_rows):
            block = sequences[rows]
            x, lengths = pad_block(block, n_steps, runner.config["n_features"], dtype)
            run = runner.forward if part == "outputs" else runner.embed
            outputs = run(x.to(device), lengths.to(device))
            results[rows] = outputs[: len(rows)].cpu()[:, columns].numpy()
    return results


def blocks_of_rows(
    lengths: NDArray[np.int64], n_rows: int
) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Group rows of equal rounded length into blocks: (rows, n_steps)."""
    rounded = round_lengths(lengths)
    for n_steps in np.unique(rounded):
        rows = np.flatnonzero(rounded == n_steps)
        for start in range(0, len(rows), n_rows):
            yield rows[start : start + n_rows], int(n_steps)


def round_lengths(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Round lengths up to one of 8 to 16 values per power of two."""
    powers = np.floor(np.log2(np.maximum(lengths, 1))).astype(np.int64)
    steps = 2 ** np.maximum(powers - 3, 0)
    rounded: NDArray[np.int64] = -(-lengths // steps) * steps
    return rounded


def pad_block(
    block: Sequences, n_steps: int, n_features: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Pad sequences to a block with a multiple of 8 rows, and their lengths."""
    n_rows = round_up(len(block), 8)
    x = torch.zeros(n_rows, n_steps, n_features, dtype=dtype)
    padded = torch.from_numpy(block.to_padded(n_steps=n_steps))
    x[: len(block), :, : block.n_features] = padded
    lengths = torch.ones(n_rows, dtype=torch.int64)
    lengths[: len(block)] = torch.from_numpy(block.lengths)
    return x, lengths
