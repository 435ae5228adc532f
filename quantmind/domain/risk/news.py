"""Economic events: which of them touch a symbol, and how fresh the calendar is that says so."""

from __future__ import annotations

import bisect
import enum
from collections.abc import Collection, Iterable

import attrs

from quantmind.domain.symbols import SymbolSpec

ALL = "ALL"
"""The currency of an event that touches every symbol."""
_SAME = {"CNH": "CNY", "CNY": "CNH", "GBX": "GBP", "ZAC": "ZAR", "ILA": "ILS"}
"""What moves with another currency: the yuan outside and inside China, pence and cents."""
_FURTHER = 1024
"""So many events after the first ones are looked at for when it all ends."""


class Impact(enum.Enum):
    """How much an event moves a market. The order is from little to much."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    def at_least(self, other: Impact) -> bool:
        """Whether it is as much as the other, or more."""
        return _ORDER[self] >= _ORDER[other]


_ORDER = {impact: number for number, impact in enumerate(Impact)}


@attrs.frozen
class NewsEvent:
    """One event: `at` in Unix seconds, the currency that it is of, in words what it is.

    `lasts_s` is above 0 where the calendar names no moment: a whole day, or an hour that clocks show twice.
    """

    at: float
    currency: str
    impact: Impact
    title: str
    lasts_s: float = 0.0

    @property
    def until(self) -> float:
        """When it is over (Unix seconds)."""
        return self.at + self.lasts_s

    def touches(self, currencies: Collection[str]) -> bool:
        """Whether it is of one of these currencies, or of all there are."""
        return self.currency == ALL or self.currency in currencies


@attrs.frozen
class NewsView:
    """What a decision sees of the calendar: the events near to its time that touch its symbol.

    `refreshed_at` (Unix seconds) is when the operator's file was last written; `error` says why it can't be used. With
    an error and a `refreshed_at` the events are those that were read before.
    """

    refreshed_at: float | None
    error: str | None = None
    events: tuple[NewsEvent, ...] = ()


def _in_order(events: Iterable[NewsEvent]) -> tuple[NewsEvent, ...]:
    return tuple(sorted(events, key=lambda event: event.at))


@attrs.frozen
class Calendar:
    """Every event that is known, by time. `refreshed_at` (Unix seconds) is as of when they are known."""

    events: tuple[NewsEvent, ...] = attrs.field(default=(), converter=_in_order)
    refreshed_at: float | None = None
    _times: tuple[float, ...] = attrs.field(init=False, repr=False, eq=False)
    _longest: float = attrs.field(init=False, repr=False, eq=False)

    @_times.default
    def _make_times(self) -> tuple[float, ...]:
        return tuple(event.at for event in self.events)

    @_longest.default
    def _make_longest(self) -> float:
        return max((event.lasts_s for event in self.events), default=0.0)

    def view(
        self, currencies: Collection[str], wall: float, before_s: float, after_s: float, least: Impact = Impact.LOW
    ) -> NewsView:
        """The events of these currencies whose time it is, and those that follow so closely that it goes on.

        It is an event's time from `before_s` seconds before it on, until `after_s` after it, and then no more.
        `wall` is Unix seconds. Of those that follow, the nearest thousand events are looked at.
        """
        counts = [event for event in self._at(wall, before_s, after_s) if _counts(event, currencies, least)]
        if counts:
            ends = max(event.until for event in counts) + after_s
            following = bisect.bisect_right(self._times, wall, key=lambda at: at - before_s)
            for event in self.events[following : following + _FURTHER]:
                if event.at - before_s > ends:
                    break
                if _counts(event, currencies, least):
                    counts.append(event)
                    ends = max(ends, event.until + after_s)
        return NewsView(self.refreshed_at, None, tuple(counts))

    def _at(self, wall: float, before_s: float, after_s: float) -> list[NewsEvent]:
        first = bisect.bisect_right(self._times, wall, key=lambda at: at + self._longest + after_s)
        last = bisect.bisect_right(self._times, wall, key=lambda at: at - before_s)
        return [event for event in self.events[first:last] if event.until + after_s > wall]


def _counts(event: NewsEvent, currencies: Collection[str], least: Impact) -> bool:
    return event.touches(currencies) and event.impact.at_least(least)


def currencies_of(spec: SymbolSpec) -> tuple[str, ...]:
    """The currencies whose events touch a symbol: both of a pair; of anything else those that its profit and margin
    are in, and what it is of itself (XAU), if a calendar should know that."""
    named = [name.upper() for name in (spec.currency_base, spec.currency_profit, spec.currency_margin) if name]
    alike = [_SAME[name] for name in named if name in _SAME]
    return tuple(dict.fromkeys([*named, *alike]))
