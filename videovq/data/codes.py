"""Codes on disk: in two bytes each where the codebook allows, else in four."""

from __future__ import annotations

import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from videovq.errors import UserError


def to_stored(codes: Shaped[Tensor, "*shape"], codebook_size: int) -> Shaped[Tensor, "*shape"]:
    """Codes as they are written: int16 for up to 32,768 codes, int32 for more.

    Raises:
        UserError: one is negative or beyond the codebook.
    """
    if codes.numel():
        least, most = (int(code) for code in codes.aminmax())
        if least < 0 or most >= codebook_size:
            raise UserError(f"code {least if least < 0 else most} of {codebook_size}; they run from 0 to one less")
    return codes.to(torch.int16 if codebook_size <= 2**15 else torch.int32).cpu()


def from_stored(codes: Shaped[Tensor, "*shape"]) -> Int64[Tensor, "*shape"]:
    """Stored codes as numbers; those above 32,767 that an older videovq wrote as int16 come out as they were."""
    return codes.long() & 0xFFFF if codes.dtype == torch.int16 else codes.long()
