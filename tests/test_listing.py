"""``videovq list``: what can be called by name."""

from __future__ import annotations

import pytest

from videovq.cli import TEXTS, main
from videovq.listing import LISTS
from videovq.prep.sources.readers import READERS
from videovq.shipped import shipped, shipped_configs


def test_everything_that_has_a_name_is_listed_and_explained(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    said = dict(line.split(maxsplit=1) for line in lines if line.startswith("  ") and line[2] != " ")
    assert [*said] == [*shipped("vqvae"), *READERS, *shipped_configs()]
    assert said["dmlab-small"].startswith("VQ-VAE, predictor, ") and " example" in said["dmlab-small"]
    assert said["dmlab"].startswith("VQ-VAE. 84x84 DeepMind Lab frames")
    assert said["videos"].startswith("Videos, actions beside them or not")
    assert said["train_vqvae_paper"] == "Widths, codes and batch of the paper (section 4.1): for a GPU."


def test_one_list_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert TEXTS["list"].words == ("", *LISTS)
    assert main(["list", "formats"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:] if line[2] != " "]
    assert names == [*READERS]


def test_a_list_that_is_none_is_answered_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "modls"]) == 2
    assert (
        capsys.readouterr().err == "error: `videovq list` goes on with one of models, formats, configs, not 'modls'\n"
    )
    assert main(["list", "--help"]) == 0
    assert "WORD is one of models, formats, configs." in capsys.readouterr().out
