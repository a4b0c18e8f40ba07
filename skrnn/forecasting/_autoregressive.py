"""The autoregressive network: one step gives the distribution of the next value.

Training reads whole windows at once, forecasts go step by step; both use the same
description of a step, the same encoder and the same head.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from skrnn._devices import check_memory
from skrnn._layers import Engine, Linear, cell_of, is_native, weights_of
from skrnn._modules import (
    Dropout,
    RecurrentEncoder,
    draw_parameters,
)
from skrnn._sizes import count_layer_weights
from skrnn.forecasting._heads import Point, make_head
from skrnn.forecasting._native_walk import Going, NativeWalk
from skrnn.forecasting._walker import State, Walker

__all__ = ["AutoregressiveModule", "begin_at", "encode", "roll"]

STEPS_AT_ONCE = 512  # of an encoding: bounds its memory
STEPS_KEPT = 64  # of a roll-out, until its memory goes on from its end
FREE_RUN = 0.5  # weight of the loss of a free run
N_ERRORS = 101  # quantiles kept of the errors of a point loss


class AutoregressiveModule(nn.Module):
    """Encoder and gated base: the seasonal naive forecast before any training.

    The centre of a distribution is a mixture of candidate forecasts, chosen by gates,
    plus a correction. The weights of the last layer begin with zero, and then the
    mixture is its first candidate, the value a season ago.

    With ``n_ahead=1`` each output of the encoder tells of the next value. With more, a
    small decoder tells of the next ``n_ahead`` values from one output (the local
    decoder of Wen et al., 2017, arXiv:1711.11053).
    """

    errors: Tensor
    spread: Tensor

    def __init__(
        self,
        cell: Any,
        n_columns: int,
        n_candidates: int,
        n_extras: int,
        lags: tuple[int, ...],
        n_ahead: int,
        loss: str,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        dtype: str,
        engine: Engine = "auto",
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "cell": cell,
            "n_columns": n_columns,
            "n_candidates": n_candidates,
            "n_extras": n_extras,
            "lags": tuple(lags),
            "n_ahead": n_ahead,
            "loss": loss,
            "hidden_size": hidden_size,
            "num_layers": num_layers,
            "dropout": dropout,
            "dtype": dtype,
            "engine": engine,
        }
        kind = getattr(torch, dtype)
        self.distribution = make_head(loss)
        n_inputs = n_columns * (n_candidates + 2) + 1 + n_extras
        sizes = [n_inputs] + [hidden_size] * (num_layers - 1)
        check_memory(count_layer_weights(cell, hidden_size, sizes), kind.itemsize)
        self.encoder = RecurrentEncoder(
            cell, n_inputs, hidden_size, num_layers, False, dropout, kind, engine
        )
        self.dropout = Dropout(dropout)
        n_read = n_columns * n_candidates + n_extras + 2
        self.decoder = (
            Linear(hidden_size + n_read, hidden_size, device="cpu", dtype=kind)
            if n_ahead > 1
            else None
        )
        n_outputs = n_columns * (n_candidates + 1 + self.distribution.n_raw)
        self.head = Linear(hidden_size + n_extras, n_outputs, device="cpu", dtype=kind)
        errors = torch.zeros(n_ahead, N_ERRORS, dtype=torch.float64, device="cpu")
        self.register_buffer("errors", errors)
        spread = torch.ones(1, dtype=torch.float64, device="cpu")
        self.register_buffer("spread", spread)

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Draw the encoder's weights; those of the last layer are zero."""
        self.to_empty(device="cpu")
        draw_parameters(self, self.config, generator)
        self.head.weight.zero_()
        self.errors.zero_()
        self.spread.fill_(1.0)

    def read(
        self, outputs: Tensor, scaled: Tensor, extras: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Map outputs of the encoder to centres (..., n_columns) and raw numbers.

        ``scaled`` are the candidates (..., n_columns, n_candidates), ``extras`` the
        exogenous numbers, whose straight effects need not be learned by the encoder.
        """
        n_columns, n_candidates = self.config["n_columns"], self.config["n_candidates"]
        known = self.dropout(outputs)
        if self.config["n_extras"]:
            known = torch.cat([known, extras], dim=-1)
        # steps are the last axis here: over a short last axis, softmax is slow
        rows = known.reshape(-1, known.shape[-1]).t()
        numbers = torch.addmm(self.head.bias[:, None], self.head.weight, rows)
        numbers = numbers.to(scaled.dtype).view(n_columns, -1, rows.shape[1])
        candidates = scaled.reshape(-1, n_columns, n_candidates).permute(1, 2, 0)
        share = torch.softmax(numbers[:, :n_candidates], dim=1)
        mixture = (share * candidates).sum(dim=1)
        away = functional.leaky_relu(torch.tanh(numbers[:, n_candidates]), 0.1)
        centre = torch.lerp(candidates[:, 0], mixture, away)
        raw = numbers[:, n_candidates + 1 :].permute(2, 0, 1)
        shape = scaled.shape[:-1]
        return centre.t().reshape(shape), raw.reshape(*shape, raw.shape[-1])

    def extras_of(self, inputs: Tensor) -> Tensor:
        """Exogenous numbers among the inputs of steps."""
        return inputs[..., inputs.shape[-1] - self.config["n_extras"] :]

    def look_ahead(
        self, outputs: Tensor, scaled: Tensor, extras: Tensor, ahead: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Map outputs to what they say of the value ``ahead`` steps on (from 1).

        ``scaled`` and ``extras`` belong to the step that is told of.
        """
        if self.decoder is not None:
            share = ahead / self.config["n_ahead"]
            place = extras.new_tensor([share, share**0.5]).expand(*extras.shape[:-1], 2)
            numbers = torch.asinh(scaled).flatten(-2).to(extras.dtype)
            read = torch.cat([outputs, numbers, extras, place], dim=-1)
            outputs = torch.tanh(self.decoder(read))
        return self.read(outputs, scaled, extras)

    def draw(
        self,
        centre: Tensor,
        raw: Tensor,
        uniform: Tensor | None,
        *units: Tensor,
        ahead: int = 1,
    ) -> Tensor:
        """Give the point forecast, or a draw for uniform numbers, around the origin."""
        point = self.distribution.point(centre, raw, *units)
        if uniform is None:
            return point
        if isinstance(self.distribution, Point):
            self.distribution.errors = self.errors[ahead - 1]
        draw = self.distribution.sample(centre, raw, uniform, *units)
        if self.distribution.counts:
            return draw
        return point + self.spread.to(point.dtype) * (draw - point)

    def walker(self, state: State) -> Walker:
        """Let series go on from where they stand; counts may be large."""
        kind = torch.float64 if self.distribution.counts else self.head.weight.dtype
        return Walker(state, self.config["lags"], kind)

    def step(
        self, walker: Walker, extra: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Read the coming step: its output, scaled candidates, inputs, new state."""
        scaled = walker.scaled()
        inputs = walker.inputs(scaled, extra)
        outputs, hidden = self.encoder.advance(inputs[:, None], hidden)
        return outputs[:, 0], scaled, inputs, hidden

    def units(self, walker: Walker) -> tuple[Tensor, ...]:
        """Give what heads must know besides their numbers: nothing for most."""
        return walker.units() if self.distribution.counts else ()

    def forward(
        self,
        inputs: Tensor,
        scaled: Tensor,
        targets: Tensor,
        known: Tensor,
        origin: Tensor,
        scale: Tensor,
        anchors: Tensor | None = None,
        state: dict[str, Tensor] | None = None,
        extras: Tensor | None = None,
        truth: Tensor | None = None,
        truth_known: Tensor | None = None,
        stands_for: int = 1,
    ) -> Tensor:
        """Loss of each window (n,).

        Steps are (n, n_steps, ...). From each of the ``anchors`` (n, n_anchors), steps
        of the window, the next values are forecast: ``truth`` (n, n_anchors, horizon,
        n_columns) with the ``extras`` and ``state`` that belong to it. One step at a
        time, the loss is that of all steps and of a free run from the only anchor,
        which ``stands_for`` those of batches without an anchor; directly, that of all
        values ahead of all anchors.
        """
        units = (origin / scale, scale) if self.distribution.counts else ()
        hidden = self.encoder.initial_state(len(inputs))
        if anchors is None or state is None or extras is None or truth is None:
            outputs, _ = self.encoder.advance(inputs, hidden)
            return self.loss_of(outputs, inputs, scaled, targets, known, *units)
        assert truth_known is not None  # narrows the type only
        extras, truth = extras.flatten(0, 1), truth.flatten(0, 1)
        truth_known = truth_known.flatten(0, 1)
        if self.decoder is not None:
            places = anchors[0]
            read = inputs[:, : int(places[-1]) + 1]
            outputs = self.encoder.advance(read, hidden)[0][:, places].flatten(0, 1)
            ahead = self.look_far(outputs, begin_at(state, hidden), extras, truth)
            each = [
                self.distribution.loss(centre, raw, target, *units)
                for centre, raw, target, units in ahead
            ]
            mean = masked_mean(torch.stack(each, dim=1), truth_known)
            return mean.view(len(inputs), -1).mean(1)
        n_before = inputs.shape[1] - truth.shape[1]
        context, hidden = self.encoder.advance(inputs[:, :n_before], hidden)
        rest, _ = self.encoder.advance(inputs[:, n_before:], hidden)
        outputs = torch.cat([context, rest], dim=1)
        loss = self.loss_of(outputs, inputs, scaled, targets, known, *units)
        free = self.free_run(begin_at(state, hidden), extras, truth)
        return loss + FREE_RUN * stands_for * masked_mean(free, truth_known)

    def loss_of(
        self,
        outputs: Tensor,
        inputs: Tensor,
        scaled: Tensor,
        targets: Tensor,
        known: Tensor,
        *units: Tensor,
    ) -> Tensor:
        """Mean loss of the steps of each window, each told of what came before it."""
        centre, raw = self.read(outputs, scaled, self.extras_of(inputs))
        losses = self.distribution.loss(centre, raw, targets, *units)
        return masked_mean(losses, known)

    def free_run(self, begin: State, extras: Tensor, truth: Tensor) -> Tensor:
        """Loss of each step (n, horizon, n_columns) of a run on own forecasts."""
        path = self.go(begin, extras)
        goal = (truth - begin.levels[:, -1:]) / begin.scale[:, None]
        losses = functional.huber_loss(path, goal.to(path.dtype), reduction="none")
        return losses.to(extras.dtype)

    def go(self, begin: State, extras: Tensor) -> Tensor:
        """Run freely: point forecasts (n, horizon, n_columns) as they are inside."""
        native = self.native_walk(begin, extras.shape[1])
        if native is not None:
            return native.run(extras, self.straight(extras))
        walker, hidden = self.walker(begin), begin.hidden
        found = []
        for extra in extras.unbind(1):
            level, units = walker.slow, self.units(walker)
            outputs, scaled, _, hidden = self.step(walker, extra, hidden)
            centre, raw = self.read(outputs, scaled, extra)
            new = level + self.distribution.point(centre, raw, *units).t()
            walker.push(new)
            found.append(new)
        return torch.stack(found, dim=-1).permute(1, 2, 0)

    def native_walk(self, begin: State, n_steps: int) -> NativeWalk | None:
        """Let the compiled library walk, if it can."""
        sizes = self.config
        layer = cast("nn.RNN", self.encoder.forward_layers[0])
        if (
            self.decoder is not None
            or sizes["num_layers"] > 1
            or (self.training and self.dropout.p > 0.0)
            or not is_native(sizes["engine"], layer, begin.hidden)
        ):
            return None
        head = self.head.weight[:, : sizes["hidden_size"]]
        return NativeWalk(
            Going(cell_of(layer), weights_of(layer), head),
            begin,
            sizes["lags"],
            layer.input_size,
            n_steps,
            self.distribution.counts,
        )

    def straight(self, extras: Tensor) -> Tensor:
        """Numbers of the head that exogenous ones (..., n_extras) add to the others."""
        weight = self.head.weight[:, self.config["hidden_size"] :]
        return functional.linear(extras, weight, self.head.bias)

    def look_far(
        self, outputs: Tensor, begin: State, extras: Tensor, truth: Tensor
    ) -> Iterator[tuple[Tensor, Tensor, Tensor, tuple[Tensor, ...]]]:
        """Centre, raw numbers, target and units of each step ahead."""
        walker = self.walker(begin)
        units = tuple(unit.to(outputs.dtype) for unit in walker.units())
        for step, value in enumerate(truth.unbind(1)):
            scaled = walker.scaled(step + 1).to(outputs.dtype)
            centre, raw = self.look_ahead(outputs, scaled, extras[:, step], step + 1)
            yield centre, raw, walker.inside(value).to(outputs.dtype), units


def begin_at(parts: dict[str, Tensor], hidden: Tensor) -> State:
    """Make a state of the parts that belong to anchors (n, n_anchors, ...)."""
    rows = {name: part.flatten(0, 1) for name, part in parts.items()}
    return State(hidden=hidden, **rows)


def masked_mean(values: Tensor, known: Tensor) -> Tensor:
    """Mean of the known values of each row, 0 if there are none."""
    values = torch.where(known, values, torch.zeros_like(values))
    return values.flatten(1).sum(1) / known.flatten(1).sum(1).clamp(min=1)


def roll(
    module: AutoregressiveModule,
    state: State,
    extras: Iterable[Tensor],
    uniforms: Iterator[Tensor] | None = None,
) -> Iterator[Tensor]:
    """Go on by the network's own forecasts: values (n, n_columns), step by step.

    ``extras`` give (n, n_extras) per step. Without ``uniforms`` (n, n_columns,
    n_uniforms) each point forecast is taken for true, with them a draw. A network that
    looks several steps ahead does so block by block, each from the values of the one
    before; the values of a path have the same uniform numbers throughout a block.
    """
    if not module.distribution.counts:  # whose draws want double precision
        native = module.native_walk(state, STEPS_KEPT)
        if native is not None:
            yield from roll_natively(module, native, extras, uniforms)
            return
    walker, n_ahead = module.walker(state), module.config["n_ahead"]
    hidden, ahead = state.hidden, iter(extras)
    while block := list(islice(ahead, n_ahead)):
        level, units = walker.slow, module.units(walker)
        outputs, scaled, _, hidden = module.step(walker, block[0], hidden)
        uniform = None if uniforms is None else next(uniforms)
        news = []
        for step, extra in enumerate(block, start=1):
            if step > 1:
                scaled = walker.scaled(step)
            centre, raw = module.look_ahead(outputs, scaled, extra, step)
            move = module.draw(centre, raw, uniform, *units, ahead=step)
            news.append(level + move.t())
            yield walker.outside(news[-1])
        walker.push(news[0])
        if len(block) == n_ahead:  # else this was the end
            for extra, new in zip(block[1:], news[1:], strict=True):
                *_, hidden = module.step(walker, extra, hidden)
                walker.push(new)


def roll_natively(
    module: AutoregressiveModule,
    native: NativeWalk,
    extras: Iterable[Tensor],
    uniforms: Iterator[Tensor] | None,
) -> Iterator[Tensor]:
    """Do what ``roll`` does, by the compiled library."""
    for extra in extras:
        centre, raw = native.look(extra, module.straight(extra))
        uniform = None if uniforms is None else next(uniforms)
        new = native.slow + module.draw(centre, raw, uniform)
        native.push(new)
        yield native.outside(new)


def encode(
    module: AutoregressiveModule, inputs: list[Tensor], hidden: Tensor, keep: bool
) -> tuple[Tensor, list[Tensor]]:
    """Read series of any lengths, each from its state on: states, and outputs if kept.

    Series of the same length go together; a longer one goes on when a shorter one has
    ended, so there is no padding.
    """
    lengths = torch.tensor([len(each) for each in inputs])
    order = torch.argsort(lengths, descending=True, stable=True)
    hidden = hidden[:, :, order].clone()
    outputs: list[list[Tensor]] = [[] for _ in inputs]
    start = 0
    for stop in cuts_of(lengths):
        n_rows = int((lengths >= stop).sum())
        rows = order[:n_rows].tolist()
        block = torch.stack([inputs[row][start:stop] for row in rows])
        out, hidden[:, :, :n_rows] = module.encoder.advance(
            block, hidden[:, :, :n_rows]
        )
        if keep:
            for row, each in zip(rows, out, strict=True):
                outputs[row].append(each)
        start = stop
    after = torch.empty_like(hidden)
    after[:, :, order] = hidden
    width = module.config["hidden_size"]
    empty = hidden.new_empty(0, width)
    return after, [torch.cat(each) if each else empty for each in outputs]


def cuts_of(lengths: Tensor) -> list[int]:
    """Where some series ends, and where a block would grow too long."""
    ends = torch.unique(lengths).tolist()
    cuts: list[int] = []
    for end in ends:
        start = cuts[-1] if cuts else 0
        cuts += list(range(start + STEPS_AT_ONCE, end, STEPS_AT_ONCE))
        if end > start:
            cuts.append(end)
    return cuts
