"""Reconstruction losses of the VQ-VAE: pixels, SSIM and LPIPS."""

from __future__ import annotations

import math
from collections.abc import Callable
from urllib.error import URLError

import torch
from jaxtyping import Float
from torch import Tensor
from torch.hub import get_dir
from torch.nn.functional import avg_pool2d, l1_loss, mse_loss
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as ms_ssim
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

from videovq.config import LossConfig
from videovq.errors import UserError

GRADIENT_SCALES = 3
GRADIENT_WINDOW = 8
SSIM_WINDOW = 11
SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003, "Multi-scale structural similarity"


class ReconstructionLoss:
    """Weighted sum of reconstruction losses. No ``nn.Module``, so that LPIPS's network is in no checkpoint.

    Args:
        config: the weights.
        data_variance: variance of the training frames' values in -0.5..0.5.
        side: the shorter side of the frames, in pixels.

    Raises:
        UserError: the frames are too small for SSIM, or LPIPS's weights are not on this machine and cannot be loaded.
    """

    def __init__(self, config: LossConfig, data_variance: float, side: int) -> None:
        self.config, self.variance = config, data_variance
        self.ssim_weights = ssim_weights(side) if config.ssim else ()
        self.lpips = load_lpips(config.lpips_network, "loss.lpips") if config.lpips else None

    def __call__(self, reconstruction: Float[Tensor, "b c h w"], frames: Float[Tensor, "b c h w"]) -> Float[Tensor, ""]:
        """The loss of frames in -0.5..0.5, in float32 also within autocast."""
        with torch.autocast(frames.device.type, enabled=False):
            return self._weighted(reconstruction, frames)

    def _weighted(
        self, reconstruction: Float[Tensor, "b c h w"], frames: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, ""]:
        if self.config.pixels == "mse":
            loss = mse_loss(reconstruction, frames) / self.variance
        else:
            loss = l1_loss(reconstruction, frames) / math.sqrt(self.variance)
        if self.config.ssim:
            loss = loss + self.config.ssim * self.dissimilarity(reconstruction, frames)
        if self.lpips is not None:
            loss = loss + self.config.lpips * self.lpips(reconstruction, frames)
        if self.config.gradients:
            loss = loss + self.config.gradients * gradient_difference(reconstruction, frames) / self.variance
        return loss

    def dissimilarity(
        self, reconstruction: Float[Tensor, "b c h w"], frames: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, ""]:
        """1 - multi-scale SSIM, 0 for equal frames."""
        similarity = ms_ssim(
            reconstruction + 0.5, frames + 0.5, data_range=1.0, kernel_size=SSIM_WINDOW, betas=self.ssim_weights
        )
        assert isinstance(similarity, Tensor)
        return 1 - similarity


def gradient_difference(
    reconstruction: Float[Tensor, "b c h w"], frames: Float[Tensor, "b c h w"]
) -> Float[Tensor, ""]:
    """How much the strength of edges and textures differs: the mean squared difference of the root mean square, over
    windows of 8 pixels, of the differences of neighbours, summed over both directions at full size, half and a quarter.

    Where in a window a texture lies the codes do not tell: pixel by pixel the best guess is none (of squared errors the
    mean, of absolute ones, as in Mathieu et al. 2016, the median), but how strong it is they do tell.
    """
    loss = frames.new_zeros(())
    for _ in range(GRADIENT_SCALES):
        for axis in (-2, -1):
            loss = loss + mse_loss(_strength(reconstruction, axis), _strength(frames, axis))
        if min(frames.shape[-2:]) < 2 * GRADIENT_WINDOW:
            break
        reconstruction, frames = avg_pool2d(reconstruction, 2), avg_pool2d(frames, 2)
    return loss


def _strength(frames: Float[Tensor, "b c h w"], axis: int) -> Float[Tensor, "b c y x"]:
    squares = frames.diff(dim=axis).pow(2)
    window = [min(GRADIENT_WINDOW, side) for side in squares.shape[-2:]]
    return (avg_pool2d(squares, window, GRADIENT_WINDOW // 2) + 1e-6).sqrt()  # a quarter of a grey level: no pole at 0


def ssim_weights(side: int) -> tuple[float, ...]:
    """Weights of as many scales as frames of this side allow, each half the one before; their sum is 1.

    Raises:
        UserError: the frames are smaller than SSIM's window.
    """
    if side < SSIM_WINDOW:
        raise UserError(f"loss.ssim: frames of {side} pixels are smaller than SSIM's window of {SSIM_WINDOW}")
    # torchmetrics asks for side // (scales - 1)**2 >= the window, which for 5 scales is the stricter bound
    fitting = [
        n
        for n in range(1, len(SSIM_WEIGHTS) + 1)
        if side // 2 ** (n - 1) >= SSIM_WINDOW and side // max(1, n - 1) ** 2 >= SSIM_WINDOW
    ]
    chosen = SSIM_WEIGHTS[: max(fitting)]
    return tuple(weight / sum(chosen) for weight in chosen)


def load_lpips(network: str, setting: str) -> Callable[[Tensor, Tensor], Tensor]:
    """LPIPS of frames in -0.5..0.5, the mean over a batch (Zhang et al. 2018, arXiv 1801.03924).

    Args:
        setting: what asked for it, for the message.

    Raises:
        UserError: its ImageNet weights are not on this machine and cannot be loaded.
    """
    try:
        metric = LearnedPerceptualImagePatchSimilarity(net_type=network)  # type: ignore[arg-type]
    except (URLError, OSError) as error:
        raise UserError(
            f"{setting}: torchvision's ImageNet weights of {network!r} are not in {get_dir()}/checkpoints and cannot"
            f" be downloaded ({error}); put them there or leave {setting} out"
        ) from None
    scale = metric.net.requires_grad_(False).eval()
    return lambda reconstruction, frames: scale.to(frames.device)(2 * reconstruction, 2 * frames).mean()
