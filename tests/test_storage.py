"""Files are whole or not there, and a folder has one writer."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from videovq import storage
from videovq.storage import atomic, locked, read_metadata, read_tensors, write_json, write_tensors, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_its_place_once_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    flush, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: (done.append("flush"), flush(descriptor)))
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append("replace"), replace(a, b)))
    write_text(tmp_path / "a.txt", "naïve")
    assert done == ["flush", "replace", "flush"], "the file, its new name, the folder"
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "naïve"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_what_fails_half_way_leaves_what_was_there(error: BaseException, tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"old": 1})
    before = (tmp_path / "a.json").read_bytes()
    with pytest.raises(type(error)), atomic(tmp_path / "a.json") as partial:
        partial.write_text('{"ne')
        raise error
    assert (tmp_path / "a.json").read_bytes() == before
    assert names(tmp_path) == ["a.json"]


def test_a_folder_is_whole_or_not_there(tmp_path: Path) -> None:
    for error in (ValueError, None):
        try:
            with atomic(tmp_path / "page") as partial:
                (partial / "world").mkdir(parents=True)
                (partial / "world" / "a.png").write_bytes(b"a")
                if error:
                    raise error
        except ValueError:
            assert names(tmp_path) == []
    assert names(tmp_path) == ["page"]
    assert (tmp_path / "page" / "world" / "a.png").read_bytes() == b"a"


def test_two_processes_do_not_share_a_partial_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with atomic(tmp_path / "a") as ours, monkeypatch.context() as other:
        ours.write_text("ours")
        other.setattr(os, "getpid", lambda: 1)
        write_text(tmp_path / "a", "theirs")
        assert (tmp_path / "a").read_text() == "theirs"
    assert (tmp_path / "a").read_text() == "ours"
    assert names(tmp_path) == ["a"]


def test_a_folder_has_one_writer_and_what_a_killed_one_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").write_text("whole")
    (tmp_path / "checkpoints" / "last.ckpt.123.partial").write_text("half")
    (tmp_path / "my.partial").write_text("somebody's")
    with locked(tmp_path, "runs/mine"):
        assert names(tmp_path / "checkpoints") == ["last.ckpt"]
        assert (tmp_path / "my.partial").exists()
        with (
            pytest.raises(ValueError, match="runs/mine: another process is"),
            locked(tmp_path, "runs/mine"),
        ):
            pass
    with locked(tmp_path, "runs/mine"):
        pass


@pytest.mark.parametrize("kept", [0, 5, 60, -1])
def test_a_torn_tensor_file_is_named(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "shard-00000.safetensors"
    write_tensors(path, {"frames": torch.arange(100)}, {"videovq": "{}"})
    assert torch.equal(read_tensors(path)["frames"], torch.arange(100))
    assert read_metadata(path) == {"videovq": "{}"}
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"shard-00000\.safetensors: is torn"):
        read_tensors(path)
    with pytest.raises(ValueError, match=r"shard-00000\.safetensors: is torn"):
        read_metadata(path)
    path.unlink()
    with pytest.raises(ValueError, match=r"shard-00000\.safetensors: no such file"):
        read_tensors(path)


def test_a_file_system_without_flushing_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unable(descriptor: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(storage.os, "fsync", unable)
    write_text(tmp_path / "a", "a")
    assert names(tmp_path) == ["a"]
