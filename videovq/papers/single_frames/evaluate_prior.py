"""``videovq evaluate prior``: bits per code of a prior of single frames, and frames that it draws."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from videovq import __version__
from videovq.data.store import CodeStore
from videovq.errors import UserError
from videovq.models.sampling import gumbel
from videovq.page import write_report
from videovq.papers.counted import markov_bits, unigram_bits
from videovq.papers.single_frames.config import EvaluatePriorConfig
from videovq.papers.single_frames.data import number_of
from videovq.papers.single_frames.runs import TrainedPrior, load_prior
from videovq.parsing import to_plain
from videovq.pictures import labelled_rows
from videovq.progress import progress
from videovq.rollout.engine import decode_codes
from videovq.runs import load_vqvae, vqvae_run
from videovq.storage import write_json
from videovq.types import Sampling

BATCH = 32


def evaluate(config: EvaluatePriorConfig) -> dict[str, Any]:
    """Write ``metrics.json``, ``report.html`` and ``samples.png`` into ``config.out``, and print the bits.

    Raises:
        UserError: runs and store do not belong together, or a setting cannot be used.
    """
    sampling = Sampling(config.temperature, config.top_k, config.top_p, config.guidance)
    trained, store = load_prior(config.prior), CodeStore(config.store)
    vqvae = load_vqvae(vqvae_run(config.vqvae, config.pretrained))
    if not trained.vqvae == vqvae.codes_of == store.header.fingerprint:
        raise UserError("vqvae: prior, VQ-VAE and store must be of the same codes")
    bits = prior_bits(trained, store, config.split, config.stride)
    train = torch.cat([store.read(info).codes for info in store.split("train")])
    held = torch.cat([store.read(info).codes[:: config.stride] for info in store.split(config.split)])
    positions, (height, width) = math.prod(store.header.grid), vqvae.frame_size
    metrics: dict[str, Any] = {
        "videovq": __version__,
        "settings": to_plain(config),
        "frames": len(held),
        "bits_per_code": {
            "prior": bits["with its level"],
            "prior, level not told": bits["of any level"],
            "unigram": unigram_bits(train, held, store.header.codebook_size),
            "raster Markov": markov_bits(train, held, store.header.codebook_size),
            "uniform": math.log2(store.header.codebook_size),
        },
    }
    metrics["bits_per_dim"] = {
        name: value * positions / (3 * height * width) for name, value in metrics["bits_per_code"].items()
    }
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    drawn = samples(trained, vqvae.network, config.samples, sampling, config.seed)
    write_json(out / "metrics.json", metrics)
    for name, value in metrics["bits_per_code"].items():
        print(f"{name:<24} {value:.3f} bits per code, {metrics['bits_per_dim'][name]:.4f} per pixel and channel")
    rows = [
        [name, f"{bits:.3f}", f"{metrics['bits_per_dim'][name]:.4f}"] for name, bits in metrics["bits_per_code"].items()
    ]
    write_report(
        out,
        f"{Path(config.prior).name}: prior of single frames",
        f"{len(held)} frames of split {config.split} of {store}.",
        {"Likelihood": (["model", "bits per code", "bits per dimension"], rows)},
        {"samples": (drawn, f"Drawn frames, a row for each level, at temperature {config.temperature:g}")},
        config,
    )
    return metrics


@torch.inference_mode()
def prior_bits(trained: TrainedPrior, store: CodeStore, split: str, stride: int = 1) -> dict[str, float]:
    """Mean bits per code of every n-th frame of a split, conditioned on its level and on none."""
    totals, count = {"with its level": 0.0, "of any level": 0.0}, 0
    infos = store.split(split)
    with progress(len(infos), "bits", "episode") as bar:
        for info in infos:
            own = number_of(trained.levels, info.level)
            for codes in store.read(info).codes[::stride].split(BATCH):
                for name, number in zip(totals, (own, trained.network.any_level), strict=True):
                    totals[name] += float(trained.network(codes, torch.full((len(codes),), number)).sum()) / math.log(2)
                count += codes.numel()
            bar.update(1)
    return {name: total / count for name, total in totals.items()}


@torch.inference_mode()
def samples(trained: TrainedPrior, vqvae: Any, each: int, sampling: Sampling, seed: int) -> np.ndarray:
    """Frames of every level and of any, a row each, uint8 ``h w c``."""
    rows, titles = [], [str(i + 1) for i in range(each)]
    names = [*(level.rsplit("/", 1)[-1] or "level" for level in trained.levels), "any level"]
    with progress(len(names), "draw", "level") as bar:
        for number, name in enumerate(names):
            noise = noise_of(trained, each, seed + number)
            codes = trained.network.draw(torch.full((each,), number), noise, sampling)
            rows.append((name, list(decode_codes(vqvae, codes[:, None])[:, 0].numpy())))
            bar.update(1)
    return labelled_rows(titles, rows, 1)


def noise_of(trained: TrainedPrior, count: int, seed: int) -> Float[Tensor, "b y x k"]:
    """Gumbel noise of some frames; that of a frame does not depend on how many there are."""
    generator = torch.Generator().manual_seed(seed)
    shape = (*trained.network.grid, len(trained.network.codebook))
    return torch.stack([gumbel(shape, generator) for _ in range(count)])
