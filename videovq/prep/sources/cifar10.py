"""CIFAR-10 as torchvision keeps it, in ``cifar-10-batches-py``; 500 pictures of a class are an episode."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torchvision.datasets import CIFAR10

from videovq.prep.sources.contract import Place, RawEpisode, Reader
from videovq.types import ActionSpec

TOGETHER = 500


class CIFAR10Reader(Reader):
    """See the module's docstring."""

    alignment = "pictures without actions"
    declarable = ()
    index = ("",)  # torchvision wants every file

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        return (folder / CIFAR10.base_folder).is_dir()

    def find(self, folder: Path, without: Path) -> dict[str, Place]:
        found = {}
        for split in ("train", "test"):
            files = tuple(sorted((folder / CIFAR10.base_folder).iterdir()))
            for name, chosen in _load(folder, split).items():
                for number in range(-(-len(chosen) // TOGETHER)):
                    key = f"{split}/{name}/{number:03d}"
                    found[key] = Place(files[0], files, key, name, "test" if split == "test" else "")
        return found

    def read(self, place: Place) -> RawEpisode:
        split, name, number = place.key.split("/")
        chosen = _load(place.path.parents[1], split)[name][int(number) * TOGETHER : (int(number) + 1) * TOGETHER]
        spec, frames = ActionSpec("none"), torch.from_numpy(chosen)
        return RawEpisode(
            lambda: iter([frames]), spec.tensor([[]] * len(chosen), ""), spec, 1.0, tuple(range(len(chosen) - 1))
        )


@lru_cache(maxsize=2)
def _load(folder: Path, split: str) -> dict[str, np.ndarray]:
    """The pictures of every class."""
    try:
        data = CIFAR10(str(folder), train=split == "train", download=False)
    except (RuntimeError, OSError) as error:
        raise ValueError(f"{folder}: torchvision does not find CIFAR-10 there ({error})") from None
    numbers = np.array(data.targets)
    return {name: data.data[numbers == i] for i, name in enumerate(data.classes)}
