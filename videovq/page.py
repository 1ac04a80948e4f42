"""The report as one HTML page that needs nothing else: figures, moving pictures and tables are in it."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from videovq.parsing import to_plain
from videovq.pictures import png, write_png
from videovq.storage import write_text

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --soft: #666; --line: #ddd; --paper: #fff; --wrong: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --soft: #9a9a9a; --line: #3a3a3a; --paper: #181818;
  --wrong: #ff8a80; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 76rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p.lead, figcaption { color: var(--soft); overflow-wrap: anywhere; }
.wrong, p.wrong { color: var(--wrong); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem; }
th, td { padding: 0.2rem 0.6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: pre-line;
  vertical-align: top; }
th:first-child, td:first-child { text-align: left; min-width: 7rem; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
figure { margin: 1rem 0; } img { max-width: 100%; border-radius: 4px; background: #fff; }
.grid img { width: 100%; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(28rem, 100%), 1fr)); gap: 1rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.8rem; }
"""


def page(title: str, parts: Sequence[str]) -> str:
    """A whole page."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>\n'
        f"<body>\n<h1>{escape(title)}</h1>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def heading(text: str) -> str:
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str) -> str:
    return f'<p class="lead">{escape(text)}</p>'


def warning(text: str) -> str:
    """A paragraph in red."""
    return f'<p class="wrong">{escape(text)}</p>'


def not_measured(left_out: Mapping[str, str]) -> list[str]:
    """A paragraph about measures that there are none of, with the reason of each, unless there is no such."""
    missing = [f"{name} ({why})" for name, why in left_out.items()]
    return [paragraph(f"Not measured: {'; '.join(missing)}.")] if missing else []


def table(head: Sequence[str], rows: Sequence[Sequence[str]], wrong: Collection[int] = ()) -> str:
    """Text cells, of several lines where they have line breaks; the first column names the row.

    Args:
        wrong: numbers of the columns that stand in red.
    """

    def cells(kind: str, row: Sequence[str]) -> str:
        marks = [' class="wrong"' if i in wrong else "" for i in range(len(row))]
        return "".join(f"<{kind}{mark}>{escape(cell)}</{kind}>" for mark, cell in zip(marks, row, strict=True))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{cells("th", head)}</tr></thead><tbody>{body}</tbody></table></div>'


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """The rows of a table for a terminal: the first column from the left, the others from the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join([first.strip().ljust(widths[0]), *others]))
    return "\n".join(lines)


def figure(picture: np.ndarray | bytes, caption: str) -> str:
    """A picture, uint8 ``h w c``, or the bytes of a GIF, with its caption, which is also its alternative text."""
    if isinstance(picture, bytes):
        kind, data = "gif", picture
    else:
        kind, data = "png", png(picture)
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    text = escape(caption)
    return f'<figure><img src="{source}" alt="{text}"><figcaption>{text}</figcaption></figure>'


def grid(figures: Sequence[str]) -> str:
    return f'<div class="grid">{"".join(figures)}</div>'


def folded(summary: str, text: str) -> str:
    """Text that opens on a click."""
    return f"<details><summary>{escape(summary)}</summary><pre>{escape(text)}</pre></details>"


def write_report(
    out: Path,
    title: str,
    text: str,
    tables: Mapping[str, tuple[Sequence[str], Sequence[Sequence[str]]]],
    pictures: Mapping[str, tuple[np.ndarray, str]],
    settings: Any,
) -> None:
    """Write ``report.html`` and its pictures, ``NAME.png`` each, into the folder ``out``, and say where the page is.

    Args:
        text: what was measured, and on what.
        tables: heading -> head and rows of the table under it.
        pictures: name -> picture, uint8 ``h w c``, and its caption.
        settings: the dataclass of them with which it was measured.
    """
    parts = [paragraph(text)]
    for name, (head, rows) in tables.items():
        parts += [heading(name), table(head, rows)]
    parts.append(heading("Pictures"))
    for name, (picture, caption) in pictures.items():
        write_png(out / f"{name}.png", picture)
        parts.append(figure(picture, caption))
    parts += [heading("Settings"), folded("show", json.dumps(to_plain(settings), indent=1))]
    write_text(out / "report.html", page(title, parts))
    print(f"written to {out / 'report.html'}")
