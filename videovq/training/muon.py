"""Muon in the precision that a device is fast in."""

from __future__ import annotations

from typing import Any

import pytorch_optimizer
import torch
from pytorch_optimizer.optimizer.utils.matrix import zero_power_via_newton_schulz_5
from torch import Tensor

from videovq.models.bf16 import computes_bf16


class Muon(pytorch_optimizer.Muon):
    """The library's Muon, which orthogonalises all matrices of one shape at once, in bfloat16: here in float32 where a
    device does not multiply bfloat16 natively. With AVX2 alone bfloat16 takes fifteen times as long, almost half of a
    predictor's step.
    """

    @staticmethod
    def _orthogonalize(group: dict[str, Any], updates: list[Tensor]) -> list[Tensor]:
        if computes_bf16(updates[0].device.type):
            return pytorch_optimizer.Muon._orthogonalize(group, updates)
        matrices = [update.flatten(1) for update in updates]
        tall = [matrix.shape[0] > matrix.shape[1] for matrix in matrices]
        found = zero_power_via_newton_schulz_5(
            torch.stack([matrix.mT if stands else matrix for matrix, stands in zip(matrices, tall, strict=True)]),
            num_steps=group["ns_steps"],
            weights=group["ns_coeffs"],
            dtype=torch.float32,
        )
        return [matrix.mT if stands else matrix for matrix, stands in zip(found, tall, strict=True)]
