"""The command line: a table of commands; a command's module is imported only when it runs."""

from __future__ import annotations

import errno
import os
import re
import sys
import traceback
from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from videovq import __version__, config
from videovq.errors import UserError
from videovq.follow_up import free, occupant
from videovq.help import help_of
from videovq.hub import HUB
from videovq.naming import nearest
from videovq.parsing import parse
from videovq.progress import escape_what_cannot_be_shown
from videovq.slices import Command, slices
from videovq.threads import Watch
from videovq.writable import give_caches_a_home, hindrance


class Text(NamedTuple):
    """A command without settings, which prints ``module.function(word)``; with an empty word, it does without one."""

    module: str
    function: str
    words: tuple[str, ...]
    help: str


CORE = {
    "record": Command("videovq.prep.record", "record", config.RecordConfig, "record episodes from an environment"),
    "prep": Command("videovq.prep.prepare", "prepare", config.PrepConfig, "videos + actions -> EpisodeStore"),
    "import tokens": Command(
        "videovq.prep.tokens", "import_tokens", config.ImportTokensConfig, "a 1X token dump -> a CodeStore"
    ),
    "inspect": Command("videovq.prep.inspect", "inspect", config.InspectConfig, "what is in a store, and what is odd"),
    "train vqvae": Command("videovq.training.vqvae", "train", config.TrainVQVAEConfig, "EpisodeStore -> VQ-VAE run"),
    "encode": Command(
        "videovq.training.encode", "encode", config.EncodeConfig, "EpisodeStore + VQ-VAE run -> CodeStore"
    ),
    "train predictor": Command(
        "videovq.training.predictor", "train", config.TrainPredictorConfig, "CodeStore -> predictor run"
    ),
    "rollout": Command(
        "videovq.rollout.write", "rollout", config.RolloutConfig, "context frames + actions -> GIF, MP4, PNG, npz"
    ),
    "play": Command("videovq.play.command", "play", config.PlayConfig, "walk through the learned world in the browser"),
    "export": Command(
        "videovq.export.command", "export_model", config.ExportConfig, "the learned world as .pt2 and ONNX"
    ),
    "evaluate vqvae": Command(
        "videovq.evaluation.vqvae", "evaluate", config.EvaluateVQVAEConfig, "PSNR, SSIM, code usage, reconstructions"
    ),
    "evaluate long": Command(
        "videovq.evaluation.long", "evaluate", config.EvaluateLongConfig, "do rollouts of hundreds of frames hold?"
    ),
    "evaluate": Command(
        "videovq.evaluation.evaluate", "evaluate", config.EvaluateConfig, "bits, quality by horizon, controls: a report"
    ),
    "compare": Command("videovq.evaluation.compare", "compare", config.CompareConfig, "several reports on one page"),
    "show codebook": Command(
        "videovq.evaluation.codebook",
        "show_codebook",
        config.ShowCodebookConfig,
        "every code decoded, its usage, a map",
    ),
    "pack": Command(
        "videovq.pack", "pack", config.PackConfig, "runs -> a world to share: a folder or a .zip", bare=("source",)
    ),
    "push": Command(
        "videovq.push", "push", config.PushConfig, "a world or a store -> the Hugging Face Hub", bare=("source", "repo")
    ),
    "demo": Command("videovq.demo", "demo", config.DemoConfig, "record ViZDoom and run every stage, small"),
}

COMMANDS = {**CORE, **{name: command for one in slices() for name, command in one.commands.items()}}

TEXTS = {
    "list": Text(
        "videovq.listing",
        "listing",
        ("", "models", "formats", "configs"),
        "the models that ship, formats and configs, by name",
    ),
    "completion": Text(
        "videovq.completion", "script", ("bash", "zsh", "fish"), "what completes videovq on Tab in a shell"
    ),
}


CONFIGS = {name: command.config for name, command in COMMANDS.items()}
OUTPUTS = ("out", "run", "in_browser")  # settings that say where a command writes
OF_FILES = ("rollout", "compare", "pack")  # commands of which they name files, or a folder that is to be made
LOOKED_AT = ("rollout", "evaluate", "compare", "show", "inspect", "export")  # first words of commands
UNABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)  # no room, no right to write


VERSION = ("version", "--version", "-V")
HELP = ("-h", "--help")
TRACEBACK = "--traceback"  # where a person's mistake was noticed; a fault of ours always says so
COMPLETE = "__complete"  # what the scripts of videovq.completion ask
UNREAD = 141  # exit code of what SIGPIPE stops


def usage() -> str:
    beside = [name for name in COMMANDS if name not in CORE]
    papers = ["", "Experiments of papers, beside the main job:", "", *listed(beside)] if beside else []
    return "\n".join(["usage: videovq COMMAND [--config FILE.yaml] [--option VALUE ...]", "", *listed(CORE), "",
                      *listed(TEXTS), f"  {'version, -V':<21} print the version", *papers, "",
                      "videovq COMMAND --help lists the command's options.",
                      "videovq COMMAND --traceback says where in the code an error was noticed."])  # fmt: skip


def listed(names: Iterable[str]) -> list[str]:
    """A line for each command."""
    return [f"  {name:<21} {(COMMANDS | TEXTS)[name].help}" for name in names]


def group(word: str) -> list[str]:
    """The commands of several words of which one is the first."""
    return [name for name in COMMANDS if name.split()[0] == word and " " in name]


def command_in(words: list[str]) -> str:
    """The command that arguments begin with; empty: none."""
    name = max((n for n in COMMANDS if words[: len(n.split())] == n.split()), key=len, default="")
    rest = words[len(name.split()) :]
    astray = rest and not rest[0].startswith("-") and group(words[0]) and " " not in name
    return "" if astray else name  # `evaluate vqave` is no `evaluate`


def no_command(words: list[str]) -> str:
    """What to say of arguments that begin with no command: which was meant, or what there is."""
    of_group = group(words[0])
    second = words[1] if len(words) > 1 and not words[1].startswith("-") else ""
    if of_group and not second:
        return "\n".join([f"`videovq {words[0]}` goes on with one more word:", "", *listed(of_group)])
    typed = f"{words[0]} {second}".strip()
    meant = nearest(typed, COMMANDS) or nearest(words[0], [name.split()[0] for name in COMMANDS | TEXTS])
    if meant:
        return f"no command {typed!r}; did you mean `videovq {meant}`?"
    return "\n".join([f"no command {typed!r}", "", *(listed(of_group) or [usage()])])


def processes(settings: Any) -> int:
    """How many processes of a command compute at the same time on this machine."""
    training = getattr(settings, "training", None)
    return max(1, getattr(settings, "workers", 1), getattr(training, "devices", 1))


def refuse_unwritable(command: str, settings: Any) -> None:
    """Find out before a command computes that it could not write what it found.

    Raises:
        UserError: where it is to write, it cannot.
    """
    for name in OUTPUTS:
        value = getattr(settings, name, "")
        if value.startswith(HUB):
            raise UserError(f"{name}: {value} can be read only; write to a folder, and `videovq push` brings it there")
        if value and "://" not in value:
            folder = Path(value).parent if command in OF_FILES else Path(value)
            why = "it is a folder; name a file" if command == "compare" and Path(value).is_dir() else hindrance(folder)
            if why:
                raise UserError(f"{name}: {value} cannot be written ({why}); choose another, or mend that")


def unread() -> bool:
    """Whether nobody reads any more what this process prints, as behind ``| head``; then it prints nothing more."""
    streams = (sys.stdout, sys.stderr)
    try:
        for stream in streams:
            print(file=stream, flush=True)
    except BrokenPipeError:
        for stream in streams:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return True
    return False


def beside_what_is_there(command: str, settings: Any) -> Any:
    """Settings that write over nothing that was made to be looked at: where ``out`` is the default, it counts up.

    Commands that go on with what they began (``record``, ``prep``, ``encode``, ``train``, ``demo``) know their own.

    Raises:
        UserError: there is something at an ``out`` that was chosen.
    """
    if command.split()[0] not in LOOKED_AT:
        return settings
    if settings.out == type(settings).out:
        return replace(settings, out=free(settings.out))
    if there := occupant(settings.out):
        raise UserError(f"out: {there} is there already; choose another out, or remove it")
    return settings


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 2 for a user's mistake, 130 interrupted, 141 where nobody reads."""
    escape_what_cannot_be_shown()
    words = sys.argv[1:] if arguments is None else arguments
    try:
        code = run(words)
        sys.stdout.flush()
    except BrokenPipeError:
        if not unread():
            raise
        return UNREAD
    except OSError as error:
        if error.errno not in UNABLE:
            raise
        print(f"error: {error}; run the same command again when that is mended, and it continues", file=sys.stderr)
        return 2
    return code


def print_text(name: str, given: list[str], asked: bool) -> int:
    """What a command without settings does; returns the exit code."""
    text = TEXTS[name]
    choice = ", ".join(filter(None, text.words))
    if asked:
        print(f"videovq {name} WORD prints {text.help}. WORD is one of {choice}.")
    elif len(given) > 1 or (given or [""])[0] not in text.words:
        typed = f", not {' '.join(given)!r}" if given else ""
        print(f"error: `videovq {name}` goes on with one of {choice}{typed}", file=sys.stderr)
        return 2
    else:
        print(getattr(import_module(text.module), text.function)(*given))
    return 0


def run(words: list[str]) -> int:
    """Run the command that words are; returns the exit code."""
    if words[:1] == [COMPLETE]:
        from videovq.completion import completions

        print("\n".join(completions(words[1:], CONFIGS, {name: text.words for name, text in TEXTS.items()})))
        return 0
    asked = words[:1] == ["help"] or any(word in HELP or re.fullmatch(r"--.+\.help(=.*)?", word) for word in words)
    shown = TRACEBACK in words
    words = [w for i, w in enumerate(words) if w not in (*HELP, TRACEBACK) and (i or w != "help")]
    if not words:
        print(usage())
        return 0
    if words[0] in VERSION:
        print(__version__)
        return 0
    if words[0] in TEXTS:
        return print_text(words[0], words[1:], asked)
    name = command_in(words)
    if not name:
        bare = asked and words == [words[0]] and group(words[0])
        print("\n".join(listed(bare)) if bare else f"error: {no_command(words)}", file=None if bare else sys.stderr)
        return 0 if bare else 2
    command = COMMANDS[name]
    if asked:
        print(help_of(command.config, f"videovq {name}", words[len(name.split()) :]))
        if group(name):
            print("\n".join(["", f"`videovq {name}` may go on with one more word:", "", *listed(group(name))]))
        return 0
    others, rest = Watch(), words[len(name.split()) :]
    values = takewhile(lambda word: not word.startswith("-"), rest)
    for i, (setting, value) in enumerate(zip(command.bare, [*values], strict=False)):
        rest[i] = f"--{setting}={value}"
    try:
        settings: Any = parse(command.config, rest, f"videovq {name}", CONFIGS)
        refuse_unwritable(name, settings)
        settings = beside_what_is_there(name, settings)
        give_caches_a_home()
        others.choose(processes(settings))
        getattr(import_module(command.module), command.function)(settings)
    except UserError as error:
        if shown:
            traceback.print_exception(error)
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; run the same command again to continue", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
