"""When a trading day ends: a time on the wall clock of a place, whatever its clocks do in spring and autumn.

A firm's reset is midnight (or another hour) in its own time zone. It is not the midnight of the broker's server: the
clocks of Europe and America change on different days.
"""

from __future__ import annotations

import datetime as dt
import math
from functools import lru_cache
from zoneinfo import ZoneInfo

import attrs

_DAY = dt.timedelta(days=1)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@attrs.frozen
class Reset:
    """A time of the day (`minute` after midnight) in an IANA zone.

    A time that a change of clocks skips comes at the moment of the change; of one that comes twice the first counts.
    """

    minute: int = 0
    zone: str = "UTC"

    def last(self, at: float) -> float:
        """The newest reset at or before a time. Both in Unix seconds."""
        begin, end = _running.get((self.minute, self.zone), _NEVER)
        if begin <= at < end:  # asked all day long, and the zone's clock is slow to read
            return begin
        day = self._day(at) + _DAY
        while True:
            reset = self.on(day)
            if reset <= at:
                _running[self.minute, self.zone] = (reset, self.next(at))
                return reset
            day -= _DAY

    def next(self, at: float) -> float:
        """The first reset after a time. Both in Unix seconds."""
        day = self._day(at) - _DAY
        while True:
            reset = self.on(day)
            if reset > at:
                return reset
            day += _DAY

    def between(self, after: float, through: float) -> list[float]:
        """The resets after a time up to another one, oldest first."""
        found = []
        reset = self.next(after)
        while reset <= through:
            found.append(reset)
            reset = self.next(reset)
        return found

    def on(self, day: dt.date) -> float:
        """When it is on a day of its zone, in Unix seconds."""
        return _on(self.zone, self.minute, day)

    def __str__(self) -> str:
        return f"{self.minute // 60:02}:{self.minute % 60:02} {self.zone}"

    def _day(self, at: float) -> dt.date:
        return dt.datetime.fromtimestamp(at, _zone(self.zone)).date()


_NEVER = (math.inf, -math.inf)
_running: dict[tuple[int, str], tuple[float, float]] = {}
"""The day that was asked for last, of each: there are as many as policies."""


@lru_cache(maxsize=1024)
def _on(zone: str, minute: int, day: dt.date) -> float:
    there = _zone(zone)
    wall = dt.datetime.combine(day, dt.time(minute // 60, minute % 60))
    at = wall.replace(tzinfo=there, fold=0).timestamp()
    if dt.datetime.fromtimestamp(at, there).replace(tzinfo=None) == wall:
        return at
    # Skipped: with fold 0 it is reckoned by the offset before the change, so the change is between the two readings.
    low, high = wall.replace(tzinfo=there, fold=1).timestamp(), at
    before = dt.datetime.fromtimestamp(low, there).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if dt.datetime.fromtimestamp(middle, there).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high
