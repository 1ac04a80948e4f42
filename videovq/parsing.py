"""Command line and YAML -> config dataclass -> YAML."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from videovq.config import RENAMED, choice_bases
from videovq.errors import UserError
from videovq.naming import import_named, kind_names, nearest, no_setting, strangers
from videovq.parser_messages import class_names, explained
from videovq.shipped import shipped_configs

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

C = TypeVar("C")
FORMAT, FORMAT_VERSION = "format_version", 1  # of files of settings; one that does not say is of the first
MODE = "as written"
PRINT = "print_config"
PUBLIC = "videovq.config"  # every choice is found there, whatever its module


def make_parser(config: type, prog: str) -> ArgumentParser:
    """One flat parser that fills ``config`` from ``--config FILE.yaml`` and from options, later ones winning."""
    import jsonargparse
    import yaml

    jsonargparse.set_parsing_settings(subclasses_enabled=list(choice_bases()))
    jsonargparse.set_loader(MODE, as_written, exceptions=(yaml.YAMLError,))
    parser = jsonargparse.ArgumentParser(prog=prog, exit_on_error=False, parser_mode=MODE, print_config=None)
    parser.add_argument("--config", action="config")
    parser.add_argument(f"--{PRINT}", action="store_true")
    parser.add_class_arguments(config)
    return parser


def parse(
    config: type[C], arguments: list[str], prog: str = "videovq", commands: Mapping[str, type[Any]] | None = None
) -> C:
    """Fill a config dataclass from command-line arguments. ``~/`` at the start of a text is the home folder.

    Args:
        prog: what the command is called.
        commands: all commands with their configs, to tell whose settings are in a file that has others.

    Raises:
        UserError: an unknown or missing key, or a value that cannot be used; the message names it.
    """
    import jsonargparse

    words = with_files_read(config, spell_out(config, arguments), commands or {})
    try:  # only what is given, since jsonargparse gives a chosen class the default class's values of the same names
        values = make_parser(config, prog).parse_args(words, defaults=False).as_dict()
    except (jsonargparse.ArgumentError, TypeError) as error:
        raise UserError(explained(config, " ".join(str(error).split()))) from None
    found = filled(config(), {name: value for name, value in values.items() if name in config.__dataclass_fields__})  # type: ignore[attr-defined]
    if values.get(PRINT):
        print(to_yaml(found), end="")
        sys.exit()
    return found


def filled(default: C, values: dict[str, Any], name: str = "") -> C:
    """A config with the values that were parsed; where another class was chosen, with that one's defaults.

    Args:
        name: its own dotted name, for messages.

    Raises:
        UserError: a value is missing, or cannot be used.
    """
    if "class_path" in values:
        chosen = class_of(values["class_path"])
        base = next(base for base in choice_bases() if issubclass(chosen, base))
        if chosen.__name__ not in kind_names(base):
            raise UserError(f"{name}: no {chosen.__name__!r}; choose from {class_names(base)}")
        default = default if type(default) is chosen else chosen()
        values = values.get("init_args", {})
    found: dict[str, Any] = {}
    for key, value in values.items():
        dotted, before = f"{name}.{key}" if name else key, getattr(default, key)
        if value is None:
            raise UserError(f"{dotted}: has no value; give one or leave it out")
        if not is_dataclass(before):
            found[key] = at_home(value, dotted)
        elif isinstance(value, dict):
            found[key] = filled(before, value, dotted)
        else:
            inner = next(iter(before.__dataclass_fields__))
            raise UserError(f"{dotted}: holds settings, such as {dotted}.{inner}, and cannot be {value!r}")
    return replace(default, **found)  # type: ignore[type-var]


def at_home(value: Any, name: str) -> Any:
    """A value, in which ``~/`` at the start of a text became the home folder.

    Raises:
        UserError: there is no home folder.
    """
    if isinstance(value, list):  # where `~` alone is a name like another
        return [one if one == "~" else at_home(one, name) for one in value]
    if not isinstance(value, str) or not (value == "~" or value.startswith("~/")):
        return value
    path = os.path.expanduser(value)
    if path.startswith("~"):
        raise UserError(f"{name}: {value} is in the home folder, but nothing says where that is; set HOME")
    return path


def class_of(path: str) -> type[Any]:
    """The class that a ``class_path`` names."""
    module, _, name = path.rpartition(".")
    found: type[Any] = getattr(import_module(module), name)
    return found


def spell_out(config: type, arguments: list[str]) -> list[str]:
    """What the parser understands: ``--no-decode`` is ``--decode=false``, ``--frame-size`` is ``--frame_size``."""
    switches = {name for name, f in config.__dataclass_fields__.items() if f.type in (bool, "bool")}  # type: ignore[attr-defined]
    spelt = []
    for i, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name.startswith("--"):
            name = name[2:].replace("-", "_")
            name = "--" + RENAMED.get(config, {}).get(name, name)
            bare = not equals and (i + 1 == len(arguments) or arguments[i + 1].startswith("--"))
            if bare and name[2:] in switches:
                equals, value = "=", "true"
            elif bare and name.startswith("--no_") and name[5:] in switches:
                name, equals, value = "--" + name[5:], "=", "false"
        spelt.append(name + equals + value)
    return spelt


def with_files_read(config: type, arguments: list[str], commands: Mapping[str, type[Any]]) -> list[str]:
    """Arguments in which every ``--config FILE`` holds what is in the file, or in the one of that name that ships.

    Raises:
        UserError: a file is missing, or is no YAML file of settings of this config, each with a value.
    """
    import yaml

    read, rest = [], iter(arguments)
    import_named(" ".join(arguments))
    for argument in rest:
        name, equals, path = argument.partition("=")
        if name == "--config":
            path = file_named(path if equals else next(rest, ""))
            values = settings_in(path)
            import_named(str(values))
            unknown = strangers(config, values)
            if unknown:
                whose = next((name for name, other in commands.items() if not strangers(other, values)), "")
                if whose:
                    missing = unknown[0].removesuffix(".class_path")
                    raise UserError(f"{path}: holds settings of `videovq {whose}`; {missing} does not fit this command")
                if not unknown[0].endswith(".class_path"):  # where it does, the parser knows what to choose from
                    raise UserError(f"{path}: {no_setting(config, unknown[0])}")
            argument = "--config=" + yaml.safe_dump(renamed(config, values, path))
        read.append(argument)
    return read


def renamed(config: type, values: dict[str, Any], path: str) -> dict[str, Any]:
    """The content of a YAML file, in which settings with names of earlier versions have those of today.

    Raises:
        UserError: one has both.
    """
    for before, now in RENAMED.get(config, {}).items():
        if {before, now} <= values.keys():
            raise UserError(f"{path}: {before} is what {now} was called earlier; give one of the two")
    return {RENAMED.get(config, {}).get(key, key): value for key, value in values.items()}


def file_named(name: str) -> str:
    """The path of a YAML file: the one given or, where no such file exists, that of a file that ships by its name, as
    ``train_vqvae``, ``train_vqvae.yaml`` or ``configs/train_vqvae.yaml``.

    Raises:
        UserError: a bare name, and neither exists.
    """
    ships = shipped_configs()
    plain = re.sub(r"^configs/(papers/\w+/)?|\.yaml$", "", name)
    path = Path(at_home(name, "config"))
    if plain in ships and not path.is_file():
        return str(ships[plain])
    if plain and "/" not in plain and not path.exists():
        meant = nearest(plain, ships)
        hint = f"did you mean {meant}? " if meant else ""
        raise UserError(f"{name}: no such file, and none of that name ships; {hint}`videovq list configs` lists them")
    return name


def settings_in(path: str) -> dict[str, Any]:
    """What is in a YAML file of settings, every value as text.

    Raises:
        UserError: the file is missing, is no YAML file of settings, each with a value, or a later version wrote it.
    """
    import yaml

    if not path:
        raise UserError("config: has no value; give one, as --config FILE.yaml")
    place = Path(at_home(path, "config"))
    if not place.is_file():
        raise UserError(f"{path}: {'is a folder; name a YAML file' if place.is_dir() else 'no such file'}")
    try:
        values = as_written(place.read_text("utf-8-sig"))
    except UnicodeDecodeError:
        raise UserError(f"{path}: is no text, and so no YAML file of settings") from None
    except yaml.YAMLError as error:
        why = " ".join(str(error).split()).replace(' in "<unicode string>",', ",")
        raise UserError(f"{path}: cannot be read as YAML ({why})") from None
    if values is None:
        raise UserError(f"{path}: is empty; write a setting a line, as `NAME: VALUE`, or leave --config out")
    if not isinstance(values, dict):
        raise UserError(f"{path}: must hold settings, one a line as `NAME: VALUE`, not {values!r}")
    empty = next(without_value(values), None)
    if empty is not None:
        raise UserError(f"{path}: {empty}: has no value; give one or remove the line")
    written = values.pop(FORMAT, str(FORMAT_VERSION))
    if written not in (str(one) for one in range(1, FORMAT_VERSION + 1)):
        raise UserError(
            f"{path}: {FORMAT} is {written}, and this videovq reads {FORMAT_VERSION} at most; if a later one wrote it,"
            " update videovq"
        )
    return values


def without_value(value: Any, name: str = "") -> Iterator[str]:
    """The dotted names of what is empty in the content of a YAML file."""
    if value is None:
        yield name
    elif isinstance(value, dict):
        for key, inner in value.items():
            hidden = key == "init_args" and inner is not None
            yield from without_value(inner, name if hidden else f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from without_value(inner, f"{name}[{i}]")


@cache
def written_loader() -> type[Any]:
    """The YAML loader of :func:`as_written`; yaml is imported when it is needed."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [key.value for key, _ in node.value if not key.tag.endswith(":merge")]
            for i, key in enumerate(keys):
                if key in keys[:i]:
                    raise yaml.constructor.ConstructorError(None, None, f"{key} occurs twice", node.start_mark)
            return super().construct_mapping(node, deep)

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in found if tag.endswith((":null", ":merge"))]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return Loader


def as_written(text: str, **_: Any) -> Any:
    """The content of a YAML text with every value as the text that was written, for its field to say what it means:
    YAML itself takes ``off`` for false, ``007`` for 7 and ``12:30`` for 750.

    Raises:
        yaml.YAMLError: it is no YAML, or a key occurs twice.
    """
    import yaml

    return yaml.load(text, Loader=written_loader())


def read_config(config: type[C], path: str | Path) -> C:
    """Read a config dataclass from a YAML file.

    Raises:
        UserError: the file is missing, or holds an unknown key or a value of the wrong type.
    """
    try:
        return parse(config, ["--config", str(path)])
    except ValueError as error:
        raise UserError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from None


def to_yaml(config: Any) -> str:
    """The YAML text from which :func:`read_config` rebuilds ``config``."""
    import yaml

    return yaml.safe_dump({FORMAT: FORMAT_VERSION, **to_plain(config)}, sort_keys=False)


def to_plain(config: Any) -> Any:
    """A config as plain dictionaries, lists and scalars; a chosen subclass as ``class_path`` + ``init_args``."""
    if is_dataclass(config):
        fields = {name: to_plain(getattr(config, name)) for name in config.__dataclass_fields__}
        if isinstance(config, choice_bases()):
            return {"class_path": f"{PUBLIC}.{type(config).__name__}", "init_args": fields}
        return fields
    if isinstance(config, (list, tuple)):
        return [to_plain(value) for value in config]
    return config
