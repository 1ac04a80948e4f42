"""Does the predictor do what the actions say?

    python benchmarks/actions.py VQVAE_RUN PREDICTOR_RUN EPISODE_STORE CODE_STORE [TEMPERATURE]

Bits per code on ``test`` with the true and with shuffled actions, for every action; and 50 rollouts that hold look_left
and look_right, whose picture must move the way it does in the recorded episodes (phase correlation).
"""

import sys

from videovq.checkpoints import load_predictor, load_vqvae
from videovq.data.store import CodeStore, EpisodeStore
from videovq.evaluation.actions import action_bits, turn
from videovq.rollout.engine import check_pair
from videovq.types import Sampling

vqvae, predictor = load_vqvae(sys.argv[1]), load_predictor(sys.argv[2])
check_pair(vqvae, predictor)
episodes, codes = EpisodeStore(sys.argv[3]), CodeStore(sys.argv[4])
sampling = Sampling(float(sys.argv[5]) if len(sys.argv) > 5 else 1.0)
names = predictor.action_spec.names
print(f"{'action':<24} {'frames':>7} {'true':>6} {'shuffled':>9}   (bits per code)")
for name, found in zip(names, action_bits(predictor.network, codes, "test"), strict=True):
    print(f"{name:<24} {found.frames:>7} {found.true:>6.2f} {found.shuffled:>9.2f}")
head = ("action held", "recorded", "predicted", "right way")
print("\n{:<24} {:>9} {:>10} {:>10}   (columns a frame; part of 50 rollouts)".format(*head))
for name in names:
    if name.startswith(("look_", "turn_")):
        found = turn(vqvae.network, predictor.network, episodes, "test", names.index(name), sampling=sampling)
        print(f"{name:<24} {found.recorded:>9.1f} {found.predicted:>10.1f} {found.right:>10.0%}")
