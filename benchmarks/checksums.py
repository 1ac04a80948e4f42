"""The checksums of a benchmark, by which `videovq record --benchmark` knows that it recorded the same.

    python benchmarks/checksums.py configs/benchmarks/NAME.yaml TEST [--package vizdoom]

Plays every episode of the settings, the first TEST of which are to test on, and writes NAME.json beside them.
"""

from arguments import arguments, there

if __name__ == "__main__":  # before what takes long to import
    path, test, package = arguments(__doc__, CONFIG=there, TEST=int, package="vizdoom")

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import metadata
from pathlib import Path

from videovq.config import RecordConfig
from videovq.parsing import read_config
from videovq.prep.record import watch_episode
from videovq.progress import progress
from videovq.storage import write_json


def main() -> None:
    config, out = read_config(RecordConfig, path), Path(path).with_suffix(".json")
    if not config.benchmark:
        raise ValueError(f"{path}: benchmark is not set; name it there")
    rows = []
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(config.workers, spawn) as pool, progress(config.episodes, "play", "episode") as bar:
        for i, (*_, checksum) in enumerate(pool.map(partial(watch_episode, config), range(config.episodes))):
            rows.append({"split": "test" if i < test else "train", "sha256": checksum})
            bar.update()
    write_json(out, {"package": package, "version": metadata.version(package), "episodes": rows})
    print(f"{out}: the checksums of {config.episodes} episodes")


if __name__ == "__main__":
    main()
