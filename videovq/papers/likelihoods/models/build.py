"""Config -> likelihood autoencoder."""

from __future__ import annotations

from collections.abc import Callable

from videovq.config.checks import checked
from videovq.errors import UserError
from videovq.papers.likelihoods.config import GaussianVAEConfig, LikelihoodConfig, QuantizedVAEConfig, VIMCOConfig
from videovq.papers.likelihoods.models.contract import LikelihoodAutoencoder
from videovq.papers.likelihoods.models.gaussian import GaussianVAE
from videovq.papers.likelihoods.models.quantized import QuantizedVAE
from videovq.papers.likelihoods.models.vimco import VIMCO

AUTOENCODERS: dict[type[LikelihoodConfig], Callable[..., LikelihoodAutoencoder]] = {
    GaussianVAEConfig: GaussianVAE,
    VIMCOConfig: VIMCO,
    QuantizedVAEConfig: QuantizedVAE,
}


def build_autoencoder(settings: LikelihoodConfig, frame_size: tuple[int, int]) -> LikelihoodAutoencoder:
    """The likelihood autoencoder that a config describes, for frames of that height and width.

    Raises:
        UserError: the config is of none, or its numbers cannot work with these frames.
    """
    if type(settings) not in AUTOENCODERS:
        names = ", ".join(kind.__name__ for kind in AUTOENCODERS)
        raise UserError(f"model: {type(settings).__name__} is of no likelihood autoencoder; choose from {names}")
    checked(settings, "model")
    stride = 2**settings.downsamplings
    if any(side % stride for side in frame_size):
        raise UserError(f"model.downsamplings: frames of {frame_size} do not divide by {stride}")
    return AUTOENCODERS[type(settings)](settings, frame_size)
