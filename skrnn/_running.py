"""Run a fitted module over sequences, so that no answer depends on another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skrnn._devices import plain_torch
from skrnn._modules import SequenceModule, aligned_copy, blocks, round_up
from skrnn._sequences import Sequences

__all__ = ["run_module"]

Part = Literal["outputs", "embedding"]
ROWS_ON_CPU = 64  # sequences in a block: much larger blocks are slower
ROWS_ELSEWHERE = 512
NUMBERS_IN_A_BLOCK = 2**22


class Runner(NamedTuple):
    """What runs in place of a module: on the CPU, its aligned copy."""

    module: SequenceModule
    device: torch.device
    dtype: torch.dtype
    weights: list[Tensor]


_runners: WeakKeyDictionary[SequenceModule, Runner] = WeakKeyDictionary()


def runner_of(module: SequenceModule) -> Runner:
    """Keep one runner for each module, made anew when its weights changed."""
    weights = [p.detach() for p in module.parameters()]
    device, dtype = weights[0].device, weights[0].dtype
    if device.type != "cpu":
        return Runner(module, device, dtype, weights)
    runner = _runners.get(module)
    if runner is None or not all(map(torch.equal, runner.weights, weights)):
        copies = [weight.clone() for weight in weights]
        runner = Runner(aligned_copy(module), device, dtype, copies)
        _runners[module] = runner
    return runner


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
    n_outputs = module.config["n_outputs"]
    device = next(module.parameters()).device
    with plain_torch(device, gradients=False):
        runner = runner_of(module)
        run, columns = runner.module.embed, embedding_columns(module, runner)
        if part == "outputs":
            run, columns = runner.module.forward, torch.arange(n_outputs)
        results = torch.empty(len(sequences), len(columns), dtype=runner.dtype)
        width = max(runner.module.embedding_size, runner.module.config["n_features"])
        most = ROWS_ON_CPU if runner.device.type == "cpu" else ROWS_ELSEWHERE
        for rows, n_steps in blocks_of_rows(sequences.lengths, most, width):
            together = rows[-1] - rows[0] < len(rows)  # a slice copies nothing
            block = sequences[rows[0] : rows[-1] + 1] if together else sequences[rows]
            x, lengths = pad_block(block, n_steps, runner)
            outputs = run(x.to(runner.device), lengths.to(runner.device))
            results[torch.from_numpy(rows)] = outputs[: len(rows)].cpu()[:, columns]
        return results.numpy()


def embedding_columns(module: SequenceModule, runner: Runner) -> Tensor:
    """Where the runner's embedding holds the units of the module."""
    hidden, run_hidden = (m.config["hidden_size"] for m in (module, runner.module))
    return blocks(hidden, run_hidden, module.embedding_size)


def blocks_of_rows(
    lengths: NDArray[np.int64], most: int, width: int = 1
) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Group rows of equal rounded length into blocks: (rows, n_steps).

    A block has at most ``most`` rows, and fewer if its steps of ``width`` numbers would
    take too much memory.
    """
    rounded = round_lengths(lengths)
    for n_steps in np.unique(rounded):
        rows = np.flatnonzero(rounded == n_steps)
        fitting = int(NUMBERS_IN_A_BLOCK // (n_steps * width)) // 8 * 8
        n_rows = min(most, max(8, fitting))
        for start in range(0, len(rows), n_rows):
            yield rows[start : start + n_rows], int(n_steps)


def round_lengths(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Round lengths up to one of 8 to 16 values per power of two."""
    powers = np.floor(np.log2(np.maximum(lengths, 1))).astype(np.int64)
    steps = 2 ** np.maximum(powers - 3, 0)
    rounded: NDArray[np.int64] = -(-lengths // steps) * steps
    return rounded


def pad_block(block: Sequences, n_steps: int, runner: Runner) -> tuple[Tensor, Tensor]:
    """Pad sequences to a block with a multiple of 8 rows, and their lengths."""
    n_rows, n_features = round_up(len(block), 8), runner.module.config["n_features"]
    x = torch.zeros(n_rows, n_steps, n_features, dtype=runner.dtype)
    lengths = torch.ones(n_rows, dtype=torch.int64)
    lengths[: len(block)] = torch.from_numpy(block.lengths)
    real = x.numpy()[: len(block), :, : block.n_features]
    if block.is_uniform:
        real[:, : block.lengths[0]] = block.to_panel()
    else:
        real[np.arange(n_steps) < block.lengths[:, None]] = block.values
    return x, lengths
