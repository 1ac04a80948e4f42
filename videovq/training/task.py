"""Training tasks (data, network, loss, metrics) and their LightningModule; :mod:`videovq.training.loop` runs them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from videovq.config import TrainConfig
from videovq.models.quantizers.contract import sum_over_ranks
from videovq.training.callbacks import Curves
from videovq.training.optimizers import optimizer

Metrics = Mapping[str, Tensor | Callable[[], Tensor]]
"""Values by name; in training, a costly one is worked out, by calling it, only for the steps that are shown."""

Panels = Sequence[tuple[str, str, bool]]
"""(metric without its ``train/`` or ``val/``, axis label, logarithmic) of each panel of the curves."""


class Task(ABC):
    """A training task. A subclass reads the data and refuses settings that do not fit it.

    Args:
        config: the settings.
        data: the batches of training and validation.
        facts: about the data, for the header of the weights; ``build`` may add to them.
        about: how much data there is to learn from, for people.
        then: the next command.

    Attributes:
        command: what trains it, as it is called.
        panels: of the curves.
        accumulate: batches of the data to a step.
        shown: remainders by 20 of the steps whose costly metrics are worked out; the curves show the first step, and
            every 20th.
        compiled: whether ``build`` compiled parts of the network.
        automatic: whether Lightning takes the optimiser's step; else ``step`` does.
        beside: networks beside the one that is kept, which move with it and are part of a checkpoint.
    """

    command: str
    panels: Panels = ()
    accumulate = 1
    shown: tuple[int, ...] = (0, 19)
    automatic = True
    config: TrainConfig

    def __init__(
        self, config: TrainConfig, data: L.LightningDataModule, facts: dict[str, Any], *, about: str, then: str
    ) -> None:
        self.config, self.data, self.facts, self.about, self.then = config, data, facts, about, then
        self.beside: dict[str, nn.Module] = {}
        self.compiled = False

    def __deepcopy__(self, memo: object) -> Task:
        return self  # where weights are averaged, the network is copied, but not its data

    @abstractmethod
    def build(self) -> nn.Module:
        """The network before the first step; its weights are drawn from torch's own generator."""

    def compile(self, *parts: nn.Module) -> None:
        """Compile parts of the network, for the steps of the training."""
        for part in parts:
            part.compile()
        self.compiled = True

    @abstractmethod
    def loss(self, network: Any, batch: Any) -> tuple[Tensor, Metrics]:
        """What is minimised, and the metrics of a batch."""

    def measure(self, network: Any, batch: Any) -> tuple[Metrics, Any]:
        """The metrics of a batch of the validation, and what ``summary`` needs of it."""
        return self.loss(network, batch)[1], None

    def summary(self, seen: list[Any]) -> Metrics:
        """The metrics of a whole validation, of what ``measure`` kept of this rank's batches."""
        return {}

    def callbacks(self, run: Path) -> list[Callback]:
        """What shows how the training goes, in its folder."""
        return [Curves(run, self.panels)]

    def step(self, module: TaskModule, batch: Any) -> Tensor | None:
        """A step of the training: its loss, unless it took that of the optimiser itself."""
        loss, metrics = self.loss(module.network, batch)
        module.show(metrics)
        return loss

    def optimizers(self, network: nn.Module) -> Any:
        """Optimiser and schedule, in the form that Lightning takes."""
        return optimizer(network, self.config.optimizer, self.config.training.steps)


class TaskModule(L.LightningModule):
    """The LightningModule of a task and its network."""

    def __init__(self, task: Task, network: nn.Module) -> None:
        super().__init__()
        self.task, self.network = task, network
        for name, part in task.beside.items():
            self.add_module(name, part)
        self.automatic_optimization = task.automatic

    def show(self, metrics: Metrics) -> None:
        """Log metrics of a step of the training."""
        costly = self.global_step % 20 in self.task.shown
        self._log("train", {name: value for name, value in metrics.items() if costly or not callable(value)})

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        return batch.to(device, non_blocking=device.type == "cuda")  # from pinned memory: videovq.data.prefetch

    def training_step(self, batch: Any, batch_idx: int) -> Tensor | None:
        return self.task.step(self, batch)

    def on_validation_epoch_start(self) -> None:
        self.seen: list[Any] = []
        self.sums: dict[str, Tensor] = {}
        self.size = 0

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        metrics, kept = self.task.measure(self.network, batch)
        self.seen.append(kept)
        self.size += len(batch)
        for name, value in metrics.items():
            weighted = _float(value) * len(batch)
            self.sums[name] = self.sums[name] + weighted if name in self.sums else weighted

    def on_validation_epoch_end(self) -> None:
        # Not by self.log, which over ranks rounds the mean of their sizes down to a whole number.
        size = sum_over_ranks(torch.tensor(self.size, device=self.device))
        means = {name: sum_over_ranks(value) / size for name, value in self.sums.items()}
        self._log("val", {**means, **self.task.summary(self.seen)})

    def configure_optimizers(self) -> Any:
        return self.task.optimizers(self.network)

    def _log(self, split: str, metrics: Metrics) -> None:
        for name, value in metrics.items():
            self.log(f"{split}/{name}", _float(value))


def _float(value: Tensor | Callable[[], Tensor]) -> Tensor:
    return (value() if callable(value) else value).detach().float()
