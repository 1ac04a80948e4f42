"""Does the predictor do what the actions say? Bits that the actions save, and the way the picture turns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from videovq.data.store import CodeStore, EpisodeStore
from videovq.data.windows import Window, windows
from videovq.frames import to_float
from videovq.models.predictors.predictor import Predictor
from videovq.models.vqvae import VQVAE
from videovq.progress import progress
from videovq.rollout.engine import decode_codes, predict_codes
from videovq.types import CodeEpisode, Sampling

BATCH = 4  # windows computed at once


@dataclass(frozen=True)
class ActionBits:
    """Bits per code of the frames that an action leads to.

    Attributes:
        frames: number of such frames.
        true: given the actions as they were.
        shuffled: given those of another window, from the first to the last.
    """

    frames: int
    true: float
    shuffled: float


@torch.inference_mode()
def action_bits(
    predictor: Predictor, store: CodeStore, split: str, context: int = 6, window: int = 16, seed: int = 0
) -> list[ActionBits]:
    """For every choice of a discrete action: what it costs when the predictor is told other actions.

    Every frame after the first ``context`` of windows of ``window`` frames, one after the other. Frames whose action
    happens to be the same in the other window count for neither.

    Raises:
        ValueError: the store's actions are not discrete.
    """
    if store.header.action_spec.kind != "discrete":
        raise ValueError(f"{store.folder}: bits per action need discrete actions")
    found = windows(store.split(split), window, window)
    other = torch.randperm(len(found), generator=torch.Generator().manual_seed(seed))
    choices = store.header.action_spec.sizes[0]
    sums, counts = torch.zeros(2, choices, dtype=torch.float64), torch.zeros(choices)
    with progress(len(found), "bits per action", "window") as bar:
        for at in range(0, len(found), BATCH):
            parts = [_read(store, w) for w in found[at : at + BATCH]]
            codes, actions = torch.stack([p.codes for p in parts]), torch.stack([p.actions for p in parts])
            swapped = torch.stack([_read(store, found[i]).actions for i in other[at : at + BATCH].tolist()])
            led, misled = (a[:, context - 1 : -1, 0] for a in (actions, swapped))
            differ = led != misled
            for i, told in enumerate((actions, swapped)):
                bits = predictor(codes, told).nll[:, context:].double().mean(dim=(2, 3)) / math.log(2)
                sums[i].index_add_(0, led[differ], bits[differ])
            counts += torch.bincount(led[differ], minlength=choices)
            bar.update(len(parts))
    means = (sums / counts).tolist()
    return [ActionBits(int(counts[a]), means[0][a], means[1][a]) for a in range(choices)]


def horizontal_shift(frames: Float[Tensor, "*b h w"], later: Float[Tensor, "*b h w"]) -> Int64[Tensor, "*b"]:
    """Columns by which the picture moved to the right, by phase correlation (Kuglin and Hines 1975).

    Args:
        frames, later: brightness of pairs of frames, in any unit.
    """
    height, width = frames.shape[-2:]
    taper = torch.hann_window(height, device=frames.device)[:, None] * torch.hann_window(width, device=frames.device)
    first, second = (torch.fft.rfft2((f - f.mean(dim=(-2, -1), keepdim=True)) * taper) for f in (frames, later))
    cross = first.conj() * second
    peaks = torch.fft.irfft2(cross / cross.abs().clamp(min=1e-9), s=(height, width))
    limit = height // 8  # a picture that turns hardly moves up or down
    rows = torch.cat([peaks[..., : limit + 1, :], peaks[..., -limit:, :]], dim=-2).amax(dim=-2)
    column = rows.argmax(dim=-1)
    return torch.where(column > width // 2, column - width, column)


@dataclass(frozen=True)
class Turn:
    """What holding one action does to the picture.

    Attributes:
        recorded: median shift, in columns a frame, where episodes recorded the action twice running; positive to the
            right.
        predicted: the same in the rollouts.
        right: part of the rollouts whose median shift has the recorded sign.
        rollouts: number of rollouts.
    """

    recorded: float
    predicted: float
    right: float
    rollouts: int


@torch.inference_mode()
def turn(
    vqvae: VQVAE,
    predictor: Predictor,
    store: EpisodeStore,
    split: str,
    action: int,
    contexts: int = 50,
    context: int = 6,
    frames: int = 4,
    sampling: Sampling = Sampling(),
    seed: int = 0,
) -> Turn:
    """Hold an action for some frames, from contexts spread over a split, and measure how the picture moves."""
    found = windows(store.split(split), context + 1)
    chosen = [found[i] for i in torch.linspace(0, len(found) - 1, contexts).long().tolist()]
    parts = [store.read(w.episode, w.start, w.start + context) for w in chosen]
    pixels = torch.stack([p.frames for p in parts])
    codes = vqvae.encode(to_float(pixels.flatten(0, 1))).unflatten(0, pixels.shape[:2])
    given = torch.stack([p.actions[: context - 1] for p in parts])
    held = torch.full((contexts, frames, 1), action)
    drawn = predict_codes(predictor, codes, given, held, sampling, [seed + i for i in range(contexts)])
    grey = decode_codes(vqvae, torch.cat([codes[:, -1:], drawn], dim=1)).float().mean(dim=-1)
    shifts = horizontal_shift(grey[:, :-1], grey[:, 1:]).float().median(dim=1).values
    recorded = _recorded_shift(store, split, action)
    right = (shifts.sign() == math.copysign(1, recorded)).float().mean()
    return Turn(recorded, float(shifts.median()), float(right), contexts)


def _recorded_shift(store: EpisodeStore, split: str, action: int) -> float:
    """Median shift over the second of two frames running that an action led to."""
    shifts = []
    for info in store.split(split):
        episode = store.read(info)
        same = episode.actions[:, 0] == action
        at = (same[:-2] & same[1:-1]).nonzero()[:, 0] + 1
        grey = episode.frames.float().mean(dim=-1)
        shifts.append(horizontal_shift(grey[at], grey[at + 1]))
    return float(torch.cat(shifts).float().median())


def _read(store: CodeStore, window: Window) -> CodeEpisode:
    return store.read(window.episode, window.start, window.start + window.length)
