"""EpisodeStore and CodeStore: directories of memory-mapped shards, here, on object storage, or on the Hub.

A store is ``store.json`` and shards ``shard-00000.safetensors`` (the tensors of its episodes, end to end) +
``shard-00000.json`` (the episodes in it). Shards are written first, each complete or absent, and ``store.json`` last:
a directory without it is a store in the making. A shard has ``rewards`` where one of its episodes has them, and
``poses`` (x, y, z, pitch, yaw, roll of every frame) likewise; NaN: not known.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from jaxtyping import Float, Int64, Shaped, UInt8
from torch import Tensor

from videovq.data.codes import from_stored
from videovq.data.folders import Folder, open_folder
from videovq.data.listing import refuse_pointers
from videovq.data.spool import Spool, write_spooled
from videovq.data.text import read_text
from videovq.errors import UserError
from videovq.storage import LOCK, claim, read_tensors, write_json
from videovq.types import ActionSpec, CodeEpisode, Episode, EpisodeInfo, Outcomes

FORMAT_VERSION = 2  # 1 knew neither rewards nor ends; it is read as a store without them
READABLE = (1, FORMAT_VERSION)
SPLITS = ("train", "val", "test")
POSE = 6  # numbers in a pose


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: it is missing or broken.
    """
    try:
        return json.loads(read_text(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        refuse_pointers([path])
        raise UserError(f"{path}: not readable as JSON ({error})") from None


@contextmanager
def claimed(folder: Folder, name: str, origin: Any, what: str) -> Iterator[None]:
    """Claim a store's folder for one piece of work, as :func:`videovq.storage.claim` does; an interrupted run of that
    very work is continued.

    Args:
        name: file in the folder that keeps ``origin``.
        origin: everything that decides what will be written, as JSON.
        what: what ``origin`` is made of, for the error message.

    Raises:
        UserError: the folder holds something else, or another process is writing there.
    """
    folder.refuse_writing()
    folder.refresh()
    with claim(folder.path, str(folder), partial(_check_claim, folder, name, origin, what)):
        write_json(folder.path / name, origin)
        folder.send(name)
        yield


def _check_claim(folder: Folder, name: str, origin: Any, what: str) -> None:
    path = folder.path / name
    if path.exists():
        if read_json(path) != origin and any(folder.path.glob("shard-*.json")):  # else it is nobody's
            raise UserError(f"{folder}: was made from other {what}; choose another out, or remove it")
    elif folder.path.exists() and any(
        file.name != LOCK and not file.name.endswith(".partial") for file in folder.path.iterdir()
    ):
        raise UserError(f"{folder}: is not empty and holds no {name}; choose another out")


def shard_name(index: int) -> str:
    return f"shard-{index:05d}"


def shard_is_complete(folder: Folder, index: int) -> bool:
    """Whether a shard was written to its end: its ``.json`` is written after its tensors."""
    return (folder.path / f"{shard_name(index)}.json").is_file()


def write_shard(
    folder: Folder,
    index: int,
    tensors: Mapping[str, Tensor | Spool],
    episodes: Iterable[EpisodeInfo],
    skipped: Iterable[dict[str, str]] = (),
    sizes: Mapping[str, int] | None = None,
    device: str = "",
) -> None:
    """Write one shard.

    Args:
        tensors: the episodes' tensors joined along time.
        episodes: where each lies in it.
        skipped: ``{"source", "reason"}`` of every episode that was left out.
        sizes: how many recordings had frames of which size (``640x360``: width, height); None: not known.
        device: the kind of device that computed them, where something was computed.
    """
    name = shard_name(index)
    write_spooled(folder.path / f"{name}.safetensors", tensors)
    rows = [asdict(info) for info in episodes]
    known: dict[str, Any] = {"sizes": dict(sizes)} if sizes is not None else {}
    known |= {"device": device} if device else {}
    write_json(folder.path / f"{name}.json", {"episodes": rows, "skipped": list(skipped), **known})
    folder.send(f"{name}.safetensors", f"{name}.json")


def read_shard_index(folder: Folder, index: int) -> tuple[list[EpisodeInfo], list[dict[str, str]]]:
    """The episodes of a complete shard, and those that were left out of it."""
    value = read_json(folder.path / f"{shard_name(index)}.json")
    infos = []
    for row in value["episodes"]:
        cuts, ends = tuple(row["discontinuities"]), tuple(row.get("ends", ()))
        infos.append(EpisodeInfo(**{**row, "discontinuities": cuts, "ends": ends}))
    return infos, value["skipped"]


def read_sizes(folder: Folder, index: int) -> dict[str, int]:
    """The number of recordings of each frame size in a complete shard, as far as is known."""
    return read_json(folder.path / f"{shard_name(index)}.json").get("sizes", {})


def read_device(folder: Folder, index: int) -> str:
    """The kind of device that computed a complete shard; empty: not known."""
    return read_json(folder.path / f"{shard_name(index)}.json").get("device", "")


def remove_shard(folder: Folder, index: int) -> None:
    """Remove a shard, first the file that marks it complete."""
    folder.remove(f"{shard_name(index)}.json", f"{shard_name(index)}.safetensors")


@dataclass(frozen=True)
class StoreHeader:
    """The metadata of all episodes together, as in ``store.json``.

    Attributes:
        kind: ``episodes`` or ``codes``.
        grid: height and width of a frame in pixels, or of a code grid in codes.
        fps: frames a second.
        action_spec: what the actions mean.
        alignment: how the source numbered actions; stored actions always lead to the next frame.
        shards: number of shards.
        provenance: where the store came from.
        codebook_size, fingerprint: of the VQ-VAE that wrote the codes.
    """

    kind: str
    grid: tuple[int, int]
    fps: float
    action_spec: ActionSpec
    alignment: str
    shards: int
    provenance: dict[str, Any] = field(default_factory=dict)
    codebook_size: int = 0
    fingerprint: str = ""
    format_version: int = FORMAT_VERSION

    def write(self, folder: Folder) -> None:
        value = {**asdict(self), "action_spec": self.action_spec.to_json(), "grid": list(self.grid)}
        write_json(folder.path / "store.json", value)
        folder.send("store.json")

    @staticmethod
    def read(folder: Folder, kind: str) -> StoreHeader:
        if not folder.path.is_dir():
            raise UserError(
                f"{folder}: no such store; `videovq {'prep' if kind == 'episodes' else 'encode'}` makes one"
            )
        if not (folder.path / "store.json").is_file():
            raise UserError(f"{folder}: has no store.json; run the command that was writing it again, to its end")
        value = read_json(folder.path / "store.json")
        if (written := value.get("format_version")) not in READABLE:
            raise UserError(
                f"{folder}: format_version of store.json is {written}, and this videovq reads {FORMAT_VERSION} at most;"
                " if a later one wrote it, update videovq, else make the store again"
            )
        if value.get("kind") != kind:
            raise UserError(f"{folder}: is a store of {value.get('kind')}, not of {kind}")
        value["action_spec"] = ActionSpec.from_json(value["action_spec"])
        value["grid"] = tuple(value["grid"])
        return StoreHeader(**value)


class Store:
    """The episodes of a directory; tensors are memory-mapped and read when they are asked for.

    Attributes:
        episodes: all of them, in the order of the shards.
        skipped: source and reason of every recording that was left out.
    """

    kind: str
    field: str

    def __init__(self, folder: str | Path) -> None:
        self.folder = open_folder(folder)
        self.folder.refresh()
        self.header = StoreHeader.read(self.folder, self.kind)
        self.episodes: list[EpisodeInfo] = []
        self.skipped: list[dict[str, str]] = []
        for index in range(self.header.shards):
            episodes, skipped = read_shard_index(self.folder, index)
            self.episodes += episodes
            self.skipped += skipped
        self._shards: dict[int, dict[str, Tensor]] = {}
        self._opening = Lock()  # a thread that prefetches reads, too

    def __str__(self) -> str:
        return str(self.folder)

    @cached_property
    def by_id(self) -> dict[str, EpisodeInfo]:
        return {info.id: info for info in self.episodes}

    def split(self, name: str) -> list[EpisodeInfo]:
        """The episodes of a split.

        Raises:
            UserError: there are none.
        """
        found = [info for info in self.episodes if info.split == name]
        if not found:
            there = ", ".join(split for split in SPLITS if any(info.split == split for info in self.episodes))
            raise UserError(
                f"{self}: has no episode in split {name!r}, only in {there or 'none'}; prepare more episodes, or with"
                " other validation_fraction and test_fraction"
            )
        return found

    def amount(self, split: str) -> str:
        """The number of episodes and frames of a split, as text."""
        found = self.split(split)
        return f"{len(found):,} episodes, {sum(info.length for info in found):,} frames"

    def find(self, episode_id: str) -> EpisodeInfo:
        if episode_id not in self.by_id:
            raise UserError(f"{self}: no episode {episode_id!r}; it has: {', '.join(sorted(self.by_id))}")
        return self.by_id[episode_id]

    @property
    def rewarded(self) -> bool:
        """Whether rewards were recorded in some episode."""
        return any(info.rewards for info in self.episodes)

    def outcomes(self, info: EpisodeInfo, start: int = 0, stop: int | None = None) -> Outcomes:
        """The outcomes of the actions ``start`` to ``stop - 1`` of an episode."""
        span = self._span(info, start, stop)
        count = span.stop - span.start
        stored = self.shard(info.shard)["rewards"][span] if info.rewards else torch.full((count,), torch.nan)
        known, ends = stored.isfinite(), torch.zeros(count, dtype=torch.bool)
        ends[[t - start for t in info.ends if start <= t < start + count]] = True
        return Outcomes(stored.nan_to_num(), ends, known.float())

    def poses(self, info: EpisodeInfo, start: int = 0, stop: int | None = None) -> Float[Tensor, "t 6"]:
        """The poses at frames ``start`` to ``stop - 1`` of an episode: x, y, z in units of the world; pitch, yaw
        (growing to the left) and roll in degrees; NaN where they were not recorded.
        """
        span = self._span(info, start, stop)
        known = self.shard(info.shard).get("poses")
        return torch.full((span.stop - span.start, POSE), torch.nan) if known is None else known[span]

    def shard(self, index: int) -> dict[str, Tensor]:
        """The memory-mapped tensors of a shard: ``frames`` or ``codes``, ``actions``, and ``rewards`` and ``poses``
        where known.
        """
        with self._opening:
            if index not in self._shards:
                if len(self._shards) >= self.folder.open_files:
                    del self._shards[next(iter(self._shards))]
                self._shards[index] = read_tensors(self.folder.fetch(f"{shard_name(index)}.safetensors"))
            return self._shards[index]

    def _slice(self, info: EpisodeInfo, start: int, stop: int | None) -> tuple[Tensor, Tensor]:
        span, tensors = self._span(info, start, stop), self.shard(info.shard)
        return tensors[self.field][span], tensors["actions"][span]

    def _span(self, info: EpisodeInfo, start: int, stop: int | None) -> slice:
        """The rows of some frames of an episode within its shard."""
        stop = info.length if stop is None else stop
        if not 0 <= start < stop <= info.length:
            raise UserError(f"{info.id}: frames {start} to {stop} are not within its {info.length}")
        return slice(info.start + start, info.start + stop)


class EpisodeStore(Store):
    """Frames with actions."""

    kind = "episodes"
    field = "frames"

    def read(self, info: EpisodeInfo, start: int = 0, stop: int | None = None) -> Episode:
        """Frames ``start`` to ``stop - 1`` of an episode with their actions."""
        frames, actions = self._slice(info, start, stop)
        return Episode(info, frames, actions)

    def frames(self, positions: Int64[Tensor, "b 2"]) -> UInt8[Tensor, "b h w c"]:
        """Single frames, each given as (shard, row)."""
        height, width = self.header.grid
        out = positions.new_empty((len(positions), height, width, 3)).to(
            self.shard(int(positions[0, 0]))[self.field].dtype
        )
        for index in positions[:, 0].unique().tolist():
            chosen = positions[:, 0] == index
            out[chosen] = self.shard(index)[self.field][positions[chosen, 1]]
        return out


class CodeStore(Store):
    """Code grids with actions, and the codebook they point into."""

    kind = "codes"
    field = "codes"

    def read(self, info: EpisodeInfo, start: int = 0, stop: int | None = None) -> CodeEpisode:
        """Codes ``start`` to ``stop - 1`` of an episode with their actions."""
        codes, actions = self._slice(info, start, stop)
        return CodeEpisode(info, from_stored(codes), actions)

    def codes(self, positions: Int64[Tensor, "b 2"]) -> Int64[Tensor, "b y x"]:
        """Codes of single frames, each given as (shard, row)."""
        return from_stored(torch.stack([self.shard(shard)[self.field][row] for shard, row in positions.tolist()]))

    @cached_property
    def codebook(self) -> Shaped[Tensor, "k d"]:
        """The code vectors of the VQ-VAE that wrote the codes."""
        return read_tensors(self.folder.fetch("codebook.safetensors"))["codebook"]
