"""What the benchmarks of training share: a predictor's windows of random codes, and a step whose time is taken."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Optimizer

from videovq.config import TrainingConfig, TrainPredictorConfig
from videovq.training.machine import precision
from videovq.types import ActionSpec

GRID, SPEC, CODEBOOK = (21, 21), ActionSpec("discrete", (9,)), torch.randn(512, 16)


def windows(config: TrainPredictorConfig) -> tuple[Tensor, Tensor, None, Tensor]:
    """Codes, actions, no noise, and the frames to learn: the arguments of a predictor."""
    shape = (config.training.batch_size, config.window)
    targets = torch.rand(shape).argsort(dim=1)[:, : config.targets]
    return torch.randint(512, (*shape, *GRID)), torch.randint(9, (*shape, 1)), None, targets


def bf16(training: TrainingConfig) -> bool:
    """Whether the processor trains in bf16 with these settings."""
    return precision(training.precision, "cpu") == "bf16-mixed"


def seconds_of_step(loss: Callable[[], Tensor], optimizer: Optimizer, bf16: bool) -> float:
    """Take a step; how long it took."""
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        value = loss()
    optimizer.zero_grad()
    value.backward()
    optimizer.step()
    return time.perf_counter() - start
