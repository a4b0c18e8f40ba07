"""Formulas for graphs and programs: vectors in place of categories."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from skrnn._categories import UNKNOWN_ROW
from skrnn._graph import numbers

__all__ = ["LookUp"]


class LookUp(NamedTuple):
    """What stands for the features of a step: numbers first, then vectors."""

    numbers: list[int]
    tables: dict[int, NDArray[Any]]  # by column: a row for unknown ones, then the codes

    @classmethod
    def of(cls, module: Any) -> Self | None:
        """Take the tables of a network, if it has any; in single precision."""
        if module.embedding is None:
            return None
        tables = [numbers(each).astype(np.float32) for each in module.embedding.tables]
        columns = zip(module.embedding.columns, tables, strict=True)
        return cls(module.embedding.numbers, dict(columns))

    def __call__(self, ops: Any, x: Any, axis: int) -> Any:
        """Look up what stands on the last axis."""
        parts = [ops.cut(x, place, place + 1, axis) for place in self.numbers]
        for column, table in self.tables.items():
            codes = ops.pick(x, column, axis)
            rows = ops.where(codes < len(table) - 1.5, codes + 1.0, float(UNKNOWN_ROW))
            rows = ops.where(codes > -0.5, rows, float(UNKNOWN_ROW))
            parts.append(ops.take(ops.constant(table), ops.cast(rows, "int64")))
        return ops.cat(parts, axis)
