"""PSNR of what was in view before a turn on the spot, which a predictor can know from its context."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor
from torch.nn.functional import grid_sample

from videovq.evaluation.bootstrap import horizon_summary
from videovq.evaluation.clips import Clips
from videovq.evaluation.prediction import CEILING

LONGEST = 5  # horizons: later, little is left in view


@dataclass(frozen=True)
class Rays:
    """Positions of the pixels of turned views in the picture before the turn.

    Attributes:
        columns, rows: -1 to 1 from its left to its right edge, and from its upper to its lower one.
        visible: whether they lie within it.
    """

    columns: Float[Tensor, "b n h w"]
    rows: Float[Tensor, "b n h w"]
    visible: Bool[Tensor, "b n h w"]


def rays(turned: Float[Tensor, "b n"], height: int, width: int, field_of_view: float) -> Rays:
    """Pixels of a pinhole camera that turned by some angles about its upright axis.

    The pixel at (x, y) = (u tan(f / 2), v tan(f / 2) h / w) of the turned view, with u, v in -1..1 and f the horizontal
    field of view, looks along the ray (x, y, 1). Turned back by the angle a that is (x cos a - sin a, y,
    x sin a + cos a): where it meets the plane at distance 1, it was seen before the turn.

    Args:
        turned: degrees, growing to the left.
        field_of_view: horizontal, in degrees.
    """
    edge = math.tan(math.radians(field_of_view) / 2)
    tall = edge * height / width
    x = ((torch.arange(width) + 0.5) / width * 2 - 1) * edge
    y = (((torch.arange(height) + 0.5) / height * 2 - 1) * tall)[:, None]
    angle = torch.deg2rad(turned)[..., None, None]
    depth = x * angle.sin() + angle.cos()
    ahead = depth > 1e-3
    safe = torch.where(ahead, depth, 1)
    columns, rows = (x * angle.cos() - angle.sin()) / safe / edge, y / safe / tall
    return Rays(columns.expand_as(rows), rows, ahead & (columns.abs() <= 1) & (rows.abs() <= 1))


def turned_view(
    frames: UInt8[Tensor, "b h w c"], turned: Float[Tensor, "b n"], field_of_view: float
) -> UInt8[Tensor, "b n h w c"]:
    """Frames after turns on the spot, resampled; what comes into view repeats the edge."""
    found = rays(turned, frames.shape[1], frames.shape[2], field_of_view)
    positions = torch.stack([found.columns, found.rows], dim=-1).nan_to_num()
    source = frames.permute(0, 3, 1, 2).float()
    shown = [grid_sample(source, one, "bilinear", "border", False) for one in positions.unbind(1)]
    return torch.stack(shown, dim=1).permute(0, 1, 3, 4, 2).round().to(torch.uint8)


def visible_psnr(
    frames: UInt8[Tensor, "b n h w c"],
    truth: UInt8[Tensor, "b n h w c"],
    visible: Bool[Tensor, "b n h w"],
) -> Float[Tensor, "b n"]:
    """PSNR in dB over the pixels that were in view before the turn; nan where none was."""
    error = (frames.float() - truth.float()).pow(2).mean(dim=-1)
    squared = torch.where(visible, error, 0).sum(dim=(-2, -1)) / visible.sum(dim=(-2, -1))
    return 20 * math.log10(255) - 10 * squared.clamp(min=1e-3).log10()


class TurnedViews:
    """Observer of rollouts for windows with a turn on the spot: PSNR of what was in view in the last context frame, at
    the first ``LONGEST`` horizons.

    Args:
        turned: degrees from the last context frame to each horizon of each window, growing to the left; nan where there
            was other motion.
        context: number of context frames.
        field_of_view: horizontal, in degrees.
    """

    def __init__(self, turned: Float[Tensor, "w n"], context: int, field_of_view: float) -> None:
        self.turned, self.context, self.field_of_view = turned[:, :LONGEST], context, field_of_view
        self._rows: dict[str, list[Tensor]] = {}

    def __call__(self, method: str, clips: Clips, frames: UInt8[Tensor, "b n h w c"]) -> None:
        turned = self.turned[clips.first : clips.first + len(frames)]
        truth = clips.pixels[:, self.context : self.context + turned.shape[1]]
        visible = rays(turned, truth.shape[2], truth.shape[3], self.field_of_view).visible
        self._keep(method, frames[:, 1 : 1 + turned.shape[1]], truth, visible)
        if method == CEILING:
            shown = turned_view(frames[:, 0], turned, self.field_of_view)
            self._keep("last context frame, turned", shown, truth, visible)

    def _keep(self, method: str, frames: Tensor, truth: Tensor, visible: Tensor) -> None:
        self._rows.setdefault(method, []).append(visible_psnr(frames, truth, visible))

    def found(self, episodes: Int64[Tensor, "w"], seed: int) -> dict[str, Any]:
        """Method -> a summary by horizon, and the number of ``windows`` at each. The last context frame, decoded and
        turned by the exact angle, needs no predictor; the ceiling is the true frames, encoded and decoded.
        """
        methods = {}
        for method, parts in self._rows.items():
            values = torch.cat(parts)
            known = values.isfinite()
            methods[method] = horizon_summary(values.nan_to_num(), episodes, seed, known.float())
            windows = known.sum(dim=0).tolist()
        return {"windows": windows, "methods": methods}
