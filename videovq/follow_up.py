"""What a command tells its user to type next, and where that writes without writing over anything."""

from __future__ import annotations

import shlex
from pathlib import Path

FILES_OF_A_ROLLOUT = (".gif", ".mp4", ".webm", ".png", ".npz")


def typed(command: str, **options: str) -> str:
    """A command line to copy, quoted where a shell needs it."""
    words = [f"--{name} {shlex.quote(value)}" for name, value in options.items()]
    return " ".join([f"videovq {command}", *words])


def occupant(place: str) -> Path | None:
    """What would be written over: a file, one of a folder, or one of a rollout; None: nothing is there."""
    path = Path(place)
    if path.is_file():
        return path
    if path.is_dir():
        return next((file for file in sorted(path.iterdir()) if file.is_file()), None)
    files = (path.with_name(path.name + ending) for ending in FILES_OF_A_ROLLOUT)
    return next((file for file in files if file.is_file()), None) if path.name else None


def free(place: str) -> str:
    """The place, or the first of ``PLACE-2``, ``PLACE-3``, ... (``PAGE-2.html``) at which nothing is."""
    path, number = Path(place), 1
    while occupant(place):
        number += 1
        place = str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
    return place
