"""What ``videovq record`` refuses: settings, environments and folders."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.prep.corridor import contents, corridor, vizdoom
from videovq.config import DeepMindLabSource, GymnasiumSource, SourceConfig
from videovq.prep.record import record

gymnasium = pytest.importorskip("gymnasium")
pytest.importorskip("vizdoom")
pytestmark = pytest.mark.usefixtures("in_empty_folder")


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
