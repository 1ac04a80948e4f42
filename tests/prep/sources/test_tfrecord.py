import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from tfrecord import TFRecordWriter

from videovq.prep.sources.tfrecord import RecordFile, parse_example


def container(path: Path, payloads: list[bytes]) -> bytes:
    data = b""
    for payload in payloads:
        length = struct.pack("<Q", len(payload))
        data += length + TFRecordWriter.masked_crc(length) + payload + TFRecordWriter.masked_crc(payload)
    path.write_bytes(data)
    return data


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_records_in_any_order(tmp_path: Path, compress: type) -> None:
    path = tmp_path / "some.tfrecord"
    payloads = [b"first", b"", b"x" * 70_000]
    path.write_bytes(compress(container(path, payloads)))
    file = RecordFile(path)
    assert file.count() == (3, True)
    assert [file.read(i) for i in (2, 0, 1, 2)] == [payloads[i] for i in (2, 0, 1, 2)]
    with pytest.raises(ValueError, match=r"some.tfrecord: has no record 3"):
        file.read(3)


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_file_that_breaks_off(tmp_path: Path, compress: type) -> None:
    path = tmp_path / "some.tfrecord"
    data = compress(container(path, [b"first", bytes(np.random.default_rng(0).integers(0, 256, 2000, dtype=np.uint8))]))
    for missing in (1, 12, 1000):
        path.write_bytes(data[:-missing])
        file = RecordFile(path)
        with pytest.raises(ValueError, match=r"some.tfrecord: breaks off within record"):
            file.read(1)
            file.read(2)  # where but the end of the gzip stream is missing
        assert file.read(0) == b"first"
    assert RecordFile(path).count() == (1, False)


def test_corrupt_and_hostile_files(tmp_path: Path) -> None:
    path = tmp_path / "some.tfrecord"
    data = bytearray(container(path, [b"first", b"second"]))
    data[-6] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"some.tfrecord: record 1 is corrupt"):
        RecordFile(path).read(1)
    data[0] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"some.tfrecord: no TFRecord file, or corrupt"):
        RecordFile(path).read(0)
    for claimed, reason in ((1 << 60, "claims"), (1 << 29, "breaks off")):
        length = struct.pack("<Q", claimed)
        path.write_bytes(length + TFRecordWriter.masked_crc(length) + b"few")
        with pytest.raises(ValueError, match=reason):
            RecordFile(path).read(0)


def field(number: int, wire: int, body: bytes) -> bytes:
    return bytes([number << 3 | wire]) + (bytes([len(body)]) if wire == 2 else b"") + body


def example(name: bytes, kind: int, values: bytes) -> bytes:
    entry = field(1, 2, name) + field(2, 2, field(kind, 2, values))
    return field(1, 2, field(1, 2, entry))


def test_examples() -> None:
    written = TFRecordWriter.serialize_tf_example(
        {"pictures": ([b"one", b"two"], "byte"), "numbers": ([0.5, -2.0], "float"), "actions": ([3, -1, 300], "int")}
    )
    found = parse_example(written, "here")
    assert [bytes(one) for one in found["pictures"]] == [b"one", b"two"]
    assert np.array_equal(found["numbers"], np.array([0.5, -2.0], dtype=np.float32))
    assert found["actions"].tolist() == [3, -1, 300]  # type: ignore[union-attr]
    unpacked = example(b"a", 3, field(1, 0, b"\x03") + field(1, 0, b"\xac\x02")) + example(
        b"f", 2, field(1, 5, struct.pack("<f", 0.5)) + field(1, 5, struct.pack("<f", 4))
    )
    found = parse_example(unpacked, "here")
    assert (found["a"].tolist(), found["f"].tolist()) == ([3, 300], [0.5, 4.0])  # type: ignore[union-attr]
    for broken in (
        written[:-1],
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x08" + b"\xff" * 11,
        example(b"a", 2, field(1, 2, b"xyz")),
    ):
        with pytest.raises(ValueError, match=r"here: is no tf.train.Example"):
            parse_example(broken, "here")
