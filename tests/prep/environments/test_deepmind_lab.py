"""DeepMind Lab through its own module, of which a stand-in is used here."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from tests.prep.corridor import sidecar, vizdoom
from tests.prep.environments.laboratory import LAB_ACTIONS, FakeLab
from videovq.config import DeepMindLabSource
from videovq.data.video import read_video
from videovq.prep.environments import open_environment
from videovq.prep.record import record

pytestmark = pytest.mark.usefixtures("in_empty_folder")


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


def test_refuses_an_unknown_level(fake_lab: type[FakeLab]) -> None:
    with pytest.raises(ValueError, match=r"source\.level.*missing"):
        record(vizdoom("out", source=DeepMindLabSource("missing")))
