"""Worlds and stores that travel over the Hub: pushed, taken by name, of a revision, without a network, and no token."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
import yaml

import videovq
from tests.hub_server import READER, HubServer
from videovq import hub as of_the_hub
from videovq.cli import main
from videovq.data.store import CodeStore, EpisodeStore
from videovq.runs import load_vqvae, pretrained_run

OLD = Path(__file__).parent / "old"
WORLD = [f"{part}/{name}" for part in ("vqvae", "predictor") for name in ("config.yaml", "model.safetensors")]
ON_HUB = "models/me/world"


def world_files() -> dict[str, bytes]:
    return {name: (OLD / name).read_bytes() for name in WORLD}


def again() -> None:
    """As another process would."""
    of_the_hub.open_repo.cache_clear()


@pytest.fixture
def there(hub: HubServer) -> HubServer:
    """A hub with a world."""
    hub.new(ON_HUB, world_files())
    return hub


@pytest.fixture
def world(tmp_path: Path) -> str:
    """A folder with a world that is packed, and an example."""
    folder = tmp_path / "world"
    for name, data in {**world_files(), "examples/one.mp4": b"film"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return str(folder)


def test_a_world_is_pushed_and_taken_by_its_name(hub: HubServer, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "push",
        str(OLD / "predictor"),
        "me/world",
        "--vqvae",
        str(OLD / "vqvae"),
        "--examples",
        str(OLD / "store"),
    ]
    assert main([*words, "--private"]) == 0
    assert capsys.readouterr().out.endswith(f"pushed to {hub.address}/me/world\nvideovq play --pretrained me/world\n")
    repository = hub.repositories[ON_HUB]
    assert repository.private
    files = repository.at("main")[1]
    example = ["examples/example.json", "examples/example.mp4"]
    assert sorted(files) == sorted([".gitattributes", "README.md", *example, *WORLD])
    for fact in ("# World `world`", "--pretrained me/world", load_vqvae(OLD / "vqvae").fingerprint, "for its maker"):
        assert fact in files["README.md"].decode(), fact
    model = videovq.load("me/world", device="cpu")
    assert model.vqvae.fingerprint == load_vqvae(OLD / "vqvae").fingerprint
    frames, actions = model.clip()
    assert len(model.predict(frames[:2], actions[:3]).codes[0]) == 2
    assert sorted(hub.served) == sorted(["README.md", *example, *WORLD])  # each once


def test_what_its_owner_wrote_stays_when_it_is_pushed_again(hub: HubServer, world: str) -> None:
    assert main(["push", world, "me/world", "--license", "mit"]) == 0
    repository = hub.repositories[ON_HUB]
    files = repository.at("main")[1]
    head, text = files["README.md"].decode().replace("tags:\n", "language: en\ntags:\n- mine\n").split("---\n\n")
    written = f"{head}---\n\n# Mine\n\n{text}\nTrained on a bus.\n".replace("| sha256 of", "| an older fact of")
    assert "an older fact" in written
    repository.commit({**files, "README.md": written.encode(), "notes.txt": b"mine"})
    (Path(world) / "examples" / "one.mp4").unlink()
    assert main(["push", world, "me/world"]) == 0
    files = repository.at("main")[1]
    assert "notes.txt" in files and "examples/one.mp4" not in files
    card = files["README.md"].decode()
    metadata = yaml.safe_load(card.split("---")[1])
    assert metadata["license"] == "mit" and metadata["language"] == "en" and {"mine", "videovq"} <= {*metadata["tags"]}
    assert "# Mine" in card and "Trained on a bus." in card and "an older fact" not in card
    assert card.count("--pretrained me/world") == 1
    assert main(["push", world, "me/world", "--private"]) == 2  # it is public


def test_a_world_that_is_packed_keeps_its_card(hub: HubServer, world: str, capsys: pytest.CaptureFixture[str]) -> None:
    (Path(world) / "README.md").write_text("---\nlicense: mit\n---\n# Mine\n\nTrained on a bus.\n")
    assert main(["push", world, "me/world", "--datasets", "[me/episodes]"]) == 0
    files = hub.repositories[ON_HUB].at("main")[1]
    assert sorted(files) == sorted([".gitattributes", "README.md", "examples/one.mp4", *WORLD])
    card = files["README.md"].decode()
    metadata = yaml.safe_load(card.split("---")[1])
    assert (metadata["license"], metadata["datasets"], metadata["library_name"]) == ("mit", ["me/episodes"], "videovq")
    for fact in ("--pretrained me/world", load_vqvae(OLD / "vqvae").fingerprint, "# Mine", "Trained on a bus."):
        assert fact in card, fact
    assert main(["push", world, "me/world", "--dtype", "float16"]) == 2
    assert "dtype: has no effect on a world that is packed" in capsys.readouterr().err


def test_a_report_becomes_the_cards_results(
    hub: HubServer, world: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from huggingface_hub import ModelCard

    report = {
        "settings": {"store": "hub://me/episodes", "split": "test"},
        "vqvae": load_vqvae(OLD / "vqvae").codes_of,
        "episodes_sha256": "abc",
        "bits_per_code": {"prediction": {"mean": 2.5}},
        "methods": {"prediction": {"psnr": {"by_horizon": [20.0, 19.0, None]}}},
    }
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(report))
    assert main(["push", world, "me/world", "--report", str(tmp_path)]) == 0
    results = ModelCard(hub.repositories[ON_HUB].at("main")[1]["README.md"].decode()).data.eval_results
    assert [(one.metric_type, one.metric_value) for one in results] == [("bits_per_code", 2.5), ("psnr_at_1", 20.0)]
    assert (results[0].dataset_name, results[0].dataset_split) == ("me/episodes", "test")
    path.write_text(json.dumps({**report, "vqvae": "another"}))
    assert main(["push", world, "me/world", "--report", str(tmp_path)]) == 2
    assert "is of another VQ-VAE's codes" in capsys.readouterr().err


def test_a_revision_is_the_one_that_was_asked_for(there: HubServer) -> None:
    repository = there.repositories[ON_HUB]
    first = repository.refs["main"]
    repository.refs["v1"] = first
    alone = {name: data for name, data in world_files().items() if name.startswith("vqvae/")}
    repository.commit(alone)
    for name in ("me/world@v1", f"me/world@{first}"):
        assert videovq.load(name, device="cpu").predictor is not None
    assert videovq.load("me/world", device="cpu").predictor is None
    with pytest.raises(ValueError, match=r"^me/world: has no revision 'v9'"):
        videovq.load("me/world@v9")


def test_nothing_but_the_files_of_a_world_is_ever_fetched(there: HubServer) -> None:
    strange = {"run.py": b"x", "pytorch_model.bin": b"x", "vqvae/model.pkl": b"x", "../escaped.json": b"x"}
    there.repositories[ON_HUB].commit({**world_files(), **strange})
    videovq.load("me/world", device="cpu")
    assert sorted(there.served) == sorted(WORLD)


def test_what_is_not_believable_is_refused_before_anything_is_fetched(there: HubServer) -> None:
    there.repositories[ON_HUB].sizes["vqvae/config.yaml"] = 2**30
    with pytest.raises(ValueError, match=r"me/world: vqvae/config.yaml is 1,073,741,824 bytes.*nothing was fetched"):
        videovq.load("me/world")
    there.new("models/me/other", {"config.json": b"{}"})
    with pytest.raises(ValueError, match=r"me/other: holds no vqvae/config.yaml.*nothing was fetched"):
        videovq.load("me/other")
    assert not there.served


@pytest.mark.parametrize("name", ["vqvae/config.yaml", "vqvae/model.safetensors"])
def test_what_is_not_what_the_hub_lists_is_refused_each_time(name: str, there: HubServer) -> None:
    data = bytearray(world_files()[name])
    data[-1] ^= 1
    there.repositories[ON_HUB].lies[name] = bytes(data)
    for _ in range(2):
        with pytest.raises(ValueError, match=rf"me/world: {name} did not arrive as the Hub says it is"):
            videovq.load("me/world")
        again()
    there.repositories[ON_HUB].lies.clear()
    videovq.load("me/world", device="cpu")


@pytest.mark.parametrize("how", ["closed", "broken", "HF_HUB_OFFLINE"])
def test_without_a_network_what_was_fetched_is_there_and_the_rest_one_clear_line(
    how: str, there: HubServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    videovq.load("me/world", device="cpu")
    commit = there.repositories[ON_HUB].refs["main"]
    again()
    if how == "closed":
        there.server_close()
        there.shutdown()
    elif how == "broken":
        there.broken = True
    else:
        monkeypatch.setattr(sys.modules["huggingface_hub.constants"], "HF_HUB_OFFLINE", True)
    for name in ("me/world", f"me/world@{commit}"):
        assert videovq.load(name, device="cpu").predictor is not None
    assert f"me/world: as it is in the cache, commit {commit[:12]}" in capsys.readouterr().err
    for words in (["play", "--pretrained", "me/other"], ["inspect", "--store", "hub://me/other"]):
        assert main(words) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("error: me/other: is neither here nor in the cache, and the Hub cannot be reached")


def test_a_token_that_is_missing_or_wrong_is_one_clear_line(
    there: HubServer, world: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there.new("models/me/secret", world_files(), private=True)
    there.new("models/me/gated", world_files(), gated=True)

    def said(*words: str) -> str:
        again()
        assert main([*words]) == 2
        [line] = capsys.readouterr().err.splitlines()
        return line

    pushed = ["push", world, "me/mine"]
    assert "its owner lets in whom they know" in said("play", "--pretrained", "me/gated")
    monkeypatch.setenv("HF_TOKEN", READER)
    assert "error: me/mine: the token that is set may not do that" in said(*pushed)
    monkeypatch.setenv("HF_TOKEN", "hf_nobody")
    assert "error: me/world: the Hub does not know the token that is set; log in" in said(
        "play", "--pretrained", "me/world"
    )
    assert "error: me/mine: the Hub does not know the token that is set; log in" in said(*pushed)
    monkeypatch.delenv("HF_TOKEN")
    assert "me/secret: is neither here nor a model repository of the Hub, or it is private and no token is set" in said(
        "play", "--pretrained", "me/secret"
    )
    assert "error: me/mine: to push, the Hub needs a token that may write; log in" in said(*pushed)
    assert "models/me/mine" not in there.repositories


def test_what_cannot_be_pushed_makes_no_repository(
    hub: HubServer, world: str, capsys: pytest.CaptureFixture[str]
) -> None:
    vqvae = str(OLD / "vqvae")
    for words, said in (
        ([vqvae, "mine"], "repo: 'mine'; give it as user/name"),
        ([vqvae, "me/mine@v1"], "me/mine@v1: what is pushed goes to main; leave @v1 out"),
        ([str(OLD / "store"), "me/mine"], "is a store; give --kind dataset"),
        ([vqvae, "me/mine", "--kind", "dataset"], "is no folder of a store on this machine"),
        ([vqvae, "me/mine", "--kind", "dataset", "--report", "r"], "report: has no effect on a store"),
        ([world, "me/mine", "--report", str(OLD)], "metrics.json: no such file"),
        ([str(OLD / "nowhere"), "me/mine"], "no such run"),
    ):
        assert main(["push", *words]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert said in line
    assert not hub.repositories
    assert main(["push", world, "me/mine", "--license", "?"]) == 2
    assert '"license" must be one of' in capsys.readouterr().err


def test_without_the_package_a_name_that_is_no_path_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert main(["play", "--pretrained", "runs/nowhere"]) == 2
    assert capsys.readouterr().err == (
        "error: runs/nowhere: is not here, and to look on the Hub takes huggingface_hub; run: pip install '.[hub]'\n"
    )


def test_a_path_that_is_here_is_no_name_of_the_hub(
    there: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for part in ("vqvae", "predictor"):
        shutil.copytree(OLD / part, tmp_path / "me" / "world" / part)
    assert pretrained_run("me/world") == Path("me/world/vqvae")
    assert not there.served
    assert pretrained_run("hub://me/world").parent.name == there.repositories[ON_HUB].refs["main"]


@pytest.mark.parametrize(("folder", "kind"), [("store", EpisodeStore), ("codes", CodeStore)])
def test_a_store_is_pushed_and_read_shard_by_shard(
    folder: str, kind: type[EpisodeStore] | type[CodeStore], hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(OLD / folder), "me/data", "--kind", "dataset", "--license", "cc-by-4.0"]) == 0
    then = "inspect" if kind is EpisodeStore else "train predictor"
    assert capsys.readouterr().out.endswith(f"videovq {then} --store hub://me/data\n")
    files = hub.repositories["datasets/me/data"].at("main")[1]
    assert "plan.json" not in files and "origin.json" not in files
    metadata = yaml.safe_load(files["README.md"].decode().split("---")[1])
    assert metadata["license"] == "cc-by-4.0" and metadata["size_categories"] == ["n<1K"]
    here, found = kind(OLD / folder), kind("hub://me/data")
    assert found.header.action_spec == here.header.action_spec and found.episodes == here.episodes
    assert not [name for name in hub.served if name.startswith("shard") and name.endswith(".safetensors")]
    last = here.episodes[-1]
    for ours, theirs in zip(vars(here.read(last)).values(), vars(found.read(last)).values(), strict=True):
        assert torch.equal(ours, theirs) if isinstance(ours, torch.Tensor) else ours == theirs
    shards = [name for name in hub.served if name.startswith("shard") and name.endswith(".safetensors")]
    assert shards == [f"shard-{last.shard:05d}.safetensors"]
    if isinstance(found, CodeStore) and isinstance(here, CodeStore):
        assert torch.equal(found.codebook, here.codebook)
    hub.broken = True  # what was read stays
    again()
    assert len(kind("hub://me/data").read(last).actions) == last.length


def test_codes_are_made_of_a_store_on_the_hub_and_not_written_there(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(OLD / "store"), "me/data", "--kind", "dataset"]) == 0
    words = ["encode", "--store", "hub://me/data", "--vqvae", str(OLD / "vqvae"), "--out"]
    assert main([*words, str(tmp_path / "codes")]) == 0
    codes = CodeStore(tmp_path / "codes")
    assert codes.header.provenance["encoded"]["episodes"] == "hub://me/data"
    assert codes.find(codes.episodes[0].id).length == EpisodeStore(OLD / "store").episodes[0].length
    capsys.readouterr()
    assert main([*words, "hub://me/codes"]) == 2
    assert "out: hub://me/codes can be read only; write to a folder" in capsys.readouterr().err


def test_stores_do_not_tell_of_the_machine_that_made_them(hub: HubServer, tmp_path: Path) -> None:
    folder = shutil.copytree(OLD / "store", tmp_path / "store")
    path = folder / "shard-00000.json"
    table = json.loads(path.read_text())
    table["skipped"] = [{"source": "a", "reason": "/home/me/secret/a.mp4: torn; see https://example.org/x/y"}]
    path.write_text(json.dumps(table))
    assert main(["push", str(folder), "me/data", "--kind", "dataset"]) == 0
    sent = hub.repositories["datasets/me/data"].at("main")[1]["shard-00000.json"].decode()
    assert "a.mp4: torn; see https://example.org/x/y" in sent and "secret" not in sent
