"""Heads: how raw numbers of a network become the distribution of the next value.

A head works in units of the scale of a series, around its origin. ``centre`` is where
the gated base puts the next value, ``raw`` holds ``n_raw`` numbers of the network, all
zero before training. ``origin`` is the origin in units of the scale; counts need it,
because their distributions are about the value itself.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

__all__ = ["HEADS", "Head", "make_head"]

SMALLEST = 1e-3  # of a spread, in units of the scale


def spread_of(raw: Tensor) -> Tensor:
    """Make a positive number, 1 for 0."""
    return functional.softplus(raw + math.log(math.e - 1.0)) + SMALLEST


class Head(ABC):
    """One distribution. ``point`` is what ``predict`` gives."""

    n_raw: int
    n_uniforms = 1  # per draw
    counts = False

    @abstractmethod
    def loss(
        self, centre: Tensor, raw: Tensor, target: Tensor, *units: Tensor
    ) -> Tensor:
        """Loss of each target; ``units`` are the origin and the scale."""

    @abstractmethod
    def sample(
        self, centre: Tensor, raw: Tensor, uniform: Tensor, *units: Tensor
    ) -> Tensor:
        """Turn uniform numbers (..., n_uniforms) into draws."""

    def point(self, centre: Tensor, raw: Tensor, *units: Tensor) -> Tensor:
        """Median (Normal, Student t, quantiles) or mean (counts)."""
        median: Tensor = centre + raw[..., 0]
        return median


class Normal(Head):
    """Normal distribution."""

    n_raw = 2

    def loss(
        self, centre: Tensor, raw: Tensor, target: Tensor, *units: Tensor
    ) -> Tensor:
        """Negative log-likelihood."""
        spread = spread_of(raw[..., 1])
        error = (target - self.point(centre, raw)) / spread
        losses: Tensor = 0.5 * error.square() + spread.log() + 0.5 * math.log(math.tau)
        return losses

    def sample(
        self, centre: Tensor, raw: Tensor, uniform: Tensor, *units: Tensor
    ) -> Tensor:
        """By the inverse of the distribution function."""
        normal: Tensor = torch.special.ndtri(uniform[..., 0]).to(raw.dtype)
        return self.point(centre, raw) + spread_of(raw[..., 1]) * normal


class StudentT(Head):
    """Student's t distribution with a learned number of degrees of freedom above 2."""

    n_raw = 3
    n_uniforms = 2

    @staticmethod
    def freedom(raw: Tensor) -> Tensor:
        """Degrees of freedom; 6 before training."""
        return 2.0 + functional.softplus(raw[..., 2] + 3.98)

    def loss(
        self, centre: Tensor, raw: Tensor, target: Tensor, *units: Tensor
    ) -> Tensor:
        """Negative log-likelihood."""
        losses: Tensor = StudentTLoss.apply(  # type: ignore[no-untyped-call]
            target - self.point(centre, raw), spread_of(raw[..., 1]), self.freedom(raw)
        )
        return losses

    def sample(
        self, centre: Tensor, raw: Tensor, uniform: Tensor, *units: Tensor
    ) -> Tensor:
        """By Bailey's polar method (1994, doi:10.1090/S0025-5718-1994-1203004-X)."""
        freedom = self.freedom(raw)
        first, second = uniform.to(raw.dtype).unbind(-1)
        radius = (freedom * torch.expm1(-2 / freedom * first.log())).sqrt()
        draw = radius * torch.cos(2 * math.pi * second)
        return self.point(centre, raw) + spread_of(raw[..., 1]) * draw


class StudentTLoss(torch.autograd.Function):
    """Negative log-likelihood of errors, with gradients written out.

    Recorded operation by operation it takes four times as long, as much of an update as
    a recurrent layer.
    """

    @staticmethod
    def forward(ctx: Any, error: Tensor, spread: Tensor, freedom: Tensor) -> Tensor:
        """Take tensors of equal shape, give the loss of each error."""
        error = error / spread
        square = error * error
        half, more = 0.5 * freedom, 0.5 * (freedom + 1.0)
        logarithm = torch.log1p(square / freedom)
        losses = torch.lgamma(half) - torch.lgamma(more) + more * logarithm
        losses += 0.5 * (freedom * math.pi).log() + spread.log()
        if any(ctx.needs_input_grad):
            slope = 2.0 * more / (freedom + square)  # times the error: its gradient
            share = slope * square
            of_freedom = torch.digamma(half) - torch.digamma(more) + logarithm
            of_freedom += (1.0 - share) / freedom
            ctx.save_for_backward(
                slope * error / spread, (1.0 - share) / spread, 0.5 * of_freedom
            )
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Give gradients of errors, spreads and degrees of freedom."""
        return tuple(grad * slope for slope in ctx.saved_tensors)


class Quantiles(Head):
    """Quantiles that cannot cross, between them straight lines, exponential tails."""

    levels = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975)
    n_raw = len(levels)  # the median, then the steps downwards and upwards

    def quantiles(self, centre: Tensor, raw: Tensor) -> Tensor:
        """Quantiles at ``levels``, (..., n_levels)."""
        middle = len(self.levels) // 2
        median = self.point(centre, raw)[..., None]
        normal = torch.special.ndtri(raw.new_tensor(self.levels))
        steps = spread_of(raw[..., 1:]) * normal.diff()
        below = steps[..., :middle].flip(-1).cumsum(-1).flip(-1)
        above = steps[..., middle:].cumsum(-1)
        return torch.cat([median - below, median, median + above], dim=-1)

    def loss(
        self, centre: Tensor, raw: Tensor, target: Tensor, *units: Tensor
    ) -> Tensor:
        """Twice the mean pinball loss, so that the median alone gives the error."""
        levels = raw.new_tensor(self.levels)
        error = target[..., None] - self.quantiles(centre, raw)
        losses: Tensor = 2 * torch.maximum(levels * error, (levels - 1) * error).mean(
            -1
        )
        return losses

    def sample(
        self, centre: Tensor, raw: Tensor, uniform: Tensor, *units: Tensor
    ) -> Tensor:
        """By the inverse of the distribution function."""
        quantiles, level = self.quantiles(centre, raw), uniform[..., :1]
        levels = level.new_tensor(self.levels)
        place = torch.searchsorted(levels, level.contiguous()).clamp(1, len(levels) - 1)
        quantiles = quantiles.expand(*level.shape[:-1], -1)
        low, high = quantiles.gather(-1, place - 1), quantiles.gather(-1, place)
        share = (level - levels[place - 1]) / (levels[place] - levels[place - 1])
        between = low + share * (high - low)
        first, last = levels[0], levels[-1]
        lower = quantiles[..., :1] + (level / first).log() / math.log(
            levels[1] / first
        ) * (quantiles[..., 1:2] - quantiles[..., :1])
        upper = quantiles[..., -1:] + ((1 - level) / (1 - last)).log() / math.log(
            (1 - levels[-2]) / (1 - last)
        ) * (quantiles[..., -2:-1] - quantiles[..., -1:])
        draw = torch.where(
            level < first, lower, torch.where(level > last, upper, between)
        )
        return draw[..., 0].to(raw.dtype)


class Counts(Head):
    """What the distributions of counts share: a mean above 0 that may be near it."""

    counts = True

    def mean(self, centre: Tensor, raw: Tensor, origin: Tensor) -> Tensor:
        """Mean count in units of the scale; almost the value itself, if positive."""
        value = origin + centre + raw[..., 0]
        return 0.5 * (value + (value.square() + 0.04).sqrt())

    def point(self, centre: Tensor, raw: Tensor, *units: Tensor) -> Tensor:
        """Give the mean."""
        return self.mean(centre, raw, units[0]) - units[0]


class Poisson(Counts):
    """Poisson distribution."""

    n_raw = 1

    def loss(
        self, centre: Tensor, raw: Tensor, target: Tensor, *units: Tensor
    ) -> Tensor:
        """Negative log-likelihood."""
        origin, scale = units
        mean = self.mean(centre, raw, origin) * scale
        count = (origin + target) * scale
        return mean - count * mean.log() + torch.lgamma(count.clamp(min=0.0) + 1)

    def sample(
        self, centre: Tensor, raw: Tensor, uniform: Tensor, *units: Tensor
    ) -> Tensor:
        """By the inverse of the distribution function."""
        origin, scale = units
        mean = self.mean(centre, raw, origin) * scale
        draws = stats.poisson.ppf(to_numpy(uniform[..., 0]), to_numpy(mean))
        return torch.from_numpy(draws).to(mean) / scale - origin


class NegativeBinomial(Counts):
    """Negative binomial distribution: a variance above the mean."""

    n_raw = 2

    def parts(
        self, centre: Tensor, raw: Tensor, *units: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Mean and number of failures; the variance is mean + mean**2 / failures."""
        origin, scale = units
        mean = self.mean(centre, raw, origin)
        failures = (mean / (0.5 * spread_of(raw[..., 1]))).square()
        return mean * scale, failures.clamp(1e-3, 1e6)

    def loss(
        self, centre: Tensor, raw: Tensor, target: Tensor, *units: Tensor
    ) -> Tensor:
        """Negative log-likelihood."""
        mean, failures = self.parts(centre, raw, *units)
        count = ((units[0] + target) * units[1]).clamp(min=0.0)
        total = (mean + failures).log()
        return (
            torch.lgamma(failures)
            + torch.lgamma(count + 1)
            - torch.lgamma(count + failures)
            - failures * (failures.log() - total)
            - count * (mean.log() - total)
        )

    def sample(
        self, centre: Tensor, raw: Tensor, uniform: Tensor, *units: Tensor
    ) -> Tensor:
        """By the inverse of the distribution function."""
        mean, failures = self.parts(centre, raw, *units)
        share = failures / (failures + mean)
        parts = map(to_numpy, (uniform[..., 0], failures, share))
        draws = torch.from_numpy(stats.nbinom.ppf(*parts)).to(mean)
        return draws / units[1] - units[0]


def to_numpy(tensor: Tensor) -> NDArray[np.float64]:
    """Give scipy what it can read."""
    array: NDArray[np.float64] = tensor.double().cpu().numpy()
    return array


class Point(Head):
    """One number and a loss; the spread comes from errors seen after training."""

    n_raw = 1

    def __init__(self, loss: str) -> None:
        self.name = loss
        self.errors = torch.zeros(2)  # quantiles at equal steps, in units of the scale

    def loss(
        self, centre: Tensor, raw: Tensor, target: Tensor, *units: Tensor
    ) -> Tensor:
        """Absolute or squared error, or Huber's mixture of both."""
        error = target - self.point(centre, raw)
        if self.name == "squared_error":
            return error.square()
        if self.name == "absolute_error":
            return error.abs()
        return functional.huber_loss(error, torch.zeros_like(error), reduction="none")

    def sample(
        self, centre: Tensor, raw: Tensor, uniform: Tensor, *units: Tensor
    ) -> Tensor:
        """Add an error drawn from those seen."""
        errors = self.errors.to(raw)
        place = uniform[..., 0] * (len(errors) - 1)
        below = place.long().clamp(max=len(errors) - 2)
        low, high = errors[below], errors[below + 1]
        draw = self.point(centre, raw) + low + (place - below) * (high - low)
        return draw.to(raw.dtype)


HEADS = {
    "normal": Normal,
    "student_t": StudentT,
    "negative_binomial": NegativeBinomial,
    "poisson": Poisson,
    "quantile": Quantiles,
    "huber": Point,
    "squared_error": Point,
    "absolute_error": Point,
}


def make_head(loss: str) -> Head:
    """Make the head whose loss has this name."""
    kind = HEADS[loss]
    return Point(loss) if kind is Point else kind()
