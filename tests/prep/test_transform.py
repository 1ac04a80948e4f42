import pytest
import torch

from videovq.prep.transform import discretise, measured, merge, rename
from videovq.types import ActionSpec

NAMED = ActionSpec("discrete", (4,), ("noop", "left", "jump left", "right"))
MOVED = ActionSpec("continuous", mean=(0.0, 10.0), std=(1.0, 5.0))


def test_rename_joins_actions_that_get_the_same_name() -> None:
    actions = torch.tensor([[0], [1], [2], [3]])
    spec, found = rename(NAMED, actions, {"jump left": "left", "noop": "stay"})
    assert spec == ActionSpec("discrete", (3,), ("stay", "left", "right"))
    assert found.tolist() == [[0], [1], [1], [2]]
    assert rename(NAMED, actions, {}) == (NAMED, actions)
    with pytest.raises(ValueError, match="no action 'up'; there are: noop, left"):
        rename(NAMED, actions, {"up": "left"})
    with pytest.raises(ValueError, match="no action 'left'; there are: no names"):
        rename(ActionSpec("discrete", (4,)), actions, {"left": "right"})


def test_discretise_cuts_two_deviations_each_way_into_equal_steps() -> None:
    actions = torch.tensor([[-9.0, 0.0], [-1.5, 4.0], [0.0, 10.0], [1.5, 16.0], [9.0, 20.0]])
    spec, found = discretise(MOVED, actions, 4)
    assert spec == ActionSpec("multi_discrete", (4, 4))
    assert found.tolist() == [[0, 0], [0, 0], [2, 2], [3, 3], [3, 3]]
    one = ActionSpec("continuous", mean=(0.0,), std=(1.0,))
    assert discretise(one, actions[:, :1], 5)[0] == ActionSpec("discrete", (5,))
    assert discretise(MOVED, actions, 0) == (MOVED, actions)
    for spec, steps in ((NAMED, 4), (MOVED, 1)):
        with pytest.raises(ValueError, match="discretise"):
            discretise(spec, actions, steps)


def test_stack_keeps_every_action() -> None:
    actions = torch.tensor([[0], [1], [2], [3], [0]])
    spec, found = merge(NAMED, actions, 2, "stack")
    assert (spec.kind, spec.sizes, found.tolist()) == ("multi_discrete", (4, 4), [[0, 1], [2, 3]])
    moves = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    spec, found = merge(MOVED, moves, 2, "stack")
    assert (spec.mean, spec.std, found.tolist()) == ((0, 10, 0, 10), (1, 5, 1, 5), [[1, 2, 3, 4]])


def test_majority_takes_the_most_frequent_and_the_earliest_of_equals() -> None:
    actions = torch.tensor([[3], [1], [1], [2], [0], [3], [0]])
    spec, found = merge(NAMED, actions, 3, "majority")
    assert (spec, found.tolist()) == (NAMED, [[1], [2]])
    pairs = ActionSpec("multi_discrete", (2, 2))
    both = torch.tensor([[0, 1], [1, 1], [1, 0], [1, 1]])
    assert merge(pairs, both, 4, "majority")[1].tolist() == [[1, 1]], "whole actions are counted, not their parts"


def test_sum_adds_and_the_spec_follows() -> None:
    spec, found = merge(MOVED, torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), 2, "sum")
    assert (spec.mean, spec.std, found.tolist()) == ((0, 20), (2, 10), [[4, 6]])


def test_merging_that_makes_no_sense_is_refused() -> None:
    for spec, how in ((NAMED, "sum"), (MOVED, "majority")):
        with pytest.raises(ValueError, match=f"{how} does not go with {spec.kind}"):
            merge(spec, torch.zeros((4, spec.width), dtype=spec.dtype), 2, how)
    with pytest.raises(ValueError, match="frame_step: 2 merges 2 actions"):
        merge(NAMED, torch.zeros((4, 1), dtype=torch.int64), 2, "refuse")
    assert merge(NAMED, torch.tensor([[1], [2]]), 1, "refuse")[1].tolist() == [[1], [2]]


def test_measured_keeps_a_deviation_for_numbers_that_never_change() -> None:
    spec = measured(MOVED, torch.tensor([[1.0, 7.0], [3.0, 7.0]]))
    assert (spec.mean, spec.std) == ((2.0, 7.0), (1.0, 1.0))
