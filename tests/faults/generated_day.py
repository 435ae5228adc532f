"""A trading day of ten symbols in our own recorder's format, and the truth that clients are held against.

Each tick of a symbol has another bid than the one before, so a gateway publishes all of them, and the n-th of the
recording is the one with `seq` n.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import attrs

from quantmind.adapters.mock.recordings.writer import RecordingWriter
from quantmind.client import Tick
from quantmind.domain.quotes import Quote

START_MSC = int(datetime(2026, 11, 23, tzinfo=UTC).timestamp()) * 1000
"""A Monday."""

ACTIVITY = (4, 4, 5, 5, 4, 5, 7, 12, 14, 12, 10, 10, 13, 18, 20, 18, 14, 9, 7, 6, 5, 4, 3, 3)
"""Ticks in each hour, UTC, against each other: London's morning, and the hours when New York is open too."""

STARTS: Mapping[str, tuple[int, int]] = {
    "EURUSD": (108_500, 5),
    "GBPUSD": (127_000, 5),
    "AUDUSD": (65_500, 5),
    "NZDUSD": (60_000, 5),
    "USDCAD": (136_500, 5),
    "USDCHF": (88_000, 5),
    "USDJPY": (150_000, 3),
    "EURGBP": (85_400, 5),
    "EURJPY": (162_750, 3),
    "XAUUSD": (265_000, 2),
}
"""Where each symbol begins, in points, and its digits."""

SYMBOLS = tuple(STARTS)
WIDEST = 3_000
"""A walk is turned back so far from its start, in points."""


@attrs.define(eq=False)
class Prices:
    """The ticks of one symbol: bids and asks in points, times in UTC milliseconds."""

    symbol: str
    digits: int
    bids: array[int] = attrs.field(factory=lambda: array("q"))
    asks: array[int] = attrs.field(factory=lambda: array("q"))
    times: array[int] = attrs.field(factory=lambda: array("q"))

    def __len__(self) -> int:
        return len(self.bids)


@attrs.frozen
class Day:
    """A recording, and what is in it."""

    path: Path
    prices: Mapping[str, Prices]

    def count(self, symbol: str) -> int:
        """How many ticks a symbol has, and so the `seq` of its last one."""
        return len(self.prices[symbol])

    @property
    def total(self) -> int:
        """How many ticks there are."""
        return sum(map(len, self.prices.values()))

    def check(self, tick: Tick) -> None:
        """Fail unless the tick is the one that the recording has under this number."""
        self.check_values(tick.symbol, tick.seq, tick.bid, tick.ask, tick.time_msc)

    def check_values(self, symbol: str, seq: int, bid: float, ask: float, time_msc: int) -> None:
        """The same, of a tick that was read by hand."""
        prices, at = self.prices[symbol], seq - 1
        assert 0 <= at < len(prices), f"{symbol} has {len(prices)} ticks, and here is number {seq}"
        unit = 10**prices.digits
        expected = (prices.bids[at] / unit, prices.asks[at] / unit, prices.times[at])
        assert (bid, ask, time_msc) == expected, f"{symbol} {seq} is {(bid, ask, time_msc)}, recorded was {expected}"


def generate(path: Path, *, from_hour: int, minutes: int, ticks_a_day: int, seed: int = 1) -> Day:
    """Write a part of the day. `ticks_a_day` is of all symbols together; each has one at the very beginning."""
    rng = random.Random(seed)
    day = Day(path, {symbol: Prices(symbol, digits) for symbol, (_, digits) in STARTS.items()})
    writer = RecordingWriter.open(path)
    try:
        writer.note("begin", {"at": "2026-11-23T00:00:00.000Z", "from": "generated"})
        for symbol in SYMBOLS:
            _put(writer, day.prices[symbol], rng, START_MSC + from_hour * 3_600_000)
        for minute in range(from_hour * 60, from_hour * 60 + minutes):
            share = ACTIVITY[minute // 60 % 24] / sum(ACTIVITY) / 60
            count = round(ticks_a_day * share * rng.uniform(0.7, 1.3))
            for time_ms in sorted(rng.randrange(60_000) for _ in range(count)):
                _put(writer, day.prices[rng.choice(SYMBOLS)], rng, START_MSC + minute * 60_000 + time_ms)
    finally:
        writer.close()
    return day


def _put(writer: RecordingWriter, prices: Prices, rng: random.Random, time_msc: int) -> None:
    start, unit = STARTS[prices.symbol][0], 10**prices.digits
    step = rng.choice((-3, -2, -1, 1, 2, 3))
    bid = prices.bids[-1] if prices.bids else start
    bid += -step if abs(bid + step - start) > WIDEST else step
    ask = bid + rng.choice((8, 10, 10, 12))
    prices.bids.append(bid)
    prices.asks.append(ask)
    prices.times.append(time_msc)
    assert writer.tick(Quote(prices.symbol, bid / unit, ask / unit, time_msc))
