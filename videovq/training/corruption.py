"""Corruption of the context frames in training: replaced codes, and frames that the predictor sampled itself.

A rollout feeds the predictor its own frames. Teacher forcing alone never shows it such frames (exposure bias), so some
codes of the context are replaced, and some frames are samples of the predictor. A predictor with several levels of
corruption is conditioned on that of every frame (GameNGen, arXiv 2408.14837, section 3.2.2): level 0 is a recorded
frame, the highest one with the most replaced codes, and 1 is that of its own frames, in training as in a rollout.
"""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from videovq.config import TrainPredictorConfig
from videovq.models.embeddings import unknown
from videovq.models.predictors.predictor import SAMPLED, Predictor
from videovq.models.sampling import gumbel_on, sample_codes
from videovq.training.similar import SimilarCodes
from videovq.types import Sampling

Seen = tuple[Int64[Tensor, "b t y x"], Int64[Tensor, "b t"]]
"""Codes as the predictor sees them, and the level of corruption of every frame."""


def add_noise(
    codes: Int64[Tensor, "b t y x"], similar: SimilarCodes, mean: float, anything: float = 0.0, levels: int = 1
) -> Seen:
    """Replace codes: in each frame a part between 0 and twice ``mean``.

    With one level, the part is uniform. With more, half of the windows stay as they are, and each frame of the others
    has a level, all equally likely, to which its part is proportional.

    Args:
        anything: part of the replaced codes that become any code; the others become a similar one.
    """
    frames = codes.shape[:2]
    if levels == 1:
        level = torch.zeros(frames, dtype=torch.int64, device=codes.device)
        part = torch.rand(*frames, 1, 1, device=codes.device) * 2 * mean
    else:
        clean = torch.rand(len(codes), 1, device=codes.device) < 0.5
        level = torch.randint(levels, frames, device=codes.device).masked_fill(clean, 0)
        part = (level / (levels - 1))[..., None, None] * 2 * mean
    which = torch.randint(similar.count, codes.shape, device=codes.device)
    replaced = torch.rand(codes.shape, device=codes.device) < part
    noisy = similar(codes, which, replaced)
    if anything:
        wild = replaced & (torch.rand(codes.shape, device=codes.device) < anything)
        noisy = torch.where(wild, torch.randint_like(codes, len(similar.codebook)), noisy)
    return noisy, level


@torch.no_grad()
def add_own_frames(
    network: Predictor, seen: Seen, actions: Shaped[Tensor, "b t a"], config: TrainPredictorConfig
) -> tuple[Seen, Int64[Tensor, "b"]]:
    """Replace up to ``own_length`` frames in a row, in a part of the windows, by what the predictor draws itself.

    In the first pass every frame is drawn given the recorded past, so that it stays beside the truth; in every further
    pass given the frames drawn in the one before, with the same noise. As many passes as frames are a rollout.

    Returns:
        What is seen now, and of each window the number of the first such frame; -1: there is none.
    """
    codes, levels = seen
    windows, frames = codes.shape[:2]
    some = max(1, round(config.own_frames * windows))
    device, length = codes.device, config.own_length
    first = torch.randint(1, frames - length, (some,), device=device)
    number = first[:, None] + torch.arange(length, device=device)
    own = torch.arange(length, device=device) <= torch.randint(length, (some, 1), device=device)
    row = torch.arange(some, device=device)[:, None]
    noise = gumbel_on((some * length, network.grid[0] * network.grid[1], len(network.codebook)), device)
    draw = partial(sample_codes, noise, Sampling(config.own_temperature))
    before = codes[:some]
    codes, levels = codes.clone(), levels.clone()
    levels[row, number] = torch.where(own, SAMPLED, levels[row, number])
    for done in range(config.own_passes):
        known = levels[:some] if done else seen[1][:some]
        drawn = network.redraw(codes[:some], known, actions[:some], number, draw)
        codes[row, number] = torch.where(own[..., None, None], drawn, before[row, number])
    torch.clear_autocast_cache()  # it keeps what was cast here, and gradients would not reach the weights
    return (codes, levels), torch.cat([first, first.new_full((windows - some,), -1)])


def choose_targets(frames: int, count: int, first: Int64[Tensor, "b"]) -> Int64[Tensor, "b m"]:
    """Indices of the target frames of each window: random ones, after the first own frame if there is one."""
    order = torch.rand(len(first), frames, device=first.device)
    before = torch.arange(frames, device=first.device) <= first[:, None]
    return (order + before).argsort(dim=1)[:, :count]


def drop_actions(actions: Shaped[Tensor, "b t a"], part: float) -> Shaped[Tensor, "b t a"]:
    """Hide all actions of a random part of the windows, for guidance in rollouts (arXiv 2207.12598, algorithm 1)."""
    if not part:
        return actions
    hidden = torch.rand(len(actions), 1, 1, device=actions.device) < part
    return torch.where(hidden, unknown(actions), actions)
