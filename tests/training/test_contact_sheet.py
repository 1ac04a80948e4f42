from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v3 as iio
import lightning as L
import torch
from lightning.pytorch.demos.boring_classes import BoringModel
from torch import Tensor

from videovq.training.callbacks import StepSeed
from videovq.training.contact_sheet import ROWS, ContactSheet

TRUTH = torch.full((3, 4, 4, 3), 200, dtype=torch.uint8)


class Network(BoringModel):
    """A training whose network drops out, so that random numbers drawn elsewhere would change it."""

    def __init__(self) -> None:
        super().__init__()
        self.network = self.layer = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(32, 2))

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(64, 32)))

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return super().training_step(batch[0], batch_idx)


def drawn(network: torch.nn.Module) -> Tensor:
    assert not network.training
    torch.rand(7)
    return torch.zeros_like(TRUTH)


def train(steps: int, folder: Path, *callbacks: L.Callback, resume: Path | None = None) -> Tensor:
    torch.manual_seed(0)
    module = Network()
    off: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    quick = {"accelerator": "cpu", "limit_val_batches": 0, "enable_checkpointing": False}
    trainer = L.Trainer(max_steps=steps, callbacks=[StepSeed(0), *callbacks], default_root_dir=folder, **off, **quick)
    trainer.fit(module, ckpt_path=resume, weights_only=True if resume else None)
    trainer.save_checkpoint(folder / "last.ckpt")
    return module.network[1].weight.detach()


def test_rows_are_added_and_thinned_and_the_last_is_what_is_drawn_now(tmp_path: Path) -> None:
    sheet = ContactSheet(tmp_path / "new" / "sheet.png", ["a", "b", "c"], TRUTH, drawn, seconds=0)
    train(ROWS + 3, tmp_path, sheet)
    steps = [step for step, _ in sheet.rows]
    assert steps[0] == 1 and steps[-1] == ROWS + 3 and len(steps) <= ROWS and steps == sorted(set(steps))
    picture = iio.imread(tmp_path / "new" / "sheet.png")
    assert (picture == 200).all(-1).sum() == 3 * 84 * 84, "the true frames once"
    assert (picture == 0).all(-1).sum() >= len(steps) * 3 * 84 * 84


def test_between_two_rows_lies_some_time_and_the_last_step_has_one(tmp_path: Path) -> None:
    sheet = ContactSheet(tmp_path / "sheet.png", [""] * 3, TRUTH, drawn, seconds=3600)
    train(5, tmp_path, sheet)
    assert [step for step, _ in sheet.rows] == [1, 5]


def test_it_changes_nothing_and_goes_on_with_the_training(tmp_path: Path) -> None:
    alone = train(6, tmp_path)
    first = ContactSheet(tmp_path / "sheet.png", [""] * 3, TRUTH, drawn, seconds=0)
    train(3, tmp_path, first)
    again = ContactSheet(tmp_path / "sheet.png", [""] * 3, TRUTH, drawn, seconds=0)
    assert torch.equal(train(6, tmp_path, again, resume=tmp_path / "last.ckpt"), alone)
    assert [step for step, _ in again.rows] == [1, 2, 3, 4, 5, 6]
