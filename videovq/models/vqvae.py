"""The per-frame VQ-VAE: encoder, quantizer, decoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from videovq.config import VQVAEConfig
from videovq.models.autoencoder import decoder, encoder
from videovq.models.build import build_quantizer
from videovq.types import QuantizerOutput


@dataclass(frozen=True)
class VQVAEOutput:
    """A forward pass.

    Attributes:
        reconstruction: -0.5..0.5, not clipped.
        quantizer: codes, usage and the quantizer's loss.
        nmse: mean squared error over the variance of the training frames.
    """

    reconstruction: Float[Tensor, "b c h w"]
    quantizer: QuantizerOutput
    nmse: Float[Tensor, ""]


class VQVAE(nn.Module):
    """VQ-VAE (van den Oord et al. 2017).

    Args:
        config: the architecture.
        data_variance: variance of the training frames' values in -0.5..0.5, over all pixels and channels.
    """

    data_variance: Tensor

    def __init__(self, config: VQVAEConfig, data_variance: float = 1.0) -> None:
        super().__init__()
        sizes = (config.hidden, config.residual_hidden, config.residual_blocks, config.downsamplings, config.code_dim)
        self.stride = 2**config.downsamplings
        self.encoder = encoder(*sizes)
        self.quantizer = build_quantizer(config.quantizer, config.code_dim)
        self.decoder = decoder(*sizes)
        self.register_buffer("data_variance", torch.tensor(float(data_variance)))

    def forward(self, frames: Float[Tensor, "b c h w"]) -> VQVAEOutput:
        quantized = self.quantizer(self.encoder(frames))
        reconstruction = self.decoder(quantized.quantized).float()
        nmse = (reconstruction - frames).pow(2).mean() / self.data_variance
        return VQVAEOutput(reconstruction, quantized, nmse)

    @property
    def device(self) -> torch.device:
        return self.data_variance.device

    def encode(self, frames: Float[Tensor, "b c h w"]) -> Int64[Tensor, "b y x"]:
        """Codes of frames in -0.5..0.5."""
        return self.quantizer.encode(self.encoder(frames))

    def decode(self, codes: Int64[Tensor, "b y x"]) -> Float[Tensor, "b c h w"]:
        """Frames of codes, about -0.5..0.5, computed in whatever precision the decoder is."""
        precision = next(self.decoder.parameters()).dtype
        return self.decoder(self.quantizer.decode(codes).to(precision)).float()
