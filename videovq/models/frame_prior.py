"""p(codes of a single frame): what frames look like, whatever came before.

The prior of the VQ-VAE paper's images (van den Oord et al. 2017, section 4.1): a gated PixelCNN, conditioned on the
level that the frame is of, or on none.
"""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from videovq.config import PixelCNNConfig
from videovq.models.build import build_pixelcnn
from videovq.models.embeddings import CodeEmbedding
from videovq.models.sampling import sample_codes
from videovq.types import Sampling


class FramePrior(nn.Module):
    """See the module's docstring.

    Args:
        grid: rows and columns of a frame's codes.
        codebook: the code vectors of the VQ-VAE.
        levels: number of levels; the number after the last stands for any.
    """

    codebook: Tensor

    def __init__(
        self, config: PixelCNNConfig, grid: tuple[int, int], codebook: Float[Tensor, "k d"], levels: int
    ) -> None:
        super().__init__()
        self.grid, self.any_level = grid, levels
        self.register_buffer("codebook", codebook.detach().float().clone())
        self.codes = CodeEmbedding(len(codebook), codebook.shape[1], config.embedding)
        self.level = nn.Embedding(levels + 1, config.width)
        self.place = nn.Parameter(torch.randn(config.width, *grid) * 0.02)
        self.decoder = build_pixelcnn(config, grid, codebook)

    def forward(self, codes: Int64[Tensor, "b y x"], levels: Int64[Tensor, "b"]) -> Float[Tensor, "b y x"]:
        """Minus the log-probability of every code, given those before it in the raster and the level, in nats."""
        scores = self.decoder.logits(self._context(levels), codes, self.codes(self.codebook), self.codebook)
        return cross_entropy(scores.flatten(0, 2), codes.flatten(), reduction="none").view_as(codes)

    @torch.inference_mode()
    def draw(
        self, levels: Int64[Tensor, "b"], noise: Float[Tensor, "b y x k"], sampling: Sampling = Sampling()
    ) -> Int64[Tensor, "b y x"]:
        """A frame of each level; with guidance, away from what frames of any level look like.

        Args:
            noise: Gumbel noise, see videovq.models.sampling.
        """
        if sampling.guidance != 1:
            levels = torch.cat([levels, torch.full_like(levels, self.any_level)])
        pick = partial(sample_codes, noise.flatten(1, 2), sampling)
        codes = self.decoder.draw(self._context(levels), self.codes(self.codebook), self.codebook, pick)
        return codes[: len(noise)]

    def _context(self, levels: Int64[Tensor, "b"]) -> Float[Tensor, "b w y x"]:
        return self.level(levels)[:, :, None, None] + self.place
