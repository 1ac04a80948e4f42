"""A step of a rollout never makes the CPU wait for the device that computes it."""

from __future__ import annotations

import pytest
import torch

from tests.models.predictors.test_contract import SMALL, make
from tests.no_sync import NoSync
from videovq.config import PredictorConfig
from videovq.models.predictors.predictor import Predictor
from videovq.rollout.engine import Session
from videovq.rollout.state import start_rollouts, step_rollouts
from videovq.types import Sampling

CHOICES = [Sampling(0.0), Sampling(0.7, top_k=9, top_p=0.9), Sampling(guidance=1.5)]


@pytest.fixture(params=SMALL.values(), ids=SMALL)
def kind(request: pytest.FixtureRequest) -> PredictorConfig:
    return request.param


def at_work(kind: PredictorConfig, device: str) -> tuple[Predictor, torch.Tensor, torch.Tensor]:
    """A predictor, two contexts that fill its windows but for a frame, and the actions between their frames."""
    codes = torch.ones(2, 3, 3, 3, dtype=torch.int64, device=device)
    return make(kind, grid=(3, 3)).float().to(device), codes, torch.ones(2, 2, 1, dtype=torch.int64, device=device)


def test_a_step_of_a_session_makes_nothing_on_the_cpu(kind: PredictorConfig) -> None:
    """On the meta device, where a tensor that is made on the CPU and moved would show."""
    network, codes, actions = at_work(kind, "meta")
    for sampling in CHOICES[1:]:
        session = Session(network, codes, actions, sampling, [3, 4])
        with NoSync():
            for _ in range(2):
                assert session.step(actions[:, 0]).shape == (2, 3, 3)


def test_a_step_of_many_players_waits_for_nothing(kind: PredictorConfig) -> None:
    network, codes, actions = at_work(kind, "cpu")
    states = [
        start_rollouts(network, codes[:1], actions[:1], [seed], sampling.guidance != 1)[0]
        for seed, sampling in enumerate(CHOICES)
    ]
    with NoSync():
        for _ in range(2):
            steps = step_rollouts(network, states, [actions[0, 0]] * len(states), CHOICES)
            states = [step.state for step in steps]
