"""The data of TECO (Yan et al. 2022, arXiv 2210.02396): DeepMind Lab, Minecraft and Habitat.

DeepMind Lab: ``.npz`` files with ``video`` (300, 64, 64, 3) and ``actions`` (300,), **each stored beside the frame
after which it was taken**. There are three actions (what they do is not said; Diffusion Forcing, arXiv 2407.01392,
reads three). No file says how many frames a second there are.

Minecraft and Habitat: ``NAME.mp4`` with ``NAME.npz``, which holds ``actions``, **each stored beside the frame that
it led to** (``collect.py`` of wilson1yan/collect-minecraft and collect-habitat): they are moved one frame back. 1
goes forward (in Minecraft: and jumps), 2 turns left, 3 turns right; 0 is Habitat's stop, and stands before the first
frame of Minecraft.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from videovq.config import DeclareConfig
from videovq.data.arrays import array_names
from videovq.prep.sources.arrays import ArraysReader
from videovq.prep.sources.videos import VideosReader


class TecoDMLabReader(ArraysReader):
    """DeepMind Lab; see the module's docstring."""

    frames_key = "video"

    def __init__(self, declared: DeclareConfig) -> None:
        said = declared.action_names or declared.action_sizes
        super().__init__(declared if said else replace(declared, action_sizes=[3]))


class TecoMinecraftReader(VideosReader):
    """Minecraft and Habitat; see the module's docstring."""

    actions_at = "before"
    sidecars = (".npz", ".npy")
    may_lack_actions = False

    def __init__(self, declared: DeclareConfig) -> None:
        said = declared.action_names or declared.action_sizes
        super().__init__(declared if said else replace(declared, action_names=["none", "forward", "left", "right"]))

    @classmethod
    def recognises(cls, folder: Path, files: Sequence[Path]) -> bool:
        """Only by the camera matrices that the Minecraft collector wrote: others store videos and actions too, and
        theirs may lie otherwise."""
        there = set(files)
        first = next((path for path in files if path.suffix == ".npz" and path.with_suffix(".mp4") in there), None)
        return first is not None and {"actions", "mv_matrices", "proj_matrices"} <= array_names(first)
