"""The exchange's clock, by what it answers: a request that is signed with a time that is off is refused (-1021).

Binance takes a time that is less than 1,000 ms ahead of its own and not older than recvWindow. Our own wall clock may
be off by more, and may be set at any moment, so the exchange's clock is carried on by the monotonic one in between.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import attrs

INTERVAL_S: Final = 1800.0
"""Between two measurements: a clock that drifts by 100 ppm is off by 180 ms by then, which is well below 1,000 ms."""
SAMPLES: Final = 3
"""Round trips of one measurement; the shortest counts, since the least can have happened in it."""
SPREAD_S: Final = 60.0
"""A measurement takes no longer; a round trip that comes later begins another one."""
JUMP_MS: Final = 250.0
"""By so much wall and monotonic clock are apart when one of them was set, or the machine slept; they never drift so."""
WINDOW_MS: Final = 30_000.0
"""Event times bound the offset for one to two of these."""


@attrs.define(eq=False)
class ServerClock:
    """What time it is at the exchange.

    Args:
        wall: Unix seconds.
        monotonic: seconds that nobody sets.
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    measurements: int = attrs.field(default=0, init=False)
    jumps: int = attrs.field(default=0, init=False)
    refusals: int = attrs.field(default=0, init=False)
    """How often the exchange refused a time of ours."""
    _zero_ms: float | None = attrs.field(default=None, init=False)
    """Of the exchange's clock when the monotonic one was at 0."""
    _error_ms: float = attrs.field(default=0.0, init=False)
    _samples: int = attrs.field(default=0, init=False)
    _began_at: float = attrs.field(default=0.0, init=False)
    _apart_ms: float = attrs.field(init=False)
    """How far wall and monotonic clock were apart when they were last compared."""
    _window: float = attrs.field(default=0.0, init=False)
    _bound_ms: float | None = attrs.field(default=None, init=False)
    _bound_before_ms: float | None = attrs.field(default=None, init=False)

    @_apart_ms.default
    def _as_they_are(self) -> float:
        return (self.wall() - self.monotonic()) * 1000

    # --- what it is --------------------------------------------------------------------------------------------------

    @property
    def is_measured(self) -> bool:
        return self._zero_ms is not None

    @property
    def offset_ms(self) -> float | None:
        """How far the exchange's clock is ahead of our wall clock; None: it was not measured."""
        return None if self._zero_ms is None else self._zero_ms + (self.monotonic() - self.wall()) * 1000

    @property
    def error_ms(self) -> float | None:
        """By how much the offset may be wrong either way: half the round trip; None: it was not measured."""
        return None if self._zero_ms is None else self._error_ms

    @property
    def event_bound_ms(self) -> float | None:
        """The exchange's clock is ahead by at least this much, by its events of the last half to whole minute."""
        bounds = [bound for bound in (self._bound_ms, self._bound_before_ms) if bound is not None]
        return max(bounds, default=None)

    def now_ms(self) -> int:
        """The time to sign a request with, in Unix milliseconds: the earliest that it may be at the exchange.

        So it is never ahead of the exchange, and behind by a round trip at most. Our wall clock's time as long as the
        exchange's was not measured.
        """
        self._look()
        if self._zero_ms is None:
            return int(self.wall() * 1000)
        return int(self._zero_ms + self.monotonic() * 1000 - self._error_ms)

    def now(self) -> float:
        """What time it most likely is at the exchange, in Unix seconds."""
        return self.wall() if self._zero_ms is None else self._zero_ms / 1000 + self.monotonic()

    # --- what is told ------------------------------------------------------------------------------------------------

    def note(self, sent_wall: float, received_wall: float, server_ms: int) -> None:
        """Take in one round trip: our wall clock before and after it, and what the exchange's said meanwhile.

        One in which our clock was set says nothing.
        """
        monotonic = self.monotonic()
        trip_ms = (received_wall - sent_wall) * 1000
        if self._look() or trip_ms < 0:
            return
        if self._samples == 0 or monotonic - self._began_at > SPREAD_S:
            self._samples, self._began_at = 0, monotonic
        middle_ms = (sent_wall + received_wall) * 500
        if self._samples == 0 or trip_ms / 2 < self._error_ms:
            # The wall clock's reading as one of the monotonic clock: both are as far apart as they were just now.
            self._zero_ms = server_ms - (middle_ms - self._apart_ms)
            self._error_ms = trip_ms / 2
        self._samples += 1
        self.measurements += self._samples == SAMPLES

    def note_event(self, received_ms: float, event_ms: float) -> None:
        """Take in when an event happened by the exchange's clock, and when it came by our wall clock.

        It happened before it came, so the exchange's clock is ahead by the difference at least.
        """
        bound = event_ms - received_ms
        window = received_ms // WINDOW_MS
        if window != self._window:
            self._bound_before_ms = self._bound_ms if window == self._window + 1 else None
            self._window, self._bound_ms = window, bound
        elif self._bound_ms is None or bound > self._bound_ms:
            self._bound_ms = bound

    def refused(self) -> None:
        """The exchange has refused a time of ours (-1021): it is measured anew at once."""
        self.refusals += 1
        self._samples = 0

    def due(self, monotonic: float) -> bool:
        """Whether one more round trip has to be measured now."""
        self._look()
        return self._samples < SAMPLES or monotonic - self._began_at >= INTERVAL_S

    def snapshot(self) -> dict[str, Any]:
        """For /status: milliseconds, and seconds since the last measurement."""
        self._look()
        return {
            "offset_ms": _rounded(self.offset_ms),
            "error_ms": _rounded(self.error_ms),
            "event_bound_ms": _rounded(self.event_bound_ms),
            "measured_s_ago": round(self.monotonic() - self._began_at, 1) if self.is_measured else None,
            "measurements": self.measurements,
            "jumps": self.jumps,
            "refusals": self.refusals,
        }

    # Whether a clock has jumped. What the exchange's clock is by the monotonic one stands until it is measured anew: it
    # is right when the wall clock was set, and behind when the machine slept, which is refused and does no harm.
    def _look(self) -> bool:
        apart = (self.wall() - self.monotonic()) * 1000
        jumped = abs(apart - self._apart_ms) > JUMP_MS
        self._apart_ms = apart
        if jumped:
            self.jumps += 1
            self._samples = 0
            self._bound_ms = self._bound_before_ms = None
        return jumped


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
