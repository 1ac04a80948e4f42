"""The reader of a format, by the format's name or by looking."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from videovq.config import DeclareConfig
from videovq.data.listing import files_below, refuse_pointers
from videovq.errors import UserError
from videovq.prep.sources.contract import Reader
from videovq.prep.sources.readers import READERS


def open_reader(name: str, declared: DeclareConfig, folder: Path, without: Path | None = None) -> Reader:
    """The reader of a format.

    Args:
        name: of the format; ``auto``: the first that recognises the folder.
        without: a folder that is left out, where it lies within the other.

    Raises:
        UserError: there is no such folder, or no format recognises it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give the folder of your episodes")
    names = list(READERS) if name == "auto" else [name]
    files = files_below(folder, without) if name == "auto" else []
    for candidate in names:
        kind = reader_class(candidate)
        if name != "auto" or kind.recognises(folder, files):
            for field in DeclareConfig.__dataclass_fields__:
                if getattr(declared, field) and field not in kind.declarable:
                    raise UserError(f"declare.{field}: has no effect on {candidate} recordings; leave it out")
            return kind(declared)
    refuse_pointers(files)
    raise UserError(
        f"{folder}: no format recognises what is in it; choose `format` from: {', '.join(READERS)}"
        " (data_prep/README.md says what each reads)"
    )


def index_of(name: str) -> tuple[str, ...]:
    """Endings of the files that must be whole for a format's episodes to be found.

    Raises:
        UserError: there is no such format.
    """
    return Reader.index if name == "auto" else reader_class(name).index


def reader_class(name: str) -> type[Reader]:
    """The class of a format's reader, imported only now: some need packages that others do not.

    Raises:
        UserError: there is no such format.
    """
    if name not in READERS:
        raise UserError(f"format: no {name!r}; choose from: auto, {', '.join(READERS)}")
    module, kind = READERS[name].split(":")
    return getattr(import_module(f"videovq.prep.sources.{module}"), kind)


def format_of(reader: Reader) -> str:
    """The name of a reader's format."""
    return next(name for name, path in READERS.items() if path.endswith(f":{type(reader).__name__}"))
