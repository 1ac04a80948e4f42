import os
from pathlib import Path

import pytest

from videovq.data.listing import files_below, folder_name, in_any_locale, refuse_pointers


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def below(folder: Path, without: Path | None = None) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in files_below(folder, without)]


def test_linked_folders_are_followed_and_each_folder_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, "source/own/a", "elsewhere/deep/b", "elsewhere/c")
    source = tmp_path / "source"
    (source / "linked").symlink_to(tmp_path / "elsewhere")
    (source / "again").symlink_to(tmp_path / "elsewhere" / "deep")
    (source / "a_copy").symlink_to(source / "own")
    (source / "own" / "round").symlink_to(source)
    (tmp_path / "elsewhere" / "back").symlink_to(source)
    (source / "gone").symlink_to(tmp_path / "nowhere")
    assert below(source) == ["again/b", "gone", "linked/c", "own/a"]


def test_what_is_hidden_is_no_data(tmp_path: Path) -> None:
    write(tmp_path, "a", ".b", "._a", ".Trash-1000/files/a", "x/.ipynb_checkpoints/a", "__MACOSX/a", "x/a.b")
    assert below(tmp_path) == ["a", "x/a.b"]


@pytest.mark.parametrize("spelling", ["source/out", "./source/../source/out", "linked", "absolute"])
def test_a_folder_is_left_out_however_it_is_spelt(
    spelling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "source/a", "source/out/shard.json")
    (tmp_path / "linked").symlink_to(tmp_path / "source" / "out")
    monkeypatch.chdir(tmp_path)
    without = tmp_path / "source" / "out" if spelling == "absolute" else Path(spelling)
    assert below(Path("source"), without) == ["a"]


def test_the_folder_one_is_in_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "maze/deep/a")
    monkeypatch.chdir(tmp_path / "maze" / "deep")
    assert [folder_name(Path(name)) for name in (".", "..", "../deep")] == ["deep", "maze", "deep"]


def test_pointers_of_git_lfs_are_named(tmp_path: Path) -> None:
    write(tmp_path, "whole", "short")
    (tmp_path / "pointer").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    refuse_pointers([tmp_path / "whole", tmp_path / "short", tmp_path / "missing"])
    with pytest.raises(ValueError, match="pointer: is a Git LFS pointer, .*`git lfs pull`"):
        refuse_pointers([tmp_path / "whole", tmp_path / "pointer"])


def test_names_are_the_same_in_every_locale() -> None:
    escaped = "Höhle/é".encode().decode("ascii", "surrogateescape")
    assert in_any_locale(escaped) == in_any_locale("Höhle/é") == "Höhle/é"
    assert in_any_locale(os.fsdecode(b"\xff")).encode("utf-8", "surrogateescape") == b"\xff", "no letter in any"
