"""Repositories of the Hugging Face Hub: which commit, which of its files, and that they are what the Hub says they are.

Files come into the Hub's own cache (``HF_HOME``), one by one, when they are asked for. Of a repository only what the
caller knows by name is ever fetched, none of it larger than believable, and nothing in it is run. What has come before
is there without a network. ``HF_ENDPOINT``, ``HF_TOKEN`` and ``HF_HUB_OFFLINE`` mean what they mean everywhere.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from videovq.cards import CARD
from videovq.errors import UserError
from videovq.packages import install

HUB = "hub://"
MAIN = "main"
NAME = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?:@([\w./-]+))?", re.ASCII)
AT_ONCE = 8  # files that are fetched together
LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"

Largest = Callable[[str], int | None]
"""The most bytes that a file may have, by its name in the repository; None: it is not wanted."""


def limits(patterns: Mapping[str, int]) -> Largest:
    """The most bytes of a file, by the first pattern that its whole name matches."""
    return lambda name: next((most for pattern, most in patterns.items() if re.fullmatch(pattern, name)), None)


class Unreachable(UserError):
    """The Hub gives no answer.

    Args:
        why: in a few words.
    """

    def __init__(self, repo: Repo, why: str) -> None:
        super().__init__(f"{repo}: the Hub cannot be reached ({why}); connect, and run the same command again")
        self.why = why


@dataclass(frozen=True)
class Repo:
    """A repository.

    Attributes:
        id: ``user/name``.
        revision: a branch, a tag or a commit.
    """

    id: str
    revision: str = MAIN
    kind: Literal["model", "dataset"] = "model"

    def __str__(self) -> str:
        return self.id if self.revision == MAIN else f"{self.id}@{self.revision}"


@dataclass(frozen=True)
class Snapshot:
    """One commit of a repository.

    Attributes:
        folder: where its files are on this machine, as far as they were fetched.
        files: what is wanted of it: name -> size and hash; without a network, those that are here: name -> None.
    """

    repo: Repo
    commit: str
    folder: Path
    files: Mapping[str, tuple[int, str] | None]

    def fetch(self, name: str) -> Path:
        """Where a file can be read.

        Raises:
            UserError: the repository has none, it cannot be fetched, or what came is not what the Hub has.
        """
        path = self.folder / name
        if path.is_file():
            return path
        entry = self.files.get(name)
        if entry is None:
            raise UserError(f"{self.repo}: {name} is not in it, or not in the cache while the Hub cannot be reached")
        return _fetched(self.repo, self.commit, name, entry[1])

    def fetch_all(self, names: Iterable[str]) -> None:
        """Fetch several files."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self.fetch, names))

    def remember(self, name: str) -> None:
        """Keep which commit the revision is, so that it is found without a network.

        Args:
            name: of a file that was fetched.
        """
        if any(self.files.values()) and self.repo.revision != self.commit:
            with _explained(self.repo) as hub:
                hub.HfApi().hf_hub_download(self.repo.id, name, repo_type=self.repo.kind, revision=self.repo.revision)


def named(name: str, kind: Literal["model", "dataset"] = "model") -> Repo | None:
    """The repository that ``user/name`` or ``user/name@revision``, also behind ``hub://``, names; None: no such name.

    Raises:
        UserError: it begins with ``hub://`` and goes on otherwise.
    """
    found = NAME.fullmatch(name.removeprefix(HUB))
    if found is None and name.startswith(HUB):
        raise UserError(f"{name}: on the Hub names look like {HUB}user/name or {HUB}user/name@revision")
    return Repo(found[1], found[2] or MAIN, kind) if found else None


@cache
def open_repo(repo: Repo, marker: str, largest: Largest) -> Snapshot:
    """The commit that a repository's revision is now, and for the rest of this process; fetches one file only.

    Args:
        marker: the file without which it holds nothing that is wanted.

    Raises:
        UserError: there is no such repository or revision, it may not be read, it holds no ``marker`` or something too
            large, or the Hub cannot be reached and it is not in the cache.
    """
    try:
        commit, found = _listed(repo)
    except Unreachable as error:
        return _in_cache(repo, marker, largest, error)
    files = {name: entry for name, entry in found.items() if largest(name) is not None}
    for name, (size, _) in files.items():
        if size > (largest(name) or 0):
            raise UserError(f"{repo}: {name} is {size:,} bytes, which is not believable; nothing was fetched")
    if marker not in files:
        raise UserError(f"{repo}: holds no {marker}, so nothing that videovq could use; nothing was fetched")
    first = _fetched(repo, commit, marker, files[marker][1])
    return Snapshot(repo, commit, first.parents[marker.count("/")], files)


def may_upload(repo: Repo) -> None:
    """Check what can be checked before anything is made for an upload.

    Raises:
        UserError: there is no token, or a revision was named.
    """
    with _explained(repo) as hub:
        if hub.get_token() is None:
            raise UserError(f"{repo}: to push, the Hub needs a token that may write; {LOG_IN}")
    if repo.revision != MAIN:
        raise UserError(f"{repo}: what is pushed goes to {MAIN}; leave @{repo.revision} out")


def upload(
    repo: Repo, files: Mapping[str, Path], card: Callable[[str], str], largest: Largest, private: bool, message: str
) -> str:
    """Make a repository, or take one's own, and bring files there in one commit; what is there of an earlier one and
    not among them goes.

    Args:
        files: name there -> file.
        card: the card, given that which is there (empty: none).
        largest: tells by their names the files that are ours.

    Returns:
        Address of the repository.

    Raises:
        UserError: the token may not do that, the Hub cannot be reached or refuses the card, or the repository is not
            private.
    """
    with _explained(repo) as hub:
        api = hub.HfApi()
        address = api.create_repo(repo.id, repo_type=repo.kind, private=private or None, exist_ok=True)
        if private and not api.repo_info(repo.id, repo_type=repo.kind).private:
            raise UserError(
                f"private: {repo} is there already, for all to see; change that on its page, or leave it out"
            )
        there = [one for one in api.list_repo_tree(repo.id, recursive=True, repo_type=repo.kind) if _is_file(one)]
        old = ""
        if any(one.path == CARD for one in there):
            path = api.hf_hub_download(repo.id, CARD, repo_type=repo.kind)
            old = Path(path).read_text(encoding="utf-8")
        changes: list[Any] = [hub.CommitOperationAdd(name, str(path)) for name, path in sorted(files.items())]
        changes.append(hub.CommitOperationAdd(CARD, card(old).encode()))
        stale = [one.path for one in there if largest(one.path) and one.path not in {*files, CARD}]
        changes += [hub.CommitOperationDelete(path) for path in stale]
        try:
            api.create_commit(repo.id, changes, commit_message=message, repo_type=repo.kind)
        except hub.errors.HfHubHTTPError:
            raise
        except ValueError as error:  # of the card's metadata, which the Hub checks first
            raise UserError(f"{repo}: the Hub refuses the card ({' '.join(str(error).split())})") from error
        except RuntimeError as error:
            why = " ".join(str(error.__cause__ or error).split())[:200]
            raise UserError(
                f"{repo}: not all got there ({why}); run the same command again, and it continues"
            ) from error
    return str(address)


def _listed(repo: Repo) -> tuple[str, dict[str, tuple[int, str]]]:
    """The commit of a revision, and the size and hash of every file in it."""
    with _explained(repo) as hub:
        api = hub.HfApi()
        commit = api.repo_info(repo.id, repo_type=repo.kind, revision=repo.revision).sha
        tree = api.list_repo_tree(repo.id, recursive=True, revision=commit, repo_type=repo.kind)
        files = [one for one in tree if _is_file(one)]
    return commit, {one.path: (one.size, one.lfs.sha256 if one.lfs else one.blob_id) for one in files}


def _is_file(entry: Any) -> bool:
    return hasattr(entry, "blob_id")


def _fetched(repo: Repo, commit: str, name: str, expected: str) -> Path:
    """A file in the cache; one that comes there only now is held against its hash."""
    with _explained(repo) as hub:
        known = hub.try_to_load_from_cache(repo.id, name, revision=commit, repo_type=repo.kind)
        if isinstance(known, str):
            return Path(known)
        path = Path(hub.HfApi().hf_hub_download(repo.id, name, repo_type=repo.kind, revision=commit))
    if _hash(path, like=expected) != expected:
        path.resolve().unlink()
        path.unlink(missing_ok=True)  # where the cache has links
        raise UserError(f"{repo}: {name} did not arrive as the Hub says it is; run the same command again")
    return path


def _in_cache(repo: Repo, marker: str, largest: Largest, error: Unreachable) -> Snapshot:
    """What was fetched of a repository before."""
    with _explained(repo) as hub:
        found = hub.try_to_load_from_cache(repo.id, marker, revision=repo.revision, repo_type=repo.kind)
    if not isinstance(found, str):
        raise UserError(
            f"{repo}: is neither here nor in the cache, and the Hub cannot be reached ({error.why}); connect, and run"
            " the same command again"
        ) from error
    folder = Path(found).parents[marker.count("/")]
    print(f"{repo}: as it is in the cache, commit {folder.name[:12]} ({error.why})", file=sys.stderr)
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return Snapshot(repo, folder.name, folder, {name: None for name in sorted(names) if largest(name) is not None})


def _hash(path: Path, like: str) -> str:
    """The hash of a file: sha256 as for what Git LFS keeps or, where the other is as short, that of a Git blob."""
    of_blob = hashlib.sha1(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        digest = hashlib.file_digest(
            file, lambda: of_blob if len(like) == len(of_blob.hexdigest()) else hashlib.sha256()
        )
    return digest.hexdigest()


@contextmanager
def _explained(repo: Repo) -> Iterator[Any]:
    """Gives ``huggingface_hub``; what it raises within becomes one line that says what to do."""
    try:
        import huggingface_hub as hub
        from huggingface_hub import errors
    except ImportError:
        raise UserError(
            f"{repo}: is not here, and to look on the Hub takes huggingface_hub; {install('hub')}"
        ) from None
    try:
        yield hub
    except errors.GatedRepoError as error:
        raise UserError(f"{repo}: its owner lets in whom they know; ask on its page, then {LOG_IN}") from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f"{repo.id}: has no revision {repo.revision!r}; leave it out for {MAIN}") from error
    except errors.RepositoryNotFoundError as error:
        token = "the token that is set may not read it" if hub.get_token() else "no token is set"
        raise UserError(
            f"{repo}: is neither here nor a {repo.kind} repository of the Hub, or it is private and {token}; check the"
            f" name, or {LOG_IN}"
        ) from error
    except errors.HfHubHTTPError as error:
        raise _answer(repo, error) from error
    except errors.OfflineModeIsEnabled as error:
        raise Unreachable(repo, "HF_HUB_OFFLINE is set") from error
    except (errors.HTTPError, errors.LocalEntryNotFoundError) as error:
        cause = error.__cause__ or error
        raise Unreachable(repo, " ".join(str(cause).split())[:200] or type(cause).__name__) from error


def _answer(repo: Repo, error: Any) -> UserError:
    status, said = error.response.status_code, " ".join(str(error.server_message or error).split())[:200]
    if status >= 500:
        return Unreachable(repo, f"it answers {status}")
    if status == 401:
        return UserError(f"{repo}: the Hub does not know the token that is set; {LOG_IN}")
    if status == 403:
        return UserError(f"{repo}: the token that is set may not do that ({said}); {LOG_IN} of one that may")
    return UserError(f"{repo}: the Hub answers {status}: {said}")
