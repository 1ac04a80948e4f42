"""Encoder and decoder of the per-frame VQ-VAE (van den Oord et al. 2017, section 4.1)."""

from __future__ import annotations

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """x + conv1x1(ReLU(conv3x3(ReLU(x))))."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(), nn.Conv2d(channels, hidden, 3, padding=1), nn.ReLU(True), nn.Conv2d(hidden, channels, 1)
        )

    def forward(self, x: Float[Tensor, "b c y x"]) -> Float[Tensor, "b c y x"]:
        return x + self.layers(x)


def encoder(
    hidden: int, residual_hidden: int, residual_blocks: int, downsamplings: int, code_dim: int, channels: int = 3
) -> nn.Module:
    """Pixels ``b 3 h w`` in -0.5..0.5, or other ``channels`` -> vectors ``b d y x`` with y = h / 2**downsamplings."""
    widths = [channels, *(hidden // 2 if i + 1 < downsamplings else hidden for i in range(downsamplings))]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.ReLU(True)]
    layers += [nn.Conv2d(hidden, hidden, 3, padding=1)]
    layers += [ResidualBlock(hidden, residual_hidden) for _ in range(residual_blocks)]
    layers += [nn.ReLU(True), nn.Conv2d(hidden, code_dim, 1)]
    return nn.Sequential(*layers)


def decoder(
    hidden: int, residual_hidden: int, residual_blocks: int, downsamplings: int, code_dim: int, channels: int = 3
) -> nn.Module:
    """Vectors ``b d y x`` -> pixels ``b 3 h w``, about -0.5..0.5; or as many other ``channels``."""
    widths = [*(hidden if i == 0 else hidden // 2 for i in range(downsamplings)), channels]
    layers: list[nn.Module] = [nn.Conv2d(code_dim, hidden, 3, padding=1)]
    layers += [ResidualBlock(hidden, residual_hidden) for _ in range(residual_blocks)]
    for before, after in pairwise(widths):
        layers += [nn.ReLU(True), nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)]
    return nn.Sequential(*layers)
