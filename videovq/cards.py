"""Cards, the ``README.md`` of a world or a store: metadata that the Hub reads, what videovq says, what people say."""

from __future__ import annotations

import re
from typing import Any

from videovq.errors import UserError

CARD = "README.md"
UNITED = ("tags", "datasets")
BEGIN, END = "<!-- videovq says, and says anew with every push: -->", "<!-- the rest is yours -->"
METADATA = re.compile(r"\A\s*---\s*\n(.*?)^---\s*$\n?", re.DOTALL | re.MULTILINE)
SAID = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)


def read_card(card: str) -> tuple[dict[str, Any], str]:
    """The metadata of a card, and its text.

    Raises:
        UserError: the metadata are no YAML table.
    """
    import yaml

    found = METADATA.match(card)
    if not found:
        return {}, card
    try:
        metadata = yaml.safe_load(found[1]) or {}
    except yaml.YAMLError as error:
        raise UserError(f"{CARD}: its metadata are no YAML ({' '.join(str(error).split())}); mend them") from None
    if not isinstance(metadata, dict):
        raise UserError(f"{CARD}: its metadata are no table of names and values; mend them")
    return metadata, card[found.end() :]


def renewed(old: str, metadata: dict[str, Any], said: str, otherwise: str) -> str:
    """A card in place of an older one, of which everything stays that people wrote.

    Args:
        old: the older one, or empty.
        metadata: what takes the place of its metadata of the same names; tags and datasets are united.
        said: what takes the place of what videovq said.
        otherwise: what follows where nobody has written anything.
    """
    import yaml

    before, text = read_card(old)
    lists = {
        name: [*dict.fromkeys([*before[name], *value])]
        for name, value in metadata.items()
        if name in UNITED and isinstance(before.get(name), list)
    }
    text, block = text.strip() or otherwise, f"{BEGIN}\n\n{said.strip()}\n\n{END}"
    text = SAID.sub(lambda _: block, text, count=1) if SAID.search(text) else f"{block}\n\n{text}"
    head = yaml.safe_dump({**before, **metadata, **lists}, sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n\n{text.strip()}\n"
