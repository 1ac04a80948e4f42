"""Embeddings of codes and actions."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from videovq.types import ActionSpec


class CodeEmbedding(nn.Module):
    """Code embedding: a learned vector for every code, plus a projection of its vector in the VQ-VAE's codebook.

    The index ``codebook_size`` (:attr:`missing`) stands for the codes of a missing frame, before the first one.
    """

    def __init__(self, codebook_size: int, code_dim: int, width: int) -> None:
        super().__init__()
        self.missing = codebook_size
        self.learned = nn.Parameter(torch.randn(codebook_size + 1, width) * 0.02)
        self.project = nn.Linear(code_dim, width, bias=False)

    def forward(self, codebook: Float[Tensor, "k d"]) -> Float[Tensor, "k_plus_1 e"]:
        """The embedding of every code, and of a missing frame."""
        projected = self.project(codebook)
        return self.learned + torch.cat([projected, projected.new_zeros(1, projected.shape[1])])


class ActionEmbedding(nn.Module):
    """Action embedding for any ActionSpec; :attr:`missing` is that of an unknown action (see ``unknown``)."""

    mean: Tensor
    std: Tensor

    def __init__(self, spec: ActionSpec, width: int) -> None:
        super().__init__()
        self.kind = spec.kind
        self.missing = nn.Parameter(torch.randn(width) * 0.02)
        if spec.kind == "continuous":
            self.register_buffer("mean", torch.tensor(spec.mean))
            self.register_buffer("std", torch.tensor(spec.std))
            self.linear = nn.Linear(spec.width, width)
        else:
            self.tables = nn.ModuleList(nn.Embedding(size, width) for size in spec.sizes)

    def forward(self, actions: Shaped[Tensor, "b t a"]) -> Float[Tensor, "b t e"]:
        absent = (actions.isnan() if self.kind == "continuous" else actions < 0).any(dim=-1, keepdim=True)
        actions = actions.where(~absent, 0)
        if self.kind == "continuous":
            return torch.where(absent, self.missing, self.linear((actions - self.mean) / self.std))
        out = self.missing.new_zeros(*actions.shape[:2], len(self.missing))
        for i, table in enumerate(self.tables):
            out = out + table(actions[..., i])
        return torch.where(absent, self.missing, out)


def unknown(actions: Shaped[Tensor, "*shape a"]) -> Shaped[Tensor, "*shape a"]:
    """Unknown actions of the same shape: -1, or NaN where actions are continuous."""
    return torch.full_like(actions, math.nan if actions.is_floating_point() else -1)
