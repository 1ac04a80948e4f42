"""The Minecraft recordings of OpenAI's contractors, for VPT (Baker et al. 2022, arXiv 2206.11795).

An episode is ``NAME.mp4`` with ``NAME.jsonl``, 20 frames a second, one JSON object a frame. An action is 25 numbers:
the buttons of ``BUTTONS``, 0 or 1 each, then the mouse sideways (dx) and downwards (dy), in one of 11 steps each, 5
where it rests. The steps are VPT's own (``agent.py``, ``lib/actions.py``): 360 / 2400 degrees a unit of the mouse,
at most 10 degrees, mu-law encoded with mu = 10, in steps of 2.

Alignment: line t holds what the player did on seeing frame t (VPT's ``data_loader.py`` pairs them so, to clone the
behaviour): action t is taken after frame t. Some videos have one frame more than there are lines: nothing is known
of the action after it, and it is left out. Any other difference is refused.

What to beware of, all as in ``data_loader.py``: in some recordings the attack button hangs from the start, until it
is pressed; up to there it counts as released. The mouse wheel is not recorded: where the slot in hand changes, its
key counts as pressed. In menus (``isGuiOpen``) the mouse moves a pointer that the video does not show. VPT leaves
out frames without any action; here they stay, since time would leap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from videovq.data.text import json_lines
from videovq.data.video import video_pieces
from videovq.errors import UserError
from videovq.prep.sources.contract import Entry, RawEpisode
from videovq.prep.sources.videos import VideosReader
from videovq.types import ActionSpec

MOUSE_BUTTONS = ("attack", "use", "pickItem")
KEYBOARD = {
    "w": "forward", "s": "back", "a": "left", "d": "right", "space": "jump", "left.shift": "sneak",
    "left.control": "sprint", "e": "inventory", "q": "drop", "f": "swapHands", "escape": "ESC",
    **{str(slot): f"hotbar.{slot}" for slot in range(1, 10)},
}  # fmt: skip
BUTTONS = (*MOUSE_BUTTONS, *KEYBOARD.values())
STEPS = 11
SPEC = ActionSpec("multi_discrete", (2,) * len(BUTTONS) + (STEPS, STEPS))
FPS = 20.0


class VPTReader(VideosReader):
    """See the module's docstring."""

    sidecars = (".jsonl",)
    may_lack_actions = False
    declarable = ()

    @classmethod
    def recognises(cls, folder: Path, files: Sequence[Path]) -> bool:
        there = set(files)
        for path in files:
            if path.suffix == ".jsonl" and path.with_suffix(".mp4") in there:
                try:
                    _, line = next(json_lines(path), (0, None))
                except ValueError:
                    return False
                return isinstance(line, dict) and {"mouse", "keyboard", "isGuiOpen"} <= set(line)
        return False

    def _read(self, entry: Entry) -> RawEpisode:
        video, sidecar = entry.files
        lines = [line for _, line in json_lines(sidecar)]
        actions = _actions(lines, str(sidecar))
        return RawEpisode(lambda: _frames(video, len(lines)), actions, SPEC, FPS)


def camera_step(moved: float) -> int:
    """The step, 0 to 10, of a movement of the mouse."""
    part = min(abs(moved) * 360 / 2400, 10) / 10
    return round(5 + np.sign(moved) * 5 * np.log1p(10 * part) / np.log1p(10))


def _actions(lines: list[Any], where: str) -> Int64[Tensor, "t a"]:
    rows, slot, stuck = [], None, False
    for t, line in enumerate(lines):
        try:
            mouse, keys = line["mouse"], line["keyboard"]["keys"]
            pressed = {KEYBOARD.get(key.removeprefix("key.keyboard.")) for key in keys}
            pressed |= {name for number, name in enumerate(MOUSE_BUTTONS) if number in mouse["buttons"]}
            stuck = mouse["newButtons"] == [0] if t == 0 else stuck and 0 not in mouse["newButtons"]
            if stuck:
                pressed.discard("attack")
            if slot not in (None, line["hotbar"]):
                pressed.add(f"hotbar.{line['hotbar'] + 1}")
            slot = line["hotbar"]
            camera = (camera_step(mouse[axis]) for axis in ("dx", "dy"))
            rows.append([*(int(name in pressed) for name in BUTTONS), *camera])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{where}: line {t + 1} is none of VPT's ({type(error).__name__}: {error})") from None
    return torch.tensor(rows, dtype=torch.int64).reshape(len(rows), SPEC.width)


def _frames(video: Path, lines: int) -> Iterator[UInt8[Tensor, "n h w c"]]:
    """The frames, without the last where there is one frame more than there are lines."""
    count, held = 0, None
    for piece in video_pieces(video):
        if held is not None:
            yield held
        held, count = piece, count + len(piece)
    if held is not None:
        yield held[: len(held) - (count == lines + 1)]
