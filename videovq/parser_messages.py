"""What jsonargparse says of a mistake -> a line in a user's words."""

from __future__ import annotations

import re
from typing import Any

from videovq.naming import kind_names, names, no_setting, type_of

WANTED = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text",
          "list": "a list: [a, b]", "tuple": "a list: [a, b]", "dict": "a table: {a: b}"}  # fmt: skip


def explained(config: type, message: str) -> str:
    """An error message of the parser in a user's words: what to choose from where there was a wrong choice, what to
    write where a value is of the wrong type, what was meant where there is no such option.
    """
    keys = re.findall(r'Parser key "([\w.]+)"', message)
    name = keys[0] if len(set(keys)) == 1 else ".".join(keys).replace(".init_args", "")

    def said(pattern: str) -> re.Match[str] | None:
        return re.search(pattern, message)

    if wrong := said(r"unrecognized arguments: (\S+)"):
        word = wrong[1].partition("=")[0] or wrong[1]
        if not word.startswith("--") or word == "--":
            return f"{word}: stands where an option should; options are written --NAME VALUE"
        return refused(config, name, word[2:], message)
    if wrong := said(r"NestedArg\(key='([\w.]+)'"):
        return no_setting(config, f"{name}.{wrong[1]}", "--")
    if wrong := said(r"Option '([\w.]+)' is not accepted"):
        return refused(config, name, wrong[1], message)
    if wrong := said(r"argument --([\w.]+): expected"):
        return f"{wrong[1]}: has no value; give one, as --{wrong[1]} VALUE"
    if wrong := said(r"ambiguous option: (\S+) could match (.*)"):
        return f"{wrong[1]}: may mean {wrong[2]}; write it out"
    if said("--print_config"):
        return "--print_config: takes no value"
    if "Got value: None" in message or "NoneType" in message:
        return f"{name}: has no value; give one or leave it out"
    if "Unable to load config" in message or "has no attribute 'keys'" in message:
        return f"{name}: holds settings of its own; give one of these, as --{name}.NAME VALUE"
    if wrong := said(r"Subclasses are disabled for (\w+)"):
        group = next(key for key in names(config) if getattr(type_of(config, key), "__name__", "") == wrong[1])
        return f"{group}: has no classes to choose from; give its settings, as --{group}.NAME VALUE"
    if wrong := said(r"Expected a tuple with (\d+) elements. Got value: ?(.*)$"):
        return f"{name}: needs {wrong[1]} values: [a, b]; {wrong[2]!r} has others"
    wrong = said(r"Expected a <class '(\w+)'>. Got value: ?(.*)$")
    if wrong and wrong[1] in WANTED:
        return f"{name}: needs {WANTED[wrong[1]]}; {wrong[2]!r} is none"
    if wrong := said(r"Expected a typing.Literal\[(.*)\]. Got value: ?(.*)$"):
        return f"{name}: no {wrong[2]!r}; choose from {wrong[1]}"
    if wrong := said(r"Union subtypes .* Given value: ?(.*)$"):
        kinds = [WANTED[kind] for kind in re.findall(r"Expected a <class '(\w+)'>", message)]
        kinds += re.findall(r"Expected a typing.Literal\['(\w+)'\]", message)
        return f"{name}: needs {' or '.join(kinds)}; {wrong[1]!r} is neither"
    asked = (
        r"Expected a dot import path string: (\S+)|Import path (\S+) does|Not a valid subclass.* value: (.*) Subclass"
    )
    wrong = said(asked)
    if not wrong:
        return message
    return f"{name}: no {wrong[wrong.lastindex or 0]!r}; choose from {class_names(type_of(config, name))}"


def refused(config: type, within: str, option: str, message: str) -> str:
    """What to say of an option that the class chosen for the setting ``within`` does not have."""
    whole = f"{within}.{option}" if within else option
    kinds = re.findall(r"class_path '[\w.]*?(\w+)'", message)
    if kinds and whole in names(config):  # it is another class that has it, or has what it is a setting of
        whole = f"{within}.{option.partition('.')[0]}"
    return no_setting(config, whole, "--", kinds[-1] if kinds else "")


def class_names(base: type[Any]) -> str:
    """The names of the classes that can be chosen below one."""
    return ", ".join(kind_names(base))
