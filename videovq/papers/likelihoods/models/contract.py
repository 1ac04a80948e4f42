"""The likelihood autoencoder: a lower bound on log p(frame), and frames of its prior.

Shapes: ``s`` samples of the posterior, ``l`` latents at a position.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from videovq.frames import to_uint8
from videovq.models.autoencoder import decoder, encoder
from videovq.papers.likelihoods.config import LikelihoodConfig
from videovq.papers.likelihoods.models.pixels import CHANNELS, log_probability, mean_and_scale


@dataclass(frozen=True)
class LikelihoodOutput:
    """A forward pass.

    Attributes:
        bound: a lower bound on log p(frame), in nats.
        rate: KL divergence of the frame's posterior from the prior, in nats: what its latents cost.
        loss: what training minimises.
    """

    bound: Float[Tensor, "b"]
    rate: Float[Tensor, "b"]
    loss: Float[Tensor, ""]


class LikelihoodAutoencoder(nn.Module, ABC):
    """A likelihood autoencoder: the encoder and decoder of the pipeline's VQ-VAE around latents of some kind.

    Args:
        frame_size: height and width of a frame, in pixels.
        encoded: channels of the encoder's output.

    Attributes:
        dims: numbers in a frame.
        samples: samples of the posterior in the bound that training maximises.
    """

    samples = 1

    def __init__(self, config: LikelihoodConfig, frame_size: tuple[int, int], encoded: int) -> None:
        super().__init__()
        sizes = (config.hidden, config.residual_hidden, config.residual_blocks, config.downsamplings)
        stride = 2**config.downsamplings
        self.dims = 3 * math.prod(frame_size)
        self.grid = (frame_size[0] // stride, frame_size[1] // stride)
        self.encoder = encoder(*sizes, encoded)
        self.decoder = decoder(*sizes, config.latents * config.code_dim, CHANNELS)

    @abstractmethod
    def forward(self, frames: UInt8[Tensor, "b h w c"]) -> LikelihoodOutput:
        """The bound that training maximises."""

    @abstractmethod
    def rate(self, frames: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b"]:
        """KL divergence of each frame's posterior from the prior, in nats."""

    @abstractmethod
    def log_weights(self, frames: UInt8[Tensor, "b h w c"], samples: int) -> Float[Tensor, "s b"]:
        """log p(frame, z) - log q(z | frame) of samples z of the posterior q, in nats."""

    @abstractmethod
    def encode(self, frames: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b d y x"]:
        """The most likely latents of frames, as the decoder takes them."""

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "b d y x"]:
        """Latents of the prior, as the decoder takes them."""

    def multi_sample_bound(self, frames: UInt8[Tensor, "b h w c"], samples: int) -> Float[Tensor, "b"]:
        """E log mean of p(frame, z) / q(z | frame) over samples: tighter with every sample (Burda et al. 2016)."""
        return self.log_weights(frames, samples).logsumexp(dim=0) - math.log(samples)

    def decode(self, latents: Float[Tensor, "b d y x"]) -> UInt8[Tensor, "b h w c"]:
        """The mean frames of latents."""
        return to_uint8(mean_and_scale(self.decoder(latents))[0])

    def log_likelihood(
        self, frames: UInt8[Tensor, "b h w c"], latents: Float[Tensor, "s b d y x"]
    ) -> Float[Tensor, "s b"]:
        """log p(frame | z), in nats."""
        decoded = self.decoder(latents.flatten(0, 1)).unflatten(0, latents.shape[:2])
        return log_probability(frames, decoded)
