"""Run directory <-> network: ``config.yaml`` + ``model.safetensors``, no pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from videovq.cards import CARD, read_card
from videovq.config import BEGINS_AS_NOTHING, ModelChoice, TrainPredictorConfig, TrainVQVAEConfig, VQVAEConfig
from videovq.errors import UserError
from videovq.models.build import build_predictor
from videovq.models.predictors.predictor import Predictor
from videovq.models.vqvae import VQVAE
from videovq.naming import strangers
from videovq.parsing import read_config, settings_in, to_plain
from videovq.shipped import WEIGHTS, shipped
from videovq.slices import RunKind, slices
from videovq.storage import read_metadata, read_tensors, read_types, write_tensors
from videovq.threads import guard_forks
from videovq.types import ActionSpec
from videovq.worlds import EXAMPLES, world

guard_forks()  # whoever loads a network may fork afterwards, as gymnasium.vector.AsyncVectorEnv does


Facts = dict[str, Any]
"""What weights say of the data they were trained on."""
Tensors = dict[str, Tensor]
"""Weights by name."""
Built = TypeVar("Built", bound=nn.Module)

RUNS = {
    "vqvae": RunKind(TrainVQVAEConfig, "a VQ-VAE", "vqvae"),
    "predictor": RunKind(TrainPredictorConfig, "a predictor", "predictor"),
}
"""By the command that trains them: `videovq train NAME`; :func:`run_kinds` adds those of slices."""


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


def run_kinds() -> dict[str, RunKind]:
    """All kinds of runs, by the command that trains them."""
    return {**RUNS, **{name: kind for one in slices() for name, kind in one.runs.items()}}


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
        UserError: the run is missing or unfinished.
    """
    network, config, facts = open_run(run, "vqvae", lambda config, *_: VQVAE(config.model))
    own = fingerprint(config.model, network)
    return TrainedVQVAE(network, config.model, tuple(facts["frame_size"]), own, facts.get("codes_of", ""))


def pretrained_run(name: str, part: str = "vqvae", setting: str = "pretrained") -> Path:
    """The run folder of a part of a world: of one that ships with videovq, by name, of a packed one, by its path, or of
    one on the Hub, by ``user/name``, ``user/name@revision``.

    Args:
        part: ``vqvae`` or ``predictor``.
        setting: where the name was given.

    Raises:
        UserError: there is no such world, or it lacks the part.
    """
    found = world(name)
    if found and is_finished(found / part):
        return found / part
    if found and _is_run(found):
        raise UserError(f"{setting}: {name} is the folder of a run; give it as --vqvae or --predictor, or pack it")
    if name in shipped("vqvae"):
        raise UserError(
            f"{setting}: {name} is a VQ-VAE alone; choose from: {', '.join(shipped(part))}; or train a predictor on its"
            f" codes (`videovq encode --pretrained {name}`) and give its run"
        )
    raise UserError(
        f"{setting}: no {part} called {name!r}; choose from: {', '.join(shipped(part))}; or give the path of a world"
        " that `videovq pack` made"
    )


def init_run(name: str, part: str) -> Path:
    """The run folder that a training's ``init`` means: itself, or that of a part of a world.

    Raises:
        UserError: there is neither.
    """
    found = world(name)
    return found if found and _is_run(found) else pretrained_run(name, part, "init")


def _is_run(folder: Path) -> bool:
    return (folder / "config.yaml").is_file()


def pretrained_examples(name: str) -> list[Path]:
    """The short recorded videos that are in a world, their actions beside them, in the order of their names."""
    found = world(name)
    return sorted((found / EXAMPLES).glob("*.mp4")) if found else []


def vqvae_run(run: str, pretrained: str) -> Path:
    """The run directory that a command's ``vqvae`` and ``pretrained`` settings mean.

    Raises:
        UserError: there is no pretrained VQ-VAE of that name, or another one was named beside it.
    """
    if not pretrained:
        return Path(run)
    found = pretrained_run(pretrained)
    if run not in ("", ModelChoice.vqvae):
        raise UserError(f"vqvae: {run} has no effect beside pretrained {pretrained}; give one of the two")
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
    return read_card(card.read_text(encoding="utf-8"))[1].lstrip() if halves or "packed" in read_facts(run) else ""


def kind_of_run(folder: Path) -> str:
    """Which of :func:`run_kinds` a run is.

    Raises:
        UserError: it is no run.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such run")
    settings = settings_in(str(folder / "config.yaml"))
    kinds = [name for name, one in run_kinds().items() if not strangers(one.config, settings)]
    if not kinds:
        raise UserError(f"{folder}: is no run of a training of videovq")
    return kinds[0]


def load_predictor(run: str | Path) -> TrainedPredictor:
    """Rebuild a predictor from its run directory.

    Raises:
        UserError: the run is missing or unfinished.
    """

    def build(config: TrainPredictorConfig, facts: Facts, tensors: Tensors) -> Predictor:
        spec, values = ActionSpec.from_json(facts["action_spec"]), tensors.get("outcome.values")
        return build_predictor(config.model, spec, tuple(facts["grid"]), tensors["codebook"], values)

    network, config, facts = open_run(run, "predictor", build)
    spec = ActionSpec.from_json(facts["action_spec"])
    return TrainedPredictor(network, config, spec, facts["fps"], facts["vqvae"])


def fingerprint(config: Any, network: nn.Module) -> str:
    """sha256 of an architecture and its weights; of parts that it does not have, settings do not count."""
    digest = hashlib.sha256(json.dumps(_without_absent_parts(to_plain(config)), sort_keys=True).encode())
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


ADDED = (
    *((name, off, name) for name, off in BEGINS_AS_NOTHING.items()),
    ("context_noise_any", 0, "context_noise_any"),
    ("own_frames", 0, "own_"),
)
"""Settings that fingerprints of earlier versions do not know, the value that means none of it, and how the names begin
that then count for nothing."""


def _without_absent_parts(plain: Any) -> Any:
    """A config as dictionaries, as it was before the parts could be chosen that it is without."""
    if not isinstance(plain, dict):
        return plain
    absent = tuple(beginning for name, off, beginning in ADDED if plain.get(name) == off)
    return {key: _without_absent_parts(value) for key, value in plain.items() if not key.startswith(absent)}


def finished_run(run: str | Path, command: str) -> Path:
    """The folder of a run, if `videovq train COMMAND` made it and has ended.

    Raises:
        UserError: it did not.
    """
    folder = Path(run)
    if not is_finished(folder):
        why = "its training is not finished" if folder.is_dir() else "no such run"
        raise UserError(f"{folder}: {why}; `videovq train {command}` with run {folder} makes it")
    settings = settings_in(str(folder / "config.yaml"))
    if "training" not in settings:  # which every run has, behind its network: defaults must not stand in for that
        raise UserError(f"{folder / 'config.yaml'}: is torn; copy it from the run again")
    if strangers(run_kinds()[command].config, settings):
        for other in run_kinds().values():
            if not strangers(other.config, settings):
                raise UserError(f"{folder}: is a run of {other.what}; give it as --{other.option}")
    return folder


def read_facts(folder: Path) -> dict[str, Any]:
    """What the weights of a run say of the data they were trained on, and of how.

    Raises:
        UserError: they are missing or torn, or videovq did not write them.
    """
    facts = read_metadata(folder / WEIGHTS).get("videovq")
    if facts is None:
        raise UserError(f"{folder / WEIGHTS}: does not say what it was trained on; videovq did not write it")
    return json.loads(facts)


def open_run(run: str | Path, command: str, build: Callable[[Any, Facts, Tensors], Built]) -> tuple[Built, Any, Facts]:
    """Rebuild the network of a finished run.

    Args:
        command: `videovq train COMMAND` made it.
        build: makes the network of the settings, of what the weights say of their data, and of the weights.

    Returns:
        Network, settings, and what the weights say of their data.

    Raises:
        UserError: the run is missing, unfinished, torn, or of another kind.
    """
    folder = finished_run(run, command)
    config: Any = read_config(run_kinds()[command].config, folder / "config.yaml")
    tensors, facts = read_tensors(folder / WEIGHTS), read_facts(folder)
    network = build(config, facts, tensors)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        why = " ".join(str(error).split())
        raise UserError(
            f"{folder}: config.yaml and {WEIGHTS} do not belong together, or one is torn ({why[:200]})"
        ) from error
    network.eval()
    return network, config, facts
