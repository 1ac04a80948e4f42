"""How the picture moves sideways: what actions do to it, a prediction from that alone, and whether rollouts obey."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor

from videovq.data.motion import brightness, horizontal_shift
from videovq.data.store import EpisodeStore
from videovq.progress import progress

EPISODES = 20  # enough to know what an action does
CLEAR = 3  # columns: a frame moved sideways without doubt
CLOSE = 2  # columns, or a quarter of the shift: as far as it should


def shift_by_action(store: EpisodeStore, split: str) -> list[float]:
    """For every choice of a discrete action, the median shift in columns of the frames that it led to twice running;
    0 for a choice that never occurs so.
    """
    episodes = store.split(split)
    chosen = episodes[:: max(1, len(episodes) // EPISODES)]
    shifts: list[list[Tensor]] = [[] for _ in range(store.header.action_spec.sizes[0])]
    with progress(len(chosen), "motion of actions", "episode") as bar:
        for info in chosen:
            episode = store.read(info)
            grey, actions = brightness(episode.frames), episode.actions[:, 0]
            moved = horizontal_shift(grey[:-1], grey[1:])
            again = torch.cat([torch.tensor([False]), actions[1:-1] == actions[:-2]])
            for t in again.nonzero()[:, 0].tolist():
                if t not in info.discontinuities:
                    shifts[int(actions[t])].append(moved[t])
            bar.update(1)
    return [float(torch.stack(found).float().median()) if found else 0.0 for found in shifts]


def moved_along(
    last: UInt8[Tensor, "b h w c"], actions: Shaped[Tensor, "b n a"], shifts: list[float]
) -> UInt8[Tensor, "b n h w c"]:
    """The last frame pushed sideways by what each action does on average; what comes into view repeats the edge."""
    width = last.shape[2]
    total = torch.tensor(shifts)[actions[..., 0]].cumsum(dim=1).round().long()
    columns = (torch.arange(width) - total[..., None]).clamp(0, width - 1)
    rows = torch.arange(len(last))[:, None, None]
    return last.transpose(1, 2)[rows, columns].transpose(2, 3)


def obedience(
    drawn: UInt8[Tensor, "*b n h w c"], truth: UInt8[Tensor, "*b n h w c"]
) -> tuple[Float[Tensor, "m"], Float[Tensor, "m"]]:
    """Where the true picture clearly moved sideways from one frame to the next: did the predicted one move the same
    way, and as far?

    Returns:
        For each such step, 1 or 0: the same way; as far, within ``CLOSE`` columns or a quarter.
    """
    real, found = (
        horizontal_shift(brightness(f)[..., :-1, :, :], brightness(f)[..., 1:, :, :]) for f in (truth, drawn)
    )
    clear = real.abs() >= CLEAR
    real, found = real[clear], found[clear]
    tolerance = (real.abs() / 4).clamp(min=CLOSE)
    return (real.sign() == found.sign()).float(), ((real - found).abs() <= tolerance).float()
