"""The next batch is collated in a thread."""

from __future__ import annotations

import threading
import traceback
from typing import Any

import pytest
import torch

from videovq.data.prefetch import pinned, prefetched


def threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "prefetch"]


def test_batches_come_in_order_and_the_next_is_collated_meanwhile() -> None:
    begun: list[int] = []
    third = threading.Event()

    def collate(number: int) -> int:
        begun.append(number)
        if number == 2:
            third.set()
        return number**2

    found = prefetched(collate, range(5))
    assert not begun, "nobody has asked yet"
    assert [next(found), next(found)] == [0, 1]
    assert third.wait(60), "the batch after the one in use"
    assert 3 not in begun, "and no other"
    assert list(found) == [4, 9, 16] and begun == [0, 1, 2, 3, 4]
    assert not threads() and list(prefetched(collate, [])) == []


def broken(number: int) -> int:
    if number == 2:
        raise ValueError("shard 7 is broken")
    return number


def test_an_error_arrives_with_its_traceback_when_its_batch_would_have() -> None:
    found = prefetched(broken, range(5))
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(ValueError, match="shard 7 is broken") as raised:
        next(found)
    assert "broken" in [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]
    assert not threads()


@pytest.mark.parametrize("end", [KeyboardInterrupt, RuntimeError])
def test_where_the_step_fails_its_thread_ends_with_its_batch(end: type[BaseException]) -> None:
    go_on, collated = threading.Event(), []

    def collate(number: int) -> int:
        if number:
            go_on.wait(60)
        collated.append(number)
        return number

    def train() -> None:
        for _ in prefetched(collate, range(100)):
            raise end

    with pytest.raises(end):
        train()
    (running,) = threads()
    go_on.set()
    running.join(60)
    assert not threads() and collated == [0, 1]


def test_batches_for_a_card_are_pinned_in_the_thread_of_that_card(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    class Card:
        def __init__(self, device: torch.device) -> None:
            self.device = device

        def __enter__(self) -> None:
            told.append(self.device)

        def __exit__(self, *_: object) -> None:
            told.append("left")

    class Batch:
        def pin_memory(self) -> str:
            told.append("pinned")
            return "pinned"

    monkeypatch.setattr(torch.cuda, "device", Card)

    def collate(number: int) -> Any:
        return Batch()

    card = torch.device("cuda", 3)
    assert pinned(collate, card)(0) == "pinned"
    assert list(prefetched(collate, range(2), card)) == ["pinned", "pinned"]
    assert told == [card, "pinned", "left"] * 3
    assert isinstance(next(prefetched(collate, range(1), torch.device("cpu"))), Batch)
