"""Run directory <-> VQ-VAE of sound, and the prior of its codes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from videovq.checkpoints import fingerprint, finished_run, load_weights, read_facts
from videovq.papers.sound.config import TrainSoundConfig, TrainSoundPriorConfig
from videovq.papers.sound.dilated import DilatedNetwork
from videovq.papers.sound.model import SoundVQVAE
from videovq.parsing import read_config


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
        UserError: the run is missing or unfinished.
    """
    folder = finished_run(run, "sound")
    config = read_config(TrainSoundConfig, folder / "config.yaml")
    network = SoundVQVAE(config.model)
    facts = load_weights(folder, network)
    return TrainedSound(network, config.rate, fingerprint(config.model, network), facts["folder"])


@dataclass(frozen=True)
class TrainedSoundPrior:
    """A prior of sound from its run; ``sound``: fingerprint of the VQ-VAE whose codes it models."""

    network: DilatedNetwork
    sound: str


def load_sound_prior(run: str | Path) -> TrainedSoundPrior:
    """Rebuild a prior of sound from its run directory.

    Raises:
        UserError: the run is missing or unfinished.
    """
    folder = finished_run(run, "sound-prior")
    facts, config = read_facts(folder), read_config(TrainSoundPriorConfig, folder / "config.yaml")
    network = DilatedNetwork(config.model, facts["codes"])
    load_weights(folder, network)
    return TrainedSoundPrior(network, facts["sound"])
