"""Where Minari keeps an episode's arrays: in an HDF5 file with all episodes, or an Arrow or Parquet file of its own."""

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
    """An episode.

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
    def actions(self) -> Shaped[np.ndarray, "t ..."]:
        """One between every two observations.

        Raises:
            UserError: the file is broken.
        """

    @abstractmethod
    def steps(self, name: str) -> Shaped[np.ndarray, "t"]:
        """``rewards`` or ``terminations``, one for each action.

        Raises:
            UserError: the file is broken.
        """

    @abstractmethod
    def count(self) -> int:
        """Number of observations."""

    @abstractmethod
    def frames(self) -> Iterator[UInt8[Tensor, "n h w c"]]:
        """The pictures, one an observation. Minari keeps them as JPEG, or as they are.

        Raises:
            UserError: the file is broken.
        """


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

    def actions(self) -> Shaped[np.ndarray, "t ..."]:
        with opened(self.path) as file:
            return np.asarray(self._dataset(file, f"episode_{self.number}/actions"))

    def steps(self, name: str) -> Shaped[np.ndarray, "t"]:
        with opened(self.path) as file:
            return np.asarray(self._dataset(file, f"episode_{self.number}/{name}"))

    def count(self) -> int:
        with opened(self.path) as file:
            return len(file[self._pictures])

    def frames(self) -> Iterator[UInt8[Tensor, "n h w c"]]:
        with opened(self.path) as file:
            stored = self._dataset(file, self._pictures)
            if pictured(stored):
                yield from decoded((bytes(one) for one in stored), self.colours, self.where)
                return
            for first in range(0, len(stored), PIECE):
                yield as_frames(stored[first : first + PIECE], self.colours, self.where)

    def _dataset(self, file: Any, name: str) -> Any:
        found = file[name]
        refuse_missing_sources(found, self.path)
        return found

    @property
    def _pictures(self) -> str:
        return "/".join(filter(None, (f"episode_{self.number}/observations", self.name)))


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

    def actions(self) -> Shaped[np.ndarray, "t ..."]:
        return np.asarray(self._column("actions").to_pylist()[:-1])

    def steps(self, name: str) -> Shaped[np.ndarray, "t"]:
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
