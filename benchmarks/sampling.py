"""Speed of generation: every predictor and sampler, at several batch sizes, and along a long rollout.

    python benchmarks/sampling.py VQVAE_RUN CODE_STORE PREDICTOR_RUN... [--batches N ...] [--frames N]

A frame is an action in and a decoded picture out. Contexts are 6 frames of test episodes, actions the recorded ones and
then a seeded random choice, temperature 1. The yardstick is naive ancestral sampling with the first raster predictor
given (else the first predictor): all frames of the window and all layers again for every single draw. Predictors of few
draws are measured twice: in float32, and mostly in bfloat16 (``--precision bf16`` of ``rollout``).
"""

from arguments import arguments, there

if __name__ == "__main__":  # before what takes long to import
    coder, folder, predictors, batches, length = arguments(
        __doc__, VQVAE_RUN=there, CODE_STORE=there, PREDICTOR_RUN=[there], batches=[1, 8, 64], frames=1000
    )

import time
from pathlib import Path

import torch

from videovq.data.store import CodeStore
from videovq.models.predictors.predictor import Predictor
from videovq.models.sampling import gumbel
from videovq.models.vqvae import VQVAE
from videovq.rollout.engine import Session, decode_codes, to_device
from videovq.runs import load_predictor, load_vqvae
from videovq.types import Sampling

CONTEXT, WINDOW = 6, 16
store = CodeStore(folder)


def pair(run: str, precision: str) -> tuple[VQVAE, Predictor]:
    vqvae, predictor = load_vqvae(coder).network, load_predictor(run).network
    to_device(vqvae, predictor, "cpu", precision)
    return vqvae, predictor


runs = {}
for run in predictors:
    runs[Path(run).name] = pair(run, "32-true")
    if len(runs[Path(run).name][1].decoder.order) <= 9:
        runs[f"{Path(run).name}, bf16"] = pair(run, "bf16")
episodes = [store.read(info, 0, WINDOW) for info in store.split("test")]
codes = torch.stack([episodes[i % len(episodes)].codes for i in range(max(batches))])
actions = torch.stack([episodes[i % len(episodes)].actions for i in range(max(batches))])


def resident() -> float:
    """MiB of memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * 4096 / 2**20


@torch.inference_mode()
def naive(vqvae: VQVAE, predictor: Predictor) -> float:
    """Seconds for a frame, after a full window: one pass of everything for every draw."""
    given, driven = codes[:1, :WINDOW].clone(), actions[:1, :WINDOW]
    noise = gumbel((1, *predictor.grid, len(predictor.codebook)), torch.Generator().manual_seed(0))
    groups = predictor.decoder.order
    start = time.perf_counter()
    for places in groups:
        scores = predictor(given, driven).logits[:, -1].flatten(1, 2)
        given[:, -1].view(1, -1)[:, places] = (scores + noise.flatten(1, 2))[:, places].argmax(-1)
    decode_codes(vqvae, given[:, -1:])
    return time.perf_counter() - start


def measure(vqvae: VQVAE, predictor: Predictor, sampler: str, batch: int, frames: int) -> float:
    """Seconds for a frame of a batch of rollouts, median."""
    given, driven = codes[:batch, :CONTEXT], actions[:batch, : CONTEXT - 1]
    session = Session(predictor, given, driven, Sampling(sampler=sampler), range(batch))
    seconds = []
    for t in range(frames + 1):
        start = time.perf_counter()
        decode_codes(vqvae, session.step(actions[:batch, CONTEXT - 1 + t % 10])[:, None])
        seconds.append(time.perf_counter() - start)
    return float(torch.tensor(seconds[1:]).median())


yardstick = next((n for n, (_, p) in runs.items() if len(p.decoder.order) > 9), next(iter(runs)))
slowest = naive(*runs[yardstick])
print(f"naive ancestral sampling without cache, {yardstick}: {1000 * slowest:.0f} ms a frame\n")
print(f"{'predictor':<22} {'sampler':<11} {'batch':>5} {'ms a step':>10} {'frames/s':>9} {'times naive':>12}")
for name, (vqvae, predictor) in runs.items():
    few = len(predictor.decoder.order) <= 9
    for sampler in ("cached", "predictive", "uncached"):
        for batch in batches:
            if sampler == "uncached" and (batch > 1 and not few):
                continue  # minutes a frame
            taken = measure(
                vqvae, predictor, sampler, batch, min(length, 100 if few and batch == 1 else 5 if few else 1)
            )
            rate = batch / taken
            print(
                f"{name:<22} {sampler:<11} {batch:>5} {1000 * taken:>10.1f} {rate:>9.2f} {slowest * rate:>12.0f}",
                flush=True,
            )
print(f"\nalong a rollout of {length:,} frames, batch 1 (median of the 10 frames up to there)")
for name, (vqvae, predictor) in runs.items():
    if len(predictor.decoder.order) > 9:
        continue
    session = Session(predictor, codes[:1, :CONTEXT], actions[:1, : CONTEXT - 1], Sampling(), [0])
    chosen = torch.randint(int(actions.max()) + 1, (length, 1, 1), generator=torch.Generator().manual_seed(0))
    seconds = []
    for t in range(1, length + 1):
        start = time.perf_counter()
        decode_codes(vqvae, session.step(chosen[t - 1])[:, None])
        seconds.append(time.perf_counter() - start)
        if t in (10, 20, 100, length):
            ms = 1000 * float(torch.tensor(seconds[-10:]).median())
            print(f"{name:<22} frame {t:>5}: {ms:.1f} ms, {resident():.0f} MiB")
