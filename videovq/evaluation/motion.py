"""Sideways motion of the picture: its shift by each action, a baseline that shifts the last frame, and the agreement of
rollouts with the true motion.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor

from videovq.data.motion import brightness, horizontal_shift
from videovq.data.store import EpisodeStore
from videovq.progress import progress

EPISODES = 20  # enough to estimate the shift by an action
CLEAR = 3  # columns: the least shift that counts as motion
CLOSE = 2  # columns, or a quarter of the shift: the error that counts as equally far


def shift_by_action(store: EpisodeStore, split: str, device: torch.device) -> list[float]:
    """For every discrete action, the median shift in columns of the frames that it led to twice in a row; 0 for an
    action that never occurs so.
    """
    episodes = store.split(split)
    chosen = episodes[:: max(1, len(episodes) // EPISODES)]
    shifts: list[list[Tensor]] = [[] for _ in range(store.header.action_spec.sizes[0])]
    with progress(len(chosen), "motion of actions", "episode") as bar:
        for info in chosen:
            episode = store.read(info)
            grey, actions = brightness(episode.frames.to(device)), episode.actions[:, 0]
            moved = horizontal_shift(grey[:-1], grey[1:]).cpu()
            again = torch.cat([torch.tensor([False]), actions[1:-1] == actions[:-2]])
            for t in again.nonzero()[:, 0].tolist():
                if t not in info.discontinuities:
                    shifts[int(actions[t])].append(moved[t])
            bar.update(1)
    return [float(torch.stack(found).float().median()) if found else 0.0 for found in shifts]


def moved_along(
    last: UInt8[Tensor, "b h w c"], actions: Shaped[Tensor, "b n a"], shifts: list[float]
) -> UInt8[Tensor, "b n h w c"]:
    """The last frame shifted sideways by the mean shift of each action; columns that come into view repeat the edge."""
    width = last.shape[2]
    total = torch.tensor(shifts)[actions[..., 0]].cumsum(dim=1).round().long()
    columns = (torch.arange(width) - total[..., None]).clamp(0, width - 1)
    rows = torch.arange(len(last))[:, None, None]
    return last.transpose(1, 2)[rows, columns].transpose(2, 3)


def motion_agreement(
    drawn: UInt8[Tensor, "*b n h w c"], truth: UInt8[Tensor, "*b n h w c"]
) -> tuple[Float[Tensor, "m"], Float[Tensor, "m"]]:
    """Agreement of predicted and true motion, in the steps in which the true picture clearly moved sideways.

    Returns:
        For each such step, 1 or 0: moved in the same direction; as far, within ``CLOSE`` columns or a quarter.
    """
    real, found = (
        horizontal_shift(brightness(f)[..., :-1, :, :], brightness(f)[..., 1:, :, :]) for f in (truth, drawn)
    )
    clear = real.abs() >= CLEAR
    real, found = real[clear], found[clear]
    tolerance = (real.abs() / 4).clamp(min=CLOSE)
    return (real.sign() == found.sign()).float(), ((real - found).abs() <= tolerance).float()
