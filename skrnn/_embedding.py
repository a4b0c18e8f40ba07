"""Embeddings: categories of steps, such as tokens, as vectors that are learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from skrnn._categories import UNKNOWN_ROW

__all__ = ["Embedding", "Table"]

Table = tuple[int, int, int]  # column, number of categories, size of their vectors


class Embedding(nn.Module):
    """Replace columns that hold categories by vectors; they stand after the numbers.

    Codes below 0 or beyond those of the training data are unknown categories. While
    training, ``word_dropout`` of all codes are taken for unknown (Iyyer et al., 2015,
    doi:10.3115/v1/P15-1162), so that there is something to learn for these.
    """

    def __init__(
        self,
        n_features: int,
        tables: tuple[Table, ...],
        word_dropout: float = 0.0,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.tables = nn.ParameterList(
            nn.Parameter(torch.empty(n + 1, size, dtype=dtype, device="cpu"))
            for _, n, size in tables
        )
        self.columns = [column for column, _, _ in tables]
        self.numbers = [k for k in range(n_features) if k not in self.columns]
        self.word_dropout = word_dropout
        self.sizes = [size for *_, size in tables]
        self.n_outputs = len(self.numbers) + sum(self.sizes)
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor, width: int | None = None) -> Tensor:
        """Map (..., n_features) to (..., n_outputs), or with zeros up to ``width``."""
        parts = [x[..., self.numbers]] if self.numbers else []
        for column, table in zip(self.columns, self.tables, strict=True):
            codes = rows_of(x[..., column], len(table))
            if self.training and self.word_dropout > 0.0:
                kept = torch.empty_like(x[..., column])
                kept.bernoulli_(1.0 - self.word_dropout, generator=self.generator)
                codes = codes * kept.long()
            parts.append(functional.embedding(codes, table))
        if width is not None and width > self.n_outputs:
            parts.append(x.new_zeros(*x.shape[:-1], width - self.n_outputs))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    @torch.no_grad()
    def take(self, vectors: NDArray[Any]) -> None:
        """Begin with these vectors (n_categories, size) of the only categories."""
        self.tables[0][UNKNOWN_ROW + 1 :] = torch.from_numpy(np.array(vectors))

    def of_columns(self, read: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add up what belongs to each column: (..., n_outputs) to (..., n_features)."""
        owners = self.numbers + [
            column
            for column, size in zip(self.columns, self.sizes, strict=True)
            for _ in range(size)
        ]
        return read @ np.eye(len(self.numbers) + len(self.columns))[owners]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "generator": None}


def rows_of(codes: Tensor, n_rows: int) -> Tensor:
    """Find the rows of a table in which codes stand."""
    known = (codes >= 0) & (codes < n_rows - 1)
    return torch.where(known, codes + 1, UNKNOWN_ROW).long()
