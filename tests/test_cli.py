import subprocess
import sys
from pathlib import Path

import pytest

from videovq import __version__
from videovq.cli import COMMANDS, main


def test_help_of_every_command_imports_no_torch() -> None:
    code = (
        "import sys; from videovq.cli import main, COMMANDS\n"
        "for words in [[], *(n.split() for n in COMMANDS)]:\n"
        "    try: main([*words, '--help'])\n"
        "    except SystemExit as e: assert not e.code\n"
        "print('HEAVY', [m for m in ('torch', 'numpy', 'lightning', 'av') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip().endswith("HEAVY []")
    for name in COMMANDS:
        assert f"videovq {name}" in shown


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["trian"], "trian"),
        (["prep", "--frame_sise", "84"], "frame_sise"),
        (["prep", "--frame_size", "big"], "frame_size"),
        (["prep", "--source", "no/such/folder"], "no/such/folder"),
        (["train", "vqvae", "--store", "no/such/store"], "no/such/store"),
        (["encode", "--store", "no/such/store"], "no/such/store"),
        (["train", "predictor", "--window", "1"], "window"),
        (["rollout", "--predictor", "no/such/run"], "no/such/run"),
        (["rollout", "--frames", "0"], "frames"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    words: list[str], named: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert named in error.splitlines()[0]
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_python_m_videovq_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "videovq", "version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == __version__
