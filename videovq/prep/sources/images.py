"""Folders of pictures: PNG, JPEG, WebP or BMP. Up to 100 of a folder make an episode, whose level is the folder.

Pictures follow from no action, so every one is followed by a discontinuity: they serve what learns from single frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from videovq.data.listing import folder_name
from videovq.errors import UserError
from videovq.prep.sources.contract import Entry, RawEpisode, Reader, files_that_end, split_in_path, unordered_pictures
from videovq.prep.sources.encoded import as_rgb

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
TOGETHER = 100  # pictures in an episode


class ImagesReader(Reader):
    """See the module's docstring."""

    alignment = "pictures without actions"
    declarable = ()
    index = ()

    @classmethod
    def recognises(cls, folder: Path, files: Sequence[Path]) -> bool:
        return any(path.suffix.lower() in ENDINGS for path in files)

    def find(self, folder: Path, without: Path) -> dict[str, Entry]:
        by_folder: dict[Path, list[Path]] = {}
        for path in files_that_end(folder, ENDINGS, without):
            by_folder.setdefault(path.parent, []).append(path)
        found = {}
        for parent, paths in sorted(by_folder.items()):
            for number, at in enumerate(range(0, len(paths), TOGETHER)):
                some = tuple(paths[at : at + TOGETHER])
                name = (parent.relative_to(folder) / f"{number:04d}").as_posix()
                found[name] = Entry(some[0], some, str(number), folder_name(parent), split_in_path(some[0], folder))
        return found

    def _read(self, entry: Entry) -> RawEpisode:
        return unordered_pictures(lambda: _pictures(entry.files), len(entry.files))


def _pictures(paths: Sequence[Path]) -> Iterator[UInt8[Tensor, "n h w c"]]:
    for path in paths:
        try:
            yield torch.from_numpy(as_rgb(path, FORMATS))[None]
        except ValueError as error:
            raise UserError(f"{path}: cannot be read as a picture ({error})") from None
