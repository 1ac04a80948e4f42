"""``videovq evaluate long``: drift and collapse of rollouts over hundreds of frames."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from videovq import __version__
from videovq.config import EvaluateLongConfig
from videovq.data.store import EpisodeStore
from videovq.errors import UserError
from videovq.evaluation.collapse import SPAN, code_intervals, collapse
from videovq.evaluation.drift import features, full_turn_psnr, measure_segment, reference_segment
from videovq.evaluation.kinds import TURNED, degrees_a_step
from videovq.evaluation.long_page import long_page, text_table
from videovq.evaluation.mirror import KNOWN, inverses, mirror_psnr, mirror_report, there_and_back
from videovq.frames import to_float
from videovq.models.predictors.predictor import Predictor
from videovq.models.vqvae import VQVAE
from videovq.parsing import to_plain
from videovq.pictures import labelled_rows, scale_to
from videovq.progress import progress
from videovq.rollout.engine import Session, decode_codes, to_device
from videovq.rollout.pair import load_pair, model_name, open_episodes
from videovq.storage import write_json, write_text
from videovq.types import ActionSpec, Sampling

SHOWN = 4  # rollouts drawn


def evaluate(config: EvaluateLongConfig) -> dict[str, Any]:
    """Write ``metrics.json`` and ``report.html`` into ``config.out``.

    Raises:
        UserError: runs and store do not belong together, or a setting cannot be used.
    """
    vqvae, predictor = pair = load_pair(config)
    store, spec = open_episodes(config.store, pair), predictor.action_spec
    left_out: dict[str, str] = {}
    turning = full_turn(store, config, spec, left_out)
    pairs = inverses(spec, config.inverses)
    if config.mirror_steps and not pairs:
        left_out["mirror test"] = "no two choices are known to take each other back; name them: --inverses"
    to_device(vqvae.network, predictor.network, config.device, "32-true")
    sampling = Sampling(config.temperature, config.top_k, config.top_p)
    codes, actions = spread_contexts(vqvae.network, store, config)
    rolled = roll_out(predictor.network, codes, actions, sampling, config.seed)
    real = real_codes(vqvae.network, store, config.split)
    known = features(vqvae.network, torch.cat(real))
    episodes = torch.arange(config.rollouts) % number_of_contexts(store, config)
    size = vqvae.network.quantizer.codebook_size
    segments = [
        {
            **vars(measure_segment(vqvae.network, part, at + 1, known)),
            **code_intervals(part, episodes, size, config.seed),
        }
        for at in range(0, config.frames, config.segment)
        for part in [rolled[:, at : at + config.segment]]
    ]
    fallen = collapse(rolled, real, episodes, size, config.seed)
    if fallen is None:
        left_out["frames until collapse"] = f"rollouts or episodes are shorter than {SPAN} frames"
    metrics: dict[str, Any] = {
        "name": model_name(config),
        "videovq": __version__,
        "settings": to_plain(config),
        "real": vars(reference_segment(vqvae.network, real)),
        "segments": segments,
        "collapse": fallen,
        "left_out": left_out,
    }
    context_actions = actions[:, : config.context_frames - 1]
    if turning:
        action, steps = turning
        held = torch.full((len(codes), steps, 1), action)
        back = roll_out(predictor.network, codes, torch.cat([context_actions, held], dim=1), sampling, config.seed)
        named = {"action": spec.labels(held[0, :1])[0], "steps": steps}
        metrics["full turn"] = {**named, **full_turn_psnr(vqvae.network, codes, back, episodes, config.seed)}
    if pairs and config.mirror_steps:
        metrics["mirror"] = []
        for steps in config.mirror_steps:
            moves = torch.cat([context_actions, there_and_back(pairs, len(codes), steps)], dim=1)
            again = roll_out(predictor.network, codes, moves, sampling, config.seed)
            metrics["mirror"].append(
                mirror_report(*mirror_psnr(vqvae.network, codes[:, -1], again), episodes, config.seed)
            )
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "report.html", long_page(metrics, strips(vqvae.network, rolled)))
    write_json(out / "metrics.json", metrics)
    print(text_table(metrics))
    print(f"written to {out / 'report.html'}")
    return metrics


def full_turn(
    store: EpisodeStore, config: EvaluateLongConfig, spec: ActionSpec, left_out: dict[str, str]
) -> tuple[int, int] | None:
    """The action that turns on the spot, and the number of its steps in a full turn; None where they are not known: the
    reason is in ``left_out`` then.
    """
    if config.turn_steps:
        return spec.parse(config.turn_action, "turn_action"), config.turn_steps
    names = [name for name in KNOWN if name in spec.names]
    degrees = degrees_a_step(store, config.split, spec.names.index(names[0])) if names else math.nan
    if abs(degrees) > TURNED:
        return spec.names.index(names[0]), round(360 / abs(degrees))
    left_out["full turn"] = (
        f"recorded poses do not say how far {names[0]} turns; give --turn_steps"
        if names
        else "there is no look_left or turn_left; give --turn_action and --turn_steps"
    )
    return None


def number_of_contexts(store: EpisodeStore, config: EvaluateLongConfig) -> int:
    """Number of episodes that rollouts start in."""
    return sum(info.length >= config.context_frames for info in store.split(config.split))


def spread_contexts(
    vqvae: VQVAE, store: EpisodeStore, config: EvaluateLongConfig
) -> tuple[Int64[Tensor, "b t y x"], Shaped[Tensor, "b s a"]]:
    """Contexts spread over a split, each followed by the actions recorded from there on, on through the next episodes
    for as long as a rollout lasts.
    """
    episodes = [info for info in store.split(config.split) if info.length >= config.context_frames]
    if not episodes:
        raise UserError(f"context_frames: no episode of {config.split} has {config.context_frames} frames")
    everything = torch.cat([store.read(info).actions for info in episodes])
    firsts = np.cumsum([0, *(info.length for info in episodes)])
    codes, actions = [], []
    for i in range(config.rollouts):
        number = i % len(episodes)
        info = episodes[number]
        start = i // len(episodes) * config.context_frames % max(1, info.length - config.context_frames + 1)
        frames = store.read(info, start, start + config.context_frames).frames
        with torch.inference_mode():
            codes.append(vqvae.encode(to_float(frames.to(vqvae.device))).cpu())
        needed = torch.arange(config.context_frames - 1 + config.frames) + int(firsts[number]) + start
        actions.append(everything[needed % len(everything)])
    return torch.stack(codes), torch.stack(actions)


@torch.inference_mode()
def roll_out(
    predictor: Predictor,
    codes: Int64[Tensor, "b t y x"],
    actions: Shaped[Tensor, "b s a"],
    sampling: Sampling,
    seed: int,
) -> Int64[Tensor, "b n y x"]:
    """Roll out all contexts at once, for as many frames as there are actions after them."""
    context, device = codes.shape[1], predictor.codebook.device
    before = actions[:, : context - 1].to(device)
    session = Session(predictor, codes.to(device), before, sampling, [seed + i for i in range(len(codes))])
    found = []
    with progress(actions.shape[1] - context + 1, "long rollouts", "frame") as bar:
        for action in actions[:, context - 1 :].unbind(1):
            found.append(session.step(action.to(device)).cpu())
            bar.update(1)
    return torch.stack(found, dim=1)


@torch.inference_mode()
def real_codes(vqvae: VQVAE, store: EpisodeStore, split: str) -> list[Int64[Tensor, "_ y x"]]:
    """Codes of every episode of a split."""
    episodes, found = store.split(split), []
    with progress(len(episodes), "real episodes", "episode") as bar:
        for info in episodes:
            parts = store.read(info).frames.split(100)
            found.append(torch.cat([vqvae.encode(to_float(part.to(vqvae.device))).cpu() for part in parts]))
            bar.update(1)
    return found


def strips(vqvae: VQVAE, codes: Int64[Tensor, "b n y x"]) -> np.ndarray:
    """Some rollouts, time from left to right."""
    shown = np.unique(np.geomspace(1, codes.shape[1], 14).astype(int)) - 1
    frames = decode_codes(vqvae, codes[:SHOWN, shown].to(vqvae.device)).cpu().numpy()
    rows = [(f"rollout {i + 1}", list(row)) for i, row in enumerate(frames)]
    return labelled_rows([f"+{t + 1}" for t in shown], rows, scale_to(72, frames[0, 0]))
