"""``videovq push``: a world or a store -> a repository of the Hugging Face Hub, with its card."""

from __future__ import annotations

import hashlib
import re
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from videovq import __version__
from videovq.cards import CARD, renewed
from videovq.config import PushConfig
from videovq.config.checks import without_effect
from videovq.data import folders
from videovq.data.store import SPLITS, CodeStore, EpisodeStore, read_json, shard_name
from videovq.errors import UserError
from videovq.follow_up import typed
from videovq.hub import HUB, Repo, may_upload, named, upload
from videovq.pack import TO_SAY, card, runs_of, write_world
from videovq.parsing import settings_in
from videovq.rollout.pair import check_pair
from videovq.runs import is_finished, load_predictor, load_vqvae
from videovq.shipped import WEIGHTS, shipped
from videovq.storage import write_json
from videovq.worlds import PART, largest, world

TAGS = ["videovq", "video-prediction", "world-model", "vq-vae"]
HORIZONS = (1, 5, 10)
MEASURES = ("psnr", "ssim", "lpips")
SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))


def push(config: PushConfig) -> None:
    """Bring a world, or a store, to the Hub in one commit. What its owner wrote into the card stays.

    Raises:
        UserError: ``source`` cannot be used, there is no token that may write, or the Hub cannot be reached.
    """
    repo = named(config.repo.removeprefix(HUB), config.kind)
    if repo is None:
        raise UserError(f"repo: {config.repo!r}; give it as user/name")
    may_upload(repo)
    with tempfile.TemporaryDirectory(prefix="videovq-push-") as scratch:
        bring = _store if config.kind == "dataset" else _world
        address, then = bring(config, repo, Path(scratch))
    print(f"pushed to {address}\n{then}")


def _world(config: PushConfig, repo: Repo, scratch: Path) -> tuple[str, str]:
    """Bring a world there; gives its address, and the command that uses it."""
    if (Path(config.source) / "store.json").is_file():
        raise UserError(f"source: {config.source} is a store; give --kind dataset")
    own = ""
    if found := _packed(config.source):
        without_effect(config, "on a world that is packed", "vqvae", "dtype", "examples")
        folder, measured = found, found / "vqvae"
        if is_finished(folder / "predictor"):
            check_pair(load_vqvae(folder / "vqvae"), load_predictor(folder / "predictor"))
        if (folder / CARD).is_file():
            own = (folder / CARD).read_text(encoding="utf-8")
        said = f'Use it with `--pretrained {repo.id}`, or `videovq.load("{repo.id}")`.'
    else:
        runs = runs_of(config)
        folder, measured = scratch, runs["vqvae"]
        write_world(folder, runs, config)
        said = card(folder, repo.id)
    trained_on = [*dict.fromkeys([*config.datasets, *_datasets(folder)])]
    metadata = {
        "library_name": "videovq",
        "tags": TAGS,
        **({"license": config.license} if config.license else {}),
        **({"datasets": trained_on} if trained_on else {}),
        **(_results(config.report, repo.id, load_vqvae(measured).codes_of) if config.report else {}),
    }
    said = f"{said.strip()}\n\n{_fingerprints(folder)}"
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    files = {name: path for name, path in files.items() if largest(name) and name != CARD}
    address = upload(
        repo,
        files,
        lambda old: renewed(old or own, metadata, said, TO_SAY),
        largest,
        config.private,
        "A world of videovq",
    )
    return address, typed("play" if is_finished(folder / "predictor") else "evaluate vqvae", pretrained=repo.id)


def _packed(source: str) -> Path | None:
    """The folder of a world that is packed, or ships."""
    path = Path(source)
    return world(source) if path.is_file() or (path / PART).is_file() or source in shipped("vqvae") else None


def _datasets(folder: Path) -> list[str]:
    """The datasets of the Hub that the parts of a world were trained on."""
    stores = [str(settings_in(str(path)).get("store", "")) for path in sorted(folder.glob("*/config.yaml"))]
    repos = [named(store, "dataset") for store in stores if store.startswith(HUB)]
    return [repo.id for repo in repos if repo]


def _fingerprints(folder: Path) -> str:
    """What tells that a world is this one."""
    vqvae = load_vqvae(folder / "vqvae")
    lines = ["| fingerprint | of |", "|---|---|", f"| `{vqvae.fingerprint}` | the VQ-VAE, architecture and weights |"]
    if vqvae.started_from:
        lines.append(f"| `{vqvae.started_from}` | the VQ-VAE whose codes it has, with another decoder |")
    for path in sorted(folder.glob(f"*/{WEIGHTS}")):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        lines.append(f"| `{digest}` | sha256 of `{path.relative_to(folder).as_posix()}` |")
    return "\n".join(lines)


def _results(report: str, name: str, vqvae: str) -> dict[str, Any]:
    """A report's measures as the Hub's ``model-index``.

    Args:
        vqvae: what the codes of the world are known by.

    Raises:
        UserError: it is no report of ``videovq evaluate``, or of another world.
    """
    path = Path(report) / "metrics.json"
    metrics = read_json(path)
    try:
        settings, measured = metrics["settings"], metrics["methods"]["prediction"]
        found = [("bits_per_code", "bits per code", metrics["bits_per_code"]["prediction"]["mean"])]
        for measure in MEASURES:
            by_horizon = measured.get(measure, {}).get("by_horizon", [])
            for horizon in sorted({h for h in (*HORIZONS, len(by_horizon)) if 0 < h <= len(by_horizon)}):
                what = f"{measure.upper()}, frame {horizon} of {len(by_horizon)}"
                found.append((f"{measure}_at_{horizon}", what, by_horizon[horizon - 1]))
        store, split, of = str(settings["store"]), settings["split"], metrics["vqvae"]
        episodes = metrics["episodes_sha256"]
    except (KeyError, TypeError, AttributeError):
        raise UserError(f"report: {path} is not of `videovq evaluate`; give the folder that it wrote") from None
    if of != vqvae:
        raise UserError(f"report: {path} is of another VQ-VAE's codes; evaluate this world, and give that report")
    repo = named(store, "dataset") if store.startswith(HUB) else None
    dataset = {"name": repo.id if repo else Path(store).name, "type": repo.id if repo else Path(store).name}
    result = {
        "task": {"type": "video-prediction", "name": "Video prediction"},
        "dataset": {**dataset, "split": split, "args": {"episodes_sha256": episodes}},
        "metrics": [{"type": kind, "name": what, "value": value} for kind, what, value in found if value is not None],
    }
    return {"model-index": [{"name": name.partition("/")[2], "results": [result]}]}


def _store(config: PushConfig, repo: Repo, scratch: Path) -> tuple[str, str]:
    """Bring a store there; gives its address, and the command that uses it."""
    folder = Path(config.source)
    if "://" in config.source or not (folder / "store.json").is_file():
        raise UserError(f"source: {config.source} is no folder of a store on this machine, with a store.json")
    kind = EpisodeStore if read_json(folder / "store.json").get("kind") == "episodes" else CodeStore
    store = kind(folder)
    tables = ["store.json", *(f"{shard_name(i)}.json" for i in range(store.header.shards))]
    for name in tables:
        write_json(scratch / name, without_folders(read_json(folder / name)))
    files = {name: scratch / name for name in tables}
    large = [*(f"{shard_name(i)}.safetensors" for i in range(store.header.shards))]
    files |= {name: folder / name for name in [*large, *(["codebook.safetensors"] if kind is CodeStore else [])]}
    frames = sum(info.length for info in store.episodes)
    metadata = {
        "library_name": "videovq",
        "tags": TAGS[:-1],
        "size_categories": [next((name for most, name in SIZES if frames < most), "n>10M")],
        **({"license": config.license} if config.license else {}),
    }
    new = partial(renewed, metadata=metadata, said=_about(store, repo), otherwise=TO_SAY_OF_A_STORE)
    address = upload(repo, files, new, folders.largest, config.private, f"A store of {kind.kind} of videovq")
    return address, typed("inspect" if kind is EpisodeStore else "train predictor", store=f"{HUB}{repo.id}")


TO_SAY_OF_A_STORE = (
    "Where the recordings come from, who may use them, and what is in them is for their maker to say here:"
    " `videovq inspect` shows it."
)


def _about(store: EpisodeStore | CodeStore, repo: Repo) -> str:
    """What a store's files say of it."""
    header = store.header
    (height, width), spec = header.grid, header.action_spec
    what = "RGB frames" if store.kind == "episodes" else f"grids of {header.codebook_size} codes"
    actions = ", ".join(spec.names) or (f"{spec.kind}, {spec.width} numbers" if spec.width else "none")
    lines = [
        f"# {repo.id.partition('/')[2]}",
        "",
        f"Episodes of {height}x{width} {what}, {header.fps:g} a second, as videovq {__version__} keeps them:"
        f" memory-mapped safetensors. Use it with `--store {HUB}{repo.id}`; a shard is fetched when it is first read.",
        "",
        f"- Actions: {actions}; action t is taken after frame t and leads to frame t + 1.",
        f"- In the recordings: {header.alignment}.",
        *([f"- Codes of the VQ-VAE `{header.fingerprint}`."] if header.fingerprint else []),
        "",
        "| split | episodes | frames |",
        "|---|---|---|",
    ]
    for split in SPLITS:
        some = [info for info in store.episodes if info.split == split]
        lines.append(f"| {split} | {len(some):,} | {sum(info.length for info in some):,} |")
    return "\n".join(lines)


def without_folders(value: Any) -> Any:
    """JSON without the folders that absolute paths in it begin with: they are of the machine that wrote it."""
    if isinstance(value, dict):
        return {name: without_folders(one) for name, one in value.items()}
    if isinstance(value, list):
        return [without_folders(one) for one in value]
    return re.sub(r"(?<![\w.:/\\])([A-Za-z]:)?[/\\]\S*[/\\]", "", value) if isinstance(value, str) else value
