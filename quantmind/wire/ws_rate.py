"""How fast a client may send: a bucket of messages that fills at a steady rate."""

from __future__ import annotations

import enum
from typing import Final

PATIENCE_S: Final = 5.0
"""A client that is over its rate for longer than this is closed."""

FORGIVEN_AFTER_S: Final = 1.0
"""So long without a refusal ends being over the rate."""


class Pace(enum.Enum):
    """What to do with a message."""

    OK = "ok"
    LIMITED = "limited"
    """Refuse it."""
    EXCEEDED = "exceeded"
    """Refuse it and close."""


class RateLimit:
    """One client's budget: bursts of up to a second's worth of messages. Pure: it is told the time, in seconds."""

    def __init__(self, per_s: float, now: float) -> None:
        self._per_s = per_s
        self._room = max(1.0, per_s)
        self._left = self._room
        self._at = now
        self._over_since: float | None = None
        self._refused_at = now

    def take(self, now: float) -> Pace:
        """Account for one message that came now."""
        self._left = min(self._room, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left >= 1.0:
            self._left -= 1.0
            return Pace.OK
        if self._over_since is None or now - self._refused_at > FORGIVEN_AFTER_S:
            self._over_since = now
        self._refused_at = now
        return Pace.EXCEEDED if now - self._over_since > PATIENCE_S else Pace.LIMITED
