"""The context network of the patch and raster predictors: sharp about the last frames, with a memory of older ones.

A block-causal transformer over 3x3 patches and time, with the action of each frame, remembers what was seen where. At
code resolution, lookups (attention within a frame) and convolutions work out from that and from the last few frames
what comes next, modulated by the last few actions and by place. In training the transformer reads whole windows; the
rest, which costs most, answers for some of their frames.

Shapes: ``u v`` = rows and columns of patches (7, 7).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle

from videovq.config import LookupContextConfig
from videovq.models.predictors.contract import ContextNetwork, side_by_side
from videovq.models.predictors.frame_attention import FrameAttention, FrameHistory
from videovq.models.predictors.layers import Conditions, FeedForward, Lookup, ModulatedBlock, TimeAttention

PATCH = 3


class Memory(NamedTuple):
    """Keys and values of the last frames in every transformer layer; last, what attention to frames keeps."""

    layers: list[tuple[Tensor, ...]]

    @property
    def frames(self) -> int:
        """Frames that are remembered."""
        return max((layer[0].shape[2] for layer in self.layers), default=0)


class LookupContext(ContextNetwork):
    """See the module's docstring."""

    def __init__(self, config: LookupContextConfig, grid: tuple[int, int]) -> None:
        super().__init__()
        if grid[0] % PATCH or grid[1] % PATCH:
            raise ValueError(f"grid: {grid[0]}x{grid[1]} codes do not divide into {PATCH}x{PATCH} patches")
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
        self.blocks = nn.ModuleList(ModulatedBlock(width, condition) for _ in range(config.blocks))
        self.frames, self.frame_attention = None, nn.ModuleList()
        if config.frame_attention:
            inner, heads, window = (
                config.frame_attention_width,
                config.frame_attention_heads,
                config.frame_attention_window,
            )
            self.frames = FrameHistory(config.embedding, config.history * config.embedding, inner, heads, window)
            self.frame_attention = nn.ModuleList(
                FrameAttention(width, condition, inner, heads, window, grid) for _ in range(config.frame_attention)
            )

    def forward(
        self,
        frames: Float[Tensor, "b s y x e"],
        actions: Float[Tensor, "b s e"],
        memory: Memory | None,
        wanted: Int64[Tensor, "b m"] | None,
    ) -> tuple[Float[Tensor, "n w y x"], Memory]:
        past, before = memory, self.history - 1
        coarse, memory = self._remember(frames[:, before:], actions[:, before:], past)
        if wanted is not None:
            coarse = coarse[torch.arange(len(coarse), device=coarse.device)[:, None], wanted]
        grid = frames.shape[2] // PATCH
        coarse = pixel_shuffle(rearrange(self.up(coarse), "b m (u v) w -> (b m) w u v", u=grid), PATCH)
        rows = self.conditions(side_by_side(actions, self.history, wanted).flatten(0, 1))
        x = self.look(rearrange(side_by_side(frames, self.history, wanted), "b m y x w -> (b m) w y x")) + coarse
        recalled: list[Any] = []
        if self.frames is not None:
            leading = side_by_side(actions, self.history, None)
            *recalled, kept = self.frames(frames[:, before:], leading, past.layers[-1] if past else None)
            memory.layers.append(kept)
            if wanted is None:
                wanted = torch.arange(leading.shape[1], device=x.device).expand(len(leading), -1)
            recalled.append(wanted)
        for i, block in enumerate(self.blocks):
            if i < len(self.lookups):
                x = self.lookups[i](x, rows)
            if i < len(self.frame_attention):
                x = self.frame_attention[i](x, rows, *recalled)
            x = block(x, rows)
        return x, memory

    def _remember(
        self, frames: Float[Tensor, "b t y x e"], actions: Float[Tensor, "b t e"], memory: Memory | None
    ) -> tuple[Float[Tensor, "b t p w"], Memory]:
        """The transformer's answer to every frame and the action after it, and its keys and values."""
        patches = self.patch(rearrange(frames, "b t y x e -> (b t) e y x"))
        tokens = rearrange(patches, "(b t) w u v -> b t (u v) w", b=len(frames)) + self.place
        tokens = tokens + self.action(actions)[:, :, None]
        layers = []
        for i, (attend, feed) in enumerate(zip(self.attention, self.feed_forward, strict=True)):
            tokens, kept = attend(tokens, memory.layers[i] if memory else None)
            layers.append(kept)
            tokens = feed(tokens)
        return tokens, Memory(layers)
