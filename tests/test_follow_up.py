"""What is typed next, and where nothing is written over."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import predictor_config, vqvae_config
from videovq.cli import COMMANDS, LOOKED_AT, command_in, main
from videovq.data.store import CodeStore, EpisodeStore
from videovq.follow_up import free, occupant, typed
from videovq.parsing import parse
from videovq.training import loop, predictor, vqvae
from videovq.training.task import Task


def test_a_line_can_be_copied() -> None:
    assert typed("encode", store="my films/a", vqvae="runs/b") == "videovq encode --store 'my films/a' --vqvae runs/b"


def test_a_place_counts_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("reports/one").mkdir(parents=True)
    assert free("reports/one") == "reports/one", "it is empty"
    Path("reports/one/report.html").touch()
    Path("reports/page.html").touch()
    Path("rollouts").mkdir()
    Path("rollouts/a.npz").touch()
    Path("rollouts/a-2.gif").touch()
    assert free("reports/one") == "reports/one-2"
    assert free("reports/page.html") == "reports/page-2.html"
    assert free("rollouts/a") == "rollouts/a-3"
    assert occupant("rollouts/a") == Path("rollouts/a.npz")
    Path("more/inner").mkdir(parents=True)
    Path("more/inner/file").touch()
    assert occupant("more") is None, "only its folders have files"


@pytest.mark.parametrize("name", [name for name in COMMANDS if name.split()[0] in LOOKED_AT])
def test_what_is_there_is_not_written_over(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command, given = COMMANDS[name], []
    monkeypatch.setattr("videovq.cli.import_module", lambda module: type("", (), {command.function: given.append}))
    words = {"compare": ["--reports", "[a,b]"], "inspect": ["--store", "s"], "evaluate density": ["--runs", "[a]"]}
    words["evaluate sound"] = ["--prior", ""]
    default = command.config.out

    def make(place: str) -> None:
        path = Path(f"{place}.gif" if name == "rollout" else place if name == "compare" else f"{place}/file")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    for _ in range(3):
        assert main([*name.split(), *words.get(name, [])]) == 0
        make(given[-1].out)
    outs = [one.out for one in given]
    assert outs[0] == default and len(set(outs)) == 3
    make("mine")
    assert main([*name.split(), *words.get(name, []), "--out", "mine"]) == 2
    error = capsys.readouterr().err
    assert "mine" in error and "is there already; choose another out, or remove it" in error
    assert len(given) == 3


def parsed(line: str) -> Any:
    """The settings of a line that was printed."""
    _, *words = shlex.split(line)
    name = command_in(words)
    return parse(COMMANDS[name].config, words[len(name.split()) :])


def test_the_stages_name_each_other(
    episode_store: EpisodeStore, vqvae_run: Path, code_store: CodeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said: list[Task] = []
    monkeypatch.setattr(loop, "fit", lambda task, beside=(): said.append(task))
    vqvae.train(vqvae_config(episode_store, Path("my run")))
    predictor.train(predictor_config(code_store, Path("runs/p")))
    encoding, rolling = (parsed(one.then) for one in said)
    assert (encoding.store, encoding.vqvae, encoding.out) == (str(episode_store), "my run", "stores/codes")
    assert (rolling.predictor, rolling.vqvae, rolling.context) == ("runs/p", str(vqvae_run), str(episode_store))
    train = [info.length for info in episode_store.split("train")]
    assert [one.about for one in said] == [f"{len(train)} episodes, {sum(train)} frames"] * 2
