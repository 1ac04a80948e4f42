"""A small world in which actions matter, as real H.264 files, and every stage's output for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from lightning import Trainer

from tests.hub_server import TOKEN, HubServer
from tests.small import SMALL_PATCH
from videovq import hub as of_the_hub
from videovq.config import (
    EMAConfig,
    EncodeConfig,
    ExportConfig,
    OptimizerConfig,
    PredictorTrainingConfig,
    PrepConfig,
    TrainPredictorConfig,
    TrainVQVAEConfig,
    VQVAEConfig,
    VQVAETrainingConfig,
)
from videovq.data.store import CodeStore, EpisodeStore
from videovq.data.video import write_video
from videovq.export.command import export_model
from videovq.prep.prepare import prepare
from videovq.training import predictor, vqvae
from videovq.training.encode import encode

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))  # should something have imported it before tests/__init__.py

PATIENCE = 300.0  # seconds until something counts as hanging: far more than it takes on a machine that is busy
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


Once = Callable[[str, Callable[[Path], object]], Path]


def same_pictures(found: np.ndarray, expected: np.ndarray) -> bool:
    """Whether they are of one network: decoded in batches of other sizes, pixels may round to the next grey level."""
    return found.shape == expected.shape and int(abs(found.astype(int) - expected.astype(int)).max()) <= 1


TRAINED = {"vqvae_run", "code_store", "predictor_run"}
LONGEST = (  # files that take a worker half a minute or more
    "test_scripts.py",
    "export/test_export.py",
    "test_demo.py",
    "test_docs.py",
    "models/predictors/test_contract.py",
    "evaluation/test_evaluate.py",
    "training/test_resume.py",
    "data/test_folders.py",
    "prep/test_record.py",
    "prep/test_prepare.py",
    "rollout/test_write.py",
    "models/quantizers/test_learned.py",
    "test_runs.py",
    "papers/sound/test_sound.py",
    "training/test_scale.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs a trained network, trains one, or prepares recordings in processes of its own is marked as slow; the
    longest files come first, so that at the end no worker waits for another.
    """
    first = {Path(__file__).parent / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: first.get(item.path, len(first)))
    for item in items:
        trained = isinstance(item, pytest.Function) and TRAINED & set(item.fixturenames)
        if trained or {"training", "prep"} & set(item.path.parts):
            item.add_marker("slow")


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Has a folder made by the first of pytest's workers that asks for it; the others wait for it and share it."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    (root / "shared").mkdir(exist_ok=True)

    def made(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = root / "shared" / name, root / "shared" / f"{name}.done"
        with FileLock(root / "shared" / f"{name}.lock"):
            if not done.exists():
                make(folder)
                done.touch()
        return folder

    return made


@pytest.fixture(scope="session")
def recordings(once: Once) -> Path:
    """Ten episodes of 40 frames; two say that they are test episodes."""

    def make(folder: Path) -> None:
        folder.mkdir()
        for i in range(10):
            frames, actions = world(i)
            write_episode(
                folder, f"episode_{i:06d}", frames, actions, split="test" if i >= 8 else "train", level="wall"
            )

    return once("recordings", make)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """The Hub, as far as this machine can tell: a server of its own, an empty cache, and a token that may write."""
    constants, server = pytest.importorskip("huggingface_hub.constants"), HubServer()
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, server.address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # another protocol, between the Hub and its storage
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    of_the_hub.open_repo.cache_clear()
    yield server
    of_the_hub.open_repo.cache_clear()
    server.shutdown()
    server.server_close()


def prep_config(source: Path, out: Path, **changes: object) -> PrepConfig:
    settings = {"frame_size": SIZE, "shard_episodes": 3, "workers": 1, "validation_fraction": 0.1, **changes}
    return PrepConfig(source=str(source), out=str(out), **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def episode_store(recordings: Path, once: Once) -> EpisodeStore:
    return EpisodeStore(once("episodes", lambda out: prepare(prep_config(recordings, out))))


GPUS = [
    pytest.param(name, marks=pytest.mark.gpu)
    for name, there in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available()))
    if there
]


@pytest.fixture(params=["cpu", *GPUS])
def device(request: pytest.FixtureRequest) -> torch.device:
    """The processor, and every kind of GPU that there is."""
    return torch.device(request.param)


KILL = """
import os, signal, sys

replace = os.replace

def replace_and_die(source, target, **how):
    replace(source, target, **how)
    if os.fspath(target) == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)

os.replace = replace_and_die

from videovq.cli import main

main(sys.argv[2:])
"""


def run_and_kill(words: list[str], until: Path) -> None:
    """Run a videovq command in a process that SIGKILLs itself the moment that the file ``until`` is in its place."""
    done = subprocess.run([sys.executable, "-c", KILL, str(until), *words], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


class Stopped(BaseException):
    """Passes everything that catches errors."""


@contextmanager
def stopped_at_a_checkpoint() -> Iterator[None]:
    """A training within is cut off right after its first checkpoint; :func:`run_and_kill` without a new process."""
    save = Trainer.save_checkpoint

    def save_and_stop(*args: Any, **settings: Any) -> None:
        save(*args, **settings)
        raise Stopped

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(Trainer, "save_checkpoint", save_and_stop)
        yield


def vqvae_config(store: EpisodeStore, run: Path, steps: int = 300, **model: object) -> TrainVQVAEConfig:
    return TrainVQVAEConfig(
        store=str(store),
        run=str(run),
        model=VQVAEConfig(
            **{
                "hidden": 16,
                "residual_hidden": 8,
                "code_dim": 8,
                "quantizer": EMAConfig(codebook_size=32, commitment=0.25, restart_below=0.02),
                **model,
            }
        ),  # type: ignore[arg-type]
        optimizer=OptimizerConfig(learning_rate=3e-3, warmup_steps=2),
        training=VQVAETrainingConfig(
            steps=steps, batch_size=8, validate_every=100, checkpoint_every=100, precision="32-true", accelerator="cpu"
        ),
    )


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
def vqvae_run(episode_store: EpisodeStore, once: Once) -> Path:
    return once("vqvae", lambda run: vqvae.train(vqvae_config(episode_store, run)))


@pytest.fixture(scope="session")
def code_store(episode_store: EpisodeStore, vqvae_run: Path, once: Once) -> CodeStore:
    store, run = str(episode_store), str(vqvae_run)
    return CodeStore(once("codes", lambda out: encode(EncodeConfig(store=store, vqvae=run, out=str(out)))))


@pytest.fixture(scope="session")
def predictor_run(code_store: CodeStore, once: Once) -> Path:
    return once("predictor", lambda run: predictor.train(predictor_config(code_store, run)))


@pytest.fixture(scope="session")
def exported(vqvae_run: Path, predictor_run: Path, once: Once) -> Path:
    predictor, vqvae = str(predictor_run), str(vqvae_run)
    return once("exported", lambda out: export_model(ExportConfig(predictor, vqvae, out=str(out))))
