"""Measures of prediction over a split, on arrays, never on compressed video."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from videovq.data.store import CodeStore, EpisodeStore
from videovq.data.windows import windows
from videovq.frames import psnr, to_float
from videovq.models.predictors.predictor import Predictor
from videovq.models.vqvae import VQVAE
from videovq.progress import progress
from videovq.rollout.engine import decode_codes, predict_codes
from videovq.types import Sampling


@dataclass(frozen=True)
class Horizons:
    """Mean PSNR in dB at each horizon, 1 first, over ``windows`` windows.

    Attributes:
        prediction: of one sampled rollout.
        copy_last: of the last context frame, repeated.
        ceiling: of the true frames, encoded and decoded: no prediction in codes can do better.
    """

    windows: int
    prediction: list[float]
    copy_last: list[float]
    ceiling: list[float]

    def table(self) -> str:
        rows = [f"{'horizon':>8} {'prediction':>11} {'copy last':>10} {'ceiling':>8}   (mean PSNR, dB)"]
        for h, values in enumerate(zip(self.prediction, self.copy_last, self.ceiling, strict=True), start=1):
            rows.append("{:>8} {:>11.2f} {:>10.2f} {:>8.2f}".format(h, *values))
        return "\n".join(rows)


@torch.inference_mode()
def bits_per_code(
    predictor: Predictor, store: CodeStore, split: str, window: int = 16, stride: int = 16, batch: int = 4
) -> list[float]:
    """Exact mean bits per code of each frame of the windows, the first frame first."""
    found = windows(store.split(split), window, stride)
    total = torch.zeros(window, dtype=torch.float64)
    with progress(len(found), "bits per code", "window") as bar:
        for at in range(0, len(found), batch):
            parts = [store.read(w.episode, w.start, w.start + window) for w in found[at : at + batch]]
            codes, actions = torch.stack([p.codes for p in parts]), torch.stack([p.actions for p in parts])
            total += predictor(codes, actions).nll.double().mean(dim=(2, 3)).sum(dim=0)
            bar.update(len(parts))
    return (total / len(found) / math.log(2)).tolist()


@torch.inference_mode()
def horizons(
    vqvae: VQVAE,
    predictor: Predictor,
    store: EpisodeStore,
    split: str,
    context: int = 6,
    frames: int = 10,
    stride: int = 16,
    sampling: Sampling = Sampling(),
    seed: int = 0,
    batch: int = 8,
) -> Horizons:
    """PSNR of one rollout with the recorded actions from every ``stride``-th frame of a split."""
    found = windows(store.split(split), context + frames, stride)
    sums: dict[str, Tensor] = {k: torch.zeros(frames) for k in ("prediction", "copy_last", "ceiling")}
    with progress(len(found), "rollouts", "window") as bar:
        for at in range(0, len(found), batch):
            parts = [store.read(w.episode, w.start, w.start + w.length) for w in found[at : at + batch]]
            pixels = torch.stack([p.frames for p in parts])
            actions = torch.stack([p.actions for p in parts])
            codes = vqvae.encode(to_float(pixels.flatten(0, 1))).unflatten(0, pixels.shape[:2])
            drawn = predict_codes(
                predictor,
                codes[:, :context],
                actions[:, : context - 1],
                actions[:, context - 1 : -1],
                sampling,
                [seed + at + i for i in range(len(parts))],
            )
            truth = pixels[:, context:]
            last = pixels[:, context - 1 : context].expand_as(truth)
            sums["prediction"] += psnr(decode_codes(vqvae, drawn), truth).sum(dim=0)
            sums["copy_last"] += psnr(last, truth).sum(dim=0)
            sums["ceiling"] += psnr(decode_codes(vqvae, codes[:, context:]), truth).sum(dim=0)
            bar.update(len(parts))
    return Horizons(len(found), **{name: (total / len(found)).tolist() for name, total in sums.items()})
