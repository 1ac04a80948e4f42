"""p(bottom codes | top codes): the prior of a VQ-VAE-2's bottom level.

Razavi et al. 2019 (arXiv 1906.00446, section 3.2): residual blocks read the top codes around every position, those
below and to the right too, and condition a gated PixelCNN without attention. Trained in part without the top codes, for
classifier-free guidance.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn

from videovq.errors import UserError
from videovq.models.autoencoder import decoder
from videovq.models.embeddings import CodeEmbedding
from videovq.models.predictors.gated_pixelcnn import GatedPixelCNN
from videovq.papers.config import PixelCNNConfig
from videovq.papers.prior import Prior

BLOCKS = 2


class BottomPrior(Prior):
    """See the module's docstring.

    Args:
        grid: rows and columns of a frame's bottom codes, twice those of its top codes.
        top, bottom: the code vectors of each level.
    """

    top: Tensor
    bottom: Tensor

    def __init__(
        self,
        config: PixelCNNConfig,
        grid: tuple[int, int],
        top: Float[Tensor, "k_top d"],
        bottom: Float[Tensor, "k d"],
    ) -> None:
        super().__init__()
        if config.attention_every:
            raise UserError("model.attention_every: the bottom prior has no attention; set it to 0")
        self.grid = grid
        self.register_buffer("top", top.detach().float().clone())
        self.register_buffer("bottom", bottom.detach().float().clone())
        self.top_codes = CodeEmbedding(len(top), top.shape[1], config.embedding)
        self.codes = CodeEmbedding(len(bottom), bottom.shape[1], config.embedding)
        self.condition = decoder(config.width, config.width, BLOCKS, 1, config.embedding, channels=config.width)
        self.place = nn.Parameter(torch.randn(config.width, *grid) * 0.02)
        self.decoder = GatedPixelCNN(config, grid, len(bottom), bottom.shape[1])

    @property
    def missing(self) -> int:
        """The index of a missing top code."""
        return self.top_codes.missing

    def forward(self, bottom: Int64[Tensor, "b y2 x2"], top: Int64[Tensor, "b y x"]) -> Float[Tensor, "b y2 x2"]:
        """Minus the log-probability of every bottom code, given those before it in the raster and all top codes, in
        nats.
        """
        return self.nll(bottom, top)

    @property
    def code_vectors(self) -> Float[Tensor, "k d"]:
        return self.bottom

    def context(self, condition: Int64[Tensor, "b y x"]) -> Float[Tensor, "b w y2 x2"]:
        top = self.top_codes(self.top)[condition]
        return self.condition(rearrange(top, "b y x e -> b e y x")) + self.place

    def unconditional(self, condition: Int64[Tensor, "b y x"]) -> Int64[Tensor, "b y x"]:
        return torch.full_like(condition, self.missing)
