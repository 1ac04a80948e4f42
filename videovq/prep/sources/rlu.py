"""RL Unplugged's DeepMind Lab (Gulcehre et al. 2020, arXiv 2006.13888; 2021, arXiv 2103.09575): TFRecord files.

``TASK/RUN/tfrecord-00000-of-00500``, gzipped; each record is an episode. Names, shapes and actions are those of
rl_unplugged/dmlab_r2d2.ipynb in google-deepmind/deepmind-research; the order of colours, what rewards belong to, and
that episodes end by their time only, those of tensorflow_datasets/rl_unplugged/dmlab_dataset.py in tensorflow/datasets.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from videovq.data.listing import files_below, refuse_pointers
from videovq.errors import UserError
from videovq.prep.sources.contract import Entry, RawEpisode, Reader, level_of, split_in_path, stated_rewards
from videovq.prep.sources.encoded import decoded
from videovq.prep.sources.tfrecord import Feature, RecordFile, parse_example
from videovq.types import ActionSpec

FPS = 15.0  # 60 a second, each action held for 4: 301 frames of seekavoid_arena_01's 20 seconds
COLOURS = "bgr"  # OpenCV wrote the pictures without being told that they were RGB
TASKS = (
    "explore_object_rewards_few",
    "explore_object_rewards_many",
    "rooms_select_nonmatching_object",
    "rooms_watermaze",
    "seekavoid_arena_01",
)
ACTIONS = (  # the numbers are pixels of turning a frame
    "forward",
    "backward",
    "strafe_left",
    "strafe_right",
    "look_left_10",
    "look_right_10",
    "look_left_60",
    "look_right_60",
    "look_up_10",
    "look_down_10",
    "forward+look_left_10",
    "forward+look_right_10",
    "forward+look_left_60",
    "forward+look_right_60",
    "fire",
)
PIXELS, TAKEN, LAST, REWARDS = "observations_pixels", "actions", "observations_action", "rewards"


class RLUReader(Reader):
    """See the module's docstring."""

    index = ("",)  # every file

    @classmethod
    def recognises(cls, folder: Path, files: Sequence[Path]) -> bool:
        for path in _records_in(files)[:1]:
            try:
                return {PIXELS, TAKEN, LAST} <= set(parse_example(_records(path).read(0), str(path)))
            except ValueError:
                return False
        return False

    def find(self, folder: Path, without: Path) -> dict[str, Entry]:
        if self.before:
            raise UserError("declare.actions_at: RL Unplugged keeps the action taken after a frame; leave it out")
        _records.cache_clear()  # the files may have changed since they were read
        found = {}
        for path in _records_in(files_below(folder, without)):
            refuse_pointers([path])  # how many records are in it?
            count, whole = RecordFile(path).count()
            level = next((part for part in reversed(path.parts) if part in TASKS), level_of(path))
            for number in range(count if whole else count + 1):  # reading what breaks off says so
                id_ = f"{path.relative_to(folder).as_posix()}/{number:03d}"
                found[id_] = Entry(path, (path,), str(number), level, split_in_path(path, folder))
        if not found:
            raise UserError(f"{folder}: holds no record in a file with tfrecord in its name")
        return found

    def _read(self, entry: Entry) -> RawEpisode:
        where = f"{entry.path}: episode {entry.key}"
        example = parse_example(_records(entry.path).read(int(entry.key)), where)
        pixels, taken = _feature(example, PIXELS, where), _feature(example, TAKEN, where)
        last = _feature(example, LAST, where)
        if not isinstance(pixels, list) or not len(pixels) == len(taken) == len(last) / len(ACTIONS):
            raise UserError(
                f"{where}: {len(pixels)} {PIXELS}, {len(taken)} {TAKEN} and {len(last)} numbers in {LAST};"
                f" as many of each are needed, and {len(ACTIONS)} times as many numbers"
            )
        spec = ActionSpec("discrete", (len(ACTIONS),), ACTIONS)
        actions = spec.tensor(np.asarray(taken).tolist(), where)
        one_hot = np.asarray(last, dtype=np.float32).reshape(-1, len(ACTIONS))[1:]
        wrong = (one_hot != np.eye(len(ACTIONS), dtype=np.float32)[actions[:-1, 0].numpy()]).any(axis=1)
        if wrong.any():
            raise UserError(f"{where}: {LAST} at {int(wrong.argmax()) + 1} is not the action taken before")
        colours = self.declared.colours or COLOURS
        rewards = stated_rewards(example[REWARDS], where) if REWARDS in example else None
        fps = self.declared.fps or FPS
        return RawEpisode(lambda: decoded(pixels, colours, where), actions, spec, fps, rewards=rewards)


def _records_in(files: Sequence[Path]) -> list[Path]:
    return [path for path in files if "tfrecord" in path.name]


@lru_cache(maxsize=1)
def _records(path: Path) -> RecordFile:
    """The file in use, kept open: episodes are read in order, each from where the last one ended."""
    return RecordFile(path)


def _feature(example: dict[str, Feature], name: str, where: str) -> Feature:
    if name not in example:
        raise UserError(f"{where}: has no {name!r}, only {', '.join(sorted(example))}")
    return example[name]
