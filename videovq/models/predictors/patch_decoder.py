"""The patch decoder: a frame is sampled in nine steps, with exact likelihood.

In step g every 3x3 patch samples its g-th code, given the context and the codes of the earlier steps in its own and the
surrounding patches. The likelihood is the product of these conditionals.

Shapes: ``q`` = 9 positions in a patch, ``u v`` = rows and columns of patches (7, 7).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import embedding

from videovq.config import PatchPredictorConfig
from videovq.errors import UserError
from videovq.models.predictors.contract import CodeSampler, FrameDecoder
from videovq.models.predictors.layers import FiLMBlock

PATCH = 3
# Centre first, then corners, then edges: each step has neighbours that are already known.
ORDER = ((1, 1), (0, 0), (2, 2), (0, 2), (2, 0), (0, 1), (1, 0), (1, 2), (2, 1))


class PatchDecoder(FrameDecoder):
    """See the module's docstring."""

    cells: Tensor
    steps: Tensor

    def __init__(self, config: PatchPredictorConfig, grid: tuple[int, int], codebook_size: int, code_dim: int) -> None:
        super().__init__(config.width, codebook_size, code_dim)
        if grid[0] % PATCH or grid[1] % PATCH:
            raise UserError(f"grid: {grid[0]}x{grid[1]} codes do not divide into {PATCH}x{PATCH} patches")
        positions = torch.arange(grid[0] * grid[1]).view(grid)
        groups = torch.stack([positions[i::PATCH, j::PATCH].flatten() for i, j in ORDER])
        self.register_buffer("order", groups, persistent=False)
        cells = torch.tensor([i * PATCH + j for i, j in ORDER])
        self.register_buffer("cells", cells, persistent=False)  # of a patch, in the order of the steps
        self.register_buffer("steps", cells.argsort(), persistent=False)  # at which each cell is sampled
        width, steps = config.width, len(ORDER)
        self.known = nn.ModuleList(nn.Conv2d(config.embedding, width, 3, padding=1) for _ in range(steps - 1))
        self.combine = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(steps))
        self.step = nn.Embedding(steps, width)
        self.blocks = nn.ModuleList(FiLMBlock(width, width) for _ in range(config.decoder_blocks))
        self.norm = nn.LayerNorm(width)
        self.bf16 = False

    def use_bf16(self) -> None:
        self.bf16 = True
        self.blocks.bfloat16()

    def logits(
        self,
        context: Float[Tensor, "n w y x"],
        codes: Int64[Tensor, "n y x"],
        table: Float[Tensor, "k_plus_1 e"],
        codebook: Float[Tensor, "k d"],
    ) -> Float[Tensor, "n y x k"]:
        contexts = self.by_step(context.permute(0, 2, 3, 1))
        known = [torch.zeros_like(contexts[0])]
        for layer, step in zip(self.known, self.by_step(embedding(codes, table)), strict=False):
            known.append(known[-1] + layer(step))
        used = torch.stack([combine(k) for combine, k in zip(self.combine, known, strict=True)])
        x, condition = (contexts + used).flatten(0, 1), self._conditions().repeat_interleave(len(codes), dim=0)
        if self.bf16:
            x = x.bfloat16()
        for block in self.blocks:
            x = block(x, condition)
        return self.from_steps(self._logits(x, codebook).unflatten(0, contexts.shape[:2]))

    def draw(
        self,
        context: Float[Tensor, "n w y x"],
        table: Float[Tensor, "k_plus_1 e"],
        codebook: Float[Tensor, "k d"],
        sample: CodeSampler,
    ) -> Int64[Tensor, "n y x"]:
        contexts = self.by_step(context.permute(0, 2, 3, 1))
        known = torch.zeros_like(contexts[0])
        codes = self.order.new_zeros(len(context), *context.shape[2:])
        scale_shifts = [block.modulate(self._conditions()) for block in self._film_blocks()]
        for g, (i, j) in enumerate(ORDER):
            x = contexts[g] + self.combine[g](known)
            if self.bf16:
                x = x.bfloat16()
            for block, scale_shift in zip(self._film_blocks(), scale_shifts, strict=True):
                x = block.film(x, scale_shift[g : g + 1])
            logits = self._logits(x, codebook)
            drawn = sample(logits.flatten(1, 2), self.order[g]).view(logits.shape[:3])
            codes[:, i::PATCH, j::PATCH] = drawn
            if g < len(self.known):
                known = known + self.known[g](embedding(drawn, table).permute(0, 3, 1, 2))
        return codes

    def by_step(self, grid: Float[Tensor, "n y x w"]) -> Float[Tensor, "q n w u v"]:
        """The vectors at the position of every step in every patch, the first step first."""
        cells = rearrange(grid, "n (u i) (v j) w -> (i j) n u v w", i=PATCH, j=PATCH)
        return cells.index_select(0, self.cells).permute(0, 1, 4, 2, 3)

    def from_steps(self, logits: Float[Tensor, "q n u v k"]) -> Float[Tensor, "n y x k"]:
        """The inverse of :meth:`by_step`, for logits."""
        cells = logits.index_select(0, self.steps)
        return rearrange(cells, "(i j) n u v k -> n (u i) (v j) k", i=PATCH, j=PATCH)

    def _conditions(self) -> Float[Tensor, "steps w 1 1"]:
        """The condition of the blocks: an embedding of the step."""
        condition = self.step.weight[:, :, None, None]
        return condition.bfloat16() if self.bf16 else condition

    def _film_blocks(self) -> Iterator[FiLMBlock]:
        return (block for block in self.blocks if isinstance(block, FiLMBlock))

    def _logits(self, x: Float[Tensor, "n w u v"], codebook: Float[Tensor, "k d"]) -> Float[Tensor, "n u v k"]:
        if self.bf16:
            x = x.float()
        return self.code_logits(self.norm(x.permute(0, 2, 3, 1)), codebook)
