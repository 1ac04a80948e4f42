"""Pictures of windows: context, truth, prediction and difference, as animations and strips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from videovq.data.store import EpisodeStore
from videovq.data.windows import windows
from videovq.evaluation.clips import Protocol
from videovq.evaluation.prediction import PREDICTION, RolloutMeasures
from videovq.pictures import gif, labelled_rows, scale_to
from videovq.rollout.engine import generate
from videovq.rollout.pair import Pair
from videovq.types import Episode, RolloutRequest, Sampling

SHOWN = 12  # predicted frames in a strip at most
FUTURES = 12  # actions held, one a row, at most
WIDTH, MOVING = 84, 168  # pixels that a frame takes at least, roughly, in a strip and in a moving picture


@dataclass(frozen=True)
class Panel:
    """Pictures of one window.

    Attributes:
        word: its rank by mean PSNR: best, median, worst.
        caption: the rank, and which window.
        gif: truth, prediction and difference, moving.
        strip: the same, time from left to right, uint8 ``h w c``.
    """

    word: str
    caption: str
    gif: bytes
    strip: np.ndarray


def telling_windows(found: RolloutMeasures, number: int) -> list[tuple[str, int]]:
    """The best, the median and the worst windows by mean PSNR with the word for each, no window twice: ``number`` of
    each, or fewer where there are few.
    """
    order = found.values[PREDICTION]["psnr"].mean(dim=1).argsort(descending=True).tolist()
    if len(order) == 1:
        return [("the only one", order[0])]
    number = max(1, min(number, len(order) // 3))
    middle = (len(order) - number) // 2
    chosen = {"best": order[:number], "median": order[middle : middle + number], "worst": order[::-1][:number]}
    if len(order) == 2:
        del chosen["median"]
    return [(word, window) for word, some in chosen.items() for window in some]


@torch.inference_mode()
def panel(
    pair: Pair, store: EpisodeStore, protocol: Protocol, window: int, word: str, sampling: Sampling, seed: int
) -> Panel:
    """Roll out one window again, with the same noise as in the evaluation."""
    context = protocol.context
    chosen = windows(store.split(protocol.split), context + protocol.frames, protocol.stride)[window]
    episode = store.read(chosen.episode, chosen.start, chosen.start + chosen.length)
    request = RolloutRequest(
        episode.frames[:context],
        episode.actions[: context - 1],
        episode.actions[context - 1 : -1],
        sampling=sampling,
        seed=seed + window,
    )
    rows = _rows(episode, _drawn(pair, request), context)
    moving, small, large = [], scale_to(WIDTH, rows[0][1][0]), scale_to(MOVING, rows[0][1][0])
    for t in range(chosen.length):
        when = f"{t - context + 1:+d}" if t >= context else "context"
        moving.append(labelled_rows([f"{name} {when}" for name, _ in rows], [("", [row[t] for _, row in rows])], large))
    times = [*range(max(0, context - 2), context), *range(context, context + min(SHOWN, protocol.frames))]
    strip = labelled_rows(
        [f"{t - context + 1:+d}" if t >= context else "context" for t in times],
        [(name, [row[t] for t in times]) for name, row in rows],
        small,
    )
    caption = f"{word}: {chosen.episode.id} from frame {chosen.start}"
    return Panel(word, caption, gif(moving, min(pair.predictor.fps, 10)), strip)


@torch.inference_mode()
def counterfactual(
    pair: Pair, store: EpisodeStore, protocol: Protocol, sampling: Sampling, seed: int
) -> np.ndarray | None:
    """Rollouts of the split's middle window that each hold one action, time from left to right; None where actions are
    not discrete.
    """
    spec = pair.predictor.action_spec
    if spec.kind != "discrete":
        return None
    context, frames = protocol.context, min(SHOWN, max(protocol.frames, 8))
    found = windows(store.split(protocol.split), context)
    middle = found[len(found) // 2]
    episode = store.read(middle.episode, middle.start, middle.start + context)
    rows = []
    for choice, name in enumerate(spec.choices[:FUTURES]):
        held = torch.full((frames, 1), choice)
        request = RolloutRequest(episode.frames, episode.actions[:-1], held, sampling=sampling, seed=seed)
        rows.append((name, [episode.frames[-1].numpy(), *_drawn(pair, request).numpy()]))
    return labelled_rows(["context", *(f"+{t + 1}" for t in range(frames))], rows, scale_to(WIDTH, rows[0][1][0]))


def _drawn(pair: Pair, request: RolloutRequest) -> UInt8[Tensor, "n h w c"]:
    """The frames of a rollout, alone."""
    frames = generate(pair.vqvae.network, pair.predictor.network, request).frames
    assert frames is not None
    return frames[0]


def _rows(episode: Episode, drawn: UInt8[Tensor, "n h w c"], context: int) -> list[tuple[str, list[np.ndarray]]]:
    truth = episode.frames
    shown = torch.cat([truth[:context], drawn])
    difference = (shown.int() - truth.int()).add(128).clamp(0, 255).to(torch.uint8)
    return [
        (name, list(frames.numpy()))
        for name, frames in (("truth", truth), ("predicted", shown), ("difference", difference))
    ]
