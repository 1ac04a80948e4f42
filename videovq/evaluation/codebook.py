"""``videovq show codebook``: every code decoded alone, its usage, and a map of the codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from videovq.config import ShowCodebookConfig
from videovq.data.store import EpisodeStore
from videovq.evaluation.reconstruction import reconstruction
from videovq.frames import to_uint8
from videovq.models.quantizers.contract import perplexity
from videovq.models.vqvae import VQVAE
from videovq.packages import optional
from videovq.page import Tile, write_report
from videovq.pictures import drawn, enlarged, labelled_rows, new_figure, titled
from videovq.rollout.engine import find_device
from videovq.runs import load_vqvae, vqvae_run

Layout = Callable[[np.ndarray], np.ndarray]

FIELD, SHOWN = 9, 3  # a code is decoded in a field of the same code; its middle is shown, beyond the reach of the edges
COLUMNS = 32
BAR = (200, 30, 30)
NAMES = {"tsne": "t-SNE", "umap": "UMAP"}


def show_codebook(config: ShowCodebookConfig) -> None:
    """Write ``report.html``, ``codes.png`` and ``map.png``.

    Raises:
        UserError: the run or the store cannot be used, or the map's layout is not installed.
    """
    layout = layout_of(config.layout, config.seed)
    trained, store = load_vqvae(vqvae_run(config.vqvae, config.pretrained)), EpisodeStore(config.store)
    trained.network.to(find_device(config.device))
    usage = reconstruction(trained.network, store, config.split).usage
    tiles = decoded_codes(trained.network)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    used, even = int((usage > 0).sum()), float(perplexity(usage))
    text = f"{used} of {len(usage)} codes used in {config.split}, perplexity {even:.0f}"
    print(text)
    pictures = {
        "codes": (code_sheet(tiles, usage), "Every code, decoded among its like"),
        "map": (code_map(trained.network, tiles, usage, layout, config.layout), "The vectors of the codes"),
    }
    numbers = [Tile(str(used), "codes used", f"of {len(usage)}"), Tile(f"{even:.0f}", "perplexity")]
    write_report(out, "Codebook", f"{text}.", {}, pictures, config, numbers)


@torch.inference_mode()
def decoded_codes(vqvae: VQVAE) -> UInt8[Tensor, "k h w c"]:
    """The middle of a field of each code, decoded."""
    codes = torch.arange(vqvae.quantizer.codebook_size)[:, None, None].expand(-1, FIELD, FIELD)
    edge = (FIELD - SHOWN) // 2 * vqvae.stride
    parts = [to_uint8(vqvae.decode(part.contiguous().to(vqvae.device))) for part in codes.split(256)]
    return torch.cat(parts).cpu()[:, edge:-edge, edge:-edge]


def code_sheet(tiles: UInt8[Tensor, "k h w c"], usage: Float[Tensor, "k"]) -> np.ndarray:
    """Every code's tile above a bar of its usage, the most used first, rows and columns numbered by rank; uint8
    ``h w c``.
    """
    order = usage.argsort(descending=True).tolist()
    size = max(24, tiles.shape[1])
    share, most = usage / usage.sum().clamp(min=1), float(usage.max().clamp(min=1))
    shown = []
    for code in order:
        picture = np.full((size + 4, size, 3), 255, dtype=np.uint8)
        tile = enlarged(tiles[code].numpy(), max(1, size // tiles.shape[1]))
        picture[: len(tile), : len(tile)] = tile
        picture[size + 1 :, : int(np.ceil(size * float(usage[code]) / most))] = BAR
        shown.append(picture)
    rows = [
        (f"{at + 1}-{at + len(shown[at : at + COLUMNS])}", shown[at : at + COLUMNS])
        for at in range(0, len(shown), COLUMNS)
    ]
    sheet = labelled_rows([str(i + 1) for i in range(min(COLUMNS, len(shown)))], rows, 2, "rank")
    lines = [
        f"Every code decoded among its like, the most used first: {int((usage > 0).sum())} of {len(order)} codes used",
        f"Red bar: usage; as wide as its code: {float(share.max()):.2%} of all codes; none: not used",
    ]
    return titled(sheet, lines)


def layout_of(name: str, seed: int) -> Layout:
    """The layout, a projection of vectors (n, d) to two dimensions (n, 2).

    Raises:
        UserError: its package is not installed.
    """
    if name == "tsne":
        tsne = optional("sklearn.manifold", "tsne", "layout").TSNE
        return lambda vectors: tsne(
            perplexity=min(30.0, (len(vectors) - 1) / 3), random_state=seed, init="pca"
        ).fit_transform(vectors)
    umap = optional("umap", "umap", "layout").UMAP
    return umap(n_neighbors=3, min_dist=0.1, metric="cosine", random_state=seed, n_jobs=1).fit_transform


def code_map(
    vqvae: VQVAE, tiles: UInt8[Tensor, "k h w c"], usage: Float[Tensor, "k"], layout: Layout, name: str
) -> np.ndarray:
    """The codes' vectors in two dimensions, each in its decoded colour, as large as it is used."""
    points = layout(vqvae.quantizer.code_vectors().cpu().numpy())
    colours = tiles.float().mean(dim=(1, 2)).div(255).numpy()
    figure = new_figure(7, 7)
    axis = figure.subplots()
    share = (usage / usage.sum().clamp(min=1)).numpy()
    look: dict[str, Any] = {"edgecolors": "black", "linewidths": 0.4}
    axis.scatter(points[:, 0], points[:, 1], s=area(share), c=colours, **look)
    name = NAMES[name]
    axis.set(title=f"{len(share)} codes by {name} of their vectors", xlabel=f"{name} 1", ylabel=f"{name} 2")
    marked = [0.0, *(tenth for tenth in (0.0001, 0.001, 0.01, 0.1) if tenth <= share.max())]
    for one in marked:
        label = f"{100 * one:g} %" if one else "not used"
        axis.scatter([], [], s=area(one), c="white", label=label, **look)
    figure.legend(
        loc="outside lower center", ncols=6, frameon=False, title="area: share of all codes; colour: as decoded"
    )
    return drawn(figure)


def area(share: Any) -> Any:
    """Size of a code's mark, in points squared."""
    return 15 + 1200 * np.sqrt(share)
