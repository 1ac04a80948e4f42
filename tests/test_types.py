import pytest
import torch

from videovq.prep.sources.contract import stated_rewards
from videovq.types import ActionSpec, RolloutRequest

DISCRETE = ActionSpec("discrete", (3,), ("stay", "left", "right"))
SPECS = [
    ActionSpec("none"),
    DISCRETE,
    ActionSpec("multi_discrete", (3, 2)),
    ActionSpec("continuous", mean=(0.0, 1.0), std=(1.0, 2.0)),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.kind)
def test_json_round_trip(spec: ActionSpec) -> None:
    assert ActionSpec.from_json(spec.to_json()) == spec


def test_tensors_have_the_width_and_type_of_the_kind() -> None:
    assert DISCRETE.tensor([0, 2], "x").tolist() == [[0], [2]]
    assert SPECS[2].tensor([[2, 1]], "x").tolist() == [[2, 1]]
    assert SPECS[3].tensor([[0.5, 2]], "x").dtype == torch.float32
    assert SPECS[0].tensor([0, 0, 0], "x").shape == (3, 0)


@pytest.mark.parametrize("values", [[3], [-1], [0.5], [float("nan")], [[0, 1]], ["left"], [None]])
def test_bad_actions_are_refused_with_their_place(values: list) -> None:
    with pytest.raises(ValueError, match="some file"):
        DISCRETE.tensor(values, "some file")


def test_names_and_numbers_are_understood() -> None:
    assert DISCRETE.parse("left", "actions") == 1
    assert DISCRETE.parse("2", "actions") == 2
    with pytest.raises(ValueError, match="stay, left, right"):
        DISCRETE.parse("up", "actions")


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": "discrete"},
        {"kind": "wheel"},
        {"kind": "continuous", "mean": [0.0], "std": [0.0]},
        {"kind": "discrete", "sizes": [2], "names": ["a"]},
        {"kind": "discrete", "sizes": [2], "legend": []},
    ],
)
def test_bad_specs_are_refused(bad: dict) -> None:
    with pytest.raises(ValueError, match="action_spec"):
        ActionSpec.from_json(bad)


def test_names_of_discrete_actions_are_their_numbers() -> None:
    spec = ActionSpec("discrete", (3,), ("stay", "left", "right"))
    assert spec.numbered(["left", 2, "0", [1]], "e.csv") == [1, 2, 0, [1]]
    with pytest.raises(ValueError, match="e.csv: no action 'up'; choose from: stay, left, right"):
        spec.numbered(["up"], "e.csv")


def test_a_request_needs_one_action_fewer_than_context_frames() -> None:
    frames, actions = torch.zeros(3, 8, 8, 3, dtype=torch.uint8), torch.zeros(3, 1, dtype=torch.int64)
    RolloutRequest(frames, actions[:2], actions)
    with pytest.raises(ValueError, match="context"):
        RolloutRequest(frames, actions, actions)
    with pytest.raises(ValueError, match="actions"):
        RolloutRequest(frames, actions[:2], actions[:0])


def test_what_is_too_large_for_float32_is_refused_by_name() -> None:
    spec = ActionSpec("continuous", mean=(0.0,), std=(1.0,))
    assert spec.tensor([3e38, -3e38], "a.json").isfinite().all()
    for large in (1e39, -1e39):
        with pytest.raises(ValueError, match="a.json: an action is .* too large"):
            spec.tensor([0.0, large], "a.json")
        with pytest.raises(ValueError, match="a.json: rewards are not one finite number a frame"):
            stated_rewards([0.0, large], "a.json")
