"""Config -> predictor."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from videovq.config import PatchPredictorConfig, PredictorConfig
from videovq.models.predictors.contract import Predictor
from videovq.models.predictors.patch import PatchPredictor
from videovq.types import ActionSpec

PREDICTORS: dict[type[PredictorConfig], type[Predictor]] = {PatchPredictorConfig: PatchPredictor}


def build_predictor(
    config: PredictorConfig, action_spec: ActionSpec, grid: tuple[int, int], codebook: Float[Tensor, "k d"]
) -> Predictor:
    """The predictor that a config describes.

    Args:
        action_spec: the actions it is conditioned on.
        grid: rows and columns of a frame's codes.
        codebook: the code vectors of the VQ-VAE.

    Raises:
        ValueError: the config cannot work with this grid.
    """
    return PREDICTORS[type(config)](config, action_spec, grid, codebook)
