"""What preparing and loading cost, in one run.

    python benchmarks/prep.py EPISODES CODE_STORE [TRAINING_STEP_SECONDS] [--frames N] [--workers N] [--size PIXELS]

EPISODES: a folder of recordings (NAME.mp4 + NAME.json). Prep: frames a second as a fraction of bare PyAV decoding
of the same files with as many processes, as everybody writes it and with one conversion to RGB set up for all
frames, as prep has it; peak memory of a worker for a quarter of the episodes and for all, and for an episode of N
(1,000) frames and one of 16 times as many.
Loading: windows of 16 frames of codes from CODE_STORE on one core, as multiples of real time, and as part of a
training step of 8 windows (by default one second, about what the small preset takes on two cores).
"""

from arguments import arguments, there

if __name__ == "__main__":  # before what takes long to import
    source, codes, step, short, WORKERS, SIZE = arguments(
        __doc__, EPISODES=there, CODE_STORE=there, TRAINING_STEP_SECONDS=1.0, frames=1000, workers=2, size=84
    )

import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import av
import torch
from av.video.reformatter import VideoReformatter

from videovq.config import PrepConfig
from videovq.data.folders import open_folder
from videovq.data.store import CodeStore
from videovq.data.video import read_video, write_video
from videovq.data.windows import windows
from videovq.prep.parallel import run_all
from videovq.prep.prepare import write_episodes, write_store
from videovq.prep.staging import open_source
from videovq.prep.survey import make_plan

WINDOW, BATCH = 16, 8


def decode_once(path: Path) -> int:
    """The same as ``decode``, with one conversion for all frames."""
    to_rgb = VideoReformatter()
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "NONE"
        decoded = container.decode(video=0)
        return sum(1 for frame in decoded if to_rgb.reformat(frame, format="rgb24").to_ndarray().size)


def decode(path: Path) -> int:
    """Number of frames of a video, decoded to RGB and thrown away."""
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "NONE"
        return sum(1 for frame in container.decode(video=0) if frame.to_ndarray(format="rgb24").size)


def bare(how: Callable[[Path], int], paths: list[Path], pool: ProcessPoolExecutor) -> tuple[int, float]:
    """Frames, and seconds to decode them."""
    start = time.perf_counter()
    return sum(pool.map(how, paths)), time.perf_counter() - start


def peak_of_a_worker(source: str, episodes: int, size: int) -> float:
    """MiB at the most in a process that prepares that many episodes."""
    with tempfile.TemporaryDirectory() as folder:
        with open_source(source, ()) as opened:
            plan = make_plan(PrepConfig(source, f"{folder}/store", episodes=episodes, frame_size=size), opened)
        Path(f"{folder}/store").mkdir()
        for _ in run_all(partial(write_episodes, plan, open_folder(f"{folder}/store")), plan.shards, 1):
            pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write_long(folder: Path, recording: Path, length: int) -> None:
    """A recording over and over, up to that many frames."""
    sidecar = json.loads(recording.with_suffix(".json").read_text())
    again = islice(cycle(zip(read_video(recording), sidecar["actions"], strict=True)), length)
    frames, actions = zip(*again, strict=True)
    write_video(folder / "long.mp4", (frame.numpy() for frame in frames), sidecar["fps"])
    told = {"actions": actions, "fps": sidecar["fps"], "action_legend": sidecar["action_legend"]}
    (folder / "long.json").write_text(json.dumps(told))


if __name__ == "__main__":
    paths = sorted(Path(source).rglob("*.mp4"))
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=spawn) as pool:
        list(pool.map(decode, paths[:WORKERS]))  # the processes have started
        frames, decoding = bare(decode, paths, pool)
        _, once = bare(decode_once, paths, pool)
    with tempfile.TemporaryDirectory() as folder:
        Path(f"{folder}/store").mkdir()
        start = time.perf_counter()
        with open_source(source, ()) as opened:
            plan = make_plan(PrepConfig(source, f"{folder}/store", workers=WORKERS, frame_size=SIZE), opened)
            write_store(plan, open_folder(f"{folder}/store"))
        preparing = time.perf_counter() - start
        size = sum(path.stat().st_size for path in Path(folder).rglob("*")) / frames
    print(
        f"bare decoding with {WORKERS} processes: {frames / decoding:.0f} frames/s, one conversion: {frames / once:.0f}"
    )
    print(
        f"prep: {frames / preparing:.0f} frames/s, {decoding / preparing:.2f} and {once / preparing:.2f} of that;"
        f" {size:.0f} bytes a frame"
    )
    for part in (len(paths) // 4, len(paths)):
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            peak = pool.submit(peak_of_a_worker, source, part, SIZE).result()
        print(f"a worker that prepares {part} episodes takes {peak:.0f} MiB at most")
    lengths = {}
    for length in (short, 16 * short):
        with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, mp_context=spawn) as pool:
            write_long(Path(folder), paths[0], length)
            lengths[length] = pool.submit(peak_of_a_worker, folder, 1, SIZE).result()
    more = lengths[16 * short] / lengths[short]
    print(f"an episode of {16 * short:,} frames takes {more:.2f} of the memory that one of {short:,} takes")

    store = CodeStore(codes)
    found = windows(store.split("train"), WINDOW, 1)
    torch.set_num_threads(1)
    chosen = torch.randint(len(found), (2000,), generator=torch.Generator().manual_seed(0)).tolist()
    start = time.perf_counter()
    for at in range(0, len(chosen), BATCH):
        parts = [
            store.read(w.episode, w.start, w.start + w.length) for w in (found[i] for i in chosen[at : at + BATCH])
        ]
        torch.stack([p.codes for p in parts])
    loading = (time.perf_counter() - start) / len(chosen)
    print(
        f"loading: {1 / loading:.0f} windows/s on one core, {WINDOW / store.header.fps / loading:.0f} times real time;"
        f" {BATCH * loading / step:.4f} of a training step of {step:g} s"
    )
