"""The training task of a VQ-VAE: reconstruction of frames."""

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
from videovq.errors import UserError
from videovq.follow_up import free, typed
from videovq.frames import psnr, to_float, to_uint8
from videovq.models.losses import ReconstructionLoss
from videovq.models.quantizers.contract import perplexity, sum_over_ranks
from videovq.models.vqvae import VQVAE, VQVAEOutput
from videovq.pictures import labelled_rows, scale_to
from videovq.training.callbacks import Pictures
from videovq.training.decoder import DecoderAlone, SameCodes
from videovq.training.start import vqvae_starts
from videovq.training.task import Metrics, Task
from videovq.types import FrameBatch


class VQVAETask(Task):
    """Minimises the reconstruction loss and the quantizer's."""

    command = "train vqvae"
    panels = (
        ("nmse", "reconstruction NMSE", True),
        ("perplexity", "codebook perplexity", False),
        ("psnr", "PSNR (dB)", False),
    )
    config: TrainVQVAEConfig
    data: FrameData

    def __init__(self, config: TrainVQVAEConfig) -> None:
        store, training = EpisodeStore(config.store), config.training
        stride = 2**config.model.downsamplings
        if any(side % stride for side in store.header.grid):
            raise UserError(
                f"model.downsamplings: {config.model.downsamplings} needs a frame size divisible by {stride},"
                f" but {store} has {store.header.grid[0]}"
            )
        data = FrameData(store, training.batch_size, training.steps, training.seed)
        then = typed("encode", store=config.store, vqvae=config.run, out=free(EncodeConfig.out))
        facts: dict[str, Any] = {"frame_size": list(store.header.grid)}
        super().__init__(config, data, facts, about=store.amount("train"), then=then)

    def build(self) -> VQVAE:
        config, variance = self.config, self.data.variance()
        network = VQVAE(config.model, variance)
        if config.decoder_only:
            network = DecoderAlone(config.model, variance, config.code_swaps)
        if config.init:
            self.facts |= vqvae_starts(network, config.model, config.init)
        if config.training.compile:
            self.compile(network.encoder, network.decoder)  # the quantizer's draws are seeded by numbers that change
        self.reconstruction_loss = ReconstructionLoss(config.loss, variance, min(self.data.store.header.grid))
        return network

    def loss(self, network: VQVAE, batch: FrameBatch) -> tuple[Tensor, Metrics]:
        frames = to_float(batch.frames)
        output = network(frames)
        return self.reconstruction_loss(output.reconstruction, frames) + output.quantizer.loss, metrics_of(output)

    def measure(self, network: VQVAE, batch: FrameBatch) -> tuple[Metrics, Any]:
        output = network(to_float(batch.frames))
        found = psnr(to_uint8(output.reconstruction), batch.frames).mean()
        return {"nmse": output.nmse, "psnr": found}, output.quantizer.usage

    def summary(self, seen: list[Any]) -> Metrics:
        usage = sum_over_ranks(torch.stack(seen).sum(dim=0))
        return {"perplexity": perplexity(usage), "codes_used": (usage > 0).sum()}

    def callbacks(self, run: Path) -> list[Callback]:
        store, shown = self.data.store, self.data.positions["val"].spread(8)
        pictures = Pictures(run, "reconstructions", lambda m, step: reconstruction_sheet(m, store.frames(shown), step))
        same = [SameCodes(self.facts["codes_of"])] if self.config.decoder_only else []
        return [*super().callbacks(run), pictures, *same]


def metrics_of(output: VQVAEOutput) -> Metrics:
    """The metrics of a training step."""
    return {"nmse": output.nmse, "perplexity": lambda: perplexity(output.quantizer.usage)}


@torch.no_grad()
def reconstruction_sheet(module: L.LightningModule, frames: UInt8[Tensor, "b h w c"], step: int) -> np.ndarray:
    """Originals above their reconstructions after so many steps, with the PSNR of each, uint8 ``h w c``."""
    network: VQVAE = module.network  # type: ignore[assignment]
    network.eval()
    again = to_uint8(network(to_float(frames.to(module.device))).reconstruction).cpu()
    rows = [("original", list(frames.numpy())), ("reconstruction", list(again.numpy()))]
    titles = [f"{ratio:.1f} dB" for ratio in psnr(again, frames).tolist()]
    return labelled_rows(titles, rows, scale_to(252, rows[0][1][0]), f"step {step}")
