"""Write targets with a fitted transducer: the most probable ones, by beam search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skrnn._attending import Memory, TransducerModule
from skrnn._devices import plain_torch
from skrnn._layers import is_native
from skrnn._running import blocks_of_rows
from skrnn._sequences import Sequences

__all__ = ["Candidate", "attention", "embed_sources", "log_probabilities", "search"]

SOURCES = 32  # read side by side


class Candidate(NamedTuple):
    """What may be written, without the mark of the end."""

    codes: list[int]
    log_probability: float
    n_steps: int  # with the mark

    @property
    def rank(self) -> float:
        """The mean over the steps: long targets are not at a disadvantage."""
        return self.log_probability / self.n_steps


def search(
    module: TransducerModule, sequences: Sequences, beam_size: int, max_length: int
) -> list[list[Candidate]]:
    """Find the best candidates of each source, the best first.

    Of all candidates that are one token longer, the best ``beam_size`` are kept; those
    that end are done. So it goes on until as many are done, and none that is not ranks
    higher. With one, each token is the most probable.
    """
    found: list[list[Candidate]] = [[] for _ in range(len(sequences))]
    for rows, memory, state in read_sources(module, sequences, beam_size):
        with plain_torch(state.device, gradients=False):
            beams = Beams(module, memory, state, beam_size)
            for length in range(max_length + 1):
                if not beams.step(module, must_end=length == max_length):
                    break
            for row, candidates in zip(rows, beams.done, strict=True):
                candidates.sort(key=lambda one: -one.rank)
                found[row] = candidates[:beam_size]
    return found


class Beams:
    """Candidates of some sources, ``beam_size`` each, that are written side by side."""

    def __init__(
        self, module: TransducerModule, memory: Memory, state: Tensor, beam_size: int
    ) -> None:
        n = state.shape[2]
        self.size, self.mark = beam_size, module.config["n_outputs"] - 1
        self.places = np.arange(n)  # of the sources that are not done
        rows = torch.arange(n, device=state.device).repeat_interleave(beam_size)
        self.memory, self.state = memory.take(rows), state[:, :, rows]
        self.tokens = np.full((n, beam_size, 1), self.mark)
        self.totals = np.full((n, beam_size), -np.inf)
        self.totals[:, 0] = 0.0  # in the beginning, there is one candidate only
        self.done: list[list[Candidate]] = [[] for _ in range(n)]

    def step(self, module: TransducerModule, must_end: bool) -> bool:
        """Write one token more, or the mark of the end; whether any source is left."""
        last = torch.from_numpy(self.tokens[:, :, -1].reshape(-1)).to(self.state)
        scores, state, _ = module.write(last, self.state, self.memory)
        said = torch.log_softmax(scores.double(), dim=1).cpu().numpy()
        totals = self.totals[:, :, None] + said.reshape(*self.totals.shape, -1)
        n_codes = totals.shape[2]
        if must_end:
            totals[:, :, : self.mark] = -np.inf
        flat = totals.reshape(len(totals), -1)
        best = best_of(flat, 2 * self.size)
        parents, codes = best // n_codes, best % n_codes
        values = np.take_along_axis(flat, best, axis=1)
        n_steps = self.tokens.shape[2]
        kept, chosen = [], []
        for row, place in enumerate(self.places):
            ends = codes[row] == self.mark
            for k in np.flatnonzero(ends[: self.size]):
                if np.isfinite(values[row, k]):
                    codes_of = self.tokens[row, parents[row, k], 1:].tolist()
                    total = float(values[row, k])
                    self.done[place].append(Candidate(codes_of, total, n_steps))
            going = np.flatnonzero(~ends)[: self.size]
            best_done = max((one.rank for one in self.done[place]), default=-np.inf)
            enough = len(self.done[place]) >= self.size
            if not enough or values[row, going[0]] / n_steps > best_done:
                kept.append(row)
                chosen.append(going)
        if not kept:
            self.places = self.places[:0]
            return False
        rows, ways = np.array(kept)[:, None], np.array(chosen)
        parents, codes = parents[rows, ways], codes[rows, ways]
        self.totals = values[rows, ways]
        self.places = self.places[kept]
        before = self.tokens[rows, parents]
        self.tokens = np.concatenate([before, codes[:, :, None]], axis=2)
        index = torch.from_numpy((rows * self.size + parents).reshape(-1))
        index = index.to(self.state.device)
        self.state, self.memory = state[:, :, index], self.memory.take(index)
        return True


def best_of(totals: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Give the places of the ``n`` largest of each row, the largest first."""
    places = np.tile(np.arange(totals.shape[1]), (len(totals), 1))
    if totals.shape[1] > n:
        places = np.sort(np.argpartition(-totals, n - 1, axis=1)[:, :n], axis=1)
    values = np.take_along_axis(totals, places, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(places, order, axis=1)


def log_probabilities(
    module: TransducerModule, sequences: Sequences, targets: list[NDArray[np.int64]]
) -> list[NDArray[np.float64]]:
    """Say of each token of targets, and of their ends, how probable it is."""
    found = [np.empty(len(codes) + 1) for codes in targets]
    for rows, step, written, scores, _ in follow(module, sequences, targets):
        said = torch.log_softmax(scores.double(), dim=1).cpu().numpy()
        for place, (row, code) in enumerate(zip(rows, written, strict=True)):
            if step < len(found[row]):  # no target has had a token of code -1
                found[row][step] = said[place, code] if code >= 0 else -np.inf
    return found


def attention(
    module: TransducerModule, sequences: Sequences, targets: list[NDArray[np.int64]]
) -> list[NDArray[np.float64]]:
    """Say how much each token of a target, and its end, looks at those of its source.

    Shares (n_target_steps + 1, n_source_steps), which add up to 1.
    """
    lengths = sequences.lengths
    found = [
        np.empty((len(codes) + 1, length))
        for codes, length in zip(targets, lengths, strict=True)
    ]
    for rows, step, _, _, shares in follow(module, sequences, targets):
        looked = shares.cpu().numpy()
        for place, row in enumerate(rows):
            if step < len(found[row]):
                found[row][step] = looked[place, : lengths[row]]
    return found


def follow(
    module: TransducerModule, sequences: Sequences, targets: list[NDArray[np.int64]]
) -> Iterator[tuple[NDArray[np.int64], int, NDArray[np.int64], Tensor, Tensor]]:
    """Follow how given targets are written, some of them side by side.

    Which, the step, the codes written there, and the scores and shares of attention
    that the network had for them.
    """
    mark = module.config["n_outputs"] - 1
    for rows, memory, state in read_sources(module, sequences):
        n_steps = max(len(targets[row]) for row in rows) + 1
        codes = np.full((len(rows), n_steps), mark)
        for place, row in enumerate(rows):
            codes[place, : len(targets[row])] = targets[row]
        written = np.full(len(rows), mark)
        for step in range(n_steps):
            with plain_torch(state.device, gradients=False):
                last = torch.from_numpy(written).to(state)
                scores, state, shares = module.write(last, state, memory)
            written = codes[:, step]
            yield rows, step, written, scores, shares


def embed_sources(
    module: TransducerModule, sequences: Sequences
) -> NDArray[np.float64]:
    """Give what the encoder makes of sources: the last output of each direction."""
    found = np.empty((len(sequences), module.encoder.output_size))
    for rows, x, lengths in source_blocks(module, sequences):
        with plain_torch(x.device, gradients=False):
            last = module.encoder.read(module.source(x), lengths).last
            found[rows] = last.cpu().numpy()
    return found


def read_sources(
    module: TransducerModule, sequences: Sequences, n_each: int = 1
) -> Iterator[tuple[NDArray[np.int64], Memory, Tensor]]:
    """Read sources of similar length: their places, and how a decoder begins.

    Each will be kept so many times.
    """
    for rows, x, lengths in source_blocks(module, sequences, n_each):
        with plain_torch(x.device, gradients=False):
            memory, state = module.remember(x, lengths)
        yield rows, memory, state


def source_blocks(
    module: TransducerModule, sequences: Sequences, n_each: int = 1
) -> Iterator[tuple[NDArray[np.int64], Tensor, Tensor]]:
    """Pad sources to lengths that depend on their own only."""
    weight, width = module.head.weight, 2 * module.encoder.output_size * n_each
    most = SOURCES if computes_rows_alone(module) else 1
    for group, n_steps in blocks_of_rows(sequences.lengths, SOURCES, width):
        for rows in np.split(np.asarray(group), range(most, len(group), most)):
            block = sequences[rows]
            x = torch.zeros(len(rows), n_steps, 1, dtype=weight.dtype)
            x.numpy()[np.arange(n_steps) < block.lengths[:, None]] = block.values
            lengths = torch.from_numpy(block.lengths)
            yield rows, x.to(weight.device), lengths.to(weight.device)


def computes_rows_alone(module: TransducerModule) -> bool:
    """Whether what a row gives does not depend on how many there are.

    Layers of torch add in an order of their own; on a GPU, all do.
    """
    like: Any = module.head.weight
    layers = [*module.encoder.forward_layers, *module.decoder.forward_layers]
    layers += module.encoder.backward_layers or []
    engine: Any = module.encoder.engine
    native = all(is_native(engine, layer, like) for layer in layers)
    return native or like.device.type != "cpu"
