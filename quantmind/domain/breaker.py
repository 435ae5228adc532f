"""A circuit breaker: after so many failures in a row nothing new is tried for a while, and then one probe decides.

The pattern is M. Nygard's (Release It!, 2nd ed. 2018, "Circuit Breaker"). Here it keeps new risk away from a broker
that fails; what reduces risk is never kept back by it, and neither is looking: reading goes on, at the pace of whoever
reads.
"""

from __future__ import annotations

import enum

import attrs

MOST_FAILURES = 5
OPEN_S = 60.0


class BreakerState(enum.Enum):
    """Whether new orders may be tried."""

    CLOSED = "closed"
    """They may."""
    OPEN = "open"
    """They are refused until the time is over."""
    HALF_OPEN = "half_open"
    """The time is over: they are refused until the next call of the kind that failed is answered, or fails again."""


class Path(enum.Enum):
    """A way on which a broker is asked. Each fails by itself: prices may come while orders get no answer."""

    MARKET = "market"
    ACCOUNT = "account"
    ORDERS = "orders"


@attrs.define(eq=False)
class Breaker:
    """The breaker of one broker. Whoever calls the broker tells it how that went; times are monotonic seconds.

    Failures in a row are counted for each path. An answer of a lesser kind (`proof=False`: a connection that was made
    says little of the prices, a look-up little of orders) ends no row while closed; as the probe it closes the breaker
    on probation, so that one more failure opens it again.

    Args:
        most: failures in a row that open it.
        open_s: how long it stays open before a probe counts, in seconds.
    """

    most: int = attrs.field(default=MOST_FAILURES, validator=attrs.validators.ge(1))
    open_s: float = attrs.field(default=OPEN_S, validator=attrs.validators.gt(0))
    since: float | None = attrs.field(default=None, init=False)
    """When it came into its state; None: it has never opened."""
    path: Path | None = attrs.field(default=None, init=False)
    """On which path it failed; None while closed."""
    reason: str | None = attrs.field(default=None, init=False)
    """The last failure before it opened; None while closed."""
    opened: int = attrs.field(default=0, init=False)
    """How often it has opened, a probe that failed counted too."""
    failures: int = attrs.field(default=0, init=False)
    """All failures that it was told of."""
    _opened_by: int = attrs.field(default=0, init=False)
    """How many failures in a row had opened it last."""
    _until: float = attrs.field(default=0.0, init=False)
    _rows: dict[Path, int] = attrs.field(factory=lambda: dict.fromkeys(Path, 0), init=False)

    def state(self, now: float) -> BreakerState:
        """Its state at a time."""
        if self.path is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self._until else BreakerState.HALF_OPEN

    def in_a_row(self, path: Path) -> int:
        """Failures on a path since it last worked."""
        return self._rows[path]

    def probe_in_s(self, now: float) -> float:
        """Seconds until a probe counts; 0 while half-open or closed."""
        return 0.0 if self.path is None else max(0.0, self._until - now)

    def wants_probe(self, path: Path, now: float) -> bool:
        """Whether the next call on this path decides."""
        return self.path is path and self.state(now) is BreakerState.HALF_OPEN

    def failed(self, path: Path, reason: str, now: float) -> None:
        """A call had no answer, or the broker could not be reached."""
        self.failures += 1
        self._rows[path] += 1
        probe = self.wants_probe(path, now)
        if probe or (self.state(now) is not BreakerState.OPEN and self._rows[path] >= self.most):
            self.since, self.path, self.reason = now, path, reason
            self._until = now + self.open_s
            self._opened_by = self._rows[path]
            self.opened += 1

    def answered(self, path: Path, now: float, *, proof: bool = True) -> None:
        """A call was answered, be it by a refusal."""
        probe = self.wants_probe(path, now)
        if proof:
            self._rows[path] = 0
        elif probe:
            self._rows[path] = self.most - 1
        if probe:
            self.since, self.path, self.reason = now, None, None

    def refusal(self, now: float) -> str | None:
        """Why nothing new may be tried now, with what goes on; None: it may."""
        state = self.state(now)
        if state is BreakerState.CLOSED:
            return None
        failed = f"its circuit breaker is {state.value}: {self._opened_by} calls in a row failed ({self.reason})"
        then = "the next call decides" if state is BreakerState.HALF_OPEN else f"tried in {self.probe_in_s(now):.0f} s"
        return f"{failed}; {then}; what reduces risk goes through"
