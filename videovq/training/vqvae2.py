"""``videovq train vqvae2``: EpisodeStore -> run of a VQ-VAE with two levels; ``videovq encode vqvae2``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from videovq.config import OptimizerConfig
from videovq.data.modules import FrameData
from videovq.data.store import CodeStore, EpisodeStore
from videovq.follow_up import free, typed
from videovq.frames import psnr, to_float, to_uint8
from videovq.models.quantizers.contract import perplexity
from videovq.papers.two_levels.config import EncodeVQVAE2Config, TrainBottomPriorConfig, TrainVQVAE2Config
from videovq.papers.two_levels.runs import load_vqvae2
from videovq.papers.two_levels.vqvae2 import LEVELS, VQVAE2, Level
from videovq.training import run
from videovq.training.callbacks import Curves
from videovq.training.encode import encode_store
from videovq.training.optimizers import optimizer
from videovq.types import FrameBatch

PANELS = (
    ("nmse", "reconstruction NMSE", True),
    ("top_perplexity", "perplexity of the top codes", False),
    ("bottom_perplexity", "perplexity of the bottom codes", False),
    ("psnr", "PSNR (dB)", False),
)


class VQVAE2Module(L.LightningModule):
    """Minimises the reconstruction error and both quantizers' losses."""

    what = "train vqvae2"

    def __init__(self, network: VQVAE2, optimizer: OptimizerConfig, steps: int) -> None:
        super().__init__()
        self.network, self.optimizer, self.steps = network, optimizer, steps

    def training_step(self, batch: FrameBatch, batch_idx: int) -> Tensor:
        output = self.network(to_float(batch.frames))
        self.log("train/nmse", output.nmse.detach())
        if self.global_step % 20 == 19:
            self.log("train/top_perplexity", perplexity(output.top.usage))
            self.log("train/bottom_perplexity", perplexity(output.bottom.usage))
        return output.nmse + output.top.loss + output.bottom.loss

    def on_validation_epoch_start(self) -> None:
        sizes = self.network.top_quantizer.codebook_size, self.network.bottom_quantizer.codebook_size
        self.usage = [torch.zeros(size, device=self.device) for size in sizes]

    def validation_step(self, batch: FrameBatch, batch_idx: int) -> None:
        output, size = self.network(to_float(batch.frames)), len(batch.frames)
        self.usage[0] += output.top.usage
        self.usage[1] += output.bottom.usage
        found = psnr(to_uint8(output.reconstruction), batch.frames).mean()
        self.log("val/nmse", output.nmse, batch_size=size, sync_dist=True)
        self.log("val/psnr", found, batch_size=size, sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        self.log("val/top_perplexity", perplexity(self.usage[0]))
        self.log("val/bottom_perplexity", perplexity(self.usage[1]))

    def configure_optimizers(self) -> Any:
        return optimizer(self.network, self.optimizer, self.steps)


def train(config: TrainVQVAE2Config) -> None:
    """Train a VQ-VAE with two levels, or go on with an interrupted training.

    Raises:
        ValueError: the store cannot be used, or ``config.run`` holds another training.
    """
    store, training = EpisodeStore(config.store), config.training
    stride = 2 ** (config.model.downsamplings + 1)
    if any(side % stride for side in store.header.grid):
        raise ValueError(
            f"model.downsamplings: two levels need frames that divide by {stride}, unlike those of {store}"
        )
    data = FrameData(store, training.batch_size, training.steps, training.seed)
    torch.manual_seed(training.seed)
    network = VQVAE2(config.model, data.variance()).to(memory_format=torch.channels_last)
    folder = Path(config.run)
    module = VQVAE2Module(network, config.optimizer, training.steps)
    facts = {"frame_size": list(store.header.grid)}
    then = typed("encode vqvae2", store=config.store, vqvae2=config.run, out=free(EncodeVQVAE2Config.out))
    run.fit(module, data, config, [Curves(folder, PANELS)], facts, about=store.amount("train"), then=then)


def encode(config: EncodeVQVAE2Config) -> tuple[CodeStore, CodeStore]:
    """Write the CodeStores ``top`` and ``bottom``; shards that an interrupted run completed are kept.

    Raises:
        ValueError: store and VQ-VAE do not fit, or ``config.out`` holds other codes.
    """
    store, trained = EpisodeStore(config.store), load_vqvae2(config.vqvae2)
    if trained.frame_size != store.header.grid:
        raise ValueError(
            f"{config.vqvae2}: was trained on frames of {trained.frame_size}, but {store} has {store.header.grid}"
        )
    for name in LEVELS:
        level = Level(trained.network, name)
        out, by = f"{config.out}/{name}", {"vqvae2": config.vqvae2}
        encode_store(store, level, trained.fingerprint_of(name), out, config.batch_size, None, by)
    prior = typed("train prior", store=f"{config.out}/top", run=free("runs/top_prior"))
    print(f"next: {prior}, and {typed('train bottom-prior', store=config.out, run=free(TrainBottomPriorConfig.run))}")
    return CodeStore(f"{config.out}/top"), CodeStore(f"{config.out}/bottom")
