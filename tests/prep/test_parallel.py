"""Work in several processes, when one of them is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from videovq.prep import parallel

KILLS_ITS_PARENT = """
import os, signal, sys, time, types
sys.modules["torch"] = types.SimpleNamespace(set_num_threads=print)  # the real one takes seconds to import
from videovq.prep.parallel import run_all

def work(item):
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(900)

if __name__ == "__main__":
    list(run_all(work, [1, 2], 2))
"""


def test_workers_end_with_a_command_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(KILLS_ITS_PARENT)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.communicate(timeout=300)  # the pipe closes when the last of them has ended
        assert process.returncode == -signal.SIGKILL
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


class Killed(Executor):
    """A pool of which a process was killed."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(BrokenProcessPool("terminated abruptly"))
        return future


def test_a_worker_that_was_killed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "ProcessPoolExecutor", Killed)
    with pytest.raises(ValueError, match="workers: .* was killed.*run the same command again with fewer"):
        list(parallel.run_all(print, [1, 2], 2))
