"""TFRecord files and the ``tf.train.Example`` messages in them, without TensorFlow.

A record is its length (8 bytes), the length's checksum (4), the payload and its checksum (4), little-endian; the whole
file may be gzipped (tensorflow/core/lib/io/record_writer.h). Messages and checksums are those of the package tfrecord.
Its reader of records is not used: it checks no checksum, and makes room for whatever length a broken file claims.
"""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from videovq.errors import UserError
from videovq.packages import optional

LARGEST = 1 << 30  # bytes of a record; whatever claims to be longer is broken, or wants the memory
BLOCK = 1 << 20

Feature = list[bytes] | np.ndarray


class RecordFile:
    """The records of a file. Reading them in order costs least: a gzipped file is inflated up to the one wanted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream: io.BufferedIOBase | None = None
        self._next = 0  # the record that the stream is at

    def __del__(self) -> None:
        self._close()

    def count(self) -> tuple[int, bool]:
        """Number of whole records, by their lengths alone, and whether the file ends after them."""
        try:
            self._rewind()
            while self._skip():
                pass
            whole = True
        except ValueError:
            whole = False
        self._close()
        return self._next, whole

    def read(self, number: int) -> bytes:
        """The payload of a record.

        Raises:
            UserError: there is none, or the file is broken before its end.
        """
        if self._stream is None or number < self._next:
            self._rewind()
        try:
            while self._next < number and self._skip():
                pass
            length = self._length()
            if length is None:
                raise UserError(f"{self.path}: has no record {number}, only {self._next}")
            payload = self._take(length)
            if masked_crc(payload) != self._take(4):
                raise UserError(f"{self.path}: record {number} is corrupt, its checksum is wrong")
        except ValueError:
            self._close()
            raise
        self._next += 1
        return payload

    def _rewind(self) -> None:
        self._close()
        try:
            with self.path.open("rb") as file:
                start = file.read(12)
            gzipped = start.startswith(b"\x1f\x8b") and masked_crc(start[:8]) != start[8:]
            self._stream = gzip.open(self.path, "rb") if gzipped else self.path.open("rb")  # noqa: SIM115
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read ({error})") from None
        self._next = 0

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = None

    def _skip(self) -> bool:
        """Go past a record; false at the end of the file."""
        length = self._length()
        if length is None:
            return False
        assert self._stream is not None
        try:
            self._stream.seek(length + 3, 1)
        except (OSError, EOFError, zlib.error) as error:
            raise self._broken(error) from None
        self._take(1)  # going past the end of a file is no error, reading there is
        self._next += 1
        return True

    def _length(self) -> int | None:
        head = self._take(12, or_nothing=True)
        if not head:
            return None
        length = int.from_bytes(head[:8], "little")
        if masked_crc(head[:8]) != head[8:]:
            raise UserError(
                f"{self.path}: no TFRecord file, or corrupt: wrong checksum of record {self._next}'s length"
            )
        if length > LARGEST:
            raise UserError(f"{self.path}: record {self._next} claims {length} bytes; at most {LARGEST} are read")
        return length

    def _take(self, count: int, or_nothing: bool = False) -> bytes:
        assert self._stream is not None
        taken = bytearray()
        try:
            while len(taken) < count and (block := self._stream.read(min(BLOCK, count - len(taken)))):
                taken += block
        except (OSError, EOFError, zlib.error) as error:
            raise self._broken(error) from None
        if len(taken) < count and not (or_nothing and not taken):
            raise self._broken("the file ends there")
        return bytes(taken)

    def _broken(self, why: object) -> UserError:
        return UserError(f"{self.path}: breaks off within record {self._next} ({why})")


def masked_crc(data: bytes) -> bytes:
    """The checksum as TFRecord stores it."""
    return optional("tfrecord", "tfrecord").TFRecordWriter.masked_crc(data)


def parse_example(payload: bytes, where: str) -> dict[str, Feature]:
    """The features of a ``tf.train.Example``: name -> byte strings, float32 or int64 numbers, in one row.

    Raises:
        UserError: it is none.
    """
    messages = optional("tfrecord.example_pb2", "tfrecord")
    try:
        features = messages.Example.FromString(payload).features.feature
    except optional("google.protobuf.message", "tfrecord").DecodeError as error:
        raise UserError(f"{where}: is no tf.train.Example ({error})") from None
    return {name: _feature(feature) for name, feature in features.items()}


def _feature(feature: Any) -> Feature:
    kind = feature.WhichOneof("kind")
    values = getattr(feature, kind).value if kind else []
    dtype = {"float_list": np.float32, "int64_list": np.int64}.get(kind)
    return np.array(values, dtype) if dtype else list(values)
