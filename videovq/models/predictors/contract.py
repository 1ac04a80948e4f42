"""What every predictor of code grids offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn

from videovq.config import PredictorConfig
from videovq.types import ActionSpec, PredictorOutput


class Predictor(nn.Module, ABC):
    """p(codes | actions) as a product of conditionals, frame by frame and code by code.

    ``forward`` scores given frames; ``start`` and ``step`` draw new ones. ``step`` repeated gives the same conditionals
    as ``forward`` on the same prefix, and no code or action changes an earlier conditional: frame t depends on the
    codes of frames before it and on the actions before it, ``actions[..t - 1]``.
    """

    codebook: Tensor
    action_spec: ActionSpec
    grid: tuple[int, int]

    def __init__(
        self, config: PredictorConfig, action_spec: ActionSpec, grid: tuple[int, int], codebook: Float[Tensor, "k d"]
    ) -> None:
        super().__init__()
        self.action_spec = action_spec
        self.grid = grid
        self.register_buffer("codebook", codebook.detach().float().clone())

    @abstractmethod
    def forward(
        self,
        codes: Int64[Tensor, "b t y x"],
        actions: Shaped[Tensor, "b t a"],
        given: Int64[Tensor, "b t y x"] | None = None,
    ) -> PredictorOutput:
        """Score every code of every frame, the first frame included.

        Args:
            codes: the frames to score.
            actions: the action taken after each; the last one has no effect.
            given: what the predictor sees of the frames before the one it scores, where that is not ``codes``:
                training against noise.
        """

    @abstractmethod
    def start(self, codes: Int64[Tensor, "b t y x"], actions: Shaped[Tensor, "b t_minus_1 a"]) -> Any:
        """The state after the given context frames and the actions between them."""

    @abstractmethod
    def step(
        self, state: Any, action: Shaped[Tensor, "b a"], noise: Float[Tensor, "b y x k"]
    ) -> tuple[Int64[Tensor, "b y x"], Any]:
        """Draw the next frame.

        Args:
            action: taken after the last frame; leads to the one drawn.
            noise: added to the logits before the largest is taken. Gumbel noise draws from the model exactly, scaled
                by T at temperature T, and zeros take the most likely code (see videovq.models.sampling).
        """
