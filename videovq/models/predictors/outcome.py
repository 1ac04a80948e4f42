"""The outcome head: the reward of an action, and whether the world ends with it, from the context of the next frame.

The reward is a distribution over fixed values, learnt from two-hot targets, its expectation their mean, as in DreamerV3
(Hafner et al. 2023, arXiv 2301.04104, "symexp twohot"). There the values reach from -e^20 to e^20; here, from the
smallest to the largest reward of the training episodes, so that a small probability of an extreme value does not
outweigh the rest.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, silu

from videovq.models.predictors.contract import OutcomeOutput
from videovq.types import Outcomes

VALUES = 41


class OutcomeHead(nn.Module):
    """Outcome head: contexts -> rewards and ends.

    Args:
        width: channels of a context.
        values: the rewards that have a probability, rising.
    """

    values: Tensor

    def __init__(self, width: int, values: Float[Tensor, "v"]) -> None:
        super().__init__()
        self.register_buffer("values", values.detach().float().clone())
        self.look = nn.Conv2d(width, width, 1)
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, width)
        self.out = nn.Linear(width, len(values) + 1)
        nn.init.zeros_(self.out.weight)

    def forward(self, context: Float[Tensor, "n w y x"]) -> OutcomeOutput:
        """The expected reward and the probability of an end, for each context."""
        rewards, end = self._logits(context)
        return OutcomeOutput((rewards.softmax(dim=-1) * self.values).sum(dim=-1), end.sigmoid())

    def loss(
        self, context: Float[Tensor, "b m w y x"], frames: Int64[Tensor, "b m"], outcomes: Outcomes
    ) -> Float[Tensor, ""]:
        """Minus the log-probability of what came of the actions that led to some frames, in nats: its weighted sum over
        a window, averaged over windows.

        Args:
            frames: indices of the frames within their window; action t - 1 of ``outcomes`` leads to frame t, and
                frame 0 has no outcome.
        """
        row = torch.arange(len(frames), device=frames.device)[:, None]
        before = (frames - 1).clamp(min=0)
        rewards, ends, weights = (z[row, before].flatten() for z in (outcomes.rewards, outcomes.ends, outcomes.weights))
        logits, end = self._logits(context.flatten(0, 1))
        nll = -(two_hot(rewards, self.values) * logits.log_softmax(dim=-1)).sum(dim=-1)
        nll = nll + binary_cross_entropy_with_logits(end, ends.to(end.dtype), reduction="none")
        return (weights * (frames > 0).flatten() * nll).sum() / len(frames)

    def _logits(self, context: Float[Tensor, "n w y x"]) -> tuple[Float[Tensor, "n v"], Float[Tensor, "n"]]:
        x = self.norm(silu(self.look(context)).mean(dim=(2, 3)))
        logits = self.out(silu(self.hidden(x)))
        logits = logits if logits.dtype == torch.float64 else logits.float()  # never in the bf16 of autocast
        return logits[:, :-1], logits[:, -1]


def reward_values(low: float, high: float) -> Float[Tensor, "v"]:
    """Values evenly spaced on the scale ``sign(x) log(|x| + 1)``, from the smallest reward or 0 to the largest or 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    ends = torch.tensor([low, high if high > low else 1.0], dtype=torch.float64)
    first, last = (ends.sign() * ends.abs().log1p()).tolist()
    spaced = torch.linspace(first, last, VALUES, dtype=torch.float64)
    return (spaced.sign() * spaced.abs().expm1()).float()


def two_hot(x: Float[Tensor, "n"], values: Float[Tensor, "v"]) -> Float[Tensor, "n v"]:
    """Two-hot encoding: weights of the two values on either side of each number, so that their mean is the number."""
    x = x.to(values.dtype).clamp(values[0], values[-1])
    above = torch.searchsorted(values, x).clamp(1, len(values) - 1)
    low, high = values[above - 1], values[above]
    share = ((x - low) / (high - low))[:, None]
    return torch.zeros(len(x), len(values), device=x.device, dtype=x.dtype).scatter(
        1, torch.stack([above - 1, above], dim=1), torch.cat([1 - share, share], dim=1)
    )
