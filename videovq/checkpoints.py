"""Run directory <-> network: ``config.yaml`` + ``model.safetensors``, no pickle."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from videovq.config import TrainPredictorConfig, TrainVQVAEConfig, VQVAEConfig
from videovq.data.store import write_tensors
from videovq.models.build import build_predictor
from videovq.models.predictors.contract import Predictor
from videovq.models.vqvae import VQVAE
from videovq.parsing import read_config, to_plain
from videovq.types import ActionSpec

WEIGHTS = "model.safetensors"
PRETRAINED = Path(__file__).parent / "pretrained"


@dataclass(frozen=True)
class TrainedVQVAE:
    """A VQ-VAE from its run.

    Attributes:
        config: its architecture.
        frame_size: height and width it was trained on, in pixels.
        fingerprint: sha256 of its architecture and weights.
    """

    network: VQVAE
    config: VQVAEConfig
    frame_size: tuple[int, int]
    fingerprint: str


@dataclass(frozen=True)
class TrainedPredictor:
    """A predictor from its run.

    Attributes:
        action_spec: the actions it was trained on.
        fps: frames a second of its episodes.
        vqvae: fingerprint of the VQ-VAE whose codes it predicts.
    """

    network: Predictor
    action_spec: ActionSpec
    fps: float
    vqvae: str


def is_finished(run: Path) -> bool:
    """Whether the run's training reached its end."""
    return (run / WEIGHTS).is_file()


def save_network(run: Path, network: nn.Module, facts: dict[str, Any]) -> None:
    """Write ``model.safetensors``; ``facts`` about the data travel in its header."""
    tensors = {name: value.contiguous().cpu() for name, value in network.state_dict().items()}
    write_tensors(run / WEIGHTS, tensors, {"videovq": json.dumps(facts)})


def load_vqvae(run: str | Path) -> TrainedVQVAE:
    """Rebuild a VQ-VAE from its run directory.

    Raises:
        ValueError: the run is missing or unfinished.
    """
    folder = _finished(run, "vqvae")
    config = read_config(TrainVQVAEConfig, folder / "config.yaml").model
    network = VQVAE(config)
    facts = _load(folder, network)
    return TrainedVQVAE(network, config, tuple(facts["frame_size"]), fingerprint(config, network))


def pretrained_run(name: str) -> Path:
    """The folder of a VQ-VAE that ships with videovq.

    Raises:
        ValueError: there is none of that name.
    """
    names = sorted(path.parent.name for path in PRETRAINED.glob(f"*/{WEIGHTS}"))
    if name not in names:
        raise ValueError(f"pretrained: no {name!r}; choose from: {', '.join(names)}")
    return PRETRAINED / name


def vqvae_run(run: str, pretrained: str) -> Path:
    """The run directory that a command's ``vqvae`` and ``pretrained`` settings mean."""
    return pretrained_run(pretrained) if pretrained else Path(run)


def export(run: str | Path, folder: Path) -> None:
    """Copy what rebuilds a VQ-VAE into ``folder``, its weights as float16: a fifth of a megabyte per 100,000 weights.

    Raises:
        ValueError: the run is missing or unfinished, or a weight does not fit into float16.
    """
    source = _finished(run, "vqvae")
    tensors = load_file(source / WEIGHTS)
    small = {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}
    large = [name for name, value in small.items() if not value.isfinite().all()]
    if large:
        raise ValueError(f"{source}: {', '.join(large)} does not fit into float16")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_bytes((source / "config.yaml").read_bytes())
    write_tensors(folder / WEIGHTS, small, {"videovq": json.dumps(_facts(source))})


def load_predictor(run: str | Path) -> TrainedPredictor:
    """Rebuild a predictor from its run directory.

    Raises:
        ValueError: the run is missing or unfinished.
    """
    folder = _finished(run, "predictor")
    config = read_config(TrainPredictorConfig, folder / "config.yaml").model
    tensors = load_file(folder / WEIGHTS)
    facts = _facts(folder)
    spec = ActionSpec.from_json(facts["action_spec"])
    network = build_predictor(config, spec, tuple(facts["grid"]), tensors["codebook"])
    _load(folder, network)
    return TrainedPredictor(network, spec, facts["fps"], facts["vqvae"])


def fingerprint(config: Any, network: nn.Module) -> str:
    """sha256 of an architecture and its weights."""
    digest = hashlib.sha256(json.dumps(to_plain(config), sort_keys=True).encode())
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _finished(run: str | Path, command: str) -> Path:
    folder = Path(run)
    if not is_finished(folder):
        why = "its training is not finished" if folder.is_dir() else "no such run"
        raise ValueError(f"{folder}: {why}; `videovq train {command}` with run {folder} makes it")
    return folder


def _facts(folder: Path) -> dict[str, Any]:
    with safe_open(folder / WEIGHTS, "pt") as file:
        return json.loads(file.metadata()["videovq"])


def _load(folder: Path, network: nn.Module) -> dict[str, Any]:
    network.load_state_dict(load_file(folder / WEIGHTS))
    network.eval()
    return _facts(folder)
