"""How fast and how large everything is on one GPU, as a table for the README; ``make gpu-check`` runs the tests first.

    python benchmarks/gpu_check.py [CONFIG.yaml ...] [--device auto] [--batches N ...] [--frames N] [--steps N]
        [--minutes N]

Sampling: the DeepMind Lab world that ships, an action in and a picture out, from random codes, temperature 0.85.
Training: the configs of the models that ship, on random frames and codes; the peak is that of matrix products of the
same type, in the same run. What is left when ``--minutes`` are over is named and not measured.
"""

from arguments import arguments

if __name__ == "__main__":  # before what takes long to import
    models = ["configs/train_predictor_dmlab.yaml", "configs/train_vqvae_dmlab.yaml"]
    paths, name, batches, frames, steps, minutes = arguments(
        __doc__, CONFIG=models, device="auto", batches=[1, 8, 64, 512], frames=1000, steps=20, minutes=7.0
    )

import time
from pathlib import Path

import torch
import yaml
from estimate import matrix_peak
from measuring import device_name, most_memory
from torch.utils.flop_counter import FlopCounterMode

from videovq import __version__
from videovq.config import LOOKING_TEMPERATURE, ModelChoice, TrainPredictorConfig, TrainVQVAEConfig
from videovq.models.bf16 import computes_bf16
from videovq.parsing import read_config
from videovq.rollout.engine import Session, decode_codes, find_device, to_device
from videovq.rollout.pair import load_pair
from videovq.training.step_time import SPEC, in_bf16, now, random_training, seconds_of_training
from videovq.types import Sampling

WORLD, CONTEXT = "dmlab-small", 6
ends = time.monotonic() + 60 * minutes
device = find_device(name)


def row(*cells: str) -> None:
    """A row of the table, or, when the time is over, nothing."""
    print(f"| {' | '.join(cells)} |", flush=True)


def over(what: str) -> bool:
    """Whether no time is left; says what is therefore not measured."""
    if time.monotonic() > ends:
        row(what, "not measured: the time was over", "")
        return True
    return False


def sampling(precision: str) -> None:
    """Frames a second at every batch, and along a rollout."""
    vqvae, predictor = load_pair(ModelChoice(pretrained=WORLD))
    to_device(vqvae.network, predictor.network, str(device), precision)
    network = predictor.network
    drawn = torch.Generator().manual_seed(0)

    def session(batch: int) -> tuple[Session, torch.Tensor]:
        codes = torch.randint(len(network.codebook), (batch, CONTEXT, *network.grid), generator=drawn).to(device)
        actions = torch.randint(SPEC.sizes[0], (batch, CONTEXT - 1, 1), generator=drawn).to(device)
        return Session(network, codes, actions, Sampling(LOOKING_TEMPERATURE), range(batch)), actions[:, 0]

    for batch in batches:
        what = f"sampling, {precision}, batch {batch}"
        if over(what):
            continue
        begun, action = session(batch)
        seconds = []
        for _ in range(min(frames, 5 + steps)):
            start = now(device)
            decode_codes(vqvae.network, begun.step(action)[:, None])
            seconds.append(now(device) - start)
        median = float(torch.tensor(seconds[min(5, len(seconds) - 1) :]).median())
        row(what, f"{batch / median:.0f} frames/s", f"{most_memory(device):.0f} MiB")
    if over(f"along a rollout, {precision}"):
        return
    begun, action = session(1)
    seconds = []
    for _ in range(frames):
        start = now(device)
        decode_codes(vqvae.network, begun.step(action)[:, None])
        seconds.append(now(device) - start)
        if time.monotonic() > ends:
            break
    for frame in sorted({min(20, len(seconds)), len(seconds)}):
        middle = float(torch.tensor(seconds[max(0, frame - 10) : frame]).median())
        what = f"frame {frame:,} of a rollout, {precision}, batch 1"
        row(what, f"{1000 * middle:.1f} ms", f"{most_memory(device):.0f} MiB")


def training(path: Path, peak: dict[bool, float]) -> None:
    """Throughput, and its part of the peak."""
    if over(path.stem):
        return
    of_codes = "class_path" in yaml.safe_load(path.read_text(encoding="utf-8"))["model"]  # predictors are of kinds
    config = read_config(TrainPredictorConfig, path) if of_codes else read_config(TrainVQVAEConfig, path)
    bf16 = in_bf16(config.training, device)
    seconds = seconds_of_training(config, warm=min(5, steps), timed=steps, device=str(device)) / config.training.steps
    batch = config.training.batch_size
    learnt = batch * config.targets if isinstance(config, TrainPredictorConfig) else batch
    _, loss = random_training(config, device)
    with FlopCounterMode(display=False) as counter, torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        loss().backward()
    part = counter.get_total_flops() / seconds / peak[bf16]
    what = f"{path.stem}, {'bf16' if bf16 else 'float32'}, batch {batch}"
    row(
        what, f"{learnt / seconds:.0f} frames/s learnt, {part:.2f} of the matrix peak", f"{most_memory(device):.0f} MiB"
    )


torch.manual_seed(0)
print(f"{device_name(device)}; videovq {__version__}, PyTorch {torch.__version__}\n")
print("| measured | speed | memory at its highest |\n|---|---|---|")
peak = {}
for bf16 in (False, True) if computes_bf16(device.type) else (False,):
    peak[bf16] = matrix_peak(device, bf16, 2048 if device.type == "cpu" else 8192)
    what = f"matrix products, {'bf16' if bf16 else 'float32'}"
    row(what, f"{peak[bf16] / 1e12:.2f} TFLOP/s", f"{most_memory(device):.0f} MiB")
for path in map(Path, paths):
    training(path, peak)
for precision in ("bf16", "32-true") if computes_bf16(device.type) else ("32-true",):
    sampling(precision)
