"""Whole sequences in an ONNX graph, from scaling to labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_regressor

from skrnn._graph import Graph, Symbol, numbers
from skrnn._onnx_inputs import prepared

__all__ = ["build_sequence", "label"]

Array = NDArray[Any]
# where ONNX has its gates, in torch's order: LSTM i, o, f, c; GRU z, r, h
ORDER = {"rnn": [0], "lstm": [0, 3, 1, 2], "gru": [1, 0, 2]}


def build_sequence(graph: Graph, fitted: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Add everything from whole sequences to decoded outputs."""
    module = fitted.module_
    kinds = graph.onnx.TensorProto
    n_features, lengths = fitted._n_step_features, "lengths"
    inside = mask(graph, "x", lengths)
    given = (Symbol(graph, name, np.float32) for name in ("x", inside))
    x = prepared(graph, fitted, *given).name
    for block in [] if module.stem is None else module.stem.blocks:
        x, lengths, inside = stem_block(graph, block, x, lengths, inside)
    x = graph("Transpose", x, perm=[1, 0, 2])  # steps come first
    many = graph("Cast", lengths, to=kinds.INT32)
    encoder = module.encoder
    for index in range(len(encoder.forward_layers)):
        layers = [encoder.forward_layers[index]]
        if encoder.backward_layers is not None:
            layers.append(encoder.backward_layers[index])
        x, last = recurrent(graph, module, layers, x, many)
    last = side_by_side(graph, last)
    outputs = graph("Transpose", x, perm=[1, 0, 2])
    pooled = pool(graph, module, outputs, last, inside, lengths)
    found = graph.linear(pooled, module.head)
    inputs = {
        "x": (["n_sequences", "n_steps", n_features], kinds.FLOAT),
        "lengths": (["n_sequences"], kinds.INT64),
    }
    return inputs, decoded(graph, fitted, found)


def mask(graph: Graph, x: str, lengths: str) -> str:
    """Give 1 at steps and 0 at padding, of shape (n_sequences, n_steps, 1)."""
    one = graph.constant(1, np.int64)
    zero = graph.constant(0, np.int64)
    n_steps = graph("Gather", graph("Shape", x), one, axis=0)
    steps = graph("Range", zero, n_steps, one)
    ends = graph("Unsqueeze", lengths, graph.constant([1], np.int64))
    inside = graph("Cast", graph("Less", steps, ends), to=graph.onnx.TensorProto.FLOAT)
    return graph("Unsqueeze", inside, graph.constant([2], np.int64))  # type: ignore[no-any-return]


def stem_block(
    graph: Graph, block: Any, x: str, lengths: str, inside: str
) -> tuple[str, str, str]:
    """Add a block of the stem: its result, and how many steps are left."""
    from skrnn._stem import EPSILON, KERNEL, POOL

    gain = numbers(block.gain) / np.sqrt(numbers(block.variance) + EPSILON)
    weight = numbers(block.convolution.weight) * gain[:, None]
    weight = weight.reshape(len(gain), -1, KERNEL)
    bias = numbers(block.bias) - numbers(block.mean) * gain
    x = graph("Transpose", x, perm=[0, 2, 1])
    half = KERNEL // 2
    x = graph(
        "Conv", x, graph.constant(weight), graph.constant(bias), pads=[half, half]
    )
    x = graph("Mul", graph("Relu", x), graph("Transpose", inside, perm=[0, 2, 1]))
    shorter: dict[str, Any] = {"kernel_shape": [POOL], "strides": [POOL]}
    shorter["ceil_mode"] = 1
    x = graph("Transpose", graph("MaxPool", x, **shorter), perm=[0, 2, 1])
    more = graph("Add", lengths, graph.constant(POOL - 1, np.int64))
    lengths = graph("Div", more, graph.constant(POOL, np.int64))
    return x, lengths, mask(graph, x, lengths)


def recurrent(
    graph: Graph,
    module: Any,
    layers: list[Any],
    x: str,
    many: str,
) -> tuple[str, str]:
    """Add a layer over (n_steps, n_sequences, n): all outputs, and the last."""
    cell, size = module.config["cell"], module.config["hidden_size"]

    def ordered(name: str) -> Array:
        parts = [numbers(getattr(layer, name)) for layer in layers]
        gates = [part.reshape(-1, size, *part.shape[1:]) for part in parts]
        return np.stack(
            [
                each[ORDER[cell]].reshape(p.shape)
                for each, p in zip(gates, parts, strict=True)
            ]
        )

    bias = np.concatenate([ordered("bias_ih_l0"), ordered("bias_hh_l0")], axis=1)
    weights = [ordered("weight_ih_l0"), ordered("weight_hh_l0"), bias]
    names = [graph.constant(each) for each in weights]
    direction = "forward" if len(layers) == 1 else "bidirectional"
    attributes: dict[str, Any] = {"hidden_size": size, "direction": direction}
    if cell == "gru":
        attributes["linear_before_reset"] = 1
    n = 3 if cell == "lstm" else 2
    found = graph(cell.upper(), x, *names, many, n=n, **attributes)
    y = graph("Transpose", found[0], perm=[0, 2, 1, 3])
    y = graph("Reshape", y, graph.constant([0, 0, -1], np.int64))
    return y, found[1]


def side_by_side(graph: Graph, last: str) -> str:
    """Put the last outputs of both directions side by side."""
    last = graph("Transpose", last, perm=[1, 0, 2])
    return graph("Reshape", last, graph.constant([0, -1], np.int64))  # type: ignore[no-any-return]


def pool(
    graph: Graph, module: Any, outputs: str, last: str, inside: str, lengths: str
) -> str:
    """Pool the outputs (n_sequences, n_steps, n) of all steps."""
    kind = module.pooling
    if kind == "last":
        return last
    far = graph("Mul", graph("Sub", inside, graph.constant(1.0)), graph.constant(1e30))
    axis = graph.constant([1], np.int64)
    if kind == "attention":
        scores = graph("Tanh", graph.linear(outputs, module.attention[0]))
        scores = graph("Add", graph.linear(scores, module.attention[2]), far)
        shares = graph("Softmax", scores, axis=1)
        return graph("ReduceSum", graph("Mul", outputs, shares), axis, keepdims=0)  # type: ignore[no-any-return]
    total = graph("ReduceSum", graph("Mul", outputs, inside), axis, keepdims=0)
    ends = graph("Cast", lengths, to=graph.onnx.TensorProto.FLOAT)
    mean = graph("Div", total, graph("Unsqueeze", ends, axis))
    most = graph("ReduceMax", graph("Add", outputs, far), axes=[1], keepdims=0)
    parts = {"mean": [mean], "max": [most], "concat": [last, mean, most]}[kind]
    return graph("Concat", *parts, axis=1)  # type: ignore[no-any-return]


def decoded(graph: Graph, fitted: Any, found: str) -> dict[str, Any]:
    """Turn outputs of the head into what the estimator gives."""
    kinds = graph.onnx.TensorProto
    shape = ["n_sequences", fitted._n_module_outputs()]
    if is_regressor(fitted):
        # in double precision: y may be large beside its spread
        y = graph("Cast", found, to=kinds.DOUBLE)
        scale, loc = (
            graph.constant(np.atleast_1d(each), np.float64)
            for each in (fitted.target_scale_, fitted.target_loc_)
        )
        return {"y": (shape, kinds.DOUBLE, graph("Add", graph("Mul", y, scale), loc))}
    if fitted._multilabel:
        return {"probabilities": (shape, kinds.FLOAT, graph("Sigmoid", found))}
    outputs = {"probabilities": (shape, kinds.FLOAT, graph("Softmax", found, axis=1))}
    return outputs | label(graph, fitted, found)


def label(graph: Graph, fitted: Any, found: str) -> dict[str, Any]:
    """Name the likeliest class, if the names of classes are texts or integers."""
    kinds, labels = graph.onnx.TensorProto, np.asarray(fitted.classes_)
    if labels.dtype.kind not in "iuUO" or not labels_are_plain(labels):
        return {}
    texts = labels.dtype.kind not in "iu"
    names = graph.constant(labels, object if texts else np.int64)
    best = graph("ArgMax", found, axis=1, keepdims=0)
    kind = kinds.STRING if texts else kinds.INT64
    return {"label": (["n_sequences"], kind, graph("Gather", names, best, axis=0))}


def labels_are_plain(labels: Array) -> bool:
    """Whether labels are texts, or integers that 64 bits can hold."""
    if labels.dtype.kind in "UO":
        return all(isinstance(each, str) for each in labels.tolist())
    return bool(labels.max() <= np.iinfo(np.int64).max)
