"""Safetensors files with tensors larger than memory: rows are spooled to a file of their own until all are known."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from videovq.storage import atomic

BLOCK = 2**20  # bytes that are copied at once
TYPES = {  # in the order of safetensors, which puts the tensors of the last ones first
    torch.uint8: "U8",
    torch.int16: "I16",
    torch.uint16: "U16",
    torch.int32: "I32",
    torch.float32: "F32",
    torch.int64: "I64",
}


class Spool:
    """A tensor that is written a few rows at a time. Its file exists within the context only.

    Args:
        path: of the file.
        row: shape of a row.
    """

    def __init__(self, path: Path, dtype: torch.dtype, row: tuple[int, ...]) -> None:
        self.dtype, self.row = dtype, row
        self.written = 0
        self._kept: list[tuple[int, int]] = []
        self._path = path
        self._file = path.open("w+b")

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *raised: object) -> None:
        try:
            self._file.close()  # writes what it still holds, for which a full disk has no room
        finally:
            self._path.unlink(missing_ok=True)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the tensor: of the rows that are kept."""
        return (sum(stop - start for start, stop in self._kept), *self.row)

    def append(self, rows: Tensor) -> None:
        """Write rows. They are no part of the tensor before they are kept."""
        assert rows.dtype == self.dtype and rows.shape[1:] == self.row
        self._file.write(rows.contiguous().numpy().data)
        self.written += len(rows)

    def keep(self, start: int, stop: int) -> None:
        """Make the rows ``start`` to ``stop - 1`` of those that were written the next ones of the tensor."""
        assert 0 <= start <= stop <= self.written
        self._kept.append((start, stop))

    def blocks(self) -> Iterator[bytes]:
        """The tensor's bytes, some at a time."""
        size = torch.Size(self.row).numel() * self.dtype.itemsize
        for start, stop in self._kept:
            self._file.seek(start * size)
            for left in range((stop - start) * size, 0, -BLOCK):
                yield self._file.read(min(left, BLOCK))


def write_spooled(path: Path, tensors: Mapping[str, Tensor | Spool]) -> None:
    """Write a safetensors file, whole or not at all; the bytes are those that ``safetensors.torch.save`` gives."""
    ranks = list(TYPES)
    ordered = sorted(tensors, key=lambda name: (-ranks.index(tensors[name].dtype), name))
    header, at = {}, 0
    for name in ordered:
        kind, shape = tensors[name].dtype, list(tensors[name].shape)
        end = at + torch.Size(shape).numel() * kind.itemsize
        header[name] = {"dtype": TYPES[kind], "shape": shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with atomic(path) as partial, partial.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in ordered:
            tensor = tensors[name]
            file.writelines(tensor.blocks() if isinstance(tensor, Spool) else [tensor.contiguous().numpy().data])
