"""The context network of the patch and raster predictors: full resolution for the last frames, patches for older ones.

A block-causal transformer over 3x3 patches and time, with the action of each frame, carries the older frames in its KV
cache. At code resolution, lookups (attention within a frame) and FiLM-conditioned convolutions combine it with the last
few frames; they are conditioned on the last few actions and on position. In training the transformer reads whole
windows; the rest, which costs most, is computed for the target frames only.

Shapes: ``u v`` = rows and columns of patches (7, 7).
"""

from __future__ import annotations

from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle

from videovq.config import LookupContextConfig
from videovq.errors import UserError
from videovq.models.kv_cache import KVCache
from videovq.models.predictors.contract import ContextNetwork, stack_history
from videovq.models.predictors.frame_attention import FrameAttention, FrameHistory
from videovq.models.predictors.layers import Conditions, FeedForward, FiLMBlock, Lookup, TimeAttention

PATCH = 3


class LookupContext(ContextNetwork):
    """See the module's docstring."""

    def __init__(self, config: LookupContextConfig, grid: tuple[int, int]) -> None:
        super().__init__()
        if grid[0] % PATCH or grid[1] % PATCH:
            raise UserError(f"grid: {grid[0]}x{grid[1]} codes do not divide into {PATCH}x{PATCH} patches")
        self.history = config.history
        width, inner, condition = config.width, config.transformer_width, config.width
        patches = grid[0] * grid[1] // PATCH**2
        self.patch = nn.Conv2d(config.embedding, inner, PATCH, stride=PATCH)
        self.place = nn.Parameter(torch.randn(patches, inner) * 0.02)
        self.action = nn.Linear(config.embedding, inner)
        self.attention = nn.ModuleList(
            TimeAttention(inner, config.heads, config.window) for _ in range(config.transformer_layers)
        )
        self.feed_forward = nn.ModuleList(FeedForward(inner) for _ in range(config.transformer_layers))
        self.up = nn.Linear(inner, width * PATCH**2)
        self.conditions = Conditions(config.history * config.embedding, condition, grid)
        self.look = nn.Conv2d(config.history * config.embedding, width, 3, padding=1)
        self.lookups = nn.ModuleList(Lookup(width, condition, config.lookup_heads, grid) for _ in range(config.lookups))
        self.blocks = nn.ModuleList(FiLMBlock(width, condition) for _ in range(config.blocks))
        self.frames, self.frame_attention = None, nn.ModuleList()
        if config.frame_attention:
            inner, heads, window = (
                config.frame_attention_width,
                config.frame_attention_heads,
                config.frame_attention_window,
            )
            self.frames = FrameHistory(config.embedding, config.history * config.embedding, inner, heads, window, grid)
            self.frame_attention = nn.ModuleList(
                FrameAttention(width, condition, inner, heads, window, grid) for _ in range(config.frame_attention)
            )

    def forward(
        self,
        frames: Float[Tensor, "b s y x e"],
        actions: Float[Tensor, "b s e"],
        cache: KVCache | None,
        targets: Int64[Tensor, "b m"] | None,
    ) -> tuple[Float[Tensor, "n w y x"], KVCache]:
        past, before = cache, self.history - 1
        coarse, cache = self._transformer(frames[:, before:], actions[:, before:], past)
        if targets is not None:
            coarse = coarse[torch.arange(len(coarse), device=coarse.device)[:, None], targets]
        grid = frames.shape[2] // PATCH
        coarse = pixel_shuffle(rearrange(self.up(coarse), "b m (u v) w -> (b m) w u v", u=grid), PATCH)
        condition = self.conditions(stack_history(actions, self.history, targets).flatten(0, 1))
        x = self.look(rearrange(stack_history(frames, self.history, targets), "b m y x w -> (b m) w y x")) + coarse
        earlier: list[Any] = []
        if self.frames is not None:
            leading = stack_history(actions, self.history, None)
            *earlier, layer_cache = self.frames(frames[:, before:], leading, past.layers[-1] if past else None)
            cache.layers.append(layer_cache)
            if targets is None:
                targets = torch.arange(leading.shape[1], device=x.device).expand(len(leading), -1)
            earlier.append(targets)
        for i, block in enumerate(self.blocks):
            if i < len(self.lookups):
                x = self.lookups[i](x, condition)
            if i < len(self.frame_attention):
                x = self.frame_attention[i](x, condition, *earlier)
            x = block(x, condition)
        return x, cache

    def _transformer(
        self, frames: Float[Tensor, "b t y x e"], actions: Float[Tensor, "b t e"], cache: KVCache | None
    ) -> tuple[Float[Tensor, "b t p w"], KVCache]:
        """The transformer's output at every frame and the action after it, and its KV cache."""
        patches = self.patch(rearrange(frames, "b t y x e -> (b t) e y x"))
        tokens = rearrange(patches, "(b t) w u v -> b t (u v) w", b=len(frames)) + self.place
        tokens = tokens + self.action(actions)[:, :, None]
        layers = []
        for i, (attend, feed) in enumerate(zip(self.attention, self.feed_forward, strict=True)):
            tokens, layer_cache = attend(tokens, cache.layers[i] if cache else None)
            layers.append(layer_cache)
            tokens = feed(tokens)
        return tokens, KVCache(layers)
