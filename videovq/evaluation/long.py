"""``videovq evaluate long``: do rollouts of hundreds of frames stay in the world, or fade to a colour or to noise?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from videovq import __version__
from videovq.config import EvaluateLongConfig
from videovq.data.store import EpisodeStore
from videovq.evaluation.drift import comes_back, features, measure, yardstick
from videovq.evaluation.long_page import long_page, text_table
from videovq.frames import to_float
from videovq.models.predictors.predictor import Predictor
from videovq.models.vqvae import VQVAE
from videovq.parsing import to_plain
from videovq.pictures import labelled_rows, scale_to
from videovq.progress import progress
from videovq.rollout.engine import Session, decode_codes, place
from videovq.rollout.pair import load_pair, model_name, open_episodes
from videovq.storage import write_json, write_text
from videovq.types import Sampling

SHOWN = 4  # rollouts drawn


def evaluate(config: EvaluateLongConfig) -> dict[str, Any]:
    """Write ``metrics.json`` and ``report.html`` into ``config.out``.

    Raises:
        ValueError: runs and store do not belong together, or a setting cannot be used.
    """
    vqvae, predictor = pair = load_pair(config)
    store, spec = open_episodes(config.store, pair), predictor.action_spec
    turning = spec.parse(config.turn_action, "turn_action") if config.turn_steps else 0
    place(vqvae.network, predictor.network, "auto", "32-true")
    sampling = Sampling(config.temperature, config.top_k, config.top_p)
    codes, actions = contexts(vqvae.network, store, config)
    rolled = roll(predictor.network, codes, actions, sampling, config.seed)
    real = real_codes(vqvae.network, store, config.split)
    known = features(vqvae.network, torch.cat(real))
    segments = [
        measure(vqvae.network, rolled[:, at : at + config.segment], at + 1, known)
        for at in range(0, config.frames, config.segment)
    ]
    metrics: dict[str, Any] = {
        "name": model_name(config),
        "videovq": __version__,
        "settings": to_plain(config),
        "real": vars(yardstick(vqvae.network, real)),
        "segments": [vars(one) for one in segments],
    }
    if config.turn_steps:
        held = torch.full((len(codes), config.turn_steps, 1), turning)
        given = actions[:, : config.context - 1]
        back = roll(predictor.network, codes, torch.cat([given, held], dim=1), sampling, config.seed)
        metrics["full turn"] = comes_back(vqvae.network, codes, back)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "report.html", long_page(metrics, strips(vqvae.network, rolled)))
    write_json(out / "metrics.json", metrics)
    print(text_table(metrics))
    print(f"written to {out / 'report.html'}")
    return metrics


def contexts(
    vqvae: VQVAE, store: EpisodeStore, config: EvaluateLongConfig
) -> tuple[Int64[Tensor, "b t y x"], Shaped[Tensor, "b s a"]]:
    """Contexts spread over a split, each followed by the actions recorded from there on, on through the next episodes
    for as long as a rollout lasts.
    """
    episodes = [info for info in store.split(config.split) if info.length >= config.context]
    if not episodes:
        raise ValueError(f"context: no episode of {config.split} has {config.context} frames")
    everything = torch.cat([store.read(info).actions for info in episodes])
    firsts = np.cumsum([0, *(info.length for info in episodes)])
    codes, actions = [], []
    for i in range(config.rollouts):
        number = i % len(episodes)
        info = episodes[number]
        begin = i // len(episodes) * config.context % max(1, info.length - config.context + 1)
        frames = store.read(info, begin, begin + config.context).frames
        with torch.inference_mode():
            codes.append(vqvae.encode(to_float(frames).to(vqvae.device)).cpu())
        needed = torch.arange(config.context - 1 + config.frames) + int(firsts[number]) + begin
        actions.append(everything[needed % len(everything)])
    return torch.stack(codes), torch.stack(actions)


@torch.inference_mode()
def roll(
    predictor: Predictor,
    codes: Int64[Tensor, "b t y x"],
    actions: Shaped[Tensor, "b s a"],
    sampling: Sampling,
    seed: int,
) -> Int64[Tensor, "b n y x"]:
    """Roll out all contexts at once, for as many frames as there are actions after them."""
    context, device = codes.shape[1], predictor.codebook.device
    given = actions[:, : context - 1].to(device)
    session = Session(predictor, codes.to(device), given, sampling, [seed + i for i in range(len(codes))])
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
            found.append(torch.cat([vqvae.encode(to_float(part).to(vqvae.device)).cpu() for part in parts]))
            bar.update(1)
    return found


def strips(vqvae: VQVAE, codes: Int64[Tensor, "b n y x"]) -> np.ndarray:
    """Some rollouts, time from left to right."""
    shown = np.unique(np.geomspace(1, codes.shape[1], 14).astype(int)) - 1
    frames = decode_codes(vqvae, codes[:SHOWN, shown].to(vqvae.device)).cpu().numpy()
    rows = [(f"rollout {i + 1}", list(row)) for i, row in enumerate(frames)]
    return labelled_rows([f"+{t + 1}" for t in shown], rows, scale_to(72, frames[0, 0]))
