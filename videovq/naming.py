"""What the settings of a command are called, and which one was meant by a name that is none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from difflib import SequenceMatcher
from typing import Any, get_type_hints

from videovq import config as all_settings
from videovq.config import RENAMED, choice_bases
from videovq.config.registry import registered

ALIKE = 0.6  # of two words that may be one, misspelt


def kinds_of(base: type[Any]) -> list[type[Any]]:
    """The classes below a class that can be chosen: the registered ones that are imported or, where none are
    registered, those that have none below themselves.
    """
    known = registered(base)
    found: list[type[Any]] = []
    for below in base.__subclasses__():
        within = kinds_of(below)
        found += [below] if (below.__name__ in known if known else not within) else []
        found += within
    return found


def kind_names(base: type[Any]) -> list[str]:
    """The names of all classes that can be chosen where a field holds ``base``, those not yet imported among them."""
    return [*registered(base)] or [kind.__name__ for kind in kinds_of(base)]


def import_named(text: str) -> None:
    """Import the classes that can be chosen and whose names occur in a text, so that it can be read."""
    for base in choice_bases():
        for name in registered(base):
            if re.search(rf"\b{name}\b", text):
                getattr(all_settings, name)


def kinds_within(base: Any) -> list[type[Any]]:
    """The classes that a field of settings may hold: several, where there is a choice; none: it holds a value."""
    if not is_dataclass(base):
        return []
    assert isinstance(base, type)
    return kinds_of(base) if base in choice_bases() else [base]


def type_of(config: type[Any], name: str) -> Any:
    """The type of a setting, by its dotted name."""
    key, _, rest = name.partition(".")
    hint = get_type_hints(config)[key]
    owners = [kind for kind in kinds_within(hint) if rest.partition(".")[0] in get_type_hints(kind)]
    return type_of(owners[0], rest) if rest else hint


def names(config: type[Any]) -> dict[str, list[str]]:
    """The dotted names of all settings, with the classes that have each: one, except within a choice."""
    found: dict[str, list[str]] = {}
    for key, hint in get_type_hints(config).items():
        found[key] = [config.__name__]
        for kind in kinds_within(hint):
            for inner, owners in names(kind).items():
                known = found.setdefault(f"{key}.{inner}", [])
                known += [owner for owner in owners if owner not in known]
    return found


def strangers(config: type[Any], values: Mapping[str, Any]) -> list[str]:
    """The dotted names in the content of a YAML file that are no settings of a config."""
    return [] if not isinstance(values, Mapping) else [*_strangers(config, values)]


def _strangers(config: type[Any], values: Mapping[str, Any]) -> Iterator[str]:
    hints = get_type_hints(config)
    for key, value in values.items():
        kinds = kinds_within(hints.get(key.partition(".")[0]))
        if key not in hints:
            if key not in names(config) and key not in RENAMED.get(config, {}):  # names may be written with dots, too
                yield key
        elif kinds and isinstance(value, Mapping):
            if hints[key] in choice_bases() and value.keys() & {"class_path", "init_args"}:
                chosen = str(value.get("class_path", "")).rpartition(".")[2]
                if chosen and chosen not in kind_names(hints[key]):
                    yield f"{key}.class_path"
                    continue
                kinds = [kind for kind in kinds if chosen in ("", kind.__name__)]
                value = value.get("init_args", {})
            of_each = [strangers(kind, value) for kind in kinds]
            fewest = min(of_each, key=lambda found: (len(found), -"".join(found).count(".")))
            yield from (f"{key}.{name}" for name in fewest)


def nearest(word: str, known: Iterable[str]) -> str:
    """The known name that was probably meant, by its last part first; empty: none."""

    def likeness(name: str) -> tuple[float, float]:
        last = SequenceMatcher(None, word.rpartition(".")[2], name.rpartition(".")[2]).ratio()
        return last, SequenceMatcher(None, word, name).ratio()

    best = max(known, key=likeness, default="")
    return best if best and likeness(best)[0] >= ALIKE else ""


def no_setting(config: type[Any], name: str, dashes: str = "", kind: str = "") -> str:
    """What to say of a name that is no setting: which was meant, if one is alike.

    Args:
        name: dotted.
        dashes: what stands before a name where it was written.
        kind: name of the class that was chosen, and does not have it.
    """
    known = names(config)
    if name in known:
        choice = name.rpartition(".")[0]
        return f"{dashes}{name}: is no setting of {kind}; choose another {choice}: {', '.join(known[name])}"
    meant = nearest(name, known)
    hint = f"did you mean {dashes}{meant}?" if meant else "--help lists what there is"
    return f"{dashes}{name}: no such {'option' if dashes else 'setting'}; {hint}"
