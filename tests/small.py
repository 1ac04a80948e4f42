"""Predictors small enough to be trained in a test."""

from videovq.config import PatchPredictorConfig, PixelCNNPredictorConfig, RasterPredictorConfig

SMALL_RASTER = RasterPredictorConfig(
    width=16, embedding=8, history=2, blocks=2, lookups=1, decoder_layers=1, transformer_width=16, transformer_layers=1,
    heads=2, window=4,
)  # fmt: skip
SMALL_PIXELCNN = PixelCNNPredictorConfig(width=16, embedding=8, history=2, context_blocks=1, decoder_layers=2)
SMALL_PATCH = PatchPredictorConfig(
    width=16, embedding=8, history=2, blocks=2, lookups=1, decoder_blocks=1, transformer_width=16, transformer_layers=1,
    heads=2, window=4,
)  # fmt: skip
