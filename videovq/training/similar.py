"""Codes that look like a code, to train a predictor against the mistakes of its own rollouts."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

SIMILAR = 8
AT_ONCE = 2**24  # distances in memory
WORTH_A_TABLE = 2**14  # codes: beyond, the distances between all take longer than those that training asks for


class SimilarCodes(nn.Module):
    """The nearest neighbours of each code by code vector: of a small codebook looked up in a table, of a large one
    computed for the codes of a batch, since the table grows with the square of its size.
    """

    codebook: Tensor
    table: Tensor | None

    def __init__(self, codebook: Float[Tensor, "k d"]) -> None:
        super().__init__()
        every = torch.arange(len(codebook), device=codebook.device)
        table = similar_codes(codebook, every) if len(codebook) <= WORTH_A_TABLE else None
        self.register_buffer("codebook", codebook, persistent=False)
        self.register_buffer("table", table, persistent=False)
        self.count = min(SIMILAR, len(codebook) - 1)

    def forward(
        self, codes: Int64[Tensor, "*shape"], which: Int64[Tensor, "*shape"], replaced: Bool[Tensor, "*shape"]
    ) -> Int64[Tensor, "*shape"]:
        """The codes, those to be replaced by the nearest (``which`` 0), the next nearest (1), ... code."""
        if self.table is not None:
            return torch.where(replaced, self.table[codes, which], codes)
        known, at = codes[replaced].unique(return_inverse=True)
        return codes.masked_scatter(replaced, similar_codes(self.codebook, known)[at, which[replaced]])


def similar_codes(codebook: Float[Tensor, "k d"], codes: Int64[Tensor, "n"]) -> Int64[Tensor, "n similar"]:
    """For some codes the codes whose vectors are nearest, themselves not among them; a part of the distances at a
    time.
    """
    count = min(SIMILAR, len(codebook) - 1)
    parts = [codes.new_empty(0, count)]
    for some in codes.split(max(1, AT_ONCE // len(codebook))):
        distances = torch.cdist(codebook[some], codebook).scatter_(1, some[:, None], math.inf)
        parts.append(distances.topk(count, largest=False).indices)
    return torch.cat(parts)
