"""What two commands cost each other on the same cores, by the number of threads that each has and how these wait.

    python benchmarks/shared_cpu.py [SECONDS [ROUNDS]] [--settings NAME ...] [--cases NAME ...]

Processes roll out with the small model that ships, frame after frame, in batches of one: alone, two that start at the
same time, and two of which the second starts while the first computes. For each setting: frames a second of all of them
together, SECONDS (10) long, the median of ROUNDS (3), and what that is of the first case in the first setting.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from arguments import arguments

EVERY = {"OMP_NUM_THREADS": str(len(os.sched_getaffinity(0)))}
SETTINGS = {
    "a thread for every core": EVERY,
    "the same, GOMP_SPINCOUNT=10000": {**EVERY, "GOMP_SPINCOUNT": "10000"},
    "the same, GOMP_SPINCOUNT=1000": {**EVERY, "GOMP_SPINCOUNT": "1000"},
    "one thread": {"OMP_NUM_THREADS": "1"},
    "what commands choose": {},
}
CASES = {"one alone": [False], "two at once": [False, False], "one joins another": [False, True]}
WARM = 20  # frames


def compute() -> None:
    """Print the time of every frame, until killed; begins as a command does."""
    from videovq.config import RolloutConfig
    from videovq.parsing import parse
    from videovq.threads import Watch

    others = Watch()
    parse(RolloutConfig, ["--pretrained", "dmlab-small"], "rollout")
    others.choose()

    import torch

    from videovq.config import ModelChoice
    from videovq.frames import to_float
    from videovq.rollout.contexts import contexts
    from videovq.rollout.engine import Session, decode_codes, to_device
    from videovq.rollout.pair import load_pair
    from videovq.types import Sampling

    pair = load_pair(ModelChoice(pretrained="dmlab-small"))
    vqvae, predictor = pair.vqvae.network, pair.predictor.network
    to_device(vqvae, predictor, "cpu", "32-true")
    clip = contexts("", "dmlab-small", pair, 6, 1)[0]
    with torch.inference_mode():
        session = Session(predictor, vqvae.encode(to_float(clip.frames))[None], clip.actions[None], Sampling(), [0])
        while True:
            decode_codes(vqvae, session.step(clip.actions[:1])[:, None])
            print(time.monotonic(), flush=True)


def times(file: Path) -> list[float]:
    return [float(line) for line in file.read_text(encoding="utf-8").split("\n")[:-1]]


def rate(case: list[bool], setting: dict[str, str], seconds: float) -> float:
    """Frames a second of all processes together.

    Args:
        case: for each process, whether those before it must compute already when it starts.
    """
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")} | setting
    with tempfile.TemporaryDirectory() as folder:
        files, processes = [Path(folder, str(i)) for i in range(len(case))], []
        try:
            for file, waits in zip(files, case, strict=True):
                while waits and min(len(times(before)) for before in files[: len(processes)]) < WARM:
                    time.sleep(0.1)
                with file.open("w") as out:
                    command = [sys.executable, __file__, "compute"]
                    processes.append(subprocess.Popen(command, stdout=out, env=environment))
            while min(len(times(file)) for file in files) < WARM:
                assert all(process.poll() is None for process in processes), "one has ended"
                time.sleep(0.1)
            began = time.monotonic()
            time.sleep(seconds)
            while not any(began <= at for file in files for at in times(file)):
                time.sleep(0.1)
            ended = time.monotonic()
            return sum(began <= at < ended for file in files for at in times(file)) / (ended - began)
        finally:
            for process in processes:
                process.kill()
                process.wait()


if sys.argv[1:] == ["compute"]:
    compute()
seconds, rounds, settings, cases = arguments(
    __doc__, SECONDS=10.0, ROUNDS=3, settings=list(SETTINGS), cases=list(CASES)
)
found: dict[tuple[str, str], list[float]] = {}
for _ in range(rounds):
    for setting in settings:
        for name in cases:
            found.setdefault((setting, name), []).append(rate(CASES[name], SETTINGS[setting], seconds))
middle = {key: statistics.median(values) for key, values in found.items()}
yardstick = middle[settings[0], cases[0]]
print(f"{'frames/s, all together':32}" + "".join(f"{name:>22}" for name in cases))
for setting in settings:
    cells = [f"{middle[setting, name]:9.1f} = {middle[setting, name] / yardstick:4.2f}" for name in cases]
    print(f"{setting:32}" + "".join(f"{cell:>22}" for cell in cells))
