"""A feed of ticks that a terminal sends in: checked against the broker's symbols and the clock, kept until polled."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

import attrs

from quantmind.adapters.mock.feed import FeedStep
from quantmind.adapters.mock.money import HIGHEST_PRICE
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import SymbolSpec
from quantmind.wire.ingest import IngestFault

QUEUE: Final = 2048
"""Ticks that wait for the next poll in order; beyond it the newest of each symbol is kept and the rest counted."""


@attrs.define(eq=False)
class IngestFeedStatistics:
    """What became of a broker's ticks."""

    accepted: int = 0
    conflated: int = 0
    """Accepted, and replaced by a newer one of the symbol since the queue was full."""
    waited: int = 0
    """Accepted, and then too old when they were polled."""
    newest_msc: int = 0
    """Time of the newest one, UTC milliseconds; 0 before the first."""


class IngestFeed:
    """Prices that a terminal sends in, in the order in which they came.

    A step without new ticks gives none: an old price is not confirmed, so a silent terminal becomes a stale feed.
    For each symbol time never runs backwards: a tick that is older than the newest one accepted is late and dropped.
    A terminal's clock that ran ahead and was set right is forgotten after `tolerance_s`, and our own at once.

    Args:
        specs: what is traded; anything else is refused.
        wall: Unix seconds, what the time of ticks is judged by.
        tolerance_s: a tick whose time is further from the clock than this, either way, is refused.
    """

    paced = True

    def __init__(
        self,
        specs: Iterable[SymbolSpec],
        *,
        wall: Callable[[], float],
        tolerance_s: float,
        queue: int = QUEUE,
    ) -> None:
        # Below half a point a price would show as 0, which is no price.
        self._digits = {spec.name: (spec.digits, float(spec.point) / 2) for spec in specs}
        self._wall = wall
        self._tolerance_ms = tolerance_s * 1000
        self._capacity = queue
        self._queue: deque[Quote] = deque()
        self._newest: dict[str, Quote] = {}  # at most one a symbol: what came while the queue was full
        self._times: dict[str, int] = {}
        self.statistics = IngestFeedStatistics()

    @property
    def waiting(self) -> int:
        """Ticks that the next step gives."""
        return len(self._queue) + len(self._newest)

    def snapshot(self) -> dict[str, Any]:
        """The statistics, and how many ticks wait."""
        return {**attrs.asdict(self.statistics), "waiting": self.waiting}

    def open(self) -> None:
        """Nothing to open."""

    def start(self) -> None:
        """Nothing to wait for."""

    def close(self) -> None:
        """Nothing to close: what was accepted is given once somebody polls again, if it is not too old by then."""

    def offer(self, quote: Quote) -> None:
        """Take a tick in, its prices rounded to the symbol's digits. Never waits.

        Raises:
            IngestFault: it is of another broker's symbol, of another time, or nothing to trade on.
        """
        symbol, time_msc = quote.symbol, quote.time_msc
        known = self._digits.get(symbol)
        if known is None:
            raise IngestFault("unknown_symbol", f"there is no symbol {symbol} here, only {_some(self._digits)}")
        digits, floor = known
        if not floor < quote.bid <= quote.ask <= HIGHEST_PRICE:
            raise IngestFault("no_price", f"bid {quote.bid} and ask {quote.ask} of {symbol} are not prices to trade on")
        self._check_time(symbol, time_msc)
        self._times[symbol] = time_msc
        self.statistics.accepted += 1
        self.statistics.newest_msc = max(self.statistics.newest_msc, time_msc)
        last = round(quote.last, digits) if quote.last else 0.0
        rounded = Quote(symbol, round(quote.bid, digits), round(quote.ask, digits), time_msc, last, quote.volume)
        if not self._newest and len(self._queue) < self._capacity:
            self._queue.append(rounded)
            return
        if self._newest.pop(symbol, None) is not None:
            self.statistics.conflated += 1
        self._newest[symbol] = rounded

    def advance(self, now: float) -> FeedStep:  # noqa: ARG002  # they come by the wall clock
        """Everything that came since the last step, but for what is too old by now."""
        if not self._queue:
            return FeedStep(())
        waiting = [*self._queue, *self._newest.values()]
        self._queue.clear()
        self._newest.clear()
        oldest_msc = self._wall() * 1000 - self._tolerance_ms
        quotes = [quote for quote in waiting if quote.time_msc >= oldest_msc]
        self.statistics.waited += len(waiting) - len(quotes)
        return FeedStep(quotes)

    def _check_time(self, symbol: str, time_msc: int) -> None:
        ahead_ms = time_msc - self._wall() * 1000
        limit = f"at most {self._tolerance_ms / 1000:g} s are allowed"
        if ahead_ms > self._tolerance_ms:
            way_out = "send UTC and not the broker's time, or set the clock"
            raise IngestFault("ahead", f"time_msc of {symbol} is {ahead_ms / 1000:.1f} s ahead, {limit}; {way_out}")
        if ahead_ms < -self._tolerance_ms:
            way_out = "send the time at which the price was seen, in UTC"
            raise IngestFault("old", f"time_msc of {symbol} is {-ahead_ms / 1000:.1f} s old, {limit}; {way_out}")
        newest = self._times.get(symbol, 0)
        # One that is further ahead than any tick may be is from before our own clock was set back.
        if time_msc < newest <= time_msc - ahead_ms + self._tolerance_ms:
            raise IngestFault("late", f"time_msc of {symbol} is {newest - time_msc} ms before the tick before it")


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:20]) + (" and others" if len(listed) > 20 else "")
