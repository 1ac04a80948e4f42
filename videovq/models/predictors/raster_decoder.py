"""The raster decoder: codes are sampled one by one in raster order, 441 steps a frame.

A causal transformer over the codes of a frame: each position sees the context there and the codes before it.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import embedding, scaled_dot_product_attention

from videovq.config import RasterPredictorConfig
from videovq.models.predictors.contract import CodeSampler, FrameDecoder
from videovq.models.predictors.layers import FeedForward, grid_rotation, rotate


class CausalAttention(nn.Module):
    """Causal attention in raster order; rows and columns enter as rotary positions."""

    cos: Tensor
    sin: Tensor

    def __init__(self, width: int, heads: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        cos, sin = grid_rotation(grid, width // heads)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, x: Float[Tensor, "n p w"]) -> Float[Tensor, "n p w"]:
        q, k, v = self._project(x, 0)
        return self._join(x, scaled_dot_product_attention(q, k, v, is_causal=True))

    def one(
        self, x: Float[Tensor, "n 1 w"], position: int, keys: Float[Tensor, "n m p e"], values: Float[Tensor, "n m p e"]
    ) -> Float[Tensor, "n 1 w"]:
        """The same for one position, writing its key and value into the KV cache of the positions before it."""
        q, keys[:, :, position : position + 1], values[:, :, position : position + 1] = self._project(x, position)
        return self._join(x, scaled_dot_product_attention(q, keys[:, :, : position + 1], values[:, :, : position + 1]))

    def _project(self, x: Float[Tensor, "n p w"], first: int) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = rearrange(self.qkv(self.norm(x)), "n p (three m e) -> three n m p e", three=3, m=self.heads)
        cos, sin = (z[first : first + x.shape[1]] for z in (self.cos, self.sin))
        return rotate(q, cos, sin), rotate(k, cos, sin), v

    def _join(self, x: Float[Tensor, "n p w"], heads: Float[Tensor, "n m p e"]) -> Float[Tensor, "n p w"]:
        return x + self.out(rearrange(heads, "n m p e -> n p (m e)"))


class RasterDecoder(FrameDecoder):
    """See the module's docstring."""

    def __init__(self, config: RasterPredictorConfig, grid: tuple[int, int], codebook_size: int, code_dim: int) -> None:
        super().__init__(config.width, codebook_size, code_dim)
        width = config.width
        self.heads = config.decoder_heads
        self.register_buffer("order", torch.arange(grid[0] * grid[1])[:, None], persistent=False)
        self.before = nn.Linear(config.embedding, width)
        layers = range(config.decoder_layers)
        self.attention = nn.ModuleList(CausalAttention(width, config.decoder_heads, grid) for _ in layers)
        self.feed_forward = nn.ModuleList(FeedForward(width) for _ in layers)
        self.norm = nn.LayerNorm(width)

    def logits(
        self,
        context: Float[Tensor, "n w y x"],
        codes: Int64[Tensor, "n y x"],
        table: Float[Tensor, "k_plus_1 e"],
        codebook: Float[Tensor, "k d"],
    ) -> Float[Tensor, "n y x k"]:
        flat = codes.flatten(1)
        before = torch.cat([torch.full_like(flat[:, :1], len(table) - 1), flat[:, :-1]], dim=1)
        x = rearrange(context, "n w y x -> n (y x) w") + self.before(embedding(before, table))
        for attend, feed in zip(self.attention, self.feed_forward, strict=True):
            x = feed(attend(x))
        return self._logits(x, codebook).unflatten(1, codes.shape[1:])

    def draw(
        self,
        context: Float[Tensor, "n w y x"],
        table: Float[Tensor, "k_plus_1 e"],
        codebook: Float[Tensor, "k d"],
        sample: CodeSampler,
    ) -> Int64[Tensor, "n y x"]:
        contexts = rearrange(context, "n w y x -> n (y x) w")
        last = self.order.new_full((len(context), 1), len(table) - 1)
        batch, positions, width = contexts.shape
        cache = contexts.new_empty(len(self.attention), 2, batch, self.heads, positions, width // self.heads)
        drawn = []
        for position, here in enumerate(self.order):
            x = contexts[:, position : position + 1] + self.before(embedding(last, table))
            for attend, feed, (keys, values) in zip(self.attention, self.feed_forward, cache, strict=True):
                assert isinstance(attend, CausalAttention)
                x = feed(attend.one(x, position, keys, values))
            last = sample(self._logits(x, codebook), here)
            drawn.append(last)
        return torch.cat(drawn, dim=1).unflatten(1, context.shape[2:])

    def _logits(self, x: Float[Tensor, "n p w"], codebook: Float[Tensor, "k d"]) -> Float[Tensor, "n p k"]:
        return self.code_logits(self.norm(x), codebook)
