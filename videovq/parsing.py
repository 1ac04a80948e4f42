"""Command line and YAML -> config dataclass -> YAML."""

from __future__ import annotations

import re
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from videovq.config import CHOICES

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

C = TypeVar("C")


def make_parser(config: type, prog: str) -> ArgumentParser:
    """One flat parser that fills ``config`` from ``--config FILE.yaml`` and from options, later ones winning."""
    import jsonargparse

    jsonargparse.set_parsing_settings(
        subclasses_enabled=list(CHOICES),
        docstring_parse_attribute_docstrings=True,
    )
    parser = jsonargparse.ArgumentParser(prog=prog, exit_on_error=False, description=config.__doc__)
    parser.add_argument("--config", action="config", help="YAML file with any of the options below.")
    parser.add_class_arguments(config)
    return parser


def parse(config: type[C], arguments: list[str], prog: str = "videovq") -> C:
    """Fill a config dataclass from command-line arguments.

    Raises:
        ValueError: an unknown or missing key, or a value of the wrong type; the message names it.
    """
    import jsonargparse

    parser = make_parser(config, prog)
    words = spell_out(config, arguments)
    try:
        values = parser.instantiate(parser.parse_args(words))
        # jsonargparse gives a chosen class the values of the default class's fields of the same name, so parse again
        # with each chosen class's own defaults.
        parser.set_defaults({name: to_plain(value) for name, value in choices(config(), values).items()})
        values = parser.instantiate(parser.parse_args(words))
    except (jsonargparse.ArgumentError, TypeError) as error:
        raise ValueError(explained(config, " ".join(str(error).split()))) from None
    return config(**{name: values[name] for name in config.__dataclass_fields__})  # type: ignore[attr-defined]


def explained(config: type, message: str) -> str:
    """An error message, with the classes to choose from where a wrong one was chosen."""
    wrong = re.search(r'Parser key "([\w.]+)": Expected a dot import path string: (\S+)', message)
    if not wrong:
        return message
    default = config()
    for name in wrong[1].split("."):
        default = getattr(default, name)
    base = next(kind for kind in CHOICES if isinstance(default, kind))
    return f"{wrong[1]}: no {wrong[2]!r}; choose from {', '.join(leaves(base))}"


def leaves(kind: type[Any]) -> list[str]:
    """Names of the classes below a class that have none below themselves."""
    found: list[str] = []
    for below in kind.__subclasses__():
        found += leaves(below) or [below.__name__]
    return found


def choices(default: Any, values: Any, name: str = "") -> dict[str, Any]:
    """The default of every class that was chosen in a config, by its dotted name: what the config around it makes it,
    or the chosen class's own where that is another.
    """
    found = {}
    for key, value in vars(values).items():
        dotted, usual = f"{name}.{key}" if name else key, getattr(default, key, None)
        if isinstance(value, CHOICES):
            found[dotted] = own_default(usual, value)
        elif is_dataclass(value):
            found.update(choices(usual, value, dotted))
    return found


def own_default(default: Any, chosen: Any) -> Any:
    """``default``, or where another class was chosen, that one's; so also within."""
    if type(default) is not type(chosen):
        default = type(chosen)()
    within = {key: value for key, value in vars(chosen).items() if is_dataclass(value)}
    return replace(default, **{key: own_default(getattr(default, key), value) for key, value in within.items()})


def spell_out(config: type, arguments: list[str]) -> list[str]:
    """What the parser understands: ``--no-decode`` is ``--decode=false``, ``--frame-size`` is ``--frame_size``."""
    switches = {name for name, f in config.__dataclass_fields__.items() if f.type in (bool, "bool")}  # type: ignore[attr-defined]
    spelt = []
    for i, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name.startswith("--"):
            name = "--" + name[2:].replace("-", "_")
            bare = not equals and (i + 1 == len(arguments) or arguments[i + 1].startswith("--"))
            if bare and name[2:] in switches:
                equals, value = "=", "true"
            elif bare and name.startswith("--no_") and name[5:] in switches:
                name, equals, value = "--" + name[5:], "=", "false"
        spelt.append(name + equals + value)
    return spelt


def read_config(config: type[C], path: str | Path) -> C:
    """Read a config dataclass from a YAML file.

    Raises:
        ValueError: the file is missing, or holds an unknown key or a value of the wrong type.
    """
    if not Path(path).is_file():
        raise ValueError(f"{path}: no such file")
    try:
        return parse(config, ["--config", str(path)])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def to_yaml(config: Any) -> str:
    """The YAML text from which :func:`read_config` rebuilds ``config``."""
    import yaml

    return yaml.safe_dump(to_plain(config), sort_keys=False)


def to_plain(config: Any) -> Any:
    """A config as plain dictionaries, lists and scalars; a chosen subclass as ``class_path`` + ``init_args``."""
    if is_dataclass(config):
        fields = {name: to_plain(getattr(config, name)) for name in config.__dataclass_fields__}
        if isinstance(config, CHOICES):
            kind = type(config)
            return {"class_path": f"{kind.__module__}.{kind.__qualname__}", "init_args": fields}
        return fields
    if isinstance(config, (list, tuple)):
        return [to_plain(value) for value in config]
    return config
