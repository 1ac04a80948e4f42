"""CIFAR-10 and folders of pictures: episodes whose frames do not follow from each other."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import CIFAR10

from tests.conftest import prep_config
from tests.prep.sources.recordings import frames_of, pictures, read_all, write_images
from videovq.prep.prepare import prepare
from videovq.prep.sources import cifar10

CLASSES = [f"kind {i}" for i in range(10)]
PER_FILE = 20


def file_of(number: int) -> tuple[np.ndarray, list[int]]:
    """Pictures and labels of a file of ours."""
    return pictures(PER_FILE, seed=number, height=32, width=32), [i % 10 for i in range(PER_FILE)]


def write_cifar10(folder: Path, assign: Callable[[Any, str, Any], object] = setattr) -> None:
    """The files as they are published, with 20 pictures each; torchvision is told their checksums."""
    below = folder / CIFAR10.base_folder
    below.mkdir(parents=True)

    def dump(name: str, content: dict[str, Any]) -> str:
        (below / name).write_bytes(pickle.dumps(content))
        return hashlib.md5((below / name).read_bytes()).hexdigest()

    def batch(name: str, number: int) -> list[str]:
        frames, labels = file_of(number)
        return [name, dump(name, {"data": frames.transpose(0, 3, 1, 2).reshape(PER_FILE, -1), "labels": labels})]

    assign(CIFAR10, "train_list", [batch(f"data_batch_{i}", i) for i in range(1, 6)])
    assign(CIFAR10, "test_list", [batch("test_batch", 6)])
    facts = {"filename": "batches.meta", "key": "label_names"}
    assign(CIFAR10, "meta", {**facts, "md5": dump("batches.meta", {"label_names": CLASSES})})


def test_cifar10_by_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path, monkeypatch.setattr)
    monkeypatch.setattr(cifar10, "TOGETHER", 4)
    reader, found = read_all("auto", tmp_path)
    assert isinstance(reader, cifar10.CIFAR10Reader)
    assert len(found) == 10 * (3 + 1)
    entry, raw = found["train/kind 7/002"]
    assert (entry.level, entry.split) == ("kind 7", "")
    fifth, _ = file_of(5)
    assert np.array_equal(frames_of(raw).numpy(), fifth[[7, 17]]), "the last two of its ten"
    assert raw.actions.shape == (2, 0)
    assert raw.discontinuities == (0,)
    entry, raw = found["test/kind 0/000"]
    assert entry.split == "test"
    assert np.array_equal(frames_of(raw).numpy(), file_of(6)[0][[0, 10]])


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_cifar10_that_is_not_the_published_one_is_never_unpickled(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar10(tmp_path, monkeypatch.setattr)
    read_all("cifar10", tmp_path)
    path = tmp_path / CIFAR10.base_folder / name
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(ValueError, match="incomplete or damaged; .*download=True"):
        read_all("cifar10", tmp_path)
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(ValueError, match=f"{name}: is a Git LFS pointer"):
        read_all("cifar10", tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match="incomplete or damaged; .*download=True"):
        read_all("cifar10", tmp_path)


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    many = pictures(103, height=4, width=4)
    write_images(tmp_path, {f"train/cats/{i:03d}.png": one for i, one in enumerate(many)})
    write_images(tmp_path, {"test/dogs/a.BMP": pictures(1)[0], "test/dogs/b.png": pictures(1)[0, :, :, 0]})
    _, found = read_all("images", tmp_path)
    assert [(id_, entry.level, entry.split) for id_, (entry, _) in found.items()] == [
        ("test/dogs/0000", "dogs", "test"),
        ("train/cats/0000", "cats", "train"),
        ("train/cats/0001", "cats", "train"),
    ]
    cats = [frames_of(found[f"train/cats/000{i}"][1]) for i in range(2)]
    assert [len(one) for one in cats] == [100, 3]
    assert np.array_equal(torch.cat(cats).numpy(), many)
    assert found["train/cats/0001"][1].discontinuities == (0, 1)
    grey = frames_of(found["test/dogs/0000"][1])[1]
    assert torch.equal(grey[..., 0], grey[..., 2]), "grey pictures become RGB"


def test_pictures_of_any_size_are_prepared_and_broken_ones_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(tmp_path / "in", {"good/a.png": pictures(1)[0], "good/b.jpg": pictures(1, height=50, width=40)[0]})
    write_images(tmp_path / "in", {"deep/a.png": np.zeros((8, 8), dtype=np.uint16)})
    (tmp_path / "in" / "broken").mkdir()
    (tmp_path / "in" / "broken" / "a.png").write_bytes(b"rubbish")
    store = prepare(prep_config(tmp_path / "in", tmp_path / "out", frame_size=6))
    (info,) = store.episodes
    assert (info.id, info.length, info.level, info.discontinuities) == ("good/0000", 2, "good", (0,))
    assert store.header.action_spec.kind == "none"
    said = capsys.readouterr().out
    assert "broken/a.png: cannot be read as a picture" in said
    assert "deep/a.png: cannot be read as a picture (its mode is I;16)" in said


@pytest.mark.parametrize(
    ("orientation", "shown"),
    [
        (1, lambda coded: coded),
        (2, lambda coded: coded[:, ::-1]),
        (6, lambda coded: np.rot90(coded, -1)),
        (5, lambda coded: coded.swapaxes(0, 1)),
        (0, lambda coded: coded),  # no orientation at all
    ],
)
def test_pictures_are_turned_and_mirrored_as_their_exif_says(
    orientation: int, shown: Callable[[np.ndarray], np.ndarray], tmp_path: Path
) -> None:
    coded, exif = pictures(1)[0], Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(coded).save(tmp_path / "a.png", exif=exif if orientation else b"Exif\0\0rubbish")
    ((_, raw),) = read_all("images", tmp_path)[1].values()
    assert np.array_equal(frames_of(raw)[0].numpy(), shown(coded))
