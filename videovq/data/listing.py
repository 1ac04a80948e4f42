"""Listing the data files of a folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from videovq.errors import UserError

NO_DATA = ("__MACOSX", "@eaDir", "$RECYCLE.BIN")  # what a Mac, a network drive and Windows leave among files
POINTER = b"version https://git-lfs.github.com/spec/"


def files_below(folder: Path, without: Path | None = None) -> list[Path]:
    """Every file in a folder and its subfolders, in order.

    Linked folders are followed; a folder that can be reached on several ways is read once, since copies of an episode
    in two splits would be leakage. What is hidden (``.ipynb_checkpoints``, ``._x``) is no data.

    Args:
        without: a folder that is left out, however its path is spelt.
    """
    found: list[Path] = []
    seen: set[tuple[int, int]] = set()
    if without is not None and without.is_dir():
        _first(without, seen)
    links = [folder]  # read after all that is not linked, so that a folder is called by its own path if it has one here
    while links:
        folders, links = [path for path in sorted(links) if _first(path, seen) or path == folder], []
        while folders:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    path = Path(entry.path)
                    if entry.name.startswith(".") or entry.name in NO_DATA:
                        continue
                    if not entry.is_dir():
                        found.append(path)  # also a link that leads nowhere: reading it says so
                    elif entry.is_symlink():
                        links.append(path)
                    elif _first(path, seen):
                        folders.append(path)
    return sorted(found)


def folder_name(folder: Path) -> str:
    """The name of a folder, also where its path is ``.`` or ends in ``..``."""
    return folder.name if folder.name not in ("", "..") else folder.resolve().name


def in_any_locale(name: str) -> str:
    """A name made of files' names as UTF-8, also where the locale has other letters and Python has escaped them."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def refuse_pointers(paths: Iterable[Path]) -> None:
    """Check that files are not pointers of Git LFS.

    Raises:
        UserError: one is what Git leaves in place of a large file that it has not fetched.
    """
    for path in paths:
        with suppress(OSError), path.open("rb") as file:
            if file.read(len(POINTER)) == POINTER:
                raise UserError(f"{path}: is a Git LFS pointer, not the file itself; `git lfs pull` fetches it")


def _first(folder: Path, seen: set[tuple[int, int]]) -> bool:
    """Mark a folder as seen; returns whether it is new."""
    found = folder.stat()
    identity = found.st_dev, found.st_ino
    new = identity not in seen
    seen.add(identity)
    return new
