"""The trade server's clock: what a terminal calls a time is the wall clock of its server, written as if it were UTC.

The offset is measured from ticks that come in now, since a server never says it. For other days a rule is needed:
most servers have midnight at New York's 17:00 (GMT+2, and GMT+3 while New York has summer time), others the clocks of
Athens. The two differ for some weeks in March and in autumn.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Final

import attrs

HALF_HOUR_S: Final = 1800
LEAST_S, MOST_S = -12 * 3600, 14 * 3600
NEAR_S: Final = 300
"""A tick may be late by this and still tells the offset; our own clock may be wrong by it, too."""
AGREEING: Final = 3
"""So many ticks in a row that say another offset change it."""
LIVE_WITHIN_S: Final = 5.0
"""A tick is of now if its symbol was looked at so shortly before, and it was not there yet."""
MOST_CHANGES: Final = 64
LATEST_S: Final = 1e11

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_S: Final = (datetime(2, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds()
_LAST_S: Final = (datetime(9998, 12, 31, tzinfo=UTC) - _EPOCH).total_seconds()
_NEW_YORK: Final = "America/New_York"
_ATHENS: Final = "Europe/Athens"
_OFFSET: Final = re.compile(r"([+-])([01][0-9]):([0-5][0-9])\Z")


def parse_server_zone(name: str) -> tzinfo:
    """The zone that a configuration names: UTC, an offset as +02:00, `new_york_close`, or an IANA name.

    Raises:
        ValueError: there is none of that name.
    """
    if name == "UTC":
        return UTC
    if name == "new_york_close":
        return NewYorkClose()
    offset = _OFFSET.match(name)
    if offset is not None:
        minutes = int(offset[2]) * 60 + int(offset[3])
        return timezone(timedelta(minutes=minutes if offset[1] == "+" else -minutes))
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as exc:
        raise ValueError(f"there is no time zone {name!r}; write UTC, +02:00, new_york_close or Europe/Athens") from exc


class NewYorkClose(tzinfo):
    """New York's time and seven hours: its day ends as New York's market closes, at 17:00 there."""

    def __init__(self) -> None:
        self._new_york = zoneinfo.ZoneInfo(_NEW_YORK)

    def utcoffset(self, at: datetime | None) -> timedelta | None:
        """By the clocks of this zone."""
        if at is None:
            return None
        there = (at.replace(tzinfo=None) - timedelta(hours=7)).replace(tzinfo=self._new_york)
        offset = there.utcoffset()
        return None if offset is None else offset + timedelta(hours=7)

    def dst(self, at: datetime | None) -> timedelta | None:
        """New York's."""
        if at is None:
            return None
        return (at.replace(tzinfo=None) - timedelta(hours=7)).replace(tzinfo=self._new_york).dst()

    def fromutc(self, at: datetime) -> datetime:
        """UTC to these clocks."""
        there = at.replace(tzinfo=UTC).astimezone(self._new_york)
        offset = there.utcoffset()
        assert offset is not None
        return (at.replace(tzinfo=None) + offset + timedelta(hours=7)).replace(tzinfo=self)

    def tzname(self, at: datetime | None) -> str:
        """For people."""
        del at
        return "new_york_close"


def offset_of(zone: tzinfo, utc_s: float) -> int:
    """How far a zone's clocks are ahead of UTC at a time, in seconds."""
    # Not `fromtimestamp`: Windows has none before 1970, and a terminal may well say 0. Python's calendar ends in 9999.
    offset = (_EPOCH + timedelta(seconds=min(max(utc_s, _FIRST_S), _LAST_S))).astimezone(zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


@attrs.define(eq=False)
class ServerClock:
    """Between the server's clock and UTC.

    A rule is used as long as everything that was measured agrees with it: New York's close before Athens. Without one
    each time has the offset that was measured last before it.

    Args:
        zone: what the configuration says, which rules; None: it is measured.
    """

    zone: tzinfo | None = None
    contradicted: int = attrs.field(default=0, init=False)
    """Ticks that say another offset than the configured zone: one of the two is wrong."""
    _measured_s: int | None = attrs.field(default=None, init=False)
    _confirmed_at: float = attrs.field(default=0.0, init=False)
    """When a tick last said it, Unix seconds."""
    _changes: list[tuple[float, int]] = attrs.field(factory=list, init=False)
    """(from when, Unix seconds; offset), oldest first."""
    _remembered: bool = attrs.field(default=False, init=False)
    _rule: tzinfo | None = attrs.field(init=False)
    _seen: dict[str, tuple[float, int]] = attrs.field(factory=dict, init=False)
    """Of each symbol: when it was looked at last (Unix seconds), and the newest time it had (server's)."""
    _other: tuple[int, int] = attrs.field(default=(0, 0), init=False)
    """An offset that the last ticks say, and how many of them."""
    _bucket: tuple[int | None, int] = attrs.field(default=(None, 0), init=False)
    """The half hour of the server that was converted last, and its offset."""

    @_rule.default
    def _rule_at_first(self) -> tzinfo:
        return NewYorkClose() if self.zone is None else self.zone

    def observe(self, symbol: str, server_msc: int, now: float) -> bool:
        """Take in the newest tick of a symbol as it is read; whether the offset has changed by it.

        Only a tick that was not there at a look a few seconds ago is of now: an old one, as at a weekend, says nothing.

        Args:
            server_msc: its time, on the server's clock.
            now: our clock, Unix seconds.
        """
        before = self._seen.get(symbol)
        newest = server_msc if before is None else max(server_msc, before[1])
        self._seen[symbol] = (now, newest)
        if before is None or server_msc <= before[1] or not 0 <= now - before[0] <= LIVE_WITHIN_S:
            return False
        ahead = server_msc / 1000 - now
        offset = round(ahead / HALF_HOUR_S) * HALF_HOUR_S
        if not LEAST_S <= offset <= MOST_S or abs(ahead - offset) > NEAR_S:
            return False
        if self.zone is not None:
            self.contradicted += offset != offset_of(self.zone, now)
            return False
        return self._measure(offset, now)

    # --- what is known -----------------------------------------------------------------------------------------

    def offset_s(self, now: float) -> int:
        """How far the server is ahead of UTC now, in seconds."""
        return self._offset_at(now)

    @property
    def source(self) -> str:
        """Where it comes from: configured, measured, remembered, or assumed."""
        if self.zone is not None:
            return "configured"
        if self._measured_s is None:
            return "assumed"
        return "remembered" if self._remembered else "measured"

    def describe(self, now: float) -> str:
        """In a few words, for people."""
        offset = self._offset_at(now)
        sign, minutes = ("-" if offset < 0 else "+"), abs(offset) // 60
        wrong = f"; {self.contradicted} ticks say otherwise" if self.contradicted else ""
        return f"UTC{sign}{minutes // 60:02}:{minutes % 60:02}, {self.source}, other days by {self._says()}{wrong}"

    def remember(self) -> dict[str, Any]:
        """What was measured, as plain values for a file."""
        return {"changes": [[since, offset] for since, offset in self._changes]}

    def recall(self, kept: Mapping[str, Any]) -> None:
        """Take in what was measured before. What is none is left out, and what was measured since stays."""
        said = kept.get("changes")
        changes: list[tuple[float, int]] = []
        for each in said if isinstance(said, list) else ():
            try:
                since, offset = float(each[0]), int(each[1])
            except (TypeError, ValueError, IndexError, KeyError, OverflowError):
                continue
            if LEAST_S <= offset <= MOST_S and offset % HALF_HOUR_S == 0 and 0 <= since < LATEST_S:
                changes.append((since, offset))
        if changes and self._measured_s is None and self.zone is None:
            self._changes = sorted(changes)[-MOST_CHANGES:]
            self._confirmed_at, self._measured_s = self._changes[-1]
            self._remembered = True
            self._judge()

    # --- times -------------------------------------------------------------------------------------------------

    def to_utc_msc(self, server_msc: int) -> int:
        """A time of the server, UTC milliseconds. Of the hour that autumn has twice it is the first one."""
        bucket = server_msc // (HALF_HOUR_S * 1000)
        if bucket != self._bucket[0]:
            self._bucket = (bucket, self._offset_of_server(bucket * HALF_HOUR_S))
        return server_msc - self._bucket[1] * 1000

    def from_utc_s(self, utc_s: float) -> int:
        """A time as the server writes it, whole seconds, rounded down."""
        return int(utc_s // 1) + self._offset_at(utc_s)

    # --- inside ------------------------------------------------------------------------------------------------

    def _measure(self, offset: int, now: float) -> bool:
        if offset != self._measured_s:
            said, times = self._other
            self._other = (offset, times + 1 if said == offset else 1)
            if self._measured_s is not None and self._other[1] < AGREEING:
                return False
            self._changes = [*self._changes, (now, offset)][-MOST_CHANGES:]
        changed = offset != self._measured_s
        self._measured_s, self._confirmed_at, self._other, self._remembered = offset, now, (0, 0), False
        if changed or (self._rule is not None and offset_of(self._rule, now) != offset):
            self._judge()
        return changed

    # A rule is one that says what was measured, whenever it was.
    def _judge(self) -> None:
        self._bucket = (None, 0)
        assert self._measured_s is not None
        samples = [*self._changes, (self._confirmed_at, self._measured_s)]
        for rule in (NewYorkClose(), zoneinfo.ZoneInfo(_ATHENS)):
            if all(offset_of(rule, at) == offset for at, offset in samples):
                self._rule = rule
                return
        self._rule = None

    def _offset_at(self, utc_s: float) -> int:
        if self._rule is not None:
            return offset_of(self._rule, utc_s)
        offset = self._changes[0][1]
        for since, said in self._changes:
            if since <= utc_s:
                offset = said
        return offset

    # The offsets before and after any change nearby, the larger one first: that is the earlier time.
    def _offset_of_server(self, server_s: float) -> int:
        before, after = self._offset_at(server_s - MOST_S), self._offset_at(server_s - LEAST_S)
        for offset in sorted({before, after}, reverse=True):
            if self._offset_at(server_s - offset) == offset:
                return offset
        return before

    def _says(self) -> str:
        if self._rule is None:
            return "what was measured then"
        return "New York's close" if isinstance(self._rule, NewYorkClose) else str(self._rule)
