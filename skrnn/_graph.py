"""Nodes of an ONNX graph, written by hand, and formulas that write them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Formulas", "Graph", "Symbol", "numbers"]

Array = NDArray[Any]
OPSET = 17


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

    def kind(self, dtype: Any) -> int:
        """Give the number by which ONNX knows a type of numpy."""
        kind: int = self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return kind

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


class Symbol:
    """A result of a graph, with which formulas are written as with arrays."""

    def __init__(self, graph: Graph, name: str, dtype: Any) -> None:
        self.graph, self.name, self.dtype = graph, name, np.dtype(dtype)

    def _with(self, kind: str, *inputs: Any, dtype: Any = None) -> Symbol:
        """Add a node; numbers among the inputs get the type of this one."""
        names = [
            each.name
            if isinstance(each, Symbol)
            else self.graph.constant(each, self.dtype)
            for each in inputs
        ]
        return Symbol(self.graph, self.graph(kind, *names), dtype or self.dtype)

    def __add__(self, other: Any) -> Symbol:
        return self._with("Add", self, other)

    def __radd__(self, other: Any) -> Symbol:
        return self._with("Add", other, self)

    def __sub__(self, other: Any) -> Symbol:
        return self._with("Sub", self, other)

    def __rsub__(self, other: Any) -> Symbol:
        return self._with("Sub", other, self)

    def __mul__(self, other: Any) -> Symbol:
        return self._with("Mul", self, other)

    def __rmul__(self, other: Any) -> Symbol:
        return self._with("Mul", other, self)

    def __truediv__(self, other: Any) -> Symbol:
        return self._with("Div", self, other)

    def __rtruediv__(self, other: Any) -> Symbol:
        return self._with("Div", other, self)

    def __matmul__(self, other: Any) -> Symbol:
        return self._with("MatMul", self, other)

    def __neg__(self) -> Symbol:
        return self._with("Neg", self)

    def __lt__(self, other: Any) -> Symbol:
        return self._with("Less", self, other, dtype=bool)

    def __gt__(self, other: Any) -> Symbol:
        return self._with("Greater", self, other, dtype=bool)


class Formulas:
    """What formulas need besides operators, as ``_programs.Formulas`` has it, too."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def _make(self, kind: str, like: Symbol, *more: str, **attributes: Any) -> Symbol:
        name = self.graph(kind, like.name, *more, **attributes)
        return Symbol(self.graph, name, like.dtype)

    def _axes(self, *axes: int) -> str:
        return self.graph.constant(axes, np.int64)

    def constant(self, array: Any) -> Symbol:
        """Make an array known to the graph."""
        return Symbol(self.graph, self.graph.constant(array, array.dtype), array.dtype)

    def cast(self, x: Symbol, dtype: str) -> Symbol:
        """Change the type."""
        kind = self.graph.kind(dtype)
        return Symbol(self.graph, self.graph("Cast", x.name, to=kind), dtype)

    def cat(self, parts: Sequence[Symbol], axis: int) -> Symbol:
        """Join along an axis."""
        names = [each.name for each in parts]
        return Symbol(
            self.graph, self.graph("Concat", *names, axis=axis), parts[0].dtype
        )

    def stack(self, parts: Sequence[Symbol], axis: int) -> Symbol:
        """Join along a new axis."""
        return self.cat([self.insert(each, axis) for each in parts], axis)

    def insert(self, x: Symbol, axis: int) -> Symbol:
        """Add an axis of length 1."""
        return self._make("Unsqueeze", x, self._axes(axis))

    def pick(self, x: Symbol, index: int, axis: int) -> Symbol:
        """Take one place of an axis, which goes."""
        return self._make("Gather", x, self.graph.constant(index, np.int64), axis=axis)

    def take(self, x: Symbol, places: Symbol) -> Symbol:
        """Take rows by their places."""
        return self._make("Gather", x, places.name, axis=0)

    def cut(self, x: Symbol, start: int, stop: int, axis: int) -> Symbol:
        """Take the places from ``start`` to before ``stop`` of an axis."""
        return self._make(
            "Slice", x, self._axes(start), self._axes(stop), self._axes(axis)
        )

    def reshape(self, x: Symbol, *shape: int) -> Symbol:
        """Give the numbers another shape; -1 is what is left."""
        return self._make("Reshape", x, self._axes(*shape))

    def where(self, condition: Symbol, this: Symbol, other: Any) -> Symbol:
        """Choose number by number."""
        return this._with("Where", condition, this, other)

    def isnan(self, x: Symbol) -> Symbol:
        """Whether numbers are NaN."""
        return x._with("IsNaN", x, dtype=bool)

    def maximum(self, x: Symbol, other: Any) -> Symbol:
        """Take the larger numbers."""
        return x._with("Max", x, other)

    def softmax(self, x: Symbol) -> Symbol:
        """Make shares along the last axis."""
        return self._make("Softmax", x, axis=-1)

    def sum(self, x: Symbol, axis: int) -> Symbol:
        """Add up along an axis, which goes."""
        return self._make("ReduceSum", x, self._axes(axis), keepdims=0)

    def mean(self, x: Symbol, axis: int) -> Symbol:
        """Mean along an axis, which goes."""
        return self._make("ReduceMean", x, axes=[axis], keepdims=0)

    def highest(self, x: Symbol, axis: int) -> Symbol:
        """Largest number along an axis, which becomes one place."""
        return self._make("ReduceMax", x, axes=[axis], keepdims=1)

    def exp(self, x: Symbol) -> Symbol:
        """Exponential function."""
        return x._with("Exp", x)

    def log(self, x: Symbol) -> Symbol:
        """Natural logarithm."""
        return x._with("Log", x)

    def sqrt(self, x: Symbol) -> Symbol:
        """Square root."""
        return x._with("Sqrt", x)

    def abs(self, x: Symbol) -> Symbol:
        """Absolute value."""
        return x._with("Abs", x)

    def sign(self, x: Symbol) -> Symbol:
        """-1, 0 or 1."""
        return x._with("Sign", x)

    def floor(self, x: Symbol) -> Symbol:
        """Round down."""
        return x._with("Floor", x)

    def tanh(self, x: Symbol) -> Symbol:
        """Hyperbolic tangent."""
        return x._with("Tanh", x)

    def sigmoid(self, x: Symbol) -> Symbol:
        """Logistic function."""
        return x._with("Sigmoid", x)


def numbers(tensor: Any) -> Array:
    """Take the numbers of a weight."""
    found: Array = tensor.detach().cpu().numpy()
    return found
