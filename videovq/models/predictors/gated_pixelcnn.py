"""Gated PixelCNN: the prior of the VQ-VAE paper, conditioned on the past.

Van den Oord et al. 2016, "Conditional Image Generation with PixelCNN Decoders" (arXiv 1606.05328). A vertical stack
sees the rows above, a horizontal one the codes to the left in the row: together every code before, without blind spot.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import torch
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import embedding, pad, relu

from videovq.models.predictors.contract import CodeSampler, FrameDecoder

REACH = 2  # rows above and columns to the left that a convolution sees, besides its own


def gate(x: Float[Tensor, "n w2 y x"]) -> Float[Tensor, "n w y x"]:
    """tanh(a) * sigmoid(b) of the two halves (paper, equation 2)."""
    a, b = x.chunk(2, dim=1)
    return a.tanh() * b.sigmoid()


class GatedPixelCNNLayer(nn.Module):
    """A layer of both stacks (paper, figure 2), conditioned by 1x1 convolutions of the context."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(width, 2 * width, (REACH + 1, 2 * REACH + 1))
        self.right = nn.Conv2d(width, 2 * width, (1, REACH + 1))
        self.across = nn.Conv2d(2 * width, 2 * width, 1)
        self.condition = nn.Conv2d(width, 4 * width, 1)
        self.out = nn.Conv2d(width, width, 1)

    def vertical(
        self, padded: Float[Tensor, "n w above x_padded"], condition: Float[Tensor, "n w2 y x"]
    ) -> tuple[Float[Tensor, "n w y x"], Float[Tensor, "n w2 y x"]]:
        """The vertical stack's output, and what the horizontal stack takes from it, one row further down."""
        x = self.down(padded)
        return gate(x + condition), self.across(x)

    def horizontal(
        self,
        padded: Float[Tensor, "n w y x_padded"],
        above: Float[Tensor, "n w2 y x"],
        condition: Float[Tensor, "n w2 y x"],
    ) -> Float[Tensor, "n w y x"]:
        """The residual of the horizontal stack."""
        return self.out(gate(self.right(padded) + above + condition))


@runtime_checkable
class Sizes(Protocol):
    """The settings of a PixelCNN: channels, width of a code's embedding, gated layers."""

    @property
    def width(self) -> int: ...
    @property
    def embedding(self) -> int: ...
    @property
    def decoder_layers(self) -> int: ...


class GatedPixelCNN(FrameDecoder):
    """See the module's docstring."""

    def __init__(self, config: Sizes, grid: tuple[int, int], codebook_size: int, code_dim: int) -> None:
        super().__init__(config.width, codebook_size, code_dim)
        width = config.width
        self.register_buffer("order", torch.arange(grid[0] * grid[1])[:, None], persistent=False)
        self.look = nn.Conv2d(config.embedding, width, 1)
        self.depth = config.decoder_layers
        self.layers = nn.ModuleList(GatedPixelCNNLayer(width) for _ in range(self.depth))
        self.hidden = nn.Linear(width, width)

    def logits(
        self,
        context: Float[Tensor, "n w y x"],
        codes: Int64[Tensor, "n y x"],
        table: Float[Tensor, "k_plus_1 e"],
        codebook: Float[Tensor, "k d"],
    ) -> Float[Tensor, "n y x k"]:
        x = self.look(rearrange(embedding(codes, table), "n y x e -> n e y x"))
        # Shifted by one row and by one column, so that plain causal convolutions never see the code itself.
        v, h = pad(x, (0, 0, 1, -1)), pad(x, (1, -1))
        for i, layer in enumerate(self._gated()):
            for_v, for_h = layer.condition(context).chunk(2, dim=1)
            v, above = layer.vertical(pad(v, (REACH, REACH, REACH, 0)), for_v)
            h = self._between(i, h + layer.horizontal(pad(h, (REACH, 0)), above, for_h))
        return self._logits(rearrange(h, "n w y x -> n y x w"), codebook)

    def draw(
        self,
        context: Float[Tensor, "n w y x"],
        table: Float[Tensor, "k_plus_1 e"],
        codebook: Float[Tensor, "k d"],
        sample: CodeSampler,
    ) -> Int64[Tensor, "n y x"]:
        batch, width, rows, columns = context.shape
        conditions = [layer.condition(context).chunk(2, dim=1) for layer in self._gated()]
        # The inputs of every layer, with their padding: the vertical stack's by rows, the horizontal one's of a row.
        v = context.new_zeros(self.depth + 1, batch, width, REACH + rows, columns + 2 * REACH)
        codes = self.order.new_zeros(batch, rows, columns)
        for r in range(rows):
            above = []
            for i, layer in enumerate(self._gated()):
                out, across = layer.vertical(v[i, :, :, r : r + REACH + 1], conditions[i][0][:, :, r : r + 1])
                v[i + 1, :, :, r + REACH, REACH:-REACH] = out[:, :, 0]
                above.append(across)
            h = context.new_zeros(self.depth + 1, batch, width, 1, REACH + columns)
            for c in range(columns):
                here = slice(c + REACH, c + REACH + 1)
                for i, layer in enumerate(self._gated()):
                    at = slice(c, c + 1)
                    added = layer.horizontal(
                        h[i, :, :, :, c : c + REACH + 1], above[i][..., at], conditions[i][1][:, :, r : r + 1, at]
                    )
                    h[i + 1, :, :, :, here] = h[i, :, :, :, here] + added
                logits = self._logits(rearrange(h[-1, :, :, :, here], "n w y x -> n (y x) w"), codebook)
                codes[:, r, c : c + 1] = sample(logits, self.order[r * columns + c])
                if c + 1 < columns:
                    drawn = embedding(codes[:, r : r + 1, c : c + 1], table)
                    h[0, :, :, :, c + REACH + 1 : c + REACH + 2] = self.look(rearrange(drawn, "n y x e -> n e y x"))
            if r + 1 < rows:
                row = self.look(rearrange(embedding(codes[:, r : r + 1], table), "n y x e -> n e y x"))
                v[0, :, :, r + 1 + REACH, REACH:-REACH] = row[:, :, 0]
        return codes

    def _between(self, layer: int, h: Float[Tensor, "n w y x"]) -> Float[Tensor, "n w y x"]:
        """Hook after a layer; the identity here."""
        return h

    def _gated(self) -> Iterator[GatedPixelCNNLayer]:
        return (layer for layer in self.layers if isinstance(layer, GatedPixelCNNLayer))

    def _logits(self, x: Float[Tensor, "*n w"], codebook: Float[Tensor, "k d"]) -> Float[Tensor, "*n k"]:
        return self.code_logits(relu(self.hidden(relu(x))), codebook)
