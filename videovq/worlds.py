"""Worlds: a VQ-VAE, and the predictor of its codes, in a folder or a .zip file. Those that ship have names."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import zlib
from functools import cache
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from videovq.shipped import WEIGHTS, shipped, shipped_folder

CARD, EXAMPLE = "README.md", "example.mp4"
KiB = 2**10
FILES = {
    CARD: 1024 * KiB,
    EXAMPLE: 1024**2 * KiB,
    "example.json": 16 * 1024 * KiB,
    "vqvae/config.yaml": 1024 * KiB,
    f"vqvae/{WEIGHTS}": 8 * 1024**2 * KiB,
    "predictor/config.yaml": 1024 * KiB,
    f"predictor/{WEIGHTS}": 8 * 1024**2 * KiB,
}
"""What a world may hold, and how large it may be, in bytes."""
DENSEST = 200  # times that text may shrink in a .zip; weights hardly do


def world(name: str) -> Path | None:
    """The folder of a world that ships, by its name, or of any, by its path; None where there is nothing.

    Raises:
        ValueError: it is a file, but no world that was packed.
    """
    if name in {*shipped("vqvae"), *shipped("predictor")}:
        return shipped_folder(name)
    path = Path(name)
    if path.is_file():
        at = path.stat()
        return _unpacked(path.absolute(), at.st_size, at.st_mtime_ns)
    return path if path.is_dir() else None


def world_called(name: str) -> str:
    """What pages and pictures call a world: its name, or that of its folder or file."""
    path = Path(name)
    return path.stem if path.suffix == ".zip" else path.name or path.resolve().name


@cache
def _unpacked(path: Path, size: int, changed: int) -> Path:
    """A folder with the files of a .zip, until the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="videovq-world-"))
    atexit.register(_remove, folder, os.getpid())
    try:
        with ZipFile(path) as packed:
            _unpack(packed, folder)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    except (BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise ValueError(
            f"{path}: is torn, or no world of `videovq pack` ({error}); pack, or copy, it again"
        ) from error
    return folder


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # and no fork of it
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(packed: ZipFile, folder: Path) -> None:
    """Write what a world may hold, under the names that we know, and nothing else."""
    there = packed.namelist()
    tops = [name.removesuffix("vqvae/config.yaml") for name in there if name.endswith("vqvae/config.yaml")]
    if len(tops) != 1:
        raise ValueError("holds no world of `videovq pack` (one vqvae/config.yaml); pack it again")
    for name, most in FILES.items():
        if tops[0] + name not in there:
            continue
        entry = packed.getinfo(tops[0] + name)
        if entry.file_size > min(most, DENSEST * entry.compress_size):
            raise ValueError(f"{name} would become {entry.file_size:,} bytes, which is not believable; pack it again")
        (folder / name).parent.mkdir(exist_ok=True)
        with packed.open(entry) as source, (folder / name).open("wb") as target:
            shutil.copyfileobj(source, target)  # no more than the size it says
