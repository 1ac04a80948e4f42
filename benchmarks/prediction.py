"""Exact bits per code, and PSNR by horizon with the recorded actions, of a predictor run over a split.

    python benchmarks/prediction.py PREDICTOR_RUN VQVAE_RUN EPISODE_STORE CODE_STORE [SPLIT] [TEMPERATURE]

Windows of 16 frames start every 16 frames; 6 frames are context, 10 are predicted, one rollout each, seed 0.
"""

import sys

from videovq.checkpoints import load_predictor, load_vqvae
from videovq.data.store import CodeStore, EpisodeStore
from videovq.evaluation.prediction import bits_per_code, horizons
from videovq.rollout.engine import check_pair
from videovq.types import Sampling

arguments = sys.argv[1:]
split = arguments[4] if len(arguments) > 4 else "test"
temperature = float(arguments[5]) if len(arguments) > 5 else 1.0
predictor, vqvae = load_predictor(arguments[0]), load_vqvae(arguments[1])
check_pair(vqvae, predictor)
bits = bits_per_code(predictor.network, CodeStore(arguments[3]), split)
print("bits per code of frames 1 to 16: " + " ".join(f"{b:.2f}" for b in bits))
print(f"mean of frames 7 to 16: {sum(bits[6:]) / 10:.3f}")
found = horizons(vqvae.network, predictor.network, EpisodeStore(arguments[2]), split, sampling=Sampling(temperature))
print(f"temperature {temperature}, {found.windows} windows of {split}\n{found.table()}")
