"""Settings of measurements: of predictors, of long rollouts, of VQ-VAEs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from videovq.config.checks import SEEDS, CommandSettings, at_least, named, within, without_effect
from videovq.config.choices import MEASURING_TEMPERATURE, DeviceChoice, ModelChoice, SamplingChoice, VQVAEChoice


@dataclass(frozen=True)
class EvaluateConfig(DeviceChoice, SamplingChoice, ModelChoice, CommandSettings):
    """Measure a predictor over a split, beside baselines and controls: metrics.json, plots, and one HTML page."""

    temperature: float = MEASURING_TEMPERATURE
    """Sampling temperature; 0 takes the most likely code each time. Low is best for PSNR and wipes patterns out:
    rollouts are looked at with a higher one. Bits do not depend on it."""
    store: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    split: Literal["train", "val", "test"] = "test"
    """Split to measure on."""
    context_frames: int = 6
    """Context frames that the predictor is given."""
    frames: int = 10
    """Frames that are predicted, with the recorded actions."""
    stride: int = 16
    """Frames from the start of one window to that of the next."""
    samples: int = 1
    """Rollouts of each window; with several, their mean and the best are reported."""
    batch_size: int = 8
    """Windows computed at once."""
    lpips: Literal["", "vgg", "alex", "squeeze"] = ""
    """Network whose LPIPS is reported too; needs its ImageNet weights on this machine."""
    fvd: str = ""
    """TorchScript file of an I3D network, to report the Frechet video distance; needs 256 windows."""
    field_of_view: float = 90.0
    """Horizontal field of view of the frames in degrees, to tell what was in view before a turn, where poses are
    recorded; DeepMind Lab's and ViZDoom's is 90."""
    following: bool = True
    """False: do without the network that says whether rollouts follow their actions; it learns from the training
    episodes in a minute or two, and is kept in the folder of the report."""
    out: str = "reports/prediction"
    """Folder of the report."""

    def check(self) -> None:
        super().check()
        named(self, "store", "out")
        at_least(self, 1, "context_frames", "frames", "stride", "samples", "batch_size")
        within(self, 1, 179, "field_of_view")
        if not self.temperature:
            without_effect(self, "while temperature is 0", "samples")


@dataclass(frozen=True)
class EvaluateLongConfig(DeviceChoice, SamplingChoice, ModelChoice, CommandSettings):
    """Roll out hundreds of frames and measure whether they stay in the world: metrics.json and one HTML page."""

    store: str = "stores/episodes"
    """Folder of the EpisodeStore that contexts and actions come from."""
    split: Literal["train", "val", "test"] = "test"
    """Split of the contexts."""
    context_frames: int = 6
    """Context frames that the predictor is given."""
    frames: int = 1000
    """Frames that are predicted."""
    rollouts: int = 20
    """Number of rollouts, spread over the split's episodes."""
    segment: int = 100
    """Frames of a rollout that are measured together."""
    turn_action: str = "look_left"
    """Action that turns on the spot, for the test of a full turn."""
    turn_steps: int = 0
    """Steps of it that make a full turn; 0: as many of look_left or turn_left as recorded poses say, and no such test
    where there is no such action, or no poses are recorded."""
    mirror_steps: list[int] = field(default_factory=lambda: [5, 10, 20])
    """Lengths of the mirror test: so many times an action, then as often its inverse; ``[]``: no such test."""
    inverses: dict[str, str] = field(default_factory=dict)
    """Names of discrete actions that take each other back, one direction is enough, such as ``{left: right}``; empty:
    look_left and look_right, turn_left and turn_right, where there are such."""
    out: str = "reports/long"
    """Folder of the report."""

    def check(self) -> None:
        super().check()
        named(self, "store", "turn_action", "out")
        at_least(self, 1, "context_frames", "frames", "rollouts", "segment", "mirror_steps")
        at_least(self, 0, "turn_steps")
        if not self.mirror_steps:
            without_effect(self, "while mirror_steps is empty", "inverses")
        if not self.turn_steps:
            without_effect(self, "while turn_steps is 0", "turn_action")


@dataclass(frozen=True)
class CompareConfig(CommandSettings):
    """Put the reports of several predictors on one page."""

    reports: list[str] = field(default_factory=list)
    """Folders that `videovq evaluate` wrote, measured alike."""
    out: str = "reports/comparison.html"
    """The page."""

    def check(self) -> None:
        named(self, "reports", "out")


@dataclass(frozen=True)
class EvaluateVQVAEConfig(DeviceChoice, VQVAEChoice, CommandSettings):
    """Measure a VQ-VAE over every frame of a split: report.json, plots, and a grid of reconstructions."""

    store: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    split: Literal["train", "val", "test"] = "test"
    """Split to measure on."""
    compare: list[str] = field(default_factory=list)
    """``report.json`` of other VQ-VAEs, drawn with this one in the rate-distortion plot."""
    out: str = "reports/vqvae"
    """Folder of the report."""
    scale: int = 3
    """Enlargement of the reconstructions."""

    def check(self) -> None:
        super().check()
        named(self, "store", "compare", "out")
        at_least(self, 1, "scale")


@dataclass(frozen=True)
class ShowCodebookConfig(DeviceChoice, VQVAEChoice, CommandSettings):
    """Draw every code of a VQ-VAE decoded alone with its usage, and a map of the codes."""

    store: str = "stores/episodes"
    """Folder of the EpisodeStore whose frames tell how often each code is used."""
    split: Literal["train", "val", "test"] = "val"
    """Split whose frames are encoded."""
    out: str = "reports/codebook"
    """Folder of ``report.html``, ``codes.png`` and ``map.png``."""
    layout: Literal["tsne", "umap"] = "tsne"
    """What lays out the map: t-SNE or UMAP, each in an extra of its name."""
    seed: int = 0
    """Seed of the map's layout."""

    def check(self) -> None:
        super().check()
        named(self, "store", "out")
        within(self, 0, SEEDS, "seed")
