"""One draw after the other, row by row: the classical factorisation, 441 draws a frame.

A causal transformer over the codes of a frame: each place sees the context there and the codes before it.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import embedding, scaled_dot_product_attention

from videovq.config import RasterPredictorConfig
from videovq.models.predictors.contract import Choose, FrameDecoder
from videovq.models.predictors.layers import FeedForward, grid_rotation, rotate


class CausalAttention(nn.Module):
    """Attention to the places up to a place itself; rows and columns enter by rotation."""

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
        self, x: Float[Tensor, "n 1 w"], place: int, keys: Float[Tensor, "n m p e"], values: Float[Tensor, "n m p e"]
    ) -> Float[Tensor, "n 1 w"]:
        """The same for one place, writing its key and value beside those of the places before it."""
        q, keys[:, :, place : place + 1], values[:, :, place : place + 1] = self._project(x, place)
        return self._join(x, scaled_dot_product_attention(q, keys[:, :, : place + 1], values[:, :, : place + 1]))

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

    def score(
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
        return self._scores(x, codebook).unflatten(1, codes.shape[1:])

    def draw(
        self,
        context: Float[Tensor, "n w y x"],
        table: Float[Tensor, "k_plus_1 e"],
        codebook: Float[Tensor, "k d"],
        choose: Choose,
    ) -> Int64[Tensor, "n y x"]:
        contexts = rearrange(context, "n w y x -> n (y x) w")
        last = self.order.new_full((len(context), 1), len(table) - 1)
        batch, places, width = contexts.shape
        cache = contexts.new_empty(len(self.attention), 2, batch, self.heads, places, width // self.heads)
        drawn = []
        for place, here in enumerate(self.order):
            x = contexts[:, place : place + 1] + self.before(embedding(last, table))
            for attend, feed, (keys, values) in zip(self.attention, self.feed_forward, cache, strict=True):
                assert isinstance(attend, CausalAttention)
                x = feed(attend.one(x, place, keys, values))
            last = choose(self._scores(x, codebook), here)
            drawn.append(last)
        return torch.cat(drawn, dim=1).unflatten(1, context.shape[2:])

    def _scores(self, x: Float[Tensor, "n p w"], codebook: Float[Tensor, "k d"]) -> Float[Tensor, "n p k"]:
        return self.score_codes(self.norm(x), codebook)
