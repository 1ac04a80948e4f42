"""Reconstruction quality of a VQ-VAE run over every frame of a split.

python benchmarks/reconstruction.py RUN EPISODE_STORE [SPLIT]
"""

import sys

from videovq.checkpoints import load_vqvae
from videovq.data.store import EpisodeStore
from videovq.rollout.metrics import reconstruction

run, store, split = (*sys.argv[1:], "test")[:3]
found = reconstruction(load_vqvae(run).network, EpisodeStore(store), split)
print(f"{run} on {split} of {store}: {found.frames} frames")
print(f"mean PSNR {found.psnr:.2f} dB, perplexity {found.perplexity:.0f}, codes used {found.codes_used}")
