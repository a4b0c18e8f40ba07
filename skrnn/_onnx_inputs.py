"""What is done to whole sequences in an ONNX graph before the network reads them."""

from __future__ import annotations

from typing import Any

import numpy as np

from skrnn._formulas import LookUp
from skrnn._graph import Formulas, Graph, Symbol, numbers

__all__ = ["prepared"]


def prepared(graph: Graph, fitted: Any, x: Symbol, inside: Symbol) -> Symbol:
    """Do what ``Preparation`` does to x (n, n_steps, n_features), and scale it.

    ``inside`` (n, n_steps, 1) is 1 at steps and 0 at padding, which becomes 0 here.
    """
    ops, module = Formulas(graph), fitted.module_
    x = ops.where(inside > 0.5, x, 0.0)  # padding may be infinite
    missing = ops.isnan(x)
    about: list[Symbol] = []
    marks: list[Symbol] = []
    if fitted.input_scale_ == "sequence":
        x, about = to_own_scale(ops, x, missing, inside)
    if hasattr(fitted, "fill_values_"):
        x = carried_forward(graph, x, fitted.fill_values_)
        marks = [ops.cast(missing, "float32")]
    x = ops.cat([x, *about, *marks], 2)
    look_up = LookUp.of(module)
    if look_up is not None:
        x = look_up(ops, x, 2)
    if module.scaling is not None:
        mean, scale = (
            ops.constant(numbers(each).astype(np.float32))
            for each in (module.scaling.mean, module.scaling.scale)
        )
        x = (x - mean) / scale
    return ops.where(inside > 0.5, x, 0.0)


def to_own_scale(
    ops: Formulas, x: Symbol, missing: Symbol, inside: Symbol
) -> tuple[Symbol, list[Symbol]]:
    """Do what ``_preparing.to_own_scale`` does: sequences, and what they were."""
    x = ops.cast(x, "float64")
    inside = ops.cast(inside, "float64")
    known = inside * (1.0 - ops.cast(missing, "float64"))
    values = ops.where(missing, ops.constant(np.float64(0.0)), x)
    count = ops.maximum(ops.insert(ops.sum(known, 1), 1), 1.0)

    def mean_of(numbers: Symbol) -> Symbol:
        return ops.insert(ops.sum(numbers * known, 1), 1) / count

    mean = mean_of(values)
    mean = mean + mean_of(values - mean)  # rounding of the mean
    away = values - mean
    deviation = ops.sqrt(mean_of(away * away))
    largest = ops.highest(ops.abs(values), 1)
    least = largest * float(10 * np.finfo(np.float64).eps)
    deviation = ops.where(deviation > least, deviation, 1.0)
    level = mean / deviation
    bent = ops.log(ops.abs(level) + ops.sqrt(level * level + 1.0)) * ops.sign(level)
    about = ops.cast(ops.cat([ops.log(deviation), bent], 2) * inside, "float32")
    return ops.cast((x - mean) / deviation, "float32"), [about]


def carried_forward(graph: Graph, x: Symbol, fill: Any) -> Symbol:
    """Replace NaN of (n, n_steps, n_features) by the last value, or ``fill``."""
    helper, kind = graph.onnx.helper, graph.kind(np.float32)
    body = helper.make_graph(
        [
            helper.make_node("IsNaN", ["now"], ["missing"]),
            helper.make_node("Where", ["missing", "before", "now"], ["filled"]),
            helper.make_node("Identity", ["filled"], ["after"]),
        ],
        "carry_forward",
        [helper.make_tensor_value_info(k, kind, None) for k in ("before", "now")],
        [helper.make_tensor_value_info(k, kind, None) for k in ("after", "filled")],
    )
    n_rows = graph("Slice", graph("Shape", x.name), *axes(graph, 0, 1, 0))
    size = graph("Concat", n_rows, *axes(graph, len(fill)), axis=0)
    start = graph("Expand", graph.constant(fill), size)
    steps = graph("Transpose", x.name, perm=[1, 0, 2])
    _, filled = graph("Scan", start, steps, n=2, body=body, num_scan_inputs=1)
    return Symbol(graph, graph("Transpose", filled, perm=[1, 0, 2]), np.float32)


def axes(graph: Graph, *places: int) -> list[str]:
    """Make a constant of one whole number for each place."""
    return [graph.constant([each], np.int64) for each in places]
