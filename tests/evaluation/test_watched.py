"""Measures by kind of motion, in view before a turn, and of followed actions, on what is known."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from tests.conftest import prep_config, world, write_episode
from tests.evaluation.test_prediction import PROTOCOL, Colours, Knowing, batches
from videovq.config import EvaluateConfig
from videovq.data.store import EpisodeStore
from videovq.data.windows import windows
from videovq.evaluation.clips import Clips
from videovq.evaluation.inverse_dynamics import Following, f1_scores, train_or_load, training_fingerprint
from videovq.evaluation.kinds import (
    KINDS,
    by_kind,
    degrees_a_step,
    kinds_of_motion,
    kinds_of_windows,
    motion_of_actions,
    motion_of_poses,
    turned_since,
)
from videovq.evaluation.prediction import CEILING, MEASURES, PREDICTION, SHUFFLED, TRUTH, prediction
from videovq.evaluation.turned_view import TurnedViews, rays, turned_view, visible_psnr
from videovq.evaluation.watched import watch
from videovq.prep.prepare import prepare
from videovq.types import ActionSpec, Sampling

CPU = torch.device("cpu")
TURN, WALK, BOTH, STAND = range(4)
LAB = ActionSpec("discrete", (4,), ("noop", "look_left", "forward", "forward+look_left"))


def poses_of(steps: list[tuple[float, float]]) -> torch.Tensor:
    """Poses from steps of (degrees, distance)."""
    change = torch.tensor([[0.0, 0.0], *steps]).cumsum(dim=0)
    poses = torch.zeros(len(change), 6)
    poses[:, 4], poses[:, 0] = (change[:, 0] + 175) % 360 - 180, change[:, 1]
    return poses


def test_kinds_of_motion_are_of_everything_since_the_context() -> None:
    steps = [(0.0, 0.0), (8.0, 0.0), (0.0, 0.0), (-8.0, 20.0), (0.0, 0.0)]
    turned, walked, known = motion_of_poses(poses_of(steps)[None], 20.0)
    assert turned.tolist() == [[False, True, False, True, False]]
    assert walked.tolist() == [[False, False, False, True, False]] and known.all()
    assert kinds_of_motion(turned, walked, known).tolist() == [[STAND, TURN, TURN, BOTH, BOTH]]
    known[0, 3] = False
    assert kinds_of_motion(turned, walked, known).tolist() == [[STAND, TURN, TURN, -1, -1]]
    slow = motion_of_poses(poses_of([(0.5, 1.5)])[None], 20.0)
    assert not slow[0].any() and not slow[1].any(), "hardly a turn, and what is left of a walk"


def test_names_of_actions_tell_the_kind_where_no_poses_are_recorded() -> None:
    told = motion_of_actions(LAB)
    assert told is not None
    assert told[0].tolist() == [False, True, False, True] and told[1].tolist() == [False, False, True, True]
    assert motion_of_actions(ActionSpec("discrete", (3,), ("stay", "left", "right"))) is None
    assert motion_of_actions(ActionSpec("discrete", (3,))) is None
    doom = ActionSpec("discrete", (3,), ("turn_left", "move_forward", "move_forward+turn_left"))
    assert [kind.tolist() for kind in motion_of_actions(doom) or ()] == [[True, False, True], [False, True, True]]
    unknown = torch.full((2, 5, 6), torch.nan)
    actions = torch.tensor([[2, 2, 1, 0, 2], [2, 0, 2, 2, 2]])[..., None]
    found = kinds_of_windows(unknown, actions, LAB, 3, math.nan)
    assert found is not None and found[1] == "actions"
    assert found[0].tolist() == [[TURN, TURN], [WALK, WALK]], "of the actions from the last context frame on"
    assert kinds_of_windows(unknown, actions, ActionSpec("none"), 3, math.nan) is None
    poses = torch.stack([poses_of([(0.0, 20.0)] * 4), poses_of([(8.0, 0.0)] * 4)])
    found = kinds_of_windows(poses, actions, LAB, 3, 20.0)
    assert found is not None and found[1] == "poses" and found[0].tolist() == [[WALK, WALK], [TURN, TURN]]


def test_means_by_kind_are_of_the_windows_of_that_kind() -> None:
    values = torch.tensor([[30.0, 20.0], [10.0, 8.0], [20.0, 10.0]])
    kinds = torch.tensor([[TURN, TURN], [WALK, BOTH], [TURN, -1]])
    found = by_kind(values, kinds, torch.tensor([0, 1, 1]), 0)
    assert list(found) == [KINDS[TURN], KINDS[WALK], KINDS[BOTH]]
    assert found[KINDS[TURN]]["by_horizon"] == [25, 20] and found[KINDS[TURN]]["windows"] == [2, 1]
    assert found[KINDS[WALK]]["by_horizon"] == [10, None] and found[KINDS[BOTH]]["by_horizon"] == [None, 8]
    assert found[KINDS[TURN]]["low_by_horizon"] == [20, None], "at horizon 2 there is one episode"


def test_only_turns_on_the_spot_have_an_angle() -> None:
    poses = torch.stack([poses_of([(8.0, 0.0)] * 4), poses_of([(8.0, 0.0)] * 3 + [(8.0, 20.0)])])
    tilted = poses[:1].clone()
    tilted[..., 3] = 20
    poses = torch.cat([poses, tilted])
    kinds = kinds_of_motion(*motion_of_poses(poses[:, 1:], 20.0))
    found = turned_since(poses, kinds, 2)
    assert found[0].tolist() == pytest.approx([8, 16, 24]), "over the edge at 180 degrees"
    assert found[1, :2].tolist() == pytest.approx([8, 16]) and found[1, 2].isnan()
    assert found[2].isnan().all(), "it looks down"


def panorama(yaw: float, size: int = 48, view: float = 90.0) -> torch.Tensor:
    """A picture of a far, striped wall all around, from a heading in degrees."""
    x = ((torch.arange(size) + 0.5) / size * 2 - 1) * math.tan(math.radians(view) / 2)
    heading = math.radians(yaw) - torch.atan(x)
    y = ((torch.arange(size) + 0.5) / size * 2 - 1)[:, None] * math.tan(math.radians(view) / 2)
    tall = y / (1 + x.square()).sqrt()
    grey = 128 + 60 * torch.sin(7 * heading) + 40 * torch.cos(5 * tall + 3 * heading)
    return grey.round().to(torch.uint8)[..., None].expand(size, size, 3)


@pytest.mark.parametrize("degrees", [8.45, -30.0, 60.0])
def test_what_was_in_view_before_a_turn(degrees: float) -> None:
    before, after = panorama(10.0), panorama(10.0 + degrees)
    shown = turned_view(before[None], torch.tensor([[degrees]]), 90.0)
    found = rays(torch.tensor([[degrees]]), 48, 48, 90.0)
    seen = visible_psnr(shown, after[None, None], found.visible)
    assert seen.item() > 38, "a far world is known where it was in view"
    assert visible_psnr(before[None, None], after[None, None], found.visible).item() < 20
    assert visible_psnr(shown, after[None, None], ~found.visible).item() < 25, "and only there"
    wide = found.visible[0, 0, 24].float().mean().item()
    left = math.tan(math.radians(abs(degrees) - 45))
    assert wide == pytest.approx((1 - left) / 2, abs=0.03), "as much of the middle row as geometry says"
    assert found.visible[0, 0, 24, -1 if degrees > 0 else 0], "turned to the left, the right of the picture was in view"
    assert rays(torch.tensor([[math.nan]]), 48, 48, 90.0).visible.sum() == 0


def test_a_predictor_that_only_remembers_is_right_where_it_was_in_view() -> None:
    frames = torch.stack([panorama(8.0 * t) for t in range(4)])[None]
    codes, actions = torch.zeros(1, 4, 2, 2, dtype=torch.int64), torch.zeros(1, 4, 1, dtype=torch.int64)
    clips = Clips(0, torch.zeros(1, dtype=torch.int64), frames, codes, actions, actions)
    views = TurnedViews(torch.tensor([[8.0, 16.0, math.nan]]), 1, 90.0)
    views(PREDICTION, clips, frames[:, [0, 1, 1, 1]])
    views(CEILING, clips, frames)
    found = views.found(clips.episodes, 0)
    assert found["windows"] == [1, 1, 0]
    psnr = {method: one["by_horizon"] for method, one in found["methods"].items()}
    assert psnr[CEILING] == [pytest.approx(78, abs=1)] * 2 + [None]
    assert psnr[PREDICTION][0] > 70 and psnr[PREDICTION][1] < 20 and psnr[PREDICTION][2] is None
    assert psnr["last context frame, turned"][0] > 38


def test_a_full_turn_is_counted_from_poses(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    frames, _ = world(0)
    actions = [1] * 10 + [2] * 10 + [1] * 20
    poses = [[0, 0, 0, 0, (170 + 9.0 * t) % 360 - 180, 0] for t in range(40)]
    poses[31] = [0, 0, 0, 0, 0, 0]  # a teleport
    write_episode(source, "e", frames, actions, poses=poses, discontinuities=[30, 31], split="test")
    store = prepare(prep_config(source, tmp_path / "out", test_fraction=1.0, validation_fraction=0))
    assert degrees_a_step(store, "test", 1) == pytest.approx(9.0, abs=0.01)
    assert math.isnan(degrees_a_step(store, "test", 0))


def test_scores_of_actions() -> None:
    taken = torch.tensor([[0, 0, 1], [1, 1, 0]])
    seen = torch.tensor([[0, 1, 1], [1, 2, 0]])
    found = f1_scores(seen, taken, ["a", "b", "c", "d"], torch.tensor([0, 1]), 0)
    one = found["actions"]["a"]
    assert one["taken"] == 3 and set(found["actions"]) == {"a", "b"}
    assert (one["precision"]["mean"], one["recall"]["mean"]) == (1, pytest.approx(2 / 3))
    assert one["F1"]["mean"] == pytest.approx(0.8)
    other = found["actions"]["b"]
    assert (other["precision"]["mean"], other["recall"]["mean"]) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert found["macro F1"]["mean"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert one["recall"]["low"] == pytest.approx(0.5) and one["recall"]["high"] == 1
    nothing = f1_scores(torch.full((1, 2), 2), torch.zeros(1, 2, dtype=torch.int64), ["a"], torch.tensor([0]), 0)
    assert nothing["actions"]["a"]["precision"] == {"mean": None, "low": None, "high": None}, "never said"


def test_rollouts_that_follow_their_actions_are_told_from_those_that_do_not(
    episode_store: EpisodeStore, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    network = train_or_load(episode_store, "train", tmp_path, CPU)
    assert torch.equal(torch.rand(3), expected), "whoever draws numbers elsewhere draws the same"
    (kept,) = tmp_path.iterdir()
    assert kept.name == f"inverse-dynamics-{training_fingerprint(episode_store, 'train')[:16]}.safetensors"
    changed = kept.stat().st_mtime_ns
    again = train_or_load(episode_store, "train", tmp_path, CPU)
    assert kept.stat().st_mtime_ns == changed, "read, not learnt again"
    for one, other in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    assert training_fingerprint(episode_store, "train") != training_fingerprint(episode_store, "test")
    f1 = {}
    for deaf in (False, True):
        following, knowing = Following(network, PROTOCOL.context), Knowing(deaf)
        rolled = prediction(
            Colours(), knowing, batches(episode_store, 50), 3, 1, Sampling(1.0), 0, None, MEASURES, None, [following]
        )
        found = following.found(["stay", "left", "right"], rolled.episodes, 0)
        assert set(found) == {PREDICTION, TRUTH, CEILING}
        f1[deaf] = {method: one["macro F1"]["mean"] for method, one in found.items()}
        if deaf:
            assert found[PREDICTION]["actions"]["left"]["recall"]["mean"] < 0.1
    assert f1[False][TRUTH] > 0.85 and f1[False][CEILING] > 0.85
    assert f1[False][PREDICTION] > 0.8 and f1[True][PREDICTION] < 0.35


def test_what_cannot_be_measured_is_left_out_with_the_reason(episode_store: EpisodeStore, tmp_path: Path) -> None:
    config = EvaluateConfig(store=str(episode_store), following=False, out=str(tmp_path / "out"))
    chosen = windows(episode_store.split("test"), 16, 16)
    found = watch(config, episode_store, chosen, CPU)
    assert found.observers == [] and found.kinds is None and not (tmp_path / "out").exists()
    said = json.dumps(found.left_out)
    assert "the names stay, left, right do not tell" in said and "no poses are recorded" in said and "following" in said


def test_observers_see_the_last_context_frame_and_every_horizon(episode_store: EpisodeStore) -> None:
    seen: dict[str, list[torch.Size]] = {}

    def observer(method: str, clips: Clips, frames: torch.Tensor) -> None:
        seen.setdefault(method, []).append(frames.shape)
        assert torch.equal(frames[:, 0], clips.pixels[:, PROTOCOL.context - 1])
        if method == CEILING:
            assert torch.equal(frames[:, 1:], clips.pixels[:, PROTOCOL.context :])

    first = [next(batches(episode_store, 4))]
    prediction(Colours(), Knowing(), first, 3, 2, Sampling(1.0), 0, None, MEASURES, None, [observer])
    assert set(seen) == {PREDICTION, SHUFFLED, CEILING}
    assert all(shapes == [(4, 5, 24, 24, 3)] for shapes in seen.values()), "of several samples the first"
