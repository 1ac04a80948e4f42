"""A split is what the recording says, else a folder, else drawn by a hash, and never wasted on what cannot be used."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import prep_config, world, write_episode
from tests.prep.sources.recordings import pictures, write_images
from videovq.cli import main
from videovq.config import DeclareConfig
from videovq.data.store import EpisodeStore, read_shard_index
from videovq.prep.prepare import choose_splits, prepare


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
    for i in range(4):
        episode(tmp_path, f"in/train/e{i}", **({"split": "train"} if i == 3 else {}))
    store = prepare(prep_config(tmp_path / "in", tmp_path / "out", validation_fraction=0.4, test_fraction=0.4))
    assert set(splits(store).values()) == {"train"}
    shown = capsys.readouterr().out
    for split, setting in (("val", "validation_fraction"), ("test", "test_fraction")):
        assert (
            f"WARNING: no episode in split {split}; " in shown and f"a folder called {split}, or set {setting}" in shown
        )
    prepare(prep_config(tmp_path / "in", tmp_path / "quiet", validation_fraction=0, test_fraction=0))
    assert "WARNING" not in capsys.readouterr().out


def test_recordings_that_all_say_train_are_drawn_from_unless_others_say_nothing() -> None:
    train = {f"e{i}": "train" for i in range(6)}
    assert Counter(choose_splits(train, 0.1, 0.1, told_train=train).values()) == {"train": 4, "val": 1, "test": 1}
    mixed = choose_splits({**train, "f": "", "g": ""}, 0.1, 0.1, told_train=train)
    assert {mixed["f"], mixed["g"]} == {"val", "test"} and {mixed[name] for name in train} == {"train"}
    assert set(choose_splits(train, 0.1, 0.1).values()) == {"train"}, "they lie in a folder called train"


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
        skipped = [row["source"] for i in range(store.header.shards) for row in read_shard_index(store.place, i)[1]]
        assert sorted(skipped) == sorted([*spoilt, "settings"])
        before = {path.name: path.read_bytes() for path in store.place.path.iterdir()}
        prepare(prep_config(source, tmp_path / split_by, split_by=split_by))
        assert before == {path.name: path.read_bytes() for path in store.place.path.iterdir()}, "once more: the same"


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
