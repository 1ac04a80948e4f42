"""The command, its page in a browser, and its end."""

from __future__ import annotations

import base64
import os
import re
import threading
import webbrowser
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.conftest import PATIENCE
from tests.play.browser import CHROMIUM, KEEP, Browser, until
from videovq.config import PlayConfig
from videovq.data.store import EpisodeStore
from videovq.play.command import has_window, play


@dataclass
class Running:
    link: str
    server: uvicorn.Server
    thread: threading.Thread


@pytest.fixture
def running(
    vqvae_run: Path,
    predictor_run: Path,
    episode_store: EpisodeStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Running]:
    """``videovq play`` on a free port."""
    config = PlayConfig(
        str(predictor_run),
        str(vqvae_run),
        store=str(episode_store),
        port=0,
        origins=["https://dreams.example.org"],
        open=False,
        device="cpu",
    )
    servers: list[uvicorn.Server] = []
    run = uvicorn.Server.run
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: (servers.append(self), run(self, sockets)))
    thread = threading.Thread(target=play, args=[config])
    thread.start()
    until(lambda: servers and servers[0].started)
    found = re.search(r"(http://\S+) or https://dreams.example.org/\?token=\S+", capsys.readouterr().out)
    assert found
    yield Running(found[1], servers[0], thread)
    servers[0].should_exit = True
    thread.join(PATIENCE)


def test_it_ends_with_a_goodbye_to_its_players(running: Running) -> None:
    """SIGTERM sets ``should_exit``."""
    address = running.link.replace("http", "ws").replace("/?", "/play?")
    with connect(address) as socket:
        assert "hello" in str(socket.recv(timeout=PATIENCE))
        running.server.should_exit = True
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=PATIENCE)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1012
    running.thread.join(PATIENCE)
    assert not running.thread.is_alive()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"players": 0}, "players"),
        ({"port": 70000}, "port"),
        ({"top_p": 0.0}, "top_p"),
        ({"origins": ["dreams.example.org"]}, "origins: 'dreams.example.org' is no address"),
        ({"origins": ["https://dreams.example.org"], "in_browser": "page"}, "origins: has no effect"),
        ({"store": "no/such/store"}, "no/such/store"),
        ({"host": "192.0.2.1"}, "choose another port or host"),
    ],
)
def test_what_cannot_be_served_is_named(
    changes: dict[str, object], named: str, vqvae_run: Path, predictor_run: Path, episode_store: EpisodeStore
) -> None:
    settings = {"store": str(episode_store), "port": 0, "open": False, **changes}
    with pytest.raises(ValueError, match=named):
        play(PlayConfig(str(predictor_run), str(vqvae_run), **settings))  # type: ignore[arg-type]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("videovq.packages.find_spec", lambda name: None if name == "uvicorn" else name)
    with pytest.raises(ValueError, match=r"needs uvicorn; run: pip install '\.\[play\]'"):
        play(PlayConfig())


@pytest.mark.parametrize(
    ("browser", "opens"),
    [
        (
            webbrowser.GenericBrowser("w3m"),
            False,
        ),  # in the terminal, it would wait for the server and the server for it
        (webbrowser.BackgroundBrowser("xdg-open"), True),
        (webbrowser.Chrome("chrome"), True),
    ],
)
def test_a_browser_in_the_terminal_is_not_opened(
    browser: webbrowser.BaseBrowser, opens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webbrowser, "get", lambda: browser)
    assert has_window() == opens


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    browser = Browser(CHROMIUM, tmp_path / "profile")
    yield browser
    browser.close()


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")
def test_the_page(running: Running, browser: Browser, recordings: Path, tmp_path: Path) -> None:
    """Walk, go back and branch, replay, bring a clip; look at it in light, dark and on a phone."""
    shots = Path(os.environ.get("VIDEOVQ_SHOTS", tmp_path))
    browser.command("Page.navigate", url=running.link)
    browser.wait('document.getElementById("caption")?.textContent.startsWith("last frame")')
    assert browser.evaluate("document.title") == "videovq play: predictor"
    browser.evaluate(KEEP)
    browser.evaluate("window.first = frame()")
    browser.key("ArrowRight", True)
    browser.wait('parseInt(text("caption").slice(6)) >= 4')
    browser.key("ArrowRight", False)
    assert browser.evaluate('text("caption")').split(" · ")[1] == "right"
    assert browser.evaluate("frame() !== first")
    browser.evaluate('var m = document.getElementById("moment"); m.value = 1; m.dispatchEvent(new Event("input"))')
    browser.wait('text("caption").startsWith("frame 1 ")')
    browser.evaluate("document.querySelector('#pad button[data-intent=\"left\"]').click()")
    browser.wait('text("caption").startsWith("frame 2 · left") && document.getElementById("moment").max === "2"')
    browser.evaluate('document.getElementById("run").click()')
    browser.wait('parseInt(text("caption").slice(6)) >= 12')
    browser.evaluate('document.getElementById("run").click()')
    browser.evaluate('document.getElementById("save").click()')
    for number in (0, 5, 11):  # the knob stands under its picture
        browser.evaluate(f'm.value = {number}; m.dispatchEvent(new Event("input"))')
        browser.wait('text("caption").startsWith("' + (f"frame {number} " if number else "last frame") + '")')
        width, left, last, room = browser.evaluate(
            "var s = document.getElementById('strip');"
            " [m.offsetWidth, m.offsetLeft - s.offsetLeft, Number(m.max), Math.floor(s.clientWidth / 48)]"
        )
        knob, picture = left + 8 + (width - 16) * number / last, 24 + 48 * number * (min(last, room - 1) / last)
        assert abs(knob - picture) < 4
    browser.evaluate('saved.then((blob) => give("load", new File([blob], "dream.json")))')
    browser.wait('text("status").startsWith("Replayed: the same frames")')
    data = base64.b64encode((recordings / "episode_000001.mp4").read_bytes()).decode()
    browser.look(1280, 900, "light", shots / "light.png")
    browser.evaluate('document.getElementById("code-view").value = "bits"')
    assert browser.evaluate('document.getElementById("scale").hidden')
    browser.evaluate('document.getElementById("code-view").dispatchEvent(new Event("change"))')
    assert browser.evaluate('document.getElementById("scale").innerText.trim()').split() == ["0", "5", "bits"]
    browser.evaluate(f'give("upload", new File([Uint8Array.from(atob("{data}"), (c) => c.charCodeAt(0))], "mine.mp4"))')
    browser.wait('text("status").startsWith("Scene upload")')
    browser.evaluate('document.getElementById("step").click()')
    browser.wait('text("caption").startsWith("frame 1 · stay")')
    browser.look(1280, 900, "dark", shots / "dark.png")
    browser.look(375, 812, "light", shots / "phone.png")
    assert browser.evaluate("document.documentElement.scrollWidth") <= 375
    assert browser.errors == []
