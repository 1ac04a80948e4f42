"""How long a training takes on this machine: seconds of a step, measured on random data, times its steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from videovq.config import TrainingConfig, TrainPredictorConfig, TrainVQVAEConfig
from videovq.models.build import build_predictor
from videovq.models.vqvae import VQVAE
from videovq.training.machine import precision
from videovq.training.optimizers import optimizer as make_optimizer
from videovq.types import ActionSpec

FRAME, GRID, SPEC = (84, 84), (21, 21), ActionSpec("discrete", (9,))  # what most are
CODEBOOK = torch.randn(512, 16)
CPU = torch.device("cpu")


def seconds_of_training(
    config: TrainVQVAEConfig | TrainPredictorConfig, warm: int = 3, timed: int = 12, device: str = "cpu"
) -> float:
    """Seconds that all steps of a training take on a device; neither loading nor validations count.

    The median of ``timed`` steps on random frames, or codes, of DeepMind Lab's size, after ``warm`` of which no time is
    taken. Draws from torch's own generators.
    """
    on = torch.device(device)
    network, loss = random_training(config, on)
    optimizer = make_optimizer(network, config.optimizer, config.training.steps)["optimizer"]
    bf16 = in_bf16(config.training, on)
    taken = [seconds_of_step(loss, optimizer, bf16, on) for _ in range(warm + timed)]
    return median(taken[warm:]) * config.training.steps


def in_bf16(training: TrainingConfig, device: torch.device = CPU) -> bool:
    """Whether the device trains in bf16 with these settings."""
    return precision(training.precision, device.type) == "bf16-mixed"


def seconds_of_step(loss: Callable[[], Tensor], optimizer: Optimizer, bf16: bool, device: torch.device = CPU) -> float:
    """Take a step; how long it took until the device had done it."""
    start = now(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        value = loss()
    optimizer.zero_grad()
    value.backward()
    optimizer.step()
    return now(device) - start


def now(device: torch.device) -> float:
    """Seconds on a clock, read when a device has done all that it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()


def random_windows(config: TrainPredictorConfig, device: torch.device = CPU) -> tuple[Tensor, Tensor, None, Tensor]:
    """Codes, actions, no noise, and the target frames: the arguments of a predictor."""
    shape = (config.training.batch_size, config.window)
    targets = torch.rand(shape, device=device).argsort(dim=1)[:, : config.targets]
    codes = torch.randint(len(CODEBOOK), (*shape, *GRID), device=device)
    return codes, torch.randint(SPEC.sizes[0], (*shape, 1), device=device), None, targets


def random_training(
    config: TrainVQVAEConfig | TrainPredictorConfig, device: torch.device = CPU
) -> tuple[nn.Module, Callable[[], Tensor]]:
    """The network of a training, and what makes the loss of a new random batch."""
    network, loss = _vqvae(config, device) if isinstance(config, TrainVQVAEConfig) else _predictor(config, device)
    return network.to(memory_format=torch.channels_last).train(), loss


def _vqvae(config: TrainVQVAEConfig, device: torch.device) -> tuple[nn.Module, Callable[[], Tensor]]:
    """The network, and the loss of a new batch."""
    network = VQVAE(config.model, 0.08).to(device)

    def loss() -> Tensor:
        frames = torch.rand(config.training.batch_size, 3, *FRAME, device=device) - 0.5
        output = network(frames.to(memory_format=torch.channels_last))
        return output.nmse + output.quantizer.loss

    return network, loss


def _predictor(config: TrainPredictorConfig, device: torch.device) -> tuple[nn.Module, Callable[[], Tensor]]:
    """The network, and the loss of a new batch."""
    network = build_predictor(config.model, SPEC, GRID, CODEBOOK).to(device)
    return network, lambda: network(*random_windows(config, device)).loss
