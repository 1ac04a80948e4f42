"""Config -> quantizer, config -> predictor."""

from __future__ import annotations

from importlib import import_module

from jaxtyping import Float
from torch import Tensor

from videovq import config
from videovq.config import PatchPredictorConfig, PredictorConfig, QuantizerConfig
from videovq.models.predictors.contract import Predictor
from videovq.models.predictors.patch import PatchPredictor
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

PREDICTORS: dict[type[PredictorConfig], type[Predictor]] = {PatchPredictorConfig: PatchPredictor}


def build_quantizer(settings: QuantizerConfig, code_dim: int) -> Quantizer:
    """The quantizer that a config describes, of vectors of width ``code_dim``.

    Raises:
        ValueError: the config is of no quantizer, or its numbers cannot work.
    """
    if type(settings) not in QUANTIZERS:
        names = ", ".join(kind.__name__ for kind in QUANTIZERS)
        raise ValueError(f"model.quantizer: {type(settings).__name__} is not a quantizer; choose from {names}")
    module, name = QUANTIZERS[type(settings)]
    kind = getattr(import_module(f"videovq.models.quantizers.{module}"), name)
    return kind(settings, code_dim)


def build_predictor(
    settings: PredictorConfig, action_spec: ActionSpec, grid: tuple[int, int], codebook: Float[Tensor, "k d"]
) -> Predictor:
    """The predictor that a config describes.

    Args:
        action_spec: the actions it is conditioned on.
        grid: rows and columns of a frame's codes.
        codebook: the code vectors of the VQ-VAE.

    Raises:
        ValueError: the config cannot work with this grid.
    """
    return PREDICTORS[type(settings)](settings, action_spec, grid, codebook)
