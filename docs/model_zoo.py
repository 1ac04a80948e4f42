"""Make docs/models.md, a table of the models that ship, from their cards.

python docs/model_zoo.py
"""

from __future__ import annotations

import re
from pathlib import Path

from videovq.shipped import shipped, shipped_folder

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "models.md"
HORIZONS = (1, 5, 10)
PAGE_TEXT = """# Models that ship

They are installed with the package and need no network: `--pretrained NAME` in every command,
`videovq.load("NAME")` in Python. `--init NAME` starts a training from one. Each was measured on test episodes of its
own world, so the columns say how good a model is at its world, not which of two is the better one.

{table}

*Made from the cards by `make tables`.* PSNR is in dB. That of the predictor is at {horizons} frames after the
context, and after the slash that of copying the last context frame. Bits per code are exact; a uniform guess costs 9.
A card has the data, the command with seed, steps and hours, all measures, and known weaknesses.

```bash
videovq list models
videovq rollout --pretrained dmlab-small --episode maze
videovq play --pretrained vizdoom
```
"""
COLUMNS = (
    "model",
    "weights, millions",
    "MB",
    "codebook",
    "VQ-VAE, PSNR",
    "bits per code",
    "PSNR by horizon / copy last",
)


def row(name: str) -> list[str]:
    """What the card of a model says, a text a column."""
    card = (shipped_folder(name) / "README.md").read_text(encoding="utf-8")
    weights, sizes = re.findall(r"([\d.]+) million weights", card), re.findall(r"([\d.]+) MB", card)
    [usage] = set(re.findall(r"\d+ of \d+(?= codes used| \| \d+ \|)", card))
    [psnr, *_] = re.findall(r"[\d.]+(?= dB)", card)
    bits = re.findall(r"(?i)bits per code ([\d.]+\d) ?\(|([\d.]+) bits per code", card)
    found = {
        what: line.split("|")[1:-1]
        for what, line in re.findall(r"^\| (prediction|copy the last context frame) (\|.*)$", card, flags=re.MULTILINE)
    }
    pairs = zip(found.get("prediction", ()), found.get("copy the last context frame", ()), strict=True)
    horizons = [f"{ours.strip()} / {copied.strip()}" for ours, copied in pairs]
    return [
        f"[`{name}`](../videovq/pretrained/{name}/README.md)",
        " + ".join(weights),
        " + ".join(sizes),
        f"{usage} used",
        psnr,
        next(filter(None, bits[0])) if bits else "no predictor",
        ", ".join(horizons[horizon - 1] for horizon in HORIZONS) if horizons else "",
    ]


def page() -> str:
    """The whole of docs/models.md."""
    rows = [list(COLUMNS), ["---"] * len(COLUMNS), *map(row, shipped("vqvae"))]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    return PAGE_TEXT.format(table=table, horizons=f"{', '.join(map(str, HORIZONS[:-1]))} and {HORIZONS[-1]}")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} written")
