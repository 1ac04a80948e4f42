"""The training and validation step of a VQ-VAE."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor

from videovq.config import OptimizerConfig
from videovq.frames import psnr, to_float, to_uint8
from videovq.models.losses import ReconstructionLoss
from videovq.models.quantizers.contract import perplexity
from videovq.models.vqvae import VQVAE, VQVAEOutput
from videovq.training.optimizers import optimizer
from videovq.types import FrameBatch


class VQVAEModule(L.LightningModule):
    """Minimises the reconstruction loss and the quantizer's."""

    what = "train vqvae"

    def __init__(self, network: VQVAE, loss: ReconstructionLoss, optimizer: OptimizerConfig, steps: int) -> None:
        super().__init__()
        self.network, self.loss, self.optimizer, self.steps = network, loss, optimizer, steps

    def training_step(self, batch: FrameBatch, batch_idx: int) -> Tensor | None:
        frames = to_float(batch.frames)
        output = self.network(frames)
        self.log_step(output)
        return self.loss(output.reconstruction, frames) + output.quantizer.loss

    def log_step(self, output: VQVAEOutput) -> None:
        self.log("train/nmse", output.nmse)
        if self.global_step % 20 in (0, 19):  # the curves show the first step, and every 20th
            self.log("train/perplexity", perplexity(output.quantizer.usage))

    def on_validation_epoch_start(self) -> None:
        self.usage = torch.zeros(self.network.quantizer.codebook_size, device=self.device)

    def validation_step(self, batch: FrameBatch, batch_idx: int) -> None:
        output = self.network(to_float(batch.frames))
        self.usage += output.quantizer.usage
        size = len(batch.frames)
        self.log("val/nmse", output.nmse, batch_size=size, sync_dist=True)
        self.log(
            "val/psnr", psnr(to_uint8(output.reconstruction), batch.frames).mean(), batch_size=size, sync_dist=True
        )

    def on_validation_epoch_end(self) -> None:
        self.log("val/perplexity", perplexity(self.usage))
        self.log("val/codes_used", float((self.usage > 0).sum()))

    def configure_optimizers(self) -> Any:
        return optimizer(self.network, self.optimizer, self.steps)
