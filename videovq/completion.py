"""Completion of the command line on Tab: what may stand at the cursor, and the script with which a shell asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from videovq.config import choice_bases
from videovq.help import help_of
from videovq.naming import kind_names, names, type_of
from videovq.prep.sources.readers import READERS
from videovq.shipped import shipped, shipped_configs

SCRIPTS = {
    "bash": """\
_videovq() {
    local IFS=$'\\n'
    COMPREPLY=($("$1" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _videovq videovq""",
    "zsh": """\
_videovq() {
    local found="$("$words[1]" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)"
    if [[ -n $found ]]; then compadd -- "${(@f)found}"; else _files; fi
}
compdef _videovq videovq""",
    "fish": """\
function _videovq
    set -l found (videovq __complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)
    if test -n "$found"; printf '%s\\n' $found; else; __fish_complete_path (commandline -ct); end
end
complete -c videovq -f -a '(_videovq)'""",
}


def script(shell: str) -> str:
    """What a shell runs at its start to complete ``videovq`` on Tab.

    Args:
        shell: one of ``SCRIPTS``.
    """
    return SCRIPTS[shell]


def completions(words: list[str], configs: Mapping[str, type[Any]], texts: Mapping[str, Sequence[str]]) -> list[str]:
    """What may stand in place of the last word; nothing: anything, such as a file.

    Args:
        words: of a command line, after ``videovq`` and up to the cursor.
        configs: the settings of every command that has some.
        texts: the words from which any other command takes one.
    """
    parted = [word for word in words if word != "="]  # by bash, of --split=test
    *before, last = [*parted, ""] if not words or words[-1] == "=" else parted
    option, equals, begun = last.partition("=")
    if equals and option.startswith("--"):
        return [f"{option}={value}" for value in completions([*before, option, begun], configs, texts)]
    command = max(
        (name for name in [*configs, *texts] if before[: name.count(" ") + 1] == name.split()), default="", key=len
    )
    given = before[len(command.split()) :]
    if given and given[-1].startswith("--") and command in configs:
        found = values(configs[command], given[-1][2:].replace("-", "_"))
    elif last.startswith("-") and command in configs:
        found, last = options(configs[command], given), "--" + last[2:].replace("-", "_")
    else:
        begin = [name.split() for name in [*configs, *texts] if name.split()[: len(before)] == before]
        found = [name[len(before)] for name in begin if len(name) > len(before)]
        found += texts.get(command, []) if not given else []
        found += options(configs[command], given) if command in configs and not found else []
    return [word for word in dict.fromkeys(found) if word and word.startswith(last)]


def options(config: type[Any], given: list[str]) -> list[str]:
    """What ``--help`` shows beside what is given already, which may choose a class."""
    lines = help_of(config, "", given).splitlines()
    return [line.split()[0] for line in lines if line.startswith("  --")] + ["--help"]


def values(config: type[Any], name: str) -> list[str]:
    """What a setting may be, where that is one of a few names."""
    known = names(config)
    special = {
        "config": shipped_configs,
        "pretrained": lambda: shipped("predictor" if "predictor" in known else "vqvae"),
        "format": lambda: ["auto", *READERS],
    }
    if name in special and (name in known or name == "config"):
        return [*special[name]()]
    return names_of(type_of(config, name)) if name in known else []


def names_of(hint: Any) -> list[str]:
    """The names among the values of a type."""
    if get_origin(hint) is Literal:
        return [value for value in get_args(hint) if value]
    if hint in choice_bases():
        return kind_names(hint)
    if hint is bool:
        return ["true", "false"]
    return [name for part in get_args(hint) for name in names_of(part)]
