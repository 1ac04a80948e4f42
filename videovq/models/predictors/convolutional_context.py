"""The context network of the PixelCNN predictor: convolutions over the last few frames, without a KV cache."""

from __future__ import annotations

from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn

from videovq.config import PixelCNNPredictorConfig
from videovq.models.predictors.contract import ContextNetwork, stack_history
from videovq.models.predictors.layers import Conditions, FiLMBlock


class ConvolutionalContext(ContextNetwork):
    """Residual blocks with FiLM conditioning on the last actions and on position."""

    def __init__(self, config: PixelCNNPredictorConfig, grid: tuple[int, int]) -> None:
        super().__init__()
        self.history = config.history
        inputs, width = config.history * config.embedding, config.width
        self.conditions = Conditions(inputs, width, grid)
        self.look = nn.Conv2d(inputs, width, 3, padding=1)
        self.blocks = nn.ModuleList(FiLMBlock(width, width) for _ in range(config.context_blocks))

    def forward(
        self,
        frames: Float[Tensor, "b s y x e"],
        actions: Float[Tensor, "b s e"],
        cache: None,
        targets: Int64[Tensor, "b m"] | None,
    ) -> tuple[Float[Tensor, "n w y x"], None]:
        condition = self.conditions(stack_history(actions, self.history, targets).flatten(0, 1))
        x = self.look(rearrange(stack_history(frames, self.history, targets), "b m y x w -> (b m) w y x"))
        for block in self.blocks:
            x = block(x, condition)
        return x, None
