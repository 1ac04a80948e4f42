"""``videovq show codebook``: every code decoded alone, its usage, and a map of the codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from sklearn.manifold import TSNE
from torch import Tensor

from videovq.checkpoints import load_vqvae, vqvae_run
from videovq.config import ShowCodebookConfig
from videovq.data.store import EpisodeStore
from videovq.evaluation.reconstruction import reconstruction
from videovq.frames import to_uint8
from videovq.models.quantizers.contract import perplexity
from videovq.models.vqvae import VQVAE
from videovq.pictures import drawn, enlarged, new_figure, write_png

Layout = Callable[[np.ndarray], np.ndarray]

FIELD, SHOWN = 9, 3  # a code is decoded as a field of itself; its middle is shown, which no edge reaches
COLUMNS = 32


def show(config: ShowCodebookConfig) -> None:
    """Write ``codes.png`` and ``map.png``.

    Raises:
        ValueError: the run or the store cannot be used, or the map's layout is not installed.
    """
    layout = layout_of(config.layout, config.seed)
    trained, store = load_vqvae(vqvae_run(config.vqvae, config.pretrained)), EpisodeStore(config.store)
    usage = reconstruction(trained.network, store, config.split).usage
    tiles = decoded_codes(trained.network)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    write_png(out / "codes.png", code_sheet(tiles, usage))
    write_png(out / "map.png", code_map(trained.network, tiles, usage, layout, config.layout))
    used = int((usage > 0).sum())
    print(f"{used} of {len(usage)} codes used in {config.split}, perplexity {perplexity(usage):.0f}")
    print(f"written to {out}/: codes.png, map.png")


@torch.inference_mode()
def decoded_codes(vqvae: VQVAE) -> UInt8[Tensor, "k h w c"]:
    """The middle of a field of each code, decoded."""
    codes = torch.arange(vqvae.quantizer.codebook_size)[:, None, None].expand(-1, FIELD, FIELD)
    edge = (FIELD - SHOWN) // 2 * vqvae.stride
    parts = [to_uint8(vqvae.decode(part.contiguous())) for part in codes.split(256)]
    return torch.cat(parts)[:, edge:-edge, edge:-edge]


def code_sheet(tiles: UInt8[Tensor, "k h w c"], usage: Float[Tensor, "k"]) -> np.ndarray:
    """Every code's tile above a bar of its usage, the most used first; uint8 ``h w c``."""
    order = usage.argsort(descending=True).tolist()
    size = max(24, tiles.shape[1])
    rows = -(-len(order) // COLUMNS)
    sheet = np.full((rows * (size + 8) + 4, COLUMNS * (size + 4) + 4, 3), 255, dtype=np.uint8)
    most = float(usage.max().clamp(min=1))
    for place, code in enumerate(order):
        top, left = 4 + place // COLUMNS * (size + 8), 4 + place % COLUMNS * (size + 4)
        tile = enlarged(tiles[code].numpy(), max(1, size // tiles.shape[1]))
        sheet[top : top + len(tile), left : left + len(tile)] = tile
        length = int(np.ceil(size * float(usage[code]) / most))
        sheet[top + size + 1 : top + size + 4, left : left + length] = (200, 30, 30)
    return enlarged(sheet, 2)


def layout_of(name: str, seed: int) -> Layout:
    """What puts vectors (n, d) into two dimensions (n, 2).

    Raises:
        ValueError: UMAP is not installed.
    """
    if name == "tsne":
        return lambda vectors: TSNE(
            perplexity=min(30.0, (len(vectors) - 1) / 3), random_state=seed, init="pca"
        ).fit_transform(vectors)
    try:
        from umap import UMAP
    except ImportError:
        raise ValueError("layout: umap needs umap-learn; pip install 'videovq[umap]'") from None
    return UMAP(n_neighbors=3, min_dist=0.1, metric="cosine", random_state=seed, n_jobs=1).fit_transform


def code_map(
    vqvae: VQVAE, tiles: UInt8[Tensor, "k h w c"], usage: Float[Tensor, "k"], layout: Layout, name: str
) -> np.ndarray:
    """The codes' vectors in two dimensions, each in its decoded colour, as large as it is used."""
    places = layout(vqvae.quantizer.code_vectors().numpy())
    colours = tiles.float().mean(dim=(1, 2)).div(255).numpy()
    figure = new_figure(7, 7)
    axis = figure.subplots()
    sizes = 15 + 1200 * (usage / usage.sum().clamp(min=1)).sqrt().numpy()
    axis.scatter(places[:, 0], places[:, 1], s=sizes, c=colours, edgecolors="black", linewidths=0.4)
    axis.set(xticks=[], yticks=[], title=f"codes by {name} of their vectors: colour as decoded, area by usage")
    return drawn(figure)
