"""What is typed next, and where nothing is written over."""

from __future__ import annotations

from pathlib import Path

import pytest

from videovq.cli import COMMANDS, LOOKED_AT, main
from videovq.follow_up import free, occupant, typed


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
