"""Folders of this machine, those that fsspec reaches (``s3://``, ``gs://``, ...), seen through a local mirror, and
datasets of the Hub (``hub://user/name``), in its own cache.

A mirror holds the small files of a remote folder, and as many of the large ones as its limit allows: those used last.
Mirrors lie in ``$VIDEOVQ_CACHE`` (else ``~/.cache/videovq``); ``$VIDEOVQ_CACHE_GB`` (else 20) limits each of them.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock

from videovq.cards import CARD
from videovq.errors import UserError
from videovq.hub import HUB, limits, named, open_repo
from videovq.storage import atomic, beside
from videovq.writable import hindrance

SMALL = ".json"
MiB = 2**20
FILES = {
    re.escape(CARD): MiB,
    r"store\.json": 64 * MiB,
    r"shard-\d{5}\.json": 1024 * MiB,
    r"(shard-\d{5}|codebook)\.safetensors": 2**20 * MiB,
}
"""What a store may hold on the Hub (patterns of names), and how large each file may be, in bytes."""
largest = limits(FILES)
VERSION = ("size", "ETag", "etag", "md5Hash", "LastModified", "mtime", "created", "updated")


class Folder:
    """A folder of this machine.

    Attributes:
        path: where its files are, or where they can be written.
        open_files: how many large files a reader may keep open.
    """

    open_files = sys.maxsize

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def refuse_writing(self) -> None:
        """Check whether files can be sent here.

        Raises:
            UserError: it is only read from.
        """

    def refresh(self) -> None:
        """Bring the small files up to date."""

    def fetch(self, name: str) -> Path:
        """The local path at which a file can be read."""
        return self.path / name

    def send(self, *names: str) -> None:
        """Publish files that were written into ``path``, in this order."""

    def remove(self, *names: str) -> None:
        """Remove files, in this order."""
        for name in names:
            (self.path / name).unlink(missing_ok=True)


class RemoteFolder(Folder):
    """A folder that fsspec reaches.

    Args:
        url: such as ``s3://bucket/folder``.

    Raises:
        UserError: there is no such protocol, or its package is not installed.
    """

    open_files = 16  # an open file keeps its room on the disk, also when the mirror drops it

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        cache = Path(os.environ.get("VIDEOVQ_CACHE", "~/.cache/videovq")).expanduser()
        self.limit = float(os.environ.get("VIDEOVQ_CACHE_GB", "20")) * 2**30
        super().__init__(cache / hashlib.sha256(self.url.encode()).hexdigest()[:24])
        why = hindrance(self.path)
        if why:
            raise UserError(f"{url}: its mirror cannot be written ({why}); set VIDEOVQ_CACHE to a folder that can be")
        self.path.mkdir(parents=True, exist_ok=True)
        self.root = str(self._system._strip_protocol(self.url)).rstrip("/")

    def __str__(self) -> str:
        return self.url

    def __getstate__(self) -> dict[str, Any]:  # connections do not travel to other processes
        return {key: value for key, value in vars(self).items() if key != "_system"}

    @cached_property
    def _system(self) -> Any:
        import fsspec

        try:
            system = fsspec.core.url_to_fs(self.url)[0]
        except (ImportError, ValueError) as error:
            raise UserError(f"{self.url}: cannot be reached ({error})") from None
        if hasattr(system, "auto_mkdir"):
            system.auto_mkdir = True  # object stores need no folders, file systems do
        return system

    def files(self) -> dict[str, dict[str, Any]]:
        """The remote metadata of every file, by its path below the folder, in order."""
        self._system.invalidate_cache()
        with suppress(FileNotFoundError):
            found = self._system.find(self.root, detail=True)
            return {path[len(self.root) + 1 :]: info for path, info in sorted(found.items())}
        return {}

    def get(self, targets: dict[str, Path]) -> None:
        """Bring files here, each whole or not at all.

        Args:
            targets: name of a remote file -> where it goes.

        Raises:
            UserError: one is not there.
        """
        with ExitStack() as whole:
            partial = {name: whole.enter_context(beside(path)) for name, path in targets.items()}
            try:
                self._system.get([f"{self.root}/{name}" for name in partial], [str(path) for path in partial.values()])
            except FileNotFoundError as error:
                raise UserError(f"{self.url}: {error} is not there") from None

    @property
    def _alone(self) -> FileLock:
        """Held while the mirror changes, which ranks of a training share; the file lies beside it."""
        return FileLock(self.path.with_name(f"{self.path.name}.lock"))

    def refresh(self) -> None:
        names = [name for name in self.files() if name.endswith(SMALL)]
        with self._alone:
            for path in self.path.glob(f"*{SMALL}"):
                if path.name not in names:
                    path.unlink()
            self.get({name: self.path / name for name in names})

    def fetch(self, name: str) -> Path:
        try:
            info = self._system.info(f"{self.root}/{name}")
        except FileNotFoundError:
            raise UserError(f"{self.url}: {name} is not there") from None
        version = hashlib.sha256(repr([info.get(key) for key in VERSION]).encode()).hexdigest()[:16]
        target = self.path / f"{name}@{version}"
        with self._alone:
            if target.exists():
                os.utime(target)
            else:
                for older in self.path.glob(f"{name}@*"):
                    older.unlink(missing_ok=True)
                with atomic(target) as partial:
                    self.get({name: partial})
                self._make_room(target)
        return target

    def send(self, *names: str) -> None:
        for name in names:
            self._system.put_file(str(self.path / name), f"{self.root}/{name}")
            if not name.endswith(SMALL):
                (self.path / name).unlink()  # a mirror of all that is written could be too large for this machine

    def remove(self, *names: str) -> None:
        for name in names:
            with suppress(FileNotFoundError):
                self._system.rm_file(f"{self.root}/{name}")
        super().remove(*names)

    def _make_room(self, newest: Path) -> None:
        """Drop the files that were used longest ago; one that is mapped stays readable until it is let go."""
        files = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in self.path.glob("*@*"))
        total = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total > self.limit and path != newest:
                path.unlink(missing_ok=True)
                total -= size


class HubFolder(Folder):
    """A store that is a dataset of the Hub. Its files come into the Hub's cache, a shard when it is first read, and are
    memory-mapped there: safetensors are read at random, which a stream could not do.

    Args:
        url: such as ``hub://user/name`` or ``hub://user/name@revision``.

    Raises:
        UserError: there is none, or it can neither be reached nor found in the cache.
    """

    def __init__(self, url: str) -> None:
        repo = named(url, "dataset")
        assert repo is not None
        self.url, self.snapshot = url, open_repo(repo, "store.json", largest)
        super().__init__(self.snapshot.folder)

    def __str__(self) -> str:
        return self.url

    def refuse_writing(self) -> None:
        raise UserError(f"{self.url}: stores on the Hub are read; write to a folder, then `videovq push` that")

    def refresh(self) -> None:
        self.snapshot.fetch_all(name for name in self.snapshot.files if name.endswith(SMALL))
        self.snapshot.remember("store.json")

    def fetch(self, name: str) -> Path:
        return self.snapshot.fetch(name)


def open_folder(name: str | Path) -> Folder:
    """A folder by its path or URL.

    Raises:
        UserError: a URL that cannot be reached.
    """
    if str(name).startswith(HUB):
        return HubFolder(str(name))
    return RemoteFolder(str(name)) if "://" in str(name) else Folder(Path(name))
