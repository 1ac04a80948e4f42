"""Every command of a videovq that was installed, by that Python, in an empty folder: ``python smoke.py [EXTRA]``.

Needs nothing but what was installed. A command that needs another extra than this one must say so in one line.
"""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("videovq"))
HANGS = 900.0  # seconds until a command counts as hanging: far more than it takes on a machine that is busy
MODULES = {
    "record": ("vizdoom", "gymnasium"),
    "gym": ("videovq.gym",),
    "umap": ("umap",),
    "hdf5": ("h5py",),
    "parquet": ("pyarrow.parquet",),
    "tfrecord": ("tfrecord",),
    "hub": ("huggingface_hub",),
    "ray": ("ray",),
    "s3": ("s3fs",),
    "gcs": ("gcsfs",),
}
"""What extras bring that a script imports."""
EVERYWHERE = (
    "--version",
    "list",
    "completion bash",
    "rollout --pretrained dmlab-small --frames 2",
    "prep --source {examples} --out store --shard_episodes 1 --workers 1",
    "inspect --store store",
    "encode --pretrained vizdoom --store store --out codes",
    "evaluate vqvae --pretrained vizdoom --store store",
    "evaluate --pretrained vizdoom --store store --frames 2 --out one",
    "compare --reports [one,one]",
    "train vqvae --config debug/train_vqvae --store store --run vqvae --training.steps 2",
    "encode --vqvae vqvae --store store --out own",
    "train predictor --config debug/train_predictor --store own --run predictor --training.steps 2",
    "rollout --predictor predictor --vqvae vqvae --context store --frames 2",
    "pack predictor --vqvae vqvae --out world.zip",
    "rollout --pretrained world.zip --context store --frames 2",
    "make syllables --files 1 --seconds 1",
)
"""Commands in an order in which each finds what it needs."""
WITH_EXTRA = {
    "record --episodes 1 --frames 3 --out recorded": ("record",),
    "demo --no-train --no-serve --episodes 3 --frames 36": ("record",),
    "show codebook --pretrained vizdoom --store store": ("tsne", "umap"),  # which needs scikit-learn as well
    "show codebook --pretrained vizdoom --store store --layout umap --out map": ("umap",),
    "export --predictor predictor --vqvae vqvae": ("export",),
}
"""Commands with the extras of which each needs one; the first is what it asks for."""


def run(words: str) -> tuple[int, str]:
    """Exit code, and all that a command printed."""
    done = subprocess.run([COMMAND, *shlex.split(words)], stdout=-1, stderr=-2, text=True, timeout=HANGS)
    return done.returncode, done.stdout.strip()


def works(words: str) -> str:
    """What is wrong with a command that should work; empty: nothing."""
    code, said = run(words)
    return f"`videovq {words}` ended with {code}: {said[-2000:]}" if code else ""


def asks_for(extra: str, words: str) -> str:
    """What is wrong with how a command that lacks an extra says so."""
    code, said = run(words)
    last = said.splitlines()[-1] if said else ""
    fine = code == 2 and last.startswith("error: ") and f"[{extra}]" in last
    return "" if fine else f"`videovq {words}` should ask for [{extra}], but ended with {code}: {said[-2000:]}"


def every_help() -> list[str]:
    """The commands whose ``--help`` does not answer."""
    from videovq.cli import COMMANDS, TEXTS, main

    return [f"`videovq {name} --help` fails" for name in (*COMMANDS, *TEXTS) if main([*name.split(), "--help"])]


def plays() -> str:
    """What is wrong with the page of ``play``: it starts, and answers."""
    words = [COMMAND, "play", "--pretrained", "vizdoom", "--no-open", "--port", "0"]
    with Path("play.log").open("w") as log:
        served = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        until = time.monotonic() + HANGS
        while served.poll() is None and time.monotonic() < until:
            if link := re.search(r"http://\S+", Path("play.log").read_text()):
                with urllib.request.urlopen(link[0], timeout=30) as page:
                    return "" if b"<html" in page.read().lower() else f"{link[0]} is no page"
            time.sleep(0.2)
        return f"`videovq play` shows no link: {Path('play.log').read_text()[-2000:]}"
    finally:
        served.terminate()
        served.wait()


def main(extra: str = "") -> int:
    import videovq

    if not Path(videovq.__file__).is_relative_to(sys.prefix):
        print(f"this is the videovq of {videovq.__file__}, not the one that was installed")
        return 1
    faults = every_help()
    for module in MODULES.get(extra, ()):
        importlib.import_module(module)
    examples = Path(videovq.__file__).parent / "pretrained" / "vizdoom" / "examples"
    faults += [works(words.format(examples=shlex.quote(str(examples)))) for words in EVERYWHERE]
    for words, needs in WITH_EXTRA.items():
        faults.append(works(words) if extra in needs else asks_for(needs[0], words))
    faults.append(plays() if extra == "play" else asks_for("play", "play --pretrained vizdoom --no-open --port 0"))
    found = [fault for fault in faults if fault]
    print("\n".join(found) or "every command works")
    return len(found) > 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
