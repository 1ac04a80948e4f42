"""VAE with Gaussian latents (Kingma and Welling 2013, arXiv 1312.6114)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from videovq.frames import to_float
from videovq.papers.likelihoods.config import GaussianVAEConfig
from videovq.papers.likelihoods.models.contract import LikelihoodAutoencoder, LikelihoodOutput


class GaussianVAE(LikelihoodAutoencoder):
    """VAE: independent Gaussian latents given the frame; a standard normal prior."""

    def __init__(self, config: GaussianVAEConfig, frame_size: tuple[int, int]) -> None:
        super().__init__(config, frame_size, 2 * config.latents * config.code_dim)
        self.width = config.latents * config.code_dim

    def forward(self, frames: UInt8[Tensor, "b h w c"]) -> LikelihoodOutput:
        """The evidence lower bound, with one sample (paper, equation 10)."""
        mean, log_std = self._posterior(frames)
        rate = _kl_divergence(mean, log_std)
        latents = mean + log_std.exp() * torch.randn_like(mean)
        bound = self.log_likelihood(frames, latents[None])[0] - rate
        return LikelihoodOutput(bound, rate, -bound.mean() / self.dims)

    def rate(self, frames: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b"]:
        return _kl_divergence(*self._posterior(frames))

    def log_weights(self, frames: UInt8[Tensor, "b h w c"], samples: int) -> Float[Tensor, "s b"]:
        mean, log_std = self._posterior(frames)
        noise = torch.randn(samples, *mean.shape, device=mean.device)
        latents = mean + log_std.exp() * noise
        # The normalising constants of prior and posterior are the same.
        ratio = (0.5 * (noise.pow(2) - latents.pow(2)) + log_std).sum(dim=(2, 3, 4))
        return self.log_likelihood(frames, latents) + ratio

    def encode(self, frames: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b d y x"]:
        return self._posterior(frames)[0]

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "b d y x"]:
        return torch.randn(count, self.width, *self.grid, generator=generator)

    def _posterior(self, frames: UInt8[Tensor, "b h w c"]) -> tuple[Float[Tensor, "b d y x"], Float[Tensor, "b d y x"]]:
        """Mean and logarithm of the standard deviation of the posterior."""
        mean, log_std = self.encoder(to_float(frames)).float().chunk(2, dim=1)
        return mean, log_std.clamp(-math.log(1e4), math.log(1e2))


def _kl_divergence(mean: Float[Tensor, "b d y x"], log_std: Float[Tensor, "b d y x"]) -> Float[Tensor, "b"]:
    """KL divergence of a Gaussian posterior from the standard normal prior, in nats."""
    return 0.5 * (mean.pow(2) + (2 * log_std).exp() - 1 - 2 * log_std).sum(dim=(1, 2, 3))
