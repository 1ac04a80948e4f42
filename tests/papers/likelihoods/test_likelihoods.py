"""A density trains, resumes bit for bit, and comes back from its run as it was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import stopped_at_a_checkpoint
from videovq.config import EMAConfig, OptimizerConfig, TrainingConfig
from videovq.data.store import EpisodeStore
from videovq.papers.config import PixelCNNConfig
from videovq.papers.likelihoods import evaluate as evaluation
from videovq.papers.likelihoods import task as density
from videovq.papers.likelihoods.config import (
    EvaluateDensityConfig,
    GaussianVAEConfig,
    QuantizedVAEConfig,
    TrainDensityConfig,
    VIMCOConfig,
)

pytestmark = pytest.mark.slow

TINY = {"hidden": 8, "residual_hidden": 4, "residual_blocks": 1, "code_dim": 4}
VAE = GaussianVAEConfig(**TINY)  # type: ignore[arg-type]
QUANTIZED = QuantizedVAEConfig(
    **TINY,  # type: ignore[arg-type]
    quantizer=EMAConfig(codebook_size=16, commitment=0.25, restart_below=0.02),
    prior=PixelCNNConfig(width=8, embedding=4, decoder_layers=2),
)
MANY = VIMCOConfig(**TINY, codebook_size=4, samples=3)  # type: ignore[arg-type]


def settings(store: EpisodeStore, run: Path, steps: int, **changes: object) -> TrainDensityConfig:
    training = TrainingConfig(
        steps=steps, batch_size=4, validate_every=steps, checkpoint_every=20, precision="32-true", accelerator="cpu"
    )
    optimizer = OptimizerConfig(learning_rate=3e-3, warmup_steps=2)
    return TrainDensityConfig(store=str(store), run=str(run), optimizer=optimizer, training=training, **changes)  # type: ignore[arg-type]


def test_a_training_cut_off_ends_as_an_uninterrupted_one(episode_store: EpisodeStore, tmp_path: Path) -> None:
    whole = settings(episode_store, tmp_path / "whole", 30, model=MANY)
    density.train(whole)
    stopped = replace(whole, run=str(tmp_path / "stopped"))
    with stopped_at_a_checkpoint():
        density.train(stopped)
    assert not (tmp_path / "stopped" / "model.safetensors").exists(), "stopped half-way"
    density.train(stopped)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "stopped")]
    assert weights[0] == weights[1]


def test_the_table_has_every_bound_on_the_same_frames(
    episode_store: EpisodeStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = []
    for name, model in (("vae", VAE), ("vqvae", QUANTIZED), ("vimco", MANY)):
        runs.append(str(tmp_path / name))
        density.train(settings(episode_store, tmp_path / name, 40, model=model))
    out = tmp_path / "report"
    config = EvaluateDensityConfig(
        runs=runs, store=str(episode_store), frames=24, samples=4, shown=2, out=str(out), seed=3
    )
    evaluation.evaluate(config)
    rows = json.loads((out / "metrics.json").read_text())["bits_per_dim"]
    found = {(row["run"], row["bound"]): row for row in rows}
    assert len(found) == 6
    assert all(2 < row["bits_per_dim"] < 12 for row in rows)
    assert found["vae", "4 samples"]["bits_per_dim"] < found["vae", "1 sample"]["bits_per_dim"]
    assert found["vqvae", "its code, uniform prior"]["rate"] == pytest.approx(
        4 / 48, rel=1e-4
    )  # 4 bits, 4x4 pixels, 3 colours
    assert (out / "reconstructions.png").is_file() and (out / "samples.png").is_file()
    page = (out / "report.html").read_text()
    assert "its code, learned prior" in page and page.count("data:image/png;base64,") == 2
    assert "its code, learned prior" in capsys.readouterr().out
    again = evaluation.evaluate(config)
    assert again["bits_per_dim"] == rows, "the seed decides"
    with pytest.raises(ValueError, match="runs"):
        evaluation.evaluate(replace(config, runs=[]))
