"""What trainings take on this machine, model by batch: memory and time, as the table of docs/resources.md.

    python benchmarks/resources.py [CONFIG.yaml ...] [--parts 1 4] [--device cuda] [--steps 10] [--page PAGE.md]

Each config at its own batch size and at parts of it, in a process of its own, on random frames and codes; neither
loading nor validations nor torch.compile count. With --page the table becomes the page's section for this machine.
Nothing else should run meanwhile.
"""

from arguments import arguments

if __name__ == "__main__":  # before what takes long to import
    names = ["train_vqvae_tiny", "train_vqvae", "train_vqvae_base"]
    names += ["train_predictor_tiny", "train_predictor", "train_predictor_base"]
    given = arguments(
        __doc__, CONFIG=[f"configs/{name}.yaml" for name in names], parts=[1, 4], device="cpu", steps=10, page=""
    )

import json
import re
import subprocess
import sys
from pathlib import Path

import yaml

CODE = """
import json, sys, time
from statistics import median
import torch
from videovq.allocator import keep_freed_memory
from videovq.config import TrainPredictorConfig, TrainVQVAEConfig
from videovq.models.build import build_predictor
from videovq.models.vqvae import VQVAE
from videovq.parsing import read_config
from videovq.training.activation_checkpointing import recompute_activations
from videovq.training.machine import precision
from videovq.training.optimizers import optimizer as make_optimizer
from videovq.types import ActionSpec

path, kind, part, device, steps = sys.argv[1:]
of_codes, part, steps = kind == "predictor", int(part), int(steps)
keep_freed_memory()
config = read_config(TrainPredictorConfig if of_codes else TrainVQVAEConfig, path)
batch = max(1, config.training.batch_size // part)
if of_codes:
    network = build_predictor(config.model, ActionSpec("discrete", (9,)), (21, 21), torch.randn(512, 16))
    if config.training.recompute:
        recompute_activations(network)
else:
    network = VQVAE(config.model, 0.08)
network.to(device, memory_format=torch.channels_last).train()
optimizer = make_optimizer(network, config.optimizer, config.training.steps)["optimizer"]
bits = precision(config.training.precision, device)

def loss():
    if not of_codes:
        frames = torch.rand(batch, 3, 84, 84, device=device) - 0.5
        output = network(frames.to(memory_format=torch.channels_last))
        return output.nmse + output.quantizer.loss
    shape = (batch, config.window)
    targets = torch.rand(shape, device=device).argsort(dim=1)[:, : config.targets]
    codes, actions = torch.randint(512, (*shape, 21, 21), device=device), torch.randint(9, (*shape, 1), device=device)
    return network(codes, actions, None, targets).loss

def step():
    start = time.perf_counter()
    with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bits == "bf16-mixed"):
        value = loss()
    optimizer.zero_grad()
    value.backward()
    optimizer.step()
    if device != "cpu":
        float(value)
    return time.perf_counter() - start

taken = [step() for _ in range(2 + steps)][2:]
if torch.device(device).type == "cuda":
    peak, name = torch.cuda.max_memory_reserved(device), torch.cuda.get_device_name(device)
else:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    name = f"{torch.get_num_threads()} thread(s), {torch.backends.cpu.get_cpu_capability()}"
print(json.dumps({"name": f"{name}, {bits}", "batch": batch, "peak": peak, "seconds": median(taken),
    "steps": config.training.steps, "weights": sum(one.numel() for one in network.parameters())}))
"""
HEAD = ("config", "weights, millions", "batch", "memory, GB", "s a step", "steps", "hours for all")


def measured(path: str, part: int, device: str, steps: int) -> dict:
    """One training, in a process of its own, whose memory is nobody else's."""
    with open(path, encoding="utf-8") as file:
        kind = "predictor" if "class_path" in yaml.safe_load(file)["model"] else "vqvae"  # as predictors are of several
    command = [sys.executable, "-c", CODE, path, kind, str(part), device, str(steps)]
    try:
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["killed"])[-1]  # for want of memory, mostly
        return {"batch": f"1/{part} of its own", "reason": last.split(". ")[0].replace("|", "/")}


def row(path: str, found: dict) -> list[str]:
    """Of the table; what a training that did not run lacks is empty."""
    if "reason" in found:
        return [f"`{path}`", "", found["batch"], found["reason"], "", "", ""]
    hours = found["steps"] * found["seconds"] / 3600
    numbers = [f"{found['weights'] / 1e6:.2f}", str(found["batch"]), f"{found['peak'] / 1e9:.1f}"]
    return [f"`{path}`", *numbers, f"{found['seconds']:.3g}", f"{found['steps']:,}", f"{hours:.2g}"]


def written(page: str, name: str, table: str) -> str:
    """A page with the table in the section of this machine, a new one at the end if there was none."""
    section = f"<!-- {name} -->\n### {name}\n\n{table}\n<!-- end -->\n"
    there = re.compile(rf"<!-- {re.escape(name)} -->\n.*?<!-- end -->\n", flags=re.DOTALL)
    return there.sub(lambda _: section, page) if there.search(page) else f"{page.rstrip()}\n\n{section}"


if __name__ == "__main__":
    configs, parts, device, steps, page = given
    lines, name = [f"| {' | '.join(HEAD)} |", f"|{'---|' * len(HEAD)}"], device
    print("\n".join(lines))
    for path in configs:
        for part in parts:
            found = measured(path, part, device, steps)
            name = found.get("name", name)
            lines.append(f"| {' | '.join(row(Path(path).as_posix(), found))} |")
            print(lines[-1], flush=True)
    if page:
        text = written(Path(page).read_text(encoding="utf-8"), name, "\n".join(lines))
        Path(page).write_text(text, encoding="utf-8")
