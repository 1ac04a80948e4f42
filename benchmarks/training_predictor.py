"""Training throughput of a predictor, and what part of the machine's matrix peak it reaches.

    python benchmarks/training_predictor.py [CONFIG.yaml ...] [--steps N]

Steps on random codes, in turns where several configs are given; the peak is that of matrix products in the same run.
"""

from arguments import arguments

if __name__ == "__main__":  # before what takes long to import
    paths, steps = arguments(__doc__, CONFIG=["configs/train_predictor.yaml"], steps=12)

import time

import torch

from videovq.config import TrainPredictorConfig
from videovq.memory import keep_freed_memory
from videovq.models.build import build_predictor
from videovq.parsing import read_config
from videovq.training.estimate import estimate, matrix_peak
from videovq.training.machine import precision
from videovq.training.optimizers import optimizer as make_optimizer
from videovq.types import ActionSpec

GRID, SPEC, CODEBOOK = (21, 21), ActionSpec("discrete", (9,)), torch.randn(512, 16)
keep_freed_memory()
configs = [read_config(TrainPredictorConfig, path) for path in paths]
networks, optimizers, seconds = [], [], [[] for _ in configs]
for config in configs:
    torch.manual_seed(0)
    network = build_predictor(config.model, SPEC, GRID, CODEBOOK).to(memory_format=torch.channels_last).train()
    networks.append(network)
    optimizers.append(make_optimizer(network, config.optimizer, 1000)["optimizer"])


def batch(config: TrainPredictorConfig) -> tuple[torch.Tensor, torch.Tensor, None, torch.Tensor]:
    shape = (config.training.batch_size, config.window)
    targets = torch.rand(shape).argsort(dim=1)[:, : config.targets]
    return torch.randint(512, (*shape, *GRID)), torch.randint(9, (*shape, 1)), None, targets


def bf16(config: TrainPredictorConfig) -> bool:
    return precision(config.training.precision, "cpu") == "bf16-mixed"


for _ in range(steps):
    for config, network, optimizer, taken in zip(configs, networks, optimizers, seconds, strict=True):
        given = batch(config)
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16(config)):
            loss = network(*given).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        taken.append(time.perf_counter() - start)
for path, config, taken in zip(paths, configs, seconds, strict=True):
    targets = config.training.batch_size * config.targets
    found = estimate(
        lambda c=config: build_predictor(c.model, SPEC, GRID, torch.zeros(512, 16)),
        lambda net, c=config: net(*batch(c)).loss,
        bf16(config),
    )
    step = float(torch.tensor(taken[steps // 6 :]).median())
    peak = matrix_peak(torch.device("cpu"), bf16(config))
    print(
        f"{path}: {found.parameters / 1e6:.1f} M parameters, {targets / step:.0f} frames/s learnt,"
        f" {found.flops / step / peak:.2f} of the matrix peak"
    )
