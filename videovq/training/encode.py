"""``videovq encode``: EpisodeStore + VQ-VAE run -> CodeStore."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from videovq import __version__
from videovq.checkpoints import TrainedVQVAE, load_vqvae, vqvae_run
from videovq.config import EncodeConfig
from videovq.data.store import (
    CodeStore,
    EpisodeStore,
    claim_folder,
    read_shard_index,
    shard_is_complete,
    write_shard,
    write_tensors,
)
from videovq.frames import to_float
from videovq.models.vqvae import VQVAE
from videovq.progress import progress
from videovq.training.memory import keep_freed_memory


def encode(config: EncodeConfig) -> CodeStore:
    """Encode every shard of ``config.store``; shards that an interrupted run completed are kept.

    Raises:
        ValueError: store and VQ-VAE do not fit, or ``config.out`` holds codes of another VQ-VAE or store.
    """
    store = EpisodeStore(config.store)
    trained = load_vqvae(vqvae_run(config.vqvae, config.pretrained))
    if trained.frame_size != store.header.grid:
        raise ValueError(
            f"{config.vqvae}: was trained on frames of {trained.frame_size}, but {store.folder} has {store.header.grid}"
        )
    if config.batch_size < 1:
        raise ValueError("batch_size: must be at least 1")
    out = Path(config.out)
    origin = {
        "vqvae": trained.fingerprint,
        "episodes": [[e.id, e.split, e.shard, e.start, e.length, e.sha256] for e in store.episodes],
        "header": {"grid": list(store.header.grid), "provenance": store.header.provenance},
    }
    claim_folder(out, "origin.json", origin, "episodes, or by another VQ-VAE")

    keep_freed_memory()
    network = trained.network.to(memory_format=torch.channels_last)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device)
    todo = [i for i in range(store.header.shards) if not shard_is_complete(out, i)]
    total = sum(e.length for e in store.episodes)
    with progress(total, "encode", "frame", done=sum(e.length for e in store.episodes if e.shard not in todo)) as bar:
        for index in todo:
            tensors = store.shard(index)
            parts = []
            for chunk in tensors["frames"].split(config.batch_size):
                parts.append(encode_frames(network, chunk.to(device)).to(torch.int16).cpu())
                bar.update(len(chunk))
            infos, _ = read_shard_index(store.folder, index)
            write_shard(out, index, {"codes": torch.cat(parts), "actions": tensors["actions"].clone()}, infos)
    if not (out / "store.json").exists():
        _finish(out, store, trained)
    codes = CodeStore(out)
    print(
        f"{out}: {len(codes.episodes)} episodes, {total} frames as {codes.header.grid[0]}x{codes.header.grid[1]} codes"
    )
    return codes


@torch.inference_mode()
def encode_frames(network: VQVAE, frames: UInt8[Tensor, "t h w c"]) -> Int64[Tensor, "t y x"]:
    """Codes of frames, in float32 whatever the training's precision, so that every machine finds the same codes."""
    return network.encode(to_float(frames))


def _finish(out: Path, store: EpisodeStore, trained: TrainedVQVAE) -> None:
    quantizer = trained.network.quantizer
    write_tensors(out / "codebook.safetensors", {"codebook": quantizer.code_vectors().float().cpu().contiguous()})
    stride = trained.network.stride
    replace(
        store.header,
        kind="codes",
        grid=(store.header.grid[0] // stride, store.header.grid[1] // stride),
        codebook_size=quantizer.codebook_size,
        fingerprint=trained.fingerprint,
        provenance={**store.header.provenance, "videovq": __version__},
    ).write(out)
