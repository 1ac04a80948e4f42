"""Autoencoders compared by their likelihood: VAE, VIMCO and VQ-VAE (arXiv 1711.00937, section 4.1)."""

from __future__ import annotations

from videovq.papers.likelihoods.config import EvaluateDensityConfig, LikelihoodConfig, TrainDensityConfig
from videovq.slices import Command, RunKind, Slice

SLICE = Slice(
    commands={
        "train density": Command(
            f"{__name__}.task", "train", TrainDensityConfig, "EpisodeStore -> VAE, VIMCO or VQ-VAE run"
        ),
        "evaluate density": Command(
            f"{__name__}.evaluate", "evaluate", EvaluateDensityConfig, "VAE, VIMCO, VQ-VAE in bits per dimension"
        ),
    },
    runs={
        "density": RunKind(TrainDensityConfig, "an autoencoder with a likelihood", "runs"),
    },
    choices=(LikelihoodConfig,),
)
