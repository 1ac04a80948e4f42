"""Layers of the predictors' networks.

Shapes: ``w`` channels, ``c`` width of the condition, ``m`` heads, ``e`` width of a head, ``p`` tokens of a frame.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu


class Conditions(nn.Module):
    """The condition of the layers, a vector for every code of a frame: from the last actions and from position."""

    def __init__(self, inputs: int, width: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.actions = nn.Linear(inputs, width)
        self.where = nn.Parameter(torch.randn(width, *grid) * 0.02)
        self.what = nn.Conv2d(width, width, 1)

    def forward(self, actions: Float[Tensor, "n i"]) -> Float[Tensor, "n c y x"]:
        return silu(self.what(silu(self.actions(actions)[:, :, None, None] + self.where)))


class FiLMBlock(nn.Module):
    """FiLM-conditioned residual block: x + conv3x3(SiLU(conv3x3(norm(x)) * (1 + scale) + shift)).

    Scale and shift are linear in the condition (feature-wise linear modulation, Perez et al. 2018, arXiv 1709.07871).
    """

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.modulate = nn.Conv2d(condition, 2 * width, 1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Float[Tensor, "n w y x"], condition: Float[Tensor, "n c #y #x"]) -> Float[Tensor, "n w y x"]:
        return self.film(x, self.modulate(condition))

    def film(
        self, x: Float[Tensor, "n w y x"], scale_shift: Float[Tensor, "#n two_w #y #x"]
    ) -> Float[Tensor, "n w y x"]:
        """The block, given the scale and shift that ``modulate`` computes from a condition."""
        normed = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        scale, shift = scale_shift.chunk(2, dim=1)
        return x + self.second(silu(torch.addcmul(shift, self.first(normed), 1 + scale)))


class FeedForward(nn.Module):
    """x + linear(SiLU(linear(norm(x))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Float[Tensor, "*n w"]) -> Float[Tensor, "*n w"]:
        return x + self.layers(x)


class Lookup(nn.Module):
    """Attention within a frame, with queries that depend on the condition: every position looks codes up in the grid.

    Rows and columns enter as rotary positions, so that a query can attend at a given offset: where a code comes from
    depends on action, position and depth.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, width: int, condition: int, heads: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Conv2d(condition, width, 1)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        cos, sin = grid_rotation(grid, width // heads)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, x: Float[Tensor, "n w y x"], condition: Float[Tensor, "n c y x"]) -> Float[Tensor, "n w y x"]:
        tokens = self.norm(rearrange(x, "n w y x -> n (y x) w"))
        q, k, v = self.qkv(tokens).chunk(3, dim=-1)
        q = q + rearrange(self.query(condition), "n w y x -> n (y x) w")
        q, k, v = (rearrange(z, "n p (m e) -> n m p e", m=self.heads) for z in (q, k, v))
        q, k = rotate(q, self.cos, self.sin), rotate(k, self.cos, self.sin)
        out = scaled_dot_product_attention(q, k, v)
        out = self.out(rearrange(out, "n m p e -> n p (m e)"))
        return x + rearrange(out, "n (y x) w -> n w y x", y=x.shape[2])


class TimeAttention(nn.Module):
    """Block-causal attention over patches and time: every patch sees all patches of the last ``window`` frames, its own
    included.

    Time enters as rotary positions, and keys are cached as they were before rotation, so that only differences of time
    count and a rollout may be of any length.
    """

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(
        self, x: Float[Tensor, "b t p w"], past: tuple[Tensor, Tensor] | None
    ) -> tuple[Float[Tensor, "b t p w"], tuple[Tensor, Tensor]]:
        frames, patches = x.shape[1:3]
        q, k, v = self.split(x)
        if past is not None:
            k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
        seen = k.shape[2]
        mask = None
        if frames > 1 or seen > self.window:
            numbers = torch.arange(seen, device=x.device)
            behind = numbers[seen - frames :, None] - numbers
            band = (behind >= 0) & (behind < self.window)
            mask = band.repeat_interleave(patches, 0).repeat_interleave(patches, 1)
        keep = self.window - 1
        return x + self.attend(q, k, v, mask), (k[:, :, -keep:], v[:, :, -keep:])

    def split(self, x: Float[Tensor, "b t p w"]) -> Float[Tensor, "three b m t p e"]:
        """Queries, keys and values."""
        return rearrange(self.qkv(self.norm(x)), "b t p (three m e) -> three b m t p e", three=3, m=self.heads)

    def attend(
        self,
        q: Float[Tensor, "b m t p e"],
        k: Float[Tensor, "b m s p e"],
        v: Float[Tensor, "b m s p e"],
        mask: Bool[Tensor, "tp sp"] | None,
    ) -> Float[Tensor, "b t p w"]:
        """Attention of the last ``t`` of ``s`` frames to all of them, where the mask is true."""
        frames, patches = q.shape[2:4]
        cos, sin = time_rotation(k.shape[2], k.shape[-1], k.device)
        q, k = rotate(q, cos[-frames:], sin[-frames:]), rotate(k, cos, sin)
        flat = [z.flatten(2, 3) for z in (q, k, v)]
        out = scaled_dot_product_attention(flat[0], flat[1], flat[2], attn_mask=mask)
        return self.out(rearrange(out, "b m (t p) e -> b t p (m e)", p=patches))


Rotation = tuple[Float[Tensor, "*n half"], Float[Tensor, "*n half"]]
"""Cosines and sines of the angles by which pairs of numbers are rotated."""


def grid_rotation(grid: tuple[int, int], width: int) -> Rotation:
    """Rotations of vectors of ``width`` numbers at the positions of a grid: half the pairs by row, half by column."""
    quarter = width // 4
    frequencies = (1 / 30.0) ** (torch.arange(quarter) / quarter)
    rows, columns = torch.meshgrid(torch.arange(grid[0]), torch.arange(grid[1]), indexing="ij")
    angles = torch.cat([p.flatten()[:, None] * frequencies for p in (rows, columns)], dim=1)
    return angles.cos(), angles.sin()


def time_rotation(frames: int, width: int, device: torch.device) -> Rotation:
    """Rotations of vectors of ``width`` numbers of consecutive frames, the same for all patches of a frame."""
    half = width // 2
    frequencies = (1 / 100.0) ** (torch.arange(half, device=device) / half)
    angles = (torch.arange(frames, device=device)[:, None] * frequencies)[:, None]
    return angles.cos(), angles.sin()


def rotate(
    z: Float[Tensor, "*n e"], cos: Float[Tensor, "*#m half"], sin: Float[Tensor, "*#m half"]
) -> Float[Tensor, "*n e"]:
    """Rotary embedding (Su et al. 2021, arXiv 2104.09864): products of rotated vectors depend on relative position."""
    cos, sin = cos.to(z.dtype), sin.to(z.dtype)
    a, b = z.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)
