import errno
import io
import os
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


def test_a_persons_mistake_is_one_line_and_a_fault_of_ours_keeps_its_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = ["prep", "--source", str(tmp_path / "none"), "--out", str(tmp_path / "store")]
    assert main(words) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ") and shown.count("\n") == 1
    assert main([*words, "--traceback"]) == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown and "videovq.errors.UserError" in shown and shown.splitlines()[-1].startswith("error: ")

    def broken(config: object) -> None:
        raise ValueError("of a library")

    monkeypatch.setattr("videovq.prep.prepare.prepare", broken)
    with pytest.raises(ValueError, match="of a library"):
        main(words)


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


@pytest.mark.parametrize(("words", "unbuffered"), [("train vqvae --help", ""), ("list", "1"), ("trian", "")])
def test_a_command_ends_quietly_when_nobody_reads_what_it_prints(words: str, unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "videovq", *words.split()],
        stdout=writing,
        stderr=writing if words == "trian" else subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    os.close(writing)
    assert (done.returncode, done.stderr or "") == (141, "")


class Full(io.StringIO):
    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_below_what_is_printed_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", Full())
    assert main(["list", "models"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: [Errno ") and error.count("\n") == 1


def test_another_pipe_that_breaks_is_no_reason_for_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("videovq.evaluation.compare.compare", breaks)
    with pytest.raises(BrokenPipeError):
        main(["compare", "--reports", "[a]"])


def test_python_m_videovq_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "videovq", "version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == __version__


@pytest.mark.parametrize("word", ["version", "--version", "-V"])
def test_every_way_to_ask_for_the_version(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word]) == 0
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("trian", "no command 'trian'; did you mean `videovq train`?"),
        ("trian vqvae", "no command 'trian vqvae'; did you mean `videovq train vqvae`?"),
        ("train vqave --run x", "no command 'train vqave'; did you mean `videovq train vqvae`?"),
        ("evaluate vqva", "no command 'evaluate vqva'; did you mean `videovq evaluate vqvae`?"),
        ("lst", "no command 'lst'; did you mean `videovq list`?"),
        ("evalute", "no command 'evalute'; did you mean `videovq evaluate`?"),
        ("train vqvae --training.stps 3", "--training.stps: no such option; did you mean --training.steps?"),
        ("train vqvae --steps=3", "--steps: no such option; did you mean --training.steps?"),
        ("train predictor --model.wdth 3", "--model.wdth: no such option; did you mean --model.width?"),
        ("train vqvae --model.quantizer.levels [5]", "is no setting of EMAConfig; choose another model.quantizer: FSQ"),
        ("train vqvae --model EMAConfig", "model: "),
        ("train vqvae --model.quantizer [1]", "model.quantizer: no \"['1']\"; choose from EMAConfig, "),
        ("train vqvae --model.quantizer os.path", "model.quantizer: no 'os.path'; choose from EMAConfig, "),
        ("train vqvae --model.hidden.x 5", "--model.hidden.x: no such option"),
        ("train predictor --model.init_args 5", "model: holds settings of its own"),
        ("train vqvae more", "more: stands where an option should; options are written --NAME VALUE"),
        ("train vqvae --run", "run: has no value; give one, as --run VALUE"),
        ("train vqvae --config", "config: has no value; give one, as --config FILE.yaml"),
        ("train vqvae --optimizer.betas 0.9", "optimizer.betas: needs a list: [a, b]; '0.9' is none"),
        ("train vqvae --optimizer.betas [1,2,3]", "optimizer.betas: needs 2 values: [a, b];"),
        ("rollout --print_config=x", "--print_config: takes no value"),
        ("rollout --top 3", "--top: may mean --top_k, --top_p; write it out"),
        ("inspect --store x --out file", "out: file cannot be written"),
        ("compare --reports [x] --out folder", "out: folder cannot be written (it is a folder; name a file)"),
    ],
)
def test_what_was_meant_is_said_in_one_line_of_our_own_words(
    words: str, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("error: ") and said in error
    for word in ("argument", "Parser", "class_path", "accepted", "unrecognized", "Expected"):
        assert word not in error


@pytest.mark.parametrize("name", ["train", "show", "import"])
def test_a_group_alone_lists_its_commands_only(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: `videovq {name}` goes on with one more word:\n")
    listed = {line[2:23].strip() for line in error.splitlines() if line.startswith("  ")}
    assert listed == {command for command in COMMANDS if command.startswith(f"{name} ")}
    assert main([name, "--help"]) == 0
    assert {line[2:23].strip() for line in capsys.readouterr().out.splitlines()} == listed


def test_a_command_that_begins_others_lists_them_in_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--stride N" in shown and "\n  evaluate long " in shown


@pytest.mark.parametrize(
    ("command", "file", "said"),
    [
        ("train vqvae", "train_predictor.yaml", "holds settings of `videovq train predictor`; model does not fit"),
        ("train predictor", "train_vqvae.yaml", "holds settings of `videovq train vqvae`; model.hidden does not fit"),
        ("rollout", "prep.yaml", "holds settings of `videovq prep`; source does not fit this command"),
    ],
)
def test_settings_of_another_command_are_named(
    command: str, file: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(__file__).parents[1] / "configs" / file
    assert main([*command.split(), "--config", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}: {said}") and error.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"training: {stps: 3}", "training.stps: no such setting; did you mean training.steps?"),
        (b"model: {quantizer: {init_args: {decy: 3}}}", "model.quantizer.decy: no such setting; did you mean model.q"),
        (bytes(range(256)), "is no text, and so no YAML file of settings"),
        (b"a text", "must hold settings"),
        (b"store: [", "cannot be read as YAML"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    content: bytes, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    assert main(["train", "vqvae", "--config", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}: {said}") and error.count("\n") == 1 and "unicode string" not in error
