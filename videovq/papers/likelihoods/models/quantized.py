"""VQ-VAE with a likelihood of pixels: log p(x | z) + log p(z) of the one z that its encoder chooses.

Van den Oord et al. 2017, section 4.1: every other z only adds to p(x), so that this is a lower bound on log p(x).
"""

from __future__ import annotations

import math

import torch
from einops import rearrange
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from videovq.frames import to_float
from videovq.models.build import build_quantizer
from videovq.models.sampling import gumbel
from videovq.papers.likelihoods.config import QuantizedVAEConfig
from videovq.papers.likelihoods.models.contract import LikelihoodAutoencoder, LikelihoodOutput
from videovq.papers.prior import FramePrior


class QuantizedVAE(LikelihoodAutoencoder):
    """VQ-VAE with a likelihood: codes with a uniform prior, as in the paper's figures; beside it a PixelCNN learns
    p(codes), for a tighter bound and for samples. Its gradient does not reach the codes, which would become easy to
    predict.
    """

    def __init__(self, config: QuantizedVAEConfig, frame_size: tuple[int, int]) -> None:
        super().__init__(config, frame_size, config.latents * config.code_dim)
        self.latents = config.latents
        self.quantizer = build_quantizer(config.quantizer, config.code_dim)
        self.size = self.quantizer.codebook_size
        # Codes that are being learnt have no vectors that the prior could rely on.
        self.prior = FramePrior(
            config.prior, (self.latents * self.grid[0], self.grid[1]), torch.zeros(self.size, config.code_dim), 0
        )

    def forward(self, frames: UInt8[Tensor, "b h w c"]) -> LikelihoodOutput:
        """log p(x | z) + log p(z), p(z) uniform."""
        found = self.quantizer(self._vectors(frames))
        rate = self.rate(frames)
        bound = self.log_likelihood(frames, self._together(found.quantized)[None])[0] - rate
        loss = -bound.mean() / self.dims + found.loss + self._prior_nll(found.codes).mean() / self.dims
        return LikelihoodOutput(bound, rate, loss)

    def rate(self, frames: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b"]:
        """log K for every code (paper, section 3.1)."""
        codes = self.latents * math.prod(self.grid)
        return torch.full((len(frames),), codes * math.log(self.size), device=frames.device)

    def log_weights(self, frames: UInt8[Tensor, "b h w c"], samples: int) -> Float[Tensor, "s b"]:
        likelihood = self.log_likelihood(frames, self.encode(frames)[None])
        return (likelihood - self.rate(frames)).expand(samples, -1)

    def learned_prior_bound(self, frames: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b"]:
        """The bound with the PixelCNN's p(z) in place of the uniform one, in nats."""
        codes = self.quantizer.encode(self._vectors(frames))
        latents = self._together(self.quantizer.decode(codes))
        return self.log_likelihood(frames, latents[None])[0] - self._prior_nll(codes)

    def encode(self, frames: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b d y x"]:
        return self._together(self.quantizer.decode(self.quantizer.encode(self._vectors(frames))))

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "b d y x"]:
        """Latents drawn by the PixelCNN, as the decoder takes them."""
        noise = gumbel((count, *self.prior.grid, self.size), generator)
        codes = self.prior.draw(torch.zeros(count, dtype=torch.int64), noise)
        return self._together(self.quantizer.decode(codes))

    def _vectors(self, frames: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b d ly x"]:
        """The encoder's vectors; those of the latents at a position stand below each other."""
        return rearrange(self.encoder(to_float(frames)), "b (l d) y x -> b d (y l) x", l=self.latents)

    def _together(self, vectors: Float[Tensor, "b d ly x"]) -> Float[Tensor, "b ld y x"]:
        return rearrange(vectors, "b d (y l) x -> b (l d) y x", l=self.latents)

    def _prior_nll(self, codes: Int64[Tensor, "b ly x"]) -> Float[Tensor, "b"]:
        levels = torch.zeros(len(codes), dtype=torch.int64, device=codes.device)
        return self.prior(codes, levels).sum(dim=(1, 2))
