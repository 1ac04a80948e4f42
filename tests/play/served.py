"""``videovq play`` as a process of its own, and somebody who plays there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from tests.conftest import PATIENCE
from tests.play.conftest import taken_apart
from videovq.play.server import MOST_UPLOAD
from videovq.types import ActionSpec

PLAYERS = 4
NOTHING = "?"  # no message: its refusal marks the end of the answers to what came before


class Served:
    """``videovq play``; what it complains about is in :attr:`log`."""

    def __init__(self, vqvae: Path, predictor: Path, store: Path, log: Path) -> None:
        settings = ["--vqvae", vqvae, "--predictor", predictor, "--store", store, "--players", str(PLAYERS)]
        command = [
            sys.executable,
            "-m",
            "videovq.cli",
            "play",
            *settings,
            "--port",
            "0",
            "--no-open",
            "--device",
            "cpu",
        ]
        self.log = log
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdout=subprocess.PIPE, stderr=errors, text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip
        assert self.process.stdout is not None
        found = None
        while not found:
            line = self.process.stdout.readline()
            assert line, log.read_text()
            found = re.search(r"http://127.0.0.1:(\d+)/\?token=(\S+)", line)
        self.port, self.token = int(found[1]), found[2]

    def memory(self, kind: str = "VmRSS") -> float:
        """MiB; ``VmHWM``: the most there ever was."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split(f"{kind}:")[1].split()[0]) / 1024

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)


class Full(Exception):
    """All seats are taken."""


class Player:
    """A seat at the server."""

    def __init__(self, served: Served) -> None:
        self.served = served
        link = f"ws://127.0.0.1:{served.port}/play?token={served.token}"
        self.socket = connect(link, max_size=None, compression=None)
        self.hello = json.loads(self.socket.recv(timeout=PATIENCE))
        if self.hello["type"] == "full":
            raise Full
        assert self.hello["type"] == "hello", self.hello
        self.spec = ActionSpec.from_json(self.hello["actions"])
        self.waiting: list[int] = []  # frames that were not acknowledged

    def say(self, **message: Any) -> list[Any]:
        return self.told(json.dumps(message))

    def told(self, text: str) -> list[Any]:
        """All answers to a message that is one; of a frame, its parts."""
        self.socket.send(text)
        self.socket.send(NOTHING)
        answers: list[Any] = []
        while True:
            answer = self.socket.recv(timeout=PATIENCE)
            answers.append(taken_apart(answer) if isinstance(answer, bytes) else json.loads(answer))
            if isinstance(answer, bytes):
                self.waiting.append(answers[-1].number)
            elif answers[-1] == {"type": "refused", "why": "message: is not JSON"}:
                return answers[:-1]

    def refused(self, message: str | bytes) -> str:
        """The one answer to a message that is none."""
        self.socket.send(message)
        answer = json.loads(self.socket.recv(timeout=PATIENCE))
        assert answer["type"] == "refused", answer
        return answer["why"]

    def acknowledge(self) -> None:
        while self.waiting:
            self.say(type="acknowledge", frame=self.waiting.pop(0))

    def upload(self, data: bytes) -> int:
        """The status; 0: it was cut off."""
        query = f"token={self.served.token}&player={self.hello['player']}"
        request = urllib.request.Request(f"http://127.0.0.1:{self.served.port}/upload?{query}", data, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            why = json.load(error)["why"]
            assert error.code in (413, 422) and why and "\n" not in why, (error.code, why)
            return error.code
        except urllib.error.URLError as error:
            assert isinstance(error.reason, ConnectionError) and len(data) > MOST_UPLOAD, error
            return 0
