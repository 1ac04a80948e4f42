"""Categorical latents learnt by VIMCO (Mnih and Rezende 2016, arXiv 1602.06725)."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn.functional import embedding

from videovq.config import VIMCOConfig
from videovq.frames import to_float
from videovq.models.densities.contract import Density, DensityOutput


def vimco(
    log_weights: Float[Tensor, "s b"], log_posterior: Float[Tensor, "s b"]
) -> tuple[Float[Tensor, "b"], Float[Tensor, "b"]]:
    """The multi-sample bound, and what has its gradient.

    The signal of a sample is how much it raises the bound above that with the geometric mean of the others in its
    place (paper, equations 5 to 10).

    Args:
        log_weights: log p(x, z) - log q(z | x) of two samples z or more.
        log_posterior: log q(z | x).

    Returns:
        The bound, and a surrogate: its gradient's expectation is the gradient of the bound's expectation.
    """
    samples = len(log_weights)
    bound = log_weights.logsumexp(dim=0) - math.log(samples)
    weights = log_weights.detach()
    others = (weights.sum(dim=0) - weights) / (samples - 1)
    replaced = torch.where(torch.eye(samples, dtype=torch.bool, device=weights.device)[..., None], others, weights)
    signal = bound.detach() - (replaced.logsumexp(dim=1) - math.log(samples))
    return bound, bound + (signal * log_posterior).sum(dim=0)


class VIMCO(Density):
    """Independent categorical latents given the frame, with one vector for each of their values; a uniform prior."""

    def __init__(self, config: VIMCOConfig, frame_size: tuple[int, int]) -> None:
        if config.samples < 2:
            raise ValueError("model.samples: VIMCO needs two or more")
        super().__init__(config, frame_size, config.latents * config.codebook_size)
        self.samples, self.latents, self.size = config.samples, config.latents, config.codebook_size
        self.vectors = nn.Parameter(torch.randn(config.codebook_size, config.code_dim))

    def forward(self, frames: UInt8[Tensor, "b h w c"]) -> DensityOutput:
        """The bound with :attr:`samples` samples."""
        log_chances = self._posterior(frames)
        log_weights, log_posterior = self._weigh(frames, log_chances, self.samples)
        bound, surrogate = vimco(log_weights, log_posterior)
        uniform = math.log(self.size)
        rate = (log_chances.exp() * (log_chances + uniform)).sum(dim=(1, 2, 3, 4))
        return DensityOutput(bound, rate, -surrogate.mean() / self.dims)

    def log_weights(self, frames: UInt8[Tensor, "b h w c"], samples: int) -> Float[Tensor, "s b"]:
        return self._weigh(frames, self._posterior(frames), samples)[0]

    def encode(self, frames: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b d y x"]:
        return self._look_up(self._posterior(frames).argmax(dim=-1)[None])[0]

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "b d y x"]:
        return self._look_up(torch.randint(self.size, (1, count, self.latents, *self.grid), generator=generator))[0]

    def _posterior(self, frames: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b l y x k"]:
        scores = rearrange(self.encoder(to_float(frames)).float(), "b (l k) y x -> b l y x k", l=self.latents)
        return scores.log_softmax(dim=-1)

    def _weigh(
        self, frames: UInt8[Tensor, "b h w c"], log_chances: Float[Tensor, "b l y x k"], samples: int
    ) -> tuple[Float[Tensor, "s b"], Float[Tensor, "s b"]]:
        chances = log_chances.detach().flatten(0, 3).exp()
        drawn = torch.multinomial(chances, samples, replacement=True)
        codes = rearrange(drawn.view(*log_chances.shape[:-1], samples), "b l y x s -> s b l y x")
        chosen = log_chances.gather(-1, rearrange(codes, "s b l y x -> b l y x s"))
        log_posterior = chosen.sum(dim=(1, 2, 3)).T
        log_prior = -math.log(self.size) * math.prod(codes.shape[2:])
        return self.log_likelihood(frames, self._look_up(codes)) + log_prior - log_posterior, log_posterior

    def _look_up(self, codes: Int64[Tensor, "s b l y x"]) -> Float[Tensor, "s b d y x"]:
        return rearrange(embedding(codes, self.vectors), "s b l y x d -> s b (l d) y x")
