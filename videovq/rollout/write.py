"""``videovq rollout``: a request from the command line -> GIF, MP4, PNG strip and npz."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped, UInt8
from torch import Tensor

from videovq.checkpoints import (
    TrainedPredictor,
    load_predictor,
    load_vqvae,
    predictor_run,
    pretrained_example,
    vqvae_run,
)
from videovq.config import RolloutConfig
from videovq.data.resize import centre_resize
from videovq.data.store import EpisodeStore, read_json
from videovq.data.video import read_video
from videovq.frames import psnr
from videovq.pictures import write_png
from videovq.rollout.compiled import compile_predictor
from videovq.rollout.engine import check_pair, generate, place
from videovq.rollout.render import animation, strip, write_gif, write_mp4
from videovq.types import ActionSpec, Rollout, RolloutRequest, Sampling

DEFAULT_STORE = "stores/episodes"


@dataclass(frozen=True)
class Recording:
    """Frames with the actions that are known between them (none, or fewer than the frames)."""

    frames: UInt8[Tensor, "t h w c"]
    actions: Shaped[Tensor, "s a"]
    name: str


def rollout(config: RolloutConfig) -> Rollout:
    """Generate one context's rollouts and write them to ``config.out`` + ``.gif .mp4 .png .npz``.

    Raises:
        ValueError: the runs do not belong together, or context or actions cannot be used.
    """
    if config.frames < 1 or config.context_frames < 1 or config.scale < 1:
        raise ValueError("frames, context_frames and scale: must be at least 1")
    predictor = load_predictor(predictor_run(config.predictor, config.pretrained))
    vqvae = load_vqvae(vqvae_run(config.vqvae, config.pretrained))
    check_pair(vqvae, predictor)
    place(vqvae.network, predictor.network, config.device, config.precision)
    if config.compile:
        compile_predictor(predictor.network)
    if config.guidance != 1 and (predictor.config.action_dropout == 0 or predictor.action_spec.kind == "none"):
        raise ValueError("guidance: the predictor never saw frames without actions; train with action_dropout, say 0.1")
    recording = _recording(config, vqvae.frame_size, predictor.action_spec)
    request, truth = make_request(config, recording, predictor.action_spec)
    result = generate(vqvae.network, predictor.network, request, config.decode)
    out = Path(config.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_rollout(result, truth, predictor, config, out)
    return result


def make_request(
    config: RolloutConfig, recording: Recording, spec: ActionSpec
) -> tuple[RolloutRequest, UInt8[Tensor, "n h w c"] | None]:
    """The request, and the frames that really followed where the recorded actions are used."""
    first, last = config.start, config.start + config.context_frames
    if first < 0 or last > len(recording.frames):
        raise ValueError(
            f"start: {recording.name} has {len(recording.frames)} frames, too few for context {first} to {last - 1}"
        )
    given = recording.actions[first : last - 1]
    if config.context_actions:
        given = parse_actions(config.context_actions, spec, config.context_frames - 1, "context_actions")
    elif len(given) < config.context_frames - 1:
        raise ValueError(f"context_actions: {recording.name} comes without actions; say which led from frame to frame")
    truth = None
    if config.actions == "recorded":
        actions = recording.actions[last - 1 : last - 1 + config.frames]
        truth = recording.frames[last : last + config.frames]
        if len(actions) < config.frames or len(truth) < config.frames:
            raise ValueError(
                f"frames: {recording.name} records only {min(len(actions), len(truth))} frames after the context;"
                " ask for fewer, or name the actions"
            )
    else:
        actions = parse_actions(config.actions, spec, config.frames, "actions")
    sampling = Sampling(config.temperature, config.top_k, config.top_p, config.guidance, config.sampler)
    request = RolloutRequest(recording.frames[first:last], given, actions, config.samples, sampling, config.seed)
    return request, truth


def parse_actions(text: str, spec: ActionSpec, count: int, where: str) -> Shaped[Tensor, "n a"]:
    """Actions that a user typed: one held throughout, a list with commas, or a JSON file with a list."""
    if text.endswith(".json"):
        values = read_json(Path(text))
        where = text
        if not isinstance(values, list):
            raise ValueError(f"{text}: must hold a list of actions")
        values = [spec.parse(v, where) if isinstance(v, str) else v for v in values]
    elif spec.kind == "none":
        values = [[]] * count
    else:
        values = [spec.parse(word.strip(), where) for word in text.split(",")]
        if len(values) == 1:
            values = values * count
    if len(values) != count:
        raise ValueError(f"{where}: {len(values)} actions, but {count} are needed")
    return spec.tensor(values, where)


def write_rollout(
    result: Rollout,
    truth: UInt8[Tensor, "n h w c"] | None,
    predictor: TrainedPredictor,
    config: RolloutConfig,
    out: Path,
) -> None:
    """Write every product and say where it is."""
    request = result.request
    arrays: dict[str, Any] = {
        "codes": result.codes.numpy().astype(np.int16),
        "context_codes": result.context_codes.numpy().astype(np.int16),
        "context_actions": request.context_actions.numpy(),
        "actions": request.actions.numpy(),
        "settings": np.array(json.dumps({"seed": request.seed, **asdict(request.sampling)})),
    }
    if result.frames is not None:
        arrays["frames"] = result.frames.numpy()
    partial = out.with_name(f".{out.name}.partial.npz")
    np.savez_compressed(partial, **arrays)
    partial.replace(out.with_name(out.name + ".npz"))
    written = [".npz"]
    if result.frames is not None:
        names = action_names(request.actions, predictor.action_spec)
        real = None if truth is None else truth.numpy()
        pictures = animation(result, real, names, config.scale)
        write_gif(out.with_name(out.name + ".gif"), pictures, min(predictor.fps, 10))
        write_mp4(out.with_name(out.name + ".mp4"), pictures, predictor.fps)
        write_png(out.with_name(out.name + ".png"), strip(result, real, names, max(1, config.scale - 1)))
        written = [".gif", ".mp4", ".png", *written]
        if truth is not None:
            copied = request.context[-1:].expand_as(truth)
            print(
                "PSNR (dB) by horizon: prediction "
                + _row(psnr(result.frames, truth.expand_as(result.frames)).mean(dim=0))
            )
            print("                       copy last  " + _row(psnr(copied, truth)))
    print(f"wrote {out}{{{','.join(written)}}}: {request.samples} x {len(request.actions)} frames, predicted as codes")


def action_names(actions: Shaped[Tensor, "n a"], spec: ActionSpec) -> list[str]:
    """What to call actions in a picture."""
    if spec.kind == "discrete" and spec.names:
        return [spec.names[int(a)] for a in actions[:, 0]]
    return [" ".join(f"{v:g}" for v in row) for row in actions.tolist()]


def _row(values: Tensor) -> str:
    return " ".join(f"{v:5.1f}" for v in values.tolist())


def _recording(config: RolloutConfig, size: tuple[int, int], spec: ActionSpec) -> Recording:
    example = pretrained_example(config.pretrained) if config.pretrained else None
    path = Path(config.context) if config.context else example or Path(DEFAULT_STORE)
    if path.is_file():
        return _video(path, size, spec)
    store = EpisodeStore(path)
    if store.header.action_spec != spec:
        raise ValueError(f"{path}: its actions differ from those the predictor was trained on")
    if store.header.grid != size:
        raise ValueError(f"{path}: its frames are {store.header.grid}, but the VQ-VAE was trained on {size}")
    info = store.find(config.episode) if config.episode else store.split(config.split)[0]
    episode = store.read(info)
    return Recording(episode.frames, episode.actions, info.id)


def _video(path: Path, size: tuple[int, int], spec: ActionSpec) -> Recording:
    frames = centre_resize(read_video(path), size[0], str(path))
    sidecar = path.with_suffix(".json")
    actions = torch.empty((0, spec.width), dtype=spec.dtype)
    if sidecar.is_file():
        value = read_json(sidecar)
        if not isinstance(value, dict) or not isinstance(value.get("actions"), list):
            raise ValueError(f"{sidecar}: needs a list `actions`")
        actions = spec.tensor(value["actions"], str(sidecar))
    return Recording(frames, actions, str(path))
