"""The network of a transducer: an encoder, and a decoder that attends to it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from skrnn._devices import check_memory, plain_torch
from skrnn._embedding import Embedding
from skrnn._layers import Engine, Linear, map_rows
from skrnn._modules import Cell, Dropout, RecurrentEncoder, draw_parameters
from skrnn._sizes import count_layer_weights

__all__ = ["Memory", "TransducerModule", "count_transducer", "make_transducer"]


class Memory(NamedTuple):
    """What a decoder knows of its sources."""

    outputs: Tensor  # (n, n_source_steps, 2 * hidden_size)
    keys: Tensor  # (n, n_source_steps, hidden_size), what its own outputs are held to
    outside: Tensor | None  # (n, n_source_steps), where there is padding

    def take(self, rows: Tensor) -> Memory:
        """Pick sources, perhaps several times."""
        outside = None if self.outside is None else self.outside[rows]
        return Memory(self.outputs[rows], self.keys[rows], outside)


class TransducerModule(nn.Module):
    r"""Read a source in both directions; write a target with an eye on it.

    Luong et al. (2015), "general" attention: :math:`d_t` is the output of the decoder,
    :math:`e_s` one of the encoder,

    .. math::
        a_{ts} &= \operatorname{softmax}_s(d_t^\top W_a e_s) \\
        \tilde d_t &= \tanh(W_c [\textstyle\sum_s a_{ts} e_s ; d_t] + b_c)

    and of :math:`\tilde d_t` a linear head makes the scores of the next token. The
    state of the decoder does not depend on the attention, so that a whole target is
    read in one call while training.
    """

    embedding = scaling = crf = None  # parts of other networks

    def __init__(
        self,
        cell: Cell,
        n_sources: int,
        n_outputs: int,
        hidden_size: int = 128,
        num_layers: int = 1,
        dropout: float = 0.0,
        vectors: tuple[int, int] = (16, 16),
        dtype: torch.dtype | None = None,
        engine: Engine = "auto",
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "cell": cell,
            "n_sources": n_sources,
            "n_outputs": n_outputs,
            "hidden_size": hidden_size,
            "num_layers": num_layers,
            "dropout": dropout,
            "vectors": vectors,
            "dtype": dtype,
            "engine": engine,
        }
        self.source = Embedding(1, ((0, n_sources, vectors[0]),), 0.0, dtype)
        self.target = Embedding(1, ((0, n_outputs, vectors[1]),), 0.0, dtype)
        layers = hidden_size, num_layers
        self.encoder, self.decoder = (
            RecurrentEncoder(cell, size, *layers, both, dropout, dtype, engine)
            for size, both in zip(vectors, (True, False), strict=True)
        )
        self.n_parts = 2 if cell == "lstm" else 1
        n_begin = num_layers * self.n_parts * hidden_size
        self.begin = Linear(2 * hidden_size, n_begin, device="cpu", dtype=dtype)
        self.key = Linear(
            2 * hidden_size, hidden_size, bias=False, device="cpu", dtype=dtype
        )
        self.join = Linear(3 * hidden_size, hidden_size, device="cpu", dtype=dtype)
        self.dropout = Dropout(dropout)
        self.head = Linear(hidden_size, n_outputs, device="cpu", dtype=dtype)

    def forward(
        self, x: Tensor, written: Tensor, lengths: Tensor | None = None
    ) -> Tensor:
        """Scores (n, n_target_steps, n_outputs) of what follows each token written.

        ``x`` (n, n_source_steps, 1) are numbers of the tokens of sources, ``written``
        (n, n_target_steps, 1) those of targets, after the mark of the beginning.
        """
        memory, state = self.remember(x, lengths)
        outputs, _ = self.decoder.advance(self.target(written), state)
        context = self.attend(outputs, memory) @ memory.outputs
        joined = self.join(torch.cat([context, outputs], dim=2))
        scores: Tensor = self.head(self.dropout(torch.tanh(joined)))
        return scores

    def remember(self, x: Tensor, lengths: Tensor | None) -> tuple[Memory, Tensor]:
        """Read sources: what the decoder knows, and the state it begins with."""
        found = self.encoder.read(self.source(x), lengths)
        outside = None
        if lengths is not None:
            steps = torch.arange(x.shape[1], device=x.device)
            outside = steps >= lengths[:, None]
        outputs = found.all
        if outside is not None:
            outputs = outputs.masked_fill(outside[:, :, None], 0.0)
        begin = torch.tanh(rows_alone(self.begin, found.last, self.training))
        shape = (len(x), self.config["num_layers"], self.n_parts, -1)
        state = begin.view(shape).permute(1, 2, 0, 3).contiguous()
        keys = rows_alone(self.key, outputs, self.training)
        return Memory(outputs, keys, outside), state

    def attend(self, outputs: Tensor, memory: Memory) -> Tensor:
        """Shares (n, n_target_steps, n_source_steps) of a decoder's attention."""
        scores = outputs @ memory.keys.mT
        if memory.outside is not None:
            scores = scores.masked_fill(memory.outside[:, None, :], -math.inf)
        return torch.softmax(scores, dim=2)

    def write(
        self, tokens: Tensor, state: Tensor, memory: Memory
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Read one more token (n,) each: scores, the new state, and the attention.

        Each row is computed by itself.
        """
        x = self.target(tokens[:, None, None])
        outputs, state = self.decoder.advance(x, state)
        shares = self.attend(outputs, memory)
        context = shares @ memory.outputs
        joined = torch.cat([context, outputs], dim=2)[:, 0]
        joined = torch.tanh(rows_alone(self.join, joined, False))
        return rows_alone(self.head, joined, False), state, shares[:, 0]

    def initialize(self, generator: torch.Generator) -> None:
        """Draw all parameters, as those of other networks are drawn."""
        self.to_empty(device="cpu")
        draw_parameters(self, self.config, generator)


def rows_alone(layer: nn.Linear, x: Tensor, together: bool) -> Tensor:
    """Map rows each by itself, unless they may be taken ``together``."""
    if together:
        outputs: Tensor = layer(x)
        return outputs
    bias: Tensor | None = layer.bias
    if bias is None:
        bias = x.new_zeros(layer.out_features)
    mapped = map_rows(x.flatten(0, -2), layer.weight, bias)
    return mapped.view(*x.shape[:-1], -1)


def count_transducer(config: dict[str, Any]) -> int:
    """Count the numbers of a network's weights before it is made."""
    size, n_layers, cell = config["hidden_size"], config["num_layers"], config["cell"]
    n_parts = 2 if cell == "lstm" else 1
    source, target = config["vectors"]
    upper = [2 * size] * (n_layers - 1)
    total = (config["n_sources"] + 1) * source + (config["n_outputs"] + 1) * target
    total += 2 * count_layer_weights(cell, size, [source, *upper])
    total += count_layer_weights(cell, size, [target] + [size] * (n_layers - 1))
    total += (2 * size + 1) * n_layers * n_parts * size + 2 * size * size
    total += (3 * size + 1) * size + (size + 1) * config["n_outputs"]
    return int(total)


def make_transducer(config: dict[str, Any], seed: int) -> TransducerModule:
    """Build a network with weights drawn from ``seed``, if it fits into memory."""
    dtype = getattr(torch, config["dtype"])
    check_memory(count_transducer(config), dtype.itemsize)
    module = TransducerModule(**{**config, "dtype": dtype})
    with plain_torch(torch.device("cpu")):
        module.initialize(torch.Generator().manual_seed(seed))
    return module
