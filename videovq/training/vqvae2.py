"""``videovq train vqvae2``: EpisodeStore -> run of a VQ-VAE with two levels; ``videovq encode vqvae2``."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor

from videovq.data.modules import FrameData
from videovq.data.store import CodeStore, EpisodeStore
from videovq.follow_up import free, typed
from videovq.frames import psnr, to_float, to_uint8
from videovq.models.quantizers.contract import perplexity
from videovq.papers.two_levels.config import EncodeVQVAE2Config, TrainBottomPriorConfig, TrainVQVAE2Config
from videovq.papers.two_levels.runs import load_vqvae2
from videovq.papers.two_levels.vqvae2 import LEVELS, VQVAE2, Level, VQVAE2Output
from videovq.training import loop
from videovq.training.encode import encode_store
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
            raise ValueError(
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
        return {name: perplexity(sum(usage[name] for usage in seen)) for name in seen[0]}


def usages(output: VQVAE2Output) -> dict[str, Tensor]:
    """How often each code of a level was used, by the name of the metric."""
    return {"top_perplexity": output.top.usage, "bottom_perplexity": output.bottom.usage}


def train(config: TrainVQVAE2Config) -> None:
    """Train a VQ-VAE with two levels, or go on with an interrupted training.

    Raises:
        ValueError: the store cannot be used, or ``config.run`` holds another training.
    """
    loop.fit(VQVAE2Task(config))


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
