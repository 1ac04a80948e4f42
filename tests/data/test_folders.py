"""Stores on other machines are those on this one: fsspec's memory and local file systems, and an S3 server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest
import torch

from tests.conftest import SIZE, prep_config, world, write_episode
from videovq.cli import main
from videovq.config import DeclareConfig, EncodeConfig, PrepConfig
from videovq.data.folders import RemoteFolder, open_folder
from videovq.data.store import CodeStore, EpisodeStore
from videovq.prep.prepare import prepare
from videovq.training.encode import encode


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIDEOVQ_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(params=["memory", "file", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "memory":
        yield f"memory://{uuid4().hex}"
    elif request.param == "file":
        yield f"file://{tmp_path}/elsewhere"
    else:
        pytest.importorskip("s3fs")
        server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0)
        server.start()
        _, port = server.get_host_and_port()
        for name, value in (
            ("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}"),
            ("AWS_ACCESS_KEY_ID", "nobody"),
            ("AWS_SECRET_ACCESS_KEY", "nothing"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ):
            monkeypatch.setenv(name, value)
        fsspec.filesystem("s3").clear_instance_cache()
        bucket = f"bucket-{uuid4().hex}"
        fsspec.filesystem("s3").mkdir(bucket)
        yield f"s3://{bucket}"
        server.stop()


def test_prep_and_encode_from_there_to_there(
    url: str, recordings: Path, episode_store: EpisodeStore, code_store: CodeStore, vqvae_run: Path
) -> None:
    system, root = fsspec.core.url_to_fs(url)
    if url.startswith("file"):
        system.mkdirs(f"{root}/episodes")
    for path in recordings.iterdir():
        system.put_file(str(path), f"{root}/episodes/{path.name}")
    config = prep_config(recordings, Path("nowhere"))
    store = prepare(type(config)(**{**vars(config), "source": f"{url}/episodes", "out": f"{url}/store"}))
    assert [e.id for e in store.episodes] == [e.id for e in episode_store.episodes]
    for ours, theirs in zip(store.episodes, episode_store.episodes, strict=True):
        assert torch.equal(store.read(ours).frames, episode_store.read(theirs).frames)
    for name in ("shard-00000.safetensors", "shard-00001.json"):
        assert system.cat(f"{root}/store/{name}") == (episode_store.folder.path / name).read_bytes(), name
    codes = encode(EncodeConfig(store=f"{url}/store", vqvae=str(vqvae_run), out=f"{url}/codes"))
    first = codes.episodes[0]
    assert torch.equal(codes.read(first).codes, code_store.read(code_store.find(first.id)).codes)
    assert torch.equal(codes.codebook, code_store.codebook)


def test_what_was_interrupted_continues_there(url: str, recordings: Path) -> None:
    system, root = fsspec.core.url_to_fs(url)
    config = prep_config(recordings, Path("nowhere"))
    config = type(config)(**{**vars(config), "out": f"{url}/store"})
    prepare(config)
    before = system.cat(f"{root}/store/shard-00002.safetensors")
    for name in ("store.json", "shard-00002.json", "shard-00002.safetensors"):
        system.rm(f"{root}/store/{name}")
    with pytest.raises(ValueError, match="run the command that was writing it again"):
        EpisodeStore(f"{url}/store")
    assert len(prepare(config).episodes) == 10
    assert system.cat(f"{root}/store/shard-00002.safetensors") == before
    with pytest.raises(ValueError, match="other episodes or settings"):
        prepare(type(config)(**{**vars(config), "frame_size": 12}))


def test_the_mirror_is_bounded_and_never_stale(
    episode_store: EpisodeStore, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Path(shutil.copytree(episode_store.folder.path, tmp_path / "there"))
    sizes = [p.stat().st_size for p in there.glob("*.safetensors")]
    monkeypatch.setenv("VIDEOVQ_CACHE_GB", str(1.5 * max(sizes) / 2**30))
    store = EpisodeStore(f"file://{there}")
    for _ in range(2):
        for index in range(store.header.shards):
            assert torch.equal(store.shard(index)["frames"], episode_store.shard(index)["frames"])
            assert sum(p.stat().st_size for p in cache.rglob("*@*")) <= 1.5 * max(sizes)
            store._shards.clear()
    changed = bytearray((there / "shard-00000.safetensors").read_bytes())
    changed[-1] ^= 1
    (there / "shard-00000.safetensors").write_bytes(changed)
    assert not torch.equal(store.shard(0)["frames"], episode_store.shard(0)["frames"]) or not torch.equal(
        store.shard(0)["actions"], episode_store.shard(0)["actions"]
    )


def test_ranks_that_share_a_mirror_do_not_trip_over_each_other(
    episode_store: EpisodeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Path(shutil.copytree(episode_store.folder.path, tmp_path / "there"))
    monkeypatch.setenv("VIDEOVQ_CACHE_GB", "0")  # whatever one fetches drives out what the others have
    names = sorted(path.name for path in there.glob("*.safetensors"))

    def rank(number: int) -> None:
        folder = RemoteFolder(f"file://{there}")
        for at in range(6):
            folder.refresh()
            folder.fetch(names[(number + at) % len(names)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(rank, range(4)))


def test_what_cannot_be_reached(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="nosuch://x: cannot be reached"):
        open_folder("nosuch://x")
    with pytest.raises(ValueError, match="no such store|has no store.json"):
        EpisodeStore("memory://nothing/here")
    assert main(["prep", "--source", "memory://nothing/here", "--out", "memory://nothing/store"]) == 2
    assert "no such folder, or it is empty" in capsys.readouterr().err
    assert isinstance(open_folder("memory://a"), RemoteFolder)


def test_a_store_within_the_source_there_is_left_out_and_levels_have_its_name(recordings: Path) -> None:
    url = f"memory://{uuid4().hex}/maze"
    system, root = fsspec.core.url_to_fs(url)
    for path in recordings.glob("episode_00000[01].mp4"):
        system.put_file(str(path), f"{root}/{path.name}")
        system.pipe(f"{root}/{path.stem}.csv", b"action\n" + b"0\n" * 40)
    config = prep_config(recordings, Path("nowhere"), declare=DeclareConfig(action_sizes=[3]))
    config = type(config)(**{**vars(config), "source": url, "out": f"{url}/store"})
    for _ in range(2):
        assert {info.level for info in prepare(config).episodes} == {"maze"}


def test_a_prep_that_failed_leaves_no_shard_there_either(tmp_path: Path) -> None:
    frames, actions = world(0)
    write_episode(tmp_path, "e", frames, actions[:-1])
    url = f"memory://{uuid4().hex}/store"
    config = PrepConfig(source=str(tmp_path), out=url, frame_size=SIZE, workers=1)
    with pytest.raises(ValueError, match="no usable episode"):
        prepare(config)
    write_episode(tmp_path, "e", frames, actions)
    assert [info.id for info in prepare(config).episodes] == ["e"]
