"""What goes wrong around prep: nothing that was written is lost, the message says what to do, and a continued run ends
as an uninterrupted one would have.
"""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import prep_config, world, write_episode
from videovq.cli import main
from videovq.config import PrepConfig
from videovq.data.folders import open_folder
from videovq.data.store import EpisodeStore, claimed
from videovq.parsing import to_yaml
from videovq.prep.prepare import prepare, write_store
from videovq.prep.staging import open_source
from videovq.prep.survey import make_plan


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def command(config: PrepConfig, tmp_path: Path) -> list[str]:
    (tmp_path / "settings.yaml").write_text(to_yaml(config))
    return ["prep", "--config", str(tmp_path / "settings.yaml")]


@pytest.mark.parametrize("shards", [2.0, 3.5], ids=["while decoding", "while the shard is put together"])
def test_a_full_disk(
    shards: float, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``shards``: what the disk has room for; each takes twice its size while it is written."""
    config = prep_config(recordings, tmp_path / "out")
    prepare(prep_config(recordings, tmp_path / "whole"))
    opened, room = Path.open, [shards * (tmp_path / "whole" / "shard-00000.safetensors").stat().st_size]

    class Disk(io.FileIO):
        def write(self, data: Any, /) -> int:
            room[0] -= memoryview(data).nbytes
            if room[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.name))
            return super().write(data)

    def until_full(path: Path, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if "w" not in mode or "b" not in mode:
            return opened(path, mode, *rest, **named)
        disk = Disk(path, mode.replace("b", ""))
        return io.BufferedRandom(disk) if "+" in mode else io.BufferedWriter(disk)

    with monkeypatch.context() as full:
        full.setattr(Path, "open", until_full)
        assert main(command(config, tmp_path)) == 2
    shown = capsys.readouterr().err
    assert "No space left on device" in shown and "run the same command again" in shown
    kept = contents(tmp_path / "out")
    assert "shard-00000.json" in kept and not any(name.endswith(".partial") for name in kept)
    assert main(command(config, tmp_path)) == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_folder_without_a_shard_is_nobodys(tmp_path: Path) -> None:
    place = open_folder(tmp_path / "out")
    with claimed(place, "plan.json", {"size": 12}, "settings"):
        (tmp_path / "out" / "plan.json.1.partial").write_text("{")
    with claimed(place, "plan.json", {"size": 24}, "settings"):
        assert sorted(contents(tmp_path / "out")) == [".lock", "plan.json"]
        (tmp_path / "out" / "shard-00000.json").write_text("{}")
    with pytest.raises(ValueError, match="other settings"), claimed(place, "plan.json", {"size": 12}, "settings"):
        pass
    assert json.loads((tmp_path / "out" / "plan.json").read_text()) == {"size": 24}


def test_two_preps_cannot_write_one_folder(recordings: Path, tmp_path: Path) -> None:
    config = prep_config(recordings, tmp_path / "out")
    with open_source(config.source, ()) as source:
        origin = make_plan(config, source).fingerprint()
    with (
        claimed(open_folder(tmp_path / "out"), "plan.json", origin, "episodes or settings"),
        pytest.raises(ValueError, match="another process is writing there"),
    ):
        prepare(config)
    assert len(prepare(config).episodes) == 10, "the claim ends with the work"


def test_recordings_that_vanish_are_skipped_and_reported(recordings: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(recordings, tmp_path / "source"))
    with open_source(str(source), ()) as opened:
        plan = make_plan(prep_config(source, tmp_path / "out"), opened)
    (tmp_path / "out").mkdir()
    (source / "episode_000003.mp4").unlink()
    write_store(plan, open_folder(tmp_path / "out"))
    rows = [json.loads(p.read_text())["skipped"] for p in (tmp_path / "out").glob("shard-*.json")]
    assert [row["source"] for some in rows for row in some] == ["episode_000003"]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e39])
def test_actions_that_are_no_numbers(number: float, tmp_path: Path) -> None:
    for i in range(3):
        frames, actions = world(i)
        np.savez(tmp_path / f"e{i}.npz", frames=frames, actions=np.array(actions) + 0.5)
    frames, actions = world(9)
    np.savez(tmp_path / "z.npz", frames=frames, actions=np.array([number, *actions[1:]]))
    np.savez(tmp_path / "none.npz", frames=frames[:0], actions=np.zeros(0) + 0.5)
    config = prep_config(tmp_path, tmp_path / "out")
    store = prepare(PrepConfig(**{**vars(config), "declare": type(config.declare)(fps=15)}))
    assert sorted(e.id for e in store.episodes) == ["e0", "e1", "e2"]
    assert np.isfinite(store.header.action_spec.mean).all()


def test_two_recordings_of_one_name_are_refused(tmp_path: Path) -> None:
    frames, actions = world(0)
    write_episode(tmp_path, "e", frames, actions)
    shutil.copy(tmp_path / "e.mp4", tmp_path / "e.mkv")
    with pytest.raises(ValueError, match=r"e\.mkv: e\.mp4 lies beside it.*rename one"):
        prepare(prep_config(tmp_path, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_prep_that_failed_is_not_in_the_way_of_the_mended_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    frames, actions = world(0)
    write_episode(source, "e", frames, actions[:-1])
    config = prep_config(source, tmp_path / "out", workers=1)
    assert main(command(config, tmp_path)) == 2
    assert "no usable episode; the first was skipped because: " in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("shard-*"))
    write_episode(source, "e", frames, actions)
    assert main(command(config, tmp_path)) == 0
    assert EpisodeStore(tmp_path / "out").find("e").length == 40
