"""The KV cache of the context network's transformer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class KVCache(NamedTuple):
    """KV cache: keys and values of the last frames in every transformer layer; last, the cache of frame attention."""

    layers: list[tuple[Tensor, ...]]

    def repeat(self, times: int) -> KVCache:
        """Every rollout of the batch ``times`` times in a row."""
        return KVCache([tuple(z.repeat_interleave(times, dim=0) for z in layer) for layer in self.layers])

    def select(self, indices: list[int] | slice) -> KVCache:
        """The cache of some rollouts of the batch: a copy, or with a slice a view."""
        return KVCache([tuple(z[indices] for z in layer) for layer in self.layers])

    @property
    def length(self) -> int:
        """Number of frames in the cache."""
        return max((layer[0].shape[2] for layer in self.layers), default=0)

    @staticmethod
    def cat(caches: Sequence[KVCache]) -> KVCache:
        """The caches of several rollouts, of the same length each, in one batch."""
        layers = zip(*(cache.layers for cache in caches), strict=True)
        return KVCache([tuple(torch.cat(z) for z in zip(*layer, strict=True)) for layer in layers])
