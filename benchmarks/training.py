"""Training throughput of a VQ-VAE: what part of the machine's matrix peak it reaches, and what the quantizer costs.

The peak is that of matrix products in the same run; with the quantizer and without it, the same network takes steps in
turns.

    python benchmarks/training.py [CONFIG.yaml [STEPS]] [--device auto]
"""

from arguments import arguments

if __name__ == "__main__":  # before what takes long to import
    path, steps, name = arguments(__doc__, CONFIG="configs/train_vqvae.yaml", STEPS=60, device="auto")

from functools import partial

import torch
from estimate import matrix_peak
from measuring import device_name
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from videovq.allocator import keep_freed_memory
from videovq.config import TrainVQVAEConfig
from videovq.models.vqvae import VQVAE
from videovq.parsing import read_config
from videovq.rollout.engine import find_device
from videovq.training.optimizers import optimizer as make_optimizer
from videovq.training.step_time import in_bf16, seconds_of_step

keep_freed_memory()
device = find_device(name)
config = read_config(TrainVQVAEConfig, path)
torch.manual_seed(0)
network = VQVAE(config.model, 0.08).to(device, memory_format=torch.channels_last).train()
optimizer = make_optimizer(network, config.optimizer, 1000)["optimizer"]
frames = torch.rand(config.training.batch_size, 3, 21, 21).repeat_interleave(4, 2).repeat_interleave(4, 3) - 0.5
frames = frames.to(device, memory_format=torch.channels_last)


def loss(layers: nn.Module | None) -> Tensor:
    if layers is None:
        output = network(frames)
        return output.nmse + output.quantizer.loss
    return (layers(frames).float() - frames).pow(2).mean() / network.data_variance


bf16 = in_bf16(config.training, device)
kinds = {"with": None, "without": nn.Sequential(network.encoder, network.decoder)}
seconds: dict[str, list[float]] = {name: [] for name in kinds}
for _ in range(steps):
    for name, layers in kinds.items():
        seconds[name].append(seconds_of_step(partial(loss, layers), optimizer, bf16, device))
medians = {name: float(torch.tensor(values[steps // 6 :]).median()) for name, values in seconds.items()}
with FlopCounterMode(display=False) as counter, torch.autocast(device.type, torch.bfloat16, enabled=bf16):
    loss(None).backward()
part = counter.get_total_flops() / medians["with"] / matrix_peak(device, bf16)
print(f"{device_name(device)}, {'bf16' if bf16 else 'float32'}, batch {config.training.batch_size}")
print(f"training with the quantizer: {medians['without'] / medians['with']:.2f} of the throughput without")
print(f"{config.training.batch_size / medians['with']:.0f} frames/s learnt, {part:.2f} of the matrix peak")
