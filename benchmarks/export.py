"""Speed of an exported world against the networks themselves, and whether both draw the same.

    videovq export --pretrained NAME --out EXPORTS
    python benchmarks/export.py EXPORTS NAME [FRAMES]
    python benchmarks/export.py EXPORTS EPISODE_STORE [FRAMES] --vqvae RUN --predictor RUN

One walk from the example that ships with the model, or from an episode: 6 context frames, then FRAMES (30) frames with
random actions; noise and temperature are alike. A frame is an action in and a picture out, the first fifth not timed.
"""

from arguments import arguments, there

if __name__ == "__main__":  # before what takes long to import
    exports, name, FRAMES, vqvae_run, run = arguments(
        __doc__, EXPORTS=there, NAME=str, FRAMES=30, vqvae="", predictor=""
    )

import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from videovq.config import ModelChoice
from videovq.export.graphs import STATE
from videovq.models.noise import seed_tensor
from videovq.rollout.contexts import contexts
from videovq.rollout.engine import Session, decode_codes, to_device
from videovq.rollout.pair import load_pair
from videovq.types import Sampling

TEMPERATURE, SEED = 0.3, 0
folder = Path(exports)
shipped = "" if run else name
pair = load_pair(ModelChoice(run, vqvae_run, shipped))
clip = contexts("" if shipped else name, shipped, pair, 6, 1)[0]
actions = torch.randint(pair.predictor.action_spec.sizes[0], (FRAMES, 1), generator=torch.Generator().manual_seed(SEED))


def eager() -> tuple[list, list, list[float]]:
    vqvae, network = pair.vqvae.network, pair.predictor.network
    to_device(vqvae, network, "cpu", "32-true")
    with torch.inference_mode():
        context = vqvae.encode(clip.frames.permute(0, 3, 1, 2).float() / 255 - 0.5)[None]
    session = Session(network, context, clip.actions[None], Sampling(TEMPERATURE), [SEED])
    codes, frames, seconds = [], [], []
    for action in actions:
        start = time.perf_counter()
        drawn = session.step(action[None])
        frames.append(decode_codes(vqvae, drawn[:, None])[0, 0].numpy())
        seconds.append(time.perf_counter() - start)
        codes.append(drawn[0].numpy())
    return codes, frames, seconds


def exported() -> tuple[list, list, list[float]]:
    watch, step = (onnxruntime.InferenceSession(str(folder / f"{graph}.onnx")) for graph in ("watch", "step"))
    begin = dict(np.load(folder / "start.npz"))
    state = [begin[key] for key in STATE]
    for frame, led in zip(clip.frames.numpy(), [begin["action"], *clip.actions[:, None].numpy()], strict=True):
        inputs = {**dict(zip(STATE, state, strict=True)), "action": led, "frame": frame[None]}
        _, *state = watch.run(None, inputs)
    network, seeds = pair.predictor.network, seed_tensor([SEED], torch.device("cpu"))
    codes, frames, seconds = [], [], []
    for t, action in enumerate(actions, 1):
        start = time.perf_counter()
        noise = network.noise(seeds, torch.tensor([t])).unflatten(1, network.grid).numpy()
        told = {"action": action[None].numpy(), "noise": noise, "temperature": np.array([TEMPERATURE], np.float32)}
        drawn, _, frame, *state = step.run(None, {**dict(zip(STATE, state, strict=True)), **told})
        seconds.append(time.perf_counter() - start)
        codes.append(drawn[0])
        frames.append(frame[0])
    return codes, frames, seconds


(a, pictures, slow), (b, others, fast) = eager(), exported()
apart = max(int(np.abs(x.astype(int) - y.astype(int)).max()) for x, y in zip(pictures, others, strict=True))
differ = sum(int((x != y).sum()) for x, y in zip(a, b, strict=True))
print(f"{FRAMES} frames: {differ} of {FRAMES * a[0].size} codes differ, pictures by {apart}/255 at most")
for what, seconds in (("PyTorch", slow), ("onnxruntime", fast)):
    print(f"{what:<12} {1 / np.median(seconds[FRAMES // 5 :]):5.1f} frames/s at batch 1")
