"""A small server that speaks as much of the Hub's protocol as huggingface_hub needs, on this machine's loopback.

Repositories live in memory: every commit is a table of files. Files of ``LARGE`` endings go through Git LFS' batch
protocol, others inline with the commit, as on the Hub.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

LARGE = (".safetensors", ".mp4", ".parquet")
TOKEN = "hf_that_may_write"
READER = "hf_that_may_read"


@dataclass
class Repository:
    """One repository.

    Attributes:
        commits: by their names, the files of each.
        refs: branches and tags.
        lies: files that are sent otherwise than they are listed.
        sizes: files that are listed larger than they are.
    """

    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    lies: dict[str, bytes] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], ref: str = "main") -> str:
        """Make a commit of these files."""
        name = hashlib.sha1(repr((sorted(files.items()), len(self.commits))).encode()).hexdigest()
        self.commits[name] = dict(files)
        self.refs[ref] = name
        return name

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The commit of a revision, and its files."""
        name = self.refs.get(revision, revision)
        return (name, self.commits[name]) if name in self.commits else None


class HubServer(ThreadingHTTPServer):
    """The server.

    Attributes:
        repositories: by kind and name: ``models/user/name``.
        served: the files that were sent, in order.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.served: list[str] = []
        self.broken = False
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def new(self, name: str, files: dict[str, bytes], **settings: Any) -> Repository:
        """Make a repository with one commit."""
        self.repositories[name] = Repository(**settings)
        self.repositories[name].commit(files)
        return self.repositories[name]


def blob(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


class Handler(BaseHTTPRequestHandler):
    server: HubServer

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        self.answer(b"")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    do_PUT = do_POST

    def answer(self, body: bytes) -> None:
        path = unquote(urlsplit(self.path).path)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.server.broken:
            return self.say(503, {"error": "down"})
        if self.command == "PUT":
            self.server.objects[path.rsplit("/", 1)[1]] = body
            return self.say(200, {})
        if path == "/api/validate-yaml":
            metadata = yaml.safe_load(json.loads(body)["content"].split("---")[1])
            wrong = (
                [{"message": '"license" must be one of [apache-2.0, ...]'}] if metadata.get("license") == "?" else []
            )
            return self.say(400 if wrong else 200, {"errors": wrong, "warnings": []})
        if token not in ("", TOKEN, READER):
            said = "Invalid credentials in Authorization header"
            return self.say(401, {"error": said}, {"X-Error-Message": said})
        writes = path == "/api/repos/create" or re.search("/(preupload|commit)/|/objects/batch", path)
        if writes and token != TOKEN:
            return self.say(403 if token else 401, {"error": "You need a token with write access"})
        if path == "/api/repos/create":
            return self.create(json.loads(body))
        found = re.fullmatch(
            r"/api/(?P<kind>models|datasets)/(?P<id>[^/]+/[^/]+)(/(?P<what>revision|tree|preupload|commit)/(?P<rest>.*))?",
            path,
        ) or re.fullmatch(
            r"/((?P<kind>datasets)/)?(?P<id>[^/]+/[^/]+?)(\.git/info/lfs/objects/(?P<what>batch)|/resolve/(?P<rest>.*))",
            path,
        )
        if found is None:
            return self.say(404, {"error": "no such page"})
        name = f"{found['kind'] or 'models'}/{found['id']}"
        repository = self.server.repositories.get(name)
        if repository is None or (repository.private and not token):
            return self.say(404 if token else 401, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        if repository.gated:
            return self.say(403, {"error": "gated"}, {"X-Error-Code": "GatedRepo"})
        what, rest = found["what"] or ("resolve" if "/resolve/" in path else "revision"), found["rest"] or "main"
        return getattr(self, what)(name, repository, rest, body)

    def create(self, asked: dict[str, Any]) -> None:
        user = asked.get("organization") or "me"
        name = f"{asked.get('type', 'model')}s/{user}/{asked['name']}"
        address = f"{self.server.address}/{name.removeprefix('models/')}"
        if name in self.server.repositories:
            return self.say(409, {"error": "You already created this repo", "url": address})
        private = asked.get("private") or asked.get("visibility") == "private"
        self.server.repositories[name] = Repository(private=bool(private))
        self.server.repositories[name].commit({".gitattributes": b"*.safetensors filter=lfs\n"})
        return self.say(200, {"url": address, "name": f"{user}/{asked['name']}", "id": f"{user}/{asked['name']}"})

    def revision(self, name: str, repository: Repository, rest: str, _: bytes) -> None:
        found = repository.at(rest)
        if found is None:
            return self.say(404, {"error": "no revision"}, {"X-Error-Code": "RevisionNotFound"})
        id_ = name.partition("/")[2]
        return self.say(200, {"id": id_, "sha": found[0], "private": repository.private, "siblings": [], "tags": []})

    def tree(self, name: str, repository: Repository, rest: str, _: bytes) -> None:
        found = repository.at(rest)
        if found is None:
            return self.say(404, {"error": "no revision"}, {"X-Error-Code": "RevisionNotFound"})
        rows: list[dict[str, Any]] = []
        for path, data in sorted(found[1].items()):
            row = {"type": "file", "path": path, "size": repository.sizes.get(path, len(data)), "oid": blob(data)}
            if path.endswith(LARGE):
                row["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            rows.append(row)
        folders = sorted({path.rpartition("/")[0] for path in found[1] if "/" in path})
        return self.say(200, [*rows, *({"type": "directory", "path": path, "oid": blob(b"")} for path in folders)])

    def resolve(self, name: str, repository: Repository, rest: str, _: bytes) -> None:
        revision, path = rest.split("/", 1)
        found = repository.at(revision)
        if found is None:
            return self.say(404, {"error": "no revision"}, {"X-Error-Code": "RevisionNotFound"})
        if path not in found[1]:
            return self.say(404, {"error": "no entry"}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": found[0]})
        listed = found[1][path]
        sent = repository.lies.get(path, listed)
        etag = hashlib.sha256(listed).hexdigest() if path.endswith(LARGE) else blob(listed)
        if self.command == "GET":
            self.server.served.append(path)
        return self.send(200, sent, {"ETag": f'"{etag}"', "X-Repo-Commit": found[0], "Accept-Ranges": "bytes"})

    def preupload(self, name: str, repository: Repository, rest: str, body: bytes) -> None:
        paths = [one["path"] for one in json.loads(body)["files"]]
        modes = {path: "lfs" if path.endswith(LARGE) else "regular" for path in paths}
        files = [{"path": path, "uploadMode": mode, "shouldIgnore": False} for path, mode in modes.items()]
        return self.say(200, {"files": files})

    def batch(self, name: str, repository: Repository, rest: str, body: bytes) -> None:
        objects: list[dict[str, Any]] = []
        for one in json.loads(body)["objects"]:
            there = one["oid"] in self.server.objects
            upload = {"upload": {"href": f"{self.server.address}/objects/{one['oid']}"}}
            objects.append({**one, **({} if there else {"actions": upload})})
        return self.say(200, {"transfer": "basic", "objects": objects})

    def commit(self, name: str, repository: Repository, rest: str, body: bytes) -> None:
        files = dict((repository.at(rest) or ("", {}))[1])
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                data = self.server.objects[value["oid"]]
                assert hashlib.sha256(data).hexdigest() == value["oid"]
                files[value["path"]] = data
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        oid = repository.commit(files)
        address = f"{self.server.address}/{name}/commit/{oid}"
        return self.say(200, {"commitUrl": address, "commitOid": oid, "success": True})

    def say(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        said = {"X-Error-Message": value["error"]} if isinstance(value, dict) and "error" in value else {}
        self.send(status, json.dumps(value).encode(), {"Content-Type": "application/json", **said, **(headers or {})})

    def send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
