"""How long trainings take on this machine: seconds of a step, measured, times the steps of the config.

    python benchmarks/times.py [CONFIG.yaml ...]

Steps on random frames and codes; neither loading nor validations count. Nothing else should run meanwhile.
"""

from arguments import arguments

if __name__ == "__main__":  # before what takes long to import
    names = ["train_vqvae", "train_predictor", "train_vqvae_dmlab", "train_predictor_dmlab"]
    [paths] = arguments(__doc__, CONFIG=[f"configs/{name}.yaml" for name in names])

from collections.abc import Callable
from statistics import median

import torch
import yaml
from steps import CODEBOOK, GRID, SPEC, bf16, seconds_of_step, windows
from torch import Tensor, nn

from videovq.allocator import keep_freed_memory
from videovq.config import TrainPredictorConfig, TrainVQVAEConfig
from videovq.models.build import build_predictor
from videovq.models.vqvae import VQVAE
from videovq.parsing import read_config
from videovq.training.callbacks import duration
from videovq.training.optimizers import optimizer as make_optimizer

WARM, TIMED = 3, 12  # steps
FRAME = (84, 84)


def vqvae(config: TrainVQVAEConfig) -> tuple[nn.Module, Callable[[], Tensor]]:
    """The network, and the loss of a new batch."""
    network = VQVAE(config.model, 0.08)

    def loss() -> Tensor:
        frames = torch.rand(config.training.batch_size, 3, *FRAME) - 0.5
        output = network(frames.to(memory_format=torch.channels_last))
        return output.nmse + output.quantizer.loss

    return network, loss


def predictor(config: TrainPredictorConfig) -> tuple[nn.Module, Callable[[], Tensor]]:
    """The network, and the loss of a new batch."""
    network = build_predictor(config.model, SPEC, GRID, CODEBOOK)
    return network, lambda: network(*windows(config)).loss


keep_freed_memory()
print(f"{torch.get_num_threads()} thread(s), {torch.backends.cpu.get_cpu_capability()}")
for path in paths:
    with open(path, encoding="utf-8") as file:
        of_codes = "class_path" in yaml.safe_load(file)["model"]  # predictors are of several kinds
    torch.manual_seed(0)
    config: TrainPredictorConfig | TrainVQVAEConfig
    if of_codes:
        config = read_config(TrainPredictorConfig, path)
        network, loss = predictor(config)
    else:
        config = read_config(TrainVQVAEConfig, path)
        network, loss = vqvae(config)
    network.to(memory_format=torch.channels_last).train()
    optimizer = make_optimizer(network, config.optimizer, config.training.steps)["optimizer"]
    half = bf16(config.training)
    taken = [seconds_of_step(loss, optimizer, half) for _ in range(WARM + TIMED)]
    kind = "bf16-mixed" if half else "32-true"
    step, steps = median(taken[WARM:]), config.training.steps
    print(f"{path}: {step:.2f} s a step, {duration(steps * step)} for {steps:,} steps, in {kind}", flush=True)
