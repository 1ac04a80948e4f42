"""Memory of a training."""

from __future__ import annotations

import ctypes
import sys
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint


def keep_freed_memory() -> None:
    """Make glibc keep freed blocks: else every large activation is mapped and zeroed anew.

    benchmarks/memory.py measures what it saves. Does nothing on other systems.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            for parameter in (-3, -1):  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
                libc.mallopt(parameter, 1 << 30)


def recompute_activations(network: nn.Module) -> None:
    """Make every residual layer forget what it computed, and compute it again for the gradients.

    Activation checkpointing (Chen et al. 2016, arXiv 1604.06174), for all layers of every ``ModuleList``.
    """
    for layers in network.modules():
        if isinstance(layers, nn.ModuleList):
            for layer in layers:
                layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)
