"""A training killed with SIGKILL and run again ends with the same losses and weights as an uninterrupted one."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.conftest import predictor_config, run_and_kill, vqvae_config
from videovq.config import (
    CodebookLossConfig,
    EMAConfig,
    LossConfig,
    OptimizerConfig,
    PixelCNNConfig,
    QuantizerConfig,
    RotationConfig,
    SecondStageConfig,
    TrainingConfig,
    TrainPriorConfig,
    TrainSecondStageConfig,
)
from videovq.data.store import CodeStore, EpisodeStore
from videovq.parsing import to_yaml
from videovq.training import predictor, prior, second_stage, vqvae


def losses(run: Path, metric: str) -> dict[int, float]:
    """Step -> logged value, over all resumptions, a later start winning."""
    found = {}
    for log in sorted(run.glob("logs/from-*/metrics.csv")):
        for row in csv.DictReader(log.open()):
            if row.get(metric):
                found[int(row["step"])] = float(row[metric])
    return found


def kill_half_way(words: list[str], config: Any, tmp_path: Path) -> None:
    """Start the command and SIGKILL it as soon as its first checkpoint is on disk."""
    (tmp_path / "c.yaml").write_text(to_yaml(config))
    run_and_kill([*words, "--config", str(tmp_path / "c.yaml")], Path(config.run) / "checkpoints" / "last.ckpt")
    assert not (Path(config.run) / "model.safetensors").exists(), "killed half-way"


EMA = EMAConfig(codebook_size=32, restart_below=0.2)


@pytest.mark.parametrize(
    ("quantizer", "loss"),
    [
        (EMA, LossConfig()),
        (CodebookLossConfig(codebook_size=32, restart_below=0.2), LossConfig()),
        (RotationConfig(codebook_size=32), LossConfig()),
        (EMA, LossConfig(adversarial=0.5, adversarial_after=30, discriminator_width=8)),
    ],
    ids=["ema", "codebook_loss", "rotation", "adversarial"],
)
def test_vqvae(quantizer: QuantizerConfig, loss: LossConfig, episode_store: EpisodeStore, tmp_path: Path) -> None:
    config = vqvae_config(episode_store, tmp_path / "whole", steps=200, quantizer=quantizer)
    config = replace(config, loss=loss)
    config = replace(config, training=replace(config.training, validate_every=100, checkpoint_every=60))
    vqvae.train(config)
    killed = replace(config, run=str(tmp_path / "killed"))
    kill_half_way(["train", "vqvae"], killed, tmp_path)
    vqvae.train(killed)
    check_same(tmp_path, "train/nmse")


@pytest.mark.parametrize("method", ["adamw", "muon"])
def test_predictor(method: Literal["adamw", "muon"], code_store: CodeStore, tmp_path: Path) -> None:
    config = predictor_config(code_store, tmp_path / "whole", steps=200)
    config = replace(config, training=replace(config.training, validate_every=100, checkpoint_every=60))
    config = replace(config, optimizer=replace(config.optimizer, method=method, weight_average=0.9))
    predictor.train(config)
    killed = replace(config, run=str(tmp_path / "killed"))
    kill_half_way(["train", "predictor"], killed, tmp_path)
    predictor.train(killed)
    check_same(tmp_path, "train/bits_per_code")


SINGLE = TrainingConfig(
    steps=200, batch_size=8, validate_every=100, checkpoint_every=60, precision="32-true", accelerator="cpu"
)
SMALL = PixelCNNConfig(width=16, embedding=8, decoder_layers=3, attention_every=2, heads=2)


def test_prior(code_store: CodeStore, tmp_path: Path) -> None:
    config = TrainPriorConfig(str(code_store), str(tmp_path / "whole"), SMALL, OptimizerConfig(), SINGLE)
    prior.train(config)
    killed = replace(config, run=str(tmp_path / "killed"))
    kill_half_way(["train", "prior"], killed, tmp_path)
    prior.train(killed)
    check_same(tmp_path, "train/bits_per_code")


def test_second_stage(code_store: CodeStore, tmp_path: Path) -> None:
    model = SecondStageConfig(code_dim=8, quantizer=EMA, decoder=SMALL)
    config = TrainSecondStageConfig(str(code_store), str(tmp_path / "whole"), model, OptimizerConfig(), SINGLE)
    second_stage.train(config)
    killed = replace(config, run=str(tmp_path / "killed"))
    kill_half_way(["train", "second-stage"], killed, tmp_path)
    second_stage.train(killed)
    check_same(tmp_path, "train/bits_per_latent")


def check_same(tmp_path: Path, metric: str) -> None:
    whole, killed = losses(tmp_path / "whole", metric), losses(tmp_path / "killed", metric)
    assert max(whole) == max(killed) == 199
    assert all(killed[step] == whole[step] for step in killed)
    assert [p.name for p in sorted((tmp_path / "killed" / "logs").iterdir())][-1] != "from-0000000", "it was resumed"
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "killed")]
    assert weights[0] == weights[1]


def test_a_finished_run_is_left_alone_and_other_settings_are_refused(
    vqvae_run: Path, episode_store: EpisodeStore, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {p: p.stat().st_mtime_ns for p in vqvae_run.rglob("*")}
    vqvae.train(vqvae_config(episode_store, vqvae_run))
    assert "trained already" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"training\.steps: 300 -> 301"):
        vqvae.train(vqvae_config(episode_store, vqvae_run, steps=301))
    assert before == {p: p.stat().st_mtime_ns for p in vqvae_run.rglob("*")}
