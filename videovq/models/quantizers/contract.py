"""The contract of every quantizer, and statistics of codebook usage."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
import torch.distributed as dist
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn

from videovq.types import QuantizerOutput


class Quantized(NamedTuple):
    """Quantized vectors.

    Attributes:
        vectors: the codes' vectors, with the straight-through gradient to the encoder.
        codes: their indices.
        loss: the quantizer's term of the training loss.
        usage: how often each code was chosen, over all ranks.
    """

    vectors: Float[Tensor, "n d"]
    codes: Int64[Tensor, "n"]
    loss: Float[Tensor, ""]
    usage: Float[Tensor, "k"]


class Quantizer(nn.Module, ABC):
    """Quantizer: every vector of a grid -> one of ``codebook_size`` codes, in float32 also within autocast.

    All its state is in buffers and parameters, so that a resumed run continues with the same codebook.
    """

    codebook_size: int

    @torch.autocast("cpu", enabled=False)
    @torch.autocast("cuda", enabled=False)
    def forward(self, z: Float[Tensor, "b d y x"]) -> QuantizerOutput:
        """Quantize; in training mode also learn from ``z``."""
        b, _, y, x = z.shape
        found = self.quantize(rearrange(z.float(), "b d y x -> (b y x) d"))
        return QuantizerOutput(
            quantized=rearrange(found.vectors, "(b y x) d -> b d y x", b=b, y=y, x=x),
            codes=rearrange(found.codes, "(b y x) -> b y x", b=b, y=y, x=x),
            loss=found.loss,
            usage=found.usage,
        )

    @torch.autocast("cpu", enabled=False)
    @torch.autocast("cuda", enabled=False)
    def encode(self, z: Float[Tensor, "b d y x"]) -> Int64[Tensor, "b y x"]:
        """The codes of a grid of vectors; learns nothing."""
        b, _, y, x = z.shape
        codes = self.nearest(rearrange(z.float(), "b d y x -> (b y x) d"))
        return rearrange(codes, "(b y x) -> b y x", b=b, y=y, x=x)

    @torch.autocast("cpu", enabled=False)
    @torch.autocast("cuda", enabled=False)
    def decode(self, codes: Int64[Tensor, "b y x"]) -> Float[Tensor, "b d y x"]:
        """The vectors of a grid of codes."""
        b, y, x = codes.shape
        return rearrange(self.look_up(codes.flatten()), "(b y x) d -> b d y x", b=b, y=y, x=x)

    def code_vectors(self) -> Float[Tensor, "k d"]:
        """The vector of every code."""
        device = next(iter(self.state_dict().values())).device
        return self.look_up(torch.arange(self.codebook_size, device=device)).detach()

    @abstractmethod
    def quantize(self, vectors: Float[Tensor, "n d"]) -> Quantized:
        """Quantize vectors; in training mode also learn from them."""

    @abstractmethod
    def nearest(self, vectors: Float[Tensor, "n d"]) -> Int64[Tensor, "n"]:
        """The code of every vector; learns nothing."""

    @abstractmethod
    def look_up(self, codes: Int64[Tensor, "n"]) -> Float[Tensor, "n d"]:
        """The vector of every code."""


def count(codes: Int64[Tensor, "n"], codebook_size: int) -> Float[Tensor, "k"]:
    """How often each code occurs, over all ranks."""
    return sum_over_ranks(torch.bincount(codes, minlength=codebook_size).float())


def perplexity(usage: Float[Tensor, "k"]) -> float:
    """Perplexity of codebook usage, exp of its entropy in nats: 1 (collapsed) to k (uniform)."""
    p = usage.double() / usage.sum().clamp(min=1)
    return float(torch.exp(-(p * p.clamp(min=1e-12).log()).sum()))


def ranks() -> tuple[int, int]:
    """This process's rank and the number of ranks."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def sum_over_ranks(value: Tensor) -> Tensor:
    """The sum over all ranks, in place."""
    if ranks()[1] > 1:
        dist.all_reduce(value)
    return value
