from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from videovq.cli import COMMANDS, OUTPUTS, main
from videovq.data.folders import open_folder
from videovq.writable import CACHES, give_caches_a_home, hindrance

# Whoever runs the tests may be root, whom permissions do not stop: a file where a folder should be stops everybody.


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("")
    return tmp_path / "file"


def test_what_hinders_writing_is_named_and_trying_leaves_nothing(tmp_path: Path, file: Path) -> None:
    assert hindrance(tmp_path) == hindrance(tmp_path / "new" / "folder") == ""
    assert hindrance(file) == hindrance(file / "a" / "b") == f"{file} is no folder"
    assert hindrance(Path("/proc/nowhere")).startswith("/proc: ") or not Path("/proc").exists()
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "push"])  # which writes nothing here
def test_every_command_finds_out_first_that_it_cannot_write(
    name: str, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    monkeypatch.setitem(sys.modules, COMMANDS[name].module, None)  # the command itself is not even imported
    output = next(one for one in OUTPUTS if one in COMMANDS[name].config.__dataclass_fields__)
    assert main([*name.split(), f"--{output}", str(file / "a")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {output}: {file / 'a'} cannot be written ({file} is no folder)")
    assert error.count("\n") == 1


def test_the_mirror_of_a_remote_folder_that_cannot_be_written_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOVQ_CACHE", str(file))
    with pytest.raises(ValueError, match=r"memory://a: its mirror cannot be written .*; set VIDEOVQ_CACHE"):
        open_folder("memory://a")


def test_caches_stay_where_they_are_while_there_is_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    before = dict(os.environ)
    give_caches_a_home()
    assert dict(os.environ) == before and os.listdir(tmp_path) == []


def test_without_a_home_caches_are_temporary_and_nothing_complains(file: Path) -> None:
    code = (
        "import os; from videovq.writable import CACHES, give_caches_a_home; give_caches_a_home()\n"
        "import matplotlib; matplotlib.get_cachedir(); matplotlib.get_configdir()\n"
        "print(*{os.environ[name] for name in CACHES})"
    )
    without = {key: value for key, value in os.environ.items() if key not in CACHES}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**without, "HOME": str(file)}, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert not Path(done.stdout.strip()).exists(), "it is removed at the end"
