"""``videovq evaluate vqvae``: measures, plots and reconstructions of a VQ-VAE over a split."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from videovq import __version__
from videovq.config import EvaluateVQVAEConfig
from videovq.data.store import EpisodeStore
from videovq.errors import UserError
from videovq.evaluation.charts import code_usage, psnr_by_level, rate_distortion, short
from videovq.evaluation.reconstruction import Reconstruction, reconstruct, reconstruction
from videovq.models.vqvae import VQVAE
from videovq.page import Tile, write_report
from videovq.parsing import to_plain
from videovq.pictures import labelled_rows
from videovq.rollout.engine import find_device
from videovq.runs import load_vqvae, vqvae_run
from videovq.storage import write_json
from videovq.worlds import world_called

EXAMPLES = 8


def evaluate(config: EvaluateVQVAEConfig) -> None:
    """Write ``report.json``, ``report.html``, ``reconstructions.png``, ``usage.png`` and ``levels.png``; and
    ``rate_distortion.png`` where there are reports to compare with.

    Raises:
        UserError: the run, the store or a report to compare with cannot be used.
    """
    run = vqvae_run(config.vqvae, config.pretrained)
    trained, store = load_vqvae(run), EpisodeStore(config.store)
    stride = trained.network.stride
    if any(side % stride for side in store.header.grid):
        raise UserError(f"{store}: frames of {store.header.grid} do not divide into cells of {stride} pixels")
    others = [read_report(Path(path)) for path in config.compare]
    trained.network.to(find_device(config.device))
    found = reconstruction(trained.network, store, config.split)
    report = {
        "name": world_called(config.pretrained) if config.pretrained else run.name,
        "split": config.split,
        "store": str(store),
        "videovq": __version__,
        "fingerprint": trained.fingerprint,
        **found.report(),
        "model": to_plain(trained.config),
    }
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    pictures = {
        "reconstructions": (
            examples(trained.network, store, config.split, found, config.scale),
            "From the worst frame to the best",
        ),
        "usage": (code_usage(found), "How often each code is used"),
        "levels": (psnr_by_level(found), "PSNR of the frames of every level"),
    }
    if others:
        pictures["rate_distortion"] = (rate_distortion([*others, report]), "PSNR against bits per pixel")
    write_json(out / "report.json", report)
    print(summary(report))
    text = f"{report['frames']} frames of split {config.split} of {store}, encoded and decoded."
    title = f"{report['name']}: VQ-VAE"
    write_report(out, title, text, tables([*others, report]), pictures, config, numbers(report))


def numbers(report: dict[str, Any]) -> list[Tile]:
    """Those that come first."""
    rows, columns = report["grid"]
    return [
        Tile(f"{report['psnr']:.2f}", "PSNR (dB)"),
        Tile(f"{report['ssim']:.3f}", "SSIM"),
        Tile(f"{report['gradient_energy']:.2f}", "gradient energy", "over that of the frames"),
        Tile(str(report["codes_used"]), "codes used", f"of {report['codebook_size']}"),
        Tile(f"{report['perplexity']:.0f}", "perplexity of the codes"),
        Tile(f"{report['bits_per_pixel']:.3f}", "bits per pixel", f"{rows}x{columns} codes a frame"),
    ]


def tables(reports: Sequence[dict[str, Any]]) -> dict[str, tuple[list[str], list[list[str]]]]:
    """What is measured of every VQ-VAE, and of the last one's levels."""
    rows = [
        [
            str(one["name"]),
            f"{one['psnr']:.2f}",
            f"{one['ssim']:.3f}",
            f"{one['nmse']:.4f}",
            f"{one['gradient_energy']:.2f}" if "gradient_energy" in one else "",  # of an older videovq
            f"{one['codes_used']} of {one['codebook_size']}",
            f"{one['perplexity']:.0f}",
            "x".join(map(str, one["grid"])),
            f"{one['bits_per_pixel']:.3f}",
        ]
        for one in reports
    ]
    levels = [
        [short(name) or "unnamed", str(one["frames"]), f"{one['psnr']:.2f}", f"{one['ssim']:.3f}"]
        for name, one in reports[-1]["levels"].items()
    ]
    measured = ["PSNR (dB)", "SSIM", "NMSE", "gradient energy", "codes used", "perplexity"]
    head = ["VQ-VAE", *measured, "codes a frame", "bits per pixel"]
    return {"Reconstruction": (head, rows), "By level": (["level", "frames", "PSNR (dB)", "SSIM"], levels)}


def read_report(path: Path) -> dict[str, Any]:
    """A report of another VQ-VAE.

    Raises:
        UserError: there is none, or it is no report.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        return {**report, "psnr": float(report["psnr"]), "bits_per_pixel": float(report["bits_per_pixel"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"compare: {path} is not a report.json of `videovq evaluate vqvae` ({error})") from None


def summary(report: dict[str, Any]) -> str:
    """The main measures, for a terminal."""
    rows, columns = report["grid"]
    return (
        f"{report['name']} on {report['split']}: {report['frames']} frames, PSNR {report['psnr']:.2f} dB,"
        f" SSIM {report['ssim']:.3f}, NMSE {report['nmse']:.4f}, gradient energy {report['gradient_energy']:.2f}\n"
        f"{report['codes_used']} of {report['codebook_size']} codes used, perplexity {report['perplexity']:.0f};"
        f" {rows}x{columns} codes, {report['bits_per_pixel']:.3f} bits per pixel, {report['compression_ratio']:.1f}:1"
    )


def examples(vqvae: VQVAE, store: EpisodeStore, split: str, found: Reconstruction, scale: int) -> np.ndarray:
    """The worst, the best and evenly spaced frames between them by PSNR: original | reconstruction | difference."""
    order = found.psnr.argsort()
    chosen = order[torch.linspace(0, len(order) - 1, EXAMPLES).long()].tolist()
    rows = []
    for index in chosen:
        frame = nth_frame(store, split, index)
        with torch.inference_mode():
            again = reconstruct(vqvae, frame.to(vqvae.device))[1].cpu()
        difference = (frame.int() - again.int()).mul(2).add(128).clamp(0, 255).to(torch.uint8)
        caption = f"{short(found.levels[index])}  {found.psnr[index]:.1f} dB"
        rows.append((caption, [frame[0].numpy(), again[0].numpy(), difference[0].numpy()]))
    return labelled_rows(["original", "reconstruction", "2 x difference + grey"], rows, scale)


def nth_frame(store: EpisodeStore, split: str, index: int) -> UInt8[Tensor, "1 h w c"]:
    """The frame at an index into all frames of a split."""
    for info in store.split(split):
        if index < info.length:
            return store.read(info, index, index + 1).frames
        index -= info.length
    raise AssertionError("a frame beyond the split")
