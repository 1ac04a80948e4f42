"""A headless Chromium, driven over its DevTools protocol."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from tests.conftest import PATIENCE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--mute-audio")

# What tests say to the page.
KEEP = """
window.frame = () => document.getElementById("frame").toDataURL();
window.text = (id) => document.getElementById(id).textContent;
window.saved = new Promise((done) => {
  const make = URL.createObjectURL;
  URL.createObjectURL = (blob) => (done(blob), make(blob));
});
window.give = (id, file) => {
  const all = new DataTransfer(), input = document.getElementById(id);
  all.items.add(file);
  input.files = all.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
};
"""


class Browser:
    """One page; ``errors`` collects what its console complains about."""

    def __init__(self, program: str, profile: Path) -> None:
        command = [program, *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self.socket = connect(self._page(profile / "DevToolsActivePort"), max_size=None)
        except BaseException:
            self.process.kill()
            raise
        self.number = 0
        self.errors: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.command(f"{domain}.enable")

    @staticmethod
    def _page(port_file: Path) -> str:
        until(lambda: port_file.is_file() and len(port_file.read_text().splitlines()) == 2)
        port = port_file.read_text().splitlines()[0]
        pages: list[str] = []
        until(
            lambda: bool(pages.extend(p["webSocketDebuggerUrl"] for p in listed(port) if p["type"] == "page") or pages)
        )
        return pages[0]

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv(timeout=PATIENCE))
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            event, details = message["method"], message["params"]
            complaint = event == "Runtime.exceptionThrown"
            complaint |= event == "Runtime.consoleAPICalled" and details["type"] in ("error", "warning", "assert")
            complaint |= event == "Log.entryAdded" and details["entry"]["level"] in ("error", "warning")
            if complaint:
                self.errors.append(json.dumps(details))

    def evaluate(self, script: str) -> Any:
        result = self.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, script: str) -> None:
        """Until a script's value is true."""
        until(lambda: bool(self.evaluate(script)))

    def key(self, code: str, down: bool) -> None:
        self.command("Input.dispatchKeyEvent", type="rawKeyDown" if down else "keyUp", code=code, key=code)

    def look(self, width: int, height: int, scheme: str, path: Path) -> None:
        """A screenshot of the whole page in a window of that size."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        time.sleep(0.5)
        shot = self.command("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        self.socket.close()
        self.process.terminate()
        self.process.wait(PATIENCE)


def listed(port: str) -> list[dict[str, str]]:
    """What is open; nothing yet while the browser does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=5) as answer:
            return json.load(answer)
    except OSError:
        return []


def until(holds: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
