"""Training throughput of a predictor, and what part of the machine's matrix peak it reaches.

    python benchmarks/training_predictor.py [CONFIG.yaml ...] [--steps N] [--device auto]

Steps on random codes, in turns where several configs are given; the peak is that of matrix products in the same run.
"""

from arguments import arguments

if __name__ == "__main__":  # before what takes long to import
    paths, steps, name = arguments(__doc__, CONFIG=["configs/train_predictor.yaml"], steps=12, device="auto")

import torch
from estimate import estimate, matrix_peak
from measuring import device_name

from videovq.allocator import keep_freed_memory
from videovq.config import TrainPredictorConfig
from videovq.models.build import build_predictor
from videovq.parsing import read_config
from videovq.rollout.engine import find_device
from videovq.training.optimizers import optimizer as make_optimizer
from videovq.training.step_time import CODEBOOK, GRID, SPEC, in_bf16, random_windows, seconds_of_step

keep_freed_memory()
device = find_device(name)
configs = [read_config(TrainPredictorConfig, path) for path in paths]
networks, optimizers, seconds = [], [], [[] for _ in configs]
for config in configs:
    torch.manual_seed(0)
    network = build_predictor(config.model, SPEC, GRID, CODEBOOK).to(device, memory_format=torch.channels_last).train()
    networks.append(network)
    optimizers.append(make_optimizer(network, config.optimizer, 1000)["optimizer"])

for _ in range(steps):
    for config, network, optimizer, taken in zip(configs, networks, optimizers, seconds, strict=True):
        given, bf16 = random_windows(config, device), in_bf16(config.training, device)
        taken.append(seconds_of_step(lambda n=network, g=given: n(*g).loss, optimizer, bf16, device))
print(device_name(device))
for path, config, taken in zip(paths, configs, seconds, strict=True):
    targets, bf16 = config.training.batch_size * config.targets, in_bf16(config.training, device)
    found = estimate(
        lambda c=config: build_predictor(c.model, SPEC, GRID, torch.zeros(512, 16)),
        lambda net, c=config: net(*random_windows(c)).loss,
        bf16,
    )
    step = float(torch.tensor(taken[steps // 6 :]).median())
    peak = matrix_peak(device, bf16)
    print(
        f"{path}, {'bf16' if bf16 else 'float32'}, batch {config.training.batch_size}:"
        f" {found.parameters / 1e6:.1f} M parameters, {targets / step:.0f} frames/s learnt,"
        f" {found.flops / step / peak:.2f} of the matrix peak"
    )
