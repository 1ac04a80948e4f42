"""Throughput of `videovq encode` as a fraction of the bare encoder's, on the same frames in one run.

python benchmarks/encoding.py VQVAE_RUN EPISODE_STORE
"""

from arguments import arguments, there

if __name__ == "__main__":  # before what takes long to import
    run, folder = arguments(__doc__, VQVAE_RUN=there, EPISODE_STORE=there)

import tempfile
import time
from pathlib import Path

import torch

from videovq.allocator import keep_freed_memory
from videovq.config import EncodeConfig
from videovq.data.store import EpisodeStore, shard_name
from videovq.frames import to_float
from videovq.runs import load_vqvae
from videovq.training.encode import encode

SHARDS = 4
keep_freed_memory()
whole = EpisodeStore(folder)
with tempfile.TemporaryDirectory() as temporary:
    part = Path(temporary) / "part"
    part.mkdir()
    for index in range(SHARDS):
        for ending in ("safetensors", "json"):
            name = f"{shard_name(index)}.{ending}"
            (part / name).symlink_to((whole.folder.path / name).resolve())
    header = (whole.folder.path / "store.json").read_text()
    (part / "store.json").write_text(header.replace(f'"shards": {whole.header.shards}', f'"shards": {SHARDS}'))
    store = EpisodeStore(part)
    frames = sum(info.length for info in store.episodes)
    network = load_vqvae(run).network.to(memory_format=torch.channels_last)
    rates: dict[str, list[float]] = {"bare": [], "encode": []}
    for repeat in range(2):
        start = time.perf_counter()
        with torch.inference_mode():
            for index in range(SHARDS):
                for chunk in store.shard(index)["frames"].split(64):
                    network.encoder(to_float(chunk))
        rates["bare"].append(frames / (time.perf_counter() - start))
        start = time.perf_counter()
        encode(EncodeConfig(store=str(part), vqvae=run, out=f"{temporary}/codes-{repeat}"))
        rates["encode"].append(frames / (time.perf_counter() - start))
bare, full = max(rates["bare"]), max(rates["encode"])
print(f"videovq encode: {full / bare:.2f} of the bare encoder ({full:.0f} against {bare:.0f} frames/s)")
