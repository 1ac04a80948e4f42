"""Whether a change of the code leaves every number as it was, to the last bit.

    python benchmarks/unchanged.py record FOLDER [--only NAME ...]
    python benchmarks/unchanged.py compare FOLDER

``record``, before the change, makes tiny recordings from seeds; prepares, encodes and trains all that
benchmarks/cases.py lists; goes on with each training; draws from every predictor and from the worlds that ship,
measures, and plays. It keeps the folder with all of that, and in ``record.json`` the loss of every step and the sha256
of every array.

``compare``, after the change, makes all of it again with the code of today. Then it takes a copy of the folder that the
code of then made: the same commands must find their work done, go on with its trainings, draw and measure the same.

Neither imports more of videovq than its command line, ``videovq.load`` and ``videovq.gym``. Bits depend on the
processor, the number of threads and the versions of libraries, so where these are others nothing is compared.
"""

import os

from arguments import arguments

if __name__ == "__main__":  # before what takes long to import
    task, target, only = arguments(__doc__, WHAT=("record", "compare"), FOLDER=str, only=["all"])
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import contextlib
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from cases import DRAWN, LONGER, MADE, with_needs, write_sources
from facts import Facts, facts_of, flat, machine, sha256, watched

import videovq
from videovq.cli import main

RECORD = "record.json"
SHOWN = 3  # differences of a case

# ---------------------------------------------------------------- what is done


def run(name: str, command: str, folder: str, *words: str) -> Facts:
    """Run a case's command with its YAML file, in this process.

    Args:
        folder: that it writes.
    """
    out = f"--run={folder}" if command.startswith("train") else f"--out={folder}"
    command_line = [
        *command.split(),
        f"--config=yaml/{name}.yaml",
        f"{out}/rollout" if command == "rollout" else out,
        *words,
    ]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), watched() as found:
        code = main(command_line)
    if code:
        raise ValueError(
            f"`videovq {' '.join(command_line)}` ended with {code}: {said.getvalue().strip().splitlines()[-1]}"
        )
    return {**found, **facts_of(folder)}


def again(name: str, command: str, folder: str) -> Facts:
    """The same command where its work is done; a copy of a training goes on."""
    if not command.startswith("train"):
        return run(name, command, folder)
    longer = f"longer/{folder}"
    shutil.copytree(folder, longer)
    return run(name, command, longer, f"--training.steps={LONGER}")


def loaded() -> Facts:
    """What ``videovq.load`` gives notebooks: codes, frames, and a prediction."""
    model = videovq.load(vqvae="vqvae/ema", predictor="predictor/patch", device="cpu")
    frames = np.random.default_rng(0).integers(0, 256, (4, *model.vqvae.frame_size, 3), dtype=np.uint8)
    codes, found = model.encode(frames), model.predict(frames, ["left", 0, "right", 1, 2], samples=2, seed=5)
    arrays = {"codes": codes, "decoded": model.decode(codes), "predicted": found.codes, "frames": found.frames}
    return {name: sha256(array.numpy().tobytes()) for name, array in arrays.items()}


def environments() -> Facts:
    """What one and three of ``videovq/Dream-v0`` give an agent."""
    import gymnasium

    import videovq.gym  # noqa: F401  which registers it

    world = {
        "vqvae": "vqvae/ema",
        "predictor": "predictor/patch-outcomes",
        "context": "stores/rewarded",
        "device": "cpu",
    }
    found = {}
    for name, number, make in (("one", 1, gymnasium.make), ("three", 3, gymnasium.make_vec)):
        several = {"num_envs": number} if number > 1 else {}
        environment = make("videovq/Dream-v0", **several, **world, observations="codes", context_frames=3)
        seen, _ = environment.reset(seed=0)
        told = [seen]
        for t in range(6):
            told += environment.step(np.arange(t, t + number) % 3 if several else t % 3)[:3]
        environment.close()
        found[name] = sha256(*(np.asarray(one).tobytes() for one in told))
    return found


def played() -> Facts:
    """What the page of ``videovq play`` is sent, and the replay that it saves; where there is one already, of that."""
    from websockets.sync.client import connect

    words = [
        "--vqvae=vqvae/ema",
        "--predictor=predictor/patch-muon",
        "--store=stores/discrete",
        "--port=0",
        "--no-open",
    ]
    command = [sys.executable, "-m", "videovq", "play", *words, "--precision=32-true", "--device=cpu"]
    where = {**os.environ, "PYTHONPATH": str(Path(videovq.__file__).parents[1])}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=where)
    kept = Path("replay.json")
    try:
        said = []
        while not (link := re.search(r"http(://\S+/)(\?token=\S+)", said[-1] if said else "")):
            said.append(server.stdout.readline())
            if not said[-1]:
                raise ValueError(f"`videovq play` ended: {' '.join(said)}")
        with connect(f"ws{link[1]}play{link[2]}", max_size=None) as page:
            hello = json.loads(page.recv())
            usual = {"temperature": 0.8, "top_k": 0, "top_p": 0.95}
            start = {"type": "start", "clip": hello["clips"][0]["name"], "seed": 7, "guidance": 2, "sampling": usual}
            replay = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
            page.send(json.dumps({"type": "load", "replay": replay} if replay else start))
            begun = json.loads(page.recv())
            if begun["type"] != "started":
                raise ValueError(f"`videovq play` said: {begun}")
            packets = [shown(page, 0)]
            for t, action in enumerate(replay.get("actions") or [[1], [1], [0], [2], [2], [0]], 1):
                page.send(json.dumps({"type": "act", "action": action}))
                packets.append(shown(page, t))
            page.send(json.dumps({"type": "save"}))
            saved = json.loads(page.recv())["replay"]
    finally:
        server.terminate()
        server.communicate()
    kept.write_text(json.dumps(saved), encoding="utf-8")
    return {**dict(flat(saved)), **{f"packet {t}": sha256(packet) for t, packet in enumerate(packets)}}


def shown(page: Any, number: int) -> bytes:
    """The next frame."""
    packet: bytes = page.recv()
    page.send(json.dumps({"type": "acknowledge", "frame": number}))
    return packet


APIS: dict[str, tuple[Callable[[], Facts], list[str]]] = {
    "videovq.load": (loaded, ["predictor/patch", "vqvae/ema"]),
    "videovq.gym": (environments, ["predictor/patch-outcomes", "vqvae/ema", "stores/rewarded"]),
    "play": (played, ["predictor/patch-muon", "vqvae/ema", "stores/discrete"]),
}


# ---------------------------------------------------------------- in order


def done(cases: dict[str, str], folder: Path, old: Path) -> dict[str, Facts]:
    """Make everything in a folder that has its sources and YAML files; use everything in a copy of another.

    Args:
        cases: their names and commands, in order.

    Returns:
        The facts of every case, made and used.
    """
    found: dict[str, Facts] = {}

    def note(title: str, work: Callable[..., Facts], *given: Any) -> None:
        began = time.monotonic()
        try:
            found[title] = work(*given)
        except Exception as error:  # a case of today's code that fails is a difference like another
            found[title] = {"failed": f"{type(error).__name__}: {error}"}
        print(f"{title:<48} {time.monotonic() - began:5.1f} s  {found[title].get('failed', '')}", flush=True)

    os.chdir(folder)
    for name, command in cases.items():
        if name in MADE:
            note(f"made: {name}", run, name, command, name)
        elif name == "play":
            note("made: play", played)
    with tempfile.TemporaryDirectory() as beside:
        copied = shutil.copytree(old, Path(beside, "old"))
        os.chdir(copied)
        for name, command in cases.items():
            if name in APIS:
                note(f"old: {name}", APIS[name][0])
            else:
                note(f"old: {name}", again if name in MADE else run, name, command, name)
        os.chdir(folder)
    return found


def record(folder: Path, names: list[str]) -> int:
    """Make everything, keep it and write down what it is; returns the exit code."""
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder}: is not empty; choose another folder, or remove it")
    every = {**MADE, **DRAWN}
    for name in names:
        if name not in {"all", *every, *APIS}:
            raise ValueError(f"only: no case {name!r}; choose from {', '.join([*every, *APIS])}")
    chosen = [*every, *APIS] if "all" in names else names
    needed = [need for name in chosen for need in (APIS[name][1] if name in APIS else [name])]
    cases = {name: every[name].command for name in with_needs(needed, every)}
    old = folder / "old"
    for name in cases:
        path = old / "yaml" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(every[name].settings), encoding="utf-8")
    write_sources(old)
    cases |= {name: "" for name in chosen if name in APIS}
    facts = done(cases, old, old)
    if failed := [name for name, one in facts.items() if "failed" in one]:
        raise ValueError(f"{len(failed)} cases failed, of which nothing can be written down: {', '.join(failed)}")
    written = {"machine": machine(), "cases": cases, "facts": facts}
    (folder / RECORD).write_text(json.dumps(written, indent=1), encoding="utf-8")
    print(f"{folder}: {len(facts)} cases, {sum(map(len, facts.values()))} facts")
    return 0


def compare(folder: Path) -> int:
    """Make everything again, use what is kept, and say what differs; returns the exit code."""
    if not (folder / RECORD).is_file():
        raise ValueError(f"{folder}: has no {RECORD}; `record` writes one")
    before = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    then, here = before["machine"], machine()
    others = [f"{name}: {then[name]} then, {here[name]} now" for name in then if then[name] != here[name]]
    if others:
        raise ValueError(f"{folder}: nothing can be compared to the last bit here ({'; '.join(others)}); record again")
    with tempfile.TemporaryDirectory() as new:
        for name in ("sources", "yaml"):
            shutil.copytree(folder / "old" / name, Path(new, name))
        now = json.loads(json.dumps(done(before["cases"], Path(new), folder / "old")))
        os.chdir(folder)
    differ = 0
    for title, was in before["facts"].items():
        found = now.get(title, {})
        names = [name for name in {**was, **found} if was.get(name) != found.get(name)]
        names = ["failed"] if "failed" in found else names
        differ += bool(names)
        for name in names[:SHOWN]:
            print(f"DIFFERS  {title}: {name}: {was.get(name)} then, {found.get(name)} now")
        if len(names) > SHOWN:
            print(f"DIFFERS  {title}: {len(names) - SHOWN} more")
    total = sum(map(len, before["facts"].values()))
    end = f"{differ} cases DIFFER" if differ else "all as they were, to the last bit"
    print(f"{len(before['facts'])} cases, {total} facts: {end}")
    return bool(differ)


if __name__ == "__main__":
    place = Path(target).absolute()
    sys.exit(record(place, only) if task == "record" else compare(place))
