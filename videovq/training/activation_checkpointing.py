"""Activation checkpointing."""

from __future__ import annotations

from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint


def recompute_activations(network: nn.Module) -> None:
    """Recompute the activations of every layer of every ``ModuleList`` in the backward pass, to save memory.

    Activation checkpointing (Chen et al. 2016, arXiv 1604.06174).
    """
    for layers in network.modules():
        if isinstance(layers, nn.ModuleList):
            for layer in layers:
                layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)
