import codecs
from pathlib import Path

import pytest

from videovq.data.store import read_json
from videovq.data.text import json_lines

ENCODED = {
    "none": '{"level": "Höhle"}'.encode(),
    "utf-8": codecs.BOM_UTF8 + '{"level": "Höhle"}'.encode(),
    "utf-16-le": codecs.BOM_UTF16_LE + '{"level": "Höhle"}'.encode("utf-16-le"),
    "utf-16-be": codecs.BOM_UTF16_BE + '{"level": "Höhle"}'.encode("utf-16-be"),
    "utf-32": '{"level": "Höhle"}'.encode("utf-32"),
}


@pytest.mark.parametrize("mark", ENCODED)
def test_a_byte_order_mark_is_no_part_of_json(mark: str, tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    path.write_bytes(ENCODED[mark])
    assert read_json(path) == {"level": "Höhle"}
    assert list(json_lines(path)) == [(1, {"level": "Höhle"})]


def test_json_lines_end_at_line_feeds_only_and_broken_ones_are_numbered(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_text('"a\u2028b"\r\n\n"c"\n', encoding="utf-8")
    assert list(json_lines(path)) == [(1, "a\u2028b"), (3, "c")]
    path.write_text('1\n{"a": \n')
    with pytest.raises(ValueError, match="e.jsonl: not readable as JSON lines .line 2"):
        list(json_lines(path))
    path.write_text("[" * 100_000)
    for read in (read_json, lambda path: list(json_lines(path))):
        with pytest.raises(ValueError, match="e.jsonl: not readable as JSON"):
            read(path)
