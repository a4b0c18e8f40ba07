"""Run a fitted module over sequences, so that no answer depends on another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skrnn._devices import plain_torch
from skrnn._layers import is_native
from skrnn._modules import SequenceModule, aligned_copy, blocks, round_up
from skrnn._sequences import Sequences

__all__ = ["run_module"]

Part = Literal["outputs", "embedding"]
ROWS_ON_CPU = 128  # sequences in a block: more or fewer are slower
ROWS_ELSEWHERE = 512
ROWS_TOGETHER = 8  # products of other numbers of rows may add in another order
NUMBERS_IN_A_BLOCK = 2**22


class Runner(NamedTuple):
    """What runs in place of a module: on the CPU, its aligned copy."""

    module: SequenceModule
    weights: list[Tensor]  # what it was made from
    outputs: slice  # where its outputs hold those of the module
    embedding: NDArray[np.int64]  # and its embedding that of the module


_runners: WeakKeyDictionary[SequenceModule, Runner] = WeakKeyDictionary()


def runner_of(module: SequenceModule) -> Runner:
    """Keep one runner for each module, made anew when its weights changed.

    Weights are compared, not torch's counts of their changes: a fused optimiser and an
    edit of ``weight.data`` are not counted.
    """
    if module.head.weight.device.type != "cpu":
        return make_runner(module, module, [])
    weights = weights_of(module)
    runner = _runners.get(module)
    if runner is None or not all(map(torch.equal, runner.weights, weights)):
        copies = [weight.detach().clone() for weight in weights]
        runner = make_runner(module, aligned_copy(module), copies)
        _runners[module] = runner
    return runner


def make_runner(
    module: SequenceModule, run: SequenceModule, weights: list[Tensor]
) -> Runner:
    """Say where the outputs of ``run`` hold those of the module."""
    hidden, run_hidden = module.config["hidden_size"], run.config["hidden_size"]
    return Runner(
        run,
        weights,
        slice(module.config["n_outputs"]),
        blocks(hidden, run_hidden, module.embedding_size).numpy(),
    )


def weights_of(module: nn.Module) -> list[Tensor]:
    """Do what ``module.parameters()`` does, in a fifth of its time."""
    weights: list[Tensor] = [w for w in module._parameters.values() if w is not None]
    for part in module._modules.values():
        if part is not None:
            weights += weights_of(part)
    return weights


def run_module(
    module: SequenceModule,
    sequences: Sequences,
    part: Part = "outputs",
    fill: Callable[[Sequences], Sequences] | None = None,
) -> NDArray[Any]:
    """Run a module over sequences: (n_sequences, n_outputs or embedding_size).

    Each block is made from ``sequences`` when its turn comes, with missing values
    replaced by ``fill``: X may be a memory map larger than the memory.

    A sequence's answer is computed in a block whose length depends on its own length
    only and whose number of rows makes no difference (see ``aligned_copy``): it does
    not depend on its companions, to the bit on one CPU.
    """
    weight = module.head.weight
    with plain_torch(weight.device, gradients=False):
        runner = runner_of(module)
        columns: Any = runner.embedding
        size = module.embedding_size
        if part == "outputs":
            columns, size = runner.outputs, module.config["n_outputs"]
        multiple = rows_together(runner.module)
        results = torch.empty(len(sequences), size, dtype=weight.dtype).numpy()
        width = max(runner.module.embedding_size, runner.module.config["n_features"])
        most = ROWS_ON_CPU if weight.device.type == "cpu" else ROWS_ELSEWHERE
        for rows, n_steps in blocks_of_rows(sequences.lengths, most, width):
            key = slice(rows.start, rows.stop) if isinstance(rows, range) else rows
            block = sequences[key] if fill is None else fill(sequences[key])
            x, lengths = pad_block(block, n_steps, runner.module, multiple)
            found = runner.module.embed(x, lengths)
            if part == "outputs":
                found = runner.module.head(pad_rows(found, ROWS_TOGETHER))
            results[key] = found.cpu().numpy()[: len(rows), columns]
        return results


def rows_together(module: SequenceModule) -> int:
    """Of what number the rows of a block must be a multiple.

    The compiled layers compute each row by itself; the products of torch do not.
    """
    layer: Any = module.encoder.forward_layers[0]
    alone = is_native(module.encoder.engine, layer, module.head.weight)
    return 1 if alone and module.attention is None else ROWS_TOGETHER


def pad_rows(x: Tensor, multiple: int) -> Tensor:
    """Add rows of zeros up to a multiple."""
    n_more = -len(x) % multiple
    return nn.functional.pad(x, (0, 0, 0, n_more)) if n_more else x


def blocks_of_rows(
    lengths: NDArray[np.int64], most: int, width: int = 1
) -> Iterator[tuple[range | NDArray[np.int64], int]]:
    """Group rows of equal rounded length into blocks: (rows, n_steps).

    A block has at most ``most`` rows, and fewer if its steps of ``width`` numbers would
    take too much memory.
    """
    for group, n_steps in rows_by_length(lengths):
        fitting = NUMBERS_IN_A_BLOCK // (n_steps * width)
        n_rows = min(most, max(1, fitting // ROWS_TOGETHER) * ROWS_TOGETHER)
        for start in range(0, len(group), n_rows):
            yield group[start : start + n_rows], n_steps


def rows_by_length(
    lengths: NDArray[np.int64],
) -> Iterator[tuple[range | NDArray[np.int64], int]]:
    """Give all rows of each rounded length; neighbours as a range."""
    if len(lengths) and lengths.min() == lengths.max():
        yield range(len(lengths)), int(round_lengths(lengths[:1])[0])
        return
    rounded = round_lengths(lengths)
    for n_steps in np.unique(rounded):
        yield np.flatnonzero(rounded == n_steps), int(n_steps)


def round_lengths(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Round lengths up to one of 8 to 16 values per power of two."""
    exponents = np.frexp(lengths)[1]  # 1 + the power of two below
    steps = 1 << np.maximum(exponents - 4, 0)
    rounded: NDArray[np.int64] = -(-lengths // steps) * steps
    return rounded


def pad_block(
    block: Sequences, n_steps: int, module: SequenceModule, multiple: int
) -> tuple[Tensor, Tensor | None]:
    """Pad sequences, and their number, to a block; lengths if there is padding."""
    n_rows, weight = round_up(len(block), multiple), module.head.weight
    x = torch.zeros(n_rows, n_steps, module.config["n_features"], dtype=weight.dtype)
    real = x.numpy()[: len(block), :, : block.n_features]
    lengths = block.lengths
    if block.is_uniform:
        real[:, : lengths[0]] = block.to_panel()
        if lengths[0] == n_steps:
            return x.to(weight.device), None
    else:
        real[np.arange(n_steps) < lengths[:, None]] = block.values
    padded_lengths = torch.ones(n_rows, dtype=torch.int64)
    padded_lengths[: len(block)] = torch.from_numpy(lengths)
    return x.to(weight.device), padded_lengths.to(weight.device)
