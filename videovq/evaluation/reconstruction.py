"""Reconstruction quality and codebook usage of a VQ-VAE over a split."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from videovq.data.store import EpisodeStore
from videovq.evaluation.sharpness import gradient_energy
from videovq.frames import psnr, to_float, to_uint8
from videovq.models.quantizers.contract import perplexity
from videovq.models.vqvae import VQVAE
from videovq.progress import progress


@dataclass(frozen=True)
class Reconstruction:
    """Measures over every frame of a split, on uint8 frames.

    Attributes:
        psnr: of each frame, in dB.
        ssim: of each frame, at most 1.
        levels: level of each frame.
        nmse: mean squared error over the variance of these frames' values.
        gradient_energy: of the reconstructions over that of the frames.
        usage: how often each code was used.
        grid: rows and columns of a frame's codes.
        frame_size: rows and columns of a frame's pixels.
    """

    psnr: Float[Tensor, "n"]
    ssim: Float[Tensor, "n"]
    levels: list[str]
    nmse: float
    gradient_energy: float
    usage: Float[Tensor, "k"]
    grid: tuple[int, int]
    frame_size: tuple[int, int]

    @cached_property
    def codes_used(self) -> int:
        return int((self.usage > 0).sum())

    @cached_property
    def perplexity(self) -> float:
        return float(perplexity(self.usage))

    @property
    def bits_per_pixel(self) -> float:
        """Of codes of fixed length."""
        return math.prod(self.grid) * math.log2(len(self.usage)) / math.prod(self.frame_size)

    def report(self) -> dict[str, Any]:
        """The measures as JSON values."""
        by_level = {}
        for level in sorted(set(self.levels)):
            chosen = torch.tensor([name == level for name in self.levels])
            by_level[level] = {
                "frames": int(chosen.sum()),
                "psnr": round(float(self.psnr[chosen].mean()), 3),
                "ssim": round(float(self.ssim[chosen].mean()), 4),
            }
        return {
            "frames": len(self.psnr),
            "psnr": round(float(self.psnr.mean()), 3),
            "ssim": round(float(self.ssim.mean()), 4),
            "nmse": round(self.nmse, 6),
            "gradient_energy": round(self.gradient_energy, 3),
            "codebook_size": len(self.usage),
            "codes_used": self.codes_used,
            "perplexity": round(self.perplexity, 1),
            "grid": list(self.grid),
            "frame_size": list(self.frame_size),
            "bits_per_pixel": round(self.bits_per_pixel, 4),
            "bits_per_pixel_entropy_coded": round(
                math.prod(self.grid) * math.log2(self.perplexity) / math.prod(self.frame_size), 4
            ),
            "compression_ratio": round(24 / self.bits_per_pixel, 2),
            "levels": by_level,
        }


@torch.inference_mode()
def reconstruction(vqvae: VQVAE, store: EpisodeStore, split: str) -> Reconstruction:
    """Encode and decode every frame of a split."""
    usage = torch.zeros(vqvae.quantizer.codebook_size)
    ratios, similarities, levels = [], [], []
    error, total, squares, values = 0.0, 0.0, 0.0, 0
    kept, given = 0.0, 0.0
    episodes = store.split(split)
    with progress(sum(info.length for info in episodes), "reconstruct", "frame") as bar:
        for info in episodes:
            for part in store.read(info).frames.split(100):
                frames = part.to(vqvae.device)
                codes, again = reconstruct(vqvae, frames)
                usage += torch.bincount(codes.cpu().flatten(), minlength=len(usage))
                ratios.append(psnr(again, frames).cpu())
                similarities.append(ssim(again, frames).cpu())
                error += float((again.int() - frames.int()).pow(2).sum())
                total += float(frames.sum())
                squares += float(frames.int().pow(2).sum())
                values += frames.numel()
                kept += float(gradient_energy(again).sum())
                given += float(gradient_energy(frames).sum())
                bar.update(len(frames))
            levels += [info.level] * info.length
    return Reconstruction(
        psnr=torch.cat(ratios),
        ssim=torch.cat(similarities),
        levels=levels,
        nmse=error / max(squares - total**2 / values, values),  # at least a grey level's
        gradient_energy=kept / given if given else 1.0,
        usage=usage,
        grid=(codes.shape[1], codes.shape[2]),
        frame_size=store.header.grid,
    )


def reconstruct(
    vqvae: VQVAE, frames: UInt8[Tensor, "t h w c"]
) -> tuple[Int64[Tensor, "t y x"], UInt8[Tensor, "t h w c"]]:
    """The codes of frames on the VQ-VAE's device, and their reconstructions."""
    codes = vqvae.encode(to_float(frames))
    return codes, to_uint8(vqvae.decode(codes))


def ssim(frames: UInt8[Tensor, "b h w c"], others: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b"]:
    """Structural similarity of each frame, at most 1: the mean over every Gaussian window of 11 pixels that lies
    within the frame (Wang et al. 2004).
    """
    pair = [to_float(f) + 0.5 for f in (frames, others)]
    found = structural_similarity_index_measure(pair[0], pair[1], data_range=1.0, return_full_image=True)
    assert isinstance(found, tuple)
    return found[1][..., 5:-5, 5:-5].mean(dim=(1, 2, 3))
