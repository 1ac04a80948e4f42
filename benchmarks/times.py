"""How long trainings take on this machine: seconds of a step, measured, times the steps of the config.

    python benchmarks/times.py [CONFIG.yaml ...]

Steps on random frames and codes; neither loading nor validations count. Nothing else should run meanwhile.
"""

from arguments import arguments

if __name__ == "__main__":  # before what takes long to import
    names = ["train_vqvae", "train_predictor", "train_vqvae_dmlab", "train_predictor_dmlab"]
    [paths] = arguments(__doc__, CONFIG=[f"configs/{name}.yaml" for name in names])

import torch
import yaml

from videovq.allocator import keep_freed_memory
from videovq.config import TrainPredictorConfig, TrainVQVAEConfig
from videovq.parsing import read_config
from videovq.training.callbacks import duration
from videovq.training.step_time import in_bf16, seconds_of_training

keep_freed_memory()
print(f"{torch.get_num_threads()} thread(s), {torch.backends.cpu.get_cpu_capability()}")
for path in paths:
    with open(path, encoding="utf-8") as file:
        of_codes = "class_path" in yaml.safe_load(file)["model"]  # predictors are of several kinds
    torch.manual_seed(0)
    config = read_config(TrainPredictorConfig, path) if of_codes else read_config(TrainVQVAEConfig, path)
    kind = "bf16-mixed" if in_bf16(config.training) else "32-true"
    seconds, steps = seconds_of_training(config), config.training.steps
    print(f"{path}: {seconds / steps:.2f} s a step, {duration(seconds)} for {steps:,} steps, in {kind}", flush=True)
