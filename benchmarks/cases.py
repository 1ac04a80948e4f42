"""Everything that videovq trains and draws, at a tiny size, as commands with the YAML files that they take.

A case is called as the folder that it writes. Where its settings name another case's folder, it needs that one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

STEPS, LONGER = 20, 24  # of every training, and of that which goes on
SIDE, FRAMES = 24, 16  # pixels of a frame's sides, frames of an episode
OF_WORLDS = {  # the actions of the worlds that ship, whose frames are larger
    "dmlab-small": ["noop", "forward", "backward", "strafe_left", "strafe_right", "look_left", "look_right",
                    "forward+look_left", "forward+look_right"],
    "vizdoom": ["noop", "turn_left", "turn_right", "move_forward", "move_left", "move_right", "move_forward+turn_left",
                "move_forward+turn_right"],
}  # fmt: skip
NAMES = ["stay", "left", "right"]


class Case(NamedTuple):
    """``videovq COMMAND --config FILE`` with the settings in the file."""

    command: str
    settings: dict[str, Any]


def kind(name: str, **settings: Any) -> dict[str, Any]:
    """A class that is chosen, as YAML files have always named it."""
    return {"class_path": f"videovq.config.{name}", "init_args": settings}


# ---------------------------------------------------------------- what is trained

EMA = {"codebook_size": 32, "commitment": 0.25, "restart_below": 0.02}
QUANTIZERS = {
    "ema": kind("EMAConfig", **EMA),
    "ema-late-and-far": kind("EMAConfig", codebook_size=32, start_after=5, restart_below=0.5, restart_at="far"),
    "codebook-loss": kind("CodebookLossConfig", **EMA),
    "cosine": kind("CosineConfig", **EMA),
    "fsq": kind("FSQConfig", levels=[4, 4, 3]),
    "lfq": kind("LFQConfig", codebook_size=32),
    "rotation": kind("RotationConfig", codebook_size=32),
    "residual": kind("ResidualConfig", codebook_size=8, layers=2),
}
FEW = kind("EMAConfig", codebook_size=8, commitment=0.25, restart_below=0.02)
LOOKUPS = {
    "width": 16, "embedding": 8, "history": 2, "blocks": 2, "lookups": 1, "transformer_width": 16,
    "transformer_layers": 1, "heads": 2, "window": 4,
}  # fmt: skip
PATCH = kind("PatchPredictorConfig", **LOOKUPS, decoder_blocks=1)
PREDICTORS = {
    "patch": PATCH,
    "raster": kind("RasterPredictorConfig", **LOOKUPS, decoder_layers=1),
    "pixelcnn": kind("PixelCNNPredictorConfig", width=16, embedding=8, history=2, context_blocks=1, decoder_layers=2),
}
FRAME = {"width": 16, "embedding": 8, "decoder_layers": 2}
DILATED = {"width": 16, "skip": 16, "layers": 4, "cycle": 4}
SMALL = {"hidden": 8, "residual_hidden": 4, "residual_blocks": 1, "code_dim": 4}


def training(
    command: str, model: Any, optimizer: dict[str, Any] | None = None, run: dict[str, Any] | None = None, **rest: Any
) -> Case:
    """A training of ``STEPS`` steps.

    Args:
        optimizer, run: what is special in the settings ``optimizer`` and ``training``.
    """
    steps = {"steps": STEPS, "seed": 0, "validate_every": STEPS, "checkpoint_every": STEPS}
    machine = {"batch_size": 4, "precision": "32-true", "accelerator": "cpu"}
    learning = {"learning_rate": 3e-3, "warmup_steps": 2, **(optimizer or {})}
    parts = {"model": model, "optimizer": learning, "training": {**steps, **machine, **(run or {})}}
    return Case(f"train {command}", {**parts, **rest})


def vqvae(quantizer: Any = QUANTIZERS["ema"], **rest: Any) -> Case:
    model = {"hidden": 16, "residual_hidden": 8, "code_dim": 8, "quantizer": quantizer}
    return training("vqvae", model, store="stores/discrete", **rest)


def predictor(model: Any = PATCH, codes: str = "codes/discrete", **rest: Any) -> Case:
    return training("predictor", model, store=codes, **{"window": 8, **rest})


def density(name: str, **model: Any) -> Case:
    return training("density", kind(name, **SMALL, **model), store="stores/discrete")


def prepared(source: str, **settings: Any) -> Case:
    shape = {"frame_size": SIDE, "shard_episodes": 2, "workers": 1, "format": "arrays"}
    return Case("prep", {"source": f"sources/{source}", "declare": {"fps": 15.0}, **shape, **settings})


def encoded(store: str, **settings: Any) -> Case:
    return Case("encode", {"store": store, "vqvae": "vqvae/ema", **settings})


MADE = {
    "stores/discrete": prepared("discrete", declare={"fps": 15.0, "action_names": NAMES}),
    "stores/rewarded": prepared("rewarded", declare={"fps": 15.0, "action_names": NAMES}),
    "stores/multi-discrete": prepared("multi-discrete", declare={"fps": 15.0, "action_sizes": [3, 2]}),
    "stores/continuous": prepared("continuous"),
    "stores/silent": Case("prep", {"source": "sources/silent", "frame_size": SIDE, "workers": 1}),
    **{f"stores/{name}": prepared(name, frame_size=84, declare={"fps": 15.0, "action_names": actions})
       for name, actions in OF_WORLDS.items()},
    "recordings": Case("record", {"source": kind("GymnasiumSource", env="sources.tiny_world:Corridor"), "episodes": 4,
                                  "frames": 12, "frame_size": SIDE, "lossless": True, "workers": 1}),
    "stores/recorded": Case("prep", {"source": "recordings", "frame_size": SIDE, "workers": 1}),
    "codes/imported": Case("import tokens", {"source": "sources/tokens", "actions": "pose"}),

    **{f"vqvae/{name}": vqvae(quantizer) for name, quantizer in QUANTIZERS.items()},
    "vqvae/l1-and-ssim": vqvae(loss={"pixels": "l1", "ssim": 0.5}),
    "vqvae/adversarial": vqvae(loss={"adversarial": 0.5, "adversarial_after": 5, "discriminator_width": 8}),
    "vqvae/averaged": vqvae(optimizer={"weight_average": 0.9, "weight_decay": 0.01}),
    "vqvae/muon": vqvae(optimizer={"method": "muon"}),
    "vqvae/bf16": vqvae(run={"precision": "bf16-mixed"}),
    "vqvae/from-another": vqvae(init="vqvae/ema"),
    "codes/discrete": encoded("stores/discrete"),
    "codes/mirrored": encoded("stores/discrete", mirror=True),
    "codes/rewarded": encoded("stores/rewarded"),
    "codes/multi-discrete": encoded("stores/multi-discrete"),
    "codes/continuous": encoded("stores/continuous"),
    "codes/silent": encoded("stores/silent"),
    "codes/residual": encoded("stores/discrete", vqvae="vqvae/residual"),
    **{f"codes/{name}": Case("encode", {"store": "stores/dmlab-small", "pretrained": name})
       for name in ("dmlab", "dmlab-small", "vizdoom")},

    **{f"predictor/{name}": predictor(model) for name, model in PREDICTORS.items()},
    "predictor/patch-muon": predictor(optimizer={"method": "muon", "weight_decay": 0.01}, action_dropout=0.3),
    "predictor/patch-averaged": predictor(optimizer={"weight_average": 0.9}, context_noise=0.0, targets=8),
    "predictor/patch-accumulated": predictor(run={"accumulate": 2, "recompute": True}),
    "predictor/patch-bf16": predictor(run={"precision": "bf16-mixed"}),
    "predictor/patch-from-another": predictor(init="predictor/patch"),
    "predictor/patch-mirrored": predictor(codes="codes/mirrored"),
    "predictor/patch-residual": predictor(codes="codes/residual"),
    "predictor/patch-outcomes": predictor(kind("PatchPredictorConfig", **LOOKUPS, outcome_loss=0.5), "codes/rewarded"),
    "predictor/raster-outcomes": predictor(
        kind("RasterPredictorConfig", **LOOKUPS, outcome_loss=0.5, latent_loss=0.0), "codes/rewarded"
    ),
    "predictor/patch-multi-discrete": predictor(codes="codes/multi-discrete", action_dropout=0.3),
    "predictor/patch-continuous": predictor(codes="codes/continuous", action_dropout=0.3),
    "predictor/patch-silent": predictor(codes="codes/silent"),
    "predictor/pixelcnn-imported": predictor(PREDICTORS["pixelcnn"], "codes/imported"),

    "prior/plain": training("prior", FRAME, store="codes/discrete"),
    "prior/attentive": training("prior", {**FRAME, "attention_every": 1, "heads": 2}, store="codes/discrete"),
    "second-stage": training(
        "second-stage", {"latents": 2, "code_dim": 8, "quantizer": FEW, "decoder": FRAME}, store="codes/discrete"
    ),
    "density/gaussian": density("GaussianVAEConfig"),
    "density/vimco": density("VIMCOConfig", codebook_size=4, samples=3),
    "density/quantized": density("QuantizedVAEConfig", quantizer=FEW, prior=FRAME, latents=2),
    "vqvae2": training(
        "vqvae2", {"hidden": 16, "residual_hidden": 8, "code_dim": 4, "top": QUANTIZERS["ema"], "bottom": FEW},
        store="stores/discrete",
    ),
    "codes2": Case("encode vqvae2", {"store": "stores/discrete", "vqvae2": "vqvae2"}),
    "top-prior": training("prior", {**FRAME, "attention_every": 2, "heads": 2}, store="codes2/top"),
    "bottom-prior": training("bottom-prior", FRAME, store="codes2"),
    "sounds": Case("make syllables", {"files": 4, "seconds": 0.5, "speakers": 2, "rate": 4000}),
    "sound": training(
        "sound",
        {"hidden": 8, "code_dim": 8, "context": 8, "quantizer": FEW, "decoder": {**DILATED, "hidden_part": 0.5}},
        source="sounds", rate=4000, window=256,
    ),
    "sound-prior": training("sound-prior", {**DILATED, "hidden_part": 0.3}, source="sounds", sound="sound", window=16),
}  # fmt: skip
"""What commands make of the sources: stores, codes, runs."""

# ---------------------------------------------------------------- what is drawn and measured

WAYS: dict[str, dict[str, Any]] = {
    "cached": {"samples": 2, "decode": True},
    "predictive": {"sampler": "predictive", "samples": 2},
    "uncached": {"sampler": "uncached"},
    "greedy": {"temperature": 0.0},
    "of-few": {"temperature": 0.7, "top_k": 8, "top_p": 0.9, "seed": 3},
    "half": {"precision": "bf16"},
}


def rollout(run: str, store: str, coder: str = "vqvae/ema", **settings: Any) -> Case:
    pair = {"predictor": run, "vqvae": coder}
    return Case("rollout", {**pair, "context": store, "context_frames": 3, "frames": 6, "decode": False, **settings})


def shipped(name: str, **settings: Any) -> Case:
    """A rollout with a world that ships."""
    return Case("rollout", {"pretrained": name, "frames": 3, "decode": False, **settings})


def measured(command: str, **settings: Any) -> Case:
    return Case(f"evaluate {command}".strip(), settings)


DRAWN = {
    **{f"rollout/{name}/{way}": rollout(f"predictor/{name}", "stores/discrete", **settings)
       for name in PREDICTORS for way, settings in WAYS.items()},
    "rollout/patch/each-action": rollout("predictor/patch", "stores/discrete", actions="each"),
    "rollout/patch-muon/guided": rollout("predictor/patch-muon", "stores/discrete", guidance=2.0),
    "rollout/patch-residual": rollout("predictor/patch-residual", "stores/discrete", "vqvae/residual"),
    "rollout/patch-outcomes": rollout("predictor/patch-outcomes", "stores/rewarded"),
    "rollout/patch-multi-discrete": rollout("predictor/patch-multi-discrete", "stores/multi-discrete", guidance=2.0),
    "rollout/patch-continuous": rollout("predictor/patch-continuous", "stores/continuous", guidance=2.0),
    "rollout/patch-silent": rollout("predictor/patch-silent", "stores/silent"),
    "rollout/dmlab-small/example": shipped("dmlab-small", frames=10),
    **{f"rollout/{name}/{way}": shipped(name, context=f"stores/{name}", **WAYS[way])
       for name in OF_WORLDS for way in ("cached", "predictive", "uncached", "greedy", "of-few", "half")},
    "evaluated/vqvae": measured("vqvae", store="stores/discrete", vqvae="vqvae/ema", scale=1),
    "evaluated/dmlab": measured("vqvae", store="stores/dmlab-small", pretrained="dmlab", scale=1),
    "evaluated/predictor": measured("", store="stores/discrete", predictor="predictor/patch", vqvae="vqvae/ema",
                                    context=3, frames=4, samples=2),
    "evaluated/outcomes": measured("", store="stores/rewarded", predictor="predictor/patch-outcomes", vqvae="vqvae/ema",
                                   context=3, frames=4, following=False),
    "evaluated/long": measured("long", store="stores/discrete", predictor="predictor/patch", vqvae="vqvae/ema",
                               context=3, frames=8, segment=4, rollouts=2, mirror_steps=[2],
                               inverses={"left": "right"}),
    "evaluated/second-stage": measured("second-stage", second_stage="second-stage", vqvae="vqvae/ema",
                                       store="codes/discrete", shown=2),
    "evaluated/prior": measured("prior", prior="prior/attentive", vqvae="vqvae/ema", store="codes/discrete", samples=2,
                                guidance=2.0),
    "evaluated/density": measured("density", runs=["density/gaussian", "density/vimco", "density/quantized"],
                                  store="stores/discrete", samples=3, shown=2, scale=1),
    "evaluated/vqvae2": measured("vqvae2", vqvae2="vqvae2", top_prior="top-prior", bottom_prior="bottom-prior",
                                 one_level="vqvae/ema", one_level_prior="prior/plain", store="stores/discrete",
                                 frames=8, shown=2),
    "evaluated/sound": measured("sound", source="sounds", sound="sound", prior="sound-prior", shown=1, samples=1,
                                seconds=0.1),
    "packed": Case("pack", {"source": "predictor/patch", "vqvae": "vqvae/ema", "examples": "stores/discrete"}),
}  # fmt: skip
"""What commands make of stores and runs that are there."""


def named_in(settings: Any) -> Iterator[str]:
    """Every text in settings."""
    if isinstance(settings, str):
        yield settings
    elif isinstance(settings, (dict, list)):
        for value in settings.values() if isinstance(settings, dict) else settings:
            yield from named_in(value)


def with_needs(names: Iterable[str], cases: dict[str, Case]) -> list[str]:
    """Names of cases and of those that they need, which come first."""
    found: dict[str, None] = {}
    for name in names:
        texts = named_in(cases[name].settings)
        needed = [other for text in texts for other in cases if text == other or text.startswith(f"{other}/")]
        found |= dict.fromkeys([*with_needs((other for other in needed if other != name), cases), name])
    return list(found)


# ---------------------------------------------------------------- what it all is made of

WORLD = '''"""A corridor of coloured tiles that an agent walks along."""

import gymnasium
import numpy as np


class Corridor(gymnasium.Env):
    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}
    action_space = gymnasium.spaces.Discrete(3)
    observation_space = gymnasium.spaces.Discrete(40)
    actions = ["stay", "left", "right"]

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.tiles = 20, self.np_random.integers(0, 256, (6, 46, 3), dtype=np.uint8)
        return self.at, {}

    def step(self, action):
        self.at = int(np.clip(self.at + (0, -1, 1)[action], 0, 39))
        return self.at, 0.0, False, False, {}

    def render(self):
        return self.tiles[:, self.at : self.at + 6].repeat(4, axis=0).repeat(4, axis=1)
'''


def write_sources(folder: Path) -> None:
    """Recordings of every kind of action, from seeds: a wall of coloured tiles, seen through a window that moves."""
    sources = folder / "sources"
    sources.mkdir(parents=True)
    (sources / "tiny_world.py").write_text(WORLD, encoding="utf-8")
    for number, (split, level) in enumerate(
        (s, v) for s in ("train", "train", "val", "test") for v in ("maze", "yard")
    ):
        rng = np.random.default_rng(number)
        moves = rng.integers(0, 3, FRAMES)
        frames = _frames(rng, moves, SIDE)
        rewards, ends = (moves == 1).astype(np.float32), np.arange(FRAMES) == FRAMES - 1
        several, real = np.stack([moves, rng.integers(0, 2, FRAMES)], 1), np.stack([moves - 1.0, rng.random(FRAMES)], 1)
        for name, actions, rest in (
            ("discrete", moves, {}),
            ("rewarded", moves, {"rewards": rewards, "terminated": ends}),
            ("multi-discrete", several, {}),
            ("continuous", real.astype(np.float32), {}),
        ):
            _write(sources / f"{name}/{split}/{level}/{number}.npz", frames=frames, actions=actions, **rest)
        _film(sources / f"silent/{split}/{level}/{number}.mp4", frames)
        for name, actions in OF_WORLDS.items():
            chosen = rng.integers(0, len(actions), FRAMES)
            _write(sources / f"{name}/{split}/{level}/{number}.npz", frames=_frames(rng, moves, 84), actions=chosen)
    _write_tokens(sources / "tokens", np.random.default_rng(0))


def _frames(rng: np.random.Generator, moves: np.ndarray, side: int) -> np.ndarray:
    wall = rng.integers(0, 256, (side // 4, side, 3), dtype=np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    at = np.clip(np.cumsum(np.array([0, -4, 4])[moves]) - 4 * (moves - 1) + side, 0, 3 * side)
    return np.stack([wall[:, x : x + side] for x in at])


def _write(path: Path, **arrays: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)


def _film(path: Path, frames: np.ndarray) -> None:
    """A video without a loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264rgb", rate=15, options={"crf": "0"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "rgb24"
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode())


def _write_tokens(folder: Path, rng: np.random.Generator) -> None:
    """Twelve recordings as 1X's dumps have them."""
    count = 12 * FRAMES
    (folder / "actions").mkdir(parents=True, exist_ok=True)
    facts = {"num_images": count, "s": 6, "hz": 30, "vocab_size": 64, "token_dtype": "uint32"}
    (folder / "metadata.json").write_text(json.dumps(facts), encoding="utf-8")
    rng.integers(0, 64, (count, 36), dtype=np.uint32).tofile(folder / "video.bin")
    np.arange(12, dtype=np.int32).repeat(FRAMES).tofile(folder / "segment_ids.bin")
    rng.random((count, 2), dtype=np.float32).tofile(folder / "actions" / "pose.bin")
