from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest
import torch

from tests.conftest import PATIENCE
from videovq.play.thread import ModelThread
from videovq.rollout.pair import Pair
from videovq.rollout.state import start_rollouts
from videovq.types import Sampling


@pytest.fixture
def model(pair: Pair) -> Iterator[ModelThread]:
    model = ModelThread(lambda: pair)
    yield model
    model.close()


def test_what_waits_is_computed_in_one_batch_and_errors_stay_with_their_jobs(model: ModelThread, pair: Pair) -> None:
    network = pair.predictor.network
    context, none = torch.zeros(3, 2, 6, 6, dtype=torch.int64), torch.zeros(3, 1, 1, dtype=torch.int64)
    states = start_rollouts(network, context, none, [0, 1, 2])

    async def run() -> list[object]:
        gate = threading.Event()
        jobs = [asyncio.create_task(model.call(lambda pair: gate.wait(PATIENCE)))]
        for i, state in enumerate(states):
            jobs.append(asyncio.create_task(model.step(i, state, torch.tensor([i]), Sampling(), False)))
        jobs.append(asyncio.create_task(model.call(lambda pair: 1 // 0)))
        await asyncio.sleep(0)
        gate.set()
        return await asyncio.gather(*jobs, return_exceptions=True)

    waited, *seen, failed = asyncio.run(run())
    assert waited is True and isinstance(failed, ZeroDivisionError)
    assert list(model.batches) == [{0, 1, 2}]
    assert [one.picture.shape for one in seen] == [(24, 24, 3)] * 3


def test_it_raises_what_loading_raises_and_leaves_nobody_waiting_at_its_end(model: ModelThread) -> None:
    def missing() -> Pair:
        raise ValueError("no such run")

    with pytest.raises(ValueError, match="no such run"):
        ModelThread(missing)
    model.close()
    with pytest.raises(CancelledError):
        model.now(lambda pair: pair)


def test_players_of_the_last_batches_are_waited_for_but_not_long(model: ModelThread, pair: Pair) -> None:
    context, none = torch.zeros(2, 2, 6, 6, dtype=torch.int64), torch.zeros(2, 1, 1, dtype=torch.int64)
    states = start_rollouts(pair.predictor.network, context, none, [0, 1])

    async def step(player: int) -> None:
        await model.step(player, states[player], torch.tensor([0]), Sampling(), False)

    async def second_a_moment_later() -> None:
        first = asyncio.create_task(step(0))
        await asyncio.sleep(0.05)
        await asyncio.gather(first, step(1))

    async def second_after_the_first() -> None:
        first = asyncio.create_task(step(0))
        await asyncio.wait([first], timeout=PATIENCE)
        await asyncio.gather(first, step(1))

    model.batches.extend([{0}, {1}])
    model._took = 5 * PATIENCE  # a fifth of it is how long it waits
    asyncio.run(second_a_moment_later())
    assert model.batches[-1] == {0, 1}
    model._took = 0.001
    asyncio.run(second_after_the_first())
    assert list(model.batches)[-2:] == [{0}, {1}]
