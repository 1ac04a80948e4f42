"""Categorical latents learnt by VIMCO (Mnih and Rezende 2016, arXiv 1602.06725)."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn.functional import embedding

from videovq.frames import to_float
from videovq.papers.likelihoods.config import VIMCOConfig
from videovq.papers.likelihoods.models.contract import LikelihoodAutoencoder, LikelihoodOutput


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


class VIMCO(LikelihoodAutoencoder):
    """VIMCO: independent categorical latents given the frame, a vector for each of their values; a uniform prior."""

    def __init__(self, config: VIMCOConfig, frame_size: tuple[int, int]) -> None:
        super().__init__(config, frame_size, config.latents * config.codebook_size)
        self.samples, self.latents, self.size = config.samples, config.latents, config.codebook_size
        self.vectors = nn.Parameter(torch.randn(config.codebook_size, config.code_dim))

    def forward(self, frames: UInt8[Tensor, "b h w c"]) -> LikelihoodOutput:
        """The bound with :attr:`samples` samples.

        The decoder's gradient is the samples' mean, weighted by their shares of the bound. It is taken from one sample
        drawn by these shares: the same on average, and the backward pass of one decoding in place of all.
        """
        log_probabilities = self._posterior(frames)
        codes, log_posterior = self._draw(log_probabilities, self.samples)
        with torch.no_grad():
            log_joint = self._log_joint(frames, codes)
        bound, surrogate = vimco(log_joint - log_posterior, log_posterior)
        shares = (log_joint - log_posterior.detach()).softmax(dim=0)
        one = codes[torch.multinomial(shares.T, 1)[:, 0], torch.arange(len(frames), device=codes.device)]
        surrogate = surrogate + self._log_joint(frames, one[None])[0]
        return LikelihoodOutput(bound, self._kl_divergence(log_probabilities), -surrogate.mean() / self.dims)

    def rate(self, frames: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b"]:
        return self._kl_divergence(self._posterior(frames))

    def log_weights(self, frames: UInt8[Tensor, "b h w c"], samples: int) -> Float[Tensor, "s b"]:
        codes, log_posterior = self._draw(self._posterior(frames), samples)
        return self._log_joint(frames, codes) - log_posterior

    def encode(self, frames: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b d y x"]:
        return self._look_up(self._posterior(frames).argmax(dim=-1)[None])[0]

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "b d y x"]:
        return self._look_up(torch.randint(self.size, (1, count, self.latents, *self.grid), generator=generator))[0]

    def _posterior(self, frames: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b l y x k"]:
        logits = rearrange(self.encoder(to_float(frames)).float(), "b (l k) y x -> b l y x k", l=self.latents)
        return logits.log_softmax(dim=-1)

    def _draw(
        self, log_probabilities: Float[Tensor, "b l y x k"], samples: int
    ) -> tuple[Int64[Tensor, "s b l y x"], Float[Tensor, "s b"]]:
        """Samples of the posterior, and their log-probabilities."""
        drawn = torch.multinomial(log_probabilities.detach().flatten(0, 3).exp(), samples, replacement=True)
        codes = drawn.view(*log_probabilities.shape[:-1], samples)
        log_posterior = log_probabilities.gather(-1, codes).sum(dim=(1, 2, 3)).T
        return rearrange(codes, "b l y x s -> s b l y x"), log_posterior

    def _log_joint(self, frames: UInt8[Tensor, "b h w c"], codes: Int64[Tensor, "s b l y x"]) -> Float[Tensor, "s b"]:
        """log p(frame, codes)."""
        return self.log_likelihood(frames, self._look_up(codes)) - math.log(self.size) * math.prod(codes.shape[2:])

    def _kl_divergence(self, log_probabilities: Float[Tensor, "b l y x k"]) -> Float[Tensor, "b"]:
        """KL divergence of the posterior from the uniform prior, in nats."""
        return (log_probabilities.exp() * (log_probabilities + math.log(self.size))).sum(dim=(1, 2, 3, 4))

    def _look_up(self, codes: Int64[Tensor, "s b l y x"]) -> Float[Tensor, "s b d y x"]:
        return rearrange(embedding(codes, self.vectors), "s b l y x d -> s b (l d) y x")
