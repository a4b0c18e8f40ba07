"""What stands before the encoder: scaled features, and a stem for long sequences."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from skrnn._layers import Linear, map_rows

__all__ = ["KERNEL", "POOL", "Block", "InputScaling", "Stem"]

KERNEL = 9  # steps that a convolution sees
POOL = 4  # steps that become one
COLUMNS_TOGETHER = 16
EPSILON = 1e-5
MEMORY = 10.0  # batches that running statistics reach back


class InputScaling(nn.Module):
    """Bring features to mean 0 and deviation 1 over what is trained on."""

    mean: Tensor
    scale: Tensor

    def __init__(self, n_features: int, dtype: torch.dtype | None) -> None:
        super().__init__()
        zeros = torch.zeros(n_features, dtype=dtype, device="cpu")
        self.register_buffer("mean", zeros)
        self.register_buffer("scale", zeros + 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Take and give (..., n_features)."""
        return (x - self.mean) / self.scale

    def learn(self, mean: NDArray[np.float64], scale: NDArray[np.float64]) -> None:
        """Take the mean and the deviation of each feature."""
        self.mean.copy_(torch.from_numpy(mean))
        self.scale.copy_(torch.from_numpy(scale))

    def reset(self) -> None:
        """Leave features as they are."""
        self.mean.zero_()
        self.scale.fill_(1.0)


class Block(nn.Module):
    """Convolution, batch normalisation and ReLU; then the maximum over four steps.

    Ioffe & Szegedy (2015, arXiv:1502.03167). Padding counts nowhere.
    """

    mean: Tensor
    variance: Tensor
    n_batches: Tensor

    def __init__(
        self, n_features: int, n_channels: int, dtype: torch.dtype | None
    ) -> None:
        super().__init__()
        self.convolution = Linear(
            KERNEL * n_features, n_channels, bias=False, device="cpu", dtype=dtype
        )
        empty = torch.empty(n_channels, dtype=dtype, device="cpu")
        self.gain, self.bias = nn.Parameter(empty), nn.Parameter(empty.clone())
        self.register_buffer("mean", empty.clone())
        self.register_buffer("variance", empty.clone())
        self.register_buffer("n_batches", torch.empty_like(empty[:1]))

    def reset(self) -> None:
        """Forget the statistics of batches."""
        self.mean.zero_()
        self.variance.fill_(1.0)
        self.n_batches.zero_()

    def forward(self, x: Tensor, inside: Tensor | None) -> Tensor:
        """Map (n, n_steps, n_features) to (n, ceil(n_steps / 4), n_channels).

        ``inside`` (n, n_steps) tells steps from padding, which holds zeros.
        """
        x = torch.relu(self.train_on(x, inside) if self.training else self.apply_to(x))
        if inside is not None:
            x = x * inside[:, :, None]
        x = functional.pad(x, (0, 0, 0, -x.shape[1] % POOL))  # no maximum is below 0
        return x.view(len(x), -1, POOL, x.shape[2]).amax(dim=2)

    def train_on(self, x: Tensor, inside: Tensor | None) -> Tensor:
        """Normalise by the statistics of the batch, and take notice of them."""
        weight = self.convolution.weight
        kernels = weight.view(len(weight), -1, KERNEL)
        x = functional.conv1d(x.mT, kernels, padding=KERNEL // 2).mT
        rows = x.flatten(0, 1) if inside is None else x[inside]
        mean, variance = torch.zeros_like(self.mean), torch.zeros_like(self.variance)
        many = len(rows) > 1
        rows = functional.batch_norm(
            rows,
            mean if many else self.mean,
            variance if many else self.variance,
            self.gain,
            self.bias,
            training=many,
            momentum=1.0,
            eps=EPSILON,
        )
        if many:
            self.n_batches += 1.0
            newest = 1.0 / self.n_batches.clamp(max=MEMORY)
            self.mean.lerp_(mean, newest)
            self.variance.lerp_(variance, newest)
        if inside is None:
            return rows.view(len(x), -1, rows.shape[1])
        return torch.zeros_like(x).masked_scatter(inside[:, :, None], rows)

    def apply_to(self, x: Tensor) -> Tensor:
        """Do it with what was learned: products in which each row is alone.

        torch's convolution adds in an order that depends on the batch.
        """
        n, n_steps, _ = x.shape
        gain = self.gain * torch.rsqrt(self.variance + EPSILON)
        weight = self.convolution.weight * gain[:, None]
        around = KERNEL // 2
        rows = functional.pad(x, (0, 0, around, around)).unfold(1, KERNEL, 1)
        rows = rows.flatten(2).flatten(0, 1)
        more = -rows.shape[1] % COLUMNS_TOGETHER
        rows, weight = (functional.pad(each, (0, more)) for each in (rows, weight))
        outputs = map_rows(rows, weight, self.bias - self.mean * gain)
        return outputs.view(n, n_steps, len(weight))


class Stem(nn.Module):
    """Blocks before the encoder, each of which makes sequences a quarter as long.

    A recurrent layer over hundreds of steps is slow, and learns little from few
    sequences; the first layers of a fully convolutional network (Wang et al., 2017,
    arXiv:1611.06455) tell it what happens in each stretch of them.
    """

    def __init__(
        self, n_features: int, n_channels: int, n_blocks: int, dtype: torch.dtype | None
    ) -> None:
        super().__init__()
        sizes = [n_features] + [n_channels] * (n_blocks - 1)
        self.blocks = nn.ModuleList(Block(size, n_channels, dtype) for size in sizes)
        self.width = KERNEL * max(sizes)  # numbers of a step while it is applied

    def forward(
        self, x: Tensor, lengths: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Map (n, n_steps, n_features), with padding, to shorter ones."""
        for index, block in enumerate(self.blocks):
            inside = None
            if lengths is not None:
                inside = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
                if index == 0:
                    x = x * inside[:, :, None]
                lengths = -(-lengths // POOL)
            x = block(x, inside)
        return x, lengths
