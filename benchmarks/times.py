"""How long trainings take on this machine: seconds of a step, measured, times the steps of the config.

    python benchmarks/times.py [CONFIG.yaml ...] [--device auto]

Steps on random frames and codes; neither loading nor validations count. Nothing else should run meanwhile.
"""

from arguments import arguments

if __name__ == "__main__":  # before what takes long to import
    names = ["train_vqvae", "train_predictor", "train_vqvae_dmlab", "train_predictor_dmlab"]
    paths, device_asked = arguments(__doc__, CONFIG=[f"configs/{name}.yaml" for name in names], device="auto")

import torch
import yaml
from measuring import device_name

from videovq.allocator import keep_freed_memory
from videovq.config import TrainPredictorConfig, TrainVQVAEConfig
from videovq.parsing import read_config
from videovq.rollout.engine import find_device
from videovq.training.callbacks import duration
from videovq.training.step_time import in_bf16, seconds_of_training

keep_freed_memory()
device = find_device(device_asked)
print(device_name(device))
for path in paths:
    with open(path, encoding="utf-8") as file:
        of_codes = "class_path" in yaml.safe_load(file)["model"]  # predictors are of several kinds
    torch.manual_seed(0)
    config = read_config(TrainPredictorConfig, path) if of_codes else read_config(TrainVQVAEConfig, path)
    kind = "bf16-mixed" if in_bf16(config.training, device) else "32-true"
    seconds, steps = seconds_of_training(config, device=str(device)), config.training.steps
    print(f"{path}: {seconds / steps:.2f} s a step, {duration(seconds)} for {steps:,} steps, in {kind}", flush=True)
