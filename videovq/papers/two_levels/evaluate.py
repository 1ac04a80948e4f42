"""``videovq evaluate vqvae2``: two levels of codes against one level of as many bits."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from videovq import __version__
from videovq.data.store import EpisodeStore
from videovq.errors import UserError
from videovq.evaluation.reconstruction import ssim
from videovq.frames import psnr, to_float, to_uint8
from videovq.models.quantizers.contract import perplexity
from videovq.models.sampling import gumbel
from videovq.page import aligned, write_report
from videovq.papers.single_frames.data import number_of
from videovq.papers.single_frames.runs import TrainedPrior, load_prior
from videovq.papers.spread import spread
from videovq.papers.two_levels.config import EvaluateVQVAE2Config
from videovq.papers.two_levels.runs import TrainedBottomPrior, TrainedVQVAE2, load_bottom_prior, load_vqvae2
from videovq.parsing import to_plain
from videovq.pictures import labelled_rows
from videovq.progress import progress
from videovq.runs import TrainedVQVAE, load_vqvae
from videovq.storage import write_json
from videovq.types import Sampling

BATCH = 25
HEAD = ["model", "codes x K", "bits a frame", "by the priors", "PSNR", "SSIM", "perplexity"]


@dataclass(frozen=True)
class OneLevel:
    """A VQ-VAE and the prior of its codes."""

    vqvae: TrainedVQVAE
    prior: TrainedPrior

    def sizes(self) -> list[tuple[int, int]]:
        return [(math.prod(self.prior.network.grid), self.vqvae.network.quantizer.codebook_size)]

    def encode(self, frames: UInt8[Tensor, "b h w c"]) -> list[Int64[Tensor, "b ..."]]:
        return [self.vqvae.network.encode(to_float(frames))]

    def decode(self, codes: list[Int64[Tensor, "b ..."]]) -> UInt8[Tensor, "b h w c"]:
        return to_uint8(self.vqvae.network.decode(codes[0]))

    def nats(self, codes: list[Int64[Tensor, "b ..."]], levels: Int64[Tensor, "b"]) -> list[Float[Tensor, "b"]]:
        return [self.prior.network(codes[0], levels).sum(dim=(1, 2))]

    def draw(self, levels: Int64[Tensor, "b"], sampling: Sampling, seed: int) -> list[Int64[Tensor, "b ..."]]:
        generator = torch.Generator().manual_seed(seed)
        network = self.prior.network
        return [network.draw(levels, gumbel((len(levels), *network.grid, len(network.codebook)), generator), sampling)]


@dataclass(frozen=True)
class TwoLevels:
    """A VQ-VAE with two levels and the priors of both: codes are drawn from the top down."""

    vqvae: TrainedVQVAE2
    prior: TrainedPrior
    detail: TrainedBottomPrior

    def sizes(self) -> list[tuple[int, int]]:
        quantizers = self.vqvae.network.top_quantizer, self.vqvae.network.bottom_quantizer
        grids = self.prior.network.grid, self.detail.network.grid
        return [(math.prod(grid), one.codebook_size) for grid, one in zip(grids, quantizers, strict=True)]

    def encode(self, frames: UInt8[Tensor, "b h w c"]) -> list[Int64[Tensor, "b ..."]]:
        return list(self.vqvae.network.encode(to_float(frames)))

    def decode(self, codes: list[Int64[Tensor, "b ..."]]) -> UInt8[Tensor, "b h w c"]:
        return to_uint8(self.vqvae.network.decode(*codes))

    def nats(self, codes: list[Int64[Tensor, "b ..."]], levels: Int64[Tensor, "b"]) -> list[Float[Tensor, "b"]]:
        top, bottom = codes
        return [self.prior.network(top, levels).sum(dim=(1, 2)), self.detail.network(bottom, top).sum(dim=(1, 2))]

    def draw(self, levels: Int64[Tensor, "b"], sampling: Sampling, seed: int) -> list[Int64[Tensor, "b ..."]]:
        generator = torch.Generator().manual_seed(seed)
        top_prior, bottom_prior = self.prior.network, self.detail.network
        noise = gumbel((len(levels), *top_prior.grid, len(top_prior.codebook)), generator)
        top = top_prior.draw(levels, noise, sampling)
        noise = gumbel((len(levels), *bottom_prior.grid, len(bottom_prior.bottom)), generator)
        return [top, bottom_prior.draw(top, noise, sampling)]


def evaluate(config: EvaluateVQVAE2Config) -> dict[str, Any]:
    """Write ``metrics.json``, ``report.html``, ``reconstructions.png`` and ``samples.png`` into ``config.out``, and
    print the table.

    Raises:
        UserError: runs and store do not belong together, or a setting cannot be used.
    """
    sampling = Sampling(config.temperature, config.top_k, config.top_p)
    guided = replace(sampling, guidance=config.guidance)
    store = EpisodeStore(config.store)
    models = load(config, store)
    frames, episodes = spread(store, config.split, config.frames)
    infos = store.split(config.split)
    names = models["one level"].prior.levels
    levels = torch.tensor([number_of(names, infos[i].level) for i in episodes.tolist()])
    measured = {name: measure(name, model, frames, levels) for name, model in models.items()}
    metrics = {"videovq": __version__, "settings": to_plain(config), "frames": len(frames), **measured}
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    shown = torch.linspace(0, len(frames) - 1, config.shown).long()
    rebuilt = reconstructions(models, frames[shown])
    drawn = samples(models, levels[shown], sampling, guided, config.seed)
    write_json(out / "metrics.json", metrics)
    print(table(measured))
    write_report(
        out,
        "Two levels of codes against one",
        f"{len(frames)} frames of split {config.split} of {store}.",
        {"Bits and quality": (HEAD, [cells(name, one) for name, one in measured.items()])},
        {
            "reconstructions": (rebuilt, "Frames, and what each model makes of them"),
            "samples": (drawn, "Frames of the same levels, drawn by each model"),
        },
        config,
    )
    return metrics


def load(config: EvaluateVQVAE2Config, store: EpisodeStore) -> dict[str, OneLevel | TwoLevels]:
    """Both models.

    Raises:
        UserError: a run is missing, or they do not belong together.
    """
    two, one = load_vqvae2(config.vqvae2), load_vqvae(config.one_level)
    for run, size in ((config.vqvae2, two.frame_size), (config.one_level, one.frame_size)):
        if size != store.header.grid:
            raise UserError(f"{run}: was trained on frames of {size}, but {store} has {store.header.grid}")
    top, bottom = load_prior(config.top_prior), load_bottom_prior(config.bottom_prior)
    prior = load_prior(config.one_level_prior)
    for run, found, expected in (
        (config.top_prior, top.vqvae, two.fingerprint_of("top")),
        (config.bottom_prior, bottom.vqvae, two.fingerprint_of("bottom")),
        (config.one_level_prior, prior.vqvae, one.codes_of),
    ):
        if found != expected:
            raise UserError(f"{run}: was trained on the codes of another VQ-VAE")
    if top.levels != prior.levels:
        raise UserError(f"{config.one_level_prior}: was trained on other episodes than {config.top_prior}")
    return {"two levels": TwoLevels(two, top, bottom), "one level": OneLevel(one, prior)}


@torch.inference_mode()
def measure(
    name: str, model: OneLevel | TwoLevels, frames: UInt8[Tensor, "n h w c"], levels: Int64[Tensor, "n"]
) -> dict[str, Any]:
    """Bits of a frame's codes, of fixed length and by the priors, and how good its reconstruction is."""
    sizes = model.sizes()
    ratios, similarities, nats = [], [], []
    usage = [torch.zeros(size) for _, size in sizes]
    with progress(len(frames), name, "frame") as bar:
        for part, theirs in zip(frames.split(BATCH), levels.split(BATCH), strict=True):
            codes = model.encode(part)
            again = model.decode(codes)
            ratios.append(psnr(again, part))
            similarities.append(ssim(again, part))
            nats.append(torch.stack(model.nats(codes, theirs)))
            for count, grid in zip(usage, codes, strict=True):
                count += torch.bincount(grid.flatten(), minlength=len(count))
            bar.update(len(part))
    by_prior = (torch.cat(nats, dim=1).mean(dim=1) / math.log(2)).tolist()
    return {
        "codes": [positions for positions, _ in sizes],
        "codebook_sizes": [size for _, size in sizes],
        "bits": sum(positions * math.log2(size) for positions, size in sizes),
        "bits_by_prior": by_prior,
        "bits_per_code_by_prior": [bits / positions for bits, (positions, _) in zip(by_prior, sizes, strict=True)],
        "perplexity": [float(perplexity(count)) for count in usage],
        "psnr": float(torch.cat(ratios).mean()),
        "ssim": float(torch.cat(similarities).mean()),
    }


def table(measured: dict[str, dict[str, Any]]) -> str:
    """What was measured, a line a model."""
    rows = [HEAD, *(cells(name, one) for name, one in measured.items())]
    return aligned(rows)


def cells(name: str, one: dict[str, Any]) -> list[str]:
    """A model's cells of the table."""
    return [
        name,
        " + ".join(f"{positions}x{size}" for positions, size in zip(one["codes"], one["codebook_sizes"], strict=True)),
        f"{one['bits']:.0f}",
        f"{sum(one['bits_by_prior']):.0f}",
        f"{one['psnr']:.2f} dB",
        f"{one['ssim']:.3f}",
        ", ".join(f"{value:.0f}" for value in one["perplexity"]),
    ]


@torch.inference_mode()
def reconstructions(models: dict[str, OneLevel | TwoLevels], frames: UInt8[Tensor, "n h w c"]) -> np.ndarray:
    """Frames above what each model makes of them, uint8 ``h w c``."""
    rows = [("frames", list(frames.numpy()))]
    rows += [(name, list(model.decode(model.encode(frames)).numpy())) for name, model in models.items()]
    return labelled_rows([str(i + 1) for i in range(len(frames))], rows, 1)


@torch.inference_mode()
def samples(
    models: dict[str, OneLevel | TwoLevels],
    levels: Int64[Tensor, "n"],
    sampling: Sampling,
    guided: Sampling,
    seed: int,
) -> np.ndarray:
    """Frames of the given levels that each model draws, without guidance and with it, uint8 ``h w c``."""
    rows = []
    with progress(2 * len(models), "draw", "row") as bar:
        for name, model in models.items():
            for title, how in ((name, sampling), (f"{name}, guidance {guided.guidance:g}", guided)):
                rows.append((title, list(model.decode(model.draw(levels, how, seed)).numpy())))
                bar.update(1)
    return labelled_rows([str(i + 1) for i in range(len(levels))], rows, 1)
