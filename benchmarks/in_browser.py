"""Speed of the page that dreams by itself, in a headless Chromium.

    python benchmarks/in_browser.py FOLDER [SECONDS]

FOLDER is what ``videovq play --in-browser FOLDER`` wrote. Time flows at 30 frames/s, if the networks can; counted are
the frames that the page shows in SECONDS (30), with threads and without.
"""

from arguments import arguments, there

if __name__ == "__main__":  # before what takes long to import
    folder, seconds = arguments(__doc__, FOLDER=there, SECONDS=30.0)

import functools
import http.server
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.play.browser import CHROMIUM, Browser

SHOWN = 'parseInt(document.getElementById("caption").textContent.slice(6)) || 0'


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *about: object) -> None:
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
threading.Thread(target=server.serve_forever, daemon=True).start()
for threads in (True, False):
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(CHROMIUM, Path(profile))
        if not threads:  # the page believes that it has asked for them already
            script = 'sessionStorage.setItem("isolated", "tried")'
            browser.command("Page.addScriptToEvaluateOnNewDocument", source=script)
        browser.command("Page.navigate", url=f"http://127.0.0.1:{server.server_port}/")
        browser.wait('document.getElementById("caption")?.textContent.startsWith("last frame")', 120)
        rate = 'const rate = document.getElementById("rate"); rate.value = 30; rate.dispatchEvent(new Event("input"));'
        browser.evaluate(f'{rate} document.getElementById("run").click()')
        browser.wait(f"({SHOWN}) >= 20", 60)
        first, begun = browser.evaluate(SHOWN), time.perf_counter()
        time.sleep(seconds)
        frames, spent = browser.evaluate(SHOWN) - first, time.perf_counter() - begun
        isolated = browser.evaluate("crossOriginIsolated")
        print(f"{'with threads' if isolated else 'one thread':<13} {frames / spent:5.1f} frames/s", flush=True)
        browser.close()
server.shutdown()
