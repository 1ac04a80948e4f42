"""A predictor's output and its two parts: a context network over earlier frames, an autoregressive decoder of a frame.

Shapes: ``n`` frames of a flattened batch, ``w`` channels, ``e`` width of an embedding, ``p`` positions of a frame that
are sampled at once, as raster indices.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

CodeSampler = Callable[[Float[Tensor, "n p k"], Int64[Tensor, "p"]], Int64[Tensor, "n p"]]
"""Logits of the codes at some positions, and the positions -> the codes sampled there (videovq.models.sampling)."""


class ContextNetwork(nn.Module, ABC):
    """Context network: earlier frames and actions -> a vector for every code of the next frame.

    Attributes:
        history: number of previous frames (and actions) that are concatenated at its input.
    """

    history: int

    @abstractmethod
    def forward(
        self,
        frames: Float[Tensor, "b s y x e"],
        actions: Float[Tensor, "b s e"],
        cache: Any,
        targets: Int64[Tensor, "b m"] | None,
    ) -> tuple[Float[Tensor, "n w y x"], Any]:
        """The contexts of ``s - history + 1`` consecutive frames.

        Args:
            frames: embeddings of the frames before them: the i-th follows the frames ``i .. i + history - 1``.
            actions: those after these frames; action ``i + history - 1`` leads to the i-th.
            cache: the KV cache that was returned for the frames before them; None at the start.
            targets: indices of the target frames, whose contexts are returned; None: all.

        Returns:
            The contexts, all frames of the first sequence first, and the KV cache for the frames that follow.
        """


def stack_history(
    z: Float[Tensor, "b s *r e"], history: int, targets: Int64[Tensor, "b m"] | None
) -> Float[Tensor, "b m *r he"]:
    """The last ``history`` entries before each target frame, concatenated, the oldest first."""
    if targets is None:
        frames = z.shape[1] - history + 1
        return torch.cat([z[:, lag : lag + frames] for lag in range(history)], dim=-1)
    row = torch.arange(len(z), device=z.device)[:, None]
    return torch.cat([z[row, targets + lag] for lag in range(history)], dim=-1)


class FrameDecoder(nn.Module, ABC):
    """p(codes of a frame | context), autoregressive over groups of positions in a fixed order.

    Attributes:
        order: the positions of every group, in the order in which the groups are sampled.
    """

    order: Int64[Tensor, "groups p"]

    def __init__(self, width: int, codebook_size: int, code_dim: int) -> None:
        super().__init__()
        self.scores = nn.Linear(width, codebook_size)  # of the logits; trained weights have this name
        self.vector = nn.Linear(width, code_dim)

    def code_logits(self, x: Float[Tensor, "*n w"], codebook: Float[Tensor, "k d"]) -> Float[Tensor, "*n k"]:
        """Logits of all codes: a linear layer, plus the dot product of each code's vector with a predicted vector."""
        return (self.scores(x) + self.vector(x) @ codebook.T).float()

    def use_bf16(self) -> None:
        """Compute in bfloat16 from now on what gains by it; logits stay float32."""

    @abstractmethod
    def logits(
        self,
        context: Float[Tensor, "n w y x"],
        codes: Int64[Tensor, "n y x"],
        table: Float[Tensor, "k_plus_1 e"],
        codebook: Float[Tensor, "k d"],
    ) -> Float[Tensor, "n y x k"]:
        """Logits at every position given the codes of the groups before its own, in one pass (teacher forcing).

        Args:
            table: the embedding of every code; its last row stands for no code.
            codebook: the VQ-VAE's code vectors.
        """

    @abstractmethod
    def draw(
        self,
        context: Float[Tensor, "n w y x"],
        table: Float[Tensor, "k_plus_1 e"],
        codebook: Float[Tensor, "k d"],
        sample: CodeSampler,
    ) -> Int64[Tensor, "n y x"]:
        """Sample a frame, group after group, with cached activations."""


@dataclass(frozen=True)
class PredictorOutput:
    """Logits and likelihood of every code of every frame, conditioned on all earlier codes and actions.

    Attributes:
        logits: unnormalised log-probabilities.
        nll: minus the log-probability of each code, in nats.
        loss: what training minimises: the mean nll, plus the predictor's own auxiliary terms.
        outcome_loss: minus the log-probability of the rewards and ends, in nats a step; None without outcomes.
    """

    logits: Float[Tensor, "b t y x k"]
    nll: Float[Tensor, "b t y x"]
    loss: Float[Tensor, ""]
    outcome_loss: Float[Tensor, ""] | None = None


@dataclass(frozen=True)
class OutcomeOutput:
    """Expected outcomes of some actions.

    Attributes:
        rewards: expected reward of each action.
        ends: probability that the world ends with it.
    """

    rewards: Float[Tensor, "..."]
    ends: Float[Tensor, "..."]
