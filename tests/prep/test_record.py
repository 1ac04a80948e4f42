"""``videovq record``: what it writes, that it repeats itself, that it can be continued, and what it refuses."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from videovq.config import DeepMindLabSource, GymnasiumSource, PrepConfig, RecordConfig, SourceConfig
from videovq.data.resize import centre_resize
from videovq.data.video import read_video
from videovq.parsing import read_config
from videovq.prep.environments import Observation, open_environment
from videovq.prep.policy import StandstillSense, StickyRandomPolicy
from videovq.prep.prepare import prepare
from videovq.prep.record import record

gymnasium = pytest.importorskip("gymnasium")
pytest.importorskip("vizdoom")

LAB_ACTIONS = (
    "noop",
    "forward",
    "backward",
    "strafe_left",
    "strafe_right",
    "look_left",
    "look_right",
    "forward+look_left",
    "forward+look_right",
)


class Corridor(gymnasium.Env):  # type: ignore[name-defined]
    """A stripe that moves one pixel to the right with action ``start + 1``, a world that ends after five moves."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(self, show: str = "render", actions: Any = None, render_mode: str | None = None) -> None:
        self.show, self.render_mode = show, render_mode
        self.action_space = actions or gymnasium.spaces.Discrete(2, start=3)
        picture = gymnasium.spaces.Box(0, 255, (20, 20, 3), np.uint8)
        position = gymnasium.spaces.Box(-np.inf, np.inf, (1,))
        self.observation_space = {
            "observation": picture,
            "dictionary": gymnasium.spaces.Dict({"image": picture, "position": position}),
            "render": gymnasium.spaces.Dict({"image": gymnasium.spaces.Box(0, 255, (7, 7, 3), np.uint8)}),
        }[show]
        self.picture = np.zeros((20, 20, 3), np.uint8)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.at = 10 + int(self.np_random.integers(3))
        self.moves = 0
        return self._look(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        moved = action == 4
        self.at += moved
        self.moves += moved
        return self._look(), float(moved), self.moves == 5, False, {}

    def render(self) -> np.ndarray:
        assert self.render_mode == "rgb_array"
        return self.picture

    def _look(self) -> Any:
        self.picture[:] = 0  # one buffer for all frames, as many environments have
        self.picture[:, self.at % 20] = (255, 128, 0)
        encoded = np.zeros((7, 7, 3), np.uint8)
        dictionary = {"image": self.picture, "position": np.zeros(1)}
        return {"observation": self.picture, "dictionary": dictionary, "render": {"image": encoded}}[self.show]


class Odd(Corridor):
    """What does not keep to Gymnasium's interface: ``step`` of four values, ``reset`` without info, and so on."""

    def __init__(self, what: str) -> None:
        super().__init__("observation")
        self.what = what

    def reset(self, **kwargs: Any) -> Any:
        if self.what == "unseeded" and kwargs:
            raise TypeError("Odd.reset() got an unexpected keyword argument 'seed'")
        begun = super().reset(**kwargs)
        return begun[0] if self.what == "reset" else begun

    def step(self, action: int) -> Any:
        seen, reward, terminated, truncated, info = super().step(action)
        if self.what == "four":
            return seen, reward, terminated, info
        if self.what == "size" and self.moves == 3:
            seen = np.zeros((24, 32, 3), np.uint8)
        return seen, float("nan") if self.what == "reward" else reward, terminated, truncated, info


class Blind(gymnasium.Env):  # type: ignore[name-defined]
    """Numbered actions, but nothing to see."""

    action_space = gymnasium.spaces.Discrete(2)
    observation_space = gymnasium.spaces.Box(-1, 1, (4,))


gymnasium.register("VideovqCorridor-v0", Corridor, max_episode_steps=2)
gymnasium.register("VideovqBlind-v0", Blind)
gymnasium.register("VideovqOdd-v0", Odd)


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def vizdoom(out: str, **changes: Any) -> RecordConfig:
    return replace(RecordConfig(out=out, episodes=1, frames=25, frame_size=40, workers=1), **changes)


def corridor(out: str, show: str = "render", **changes: Any) -> RecordConfig:
    gymnasium.registry["VideovqCorridor-v0"].kwargs = {"show": show}
    source = GymnasiumSource("VideovqCorridor-v0", action_repeat=1, engine_fps=10)
    return replace(vizdoom(out, frames=30, frame_size=20, lossless=True, source=source), **changes)


def contents(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).glob("episode_*")}


def sidecar(folder: str, index: int = 0) -> dict[str, Any]:
    return json.loads(Path(folder, f"episode_{index:06d}.json").read_text())


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


# ---------------------------------------------------------------- DeepMind Lab


class FakeLab:
    """The part of ``deepmind_lab.Lab`` that recording uses. Step 4 teleports, step 8 ends the level."""

    made: list[FakeLab] = []  # noqa: RUF012

    def __init__(
        self,
        level: str,
        observations: list[str],
        config: dict[str, str] | None = None,
        renderer: str = "software",
    ) -> None:
        if level == "missing":
            raise RuntimeError("no such level")
        self.arguments = (level, observations, config, renderer)
        self.size = int((config or {})["width"])
        self.seeds: list[int] = []
        self.steps: list[tuple[list[int], int]] = []
        self.closed = False
        FakeLab.made.append(self)

    def reset(self, episode: int = -1, seed: int | None = None) -> bool:
        assert seed is not None
        self.seeds.append(seed)
        self.at, self.running = 0.0, True
        return True

    def is_running(self) -> bool:
        return self.running

    def observations(self) -> dict[str, np.ndarray]:
        assert self.running
        frame = np.full((self.size, self.size, 3), len(self.steps) * 10, np.uint8)
        rotation = np.array([0.0, 90.0, 0.0])
        return {"RGB_INTERLEAVED": frame, "DEBUG.POS.TRANS": np.array([self.at, 0, 0]), "DEBUG.POS.ROT": rotation}

    def step(self, action: np.ndarray, num_steps: int = 1) -> float:
        assert action.dtype == np.intc
        self.steps.append((action.tolist(), num_steps))
        self.at += 300 if len(self.steps) == 4 else 20
        self.running = len(self.steps) != 8
        return 1.0

    def close(self) -> bool:
        self.closed = True
        return True


@pytest.fixture
def fake_lab(monkeypatch: pytest.MonkeyPatch) -> type[FakeLab]:
    fake = ModuleType("deepmind_lab")
    fake.Lab = FakeLab  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "deepmind_lab", fake)
    FakeLab.made.clear()
    return FakeLab


def test_deepmind_lab(fake_lab: type[FakeLab]) -> None:
    record(vizdoom("out", frames=12, frame_size=16, lossless=True, source=DeepMindLabSource("some/level"), seed=5))
    (lab,) = fake_lab.made
    fields = sidecar("out")
    observations = ["RGB_INTERLEAVED", "DEBUG.POS.TRANS", "DEBUG.POS.ROT"]
    assert lab.arguments == ("some/level", observations, {"width": "16", "height": "16", "fps": "60"}, "software")
    assert lab.seeds[0] == 5
    assert len(lab.seeds) == 2
    assert lab.closed
    assert fields["fps"] == 15
    assert fields["level"] == "some/level"
    assert (fields["discontinuities"], fields["ends"]) == ([3, 7], []), "a level's time is up, or it teleports"
    assert fields["poses"][1] == [20, 0, 0, 0, 90, 0]
    assert read_video("out/episode_000000.mp4")[:, 0, 0, 0].tolist() == [10 * t for t in range(12)]
    assert tuple(fields["action_legend"].values()) == LAB_ACTIONS


def test_deepmind_lab_action_vectors(fake_lab: type[FakeLab]) -> None:
    environment = open_environment(DeepMindLabSource(look_pixels_per_frame=25, action_repeat=3), 16)
    environment.reset(0)
    for action in range(7):
        environment.step(action)
    environment.reset(0)
    for action in (7, 8):
        environment.step(action)
    vectors = dict(zip(LAB_ACTIONS, (vector for vector, _ in fake_lab.made[0].steps), strict=False))
    assert {repeat for _, repeat in fake_lab.made[0].steps} == {3}
    assert vectors["noop"] == [0] * 7
    assert vectors["backward"] == [0, 0, 0, -1, 0, 0, 0]
    assert vectors["strafe_left"] == [0, 0, -1, 0, 0, 0, 0]
    assert vectors["look_right"] == [25, 0, 0, 0, 0, 0, 0]
    assert vectors["forward+look_left"] == [-25, 0, 0, 1, 0, 0, 0]


# ---------------------------------------------------------------- policy


def act(policy: StickyRandomPolicy, steps: int, blocked: bool = False) -> list[int]:
    return [policy.act(blocked) for _ in range(steps)]


def test_policy_prefers_forward_and_sticks() -> None:
    actions = act(StickyRandomPolicy(LAB_ACTIONS, stick=4, seed=0), 40_000)
    shares = {LAB_ACTIONS[action]: count / len(actions) for action, count in Counter(actions).items()}
    assert shares["forward"] == pytest.approx(0.41, abs=0.03)
    assert shares["look_left"] == pytest.approx(0.17, abs=0.03)
    assert shares["forward+look_right"] == pytest.approx(0.08, abs=0.03)
    assert shares["backward"] == pytest.approx(0.025, abs=0.01)
    assert max(len(list(run)) for action, run in groupby(actions) if LAB_ACTIONS[action] == "noop") <= 8


def test_policy_is_seeded() -> None:
    first, again, other = (act(StickyRandomPolicy(LAB_ACTIONS, 12, seed), 200) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_policy_turns_away_when_blocked() -> None:
    names = ("move_forward", "turn_left", "turn_right", "attack")
    actions = act(StickyRandomPolicy(names, stick=100, seed=0), 500, blocked=True)
    assert max(len(list(run)) for action, run in groupby(actions) if action == 0) == 2
    assert {1, 2} & set(actions)


def test_policy_turns_on_in_one_direction_until_the_way_is_free() -> None:
    policy = StickyRandomPolicy(("forward", "look_left", "look_right"), stick=1, seed=0)
    act(policy, 50, blocked=True)
    blocked = Counter(act(policy, 300, blocked=True))
    assert max(blocked[1], blocked[2]) > 4 * min(blocked[1], blocked[2])  # the few others are the random turns


def test_policy_of_unknown_names_is_uniform() -> None:
    counts = Counter(act(StickyRandomPolicy(("a", "b", "turn_left"), stick=1, seed=0), 9000, blocked=True))
    assert min(counts.values()) > 2700


def test_policy_turns_with_actions_that_are_called_left_and_right() -> None:
    counts = Counter(act(StickyRandomPolicy(("left", "right", "forward", "done", "move_left"), stick=1, seed=0), 4000))
    assert min(counts[0], counts[1]) > 3 * max(counts[3], counts[4])


def test_a_small_agent_that_moves_is_seen() -> None:
    before, after = np.zeros((200, 200, 3), np.uint8), np.zeros((200, 200, 3), np.uint8)
    before[0, 0] = after[0, 1] = 255
    assert not StandstillSense()(Observation(before), Observation(after))


def test_standstill_is_seen_in_the_pose_or_in_the_picture() -> None:
    def at(x: float | None, grey: int = 0) -> Observation:
        return Observation(np.full((4, 4, 3), grey, np.uint8), None if x is None else (x, 0, 0, 0, 0, 0))

    posed = StandstillSense()
    assert not posed(at(0), at(20))
    assert posed(at(20), at(21))
    assert StandstillSense()(at(0), at(0, grey=200))
    pictured = StandstillSense()
    assert pictured(at(None), at(None))
    assert not pictured(at(None, grey=200), at(None))


# ---------------------------------------------------------------- refusals


def gym(env: str, **changes: Any) -> SourceConfig:
    return GymnasiumSource(env, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": 0}, "frames: must be"),
        ({"seed": -1}, "seed: must be"),
        ({"source": gym("X", action_repeat=0)}, r"source\.action_repeat: must be"),
        ({"source": SourceConfig()}, "names no environment"),
        ({"source": gym("NoSuch-v0")}, "NoSuch"),
        ({"source": gym("no_such_module:Id-v0")}, "no_such_module"),
        (
            {"source": gym("Pendulum-v1", action_names=["push"])},
            r"source\.action_names: only numbered actions have names",
        ),
        (
            {"source": gym("VideovqBlind-v0", kwargs={"render_mode": "human"})},
            r"source\.kwargs: render_mode is for videovq",
        ),
        ({"source": gym("CartPole-v1", kwargs={"size": 8})}, r"source\.kwargs: CartPole-v1 cannot be made.*'size'"),
        ({"policy": "act"}, r"policy: 'act' must be MODULE:FUNCTION"),
        ({"policy": "no_such_module:act"}, r"policy: no_such_module cannot be imported"),
        ({"policy": "json:act"}, r"policy: json has no function 'act'"),
        ({"policy": "mine.py:act"}, r"policy: mine\.py: no such file"),
        ({"policy": "json:loads", "stick": 3}, r"stick: has no effect beside a policy"),
        ({"source": gym("VideovqBlind-v0")}, "shows no RGB picture"),
        ({"source": gym("VizdoomMyWayHome-v1", action_names=["a"])}, "needs 8 different names.*move_forward"),
        ({"frame_size": 400}, "320x240 pixels"),
        ({"source": DeepMindLabSource()}, "deepmind_lab.*github.com/google-deepmind/lab"),
    ],
)
def test_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        record(vizdoom("out", **changes))
    record(vizdoom("out", frames=2))  # a mistake does not block the folder


def test_refuses_actions_that_are_no_numbers() -> None:
    gymnasium.registry["VideovqCorridor-v0"].kwargs = {"actions": gymnasium.spaces.Text(3)}
    with pytest.raises(ValueError, match=r"action space Text\(.*Discrete"):
        record(vizdoom("out", frame_size=16, source=GymnasiumSource("VideovqCorridor-v0")))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("four", "its step gives 4 values and not five, as in Gym before 0.26.*shimmy"),
        ("reset", "its reset gives something else than observation and info.*shimmy"),
        ("unseeded", "its reset takes no seed.*shimmy"),
        ("size", "changed the size of its picture, from 20x20 to 32x24 pixels"),
        ("reward", "gave the reward nan, which is not one finite number"),
    ],
)
def test_an_environment_that_breaks_the_rules_is_named_and_leaves_nothing_half_written(what: str, message: str) -> None:
    gymnasium.registry["VideovqOdd-v0"].kwargs = {"what": what}
    source = GymnasiumSource("VideovqOdd-v0", action_repeat=1, engine_fps=10)
    with pytest.raises(ValueError, match=rf"source\.env: VideovqOdd-v0.*{message}"):
        record(vizdoom("out", frame_size=16, source=source))
    assert {path.name for path in Path("out").iterdir()} == {".lock", "record.yaml"}
    record(corridor("out"))  # the folder is nobody's yet


def test_refuses_an_unknown_level(fake_lab: type[FakeLab]) -> None:
    with pytest.raises(ValueError, match=r"source\.level.*missing"):
        record(vizdoom("out", source=DeepMindLabSource("missing")))


@pytest.mark.parametrize("package", ["gymnasium", "vizdoom"])
def test_names_the_missing_package(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=rf"{package}.*pip install '\.\[record\]'"):
        record(vizdoom("out"))


def test_refuses_a_folder_recorded_otherwise() -> None:
    record(vizdoom("out", frames=2))
    record(vizdoom("out", frames=2, episodes=2))
    with pytest.raises(ValueError, match=r"other settings \(stick was 12 and is now 3\); choose another out"):
        record(vizdoom("out", frames=2, stick=3))


def test_a_recording_of_vizdoom_that_states_its_numbers_goes_on_without_them() -> None:
    record(vizdoom("out", frames=2, source=GymnasiumSource(action_repeat=4, engine_fps=35)))
    record(vizdoom("out", frames=2, episodes=2))
    assert len(contents("out")) == 4
    with pytest.raises(ValueError, match=r"other settings \(source was "):
        record(vizdoom("out", frames=2, source=GymnasiumSource(action_repeat=2)))


def test_refuses_a_folder_of_something_else() -> None:
    Path("out").mkdir()
    Path("out/thesis.tex").touch()
    with pytest.raises(ValueError, match="holds no recording"):
        record(vizdoom("out"))


# ---------------------------------------------------------------- shipped settings


@pytest.mark.parametrize("name", ["record", "record_dmlab"])
def test_shipped_config(name: str) -> None:
    config = read_config(RecordConfig, Path(__file__).parents[2] / "configs" / f"{name}.yaml")
    assert (config.frame_size, config.frames) == (84, 300)
