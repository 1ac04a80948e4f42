"""How fast and how large everything is on one GPU, as a table for the README; ``make gpu-check`` runs the tests first.

    python benchmarks/gpu_check.py [--device auto] [--batches N ...] [--frames N] [--steps N] [--minutes N]

Sampling: the DeepMind Lab world that ships, an action in and a decoded picture out, from random codes, temperature 0.85.
Training: the configs of the models that ship, on random frames and codes; the peak is that of matrix products in bf16,
measured in the same run. What is left when ``--minutes`` are over is said and not measured.
"""

from arguments import arguments

if __name__ == "__main__":  # before what takes long to import
    name, batches, frames, steps, minutes = arguments(
        __doc__, device="auto", batches=[1, 8, 64, 512], frames=1000, steps=20, minutes=7.0
    )

import time
from pathlib import Path

import torch
from estimate import estimate, matrix_peak
from measuring import device_name, most_memory

from videovq import __version__
from videovq.config import LOOKING_TEMPERATURE, ModelChoice, TrainPredictorConfig, TrainVQVAEConfig
from videovq.models.build import build_predictor
from videovq.models.vqvae import VQVAE
from videovq.parsing import read_config
from videovq.rollout.engine import Session, decode_codes, find_device, to_device
from videovq.rollout.pair import load_pair
from videovq.training.step_time import CODEBOOK, FRAME, GRID, SPEC, in_bf16, now, random_windows, seconds_of_training
from videovq.types import Sampling

WORLD, CONTEXT = "dmlab-small", 6
CONFIGS = Path(__file__).parents[1] / "configs"
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


def training(path: Path, kind: type, peak: dict[bool, float]) -> None:
    """Throughput, and its part of the peak."""
    if over(path.name):
        return
    config = read_config(kind, path)
    bf16 = in_bf16(config.training, device)
    seconds = seconds_of_training(config, warm=5, timed=steps, device=str(device)) / config.training.steps
    batch = config.training.batch_size
    if isinstance(config, TrainPredictorConfig):
        learnt = batch * config.targets
        found = estimate(
            lambda: build_predictor(config.model, SPEC, GRID, torch.zeros_like(CODEBOOK)),
            lambda network: network(*random_windows(config)).loss,
            bf16,
        )
    else:
        learnt = batch

        def loss(network: VQVAE) -> torch.Tensor:
            output = network(torch.rand(batch, 3, *FRAME) - 0.5)
            return output.nmse + output.quantizer.loss

        found = estimate(lambda: VQVAE(config.model, 0.08), loss, bf16)
    part = found.flops / seconds / peak[bf16]
    what = f"{path.stem}, {'bf16' if bf16 else 'float32'}, batch {batch}"
    row(
        what, f"{learnt / seconds:.0f} frames/s learnt, {part:.2f} of the matrix peak", f"{most_memory(device):.0f} MiB"
    )


torch.manual_seed(0)
print(f"{device_name(device)}; videovq {__version__}, PyTorch {torch.__version__}\n")
print("| measured | speed | memory at its highest |\n|---|---|---|")
peak = {bf16: matrix_peak(device, bf16) for bf16 in (False, True)}
for bf16, most in peak.items():
    what = f"matrix products, {'bf16' if bf16 else 'float32'}"
    row(what, f"{most / 1e12:.1f} TFLOP/s", f"{most_memory(device):.0f} MiB")
for precision in ("bf16", "32-true"):
    sampling(precision)
training(CONFIGS / "train_predictor_dmlab.yaml", TrainPredictorConfig, peak)
training(CONFIGS / "train_vqvae_dmlab.yaml", TrainVQVAEConfig, peak)
