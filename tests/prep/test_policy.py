"""The sticky random policy, and how it notices that it is blocked."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

import numpy as np
import pytest

from tests.prep.environments.laboratory import LAB_ACTIONS
from videovq.prep.environments import Observation
from videovq.prep.policy import StandstillSense, StickyRandomPolicy


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
