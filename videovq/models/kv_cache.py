"""The KV cache of the context network's transformer."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class KVCache(NamedTuple):
    """KV cache: keys and values of the last frames in every transformer layer; last, the cache of frame attention."""

    layers: list[tuple[Tensor, ...]]

    @property
    def length(self) -> int:
        """Number of frames in the cache."""
        return max((layer[0].shape[2] for layer in self.layers), default=0)
