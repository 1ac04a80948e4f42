"""Learned codebooks with k-means initialisation and restarts of dead codes: by gradient, by EMA, and with cosine codes.

Dead codes restart at vectors of the batch, and every statistic is summed over all ranks, so that all ranks hold the
codebook of the union of their batches.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import embedding, mse_loss, normalize

from videovq.config import CodebookLossConfig, CosineConfig, EMAConfig
from videovq.models.quantizers.contract import Quantized, Quantizer, ranks, sum_over_ranks

KMEANS_ITERATIONS = 10
CHUNK = 1024  # vectors whose distances to 512 codes stay in a core's cache: a quarter of the time of all at once


class VectorQuantizer(Quantizer, ABC):
    """Base of the learned codebooks: search, k-means initialisation, codebook usage, restart of dead codes.

    Args:
        config: how the codebook learns.
        code_dim: width of a code's vector.
    """

    codebook: Tensor
    initialised: Tensor
    mean_usage: Tensor
    updates: Tensor

    def __init__(self, config: EMAConfig | CodebookLossConfig | CosineConfig, code_dim: int) -> None:
        super().__init__()
        self.codebook_size = config.codebook_size
        self.commitment = config.commitment
        self.decay = config.decay
        self.restart_below = config.restart_below
        self.restart_at = config.restart_at
        self.start_after = config.start_after
        self.register_buffer("initialised", torch.tensor(False))
        self.register_buffer("mean_usage", torch.zeros(config.codebook_size))
        self.register_buffer("updates", torch.tensor(0))  # seeds the random draws, so that they resume exactly
        self._known: tuple[bool, int] | None = None

    def quantize(self, vectors: Float[Tensor, "n d"]) -> Quantized:
        vectors = self.prepare(vectors)
        flat = vectors.detach()
        initialised, updates = self._progress() if self.training else (True, 0)
        if not initialised:
            if updates < self.start_after:
                self._count_update()
                nothing = torch.zeros(len(flat), dtype=torch.int64, device=flat.device)
                return Quantized(vectors, nothing, vectors.new_zeros(()), vectors.new_zeros(self.codebook_size))
            self._initialise(flat)
        codes = self._search(flat)
        usage = self.count(codes)
        chosen = embedding(codes, self.codebook)
        loss = self.loss(vectors, chosen)
        if self.training:
            self._learn(flat, chosen.detach(), codes, usage)
        return Quantized(StraightThrough.apply(vectors, chosen.detach()), codes, loss, usage)

    def nearest(self, vectors: Float[Tensor, "n d"]) -> Int64[Tensor, "n"]:
        """Index of the nearest code by Euclidean distance (paper, equation 1)."""
        return self._search(self.prepare(vectors))

    def look_up(self, codes: Int64[Tensor, "n"]) -> Float[Tensor, "n d"]:
        return embedding(codes, self.codebook)

    def prepare(self, vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Preprocess the encoder's vectors; the identity by default."""
        return vectors

    @abstractmethod
    def loss(self, vectors: Float[Tensor, "n d"], chosen: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
        """The quantizer's term of the training loss."""

    def update_codebook(self, vectors: Float[Tensor, "n d"], codes: Int64[Tensor, "n"]) -> None:
        """Update a codebook that does not learn by gradient."""

    def _search(self, vectors: Float[Tensor, "n d"]) -> Int64[Tensor, "n"]:
        codebook = self.codebook.detach()
        # |z - e|^2 = |z|^2 - 2 z.e + |e|^2, and |z|^2 is the same for every code
        half_norms = codebook.pow(2).sum(1).mul(0.5)
        chunks = vectors.split(CHUNK) if vectors.device.type == "cpu" else [vectors]
        return torch.cat([torch.addmm(half_norms, chunk, codebook.T, alpha=-1).min(dim=1).indices for chunk in chunks])

    def _progress(self) -> tuple[bool, int]:
        """``initialised`` and ``updates``, read once: after that no step waits for the device to tell."""
        if self._known is None:
            self._known = bool(self.initialised), int(self.updates)
        return self._known

    def _count_update(self) -> None:
        initialised, updates = self._progress()
        self.updates += 1
        self._known = initialised, updates + 1

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._known = None

    @torch.no_grad()
    def _initialise(self, vectors: Float[Tensor, "n d"]) -> None:
        """k-means on a batch, from randomly chosen vectors."""
        every = torch.ones_like(self.mean_usage, dtype=torch.bool)
        centres = self._sample_vectors(vectors, None, every)
        for _ in range(KMEANS_ITERATIONS):
            self.codebook.data.copy_(centres)
            codes = self._search(vectors)
            usage = self.count(codes)
            sums = sum_over_ranks(torch.zeros_like(centres).index_add_(0, codes, vectors))
            centres = torch.where(usage[:, None] > 0, sums / usage.clamp(min=1)[:, None], centres)
        self._set_codes(every, centres, usage.sum())
        self.initialised.fill_(True)
        self._known = True, self._progress()[1]

    @torch.no_grad()
    def _learn(
        self,
        vectors: Float[Tensor, "n d"],
        chosen: Float[Tensor, "n d"],
        codes: Int64[Tensor, "n"],
        usage: Float[Tensor, "k"],
    ) -> None:
        self._count_update()
        self.mean_usage.lerp_(usage, 1 - self.decay)
        self.update_codebook(vectors, codes)
        if self.restart_below:
            dead = self.mean_usage < self.restart_below * usage.sum() / self.codebook_size
            weights = (vectors - chosen).pow(2).sum(dim=1) if self.restart_at == "far" else None
            sampled = self._sample_vectors(vectors, weights, dead)
            self._set_codes(dead, sampled[(dead.cumsum(0) - 1).clamp(min=0)], usage.sum())

    def _set_codes(self, which: Bool[Tensor, "k"], vectors: Float[Tensor, "k d"], batch: Float[Tensor, ""]) -> None:
        """Set some codes to new vectors, with their mean usage at the restart threshold: little, so that they can move
        quickly, and a code that is used rarely in its first batches restarts again.
        """
        self.codebook.data.copy_(vectors.where(which[:, None], self.codebook))
        threshold = max(self.restart_below, 0.01) * batch / self.codebook_size
        self.mean_usage.copy_(threshold.where(which, self.mean_usage))

    def _sample_vectors(
        self, vectors: Float[Tensor, "n d"], weights: Float[Tensor, "n"] | None, which: Bool[Tensor, "k"]
    ) -> Float[Tensor, "k d"]:
        """Sample vectors of the batches of all ranks in proportion to their weights (None: evenly), the same on every
        rank: as many as there are codes, of which the first will do; how many are wanted, a GPU knows later.
        """
        rank, world = ranks()
        number, device = world * len(vectors), vectors.device
        generator = torch.Generator().manual_seed(self._progress()[1])
        times = torch.empty(number, dtype=torch.float64).exponential_(generator=generator)
        if weights is None:
            every = torch.ones_like(times)
        else:
            every = weights.new_zeros(world, len(weights))
            every[rank] = weights
            every = sum_over_ranks(every).flatten()
            every = every if device.type == "mps" else every.double()  # which has no float64
            times = _moved(times.to(every.dtype), device)
        every += 1e-9 * every.mean() + 1e-30  # where all weights are 0, they are uniform
        # The first to ring of clocks that ring in proportion to weights, as in torch.multinomial without replacement.
        first = (every / times).topk(min(self.codebook_size, number)).indices
        indices = _moved(first.repeat(-(-self.codebook_size // number))[: self.codebook_size], device)
        if self.codebook_size > number:  # where more are wanted than there are, some are taken twice
            generator = torch.Generator().manual_seed(self._progress()[1])
            again = torch.multinomial(every.cpu().double(), self.codebook_size, replacement=True, generator=generator)
            indices = torch.where(which.sum() > number, _moved(again, device), indices)
        indices = indices - rank * len(vectors)
        mine = (indices >= 0) & (indices < len(vectors))
        return sum_over_ranks(vectors[indices.where(mine, 0)] * mine[:, None])


class CodebookLossQuantizer(VectorQuantizer):
    """Codebook learnt by gradient, with the paper's codebook loss (equation 3)."""

    def __init__(self, config: CodebookLossConfig, code_dim: int) -> None:
        super().__init__(config, code_dim)
        self.codebook = nn.Parameter(torch.randn(config.codebook_size, code_dim) / code_dim**0.5)
        self.sometimes_unused = config.start_after > 0

    def loss(self, vectors: Float[Tensor, "n d"], chosen: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
        """``|sg[z] - e|^2 + beta |z - sg[e]|^2``."""
        return mse_loss(chosen, vectors.detach()) + self.commitment * mse_loss(vectors, chosen.detach())


class EMAQuantizer(VectorQuantizer):
    """Codebook learnt as the exponential moving average of the vectors assigned to each code (paper, appendix A.1)."""

    mean_sum: Tensor

    def __init__(self, config: EMAConfig | CosineConfig, code_dim: int) -> None:
        super().__init__(config, code_dim)
        self.register_buffer("codebook", torch.randn(config.codebook_size, code_dim) / code_dim**0.5)
        self.register_buffer("mean_sum", torch.zeros(config.codebook_size, code_dim))

    def loss(self, vectors: Float[Tensor, "n d"], chosen: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
        """``beta |z - sg[e]|^2``."""
        return self.commitment * mse_loss(vectors, chosen)

    def update_codebook(self, vectors: Float[Tensor, "n d"], codes: Int64[Tensor, "n"]) -> None:
        """m <- gamma m + (1 - gamma) sum z;  e = m / N, where N is the mean usage."""
        sums = sum_over_ranks(torch.zeros_like(self.codebook).index_add_(0, codes, vectors))
        self.mean_sum.lerp_(sums, 1 - self.decay)
        # A code that was long unused keeps its vector until it restarts: 0 / 0 has no direction.
        used = self.mean_usage > 1e-3
        self.codebook.copy_((self.mean_sum / self.mean_usage[:, None]).where(used[:, None], self.codebook))

    def _set_codes(self, which: Bool[Tensor, "k"], vectors: Float[Tensor, "k d"], batch: Float[Tensor, ""]) -> None:
        super()._set_codes(which, vectors, batch)
        self.mean_sum.copy_((vectors * self.mean_usage[:, None]).where(which[:, None], self.mean_sum))


class CosineQuantizer(EMAQuantizer):
    """EMA codebook with cosine similarity: codes and vectors have length 1.

    Yu et al. 2021, "Vector-quantized Image Modeling with Improved VQGAN" (arXiv 2110.04627), section 3.2.
    """

    def prepare(self, vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        return normalize(vectors)

    def update_codebook(self, vectors: Float[Tensor, "n d"], codes: Int64[Tensor, "n"]) -> None:
        super().update_codebook(vectors, codes)
        self.codebook.copy_(normalize(self.codebook))

    def _set_codes(self, which: Bool[Tensor, "k"], vectors: Float[Tensor, "k d"], batch: Float[Tensor, ""]) -> None:
        super()._set_codes(which, normalize(vectors), batch)


def _moved(z: Tensor, device: torch.device) -> Tensor:
    """A copy on the device, for which the CPU does not wait."""
    return z.to(device, non_blocking=device.type == "cuda")


class StraightThrough(torch.autograd.Function):
    """Straight-through estimator: code vectors forward, the gradient copied to the encoder's (paper, section 3.2)."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, chosen: Tensor) -> Tensor:
        return chosen.view_as(chosen)

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[Tensor, None]:
        return gradient[0], None
