"""TFRecord files and the ``tf.train.Example`` messages in them, without TensorFlow.

A record is its length (8 bytes), the length's checksum (4), the payload and its checksum (4), little-endian; the whole
file may be gzipped. Sources: tensorflow/core/lib/io/record_writer.h, tensorflow/core/example/feature.proto and the
wire format of Protocol Buffers.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from videovq.data.packages import optional
from videovq.errors import UserError

LARGEST = 1 << 30  # bytes of a record; whatever claims to be longer is broken, or wants the memory
BLOCK = 1 << 20

Feature = list[memoryview] | np.ndarray


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
            if masked_crc(payload) != int.from_bytes(self._take(4), "little"):
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
            plain = masked_crc(start[:8]) == int.from_bytes(start[8:], "little")
            gzipped = start.startswith(b"\x1f\x8b") and not plain
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
        if masked_crc(head[:8]) != int.from_bytes(head[8:], "little"):
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


def masked_crc(data: bytes) -> int:
    """The checksum as TFRecord stores it: rotated, plus a constant, so that checksums of checksums are no trouble."""
    crc = optional("crc32c", "tfrecord").crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def parse_example(payload: bytes, where: str) -> dict[str, Feature]:
    """The features of a ``tf.train.Example``: name -> byte strings, float32 or int64 numbers, in one row.

    Raises:
        UserError: it is none.
    """
    found: dict[str, Feature] = {}
    try:
        for features in _messages(memoryview(payload), 1):
            for entry in _messages(features, 1):
                name = b"".join(_messages(entry, 1)).decode()
                for feature in _messages(entry, 2):
                    found[name] = _feature(feature)
    except ValueError as error:  # of which a UnicodeDecodeError is one
        raise UserError(f"{where}: is no tf.train.Example ({error})") from None
    return found


def _feature(data: memoryview) -> Feature:
    found: Feature = []
    for values in _messages(data, 1):
        found = list(_messages(values, 1))
    for values in _messages(data, 2):  # one number a field, or packed: the bytes are the same
        found = np.frombuffer(b"".join(_messages(values, 1)), dtype="<f4")
    for values in _messages(data, 3):
        numbers: list[int] = []
        for number, value in _fields(values):
            if number == 1:
                numbers += [value] if isinstance(value, int) else _varints(value)
        found = np.array(numbers, dtype=np.uint64).astype(np.int64)  # two's complement
    return found


def _messages(data: memoryview, wanted: int) -> Iterator[memoryview]:
    for number, value in _fields(data):
        if number == wanted:
            if isinstance(value, int):
                raise UserError(f"field {number} is a number")
            yield value


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        size = {1: 8, 5: 4}.get(tag & 7)
        if tag & 7 == 2:
            size, at = _varint(data, at)
        if size is None or size > len(data) - at:
            raise UserError("a field of a strange kind, or one that is longer than its message")
        yield tag >> 3, data[at : at + size]
        at += size


def _varints(data: memoryview) -> list[int]:
    found, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        found.append(value)
    return found


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        octet, at = data[at], at + 1
        value |= (octet & 127) << shift
        if octet < 128:
            return value & (1 << 64) - 1, at
    raise UserError("a number breaks off, or never ends")
