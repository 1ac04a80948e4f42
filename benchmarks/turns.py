"""Rollouts that hold one action must turn the picture the way recorded episodes do.

    python benchmarks/turns.py VQVAE_RUN PREDICTOR_RUN EPISODE_STORE [TEMPERATURE] [ACTION ...]

50 contexts spread over ``test``, 4 frames each, motion by phase correlation. Without ACTION: look_left and look_right.
"""

from arguments import arguments, there

if __name__ == "__main__":  # before what takes long to import
    vqvae_run, run, folder, temperature, names = arguments(
        __doc__,
        VQVAE_RUN=there,
        PREDICTOR_RUN=there,
        EPISODE_STORE=there,
        TEMPERATURE=1.0,
        ACTION=["look_left", "look_right"],
    )


from held_action import turn

from videovq.config import ModelChoice
from videovq.data.store import EpisodeStore
from videovq.rollout.pair import load_pair
from videovq.types import Sampling

vqvae, predictor = load_pair(ModelChoice(predictor=run, vqvae=vqvae_run))
store, sampling = EpisodeStore(folder), Sampling(temperature)
print("columns a frame, and how many of 50 rollouts, and of 50 recorded stretches, turn the right way")
print(f"{'action held':<20} {'recorded':>9} {'predicted':>10} {'rollouts':>9} {'recorded':>9}")
for name in names:
    action = predictor.action_spec.parse(name, "ACTION")
    found = turn(vqvae.network, predictor.network, store, "test", action, sampling=sampling)
    print(
        f"{name:<20} {found.recorded:>9.1f} {found.predicted:>10.1f} {found.right:>9.0%} {found.recorded_right:>9.0%}"
    )
