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
from skrnn._layers import is_native, map_rows
from skrnn._modules import (
    SequenceModule,
    aligned_copy,
    aligned_head,
    blocks,
)
from skrnn._sequences import Sequences
from skrnn._sizes import round_up

__all__ = ["run_head", "run_in_pieces", "run_module", "run_to_end"]

Part = Literal["outputs", "embedding"]
ROWS_ON_CPU = 128  # sequences in a block: more or fewer are slower
ROWS_ELSEWHERE = 512
PIECE = 128  # steps of long sequences that are run at a time
ROWS_TOGETHER = 8  # products of other numbers of rows may add in another order
WIDE, ROWS_IF_WIDE = 192, 32  # from so many columns on, all products have as many rows
NUMBERS_IN_A_BLOCK = 2**22


class Runner(NamedTuple):
    """What runs in place of a module, so that each row is computed by itself."""

    module: SequenceModule | None  # an aligned copy; None: the module does it
    head: nn.Linear
    weights: list[Tensor]  # what these were made from
    outputs: slice  # where the outputs of the head hold those of the module
    embedding: Any  # and where the embedding holds that of the module
    n_features: int
    multiple: int  # of which the number of rows of a block is one
    most: int  # rows that a block has


_runners: WeakKeyDictionary[SequenceModule, Runner] = WeakKeyDictionary()


def runner_of(module: SequenceModule) -> Runner:
    """Keep one runner for each module, made anew when its weights changed.

    Weights are compared, not torch's counts of their changes: a fused optimiser and an
    edit of ``weight.data`` are not counted.
    """
    alone = computes_rows_alone(module)
    if module.head.weight.device.type != "cpu":
        return make_runner(module, [], alone)
    weights = weights_of(module.head if alone else module)
    runner = _runners.get(module)
    if (
        runner is None
        or (runner.module is None) != alone
        or runner.weights[0].dtype != weights[0].dtype
        or not all(map(torch.equal, runner.weights, weights))
    ):
        copies = [weight.detach().clone() for weight in weights]
        runner = _runners[module] = make_runner(module, copies, alone)
    return runner


def computes_rows_alone(module: SequenceModule) -> bool:
    """Whether the encoder and the pooling compute each row by itself.

    The compiled layers do, the products of torch do not.
    """
    encoder: Any = module.encoder
    layers = [*encoder.forward_layers, *(encoder.backward_layers or [])]
    like = module.head.weight
    native = all(is_native(encoder.engine, layer, like) for layer in layers)
    still = not (module.training or module.encoder.dropout.training)
    return native and module.attention is None and still


def make_runner(module: SequenceModule, weights: list[Tensor], alone: bool) -> Runner:
    """Align what must be: nothing on a GPU, the head, or all."""
    outputs = slice(module.config["n_outputs"])
    n_features = module.config["n_features"]
    whole = slice(None)
    if module.head.weight.device.type != "cpu":
        return Runner(
            module,
            module.head,
            weights,
            outputs,
            whole,
            n_features,
            ROWS_TOGETHER,
            ROWS_ELSEWHERE,
        )
    if alone:
        head = aligned_head(module.head)
        return Runner(None, head, weights, outputs, whole, n_features, 1, ROWS_ON_CPU)
    copy = aligned_copy(module)
    hidden, copy_hidden = module.config["hidden_size"], copy.config["hidden_size"]
    places = blocks(hidden, copy_hidden, module.embedding_size).numpy()
    if module.embedding is None:
        n_features = copy.config["n_features"]
    sizes = copy.encoder.output_size, copy.n_read
    rows = (ROWS_TOGETHER, ROWS_ON_CPU)
    if max(sizes) >= WIDE:
        rows = (ROWS_IF_WIDE, ROWS_IF_WIDE)
    return Runner(copy, copy.head, weights, outputs, places, n_features, *rows)


def weights_of(module: nn.Module) -> list[Tensor]:
    """Give all parameters and buffers of a module."""
    named = (*module._parameters.values(), *module._buffers.values())
    weights: list[Tensor] = [weight for weight in named if weight is not None]
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

    Without pooling there is a row for each step, one sequence after the other.

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
        run = module if runner.module is None else runner.module
        per_step = module.pooling == "none"
        n_rows = int(sequences.offsets[-1]) if per_step else len(sequences)
        results = torch.empty(n_rows, size, dtype=weight.dtype).numpy()
        most = runner.most
        for rows, n_steps in blocks_of_rows(sequences.lengths, most, run.widest):
            key = slice(rows.start, rows.stop) if isinstance(rows, range) else rows
            block = sequences[key] if fill is None else fill(sequences[key])
            found = run.embed(*pad_block(block, n_steps, runner))
            if part == "outputs":
                found = apply_head(runner.head, found)
            answers = found.cpu().numpy()[: len(rows), ..., columns]
            if per_step:
                inside = np.arange(n_steps) < block.lengths[:, None]
                where = sequences.offsets[key][:, None] + np.arange(n_steps)
                results[where[inside]] = answers[inside]
            else:
                results[key] = answers
        return results


def run_in_pieces(
    module: SequenceModule,
    sequences: Sequences,
    take: Callable[[NDArray[np.int64], int, NDArray[Any]], None],
) -> None:
    """Run a module that only looks back over long sequences, a piece after another.

    ``take`` is told which sequences were read, with which step the piece begins, and
    the outputs (n_rows, n_steps, n_outputs); beyond the end of a sequence they mean
    nothing. No answer depends on companions, as in ``run_module``.
    """
    with plain_torch(module.head.weight.device, gradients=False):
        runner = runner_of(module)
        # with many tokens, the outputs of a piece would take too much memory
        fitting = NUMBERS_IN_A_BLOCK // (runner.most * runner.head.out_features)
        n_steps = min(PIECE, max(1, fitting))
        for which, start, found in pieces(module, runner, sequences, n_steps):
            outputs = apply_head(runner.head, found)[: len(which)]
            take(which, start, outputs.cpu().numpy()[..., runner.outputs])


def run_to_end(
    module: SequenceModule, sequences: Sequences, part: Part = "outputs"
) -> NDArray[Any]:
    """Run a module that only looks back: what it says after the last step.

    One row for each sequence, of ``n_outputs`` or ``embedding_size`` numbers. Long
    sequences are read in pieces, so that what is between takes no memory.
    """
    weight = module.head.weight
    with plain_torch(weight.device, gradients=False):
        runner = runner_of(module)
        columns: Any = runner.embedding
        size = module.embedding_size
        if part == "outputs":
            columns, size = runner.outputs, module.config["n_outputs"]
        results = torch.empty(len(sequences), size, dtype=weight.dtype).numpy()
        for which, start, found in pieces(module, runner, sequences, PIECE):
            ends = sequences.lengths[which] - 1 - start
            here = np.flatnonzero((ends >= 0) & (ends < found.shape[1]))
            if not len(here):
                continue
            answers = found[torch.from_numpy(here), torch.from_numpy(ends[here])]
            if part == "outputs":
                answers = apply_head(runner.head, answers)
            results[which[here]] = answers.cpu().numpy()[:, columns]
        return results


def pieces(
    module: SequenceModule, runner: Runner, sequences: Sequences, n_steps: int
) -> Iterator[tuple[NDArray[np.int64], int, Tensor]]:
    """Give embeddings of pieces of ``n_steps``: (which sequences, start, piece)."""
    run = module if runner.module is None else runner.module
    for rows, longest in blocks_of_rows(sequences.lengths, runner.most):
        which = np.asarray(rows)
        x, _ = pad_block(sequences[which], longest, runner)
        state = run.encoder.initial_state(len(x))
        for start in range(0, longest, n_steps):
            found, state = run.go_on(x[:, start : start + n_steps], state)
            yield which, start, found


def run_head(module: SequenceModule, embeddings: NDArray[Any]) -> NDArray[Any]:
    """Map embeddings (n, embedding_size) to outputs (n, n_outputs), each by itself.

    For some steps of many: where there are many outputs, the head is most of the work.
    """
    weight = module.head.weight
    with plain_torch(weight.device, gradients=False):
        runner = runner_of(module)
        n_rows, size = embeddings.shape
        rows = torch.zeros(n_rows, runner.head.in_features, dtype=weight.dtype)
        places = np.arange(runner.head.in_features)[runner.embedding][:size]
        rows.numpy()[:, places] = embeddings
        outputs = apply_head(runner.head, rows.to(weight.device))
        answers: NDArray[Any] = outputs.cpu().numpy()[:, runner.outputs]
        return answers


def apply_head(head: nn.Linear, x: Tensor) -> Tensor:
    """Map the embeddings of sequences, or of their steps."""
    rows = x.flatten(0, -2)
    rows = nn.functional.pad(rows, (0, head.in_features - rows.shape[1]))
    return map_rows(rows, head.weight, head.bias).view(*x.shape[:-1], -1)


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
    block: Sequences, n_steps: int, runner: Runner
) -> tuple[Tensor, Tensor | None]:
    """Pad sequences, and their number, to a block; lengths if there is padding."""
    n_rows, weight = round_up(len(block), runner.multiple), runner.head.weight
    lengths, full = block.lengths, block.is_uniform and block.lengths[0] == n_steps
    x = torch.empty(n_rows, n_steps, runner.n_features, dtype=weight.dtype)
    if not full or n_rows > len(block) or runner.n_features > block.n_features:
        x.zero_()
    real = x.numpy()[: len(block), :, : block.n_features]
    if block.is_uniform:
        real[:, : lengths[0]] = block.to_panel()
        if full:
            return x.to(weight.device), None
    else:
        real[np.arange(n_steps) < lengths[:, None]] = block.values
    padded_lengths = torch.ones(n_rows, dtype=torch.int64)
    padded_lengths[: len(block)] = torch.from_numpy(lengths)
    return x.to(weight.device), padded_lengths.to(weight.device)
