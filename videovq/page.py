"""The report as one HTML page that needs nothing else: figures, moving pictures and tables are in it."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from videovq.parsing import to_plain
from videovq.pictures import png, write_png
from videovq.storage import write_text

STYLESHEET = Path(__file__).with_name("look.css")
MANY = 4  # columns of the widest table that a telephone shows as it is


class Tile(NamedTuple):
    """One number of a summary: its value, what it is, and its interval or what to read it beside."""

    value: str
    name: str
    note: str = ""


def page(title: str, parts: Sequence[str]) -> str:
    """A whole page."""
    style = STYLESHEET.read_text(encoding="utf-8")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{style}</style></head>\n'
        f"<body>\n<h1>{escape(title)}</h1>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def heading(text: str) -> str:
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str) -> str:
    return f'<p class="lead">{escape(text)}</p>'


def summary(text: str, numbers: Sequence[Tile]) -> str:
    """The beginning of a report: a paragraph, and some numbers as large tiles."""
    tiles = [
        f"<div><dt>{escape(one.name)}</dt><dd>{escape(one.value)}</dd><dd>{escape(one.note)}</dd></div>"
        for one in numbers
    ]
    return f'<p class="summary">{escape(text)}</p>' + (f'<dl class="tiles">{"".join(tiles)}</dl>' if tiles else "")


def warning(text: str) -> str:
    """A paragraph in red."""
    return f'<p class="wrong">{escape(text)}</p>'


def not_measured(left_out: Mapping[str, str]) -> list[str]:
    """A paragraph about measures that there are none of, with the reason of each, unless there is no such."""
    missing = [f"{name} ({why})" for name, why in left_out.items()]
    return [paragraph(f"Not measured: {'; '.join(missing)}.")] if missing else []


def table(head: Sequence[str], rows: Sequence[Sequence[str]], wrong: Collection[int] = (), caption: str = "") -> str:
    """Text cells, of several lines where they have line breaks; the first column names the row.

    Args:
        wrong: numbers of the columns that stand in red.
    """
    marks = [' class="wrong"' if i in wrong else "" for i in range(len(head))]
    many = len(head) > MANY
    shown = [f' data-head="{escape(name)}"' if many else "" for name in head]
    top = "".join(f"<th{mark}>{escape(name)}</th>" for mark, name in zip(marks, head, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{m}{h}>{escape(cell)}</td>' for m, h, cell in zip(marks, shown, row, strict=True))}</tr>"
        for row in rows
    )
    name = f"<caption>{escape(caption)}</caption>" if caption else ""
    kind = ' class="many"' if many else ""
    return f'<div class="wide"><table{kind}>{name}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """The rows of a table for a terminal: the first column from the left, the others from the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join([first.strip().ljust(widths[0]), *others]))
    return "\n".join(lines)


def figure(picture: np.ndarray | bytes | str, caption: str) -> str:
    """A picture, uint8 ``h w c``, the bytes of a GIF, or the address of a file beside the page, with its caption, which
    is also its alternative text.
    """
    if isinstance(picture, str):
        source = escape(picture)
    else:
        kind, data = ("gif", picture) if isinstance(picture, bytes) else ("png", png(picture))
        source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    text = escape(caption)
    return f'<figure class="pictured"><img src="{source}" alt="{text}"><figcaption>{text}</figcaption></figure>'


def grid(figures: Sequence[str], small: bool = False) -> str:
    """Figures side by side: two on a screen, three small ones, one on a telephone."""
    return f'<div class="grid{" small" if small else ""}">{"".join(figures)}</div>'


def folded(summary: str, text: str) -> str:
    """Text that opens on a click."""
    return f"<details><summary>{escape(summary)}</summary><pre>{escape(text)}</pre></details>"


def setting_parts(settings: Any) -> list[str]:
    """The end of a report: the settings, as JSON values, with which it was measured."""
    return [heading("Settings"), folded("show", json.dumps(settings, indent=1))]


def write_report(
    out: Path,
    title: str,
    text: str,
    tables: Mapping[str, tuple[Sequence[str], Sequence[Sequence[str]]]],
    pictures: Mapping[str, tuple[np.ndarray, str]],
    settings: Any,
    numbers: Sequence[Tile] = (),
) -> None:
    """Write ``report.html`` and its pictures, ``NAME.png`` each, into the folder ``out``, and say where the page is.

    Args:
        text: what was measured, and on what.
        tables: heading -> head and rows of the table under it.
        pictures: name -> picture, uint8 ``h w c``, and its caption.
        settings: the dataclass of them with which it was measured.
        numbers: the tiles of the summary.
    """
    parts = [summary(text, numbers), heading("Pictures")]
    for name, (picture, caption) in pictures.items():
        write_png(out / f"{name}.png", picture)
        parts.append(figure(picture, caption))
    for name, (head, rows) in tables.items():
        parts += [heading(name), table(head, rows)]
    write_text(out / "report.html", page(title, [*parts, *setting_parts(to_plain(settings))]))
    print(f"written to {out / 'report.html'}")
