"""Run directory <-> VQ-VAE of sound, and the prior of its codes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from videovq.papers.sound.dilated import DilatedNetwork
from videovq.papers.sound.model import SoundVQVAE
from videovq.runs import fingerprint, open_run


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
    network, config, facts = open_run(run, "sound", lambda config, *_: SoundVQVAE(config.model))
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
    network, _, facts = open_run(run, "sound-prior", lambda c, facts, _: DilatedNetwork(c.model, facts["codes"]))
    return TrainedSoundPrior(network, facts["sound"])
