"""``videovq evaluate prior`` and ``evaluate second-stage``: what they measure, draw and refuse."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import imageio.v3 as iio
import pytest
import torch

from tests.conftest import vqvae_config
from videovq.cli import main
from videovq.config import EMAConfig, OptimizerConfig, TrainingConfig
from videovq.data.store import CodeStore, EpisodeStore
from videovq.papers.config import PixelCNNConfig
from videovq.papers.counted import markov_bits
from videovq.papers.single_frames import evaluate_prior as prior_evaluation
from videovq.papers.single_frames import prior_task as prior
from videovq.papers.single_frames import second_stage_task as second_stage
from videovq.papers.single_frames.config import (
    EvaluatePriorConfig,
    SecondStageConfig,
    TrainPriorConfig,
    TrainSecondStageConfig,
)
from videovq.training import vqvae

pytestmark = pytest.mark.slow

SMALL = PixelCNNConfig(width=16, embedding=8, decoder_layers=2)
SHORT = TrainingConfig(steps=60, batch_size=8, validate_every=60, precision="32-true", accelerator="cpu")
QUICK = OptimizerConfig(learning_rate=1e-2, warmup_steps=2)


@pytest.fixture(scope="module")
def prior_run(code_store: CodeStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "prior"
    prior.train(TrainPriorConfig(store=str(code_store), run=str(run), model=SMALL, optimizer=QUICK, training=SHORT))
    return run


def test_a_prior_is_measured_and_drawn(
    prior_run: Path, vqvae_run: Path, code_store: CodeStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--prior", prior_run, "--vqvae", vqvae_run, "--store", code_store, "--out", tmp_path, "--samples", 3]
    assert main(["evaluate", "prior", *map(str, words)]) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    bits, per_dim = metrics["bits_per_code"], metrics["bits_per_dim"]
    assert metrics["frames"] == 80
    assert bits["uniform"] == 5
    assert bits["prior"] < bits["unigram"] < bits["uniform"]
    train, held = (
        torch.cat([code_store.read(info).codes for info in code_store.split(split)]) for split in ("train", "test")
    )
    assert bits["raster Markov"] == pytest.approx(markov_bits(train, held, 32))
    assert per_dim["prior"] == pytest.approx(bits["prior"] * 36 / (3 * 24 * 24))
    shown = capsys.readouterr().out
    assert f"{bits['prior']:.3f} bits per code" in shown and f"written to {tmp_path / 'report.html'}" in shown
    assert iio.imread(tmp_path / "samples.png").std() > 5
    page = (tmp_path / "report.html").read_text()
    assert "raster Markov" in page and page.count("data:image/png;base64,") == 1


def test_the_bits_are_those_of_every_frame_alone(prior_run: Path, code_store: CodeStore) -> None:
    trained = prior_evaluation.load_prior(prior_run)
    found = prior_evaluation.prior_bits(trained, code_store, "test")
    frames = [frame[None] for info in code_store.split("test") for frame in code_store.read(info).codes]
    with torch.no_grad():
        slowly = [float(trained.network(frame, torch.tensor([1])).mean()) / math.log(2) for frame in frames]
    assert found["of any level"] == pytest.approx(sum(slowly) / len(slowly), abs=1e-4)


def test_a_second_stage_is_measured_and_drawn(vqvae_run: Path, code_store: CodeStore, tmp_path: Path) -> None:
    model = SecondStageConfig(
        code_dim=8, quantizer=EMAConfig(codebook_size=16, commitment=0.25, restart_below=0.02), decoder=SMALL
    )
    second_stage.train(
        TrainSecondStageConfig(
            store=str(code_store), run=str(tmp_path / "run"), model=model, optimizer=QUICK, training=SHORT
        )
    )
    out = tmp_path / "out"
    words = ["--second_stage", tmp_path / "run", "--vqvae", vqvae_run, "--store", code_store, "--out", out]
    assert main(["evaluate", "second-stage", *map(str, words), "--shown", "3"]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["bits_per_frame_of_latents"] == 12
    assert len(metrics["perplexity"]) == 3
    assert set(metrics["bits_per_code"]) == {"with its latents", "with another frame's"}
    for name in ("reconstructions", "samples"):
        assert iio.imread(out / f"{name}.png").std() > 5, name
    page = (out / "report.html").read_text()
    assert "with another frame&#x27;s" in page and page.count("data:image/png;base64,") == 2


def test_what_does_not_belong_together_is_refused(
    prior_run: Path, code_store: CodeStore, episode_store: EpisodeStore, tmp_path: Path
) -> None:
    vqvae.train(vqvae_config(episode_store, tmp_path / "other", steps=2))
    config = EvaluatePriorConfig(prior=str(prior_run), vqvae=str(tmp_path / "other"), store=str(code_store))
    with pytest.raises(ValueError, match="of the same codes"):
        prior_evaluation.evaluate(replace(config, out=str(tmp_path / "out")))
    with pytest.raises(ValueError, match="samples"):
        prior_evaluation.evaluate(replace(config, samples=0))
    assert not (tmp_path / "out").exists()
