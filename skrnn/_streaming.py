"""A fitted network one step at a time, on the CPU: state in, state out."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skrnn._categories import UNKNOWN_ROW
from skrnn._devices import one_thread
from skrnn._layers import cell_of, is_native, weights_of
from skrnn._modules import SequenceModule
from skrnn._native import PackedLayer, Weights

__all__ = ["Stepper", "StreamState", "stepper_of"]

Array = NDArray[Any]


class StreamState(NamedTuple):
    """Where sequences stand: plain arrays, which ``step`` leaves as they are."""

    hidden: Array  # (num_layers, 1 or 2, n, hidden_size): outputs, and LSTM's memory
    pooled: tuple[Array, ...]  # what the pooling keeps of the steps read
    filled: Array | None  # (n, n_features), the last values, with missing="mask"
    n_steps: int  # steps read


class Stepper:
    """The weights of a module, as numpy arrays and packed for the compiled layers."""

    def __init__(self, module: SequenceModule) -> None:
        if module.encoder.backward_layers is not None:
            raise ValueError(
                "A bidirectional network reads each sequence from its end, too, and "
                "cannot go step by step: fit with bidirectional=False."
            )
        if module.stem is not None:
            raise ValueError(
                "A stem looks at later steps and makes sequences shorter, so that the "
                "network cannot go step by step: fit with stem=0."
            )
        self.owners = [  # where weights are, to notice any change
            (named, name, weight, weight._version, weight.detach().clone())
            for named, name, weight in weights_in(module)
        ]
        self.tables = None
        if module.embedding is not None:
            self.tables = [to_numpy(table) for table in module.embedding.tables]
            self.numbers = module.embedding.numbers
            self.columns = module.embedding.columns
        self.scaling = None
        if module.scaling is not None:
            self.scaling = to_numpy(module.scaling.mean), to_numpy(module.scaling.scale)
        self.pooling = module.pooling
        layers = list(module.encoder.forward_layers)
        self.cell = cell_of(layers[0])  # type: ignore[arg-type]  # torch says Module
        weights = [cpu_weights(layer) for layer in layers]
        self.dtype = to_numpy(weights[0].w_hh).dtype
        self.size = module.encoder.hidden_size
        like = weights[0].w_hh
        self.native = None
        if is_native(module.encoder.engine, layers[0], like):  # type: ignore[arg-type]
            self.native = [PackedLayer(self.cell, each) for each in weights]
        self.layers = [
            (*(to_numpy(w).T.copy() for w in each[:2]), *map(to_numpy, each[2:]))
            for each in weights
        ]
        self.head, self.bias = linear(module.head)
        self.attention = None
        if module.attention is not None:
            self.attention = linear(module.attention[0]), linear(module.attention[2])
        self.form = form_of(self.initial_state(1))

    def is_current(self) -> bool:
        """Whether the module still has its weights, as far as torch counts changes.

        A fused optimiser and an edit of ``weight.data`` are not counted.
        """
        return all(
            owner[name] is weight and weight._version == version
            for owner, name, weight, version, _ in self.owners
        )

    def is_same(self, module: SequenceModule) -> bool:
        """Whether no weight and no part of the module has changed in any way."""
        now = [weight for _, _, weight in weights_in(module)]
        return len(now) == len(self.owners) and all(
            weight is kept and weight.dtype == copy.dtype and torch.equal(weight, copy)
            for weight, (_, _, kept, _, copy) in zip(now, self.owners, strict=True)
        )

    def initial_state(self, n_sequences: int) -> StreamState:
        """Where ``n_sequences`` sequences begin."""
        if not isinstance(n_sequences, Integral) or n_sequences < 0:
            raise ValueError(
                f"n_sequences is {n_sequences!r}, expected a count from 0 on."
            )
        n_parts = 2 if self.cell == "lstm" else 1
        shape = (len(self.layers), n_parts, n_sequences, self.size)
        zeros = np.zeros((n_sequences, self.size), self.dtype)
        lowest = np.full_like(zeros, -np.inf)
        column = np.zeros((n_sequences, 1))
        totals = np.zeros((n_sequences, self.size))  # double: a stream may be long
        pooled = {
            "last": (),
            "none": (),
            "mean": (totals,),
            "max": (lowest,),
            "concat": (totals, lowest),
            "attention": (column - np.inf, column, totals),
        }[self.pooling]
        return StreamState(np.zeros(shape, self.dtype), pooled, None, 0)

    def check_state(self, state: StreamState) -> None:
        """Refuse what is no state of this network."""
        if not isinstance(state, StreamState):
            raise TypeError(
                f"state is a {type(state).__name__}, expected what initial_state or "
                "the last step gave."
            )
        found = form_of(state)
        if found != self.form:
            raise ValueError(
                "state is of another network: its arrays have the shapes (without the "
                f"number of sequences) and the type {found}, expected {self.form}. "
                "Begin with initial_state()."
            )

    def read(self, x: Array, state: StreamState) -> tuple[Array, StreamState]:
        """Read one step (n, n_features): outputs of the head, and the new state."""
        if self.tables is not None:
            x = self.look_up(x, self.tables)
        if self.scaling is not None:
            x = (x - self.scaling[0]) / self.scaling[1]
        hidden = self.advance(x, state.hidden)
        n_steps = state.n_steps + 1
        embedding, pooled = self.pool(hidden[-1, 0], state.pooled, n_steps)
        outputs = embedding.astype(self.dtype, copy=False) @ self.head + self.bias
        return outputs, StreamState(hidden, pooled, state.filled, n_steps)

    def look_up(self, x: Array, tables: list[Array]) -> Array:
        """Put vectors in place of categories, after the numbers."""
        parts = [x[:, self.numbers]]
        for column, table in zip(self.columns, tables, strict=True):
            codes = x[:, column]
            known = (codes >= 0) & (codes < len(table) - 1)
            parts.append(table[np.where(known, codes + 1, UNKNOWN_ROW).astype(int)])
        return np.concatenate(parts, axis=1)

    def advance(self, x: Array, hidden: Array) -> Array:
        """Read one step (n, n_features) by all layers: their new state."""
        if self.native is None:
            after = []
            for layer, before in zip(self.layers, hidden, strict=True):
                after.append(np.stack(CELLS[self.cell](layer, x, *before)))
                x = after[-1][0]
            return np.stack(after)
        x, hidden = np.ascontiguousarray(x), np.ascontiguousarray(hidden)
        new = np.empty_like(hidden)
        read, before_all, after_all = map(address, (x, hidden, new))
        n_bytes = new.nbytes // len(new)
        for packed in self.native:
            packed.read(len(x), read, before_all, after_all)
            read = after_all
            before_all, after_all = before_all + n_bytes, after_all + n_bytes
        return new

    def pool(
        self, output: Array, kept: tuple[Array, ...], n_steps: int
    ) -> tuple[Array, tuple[Array, ...]]:
        """Embed the steps read so far; give what the next step needs."""
        if self.pooling in ("last", "none"):
            return output, kept
        if self.attention is not None:
            return self.attend(output, *kept)
        if self.pooling == "mean":
            total = kept[0] + output
            return total / n_steps, (total,)
        largest = np.maximum(kept[-1], output)
        if self.pooling == "max":
            return largest, (largest,)
        total = kept[0] + output
        parts = [output, total / n_steps, largest]
        return np.concatenate(parts, axis=1), (total, largest)

    def attend(
        self, output: Array, highest: Array, weight: Array, total: Array
    ) -> tuple[Array, tuple[Array, ...]]:
        """Weighted mean by a running softmax (Milakov & Gimelshein, 2018)."""
        assert self.attention is not None  # narrows the type only
        (inner, bias), (outer, _) = self.attention
        score = np.tanh(output @ inner + bias) @ outer
        higher = np.maximum(highest, score)
        old, new = np.exp(highest - higher), np.exp(score - higher)
        weight, total = weight * old + new, total * old + new * output
        return total / weight, (higher, weight, total)


def weights_in(module: nn.Module) -> Iterator[tuple[dict[str, Any], str, Tensor]]:
    """Give where each parameter and buffer is kept, its name there, and itself."""
    for part in module.modules():
        for named in (part._parameters, part._buffers):
            for name, weight in named.items():
                if weight is not None:
                    yield named, name, weight


def form_of(state: StreamState) -> tuple[Any, ...]:
    """Shapes and types of the arrays of a state, but for the number of sequences."""
    hidden, n_sequences = state.hidden, state.hidden.shape[2:3]
    pooled = [(each.shape[:1] == n_sequences, each.shape[1:]) for each in state.pooled]
    return hidden.shape[:2], hidden.shape[3:], hidden.dtype, pooled


_steppers: WeakKeyDictionary[Any, Stepper] = WeakKeyDictionary()


def stepper_of(net: Any, begin: bool = False) -> Stepper:
    """Keep one stepper for each net, made anew when its weights changed.

    Where sequences ``begin``, all weights are compared; for each step that would take
    longer than the step.
    """
    stepper = _steppers.get(net)
    if stepper is not None and not begin and stepper.is_current():
        return stepper
    with one_thread(torch.device("cpu")):  # several would hang after a fork
        if stepper is None or not (begin and stepper.is_same(net.sequence_module)):
            stepper = _steppers[net] = Stepper(net.sequence_module)
    return stepper


def to_numpy(tensor: Tensor) -> Array:
    """See the numbers of a tensor as an array."""
    array: Array = tensor.detach().cpu().numpy()
    return array


def cpu_weights(layer: Any) -> Weights:
    """Copy the weights of a layer, so that no later change reaches them."""
    return Weights(*(weight.detach().cpu().clone() for weight in weights_of(layer)))


def linear(layer: Any) -> tuple[Array, Array | float]:
    """Weights (n_inputs, n_outputs) and bias of a linear layer."""
    assert isinstance(layer, nn.Linear)  # narrows the type only
    bias: Tensor | None = layer.bias
    weight = to_numpy(layer.weight).T.copy()
    return weight, 0.0 if bias is None else to_numpy(bias).copy()


def address(array: Array) -> int:
    """Where the numbers of a contiguous array lie."""
    place: int = array.__array_interface__["data"][0]
    return place


# --- the cells in numpy, where there are no compiled layers ---------------------------


def sigmoid(x: Array) -> Array:
    """Logistic function; does not overflow."""
    result: Array = 0.5 + 0.5 * np.tanh(0.5 * x)
    return result


def step_rnn(layer: Any, x: Array, h: Array) -> tuple[Array, ...]:
    """Elman (1990)."""
    w_ih, w_hh, b_ih, b_hh = layer
    return (np.tanh(x @ w_ih + h @ w_hh + (b_ih + b_hh)),)


def step_lstm(layer: Any, x: Array, h: Array, c: Array) -> tuple[Array, ...]:
    """Hochreiter & Schmidhuber (1997), with a forget gate (Gers et al., 2000)."""
    w_ih, w_hh, b_ih, b_hh = layer
    gates = x @ w_ih + h @ w_hh + (b_ih + b_hh)
    read, forget, new, write = np.split(gates, 4, axis=1)
    c = sigmoid(forget) * c + sigmoid(read) * np.tanh(new)
    return sigmoid(write) * np.tanh(c), c


def step_gru(layer: Any, x: Array, h: Array) -> tuple[Array, ...]:
    """Cho et al. (2014), in the form that cuDNN and torch compute."""
    w_ih, w_hh, b_ih, b_hh = layer
    size = h.shape[1]
    from_x, from_h = x @ w_ih + b_ih, h @ w_hh + b_hh
    gates = sigmoid(from_x[:, : 2 * size] + from_h[:, : 2 * size])
    reset, update = gates[:, :size], gates[:, size:]
    new = np.tanh(from_x[:, 2 * size :] + reset * from_h[:, 2 * size :])
    return (new + update * (h - new),)


CELLS: Any = {"rnn": step_rnn, "lstm": step_lstm, "gru": step_gru}
