"""Settings of ``videovq rollout``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal

from videovq.config.checks import CommandSettings, at_least, named, within, without_effect
from videovq.config.choices import DeviceChoice, LookingChoice, ModelChoice, Precision
from videovq.config.prep import DeclareActionsConfig
from videovq.errors import UserError


@dataclass(frozen=True)
class RolloutConfig(DeviceChoice, LookingChoice, ModelChoice, CommandSettings):
    """Predict frames as codes, then decode the predicted codes, and write GIF, MP4, PNG strip and npz."""

    context: str = ""
    """Where the context frames come from: an EpisodeStore, or a video file; empty: the examples that ship with
    ``pretrained``, or ``stores/episodes``."""
    from_video: str = ""
    """A video file of yours, in place of ``context``."""
    declare: DeclareActionsConfig = field(default_factory=DeclareActionsConfig)
    episode: str = ""
    """Episode of the store, or example of ``pretrained`` (a wrong name lists them); empty: the first of ``split`` that
    is long enough, or the first example."""
    split: Literal["train", "val", "test"] = "test"
    """Split whose first episode is taken when ``episode`` is empty."""
    start: int = 0
    """Index of the first context frame."""
    context_frames: int = 6
    """Number of context frames."""
    frames: int = 10
    """Number of frames to predict."""
    actions: str = "recorded"
    """``recorded``; an action's name or number, held throughout; several, separated by commas; or a JSON file with
    a list. Each leads to one predicted frame. ``each``: one rollout for every discrete action, held throughout. A model
    of videos without actions takes none: leave it out."""
    context_actions: str = ""
    """Actions between the context frames when the context is a video file with no actions beside it:
    written as ``actions`` is, one fewer than ``context_frames``."""
    samples: int = 1
    """Rollouts from the same context."""
    guidance: float = 1.0
    """Classifier-free guidance: how strongly the actions act; 1: as the model learnt them."""
    sampler: Literal["cached", "predictive", "uncached"] = "cached"
    """How a frame is drawn, for the same codes in less or more time."""
    precision: Precision = "32-true"
    """``32-true``: float32; ``bf16`` (or ``bf16-mixed``): most of both networks in bf16, faster where the hardware
    computes that natively (``auto`` finds out), slightly other logits."""
    compile: bool = False
    """Compile the predictor (torch.compile; CUDA graphs on a GPU): for rollouts of thousands of frames on a GPU."""
    out: str = "rollouts/rollout"
    """Path of the files without their endings."""
    decode: bool = True
    """False (or ``--no-decode``) writes the predicted codes only."""
    speed: float = 1.0
    """How fast GIF and MP4 play; 1: as recorded, the GIF at 10 frames a second at most."""
    loops: int = 0
    """How often the GIF plays; 0: for ever."""
    webm: bool = False
    """Write a WebM beside the MP4."""
    scale: int = 3
    """Enlargement of the pictures."""

    def check(self) -> None:
        super().check()
        named(self, "actions", "out")
        at_least(self, 0, "start", "guidance")
        at_least(self, 1, "context_frames", "frames", "samples", "scale")
        within(self, 0.01, 100, "speed")
        within(self, 0, 65535, "loops")
        if not PurePath(self.out).name.strip("."):
            raise UserError(f"out: {self.out!r} names a folder; add the name of the files, without an ending")
        if self.from_video and self.context:
            raise UserError("from_video: takes the place of context; give one of the two")
        if self.from_video:
            without_effect(self, "beside from_video", "episode", "split")
        if self.episode:
            without_effect(self, "beside episode", "split")
        if self.context_frames == 1:
            without_effect(self, "while context_frames is 1", "context_actions")
        if self.actions == "each" and self.samples != 1:
            raise UserError("samples: actions `each` needs samples 1, a rollout an action")
        if not self.temperature:
            without_effect(self, "while temperature is 0", "samples")
        if not self.decode:
            without_effect(self, "without decode", "speed", "loops", "webm", "scale")
