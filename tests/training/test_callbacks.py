from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.demos.boring_classes import BoringModel

from videovq.training.callbacks import Curves, Pictures, StepSeed, draw_curves


def test_a_training_that_goes_on_with_other_threads_says_that_it_may_round_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def trainer(steps: int) -> L.Trainer:
        off: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        quick = {"accelerator": "cpu", "limit_val_batches": 0, "enable_checkpointing": False}
        return L.Trainer(max_steps=steps, callbacks=[StepSeed(0)], default_root_dir=tmp_path, **off, **quick)

    first, newest = trainer(1), str(tmp_path / "last.ckpt")
    first.fit(BoringModel())
    first.save_checkpoint(newest)
    trainer(2).fit(BoringModel(), ckpt_path=newest, weights_only=True)
    assert "round otherwise" not in capsys.readouterr().out
    before = torch.get_num_threads()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    trainer(3).fit(BoringModel(), ckpt_path=newest, weights_only=True)
    assert f"goes on with 7 thread(s), began with {before}: " in capsys.readouterr().out


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_single_value_is_visible_in_the_curves(split: str) -> None:
    empty, one = (draw_curves(rows, [("loss", "loss", False)]) for rows in ([], [{"step": 1.0, f"{split}/loss": 0.5}]))
    colour = {"train": (31, 119, 180), "val": (255, 127, 14)}[split]
    count = [(picture == colour).all(-1).sum() for picture in (empty, one)]
    assert count[0] == 0 and count[1] > 8 + 30, "the legend's line, and a mark in the panel"


def test_ranks_other_than_the_first_draw_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(*_: object) -> Any:
        raise AssertionError("drawn")

    trainer = L.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, default_root_dir=tmp_path)
    monkeypatch.setattr(L.Trainer, "is_global_zero", False)
    monkeypatch.setattr("videovq.training.callbacks.draw_curves", draw)
    Pictures(tmp_path, "picture", draw).on_validation_end(trainer, L.LightningModule())
    Curves(tmp_path, [("loss", "loss", False)]).on_validation_end(trainer, L.LightningModule())
    assert not list(tmp_path.iterdir())


def test_curves_begin_with_the_first_step(tmp_path: Path) -> None:
    class Logged(BoringModel):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            found = super().training_step(batch, batch_idx)
            self.log("train/loss", found["loss"])
            return found

    curves = Curves(tmp_path, [("loss", "loss", False)])
    off: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    quick = {"accelerator": "cpu", "limit_val_batches": 0, "enable_checkpointing": False}
    L.Trainer(max_steps=3, callbacks=[curves], default_root_dir=tmp_path, **off, **quick).fit(Logged())
    assert [row["step"] for row in curves.rows if "train/loss" in row] == [1.0]
