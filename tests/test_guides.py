"""The guides are true: commands can be run, links lead somewhere, tables and messages are those of the code."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.printed import GUIDES, ROOT, anchors, commands, links, read
from videovq.cli import COMMANDS, CONFIGS, TEXTS, command_in
from videovq.naming import names
from videovq.parsing import parse

PROJECT = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]
TARGETS = set(re.findall(r"^([a-z-]+):", read(ROOT / "Makefile"), flags=re.MULTILINE))
OF_RECIPES = ("SignsConfig",)  # CONTRIBUTING makes it, and tests/test_recipes.py does so
messages = SimpleNamespace(**runpy.run_path(str(ROOT / "docs" / "messages.py")))
model_zoo = SimpleNamespace(**runpy.run_path(str(ROOT / "docs" / "model_zoo.py")))


def fault(words: list[str]) -> str:
    """What is wrong with a printed command; empty: nothing. ``...`` in one stands for what was said before."""
    if words[0] in ("torchrun", "srun"):
        words = words[words.index("videovq") :]
    program, given = words[0], [word for word in words[1:] if word != "..."]
    if messages.ANYTHING in " ".join(words):  # of a message
        return ""
    if program == "videovq" and given and given[0] not in TEXTS and "--help" not in given and given[0] != "COMMAND":
        name = command_in(given)
        if not name:
            return "no such command"
        rest, command = given[len(name.split()) :], COMMANDS[name]
        for i, name_of in enumerate(command.bare[: len(rest)]):
            if rest[i].startswith("-"):
                break
            rest[i] = f"--{name_of}={rest[i]}"
        try:
            parse(command.config, rest, f"videovq {name}", CONFIGS)
        except ValueError as error:
            return str(error)
    if program == "python" and given[0].endswith(".py") and not (ROOT / given[0]).is_file():
        return "no such script"
    if program == "make":
        missing = {word for word in given if "=" not in word} - TARGETS
        return f"no target {missing}" if missing else ""
    if program == "pip":
        extras = [name for word in given for some in re.findall(r"\[(.+)]$", word) for name in some.split(",")]
        missing = set(extras) - set(PROJECT["optional-dependencies"])
        return f"no extra {missing}" if missing else ""
    return ""


@pytest.mark.slow
@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_printed_command_is_one_that_there_is(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = {" ".join(words): fault(words) for words in commands(read(page)) if not {*OF_RECIPES} & {*words}}
    assert not {command: why for command, why in found.items() if why}


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    dead = []
    for path, anchor in links(read(page)):
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(read(there))):
            dead.append(f"{path}#{anchor}")
    assert not dead


def test_every_page_is_in_the_contents() -> None:
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"}
    listed = set(re.findall(r"^(\w+)$", read(ROOT / "docs" / "index.md"), flags=re.MULTILINE))
    assert pages <= listed


def test_the_readme_names_every_extra() -> None:
    [extras] = re.findall(r"\*\*Extras\*\*.*?(?=\n-|\n\n)", read(ROOT / "README.md"), flags=re.DOTALL)
    assert set(PROJECT["optional-dependencies"]) - {"dev"} <= set(re.findall(r"\w+", extras))


def test_the_numbers_of_the_readme_are_those_measured() -> None:
    readme, measured = read(ROOT / "README.md"), read(ROOT / "docs" / "measured.md")
    [summary] = re.findall(r"## How good is it\?\n(.*?)\n## ", readme, flags=re.DOTALL)
    numbers = re.findall(r"\*\*(.+?)\*\*", summary)
    assert len(numbers) >= 5 and not [number for number in numbers if number not in measured]


def test_the_badges_say_what_the_project_says() -> None:
    said = " ".join(PROJECT["classifiers"])
    [versions] = re.findall(r"<text[^>]*>(3.*)</text>", read(ROOT / "docs" / "images" / "badge_python.svg"))
    assert versions.split(" | ") == re.findall(r"Python :: (3\.\d+)", said)
    assert PROJECT["license"] in read(ROOT / "docs" / "images" / "badge_licence.svg")


def test_the_table_of_models_is_that_of_their_cards() -> None:
    assert read(model_zoo.PAGE) == model_zoo.page(), "make tables"


def test_the_list_of_messages_is_that_of_the_code() -> None:
    assert read(messages.PAGE) == messages.page(), "make tables"


def test_every_group_of_messages_has_its_remedies_and_they_quote_what_the_code_says() -> None:
    page = read(ROOT / "docs" / "troubleshooting.md")
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page, flags=re.MULTILINE | re.DOTALL))
    assert set(messages.GROUPS) <= set(sections)
    texts = {text for source in messages.modules().values() for text in messages.texts_in(source)}
    whole = "\n".join(re.sub(rf"{messages.ANYTHING}+", messages.ANYTHING, text) for text in texts)
    foreign = {"No space left on device"}  # the system's
    for group in messages.GROUPS:
        quoted = [
            one or two
            for one, two in re.findall(r"^\| (?:``(.+?)``|`([^`]+)`) \|", sections[group], flags=re.MULTILINE)
        ]
        assert quoted, group
        assert not [q for q in quoted if q.strip(f"{messages.ANYTHING} ") not in whole and q not in foreign], group


def test_every_module_is_in_the_reference_or_named_as_left_out() -> None:
    page = read(ROOT / "docs" / "reference.md")
    documented = set(re.findall(r"automodule:: (\S+)", page))
    left_out = {
        package: set(re.findall(r"`(\w+)`", modules))
        for package, modules in re.findall(r"^\| `(.+?)` \| (.*) \|$", page, re.M)
    }
    missing = []
    for path in sorted((ROOT / "videovq").rglob("[!_]*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        package, _, name = module.rpartition(".")
        whole = any(module.startswith(f"{one}.") and not names for one, names in left_out.items())
        named = module in documented or name in left_out.get(package, ())
        if not (whole or named or package == "videovq.config"):  # its names are those of videovq.config itself
            missing.append(module)
    assert not missing, "add them to docs/reference.md"


def test_every_option_named_in_a_text_is_one_of_some_command() -> None:
    known = {name for command in COMMANDS.values() for name in names(command.config)} | {"config", "help", "traceback"}
    unknown = set()
    for page in GUIDES:
        text = re.sub(r"```.*?```", "", read(page), flags=re.DOTALL)
        for spoken in re.findall(r"(?<!`)`(--[^`]+|videovq [^`]+)`(?!`)", text):
            for name in re.findall(r"(?:^|\s)--([\w.-]+)", spoken):
                name = name.replace("-", "_")
                if not {name, name.removeprefix("no_")} & known and messages.ANYTHING not in spoken:
                    unknown.add(f"{page.name}: {spoken}")
    assert not unknown
