"""``videovq encode vqvae2``: EpisodeStore + VQ-VAE with two levels -> two CodeStores."""

from __future__ import annotations

from videovq.data.store import CodeStore, EpisodeStore
from videovq.errors import UserError
from videovq.follow_up import free, typed
from videovq.papers.two_levels.config import EncodeVQVAE2Config, TrainBottomPriorConfig
from videovq.papers.two_levels.runs import load_vqvae2
from videovq.papers.two_levels.vqvae2 import LEVEL_NAMES, Level
from videovq.rollout.engine import find_device
from videovq.training.encode import encode_store


def encode(config: EncodeVQVAE2Config) -> tuple[CodeStore, CodeStore]:
    """Write the CodeStores ``top`` and ``bottom``; shards that an interrupted run completed are kept.

    Raises:
        UserError: store and VQ-VAE do not fit, or ``config.out`` holds other codes.
    """
    store, trained = EpisodeStore(config.store), load_vqvae2(config.vqvae2)
    if trained.frame_size != store.header.grid:
        raise UserError(
            f"{config.vqvae2}: was trained on frames of {trained.frame_size}, but {store} has {store.header.grid}"
        )
    for name in LEVEL_NAMES:
        level = Level(trained.network, name)
        out, by = f"{config.out}/{name}", {"vqvae2": config.vqvae2}
        encode_store(store, level, trained.fingerprint_of(name), out, config.batch_size, None, by, find_device("auto"))
    prior = typed("train prior", store=f"{config.out}/top", run=free("runs/top_prior"))
    print(f"next: {prior}, and {typed('train bottom-prior', store=config.out, run=free(TrainBottomPriorConfig.run))}")
    return CodeStore(f"{config.out}/top"), CodeStore(f"{config.out}/bottom")
