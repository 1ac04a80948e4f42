"""Staging of remote recordings: files of the index are fetched at once, the others while their episode is read."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from videovq.data.folders import RemoteFolder
from videovq.errors import UserError
from videovq.hub import HUB, limits, named, open_repo
from videovq.prep.sources.lerobot_meta import INFO
from videovq.storage import beside

LEROBOT = {r"(?!.*\.\.)(meta|data|videos)/[\w/.-]+\.(json|jsonl|parquet|mp4)": 2**36}
"""What is read of a LeRobot dataset (a pattern of names), and how large each file may be, in bytes."""
largest = limits(LEROBOT)


class Source:
    """A folder of recordings on this machine.

    Attributes:
        path: where readers look.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def local(self, name: str) -> Path:
        """Where a folder, which may lie within this one, is found on this machine."""
        return Path(name)

    @contextmanager
    def staged(self, files: Iterable[Path]) -> Iterator[None]:
        """Within the context these files can be read."""
        yield


class RemoteSource(Source):
    """A folder that fsspec reaches. Its files appear in ``path`` as holes of their size, which take no room, until they
    are staged.

    Args:
        index: endings of the files that readers look into to find episodes; these are brought here whole.

    Raises:
        UserError: it cannot be reached, or there is nothing in it.
    """

    def __init__(self, url: str, scratch: Path, index: tuple[str, ...]) -> None:
        super().__init__(scratch)
        self.remote = RemoteFolder(url)
        self.sizes = {name: int(info["size"] or 0) for name, info in self.remote.files().items()}
        if not self.sizes:
            raise UserError(f"{url}: no such folder, or it is empty")
        for name, size in self.sizes.items():
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            _hole(scratch / name, size)
        self.whole = {name for name in self.sizes if name.endswith(index)}
        self.remote.get({name: scratch / name for name in sorted(self.whole)})

    def local(self, name: str) -> Path:
        within = name.startswith(f"{self.remote.url}/")
        return self.path / name[len(self.remote.url) + 1 :] if within else Path(name)

    @contextmanager
    def staged(self, files: Iterable[Path]) -> Iterator[None]:
        wanted = {path.relative_to(self.path).as_posix(): path for path in files}
        wanted = {
            name: path
            for name, path in wanted.items()
            if name in self.sizes and not (name in self.whole and path.exists())  # another machine has nothing yet
        }
        for path in wanted.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        self.remote.get(wanted)
        try:
            yield
        finally:
            for name, path in wanted.items():
                _hole(path, self.sizes[name])


class HubSource(Source):
    """A LeRobot dataset of the Hub. Its ``meta/`` is brought here at once, any other file when it is first read, into
    the Hub's cache; until then a hole of its size stands in ``path``.

    Args:
        url: such as ``hub://lerobot/pusht``, with ``@revision`` where it is not ``main``.

    Raises:
        UserError: it cannot be reached, or is no LeRobot dataset.
    """

    def __init__(self, url: str, scratch: Path) -> None:
        super().__init__(scratch)
        repo = named(url, "dataset")
        assert repo is not None
        self.snapshot = open_repo(repo, INFO, largest)
        for name, entry in self.snapshot.files.items():
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            _hole(scratch / name, entry[0] if entry else (self.snapshot.folder / name).stat().st_size)
        meta = [name for name in self.snapshot.files if name.startswith("meta/")]
        self.snapshot.fetch_all(meta)
        self.snapshot.remember(INFO)
        self._link(meta)

    @contextmanager
    def staged(self, files: Iterable[Path]) -> Iterator[None]:
        names = [path.relative_to(self.path).as_posix() for path in files]
        self._link([name for name in names if name in self.snapshot.files])
        yield

    def _link(self, names: Iterable[str]) -> None:
        for name in names:
            cached, path = self.snapshot.fetch(name), self.path / name
            if path.exists() and path.samefile(cached):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with beside(path) as partial:
                try:
                    partial.symlink_to(cached)
                except OSError:  # as on Windows, to most users
                    shutil.copyfile(cached, partial)


@contextmanager
def open_source(name: str, index: tuple[str, ...]) -> Iterator[Source]:
    """A folder of recordings by its path or URL; ``index`` as for :class:`RemoteSource`.

    Raises:
        UserError: there is no such folder.
    """
    if name.startswith(HUB):
        with TemporaryDirectory(prefix="videovq-source-") as scratch:
            yield HubSource(name, Path(scratch, PurePosixPath(name).name.partition("@")[0]))
    elif "://" in name:
        with TemporaryDirectory(prefix="videovq-source-") as scratch:
            # In a folder called as the remote one, after which the level of what lies in it is called.
            yield RemoteSource(name, Path(scratch, PurePosixPath(name).name), index)
    else:
        if not Path(name).is_dir():
            raise UserError(f"{name}: no such folder; give the folder of your episodes")
        yield Source(Path(name))


def _hole(path: Path, size: int) -> None:
    """Make a sparse file of a given size."""
    with path.open("wb") as file:
        file.truncate(size)
