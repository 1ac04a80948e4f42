"""The CS:GO data set of Pearce and Zhu (2021, arXiv 2104.04258): ``hdf5_dm_july2021_1.hdf5``, ...

DIAMOND (Alonso et al. 2024, arXiv 2405.12399) is trained on it too. A file is an episode of 1,000 frames at 16 a
second. Of frame i it holds, each in a dataset of its own, ``frame_i_x``: the picture, uint8 150 x 280 x 3, **BGR**;
``frame_i_y``: 51 numbers, the action; ``frame_i_helperarr``: whether the player killed, and died; ``frame_i_xaux``:
not read. The action (``config.py`` of the authors' code) is 11 keys and 2 mouse buttons, 0 or 1 each, then the
mouse: one of 23 steps sideways and one of 15 up or down, 1 where it moved so. It becomes 15 numbers: the 13, and the
index of each step; 11 and 7 are a mouse that rests.

Alignment: the recorder grabs picture i just after it read the game's state i - 1 (``dm_record_data.py``), and action
i is inferred from what changed between the states i - 1 and i (``dm_infer_actions.py``): action i is taken after
frame i.

What to beware of: the actions were inferred from positions and ammunition, so weapon keys, crouching and reloading
may be some frames early or late. Where a player dies, the view leaps to another entry, about then: a discontinuity.
Between death and respawn the actions are empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from videovq.data.video import PIECE
from videovq.errors import UserError
from videovq.prep.sources.contract import Entry, RawEpisode, Reader, files_that_end, identity, split_in_path
from videovq.prep.sources.hdf5 import ENDINGS, dataset, first_hdf5, open_hdf5
from videovq.prep.sources.pixels import as_frames
from videovq.types import ActionSpec

KEYS = ("w", "a", "s", "d", "space", "ctrl", "shift", "1", "2", "3", "r", "left button", "right button")
MOUSE_X = (-1000, -500, -300, -200, -100, -60, -30, -20, -10, -4, -2, 0, 2, 4, 10, 20, 30, 60, 100, 200, 300, 500, 1000)
MOUSE_Y = (-200, -100, -50, -20, -10, -4, -2, 0, 2, 4, 10, 20, 50, 100, 200)
SPEC = ActionSpec("multi_discrete", (2,) * len(KEYS) + (len(MOUSE_X), len(MOUSE_Y)))
FPS = 16.0


class CSGOReader(Reader):
    """See the module's docstring."""

    declarable = ()

    @classmethod
    def recognises(cls, folder: Path, files: Sequence[Path]) -> bool:
        path = first_hdf5(files)
        if path is None:
            return False
        try:
            with open_hdf5(path) as file:
                return "frame_0_x" in file and "frame_0_y" in file
        except ValueError:
            return False

    def find(self, folder: Path, without: Path) -> dict[str, Entry]:
        return {
            # hdf5_dm_july2021_expert_12: the twelfth of dm_july2021_expert
            identity(path, folder): Entry(
                path,
                (path,),
                level=re.sub(r"^hdf5_|_\d+$", "", path.stem),
                split=split_in_path(path, folder),
            )
            for path in files_that_end(folder, ENDINGS, without)
        }

    def _read(self, entry: Entry) -> RawEpisode:
        with open_hdf5(entry.path) as file:
            numbers = (re.fullmatch(r"frame_(\d+)_[xy]", str(name)) for name in file)  # a damaged name is bytes
            length = 1 + max((int(found[1]) for found in numbers if found), default=0)
            actions = np.stack([_numbers(file, f"frame_{t}_y", 51) for t in range(length)])
            died = [t for t in range(length) if _numbers(file, f"frame_{t}_helperarr", 2)[1] != 0]
            return RawEpisode(lambda: _frames(entry.path, length), _indices(actions), SPEC, FPS, tuple(died))


def _numbers(file: Any, name: str, size: int) -> np.ndarray:
    found = np.asarray(dataset(file, name)[...])
    if found.shape != (size,):
        raise UserError(f"{name!r} has shape {found.shape}; the format has ({size},)")
    return found


def _indices(actions: np.ndarray) -> Int64[Tensor, "t a"]:
    parts = np.split(actions, [len(KEYS), len(KEYS) + len(MOUSE_X)], axis=1)
    wrong = ~np.isin(actions, (0, 1)).all(axis=1) | (parts[1].sum(axis=1) != 1) | (parts[2].sum(axis=1) != 1)
    if wrong.any():
        t = int(wrong.argmax())
        raise UserError(f"'frame_{t}_y' is no action: zeros and ones are needed, with one step of the mouse each way")
    return torch.from_numpy(np.concatenate([parts[0], *(p.argmax(axis=1)[:, None] for p in parts[1:])], axis=1)).long()


def _frames(path: Path, length: int) -> Iterator[UInt8[Tensor, "n h w c"]]:
    with open_hdf5(path) as file:
        for start in range(0, length, PIECE):
            names = [f"frame_{t}_x" for t in range(start, min(start + PIECE, length))]
            yield as_frames(np.stack([dataset(file, name)[...] for name in names]), "bgr", repr(names[0]))
