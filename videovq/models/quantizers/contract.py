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
        usage: how often each code was chosen: in training over all ranks, else by this one.
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

    def forward(self, z: Float[Tensor, "b d y x"]) -> QuantizerOutput:
        """Quantize; in training mode also learn from ``z``."""
        b, _, y, x = z.shape
        with torch.autocast(z.device.type, enabled=False):
            found = self.quantize(rearrange(z.float(), "b d y x -> (b y x) d"))
        return QuantizerOutput(
            quantized=rearrange(found.vectors, "(b y x) d -> b d y x", b=b, y=y, x=x),
            codes=rearrange(found.codes, "(b y x) -> b y x", b=b, y=y, x=x),
            loss=found.loss,
            usage=found.usage,
        )

    def encode(self, z: Float[Tensor, "b d y x"]) -> Int64[Tensor, "b y x"]:
        """The codes of a grid of vectors; learns nothing."""
        b, _, y, x = z.shape
        with torch.autocast(z.device.type, enabled=False):
            codes = self.nearest(rearrange(z.float(), "b d y x -> (b y x) d"))
        return rearrange(codes, "(b y x) -> b y x", b=b, y=y, x=x)

    def decode(self, codes: Int64[Tensor, "b y x"]) -> Float[Tensor, "b d y x"]:
        """The vectors of a grid of codes."""
        b, y, x = codes.shape
        with torch.autocast(codes.device.type, enabled=False):
            vectors = self.look_up(codes.flatten())
        return rearrange(vectors, "(b y x) d -> b d y x", b=b, y=y, x=x)

    def code_vectors(self) -> Float[Tensor, "k d"]:
        """The vector of every code."""
        device = next(iter(self.state_dict().values())).device
        return self.look_up(torch.arange(self.codebook_size, device=device)).detach()

    @abstractmethod
    def quantize(self, vectors: Float[Tensor, "n d"]) -> Quantized:
        """Quantize vectors; in training mode also learn from them."""

    def count(self, codes: Int64[Tensor, "n"]) -> Float[Tensor, "k"]:
        """How often each code occurs: in training over all ranks, else in this one, which may have a batch more."""
        found = count(codes, self.codebook_size)
        return sum_over_ranks(found) if self.training else found

    @abstractmethod
    def nearest(self, vectors: Float[Tensor, "n d"]) -> Int64[Tensor, "n"]:
        """The code of every vector; learns nothing."""

    @abstractmethod
    def look_up(self, codes: Int64[Tensor, "n"]) -> Float[Tensor, "n d"]:
        """The vector of every code."""


def count(codes: Int64[Tensor, "n"], codebook_size: int) -> Float[Tensor, "k"]:
    """How often each code occurs."""
    ones = torch.ones_like(codes, dtype=torch.int32)
    return ones.new_zeros(codebook_size).index_add_(0, codes, ones).float()  # a GPU's bincount waits for the CPU


def perplexity(usage: Float[Tensor, "k"]) -> Float[Tensor, ""]:
    """Perplexity of codebook usage, exp of its entropy in nats: 1 (collapsed) to k (uniform)."""
    known = usage.cpu() if usage.device.type == "mps" else usage  # which has no float64
    p = known.double() / known.sum().clamp(min=1)
    return torch.exp(-(p * p.clamp(min=1e-12).log()).sum())


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
