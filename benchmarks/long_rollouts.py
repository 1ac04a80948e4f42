"""What becomes of rollouts of hundreds of frames.

    python benchmarks/long_rollouts.py VQVAE_RUN PREDICTOR_RUN CODE_STORE OUT.png [FRAMES] [TEMPERATURE]

One rollout from the start of every test episode with its recorded actions. Prints the perplexity of the codes over time
beside that of the recorded episodes, and draws every 15th frame of four rollouts.
"""

import sys
from pathlib import Path

from einops import rearrange

from videovq.checkpoints import load_predictor, load_vqvae
from videovq.data.store import CodeStore
from videovq.evaluation.drift import drift
from videovq.pictures import write_png
from videovq.rollout.engine import check_pair, decode_codes
from videovq.types import Sampling

vqvae, predictor = load_vqvae(sys.argv[1]), load_predictor(sys.argv[2])
check_pair(vqvae, predictor)
frames = int(sys.argv[5]) if len(sys.argv) > 5 else 290
sampling = Sampling(float(sys.argv[6]) if len(sys.argv) > 6 else 1.0)
found = drift(predictor.network, CodeStore(sys.argv[3]), "test", frames, sampling=sampling)
print(f"{len(found.codes)} rollouts of {frames} frames\n{'frames':>9}  perplexity         codes that change")
print(f"{'':>9}  rollout  episode   rollout  episode")
rows = zip(found.predicted, found.recorded, found.changed_predicted, found.changed_recorded, strict=True)
for i, (a, b, c, d) in enumerate(rows):
    span = f"{i * found.segment + 1}-{min(frames, (i + 1) * found.segment)}"
    print(f"{span:>9}  {a:>7.0f}  {b:>7.0f}   {c:>7.2f}  {d:>7.2f}")
every = len(found.codes) // 4
pictures = decode_codes(vqvae.network, found.codes[::every][:4, ::15])
write_png(Path(sys.argv[4]), rearrange(pictures, "b n h w c -> (b h) (n w) c").numpy())
