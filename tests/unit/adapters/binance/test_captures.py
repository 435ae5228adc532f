"""Two recorded days of the exchange, played over sockets, with the cut of 24 hours in their middle."""

from __future__ import annotations

import gzip
import json
import os
from decimal import Decimal
from pathlib import Path

import pytest
import trio
import trio.testing
from stream_server import Caller, open_stream_server

from quantmind.adapters.binance.clock import ServerClock
from quantmind.adapters.binance.errors import NotSent
from quantmind.adapters.binance.market_feed import MarketFeed
from quantmind.adapters.binance.merge import Merger
from quantmind.adapters.binance.strange import Strange
from quantmind.adapters.binance.stream import Live

ROOT = Path(__file__).parents[4]
DATA = Path(os.environ.get("QUANTMIND_DATA") or ROOT.parent / "shared" / "data")
CAPTURES = {
    "spot": "binance_spot_btcusdt_20240808_rawws.gz",
    "futures": "binance_usdm_btcusdt_20240808_rawws_first60000.gz",
}
SYMBOL = "BTCUSDT"
MOST = 8_000
"""Messages of a recording; the rest is more of the same."""


def recorded(kind):
    """Lines as (receive time in ns, message); only book tickers and trades."""
    path = DATA / "crypto" / CAPTURES[kind]
    if not path.exists():
        pytest.skip(f"{path} is not there; set QUANTMIND_DATA to the folder of recorded data")
    lines = []
    with gzip.open(path, "rb") as file:
        for line in file:
            time_ns, _, said = line.rstrip().partition(b" ")
            if b"@bookTicker" in said[:40] or b"@trade" in said[:40]:
                lines.append((int(time_ns), said))
    return lines[:MOST]


def expected(messages):
    """(bid, ask, last, volume) of each tick, worked out without any of our code."""
    ticks, bid, ask, last = [], None, None, 0.0
    for _, said in messages:
        data = json.loads(said)["data"]
        if data.get("e") == "trade":
            last = float(data["p"])
            if bid is not None:
                ticks.append((bid, ask, last, float(data["q"])))
        else:
            bid, ask = float(data["b"]), float(data["a"])
            assert bid <= ask
            ticks.append((bid, ask, last, 0.0))
    return ticks


def facts(quotes):
    return [(quote.bid, quote.ask, quote.last, quote.volume) for quote in quotes]


async def nothing_over_rest(symbols):
    raise NotSent("not in this test")


def feed_of(base, kind, wall=lambda: 1_723_161_254.0, **settings):
    clock = ServerClock(wall, trio.current_time)
    return MarketFeed(
        base, [SYMBOL], kind == "futures", nothing_over_rest, clock, wall, Strange(), line_settings=settings
    )


class Playing:
    """Tells every connection the messages of its streams, each with a delay of its own, in messages."""

    def __init__(self, messages):
        self.messages = messages
        self.at = 0
        self.delays: dict[Caller, int] = {}
        self.told: dict[Caller, int] = {}

    def join(self, caller, delay=0):
        self.delays[caller], self.told[caller] = delay, self.at

    async def play(self, until):
        while self.at < until:
            self.at = min(self.at + 40, until)
            await self.catch_up()

    async def catch_up(self, *, fully=False):
        for caller in list(self.told):
            upto = self.at if fully else max(self.told[caller], self.at - self.delays[caller])
            mine = [
                said
                for _, said in self.messages[self.told[caller] : upto]
                if any(f'"{stream}"'.encode() in said[:60] for stream in caller.streams)
            ]
            self.told[caller] = upto
            if mine and not caller.over.is_set():
                await caller.say(*mine)
            await trio.lowlevel.checkpoint()

    def leave(self, caller):
        del self.told[caller]


@pytest.mark.parametrize("kind", CAPTURES)
@pytest.mark.parametrize(("old_delay", "new_delay"), [(0, 0), (300, 0), (0, 300)])
@pytest.mark.parametrize("ends", ["by the exchange", "by us"])
async def test_a_cut_in_the_middle_loses_nothing_and_tells_nothing_twice(
    kind, old_delay, new_delay, ends, autojump_clock
):
    """The ticks are those of the recording, each once and in order, whichever of the two connections is behind."""
    messages = recorded(kind)
    lines = 2 if kind == "futures" else 1
    async with open_stream_server() as server, trio.open_nursery() as nursery:
        feed = feed_of(server.url, kind)
        playing = Playing(messages)
        server.on_open = lambda caller: playing.join(caller, new_delay if len(server.callers) > lines else old_delay)
        nursery.start_soon(feed.run)
        await feed.opened()
        half = len(messages) // 2
        await playing.play(half)
        olds = server.callers[:lines]
        for old in olds:
            await old.say('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}')
        await server.caller(2 * lines - 1)
        await trio.testing.wait_all_tasks_blocked()
        await playing.play(half + 1000)
        if ends == "by the exchange":
            # Before it says Close it has told all.
            await playing.catch_up(fully=True)
            for old in olds:
                await old.close()
        else:
            for old in olds:
                playing.delays[old] = 0
            with trio.fail_after(60):
                for old in olds:
                    while not old.over.is_set():
                        await playing.catch_up()
                        await trio.sleep(0.1)
        for old in olds:
            playing.leave(old)
        await playing.play(len(messages))
        await playing.catch_up(fully=True)
        await trio.sleep(2)
        quotes = feed.merger.take()
        snapshot = feed.snapshot()
        nursery.cancel_scope.cancel()
    want = expected(messages)
    if kind == "spot" and old_delay == new_delay:
        assert facts(quotes) == want
    # Prices and trades change over to the new connection each when it meets the old one, and on futures they have lines
    # of their own: how they lie between each other is chance. Each of them is in order, and whole.
    books = [(quote.bid, quote.ask) for quote in quotes if not quote.volume]
    assert books == [tick[:2] for tick in want if not tick[3]]
    trades = [(quote.last, quote.volume) for quote in quotes if quote.volume]
    want_trades = [tick[2:] for tick in want if tick[3]]
    first = len(want_trades) - len(trades)  # those before the first price
    assert abs(first) < 50
    assert trades[-len(want_trades) :] == want_trades[max(first, 0) :]
    times = [quote.time_msc for quote in quotes]
    assert times == sorted(times)
    for line in snapshot["lines"].values():
        assert line["replaced"] == 1
        assert line["gaps"] == {}
    assert snapshot["lost_trades"] == {}
    assert snapshot["crossed"] == snapshot["dropped"] == 0


@pytest.mark.parametrize("kind", CAPTURES)
def test_the_recordings_are_told_as_they_are(kind):
    """Straight through the merger: each price to the last bit, futures' times to the millisecond."""
    from quantmind.adapters.binance.market_wire import BookTicker, market_event

    messages, merger, times, newest = recorded(kind), Merger(), [], 0
    for number, (time_ns, said) in enumerate(messages):
        event = market_event(said)
        if isinstance(event, BookTicker):
            merger.book(event, time_ns // 1_000_000, 1, number)
            newest = max(newest, event.transaction_msc or time_ns // 1_000_000)
            times.append(newest)
        else:
            before = merger.last(SYMBOL)
            merger.trade(event, 1, number)
            newest = max(newest, event.trade_msc)
            if before is not None:
                times.append(newest)
    quotes = merger.take()
    assert facts(quotes) == expected(messages)
    assert [quote.time_msc for quote in quotes] == times
    assert merger.duplicates == merger.lost_trades == merger.resets == 0


def by_event(said):
    return json.loads(said)["data"].get("E")


@pytest.mark.parametrize("kind", CAPTURES)
async def test_the_recorders_clock_is_seen_to_be_behind(kind, autojump_clock):
    """It was 1.27 s behind the exchange's: the bound that events give says so, by a little less."""
    now = [0.0]
    feed = feed_of("ws://127.0.0.1:1", kind, wall=lambda: now[0])
    feed._heard = {SYMBOL: 0.0}
    live, most = Live(1), 0.0
    for time_ns, said in recorded(kind):
        now[0] = time_ns / 1e9
        feed._listen(said, live)
        event_msc = by_event(said)
        if event_msc is not None:
            most = max(most, event_msc - time_ns / 1e6)
    assert 1200 < most < 1300
    assert feed.clock.event_bound_ms == pytest.approx(most, abs=30)


def test_the_expectation_is_worth_something():
    """What is compared has prices, trades and times enough to show a loss."""
    for kind in CAPTURES:
        ticks = expected(recorded(kind))
        assert len(ticks) > 7_000
        assert len(set(ticks)) > 1_000
        assert sum(tick[3] > 0 for tick in ticks) > 1_000
        assert all(Decimal(repr(tick[0])) > 0 for tick in ticks)
