"""Config -> quantizer, or predictor."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from videovq.config import PredictorConfig, QuantizerConfig
from videovq.config.registry import parts_of
from videovq.models.predictors.predictor import Predictor
from videovq.models.quantizers.contract import Quantizer
from videovq.types import ActionSpec


def build_quantizer(settings: QuantizerConfig, code_dim: int) -> Quantizer:
    """The quantizer that a config describes, of vectors of width ``code_dim``.

    Raises:
        UserError: the config is of no quantizer, or its numbers cannot work.
    """
    (quantizer,) = parts_of(settings, "model.quantizer")
    return quantizer(settings, code_dim)


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
    context_network, frame_decoder = parts_of(settings, "model")
    context, decoder = context_network(settings, grid), frame_decoder(settings, grid, *codebook.shape)
    return Predictor(settings, action_spec, grid, codebook, context, decoder, values)
