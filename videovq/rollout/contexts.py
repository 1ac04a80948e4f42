"""Context frames to start rollouts from, of a store's episodes or of a video."""

from __future__ import annotations

from pathlib import Path

from videovq.config import DeclareActionsConfig
from videovq.data.clip import Clip, read_clip
from videovq.data.sidecars import DECLARABLE, refuse_declared
from videovq.errors import UserError
from videovq.rollout.pair import Pair, open_episodes
from videovq.runs import pretrained_examples
from videovq.types import EpisodeInfo

DEFAULT_STORE = "stores/episodes"
UNSEEN_FIRST = ("test", "val", "train")  # the first split with an episode that will do: scenes not seen, if possible


def contexts(
    source: str,
    pretrained: str,
    pair: Pair,
    frames: int,
    most: int,
    declared: DeclareActionsConfig = DeclareActionsConfig(),
) -> list[Clip]:
    """Clips of ``frames`` frames with the actions between them, each from another episode or part of a video.

    Args:
        source: an EpisodeStore, or a video with its actions beside it; empty: the examples that ship with
            ``pretrained``, or ``stores/episodes``.
        pretrained: name of a model that ships with videovq, or empty.
        most: number of clips at most, spread evenly.
        declared: what the file beside a video leaves open of its actions.

    Raises:
        UserError: it cannot be used, or has no clip that long.
    """
    if frames < 1:
        raise UserError("context_frames: must be at least 1")
    videos = starting_videos(source, pretrained)
    if videos:
        found = [clip for path in videos for clip in _of_video(path, pair, frames, declared)]
    else:
        refuse_declared(declared, DECLARABLE, f"{source or DEFAULT_STORE} is no video")
        found = _of_store(source or DEFAULT_STORE, pair, frames, most)
    if not found:
        where = videos[0].parent if len(videos) > 1 else source or DEFAULT_STORE
        raise UserError(f"{where}: has no {frames} frames in a row; choose fewer context_frames")
    some = min(len(found), most)
    return [found[i * len(found) // some] for i in range(some)]


def starting_videos(source: str, pretrained: str) -> list[Path]:
    """The videos that context frames come from: the one that was asked for, else the examples that ship with the model;
    none where they come from a store.
    """
    if source:
        return [Path(source)] if Path(source).is_file() else []
    return pretrained_examples(pretrained) if pretrained else []


def chosen_video(videos: list[Path], name: str) -> Path:
    """The video of that name, which has no ending; of no name: the first.

    Raises:
        UserError: none is called so.
    """
    named = {path.stem: path for path in videos}
    if name and name not in named:
        raise UserError(f"episode: no {name!r} among the recordings; choose from: {', '.join(named)}")
    return named[name] if name else videos[0]


def _of_video(path: Path, pair: Pair, frames: int, declared: DeclareActionsConfig) -> list[Clip]:
    clip = read_clip(path, pair.vqvae.frame_size, pair.predictor.action_spec, declared=declared)
    if len(clip.actions) < min(frames, len(clip.frames)) - 1:
        raise UserError(
            f"{path}: comes without the actions between its frames; put them beside it ({path.stem}.json with a list"
            f" `actions`, {path.stem}.csv with a column `action`, ...), or take context_frames 1"
        )
    last = min(len(clip.frames), len(clip.actions) + 1) - frames
    return [_cut(clip, start, frames, f"{path.stem} {start}") for start in range(0, last + 1, frames)]


def _of_store(folder: str, pair: Pair, frames: int, most: int) -> list[Clip]:
    store = open_episodes(folder, pair)
    long_enough = [(info, start) for info in store.episodes if (start := _unbroken(info, frames)) is not None]
    found = next(filter(None, ([p for p in long_enough if p[0].split == name] for name in UNSEEN_FIRST)), [])
    some = min(len(found), most)
    clips = []
    for info, start in (found[i * len(found) // some] for i in range(some)):
        episode = store.read(info, start, start + frames)
        clips.append(Clip(episode.frames.clone(), episode.actions[: frames - 1].clone(), info.id))
    return clips


def _unbroken(info: EpisodeInfo, frames: int) -> int | None:
    """Index of the first of ``frames`` consecutive frames without a discontinuity."""
    start = 0
    for t in sorted(info.discontinuities):
        if t < start + frames - 1:
            start = t + 1
    return start if start + frames <= info.length else None


def _cut(clip: Clip, start: int, frames: int, name: str) -> Clip:
    return Clip(clip.frames[start : start + frames], clip.actions[start : start + frames - 1], name)
