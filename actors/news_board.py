"""The calendar of events, to be read and not asked. It outlives the incarnations of the actor that keeps it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

import attrs

from quantmind.domain.clock import iso
from quantmind.domain.risk.news import Calendar, Impact, NewsView


@attrs.define(eq=False)
class NewsBoard:
    """The newest calendar that could be read. Written by the actor `news`."""

    file: str | None = None
    """Where it is from; None: no calendar is set."""
    calendar: Calendar | None = None
    """None: none could be read yet."""
    error: str | None = None
    """What is wrong with the file as it is now, or None."""
    looked_at: float | None = None
    """When the file was last looked at (Unix seconds)."""
    read: int = 0
    """How often a new calendar was read since the start."""
    _counts: dict[str, int] = attrs.field(factory=dict, init=False)

    @property
    def refreshed_at(self) -> float | None:
        """When the calendar's file was last written (Unix seconds)."""
        return None if self.calendar is None else self.calendar.refreshed_at

    def set(self, calendar: Calendar) -> None:
        """This one counts from now on."""
        self.calendar = calendar
        self.read += 1
        counts = Counter(event.impact for event in calendar.events)
        self._counts = {impact.value: counts[impact] for impact in Impact}

    def view(
        self, currencies: Collection[str], wall: float, before_s: float, after_s: float, least: Impact = Impact.LOW
    ) -> NewsView | None:
        """What a decision at `wall` (Unix seconds) sees of these currencies' events; None: no calendar is set."""
        if self.file is None:
            return None
        if self.calendar is None:
            return NewsView(None, self.error)
        return attrs.evolve(self.calendar.view(currencies, wall, before_s, after_s, least), error=self.error)

    def status(self) -> dict[str, Any]:
        """For /status."""
        events = () if self.calendar is None else self.calendar.events
        return {
            "file": self.file,
            "refreshed_at": _time(self.refreshed_at),
            "looked_at": _time(self.looked_at),
            "error": self.error,
            "read": self.read,
            "events": len(events),
            "by_impact": self._counts,
            "first": _time(events[0].at if events else None),
            "last": _time(events[-1].at if events else None),
        }


def _time(at: float | None) -> str | None:
    return None if at is None else iso(at)
