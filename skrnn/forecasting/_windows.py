"""Windows of many series, gathered from arrays that hold each step once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skrnn._batches import Share
from skrnn.forecasting._levels import Steps, memory_of, period_of
from skrnn.forecasting._walker import describe

__all__ = ["Described", "StepTable", "WindowDataset", "describe_steps"]


AT_ONCE = 256  # windows, where no gradients are kept


class Described(NamedTuple):
    """One series as the network reads it; tensors with a leading axis of steps."""

    steps: Steps
    inputs: Tensor  # (n_steps, n_inputs)
    scaled: Tensor  # (n_steps, n_columns, n_candidates)
    extras: Tensor  # (n_steps, n_extras), exogenous numbers, a part of the inputs
    free_extras: Tensor  # the same, as they are in a free run
    known: Tensor  # (n_steps, n_columns), false for missing values


def describe_steps(
    steps: Steps,
    missing_before: NDArray[np.bool_],
    missing: NDArray[np.bool_],
    extras: NDArray[np.float64],
    free_extras: NDArray[np.float64],
    dtype: torch.dtype,
) -> Described:
    """Put the statistics of a series and its exogenous numbers together."""
    scaled, numbers = describe(
        torch.from_numpy(steps.candidates),
        torch.from_numpy(steps.origin),
        torch.from_numpy(steps.scale),
        torch.from_numpy(steps.size),
        torch.from_numpy(steps.n_seen.astype(np.float64))[:, None],
        torch.from_numpy(missing_before.astype(np.float64)),
    )
    exogenous = torch.from_numpy(extras).to(dtype)
    return Described(
        steps=steps,
        inputs=torch.cat([numbers.to(dtype), exogenous], dim=1),
        scaled=scaled.to(dtype),
        extras=exogenous,
        free_extras=torch.from_numpy(free_extras).to(dtype),
        known=torch.from_numpy(~missing),
    )


class StepTable:
    """All steps of all series, one after the other, each series with its past first."""

    def __init__(
        self, series: list[Described], lags: tuple[int, ...], device: torch.device
    ) -> None:
        self.memory = memory_of(lags)
        dtype = series[0].inputs.dtype

        def join(name: str, kind: torch.dtype | None = None) -> Tensor:
            return torch.cat([getattr(each, name) for each in series]).to(device, kind)

        def join_statistic(name: str) -> Tensor:
            arrays = [getattr(each.steps, name) for each in series]
            return torch.from_numpy(np.concatenate(arrays)).to(device)

        def join_padded(name: str, begin: float = 1.0) -> Tensor:
            """Put ``begin`` times its first value before each series."""
            parts = []
            for each in series:
                first = begin * each.steps.values[:1]
                array = getattr(each.steps, name)
                parts += [np.repeat(first, self.memory, axis=0), array]
            return torch.from_numpy(np.concatenate(parts)).to(device)

        self.inputs, self.free_extras = join("inputs"), join("free_extras")
        self.known, self.values = join("known"), join_statistic("values")
        self.scale, self.size = join_statistic("scale"), join_statistic("size")
        self.n_seen = join_statistic("n_seen")
        self.fast, self.trend = join_statistic("fast"), join_statistic("trend")
        scaled, origin = join("scaled"), join_statistic("origin")
        self.shape = scaled.shape[1:]  # n_columns, n_candidates
        targets = (self.values - origin) / self.scale
        # side by side, because gathering rows takes as long for few numbers as for many
        parts = [scaled.flatten(1), targets, origin, self.scale, self.known]
        self.about = torch.cat([part.to(dtype) for part in parts], dim=1)
        self.widths = [part.shape[1] for part in parts]
        self.padded_values = join_padded("values")
        self.padded_levels = join_padded("levels")
        self.padded_profile = join_padded("profile", begin=0.0)
        self.period = period_of(lags)
        self.lengths = np.array([len(each.inputs) for each in series])
        self.begins = np.concatenate([[0], np.cumsum(self.lengths)])

    def windows(
        self,
        ends: NDArray[np.int64],
        n_steps: int,
    ) -> dict[str, Any]:
        """Gather windows of n_steps that end before the places ``ends``."""
        steps = torch.from_numpy(ends[:, None] + np.arange(-n_steps, 0))
        rows = steps.flatten().to(self.inputs.device)
        inputs = self.inputs.index_select(0, rows).view(len(ends), n_steps, -1)
        about = self.about.index_select(0, rows).view(len(ends), n_steps, -1)
        scaled, targets, origin, scale, known = torch.split(about, self.widths, dim=-1)
        return {
            "inputs": inputs,
            "scaled": scaled.view(*scaled.shape[:-1], *self.shape),
            "targets": targets,
            "known": known > 0,
            "origin": origin,
            "scale": scale,
        }

    def anchored(
        self,
        ends: NDArray[np.int64],
        series: NDArray[np.int64],
        n_steps: int,
        horizon: int,
        n_anchors: int = 1,
    ) -> dict[str, Any]:
        """Gather what belongs to anchors of windows, (n_windows, n_anchors, ...).

        The last anchor is ``horizon`` steps before the end; more lie before it.
        """
        device = self.inputs.device
        last = n_steps - horizon
        anchors = np.unique(np.linspace(max(1, last // 4), last, n_anchors).astype(int))
        anchors = anchors if n_anchors > 1 else np.array([last])
        begins = ends[:, None] - n_steps + anchors
        start = torch.from_numpy(begins).to(device)  # (n, n_anchors)
        pads = torch.from_numpy(begins + (series[:, None] + 1) * self.memory).to(device)
        past = pads[..., None] + torch.arange(-self.memory, 0, device=device)
        free = start[..., None] + torch.arange(horizon, device=device)
        state = {  # a dict: skorch keeps its form
            "values": self.padded_values[past],
            "levels": self.padded_levels[past],
            "profile": self.padded_profile[past[..., -self.period :]],
            "fast": self.fast[start - 1],
            "trend": self.trend[start - 1],
            "scale": self.scale[start],
            "size": self.size[start],
            "n_seen": self.n_seen[start][..., None].double(),
        }
        n_extras = self.free_extras.shape[1]
        extras = self.free_extras[free]
        # the first step of a free run knows what the step before it has told
        extras[:, :, 0] = self.inputs[start, self.inputs.shape[1] - n_extras :]
        return {
            "anchors": torch.from_numpy(anchors).to(device).expand(len(ends), -1),
            "state": state,
            "extras": extras,
            "truth": self.values[free],
            "truth_known": self.known[free],
        }


class WindowDataset(torch.utils.data.Dataset[Any]):
    """Windows that end at given places, drawn at random or all in order.

    ``ends`` are places in the table just after a window's last step, ``series`` says to
    which series each belongs, and ``lengths`` how many steps it may have. One batch
    in ``free_every`` of those that are drawn runs freely, and stands for the others.
    """

    def __init__(
        self,
        table: StepTable,
        ends: NDArray[np.int64],
        series: NDArray[np.int64],
        lengths: NDArray[np.int64],
        horizon: int,
        n_batches: int | None = None,
        n_anchors: int = 1,
        free_every: int = 1,
    ) -> None:
        self.table, self.ends, self.series = table, ends, series
        self.lengths, self.horizon, self.n_batches = lengths, horizon, n_batches
        self.n_anchors, self.free_every = n_anchors, free_every

    def __len__(self) -> int:
        return len(self.ends)

    def iterator(
        self,
        batch_size: int,
        generator: np.random.Generator | None = None,
        n_epochs: int = 0,
        share: Share | None = None,
    ) -> WindowIterator:
        """Make what gives the batches of one epoch, after ``n_epochs`` of them."""
        return WindowIterator(self, batch_size, generator, n_epochs, share)

    def batch(
        self, rows: NDArray[np.int64], stands_for: int = 1, share: Share | None = None
    ) -> Any:
        """Gather some windows, as long as the shortest of them: (inputs, targets).

        With ``stands_for=0`` they have no anchors.
        """
        n_steps, n_rows = int(self.lengths[rows].min()), len(rows)
        rows = rows if share is None else share(rows)
        ends, series = self.ends[rows], self.series[rows]
        inputs = self.table.windows(ends, n_steps)
        if stands_for:
            inputs |= self.table.anchored(
                ends, series, n_steps, self.horizon, self.n_anchors
            )
            inputs["stands_for"] = stands_for
        if share is not None:
            inputs["n_rows"] = n_rows
        return inputs, torch.ones(len(rows), device=self.table.inputs.device)


class WindowIterator:
    """Batches of windows of similar length.

    With a generator, ``n_batches`` of the dataset are drawn, each window once before
    any comes again; without one, all windows come once.
    """

    def __init__(
        self,
        dataset: WindowDataset,
        batch_size: int,
        generator: np.random.Generator | None,
        n_epochs: int = 0,
        share: Share | None = None,
    ) -> None:
        self.dataset, self.generator, self.share = dataset, generator, share
        self.batch_size = batch_size
        at_once = batch_size if generator is not None else max(batch_size, AT_ONCE)
        wanted = -(-len(dataset) // at_once)
        self.n_batches = wanted if generator is None else dataset.n_batches or wanted
        self.n_drawn = n_epochs * self.n_batches

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[Any]:
        n = len(self.dataset)
        if self.generator is None:
            rows = np.argsort(self.dataset.lengths, kind="stable")
            for batch in np.array_split(rows, self.n_batches):
                yield self.dataset.batch(batch, share=self.share)
            return
        n_drawn = self.n_batches * self.batch_size
        rounds = [self.generator.permutation(n) for _ in range(-(-n_drawn // n))]
        rows = np.concatenate(rounds)[:n_drawn]
        if n < self.batch_size:
            rows = rows[: self.n_batches * n]
        rows = rows[np.argsort(self.dataset.lengths[rows], kind="stable")]
        batches = np.array_split(rows, self.n_batches)
        for place in self.generator.permutation(len(batches)):
            due = self.n_drawn % self.dataset.free_every == 0
            self.n_drawn += 1
            stands_for = self.dataset.free_every * due
            yield self.dataset.batch(batches[place], stands_for, self.share)
