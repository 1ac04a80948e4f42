"""`videovq inspect` finds what was planted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import NAMES, prep_config, world, write_episode
from videovq import pictures
from videovq.cli import main
from videovq.data.motion import brightness, horizontal_shift
from videovq.data.store import EpisodeStore
from videovq.data.video import write_video
from videovq.prep.alignment import alignment
from videovq.prep.inspect import contact_sheet, examine
from videovq.prep.prepare import prepare
from videovq.types import ActionSpec

DISCRETE = ActionSpec("discrete", (3,), NAMES)


@pytest.mark.parametrize("late", [-2, -1, 0, 1, 2])
def test_misplaced_actions_are_found(late: int, episode_store: EpisodeStore) -> None:
    episodes = [episode_store.read(info) for info in episode_store.episodes]
    grey = [brightness(e.frames) for e in episodes]
    motions = [horizontal_shift(g[:-1], g[1:]) for g in grey]
    moved = [e.actions.roll(late, 0) for e in episodes]
    found = alignment(motions, moved, [()] * len(moved), DISCRETE, 12)
    assert found.best == late
    assert found.margin > 0.5
    assert ("WARNING" in found.verdict()) == (late != 0)
    if late:
        assert f"{abs(late)} step(s) too {'late' if late > 0 else 'early'}" in found.verdict()


def test_real_valued_actions_and_those_that_do_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    turns = [torch.randn(200, 2, generator=generator) for _ in range(3)]
    motions = [(3 * t[:-1, 1]).round().long() for t in turns]
    spec = ActionSpec("continuous", mean=(0.0, 0.0), std=(1.0, 1.0))
    right = alignment(motions, turns, [()] * 3, spec, 99)
    assert right.best == 0 and right.explained[0] > 0.9 and right.margin > 0.8
    still = alignment([torch.zeros_like(m) for m in motions], turns, [()] * 3, spec, 99)
    assert "cannot be told" in still.verdict()
    none = alignment(motions, [t[:, :0] for t in turns], [()] * 3, ActionSpec("none"), 99)
    assert "cannot be told" in none.verdict()


def test_breaks_are_left_out() -> None:
    generator = torch.Generator().manual_seed(0)
    actions = torch.randint(3, (400, 1), generator=generator)
    motion = actions[:-1, 0].clone()
    broken = list(range(10, 390, 2))
    motion[broken] = torch.randint(-40, 40, (len(broken),), generator=generator)
    told = alignment([motion], [actions], [broken], DISCRETE, 99)
    assert told.explained[0] == pytest.approx(1.0)
    assert alignment([motion], [actions], [()], DISCRETE, 99).explained[0] < 0.2


def test_motion_beyond_belief_is_left_out() -> None:
    actions = torch.randint(3, (400, 1), generator=torch.Generator().manual_seed(0))
    motion = actions[:-1, 0].clone()
    motion[::3] = 40
    assert alignment([motion], [actions], [()], DISCRETE, 20).explained[0] == pytest.approx(1.0)
    assert alignment([motion], [actions], [()], DISCRETE, 40).explained[0] < 0.1


def test_oddities(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for i in range(6):
        frames, actions = world(i)
        frames, extra = (
            frames.copy(),
            {"split": "test" if i == 5 else "train", "discontinuities": [7] if i == 1 else []},
        )
        if i == 0:
            frames[:12] = 0
        if i == 2:
            frames[5:20] = frames[5]
        if i == 5:
            frames[:4] = world(4)[0][:4]  # from a training episode
        write_episode(source, f"e{i}", frames, actions, **extra)
    write_episode(source, "short", world(9)[0], world(9)[1][:-3])
    store = prepare(prep_config(source, tmp_path / "store", validation_fraction=0.0))
    found, fitting = examine(store)
    assert found.black == found.flat == 12
    assert found.leaked == {"val": 0, "test": 4}
    assert found.discontinuities == 1
    still = sum(int((world(i)[0][1:] == world(i)[0][:-1]).all((1, 2, 3)).sum()) for i in (1, 3, 4))
    assert found.repeated >= still / (39 * 6)
    assert fitting.best == 0
    assert sum(row["count"] for row in found.actions) == found.frames == 240
    capsys.readouterr()
    assert main(["inspect", "--store", str(tmp_path / "store"), "--out", str(tmp_path / "report")]) == 0
    shown = capsys.readouterr().out
    for words in ("12 frames (5.0%) are black", "4 frames of test occur in train", "1 recordings were skipped", "stay"):
        assert words in shown
    value = json.loads((tmp_path / "report" / "findings.json").read_text())
    assert value["alignment"]["best"] == 0 and value["splits"]["test"] == {"episodes": 1, "frames": 40}
    page = (tmp_path / "report" / "report.html").read_text()
    assert "Do the actions fit the frames?" in page and page.count("data:image/png") == 3
    for tile in ("episodes</dt><dd>6<", "frames</dt><dd>240<", "frames outside train that occur in it</dt><dd>4<"):
        assert tile in page


def test_swapped_colours_are_suspected(tmp_path: Path) -> None:
    sky = np.zeros((40, 24, 24, 3), np.uint8)
    sky[:, :8] = (90, 160, 240)
    sky[:, 8:] = np.random.default_rng(0).integers(60, 120, (40, 16, 24, 3))
    for name, colours in (("rgb", sky), ("bgr", sky[..., ::-1])):
        (tmp_path / name).mkdir()
        for i in range(3):
            write_episode(tmp_path / name, f"e{i}", np.ascontiguousarray(colours), [0] * 40)
        store = prepare(prep_config(tmp_path / name, tmp_path / f"{name}_store"))
        suspected = any("BGR" in one for one in examine(store)[0].warnings())
        assert suspected == (name == "bgr")


def test_recordings_are_inspected_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "recordings"
    source.mkdir()
    for i in range(6):
        frames, actions = world(i)
        larger = np.repeat(np.repeat(frames, 2, axis=1), 2, axis=2)
        wide = np.pad(larger, ((0, 0), (0, 0), (12, 12), (0, 0)))
        write_episode(source, f"e{i}", wide, [0, *actions[:-1]])  # stored beside the frame they led to
    (source / "broken.mp4").write_bytes(b"rubbish")
    (source / "broken.json").write_text((source / "e0.json").read_text())
    before = {path: path.read_bytes() for path in source.iterdir()}
    assert main(["inspect", "--source", str(source), "--out", str(tmp_path / "report")]) == 0
    shown = capsys.readouterr().out
    assert "72x48 (6)" in shown and "1 step(s) too late" in shown and "WARNING: 1 recordings were skipped" in shown
    found = json.loads((tmp_path / "report" / "findings.json").read_text())
    assert found["store"]["folder"] == str(source) and found["store"]["recorded_sizes"] == {"72x48": 6}
    assert {path: path.read_bytes() for path in source.iterdir()} == before
    words = [
        "inspect",
        "--source",
        str(source),
        "--declare.actions_at",
        "before",
        "--episodes",
        "4",
    ]  # one of them is broken
    assert main([*words, "--out", str(tmp_path / "told")]) == 0
    shown = capsys.readouterr().out
    assert "3 episodes" in shown and "too late" not in shown


def sticky(frames: int, seed: int) -> torch.Tensor:
    """Two actions, each held for a few steps."""
    rng = np.random.default_rng(seed)
    held = np.repeat(rng.integers(0, 2, frames), rng.integers(1, 13, frames))[:frames]
    return torch.from_numpy(held)[:, None]


def test_recordings_that_could_be_read_either_way_raise_no_alarm() -> None:
    """Things that keep moving after an action was taken, as CartPole's do, and recordings too short to tell."""
    for seed in range(8):
        actions = [sticky(60, 3 * seed + i) for i in range(3)]
        motions = []
        for i, one in enumerate(actions):
            pushed = (2 * one[:, 0].double() - 1).numpy()
            speed = np.convolve(pushed, 0.8 ** np.arange(12))[:60]
            noise = np.random.default_rng(90 + 3 * seed + i).normal(0, 2, 60)
            motions.append(torch.from_numpy((speed + noise).round()).long()[:-1])
        found = alignment(motions, actions, [()] * 3, ActionSpec("discrete", (2,)), 99)
        assert "WARNING" not in found.verdict(), found
        assert "% by bootstrap" in found.verdict()


def test_a_store_without_actions_is_not_asked_about_their_alignment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_video(tmp_path / "e.mp4", world(0)[0], 15, "lossless")
    assert main(["inspect", "--source", str(tmp_path), "--out", str(tmp_path / "report")]) == 0
    shown = capsys.readouterr().out
    assert "  without actions\n" in shown and "explained" not in shown and "alignment" not in shown
    assert json.loads((tmp_path / "report" / "findings.json").read_text())["alignment"] is None
    page = (tmp_path / "report" / "report.html").read_text()
    assert "Without actions." in page and "Do the actions fit" not in page and ">Actions<" not in page


def test_the_contact_sheet_names_its_episodes(episode_store: EpisodeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(pictures, "draw_text", lambda draw, at, text, size: drawn.append(text))
    contact_sheet(episode_store)
    assert {info.id for info in episode_store.episodes} | {"0%", "100%"} <= set(drawn)
