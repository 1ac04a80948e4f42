"""``videovq record`` with environments and policies of one's own: what is recorded of them, and how prep reads it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from enum import IntEnum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from videovq.cli import main
from videovq.config import GymnasiumSource, PrepConfig, RecordConfig
from videovq.data.store import EpisodeStore
from videovq.parsing import parse, read_config, to_yaml
from videovq.prep.environments import open_environment
from videovq.prep.prepare import prepare
from videovq.prep.record import record

gymnasium = pytest.importorskip("gymnasium")
spaces = gymnasium.spaces

SPACES = {
    "discrete": spaces.Discrete(3, start=2),
    "multi-discrete": spaces.MultiDiscrete([[3, 2], [4, 5]]),
    "started": spaces.MultiDiscrete([3, 4], start=[-1, 2]),
    "multi-binary": spaces.MultiBinary(4),
    "box": spaces.Box(np.array([-1, 0, 0], np.float32), np.array([1, 1, 1], np.float32)),
    "unbounded": spaces.Box(np.array([-np.inf, 0, -np.inf]), np.array([np.inf, np.inf, 0.0])),
    "bytes": spaces.Box(0, 255, (2, 2), np.uint8),
}


class Mirror(gymnasium.Env):  # type: ignore[name-defined]
    """Keeps every action that it was given, and shows how many those were."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 12}  # noqa: RUF012
    observation_space = spaces.Box(0, 255, (16, 16, 3), np.uint8)
    given: list[Any] = []  # noqa: RUF012

    def __init__(self, space: str = "discrete", brightness: int = 1, render_mode: str | None = None) -> None:
        self.action_space, self.brightness = SPACES[space], brightness
        Mirror.given.clear()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.steps = 0
        return self.look(), {"steps": 0}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        Mirror.given.append(action)
        self.steps += 1
        return self.look(), 0.0, False, False, {"steps": self.steps}

    def look(self) -> np.ndarray:
        return np.full((16, 16, 3), self.steps * self.brightness, np.uint8)


class Named(Mirror):
    """Has names for its actions, in one of the ways that environments have."""

    def __init__(self, how: str) -> None:
        super().__init__()
        if how == "ALE":
            self.get_action_meanings = lambda: ["NOOP", "UP", "UPRIGHT"]
        if how == "MiniGrid":
            self.actions = IntEnum("Actions", {"left": 2, "right": 3, "forward": 4, "pickup": 5})
        if how == "Crafter":
            self.action_names = ["noop", "up", "upright"]
        if how == "too few":
            self.action_names = ["noop", "up"]


gymnasium.register("VideovqMirror-v0", Mirror)
gymnasium.register("VideovqNamed-v0", Named)


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))


def mirror(out: str = "out", space: str = "discrete", **changes: Any) -> RecordConfig:
    source = GymnasiumSource("VideovqMirror-v0", {"space": space})
    settings = {"out": out, "source": source, "episodes": 1, "frames": 8, "frame_size": 16, "workers": 1, **changes}
    return RecordConfig(**{"stick": 12 if "policy" in changes else 2, **settings})


def sidecar(folder: str = "out", index: int = 0) -> dict[str, Any]:
    return json.loads(Path(folder, f"episode_{index:06d}.json").read_text())


def write(name: str, *lines: str) -> None:
    Path(name).write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("space", SPACES)
def test_every_kind_of_action_is_recorded_as_it_was_given_and_prepared_so(space: str) -> None:
    record(mirror(space=space))
    fields, given = sidecar(), np.array(Mirror.given, dtype=np.float64).reshape(8, -1)
    start = {"discrete": 2, "started": [-1, 2]}.get(space, 0)
    assert np.array_equal(np.array(fields["actions"], dtype=np.float64).reshape(8, -1), given - start)
    store = EpisodeStore("store") if prepare(PrepConfig("out", "store", frame_size=16, workers=1)) else None
    assert store is not None
    spec, actions = store.header.action_spec, store.read(store.episodes[0]).actions
    assert np.array_equal(actions.numpy().astype(np.float64), (given - start).astype(np.float32))
    assert (spec.kind, spec.sizes) == {
        "discrete": ("discrete", (3,)),
        "multi-discrete": ("multi_discrete", (3, 2, 4, 5)),
        "started": ("multi_discrete", (3, 4)),
        "multi-binary": ("multi_discrete", (2, 2, 2, 2)),
    }.get(space, ("continuous", ()))
    if spec.kind == "continuous":
        assert spec.mean == pytest.approx((given - start).mean(axis=0), rel=1e-3, abs=1e-3), "measured by prep"
    assert len(np.unique(given, axis=0)) > 1 and (given[1:] == given[:-1]).all(axis=1).any(), "random, and sticky"


@pytest.mark.parametrize("space", ["discrete", "multi-binary", "box"])
def test_a_recording_that_goes_on_equals_one_without_interruption(space: str) -> None:
    record(mirror("whole", space, episodes=2))
    record(mirror("parts", space, episodes=1))
    record(mirror("parts", space, episodes=2))
    assert [sidecar("whole", i) for i in (0, 1)] == [sidecar("parts", i) for i in (0, 1)]
    assert sidecar("whole", 0)["actions"] != sidecar("whole", 1)["actions"]


def test_an_environment_has_its_own_frame_rate_and_its_actions_are_not_repeated() -> None:
    record(mirror())
    assert (sidecar()["fps"], sidecar()["action_repeat"], len(Mirror.given)) == (12, 1, 8)
    record(mirror("slower", source=GymnasiumSource("VideovqMirror-v0", action_repeat=3, engine_fps=24)))
    assert (sidecar("slower")["fps"], len(Mirror.given)) == (8, 24)


def test_an_environment_without_a_frame_rate_has_what_gymnasium_assumes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Mirror, "metadata", {"render_modes": ["rgb_array"]})
    record(mirror())
    assert sidecar()["fps"] == 30


@pytest.mark.parametrize(
    ("how", "names"),
    [
        ("ALE", ("noop", "up", "upright")),
        ("MiniGrid", ("left", "right", "forward")),
        ("Crafter", ("noop", "up", "upright")),
        ("too few", ("action_0", "action_1", "action_2")),
    ],
)
def test_actions_have_the_names_that_the_environment_gives_them(how: str, names: tuple[str, ...]) -> None:
    environment = open_environment(GymnasiumSource("VideovqNamed-v0", {"how": how}), 16)
    assert environment.action_names == names
    assert environment.recorded(names[1]) == environment.recorded(np.array(3)) == 1


def test_keywords_are_the_same_from_python_a_command_line_and_a_file() -> None:
    given = {"size": 8, "slow": False, "at": [1, 2], "none": None, "name": "hall", "deep": {"a": 0.5}}
    source = GymnasiumSource("X", given)
    assert source.keywords == given
    words = ["--source.env", "X", "--source.kwargs", json.dumps(given)]
    assert parse(RecordConfig, words).source == source
    Path("record.yaml").write_text(to_yaml(RecordConfig(source=source)))
    assert read_config(RecordConfig, "record.yaml").source == source


def test_help_shows_how_to_choose_an_environment(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "--source.env ID" in shown and "--source.kwargs" in shown


def test_what_is_neither_a_number_nor_auto_is_refused_in_plain_words() -> None:
    with pytest.raises(ValueError, match=r"^source\.action_repeat: needs a whole number or auto; 'four' is neither$"):
        parse(RecordConfig, ["--source.action_repeat", "four"])


def test_a_folder_recorded_with_other_keywords_is_refused() -> None:
    record(mirror(space="box"))
    with pytest.raises(ValueError, match="other settings"):
        record(mirror(space="discrete"))


def test_an_environment_in_the_working_folder_needs_no_registration() -> None:
    write(
        "my_world.py",
        "from tests.prep.test_own_environments import Mirror",
        "class Mine(Mirror): metadata = {'render_modes': ['rgb_array'], 'render_fps': 5}",
    )
    record(mirror(source=GymnasiumSource("my_world:Mine", {"space": "multi-binary"})))
    assert (sidecar()["fps"], sidecar()["level"]) == (5, "my_world:Mine")


# ---------------------------------------------------------------- policies


def test_a_policy_of_ones_own_is_asked_for_every_action() -> None:
    write(
        "mine.py",
        "def act(observation, info, rng):",
        "    assert int(observation[0, 0, 0]) == info['steps']",
        "    return [info['steps'] / 8, 0.5, rng.random()]",
    )
    for policy in ("mine:act", "mine.py:act"):
        record(mirror(policy[:5], "box", policy=policy, episodes=2))
    first, second = (np.array(sidecar("mine:", i)["actions"]) for i in (0, 1))
    assert first[:, 0].tolist() == [t / 8 for t in range(8)]
    assert (first[:, 2] != second[:, 2]).all(), "its generator is the episode's"
    assert sidecar("mine:") == sidecar("mine."), "and the same again"


@pytest.mark.parametrize(
    ("space", "gives"),
    [
        ("discrete", "5"),
        ("discrete", "'up'"),
        ("discrete", "None"),
        ("discrete", "[2, 3]"),
        ("box", "[0, 2, 0]"),
        ("box", "[0, 1]"),
        ("box", "[0, float('nan'), 0]"),
        ("multi-binary", "[0, 1, 2, 0]"),
        ("multi-binary", "[0.5, 1, 1, 0]"),
        ("multi-binary", "'all'"),
        ("started", "[2, 2]"),
    ],
)
def test_what_a_policy_gives_must_be_an_action(space: str, gives: str) -> None:
    write("wrong.py", f"def act(observation, info, rng): return {gives}")
    with pytest.raises(ValueError, match=r"policy: wrong\.py:act gave .*, which is no action"):
        record(mirror(space=space, policy="wrong.py:act"))
    record(mirror(space=space, frames=2))  # a mistake does not block the folder


class FakePPO:
    """The part of an agent of stable-baselines3 that recording uses."""

    @staticmethod
    def load(path: Path, device: str, custom_objects: dict[str, int]) -> FakePPO:
        assert device == "cpu"
        if path.read_text() != "weights":
            raise KeyError("policy.pth")
        return FakePPO()

    def set_random_seed(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def predict(self, observation: np.ndarray, deterministic: bool) -> tuple[np.ndarray, None]:
        if observation.shape != (16, 16, 3):
            raise ValueError("Unexpected observation shape")
        return self.random.uniform(size=3).astype(np.float32), None


def test_an_agent_of_stable_baselines3_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stable_baselines3", SimpleNamespace(PPO=FakePPO))  # type: ignore[arg-type]
    Path("agent.zip").write_text("weights")
    record(mirror("a", "box", policy="PPO:agent.zip", episodes=2))
    record(mirror("b", "box", policy="PPO:agent.zip", seed=1))
    assert sidecar("a", 1)["actions"] == sidecar("b", 0)["actions"] != sidecar("a", 0)["actions"]
    Path("agent.zip").write_text("something else")
    for policy, message in {
        "PPO:agent.zip": "agent.zip cannot be loaded as an agent of PPO",
        "PQP:agent.zip": "no algorithm 'PQP'; say which trained it: PPO:agent.zip",
        "PPO:none.zip": "none.zip: no such file",
    }.items():
        with pytest.raises(ValueError, match=f"policy: .*{message}"):
            record(mirror("c", "box", policy=policy))


def test_an_agent_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="policy: an agent needs .*pip install stable-baselines3"):
        record(mirror(policy="PPO:agent.zip"))


def test_a_package_that_brings_environments_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "minigrid", None)  # type: ignore[arg-type]
    settings = mirror(source=GymnasiumSource("MiniGrid-Empty-5x5-v0", {"size": 5}))
    with pytest.raises(ValueError, match="^recording needs the package minigrid .*pip install minigrid"):
        record(settings)
    brings = ModuleType("minigrid")
    monkeypatch.setitem(sys.modules, "minigrid", brings)
    with pytest.raises(ValueError, match="'MiniGrid-Empty-5x5-v0' cannot be made"):
        record(replace(settings, frames=2))
