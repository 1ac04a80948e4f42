"""Whether files can be written where they are wanted, found out before anything is computed."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

CACHES = ("MPLCONFIGDIR", "NUMBA_CACHE_DIR", "TRITON_CACHE_DIR")
"""Where matplotlib, Numba (of UMAP) and Triton (of torch.compile) keep what they need, else in the home folder."""


def hindrance(folder: Path) -> str:
    """Why no file can be written into a folder, which is there or is to be made; empty: nothing stands against it."""
    folder = folder.absolute()
    there = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not there.is_dir():
        return f"{there} is no folder"
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"videovq")
    except OSError as error:
        return f"{there}: {error.strerror}"
    return ""


def give_caches_a_home() -> None:
    """Where the home folder cannot be written, keep the caches of libraries in a temporary folder until the end:
    without one some complain, and some stop.
    """
    if not hindrance(Path(os.path.expanduser("~"))):
        return
    folder = tempfile.mkdtemp(prefix="videovq-caches-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in CACHES:
        os.environ.setdefault(name, folder)
