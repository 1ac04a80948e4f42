"""Lightning DataModules: which samples are in the batch of each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import lightning as L
import torch
from jaxtyping import Int64
from torch import Tensor

from videovq.data.pool import Pool
from videovq.data.positions import FramePositions
from videovq.data.prefetch import prefetched
from videovq.data.store import CodeStore, EpisodeStore, Store
from videovq.data.windows import Window, Windows, evened, windows
from videovq.errors import UserError
from videovq.types import CodeBatch, FrameBatch, Outcomes

Batch = TypeVar("Batch")


class RandomBatches(Generic[Batch]):
    """One batch a step, for all steps of a training.

    The samples of step s depend on the seed and on s alone, so that a resumed training sees what an uninterrupted one
    would have. Lightning stores and restores the position through ``state_dict``.

    Args:
        samples: number of samples to choose from.
        collate: sample indices -> batch.
        batch_size: global batch size: samples in a step, over all ranks.
        parts: micro-batches of a step, on each rank.
        device: that the batches are copied to.
        pool: draws the samples, where the store's shards cannot all be open at once.
    """

    def __init__(
        self,
        samples: int,
        collate: Callable[[Int64[Tensor, "b"]], Batch],
        batch_size: int,
        steps: int,
        seed: int,
        rank: int = 0,
        ranks: int = 1,
        parts: int = 1,
        device: torch.device | None = None,
        pool: Pool | None = None,
    ) -> None:
        assert batch_size % (ranks * parts) == 0
        self.samples, self.collate, self.batch_size, self.steps, self.seed = samples, collate, batch_size, steps, seed
        self.rank, self.ranks, self.parts, self.device, self.pool, self.step = rank, ranks, parts, device, pool, 0

    def __len__(self) -> int:
        return self.steps * self.parts

    def __iter__(self) -> Iterator[Batch]:
        batches = prefetched(self.collate, self._chosen_from(self.step + 1), self.device)
        for number, batch in enumerate(batches):
            self.step += number % self.parts == 0  # of the batch that is handed out: those collated ahead do not count
            yield batch

    def _chosen_from(self, step: int) -> Iterator[Int64[Tensor, "b"]]:
        """The samples of every micro-batch from a step on."""
        for later in range(step, self.steps + 1):
            yield from self._chosen(later).chunk(self.parts)

    def _chosen(self, step: int) -> Int64[Tensor, "b"]:
        if self.pool is not None:
            return self.pool.draw(step)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        chosen = torch.randint(self.samples, (self.batch_size,), generator=generator)
        return chosen[self.rank :: self.ranks]

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step = state["step"]


class Batches(Generic[Batch]):
    """Every sample once, in order; each rank has its share of them.

    Args:
        samples: number of samples.
        collate: sample numbers -> batch.
        batch_size: samples in a step of the training, over all ranks.
        parts: micro-batches that a step's samples come in.
        device: that the batches are copied to.

    Raises:
        UserError: there are fewer samples than ranks.
    """

    def __init__(
        self,
        samples: int,
        collate: Callable[[Int64[Tensor, "b"]], Batch],
        batch_size: int,
        rank: int = 0,
        ranks: int = 1,
        parts: int = 1,
        device: torch.device | None = None,
    ) -> None:
        if samples < ranks:
            raise UserError(
                f"training.devices: {ranks} devices cannot share {samples} samples of the validation split; use fewer"
                " devices, or prepare more validation episodes"
            )
        self.own, self.collate, self.device = range(rank, samples, ranks), collate, device
        self.size = -(-batch_size // (ranks * parts))

    def __len__(self) -> int:
        return -(-len(self.own) // self.size)

    def __iter__(self) -> Iterator[Batch]:
        some = (self.own[at : at + self.size] for at in range(0, len(self.own), self.size))
        chosen = (torch.arange(one.start, one.stop, one.step) for one in some)
        yield from prefetched(self.collate, chosen, self.device)


class FrameData(L.LightningDataModule):
    """Single frames: random ones of ``train``, every one of ``val``."""

    def __init__(self, store: EpisodeStore, batch_size: int, steps: int, seed: int) -> None:
        super().__init__()
        self.store, self.batch_size, self.steps, self.seed = store, batch_size, steps, seed
        self.positions = {split: FramePositions(store.split(split)) for split in ("train", "val")}

    def variance(self) -> float:
        """Variance of the training frames' values in -0.5..0.5, from 1,000 frames spread over them; at least that of
        one grey level, where all frames are of one colour.
        """
        chosen = self.positions["train"].spread(1000)
        return max(float(self.store.frames(chosen).double().div(255).var()), 1 / 255**2)

    def train_dataloader(self) -> RandomBatches[FrameBatch]:
        positions, ranks, device = self.positions["train"], ranks_of(self), device_of(self)
        pool = pool_for(self.store, positions, self.batch_size, self.seed, *ranks)
        collate = self._collate("train")
        return RandomBatches(
            len(positions), collate, self.batch_size, self.steps, self.seed, *ranks, device=device, pool=pool
        )

    def val_dataloader(self) -> Batches[FrameBatch]:
        number, collate = len(self.positions["val"]), self._collate("val")
        return Batches(number, collate, self.batch_size, *ranks_of(self), device=device_of(self))

    def _collate(self, split: str) -> Callable[[Int64[Tensor, "b"]], FrameBatch]:
        return lambda chosen: FrameBatch(self.store.frames(self.positions[split][chosen]))


class CodeData(L.LightningDataModule):
    """Windows of codes: random ones of ``train``; of ``val`` those that start every ``window`` frames.

    Args:
        outcomes: frames of a training window whose outcomes are learnt, besides the last action's; None: none are.
    """

    def __init__(
        self,
        store: CodeStore,
        window: int,
        batch_size: int,
        steps: int,
        seed: int,
        parts: int = 1,
        outcomes: int | None = None,
    ) -> None:
        super().__init__()
        self.store, self.batch_size, self.steps, self.seed, self.parts = store, batch_size, steps, seed, parts
        self.targets = outcomes
        self.windows = {
            split: windows(store.split(split), window, stride) for split, stride in (("train", 1), ("val", window))
        }

    def train_dataloader(self) -> RandomBatches[CodeBatch]:
        found, ranks, device = self.windows["train"], ranks_of(self), device_of(self)
        pool = pool_for(self.store, found, self.batch_size, self.seed, *ranks)
        collate = self._collate("train")
        return RandomBatches(
            len(found), collate, self.batch_size, self.steps, self.seed, *ranks, self.parts, device, pool
        )

    def val_dataloader(self) -> Batches[CodeBatch]:
        number, collate = len(self.windows["val"]), self._collate("val")
        return Batches(number, collate, self.batch_size, *ranks_of(self), self.parts, device_of(self))

    def _collate(self, split: str) -> Callable[[Int64[Tensor, "b"]], CodeBatch]:
        def collate(chosen: Int64[Tensor, "b"]) -> CodeBatch:
            picked = self.windows[split].at(chosen)
            parts = [self.store.read(w.episode, w.start, w.start + w.length) for w in picked]
            outcomes = self._outcomes(picked, split) if self.targets is not None else None
            return CodeBatch(torch.stack([p.codes for p in parts]), torch.stack([p.actions for p in parts]), outcomes)

        return collate

    def _outcomes(self, picked: list[Window], split: str) -> Outcomes:
        assert self.targets is not None
        parts = [self.store.outcomes(w.episode, w.start, w.start + w.length) for w in picked]
        even = [evened(w, self.targets) if split == "train" else torch.tensor(1 / w.length) for w in picked]
        weights = torch.stack([p.weights * one for p, one in zip(parts, even, strict=True)])
        return Outcomes(torch.stack([p.rewards for p in parts]), torch.stack([p.ends for p in parts]), weights)


def ranks_of(data: L.LightningDataModule) -> tuple[int, int]:
    """The rank that asks for data, and the number of ranks."""
    assert data.trainer is not None
    return data.trainer.global_rank, data.trainer.world_size


def device_of(data: L.LightningDataModule) -> torch.device:
    """The device of the rank that asks for data."""
    assert data.trainer is not None
    return data.trainer.strategy.root_device


def pool_for(
    store: Store, samples: FramePositions | Windows, batch: int, seed: int, rank: int, ranks: int
) -> Pool | None:
    """The pool that draws the samples of a step from few shards at a time; None where all shards can be open at once.

    Args:
        batch: global batch size.
    """
    size = store.folder.open_files
    if store.header.shards <= size:
        return None
    return Pool(samples.shards, samples.numbering.counts, size, batch // ranks, seed, rank, ranks)
