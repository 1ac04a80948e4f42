"""A small world in which actions matter, as real H.264 files, and every stage's output for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from videovq.config import (
    EMAConfig,
    EncodeConfig,
    OptimizerConfig,
    PatchPredictorConfig,
    PixelCNNPredictorConfig,
    PredictorTrainingConfig,
    PrepConfig,
    RasterPredictorConfig,
    TrainingConfig,
    TrainPredictorConfig,
    TrainVQVAEConfig,
    VQVAEConfig,
)
from videovq.data.store import CodeStore, EpisodeStore
from videovq.data.video import write_video
from videovq.prep.prepare import prepare
from videovq.training import predictor, vqvae
from videovq.training.encode import encode

torch.set_num_threads(1)  # should something have imported it before tests/__init__.py said so

NAMES = ("stay", "left", "right")
SIZE = 24


def world(seed: int, frames: int = 40) -> tuple[np.ndarray, list[int]]:
    """A chequered wall seen through a window that the actions move by a code cell (4 pixels)."""
    rng = np.random.default_rng(seed)
    palette = np.random.default_rng(0).integers(0, 256, (6, 3), dtype=np.uint8)
    wall = palette[rng.integers(0, 6, (6, 64))].repeat(4, axis=0).repeat(4, axis=1)
    actions = rng.integers(0, 3, frames).tolist()
    at, pictures = 116, []
    for action in actions:
        pictures.append(wall[:, at : at + SIZE])
        at = int(np.clip(at + (0, -4, 4)[action], 0, wall.shape[1] - SIZE))
    return np.stack(pictures), actions


def write_episode(folder: Path, name: str, frames: np.ndarray, actions: list[int], **extra: object) -> None:
    write_video(folder / f"{name}.mp4", frames, 15, "lossless")
    sidecar = {"actions": actions, "fps": 15, "action_legend": {str(i): n for i, n in enumerate(NAMES)}, **extra}
    (folder / f"{name}.json").write_text(json.dumps(sidecar))


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten episodes of 40 frames; two say that they are test episodes."""
    folder = tmp_path_factory.mktemp("recordings")
    for i in range(10):
        frames, actions = world(i)
        write_episode(folder, f"episode_{i:06d}", frames, actions, split="test" if i >= 8 else "train", level="wall")
    return folder


def prep_config(source: Path, out: Path, **changes: object) -> PrepConfig:
    settings = {"frame_size": SIZE, "shard_episodes": 3, "workers": 1, "validation_fraction": 0.1, **changes}
    return PrepConfig(source=str(source), out=str(out), **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def episode_store(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> EpisodeStore:
    return prepare(prep_config(recordings, tmp_path_factory.mktemp("stores") / "episodes"))


def run_and_kill(words: list[str], until: Path) -> None:
    """Start a videovq command and SIGKILL it as soon as the file ``until`` is there."""
    command = [sys.executable, "-m", "videovq.cli", *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not until.exists():
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def vqvae_config(store: EpisodeStore, run: Path, steps: int = 300, **model: object) -> TrainVQVAEConfig:
    return TrainVQVAEConfig(
        store=str(store),
        run=str(run),
        model=VQVAEConfig(
            **{"hidden": 16, "residual_hidden": 8, "code_dim": 8, "quantizer": EMAConfig(codebook_size=32), **model}
        ),  # type: ignore[arg-type]
        optimizer=OptimizerConfig(learning_rate=3e-3, warmup_steps=2),
        training=TrainingConfig(
            steps=steps, batch_size=8, validate_every=100, checkpoint_every=100, precision="32-true", accelerator="cpu"
        ),
    )


SMALL_RASTER = RasterPredictorConfig(
    width=16, embedding=8, history=2, blocks=2, lookups=1, decoder_layers=1, transformer_width=16, transformer_layers=1,
    heads=2, window=4,
)  # fmt: skip
SMALL_PIXELCNN = PixelCNNPredictorConfig(width=16, embedding=8, history=2, context_blocks=1, decoder_layers=2)
SMALL_PATCH = PatchPredictorConfig(
    width=16, embedding=8, history=2, blocks=2, lookups=1, decoder_blocks=1, transformer_width=16, transformer_layers=1,
    heads=2, window=4,
)  # fmt: skip


def predictor_config(store: CodeStore, run: Path, steps: int = 40) -> TrainPredictorConfig:
    return TrainPredictorConfig(
        store=str(store),
        run=str(run),
        model=SMALL_PATCH,
        optimizer=OptimizerConfig(learning_rate=3e-3, warmup_steps=2),
        training=PredictorTrainingConfig(
            steps=steps, batch_size=2, validate_every=10, checkpoint_every=5, precision="32-true", accelerator="cpu"
        ),
        window=10,
    )


@pytest.fixture(scope="session")
def vqvae_run(episode_store: EpisodeStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "vqvae"
    vqvae.train(vqvae_config(episode_store, run))
    return run


@pytest.fixture(scope="session")
def code_store(episode_store: EpisodeStore, vqvae_run: Path, tmp_path_factory: pytest.TempPathFactory) -> CodeStore:
    out = tmp_path_factory.mktemp("stores") / "codes"
    return encode(EncodeConfig(store=str(episode_store), vqvae=str(vqvae_run), out=str(out)))


@pytest.fixture(scope="session")
def predictor_run(code_store: CodeStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "predictor"
    predictor.train(predictor_config(code_store, run))
    return run
