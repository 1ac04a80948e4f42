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
            "videovq.training.prior", "train", TrainPriorConfig, "CodeStore -> a prior of single frames"
        ),
        "train second-stage": Command(
            "videovq.training.second_stage", "train", TrainSecondStageConfig, "CodeStore -> three codes a frame"
        ),
        "evaluate second-stage": Command(
            "videovq.papers.single_frames.evaluate_second_stage",
            "evaluate",
            EvaluateSecondStageConfig,
            "are its codes used, and what becomes of frames",
        ),
        "evaluate prior": Command(
            "videovq.papers.single_frames.evaluate_prior",
            "evaluate",
            EvaluatePriorConfig,
            "bits of single frames, and drawn ones",
        ),
    },
    runs={
        "prior": RunKind(TrainPriorConfig, "a prior of single frames", "prior"),
        "second-stage": RunKind(TrainSecondStageConfig, "a second stage", "second_stage"),
    },
)
