"""A VQ-VAE with two levels of codes and a prior of each: VQ-VAE-2 (arXiv 1906.00446)."""

from __future__ import annotations

from videovq.papers.two_levels.config import (
    EncodeVQVAE2Config,
    EvaluateVQVAE2Config,
    TrainBottomPriorConfig,
    TrainVQVAE2Config,
)
from videovq.slices import Command, RunKind, Slice

SLICE = Slice(
    commands={
        "train vqvae2": Command(
            f"{__name__}.task", "train", TrainVQVAE2Config, "EpisodeStore -> run of a VQ-VAE with two levels"
        ),
        "encode vqvae2": Command(
            f"{__name__}.encode", "encode", EncodeVQVAE2Config, "EpisodeStore + two levels -> two CodeStores"
        ),
        "train bottom-prior": Command(
            f"{__name__}.bottom_prior_task", "train", TrainBottomPriorConfig, "two CodeStores -> p(bottom | top)"
        ),
        "evaluate vqvae2": Command(
            f"{__name__}.evaluate", "evaluate", EvaluateVQVAE2Config, "two levels against one of as many bits"
        ),
    },
    runs={
        "vqvae2": RunKind(TrainVQVAE2Config, "a VQ-VAE with two levels", "vqvae2"),
        "bottom-prior": RunKind(TrainBottomPriorConfig, "a bottom prior", "bottom_prior"),
    },
)
