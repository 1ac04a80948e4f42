"""What a shell offers on Tab."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from videovq.cli import COMPLETE, TEXTS, main
from videovq.completion import SCRIPTS


def offered(line: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main([COMPLETE, *line.split(" ")]) == 0
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("tra", "train"),
        ("train pre", "predictor"),
        ("li", "list"),
        ("list m", "models"),
        ("encode --mir", "--mirror"),
        ("rollout --context-f", "--context_frames"),
        ("rollout --pretrained ", "dmlab-small vizdoom"),
        ("encode --pretrained d", "dmlab dmlab-small"),
        ("rollout --split te", "test"),
        ("rollout --split=te", "--split=test"),
        ("rollout --split =", "train val test"),  # as bash parts it
        ("rollout --split = te", "test"),
        ("prep --format v", "vpt videos"),
        ("record --lossless ", "true false"),
        ("record --source.engine_fps ", "auto"),
        ("train predictor --model Ra", "RasterPredictorConfig"),
        ("train predictor --model.dec", "--model.decoder_blocks"),
        ("train predictor --model RasterPredictorConfig --model.dec", "--model.decoder_layers --model.decoder_heads"),
        ("train vqvae --config train_vqvae_p", "train_vqvae_paper"),
        ("rollout --out ", ""),  # a path: the shell's own completion
        ("nonsense ", ""),
        ("train vqvae --nonsense ", ""),
    ],
)
def test_what_fits_at_the_cursor_is_offered(line: str, found: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert offered(line, capsys) == found.split()


def test_all_options_are_offered_where_one_may_stand(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"--config", "--help", "--store", "--training.steps"} <= {*offered("train vqvae ", capsys)}


def test_every_shell_has_its_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert {*TEXTS["completion"].words} == {*SCRIPTS}
    for shell, script in SCRIPTS.items():
        assert main(["completion", shell]) == 0
        assert capsys.readouterr().out == f"{script}\n" and COMPLETE in script
    assert main(["completion"]) == 2
    assert capsys.readouterr().err == "error: `videovq completion` goes on with one of bash, zsh, fish\n"


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_bash_is_answered() -> None:
    asks = (
        'videovq() { "$PYTHON" -m videovq "$@"; }; COMP_WORDS=(videovq evaluate --st); COMP_CWORD=2; _videovq videovq'
    )
    done = subprocess.run(
        ["bash", "-c", f'{SCRIPTS["bash"]}\n{asks}; echo "${{COMPREPLY[@]}}"'],
        capture_output=True,
        text=True,
        env={"PYTHON": sys.executable, "PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"},
    )
    assert (done.stdout, done.stderr) == ("--store --stride\n", "")
