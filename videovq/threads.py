"""How many threads a process computes with.

OpenMP's threads wait for each other by spinning. Where two commands have as many of them as there are cores, each waits
at every small operation for a core on which the other spins, and both take many times as long: benchmarks/shared_cpu.py
measures it. So a command takes the cores that are its own and idle, and a process that was forked keeps to one thread.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

CHOSEN = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # environment variables with which somebody has chosen
WATCHED = 0.3  # seconds, at least


class Share(NamedTuple):
    """Cores that this process may use, alone or with others.

    Attributes:
        cores: how many; 1.5, for instance, where a container has a quota.
        spent: seconds that anybody has computed on them until now, counted from some moment.
    """

    cores: float
    spent: Callable[[], float]


class Watch:
    """Looks, from its making on, at how many of its cores others use.

    Args:
        root: where ``/proc`` and ``/sys`` are.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._shares = shares(root)
        self._began, self._before = time.monotonic(), self._others()
        self._late = "torch" in sys.modules

    def choose(self, processes: int = 1) -> None:
        """Let OpenMP, and with it PyTorch, have as many threads as there are free cores; one line tells where others'
        work leaves fewer than all.

        Changes nothing where all are free, where the environment names a number, or where PyTorch was there before.

        Args:
            processes: of this command that compute at the same time.
        """
        if not self._shares or self._late or any(os.environ.get(name) for name in CHOSEN):
            return
        cores, free = self.cores()
        most, threads = (max(1, int(number + 0.5) // processes) for number in (cores, free))
        if threads < self._shares[0].cores:
            os.environ["OMP_NUM_THREADS"] = str(threads)
            os.environ.setdefault("NUMBA_NUM_THREADS", str(threads))  # UMAP's
            if torch := sys.modules.get("torch"):  # imported since by settings in the file of their network
                torch.set_num_threads(threads)
        if threads < most:
            print(
                f"only {max(0.0, free):.1f} of {cores:.3g} cores are idle: computing with {threads} thread(s);"
                f" OMP_NUM_THREADS={most} takes all",
                file=sys.stderr,
            )

    def cores(self) -> tuple[float, float]:
        """Cores that this process may use, and as many of them as others have left idle since the making."""
        time.sleep(max(0.0, self._began + WATCHED - time.monotonic()))
        seconds = time.monotonic() - self._began
        used = [(now - before) / seconds for now, before in zip(self._others(), self._before, strict=True)]
        free = [share.cores - max(0.0, others) for share, others in zip(self._shares, used, strict=True)]
        return min(share.cores for share in self._shares), min(free)

    def _others(self) -> list[float]:
        """Seconds that others have computed on each share."""
        own = time.process_time()
        return [share.spent() - own for share in self._shares]


def shares(root: Path) -> list[Share]:
    """The machine's cores, as far as this process may run on them, and every quota that holds for it; none where the
    system does not tell, as only Linux does.
    """
    try:
        cpus = os.sched_getaffinity(0)
        cores = {_siblings(root, cpu) for cpu in cpus}
        found = [Share(len(cores), partial(_busy, root / "proc/stat", cpus)), *_quotas(root)]
        for share in found:
            share.spent()
    except (AttributeError, OSError, ValueError, IndexError):
        return []
    return found


def _siblings(root: Path, cpu: int) -> str:
    """What a core's hardware threads have in common: a second one adds little."""
    path = root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
    return path.read_text(encoding="utf-8") if path.is_file() else str(cpu)


def _busy(stat: Path, cpus: set[int]) -> float:
    names = {f"cpu{cpu}" for cpu in cpus}
    rows = [row for row in map(str.split, stat.read_text(encoding="utf-8").splitlines()) if row and row[0] in names]
    # user, nice, system, not: idle, not: waiting for a disk, interrupts (2), taken by other virtual machines
    return sum(int(row[i]) for row in rows for i in (1, 2, 3, 6, 7, 8)) / os.sysconf("SC_CLK_TCK")


def _quotas(root: Path) -> Iterator[Share]:
    """Of the control groups that this process is in, and of those around them."""
    groups = root / "sys/fs/cgroup"
    for line in (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, place = line.split(":", 2)
        parts = Path(place).parts[1:]
        for around in (Path(*parts[:n]) for n in range(len(parts), -1, -1)):
            if not controllers:  # version 2
                limit = groups / around / "cpu.max"
                if limit.is_file() and not limit.read_text(encoding="utf-8").startswith("max"):
                    quota, period = map(int, limit.read_text(encoding="utf-8").split())
                    yield Share(quota / period, partial(_used, limit.with_name("cpu.stat"), 1e6))
            elif "cpu" in controllers.split(","):
                limit = groups / "cpu" / around / "cpu.cfs_quota_us"
                if limit.is_file() and (quota := int(limit.read_text(encoding="utf-8"))) > 0:
                    period = int(limit.with_name("cpu.cfs_period_us").read_text(encoding="utf-8"))
                    yield Share(quota / period, partial(_used, groups / "cpuacct" / around / "cpuacct.usage", 1e9))


def _used(path: Path, a_second: float) -> float:
    """The first number of a file, in seconds."""
    return int(re.findall(r"\d+", path.read_text(encoding="utf-8"))[0]) / a_second


@cache
def guard_forks() -> None:
    """Let processes that are forked from this one, from now on, compute with one thread each.

    A fork takes no threads along, but GNU OpenMP goes on waiting for them, for ever, as soon as two are to compute.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_single)


def _single() -> None:
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
