"""VQ-VAE with two levels of codes (Razavi et al. 2019, arXiv 1906.00446, section 3.1).

The top level, half the sides of the bottom one, is quantized first; the bottom encodes what is left, given the top;
the decoder sees both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from videovq.models.autoencoder import decoder, encoder
from videovq.models.build import build_quantizer
from videovq.models.quantizers.contract import Quantizer
from videovq.papers.two_levels.config import VQVAE2Config
from videovq.types import QuantizerOutput

LevelName = Literal["top", "bottom"]
LEVEL_NAMES: tuple[LevelName, ...] = ("top", "bottom")


@dataclass(frozen=True)
class VQVAE2Output:
    """A forward pass.

    Attributes:
        reconstruction: -0.5..0.5, not clipped.
        top, bottom: codes, usage and loss of each level's quantizer.
        nmse: mean squared error over the variance of the training frames.
    """

    reconstruction: Float[Tensor, "b c h w"]
    top: QuantizerOutput
    bottom: QuantizerOutput
    nmse: Float[Tensor, ""]


class VQVAE2(nn.Module):
    """See the module's docstring.

    Args:
        config: the architecture.
        data_variance: variance of the training frames' values in -0.5..0.5, over all pixels and channels.
    """

    data_variance: Tensor

    def __init__(self, config: VQVAE2Config, data_variance: float = 1.0) -> None:
        super().__init__()
        hidden, dim = config.hidden, config.code_dim
        sizes = (hidden, config.residual_hidden, config.residual_blocks)
        self.stride = 2**config.downsamplings
        self.bottom_encoder = encoder(*sizes, config.downsamplings, hidden)
        self.top_encoder = encoder(*sizes, 1, dim, channels=hidden)
        self.top_quantizer = build_quantizer(config.top, dim)
        self.top_decoder = decoder(*sizes, 1, dim, channels=hidden)
        self.join = nn.Conv2d(2 * hidden, dim, 1)
        self.bottom_quantizer = build_quantizer(config.bottom, dim)
        self.enlarge = nn.ConvTranspose2d(dim, dim, 4, stride=2, padding=1)
        self.decoder = decoder(*sizes, config.downsamplings, 2 * dim)
        self.register_buffer("data_variance", torch.tensor(float(data_variance)))

    def forward(self, frames: Float[Tensor, "b c h w"]) -> VQVAE2Output:
        features = self.bottom_encoder(frames)
        top = self.top_quantizer(self.top_encoder(features))
        bottom = self.bottom_quantizer(self._rest(features, top.quantized))
        reconstruction = self._decode(top.quantized, bottom.quantized)
        nmse = (reconstruction - frames).pow(2).mean() / self.data_variance
        return VQVAE2Output(reconstruction, top, bottom, nmse)

    @property
    def device(self) -> torch.device:
        return self.data_variance.device

    def encode(self, frames: Float[Tensor, "b c h w"]) -> tuple[Int64[Tensor, "b y x"], Int64[Tensor, "b y2 x2"]]:
        """Top and bottom codes of frames in -0.5..0.5."""
        features = self.bottom_encoder(frames)
        top = self.top_quantizer.encode(self.top_encoder(features))
        return top, self.bottom_quantizer.encode(self._rest(features, self.top_quantizer.decode(top)))

    def encode_top(self, frames: Float[Tensor, "b c h w"]) -> Int64[Tensor, "b y x"]:
        """The top codes alone."""
        return self.top_quantizer.encode(self.top_encoder(self.bottom_encoder(frames)))

    def decode(self, top: Int64[Tensor, "b y x"], bottom: Int64[Tensor, "b y2 x2"]) -> Float[Tensor, "b c h w"]:
        """Frames of codes, about -0.5..0.5."""
        return self._decode(self.top_quantizer.decode(top), self.bottom_quantizer.decode(bottom))

    def _rest(self, features: Float[Tensor, "b w y2 x2"], top: Float[Tensor, "b d y x"]) -> Float[Tensor, "b d y2 x2"]:
        return self.join(torch.cat([features, self.top_decoder(top)], dim=1))

    def _decode(self, top: Float[Tensor, "b d y x"], bottom: Float[Tensor, "b d y2 x2"]) -> Float[Tensor, "b c h w"]:
        return self.decoder(torch.cat([self.enlarge(top), bottom], dim=1)).float()


class Level(nn.Module):
    """One of the two levels with the interface of a VQ-VAE, as ``encode_store`` wants it."""

    def __init__(self, network: VQVAE2, name: LevelName) -> None:
        super().__init__()
        self.network, self.name = network, name
        self.stride = network.stride * (2 if name == "top" else 1)

    @property
    def device(self) -> torch.device:
        return self.network.device

    @property
    def quantizer(self) -> Quantizer:
        return self.network.top_quantizer if self.name == "top" else self.network.bottom_quantizer

    def encode(self, frames: Float[Tensor, "b c h w"]) -> Int64[Tensor, "b y x"]:
        """This level's codes of frames in -0.5..0.5."""
        return self.network.encode_top(frames) if self.name == "top" else self.network.encode(frames)[1]
