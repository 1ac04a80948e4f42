"""``videovq rollout``: a request from the command line -> GIF, MP4 or WebM, PNG strip and npz."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped, UInt8
from torch import Tensor

from videovq.config import RolloutConfig
from videovq.data.clip import Clip, read_clip
from videovq.data.codes import to_stored
from videovq.data.sidecars import DECLARABLE, refuse_declared
from videovq.data.store import read_json
from videovq.errors import UserError
from videovq.frames import psnr
from videovq.pictures import write_png
from videovq.rollout.compiled import compile_predictor
from videovq.rollout.contexts import DEFAULT_STORE, chosen_video, starting_videos
from videovq.rollout.engine import generate, to_device
from videovq.rollout.pair import Pair, load_pair, open_episodes
from videovq.rollout.render import animation, sample_titles, strip, write_gif, write_movie
from videovq.storage import atomic
from videovq.types import ActionSpec, Rollout, RolloutRequest, Sampling


def rollout(config: RolloutConfig) -> Rollout:
    """Generate one context's rollouts and write them to ``config.out`` + ``.gif .mp4 .png .npz``.

    Raises:
        UserError: the runs do not belong together, or context or actions cannot be used.
    """
    vqvae, predictor = pair = load_pair(config)
    to_device(vqvae.network, predictor.network, config.device, config.precision)
    if config.compile:
        compile_predictor(predictor.network)
    if config.guidance != 1 and (predictor.config.action_dropout == 0 or predictor.action_spec.kind == "none"):
        raise UserError("guidance: the predictor never saw frames without actions; train with action_dropout, say 0.1")
    recording = _recording(config, pair)
    spec = predictor.action_spec
    if config.actions == "each":
        requests = held(config, recording, spec)
        result = merged([generate(vqvae.network, predictor.network, one, config.decode) for one in requests])
        truth, titles, names = None, spec.choices, [""] * config.frames
    else:
        request, truth = make_request(config, recording, spec)
        result = generate(vqvae.network, predictor.network, request, config.decode)
        titles, names = sample_titles(config.samples), spec.labels(request.actions)
    out = Path(config.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    size = len(predictor.network.codebook)
    write_rollout(result, truth, titles, names, predictor.fps, size, config, out)
    return result


def held(config: RolloutConfig, recording: Clip, spec: ActionSpec) -> list[RolloutRequest]:
    """A request for every discrete action, held throughout."""
    if spec.kind != "discrete":
        raise UserError("actions: `each` needs discrete actions")
    return [make_request(replace(config, actions=str(i)), recording, spec)[0] for i in range(spec.sizes[0])]


def merged(results: list[Rollout]) -> Rollout:
    """Merge rollouts of one context into one, with the request of the first."""
    frames = [result.frames for result in results if result.frames is not None]
    codes = torch.cat([result.codes for result in results])
    return replace(results[0], codes=codes, frames=torch.cat(frames) if frames else None)


def make_request(
    config: RolloutConfig, recording: Clip, spec: ActionSpec
) -> tuple[RolloutRequest, UInt8[Tensor, "n h w c"] | None]:
    """The request, and the true frames where they follow from the recorded actions and were all recorded."""
    first, last = config.start, config.start + config.context_frames
    if first < 0 or last > len(recording.frames):
        raise UserError(
            f"start: {recording.name} has {len(recording.frames)} frames, too few for context {first} to {last - 1}"
        )
    context_actions, truth = recording.actions[first : last - 1], recording.frames[last : last + config.frames]
    if spec.kind == "none":
        if config.actions != "recorded" or config.context_actions:
            wrong = "context_actions" if config.context_actions else "actions"
            raise UserError(f"{wrong}: this model was trained on videos without actions; leave it out")
        actions = context_actions.new_empty((config.frames, 0))
        return _request(config, recording, context_actions, actions), truth if len(truth) == config.frames else None
    if config.context_actions:
        context_actions = parse_actions(config.context_actions, spec, config.context_frames - 1, "context_actions")
    elif len(context_actions) < config.context_frames - 1:
        raise UserError(f"context_actions: {recording.name} comes without actions; say which led from frame to frame")
    if config.actions != "recorded":
        actions = parse_actions(config.actions, spec, config.frames, "actions")
        return _request(config, recording, context_actions, actions), None
    actions = recording.actions[last - 1 : last - 1 + config.frames]
    if len(actions) < config.frames or len(truth) < config.frames:
        raise UserError(
            f"frames: {recording.name} records only {min(len(actions), len(truth))} frames after the context;"
            " ask for fewer, or name the actions"
        )
    return _request(config, recording, context_actions, actions), truth


def _request(
    config: RolloutConfig, recording: Clip, context_actions: Shaped[Tensor, "t a"], actions: Shaped[Tensor, "n a"]
) -> RolloutRequest:
    context = recording.frames[config.start : config.start + config.context_frames]
    sampling = Sampling(config.temperature, config.top_k, config.top_p, config.guidance, config.sampler)
    return RolloutRequest(context, context_actions, actions, config.samples, sampling, config.seed)


def parse_actions(text: str, spec: ActionSpec, count: int, where: str) -> Shaped[Tensor, "n a"]:
    """Actions that a user typed: one held throughout, a list with commas, or a JSON file with a list."""
    if text.endswith(".json"):
        values = read_json(Path(text))
        where = text
        if not isinstance(values, list):
            raise UserError(f"{text}: must hold a list of actions")
        values = spec.numbered(values, where)
    else:
        values = [spec.parse(word.strip(), where) for word in text.split(",")]
        if len(values) == 1:
            values = values * count
    if len(values) != count:
        raise UserError(f"{where}: {len(values)} actions, but {count} are needed")
    return spec.tensor(values, where)


def write_rollout(
    result: Rollout,
    truth: UInt8[Tensor, "n h w c"] | None,
    titles: list[str],
    names: list[str],
    fps: float,
    codebook_size: int,
    config: RolloutConfig,
    out: Path,
) -> None:
    """Write every output file and print their names."""
    request = result.request
    write_arrays(out.with_name(out.name + ".npz"), result, titles, codebook_size)
    written = [".npz"]
    if result.frames is not None:
        real = None if truth is None else truth.numpy()
        pictures = animation(result, real, names, titles, config.scale)
        write_gif(out.with_name(out.name + ".gif"), pictures, config.speed * min(fps, 10), config.loops)
        movies = [".mp4", *([".webm"] if config.webm else [])]
        for ending in movies:
            write_movie(out.with_name(out.name + ending), pictures, config.speed * fps)
        write_png(out.with_name(out.name + ".png"), strip(result, real, names, titles, max(1, config.scale - 1)))
        written = [".gif", *movies, ".png", *written]
        if truth is not None:
            copied = request.context[-1:].expand_as(truth)
            print(
                "PSNR (dB) by horizon: prediction "
                + _row(psnr(result.frames, truth.expand_as(result.frames)).mean(dim=0))
            )
            print("                       copy last  " + _row(psnr(copied, truth)))
    rollouts, frames = result.codes.shape[:2]
    print(f"wrote {out}{{{','.join(written)}}}: {rollouts} x {frames} frames, predicted as codes")


def write_arrays(path: Path, result: Rollout, titles: list[str], codebook_size: int) -> None:
    """Write the codes, the frames, and the request as an npz."""
    request = result.request
    arrays: dict[str, Any] = {
        "codes": to_stored(result.codes, codebook_size).numpy(),
        "context_codes": to_stored(result.context_codes, codebook_size).numpy(),
        "context_actions": request.context_actions.numpy(),
        "actions": request.actions.numpy(),
        "settings": np.array(json.dumps({"seed": request.seed, **asdict(request.sampling)})),
        "titles": np.array(titles),
    }
    if result.frames is not None:
        arrays["frames"] = result.frames.numpy()
    with atomic(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _row(values: Tensor) -> str:
    return " ".join(f"{v:5.1f}" for v in values.tolist())


def _recording(config: RolloutConfig, pair: Pair) -> Clip:
    mine = [Path(config.from_video)] if config.from_video else []
    videos = mine or starting_videos(config.context, config.pretrained)
    needed = config.start + config.context_frames + (config.frames if config.actions == "recorded" else 0)
    if videos:
        video, size, spec = chosen_video(videos, config.episode), pair.vqvae.frame_size, pair.predictor.action_spec
        return read_clip(video, size, spec, max(1, needed), config.declare)
    folder = config.context or DEFAULT_STORE
    refuse_declared(config.declare, DECLARABLE, f"{folder} is no video")
    store = open_episodes(folder, pair)
    if config.episode:
        info = store.find(config.episode)
    else:  # where none is long enough, the first: the error names it
        episodes = store.split(config.split)
        info = next((info for info in episodes if info.length >= needed), episodes[0])
    episode = store.read(info)
    return Clip(episode.frames, episode.actions, info.id)
