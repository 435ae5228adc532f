"""When a symbol can be traded: hours of the week on the clocks of a place."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo

import attrs

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MIN = 24 * 60
_WEEK_MIN = 7 * _DAY_MIN
_DAY_MSC = _DAY_MIN * 60_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MOST_RANGES = 16
_HOURS = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*-\s*([0-9]{1,2}):([0-9]{2})\Z")
_LAST_MSC = 253_300_000_000_000
"""Three weeks after it are still in the calendar."""

Range = tuple[int, int]
"""Minutes since Monday 00:00 on the clocks of the zone: from, and up to but without."""


@attrs.frozen
class Sessions:
    """The hours of a week in which a symbol trades: sorted ranges apart from each other, on the clocks of `zone`.

    No ranges: it is always open.
    """

    ranges: tuple[Range, ...] = ()
    zone: tzinfo = UTC

    def is_open(self, time_msc: int) -> bool:
        """Whether it trades at a time, UTC milliseconds. Clocks that are put forward or back count as they show."""
        if not self.ranges:
            return True
        _check_time(time_msc)
        return self._is_open(time_msc)

    def opens_at(self, time_msc: int) -> int:
        """The first time from `time_msc` on at which it trades, UTC milliseconds; `time_msc` itself while it does."""
        if self.is_open(time_msc):
            return time_msc
        return min(at for at in self._beginnings(time_msc) if at > time_msc and self._is_open(at))

    def _is_open(self, time_msc: int) -> bool:
        local = self._local(time_msc)
        minute = local.weekday() * _DAY_MIN + local.hour * 60 + local.minute
        at = bisect.bisect_right(self.ranges, minute, key=lambda each: each[0]) - 1
        return at >= 0 and minute < self.ranges[at][1]

    def _local(self, time_msc: int) -> datetime:
        return (_EPOCH + time_msc * _MILLISECOND).astimezone(self.zone)

    # Where it may begin: at the start of a range, of an hour that comes twice at both, and where clocks jump into one.
    def _beginnings(self, time_msc: int) -> Iterable[int]:
        midnight = datetime.combine(self._local(time_msc).date(), datetime.min.time())
        monday = midnight - timedelta(days=midnight.weekday())
        for week in (0, 7, 14):
            for start, _ in self.ranges:
                wall = monday + timedelta(days=week, minutes=start)
                for fold in (0, 1):
                    yield (wall.replace(tzinfo=self.zone, fold=fold) - _EPOCH) // _MILLISECOND
        for day in range(15):
            yield from self._jump(time_msc + day * _DAY_MSC)

    def _jump(self, day_begins: int) -> Iterable[int]:
        before, after = day_begins, day_begins + _DAY_MSC
        offset = self._local(before).utcoffset()
        if self._local(after).utcoffset() == offset:
            return
        while after - before > 1:
            middle = (before + after) // 2
            if self._local(middle).utcoffset() == offset:
                before = middle
            else:
                after = middle
        yield after


ALWAYS = Sessions()


def _check_time(time_msc: int) -> None:
    if not 0 <= time_msc <= _LAST_MSC:
        raise ValueError(f"the time {time_msc} is no time of a market: milliseconds since 1970, in UTC")


def parse_days(text: str) -> tuple[int, ...]:
    """The days (Monday 0) that a text such as `mon-fri`, `sun-thu` or `mon,wed` names.

    Raises:
        ValueError: it names none, or something else; says what may be written.
    """
    days: list[int] = []
    for part in text.lower().split(","):
        first, dash, last = (each.strip() for each in part.partition("-"))
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(f"{text!r} names no days: write {', '.join(DAYS)}, a range such as mon-fri, or mon,wed")
        begin = DAYS.index(first)
        count = (DAYS.index(last) - begin) % 7 + 1 if dash else 1
        days += [(begin + each) % 7 for each in range(count)]
    if len(set(days)) != len(days):
        raise ValueError(f"{text!r} names a day twice: name each once")
    return tuple(days)


def parse_hours(text: str) -> tuple[Range, ...]:
    """The ranges of a day, in minutes since its midnight; one that ends before it begins ends on the next day.

    Raises:
        ValueError: it is not written as `09:00-17:30`, or several of these with commas.
    """
    parts = text.split(",")
    if len(parts) > _MOST_RANGES:
        raise ValueError(f"{len(parts)} ranges in a day are too many: at most {_MOST_RANGES}")
    ranges = []
    for part in parts:
        found = _HOURS.match(part.strip())
        if found is None:
            raise ValueError(f"{part.strip()!r} is no range of hours: write 09:00-17:30, more than one with commas")
        start, end = _minutes(found[1], found[2], part), _minutes(found[3], found[4], part)
        if start in (end, _DAY_MIN):
            raise ValueError(f"{part.strip()!r} has no length: write 00:00-24:00 for the whole day")
        ranges.append((start, end if end > start else end + _DAY_MIN))
    return tuple(ranges)


def weekly(hours_by_days: Mapping[str, str], zone: tzinfo = UTC) -> Sessions:
    """The sessions that a configuration writes as `{mon-thu: "00:05-23:55", fri: "00:05-22:00"}`; `{}` is always.

    Raises:
        ValueError: a day or a range is not one, or two ranges overlap; says which and what may be written.
    """
    if not hours_by_days:
        return ALWAYS
    whose: dict[int, str] = {}
    ranges: list[tuple[int, int, str]] = []
    for days, hours in hours_by_days.items():
        in_a_day = parse_hours(hours)
        for day in parse_days(days):
            if day in whose:
                raise ValueError(f"{DAYS[day]} stands in {whose[day]!r} and in {days!r}: name each day once")
            whose[day] = days
            what = f"{DAYS[day]} {hours}"
            for start, end in in_a_day:
                ranges += [(begin, until, what) for begin, until in _in_week(day * _DAY_MIN + start, end - start)]
    ranges.sort()
    merged: list[Range] = []
    for (start, end, what), before in zip(ranges, [None, *ranges], strict=False):
        if before is not None and start < before[1]:
            raise ValueError(f"{before[2]!r} and {what!r} overlap: let one end before the next begins")
        if merged and start == merged[-1][1]:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return Sessions(() if merged == [(0, _WEEK_MIN)] else tuple(merged), zone)


def _minutes(hour: str, minute: str, part: str) -> int:
    minutes = int(hour) * 60 + int(minute)
    if int(minute) > 59 or minutes > _DAY_MIN:
        raise ValueError(f"{part.strip()!r} has a time that no clock shows: write 00:00 to 24:00")
    return minutes


def _in_week(start: int, length: int) -> Iterable[Range]:
    end = start + length
    if end <= _WEEK_MIN:
        return [(start, end)]
    return [(start, _WEEK_MIN), (0, end - _WEEK_MIN)]
