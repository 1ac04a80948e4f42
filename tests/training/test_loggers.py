"""Where metrics go when wandb cannot be reached."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import wandb
from lightning.pytorch.loggers import WandbLogger

from videovq.training import loggers


class Wandb(WandbLogger):
    """What stands in for Lightning's logger: it keeps what it was given."""

    def __init__(self, **given: Any) -> None:
        self.given = given

    @property
    def experiment(self) -> None:  # type: ignore[override]
        if self.given["mode"] == "online":
            raise wandb.errors.CommError("the key is\nnot known")


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Opens a logger for a mode of wandb, and an answer of its server."""

    def open_it(mode: str, answer: bool) -> str:
        settings = SimpleNamespace(mode=mode, base_url="https://wandb.example")
        monkeypatch.setattr(wandb, "setup", lambda: SimpleNamespace(settings=settings))
        monkeypatch.setattr(loggers, "WandbLogger", Wandb)
        monkeypatch.setattr(loggers, "answers", lambda url: answer)
        return loggers.open_logger("wandb", tmp_path / "run", 0).given["mode"]  # type: ignore[attr-defined]

    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    return open_it


def test_without_network_wandb_goes_on_offline(opened: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert opened("online", answer=False) == "offline"
    assert capsys.readouterr().out.startswith("wandb: https://wandb.example does not answer; goes on offline")
    for chosen in ("offline", "disabled"):
        assert opened(chosen, answer=False) == chosen
    assert capsys.readouterr().out == "", "nothing is asked of the network"


def test_without_a_key_wandb_is_offline(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    assert opened("online", answer=True) == "offline"


def test_wandb_that_does_not_start_is_named(opened: Any) -> None:
    with pytest.raises(ValueError, match=r"wandb does not start \(the key is not known\); set WANDB_MODE=offline"):
        opened("online", answer=True)


@pytest.mark.parametrize(("code", "expected"), [(200, True), (404, True), (503, False)])
def test_a_server_answers(code: int, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert loggers.answers(f"http://127.0.0.1:{server.server_port}") is expected
        thread.join()


def test_nobody_and_a_server_that_says_nothing_do_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(loggers, "PATIENCE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:  # takes a connection, and leaves it at that
        link = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert not loggers.answers(link)
    assert not loggers.answers(link)
