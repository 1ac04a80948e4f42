"""An inverse dynamics model, a small network that classifies the action between two successive frames, and its
accuracy on rollouts: whether they follow their actions.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, cross_entropy, pad

from videovq.data.store import EpisodeStore
from videovq.data.windows import segments
from videovq.evaluation.bootstrap import bootstrap_means, json_values, percentile_interval
from videovq.evaluation.clips import Clips
from videovq.evaluation.prediction import CEILING, PREDICTION, TRUTH
from videovq.progress import progress
from videovq.storage import read_tensors, write_tensors

SIDE = 42  # rows and columns that a frame is averaged to, at most: the blur of a decoder matters less then
MAX_SHIFT = (2, 6)  # rows and columns that a part of the picture may have moved, of these
PARTS = 4  # rows and columns of the parts of the picture
PAIRS = 20_000  # of successive frames in training, at most
EPOCHS, LEAST, BATCH, RATE = 20, 150, 128, 2e-3  # LEAST: minimum number of steps, where there are few pairs
SEED = 0  # of the pairs, their order, and the first weights
WIDTH = 128


class InverseDynamics(nn.Module):
    """Inverse dynamics model: motion between two successive frames -> logits of the discrete action between them."""

    def __init__(self, actions: int) -> None:
        super().__init__()
        size = (math.prod(2 * reach + 1 for reach in MAX_SHIFT) + 4) * PARTS**2
        self.layers = nn.Sequential(
            nn.BatchNorm1d(size), nn.Dropout(0.2), nn.Linear(size, WIDTH), nn.ReLU(), nn.Linear(WIDTH, actions)
        )

    def forward(self, motion: Float[Tensor, "b m"]) -> Float[Tensor, "b k"]:
        return self.layers(motion)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device


def motion_features(before: UInt8[Tensor, "b h w c"], after: UInt8[Tensor, "b h w c"]) -> Float[Tensor, "b m"]:
    """Inputs of the network for two frames. For every part of the picture: the mean absolute difference after each
    shift, over its mean for all shifts; that mean; and the mean change of each colour.
    """
    first, second = _shrunk(before), _shrunk(after)
    rows, columns = MAX_SHIFT
    height, width = second.shape[2:]
    room = pad(first, (columns, columns, rows, rows), mode="replicate")
    left = torch.cat(
        [
            adaptive_avg_pool2d(
                (second - room[..., y : y + height, x : x + width]).abs().mean(dim=1, keepdim=True), PARTS
            )
            for y in range(2 * rows + 1)
            for x in range(2 * columns + 1)
        ],
        dim=1,
    )
    usual = left.mean(dim=1, keepdim=True)
    change = adaptive_avg_pool2d(second - first, PARTS)
    return torch.cat([left / (usual + 0.01), usual, change], dim=1).flatten(1)


def _shrunk(frames: UInt8[Tensor, "n h w c"]) -> Float[Tensor, "n c y x"]:
    """-1..1, averaged over squares where frames are large."""
    pixels = frames.permute(0, 3, 1, 2).float() / 127.5 - 1
    height, width = (math.ceil(side / math.ceil(max(frames.shape[1:3]) / SIDE)) for side in frames.shape[1:3])
    return adaptive_avg_pool2d(pixels, (height, width))


def pairs(store: EpisodeStore, split: str) -> list[tuple[int, int]]:
    """(Episode, first frame), as indices, of the training pairs of successive frames: all, or ``PAIRS`` of them, drawn
    at random.
    """
    found = [
        (number, t)
        for number, info in enumerate(store.split(split))
        for start, stop in segments(info)
        for t in range(start, stop - 1)
    ]
    order = torch.randperm(len(found), generator=torch.Generator().manual_seed(SEED)).tolist()
    return sorted(found[i] for i in order[:PAIRS])


def training_fingerprint(store: EpisodeStore, split: str) -> str:
    """Fingerprint of the training data and settings."""
    episodes = [
        (info.id, info.source, info.sha256, info.start, info.length, info.discontinuities)
        for info in store.split(split)
    ]
    settings = [SIDE, MAX_SHIFT, PARTS, PAIRS, EPOCHS, LEAST, BATCH, RATE, SEED, WIDTH]
    text = json.dumps([episodes, store.header.grid, store.header.action_spec.to_json(), settings])
    return hashlib.sha256(text.encode()).hexdigest()


def train_or_load(store: EpisodeStore, split: str, cache: Path, device: torch.device) -> InverseDynamics:
    """The network on a device, trained on a split of discrete actions in about a minute, or loaded from the cache.

    Args:
        cache: folder of ``inverse-dynamics-FINGERPRINT.safetensors``; created if it is missing.
    """
    kept = cache / f"inverse-dynamics-{training_fingerprint(store, split)[:16]}.safetensors"
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(SEED)
        network = InverseDynamics(store.header.action_spec.sizes[0]).to(device)
        if kept.is_file():
            network.load_state_dict(read_tensors(kept))
            return network.eval()
        _train(network, store, split)
    cache.mkdir(parents=True, exist_ok=True)
    write_tensors(kept, {name: value.cpu() for name, value in network.state_dict().items()})
    return network.eval()


def _train(network: InverseDynamics, store: EpisodeStore, split: str) -> None:
    episodes, chosen, device = store.split(split), pairs(store, split), network.device
    seen, taken = [], []
    with progress(len(chosen), "motion between frames", "pair") as bar:
        for at in range(0, len(chosen), BATCH):
            parts = [store.read(episodes[number], t, t + 2) for number, t in chosen[at : at + BATCH]]
            frames = torch.stack([part.frames for part in parts]).to(device)
            seen.append(motion_features(frames[:, 0], frames[:, 1]).half())
            taken.append(torch.stack([part.actions[0, 0] for part in parts]).to(device))
            bar.update(len(parts))
    inputs, actions = torch.cat(seen), torch.cat(taken)
    in_epoch = math.ceil(len(chosen) / BATCH)
    epochs = max(EPOCHS, math.ceil(LEAST / in_epoch))
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=epochs * in_epoch)
    with progress(epochs * in_epoch, "inverse dynamics", "step") as bar:
        for _ in range(epochs):
            for some in torch.randperm(len(inputs)).to(device).tensor_split(in_epoch):  # no batch of a single pair
                loss = cross_entropy(network(inputs[some].float()), actions[some])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                bar.update(1)


class Following:
    """Observer of rollouts that classifies the action before each of their frames, beside the one that was taken. The
    same on the true frames is the ceiling of this measure, and on the true frames encoded and decoded that of the
    VQ-VAE.

    Args:
        context: number of context frames.
    """

    def __init__(self, network: InverseDynamics, context: int) -> None:
        self.network, self.context = network, context
        self._seen: dict[str, list[Tensor]] = {}
        self._taken: list[Tensor] = []

    def __call__(self, method: str, clips: Clips, frames: UInt8[Tensor, "b n h w c"]) -> None:
        if method == PREDICTION:
            self._taken.append(clips.actions[:, self.context - 1 : -1, 0])
            self._keep(TRUTH, clips.pixels[:, self.context - 1 :])
        if method in (PREDICTION, CEILING):
            self._keep(method, frames)

    @torch.no_grad()
    def _keep(self, method: str, frames: UInt8[Tensor, "b n h w c"]) -> None:
        frames = frames.to(self.network.device)
        logits = self.network(motion_features(frames[:, :-1].flatten(0, 1), frames[:, 1:].flatten(0, 1)))
        self._seen.setdefault(method, []).append(logits.argmax(dim=1).view(len(frames), -1).cpu())

    def found(self, names: list[str], episodes: Int64[Tensor, "w"], seed: int) -> dict[str, Any]:
        """Method -> action -> how often it was taken, and precision, recall and F1 with 95 % bootstrap confidence
        intervals over episodes; ``macro F1``: the mean over the actions that were taken. Null where none was.

        Args:
            names: of all actions.
        """
        taken = torch.cat(self._taken)
        return {
            method: f1_scores(torch.cat(parts), taken, names, episodes, seed) for method, parts in self._seen.items()
        }


def f1_scores(
    seen: Int64[Tensor, "w n"],
    taken: Int64[Tensor, "w n"],
    names: list[str],
    episodes: Int64[Tensor, "w"],
    seed: int,
) -> dict[str, Any]:
    """Precision, recall and F1 of every action that was taken."""
    kinds = [i for i in range(len(names)) if (taken == i).any()]
    hit = torch.stack([((seen == i) & (taken == i)).sum(dim=1) for i in kinds], dim=1).float()
    said = torch.stack([(seen == i).sum(dim=1) for i in kinds], dim=1).float()
    was = torch.stack([(taken == i).sum(dim=1) for i in kinds], dim=1).float()
    parts = {"precision": (hit, said), "recall": (hit, was), "F1": (2 * hit, said + was)}
    actions: dict[str, Any] = {names[i]: {"taken": int(was[:, at].sum())} for at, i in enumerate(kinds)}
    means = {measure: part.sum(dim=0) / whole.sum(dim=0) for measure, (part, whole) in parts.items()}
    drawn = {measure: bootstrap_means(part, episodes, seed, whole) for measure, (part, whole) in parts.items()}
    for measure, again in drawn.items():
        ends = None if again is None else percentile_interval(again)
        for at, i in enumerate(kinds):
            actions[names[i]][measure] = {
                "mean": json_values(means[measure][at]),
                "low": None if ends is None else json_values(ends[0][at]),
                "high": None if ends is None else json_values(ends[1][at]),
            }
    again = drawn["F1"]
    low, high = (None, None) if again is None else map(json_values, percentile_interval(again.nanmean(dim=1)))
    return {"macro F1": {"mean": json_values(means["F1"].mean()), "low": low, "high": high}, "actions": actions}
