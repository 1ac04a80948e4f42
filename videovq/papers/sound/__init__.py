"""A VQ-VAE of raw sound, and a prior of its codes (arXiv 1711.00937, section 4.3)."""

from __future__ import annotations

from videovq.papers.sound.config import (
    EvaluateSoundConfig,
    MakeSyllablesConfig,
    TrainSoundConfig,
    TrainSoundPriorConfig,
)
from videovq.slices import Command, RunKind, Slice

SLICE = Slice(
    commands={
        "make syllables": Command(
            f"{__name__}.syllables", "make", MakeSyllablesConfig, "speech-like sound to learn from, made by rule"
        ),
        "train sound": Command(
            f"{__name__}.task", "train", TrainSoundConfig, "wav files or videos -> VQ-VAE run of their sound"
        ),
        "train sound-prior": Command(
            f"{__name__}.prior_task", "train", TrainSoundPriorConfig, "the same + that run -> a prior of codes"
        ),
        "evaluate sound": Command(
            f"{__name__}.evaluate", "evaluate", EvaluateSoundConfig, "bits, spectra, wav files of sound"
        ),
    },
    runs={
        "sound": RunKind(TrainSoundConfig, "a VQ-VAE of sound", "sound"),
        "sound-prior": RunKind(TrainSoundPriorConfig, "a prior of sound", "prior"),
    },
)
