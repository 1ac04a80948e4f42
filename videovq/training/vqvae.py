"""``videovq train vqvae``: EpisodeStore -> VQ-VAE run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from jaxtyping import UInt8
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from videovq.config import EncodeConfig, TrainVQVAEConfig
from videovq.data.modules import FrameData
from videovq.data.store import EpisodeStore
from videovq.follow_up import free, typed
from videovq.frames import psnr, to_float, to_uint8
from videovq.models.losses import ReconstructionLoss
from videovq.models.vqvae import VQVAE
from videovq.pictures import labelled_rows, scale_to
from videovq.training import run
from videovq.training.adversarial import AdversarialVQVAEModule
from videovq.training.callbacks import Curves, Pictures
from videovq.training.decoder import DecoderAlone, SameCodes
from videovq.training.reconstruction import VQVAEModule
from videovq.training.start import vqvae_starts

PANELS = (
    ("nmse", "reconstruction NMSE", True),
    ("perplexity", "codebook perplexity", False),
    ("psnr", "PSNR (dB)", False),
)


def train(config: TrainVQVAEConfig) -> None:
    """Train a VQ-VAE, or go on with an interrupted training.

    Raises:
        ValueError: the store cannot be used, settings do not fit together, or ``config.run`` holds another training.
    """
    store = EpisodeStore(config.store)
    check(config, store)
    training = config.training
    data = FrameData(store, training.batch_size, training.steps, training.seed)
    variance = data.variance()
    torch.manual_seed(training.seed)
    network = VQVAE(config.model, variance)
    if config.decoder_only:
        network = DecoderAlone(config.model, variance, config.code_swaps)
    network.to(memory_format=torch.channels_last)
    facts: dict[str, Any] = {"frame_size": list(store.header.grid)}
    if config.init:
        facts |= vqvae_starts(network, config.model, config.init)
    loss = ReconstructionLoss(config.loss, variance, min(store.header.grid))
    folder = Path(config.run)
    kind = AdversarialVQVAEModule if config.loss.adversarial else VQVAEModule
    module = kind(network, loss, config.optimizer, training.steps)
    shown = data.places["val"][torch.linspace(0, len(data.places["val"]) - 1, 8).long()]
    pictures = Pictures(folder, "reconstructions", lambda m, step: reconstruction_sheet(m, store.frames(shown), step))
    callbacks: list[Callback] = [Curves(folder, PANELS), pictures]
    if config.decoder_only:
        callbacks.append(SameCodes(facts["codes_of"]))
    then = typed("encode", store=config.store, vqvae=config.run, out=free(EncodeConfig.out))
    run.fit(module, data, config, callbacks, facts, about=store.amount("train"), then=then)


def check(config: TrainVQVAEConfig, store: EpisodeStore) -> None:
    """Refuse settings that do not fit each other or the store."""
    stride = 2**config.model.downsamplings
    if any(side % stride for side in store.header.grid):
        raise ValueError(
            f"model.downsamplings: {config.model.downsamplings} needs a frame size divisible by {stride},"
            f" but {store} has {store.header.grid[0]}"
        )


@torch.no_grad()
def reconstruction_sheet(module: L.LightningModule, frames: UInt8[Tensor, "b h w c"], step: int) -> np.ndarray:
    """Originals above their reconstructions after so many steps, with the PSNR of each, uint8 ``h w c``."""
    network: VQVAE = module.network  # type: ignore[assignment]
    network.eval()
    again = to_uint8(network(to_float(frames.to(module.device))).reconstruction).cpu()
    rows = [("original", list(frames.numpy())), ("reconstruction", list(again.numpy()))]
    titles = [f"{ratio:.1f} dB" for ratio in psnr(again, frames).tolist()]
    return labelled_rows(titles, rows, scale_to(252, rows[0][1][0]), f"step {step}")
