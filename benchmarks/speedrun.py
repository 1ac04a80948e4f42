"""How good a world is after so many minutes of training on this machine: bits per code, and PSNR at horizons 1, 5, 10.

    python benchmarks/speedrun.py --data EPISODE_STORE [--minutes 10 30 100] [--machine NAME] [--device cuda]

For each number of minutes a VQ-VAE and a predictor of its codes are trained from nothing, with as many steps as fit by
the time of a few; `evaluate` measures them on the test episodes. The time is that of both trainings, starts and
validations included; encoding and measuring are not. A run that was interrupted goes on, in a folder of its commit.
The table, a JSON and the same as markdown beside it, keeps the best of each by machine, test episodes and minutes, and
the commit that reached it.

Bits per code are of a VQ-VAE's own codes: they say little without the PSNR beside them.
"""

from arguments import arguments, there

if __name__ == "__main__":  # before what takes long to import
    data, minutes, out, table, machine, device, share, vqvae_yaml, predictor_yaml = arguments(
        __doc__, data="stores/episodes", minutes=[10.0, 30.0, 100.0], out="speedrun", table="benchmarks/speedrun.json",
        machine="", device="auto", share=0.25, vqvae="configs/train_vqvae.yaml",
        predictor="configs/train_predictor.yaml",
    )  # fmt: skip

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from facts import machine as facts_of_machine

from videovq.config import EncodeConfig, EvaluateConfig, TrainPredictorConfig, TrainVQVAEConfig
from videovq.data.store import read_json
from videovq.evaluation.evaluate import evaluate
from videovq.parsing import read_config
from videovq.runs import is_finished
from videovq.storage import write_json, write_text
from videovq.training import predictor, vqvae
from videovq.training.encode import encode

FEW, SOME = 4, 16  # steps between whose times the pace is taken
HORIZONS = (1, 5, 10)
LESS_IS_BETTER = "bits per code"
Train = Callable[[Any], None]


def with_steps(config: Any, steps: int, **places: str) -> Any:
    """The settings of a training so long, which validates at its end alone."""
    training = replace(config.training, steps=steps, validate_every=steps, accelerator=device)
    return replace(config, training=training, **places)


def pace(train: Train, config: Any) -> tuple[float, float]:
    """Seconds until the first step, and of each."""
    with tempfile.TemporaryDirectory() as folder:
        taken = []
        for steps in (FEW, SOME):
            began = time.perf_counter()
            train(with_steps(config, steps, run=f"{folder}/{steps}"))
            taken.append(time.perf_counter() - began)
    step = max((taken[1] - taken[0]) / (SOME - FEW), 1e-4)
    return max(taken[0] - FEW * step, 0.0), step


@contextmanager
def timed(times: Path, stage: str) -> Iterator[None]:
    """Adds the seconds within to a file; those of a process that was killed are lost."""
    began = time.perf_counter()
    try:
        yield
    finally:
        so_far = read_json(times) if times.is_file() else {}
        write_json(times, {**so_far, stage: so_far.get(stage, 0.0) + time.perf_counter() - began})


def trained(folder: Path, stage: str, train: Train, config: Any, seconds: float) -> None:
    """Train for so long, or go on with it: the number of steps is found out once."""
    plan = folder / f"{stage}.json"
    if not plan.is_file():
        start, step = pace(train, config)
        write_json(plan, {"steps": max(1, int((seconds - start) / step))})
    with nullcontext() if is_finished(folder / stage) else timed(folder / "seconds.json", stage):
        train(with_steps(config, read_json(plan)["steps"], run=str(folder / stage)))


def speedrun(folder: Path, seconds: float) -> tuple[dict[str, float], str]:
    """Train a world for so long; what it reaches, and on which test episodes."""
    folder.mkdir(parents=True, exist_ok=True)
    codes, runs = str(folder / "codes"), {name: str(folder / name) for name in ("vqvae", "predictor")}
    seeing = replace(read_config(TrainVQVAEConfig, vqvae_yaml), store=data)
    trained(folder, "vqvae", vqvae.train, seeing, seconds * share)
    encode(EncodeConfig(store=data, vqvae=runs["vqvae"], out=codes))
    predicting = replace(read_config(TrainPredictorConfig, predictor_yaml), store=codes)
    trained(folder, "predictor", predictor.train, predicting, seconds * (1 - share))
    if not (folder / "report" / "metrics.json").is_file():
        evaluate(EvaluateConfig(**runs, store=data, device=device, following=False, out=str(folder / "report")))
    metrics = read_json(folder / "report" / "metrics.json")
    psnr = metrics["methods"]["prediction"]["psnr"]["by_horizon"]
    reached = {LESS_IS_BETTER: metrics["bits_per_code"]["prediction"]["mean"]}
    episodes = f"{Path(data).name} ({metrics['episodes_sha256'][:8]})"
    return reached | {f"PSNR at {h}": psnr[h - 1] for h in HORIZONS}, episodes


def commit() -> str:
    """Of this checkout, with a + where files were changed since."""
    words = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(words, stdout=-1, text=True, check=True).stdout.strip()


def named_machine() -> str:
    if machine:
        return machine
    if device in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{facts_of_machine()['processor']}, {torch.get_num_threads()} threads"


def keep_best(rows: list[dict[str, Any]], found: dict[str, Any]) -> list[dict[str, Any]]:
    """The table with what was found: every measure is the best so far, beside the commit that reached it."""
    key = ("machine", "data", "minutes")
    of = next((row for row in rows if all(row[one] == found[one] for one in key)), None)
    if of is None:
        return sorted([*rows, found], key=lambda row: [row[one] for one in key])
    for name, one in found["best"].items():
        before = of["best"].get(name)
        if before is None or (one["value"] < before["value"]) == (name == LESS_IS_BETTER):
            of["best"][name] = one
    return rows


def as_markdown(rows: list[dict[str, Any]]) -> str:
    measures = list(rows[0]["best"])
    lines = [f"| machine | data | minutes | {' | '.join(measures)} |", "|---" * (3 + len(measures)) + "|"]
    for row in rows:
        best = [f"{one['value']:.2f} ({one['commit']}, {one['took']:.1f} min)" for one in row["best"].values()]
        lines.append(f"| {row['machine']} | {row['data']} | {row['minutes']:g} | {' | '.join(best)} |")
    return "\n".join(["# Speedrun", "", "By `python benchmarks/speedrun.py`: best value, its commit, minutes it took.",
                      "", *lines, ""])  # fmt: skip


def main() -> None:
    there(data)
    for number in minutes:
        folder = Path(out) / commit() / f"{number:g}"
        reached, episodes = speedrun(folder, 60 * number)
        took = sum(read_json(folder / "seconds.json").values()) / 60
        best = {name: {"value": value, "commit": commit(), "took": took} for name, value in reached.items()}
        found = {"machine": named_machine(), "data": episodes, "minutes": number, "best": best}
        path = Path(table)
        rows = keep_best(read_json(path) if path.is_file() else [], found)
        write_json(path, rows)
        write_text(path.with_suffix(".md"), as_markdown(rows))
        print(json.dumps({name: round(value, 3) for name, value in reached.items()}), f"after {took:.1f} minutes")


if __name__ == "__main__":
    main()
