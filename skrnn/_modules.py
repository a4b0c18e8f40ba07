"""The networks: an encoder over steps, a pooling over its outputs, a linear head."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skrnn._categories import UNKNOWN_ROW
from skrnn._crf import Crf
from skrnn._devices import check_memory, plain_torch
from skrnn._embedding import Embedding, Table
from skrnn._layers import (
    LAYERS,
    Engine,
    Layer,
    Linear,
    Outputs,
    advance_layer,
    read_layer,
)
from skrnn._sizes import GATES, count_weights, round_up
from skrnn._stem import POOL, Block, InputScaling, Stem

__all__ = ["Dropout", "RecurrentEncoder", "SequenceModule", "aligned_copy"]
__all__ += ["aligned_head"]
__all__ += ["copy_module", "draw_parameters", "make_module", "set_generator"]

Cell = Literal["rnn", "lstm", "gru"]
Pooling = Literal["last", "mean", "max", "concat", "attention", "none"]

KEEPING = 1  # index of the gate that keeps what a unit has: LSTM's f, GRU's z


class Dropout(nn.Module):
    """Dropout that draws from its own generator and drops whole features.

    The same features are dropped at all steps of a sequence (Gal & Ghahramani, 2016).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Take and give (n_sequences, [n_steps,] n_features)."""
        if not self.training or self.p == 0.0:
            return x
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 2) + (x.shape[-1],))
        mask.bernoulli_(1.0 - self.p, generator=self.generator)
        return x * mask.div_(1.0 - self.p)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "generator": None}


class RecurrentEncoder(nn.Module):
    """Layers of torch's RNN, LSTM or GRU over padded sequences.

    Padding stands only after a sequence. The second direction reads each sequence
    reversed within its own length, so no output depends on padding. One-layer torch
    modules are stacked, because torch's own dropout cannot be given a generator.
    """

    def __init__(
        self,
        cell: Cell,
        n_features: int,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        dtype: torch.dtype | None = None,
        engine: Engine = "auto",
    ) -> None:
        super().__init__()
        directions = 2 if bidirectional else 1
        sizes = [n_features] + [hidden_size * directions] * (num_layers - 1)

        def stack() -> nn.ModuleList:
            return nn.ModuleList(
                LAYERS[cell](
                    size, hidden_size, batch_first=True, device="cpu", dtype=dtype
                )
                for size in sizes
            )

        self.forward_layers = stack()
        self.backward_layers = stack() if bidirectional else None
        self.dropout = Dropout(dropout)
        self.engine = engine
        self.hidden_size = hidden_size
        self.output_size = hidden_size * directions

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map (n_sequences, n_steps, n_features) to (..., n_steps, output_size).

        Without ``lengths``, no sequence has padding.
        """
        return self.read(x, lengths).all

    def read(
        self, x: Tensor, lengths: Tensor | None = None, pool: bool = False
    ) -> Outputs:
        """Read sequences: what the last layer makes of them."""
        for index, layer in enumerate(self.forward_layers):
            if index > 0:
                x = self.dropout(x)
            layers = [cast("Layer", layer)]
            if self.backward_layers is not None:
                layers.append(cast("Layer", self.backward_layers[index]))
            at_end = pool and layer is self.forward_layers[-1]
            outputs = read_layer(layers, x, lengths, self.engine, at_end)
            x = outputs.all
        return outputs

    def initial_state(self, n_sequences: int) -> Tensor:
        """Zeros of shape (num_layers, 1 or 2, n_sequences, hidden_size).

        The second axis holds the output and, of an LSTM, the memory cell.
        """
        weight = next(self.forward_layers[0].parameters())
        n_parts = 2 if isinstance(self.forward_layers[0], nn.LSTM) else 1
        shape = (len(self.forward_layers), n_parts, n_sequences, self.hidden_size)
        return weight.new_zeros(shape)

    def advance(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Read further steps: outputs (n_sequences, n_steps, output_size), new state.

        Only forward layers have a state that later steps can go on from.
        """
        states = []
        for index, layer in enumerate(self.forward_layers):
            if index > 0:
                x = self.dropout(x)
            parts = state[index].unbind(0)
            x, after = advance_layer(cast("Layer", layer), x, parts, self.engine)
            states.append(torch.stack(after))
        return x, torch.stack(states)


def mask(x: Tensor, lengths: Tensor | None, value: float) -> Tensor:
    """Put ``value`` at the padding of (n, n_steps, n_features)."""
    if lengths is None:
        return x
    steps = torch.arange(x.shape[1], device=x.device)
    return x.masked_fill((steps >= lengths[:, None])[:, :, None], value)


class SequenceModule(nn.Module):
    """Encoder, pooling and linear head: sequences in, ``n_outputs`` numbers out.

    Before the encoder stand, if they are wanted, vectors in place of categories, a
    scaling of the features and a stem of so many blocks. Without pooling ("none"),
    there are outputs at each step; with ``head="crf"`` they are scores of labels, of
    whose neighbours ``crf`` knows.

    Parameters are allocated without values; ``initialize`` draws them.
    """

    def __init__(
        self,
        cell: Cell,
        n_features: int,
        n_outputs: int,
        hidden_size: int = 64,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        pooling: Pooling = "last",
        dtype: torch.dtype | None = None,
        engine: Engine = "auto",
        scale_inputs: bool = False,
        stem: int = 0,
        tables: tuple[Table, ...] = (),
        word_dropout: float = 0.0,
        head: str = "linear",
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "cell": cell,
            "n_features": n_features,
            "n_outputs": n_outputs,
            "hidden_size": hidden_size,
            "num_layers": num_layers,
            "bidirectional": bidirectional,
            "dropout": dropout,
            "pooling": pooling,
            "dtype": dtype,
            "engine": engine,
            "scale_inputs": scale_inputs,
            "stem": stem,
            "tables": tables,
            "word_dropout": word_dropout,
            "head": head,
        }
        self.embedding = None
        if tables:
            self.embedding = Embedding(n_features, tables, word_dropout, dtype)
            n_features = self.embedding.n_outputs
        self.n_read = n_features
        self.scaling = InputScaling(n_features, dtype) if scale_inputs else None
        channels = round_up(hidden_size)
        self.stem = Stem(n_features, channels, stem, dtype) if stem else None
        self.encoder = RecurrentEncoder(
            cell,
            channels if stem else n_features,
            hidden_size,
            num_layers,
            bidirectional,
            dropout,
            dtype,
            engine,
        )
        size = self.encoder.output_size
        self.attention = (
            nn.Sequential(
                Linear(size, size, device="cpu", dtype=dtype),
                nn.Tanh(),
                Linear(size, 1, bias=False, device="cpu", dtype=dtype),
            )
            if pooling == "attention"
            else None
        )
        self.pooling = pooling
        self.embedding_size = size * (3 if pooling == "concat" else 1)
        self.dropout = Dropout(dropout)
        self.head = Linear(self.embedding_size, n_outputs, device="cpu", dtype=dtype)
        self.crf = Crf(n_outputs, dtype) if head == "crf" else None

    def forward(
        self,
        x: Tensor,
        lengths: Tensor | None = None,
        carry: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Map (n_sequences, n_steps, n_features) to (n_sequences, n_outputs).

        Without pooling, to (n_sequences, n_steps, n_outputs). Sequences go on from the
        first state in ``carry``, and where they stand then is written into the second:
        some optimisers run a batch several times.
        """
        if carry is None:
            embedding = self.embed(x, lengths)
        else:
            embedding, state = self.go_on(x, carry[0])
            carry[1].copy_(state.detach())
        outputs: Tensor = self.head(self.dropout(embedding))
        return outputs

    def go_on(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Read further steps: (n_sequences, n_steps, embedding_size), and the state."""
        x = self.look_up(x)
        if self.scaling is not None:
            x = self.scaling(x)
        return self.encoder.advance(x, state)

    def embed(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map (n_sequences, n_steps, n_features) to (n_sequences, embedding_size)."""
        return self.read(self.look_up(x), lengths)

    def look_up(self, x: Tensor) -> Tensor:
        """Put vectors in place of categories: (n_sequences, n_steps, n_read)."""
        return x if self.embedding is None else self.embedding(x, self.n_read)

    def read(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map (n_sequences, n_steps, n_read) to (n_sequences, embedding_size)."""
        if self.scaling is not None:
            x = self.scaling(x)
        if self.stem is not None:
            x, lengths = self.stem(x, lengths)
        pool = self.pooling in ("mean", "max", "concat")
        outputs, last, sums, maxima = self.encoder.read(x, lengths, pool)
        if self.pooling == "none":
            return mask(outputs, lengths, 0.0)
        if self.pooling == "last":
            return last
        if self.attention is not None:
            scores = mask(self.attention(outputs), lengths, -math.inf)
            return (outputs * torch.softmax(scores, dim=1)).sum(dim=1)
        if self.pooling != "max":
            if sums is None:
                sums = mask(outputs, lengths, 0.0).sum(dim=1)
            mean = sums / (x.shape[1] if lengths is None else lengths[:, None])
            if self.pooling == "mean":
                return mean
        if maxima is None:  # by max and not amax, whose gradients take longer
            maxima = mask(outputs, lengths, -math.inf).max(dim=1).values
        if self.pooling == "max":
            return maxima
        return torch.cat([last, mean, maxima], dim=1)

    def learn_scale(
        self, mean: NDArray[np.float64], scale: NDArray[np.float64]
    ) -> None:
        """Take mean and deviation of each feature; vectors are left as they are."""
        if self.scaling is None:
            return
        if self.embedding is not None:
            numbers, n_more = self.embedding.numbers, sum(self.embedding.sizes)
            mean = np.append(mean[numbers], np.zeros(n_more))
            scale = np.append(scale[numbers], np.ones(n_more))
        self.scaling.learn(mean, scale)

    @property
    def widest(self) -> int:
        """Most numbers of a step while a block of sequences is run."""
        width: int = max(self.embedding_size, self.config["n_features"], self.n_read)
        return width if self.stem is None else max(width, self.stem.width)

    @torch.no_grad()
    def initialize(
        self, generator: torch.Generator, longest: int | None = None
    ) -> None:
        """Draw all parameters: Glorot inputs, orthogonal recurrence, forget bias 1.

        Glorot & Bengio (2010); Saxe et al. (2014); Gers et al. (2000). Matrices are
        drawn gate by gate. With ``longest``, gates remember for times up to the number
        of steps that the layers see of so long a sequence. Runs on the CPU, so all
        devices begin with equal weights.
        """
        self.to_empty(device="cpu")
        for part in self.modules():
            if isinstance(part, (InputScaling, Block)):
                part.reset()
        draw_parameters(self, self.config, generator)
        if longest is not None:
            n_steps = -(-longest // POOL ** self.config["stem"])
            draw_memories(self.encoder, self.config["cell"], n_steps, generator)


@torch.no_grad()
def draw_parameters(
    module: nn.Module, config: dict[str, Any], generator: torch.Generator
) -> None:
    """Draw all parameters of a module, whose layers have the names that torch gives."""
    for name, parameter in module.named_parameters():
        *_, kind = name.split(".")
        if kind.startswith("weight_ih"):
            for gate in torch.split(parameter, config["hidden_size"]):
                nn.init.xavier_uniform_(gate, generator=generator)
        elif kind.startswith("weight_hh"):
            for gate in torch.split(parameter, config["hidden_size"]):
                nn.init.orthogonal_(gate, generator=generator)
        elif kind == "gain":
            nn.init.ones_(parameter)
        elif "tables" in name:
            nn.init.normal_(parameter, generator=generator)
            parameter[UNKNOWN_ROW] = 0.0
        elif kind == "weight":
            nn.init.xavier_uniform_(parameter, generator=generator)
        else:
            nn.init.zeros_(parameter)
            if config["cell"] == "lstm" and kind.startswith("bias_ih"):
                gates = parameter.view(4, -1)  # input, forget, cell, output
                nn.init.ones_(gates[1])


@torch.no_grad()
def draw_memories(
    module: nn.Module, cell: Cell, n_steps: int, generator: torch.Generator
) -> None:
    """Draw biases of gates, with which units remember for 2 to ``n_steps`` steps.

    Tallec & Ollivier (2018), arXiv:1804.11188: a gate that is open by 1 - 1 / t keeps
    what it has for about t steps; t is uniform.
    """
    for name, parameter in module.named_parameters():
        if ".bias_ih" in name:
            gates = parameter.view(GATES[cell], -1)
            times = torch.empty_like(gates[KEEPING])
            times.uniform_(2.0, max(n_steps, 2), generator=generator)
            gates[KEEPING] = torch.log(times - 1.0)
            if cell == "lstm":
                gates[0] = -gates[KEEPING]  # what comes in


def set_generator(module: nn.Module, generator: torch.Generator | None) -> None:
    """Let every dropout of a module draw from this generator."""
    for part in module.modules():
        if isinstance(part, Dropout | Embedding):
            part.generator = generator


def weights_are_finite(module: nn.Module) -> bool:
    """Whether no weight is NaN or infinite."""
    finite = [torch.isfinite(weight).all() for weight in module.parameters()]
    return bool(torch.stack(finite).all())  # one look, where a GPU has to be waited for


def copy_weights(module: nn.Module) -> dict[str, Tensor]:
    """Copy the weights, by name."""
    return {name: w.detach().clone() for name, w in module.state_dict().items()}


@torch.no_grad()
def aligned_copy(module: SequenceModule) -> SequenceModule:
    """Copy a module with all sizes rounded up to whole vector registers.

    The added units have zero weights, stay at zero and change no result. What they
    change is the matrix products: without remainders, each row is computed in the same
    way whatever its place in a block and whatever the number of rows.
    """
    config = module.config
    hidden, new_hidden = config["hidden_size"], round_up(config["hidden_size"])
    sizes = {  # a stem aligns by itself what it multiplies
        "n_features": module.n_read if config["stem"] else round_up(module.n_read),
        "n_outputs": round_up(config["n_outputs"]),
        "hidden_size": new_hidden,
    }
    without = {"dropout": 0.0, "tables": (), "head": "linear"}
    copy = SequenceModule(**{**config, **sizes, **without})
    device = next(module.parameters()).device
    copy.to_empty(device=device).eval()
    source = module.state_dict()
    for name, target in copy.state_dict().items():
        target.fill_(1.0 if name == "scaling.scale" else 0.0)
        value = source[name]
        if name.startswith("stem"):
            target.copy_(value)
            continue
        if name.startswith(("encoder", "attention.0")):  # rows are gates or units
            rows = blocks(hidden, new_hidden, value.shape[0])
        else:
            rows = torch.arange(value.shape[0])
        if value.ndim == 1:
            target[rows] = value
            continue
        first_layer = name.startswith("encoder") and name.split(".")[2] == "0"
        if first_layer and "weight_ih" in name:
            columns = torch.arange(value.shape[1])
        else:
            columns = blocks(hidden, new_hidden, value.shape[1])
        target[rows[:, None].to(device), columns.to(device)] = value
    if module.embedding is not None:  # it looks up: there is nothing to align
        copy.embedding = deepcopy(module.embedding).eval()
    return copy


@torch.no_grad()
def aligned_head(head: nn.Linear) -> nn.Linear:
    """Copy a linear map with both sizes rounded up to whole vector registers."""
    sizes = round_up(head.in_features), round_up(head.out_features)
    copy = Linear(*sizes, device="cpu", dtype=head.weight.dtype)
    for target, value in ((copy.weight, head.weight), (copy.bias, head.bias)):
        target.zero_()
        target[tuple(slice(size) for size in value.shape)] = value
    return copy


def blocks(size: int, new_size: int, total: int) -> Tensor:
    """Where ``total`` units in blocks of ``size`` go in blocks of ``new_size``."""
    unit = torch.arange(total)
    return unit // size * new_size + unit % size


def make_module(
    config: dict[str, Any], seed: int, longest: int | None = None
) -> SequenceModule:
    """Build a module with weights drawn from ``seed``, if it fits into memory."""
    dtype = getattr(torch, config["dtype"])
    check_memory(count_weights(config), dtype.itemsize)
    module = SequenceModule(**{**config, "dtype": dtype})
    with plain_torch(torch.device("cpu")):
        module.initialize(torch.Generator().manual_seed(seed), longest)
    return module


def copy_module(module: SequenceModule, config: dict[str, Any]) -> SequenceModule:
    """Copy a fitted module to train it further, if ``config`` still describes it."""
    old = {**module.config, "dtype": str(module.config["dtype"]).split(".")[1]}
    for name, value in config.items():
        if name != "engine" and value != old[name]:
            known = "embedding" if name == "tables" else name
            raise ValueError(
                f"The fitted network has {known}={old[name]!r}, now {known}="
                f"{value!r}: to train it further, keep {known}; to begin anew, use "
                "warm_start=False and fit."
            )
    copied = deepcopy(module)
    copied.config["engine"] = config["engine"]
    for part in copied.modules():
        if isinstance(part, RecurrentEncoder):
            part.engine = config["engine"]
    return copied
