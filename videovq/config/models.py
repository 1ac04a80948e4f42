"""Settings of the networks: quantizers, VQ-VAE, predictors."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Literal

from videovq.config.checks import Settings, at_least, convolutional, divides, part, within, without_effect
from videovq.errors import UserError

MOST_CODES = 2**20


@dataclass(frozen=True)
class QuantizerConfig(Settings):
    """How vectors become codes."""


@dataclass(frozen=True)
class LearnedCodebookConfig(QuantizerConfig):
    """What the learned codebooks share."""

    codebook_size: int = 512
    """K, the number of codes."""
    commitment: float = 1.0
    """beta, the weight of the commitment loss (van den Oord et al. 2017, equation 3: 0.25)."""
    decay: float = 0.99
    """gamma of the moving averages of code usage and, where they make the codebook, of its vectors."""
    restart_below: float = 0.3
    """A code used less than this fraction of an even share (moving average) restarts at an encoder output: the higher,
    the more even is the usage of codes; 0: never."""
    restart_at: Literal["random", "far"] = "random"
    """Where it restarts: at an output drawn evenly, which splits the codes that are used most; or drawn by squared
    distance to its code, which gives codes to what is rare and makes usage less even."""
    start_after: int = 0
    """Steps that train encoder and decoder alone, before k-means places the codes."""

    def check(self) -> None:
        within(self, 2, MOST_CODES, "codebook_size")
        at_least(self, 0, "commitment", "restart_below", "start_after")
        part(self, "decay")
        if not self.restart_below:
            without_effect(self, "while restart_below is 0", "restart_at")


@dataclass(frozen=True)
class EMAConfig(LearnedCodebookConfig):
    """Every code is the moving average of the vectors that chose it (van den Oord et al. 2017, appendix A.1)."""


@dataclass(frozen=True)
class CodebookLossConfig(LearnedCodebookConfig):
    """Codes are pulled to the vectors that chose them by gradient (van den Oord et al. 2017, equation 3)."""


@dataclass(frozen=True)
class CosineConfig(LearnedCodebookConfig):
    """EMA codes and vectors of length 1: the nearest code is the one at the smallest angle (arXiv 2110.04627)."""


@dataclass(frozen=True)
class FSQConfig(QuantizerConfig):
    """Finite scalar quantization: a few numbers, each rounded to one of its levels (arXiv 2309.15505)."""

    levels: list[int] = field(default_factory=lambda: [8, 8, 8])
    """Levels of each number, 3 or more; their product is the number of codes."""

    def check(self) -> None:
        at_least(self, 3, "levels")
        if not 0 < len(self.levels) <= 12 or prod(self.levels) > MOST_CODES:
            raise UserError(f"levels: {self.levels}; needs 1 to 12 numbers whose product is at most {MOST_CODES}")


@dataclass(frozen=True)
class LFQConfig(QuantizerConfig):
    """Lookup-free quantization: the signs of log2(K) numbers (arXiv 2310.05737)."""

    codebook_size: int = 512
    """K, the number of codes, a power of two."""
    commitment: float = 0.25
    """Weight of the commitment loss."""
    entropy: float = 0.1
    """Weight of the entropy loss, which makes every vector sure of its code and all codes equally frequent."""

    def check(self) -> None:
        within(self, 2, MOST_CODES, "codebook_size")
        at_least(self, 0, "commitment", "entropy")
        if self.codebook_size & (self.codebook_size - 1):
            raise UserError(f"codebook_size: {self.codebook_size} is not a power of two")


@dataclass(frozen=True)
class AveragedCodebookConfig(QuantizerConfig):
    """What the moving-average codebooks of vector-quantize-pytorch share."""

    codebook_size: int = 512
    """K, the number of codes."""
    commitment: float = 0.25
    """Weight of the commitment loss."""
    decay: float = 0.99
    """Of the moving averages."""
    restart_below: float = 1.0
    """A code chosen less often than this in a batch (moving average) restarts at a random encoder output; 0: never."""

    def check(self) -> None:
        within(self, 2, MOST_CODES, "codebook_size")
        at_least(self, 0, "commitment", "restart_below")
        part(self, "decay")


@dataclass(frozen=True)
class RotationConfig(AveragedCodebookConfig):
    """EMA codes with the rotation trick's gradient (arXiv 2410.06424)."""


@dataclass(frozen=True)
class ResidualConfig(AveragedCodebookConfig):
    """Residual quantization: every layer's code refines the ones before (arXiv 2107.03312). The digits of a code."""

    codebook_size: int = 32
    """Codes in a layer; ``codebook_size ** layers`` is K."""
    layers: int = 2
    """Number of layers."""

    def check(self) -> None:
        within(self, 2, 65536, "codebook_size")
        within(self, 1, 16, "layers")
        super().check()
        if self.codebook_size**self.layers > 65536:
            raise UserError(
                f"layers: {self.layers} of {self.codebook_size} codes make {self.codebook_size**self.layers} codes,"
                " but 65536 is the most; use fewer layers or a smaller codebook_size"
            )


@dataclass(frozen=True)
class VQVAEConfig(Settings):
    """The per-frame VQ-VAE of van den Oord et al. 2017, section 4.1."""

    hidden: int = 128
    """Channels of the convolutions (256 in the paper)."""
    residual_hidden: int = 64
    """Channels between the two convolutions of a residual block."""
    residual_blocks: int = 2
    """Residual blocks in the encoder, and in the decoder."""
    downsamplings: int = 2
    """Stride-2 convolutions: 2 turns 84x84 pixels into 21x21 codes."""
    code_dim: int = 16
    """D, the width of a code's vector (64 in the paper)."""
    quantizer: QuantizerConfig = field(default_factory=EMAConfig)
    """How every vector becomes a code."""

    def check(self) -> None:
        convolutional(self)


@dataclass(frozen=True)
class PredictorConfig(Settings):
    """A predictor of code grids."""

    width: int = 128
    """Channels at code resolution."""
    embedding: int = 48
    """Width of a code's embedding, and of an action's."""
    latent_loss: float = 0.5
    """Weight of the auxiliary regression of the next frame's code vectors."""
    outcome_loss: float = 0.0
    """Weight of the loss of rewards and episode ends, which the store must have; 0: predict neither."""
    corruption_levels: int = 1
    """Levels of corruption of the context frames that it is conditioned on (GameNGen, arXiv 2408.14837); 1: on none."""

    def check(self) -> None:
        at_least(self, 1, "width", "embedding", "corruption_levels")
        at_least(self, 0, "latent_loss", "outcome_loss")


@dataclass(frozen=True)
class LookupContextConfig(PredictorConfig):
    """Lookups and convolutions at code resolution around a block-causal transformer over 3x3 patches and time."""

    history: int = 3
    """Previous frames (and actions) that the convolutions look at directly."""
    blocks: int = 4
    """Residual blocks at code resolution."""
    lookups: int = 2
    """Lookups, one before each of the first blocks."""
    lookup_heads: int = 2
    """Attention heads of a lookup."""
    transformer_width: int = 192
    """Width of the transformer over patches and time."""
    transformer_layers: int = 2
    """Layers of the transformer."""
    heads: int = 3
    """Attention heads of the transformer."""
    window: int = 16
    """Frames that the transformer attends to, the current one included."""
    frame_attention: int = 0
    """Layers of attention at code resolution to earlier frames, one in each of the first blocks; 0: none."""
    frame_attention_width: int = 64
    """Width of that attention, all heads together."""
    frame_attention_heads: int = 2
    """Its heads."""
    frame_attention_window: int = 16
    """Earlier frames that it attends to."""

    def check(self) -> None:
        super().check()
        at_least(self, 1, "history", "lookup_heads", "transformer_width", "heads", "frame_attention_heads")
        at_least(self, 0, "blocks", "transformer_layers")
        at_least(self, 2, "window", "frame_attention_window")
        at_least(self, 16, "frame_attention_width")
        within(self, 0, self.blocks, "frame_attention")
        divides(self, "frame_attention_width", 16, "frame_attention_heads")
        within(self, 0, self.blocks, "lookups")
        divides(self, "transformer_width", 2, "heads")
        divides(self, "width", 4, "lookup_heads")


@dataclass(frozen=True)
class PatchPredictorConfig(LookupContextConfig):
    """The default: the nine codes of every 3x3 patch are drawn in nine steps, all patches at once."""

    decoder_blocks: int = 2
    """Residual blocks of the decoder."""

    def check(self) -> None:
        super().check()
        at_least(self, 0, "decoder_blocks")


@dataclass(frozen=True)
class RasterPredictorConfig(LookupContextConfig):
    """The yardstick: the same context, and one code after the other by a causal transformer."""

    decoder_layers: int = 2
    """Layers of the decoder."""
    decoder_heads: int = 2
    """Attention heads of the decoder."""

    def check(self) -> None:
        super().check()
        at_least(self, 1, "decoder_layers", "decoder_heads")
        divides(self, "width", 4, "decoder_heads")


@dataclass(frozen=True)
class PixelCNNPredictorConfig(PredictorConfig):
    """The VQ-VAE paper's kind of prior: gated PixelCNN, conditioned on the last frames by convolutions."""

    history: int = 6
    """Previous frames (and actions) that the context network looks at; nothing older conditions it."""
    context_blocks: int = 4
    """Residual blocks of the context network."""
    decoder_layers: int = 6
    """Gated layers."""

    def check(self) -> None:
        super().check()
        at_least(self, 1, "history", "decoder_layers")
        at_least(self, 0, "context_blocks")


BEGINS_AS_NOTHING = {"frame_attention": 0, "corruption_levels": 1}
"""Settings of parts that change nothing until they have learnt, so that a network without them (the values here) can go
on with them: their names, and the beginnings of those that belong to them."""
LEARNING_ALONE = (
    "commitment",
    "decay",
    "restart_below",
    "restart_at",
    "start_after",
    "entropy",
    "latent_loss",
    "outcome_loss",
)
"""Settings of a model that say how it learns, not what it computes: where a training starts from the weights of another
model, they may differ from its."""
