"""``videovq record``: what it writes, that it repeats itself, that it can be continued, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.prep.corridor import contents, corridor, sidecar, vizdoom
from videovq.config import GymnasiumSource, PrepConfig, RecordConfig
from videovq.data.resize import centre_resize
from videovq.data.video import read_video
from videovq.parsing import read_config
from videovq.prep.environments import Observation, open_environment
from videovq.prep.prepare import prepare
from videovq.prep.record import record

gymnasium = pytest.importorskip("gymnasium")
pytest.importorskip("vizdoom")
pytestmark = pytest.mark.usefixtures("in_empty_folder")


# ---------------------------------------------------------------- ViZDoom


def test_same_seed_same_files() -> None:
    record(vizdoom("a", seed=7, lossless=True))
    record(vizdoom("b", seed=6, episodes=2, lossless=True))
    a, b = contents("a"), contents("b")
    assert a["episode_000000.mp4"] == b["episode_000001.mp4"]  # episode i has seed + i, whatever came before
    assert a["episode_000000.json"] == b["episode_000001.json"]
    assert a["episode_000000.mp4"] != b["episode_000000.mp4"]
    assert set(Path().iterdir()) == {Path("a"), Path("b")}  # the engine leaves nothing in the working folder


def test_action_t_leads_from_frame_t_to_the_next() -> None:
    config = vizdoom("out", lossless=True)
    record(config)
    video, fields = read_video("out/episode_000000.mp4"), sidecar("out")
    environment = open_environment(config.source, config.frame_size)
    seen: Observation | None = environment.reset(0)
    for t in range(config.frames):
        assert seen is not None
        assert torch.equal(video[t], centre_resize(torch.from_numpy(seen.frame)[None], 40, "")[0])
        assert fields["poses"][t] == pytest.approx(seen.pose, abs=1e-3)
        reward, seen, _ = environment.step(fields["actions"][t])
        assert fields["rewards"][t] == reward
    environment.close()


def test_fields() -> None:
    record(vizdoom("out", seed=3))
    fields = sidecar("out")
    names = ["noop", "turn_left", "turn_right", "move_forward", "move_left", "move_right"]
    names += ["move_forward+turn_left", "move_forward+turn_right"]
    assert fields["action_spec"] == {"kind": "discrete", "sizes": [8], "names": names}
    assert fields["action_legend"] == {str(i): name for i, name in enumerate(names)}
    for name, value in {
        "level": "VizdoomMyWayHome-v1",
        "seed": 3,
        "policy_seed": 3,
        "fps": 8.75,
        "engine_fps": 35,
        "action_repeat": 4,
        "width": 40,
        "height": 40,
        "num_frames": 25,
        "discontinuities": [],
    }.items():
        assert fields[name] == value
    assert len(fields["actions"]) == len(fields["rewards"]) == len(fields["poses"]) == 25


def test_turn_left_turns_left() -> None:
    environment = open_environment(GymnasiumSource(), 84)
    turned = {}
    for name in ("turn_left", "turn_right"):
        start = environment.reset(0)
        after = environment.step(environment.action_names.index(name))[1]
        assert start.pose and after and after.pose
        turned[name] = (after.pose[4] - start.pose[4] + 180) % 360 - 180
    environment.close()
    assert turned["turn_left"] == pytest.approx(-turned["turn_right"])
    assert turned["turn_left"] > 5


def test_a_death_is_a_discontinuity_and_the_recording_goes_on() -> None:
    source = GymnasiumSource("VizdoomTakeCover-v1", action_repeat=30)
    record(vizdoom("out", frames=30, lossless=True, source=source))
    cuts = sidecar("out")["discontinuities"]
    video = read_video("out/episode_000000.mp4")
    assert cuts
    assert len(video) == 30
    assert video.flatten(1).float().std(dim=1).min() > 1  # ViZDoom's black frame after the end is left out


def test_prep_reads_it() -> None:
    record(vizdoom("episodes", episodes=3))
    store = prepare(PrepConfig("episodes", "store", frame_size=40, workers=1))
    assert len(store.episodes) == 3
    assert store.header.fps == 8.75
    assert store.header.action_spec.names[3] == "move_forward"
    info = store.find("episode_000001")
    episode = store.read(info)
    assert episode.actions[:, 0].tolist() == sidecar("episodes", 1)["actions"]
    assert torch.equal(episode.frames, read_video("episodes/episode_000001.mp4"))


def test_continued_equals_uninterrupted() -> None:
    config = vizdoom("out", episodes=4, frames=15, lossless=True)
    record(config)
    before = contents("out")
    Path("out/episode_000001.json").unlink()  # interrupted between the two files
    Path("out/episode_000001.mp4").write_bytes(b"other")
    Path("out/episode_000002.mp4").unlink()
    Path("out/episode_000002.json").unlink()
    kept = Path("out/episode_000003.mp4").stat().st_mtime_ns
    record(replace(config, workers=2))
    assert contents("out") == before
    assert Path("out/episode_000003.mp4").stat().st_mtime_ns == kept


# ---------------------------------------------------------------- any Gymnasium environment


@pytest.mark.parametrize("show", ["observation", "dictionary", "render"])
def test_picture_of_a_gymnasium_environment(show: str) -> None:
    record(corridor("out", show))
    fields, video = sidecar("out"), read_video("out/episode_000000.mp4")
    assert fields["action_spec"]["names"] == ["action_0", "action_1"]
    assert fields["fps"] == 10
    assert "poses" not in fields
    assert fields["rewards"] == [float(action) for action in fields["actions"]]
    moves = np.flatnonzero(fields["actions"])
    assert fields["discontinuities"] == moves[4::5].tolist()  # every fifth move ends the world; no time limit does
    assert fields["ends"] == fields["discontinuities"]
    store = prepare(PrepConfig("out", "store", frame_size=20, workers=1))
    outcomes = store.outcomes(store.episodes[0])
    assert outcomes.rewards.tolist() == fields["rewards"] and outcomes.weights.all()
    assert outcomes.ends.nonzero().flatten().tolist() == fields["ends"]
    stripe = video[:, 0, :, 0].argmax(dim=1)
    for t in set(range(29)) - set(fields["discontinuities"]):
        assert stripe[t + 1] - stripe[t] == fields["actions"][t]


def test_action_repeat_calls_step_so_often() -> None:
    source = GymnasiumSource("VideovqCorridor-v0", action_repeat=5, engine_fps=10, action_names=["stay", "go"])
    record(corridor("out", source=source))
    fields = sidecar("out")
    assert fields["fps"] == 2
    assert fields["action_legend"] == {"0": "stay", "1": "go"}
    assert fields["rewards"] == [5.0 * action for action in fields["actions"]]


# ---------------------------------------------------------------- shipped settings


@pytest.mark.parametrize("name", ["record", "record_dmlab"])
def test_shipped_config(name: str) -> None:
    config = read_config(RecordConfig, Path(__file__).parents[2] / "configs" / f"{name}.yaml")
    assert (config.frame_size, config.frames) == (84, 300)
