"""``videovq train vqvae2``: EpisodeStore -> run of a VQ-VAE with two levels."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from videovq.data.modules import FrameData
from videovq.data.store import EpisodeStore
from videovq.errors import UserError
from videovq.follow_up import free, typed
from videovq.frames import psnr, to_float, to_uint8
from videovq.models.quantizers.contract import perplexity, sum_over_ranks
from videovq.papers.two_levels.config import EncodeVQVAE2Config, TrainVQVAE2Config
from videovq.papers.two_levels.vqvae2 import VQVAE2, VQVAE2Output
from videovq.training import loop
from videovq.training.task import Metrics, Task
from videovq.types import FrameBatch


class VQVAE2Task(Task):
    """Minimises the reconstruction error and both quantizers' losses."""

    command = "train vqvae2"
    panels = (
        ("nmse", "reconstruction NMSE", True),
        ("top_perplexity", "perplexity of the top codes", False),
        ("bottom_perplexity", "perplexity of the bottom codes", False),
        ("psnr", "PSNR (dB)", False),
    )
    shown = (19,)
    config: TrainVQVAE2Config
    data: FrameData

    def __init__(self, config: TrainVQVAE2Config) -> None:
        store, training = EpisodeStore(config.store), config.training
        stride = 2 ** (config.model.downsamplings + 1)
        if any(side % stride for side in store.header.grid):
            raise UserError(
                f"model.downsamplings: two levels need frames that divide by {stride}, unlike those of {store}"
            )
        data = FrameData(store, training.batch_size, training.steps, training.seed)
        then = typed("encode vqvae2", store=config.store, vqvae2=config.run, out=free(EncodeVQVAE2Config.out))
        facts = {"frame_size": list(store.header.grid)}
        super().__init__(config, data, facts, about=store.amount("train"), then=then)

    def build(self) -> VQVAE2:
        return VQVAE2(self.config.model, self.data.variance())

    def loss(self, network: VQVAE2, batch: FrameBatch) -> tuple[Tensor, Metrics]:
        output = network(to_float(batch.frames))
        used = {name: partial(perplexity, usage) for name, usage in usages(output).items()}
        return output.nmse + output.top.loss + output.bottom.loss, {"nmse": output.nmse, **used}

    def measure(self, network: VQVAE2, batch: FrameBatch) -> tuple[Metrics, Any]:
        output = network(to_float(batch.frames))
        found = psnr(to_uint8(output.reconstruction), batch.frames).mean()
        return {"nmse": output.nmse, "psnr": found}, usages(output)

    def summary(self, seen: list[Any]) -> Metrics:
        used = {name: torch.stack([usage[name] for usage in seen]).sum(dim=0) for name in seen[0]}
        return {name: perplexity(sum_over_ranks(usage)) for name, usage in used.items()}


def usages(output: VQVAE2Output) -> dict[str, Tensor]:
    """How often each code of a level was used, by the name of the metric."""
    return {"top_perplexity": output.top.usage, "bottom_perplexity": output.bottom.usage}


def train(config: TrainVQVAE2Config) -> None:
    """Train a VQ-VAE with two levels, or go on with an interrupted training.

    Raises:
        UserError: the store cannot be used, or ``config.run`` holds another training.
    """
    loop.fit(VQVAE2Task(config))
