"""Run directory <-> network: ``config.yaml`` + ``model.safetensors``, no pickle."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from videovq.config import (
    ModelChoice,
    TrainBottomPriorConfig,
    TrainDensityConfig,
    TrainPredictorConfig,
    TrainPriorConfig,
    TrainSecondStageConfig,
    TrainSoundConfig,
    TrainSoundPriorConfig,
    TrainVQVAE2Config,
    TrainVQVAEConfig,
    VQVAEConfig,
)
from videovq.models.bottom_prior import BottomPrior
from videovq.models.build import build_predictor
from videovq.models.densities.build import build_density
from videovq.models.densities.contract import Density
from videovq.models.dilated import DilatedNetwork
from videovq.models.frame_prior import FramePrior
from videovq.models.predictors.predictor import Predictor
from videovq.models.second_stage import SecondStage
from videovq.models.sound import SoundVQVAE
from videovq.models.vqvae import VQVAE
from videovq.models.vqvae2 import VQVAE2
from videovq.naming import strangers
from videovq.parsing import read_config, settings_in, to_plain
from videovq.shipped import WEIGHTS, shipped, shipped_folder
from videovq.storage import read_metadata, read_tensors, write_tensors, write_text
from videovq.threads import guard_forks
from videovq.types import ActionSpec

guard_forks()  # whoever loads a network may fork afterwards, as gymnasium.vector.AsyncVectorEnv does


class RunKind(NamedTuple):
    """A kind of run: the settings of its training, what it is called, and the option that takes it."""

    config: type
    what: str
    option: str


RUNS = {
    "vqvae": RunKind(TrainVQVAEConfig, "a VQ-VAE", "vqvae"),
    "predictor": RunKind(TrainPredictorConfig, "a predictor", "predictor"),
    "prior": RunKind(TrainPriorConfig, "a prior of single frames", "prior"),
    "second-stage": RunKind(TrainSecondStageConfig, "a second stage", "second_stage"),
    "density": RunKind(TrainDensityConfig, "an autoencoder with a likelihood", "runs"),
    "vqvae2": RunKind(TrainVQVAE2Config, "a VQ-VAE with two levels", "vqvae2"),
    "bottom-prior": RunKind(TrainBottomPriorConfig, "a bottom prior", "bottom_prior"),
    "sound": RunKind(TrainSoundConfig, "a VQ-VAE of sound", "sound"),
    "sound-prior": RunKind(TrainSoundPriorConfig, "a prior of sound", "prior"),
}
"""By the command that trains them: `videovq train NAME`."""


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
        config: how it was trained.
        action_spec: the actions it was trained on.
        fps: frames a second of its episodes.
        vqvae: fingerprint of the VQ-VAE whose codes it predicts.
    """

    network: Predictor
    config: TrainPredictorConfig
    action_spec: ActionSpec
    fps: float
    vqvae: str


def is_finished(run: Path) -> bool:
    """Whether the run's training reached its end."""
    return (run / WEIGHTS).is_file()


def save_weights(run: Path, weights: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write ``model.safetensors``; ``facts`` about the data travel in its header."""
    tensors = {name: value.contiguous().cpu() for name, value in weights.items()}
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


def pretrained_run(name: str, part: str = "vqvae") -> Path:
    """The run folder of a model that ships with videovq.

    Args:
        part: ``vqvae`` or ``predictor``.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in shipped(part):
        alone = f"{name} is a VQ-VAE alone: " if name in shipped("vqvae") else ""
        remedy = f", or train one on its codes (`videovq encode --pretrained {name}`) and give its run" if alone else ""
        raise ValueError(
            f"pretrained: {alone}no {part} called {name!r}; choose from: {', '.join(shipped(part))}{remedy}"
        )
    return shipped_folder(name) / part


def pretrained_examples(name: str) -> list[Path]:
    """The short recorded videos that ship with a model, their actions beside them, in the order of their names."""
    return sorted((shipped_folder(name) / "examples").glob("*.mp4"))


def vqvae_run(run: str, pretrained: str) -> Path:
    """The run directory that a command's ``vqvae`` and ``pretrained`` settings mean.

    Raises:
        ValueError: there is no pretrained VQ-VAE of that name, or another one was named beside it.
    """
    if not pretrained:
        return Path(run)
    found = pretrained_run(pretrained)
    if run not in ("", ModelChoice.vqvae):
        raise ValueError(f"vqvae: {run} has no effect beside pretrained {pretrained}; give one of the two")
    return found


def predictor_run(run: str, pretrained: str) -> Path:
    """The run directory that a command's ``predictor`` and ``pretrained`` settings mean."""
    if not run and pretrained:
        return pretrained_run(pretrained, "predictor")
    return Path(run or "runs/predictor")


def export(vqvae: str | Path, predictor: str | Path | None, folder: Path) -> None:
    """Copy what rebuilds a VQ-VAE, and the predictor of its codes, into ``folder``, their weights as float16.

    Raises:
        ValueError: a run is missing or unfinished, they do not belong together, or a weight does not fit into float16.
    """
    trained, source = load_vqvae(vqvae), Path(vqvae)
    if predictor and load_predictor(predictor).vqvae != trained.fingerprint:
        raise ValueError(f"{predictor}: was trained on codes of another VQ-VAE than {vqvae}")
    halves = {source: _half(source)} | ({Path(predictor): _half(Path(predictor))} if predictor else {})
    for run, tensors in halves.items():
        part, facts = folder / ("vqvae" if run == source else "predictor"), _facts(run)
        if run != source:
            facts["vqvae"] = load_vqvae(folder / "vqvae").fingerprint  # rounded, it is another
        part.mkdir(parents=True, exist_ok=True)
        write_text(part / "config.yaml", (run / "config.yaml").read_text(encoding="utf-8"))
        write_tensors(part / WEIGHTS, tensors, {"videovq": json.dumps(facts)})


def model_card(run: Path) -> str:
    """The ``README.md`` beside the runs of a model that was exported; empty where there is none, and for the run of a
    training: what lies beside that is of somebody else.
    """
    card = run.parent / "README.md"
    exported = any(value.dtype == torch.float16 for value in read_tensors(run / WEIGHTS).values())
    return card.read_text(encoding="utf-8") if exported and card.is_file() else ""


def _half(run: Path) -> dict[str, Tensor]:
    tensors = read_tensors(run / WEIGHTS)
    small = {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}
    large = [name for name, value in small.items() if not value.isfinite().all()]
    if large:
        raise ValueError(f"{run}: {', '.join(large)} does not fit into float16")
    return small


def load_predictor(run: str | Path) -> TrainedPredictor:
    """Rebuild a predictor from its run directory.

    Raises:
        ValueError: the run is missing or unfinished.
    """
    folder = _finished(run, "predictor")
    config = read_config(TrainPredictorConfig, folder / "config.yaml")
    tensors = read_tensors(folder / WEIGHTS)
    facts = _facts(folder)
    spec = ActionSpec.from_json(facts["action_spec"])
    values = tensors.get("outcome.values")  # of a predictor of rewards and ends
    network = build_predictor(config.model, spec, tuple(facts["grid"]), tensors["codebook"], values)
    _load(folder, network)
    return TrainedPredictor(network, config, spec, facts["fps"], facts["vqvae"])


@dataclass(frozen=True)
class TrainedPrior:
    """A frame prior from its run.

    Attributes:
        levels: names of the levels it knows, in the order of their numbers.
        vqvae: fingerprint of the VQ-VAE whose codes it models.
    """

    network: FramePrior
    levels: list[str]
    vqvae: str


def load_prior(run: str | Path) -> TrainedPrior:
    """Rebuild a frame prior from its run directory.

    Raises:
        ValueError: the run is missing or unfinished.
    """
    folder = _finished(run, "prior")
    facts, config = _facts(folder), read_config(TrainPriorConfig, folder / "config.yaml")
    codebook = read_tensors(folder / WEIGHTS)["codebook"]
    network = FramePrior(config.model, tuple(facts["grid"]), codebook, len(facts["levels"]))
    _load(folder, network)
    return TrainedPrior(network, facts["levels"], facts["vqvae"])


@dataclass(frozen=True)
class TrainedSecondStage:
    """A second-stage VQ-VAE from its run; ``vqvae``: fingerprint of the first stage."""

    network: SecondStage
    vqvae: str


def load_second_stage(run: str | Path) -> TrainedSecondStage:
    """Rebuild a second-stage VQ-VAE from its run directory.

    Raises:
        ValueError: the run is missing or unfinished.
    """
    folder = _finished(run, "second-stage")
    facts, config = _facts(folder), read_config(TrainSecondStageConfig, folder / "config.yaml")
    network = SecondStage(config.model, tuple(facts["grid"]), read_tensors(folder / WEIGHTS)["codebook"])
    _load(folder, network)
    return TrainedSecondStage(network, facts["vqvae"])


@dataclass(frozen=True)
class TrainedDensity:
    """An autoencoder with a likelihood from its run; ``frame_size``: height and width of its frames, in pixels."""

    network: Density
    frame_size: tuple[int, int]


def load_density(run: str | Path) -> TrainedDensity:
    """Rebuild an autoencoder with a likelihood from its run directory.

    Raises:
        ValueError: the run is missing or unfinished.
    """
    folder = _finished(run, "density")
    config, frame_size = read_config(TrainDensityConfig, folder / "config.yaml"), tuple(_facts(folder)["frame_size"])
    network = build_density(config.model, frame_size)
    _load(folder, network)
    return TrainedDensity(network, frame_size)


@dataclass(frozen=True)
class TrainedVQVAE2:
    """A VQ-VAE with two levels from its run.

    Attributes:
        frame_size: height and width it was trained on, in pixels.
        fingerprint: sha256 of its architecture and weights.
    """

    network: VQVAE2
    frame_size: tuple[int, int]
    fingerprint: str

    def fingerprint_of(self, level: str) -> str:
        """What the codes of a level are known by."""
        return f"{self.fingerprint}-{level}"


def load_vqvae2(run: str | Path) -> TrainedVQVAE2:
    """Rebuild a VQ-VAE with two levels from its run directory.

    Raises:
        ValueError: the run is missing or unfinished.
    """
    folder = _finished(run, "vqvae2")
    config = read_config(TrainVQVAE2Config, folder / "config.yaml").model
    network = VQVAE2(config)
    facts = _load(folder, network)
    return TrainedVQVAE2(network, tuple(facts["frame_size"]), fingerprint(config, network))


@dataclass(frozen=True)
class TrainedBottomPrior:
    """A bottom prior from its run; ``vqvae``: fingerprint of the level whose codes it models."""

    network: BottomPrior
    vqvae: str


def load_bottom_prior(run: str | Path) -> TrainedBottomPrior:
    """Rebuild a bottom prior from its run directory.

    Raises:
        ValueError: the run is missing or unfinished.
    """
    folder = _finished(run, "bottom-prior")
    facts, config = _facts(folder), read_config(TrainBottomPriorConfig, folder / "config.yaml")
    tensors = read_tensors(folder / WEIGHTS)
    network = BottomPrior(config.model, tuple(facts["grid"]), tensors["top"], tensors["bottom"])
    _load(folder, network)
    return TrainedBottomPrior(network, facts["vqvae"])


@dataclass(frozen=True)
class TrainedSound:
    """A VQ-VAE of sound from its run.

    Attributes:
        rate: samples a second.
        fingerprint: sha256 of its architecture and weights.
        folder: fingerprint of the folder it was trained on.
    """

    network: SoundVQVAE
    rate: int
    fingerprint: str
    folder: str


def load_sound(run: str | Path) -> TrainedSound:
    """Rebuild a VQ-VAE of sound from its run directory.

    Raises:
        ValueError: the run is missing or unfinished.
    """
    folder = _finished(run, "sound")
    config = read_config(TrainSoundConfig, folder / "config.yaml")
    network = SoundVQVAE(config.model)
    facts = _load(folder, network)
    return TrainedSound(network, config.rate, fingerprint(config.model, network), facts["folder"])


@dataclass(frozen=True)
class TrainedSoundPrior:
    """A prior of sound from its run; ``sound``: fingerprint of the VQ-VAE whose codes it models."""

    network: DilatedNetwork
    sound: str


def load_sound_prior(run: str | Path) -> TrainedSoundPrior:
    """Rebuild a prior of sound from its run directory.

    Raises:
        ValueError: the run is missing or unfinished.
    """
    folder = _finished(run, "sound-prior")
    facts, config = _facts(folder), read_config(TrainSoundPriorConfig, folder / "config.yaml")
    network = DilatedNetwork(config.model, facts["codes"])
    _load(folder, network)
    return TrainedSoundPrior(network, facts["sound"])


def fingerprint(config: Any, network: nn.Module) -> str:
    """sha256 of an architecture and its weights."""
    digest = hashlib.sha256(json.dumps(to_plain(config), sort_keys=True).encode())
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _finished(run: str | Path, command: str) -> Path:
    folder = Path(run)
    if not is_finished(folder):
        why = "its training is not finished" if folder.is_dir() else "no such run"
        raise ValueError(f"{folder}: {why}; `videovq train {command}` with run {folder} makes it")
    settings = settings_in(str(folder / "config.yaml"))
    if strangers(RUNS[command].config, settings):
        for other in RUNS.values():
            if not strangers(other.config, settings):
                raise ValueError(f"{folder}: is a run of {other.what}; give it as --{other.option}")
    return folder


def _facts(folder: Path) -> dict[str, Any]:
    facts = read_metadata(folder / WEIGHTS).get("videovq")
    if facts is None:
        raise ValueError(f"{folder / WEIGHTS}: does not say what it was trained on; videovq did not write it")
    return json.loads(facts)


def _load(folder: Path, network: nn.Module) -> dict[str, Any]:
    try:
        network.load_state_dict(read_tensors(folder / WEIGHTS))
    except RuntimeError as error:
        why = " ".join(str(error).split())
        raise ValueError(
            f"{folder}: config.yaml and {WEIGHTS} do not belong together, or one is torn ({why[:200]})"
        ) from error
    network.eval()
    return _facts(folder)
