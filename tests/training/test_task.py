"""What a training is made of: videovq.training.task."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.training.line import Line, config_of
from videovq.training import loop
from videovq.training.task import Metrics, TaskModule


class Costly(Line):
    """A line, one of whose metrics is costly, and that has a network beside its own."""

    def build(self) -> nn.Module:
        self.worked_out = 0
        self.beside["other"] = nn.Linear(1, 1)
        return super().build()

    def loss(self, network: nn.Module, batch: Tensor) -> tuple[Tensor, Metrics]:
        loss, metrics = super().loss(network, batch)
        return loss, {**metrics, "costly": self.work_out}

    def work_out(self) -> Tensor:
        self.worked_out += 1
        return torch.tensor(float(self.worked_out))


def test_costly_metrics_are_worked_out_for_the_steps_that_are_shown(tmp_path: Path) -> None:
    task = Costly(config_of(tmp_path / "run", steps=25), lambda: None, 1)
    loop.fit(task)
    assert task.worked_out == 3, "those of the first, the twentieth and the one after"


def test_a_network_beside_is_part_of_the_checkpoint_but_not_of_the_weights(tmp_path: Path) -> None:
    loop.fit(Costly(config_of(tmp_path / "run"), lambda: None, 1))
    state = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert {"network.weight", "other.weight"} <= {*state}
    assert {*load_file(tmp_path / "run" / "model.safetensors")} == {"weight", "bias"}


def test_a_copy_of_the_weights_shares_the_data(tmp_path: Path) -> None:
    task = Line(config_of(tmp_path / "run"), lambda: None, 1)
    module = TaskModule(task, task.build())
    copy = deepcopy(module)
    assert copy.task is task and copy.network is not module.network
