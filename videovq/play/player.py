"""Who plays: their dream, what they uploaded, and how much they may send."""

from __future__ import annotations

import secrets
import time
from collections import deque
from dataclasses import dataclass, field

from videovq.data.clip import Clip
from videovq.errors import UserError
from videovq.play.dream import Dream

MESSAGES, BURST = 120.0, 240.0  # of one player in a second, and at once


@dataclass
class Player:
    """Somebody at a page.

    Attributes:
        sent: numbers of the frames that were sent and not acknowledged.
        budget: messages that may come now.
        refilled: when that was, in seconds.
    """

    id: str = field(default_factory=lambda: secrets.token_urlsafe(9))
    dream: Dream | None = None
    uploads: dict[str, Clip] = field(default_factory=dict)
    sent: deque[int] = field(default_factory=deque)
    budget: float = BURST
    refilled: float = field(default_factory=time.monotonic)

    def may_speak(self) -> bool:
        """Whether this message is within the rate; counts it."""
        now = time.monotonic()
        self.budget = min(BURST, self.budget + (now - self.refilled) * MESSAGES)
        self.refilled = now
        self.budget -= 1
        return self.budget >= 0

    def playing(self) -> Dream:
        if self.dream is None:
            raise UserError("message: there is no dream yet; start one")
        return self.dream
