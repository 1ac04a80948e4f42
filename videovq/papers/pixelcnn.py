"""The PixelCNN of single frames' codes: a gated one, or one with causal attention between its layers, which reaches all
earlier codes of the frame.

With attention it is the prior of VQ-VAE-2's top level (Razavi et al. 2019, arXiv 1906.00446, section 3.2; PixelSNAIL,
arXiv 1712.09763).
"""

from __future__ import annotations

from typing import cast

from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn

from videovq.config.checks import checked
from videovq.models.predictors.contract import CodeSampler
from videovq.models.predictors.gated_pixelcnn import GatedPixelCNN
from videovq.models.predictors.raster_decoder import CausalAttention
from videovq.models.sampling import predictive
from videovq.papers.config import PixelCNNConfig


class AttentivePixelCNN(GatedPixelCNN):
    """Gated PixelCNN with a layer of causal attention after every few gated ones."""

    def __init__(self, config: PixelCNNConfig, grid: tuple[int, int], codebook_size: int, code_dim: int) -> None:
        super().__init__(config, grid, codebook_size, code_dim)
        self.every = config.attention_every
        layers = range(config.decoder_layers // self.every)
        self.attention = nn.ModuleList(CausalAttention(config.width, config.heads, grid) for _ in layers)

    def _between(self, layer: int, h: Float[Tensor, "n w y x"]) -> Float[Tensor, "n w y x"]:
        if (layer + 1) % self.every:
            return h
        attend = cast(CausalAttention, self.attention[layer // self.every])
        return rearrange(attend(rearrange(h, "n w y x -> n (y x) w")), "n (y x) w -> n w y x", x=h.shape[3])

    def draw(
        self,
        context: Float[Tensor, "n w y x"],
        table: Float[Tensor, "k_plus_1 e"],
        codebook: Float[Tensor, "k d"],
        sample: CodeSampler,
    ) -> Int64[Tensor, "n y x"]:
        return predictive(self, context, table, codebook, sample)


def build_pixelcnn(settings: PixelCNNConfig, grid: tuple[int, int], codebook: Float[Tensor, "k d"]) -> GatedPixelCNN:
    """The PixelCNN of single frames that a config describes.

    Raises:
        UserError: its numbers cannot work.
    """
    checked(settings, "model")
    kind = AttentivePixelCNN if settings.attention_every else GatedPixelCNN
    return kind(settings, grid, *codebook.shape)
