"""Rollouts of every window of a split, beside baselines and controls, frame by frame, on arrays of pixels and codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from videovq.evaluation.clips import Clips
from videovq.evaluation.motion import motion_agreement, moved_along
from videovq.evaluation.pixel_bits import grey_levels
from videovq.evaluation.reconstruction import ssim
from videovq.evaluation.sharpness import gradient_energy
from videovq.frames import psnr
from videovq.models.predictors.predictor import Predictor
from videovq.models.vqvae import VQVAE
from videovq.rollout.engine import decode_codes, predict_codes
from videovq.types import Sampling

Measure = Callable[[UInt8[Tensor, "n h w c"], UInt8[Tensor, "n h w c"]], Float[Tensor, "n"]]
"""Two batches of frames -> a number for each pair."""

Observer = Callable[[str, Clips, UInt8[Tensor, "b n h w c"]], None]
"""A callback for the rollouts of each batch of windows: method (``prediction``: the first sample; ``shuffled actions``;
``ceiling``), windows, and frames: the last context frame, encoded and decoded, then that of every horizon."""

MEASURES: dict[str, Measure] = {"psnr": psnr, "ssim": ssim}
LESS_IS_BETTER = {"lpips"}

PREDICTION, BEST, SHUFFLED = "prediction", "best of samples", "shuffled actions"
COPY, MOVED, CEILING = "copy last", "copy, moved", "ceiling"
TRUTH = "truth"


@dataclass(frozen=True)
class RolloutMeasures:
    """Measures of every predicted frame of every window.

    Attributes:
        episodes: number of the episode of each window.
        values: method -> measure -> values. Methods: ``prediction``, the mean over samples; ``best of samples``, the
            sample that is best on the mean over the frames, by that measure, where there are several; ``shuffled
            actions``, rolled out with those of another window, where there are actions; ``copy last``; ``copy, moved``:
            sideways, by what the actions do on average; ``ceiling``: the true frames, encoded and decoded. Measures:
            psnr, ssim, accuracy (part of the codes that are the true ones), and further ones.
        same_way, as_far: of the first sample's steps in which the true picture clearly moved sideways: the part that
            moved the same way, and the part that also moved as far.
        steps: number of such steps.
        levels: how often each grey level of the true frames was reconstructed as which.
        gradients: method, or ``truth`` -> gradient energies (:mod:`videovq.evaluation.sharpness`); those of
            ``prediction`` are means over samples.
        features: of the true videos and of the first samples, or None.
    """

    episodes: Int64[Tensor, "w"]
    values: dict[str, dict[str, Float[Tensor, "w n"]]]
    same_way: float
    as_far: float
    steps: int
    levels: Int64[Tensor, "true reconstructed"]
    gradients: dict[str, Float[Tensor, "w n"]] = field(default_factory=dict)
    features: tuple[Float[Tensor, "w d"], Float[Tensor, "w d"]] | None = None


@torch.inference_mode()
def prediction(
    vqvae: VQVAE,
    predictor: Predictor,
    batches: Iterable[Clips],
    context: int,
    samples: int,
    sampling: Sampling,
    seed: int,
    shifts: list[float] | None,
    measures: dict[str, Measure],
    features: Callable[[UInt8[Tensor, "b t h w c"]], Float[Tensor, "b d"]] | None = None,
    observers: Sequence[Observer] = (),
) -> RolloutMeasures:
    """Roll out every window, and measure it beside baselines and controls.

    Args:
        context: number of context frames; the rest of each window is predicted.
        samples: rollouts of each window.
        shifts: sideways shift of every action, for ``copy, moved``; None leaves it out.
        measures: measures of frames, by name.
        features: of whole videos, context included, for a distance between the true and the predicted ones.
        observers: callbacks for the rollouts.
    """
    rows: dict[tuple[str, str], list[Tensor]] = {}
    gradients: dict[str, list[Tensor]] = {}
    episodes, same_way, as_far, videos = [], [], [], []
    levels = torch.zeros(256, 256, dtype=torch.int64)

    def keep(method: str, truth: Tensor, frames: Tensor, exact: Tensor | None) -> None:
        """Measure one rollout of each window of a batch."""
        frames, truth = frames.to(vqvae.device), truth.to(vqvae.device)
        gradients.setdefault(method, []).append(gradient_energy(frames).cpu())
        for name, measure in measures.items():
            found = measure(frames.flatten(0, 1), truth.flatten(0, 1)).view(truth.shape[:2])
            rows.setdefault((method, name), []).append(found.cpu())
        if exact is not None:
            rows.setdefault((method, "accuracy"), []).append(exact.float().mean(dim=(2, 3)))

    def show(method: str, clips: Clips, frames: Tensor) -> None:
        for observer in observers:
            observer(method, clips, torch.cat([again[:, :1], frames], dim=1))

    for clips in batches:
        history, codes = clips.codes[:, :context], clips.codes[:, context:]
        truth, last = clips.pixels[:, context:], clips.pixels[:, context - 1]
        seeds = [seed + clips.first + i for i in range(len(history))]
        episodes.append(clips.episodes)
        again = _decode(vqvae, clips.codes[:, context - 1 :])
        for s in range(samples):
            apart = [1_000_003 * s + one for one in seeds]
            drawn = _roll(predictor, history, clips.actions, sampling, apart)
            frames = _decode(vqvae, drawn)
            keep(f"sample {s}", truth, frames, drawn == codes)
            if s == 0:
                show(PREDICTION, clips, frames)
                moved = (torch.cat([last[:, None], one], 1).to(vqvae.device) for one in (frames, truth))
                way, far = motion_agreement(*moved)
                same_way.append(way.cpu())
                as_far.append(far.cpu())
                if features is not None:
                    shown = torch.cat([clips.pixels[:, :context], frames], dim=1)
                    videos.append((features(clips.pixels), features(shown)))
        if clips.others.shape[2]:  # there are actions
            drawn = _roll(predictor, history, clips.others, sampling, seeds)
            frames = _decode(vqvae, drawn)
            keep(SHUFFLED, truth, frames, drawn == codes)
            show(SHUFFLED, clips, frames)
        keep(COPY, truth, last[:, None].expand_as(truth), history[:, -1:] == codes)
        if shifts is not None:
            keep(MOVED, truth, moved_along(last, clips.actions[:, context - 1 : -1], shifts), None)
        keep(CEILING, truth, again[:, 1:], None)
        show(CEILING, clips, again[:, 1:])
        levels += grey_levels(truth.to(vqvae.device), again[:, 1:].to(vqvae.device)).cpu()
        gradients.setdefault(TRUTH, []).append(gradient_energy(truth))
    columns = {key: torch.cat(parts) for key, parts in rows.items()}
    values: dict[str, dict[str, Tensor]] = {}
    for name in [*measures, "accuracy"]:
        every = torch.stack([columns[f"sample {s}", name] for s in range(samples)])
        values.setdefault(PREDICTION, {})[name] = every.mean(dim=0)
        if samples > 1:
            sign = -1 if name in LESS_IS_BETTER else 1
            best = (sign * every.mean(dim=2)).argmax(dim=0)
            values.setdefault(BEST, {})[name] = every[best, torch.arange(every.shape[1])]
    for method, name in columns:
        if not method.startswith("sample "):
            values.setdefault(method, {})[name] = columns[method, name]
    energies = {method: torch.cat(parts) for method, parts in gradients.items()}
    energies[PREDICTION] = torch.stack([energies.pop(f"sample {s}") for s in range(samples)]).mean(dim=0)
    way, far = torch.cat(same_way), torch.cat(as_far)
    pair = None
    if videos:
        true, predicted = (torch.cat(column) for column in zip(*videos, strict=True))
        pair = true, predicted
    share = [float(x.mean()) if len(x) else 0.0 for x in (way, far)]
    return RolloutMeasures(torch.cat(episodes), values, share[0], share[1], len(way), levels, energies, pair)


def _roll(
    predictor: Predictor, history: Tensor, actions: Tensor, sampling: Sampling, seeds: list[int]
) -> Int64[Tensor, "b n y x"]:
    context, device = history.shape[1], predictor.codebook.device
    before, after = actions[:, : context - 1].to(device), actions[:, context - 1 : -1].to(device)
    return predict_codes(predictor, history.to(device), before, after, sampling, seeds).cpu()


def _decode(vqvae: VQVAE, codes: Int64[Tensor, "b n y x"]) -> UInt8[Tensor, "b n h w c"]:
    return decode_codes(vqvae, codes.to(vqvae.device)).cpu()
