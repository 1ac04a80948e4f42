"""``videovq evaluate second-stage``: bits per code with the latents and with those of other frames, reconstructions,
samples.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from videovq import __version__
from videovq.data.store import CodeStore
from videovq.errors import UserError
from videovq.models.quantizers.contract import perplexity
from videovq.models.sampling import gumbel
from videovq.models.vqvae import VQVAE
from videovq.page import write_report
from videovq.papers.single_frames.config import EvaluateSecondStageConfig
from videovq.papers.single_frames.runs import load_second_stage
from videovq.papers.single_frames.second_stage import SecondStage
from videovq.parsing import to_plain
from videovq.pictures import labelled_rows
from videovq.progress import progress
from videovq.rollout.engine import decode_codes
from videovq.runs import load_vqvae, vqvae_run
from videovq.storage import write_json
from videovq.types import Sampling

BATCH = 32


def evaluate(config: EvaluateSecondStageConfig) -> dict[str, Any]:
    """Write ``metrics.json``, ``report.html``, ``reconstructions.png`` and ``samples.png`` into ``config.out``, and
    print the bits.

    Raises:
        UserError: runs and store do not belong together, or a setting cannot be used.
    """
    sampling = Sampling(config.temperature, config.top_k, config.top_p)
    trained, store = load_second_stage(config.second_stage), CodeStore(config.store)
    vqvae = load_vqvae(vqvae_run(config.vqvae, config.pretrained))
    if not trained.vqvae == vqvae.codes_of == store.header.fingerprint:
        raise UserError("vqvae: second stage, VQ-VAE and store must be of the same codes")
    network = trained.network
    codes = torch.cat([store.read(info).codes[:: config.stride] for info in store.split(config.split)])
    latents = torch.cat([network.encode(part) for part in codes.split(BATCH)])
    other = latents[torch.randperm(len(latents), generator=torch.Generator().manual_seed(config.seed))]
    with torch.inference_mode():
        prior = float(network.prior.nll(latents).mean()) / math.log(2)
    metrics: dict[str, Any] = {
        "videovq": __version__,
        "settings": to_plain(config),
        "frames": len(codes),
        "bits_per_frame_of_latents": network.latents * math.log2(next(network.each_quantizer()).codebook_size),
        "perplexity": [float(perplexity(one.bincount().float())) for one in latents.unbind(1)],
        "bits_per_latent": prior,
        "bits_per_code": {
            "with its latents": bits(network, codes, latents, "its own latents"),
            "with another frame's": bits(network, codes, other, "another frame's"),
        },
    }
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    chosen = torch.linspace(0, len(codes) - 1, config.shown).long()
    rebuilt = reconstructions(network, vqvae.network, codes[chosen], sampling, config.seed)
    drawn = samples(network, vqvae.network, config.shown, sampling, config.seed)
    write_json(out / "metrics.json", metrics)
    for name, value in metrics["bits_per_code"].items():
        print(f"{name:<24} {value:.3f} bits per code")
    used = ", ".join(f"{one:.0f}" for one in metrics["perplexity"])
    print(f"perplexity of the latents {used}; {prior:.2f} bits each by their prior")
    write_report(
        out,
        f"{Path(config.second_stage).name}: second stage",
        f"{len(codes)} frames of split {config.split} of {store}; {network.latents} latents a frame,"
        f" {metrics['bits_per_frame_of_latents']:.0f} bits; {prior:.2f} bits each by their prior.",
        {
            "Likelihood": (
                ["codes of a frame", "bits per code"],
                [[k, f"{v:.3f}"] for k, v in metrics["bits_per_code"].items()],
            ),
            "Latents": (
                ["latent", "perplexity"],
                [[str(i + 1), f"{v:.0f}"] for i, v in enumerate(metrics["perplexity"])],
            ),
        },
        {
            "reconstructions": (rebuilt, "What the first stage makes of frames, and two draws of the second"),
            "samples": (drawn, "Frames whose latents the prior drew"),
        },
        config,
    )
    return metrics


def bits(network: SecondStage, codes: torch.Tensor, latents: torch.Tensor, what: str) -> float:
    """Mean bits per code, given latents."""
    total = 0.0
    with progress(len(codes), what, "frame") as bar:
        for part, given in zip(codes.split(BATCH), latents.split(BATCH), strict=True):
            total += float(network.nll_given(part, given).sum())
            bar.update(len(part))
    return total / codes.numel() / math.log(2)


def reconstructions(
    network: SecondStage, vqvae: VQVAE, codes: torch.Tensor, sampling: Sampling, seed: int
) -> np.ndarray:
    """The first stage's reconstructions above two draws of the second's, uint8 ``h w c``."""
    latents = network.encode(codes)
    rows = [("first stage", codes)]
    for i in range(2):
        noise = gumbel((len(codes), *network.grid, len(network.codebook)), torch.Generator().manual_seed(seed + i))
        rows.append((f"{network.latents} codes, draw {i + 1}", network.decode(latents, noise, sampling)))
    pictures = [(name, list(decode_codes(vqvae, grid[:, None])[:, 0].numpy())) for name, grid in rows]
    return labelled_rows([str(i + 1) for i in range(len(codes))], pictures, 1)


def samples(network: SecondStage, vqvae: VQVAE, count: int, sampling: Sampling, seed: int) -> np.ndarray:
    """Frames whose latents the prior drew, four rows, uint8 ``h w c``."""
    rows = []
    for row in range(4):
        generator = torch.Generator().manual_seed(seed + row)
        latents = network.draw_latents(count, generator)
        noise = gumbel((count, *network.grid, len(network.codebook)), generator)
        drawn = network.decode(latents, noise, sampling)
        rows.append((f"draw {row + 1}", list(decode_codes(vqvae, drawn[:, None])[:, 0].numpy())))
    return labelled_rows([str(i + 1) for i in range(count)], rows, 1)
