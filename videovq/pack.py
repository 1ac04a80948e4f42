"""``videovq pack``: runs -> a world to share, as a folder or a .zip file."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import torch
from torch import Tensor

from videovq.cards import CARD
from videovq.config import PackConfig, PushConfig, TrainPredictorConfig, TrainVQVAEConfig
from videovq.data.clip import Clip, read_clip
from videovq.data.video import write_video
from videovq.errors import UserError
from videovq.hub import HUB
from videovq.parsing import read_config, to_yaml
from videovq.rollout.contexts import UNSEEN_FIRST
from videovq.rollout.pair import Pair, check_pair, open_episodes
from videovq.runs import (
    TrainedPredictor,
    is_finished,
    kind_of_run,
    load_predictor,
    load_vqvae,
    read_facts,
    run_kinds,
)
from videovq.shipped import WEIGHTS
from videovq.storage import atomic, read_tensors, write_json, write_tensors, write_text
from videovq.worlds import EXAMPLES, largest, world_called

KINDS: dict[str, type[Any]] = {"vqvae": TrainVQVAEConfig, "predictor": TrainPredictorConfig}
LONGEST = 60  # frames of an example


def pack(config: PackConfig) -> None:
    """Write a world: for every part its settings and weights, a card, and an example where one was asked for.

    Raises:
        UserError: a run is missing, unfinished or of another kind, runs do not belong together, or there is something
            where the world is to be.
    """
    out = Path(config.out)
    if out.is_file() or (out.is_dir() and (out.suffix == ".zip" or any(out.iterdir()))):
        raise UserError(f"out: {out} exists; choose another, or remove it")
    runs = runs_of(config)
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic(out) as partial:
        if out.suffix == ".zip":
            with tempfile.TemporaryDirectory() as folder:
                _write(Path(folder), runs, config)
                _zip(Path(folder), partial, out.stem)
        else:
            partial.mkdir()
            _write(partial, runs, config)
    print(f"{out}: {' and '.join(runs)}, {_size(out) / 1e6:.1f} MB; {CARD} in it is yours to complete")
    print(f"videovq {'play' if 'predictor' in runs else 'evaluate vqvae'} --pretrained {out}")


def vqvae_beside(run: Path, predictor: TrainedPredictor) -> Path:
    """The run of the VQ-VAE whose codes a predictor predicts, among those beside its own: the one that wrote them where
    it is there, else one with its encoder and codebook and another decoder.

    Raises:
        UserError: it is not there.
    """
    folder = run.absolute().parent
    runs = sorted(path for path in folder.iterdir() if is_finished(path) and kind_of_run(path) == "vqvae")
    fitting = {path: one for path in runs if (one := load_vqvae(path)).codes_of == predictor.vqvae}
    if not fitting:
        raise UserError(f"vqvae: the one that wrote the codes of {run} is not beside it; give its run as --vqvae")
    return min(fitting, key=lambda path: fitting[path].fingerprint != predictor.vqvae)


def runs_of(config: PackConfig | PushConfig) -> dict[str, Path]:
    """The runs of a world, by what they are in it.

    Raises:
        UserError: one is missing, unfinished or of another kind, or they do not belong together.
    """
    source = Path(config.source)
    kind = kind_of_run(source)
    if kind not in KINDS:
        what = run_kinds()[kind].what
        raise UserError(f"source: {source} is a run of {what}; give that of a predictor, or of a VQ-VAE")
    if kind == "predictor":
        predictor = load_predictor(source)
        runs = {"vqvae": Path(config.vqvae) if config.vqvae else vqvae_beside(source, predictor), "predictor": source}
        check_pair(load_vqvae(runs["vqvae"]), predictor)
        return runs
    load_vqvae(source)
    for name in ("vqvae", "examples"):
        if getattr(config, name):
            raise UserError(f"{name}: has no effect on a VQ-VAE alone; pack a predictor's run, or leave it out")
    return {"vqvae": source}


def _write(folder: Path, runs: dict[str, Path], config: PackConfig) -> None:
    write_world(folder, runs, config)
    write_text(folder / CARD, f"{card(folder, f'PATH/{Path(config.out).name}')}\n\n{TO_SAY}\n")


def write_world(folder: Path, runs: dict[str, Path], config: PackConfig | PushConfig) -> None:
    """Write the parts of a world, and its example.

    Args:
        runs: what :func:`runs_of` found.
    """
    dtype: torch.dtype = getattr(torch, config.dtype)
    of_its_own = {} if _keeps_codes(runs["vqvae"], dtype) else {"codes_of": ""}
    _write_part(folder / "vqvae", TrainVQVAEConfig, runs["vqvae"], dtype, of_its_own)
    if "predictor" in runs:
        vqvae = load_vqvae(folder / "vqvae")
        # Rounded, the VQ-VAE is another one, of which the predictor is.
        belongs = {"vqvae": vqvae.codes_of}
        _write_part(folder / "predictor", TrainPredictorConfig, runs["predictor"], dtype, belongs)
        if config.examples:
            _write_example(folder, config.examples, Pair(vqvae, load_predictor(folder / "predictor")))


def _write_part(folder: Path, kind: type[Any], run: Path, dtype: torch.dtype, facts: dict[str, Any]) -> None:
    """Settings and weights of a run, without where they were on the machine that made them.

    Args:
        kind: of the settings.
        facts: what is no longer as the run says.
    """
    folder.mkdir()
    settings = read_config(kind, run / "config.yaml")
    places = {
        name: value if value.startswith(HUB) else Path(value).name
        for name in ("store", "run", "init")
        if (value := getattr(settings, name))
    }
    write_text(folder / "config.yaml", to_yaml(replace(settings, **places)))
    facts = {**read_facts(run), **facts, "packed": str(dtype).removeprefix("torch.")}
    write_tensors(folder / WEIGHTS, _rounded(run, dtype), {"videovq": json.dumps(facts)})


def _keeps_codes(run: Path, dtype: torch.dtype) -> bool:
    """Whether a VQ-VAE's codes stay what they are: those of weights that were rounded before."""
    tensors = read_tensors(run / WEIGHTS)
    parts = [value for name, value in tensors.items() if name.startswith(("encoder.", "quantizer."))]
    return all(torch.equal(value, value.to(dtype).to(value.dtype)) for value in parts if value.is_floating_point())


def _rounded(run: Path, dtype: torch.dtype) -> dict[str, Tensor]:
    tensors = read_tensors(run / WEIGHTS)
    rounded = {name: value.to(dtype) if value.is_floating_point() else value for name, value in tensors.items()}
    large = [name for name, value in rounded.items() if not value.isfinite().all()]
    if large:
        raise UserError(f"dtype: {', '.join(large)} of {run} does not fit into float16; use bfloat16 or float32")
    return rounded


def _write_example(folder: Path, source: str, pair: Pair) -> None:
    """A short video that a rollout can begin in, its actions beside it."""
    spec, size, fps = pair.predictor.action_spec, pair.vqvae.frame_size, pair.predictor.fps
    clip = read_clip(Path(source), size, spec, LONGEST) if Path(source).is_file() else _of_store(source, pair)
    if len(clip.actions) < len(clip.frames) - 1:
        raise UserError(f"examples: {source} comes without the actions between its frames; put them beside it")
    video = folder / EXAMPLES / "example.mp4"
    video.parent.mkdir()
    write_video(video, clip.frames, fps, "lossless")
    actions: list[Any] = clip.actions[: len(clip.frames)].tolist()
    if spec.kind == "discrete":
        actions = [action for [action] in actions]
    write_json(video.with_suffix(".json"), {"actions": actions, "fps": fps, "action_spec": spec.to_json()})


def _of_store(source: str, pair: Pair) -> Clip:
    """The beginning of the episode that has most frames in a row, of those not seen in training if there are any."""
    store = open_episodes(source, pair)
    split = next(name for name in UNSEEN_FIRST if any(info.split == name for info in store.episodes))
    long = {info: min([info.length, LONGEST, *(t + 1 for t in info.discontinuities)]) for info in store.split(split)}
    info = max(long, key=lambda one: long[one])
    episode = store.read(info, 0, long[info])
    return Clip(episode.frames, episode.actions, info.id)


TO_SAY = (
    "Every setting is in the `config.yaml` beside the weights. What it was trained on, how good it is and what it"
    " cannot do is for its maker to say here: `videovq evaluate` and `evaluate vqvae` measure it."
)


def card(folder: Path, taken: str) -> str:
    """What the files of a world say of it.

    Args:
        taken: the name or path by which it will be taken.
    """
    vqvae = load_vqvae(folder / "vqvae")
    predictor = load_predictor(folder / "predictor") if is_finished(folder / "predictor") else None
    height, width = vqvae.frame_size
    size = vqvae.network.quantizer.codebook_size
    lines = [f"# World `{world_called(taken)}`", "", f"A VQ-VAE ({height}x{width} frames, {size} codes)"]
    if predictor:
        spec = predictor.action_spec
        kinds = {"none": "no actions", "discrete": f"actions {', '.join(spec.names) or spec.sizes}"}
        lines[-1] += f" and a predictor of its codes; {kinds.get(spec.kind, f'{spec.kind} actions')},"
        lines[-1] += f" {predictor.fps:g} frames a second"
    lines[-1] += f'. Use it with `--pretrained {taken}`, or `videovq.load("{taken}")`.'
    lines += ["", "| | network | weights | steps | seed | started from |", "|---|---|---|---|---|---|"]
    for part, network in (("vqvae", vqvae.network), ("predictor", predictor.network if predictor else None)):
        if network is None:
            continue
        settings, facts = read_config(KINDS[part], folder / part / "config.yaml"), read_facts(folder / part)
        init = facts.get("init")
        start = f"`{init['name']}` ({init['fingerprint'][:12]})" if init else "random weights"
        training, millions = settings.training, sum(p.numel() for p in network.parameters()) / 1e6
        lines.append(
            f"| {part} | `{type(settings.model).__name__}`, {millions:.2f} million weights | {facts['packed']} |"
            f" {training.steps:,} of {training.batch_size} | {training.seed} | {start} |"
        )
    return "\n".join(lines)


def _zip(folder: Path, path: Path, top: str) -> None:
    with ZipFile(path, "w") as packed:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if largest(name):
                small = path.suffix in (".yaml", ".json", ".md")
                packed.write(path, f"{top}/{name}", ZIP_DEFLATED if small else ZIP_STORED)


def _size(path: Path) -> int:
    return sum(one.stat().st_size for one in (path, *path.rglob("*")) if one.is_file())
