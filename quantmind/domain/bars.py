"""Bars built from ticks: what a price did in each minute, hour or day, on the bid, as MetaTrader's charts are.

Pure: times come with the ticks. Prices in the symbol's quote currency, times in UTC milliseconds.
"""

from __future__ import annotations

import enum
import math
from array import array
from bisect import bisect_right
from collections.abc import Sequence

import attrs

MINUTE_MSC = 60_000
WIDTH = 7
"""Numbers that a kept bar takes: packed they cost 56 bytes, as objects five times that."""
_NEVER = -(2**62)
RESTART_AFTER = 10
"""So many ticks in a row from before the running minute are no latecomers: the feed has gone back in time."""


class Timeframe(enum.Enum):
    """How long a bar is. Bars begin at whole multiples of it since 1970 (UTC), so a day begins at midnight UTC."""

    M1 = "M1"
    M5 = "M5"
    M15 = "M15"
    M30 = "M30"
    H1 = "H1"
    H4 = "H4"
    D1 = "D1"

    @property
    def msc(self) -> int:
        """Its length in milliseconds."""
        return MINUTES[self] * MINUTE_MSC

    @property
    def kept(self) -> int:
        """How many bars of it are kept: at least this many, if there were as many."""
        return KEPT[self]

    def start(self, time_msc: int) -> int:
        """The start of the bar that a moment falls into."""
        return time_msc - time_msc % self.msc


MINUTES = {
    Timeframe.M1: 1,
    Timeframe.M5: 5,
    Timeframe.M15: 15,
    Timeframe.M30: 30,
    Timeframe.H1: 60,
    Timeframe.H4: 240,
    Timeframe.D1: 1440,
}
KEPT = {
    Timeframe.M1: 2880,  # 2 days
    Timeframe.M5: 2016,  # 7 days
    Timeframe.M15: 1344,  # 14 days
    Timeframe.M30: 1344,  # 28 days
    Timeframe.H1: 1440,  # 60 days
    Timeframe.H4: 1080,  # 180 days
    Timeframe.D1: 1000,  # almost three years, and more of trading days
}
"""Together 11,104 bars a symbol: about 0.7 MB once all are there."""


@attrs.frozen
class Bar:
    """One bar. `time_msc` is its start; `tick_volume` its ticks; `spread` the smallest ask minus bid among them.

    `complete` is false for the bar that ticks still fall into.
    """

    time_msc: int
    open: float
    high: float
    low: float
    close: float
    tick_volume: int
    spread: float
    complete: bool = True

    def with_next(self, later: Bar) -> Bar:
        """This bar and one that follows it, as one that starts with this."""
        return Bar(
            self.time_msc,
            self.open,
            max(self.high, later.high),
            min(self.low, later.low),
            later.close,
            self.tick_volume + later.tick_volume,
            min(self.spread, later.spread),
            later.complete,
        )


def aggregate(bars: Sequence[Bar], timeframe: Timeframe) -> list[Bar]:
    """The bars of a longer timeframe that bars in order of time make together."""
    whole: list[Bar] = []
    for bar in bars:
        start = timeframe.start(bar.time_msc)
        if whole and whole[-1].time_msc == start:
            whole[-1] = whole[-1].with_next(bar)
        else:
            whole.append(attrs.evolve(bar, time_msc=start))
    return whole


# Finished bars of one timeframe, oldest first, packed.
@attrs.define(eq=False)
class _Kept:
    timeframe: Timeframe
    numbers: array[float] = attrs.field(factory=lambda: array("d"))

    def __len__(self) -> int:
        return len(self.numbers) // WIDTH

    # The last bar may be of the same period: then this is more of it.
    def put(self, bar: Bar) -> None:
        start = self.timeframe.start(bar.time_msc)
        numbers = self.numbers
        if numbers and int(numbers[-WIDTH]) == start:
            bar = self.at(len(self) - 1).with_next(bar)
            del numbers[-WIDTH:]
        numbers.extend((start, bar.open, bar.high, bar.low, bar.close, bar.tick_volume, bar.spread))
        # In one go now and then, since taking from the front moves all the rest.
        if len(self) >= self.timeframe.kept * 5 // 4:
            del numbers[: (len(self) - self.timeframe.kept) * WIDTH]

    def at(self, index: int) -> Bar:
        time, first, high, low, close, ticks, spread = self.numbers[index * WIDTH : (index + 1) * WIDTH]
        return Bar(int(time), first, high, low, close, int(ticks), spread)

    def times(self) -> Sequence[float]:
        return self.numbers[::WIDTH]

    def cut(self, from_msc: int) -> None:
        """Forget the bars that reach beyond a moment."""
        length = self.timeframe.msc
        while self.numbers and self.numbers[-WIDTH] + length > from_msc:
            del self.numbers[-WIDTH:]


@attrs.define(eq=False)
class BarSeries:
    """The bars of one symbol, built tick by tick; bounded for each timeframe by `Timeframe.kept`.

    A tick costs a few comparisons; the longer timeframes hear of it when its minute is over. A tick of an earlier
    minute than the running one is left out (`late` counts them): its bar has been read and must not change. After
    `RESTART_AFTER` of them in a row the feed is taken to have gone back, as a replay does that starts anew: bars
    that reach beyond the first of those ticks are forgotten, and the series goes on from there.
    """

    late: int = 0
    restarts: int = 0
    _end: int = attrs.field(default=_NEVER, init=False)
    _start: int = attrs.field(default=_NEVER, init=False)
    _open: float = attrs.field(default=0.0, init=False)
    _high: float = attrs.field(default=0.0, init=False)
    _low: float = attrs.field(default=0.0, init=False)
    _close: float = attrs.field(default=0.0, init=False)
    _ticks: int = attrs.field(default=0, init=False)
    """0: no tick has ever come."""
    _spread: float = attrs.field(default=0.0, init=False)
    _behind: list[tuple[int, float, float]] = attrs.field(factory=list, init=False)
    """Ticks in a row from before the running minute, at most `RESTART_AFTER`."""
    _kept: dict[Timeframe, _Kept] = attrs.field(factory=lambda: {each: _Kept(each) for each in Timeframe}, init=False)

    def add(self, time_msc: int, bid: float, ask: float) -> None:
        """Take one tick, in the order they were published."""
        if not self._start <= time_msc < self._end:
            if time_msc < self._end:
                self._take_late(time_msc, bid, ask)
                return
            self._turn(time_msc, bid, ask)
        elif bid > self._high:
            self._high = bid
        elif bid < self._low:
            self._low = bid
        self._close = bid
        self._ticks += 1
        spread = ask - bid
        if spread < self._spread:
            self._spread = spread
        if self._behind:
            self._behind.clear()

    # The minute is over: what it was goes into every timeframe.
    def _turn(self, time_msc: int, bid: float, ask: float) -> None:
        if self._ticks:
            self._finish()
        self._start = time_msc - time_msc % MINUTE_MSC
        self._end = self._start + MINUTE_MSC
        self._open = self._high = self._low = bid
        self._ticks = 0
        self._spread = ask - bid

    def _finish(self) -> None:
        bar = self._running()
        for kept in self._kept.values():
            kept.put(bar)

    def _running(self) -> Bar:
        return Bar(
            self._start, self._open, self._high, self._low, self._close, self._ticks, self._spread, complete=False
        )

    def _take_late(self, time_msc: int, bid: float, ask: float) -> None:
        self.late += 1
        self._behind.append((time_msc, bid, ask))
        if len(self._behind) < RESTART_AFTER:
            return
        behind, self._behind = self._behind, []
        self._rewind(min(time for time, _, _ in behind))
        self.late -= len(behind)
        for time, bid, ask in behind:
            self.add(time, bid, ask)

    # A bar that reaches beyond the moment would count what comes now a second time. The longer ones that go lose
    # what came before the moment too, so they are made again of the minutes that stay.
    def _rewind(self, to_msc: int) -> None:
        self.restarts += 1
        self._ticks, self._start, self._end = 0, _NEVER, _NEVER
        minutes = self._kept[Timeframe.M1]
        minutes.cut(to_msc)
        for timeframe, kept in self._kept.items():
            if timeframe is Timeframe.M1:
                continue
            kept.cut(to_msc)
            since = timeframe.start(to_msc)
            for index in range(bisect_right(minutes.times(), since - 1), len(minutes)):
                kept.put(minutes.at(index))

    # ------------------------------------------------------------------ reading

    def read(self, timeframe: Timeframe, *, after: int | None = None, limit: int) -> tuple[list[Bar], bool]:
        """At most `limit` bars, oldest first, and whether there are newer ones.

        Args:
            after: only bars that start after this moment, from the oldest on; None: the newest ones.
        """
        last = self._last(timeframe)
        kept = self._kept[timeframe]
        count = len(kept)
        if last is not None and count and int(kept.numbers[-WIDTH]) == last.time_msc:
            count -= 1  # the running bar holds it
        first = 0 if after is None else bisect_right(kept.times(), after, 0, count)
        total = count - first + (last is not None and (after is None or last.time_msc > after))
        skip = max(0, total - limit) if after is None else 0
        taken = [kept.at(index) for index in range(first + skip, min(count, first + skip + limit))]
        if len(taken) < limit and last is not None and (after is None or last.time_msc > after):
            taken.append(last)
        return taken, total - skip > len(taken)

    # The bar that is not complete: of minutes that are over, and of the running one.
    def _last(self, timeframe: Timeframe) -> Bar | None:
        if not self._ticks:
            return None
        running, kept = self._running(), self._kept[timeframe]
        start = timeframe.start(running.time_msc)
        if len(kept) and int(kept.numbers[-WIDTH]) == start:
            return kept.at(len(kept) - 1).with_next(running)
        return attrs.evolve(running, time_msc=start)


def points(spread: float, digits: int) -> int:
    """A spread in points, as MetaTrader 5 gives it in `MqlRates`."""
    return max(0, round(spread * 10.0**digits)) if math.isfinite(spread) else 0
