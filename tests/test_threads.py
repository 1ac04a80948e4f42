"""How many threads a command computes with."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from videovq import cli, threads
from videovq.threads import Watch

CPUS = 4


class Machine:
    """Files of /proc and /sys in which time passes; this process computes all the time."""

    def __init__(self, root: Path) -> None:
        self.root, self.now, self.busy, self.inside = root, 0.0, 0.0, 0.0
        self.passes(0)

    def write(self, **files: str) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def passes(self, seconds: float, others: float = 0, inside: float = 0) -> None:
        """Others keep so many cores busy, and so many of those in this process's control group."""
        self.now += seconds
        self.busy, self.inside = self.busy + seconds * (1 + others), self.inside + seconds * (1 + inside)
        ticks = int(self.busy * os.sysconf("SC_CLK_TCK"))
        cpus = [f"cpu{i} 0 0 0 777 77 0 0 0 0 0" for i in (1, 2, 3, 10)]
        stat = "\n".join([f"cpu {ticks} 0 0 0 0 0 0 0", f"cpu0 {ticks // 2} 0 0 9 9 0 0 {ticks - ticks // 2}", *cpus])
        self.write(**{
            "proc/stat": stat,
            "proc/self/cgroup": "3:cpu,cpuacct:/pod/a\n0::/pod/a\n",
            "sys/fs/cgroup/pod/cpu.stat": f"usage_usec {int(self.inside * 1e6)}\nuser_usec 7\n",
            "sys/fs/cgroup/cpuacct/pod/a/cpuacct.usage": f"{int(self.inside * 1e9)}\n",
        })  # fmt: skip

    # what the module asks of ``time``

    def monotonic(self) -> float:
        return self.now

    process_time = monotonic

    def sleep(self, seconds: float) -> None:
        assert seconds == 0, "it has watched for long enough"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.setattr(threads, "time", machine)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(CPUS)), raising=False)
    monkeypatch.delitem(sys.modules, "torch")
    for name in (*threads.CHOSEN, "NUMBA_NUM_THREADS"):
        monkeypatch.setenv(name, "1")  # so that it is put back
        monkeypatch.delenv(name)
    return machine


SECOND = {"sys/fs/cgroup/pod/cpu.max": "200000 100000\n", "sys/fs/cgroup/pod/a/cpu.max": "max 100000\n"}
FIRST = {
    "sys/fs/cgroup/cpu/pod/a/cpu.cfs_quota_us": "150000\n",
    "sys/fs/cgroup/cpu/pod/a/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/cpu/pod/cpu.cfs_quota_us": "-1\n",
}
TWO_A_CORE = {
    f"sys/devices/system/cpu/cpu{i}/topology/thread_siblings_list": f"{i // 2 * 2}-{i // 2 * 2 + 1}\n" for i in range(4)
}


@pytest.mark.parametrize(
    ("files", "others", "inside", "processes", "chosen", "said"),
    [
        ({}, 0.3, 0, 1, None, ""),  # PyTorch's own choice
        ({}, 1.2, 0, 1, "3", "only 2.8 of 4 cores are idle: computing with 3 thread(s); OMP_NUM_THREADS=4 takes"),
        ({}, 9, 0, 1, "1", "only 0.0 of 4 cores are idle: computing with 1 thread(s)"),
        ({}, 0, 0, 2, "2", ""),
        ({}, 2, 0, 8, "1", ""),
        (SECOND, 0.2, 0, 1, "2", ""),
        (SECOND, 1.9, 0, 1, "2", ""),  # outside, where there is room for them
        (SECOND, 2.5, 0.9, 1, "1", "only 1.1 of 2 cores are idle"),
        (FIRST, 0, 0, 1, "2", ""),
        (FIRST, 0.8, 0.8, 1, "1", "only 0.7 of 1.5 cores are idle"),
        (TWO_A_CORE, 0, 0, 1, None, ""),
        (TWO_A_CORE, 1, 0, 1, "1", "only 1.0 of 2 cores are idle"),
    ],
)
def test_a_command_takes_the_cores_that_are_its_own_and_idle(
    machine: Machine,
    files: dict[str, str],
    others: float,
    inside: float,
    processes: int,
    chosen: str | None,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    machine.write(**files)
    machine.passes(100, CPUS, 1)  # what was before does not count
    watch = Watch(machine.root)
    machine.passes(10, others, inside)
    watch.choose(processes)
    assert os.environ.get("OMP_NUM_THREADS") == chosen == os.environ.get("NUMBA_NUM_THREADS")
    shown = capsys.readouterr().err
    assert said in shown and bool(said) == bool(shown)


@pytest.mark.parametrize("name", threads.CHOSEN)
def test_a_number_that_is_set_stays(machine: Machine, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "3")
    before = dict(os.environ)
    watch = Watch(machine.root)
    machine.passes(10, CPUS)
    watch.choose()
    assert os.environ == before


def test_a_system_that_does_not_tell_is_left_alone(machine: Machine) -> None:
    for text in ("cpu0 ?\n", "cpu0 1 1\n"):
        machine.write(**{"proc/stat": text})
        Watch(machine.root).choose()
    machine.passes(1)
    machine.write(**{"proc/self/cgroup": "?"})
    Watch(machine.root).choose()
    (machine.root / "proc/stat").unlink()
    Watch(machine.root).choose()
    assert "OMP_NUM_THREADS" not in os.environ


def test_where_settings_brought_pytorch_along_it_is_told_too(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    watch = Watch(machine.root)
    pytorch = ModuleType("torch")
    pytorch.set_num_threads = told.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", pytorch)
    machine.passes(10, CPUS)
    watch.choose()
    assert told == [int(os.environ["OMP_NUM_THREADS"])]


def test_a_program_that_computes_already_is_left_alone(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    watch = Watch(machine.root)
    machine.passes(10, CPUS)
    watch.choose()
    assert "OMP_NUM_THREADS" not in os.environ


@pytest.mark.parametrize(
    ("words", "processes"),
    [
        (["record", "--workers", "3"], 3),
        (["train", "vqvae", "--training.devices", "4"], 4),
        (["rollout"], 1),
    ],
)
def test_a_command_chooses_before_it_imports_pytorch(
    words: list[str], processes: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[object] = []
    monkeypatch.setattr(Watch, "choose", lambda self, processes: seen.append(processes))
    monkeypatch.setattr(cli, "import_module", lambda module: seen.append(module) or sys.exit(0))
    with pytest.raises(SystemExit):
        cli.main(words)
    assert seen[0] == processes and len(seen) == 2
