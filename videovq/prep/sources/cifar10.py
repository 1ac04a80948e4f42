"""CIFAR-10 as torchvision keeps it, in ``cifar-10-batches-py``; up to 500 pictures of a class make an episode.

torchvision compares every file with its published checksum before it opens it: nobody else's pickles are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torchvision.datasets import CIFAR10

from videovq.data.listing import refuse_pointers
from videovq.errors import UserError
from videovq.prep.sources.contract import Entry, RawEpisode, Reader, unordered_pictures

TOGETHER = 500  # pictures in an episode


class CIFAR10Reader(Reader):
    """See the module's docstring."""

    alignment = "pictures without actions"
    declarable = ()
    index = ("",)  # torchvision wants every file

    @classmethod
    def recognises(cls, folder: Path, files: Sequence[Path]) -> bool:
        return any(path.parent == folder / CIFAR10.base_folder for path in files)

    def find(self, folder: Path, without: Path) -> dict[str, Entry]:
        files, found = _files(folder), {}
        for split in ("train", "test"):
            for name, chosen in _load(folder, split, _stamps(folder)).items():
                for number in range(-(-len(chosen) // TOGETHER)):
                    key = f"{split}/{name}/{number:03d}"
                    found[key] = Entry(files[0], files, key, name, "test" if split == "test" else "")
        return found

    def _read(self, entry: Entry) -> RawEpisode:
        folder, (split, name, number) = entry.path.parents[1], entry.key.split("/")
        first = int(number) * TOGETHER
        pictures = _load(folder, split, _stamps(folder))[name][first : first + TOGETHER]
        return unordered_pictures(lambda: iter([torch.from_numpy(pictures)]), len(pictures))


def _files(folder: Path) -> tuple[Path, ...]:
    names = [name for name, _ in (*CIFAR10.train_list, *CIFAR10.test_list)]
    return tuple(folder / CIFAR10.base_folder / name for name in [*names, CIFAR10.meta["filename"]])


def _stamps(folder: Path) -> tuple[int, ...]:
    return tuple(path.stat().st_mtime_ns for path in _files(folder) if path.is_file())


@lru_cache(maxsize=2)
def _load(folder: Path, split: str, stamps: tuple[int, ...]) -> dict[str, np.ndarray]:
    """The pictures of every class, uint8 ``n h w c``; ``stamps``: of the files, so that changed ones are read again."""
    try:
        data = CIFAR10(str(folder), train=split == "train", download=False)
    except (RuntimeError, OSError):
        refuse_pointers(_files(folder))
        raise UserError(
            f"{folder / CIFAR10.base_folder}: is incomplete or damaged;"
            f" torchvision.datasets.CIFAR10({str(folder)!r}, download=True) fetches it"
        ) from None
    numbers = np.array(data.targets)
    return {name: data.data[numbers == i] for i, name in enumerate(data.classes)}
