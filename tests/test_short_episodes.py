"""Episodes of a single frame, which `images` and `prep --cut` leave: whatever reads a store copes with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import predictor_config, prep_config, world, write_episode
from videovq.cli import main
from videovq.data.store import CodeStore, EpisodeStore
from videovq.prep.prepare import prepare
from videovq.rollout.contexts import contexts
from videovq.rollout.pair import Pair
from videovq.runs import load_predictor, load_vqvae
from videovq.training import predictor

SPLITS = ("train", "val", "test")


def recordings(folder: Path, lengths: dict[str, int]) -> Path:
    """An episode of each name, in the split that its name begins with."""
    folder.mkdir()
    for i, (name, length) in enumerate(lengths.items()):
        frames, actions = world(i, length)
        write_episode(folder, name, frames, actions, split=name.split("_")[0], level="wall")
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EpisodeStore:
    """In every split an episode of one frame, one of three, and one of 40."""
    folder = tmp_path_factory.mktemp("short")
    lengths = {f"{split}_{n:02d}": n for split in SPLITS for n in (1, 3, 40)}
    return prepare(prep_config(recordings(folder / "source", lengths), folder / "store"))


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> EpisodeStore:
    """Nothing but episodes of one frame."""
    folder = tmp_path_factory.mktemp("lone")
    source = recordings(folder / "source", {f"{split}_{i}": 1 for split in SPLITS for i in range(2)})
    return prepare(prep_config(source, folder / "store"))


@pytest.fixture(scope="module")
def codes(store: EpisodeStore, vqvae_run: Path, tmp_path_factory: pytest.TempPathFactory) -> CodeStore:
    out = tmp_path_factory.mktemp("codes") / "codes"
    assert main(["encode", "--store", str(store), "--vqvae", str(vqvae_run), "--out", str(out)]) == 0
    return CodeStore(out)


def test_they_are_inspected(store: EpisodeStore, lone: EpisodeStore, tmp_path: Path) -> None:
    for some, frames in ((store, 44), (lone, 2)):
        report = tmp_path / f"report {frames}"
        assert main(["inspect", "--store", str(some), "--out", str(report)]) == 0
        found = json.loads((report / "findings.json").read_text(), parse_constant=pytest.fail)
        assert found["splits"]["val"]["frames"] == frames
    assert "cannot be told" in found["alignment"]["verdict"]


def test_a_recording_of_one_frame_is_inspected(tmp_path: Path) -> None:
    source = recordings(tmp_path / "source", {"train_0": 1})
    assert main(["inspect", "--source", str(source), "--out", str(tmp_path / "report")]) == 0
    assert json.loads((tmp_path / "report" / "findings.json").read_text())["durations"] == [1]


def test_they_are_encoded(store: EpisodeStore, codes: CodeStore) -> None:
    assert [info.length for info in codes.episodes] == [info.length for info in store.episodes]


def test_they_are_trained_on(codes: CodeStore, lone: EpisodeStore, tmp_path: Path) -> None:
    predictor.train(predictor_config(codes, tmp_path / "predictor", steps=1))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("evaluate", ["--frames", "1", "--context_frames", "5", "--stride", "40"]),
        ("evaluate vqvae", []),
        ("evaluate long", ["--frames", "4", "--rollouts", "2", "--segment", "2"]),
    ],
)
def test_they_are_measured(
    command: str, words: list[str], store: EpisodeStore, vqvae_run: Path, predictor_run: Path, tmp_path: Path
) -> None:
    runs = ["--store", str(store), "--vqvae", str(vqvae_run), "--out", str(tmp_path / "report"), *words]
    if command != "evaluate vqvae":
        runs += ["--predictor", str(predictor_run)]
    assert main([*command.split(), *runs]) == 0
    if command == "evaluate":
        metrics = json.loads((tmp_path / "report" / "metrics.json").read_text())
        assert metrics["windows"] == 1 and metrics["bits_per_code"]["prediction"]["low"] is None
        controls = {name for one in (metrics["bits_per_code"], metrics["methods"]) for name in one}
        assert "shuffled actions" not in controls, "there is no other window to take them from"


def test_where_every_episode_is_too_short_one_line_says_so(
    lone: EpisodeStore, vqvae_run: Path, predictor_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = ["--vqvae", str(vqvae_run), "--predictor", str(predictor_run), "--out", str(tmp_path / "out")]
    for words, named in (
        (
            ["evaluate", "--store", str(lone)],
            "context + frames: no episode has 16 frames without a break in test, but 1 at most; ask",
        ),
        (["evaluate", "long", "--store", str(lone)], "no episode of test has 6 frames"),
        (["rollout", "--context", str(lone)], "has 1 frames, too few for context 0 to 5"),
    ):
        assert main([*words, *runs]) == 2
        shown = capsys.readouterr().err
        assert named in shown and "Traceback" not in shown
    words = ["--context_frames", "1", "--frames", "2", "--rollouts", "2"]
    assert main(["evaluate", "long", "--store", str(lone), *words, *runs]) == 0


def test_a_rollout_begins_in_the_first_episode_that_is_long_enough(
    store: EpisodeStore, vqvae_run: Path, predictor_run: Path, tmp_path: Path
) -> None:
    runs = ["--vqvae", str(vqvae_run), "--predictor", str(predictor_run), "--out", str(tmp_path / "r"), "--no-decode"]
    assert main(["rollout", "--context", str(store), "--frames", "3", *runs]) == 0


def test_scenes_come_from_a_split_with_an_episode_that_is_long_enough(
    tmp_path: Path, vqvae_run: Path, predictor_run: Path
) -> None:
    source = recordings(tmp_path / "source", {"test_0": 1, "val_0": 1, "train_0": 9})
    prepare(prep_config(source, tmp_path / "store"))
    pair = Pair(load_vqvae(vqvae_run), load_predictor(predictor_run))
    assert [clip.name for clip in contexts(str(tmp_path / "store"), "", pair, 6, 4)] == ["train_0"]
    with pytest.raises(ValueError, match="no 10 frames in a row"):
        contexts(str(tmp_path / "store"), "", pair, 10, 4)
