"""The windows of a protocol, batch by batch, with their codes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int64, Shaped, UInt8
from torch import Tensor

from videovq.data.store import EpisodeStore
from videovq.data.windows import windows
from videovq.errors import UserError
from videovq.frames import to_float
from videovq.models.vqvae import VQVAE
from videovq.progress import progress


@dataclass(frozen=True)
class Protocol:
    """Evaluation protocol.

    Attributes:
        split: of the store.
        context: number of context frames.
        frames: number of predicted frames.
        stride: frames from the start of one window to that of the next.
    """

    split: str = "test"
    context: int = 6
    frames: int = 10
    stride: int = 16

    def __post_init__(self) -> None:
        if min(self.context, self.frames, self.stride) < 1:
            raise UserError("context, frames and stride: must be at least 1")


@dataclass(frozen=True)
class Clips:
    """A batch of windows of a protocol.

    Attributes:
        first: index of the first of them among all windows.
        episodes: index of the episode of each.
        others: the actions of another window, of another episode where there are several: a control.
    """

    first: int
    episodes: Int64[Tensor, "b"]
    pixels: UInt8[Tensor, "b t h w c"]
    codes: Int64[Tensor, "b t y x"]
    actions: Shaped[Tensor, "b t a"]
    others: Shaped[Tensor, "b t a"]


def clips(vqvae: VQVAE, store: EpisodeStore, protocol: Protocol, batch: int, what: str) -> Iterator[Clips]:
    """Every window of the protocol, in order.

    Raises:
        UserError: no episode of the split is long enough.
    """
    length = protocol.context + protocol.frames
    found = windows(store.split(protocol.split), length, protocol.stride)
    numbers = {info.id: i for i, info in enumerate(store.split(protocol.split))}
    away = len(found) // 2  # half the split away
    with progress(len(found), what, "window") as bar:
        for at in range(0, len(found), batch):
            some = found[at : at + batch]
            far = [found[(at + i + away) % len(found)] for i in range(len(some))]
            parts = [store.read(w.episode, w.start, w.start + length) for w in some]
            pixels = torch.stack([p.frames for p in parts])
            with torch.inference_mode():
                codes = torch.stack([vqvae.encode(to_float(frames.to(vqvae.device))).cpu() for frames in pixels])
            yield Clips(
                first=at,
                episodes=torch.tensor([numbers[w.episode.id] for w in some]),
                pixels=pixels,
                codes=codes,
                actions=torch.stack([p.actions for p in parts]),
                others=torch.stack([store.read(w.episode, w.start, w.start + length).actions for w in far]),
            )
            bar.update(len(some))
