"""Attention to earlier frames: videovq.models.predictors.frame_attention."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from tests.small import SMALL_PATCH
from videovq.models.build import build_predictor
from videovq.models.predictors.frame_attention import FrameAttention, FrameHistory, MotionRotation, motion_frequencies
from videovq.types import ActionSpec

GRID, HEADS, INNER, FRAMES = (6, 6), 2, 64, 5


@torch.no_grad()
def test_a_code_is_found_where_the_actions_have_moved_it_to() -> None:
    """Keys that are all alike, and a displacement of so many columns an action: only places can tell them apart."""
    torch.manual_seed(0)
    history = FrameHistory(embedding=8, actions=3, width=INNER, heads=HEADS, window=8, grid=GRID)
    history.look.weight.zero_()
    history.look.bias.fill_(1.0)
    columns = torch.tensor([0.0, 1.0, -2.0])
    history.displacement.weight.view(HEADS, 2, 3)[:, 1] = columns
    history.rotation.frequencies[2] = 0  # as if they were of one time
    actions = torch.tensor([[1, 0, 2, 1, 2]])
    frames = torch.zeros(1, FRAMES, *GRID, 8)
    key, _, positions, _ = history(frames, torch.eye(3)[actions], None)
    query = history.rotation(torch.ones_like(key), positions, torch.zeros(1, 1, FRAMES, dtype=torch.int64))
    for of in range(FRAMES):
        for frame in range(of + 1):
            moved = int(columns[actions[0, frame : of + 1]].sum())
            scores = query[0, 0, of] @ key[0, 0, frame].T
            for place in range(36):
                row, column = divmod(place, 6)
                if 0 <= column - moved < 6:
                    assert int(scores[place].argmax()) == row * 6 + column - moved


@torch.no_grad()
def test_it_begins_as_nothing() -> None:
    attention = FrameAttention(16, 16, INNER, HEADS, 4, GRID)
    history = FrameHistory(8, 3, INNER, HEADS, 4, GRID)
    keys, values, positions, _ = history(torch.randn(2, FRAMES, *GRID, 8), torch.randn(2, FRAMES, 3), None)
    x, wanted = torch.randn(4, 16, *GRID), torch.tensor([[0, 3], [2, 4]])
    assert torch.equal(attention(x, torch.randn(4, 16, *GRID), keys, values, positions, wanted), x)


def test_rows_and_columns_come_round_after_four_grids_and_pairs_differ() -> None:
    frequencies = motion_frequencies((21, 21), 32)
    assert ((frequencies != 0).sum(dim=0) == 1).all(), "each pair of numbers counts rows, columns or frames"
    turns = frequencies[:2] * 84 / (2 * math.pi)
    assert torch.allclose(turns, turns.round(), atol=1e-4)
    assert len(frequencies[1].unique()) == 7, "six of columns"


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_angles_are_of_float32_in_mixed_precision(precision: torch.dtype) -> None:
    """Far from the start a bfloat16 is wrong by half a radian."""
    rotation, positions = MotionRotation(GRID, 32), torch.full((1, HEADS, FRAMES, 2), 97.3)
    z, times = torch.ones(1, HEADS, FRAMES, 36, 32, dtype=precision), torch.arange(FRAMES)[None, None]
    exact = rotation(z, positions, times)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(rotation(z, positions, times), exact)


@pytest.mark.slow
def test_displacements_are_learnt_from_the_actions() -> None:
    """A grid that rolls left or right by a code, as the actions say, shown once and hidden for two frames: without
    knowing how far it has moved nothing can be said of it, four bits a code."""
    codes, grid = 16, (3, 12)
    settings = replace(SMALL_PATCH, frame_attention=1, frame_attention_width=32, frame_attention_heads=1)
    torch.manual_seed(0)
    predictor = build_predictor(settings, ActionSpec("discrete", (3,)), grid, torch.randn(codes, 4))
    optimizer = torch.optim.Adam(predictor.parameters(), 1e-2)
    for step in range(250):
        actions = torch.randint(3, (16, 4, 1))
        frames = [torch.randint(codes, (16, *grid))]
        for t in range(3):
            rolled = [frame.roll(int(a) - 1, dims=1) for frame, a in zip(frames[-1], actions[:, t], strict=True)]
            frames.append(torch.stack(rolled))
        shown = torch.stack(frames, dim=1)
        seen = shown.clone()
        seen[:, 1:3] = 0
        predictor.train(step < 249)
        output = predictor(shown, actions, seen, torch.full((16, 1), 3))
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
    assert output.nll.mean() / math.log(2) < 2.5
