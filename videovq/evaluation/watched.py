"""Measures by recorded motion and actions: PSNR by kind of motion, PSNR of what was in view before a turn, and the
accuracy of an inverse dynamics model on rollouts. What cannot be measured is left out with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from videovq.config import EvaluateConfig
from videovq.data.store import EpisodeStore
from videovq.data.windows import Window
from videovq.evaluation.inverse_dynamics import Following, train_or_load, training_fingerprint
from videovq.evaluation.kinds import by_kind, kinds_of_windows, turned_since, usual_step
from videovq.evaluation.prediction import CEILING, COPY, PREDICTION, Observer, RolloutMeasures
from videovq.evaluation.turned_view import TurnedViews
from videovq.types import ActionSpec

KIND, VIEW, FOLLOWED = "PSNR by kind of motion", "PSNR of what was in view before a turn", "which actions are followed"


@dataclass(frozen=True)
class Watched:
    """The measures by recorded motion and actions, with their observers of rollouts.

    Attributes:
        kinds: of motion, of every horizon of every window; None: not known.
        source: what the kinds come from, ``poses`` or ``actions``.
        left_out: measure -> why there is none.
    """

    kinds: Int64[Tensor, "w n"] | None
    source: str
    views: TurnedViews | None
    following: Following | None
    network: str
    left_out: dict[str, str]

    @property
    def observers(self) -> list[Observer]:
        return [one for one in (self.views, self.following) if one is not None]

    def report(self, rolled: RolloutMeasures, spec: ActionSpec, seed: int) -> dict[str, Any]:
        """The measures as JSON values."""
        found: dict[str, Any] = {"left_out": self.left_out}
        if self.kinds is not None:
            kinds = {
                method: by_kind(rolled.values[method]["psnr"], self.kinds, rolled.episodes, seed)
                for method in (PREDICTION, COPY, CEILING)
            }
            found["motion"] = {"told_by": self.source, "psnr": kinds}
        if self.views is not None:
            found["visible_area"] = self.views.found(rolled.episodes, seed)
        if self.following is not None:
            methods = self.following.found(spec.choices, rolled.episodes, seed)
            found["following"] = {"network": self.network, "methods": methods}
        return found


def watch(config: EvaluateConfig, store: EpisodeStore, windows: Sequence[Window], device: torch.device) -> Watched:
    """Prepare the measures from recorded poses and actions, and train the inverse dynamics model on a device."""
    spec, left_out = store.header.action_spec, {}
    poses = torch.stack([store.poses(w.episode, w.start, w.start + w.length) for w in windows])
    actions = torch.stack([store.read(w.episode, w.start, w.start + w.length).actions for w in windows])
    usual = usual_step(store, config.split)
    kinds, source = kinds_of_windows(poses, actions, spec, config.context_frames, usual) or (None, "")
    if kinds is None:
        named = f", and the names {', '.join(spec.names)} do not tell" if spec.names else ""
        left_out[KIND] = f"no poses are recorded in this split{named}"
    views = None
    if kinds is None or source != "poses":
        left_out[VIEW] = "no poses are recorded in this split"
    else:
        turned = turned_since(poses, kinds, config.context_frames)
        if turned[:, 0].isfinite().any():
            views = TurnedViews(turned, config.context_frames, config.field_of_view)
        else:
            left_out[VIEW] = "in no window one turns on the spot"
    following, network = None, ""
    if not config.following:
        left_out[FOLLOWED] = "`following` is false"
    elif spec.kind != "discrete":
        left_out[FOLLOWED] = f"it needs discrete choices; here, {spec.kind}"
    elif not any(info.split == "train" for info in store.episodes):
        left_out[FOLLOWED] = "the store has no episode in split train to learn it from"
    else:
        network = training_fingerprint(store, "train")
        learned = train_or_load(store, "train", Path(config.out), device)
        following = Following(learned, config.context_frames)
    return Watched(kinds, source, views, following, network, left_out)
