"""AdamW and Muon, and the schedule of their learning rate."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from videovq.config import OptimizerConfig
from videovq.training.muon import Muon

LAYERS = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)


def optimizer(network: nn.Module, config: OptimizerConfig, steps: int) -> dict[str, Any]:
    """AdamW or Muon with linear warm-up and a cosine schedule, in the form that Lightning takes.

    With both methods the weights of linear and convolutional layers decay, and nothing else does: biases, norms,
    embeddings, learned positions, codebooks. Muon learns the same weights by orthogonalised momentum, and all else by
    AdamW.

    Muon: Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon), with the step size of Liu et al. 2025
    (arXiv 2502.16982, equation 4), so that one learning rate serves both methods.

    The learning rate is a function of the step and of ``steps`` alone: it rises to its peak over ``warmup_steps``, then
    falls along half a cosine to ``final_fraction`` of it at ``steps``. A training that goes on with other ``steps``
    follows the schedule of the new length from its next step on (:class:`videovq.training.callbacks.Schedule`).
    """
    weights, rest = split(network)
    decaying: dict[str, Any] = {"params": weights, "weight_decay": config.weight_decay}
    others: dict[str, Any] = {"params": rest, "weight_decay": 0.0}
    groups = [group for group in (decaying, others) if group["params"]]
    base: Optimizer
    if config.method == "muon":
        decaying["use_muon"], others["use_muon"] = True, False
        for group in groups:
            group["lr"] = config.learning_rate
        others["betas"] = config.betas
        base = Muon(groups, use_adjusted_lr=True)
    else:
        base = torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas)

    def scale(step: int) -> float:
        if step < config.warmup_steps:
            return (step + 1) / config.warmup_steps
        done = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        return config.final_fraction + (1 - config.final_fraction) * cosine

    schedule = torch.optim.lr_scheduler.LambdaLR(base, scale)
    return {"optimizer": base, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def split(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The weights of linear and convolutional layers that an embedding does not share, and all else that is learnt."""
    embeddings = {id(m.weight) for m in network.modules() if isinstance(m, nn.Embedding)}
    layers = {id(m.weight) for m in network.modules() if isinstance(m, LAYERS)} - embeddings
    learnt = [p for p in network.parameters() if p.requires_grad]
    return [p for p in learnt if id(p) in layers], [p for p in learnt if id(p) not in layers]
