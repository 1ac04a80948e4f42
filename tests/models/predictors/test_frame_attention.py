"""Attention to earlier frames: videovq.models.predictors.frame_attention."""

from __future__ import annotations

import math

import torch

from videovq.models.predictors.frame_attention import FrameAttention, FrameHistory, motion_frequencies

GRID, HEADS, INNER, FRAMES = (6, 6), 2, 64, 5


@torch.no_grad()
def test_a_code_is_found_where_the_actions_have_moved_it_to() -> None:
    """Keys that are all alike, and a displacement of so many columns an action: only places can tell them apart."""
    torch.manual_seed(0)
    history = FrameHistory(embedding=8, actions=3, width=INNER, heads=HEADS, window=8)
    history.look.weight.zero_()
    history.look.bias.fill_(1.0)
    columns = torch.tensor([0.0, 1.0, -2.0])
    history.displacement.weight.view(HEADS, 2, 3)[:, 1] = columns
    attention = FrameAttention(16, 16, INNER, HEADS, 8, GRID)
    actions = torch.tensor([[1, 0, 2, 1, 2]])
    frames = torch.zeros(1, FRAMES, *GRID, 8)
    (keys, _, key_positions), positions, _ = history(frames, torch.eye(3)[actions], None)
    times = torch.zeros(1, 1, FRAMES, dtype=torch.int64)  # as if they were of one time
    key = attention._rotated(keys, key_positions, times)
    query = attention._rotated(torch.ones_like(keys), positions, times)
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
    history = FrameHistory(8, 3, INNER, HEADS, 4)
    kept, positions, _ = history(torch.randn(2, FRAMES, *GRID, 8), torch.randn(2, FRAMES, 3), None)
    x, wanted = torch.randn(4, 16, *GRID), torch.tensor([[0, 3], [2, 4]])
    assert torch.equal(attention(x, torch.randn(4, 16, *GRID), kept, positions, wanted), x)


def test_rows_and_columns_come_round_after_four_grids_and_pairs_differ() -> None:
    frequencies = motion_frequencies((21, 21), 32)
    assert ((frequencies != 0).sum(dim=0) == 1).all(), "each pair of numbers counts rows, columns or frames"
    turns = frequencies[:2] * 84 / (2 * math.pi)
    assert torch.allclose(turns, turns.round(), atol=1e-4)
    assert len(frequencies[1].unique()) == 7, "six of columns"
