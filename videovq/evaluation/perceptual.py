"""Distances by features of networks: LPIPS of frames, and the Frechet video distance."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from videovq.errors import UserError
from videovq.evaluation.prediction import Measure
from videovq.frames import to_float
from videovq.models.losses import load_lpips

FEWEST = 256  # videos: with fewer, the bias of the distance dominates
SIDE = 224  # pixels that I3D expects


def lpips_measure(network: Literal["vgg", "alex", "squeeze"]) -> Measure:
    """LPIPS of each pair of frames (Zhang et al. 2018, arXiv 1801.03924); less is better.

    Raises:
        UserError: its ImageNet weights are not on this machine and cannot be loaded.
    """
    distance = load_lpips(network, "lpips")

    def measure(frames: UInt8[Tensor, "n h w c"], others: UInt8[Tensor, "n h w c"]) -> Float[Tensor, "n"]:
        pairs = zip(to_float(frames), to_float(others), strict=True)
        return torch.stack([distance(one[None], other[None]) for one, other in pairs])

    return measure


class VideoDistance:
    """Frechet video distance (Unterthiner et al. 2018, arXiv 1812.01717) by the features of a TorchScript network.

    Args:
        path: the network: called with videos ``b c t 224 224`` in -1..1 and ``rescale=False, resize=False,
            return_features=True``, as the I3D that StyleGAN-V published is, it returns features ``b d``.
        device: what computes.

    Raises:
        UserError: there is no such file, or it is no TorchScript.
    """

    def __init__(self, path: str, device: torch.device) -> None:
        self.device = device
        try:
            self.network = torch.jit.load(path, map_location=device).eval()
        except (ValueError, RuntimeError, OSError) as error:
            raise UserError(f"fvd: {path} cannot be read as TorchScript ({str(error).splitlines()[0]})") from None
        self.weights = hashlib.sha256(Path(path).read_bytes()).hexdigest()

    @torch.inference_mode()
    def features(self, videos: UInt8[Tensor, "b t h w c"]) -> Float[Tensor, "b d"]:
        frames = 2 * to_float(videos.flatten(0, 1).to(self.device))
        flat = interpolate(frames, (SIDE, SIDE), mode="bilinear", align_corners=False)
        clips = flat.unflatten(0, videos.shape[:2]).transpose(1, 2).contiguous()
        return self.network(clips, rescale=False, resize=False, return_features=True).cpu()


def frechet(first: Float[Tensor, "n d"], second: Float[Tensor, "m d"]) -> float:
    """Frechet distance of two Gaussians with the means and covariances of two sets of features.

    Raises:
        UserError: a set has fewer than 256 members.
    """
    if min(len(first), len(second)) < FEWEST:
        raise UserError(f"fvd: {min(len(first), len(second))} videos are too few for a distance; it needs {FEWEST}")
    first, second = first.double(), second.double()
    means, spreads = [f.mean(dim=0) for f in (first, second)], [f.T.cov() for f in (first, second)]
    values, vectors = torch.linalg.eigh(spreads[0])
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    # tr sqrt(A B) = tr sqrt(A^1/2 B A^1/2), whose argument is symmetric
    mixed = torch.linalg.eigvalsh(root @ spreads[1] @ root).clamp(min=0).sqrt().sum()
    distance = (means[0] - means[1]).pow(2).sum() + spreads[0].trace() + spreads[1].trace() - 2 * mixed
    return float(distance.clamp(min=0))
