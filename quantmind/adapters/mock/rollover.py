"""When positions held overnight are charged swap, and how many nights each time counts for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

import attrs

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SATURDAY = 5
_TRIPLE = 3
"""Spot trades settle two days later, so one night of the week carries the weekend with it."""
LAST_MSC = 253_300_000_000_000
"""Beyond it (the year 9996) there is no calendar to count in."""


@attrs.frozen
class Night:
    """One rollover that charges: `at_msc` UTC milliseconds, `multiplier` 1, or 3 on the triple day."""

    at_msc: int
    multiplier: int


@attrs.frozen
class Rollover:
    """The moment of each day at which swap is charged: `at` on the clocks of `zone`, so it follows their DST.

    Mondays to Fridays count one night, `triple_day` (Monday 0 to Sunday 6) three, Saturdays and Sundays none. The day
    is that of the moment on the clocks of the zone: 17:00 in New York on a Wednesday begins the Thursday of a server.
    """

    at: time = time(17)
    zone: tzinfo = attrs.field(factory=lambda: ZoneInfo("America/New_York"))
    triple_day: int = attrs.field(default=2, validator=[attrs.validators.ge(0), attrs.validators.le(6)])

    def next_after(self, time_msc: int) -> Night | None:
        """The first rollover that charges, later than `time_msc`; None beyond the end of the calendar.

        Ask it once and compare each tick's time with `at_msc`: the answer holds until then.
        """
        return next(self._after(time_msc), None)

    def between(self, after_msc: int, until_msc: int) -> Iterator[Night]:
        """The rollovers that charge, later than `after_msc` and not later than `until_msc`, oldest first."""
        for night in self._after(after_msc):
            if night.at_msc > until_msc:
                return
            yield night

    def multiplier_between(self, after_msc: int, until_msc: int) -> int:
        """How many nights a position held from `after_msc` until `until_msc` is charged."""
        return sum(night.multiplier for night in self.between(after_msc, until_msc))

    def _after(self, time_msc: int) -> Iterator[Night]:
        if not 0 <= time_msc < LAST_MSC:
            return
        here = (_EPOCH + time_msc * _MILLISECOND).astimezone(self.zone).date()
        # A day back, for a zone whose clocks jumped over a midnight.
        day = here - timedelta(days=1)
        while day.year < 9997:
            multiplier = self._multiplier(day)
            if multiplier:
                at_msc = self._at(day)
                if at_msc > time_msc:
                    yield Night(at_msc, multiplier)
            day += timedelta(days=1)

    def _multiplier(self, day: date) -> int:
        weekday = day.weekday()
        if weekday == self.triple_day:
            return _TRIPLE
        return 0 if weekday >= _SATURDAY else 1

    def _at(self, day: date) -> int:
        # An hour that a change of clocks leaves out is taken as it would have been; of one that comes twice the first.
        local = datetime.combine(day, self.at, self.zone)
        return (local - _EPOCH) // _MILLISECOND
