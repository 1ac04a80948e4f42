"""The context network of the PixelCNN predictor: convolutions over the last few frames, without older memory."""

from __future__ import annotations

from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn

from videovq.config import PixelCNNPredictorConfig
from videovq.models.predictors.contract import ContextNetwork, side_by_side
from videovq.models.predictors.layers import Conditions, ModulatedBlock


class ConvolutionalContext(ContextNetwork):
    """Residual blocks, modulated by the last actions and by place."""

    def __init__(self, config: PixelCNNPredictorConfig, grid: tuple[int, int]) -> None:
        super().__init__()
        self.history = config.history
        inputs, width = config.history * config.embedding, config.width
        self.conditions = Conditions(inputs, width, grid)
        self.look = nn.Conv2d(inputs, width, 3, padding=1)
        self.blocks = nn.ModuleList(ModulatedBlock(width, width) for _ in range(config.context_blocks))

    def forward(
        self,
        frames: Float[Tensor, "b s y x e"],
        actions: Float[Tensor, "b s e"],
        memory: None,
        wanted: Int64[Tensor, "b m"] | None,
    ) -> tuple[Float[Tensor, "n w y x"], None]:
        rows = self.conditions(side_by_side(actions, self.history, wanted).flatten(0, 1))
        x = self.look(rearrange(side_by_side(frames, self.history, wanted), "b m y x w -> (b m) w y x"))
        for block in self.blocks:
            x = block(x, rows)
        return x, None
