"""Every dataclass that a YAML file or the command line can fill: a module a stage, all names re-exported here.

Imports no torch, so that ``videovq COMMAND --help`` answers at once. What cannot be used is refused as soon as a
command's settings are made, see videovq.config.checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from videovq.config.choices import (
    LOOKING_TEMPERATURE,
    MEASURING_TEMPERATURE,
    DeviceChoice,
    LookingChoice,
    ModelChoice,
    Precision,
    SamplingChoice,
    VQVAEChoice,
)
from videovq.config.demo import DemoConfig
from videovq.config.evaluate import (
    CompareConfig,
    EvaluateConfig,
    EvaluateLongConfig,
    EvaluateVQVAEConfig,
    ShowCodebookConfig,
)
from videovq.config.export import ExportConfig, PackConfig, PushConfig
from videovq.config.models import (
    BEGINS_AS_NOTHING,
    LEARNING_ALONE,
    MOST_CODES,
    CodebookLossConfig,
    CosineConfig,
    EMAConfig,
    FSQConfig,
    LearnedCodebookConfig,
    LFQConfig,
    LookupContextConfig,
    PatchPredictorConfig,
    PixelCNNPredictorConfig,
    PredictorConfig,
    QuantizerConfig,
    RasterPredictorConfig,
    ResidualConfig,
    RotationConfig,
    VQVAEConfig,
)
from videovq.config.play import PlayConfig
from videovq.config.prep import DeclareActionsConfig, DeclareConfig, ImportTokensConfig, InspectConfig, PrepConfig
from videovq.config.record import DeepMindLabSource, GymnasiumSource, RecordConfig, SourceConfig, from_text
from videovq.config.registry import own_settings
from videovq.config.rollout import RolloutConfig
from videovq.config.training import (
    MAY_CHANGE,
    EncodeConfig,
    LossConfig,
    OptimizerConfig,
    PredictorTrainingConfig,
    TrainConfig,
    TrainingConfig,
    TrainPredictorConfig,
    TrainVQVAEConfig,
    VQVAETrainingConfig,
)
from videovq.slices import slices

RENAMED: dict[type, dict[str, str]] = {
    TrainVQVAEConfig: {"pretrained": "init"},
    EvaluateConfig: {"context": "context_frames"},
    EvaluateLongConfig: {"context": "context_frames"},
}
"""Names that settings had in earlier versions, which files and commands may still use, and the names they have now."""

CHOICES = (SourceConfig, QuantizerConfig, PredictorConfig)
"""Configs of which a user chooses a subclass, in YAML by ``class_path``; :func:`choice_bases` adds those of slices."""


def choice_bases() -> tuple[type, ...]:
    """All configs of which a user chooses a subclass."""
    return CHOICES + tuple(choice for one in slices() for choice in one.choices)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> type:
        """What slices let choose, and settings in the file of their network: a ``class_path`` names all of it here."""
        if own := own_settings(name):
            return own
        for choice in choice_bases()[len(CHOICES) :]:
            for kind in choice.__subclasses__():
                if kind.__name__ == name:
                    return kind
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
