"""to_onnx: classifiers and regressors as ONNX graphs, for runtimes without Python."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_regressor

from skrnn._base import BaseRecurrent
from skrnn._files import replace_file

__all__ = ["to_onnx"]

Array = NDArray[Any]
OPSET = 17
KINDS = ("sequence", "step")
LARGEST_ERROR = 1e-5  # of probabilities, or in units of the spread of y
LENGTHS = [[1], [7, 1, 25], [3, 64, 2, 30, 9]]  # of the batches that are compared
# where ONNX has its gates, in torch's order: LSTM i, o, f, c; GRU z, r, h
ORDER = {"rnn": [0], "lstm": [0, 3, 1, 2], "gru": [1, 0, 2]}


def to_onnx(estimator: Any, path: Any, *, kind: str = "sequence") -> None:
    """Export a fitted classifier or regressor to an ONNX file.

    The graph scales, pools and decodes, too: it takes X as ``predict`` does and gives
    what ``predict_proba`` or ``predict`` give. Before it is written, it is run on
    random batches and compared with the estimator.

    Parameters
    ----------
    estimator : object
        A fitted classifier or regressor of this package.
    path : str or path-like
        The file, which is put there at once.
    kind : {"sequence", "step"}, default="sequence"
        What the graph reads. Whole sequences: ``x`` of shape (n_sequences, n_steps,
        n_features), filled up with any numbers after short ones, and ``lengths``, int64
        of shape (n_sequences,). Or one step of a stream, as the method ``step``: ``x``
        of shape (n_sequences, n_features), ``n_steps``, an int64 with the number of
        steps read before, ``hidden`` and perhaps ``pooled_0``, ``pooled_1``, the state,
        which begins as the arrays that ``initial_state`` gives and which comes back
        under the names ``new_hidden``, ``new_pooled_0``, ...

    Raises
    ------
    NotFittedError
        If nothing was fitted yet.
    TypeError
        If ``estimator`` is of another kind.
    ValueError
        If a graph cannot do what the network does: ``missing="mask"``,
        ``scale_inputs="sequence"``, and as a step also a bidirectional network, a stem
        or ``pooling="attention"``.
    RuntimeError
        If the graph does not give what the estimator gives; nothing is written then.
    OSError
        If the file cannot be written.
    ImportError
        If onnx or onnxruntime is not installed.

    Notes
    -----
    The network is single precision. Outputs are "probabilities" and, for classes that
    are texts or integers, "label"; of several labels only "probabilities"; of a
    regressor "y", in double precision and of shape (n_sequences, n_outputs).

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import onnxruntime
    >>> import skrnn
    >>> from skrnn.datasets import make_waves
    >>> X, y = make_waves(n_sequences=60, n_steps=20, random_state=0)
    >>> model = skrnn.GRUClassifier(max_epochs=5, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     skrnn.to_onnx(model, f"{folder}/waves.onnx")
    ...     session = onnxruntime.InferenceSession(f"{folder}/waves.onnx")
    >>> inputs = {"x": X.astype("float32"), "lengths": np.full(60, 20)}
    >>> probabilities, labels = session.run(["probabilities", "label"], inputs)
    >>> float(np.mean(labels == model.predict(X)))
    1.0
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            "to_onnx needs onnx and onnxruntime: pip install onnx onnxruntime."
        ) from error
    if not isinstance(estimator, BaseRecurrent):
        raise TypeError(
            f"estimator is a {type(estimator).__name__}, expected a classifier or "
            "regressor of skrnn: of a pipeline export the last step, and do what comes "
            "before it elsewhere."
        )
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r}, expected one of {KINDS}.")
    fitted = estimator._fitted()
    refuse(fitted, kind)
    graph = Graph(onnx)
    build = build_sequence if kind == "sequence" else build_step
    model = graph.finish(*build(graph, fitted))
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    compare = compare_sequences if kind == "sequence" else compare_steps
    apart = compare(session, fitted)
    if not apart <= LARGEST_ERROR:
        raise RuntimeError(
            f"The graph differs from the estimator by {apart:.2g}, more than "
            f"{LARGEST_ERROR}: nothing was written. Please report it."
        )
    replace_file(path, lambda file: file.write(content))


def refuse(fitted: Any, kind: str) -> None:
    """Refuse what a graph cannot do."""
    config, reasons = fitted.module_.config, []
    if hasattr(fitted, "fill_values_"):
        reasons.append("missing='mask' (fill X before, and fit with missing='error')")
    if fitted.input_scale_ == "sequence":
        reasons.append("scale_inputs='sequence' (use SequenceScaler, or 'feature')")
    if config["pooling"] == "none":
        reasons.append("an output for each step, as taggers have")
    if kind == "step":
        if config["bidirectional"]:
            reasons.append("bidirectional=True")
        if config["stem"]:
            reasons.append(f"stem={config['stem']}")
        if config["pooling"] == "attention":
            reasons.append("pooling='attention'")
    if reasons:
        raise ValueError(f"A graph of kind {kind!r} cannot have {', '.join(reasons)}.")


class Graph:
    """Nodes and constants of an ONNX graph; methods give the names of results."""

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def __call__(self, kind: str, *inputs: str, n: int = 1, **attributes: Any) -> Any:
        """Add a node: the name of its result, or of its ``n`` results."""
        place = len(self.nodes)
        outputs = [f"{kind.lower()}_{place}_{k}" for k in range(n)]
        self.nodes.append(
            self.onnx.helper.make_node(kind, [*inputs], outputs, **attributes)
        )
        return outputs[0] if n == 1 else outputs

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """Add an array: its name."""
        name = f"constant_{len(self.constants)}"
        array = np.array(value, dtype=dtype, order="C")
        self.constants.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def linear(self, x: str, layer: Any) -> str:
        """Multiply by the weights of a layer, and add its bias if it has one."""
        x = self("MatMul", x, self.constant(numbers(layer.weight).T))
        return (
            x
            if layer.bias is None
            else self("Add", x, self.constant(numbers(layer.bias)))
        )

    def finish(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> Any:
        """Make the model; inputs and outputs by name: shape, type and what gives it."""
        helper = self.onnx.helper
        for name, (_, _, source) in outputs.items():
            self.nodes.append(helper.make_node("Identity", [source], [name]))
        tensors = [
            [
                helper.make_tensor_value_info(k, kind, shape)
                for k, (shape, kind, *_) in each
            ]
            for each in (inputs.items(), outputs.items())
        ]
        graph = helper.make_graph(self.nodes, "skrnn", *tensors, self.constants)
        opset = [helper.make_opsetid("", OPSET)]
        return helper.make_model(
            graph,
            opset_imports=opset,
            ir_version=8,
            producer_name="skrnn",
            producer_version=version("skrnn"),
        )


def numbers(tensor: Any) -> Array:
    """Take the numbers of a weight."""
    found: Array = tensor.detach().cpu().numpy()
    return found


def build_sequence(graph: Graph, fitted: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Add everything from whole sequences to decoded outputs."""
    module = fitted.module_
    kinds = graph.onnx.TensorProto
    n_features = module.config["n_features"]
    lengths, x = "lengths", scaled(graph, module, "x")
    inside = mask(graph, x, lengths)
    x = graph("Mul", x, inside)
    for block in [] if module.stem is None else module.stem.blocks:
        x, lengths, inside = stem_block(graph, block, x, lengths, inside)
    x = graph("Transpose", x, perm=[1, 0, 2])  # steps come first
    many = graph("Cast", lengths, to=kinds.INT32)
    encoder = module.encoder
    for index in range(len(encoder.forward_layers)):
        layers = [encoder.forward_layers[index]]
        if encoder.backward_layers is not None:
            layers.append(encoder.backward_layers[index])
        x, last, _ = recurrent(graph, module, layers, x, many)
    last = side_by_side(graph, last)
    outputs = graph("Transpose", x, perm=[1, 0, 2])
    pooled = pool(graph, module, outputs, last, inside, lengths)
    found = graph.linear(pooled, module.head)
    inputs = {
        "x": (["n_sequences", "n_steps", n_features], kinds.FLOAT),
        "lengths": (["n_sequences"], kinds.INT64),
    }
    return inputs, decoded(graph, fitted, found)


def scaled(graph: Graph, module: Any, x: str) -> str:
    """Scale the features as the network does."""
    if module.scaling is None:
        return x
    x = graph("Sub", x, graph.constant(numbers(module.scaling.mean)))
    return graph("Div", x, graph.constant(numbers(module.scaling.scale)))  # type: ignore[no-any-return]


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
    many: str = "",
    begin: tuple[str, ...] = (),
) -> tuple[str, str, list[str]]:
    """Add a layer over (n_steps, n_sequences, n): all outputs, the last, the state."""
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
    found = graph(cell.upper(), x, *names, many, *begin, n=n, **attributes)
    y = graph("Transpose", found[0], perm=[0, 2, 1, 3])
    y = graph("Reshape", y, graph.constant([0, 0, -1], np.int64))
    return y, found[1], found[1:]


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
    labels = np.asarray(fitted.classes_)
    if labels.dtype.kind not in "iuUO" or not labels_are_plain(labels):
        return outputs
    texts = labels.dtype.kind not in "iu"
    names = graph.constant(labels, object if texts else np.int64)
    best = graph("ArgMax", found, axis=1, keepdims=0)
    kind = kinds.STRING if texts else kinds.INT64
    outputs["label"] = ([shape[0]], kind, graph("Gather", names, best, axis=0))
    return outputs


def labels_are_plain(labels: Array) -> bool:
    """Whether labels are texts, or integers that 64 bits can hold."""
    if labels.dtype.kind in "UO":
        return all(isinstance(each, str) for each in labels.tolist())
    return bool(labels.max() <= np.iinfo(np.int64).max)


def build_step(graph: Graph, fitted: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Add one step of a stream: state in, state out."""
    module, kinds = fitted.module_, graph.onnx.TensorProto
    size, n_features = module.config["hidden_size"], module.config["n_features"]
    axis = graph.constant([0], np.int64)
    x = graph("Unsqueeze", scaled(graph, module, "x"), axis)
    n_layers, n_parts = len(module.encoder.forward_layers), 1
    if module.config["cell"] == "lstm":
        n_parts = 2
    after = []
    for index, layer in enumerate(module.encoder.forward_layers):
        state = graph("Gather", "hidden", graph.constant(index, np.int64), axis=0)
        parts = [
            graph("Gather", state, graph.constant([k], np.int64), axis=0)
            for k in range(n_parts)
        ]
        x, last, states = recurrent(graph, module, [layer], x, "", tuple(parts))
        after.append(graph("Unsqueeze", graph("Concat", *states, axis=0), axis))
    hidden = graph("Concat", *after, axis=0)
    last = graph("Squeeze", last, axis)
    pooled, embedding = pool_step(graph, module.pooling, last)
    found = graph.linear(embedding, module.head)
    shape = [n_layers, n_parts, "n_sequences", size]
    inputs = {
        "x": (["n_sequences", n_features], kinds.FLOAT),
        "n_steps": ([], kinds.INT64),
        "hidden": (shape, kinds.FLOAT),
    }
    outputs = decoded(graph, fitted, found)
    outputs["new_hidden"] = (shape, kinds.FLOAT, hidden)
    for k, each in enumerate(pooled):
        inputs[f"pooled_{k}"] = (["n_sequences", size], kinds.FLOAT)
        outputs[f"new_pooled_{k}"] = (["n_sequences", size], kinds.FLOAT, each)
    return inputs, outputs


def pool_step(graph: Graph, kind: str, last: str) -> tuple[list[str], str]:
    """Add the last outputs to what was pooled: the new state, and the embedding."""
    if kind == "last":
        return [], last
    one = graph.constant(1, np.int64)
    n_steps = graph("Add", "n_steps", one)
    n_steps = graph("Cast", n_steps, to=graph.onnx.TensorProto.FLOAT)
    if kind == "max":
        most = graph("Max", "pooled_0", last)
        return [most], most
    total = graph("Add", "pooled_0", last)
    mean = graph("Div", total, n_steps)
    if kind == "mean":
        return [total], mean
    most = graph("Max", "pooled_1", last)
    return [total, most], graph("Concat", last, mean, most, axis=1)


def usual_batches(fitted: Any) -> list[list[Array]]:
    """Draw batches of sequences such as the network has learned from."""
    scaling, generator = fitted.module_.scaling, np.random.default_rng(0)
    mean: Any = 0.0
    scale: Any = 1.0
    if scaling is not None:
        mean, scale = numbers(scaling.mean), numbers(scaling.scale)
    n_features = fitted._n_step_features
    return [
        [mean + scale * generator.normal(size=(n, n_features)) for n in lengths]
        for lengths in LENGTHS
    ]


def difference(fitted: Any, got: Array, expected: Array) -> float:
    """How far outputs are apart, for numbers in units of the spread of y."""
    unit = np.atleast_1d(fitted.target_scale_) if is_regressor(fitted) else 1.0
    return float(np.abs((got - expected.reshape(got.shape)) / unit).max())


def compare_sequences(session: Any, fitted: Any) -> float:
    """Run the graph and the estimator on ragged batches: the largest difference."""
    name, found = name_of_output(fitted), []
    for batch in usual_batches(fitted):
        lengths = np.array([len(each) for each in batch])
        x = np.full((len(batch), lengths.max(), batch[0].shape[1]), 7.0, np.float32)
        for row, each in zip(x, batch, strict=True):
            row[: len(each)] = each
        (got,) = session.run([name], {"x": x, "lengths": lengths})
        expected = fitted._decode(fitted._run(batch))
        found.append(difference(fitted, got, expected))
    return float(np.max(found))  # NaN if one is


def compare_steps(session: Any, fitted: Any) -> float:
    """Let the graph and the estimator read streams: the largest difference."""
    outputs = [each.name for each in session.get_outputs()]
    names = [name for name in outputs if name.startswith("new_")]
    stepper, found = fitted._stepper(begin=True), []
    for batch in usual_batches(fitted):
        n_steps = max(len(each) for each in batch)  # short ones are read again
        rows = [np.resize(each, (n_steps, each.shape[1])) for each in batch]
        stream = np.stack(rows).astype(np.float32)
        state = stepper.initial_state(len(batch))
        ours = {"hidden": state.hidden.astype(np.float32)}
        for k, each in enumerate(state.pooled):
            ours[f"pooled_{k}"] = each.astype(np.float32)
        for step in range(n_steps):
            inputs = {"x": stream[:, step], "n_steps": np.array(step), **ours}
            got, *after = session.run([name_of_output(fitted), *names], inputs)
            new = zip(names, after, strict=True)
            ours = {name.removeprefix("new_"): value for name, value in new}
            expected, state = fitted.step(stream[:, step], state)
            found.append(difference(fitted, got, np.asarray(expected)))
    return float(np.max(found))


def name_of_output(fitted: Any) -> str:
    """Give the name of the output that is compared."""
    return "y" if is_regressor(fitted) else "probabilities"
