"""Damaged recordings must be refused, never crash, hang or fill the memory.

    python -m tests.prep.fuzz [CASES [FORMAT ...]]

Writes a small folder of every format, then damages one of its files at a time (flipped bits, cuts, holes, insertions;
seeded, so that a case can be repeated) and reads everything again. UserError is the only answer that counts as a
refusal. Memory is limited to 2 GiB more than there was, a case to 20 seconds.
"""

from __future__ import annotations

import random
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import gymnasium
import numpy as np
import torch

from tests.conftest import PATIENCE
from tests.damage import damage
from tests.prep.sources import test_formats, test_minari, test_pictures, test_rlu
from videovq.config import DeclareConfig
from videovq.errors import UserError
from videovq.prep.sources.formats import READERS, open_reader

LEROBOT = Path(__file__).parent / "sources" / "lerobot_v30"
ROOM = 2 * 2**30
THREE = gymnasium.spaces.Discrete(3)
WRITERS: dict[str, Callable[[Path], object]] = {
    **test_formats.WRITERS,
    "rlu": test_rlu.write,
    "cifar10": test_pictures.write_cifar10,
    "minari": lambda folder: test_minari.write(folder, THREE, [np.array([0, 2, 1])], "hdf5"),
    "lerobot": lambda folder: shutil.copytree(LEROBOT, folder, dirs_exist_ok=True),
}
SAID = {
    **test_formats.SAID,
    "minari": DeclareConfig(fps=10),
    "lerobot": DeclareConfig(frames_key="observation.images.top"),
}
assert set(WRITERS) == set(READERS)


def read_all(name: str, folder: Path) -> int:
    """Number of frames read."""
    reader = open_reader(name, SAID.get(name, DeclareConfig()), folder)
    found = 0
    for place in reader.find(folder, without=folder / "out").values():
        for piece in reader.read(place).frames():
            found += len(piece)
    return found


def fuzz(name: str, cases: int) -> dict[str, int]:
    """How many cases were read all the same, and how many refused."""
    counts = {"read": 0, "refused": 0}
    with tempfile.TemporaryDirectory() as scratch:
        whole, folder = Path(scratch) / "whole", Path(scratch) / "damaged"
        whole.mkdir()
        WRITERS[name](whole)
        assert read_all(name, whole) > 0
        files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file() and path.stat().st_size)
        for case in range(cases):
            chance = random.Random(f"{name} {case}")
            shutil.copytree(whole, folder)
            chosen = folder / chance.choice(files)
            chosen.write_bytes(damage(chosen.read_bytes(), chance))
            print(f"{name} {case} {chosen.name}", file=sys.stderr, flush=True)  # the last line names what crashed
            signal.alarm(int(PATIENCE))
            try:
                counts["read" if read_all(name, folder) >= 0 else ""] += 1
            except UserError:
                counts["refused"] += 1
            signal.alarm(0)
            shutil.rmtree(folder)
    return counts


if __name__ == "__main__":
    torch.set_num_threads(1)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))
    for name in sys.argv[2:] or list(WRITERS):
        print(name, fuzz(name, int(sys.argv[1]) if len(sys.argv) > 1 else 500), flush=True)
