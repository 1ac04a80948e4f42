"""Small recordings of every format, written with the format's own library, and what a reader makes of them."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import h5py
import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from videovq.config import DeclareConfig
from videovq.prep.sources.contract import Entry, RawEpisode, Reader
from videovq.prep.sources.formats import open_reader

NOWHERE = Path("/nowhere")


def pictures(count: int, seed: int = 0, height: int = 8, width: int = 16) -> np.ndarray:
    """Noise, so that no frame and no channel is like another."""
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def read_all(format_: str, folder: Path, **declared: Any) -> tuple[Reader, dict[str, tuple[Entry, RawEpisode]]]:
    """The reader of a format, and every episode that it finds."""
    reader = open_reader(format_, DeclareConfig(**declared), folder)
    return reader, {id_: (entry, reader.read(entry)) for id_, entry in reader.find(folder, NOWHERE).items()}


def frames_of(raw: RawEpisode) -> UInt8[Tensor, "t h w c"]:
    return torch.cat(list(raw.frames()))


def same(raw: RawEpisode, frames: np.ndarray, actions: Any) -> bool:
    """Whether an episode holds exactly these frames and actions."""
    expected = torch.as_tensor(np.asarray(actions)).reshape(len(frames), -1)
    return np.array_equal(frames_of(raw).numpy(), frames) and torch.equal(raw.actions, expected.to(raw.actions.dtype))


def encode(
    path: Path,
    frames: np.ndarray,
    codec: str = "libx264rgb",
    pixels: str = "rgb24",
    at: list[int] | None = None,
    **options: str,
) -> None:
    """A lossless video in the container that the name's ending says; ``at``: time of each frame in milliseconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixels
        stream.options = options or {"qp": "0"}
        stream.codec_context.time_base = Fraction(1, 1000)
        for t, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = at[t] if at else 100 * t, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_hdf5(path: Path, episodes: dict[str, dict[str, np.ndarray]]) -> None:
    with h5py.File(path, "w") as file:
        for key, datasets in episodes.items():
            for name, values in datasets.items():
                file[f"{key}/{name}"] = values


def csgo_action(keys: tuple[int, ...] = (), mouse_x: int = 11, mouse_y: int = 7) -> np.ndarray:
    found = np.zeros(51)
    found[[*keys, 13 + mouse_x, 36 + mouse_y]] = 1
    return found


def write_csgo(path: Path, frames: np.ndarray, actions: list[np.ndarray], died: tuple[int, ...] = ()) -> None:
    """As dm_pretrain_process.py of Pearce and Zhu writes it."""
    with h5py.File(path, "w") as file:
        for t, action in enumerate(actions):
            file[f"frame_{t}_x"] = frames[t][..., ::-1]
            file[f"frame_{t}_xaux"] = np.zeros(54)
            file[f"frame_{t}_y"] = action
            file[f"frame_{t}_helperarr"] = np.array([0.0, float(t in died)])


def vpt_line(keys: tuple[str, ...] = (), buttons: tuple[int, ...] = (), **changes: Any) -> dict[str, Any]:
    mouse = {"x": 640.0, "y": 360.0, "dx": 0.0, "dy": 0.0, "buttons": list(buttons), "newButtons": []}
    return {
        "mouse": {**mouse, **{name: changes.pop(name) for name in list(changes) if name in mouse}},
        "keyboard": {"keys": [f"key.keyboard.{key}" for key in keys], "newKeys": [], "chars": ""},
        "hotbar": 0,
        "tick": 0,
        "isGuiOpen": False,
        **changes,
    }


def write_vpt(folder: Path, name: str, frames: np.ndarray, lines: list[Any]) -> None:
    encode(folder / f"{name}.mp4", frames)
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_teco_minecraft(folder: Path, name: str, frames: np.ndarray, actions: list[int]) -> None:
    encode(folder / f"{name}.mp4", frames)
    matrices = np.zeros((len(actions), 4, 4))
    np.savez(folder / f"{name}.npz", actions=np.array(actions), mv_matrices=matrices, proj_matrices=matrices)


def write_images(folder: Path, images: dict[str, np.ndarray]) -> None:
    """Pictures by their names, whose endings choose the format."""
    for name, image in images.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / name)
