"""Hardware support of bfloat16."""

from __future__ import annotations

import torch


def computes_bf16(device: str) -> bool:
    """Whether a device multiplies matrices of bfloat16 natively; elsewhere it is slower than float32.

    Args:
        device: type of the device: ``cpu``, ``cuda`` or another.
    """
    if device == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return device == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
