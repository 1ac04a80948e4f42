"""A VQ-VAE and the predictor of its codes, and episodes that fit them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from videovq.config import ModelChoice
from videovq.data.store import EpisodeStore
from videovq.errors import UserError
from videovq.runs import (
    TrainedPredictor,
    TrainedVQVAE,
    fingerprint,
    load_predictor,
    load_vqvae,
    predictor_run,
    vqvae_run,
)
from videovq.worlds import world_called


class Pair(NamedTuple):
    """A VQ-VAE and a predictor of its codes."""

    vqvae: TrainedVQVAE
    predictor: TrainedPredictor


def load_pair(choice: ModelChoice) -> Pair:
    """Load the VQ-VAE and the predictor that a command's settings name; one of those of ``pretrained`` may be replaced.

    Raises:
        UserError: a run is missing or unfinished, or they do not belong together.
    """
    predictor = load_predictor(predictor_run(choice.predictor, choice.pretrained))
    another = bool(choice.pretrained) and not choice.predictor and choice.vqvae not in ("", ModelChoice.vqvae)
    vqvae = load_vqvae(vqvae_run(choice.vqvae, "" if another else choice.pretrained))
    check_pair(vqvae, predictor)
    return Pair(vqvae, predictor)


def model_name(choice: ModelChoice) -> str:
    """What reports call the predictor: its world's name, or that of its run folder."""
    alone = choice.pretrained and not choice.predictor
    return world_called(choice.pretrained) if alone else predictor_run(choice.predictor, choice.pretrained).name


def check_pair(vqvae: TrainedVQVAE, predictor: TrainedPredictor) -> None:
    """Refuse to decode one VQ-VAE's codes with another.

    Raises:
        UserError: the predictor was trained on another VQ-VAE's codes.
    """
    if vqvae.codes_of != predictor.vqvae:
        raise UserError("vqvae: the predictor was trained on codes of another VQ-VAE; give the run that encoded them")


def networks_sha256(pair: Pair) -> str:
    """Fingerprint of both networks: architectures, weights and their precision."""
    both = fingerprint(pair.predictor.config, pair.predictor.network) + pair.vqvae.fingerprint
    return hashlib.sha256(both.encode()).hexdigest()


def open_episodes(folder: str | Path, pair: Pair) -> EpisodeStore:
    """A store whose frames and actions fit the networks.

    Raises:
        UserError: it is no EpisodeStore, or its actions or frame size differ from those trained on.
    """
    store = EpisodeStore(folder)
    if store.header.action_spec != pair.predictor.action_spec:
        raise UserError(f"{store}: its actions differ from those the predictor was trained on")
    if store.header.grid != pair.vqvae.frame_size:
        raise UserError(
            f"{store}: its frames are {store.header.grid}, but the VQ-VAE was trained on {pair.vqvae.frame_size}"
        )
    return store
