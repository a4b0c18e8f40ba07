"""Which steps and features an output depends on, and what gates do over time."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skrnn._devices import plain_torch
from skrnn._layers import cell_of, read_layer, reverse
from skrnn._modules import SequenceModule
from skrnn._sequences import Sequences

__all__ = ["gates_over_time", "integrated_gradients", "occlusion"]

Array = NDArray[np.float64]
ROWS = 128  # sequences that are run together
GATES = {
    "rnn": ("hidden",),
    "lstm": ("input", "forget", "candidate", "output", "cell", "hidden"),
    "gru": ("reset", "update", "candidate", "hidden"),
}


def tensors(module: SequenceModule, sequences: Sequences) -> tuple[Tensor, Tensor]:
    """Pad sequences, where the module is, and give their lengths."""
    like = module.head.weight
    padded = torch.from_numpy(sequences.to_padded()).to(like)
    return padded, torch.from_numpy(sequences.lengths).to(like.device)


def integrated_gradients(
    module: SequenceModule,
    sequences: Sequences,
    baseline: Array,
    directions: Array,
    n_points: int,
) -> list[Array]:
    """Integrate gradients of an output on the straight way from the baseline.

    Sundararajan et al. (2017), arXiv:1703.01365. For each sequence an array (n_steps,
    n_features), which adds up to the output there minus that of the baseline. The
    output is that of the module times the row of ``directions`` of the sequence.
    """
    results: list[Array] = []
    for begin in range(0, len(sequences), ROWS):
        some = sequences[begin : begin + ROWS]
        with plain_torch(module.head.weight.device), torch.backends.cudnn.flags(False):
            x, lengths = tensors(module, some)
            base = torch.from_numpy(baseline).to(x).expand_as(x)
            wanted = torch.from_numpy(directions[begin : begin + ROWS]).to(x)
            x, base = module.look_up(x).detach(), module.look_up(base).detach()
            total = torch.zeros_like(x)
            for share in (np.arange(n_points) + 0.5) / n_points:  # middles of parts
                point = torch.lerp(base, x, float(share)).requires_grad_()
                output = (module.head(module.read(point, lengths)) * wanted).sum()
                (gradient,) = torch.autograd.grad(output, point)
                total += gradient
            found = (total / n_points * (x - base)).double().cpu().numpy()
            if module.embedding is not None:
                found = module.embedding.of_columns(found)
        parts = zip(found, some.lengths, strict=True)
        results += [each[:length] for each, length in parts]
    return results


def occlusion(
    module: SequenceModule,
    sequences: Sequences,
    baseline: Array,
    directions: Array,
    width: int,
    n_features: int,
) -> list[Array]:
    """Replace ``width`` steps around each by the baseline: how far an output falls.

    Zeiler & Fergus (2014), arXiv:1311.2901. For each sequence an array (n_steps,
    n_features). What the module reads further, marks of missing values, goes with its
    feature.
    """
    results = []
    with plain_torch(module.head.weight.device, gradients=False):
        like = module.head.weight
        base = torch.from_numpy(baseline).to(like)
        for place, direction in enumerate(torch.from_numpy(directions).to(like)):
            x = torch.from_numpy(sequences[place].copy()).to(like)
            whole = module(x[None])[0] @ direction
            found = np.empty((len(x), n_features))
            steps = torch.arange(len(x), device=x.device)
            for feature in range(n_features):
                columns = torch.arange(feature, x.shape[1], n_features, device=x.device)
                for begin in range(0, len(x), ROWS):
                    middle = steps[begin : begin + ROWS]
                    near = (middle[:, None] - steps).abs() <= width // 2
                    some = x.repeat(len(middle), 1, 1)
                    hidden = torch.where(near[:, :, None], base[columns], x[:, columns])
                    some[:, :, columns] = hidden
                    fallen = whole - module(some) @ direction
                    found[middle.cpu(), feature] = fallen.double().cpu().numpy()
            results.append(found)
    return results


def gates_over_time(
    module: SequenceModule, sequence: Array, layer: int, backward: bool
) -> dict[str, Array]:
    """Values of all gates of a layer, (n_steps, hidden_size) each, for one sequence.

    With a stem, a layer sees fewer steps than the sequence has.
    """
    encoder: Any = module.encoder
    stacks = [encoder.forward_layers, encoder.backward_layers]
    if stacks[backward] is None:
        raise ValueError("The network reads forwards only: use direction='forward'.")
    if layer not in range(len(stacks[0])):
        raise ValueError(
            f"layer={layer!r}, but the network has {len(stacks[0])} layer(s), counted "
            "from 0."
        )
    with plain_torch(module.head.weight.device, gradients=False):
        x = torch.from_numpy(sequence.copy()).to(module.head.weight)[None]
        x = module.look_up(x)
        if module.scaling is not None:
            x = module.scaling(x)
        if module.stem is not None:
            x, _ = module.stem(x, None)
        for below in range(layer):
            layers = [stack[below] for stack in stacks if stack is not None]
            x = read_layer(layers, x, None, encoder.engine, False).all
        wanted = stacks[backward][layer]
        x = reverse(x, None) if backward else x
        found = run_cell(wanted, x[0])
        ordered = {k: v.flip(0) if backward else v for k, v in found.items()}
        return {k: v.double().cpu().numpy() for k, v in ordered.items()}


def run_cell(layer: Any, x: Tensor) -> dict[str, Tensor]:
    """Go through the equations of a cell step by step, and keep everything."""
    kind = cell_of(layer)
    read = x @ layer.weight_ih_l0.T + layer.bias_ih_l0
    hidden = x.new_zeros(layer.hidden_size)
    cell = torch.zeros_like(hidden)
    kept: list[tuple[Tensor, ...]] = []
    for row in read:
        more = layer.weight_hh_l0 @ hidden + layer.bias_hh_l0
        if kind == "rnn":
            hidden = torch.tanh(row + more)
            kept.append((hidden,))
        elif kind == "lstm":
            i, f, g, o = (row + more).chunk(4)
            i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
            cell = f * cell + i * g
            hidden = o * cell.tanh()
            kept.append((i, f, g, o, cell, hidden))
        else:
            (r, z, n), (of_r, of_z, of_n) = row.chunk(3), more.chunk(3)
            r, z = (r + of_r).sigmoid(), (z + of_z).sigmoid()
            n = (n + r * of_n).tanh()
            hidden = (1 - z) * n + z * hidden
            kept.append((r, z, n, hidden))
    columns = zip(*kept, strict=True)
    return {k: torch.stack(v) for k, v in zip(GATES[kind], columns, strict=True)}
