"""A stranger's way, from nothing but Python: install the wheel, see the demo, predict a video of one's own, push its
world to a hub, and take it from there and play in it on another machine.

    python tests/release/stranger.py [--borrow]

Everything is real but the hub, a server on this machine's loopback that speaks its protocol (tests/hub_server.py), and
the other machine: another folder, with another cache. Prints what each step took. --borrow as for check.py.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.hub_server import TOKEN, HubServer
from tests.release.check import borrow, build, environment, run

EXTRAS = "hub,play,record"
NAME = "stranger/corridor"
FILM = """
import av, numpy as np
with av.open("videos/mine.mp4", "w") as film:
    stream = film.add_stream("libx264", rate=10)
    stream.width, stream.height, stream.pix_fmt = 192, 144, "yuv420p"
    for t in range(120):
        picture = np.full((144, 192, 3), (90, 140, 200), np.uint8)
        picture[80:] = (70, 110, 60)
        picture[48:112, (6 * t) % 160:(6 * t) % 160 + 32] = (200, 60, 50)
        film.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
    film.mux(stream.encode())
"""
"""A video of a stranger's: something red passes by."""
OWN = (
    "prep --source videos --out stores/mine",
    "train vqvae --config debug/train_vqvae --store stores/mine --run runs/mine/vqvae",
    "encode --store stores/mine --vqvae runs/mine/vqvae --out stores/mine_codes",
    "train predictor --config debug/train_predictor --store stores/mine_codes --run runs/mine/predictor",
    "rollout --vqvae runs/mine/vqvae --predictor runs/mine/predictor --context stores/mine --out rollouts/mine",
)
"""The README's three lines, with the settings that run through in seconds."""
PUSH = f"push runs/mine/predictor {NAME} --vqvae runs/mine/vqvae --examples stores/mine"
ELSEWHERE = f"rollout --pretrained {NAME} --out rollouts/theirs"
PLAY = f"play --pretrained {NAME} --no-open --port 0"


def plays(command: list[str | Path], **where: object) -> None:
    """Serve the page of ``play``, and open it."""
    served = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **where)  # type: ignore[call-overload]
    try:
        links = (re.search(r"http://\S+", line) for line in served.stdout)
        link = next(found for found in links if found)
        with urllib.request.urlopen(link[0], timeout=60) as page:
            assert b"<html" in page.read().lower(), f"{link[0]} is no page"
    finally:
        served.terminate()
        served.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--borrow", action="store_true", help="link PyTorch from the environment that runs this")
    borrowed, began = parser.parse_args().borrow, time.monotonic()

    def step(what: str, do: Callable[[], object]) -> None:
        start = time.monotonic()
        do()
        print(f"{what}: {time.monotonic() - start:.0f} s", flush=True)

    with tempfile.TemporaryDirectory(prefix="videovq-stranger-") as name:
        scratch = Path(name)
        home, other = scratch / "home", scratch / "other"
        for folder in (home / "videos", other):
            folder.mkdir(parents=True)
        build(scratch / "dist", scratch / "tools")
        [wheel] = (scratch / "dist").glob("*.whl")
        began = time.monotonic()
        python = environment(scratch / "env")
        if borrowed:
            borrow(python, scratch / "borrowed")
        step("install the wheel", lambda: run(python, "-m", "pip", "install", "--quiet", f"{wheel}[{EXTRAS}]"))
        hub = HubServer()
        outside = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        outside |= {"HF_ENDPOINT": hub.address, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}

        def videovq(words: str, folder: Path = home) -> None:
            command = [python.with_name("videovq"), *shlex.split(words)]
            subprocess.run(command, cwd=folder, env=outside | {"HF_HOME": str(folder / "hf")}, check=True)

        step("demo", lambda: videovq("demo --quick"))
        subprocess.run([python, "-c", FILM], cwd=home, env=outside, check=True)
        step("a video of one's own, predicted", lambda: [videovq(words) for words in OWN])
        step("push", lambda: videovq(PUSH))
        step("predict on another machine", lambda: videovq(ELSEWHERE, other))
        there = {"cwd": other, "env": outside | {"HF_HOME": str(other / "hf")}}
        step("play there", lambda: plays([python.with_name("videovq"), *shlex.split(PLAY)], **there))
        pictures = [
            "home/demo/rollouts/deepmind-lab/recorded.gif",
            "home/rollouts/mine.gif",
            "other/rollouts/theirs.gif",
        ]
        missing = [picture for picture in pictures if not (scratch / picture).is_file()]
        print(f"the whole way: {time.monotonic() - began:.0f} s{f', but without {missing}' if missing else ''}")
        return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
