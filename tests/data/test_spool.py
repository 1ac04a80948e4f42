from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from videovq.data import spool
from videovq.data.spool import Spool, write_spooled


@pytest.mark.parametrize("rows", [0, 1, 10, 1234])
@pytest.mark.parametrize(
    ("actions", "rewards"), [(torch.int64, False), (torch.float32, True), (torch.int64, True)], ids=str
)
@pytest.mark.parametrize("kind", [torch.uint8, torch.int16, torch.int32], ids=str)
def test_the_bytes_are_those_of_safetensors(
    kind: torch.dtype, actions: torch.dtype, rewards: bool, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "BLOCK", 100)
    numbers = torch.arange(rows * 6)
    tensors = {"frames": numbers.to(kind).view(rows, 3, 2), "actions": numbers[:rows, None].to(actions)}
    if rewards:
        tensors["rewards"] = torch.rand(rows)
    with Spool(tmp_path / "frames.partial", kind, (3, 2)) as frames:
        for part in tensors["frames"].split(7):
            frames.append(part)
        frames.keep(0, rows)
        write_spooled(tmp_path / "e.safetensors", {**tensors, "frames": frames})
    assert (tmp_path / "e.safetensors").read_bytes() == save(tensors)
    write_spooled(tmp_path / "e.safetensors", tensors)
    assert (tmp_path / "e.safetensors").read_bytes() == save(tensors)
    assert [path.name for path in tmp_path.iterdir()] == ["e.safetensors"]


def test_rows_that_are_not_kept_are_left_out(tmp_path: Path) -> None:
    rows = torch.arange(40, dtype=torch.uint8).view(20, 2)
    with Spool(tmp_path / "frames.partial", torch.uint8, (2,)) as frames:
        frames.append(rows[:8])
        frames.keep(1, 3)
        frames.append(rows[8:])
        frames.keep(7, 12)
        frames.keep(12, 12)
        frames.keep(19, 20)
        write_spooled(tmp_path / "e.safetensors", {"frames": frames})
    assert (tmp_path / "e.safetensors").read_bytes() == save({"frames": rows[[1, 2, *range(7, 12), 19]]})


def test_the_file_goes_with_the_work(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Spool(tmp_path / "frames.partial", torch.uint8, (2,)) as frames:
        frames.append(torch.zeros(3, 2, dtype=torch.uint8))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
