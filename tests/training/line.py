"""A training with a network of three numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from videovq.config import (
    OptimizerConfig,
    TrainVQVAEConfig,
    VQVAETrainingConfig,
)
from videovq.data.modules import Batches, RandomBatches, ranks_of
from videovq.training import loop
from videovq.training.task import Metrics, Task, TaskModule

STEPS = 6


class Line(Task):
    """A straight line through points; ``stop`` is called in every validation."""

    command = "train line"

    def __init__(self, config: TrainVQVAEConfig, stop: Callable[[], None], parts: int) -> None:
        super().__init__(config, Points(config, parts), {"fact": 1}, about="50 points", then="videovq next")
        self.stop, self.accumulate = stop, parts
        self.each_step: Callable[[TaskModule], None] = lambda _: None

    def build(self) -> nn.Module:
        return nn.Linear(2, 1)

    def loss(self, network: nn.Module, batch: Tensor) -> tuple[Tensor, Metrics]:
        loss = (network(batch) - batch.sum(1, keepdim=True)).pow(2).mean()
        return loss, {"loss": loss}

    def step(self, module: TaskModule, batch: Tensor) -> Tensor | None:
        self.each_step(module)
        return super().step(module, batch)

    def measure(self, network: nn.Module, batch: Tensor) -> tuple[Metrics, None]:
        self.stop()
        return {}, None

    def callbacks(self, run: Path) -> list[Callback]:
        return []


class Points(L.LightningDataModule):
    def __init__(self, config: TrainVQVAEConfig, parts: int) -> None:
        super().__init__()
        self.points, self.training = torch.randn(50, 2, generator=torch.Generator().manual_seed(1)), config.training
        self.parts = parts

    def train_dataloader(self) -> RandomBatches[Tensor]:
        batch_size, steps = self.training.batch_size, self.training.steps
        return RandomBatches(50, self.points.__getitem__, batch_size, steps, 0, *ranks_of(self), parts=self.parts)

    def val_dataloader(self) -> Batches[Tensor]:
        return Batches(7, self.points.__getitem__, 8, *ranks_of(self))


def config_of(folder: Path, **training: object) -> TrainVQVAEConfig:
    settings = {"steps": STEPS, "batch_size": 4, "validate_every": STEPS, "checkpoint_every": 2, **training}
    return TrainVQVAEConfig(
        run=str(folder),
        optimizer=OptimizerConfig(learning_rate=0.1, warmup_steps=1, weight_average=0.9),
        training=VQVAETrainingConfig(**{"precision": "32-true", "accelerator": "cpu", "strategy": "auto", **settings}),  # type: ignore[arg-type]
    )


def fit(
    config: TrainVQVAEConfig,
    stop: Callable[[], None] = lambda: None,
    parts: int = 1,
    each_step: Callable[[TaskModule], None] = lambda _: None,
) -> None:
    task = Line(config, stop, parts)
    task.each_step = each_step
    loop.fit(task)


def checkpoint_of(folder: Path) -> Path:
    return folder / "checkpoints" / "last.ckpt"


def weights_of(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt
