"""Two levels end to end: train, encode, both priors, the comparison with one level; trainings resume."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import stopped_at_a_checkpoint
from videovq.config import EMAConfig, OptimizerConfig, TrainingConfig
from videovq.data.store import CodeStore, EpisodeStore
from videovq.frames import psnr, to_float, to_uint8
from videovq.papers.config import PixelCNNConfig
from videovq.papers.single_frames import prior_task as prior
from videovq.papers.single_frames.config import TrainPriorConfig
from videovq.papers.two_levels import bottom_prior_task as bottom_prior
from videovq.papers.two_levels import evaluate as evaluation
from videovq.papers.two_levels import task as vqvae2
from videovq.papers.two_levels.config import (
    EncodeVQVAE2Config,
    EvaluateVQVAE2Config,
    TrainBottomPriorConfig,
    TrainVQVAE2Config,
    VQVAE2Config,
)
from videovq.papers.two_levels.encode import encode
from videovq.papers.two_levels.runs import load_vqvae2
from videovq.parsing import read_config

pytestmark = pytest.mark.slow

SMALL = PixelCNNConfig(width=16, embedding=8, decoder_layers=2, heads=2)


def shared(steps: int) -> dict[str, Any]:
    training = TrainingConfig(
        steps=steps, batch_size=4, validate_every=steps, checkpoint_every=15, precision="32-true", accelerator="cpu"
    )
    return {"optimizer": OptimizerConfig(learning_rate=3e-3, warmup_steps=2), "training": training}


@pytest.fixture(scope="module")
def folder(episode_store: EpisodeStore, code_store: CodeStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two levels and of both priors, beside a prior of the one-level VQ-VAE of the other tests."""
    path = tmp_path_factory.mktemp("vqvae2")
    model = VQVAE2Config(
        hidden=16,
        residual_hidden=8,
        code_dim=4,
        top=EMAConfig(codebook_size=32, commitment=0.25, restart_below=0.02),
        bottom=EMAConfig(codebook_size=8, commitment=0.25, restart_below=0.02),
    )
    settings = TrainVQVAE2Config(store=str(episode_store), run=str(path / "vqvae2"), model=model, **shared(80))
    vqvae2.train(settings)
    encode(EncodeVQVAE2Config(str(episode_store), str(path / "vqvae2"), str(path / "codes")))
    prior.train(
        TrainPriorConfig(
            store=f"{path}/codes/top", run=f"{path}/top", model=replace(SMALL, attention_every=2), **shared(10)
        )
    )
    bottom_prior.train(TrainBottomPriorConfig(store=f"{path}/codes", run=f"{path}/bottom", model=SMALL, **shared(40)))
    prior.train(TrainPriorConfig(store=str(code_store), run=f"{path}/one", model=SMALL, **shared(10)))
    return path


def test_both_stores_hold_the_codes_of_the_frames(folder: Path, episode_store: EpisodeStore) -> None:
    top, bottom = CodeStore(folder / "codes" / "top"), CodeStore(folder / "codes" / "bottom")
    assert (top.header.grid, bottom.header.grid) == ((6, 6), (12, 12))
    assert top.header.fingerprint != bottom.header.fingerprint
    network, info = load_vqvae2(folder / "vqvae2").network, episode_store.split("test")[0]
    frames = episode_store.read(info).frames
    with torch.no_grad():
        again = to_uint8(network.decode(top.read(info).codes, bottom.read(info).codes))
        assert torch.equal(top.read(info).codes, network.encode(to_float(frames))[0])
    assert psnr(again, frames).mean() > 12


@pytest.mark.parametrize(
    ("what", "kind", "train"),
    [("vqvae2", TrainVQVAE2Config, vqvae2.train), ("bottom", TrainBottomPriorConfig, bottom_prior.train)],
)
def test_a_training_cut_off_ends_as_an_uninterrupted_one(
    what: str, kind: type, train: Callable[[Any], None], folder: Path, tmp_path: Path
) -> None:
    settings: Any = replace(read_config(kind, folder / what / "config.yaml"), run=str(tmp_path / "stopped"))
    with stopped_at_a_checkpoint():
        train(settings)
    assert not (tmp_path / "stopped" / "model.safetensors").exists(), "stopped half-way"
    train(settings)
    weights = [(run / "model.safetensors").read_bytes() for run in (folder / what, tmp_path / "stopped")]
    assert weights[0] == weights[1]


def test_the_comparison(
    folder: Path, episode_store: EpisodeStore, vqvae_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = EvaluateVQVAE2Config(
        vqvae2=f"{folder}/vqvae2",
        top_prior=f"{folder}/top",
        bottom_prior=f"{folder}/bottom",
        one_level=str(vqvae_run),
        one_level_prior=f"{folder}/one",
        store=str(episode_store),
        frames=20,
        shown=2,
        out=str(tmp_path / "report"),
    )
    evaluation.evaluate(config)
    found = json.loads((tmp_path / "report" / "metrics.json").read_text())
    two, one = found["two levels"], found["one level"]
    assert two["bits"] == 36 * 5 + 144 * 3 and one["bits"] == 36 * 5
    assert sum(two["bits_by_prior"]) < two["bits"], "the priors have learnt something"
    assert two["bits_per_code_by_prior"][1] == pytest.approx(two["bits_by_prior"][1] / 144)
    assert (tmp_path / "report" / "samples.png").is_file() and (tmp_path / "report" / "reconstructions.png").is_file()
    page = (tmp_path / "report" / "report.html").read_text()
    assert "36x32 + 144x8" in page and page.count("data:image/png;base64,") == 2
    assert "two levels" in capsys.readouterr().out
    with pytest.raises(ValueError, match="another VQ-VAE"):
        evaluation.evaluate(replace(config, top_prior=f"{folder}/one"))
