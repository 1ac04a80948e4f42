"""Quantizers of ``vector-quantize-pytorch``: finite scalar, lookup-free, residual, and with the rotation trick."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from vector_quantize_pytorch import FSQ, LFQ, ResidualVQ, VectorQuantize

from videovq.config import FSQConfig, LFQConfig, ResidualConfig, RotationConfig
from videovq.errors import UserError
from videovq.models.quantizers.contract import Quantized, Quantizer, ranks


class FSQQuantizer(Quantizer):
    """Finite scalar quantization: each of a few numbers is rounded to one of its levels; nothing can collapse.

    Mentzer et al. 2023 (arXiv 2309.15505).
    """

    def __init__(self, config: FSQConfig, code_dim: int) -> None:
        super().__init__()
        self.fsq = FSQ(config.levels, dim=code_dim)
        self.codebook_size = self.fsq.codebook_size

    def quantize(self, vectors: Float[Tensor, "n d"]) -> Quantized:
        chosen, codes = self.fsq(vectors[None])
        codes = codes[0].long()
        return Quantized(chosen[0], codes, vectors.new_zeros(()), self.count(codes))

    def nearest(self, vectors: Float[Tensor, "n d"]) -> Int64[Tensor, "n"]:
        return self.fsq(vectors[None])[1][0].long()

    def look_up(self, codes: Int64[Tensor, "n"]) -> Float[Tensor, "n d"]:
        return self.fsq.indices_to_codes(codes)


class LFQQuantizer(Quantizer):
    """Lookup-free quantization: the signs of log2(K) numbers, with an entropy loss that spreads the codes.

    Yu et al. 2023, "Language Model Beats Diffusion" (arXiv 2310.05737).
    """

    def __init__(self, config: LFQConfig, code_dim: int) -> None:
        super().__init__()
        self.lfq = LFQ(
            dim=code_dim,
            codebook_size=config.codebook_size,
            entropy_loss_weight=config.entropy,
            commitment_loss_weight=config.commitment,
        )
        self.codebook_size = config.codebook_size

    def quantize(self, vectors: Float[Tensor, "n d"]) -> Quantized:
        chosen, codes, loss = self.lfq(vectors[None])
        codes = codes[0].long()
        return Quantized(chosen[0], codes, loss.reshape(()), self.count(codes))

    def nearest(self, vectors: Float[Tensor, "n d"]) -> Int64[Tensor, "n"]:
        powers: Tensor = self.lfq.mask
        return ((self.lfq.project_in(vectors) > 0) * powers).sum(dim=1).long()

    def look_up(self, codes: Int64[Tensor, "n"]) -> Float[Tensor, "n d"]:
        return self.lfq.indices_to_codes(codes)


class RotationQuantizer(Quantizer):
    """EMA codebook whose gradient to the encoder is rotated and scaled as the vector was to its code.

    Fifty et al. 2024, "Restructuring Vector Quantization with the Rotation Trick" (arXiv 2410.06424).
    """

    def __init__(self, config: RotationConfig, code_dim: int) -> None:
        super().__init__()
        self.codebook_size = config.codebook_size
        self.vq = VectorQuantize(
            dim=code_dim,
            codebook_size=config.codebook_size,
            rotation_trick=True,
            **_codebook(config),
        )

    def quantize(self, vectors: Float[Tensor, "n d"]) -> Quantized:
        _refuse_ranks("RotationConfig")
        chosen, codes, loss = self.vq(vectors[None])
        return Quantized(chosen[0], codes[0], loss.reshape(()), self.count(codes[0]))

    @torch.no_grad()
    def nearest(self, vectors: Float[Tensor, "n d"]) -> Int64[Tensor, "n"]:
        return self.vq(vectors[None], freeze_codebook=True)[1][0]

    def look_up(self, codes: Int64[Tensor, "n"]) -> Float[Tensor, "n d"]:
        return self.vq.get_output_from_indices(codes)


class ResidualQuantizer(Quantizer):
    """Residual quantization with several EMA codebooks, whose codes are the digits of one code.

    Zeghidour et al. 2021, "SoundStream" (arXiv 2107.03312), algorithm 1.
    """

    def __init__(self, config: ResidualConfig, code_dim: int) -> None:
        super().__init__()
        self.digits, self.codebook_size = config.codebook_size, config.codebook_size**config.layers
        self.vq = ResidualVQ(
            dim=code_dim,
            num_quantizers=config.layers,
            codebook_size=config.codebook_size,
            rotation_trick=False,
            **_codebook(config),
        )
        self.register_buffer("powers", config.codebook_size ** torch.arange(config.layers), persistent=False)

    powers: Tensor

    def quantize(self, vectors: Float[Tensor, "n d"]) -> Quantized:
        _refuse_ranks("ResidualConfig")
        chosen, digits, losses = self.vq(vectors[None])
        codes = (digits[0] * self.powers).sum(dim=1)
        return Quantized(chosen[0], codes, losses.sum(), self.count(codes))

    @torch.no_grad()
    def nearest(self, vectors: Float[Tensor, "n d"]) -> Int64[Tensor, "n"]:
        return (self.vq(vectors[None], freeze_codebook=True)[1][0] * self.powers).sum(dim=1)

    def look_up(self, codes: Int64[Tensor, "n"]) -> Float[Tensor, "n d"]:
        digits = codes[:, None] // self.powers % self.digits
        return self.vq.get_output_from_indices(digits[None])[0]


def _codebook(config: RotationConfig | ResidualConfig) -> dict[str, Any]:
    """Options of the library's codebooks: initialisation, EMA, commitment, restart."""
    return {
        "kmeans_init": True,
        "decay": config.decay,
        "commitment_weight": config.commitment,
        "threshold_ema_dead_code": config.restart_below,
    }


def _refuse_ranks(config: str) -> None:
    """The library decides whether to share codebooks when a quantizer is built, before the ranks know each other."""
    if ranks()[1] > 1:
        raise UserError(f"model.quantizer: {config} trains on one device; set training.devices to 1, nodes too")
