"""The head for rewards and ends: that it learns them, that a rollout has them too, and that nothing else changes."""

from __future__ import annotations

import pytest
import torch

from tests.small import SMALL_PATCH, SMALL_PIXELCNN, SMALL_RASTER
from videovq.config import PredictorConfig
from videovq.models.build import build_predictor
from videovq.models.predictors.outcome import reward_values, two_hot
from videovq.models.predictors.predictor import Predictor
from videovq.types import ActionSpec, Outcomes

SPEC, GRID, K = ActionSpec("discrete", (3,)), (3, 3), 8


def make(config: PredictorConfig, values: torch.Tensor | None = None) -> Predictor:
    torch.manual_seed(0)
    return build_predictor(config, SPEC, GRID, torch.randn(K, 4), values)


def world(batch: int, frames: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, Outcomes]:
    """Noise, among it code 0 or 1 in the corner. Action 1 earns 2, or costs 1, by that code; action 2 may end it."""
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(2, K, (batch, frames, *GRID), generator=generator)
    shown = torch.randint(2, (batch, frames), generator=generator)
    codes[:, :, :2, :2] = shown[:, :, None, None]
    actions = torch.randint(3, (batch, frames), generator=generator)
    rewards = (actions == 1) * (3.0 * shown - 1)
    weights = torch.full((batch, frames), 1 / frames)
    return codes, actions[..., None], Outcomes(rewards, (actions == 2) & (shown == 1), weights)


def test_two_hot_weights_have_the_number_as_their_mean() -> None:
    values = reward_values(-3.0, 50.0)
    assert (values.diff() > 0).all() and values[[0, -1]].tolist() == pytest.approx([-3, 50])
    numbers = torch.tensor([-3.0, -0.2, 0.0, 1.0, 17.3, 50.0])
    weights = two_hot(numbers, values)
    assert torch.allclose(weights @ values, numbers, atol=1e-4)
    assert ((weights > 0).sum(dim=1) <= 2).all() and torch.allclose(weights.sum(dim=1), torch.ones(6))
    assert reward_values(0.0, 0.0)[-1] > 0, "no rewards at all are rewards too"


@pytest.mark.slow
def test_it_learns_what_depends_on_an_action_and_a_code_and_a_rollout_says_the_same() -> None:
    predictor = make(SMALL_PATCH, reward_values(-1.0, 2.0)).train()
    optimizer = torch.optim.AdamW(predictor.parameters(), lr=1e-2)
    for step in range(150):
        codes, actions, outcomes = world(24, 5, step)
        loss = predictor(codes, actions, outcomes=outcomes).outcome_loss
        assert loss is not None
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    predictor.eval()
    codes, actions, outcomes = world(32, 6, 1000)
    with torch.no_grad():
        found = predictor.expect(codes, actions)
        error = (found.rewards - outcomes.rewards).abs().mean()
        constant = (outcomes.rewards - outcomes.rewards.mean()).abs().mean()
        assert error < 0.3 * constant, (error, constant)
        assert found.ends[outcomes.ends].mean() > 0.7 > 0.2 > found.ends[~outcomes.ends].mean()
        state = predictor.start(codes[:, :3], actions[:, :2])
        assert state.outcome is None
        for t in range(2, 6):
            true = codes[:, min(t + 1, 5)].flatten(1)
            _, state = predictor.draw(state, actions[:, t], lambda logits, positions, true=true: true[:, positions])
            assert state.outcome is not None
            assert torch.allclose(state.outcome.rewards, found.rewards[:, t], atol=1e-4)
            assert torch.allclose(state.outcome.ends, found.ends[:, t], atol=1e-4)
        picked = state.select([3, 1]).outcome
        assert picked is not None and torch.equal(picked.rewards, state.outcome.rewards[[3, 1]])


@pytest.mark.parametrize("config", [SMALL_PATCH, SMALL_RASTER, SMALL_PIXELCNN], ids=lambda c: type(c).__name__)
def test_everything_else_is_as_without_it(config: PredictorConfig) -> None:
    plain, more = make(config), make(config, reward_values(0.0, 1.0))
    assert plain.outcome is None and not [name for name in plain.state_dict() if "outcome" in name]
    shared = {name: value for name, value in more.state_dict().items() if not name.startswith("outcome.")}
    assert shared.keys() == plain.state_dict().keys()
    assert all(torch.equal(value, shared[name]) for name, value in plain.state_dict().items())
    codes, actions, outcomes = world(2, 4, 0)
    with torch.no_grad():
        wanted = torch.tensor([[0, 2], [3, 1]])
        ours, theirs = more(codes, actions, None, wanted, outcomes), plain(codes, actions, None, wanted)
    assert torch.allclose(ours.logits, theirs.logits, atol=1e-5)
    assert theirs.outcome_loss is None and ours.outcome_loss is not None
