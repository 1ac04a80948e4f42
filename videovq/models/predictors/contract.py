"""What a predictor returns, and its parts: a context network that reads the past, and a decoder that draws a frame.

Shapes: ``n`` frames of a batch in a row, ``w`` channels, ``e`` width of an embedding, ``p`` places of a frame that are
drawn at once, counted row by row.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

Choose = Callable[[Float[Tensor, "n p k"], Int64[Tensor, "p"]], Int64[Tensor, "n p"]]
"""Scores of the codes at some places, and the places -> the codes drawn there (videovq.models.sampling)."""


class ContextNetwork(nn.Module, ABC):
    """Earlier frames and actions -> a vector for every code of the next frame.

    Attributes:
        history: number of previous frames (and actions) that it sees side by side.
    """

    history: int

    @abstractmethod
    def forward(
        self,
        frames: Float[Tensor, "b s y x e"],
        actions: Float[Tensor, "b s e"],
        memory: Any,
        wanted: Int64[Tensor, "b m"] | None,
    ) -> tuple[Float[Tensor, "n w y x"], Any]:
        """The contexts of ``s - history + 1`` frames in a row.

        Args:
            frames: embeddings of the frames before them: the i-th follows the frames ``i .. i + history - 1``.
            actions: those after these frames; action ``i + history - 1`` leads to the i-th.
            memory: what was returned for the frames before them; None at the start.
            wanted: numbers of the frames whose contexts are asked for; None: all.

        Returns:
            The contexts, all frames of the first sequence first, and the memory for the frames that follow.
        """


def side_by_side(
    z: Float[Tensor, "b s *r e"], history: int, wanted: Int64[Tensor, "b m"] | None
) -> Float[Tensor, "b m *r he"]:
    """What lies ``history`` long before each wanted frame, the oldest first."""
    if wanted is None:
        frames = z.shape[1] - history + 1
        return torch.cat([z[:, lag : lag + frames] for lag in range(history)], dim=-1)
    row = torch.arange(len(z), device=z.device)[:, None]
    return torch.cat([z[row, wanted + lag] for lag in range(history)], dim=-1)


class FrameDecoder(nn.Module, ABC):
    """p(codes of a frame | context), as a product over groups of places in a fixed order.

    Attributes:
        order: the places of every group, in the order in which the groups are drawn.
    """

    order: Int64[Tensor, "groups p"]

    def __init__(self, width: int, codebook_size: int, code_dim: int) -> None:
        super().__init__()
        self.scores = nn.Linear(width, codebook_size)
        self.vector = nn.Linear(width, code_dim)

    def score_codes(self, x: Float[Tensor, "*n w"], codebook: Float[Tensor, "k d"]) -> Float[Tensor, "*n k"]:
        """Scores of all codes: one learnt for each, and how well its vector fits the one that is looked for."""
        return (self.scores(x) + self.vector(x) @ codebook.T).float()

    def halve(self) -> None:
        """Compute in bfloat16 from now on what gains by it; scores stay float32."""

    @abstractmethod
    def score(
        self,
        context: Float[Tensor, "n w y x"],
        codes: Int64[Tensor, "n y x"],
        table: Float[Tensor, "k_plus_1 e"],
        codebook: Float[Tensor, "k d"],
    ) -> Float[Tensor, "n y x k"]:
        """Scores of every code given the codes of the groups before its own, in one pass.

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
        choose: Choose,
    ) -> Int64[Tensor, "n y x"]:
        """Draw a frame, group after group, computing nothing twice."""


@dataclass(frozen=True)
class PredictorOutput:
    """Scores of every code of every frame given all earlier codes and actions.

    Attributes:
        logits: unnormalised log-probabilities.
        nll: minus the log-probability of each code, in nats.
        loss: what training minimises: the mean nll, plus the predictor's own auxiliary terms.
        outcome_loss: minus the log-probability of the rewards and ends, in nats a step, where they were given.
    """

    logits: Float[Tensor, "b t y x k"]
    nll: Float[Tensor, "b t y x"]
    loss: Float[Tensor, ""]
    outcome_loss: Float[Tensor, ""] | None = None


@dataclass(frozen=True)
class OutcomeOutput:
    """What a predictor expects of some actions.

    Attributes:
        rewards: expected reward of each.
        ends: probability that the world ends with it.
    """

    rewards: Float[Tensor, "..."]
    ends: Float[Tensor, "..."]
