"""``videovq train vqvae``: EpisodeStore -> VQ-VAE run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from videovq.checkpoints import save_network
from videovq.config import OptimizerConfig, TrainVQVAEConfig
from videovq.data.modules import FrameData
from videovq.data.store import EpisodeStore
from videovq.frames import psnr, to_float, to_uint8
from videovq.models.quantizers import perplexity
from videovq.models.vqvae import VQVAE
from videovq.training import run
from videovq.training.callbacks import Curves, Pictures
from videovq.types import FrameBatch

PANELS = (
    ("nmse", "reconstruction NMSE", True),
    ("perplexity", "codebook perplexity", False),
    ("psnr", "PSNR (dB)", False),
)


class VQVAEModule(L.LightningModule):
    """The training and validation step of a VQ-VAE."""

    what = "train vqvae"

    def __init__(self, network: VQVAE, optimizer: OptimizerConfig, steps: int) -> None:
        super().__init__()
        self.network, self.optimizer, self.steps = network, optimizer, steps

    def training_step(self, batch: FrameBatch, batch_idx: int) -> Tensor:
        output = self.network(to_float(batch.frames))
        self.log("train/nmse", output.nmse)
        if self.global_step % 20 == 19:
            self.log("train/perplexity", perplexity(output.quantizer.usage))
        return output.loss

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
        return run.optimizer(self.network, self.optimizer, self.steps)


def train(config: TrainVQVAEConfig) -> None:
    """Train a VQ-VAE, or go on with an interrupted training.

    Raises:
        ValueError: the store cannot be used, or ``config.run`` holds another training.
    """
    store = EpisodeStore(config.store)
    stride = 2**config.model.downsamplings
    if any(side % stride for side in store.header.grid):
        raise ValueError(
            f"model.downsamplings: {config.model.downsamplings} needs a frame size divisible by {stride},"
            f" but {store.folder} has {store.header.grid[0]}"
        )
    folder = Path(config.run)
    if not run.claim(folder, config):
        return
    training = config.training
    data = FrameData(store, training.batch_size, training.steps, training.seed)
    torch.manual_seed(training.seed)
    network = VQVAE(config.model, data.variance()).to(memory_format=torch.channels_last)
    module = VQVAEModule(network, config.optimizer, training.steps)
    shown = data.places["val"][torch.linspace(0, len(data.places["val"]) - 1, 8).long()]
    pictures = Pictures(folder, "reconstructions", lambda m: reconstruction_grid(m, store.frames(shown)))
    run.fit(module, data, folder, training, config.optimizer, [Curves(folder, PANELS), pictures])
    save_network(folder, network, {"frame_size": list(store.header.grid)})


@torch.no_grad()
def reconstruction_grid(module: L.LightningModule, frames: Tensor) -> np.ndarray:
    """Originals above their reconstructions, enlarged three times, uint8 ``h w c``."""
    frames = frames.to(module.device)
    network: VQVAE = module.network  # type: ignore[assignment]
    network.eval()
    pair = torch.stack([frames, to_uint8(network(to_float(frames)).reconstruction)])
    grid = rearrange(pair, "r b h w c -> (r h) (b w) c").cpu().numpy()
    return grid.repeat(3, axis=0).repeat(3, axis=1)
