"""The settings of sound."""

from __future__ import annotations

from pathlib import Path

import pytest

from videovq.config import EMAConfig
from videovq.papers.sound.config import TrainSoundConfig
from videovq.parsing import parse, read_config
from videovq.shipped import shipped_configs


@pytest.mark.parametrize("name", ["train_sound", "configs/train_sound.yaml", "configs/papers/sound/train_sound.yaml"])
def test_a_file_that_ships_is_found_by_its_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse(TrainSoundConfig, ["--config", name]).training.steps == 1300


def test_what_was_measured_with_another_codebook_keeps_it() -> None:
    model = read_config(TrainSoundConfig, shipped_configs()["train_sound"]).model
    assert isinstance(model.quantizer, EMAConfig)
    assert (model.quantizer.commitment, model.quantizer.restart_below, model.code_dim) == (0.25, 0.02, 64)
