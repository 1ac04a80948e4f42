"""``videovq encode``: EpisodeStore + VQ-VAE run -> CodeStore."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64, Shaped, UInt8
from torch import Tensor

from videovq import __version__
from videovq.allocator import keep_freed_memory
from videovq.config import EncodeConfig, TrainPredictorConfig
from videovq.data.codes import to_stored
from videovq.data.folders import Folder, open_folder
from videovq.data.store import (
    FORMAT_VERSION,
    CodeStore,
    EpisodeStore,
    claimed,
    read_device,
    read_shard_index,
    shard_is_complete,
    write_shard,
)
from videovq.errors import UserError
from videovq.follow_up import free, typed
from videovq.frames import to_float
from videovq.models.quantizers.contract import Quantizer
from videovq.models.tf32 import without_tf32
from videovq.progress import progress
from videovq.rollout.engine import find_device
from videovq.runs import load_vqvae, vqvae_run
from videovq.storage import write_tensors
from videovq.types import ActionSpec


@runtime_checkable
class Encoder(Protocol):
    """A network that turns frames into codes; ``stride``: pixels of a code's sides."""

    stride: int

    @property
    def device(self) -> torch.device: ...
    @property
    def quantizer(self) -> Quantizer: ...
    def encode(self, frames: Float[Tensor, "b c h w"]) -> Int64[Tensor, "b y x"]:
        """Codes of frames in -0.5..0.5."""

    def to(self, *args: Any, **kwargs: Any) -> Any: ...


def encode(config: EncodeConfig) -> CodeStore:
    """Encode every shard of ``config.store``; shards that an interrupted run completed are kept.

    Raises:
        UserError: store and VQ-VAE do not fit, or ``config.out`` holds codes of another VQ-VAE or store.
    """
    store = EpisodeStore(config.store)
    trained = load_vqvae(vqvae_run(config.vqvae, config.pretrained))
    if trained.frame_size != store.header.grid:
        raise UserError(
            f"{config.vqvae}: was trained on frames of {trained.frame_size}, but {store} has {store.header.grid}"
        )
    swap = mirrored_actions(store.header.action_spec) if config.mirror else None
    by = {"pretrained": config.pretrained} if config.pretrained else {"vqvae": config.vqvae}
    device = find_device(config.device)
    found = encode_store(store, trained.network, trained.codes_of, config.out, config.batch_size, swap, by, device)
    print(f"next: {typed('train predictor', store=config.out, run=free(TrainPredictorConfig.run))}")
    return found


def written_by(store: CodeStore) -> dict[str, str]:
    """The option that names the VQ-VAE whose codes a store holds, as far as the store knows."""
    encoded = store.header.provenance.get("encoded", {})
    return {name: value for name, value in encoded.items() if name in ("vqvae", "pretrained")}


def encode_store(
    store: EpisodeStore,
    network: Encoder,
    fingerprint: str,
    folder: str,
    batch_size: int,
    swap: Int64[Tensor, "k"] | None,
    by: dict[str, str],
    device: torch.device,
) -> CodeStore:
    """Write every shard's codes into ``folder``.

    Args:
        fingerprint: of what encodes.
        swap: for every action the one that does the same in a mirror, to encode training episodes mirrored too.
        by: the option that names what encodes.
        device: what computes.

    Raises:
        UserError: ``folder`` holds other codes.
    """
    out = open_folder(folder)
    origin: dict[str, Any] = {
        "vqvae": fingerprint,
        "episodes": [[e.id, e.split, e.shard, e.start, e.length, e.sha256] for e in store.episodes],
        "header": {"grid": list(store.header.grid), "provenance": store.header.provenance},
    }
    if store.rewarded:
        origin["rewards"] = True
    if swap is not None:
        origin["mirror"] = True
    with claimed(out, "origin.json", origin, "episodes or settings, or by another VQ-VAE"):
        _encode(store, network.to(device), fingerprint, out, batch_size, swap, {"episodes": str(store), **by})
    found = CodeStore(folder)
    rows, columns = found.header.grid
    total = sum(info.length for info in found.episodes)
    print(f"{out}: {len(found.episodes)} episodes, {total} frames as {rows}x{columns} codes")
    return found


def _encode(
    store: EpisodeStore,
    network: Encoder,
    fingerprint: str,
    out: Folder,
    batch_size: int,
    swap: Int64[Tensor, "k"] | None,
    encoded: dict[str, Any],
) -> None:
    keep_freed_memory()
    network = network.to(memory_format=torch.channels_last)
    todo = [i for i in range(store.header.shards) if not shard_is_complete(out, i)]
    sizes = [sum(info.length for info in store.episodes if info.shard == i) for i in range(store.header.shards)]
    with progress(sum(sizes), "encode", "frame", done=sum(n for i, n in enumerate(sizes) if i not in todo)) as bar:
        for index in todo:
            tensors, (infos, _) = store.shard(index), read_shard_index(store.folder, index)
            frames, kept = tensors["frames"], {n: z.clone() for n, z in tensors.items() if n in ("actions", "rewards")}
            codes = encode_frames(network, frames, batch_size)
            if swap is not None and infos and infos[0].split == "train":
                codes = torch.cat([codes, encode_frames(network, frames, batch_size, mirrored=True)])
                twins = {**kept, "actions": swap[kept["actions"]]}
                kept = {name: torch.cat([kept[name], twins[name]]) for name in kept}
                infos += [replace(e, id=f"{e.id}~mirrored", start=e.start + len(frames)) for e in infos]
            write_shard(out, index, {"codes": codes, **kept}, infos, device=network.device.type)
            bar.update(len(frames))
    if not (out.path / "store.json").exists():
        kinds = {read_device(out, i) for i in range(store.header.shards)} - {""}
        devices = {"devices": sorted(kinds)} if len(kinds) > 1 else {}
        _finish(out, store, network, fingerprint, {**encoded, **devices})


@torch.inference_mode()
def encode_frames(
    network: Encoder, frames: UInt8[Tensor, "t h w c"], batch_size: int, mirrored: bool = False
) -> Shaped[Tensor, "t y x"]:
    """Codes of frames as they are stored, in float32 whatever the training's precision, so that every machine finds the
    same codes, but where a vector is about as near to two of them.

    Args:
        mirrored: left and right swapped.
    """
    with without_tf32():
        parts = (part.to(network.device) for part in frames.split(batch_size))
        codes = (network.encode(to_float(part.flip(2) if mirrored else part)) for part in parts)
        return torch.cat([to_stored(part, network.quantizer.codebook_size) for part in codes])


def mirrored_actions(spec: ActionSpec) -> Int64[Tensor, "k"]:
    """The mirror image of every discrete action: left and right swapped in its name.

    Raises:
        UserError: the actions are not discrete, or one has no counterpart.
    """
    hand = {"left": "right", "right": "left"}
    twins = ["".join(hand.get(word, word) for word in re.split("(left|right)", name)) for name in spec.names]
    missing = sorted(set(twins) - set(spec.names))
    if spec.kind != "discrete" or not spec.names or missing:
        why = f"there is no {missing[0]}" if missing else "these actions have none"
        raise UserError(f"mirror: needs discrete actions with names, of which left and right have counterparts; {why}")
    return torch.tensor([spec.names.index(twin) for twin in twins])


def _finish(out: Folder, store: EpisodeStore, network: Encoder, fingerprint: str, encoded: dict[str, Any]) -> None:
    quantizer = network.quantizer
    write_tensors(out.path / "codebook.safetensors", {"codebook": quantizer.code_vectors().float().cpu().contiguous()})
    out.send("codebook.safetensors")
    stride = network.stride
    replace(
        store.header,
        kind="codes",
        format_version=FORMAT_VERSION,
        grid=(store.header.grid[0] // stride, store.header.grid[1] // stride),
        codebook_size=quantizer.codebook_size,
        fingerprint=fingerprint,
        provenance={**store.header.provenance, "videovq": __version__, "encoded": encoded},
    ).write(out)
