import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import gymnasium
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from tests.conftest import prep_config
from tests.prep.sources import test_rlu
from tests.prep.sources.recordings import (
    csgo_action,
    encode,
    pictures,
    read_all,
    vpt_line,
    write_csgo,
    write_hdf5,
    write_images,
    write_teco_minecraft,
    write_vpt,
)
from videovq import packages
from videovq.config import DeclareConfig
from videovq.prep.prepare import prepare
from videovq.prep.sources.formats import open_reader, reader_class


def write_videos(folder: Path) -> None:
    encode(folder / "e.mp4", pictures(2))
    (folder / "e.csv").write_text("action\n0\n1\n")


TWO = {"frames": pictures(2), "actions": np.array([0, 1])}
WRITERS: dict[str, Callable[[Path], None]] = {
    "csgo": lambda folder: write_csgo(folder / "hdf5_dm_july2021_1.hdf5", pictures(2), [csgo_action()] * 2),
    "hdf5": lambda folder: write_hdf5(folder / "e.hdf5", {"episode_0": TWO}),
    "vpt": lambda folder: write_vpt(folder, "e", pictures(2), [vpt_line()] * 2),
    "teco_dmlab": lambda folder: np.savez(folder / "e.npz", video=TWO["frames"], actions=TWO["actions"]),
    "teco_minecraft": lambda folder: write_teco_minecraft(folder, "e", pictures(2), [0, 1]),
    "arrays": lambda folder: np.savez(folder / "e.npz", **TWO),  # type: ignore[arg-type]
    "videos": write_videos,
    "images": lambda folder: write_images(folder, {"0.png": pictures(2)[0], "1.bmp": pictures(2)[1]}),
}
SAID = {
    "hdf5": DeclareConfig(fps=10, action_sizes=[2]),
    "arrays": DeclareConfig(fps=10, action_sizes=[2]),
    "teco_dmlab": DeclareConfig(fps=10),
    "videos": DeclareConfig(action_sizes=[2]),
}


def write_minari(folder: Path, format_: str) -> None:
    from tests.prep.sources import test_minari

    test_minari.write(folder, gymnasium.spaces.Discrete(3), [np.array([0, 2, 1])], format_)


LEROBOT = Path(__file__).parent / "lerobot_v30"
EVERY: dict[str, Callable[[Path], object]] = {
    **{
        name: lambda folder, write=write: (folder.mkdir(exist_ok=True), write(folder))
        for name, write in WRITERS.items()
    },
    "rlu": test_rlu.write,
    "minari": lambda folder: write_minari(folder, "hdf5"),
    "lerobot": lambda folder: shutil.copytree(LEROBOT, folder, dirs_exist_ok=True),
}
TOLD = {**SAID, "minari": DeclareConfig(fps=10), "lerobot": DeclareConfig(frames_key="observation.images.top")}


@pytest.mark.parametrize("name", WRITERS)
def test_auto_recognises_each_format(name: str, tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    WRITERS[name](tmp_path / "deeper")
    assert type(open_reader("auto", DeclareConfig(), tmp_path)) is reader_class(name)


@pytest.mark.parametrize("name", WRITERS)
def test_prep_stores_what_each_reader_reads(name: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    WRITERS[name](tmp_path / "in")
    config = prep_config(tmp_path / "in", tmp_path / "out", frame_size=8, declare=SAID.get(name, DeclareConfig()))
    store = prepare(config)
    (episode,) = store.episodes
    assert np.array_equal(store.read(episode).frames.numpy(), pictures(2)[:, :, 4:12]), "the centre square"
    assert store.header.alignment == reader_class(name)(config.declare).alignment
    assert pickle.dumps(reader_class(name)(config.declare)), "readers travel to other processes"


def test_what_cannot_be_opened_says_what_can(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no 'hdf'; choose from: auto, .*hdf5, .*videos"):
        open_reader("hdf", DeclareConfig(), tmp_path)
    with pytest.raises(ValueError, match="no format recognises"):
        open_reader("auto", DeclareConfig(), tmp_path)
    with pytest.raises(ValueError, match="no such folder"):
        open_reader("auto", DeclareConfig(), tmp_path / "missing")
    with pytest.raises(ValueError, match="holds no file that ends in .hdf5 or .h5"):
        read_all("hdf5", tmp_path)


def test_a_missing_package_is_named_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> ModuleType:
        raise ImportError(name)

    write_hdf5(tmp_path / "e.h5", {"": TWO})
    encode(tmp_path / "e.mp4", pictures(2))
    pyarrow.parquet.write_table(pyarrow.table({"action": [0, 1]}), tmp_path / "e.parquet")
    monkeypatch.setattr(packages, "import_module", absent)
    with pytest.raises(ValueError, match=r"needs h5py; run: pip install '\.\[hdf5\]'"):
        read_all("auto", tmp_path)
    with pytest.raises(ValueError, match=r"needs pyarrow; run: pip install '\.\[parquet\]'"):
        read_all("videos", tmp_path)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


@pytest.mark.parametrize("name", EVERY)
def test_pointers_of_git_lfs_are_named_in_every_format(name: str, tmp_path: Path) -> None:
    EVERY[name](tmp_path)
    unread = ("wrist", "tasks.parquet")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    for path in [path for path in files if not any(part in str(path) for part in unread)]:
        whole = path.read_bytes()
        path.write_text(POINTER)
        with pytest.raises(ValueError, match=rf"{path.name}: is a Git LFS pointer, .*`git lfs pull`"):
            read_all(name, tmp_path, **vars(TOLD.get(name, DeclareConfig())))
        path.write_bytes(whole)
    for path in files:
        path.write_text(POINTER)
    with pytest.raises(ValueError, match="is a Git LFS pointer, .*`git lfs pull`"):
        prepare(prep_config(tmp_path, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", EVERY)
def test_hidden_files_are_no_data_and_linked_folders_are_in_any_format(name: str, tmp_path: Path) -> None:
    EVERY[name](tmp_path / "whole")
    source = tmp_path / "source"
    shutil.copytree(tmp_path / "whole", source / "kept")
    said = vars(TOLD.get(name, DeclareConfig()))
    expected = set(read_all(name, source, **said)[1])
    shutil.copytree(tmp_path / "whole", source / ".Trash-1000")
    for path in [path for path in source.rglob("*") if path.is_file()]:
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7Mac OS X")
        hidden = path.parent / ".ipynb_checkpoints" / path.name
        hidden.parent.mkdir(exist_ok=True)
        shutil.copy(path, hidden)
    reader, found = read_all("auto", source, **said)
    assert type(reader) is reader_class(name) and set(found) == expected
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "kept").symlink_to(source / "kept")
    reader, found = read_all("auto", tmp_path / "links", **said)
    assert type(reader) is reader_class(name) and set(found) == expected
