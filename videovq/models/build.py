"""Config -> quantizer, predictor or PixelCNN."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from jaxtyping import Float
from torch import Tensor

from videovq import config
from videovq.config import (
    PatchPredictorConfig,
    PixelCNNConfig,
    PixelCNNPredictorConfig,
    PredictorConfig,
    QuantizerConfig,
    RasterPredictorConfig,
)
from videovq.config.checks import checked
from videovq.errors import UserError
from videovq.models.predictors.attentive_pixelcnn import AttentivePixelCNN
from videovq.models.predictors.contract import ContextNetwork, FrameDecoder
from videovq.models.predictors.convolutional_context import ConvolutionalContext
from videovq.models.predictors.gated_pixelcnn import GatedPixelCNN
from videovq.models.predictors.lookup_context import LookupContext
from videovq.models.predictors.patch_decoder import PatchDecoder
from videovq.models.predictors.predictor import Predictor
from videovq.models.predictors.raster_decoder import RasterDecoder
from videovq.models.quantizers.contract import Quantizer
from videovq.types import ActionSpec

# By name: the library that the last four use takes longer to import than most commands take.
QUANTIZERS: dict[type[QuantizerConfig], tuple[str, str]] = {
    config.EMAConfig: ("learned", "EMAQuantizer"),
    config.CodebookLossConfig: ("learned", "CodebookLossQuantizer"),
    config.CosineConfig: ("learned", "CosineQuantizer"),
    config.FSQConfig: ("library", "FSQQuantizer"),
    config.LFQConfig: ("library", "LFQQuantizer"),
    config.RotationConfig: ("library", "RotationQuantizer"),
    config.ResidualConfig: ("library", "ResidualQuantizer"),
}

PREDICTORS: dict[type[PredictorConfig], tuple[Callable[..., ContextNetwork], Callable[..., FrameDecoder]]] = {
    PatchPredictorConfig: (LookupContext, PatchDecoder),
    RasterPredictorConfig: (LookupContext, RasterDecoder),
    PixelCNNPredictorConfig: (ConvolutionalContext, GatedPixelCNN),
}


def build_quantizer(settings: QuantizerConfig, code_dim: int) -> Quantizer:
    """The quantizer that a config describes, of vectors of width ``code_dim``.

    Raises:
        UserError: the config is of no quantizer, or its numbers cannot work.
    """
    if type(settings) not in QUANTIZERS:
        names = ", ".join(kind.__name__ for kind in QUANTIZERS)
        raise UserError(f"model.quantizer: {type(settings).__name__} is not a quantizer; choose from {names}")
    checked(settings, "model.quantizer")
    module, name = QUANTIZERS[type(settings)]
    kind = getattr(import_module(f"videovq.models.quantizers.{module}"), name)
    return kind(settings, code_dim)


def build_predictor(
    settings: PredictorConfig,
    action_spec: ActionSpec,
    grid: tuple[int, int],
    codebook: Float[Tensor, "k d"],
    values: Float[Tensor, "v"] | None = None,
) -> Predictor:
    """The predictor that a config describes.

    Args:
        action_spec: the actions it is conditioned on.
        grid: rows and columns of a frame's codes.
        codebook: the code vectors of the VQ-VAE.
        values: rewards of the outcome head; None: it predicts neither rewards nor ends.

    Raises:
        UserError: the config cannot work with this grid.
    """
    if type(settings) not in PREDICTORS:
        names = ", ".join(kind.__name__ for kind in PREDICTORS)
        raise UserError(f"model: {type(settings).__name__} is not a predictor; choose from {names}")
    checked(settings, "model")
    context_network, frame_decoder = PREDICTORS[type(settings)]
    context, decoder = context_network(settings, grid), frame_decoder(settings, grid, *codebook.shape)
    return Predictor(settings, action_spec, grid, codebook, context, decoder, values)


def build_pixelcnn(settings: PixelCNNConfig, grid: tuple[int, int], codebook: Float[Tensor, "k d"]) -> GatedPixelCNN:
    """The PixelCNN of single frames that a config describes.

    Raises:
        UserError: its numbers cannot work.
    """
    checked(settings, "model")
    kind = AttentivePixelCNN if settings.attention_every else GatedPixelCNN
    return kind(settings, grid, *codebook.shape)
