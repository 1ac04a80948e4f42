"""A split is what the recording says, else a folder, else drawn by a hash, and never wasted on what cannot be used."""

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import prep_config, world, write_episode
from tests.prep.sources.recordings import pictures, write_images
from videovq.cli import main
from videovq.config import DeclareConfig
from videovq.data.store import EpisodeStore, read_shard_index
from videovq.data.video import write_video
from videovq.prep.prepare import prepare
from videovq.prep.splits import choose_splits


def episode(folder: Path, name: str, **said: object) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    write_episode(folder, name, *world(0, 4), **said)


def splits(store: EpisodeStore) -> dict[str, str]:
    return {info.id: info.split for info in store.episodes}


def test_the_recording_decides_then_a_folder(tmp_path: Path) -> None:
    episode(tmp_path, "in/test/a", split="Validation")
    episode(tmp_path, "in/test/b")
    episode(tmp_path, "in/test/c", split="train")
    episode(tmp_path, "in/Val/d", split=None)
    episode(tmp_path, "in/deep/valid/maze/e", split="")
    found = splits(prepare(prep_config(tmp_path / "in", tmp_path / "out", test_fraction=0.5)))
    assert found == {"test/a": "val", "test/b": "test", "test/c": "train", "Val/d": "val", "deep/valid/maze/e": "val"}


@pytest.mark.parametrize("said", ["heldout", "eval", 3, ["test"]])
def test_a_split_that_is_not_known_is_refused(said: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    episode(tmp_path, "in/test/a", split=said)
    episode(tmp_path, "in/b")
    assert main(["prep", "--source", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"a.json: `split` is {said!r}; it may be train, training, val, valid, validation, dev, test" in line
    assert not (tmp_path / "out").exists()


def test_a_folder_called_train_keeps_its_episodes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Out of test, whatever is wanted, and out of val, as long as there is anything else to validate with."""
    for i in range(4):
        episode(tmp_path, f"in/train/e{i}", **({"split": "train"} if i == 3 else {}))
    store = prepare(prep_config(tmp_path / "in", tmp_path / "none", validation_fraction=0, test_fraction=0.4))
    assert set(splits(store).values()) == {"train"}
    shown = capsys.readouterr().out
    assert "WARNING: no episode in split test; " in shown and "a folder called test, or set test_fraction" in shown
    prepare(prep_config(tmp_path / "in", tmp_path / "quiet", validation_fraction=0, test_fraction=0))
    assert "WARNING" not in capsys.readouterr().out
    for i in range(3):
        episode(tmp_path, f"in/more/f{i}")
    found = splits(prepare(prep_config(tmp_path / "in", tmp_path / "more", validation_fraction=0.4, test_fraction=0.4)))
    assert {split for id_, split in found.items() if id_.startswith("train/")} == {"train"}
    assert {split for id_, split in found.items() if id_.startswith("more/")} >= {"val", "test"}
    assert "of the folder train" not in capsys.readouterr().out


def test_val_is_drawn_from_a_folder_called_train_where_there_is_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two folders, train and test, are how most data sets come; without val, nothing could be trained."""
    for i in range(6):
        episode(tmp_path, f"in/train/e{i}", split="train")
    for i in range(2):
        episode(tmp_path, f"in/test/f{i}", split="test")
    config = prep_config(tmp_path / "in", tmp_path / "out", validation_fraction=0.05, test_fraction=0.4)
    found = splits(prepare(config))
    assert Counter(found.values()) == {"train": 5, "val": 1, "test": 2}
    assert {id_ for id_, split in found.items() if split == "test"} == {"test/f0", "test/f1"}
    shown = capsys.readouterr().out
    assert "val: 1 episode(s) of the folder train, since nothing is called val" in shown and "WARNING" not in shown


def test_recordings_that_all_say_train_are_drawn_from_unless_others_say_nothing() -> None:
    train = {f"e{i}": "train" for i in range(6)}
    assert Counter(choose_splits(train, 0.1, 0.1, stated_train=train).values()) == {"train": 4, "val": 1, "test": 1}
    mixed = choose_splits({**train, "f": "", "g": ""}, 0.1, 0.1, stated_train=train)
    assert {mixed["f"], mixed["g"]} == {"val", "test"} and {mixed[name] for name in train} == {"train"}
    assert Counter(choose_splits(train, 0.1, 0.1).values()) == {"train": 5, "val": 1}, "in a folder called train"


def test_unusable_recordings_take_no_place(tmp_path: Path) -> None:
    source = tmp_path / "in"
    for i in range(6):
        episode(source, f"e{i}", level=f"l{i}")
    whole = splits(prepare(prep_config(source, tmp_path / "whole")))
    # Whatever the hash would choose for the only places is spoilt: others take them.
    spoilt = [id_ for id_, split in whole.items() if split != "train"]
    (source / f"{spoilt[0]}.mp4").write_bytes(b"rubbish")
    write_episode(source, spoilt[1], world(0, 4)[0], [0] * 3, level="short")
    (source / "settings.json").write_text(json.dumps({"split": {"test": 0.1}, "colour": 3}))
    for split_by in ("episode", "level"):
        store = prepare(prep_config(source, tmp_path / split_by, split_by=split_by))
        assert Counter(splits(store).values()) == {"train": 2, "val": 1, "test": 1}
        skipped = [row["source"] for i in range(store.header.shards) for row in read_shard_index(store.folder, i)[1]]
        assert sorted(skipped) == sorted([*spoilt, "settings"])
        before = {path.name: path.read_bytes() for path in store.folder.path.iterdir()}
        prepare(prep_config(source, tmp_path / split_by, split_by=split_by))
        assert before == {path.name: path.read_bytes() for path in store.folder.path.iterdir()}, "once more: the same"


def test_too_few_usable_recordings_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    episode(tmp_path, "in/a")
    (tmp_path / "in" / "b.mp4").write_bytes(b"rubbish")
    assert splits(prepare(prep_config(tmp_path / "in", tmp_path / "out"))) == {"a": "train"}
    assert "WARNING: no episode in split val; add recordings" in capsys.readouterr().out


def test_a_set_to_evaluate_on_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(2):
        episode(tmp_path, f"in/e{i}")
    out = ["--out", str(tmp_path / "out"), "--frame_size", "8"]
    words = ["prep", "--source", str(tmp_path / "in"), *out, "--test_fraction", "1.0", "--validation_fraction", "0"]
    assert main(words) == 0
    assert "WARNING" not in capsys.readouterr().out
    store = EpisodeStore(tmp_path / "out")
    assert set(splits(store).values()) == {"test"} and store.split("test")
    assert main(["train", "vqvae", "--store", str(tmp_path / "out"), "--run", str(tmp_path / "run")]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "out: has no episode in split 'train', only in test; " in last
    assert main([*words[:-4], "--test_fraction", "0.9", "--validation_fraction", "0.2"]) == 2


def test_continuous_actions_are_measured_where_nothing_trains(tmp_path: Path) -> None:
    np.savez(tmp_path / "e.npz", frames=pictures(3), actions=np.array([0.5, 1.5, 2.5]))
    config = prep_config(
        tmp_path,
        tmp_path / "out",
        declare=DeclareConfig(fps=10),
        frame_size=8,
        test_fraction=1.0,
        validation_fraction=0,
    )
    assert prepare(config).header.action_spec.mean == (1.5,)


@pytest.mark.parametrize("spelling", [".", "../in", "absolute"])
def test_a_folder_gives_the_same_store_however_it_is_spelt(
    spelling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path / "in", {f"{i}.png": pictures(1)[0] for i in range(3)})
    monkeypatch.chdir(tmp_path / "in")
    source = tmp_path / "in" if spelling == "absolute" else Path(spelling)
    (info,) = prepare(prep_config(source, tmp_path / "out", frame_size=8)).episodes
    assert (info.id, info.level) == ("0000", "in")


def test_out_within_the_source_is_left_out_however_it_is_spelt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    episode(tmp_path, "in/a")
    monkeypatch.chdir(tmp_path)
    for source, out in (("in", tmp_path / "in" / "store"), (tmp_path / "in", "in/store"), ("./in", "in/../in/store")):
        assert [info.id for info in prepare(prep_config(Path(source), Path(out))).episodes] == ["a"]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A single recording of 300 frames, no two alike."""
    folder = tmp_path_factory.mktemp("film")
    frames = np.zeros((300, 8, 8, 3), np.uint8)
    frames[..., 0] = (np.arange(300) % 256)[:, None, None]
    frames[..., 1] = (np.arange(300) // 256)[:, None, None] * 99
    write_video(folder / "film.mp4", frames, 10, "lossless")
    return folder


def numbers(store: EpisodeStore, id_: str) -> list[int]:
    frames = store.read(store.find(id_)).frames[:, 0, 0].int()
    return (frames[:, 0] + (frames[:, 1] > 0) * 256).tolist()


def test_of_one_recording_the_ends_are_put_aside_with_a_window_between(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"frame_size": 8, "validation_fraction": 0.1, "test_fraction": 0.02}
    store = prepare(prep_config(film, tmp_path / "out", **settings))
    assert splits(store) == {"film": "train", "film/val": "val", "film/test": "test"}
    assert numbers(store, "film/test") == [*range(284, 300)], "as many as a window has"
    assert numbers(store, "film/val") == [*range(238, 268)]
    assert numbers(store, "film") == [*range(222)]
    said = capsys.readouterr().out
    assert "val and test are cut from the end of 1 of them, 16 frames between" in said
    assert "WARNING" not in said and "enough for: train vqvae, train predictor, evaluate\n" in said
    before = {path.name: path.read_bytes() for path in store.folder.path.iterdir()}
    prepare(prep_config(film, tmp_path / "out", **settings))
    assert before == {path.name: path.read_bytes() for path in store.folder.path.iterdir()}


def test_a_long_recording_is_cut_into_episodes_that_stay_in_their_part(film: Path, tmp_path: Path) -> None:
    store = prepare(prep_config(film, tmp_path / "out", frame_size=8, cut_every=100, test_fraction=0.0))
    assert splits(store) == {"film/000": "train", "film/001": "train", "film/002": "train", "film/val/000": "val"}
    assert numbers(store, "film/001") == [*range(100, 200)]
    whole = prepare(
        prep_config(film, tmp_path / "whole", frame_size=8, cut_every=90, validation_fraction=0, test_fraction=0)
    )
    assert [info.length for info in whole.episodes] == [90, 90, 90, 30]
    kept = prepare(
        prep_config(
            film, tmp_path / "kept", frame_size=8, cut_every=90, shortest=31, validation_fraction=0, test_fraction=0
        )
    )
    assert [info.length for info in kept.episodes] == [90, 90, 90]


def test_of_two_recordings_both_are_trained_on_unless_one_is_too_short(film: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(film, tmp_path / "in"))
    shutil.copy(source / "film.mp4", source / "other.mp4")
    store = prepare(prep_config(source, tmp_path / "out", frame_size=8))
    names = {"film", "other"}
    assert splits(store) == {f"{name}{end}": split for name in names
                             for end, split in (("", "train"), ("/val", "val"), ("/test", "test"))}  # fmt: skip
    (source / "test").mkdir()
    (source / "other.mp4").rename(source / "test" / "other.mp4")
    store = prepare(prep_config(source, tmp_path / "said", frame_size=8))
    assert splits(store) == {"film": "train", "film/val": "val", "test/other": "test"}


def test_what_is_trained_on_has_an_episode_too() -> None:
    for number in range(3, 30):
        found = choose_splits({f"{number}-{i}": "" for i in range(3)}, 0.45, 0.45)
        assert set(found.values()) == {"train", "val", "test"}
    assert set(choose_splits({f"e{i}": "" for i in range(30)}, 0.3, 0.7).values()) == {"val", "test"}


def test_what_a_store_cannot_do_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(3):
        episode(tmp_path, f"in/e{i}")
    prepare(prep_config(tmp_path / "in", tmp_path / "out"))
    said = capsys.readouterr().out
    assert "enough for: train vqvae\n" in said
    assert (
        "not for: evaluate (needs 16 frames in a row in test, where 4 are the most: add longer ones, or choose" in said
    )
