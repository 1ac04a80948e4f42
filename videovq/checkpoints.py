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
from videovq.shipped import WEIGHTS, shipped
from videovq.storage import read_metadata, read_tensors, read_types, write_tensors
from videovq.threads import guard_forks
from videovq.types import ActionSpec
from videovq.worlds import CARD, EXAMPLE, world

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
        started_from: fingerprint of the VQ-VAE whose encoder and codebook it has, where its decoder alone was trained.
    """

    network: VQVAE
    config: VQVAEConfig
    frame_size: tuple[int, int]
    fingerprint: str
    started_from: str = ""

    @property
    def codes_of(self) -> str:
        """What its codes are known by: the fingerprint of the VQ-VAE that they are codes of."""
        return self.started_from or self.fingerprint


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


def steps_in_weights(run: Path, otherwise: int) -> int:
    """How many steps the weights of a finished run were trained for.

    Args:
        otherwise: where they do not say so, as those of an earlier version.
    """
    return int(read_facts(run).get("steps", otherwise))


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
    own = fingerprint(config, network)
    return TrainedVQVAE(network, config, tuple(facts["frame_size"]), own, facts.get("codes_of", ""))


def pretrained_run(name: str, part: str = "vqvae", setting: str = "pretrained") -> Path:
    """The run folder of a part of a world: of one that ships with videovq, by name, or of a packed one, by its path.

    Args:
        part: ``vqvae`` or ``predictor``.
        setting: where the name was given.

    Raises:
        ValueError: there is no such world, or it lacks the part.
    """
    found = world(name)
    if found and is_finished(found / part):
        return found / part
    if found and _is_run(found):
        raise ValueError(f"{setting}: {name} is the folder of a run; give it as --vqvae or --predictor, or pack it")
    raise ValueError(
        f"{setting}: no {part} called {name!r}; choose from: {', '.join(shipped(part))}; or give the path of a world"
        " that `videovq pack` made"
    )


def init_run(name: str, part: str) -> Path:
    """The run folder that a training's ``init`` means: itself, or that of a part of a world.

    Raises:
        ValueError: there is neither.
    """
    found = world(name)
    return found if found and _is_run(found) else pretrained_run(name, part, "init")


def _is_run(folder: Path) -> bool:
    return (folder / "config.yaml").is_file()


def pretrained_example(name: str) -> Path | None:
    """The short recorded video that is in a world, its actions beside it; None where there is none."""
    found = world(name)
    return found / EXAMPLE if found and (found / EXAMPLE).is_file() else None


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


def model_card(run: Path) -> str:
    """The ``README.md`` of a world, of which this is a part; empty where there is none, and for the run of a training:
    what lies beside that is of somebody else.
    """
    card = run.parent / CARD
    if not card.is_file():
        return ""
    halves = "F16" in read_types(run / WEIGHTS)  # of earlier worlds
    return card.read_text(encoding="utf-8") if halves or "packed" in read_facts(run) else ""


def kind_of_run(folder: Path) -> str:
    """Which of :data:`RUNS` a run is.

    Raises:
        ValueError: it is no run.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such run")
    settings = settings_in(str(folder / "config.yaml"))
    kinds = [name for name, one in RUNS.items() if not strangers(one.config, settings)]
    if not kinds:
        raise ValueError(f"{folder}: is no run of a training of videovq")
    return kinds[0]


def load_predictor(run: str | Path) -> TrainedPredictor:
    """Rebuild a predictor from its run directory.

    Raises:
        ValueError: the run is missing or unfinished.
    """
    folder = _finished(run, "predictor")
    config = read_config(TrainPredictorConfig, folder / "config.yaml")
    tensors = read_tensors(folder / WEIGHTS)
    facts = read_facts(folder)
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
    facts, config = read_facts(folder), read_config(TrainPriorConfig, folder / "config.yaml")
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
    facts, config = read_facts(folder), read_config(TrainSecondStageConfig, folder / "config.yaml")
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
    config, facts = read_config(TrainDensityConfig, folder / "config.yaml"), read_facts(folder)
    frame_size = tuple(facts["frame_size"])
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
    facts, config = read_facts(folder), read_config(TrainBottomPriorConfig, folder / "config.yaml")
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
    facts, config = read_facts(folder), read_config(TrainSoundPriorConfig, folder / "config.yaml")
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
    if "training" not in settings:  # which every run has, behind its network: defaults must not stand in for that
        raise ValueError(f"{folder / 'config.yaml'}: is torn; copy it from the run again")
    if strangers(RUNS[command].config, settings):
        for other in RUNS.values():
            if not strangers(other.config, settings):
                raise ValueError(f"{folder}: is a run of {other.what}; give it as --{other.option}")
    return folder


def read_facts(folder: Path) -> dict[str, Any]:
    """What the weights of a run say of the data they were trained on, and of how.

    Raises:
        ValueError: they are missing or torn, or videovq did not write them.
    """
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
    return read_facts(folder)
