"""Single frames of codes: a prior, and a second VQ-VAE on top of them (arXiv 1711.00937, sections 4.1 and 4.2)."""

from __future__ import annotations

from videovq.papers.single_frames.config import (
    EvaluatePriorConfig,
    EvaluateSecondStageConfig,
    TrainPriorConfig,
    TrainSecondStageConfig,
)
from videovq.slices import Command, RunKind, Slice

SLICE = Slice(
    commands={
        "train prior": Command(
            f"{__name__}.prior_task", "train", TrainPriorConfig, "CodeStore -> a prior of single frames"
        ),
        "evaluate prior": Command(
            f"{__name__}.evaluate_prior", "evaluate", EvaluatePriorConfig, "bits of single frames, and drawn ones"
        ),
        "train second-stage": Command(
            f"{__name__}.second_stage_task", "train", TrainSecondStageConfig, "CodeStore -> three codes a frame"
        ),
        "evaluate second-stage": Command(
            f"{__name__}.evaluate_second_stage",
            "evaluate",
            EvaluateSecondStageConfig,
            "are its codes used, and what becomes of frames",
        ),
    },
    runs={
        "prior": RunKind(TrainPriorConfig, "a prior of single frames", "prior"),
        "second-stage": RunKind(TrainSecondStageConfig, "a second stage", "second_stage"),
    },
)
