from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.demos.boring_classes import BoringModel

from videovq.training.callbacks import StepSeed


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
