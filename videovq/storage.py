"""Atomic writes of files, and claims on folders."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from videovq.errors import UserError

LOCK = ".lock"  # held by the process that writes into a folder
Found = TypeVar("Found")


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Write a file, or a folder that is new or empty, whole or not at all, whatever ends the process.

    What is written to the path that the context gives takes the place of ``path``. It is removed where the context ends
    with an exception.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        _remove(partial)


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Write as :func:`beside` does, and so that it outlasts the machine: what was written is on the disk first."""
    with beside(path) as partial:
        yield partial
        for inner in partial.rglob("*"):
            _flush(inner)
        _flush(partial)
    _flush(path.parent)


@contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    """Lock a folder against other writers; what one that was killed left half written is removed.

    Args:
        name: what users call the folder.

    Raises:
        UserError: another process is writing there.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"{name}: another process is writing there; wait for it, or choose another folder") from None
    try:
        for partial in folder.rglob("*.[0-9]*.partial"):
            _remove(partial)
        yield
    finally:
        lock.release()


@contextmanager
def claim(folder: Path, name: str, check: Callable[[], Found]) -> Iterator[Found]:
    """Claim a folder for one piece of work, or recognise it as that of this very work; within the context no other
    process can write there.

    Args:
        name: what users call the folder.
        check: refuses a folder that holds something else, and tells what there is of this work; asked before anything
            is written, and again when no other process can write any more.

    Raises:
        UserError: ``check`` refuses it, or another process is writing there.
    """
    check()
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, name):
        yield check()


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with atomic(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole or not at all."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file, whole or not at all."""
    with atomic(path) as partial:
        partial.write_bytes(save(tensors, metadata))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, memory-mapped.

    Raises:
        UserError: it is missing or torn.
    """
    with _named(path):
        return load_file(path)


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata in the header of a safetensors file.

    Raises:
        UserError: the file is missing or torn.
    """
    with _named(path), safe_open(path, "pt") as file:
        return file.metadata() or {}


def read_types(path: Path) -> set[str]:
    """The dtypes of the tensors of a safetensors file, by the format's names (``F16``); reads its header only.

    Raises:
        UserError: the file is missing or torn.
    """
    with _named(path), safe_open(path, "pt") as file:
        return {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118  is no dict


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: is torn, or no safetensors file ({error}); make or copy it again") from None


def _flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if os.name == "nt":
        return  # where neither folders nor files that are open for reading can be flushed
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # of file systems that know no flushing
            raise
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
