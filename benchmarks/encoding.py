"""Throughput of `videovq encode` as a fraction of the bare encoder's, on the same frames in one run.

python benchmarks/encoding.py VQVAE_RUN EPISODE_STORE [--device auto]
"""

from arguments import arguments, there

if __name__ == "__main__":  # before what takes long to import
    run, folder, name = arguments(__doc__, VQVAE_RUN=there, EPISODE_STORE=there, device="auto")

import tempfile
from pathlib import Path

import torch
from measuring import device_name

from videovq.allocator import keep_freed_memory
from videovq.config import EncodeConfig
from videovq.data.store import EpisodeStore, shard_name
from videovq.frames import to_float
from videovq.models.tf32 import without_tf32
from videovq.rollout.engine import find_device
from videovq.runs import load_vqvae
from videovq.training.encode import encode
from videovq.training.step_time import now

SHARDS = 4
keep_freed_memory()
device, batch = find_device(name), EncodeConfig.batch_size
whole = EpisodeStore(folder)
with tempfile.TemporaryDirectory() as temporary:
    part = Path(temporary) / "part"
    part.mkdir()
    for index in range(SHARDS):
        for ending in ("safetensors", "json"):
            file = f"{shard_name(index)}.{ending}"
            (part / file).symlink_to((whole.folder.path / file).resolve())
    header = (whole.folder.path / "store.json").read_text()
    (part / "store.json").write_text(header.replace(f'"shards": {whole.header.shards}', f'"shards": {SHARDS}'))
    store = EpisodeStore(part)
    frames = sum(info.length for info in store.episodes)
    network = load_vqvae(run).network.to(device, memory_format=torch.channels_last)
    rates: dict[str, list[float]] = {"bare": [], "encode": []}
    for repeat in range(3):
        start = now(device)
        with torch.inference_mode(), without_tf32():
            for index in range(SHARDS):
                for chunk in store.shard(index)["frames"].split(batch):
                    network.encoder(to_float(chunk.to(device)))
        rates["bare"].append(frames / (now(device) - start))
        start = now(device)
        encode(EncodeConfig(store=str(part), vqvae=run, out=f"{temporary}/codes-{repeat}", device=str(device)))
        rates["encode"].append(frames / (now(device) - start))
bare, full = (max(rates[what][1:]) for what in ("bare", "encode"))  # the first of each warms up
print(f"{device_name(device)}, float32, batch {batch}")
print(f"videovq encode: {full / bare:.2f} of the bare encoder ({full:.0f} against {bare:.0f} frames/s)")
