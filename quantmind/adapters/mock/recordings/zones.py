"""Local times of recordings to UTC."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

import attrs

from quantmind.adapters.mock.recordings.errors import Fault, shown

NEW_YORK_CLOSE: Final = "new_york_close"
"""The day ends when New York closes: its clock and seven hours, as most servers of MetaTrader brokers have it."""

_OFFSET: Final = re.compile(r"([+-])(\d\d):(\d\d)", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_YEAR, _LAST_YEAR = 1971, 2199
_DAY: Final = timedelta(days=1)
_MS: Final = timedelta(milliseconds=1)


@attrs.frozen
class Zone:
    """What a clock on a wall showed: `ahead` is how much it was ahead of the clocks in `tz`."""

    name: str
    tz: tzinfo
    ahead: timedelta = timedelta(0)

    def minute_msc(self, year: int, month: int, day: int, hour: int, minute: int) -> tuple[int, int]:
        """The UTC milliseconds of a local minute, and of its repeat where clocks were set back (else the same).

        Raises:
            Fault: no clock of the zone showed that.
        """
        said = f"{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}"
        if not _FIRST_YEAR <= year <= _LAST_YEAR:
            raise Fault(f"{said} is not of the years {_FIRST_YEAR} to {_LAST_YEAR}")
        try:
            wall = datetime(year, month, day, hour, minute) - self.ahead  # noqa: DTZ001 - the zone comes next
        except ValueError:
            raise Fault(f"{said} is not a time") from None
        first, second = (wall.replace(tzinfo=self.tz, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first.astimezone(self.tz).replace(tzinfo=None) != wall:
            raise Fault(f"{said} was never shown in zone {self.name}: clocks were set forward; is the zone right?")
        return (first - _EPOCH) // _MS, (second - _EPOCH) // _MS

    def day_msc(self, year: int, month: int, day: int) -> int:
        """The UTC milliseconds of a local midnight from which milliseconds can be counted all day.

        Raises:
            Fault: it is no day, or clocks were set within it.
        """
        start, _ = self.minute_msc(year, month, day, 0, 0)
        after = datetime(year, month, day) + _DAY  # noqa: DTZ001 - only its date is used
        end, _ = self.minute_msc(after.year, after.month, after.day, 0, 0)
        if end - start != _DAY // _MS:
            raise Fault(
                f"clocks in zone {self.name} were set on {year:04}-{month:02}-{day:02}, "
                "so milliseconds since its midnight are no time; write zone: UTC if they are that"
            )
        return start


UTC_ZONE: Final = Zone("UTC", UTC)
EST_ZONE: Final = Zone("-05:00", timezone(timedelta(hours=-5)))


def parse_zone(text: str) -> Zone:
    """The zone of a configuration: UTC, an offset as +02:00, `new_york_close`, or a name as Europe/Athens.

    Raises:
        ValueError: there is no such zone.
    """
    if text == "UTC":
        return UTC_ZONE
    if text == NEW_YORK_CLOSE:
        return Zone(text, zoneinfo.ZoneInfo("America/New_York"), timedelta(hours=7))
    offset = _OFFSET.fullmatch(text)
    if offset is not None:
        sign, hours, minutes = offset.groups()
        ahead = timedelta(hours=int(hours), minutes=int(minutes))
        if ahead > timedelta(hours=14) or int(minutes) > 59:
            raise ValueError(f"zone {text!r}: an offset has at most 14 hours, as +02:00")
        return Zone(text, timezone(-ahead if sign == "-" else ahead))
    try:
        return Zone(text, zoneinfo.ZoneInfo(text))
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"zone {text!r} is not known; write UTC, an offset as +02:00, new_york_close, or a name as Europe/Athens"
        ) from None


class Minutes:
    """Turns local minutes into UTC, and remembers the last one: many ticks share it.

    When clocks are set back an hour is there twice; the second time is told by time running backwards.
    """

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._minute: Sequence[bytes] = ()
        self._first = self._second = self._newest = 0

    def msc(self, minute: Sequence[bytes], ms: int) -> int:
        """UTC milliseconds of `ms` within a minute, given as digits of year, month, day, hour, minute.

        Raises:
            Fault: there is no such time.
        """
        if minute != self._minute:
            self._first, self._second = self._zone.minute_msc(*map(int, minute))
            self._minute = minute
        if ms >= 60_000:
            raise Fault(f"{ms} ms are not within a minute, in {shown(b' '.join(minute))}")
        at = self._first + ms
        if at < self._newest and self._second > self._first:
            at = self._second + ms
        self._newest = at
        return at
