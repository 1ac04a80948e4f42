"""What a predictor sees of its context in training: videovq.training.corruption."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.small import SMALL_PATCH
from videovq.config import TrainPredictorConfig
from videovq.models.build import build_predictor
from videovq.models.predictors.predictor import SAMPLED, Predictor
from videovq.training.corruption import add_noise, add_own_frames, choose_targets
from videovq.training.similar import SimilarCodes
from videovq.types import ActionSpec

K, GRID, FRAMES = 32, (6, 6), 10
CONFIG = TrainPredictorConfig(
    model=replace(SMALL_PATCH, corruption_levels=4), window=FRAMES, own_frames=0.5, own_length=4, own_passes=4
)


@pytest.fixture
def network() -> Predictor:
    torch.manual_seed(0)
    network = build_predictor(CONFIG.model, ActionSpec("discrete", (3,)), GRID, torch.randn(K, 4))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


def windows(batch: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    codes = torch.randint(K, (batch, FRAMES, *GRID), generator=generator)
    return codes, torch.randint(3, (batch, FRAMES, 1), generator=generator)


def test_the_level_of_a_frame_says_how_much_of_it_is_replaced() -> None:
    torch.manual_seed(0)
    codes = torch.randint(K, (200, FRAMES, *GRID))
    noisy, levels = add_noise(codes, SimilarCodes(torch.randn(K, 4)), 0.1, 0.25, levels=5)
    wrong = (noisy != codes).float().mean(dim=(2, 3))
    assert torch.equal(noisy[levels == 0], codes[levels == 0])
    assert 0.4 < (levels == 0).all(dim=1).float().mean() < 0.6, "half of the windows are as recorded"
    parts = [float(wrong[levels == level].mean()) for level in range(5)]
    assert parts == pytest.approx([0, 0.05, 0.1, 0.15, 0.2], abs=0.01)


def test_some_replaced_codes_become_any_code() -> None:
    torch.manual_seed(0)
    codes, codebook = torch.full((100, 4, *GRID), 10), torch.arange(20.0)[:, None].repeat(1, 2)
    noisy, _ = add_noise(codes, SimilarCodes(codebook), 0.2, 0.5)
    changed = noisy[noisy != codes]
    far = ((changed - 10).abs() > 4).float().mean()
    assert 0.22 < far < 0.34, "half of the replaced ones are any of twenty, of which eleven are not similar"


def test_own_frames_are_those_of_a_rollout_after_as_many_passes_as_frames(network: Predictor) -> None:
    """Drawn in passes over the whole window, or one after the other by ``start`` and ``step``: the same codes."""
    codes, actions = windows()
    torch.manual_seed(5)
    (seen, levels), first = add_own_frames(network, (codes, torch.zeros(4, FRAMES, dtype=torch.int64)), actions, CONFIG)
    torch.manual_seed(5)
    torch.randint(1, FRAMES - 4, (2,))
    torch.randint(4, (2, 1))
    uniform = torch.rand(8, 36, K)
    noise = -(-uniform.log()).log()
    assert first.tolist()[2:] == [-1, -1]
    assert torch.equal(seen[2:], codes[2:])
    for row in range(2):
        own = (levels[row] == SAMPLED).nonzero().flatten()
        start = int(first[row])
        assert own.tolist() == list(range(start, start + len(own)))
        assert start >= 1
        assert start + len(own) < FRAMES, "there is something left to learn"
        untouched = levels[row] != SAMPLED
        assert torch.equal(seen[row][untouched], codes[row][untouched])
        with torch.no_grad():
            state = network.start(codes[row : row + 1, :start], actions[row : row + 1, : start - 1])
            for i, t in enumerate(own.tolist()):
                drawn, state = network.step(state, actions[row : row + 1, t - 1], noise[row * 4 + i].view(1, *GRID, K))
                assert torch.equal(drawn[0], seen[row, t])


def test_drawn_once_own_frames_do_not_hang_on_each_other(network: Predictor) -> None:
    codes, actions = windows()
    config = replace(CONFIG, own_passes=1)
    nothing = torch.zeros(4, FRAMES, dtype=torch.int64)
    torch.manual_seed(5)
    (once, levels), first = add_own_frames(network, (codes, nothing), actions, config)
    torch.manual_seed(5)
    (often, _), _ = add_own_frames(network, (codes, nothing), actions, CONFIG)
    row = int((levels == SAMPLED).sum(dim=1).argmax())
    start = int(first[row])
    assert torch.equal(once[row, start], often[row, start]), "the first one is drawn given recorded frames in both"
    assert not torch.equal(once[row], often[row])


def test_what_is_learnt_comes_after_the_first_own_frame() -> None:
    first = torch.tensor([-1, 0, 5, 7])
    torch.manual_seed(0)
    chosen = torch.stack([choose_targets(FRAMES, 2, first) for _ in range(100)])
    assert chosen[:, 0].unique().tolist() == list(range(FRAMES))
    for row in (1, 2, 3):
        assert chosen[:, row].unique().tolist() == list(range(int(first[row]) + 1, FRAMES))


def test_gradients_reach_every_weight_beside_own_frames_in_bfloat16(network: Predictor) -> None:
    """Autocast keeps the weights that it cast, also those that it cast for the draws, where no gradients are wanted."""
    codes, actions = windows()
    with torch.autocast("cpu", torch.bfloat16):
        seen, first = add_own_frames(network, (codes, torch.zeros(4, FRAMES, dtype=torch.int64)), actions, CONFIG)
        targets = choose_targets(FRAMES, 2, first)
        network(codes, actions, seen[0], targets, levels=seen[1]).loss.backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None]
    assert not silent


@torch.no_grad()
def test_what_a_predictor_is_told_of_a_frame_changes_what_comes_next_only(network: Predictor) -> None:
    codes, actions = windows()
    levels = torch.zeros(4, FRAMES, dtype=torch.int64)
    plain = network(codes, actions).logits
    assert torch.equal(network(codes, actions, codes, levels=levels).logits, plain)
    levels[:, 3] = 2
    told = network(codes, actions, codes, levels=levels).logits
    assert torch.equal(told[:, :4], plain[:, :4])
    assert not torch.allclose(told[:, 4], plain[:, 4])


def test_settings_without_effect_are_refused() -> None:
    with pytest.raises(ValueError, match="corruption_levels"):
        replace(CONFIG, context_noise=0.0, own_frames=0.0).check()
    with pytest.raises(ValueError, match="own_length"):
        replace(CONFIG, own_length=FRAMES).check()
    with pytest.raises(ValueError, match="own_passes"):
        replace(CONFIG, own_passes=5).check()
