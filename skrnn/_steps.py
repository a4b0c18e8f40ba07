"""One step of a stream as formulas, from which graphs and programs are made.

Formulas use operators and the methods of ``ops``: those of ``_graph.Formulas`` write an
ONNX graph, those of ``_programs.Formulas`` compute with tensors.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skrnn._formulas import LookUp
from skrnn._graph import numbers

__all__ = ["Form", "SequenceStep", "advance", "dense", "gives_numbers", "layers_of"]
__all__ += ["linear_of"]

Array = NDArray[Any]


class Form(NamedTuple):
    """Shape and type of an input or output; None is the number of sequences."""

    shape: tuple[int | None, ...]
    dtype: str = "float32"


def layers_of(encoder: Any) -> list[list[Array]]:
    """Take weights of layers, transposed, and biases; in single precision."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    return [
        [numbers(getattr(layer, name)).T.astype(np.float32) for name in names]
        for layer in encoder.forward_layers
    ]


def linear_of(layer: Any) -> tuple[Array, Array]:
    """Weights (n_inputs, n_outputs) and bias of a linear layer, in single precision."""
    weight = numbers(layer.weight).T
    bias = np.zeros(weight.shape[1]) if layer.bias is None else numbers(layer.bias)
    return weight.astype(np.float32), bias.astype(np.float32)


def dense(ops: Any, x: Any, layer: tuple[Array, Array]) -> Any:
    """Multiply by the weights of a linear layer, and add its bias."""
    weight, bias = layer
    return x @ ops.constant(weight) + ops.constant(bias)


def advance(
    ops: Any, cell: str, layers: list[list[Array]], x: Any, hidden: Any
) -> tuple[Any, Any]:
    """Read x (n, n_inputs) by all layers: the last output, and the new ``hidden``.

    That is (num_layers, 1 or 2, n, hidden_size), as it is before.
    """
    after = []
    for index, weights in enumerate(layers):
        state = ops.pick(hidden, index, 0)
        before = [ops.pick(state, k, 0) for k in range(2 if cell == "lstm" else 1)]
        size = weights[1].shape[0]
        constants = [ops.constant(each) for each in weights]
        parts = CELLS[cell](ops, size, constants, x, *before)
        after.append(ops.stack(parts, 0))
        x = parts[0]
    return x, ops.stack(after, 0)


def split(ops: Any, gates: Any, size: int, n: int) -> list[Any]:
    """Take gates side by side apart."""
    return [ops.cut(gates, k * size, (k + 1) * size, 1) for k in range(n)]


def step_rnn(ops: Any, size: int, layer: Any, x: Any, h: Any) -> list[Any]:
    """Elman (1990)."""
    w_ih, w_hh, b_ih, b_hh = layer
    return [ops.tanh(x @ w_ih + h @ w_hh + (b_ih + b_hh))]


def step_lstm(ops: Any, size: int, layer: Any, x: Any, h: Any, c: Any) -> list[Any]:
    """Hochreiter & Schmidhuber (1997), with a forget gate (Gers et al., 2000)."""
    w_ih, w_hh, b_ih, b_hh = layer
    gates = x @ w_ih + h @ w_hh + (b_ih + b_hh)
    read, forget, new, write = split(ops, gates, size, 4)
    c = ops.sigmoid(forget) * c + ops.sigmoid(read) * ops.tanh(new)
    return [ops.sigmoid(write) * ops.tanh(c), c]


def step_gru(ops: Any, size: int, layer: Any, x: Any, h: Any) -> list[Any]:
    """Cho et al. (2014), in the form that cuDNN and torch compute."""
    w_ih, w_hh, b_ih, b_hh = layer
    from_x = split(ops, x @ w_ih + b_ih, size, 3)
    from_h = split(ops, h @ w_hh + b_hh, size, 3)
    reset = ops.sigmoid(from_x[0] + from_h[0])
    update = ops.sigmoid(from_x[1] + from_h[1])
    new = ops.tanh(from_x[2] + reset * from_h[2])
    return [new + update * (h - new)]


CELLS: Any = {"rnn": step_rnn, "lstm": step_lstm, "gru": step_gru}


def gives_numbers(fitted: Any) -> bool:
    """Whether answers are numbers, and no probabilities."""
    return hasattr(fitted, "target_scale_")


class SequenceStep:
    """One step of a stream for any fitted network but a forecaster's."""

    axis = "n_sequences"

    def __init__(self, fitted: Any) -> None:
        module = fitted.module_
        self.pooling, self.cell = module.pooling, module.config["cell"]
        self.look_up = LookUp.of(module)
        self.layers, self.head = layers_of(module.encoder), linear_of(module.head)
        self.attention = [
            linear_of(module.attention[k]) for k in (0, 2) if module.attention
        ]
        self.scaling = (
            [
                numbers(each).astype(np.float32)
                for each in (module.scaling.mean, module.scaling.scale)
            ]
            if module.scaling is not None
            else None
        )
        self.n_outputs = fitted._n_module_outputs()
        self.scale: Any = 1.0
        self.loc: Any = 0.0
        self.task = "labels" if fitted._target_kind() == "labels" else "classes"
        if gives_numbers(fitted):
            self.task = "numbers"
            self.scale = np.atleast_1d(np.asarray(fitted.target_scale_, np.float64))
            self.loc = np.atleast_1d(np.asarray(fitted.target_loc_, np.float64))
        n_parts = 2 if self.cell == "lstm" else 1
        size = module.config["hidden_size"]
        self.marked = hasattr(fitted, "fill_values_")
        column, total = Form((None, 1), "float64"), Form((None, size), "float64")
        most = Form((None, size))
        pooled = {
            "last": [],
            "none": [],
            "mean": [total],
            "max": [most],
            "concat": [total, most],
            "attention": [column, column, total],
        }[self.pooling]
        n_features = fitted._n_step_features
        self.state = {
            "n_steps": Form((), "int64"),
            "hidden": Form((len(self.layers), n_parts, None, size)),
            **{f"pooled_{k}": form for k, form in enumerate(pooled)},
        }
        if self.marked:
            self.state["filled"] = Form((None, n_features))
        self.inputs = {"x": Form((None, n_features)), **self.state}

    @property
    def outputs(self) -> dict[str, Form]:
        """Forms of what a step gives, by name."""
        dtype = "float64" if self.task == "numbers" else "float32"
        name = "y" if self.task == "numbers" else "probabilities"
        after = {f"new_{name}": form for name, form in self.state.items()}
        return {name: Form((None, self.n_outputs), dtype), **after}

    def __call__(self, ops: Any, given: dict[str, Any]) -> dict[str, Any]:
        """Read the step: outputs by name."""
        x, after = given["x"], {"n_steps": given["n_steps"] + 1}
        if self.marked:
            missing = ops.isnan(x)
            x = after["filled"] = ops.where(missing, given["filled"], x)
            x = ops.cat([x, ops.cast(missing, "float32")], 1)
        if self.look_up is not None:
            x = self.look_up(ops, x, 1)
        if self.scaling is not None:
            mean, scale = self.scaling
            x = (x - ops.constant(mean)) / ops.constant(scale)
        hidden = given["hidden"]
        last, after["hidden"] = advance(ops, self.cell, self.layers, x, hidden)
        kept = [given[name] for name in given if name.startswith("pooled_")]
        pooled, embedding = self.pool(ops, last, kept, after["n_steps"])
        after |= {f"pooled_{k}": each for k, each in enumerate(pooled)}
        found = self.decode(ops, dense(ops, embedding, self.head))
        return found | {f"new_{name}": after[name] for name in self.state}

    def pool(
        self, ops: Any, last: Any, kept: list[Any], n_steps: Any
    ) -> tuple[list[Any], Any]:
        """Add the last outputs to what was pooled: the new state, and the embedding."""
        kind = self.pooling
        if kind in ("last", "none"):
            return [], last
        if kind == "attention":
            return self.attend(ops, last, *kept)
        most = ops.maximum(kept[-1], last) if kind != "mean" else None
        if kind == "max":
            return [most], most
        total = kept[0] + ops.cast(last, "float64")
        mean = ops.cast(total / ops.cast(n_steps, "float64"), "float32")
        if kind == "mean":
            return [total], mean
        return [total, most], ops.cat([last, mean, most], 1)

    def attend(
        self, ops: Any, last: Any, highest: Any, weight: Any, total: Any
    ) -> tuple[list[Any], Any]:
        """Weighted mean by a running softmax (Milakov & Gimelshein, 2018)."""
        inner, outer = self.attention
        score = dense(ops, ops.tanh(dense(ops, last, inner)), outer)
        score, last = ops.cast(score, "float64"), ops.cast(last, "float64")
        higher = ops.maximum(highest, score)
        old, new = ops.exp(highest - higher), ops.exp(score - higher)
        weight, total = weight * old + new, total * old + new * last
        return [higher, weight, total], ops.cast(total / weight, "float32")

    def decode(self, ops: Any, found: Any) -> dict[str, Any]:
        """Turn outputs of the head into what the estimator gives."""
        if self.task == "classes":
            return {"probabilities": ops.softmax(found)}
        if self.task == "labels":
            return {"probabilities": ops.sigmoid(found)}
        # in double precision: y may be large beside its spread
        y = ops.cast(found, "float64") * ops.constant(self.scale)
        return {"y": y + ops.constant(self.loc)}
