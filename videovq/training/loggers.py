"""Loggers of training metrics: CSV files, wandb, TensorBoard."""

from __future__ import annotations

import os
import ssl
import urllib.error
import urllib.request
import zlib
from http.client import HTTPException
from pathlib import Path

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from videovq.errors import UserError

PATIENCE = 5.0  # seconds that wandb's server may take to answer


def open_logger(name: str, run: Path, start: int) -> Logger:
    """A logger into the run folder.

    Args:
        name: ``csv``, ``wandb`` or ``tensorboard``.
        start: the step that the training begins at.

    Raises:
        UserError: wandb does not start.
    """
    # A folder for each start: Lightning's CSV logger empties the folder it opens.
    version = f"from-{start:07d}"
    if name == "wandb":
        return _open_wandb(run)
    if name == "tensorboard":
        return TensorBoardLogger(run, "logs", version)
    return CSVLogger(run, "logs", version, flush_logs_every_n_steps=20)


def _open_wandb(run: Path) -> WandbLogger:
    import wandb

    settings = wandb.setup().settings
    mode = settings.mode
    if mode not in ("offline", "dryrun", "disabled"):
        if not _has_wandb_key():
            mode = "offline"
        elif not answers(settings.base_url):
            print(f"wandb: {settings.base_url} does not answer; goes on offline (later: wandb sync {run}/wandb/*)")
            mode = "offline"
    logger = WandbLogger(project="videovq", name=run.name, save_dir=run, version=_wandb_id(run), mode=mode)
    try:
        _ = logger.experiment
    except wandb.Error as error:
        why = " ".join(str(error).split())
        raise UserError(f"training.logger: wandb does not start ({why}); set WANDB_MODE=offline for now") from error
    return logger


def answers(url: str) -> bool:
    """Whether a web server can be reached, through a proxy where one is set."""
    try:
        urllib.request.urlopen(url, timeout=PATIENCE).close()
    except urllib.error.HTTPError as error:
        return error.code < 500  # a proxy's, or that of a server that is down
    except (OSError, HTTPException) as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        return isinstance(cause, ssl.SSLError)  # wandb may know certificates that Python does not
    return True


def _has_wandb_key() -> bool:
    """Whether wandb could log in without asking: a key in the environment, or in the netrc file of `wandb login`."""
    netrc = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    return bool(os.environ.get("WANDB_API_KEY")) or (netrc.is_file() and "wandb" in netrc.read_text(encoding="utf-8"))


def _wandb_id(run: Path) -> str:
    """The same wandb run for every resumption."""
    return f"{run.name}-{zlib.crc32(str(run.resolve()).encode()):08x}"
