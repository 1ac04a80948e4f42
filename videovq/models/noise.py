"""Gumbel noise as a function of seed, frame, position and code: no state, and the same bits on every device.

A counter-based generator: Philox-4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") gives
every position of a frame two words, keyed by the seed; two rounds of multiply and xor-shift with them (in the manner of
Mueller's ``lowbias32``) give every code of the position 32 bits. All of it is integer arithmetic modulo 2^32, so that
CPU, CUDA and the page in the browser (``noise.js``) get the very same bits. The logarithms after it are rounded by
whoever computes them: noise of two devices is apart by 1e-6 at most where it is near 0, and by 4e-6 at its largest, 22.

Shapes: ``s`` positions of a frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor, nn

ROUNDS = 10
MULTIPLIERS, WEYL = (0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85)  # Philox's, by the paper
FIRST, SECOND = 0x7FEB352D, 0x846CA68B  # lowbias32's multipliers
WORD = 0xFFFFFFFF


class FrameNoise(nn.Module):
    """Standard Gumbel noise for every code at every position of a frame.

    argmax(logits + T * noise) is an exact draw from softmax(logits / T) (the Gumbel-max trick, Gumbel 1954).

    Args:
        positions: number of codes in a frame.
        codebook_size: number of values a code can have.
    """

    multipliers: Tensor
    weyl: Tensor
    positions: Tensor
    codes: Tensor

    def __init__(self, positions: int, codebook_size: int) -> None:
        super().__init__()
        constants = {
            "multipliers": torch.tensor(MULTIPLIERS),
            "weyl": torch.arange(ROUNDS)[:, None] * torch.tensor(WEYL),
            "positions": torch.arange(positions),
            "codes": torch.arange(codebook_size, dtype=torch.int32) * _signed(WEYL[0]),
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, seeds: Int64[Tensor, "b"], frames: Int64[Tensor, "b"]) -> Float[Tensor, "b s k"]:
        """Noise of a frame of every rollout.

        Args:
            seeds: of the rollouts, see :func:`seed_tensor`.
            frames: numbers of the frames after the context, the first one 1.
        """
        bits, scratch = self._bits(seeds, frames)
        # (31 bits + 1/2) / 2^31, which float32 must not round to 1: precise near 0, where the noise is largest.
        uniform = scratch.view(torch.float32).copy_(bits.bitwise_and_(0x7FFFFFFF))
        uniform.mul_(-(2**-31) * (1 - 2**-24)).sub_(2**-32)
        return uniform.log1p_().neg_().log_().neg_()

    def bits(self, seeds: Int64[Tensor, "b"], frames: Int64[Tensor, "b"]) -> Int32[Tensor, "b s k"]:
        """The random bits, 32 for every code."""
        return self._bits(seeds, frames)[0]

    def _bits(
        self, seeds: Int64[Tensor, "b"], frames: Int64[Tensor, "b"]
    ) -> tuple[Int32[Tensor, "b s k"], Int32[Tensor, "b s k"]]:
        """The random bits, and memory for as many numbers more."""
        frames, seeds = frames[:, None], seeds[:, None]
        counter = (self.positions, frames, torch.zeros_like(frames), torch.zeros_like(frames))
        start, inner = self.philox(counter, (seeds & WORD, seeds >> 32 & WORD))[:2].int()[..., None]
        mixed = self.codes + start
        scratch = torch.empty_like(mixed)
        _xor_shift(mixed, 16, scratch).mul_(_signed(FIRST)).bitwise_xor_(inner)
        _xor_shift(mixed, 15, scratch).mul_(_signed(SECOND))
        return _xor_shift(mixed, 16, scratch), scratch

    def philox(self, counter: Sequence[Tensor], key: Sequence[Tensor]) -> Int64[Tensor, "four b s"]:
        """Philox-4x32-10: four words of 0 to 2^32 - 1 for counters of four words and keys of two, which broadcast."""
        words = torch.stack(torch.broadcast_tensors(*counter, *key))
        even, odd = words[0:4:2], words[1:4:2]
        multipliers = self.multipliers[:, None, None]
        for round_key in words[4:] + self.weyl[:, :, None, None]:  # beyond 2^32 as they come: masked after use
            product = (even * multipliers).flip(0)
            even, odd = (product >> 32).bitwise_xor_(odd).bitwise_xor_(round_key).bitwise_and_(WORD), product
        return torch.stack([even, odd & WORD], dim=1).flatten(0, 1)


def seed_tensor(seeds: Sequence[int], device: torch.device) -> Int64[Tensor, "b"]:
    """Seeds, whole numbers modulo 2^64, for :class:`FrameNoise`."""
    return torch.tensor([(seed + 2**63) % 2**64 - 2**63 for seed in seeds], device=device)


def _xor_shift(x: Int32[Tensor, "*n"], shift: int, scratch: Int32[Tensor, "*n"]) -> Int32[Tensor, "*n"]:
    """``x ^= x >> shift`` of unsigned words, in place."""
    torch.bitwise_right_shift(x, shift, out=scratch)
    return x.bitwise_xor_(scratch.bitwise_and_((1 << (32 - shift)) - 1))


def _signed(word: int) -> int:
    """The int32 of the same bits."""
    return word - 2**32 if word >= 2**31 else word
