"""Rollouts that hold one action must turn the picture the way recorded episodes do.

    python benchmarks/turns.py VQVAE_RUN PREDICTOR_RUN EPISODE_STORE [TEMPERATURE] [ACTION ...]

50 contexts spread over ``test``, 4 frames each, motion by phase correlation. Without ACTION: look_left and look_right.
"""

import sys

from videovq.config import ModelChoice
from videovq.data.store import EpisodeStore
from videovq.evaluation.turns import turn
from videovq.rollout.pair import load_pair
from videovq.types import Sampling

vqvae, predictor = load_pair(ModelChoice(predictor=sys.argv[2], vqvae=sys.argv[1]))
store, sampling = EpisodeStore(sys.argv[3]), Sampling(float(sys.argv[4]) if len(sys.argv) > 4 else 1.0)
print("columns a frame, and how many of 50 rollouts, and of 50 recorded stretches, turn the right way")
print(f"{'action held':<20} {'recorded':>9} {'predicted':>10} {'rollouts':>9} {'recorded':>9}")
for name in sys.argv[5:] or ["look_left", "look_right"]:
    action = predictor.action_spec.parse(name, "ACTION")
    found = turn(vqvae.network, predictor.network, store, "test", action, sampling=sampling)
    print(
        f"{name:<20} {found.recorded:>9.1f} {found.predicted:>10.1f} {found.right:>9.0%} {found.recorded_right:>9.0%}"
    )
