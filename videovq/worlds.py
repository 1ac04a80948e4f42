"""Worlds: a VQ-VAE, and the predictor of its codes, in a folder, a .zip file, or a repository of the Hub. Those that
ship have names.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
import zlib
from functools import cache
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from videovq.cards import CARD
from videovq.errors import UserError
from videovq.hub import HUB, limits, named, open_repo
from videovq.shipped import WEIGHTS, shipped, shipped_folder

EXAMPLES = "examples"
PART = "vqvae/config.yaml"  # which no world lacks
KiB = 2**10
FILES = {
    re.escape(CARD): 1024 * KiB,
    rf"{EXAMPLES}/[\w-]+\.mp4": 1024**2 * KiB,
    rf"{EXAMPLES}/[\w-]+\.json": 16 * 1024 * KiB,
    r"(vqvae|predictor)/config\.yaml": 1024 * KiB,
    rf"(vqvae|predictor)/{re.escape(WEIGHTS)}": 8 * 1024**2 * KiB,
}
"""What a world may hold (patterns of names), and how large each file may be, in bytes."""
largest = limits(FILES)
DENSEST = 200  # times that text may shrink in a .zip; weights hardly do


def world(name: str) -> Path | None:
    """The folder of a world that ships, by its name, of any, by its path, or of one on the Hub (``user/name``,
    ``user/name@revision``), which is fetched; None where there is nothing.

    Raises:
        UserError: it is a file, but no world that was packed; or it could be one of the Hub only, which has none.
    """
    if name in {*shipped("vqvae"), *shipped("predictor")}:
        return shipped_folder(name)
    path = Path(name)
    if path.is_file():
        at = path.stat()
        return _unpacked(path.absolute(), at.st_size, at.st_mtime_ns)
    if path.is_dir():
        return path
    repo = named(name)
    if repo is None:
        return None
    there = open_repo(repo, PART, largest)
    there.fetch_all(there.files)
    there.remember(PART)
    return there.folder


def world_called(name: str) -> str:
    """What pages and pictures call a world: its name, or that of its folder or file."""
    path = Path(name.removeprefix(HUB))
    return path.stem if path.suffix == ".zip" else path.name or path.resolve().name


@cache
def _unpacked(path: Path, size: int, changed: int) -> Path:
    """A folder with the files of a .zip, until the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="videovq-world-"))
    atexit.register(_remove, folder, os.getpid())
    try:
        with ZipFile(path) as packed:
            _unpack(packed, folder)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except (BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise UserError(f"{path}: is torn, or no world of `videovq pack` ({error}); pack, or copy, it again") from error
    return folder


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # and no fork of it
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(packed: ZipFile, folder: Path) -> None:
    """Write what a world may hold, under the names that we know, and nothing else."""
    there = packed.namelist()
    tops = [name.removesuffix(PART) for name in there if name.endswith(PART)]
    if len(tops) != 1:
        raise UserError(f"holds no world of `videovq pack` (one {PART}); pack it again")
    inside = {name.removeprefix(tops[0]): packed.getinfo(name) for name in there if name.startswith(tops[0])}
    for name, entry in inside.items():
        most = largest(name)
        if most is None:
            continue
        if entry.file_size > min(most, DENSEST * entry.compress_size):
            raise UserError(f"{name} would become {entry.file_size:,} bytes, which is not believable; pack it again")
        (folder / name).parent.mkdir(exist_ok=True)
        with packed.open(entry) as source, (folder / name).open("wb") as target:
            shutil.copyfileobj(source, target)  # no more than the size it says
