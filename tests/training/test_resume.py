"""A training that is cut off and run again ends with the same losses and weights as an uninterrupted one."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.conftest import predictor_config, run_and_kill, stopped_at_a_checkpoint, vqvae_config
from videovq.config import (
    CodebookLossConfig,
    EMAConfig,
    LossConfig,
    QuantizerConfig,
    RotationConfig,
)
from videovq.data.store import CodeStore, EpisodeStore
from videovq.parsing import to_yaml
from videovq.training import predictor, vqvae

pytestmark = pytest.mark.slow


def losses(run: Path, metric: str) -> dict[int, float]:
    """Step -> logged value, over all resumptions, a later start winning."""
    found = {}
    for log in sorted(run.glob("logs/from-*/metrics.csv")):
        for row in csv.DictReader(log.open()):
            if row.get(metric):
                found[int(row["step"])] = float(row[metric])
    return found


def check_resumes(train: Callable[[Any], None], config: Any, tmp_path: Path, metric: str) -> None:
    """A training whose process is lost right after its first checkpoint, and the same without that."""
    whole, stopped = (replace(config, run=str(tmp_path / name)) for name in ("whole", "stopped"))
    train(whole)
    with stopped_at_a_checkpoint():
        train(stopped)
    assert not (tmp_path / "stopped" / "model.safetensors").exists(), "stopped half-way"
    train(stopped)
    check_same(tmp_path / "whole", tmp_path / "stopped", metric)


def check_same(whole: Path, resumed: Path, metric: str) -> None:
    expected, found = losses(whole, metric), losses(resumed, metric)
    assert max(expected) == max(found) == STEPS - 1
    assert all(found[step] == expected[step] for step in found)
    assert max(log.name for log in (resumed / "logs").iterdir()) == "from-0000010", "it was resumed"
    weights = [(run / "model.safetensors").read_bytes() for run in (whole, resumed)]
    assert weights[0] == weights[1]


STEPS = 40
INTERVALS = {"validate_every": 15, "checkpoint_every": 10}
EMA = EMAConfig(codebook_size=32, commitment=0.25, restart_below=0.2)


@pytest.mark.parametrize(
    ("quantizer", "loss"),
    [
        (CodebookLossConfig(codebook_size=32, commitment=0.25, restart_below=0.2), LossConfig()),
        (RotationConfig(codebook_size=32), LossConfig()),
        (EMA, LossConfig(adversarial=0.5, adversarial_after=5, discriminator_width=8)),
    ],
    ids=["codebook_loss", "rotation", "adversarial"],
)
def test_vqvae(quantizer: QuantizerConfig, loss: LossConfig, episode_store: EpisodeStore, tmp_path: Path) -> None:
    config = vqvae_config(episode_store, tmp_path, steps=STEPS, quantizer=quantizer)
    config = replace(config, loss=loss, training=replace(config.training, **INTERVALS))
    check_resumes(vqvae.train, config, tmp_path, "train/nmse")


def test_a_decoder_alone(vqvae_run: Path, episode_store: EpisodeStore, tmp_path: Path) -> None:
    config = vqvae_config(episode_store, tmp_path, steps=STEPS)
    config = replace(config, training=replace(config.training, **INTERVALS))
    config = replace(config, init=str(vqvae_run), decoder_only=True, code_swaps=0.3)
    check_resumes(vqvae.train, config, tmp_path, "train/nmse")


def test_a_killed_process(episode_store: EpisodeStore, tmp_path: Path) -> None:
    config = vqvae_config(episode_store, tmp_path / "whole", steps=STEPS, quantizer=EMA)
    config = replace(config, training=replace(config.training, **INTERVALS))
    vqvae.train(config)
    killed = replace(config, run=str(tmp_path / "killed"))
    (tmp_path / "c.yaml").write_text(to_yaml(killed))
    words = ["train", "vqvae", "--config", str(tmp_path / "c.yaml")]
    run_and_kill(words, tmp_path / "killed" / "checkpoints" / "last.ckpt")
    assert not (tmp_path / "killed" / "model.safetensors").exists(), "killed half-way"
    vqvae.train(killed)
    check_same(tmp_path / "whole", tmp_path / "killed", "train/nmse")


@pytest.mark.parametrize("method", ["adamw", "muon"])
def test_predictor(method: Literal["adamw", "muon"], code_store: CodeStore, tmp_path: Path) -> None:
    config = predictor_config(code_store, tmp_path, steps=STEPS)
    config = replace(config, training=replace(config.training, **INTERVALS))
    config = replace(config, optimizer=replace(config.optimizer, method=method, weight_average=0.9))
    check_resumes(predictor.train, config, tmp_path, "train/bits_per_code")


def test_a_finished_run_is_left_alone_and_other_settings_are_refused(
    vqvae_run: Path, episode_store: EpisodeStore, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {p: p.stat().st_mtime_ns for p in vqvae_run.rglob("*")}
    vqvae.train(vqvae_config(episode_store, vqvae_run))
    assert "trained already" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"model\.code_dim: 8 -> 4"):
        vqvae.train(vqvae_config(episode_store, vqvae_run, code_dim=4))
    assert before == {p: p.stat().st_mtime_ns for p in vqvae_run.rglob("*")}
