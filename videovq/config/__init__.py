"""Every dataclass that a YAML file or the command line can fill: a module a stage, all names re-exported here.

Imports no torch, so that ``videovq COMMAND --help`` answers at once. What cannot be used is refused as soon as a
command's settings are made, see videovq.config.checks.
"""

from __future__ import annotations

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
from videovq.config.export import ExportConfig, PackConfig
from videovq.config.likelihoods import (
    DensityConfig,
    EvaluateDensityConfig,
    GaussianVAEConfig,
    QuantizedVAEConfig,
    TrainDensityConfig,
    VIMCOConfig,
)
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
    PixelCNNConfig,
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
from videovq.config.rollout import RolloutConfig
from videovq.config.single_frames import (
    EvaluatePriorConfig,
    EvaluateSecondStageConfig,
    SecondStageConfig,
    TrainPriorConfig,
    TrainSecondStageConfig,
)
from videovq.config.sound import (
    DilatedConfig,
    EvaluateSoundConfig,
    MakeSyllablesConfig,
    SoundConfig,
    TrainSoundConfig,
    TrainSoundPriorConfig,
)
from videovq.config.training import (
    MAY_CHANGE,
    EncodeConfig,
    LossConfig,
    OptimizerConfig,
    PredictorTrainingConfig,
    TrainingConfig,
    TrainPredictorConfig,
    TrainVQVAEConfig,
)
from videovq.config.two_levels import (
    EncodeVQVAE2Config,
    EvaluateVQVAE2Config,
    TrainBottomPriorConfig,
    TrainVQVAE2Config,
    VQVAE2Config,
)

RENAMED: dict[type, dict[str, str]] = {
    TrainVQVAEConfig: {"pretrained": "init"},
    EvaluateConfig: {"context": "context_frames"},
    EvaluateLongConfig: {"context": "context_frames"},
}
"""Names that settings had in earlier versions, which files and commands may still use, and the names they have now."""

CHOICES = (SourceConfig, QuantizerConfig, PredictorConfig, DensityConfig)
"""Configs of which a user chooses a subclass, in YAML by ``class_path``."""
