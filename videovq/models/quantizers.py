"""Vector quantizers: nearest code, straight-through gradient, a codebook that stays alive.

All state lives in buffers or parameters, so that a resumed run goes on with the codebook it had. Distances and
statistics are float32 also within autocast, and statistics are summed over all ranks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.distributed as dist
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import embedding, mse_loss

from videovq.config import VQVAEConfig
from videovq.types import QuantizerOutput

KMEANS_ITERATIONS = 10
ROWS = 1024  # distances to 512 codes that stay in a core's cache: a quarter of the time of all at once
FRESH = 3.0  # a fresh code's usage, in units of the restart threshold: it has some 100 steps to find vectors


class VectorQuantizer(nn.Module, ABC):
    """What both quantizers share: search, k-means initialisation, usage, restart of dead codes.

    Args:
        config: its ``codebook_size``, ``code_dim``, ``commitment``, ``ema_decay`` and ``restart_below``.
    """

    codebook: Tensor
    initialised: Tensor
    mean_usage: Tensor
    updates: Tensor

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        self.codebook_size = config.codebook_size
        self.commitment = config.commitment
        self.decay = config.ema_decay
        self.restart_below = config.restart_below
        self.register_buffer("initialised", torch.tensor(False))
        self.register_buffer("mean_usage", torch.zeros(config.codebook_size))
        self.register_buffer("updates", torch.tensor(0))  # seeds the random draws, so that they resume exactly

    @torch.autocast("cpu", enabled=False)
    @torch.autocast("cuda", enabled=False)
    def forward(self, z: Float[Tensor, "b d y x"]) -> QuantizerOutput:
        """Quantize; in training mode also learn from ``z``."""
        z = z.float()
        vectors = rearrange(z, "b d y x -> (b y x) d")
        flat = vectors.detach()
        if self.training and not self.initialised:
            self._initialise(flat)
        codes = self.nearest(flat)
        counts = _sum_over_ranks(torch.bincount(codes, minlength=self.codebook_size).float())
        chosen = self.chosen(codes)
        loss = self.loss(vectors, chosen)
        if self.training:
            self._learn(flat, codes, counts)
        grid = rearrange(chosen.detach(), "(b y x) d -> b d y x", b=z.shape[0], y=z.shape[2])
        return QuantizerOutput(
            quantized=z + (grid - z).detach(),
            codes=rearrange(codes, "(b y x) -> b y x", b=z.shape[0], y=z.shape[2]),
            loss=loss,
            usage=counts,
        )

    def decode(self, codes: Int64[Tensor, "b y x"]) -> Float[Tensor, "b d y x"]:
        """The code vectors of a grid of codes."""
        return rearrange(embedding(codes, self.codebook), "b y x d -> b d y x")

    @torch.autocast("cpu", enabled=False)
    @torch.autocast("cuda", enabled=False)
    def nearest(self, vectors: Float[Tensor, "n d"]) -> Int64[Tensor, "n"]:
        """Index of the nearest code by Euclidean distance (paper, equation 1)."""
        codebook, vectors = self.codebook.detach().float(), vectors.float()
        # |z - e|^2 = |z|^2 - 2 z.e + |e|^2, and |z|^2 is the same for every code
        half_norms = codebook.pow(2).sum(1).mul(0.5)
        parts = vectors.split(ROWS) if vectors.device.type == "cpu" else [vectors]
        return torch.cat([torch.addmm(half_norms, part, codebook.T, alpha=-1).min(dim=1).indices for part in parts])

    def chosen(self, codes: Int64[Tensor, "n"]) -> Float[Tensor, "n d"]:
        return embedding(codes, self.codebook)

    @abstractmethod
    def loss(self, vectors: Float[Tensor, "n d"], chosen: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
        """What the quantizer adds to the training loss."""

    def update_codebook(self, vectors: Float[Tensor, "n d"], codes: Int64[Tensor, "n"], counts: Tensor) -> None:
        """Move the codebook by statistics, where it does not learn by gradient."""

    @torch.no_grad()
    def _initialise(self, vectors: Float[Tensor, "n d"]) -> None:
        """k-means on the first batch, from randomly chosen vectors."""
        centres = self._draw(vectors, self.codebook_size)
        for _ in range(KMEANS_ITERATIONS):
            self.codebook.data.copy_(centres)
            codes = self.nearest(vectors)
            counts = _sum_over_ranks(torch.bincount(codes, minlength=self.codebook_size).float())
            sums = _sum_over_ranks(torch.zeros_like(centres).index_add_(0, codes, vectors))
            centres = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], centres)
        self._place(torch.arange(self.codebook_size, device=vectors.device), centres, counts.sum())
        self.initialised.fill_(True)

    @torch.no_grad()
    def _learn(self, vectors: Float[Tensor, "n d"], codes: Int64[Tensor, "n"], counts: Float[Tensor, "k"]) -> None:
        self.updates += 1
        self.mean_usage.lerp_(counts, 1 - self.decay)
        self.update_codebook(vectors, codes, counts)
        dead = (self.mean_usage < self.restart_below * counts.sum() / self.codebook_size).nonzero()[:, 0]
        if len(dead):
            self._place(dead, self._draw(vectors, len(dead)), counts.sum())

    def _place(self, indices: Int64[Tensor, "m"], vectors: Float[Tensor, "m d"], batch: Float[Tensor, ""]) -> None:
        """Put codes at new places, with little weight so that they can move quickly."""
        self.codebook.data[indices] = vectors
        self.mean_usage[indices] = FRESH * max(self.restart_below, 0.01) * batch / self.codebook_size

    def _draw(self, vectors: Float[Tensor, "n d"], count: int) -> Float[Tensor, "count d"]:
        """Random vectors of the batch, the same on every rank."""
        generator = torch.Generator().manual_seed(int(self.updates))
        if len(vectors) >= count:
            places = torch.randperm(len(vectors), generator=generator)[:count]
        else:
            places = torch.randint(len(vectors), (count,), generator=generator)
        drawn = vectors[places.to(vectors.device)]
        if dist.is_available() and dist.is_initialized():
            dist.broadcast(drawn, src=0)
        return drawn


class CodebookLossQuantizer(VectorQuantizer):
    """The codebook is a parameter, pulled to the encoder's outputs by gradient (paper, equation 3)."""

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__(config)
        self.codebook = nn.Parameter(torch.randn(config.codebook_size, config.code_dim) / config.code_dim**0.5)

    def loss(self, vectors: Float[Tensor, "n d"], chosen: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
        """|sg[z] - e|^2 + beta |z - sg[e]|^2."""
        return mse_loss(chosen, vectors.detach()) + self.commitment * mse_loss(vectors, chosen.detach())


class EMAQuantizer(VectorQuantizer):
    """The codebook is the moving average of the vectors that chose each code (paper, appendix A.1)."""

    mean_sum: Tensor

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__(config)
        self.register_buffer("codebook", torch.randn(config.codebook_size, config.code_dim) / config.code_dim**0.5)
        self.register_buffer("mean_sum", torch.zeros(config.codebook_size, config.code_dim))

    def loss(self, vectors: Float[Tensor, "n d"], chosen: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
        """beta |z - sg[e]|^2."""
        return self.commitment * mse_loss(vectors, chosen.detach())

    def update_codebook(self, vectors: Float[Tensor, "n d"], codes: Int64[Tensor, "n"], counts: Tensor) -> None:
        """N <- gamma N + (1 - gamma) n;  m <- gamma m + (1 - gamma) sum z;  e = m / N."""
        sums = _sum_over_ranks(torch.zeros_like(self.codebook).index_add_(0, codes, vectors))
        self.mean_sum.lerp_(sums, 1 - self.decay)
        # A code that nothing chooses for long keeps its place until it is restarted: 0 / 0 has no direction.
        used = self.mean_usage > 1e-3
        self.codebook[used] = self.mean_sum[used] / self.mean_usage[used, None]

    def _place(self, indices: Int64[Tensor, "m"], vectors: Float[Tensor, "m d"], batch: Float[Tensor, ""]) -> None:
        super()._place(indices, vectors, batch)
        self.mean_sum[indices] = vectors * self.mean_usage[indices, None]


def build_quantizer(config: VQVAEConfig) -> VectorQuantizer:
    return {"ema": EMAQuantizer, "codebook_loss": CodebookLossQuantizer}[config.quantizer](config)


def perplexity(usage: Float[Tensor, "k"]) -> float:
    """exp of the entropy of how often each code was used: 1 (collapsed) to k (all alike)."""
    p = usage.double() / usage.sum().clamp(min=1)
    return float(torch.exp(-(p * p.clamp(min=1e-12).log()).sum()))


def _sum_over_ranks(value: Tensor) -> Tensor:
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(value)
    return value
