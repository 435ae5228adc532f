"""When to restart whom, and after how long: pure decisions, no clock and no Trio."""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Sequence

import attrs
from attrs import validators


class Restart(enum.Enum):
    """What an ending means for one child."""

    PERMANENT = "permanent"
    """Always run again, also after a normal end."""
    TRANSIENT = "transient"
    """Run again only after a crash, its own or one of a sibling whose strategy includes it."""
    TEMPORARY = "temporary"
    """Never run again, not even when a sibling's strategy took it down."""


class Strategy(enum.Enum):
    """Who restarts together with a failed child."""

    ONE_FOR_ONE = "one_for_one"
    """Nobody else."""
    ONE_FOR_ALL = "one_for_all"
    """Everybody."""
    REST_FOR_ONE = "rest_for_one"
    """Those that were started after it."""


def affected(strategy: Strategy, order: Sequence[str], failed: str) -> list[str]:
    """Names to restart when `failed` ends, in start order.

    Args:
      strategy: who restarts together.
      order: the names of all children in start order.
      failed: the one that ended; must be in `order`.
    """
    match strategy:
        case Strategy.ONE_FOR_ONE:
            return [failed]
        case Strategy.ONE_FOR_ALL:
            return list(order)
        case Strategy.REST_FOR_ONE:
            return list(order[order.index(failed) :])


@attrs.frozen
class Backoff:
    """Seconds to wait before the n-th restart in a row: doubling, capped, and up to half of it random."""

    first: float = attrs.field(default=0.25, validator=validators.ge(0))
    """Longest wait before the first restart, in seconds."""
    cap: float = attrs.field(default=30.0, validator=validators.ge(0))
    """No wait is longer than this, in seconds."""
    reset_after: float = attrs.field(default=60.0, validator=validators.ge(0))
    """Who was ready for this many seconds starts again from `first`."""
    jitter: Callable[[], float] = random.random
    """Gives numbers from 0 to 1. A constant 1 makes the waits exact, for tests."""

    def delay(self, attempt: int) -> float:
        """Seconds to wait before restart number `attempt` in a row, counted from 0."""
        ceiling = min(self.cap, self.first * 2.0 ** min(max(attempt, 0), 64))
        return ceiling * (0.5 + 0.5 * self.jitter())

    def attempt(self, previous: int, ready_for: float) -> int:
        """Number of the next restart in a row, after an incarnation that was ready for `ready_for` seconds."""
        return 0 if ready_for >= self.reset_after else previous + 1


@attrs.frozen
class RestartWindow:
    """More than `most` restarts in any `within` seconds is somebody else's problem.

    Think of the levels of a tree: the restarts they allow multiply, so the top should be the strictest.
    """

    most: int = attrs.field(default=5, validator=validators.ge(0))
    within: float = attrs.field(default=30.0, validator=validators.gt(0))

    def admit(self, past: Sequence[float], now: float) -> tuple[float, ...] | None:
        """The restarts to remember when one more happens at `now`; None when that is one too many.

        Args:
          past: times of earlier restarts, in seconds, oldest first.
          now: a time that is not before any of them.
        """
        kept = (*(time for time in past if now - time <= self.within), now)
        return None if len(kept) > self.most else kept
