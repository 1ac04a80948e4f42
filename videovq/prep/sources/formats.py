"""The formats that ``videovq prep`` reads, by name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from videovq.config import DeclareConfig
from videovq.prep.sources.contract import Reader

READERS = {  # in the order in which they are asked whether they know a folder: the most particular first
    "lerobot": "lerobot:LeRobotReader",
    "minari": "minari:MinariReader",
    "rlu": "rlu:RLUReader",
    "arrays": "arrays:ArraysReader",
    "videos": "videos:VideosReader",
}


def open_reader(name: str, declared: DeclareConfig, folder: Path) -> Reader:
    """The reader of a format.

    Args:
        name: of the format; ``auto``: the first that recognises the folder.

    Raises:
        ValueError: there is no such folder, or no format recognises it.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; give the folder of your episodes")
    if name not in ("auto", *READERS):
        raise ValueError(f"format: no {name!r}; choose from: auto, {', '.join(READERS)}")
    names = list(READERS) if name == "auto" else [name]
    for candidate in names:
        kind = reader_class(candidate)
        if name != "auto" or kind.recognises(folder):
            return kind(declared)
    raise ValueError(
        f"{folder}: no format recognises what is in it; choose `format` from: {', '.join(READERS)}"
        " (data_prep/README.md says what each reads)"
    )


def reader_class(name: str) -> type[Reader]:
    """The class of a format's reader, imported only now: some need packages that others do not."""
    module, kind = READERS[name].split(":")
    return getattr(import_module(f"videovq.prep.sources.{module}"), kind)
