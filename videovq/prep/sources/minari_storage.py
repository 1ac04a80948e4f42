"""Minari's storage of an episode: a group of an HDF5 file, or an Arrow or Parquet file of its own.

The package minari reads plain folders too, but whole episodes with every camera into memory, zeros (black frames) where
the source of a virtual HDF5 dataset is missing, and it brings gymnasium, typer and numpy 2. So the files are read here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Shaped, UInt8
from torch import Tensor

from videovq.data.listing import files_below
from videovq.data.video import PIECE
from videovq.errors import UserError
from videovq.packages import optional
from videovq.prep.sources.encoded import decoded
from videovq.prep.sources.hdf5 import opened, refuse_missing_sources
from videovq.prep.sources.pixels import as_frames, pictured


class Storage(ABC):
    """An episode; every method raises a UserError where its file is broken.

    Args:
        path: of its file.
        number: of the episode.
        name: of the pictures within the observation; empty: they are the observation.
        shape: of a picture, as the observation space has it.
        colours: ``bgr``: the channels are stored the other way round.
    """

    def __init__(self, path: Path, number: int, name: str, shape: tuple[int, ...], colours: str) -> None:
        self.path, self.number, self.name, self.shape, self.colours = path, number, name, shape, colours
        self.where = f"{path}: episode {number}"

    @classmethod
    @abstractmethod
    def episodes(cls, folder: Path) -> dict[int, Path]:
        """Number -> file of every episode of a dataset, broken ones too."""

    @abstractmethod
    def steps(self, name: str) -> Shaped[np.ndarray, "t ..."]:
        """``actions``, ``rewards`` or ``terminations``: one between every two observations."""

    @abstractmethod
    def count(self) -> int:
        """Number of observations."""

    @abstractmethod
    def frames(self) -> Iterator[UInt8[Tensor, "n h w c"]]:
        """The pictures, one an observation. Minari keeps them as JPEG, or as they are."""


class Hdf5(Storage):
    """``main_data.hdf5`` with a group ``episode_N`` for each."""

    FILE: ClassVar[str] = "main_data.hdf5"

    @classmethod
    def episodes(cls, folder: Path) -> dict[int, Path]:
        path = folder / cls.FILE
        try:
            with opened(path) as file:
                names = [str(name) for name in file]  # a damaged name is bytes
            numbers = (name.removeprefix("episode_") for name in names if name.startswith("episode_"))
            return {int(number): path for number in numbers if number.isdecimal()}
        except ValueError:
            return {0: path}  # reading it says what is wrong

    def steps(self, name: str) -> Shaped[np.ndarray, "t ..."]:
        with opened(self.path) as file:
            return np.asarray(self._dataset(file, name))

    def count(self) -> int:
        with opened(self.path) as file:
            return len(self._dataset(file, "observations", self.name))

    def frames(self) -> Iterator[UInt8[Tensor, "n h w c"]]:
        with opened(self.path) as file:
            stored = self._dataset(file, "observations", self.name)
            if pictured(stored):
                yield from decoded((bytes(one) for one in stored), self.colours, self.where)
                return
            for first in range(0, len(stored), PIECE):
                yield as_frames(stored[first : first + PIECE], self.colours, self.where)

    def _dataset(self, file: Any, *names: str) -> Any:
        found = file["/".join(filter(None, (f"episode_{self.number}", *names)))]
        refuse_missing_sources(found, self.path)
        return found


class Arrow(Storage):
    """``N/part-0.arrow`` or ``.parquet``; the last row has an observation, but no action."""

    ENDINGS: ClassVar[tuple[str, ...]] = (".arrow", ".parquet")

    @classmethod
    def episodes(cls, folder: Path) -> dict[int, Path]:
        found = {}
        for inner in folder.iterdir():
            if inner.name.isdecimal() and inner.is_dir():
                files = [path for path in files_below(inner) if path.suffix in cls.ENDINGS]
                found[int(inner.name)] = files[0] if files else inner / f"part-0{cls.ENDINGS[0]}"
        return found

    def steps(self, name: str) -> Shaped[np.ndarray, "t ..."]:
        return np.asarray(self._column(name).to_pylist()[:-1])

    def count(self) -> int:
        return len(self._column("observations"))

    def frames(self) -> Iterator[UInt8[Tensor, "n h w c"]]:
        stored = self._column("observations", *filter(None, self.name.split("/")))
        if str(stored.type) == "binary":
            yield from decoded((one.as_py() for one in stored), self.colours, self.where)
            return
        for first in range(0, len(stored), PIECE):
            piece = np.array(stored[first : first + PIECE].flatten())
            yield as_frames(piece.reshape(-1, *self.shape), self.colours, self.where)

    def _column(self, name: str, *fields: str) -> Any:
        dataset, pyarrow = optional("pyarrow.dataset", "parquet"), optional("pyarrow", "parquet")
        try:
            format_ = self.path.suffix.removeprefix(".")
            table = dataset.dataset(str(self.path), format=format_).to_table(columns=[name])
            found = table.column(name).combine_chunks()
            for field in fields:
                found = found.field(field)
            return found
        except (OSError, ValueError, KeyError, pyarrow.ArrowException) as error:
            raise UserError(f"{self.path}: cannot be read ({error})") from None
