"""The page that needs no server: what is written, and, where onnxruntime-web is at hand, played in a browser."""

from __future__ import annotations

import base64
import functools
import http.server
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.play.browser import CHROMIUM, KEEP, Browser
from videovq.config import PlayConfig
from videovq.data.store import EpisodeStore
from videovq.models.noise import FrameNoise, seed_tensor
from videovq.play import in_browser
from videovq.play.command import play
from videovq.play.in_browser import RUNTIME

onnxruntime = pytest.importorskip("onnxruntime")
WEB = os.environ.get("VIDEOVQ_ONNXRUNTIME_WEB", "")  # the folder dist of npm's onnxruntime-web


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real one, or files of its names."""
    if WEB:
        return Path(WEB)
    folder = tmp_path_factory.mktemp("onnxruntime-web")
    for name in RUNTIME:
        (folder / name).write_text("")
    return folder


@pytest.fixture(scope="module")
def config(vqvae_run: Path, predictor_run: Path, episode_store: EpisodeStore, runtime: Path) -> PlayConfig:
    return PlayConfig(
        str(predictor_run), str(vqvae_run), store=str(episode_store), temperature=0.5, onnxruntime_web=str(runtime)
    )


def into(config: PlayConfig, folder: Path) -> PlayConfig:
    return PlayConfig(**{**vars(config), "in_browser": str(folder)})


@pytest.fixture(scope="module")
def page(config: PlayConfig, exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Written with the graphs that an export has converted already, which takes a quarter of a minute."""
    folder = tmp_path_factory.mktemp("pages") / "dream"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_browser, "write_onnx", lambda graph, path: shutil.copy(exported / path.name, path))
        play(into(config, folder))
    return folder


@pytest.fixture
def link(page: Path) -> Iterator[str]:
    """The folder on a web server without any settings."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=page)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    browser = Browser(CHROMIUM, tmp_path / "profile")
    yield browser
    browser.close()


def test_the_folder_holds_all_that_a_dream_needs(page: Path, episode_store: EpisodeStore) -> None:
    assert "needs a web server" in (page / "index.html").read_text(encoding="utf-8"), (
        "said where it is opened as a file"
    )
    hello = json.loads((page / "world" / "hello.json").read_text())
    assert hello["sampling"] == {"temperature": 0.5} and hello["guidance"] is False
    for clip in hello["clips"]:
        with Image.open(page / "world" / clip["file"]) as strip:
            assert strip.size == (24, 24 * clip["frames"])
        assert len(clip["actions"]) == clip["frames"] - 1
    info = next(info for info in episode_store.episodes if info.id == hello["clips"][0]["name"])
    with Image.open(page / "world" / "scene0.png") as strip:
        first = np.asarray(strip)[:24]
    assert any(np.array_equal(first, frame.numpy()) for frame in episode_store.read(info).frames)
    for name in ("step", "watch"):
        graph = onnxruntime.InferenceSession(str(page / "world" / f"{name}.onnx"))
        assert [one.name for one in graph.get_inputs()] == list(hello["graphs"][name]["inputs"])
    html = (page / "index.html").read_text()
    assert "http://" not in html and "https://" not in html, "nothing is loaded from elsewhere"
    for name in RUNTIME:
        assert (page / "ort" / name).is_file()
    assert all((page / name).is_file() for name in re.findall(r'(?:href|src)="(page/[^"]*)"', html))


def test_what_cannot_be_written_is_refused_and_nothing_is_lost(config: PlayConfig, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work").write_text("dear")
    with pytest.raises(ValueError, match="in_browser: .*mine is there already"):
        play(into(config, tmp_path / "mine"))
    assert (tmp_path / "mine" / "work").read_text() == "dear"
    without = PlayConfig(**{**vars(config), "onnxruntime_web": str(tmp_path), "in_browser": str(tmp_path / "new")})
    with pytest.raises(ValueError, match=f"onnxruntime_web: .* has no {RUNTIME[0]}; run: npm install onnxruntime-web"):
        play(without)
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")
def test_the_noise_is_that_of_every_other_device(link: str, browser: Browser) -> None:
    browser.command("Page.navigate", url=f"{link}page/noise.js")
    browser.wait('document.readyState === "complete"')
    asked = [[3, 1], [3, 2], [2**32 + 3, 1], [2**53 - 1, 3000]]
    found = browser.evaluate(f"""import("{link}page/noise.js").then(({{ bits, gumbel }}) => {json.dumps(asked)}.map(
      ([seed, frame]) => [Array.from(bits(seed, frame, 36, 32)), Array.from(gumbel(seed, frame, 36, 32))]))""")
    network = FrameNoise(36, 32)
    for (seed, frame), (bits, noise) in zip(asked, found, strict=True):
        told = seed_tensor([seed], torch.device("cpu")), torch.tensor([frame])
        assert torch.equal(network.bits(*told).flatten(), torch.tensor(bits).int()), "bit for bit"
        torch.testing.assert_close(torch.tensor(noise), network(*told).flatten(), atol=1e-6, rtol=2e-7)


@pytest.mark.skipif(not (CHROMIUM and WEB), reason="no Chromium, or VIDEOVQ_ONNXRUNTIME_WEB does not say where it is")
def test_the_page_plays_without_a_server(link: str, browser: Browser, recordings: Path, tmp_path: Path) -> None:
    """Walk, go back and branch, replay, bring a clip, record."""
    browser.command("Page.navigate", url=link)
    browser.wait('document.getElementById("caption")?.textContent.startsWith("last frame")')
    assert browser.evaluate("crossOriginIsolated"), "threads"
    browser.evaluate(KEEP)
    browser.evaluate("window.first = frame()")
    browser.key("ArrowRight", True)
    browser.wait('parseInt(text("caption").slice(6)) >= 4')
    browser.key("ArrowRight", False)
    assert browser.evaluate("frame() !== first")
    browser.evaluate('var m = document.getElementById("moment"); m.value = 1; m.dispatchEvent(new Event("input"))')
    browser.wait('text("caption").startsWith("frame 1 ")')
    browser.evaluate("document.querySelector('#pad button[data-intent=\"left\"]').click()")
    browser.wait('text("caption").startsWith("frame 2 · left") && document.getElementById("moment").max === "2"')
    assert float(browser.evaluate('text("code-note")').split()[0]) > 0
    browser.evaluate('document.getElementById("run").click()')
    browser.wait('parseInt(text("caption").slice(6)) >= 12')
    browser.evaluate('document.getElementById("run").click()')
    browser.evaluate('document.getElementById("save").click()')
    browser.evaluate('saved.then((blob) => give("load", new File([blob], "dream.json")))')
    browser.wait('text("status").startsWith("Replayed: the same frames")')
    browser.evaluate('give("load", new File(["{}"], "dream.json"))')
    browser.wait('text("status").startsWith("replay: is not in the format")')
    data = base64.b64encode((recordings / "episode_000001.mp4").read_bytes()).decode()
    browser.evaluate(f'give("upload", new File([Uint8Array.from(atob("{data}"), (c) => c.charCodeAt(0))], "mine.mp4"))')
    browser.wait('text("status").startsWith("Scene upload mine.mp4")')
    browser.evaluate('document.getElementById("step").click()')
    browser.wait('text("caption").startsWith("frame 1 · stay")')
    browser.evaluate("""window.film = new Promise((done) => {
      const make = URL.createObjectURL;
      URL.createObjectURL = (blob) => (done(blob), make(blob));
    }); 0""")
    browser.evaluate('document.querySelector("#recordings button").click()')
    assert browser.evaluate("film.then((blob) => blob.type === 'video/webm' && blob.size > 500)")
    browser.look(1280, 900, "light", Path(os.environ.get("VIDEOVQ_SHOTS", tmp_path)) / "in_browser.png")
    assert browser.errors == []
