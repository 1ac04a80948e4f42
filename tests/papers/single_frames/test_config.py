"""The settings of a second stage."""

from __future__ import annotations

from videovq.config import EMAConfig
from videovq.papers.single_frames.config import TrainSecondStageConfig
from videovq.parsing import read_config
from videovq.shipped import shipped_configs


def test_what_was_measured_with_another_codebook_keeps_it() -> None:
    model = read_config(TrainSecondStageConfig, shipped_configs()["train_second_stage"]).model
    assert isinstance(model.quantizer, EMAConfig)
    assert (model.quantizer.commitment, model.quantizer.restart_below, model.code_dim) == (0.25, 0.1, 64)
