"""``videovq import tokens``: frames that the tokenizer of another project turned into codes -> a CodeStore.

The 1X World Model Challenge's dumps, version 1: ``metadata.json`` (``num_images``, ``s``: rows and columns of a frame,
``hz``, ``vocab_size``, ``token_dtype``), ``video.bin`` (num_images, s, s), ``segment_ids.bin`` (num_images, int32: the
recording of each frame), and ``actions/NAME.bin`` (num_images, any number of float32 each). Their tokenizer is
MAGVIT2's lookup-free quantizer (arXiv 2310.05737): a code's bits are the signs of its vector.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from videovq import __version__
from videovq.config import ImportTokensConfig, TrainPredictorConfig
from videovq.data.codes import to_stored
from videovq.data.folders import Folder, open_folder
from videovq.data.listing import folder_name, refuse_pointers
from videovq.data.store import (
    SPLITS,
    CodeStore,
    StoreHeader,
    claimed,
    read_json,
    shard_is_complete,
    write_shard,
)
from videovq.errors import UserError
from videovq.follow_up import free, typed
from videovq.prep.splits import choose_splits, empty_splits
from videovq.progress import progress
from videovq.storage import write_tensors
from videovq.types import ActionSpec, EpisodeInfo

ALIGNMENT = "states beside their frame, taken as the action that follows it"


@dataclass(frozen=True)
class Dump:
    """A memory-mapped token dump.

    Attributes:
        metadata: of ``metadata.json``.
        codes: (num_images, s, s).
        actions: (num_images, a).
        spans: first frame and end of every recording, by its id.
        bits: of a code.
        digest: sha256 of a thousandth of the codes.
    """

    metadata: dict[str, Any]
    codes: np.ndarray
    actions: np.ndarray
    spans: dict[str, tuple[int, int]]
    bits: int
    digest: str

    def spec(self) -> ActionSpec:
        """The ActionSpec of its actions."""
        if not self.actions.shape[1]:
            return ActionSpec("none")
        mean, std = self.actions.mean(axis=0, dtype=np.float64), self.actions.std(axis=0, dtype=np.float64)
        return ActionSpec("continuous", mean=tuple(mean.tolist()), std=tuple(np.where(std > 0, std, 1.0).tolist()))


def import_tokens(config: ImportTokensConfig) -> CodeStore:
    """Write every recording of the dump as an episode of codes; shards that are there already are kept.

    Raises:
        UserError: the dump is incomplete or broken, or ``out`` holds something else.
    """
    names = [name.strip() for name in config.actions.split(",") if name.strip()]
    dump, out = open_dump(Path(config.source), names), open_folder(config.out)
    splits = choose_splits(dict.fromkeys(dump.spans, ""), config.validation_fraction, config.test_fraction)
    shards: list[list[str]] = []
    for split in SPLITS:
        ids = [id_ for id_ in dump.spans if splits[id_] == split]
        shards += [ids[at : at + config.shard_episodes] for at in range(0, len(ids), config.shard_episodes)]
    origin = {"facts": dump.metadata, "actions": names, "shards": shards, "codes": dump.digest}
    with claimed(out, "origin.json", origin, "tokens or settings"), progress(len(shards), "import", "shard") as bar:
        for index, ids in enumerate(shards):
            if not shard_is_complete(out, index):
                write_recordings(dump, out, index, ids, splits[ids[0]])
            bar.update()
        _finish(dump, out, len(shards))
    store = CodeStore(config.out)
    rows, columns = store.header.grid
    print(
        f"{out}: {len(store.episodes)} episodes, {len(dump.codes)} frames as {rows}x{columns} codes of {2**dump.bits}"
    )
    for line in empty_splits(store, config.validation_fraction, config.test_fraction):
        print(line)
    print(f"next: {typed('train predictor', store=config.out, run=free(TrainPredictorConfig.run))}")
    return store


def open_dump(source: Path, names: list[str]) -> Dump:
    """Check and map the files of a dump.

    Args:
        names: files of ``actions/``.

    Raises:
        UserError: one is missing or broken.
    """
    metadata = _metadata(source)
    count, side = metadata["num_images"], metadata["s"]
    codes = _mapped(source / "video.bin", metadata.get("token_dtype", "uint32"), count, side * side)
    segments = _mapped(source / "segment_ids.bin", "int32", count, 1)[:, 0]
    parts = [_mapped(source / "actions" / f"{name}.bin", "float32", count) for name in names]
    for name, part in zip(names, parts, strict=True):
        if not np.isfinite(part).all():
            raise UserError(f"{source / 'actions' / name}.bin: a number is not finite")
    ends = [*(np.flatnonzero(np.diff(segments)) + 1).tolist(), count]
    numbered = enumerate(zip([0, *ends[:-1]], ends, strict=True))
    return Dump(
        metadata,
        codes.reshape(count, side, side),
        np.concatenate(parts, axis=1) if parts else np.empty((count, 0), np.float32),
        {f"{folder_name(source)}/{number:06d}": span for number, span in numbered},
        math.ceil(math.log2(metadata.get("vocab_size", 2**18))),
        hashlib.sha256(codes[:: max(1, count // 1000)].tobytes()).hexdigest(),
    )


def write_recordings(dump: Dump, out: Folder, shard: int, ids: list[str], split: str) -> None:
    """Write some recordings as one shard.

    Raises:
        UserError: there is a code that the tokenizer does not have.
    """
    rows = np.concatenate([np.arange(*dump.spans[id_]) for id_ in ids])
    try:
        codes = to_stored(torch.from_numpy(dump.codes[rows].astype(np.int64)), 2**dump.bits)
    except UserError as error:
        raise UserError(f"video.bin: holds {error}") from None
    infos, start = [], 0
    for id_ in ids:
        first, end = dump.spans[id_]
        infos.append(EpisodeInfo(id_, split, shard, start, end - first, "", "video.bin", dump.digest))
        start += end - first
    tensors = {"codes": codes, "actions": torch.from_numpy(dump.actions[rows])}
    write_shard(out, shard, tensors, infos)


def _finish(dump: Dump, out: Folder, shards: int) -> None:
    signs = (torch.arange(2**dump.bits)[:, None] >> torch.arange(dump.bits)) & 1
    write_tensors(out.path / "codebook.safetensors", {"codebook": 2.0 * signs - 1})
    out.send("codebook.safetensors")
    StoreHeader(
        kind="codes",
        grid=(dump.metadata["s"], dump.metadata["s"]),
        fps=float(dump.metadata.get("hz", 30)),
        action_spec=dump.spec(),
        alignment=ALIGNMENT,
        shards=shards,
        provenance={"videovq": __version__, "tokens": dump.metadata},
        codebook_size=2**dump.bits,
        fingerprint=f"lookup-free, {dump.bits} bits, {dump.digest}",
    ).write(out)


def _metadata(source: Path) -> dict[str, Any]:
    metadata = read_json(source / "metadata.json")
    if not isinstance(metadata, dict) or any(not isinstance(metadata.get(name), int) for name in ("num_images", "s")):
        raise UserError(f"{source / 'metadata.json'}: needs whole numbers `num_images` and `s`")
    if metadata["num_images"] < 1 or metadata["s"] < 1 or not 2 <= metadata.get("vocab_size", 2**18) <= 2**20:
        raise UserError(f"{source / 'metadata.json'}: `num_images` and `s` must be positive, `vocab_size` 2 to 2^20")
    if metadata.get("token_dtype", "uint32") not in ("uint16", "uint32", "int32"):
        raise UserError(f"{source / 'metadata.json'}: `token_dtype` must be uint16, uint32 or int32")
    return metadata


def _mapped(path: Path, kind: str, rows: int, columns: int | None = None) -> np.ndarray:
    """A memory-mapped file as an array of ``rows`` rows; ``columns``: None: as many as its size gives."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    refuse_pointers([path])
    size, item = path.stat().st_size, np.dtype(kind).itemsize
    width = size // (rows * item) if columns is None else columns
    if size != rows * width * item or not width:
        raise UserError(f"{path}: {size} bytes are not {rows} rows of {columns or 'some'} {kind}")
    return np.memmap(path, dtype=kind, mode="r", shape=(rows, width))
