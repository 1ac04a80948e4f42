"""The prior of single frames: p(codes of a frame | a condition), by a gated PixelCNN."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from videovq.errors import UserError
from videovq.models.embeddings import CodeEmbedding
from videovq.models.predictors.gated_pixelcnn import GatedPixelCNN
from videovq.models.sampling import sample_codes
from videovq.papers.config import PixelCNNConfig
from videovq.papers.pixelcnn import build_pixelcnn
from videovq.types import Sampling


class Prior(nn.Module, ABC):
    """A prior of codes: the likelihood of a frame's codes given a condition, and sampling with guidance.

    Attributes:
        codes: embedding of a code at the decoder's input.
        decoder: the PixelCNN.
    """

    codes: CodeEmbedding
    decoder: GatedPixelCNN

    @property
    @abstractmethod
    def code_vectors(self) -> Float[Tensor, "k d"]:
        """The vectors of the codes that are modelled."""

    @abstractmethod
    def context(self, condition: Any) -> Float[Tensor, "b w y x"]:
        """The condition of the PixelCNN at every position."""

    def unconditional(self, condition: Any) -> Any:
        """As many empty conditions, which training has shown in place of some, for classifier-free guidance.

        Raises:
            UserError: it has shown none.
        """
        raise UserError("guidance: this prior was always trained with its condition; leave it 1")

    def nll(
        self,
        codes: Int64[Tensor, "b y x"],
        condition: Any,
        inputs: Int64[Tensor, "b y x"] | None = None,
        table: Float[Tensor, "k_plus_1 e"] | None = None,
    ) -> Float[Tensor, "b y x"]:
        """Minus the log-probability of every code, given those before it in the raster and the condition, in nats.

        Args:
            inputs: the codes that the PixelCNN sees, where some are hidden; None: ``codes``.
            table: the embedding of every code, where it is worked out already.
        """
        context, before = self.context(condition), codes if inputs is None else inputs
        table = self.codes(self.code_vectors) if table is None else table
        logits = self.decoder.logits(context, before, table, self.code_vectors)
        return cross_entropy(logits.flatten(0, 2), codes.flatten(), reduction="none").view_as(codes)

    @torch.inference_mode()
    def draw(
        self, condition: Any, noise: Float[Tensor, "b y x k"], sampling: Sampling = Sampling()
    ) -> Int64[Tensor, "b y x"]:
        """Sample a frame's codes for each condition, with classifier-free guidance where ``sampling`` asks for it.

        Args:
            noise: Gumbel noise, see videovq.models.sampling.
        """
        if sampling.guidance != 1:
            condition = torch.cat([condition, self.unconditional(condition)])
        pick = partial(sample_codes, noise.flatten(1, 2), sampling)
        codes = self.decoder.draw(self.context(condition), self.codes(self.code_vectors), self.code_vectors, pick)
        return codes[: len(noise)]

    def bits_per_code(
        self, codes: Int64[Tensor, "b y x"], condition: Shaped[Tensor, "b ..."], dropout: float
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """The mean nll in nats, which training minimises, and in bits, its metric.

        Args:
            dropout: part of the frames that training shows without their condition.
        """
        if self.training:
            shape = (len(condition), *[1] * (condition.ndim - 1))
            hidden = torch.rand(shape, device=condition.device) < dropout
            condition = torch.where(hidden, self.unconditional(condition), condition)
        nll = self(codes, condition).mean()
        return nll, {"bits_per_code": nll / math.log(2)}


class FramePrior(Prior):
    """The VQ-VAE paper's prior of single frames (van den Oord et al. 2017, section 4.1), conditioned on the level of a
    frame, or on none.

    Args:
        grid: rows and columns of a frame's codes.
        codebook: the code vectors of the VQ-VAE.
        levels: number of levels; the number after the last stands for any.
    """

    codebook: Tensor

    def __init__(
        self, config: PixelCNNConfig, grid: tuple[int, int], codebook: Float[Tensor, "k d"], levels: int
    ) -> None:
        super().__init__()
        self.grid, self.any_level = grid, levels
        self.register_buffer("codebook", codebook.detach().float().clone())
        self.codes = CodeEmbedding(len(codebook), codebook.shape[1], config.embedding)
        self.level = nn.Embedding(levels + 1, config.width)
        self.place = nn.Parameter(torch.randn(config.width, *grid) * 0.02)
        self.decoder = build_pixelcnn(config, grid, codebook)

    def forward(self, codes: Int64[Tensor, "b y x"], levels: Int64[Tensor, "b"]) -> Float[Tensor, "b y x"]:
        """See :meth:`nll`."""
        return self.nll(codes, levels)

    @property
    def code_vectors(self) -> Float[Tensor, "k d"]:
        return self.codebook

    def context(self, condition: Int64[Tensor, "b"]) -> Float[Tensor, "b w y x"]:
        return self.level(condition)[:, :, None, None] + self.place

    def unconditional(self, condition: Int64[Tensor, "b"]) -> Int64[Tensor, "b"]:
        return torch.full_like(condition, self.any_level)
