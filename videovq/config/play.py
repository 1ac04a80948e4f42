"""Settings of ``videovq play``."""

from __future__ import annotations

from dataclasses import dataclass, field

from videovq.config.checks import CommandSettings, above, at_least, named, within, without_effect
from videovq.config.choices import DeviceChoice, LookingChoice, ModelChoice, Precision
from videovq.config.prep import DeclareActionsConfig


@dataclass(frozen=True)
class PlayConfig(DeviceChoice, LookingChoice, ModelChoice, CommandSettings):
    """Walk through the learned world with the arrow keys, in the browser; nothing leaves this machine."""

    store: str = ""
    """Where scenes to start from come from: an EpisodeStore, or a video with its actions beside it; empty: the examples
    that ship with ``pretrained``, or ``stores/episodes``."""
    declare: DeclareActionsConfig = field(default_factory=DeclareActionsConfig)
    context_frames: int = 6
    """Frames of a scene that the predictor is given."""
    host: str = "127.0.0.1"
    """Address to listen on; ``0.0.0.0`` lets other machines in, if they have the link."""
    port: int = 8642
    """Port to listen on; 0: any that is free."""
    origins: list[str] = field(default_factory=list)
    """Where a proxy shows the page, such as ``https://dreams.example.org``: needed if it does not pass ``Host`` on."""
    rate: float = 0.0
    """Frames a second that the page asks for at first; 0: as the episodes were recorded."""
    players: int = 4
    """Players at the same time; they share the predictor's batches."""
    idle: float = 600.0
    """Seconds without a sign of life after which a player's memory is freed."""
    precision: Precision = "auto"
    """``32-true``: float32; ``bf16`` (or ``bf16-mixed``): most of both networks in bf16; ``auto``: bf16 where the
    hardware computes it natively."""
    open: bool = True
    """Open the page in the browser; ``--no-open`` only prints its link."""
    in_browser: str = ""
    """Serve nothing, and write a page to this folder that computes all by itself, for any web server."""
    onnxruntime_web: str = "node_modules/onnxruntime-web/dist"
    """Folder with the files of onnxruntime-web that such a page needs."""

    def check(self) -> None:
        super().check()
        named(self, "host", "onnxruntime_web")
        at_least(self, 1, "context_frames", "players")
        within(self, 0, 65535, "port")
        at_least(self, 0, "rate")
        above(self, 0, "idle")
        if self.in_browser:
            without_effect(self, "beside in_browser", "top_k", "top_p")
