"""Attention to earlier frames at code resolution, with rotary positions that move along with the actions.

Where an object appears in the next frame depends on where it was and on how the camera has moved since. So rows and
columns enter as rotary positions (Su et al. 2021, arXiv 2104.09864) that every action shifts by a learned displacement:
a key of an earlier frame is found where its content has moved to by now, without the frames between. Displacements add
up along the actions, and the frequencies of rows and columns are whole multiples of one whose period is four grids: a
full turn where the camera sees 90 degrees. The time that has passed enters as a third coordinate.

Shapes: ``w`` channels, ``c`` width of the condition, ``m`` heads, ``e`` width of a head, ``p`` codes of a frame, ``t``
frames, ``s`` keys' frames, ``half`` pairs of rotated numbers.
"""

from __future__ import annotations

import math

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from videovq.models.predictors.layers import rotate

FrameKVCache = tuple[Float[Tensor, "b m _ p _"], Float[Tensor, "b m _ p _"], Float[Tensor, "b m _ 2"]]
"""Keys and values of earlier frames, and by how many rows and columns their contents have moved since."""


class MotionRotation(nn.Module):
    """Rotation of vectors of every code by its row and column, by what has been moved, and by the time.

    Args:
        width: of the vectors, those of a head.
    """

    grid_positions: Tensor
    frequencies: Tensor

    def __init__(self, grid: tuple[int, int], width: int) -> None:
        super().__init__()
        rows, columns = torch.meshgrid(torch.arange(grid[0]), torch.arange(grid[1]), indexing="ij")
        positions = torch.stack([rows.flatten(), columns.flatten()], dim=-1).float()
        self.register_buffer("grid_positions", positions, persistent=False)
        self.register_buffer("frequencies", motion_frequencies(grid, width), persistent=False)

    def forward(
        self, z: Float[Tensor, "b m s p e"], positions: Float[Tensor, "b m s 2"], times: Int64[Tensor, "#b 1 s"]
    ) -> Float[Tensor, "b m s p e"]:
        rows, columns = (self.grid_positions + positions[..., None, :]).split(1, dim=-1)
        of_row, of_column, of_frame = self.frequencies  # no matrix product: it may be of low precision, as in autocast
        angles = rows * of_row + columns * of_column + times[..., None, None] * of_frame
        return rotate(z, angles.cos(), angles.sin())


class FrameHistory(nn.Module):
    """Keys and values of the frames of a window, and the displacements that the actions add up to.

    Args:
        embedding: width of a code's embedding.
        actions: width of the embedded actions that lead to a frame.
        width: of all heads together.
        window: frames that attention reaches back to, the newest included.
    """

    def __init__(
        self, embedding: int, actions: int, width: int, heads: int, window: int, grid: tuple[int, int]
    ) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.rotation = MotionRotation(grid, width // heads)
        self.look = nn.Conv2d(embedding, 2 * width, 3, padding=1)
        self.displacement = nn.Linear(actions, 2 * heads, bias=False)
        nn.init.zeros_(self.displacement.weight)

    def forward(
        self, frames: Float[Tensor, "b t y x e"], actions: Float[Tensor, "b t a"], past: FrameKVCache | None
    ) -> tuple[Float[Tensor, "b m s p _"], Float[Tensor, "b m s p _"], Float[Tensor, "b m t 2"], FrameKVCache]:
        """Keys and values of all frames, and the KV cache for the frames that follow.

        Args:
            actions: that lead from each frame to the next one.

        Returns:
            Keys, rotated to their positions, and values of the past and these frames; positions of the frames that
            follow each of these, on the same axis; and the KV cache, whose keys are not rotated.
        """
        found = self.look(rearrange(frames, "b t y x e -> (b t) e y x"))
        keys, values = rearrange(found, "(b t) (two m e) y x -> two b m t (y x) e", b=len(frames), two=2, m=self.heads)
        moved = rearrange(self.displacement(actions).float(), "b t (m two) -> b m t two", two=2)
        total = moved.cumsum(dim=2)
        positions = moved - total  # minus what has been moved before the frame
        if past is not None:
            keys, values = torch.cat([past[0], keys], dim=2), torch.cat([past[1], values], dim=2)
            positions = torch.cat([past[2], positions], dim=2)
        keep = self.window - 1
        since = positions + total[:, :, -1:]
        cache = keys[:, :, -keep:], values[:, :, -keep:], since[:, :, -keep:]
        times = torch.arange(keys.shape[2], device=keys.device)
        return self.rotation(keys, positions, times[None, None]), values, -total, cache


class FrameAttention(nn.Module):
    """x + attention of every code of the next frame to the codes of the last ``window`` frames.

    Initialised to the identity (its output layer is zero), so that a network trained without it can be trained on
    with it.

    Args:
        width: channels of the queries.
        condition: width of the condition.
        inner: width of all heads together.
    """

    def __init__(self, width: int, condition: int, inner: int, heads: int, window: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, inner)
        self.aim = nn.Conv2d(condition, inner, 1)
        self.out = nn.Linear(inner, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.rotation = MotionRotation(grid, inner // heads)

    def forward(
        self,
        x: Float[Tensor, "n w y x"],
        condition: Float[Tensor, "n c y x"],
        keys: Float[Tensor, "b m s p e"],
        values: Float[Tensor, "b m s p e"],
        positions: Float[Tensor, "b m t 2"],
        targets: Int64[Tensor, "b t_targets"],
    ) -> Float[Tensor, "n w y x"]:
        """``x`` plus the output of the attention.

        Args:
            x: of the target frames, all of the first sequence first.
            keys, values: of all frames up to the last of the sequence; keys are rotated.
            positions: of the frames that follow the last ``t`` of them.
            targets: indices of the target frames among these.
        """
        q = self.query(self.norm(rearrange(x, "n w y x -> n (y x) w")))
        q = q + rearrange(self.aim(condition), "n w y x -> n (y x) w")
        q = rearrange(q, "(b t) p (m e) -> b m t p e", b=len(targets), m=self.heads)
        row = torch.arange(len(targets), device=x.device)[:, None]
        number = targets + keys.shape[2] - positions.shape[2]
        times = torch.arange(keys.shape[2], device=x.device)
        q = self.rotation(q, positions.transpose(1, 2)[row, targets].transpose(1, 2), number[:, None])
        mask = None
        if positions.shape[2] > 1 or keys.shape[2] > self.window:
            behind = number[..., None] - times
            mask = ((behind >= 0) & (behind < self.window)).repeat_interleave(keys.shape[3], dim=-1)
        out = self.out(self._attend(q, keys, values, mask))
        return x + rearrange(out, "n (y x) w -> n w y x", y=x.shape[2])

    def _attend(
        self,
        q: Float[Tensor, "b m t p e"],
        k: Float[Tensor, "b m s p e"],
        v: Float[Tensor, "b m s p e"],
        mask: Bool[Tensor, "b t sp"] | None,
    ) -> Float[Tensor, "n p w"]:
        """Attention for every target frame on its own: their keys are the same, and few are masked."""
        k, v = (z.flatten(2, 3)[:, None].expand(-1, q.shape[2], -1, -1, -1).flatten(0, 1) for z in (k, v))
        q = rearrange(q, "b m t p e -> (b t) m p e")
        mask = None if mask is None else rearrange(mask, "b t sp -> (b t) 1 1 sp")
        return rearrange(scaled_dot_product_attention(q, k, v, attn_mask=mask), "n m p e -> n p (m e)")


def motion_frequencies(grid: tuple[int, int], width: int) -> Float[Tensor, "3 half"]:
    """Rotary frequencies per row, column and frame of ``width / 2`` pairs of numbers; each pair encodes one of the
    three.

    Those of rows and columns are whole multiples of a turn in four grids.
    """
    half = width // 2
    frames = half // 4
    rows = (half - frames) // 2
    frequencies = torch.zeros(3, half)
    for i, (first, count) in enumerate(((0, rows), (rows, half - frames - rows))):
        turn = 2 * math.pi / (4 * grid[i])
        highest = 1 / turn  # one radian a code: no two codes within three are alike
        multiples = (highest ** torch.linspace(1, 0, count)).round().clamp(min=1)
        frequencies[i, first : first + count] = turn * multiples
    frequencies[2, half - frames :] = 0.1 ** torch.linspace(0, 1, frames)
    return frequencies
