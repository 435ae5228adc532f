"""The feed of a broker: which lines there are, and what is done about one that is alive and says nothing."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import partial

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from stream_server import open_stream_server

from quantmind.adapters.binance.clock import ServerClock
from quantmind.adapters.binance.errors import NotSent
from quantmind.adapters.binance.live import Live
from quantmind.adapters.binance.looks import LOOKS, Looks, Verdict
from quantmind.adapters.binance.market_feed import (
    ASK_EVERY_S,
    DIES_EVERY_S,
    MOST_CHARACTERS,
    MOST_SYMBOLS,
    QUIET_S,
    TRADES_MOVES,
    TRADES_QUIET_S,
    MarketFeed,
)
from quantmind.adapters.binance.strange import Strange
from quantmind.adapters.binance.stream import AGAIN_S

BTC, ETH = "BTCUSDT", "ETHUSDT"


def book(number, bid="100.00", ask="101.00", symbol=BTC):
    data = {"u": number, "s": symbol, "b": bid, "B": "1", "a": ask, "A": "1"}
    return json.dumps({"stream": f"{symbol.lower()}@bookTicker", "data": data})


def future_book(number, msc, symbol=BTC):
    data = {"e": "bookTicker", "u": number, "s": symbol, "b": "100", "B": "1", "a": "101", "A": "1", "T": msc, "E": msc}
    return json.dumps({"stream": f"{symbol.lower()}@bookTicker", "data": data})


def trade(number, price="100.50", symbol=BTC):
    data = {"e": "trade", "E": 5, "s": symbol, "t": number, "p": price, "q": "2", "T": 5, "m": True, "M": True}
    return json.dumps({"stream": f"{symbol.lower()}@trade", "data": data})


class Exchange:
    """Prices over REST, and how often they were asked for."""

    def __init__(self):
        self.prices = {BTC: ("100.00", "101.00"), ETH: ("10.0", "10.1")}
        self.asked: list[tuple[float, list[str]]] = []
        self.fault: Exception | None = None
        self.meanwhile = None

    async def ask(self, symbols):
        self.asked.append((trio.current_time(), list(symbols)))
        await trio.lowlevel.checkpoint()
        if self.fault is not None:
            raise self.fault
        if self.meanwhile is not None:
            await self.meanwhile()
        return [(name, *map(Decimal, pair)) for name, pair in self.prices.items()]


def feed_of(server, exchange, symbols=(BTC,), *, futures=False):
    clock = ServerClock(lambda: 1000.0, trio.current_time)
    return MarketFeed(server.url, symbols, futures, exchange.ask, clock, lambda: 1000.0, Strange())


@pytest.fixture
async def served(autojump_clock, nursery):
    async with open_stream_server() as server:
        exchange = Exchange()
        yield server, exchange, partial(feed_of, server, exchange)
        nursery.cancel_scope.cancel()


async def until_silent(number):
    """Until so many questions over REST were made, and answered."""
    await trio.sleep(QUIET_S + 0.6 + (number - 1) * (ASK_EVERY_S + 0.01))


# --- lines -----------------------------------------------------------------------------------------------------------


async def test_spot_has_one_line_for_prices_and_trades(autojump_clock, served, nursery):
    """Streams stand in the address, in small letters."""
    server, _, make = served
    feed = make([BTC, ETH])
    nursery.start_soon(feed.run)
    await feed.opened()
    assert [caller.path for caller in server.callers] == [
        "/stream?streams=btcusdt@bookTicker/btcusdt@trade/ethusdt@bookTicker/ethusdt@trade"
    ]
    await server.callers[0].say(trade(1), book(1), trade(2, "100.25"), book(7, symbol=ETH))
    await trio.testing.wait_all_tasks_blocked()
    quotes = feed.merger.take()
    assert [(quote.symbol, quote.bid, quote.last, quote.volume) for quote in quotes] == [
        (BTC, 100.0, 100.5, 0.0),
        (BTC, 100.0, 100.25, 2.0),
        (ETH, 100.0, 0.0, 0.0),
    ]
    assert quotes[0].time_msc == 1_000_000
    assert feed.lost is None


async def test_futures_have_a_line_for_each_path(autojump_clock, served, nursery):
    """A connection of the wrong path says nothing, and nobody tells why."""
    server, _, make = served
    feed = make(futures=True)
    nursery.start_soon(feed.run)
    await feed.opened()
    assert {caller.path for caller in server.callers} == {
        "/public/stream?streams=btcusdt@bookTicker",
        "/market/stream?streams=btcusdt@trade",
    }


@given(st.lists(st.text("ABCDEFGHIJ0123456789", min_size=1, max_size=30), unique=True, min_size=1, max_size=400))
def test_many_symbols_are_spread_over_lines(symbols):
    """Each on one; no address is longer than 4 kB, and none has more streams than futures allow."""
    clock = ServerClock()
    for is_futures in (False, True):
        feed = MarketFeed("ws://127.0.0.1:1", symbols, is_futures, None, clock, clock.wall, Strange())
        names: list[str] = []
        for line in feed._lines.values():
            url = trio.run(line.address)
            streams = url.partition("streams=")[2]
            assert len(streams) <= MOST_CHARACTERS
            assert len(streams.split("/")) <= 2 * MOST_SYMBOLS
            names += streams.split("/")
        assert sorted(names) == sorted(f"{name.lower()}@{kind}" for name in symbols for kind in ("bookTicker", "trade"))


async def test_what_is_missing_is_named(autojump_clock, served, nursery):
    """Why there are no prices now, and where they were looked for."""
    server, _, make = served
    feed = make()
    assert feed.lost == f"it is being connected ({server.url})"
    server.refusal = 503
    nursery.start_soon(feed.run)
    await trio.sleep(1)
    assert "HTTP status 503" in feed.lost
    assert server.url in feed.lost
    server.refusal = None
    await feed.opened()
    assert feed.lost is None


async def test_the_end_is_announced_in_a_combined_stream(autojump_clock, served, nursery):
    """As it is raw: another connection is made at once."""
    server, _, make = served
    feed = make()
    nursery.start_soon(feed.run)
    for number, said in enumerate(
        ['{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}', '{"e":"serverShutdown","E":1}']
    ):
        await (await server.caller(number)).say(said)
        with trio.fail_after(1):
            await server.caller(number + 1)
        await trio.sleep(AGAIN_S + 5)
    assert feed.snapshot()["lines"]["market"]["replaced"] == 2


async def test_what_cant_be_read_is_counted(autojump_clock, served, nursery):
    """So is what nobody asked for; the line goes on."""
    server, _, make = served
    feed = make()
    nursery.start_soon(feed.run)
    caller = await server.caller(0)
    await caller.say("nonsense", '{"stream":"btcusdt@bookTicker","data":{"u":1}}', book(1, symbol="XRPUSDT"), book(1))
    await trio.testing.wait_all_tasks_blocked()
    assert [quote.symbol for quote in feed.merger.take()] == [BTC]
    assert feed.snapshot()["faults"] == 2
    await until_silent(1)
    assert feed.lost is None


async def test_events_bound_the_exchanges_clock(autojump_clock, served):
    """The time of an event and that of its arrival go to the clock, where the event has one."""
    _, _, make = served
    feed = make(futures=True)
    feed._heard = {BTC: 0.0}
    feed._listen(future_book(1, 1_001_270).encode(), Live(1))
    assert feed.clock.event_bound_ms == pytest.approx(1270)


# --- a line that says nothing ----------------------------------------------------------------------------------------


async def test_a_quiet_symbol_is_confirmed_by_the_same_price(autojump_clock, served, nursery):
    """Symbols that are told of are not asked for; all others in one question, not more often than each 2.5 s."""
    server, exchange, make = served
    feed = make([BTC, ETH])
    nursery.start_soon(feed.run)
    await feed.opened()
    caller = server.callers[0]
    await caller.say(book(1), book(1, "10.0", "10.1", ETH))
    number = 1
    begun = trio.current_time()
    while trio.current_time() - begun < 20:
        number += 1
        await caller.say(book(number, "100.00", f"{101 + number}.00"))
        await trio.sleep(0.5)
    assert {tuple(symbols) for _, symbols in exchange.asked} == {(ETH,)}
    gaps = [later - earlier for (earlier, _), (later, _) in zip(exchange.asked, exchange.asked[1:], strict=False)]
    assert min(gaps) >= ASK_EVERY_S
    assert 5 < len(exchange.asked) <= 8
    assert feed.confirmed() == [ETH]
    assert feed.confirmed() == []
    assert len(server.callers) == 1


async def test_a_first_price_is_had_where_the_stream_has_none_yet(autojump_clock, served, nursery):
    """A stream tells changes alone: a quiet symbol is told once as REST has it, then confirmed, and nothing is dead."""
    server, _, make = served
    feed = make()
    nursery.start_soon(feed.run)
    await feed.opened()
    await trio.sleep(120)
    assert [(quote.bid, quote.ask, quote.time_msc) for quote in feed.merger.take()] == [(100.0, 101.0, 1_000_000)]
    assert feed.confirmed() == [BTC]
    assert feed.snapshot()["silent_deaths"] == 0
    assert len(server.callers) == 1


async def test_a_line_that_says_nothing_while_prices_move_is_dead(autojump_clock, served, nursery):
    """Two looks in a row at other prices: it is connected anew, counted, and no price was confirmed meanwhile."""
    server, exchange, make = served
    feed = make()
    nursery.start_soon(feed.run)
    await feed.opened()
    await server.callers[0].say(book(1))
    exchange.prices[BTC] = ("90.00", "91.00")
    await until_silent(LOOKS - 1)
    assert len(server.callers) == 1
    with trio.fail_after(ASK_EVERY_S + 0.6):
        await server.caller(1)
    assert feed.confirmed() == []
    assert feed.silent_deaths == 1
    assert feed.snapshot()["lines"]["market"]["gaps"] == {"it said nothing while prices moved": 1}
    # The new connection is quiet, but sound: what REST says is taken for the price, and confirmed from then on.
    await trio.sleep(60)
    assert [quote.bid for quote in feed.merger.take()] == [100.0, 90.0]
    assert feed.silent_deaths == 1
    assert feed.confirmed() == [BTC]


async def test_a_path_that_connects_and_never_says_anything(autojump_clock, served, nursery):
    """Prices move all the time, and each look sees another: dead, again and again, but not in a frenzy."""
    _, exchange, make = served
    feed = make()
    nursery.start_soon(feed.run)
    await feed.opened()
    number = 0
    while number < 600:
        number += 1
        exchange.prices[BTC] = (f"{number}.00", f"{number + 1}.00")
        await trio.sleep(0.5)
    assert 300 / DIES_EVERY_S / 2 <= feed.silent_deaths <= 300 / DIES_EVERY_S
    assert feed.confirmed() == []


async def test_a_price_that_changes_in_the_moment_of_the_question_is_no_death(autojump_clock, served, nursery):
    """The stream says it a little later; then looks begin anew."""
    server, exchange, make = served
    feed = make()
    nursery.start_soon(feed.run)
    await feed.opened()
    caller = server.callers[0]
    number = 1
    await caller.say(book(1))
    for _ in range(10):
        number += 1
        exchange.prices[BTC] = (f"{number}.00", "200.00")
        await trio.sleep(QUIET_S + 0.6)
        await caller.say(book(number, f"{number}.00", "200.00"))
    assert len(exchange.asked) >= 10
    assert feed.silent_deaths == 0


async def test_a_message_that_comes_while_rest_is_asked_outdates_the_answer(autojump_clock, served, nursery):
    """The answer is of before."""
    server, exchange, make = served
    feed = make()
    nursery.start_soon(feed.run)
    await feed.opened()
    caller = server.callers[0]
    number = [1]
    await caller.say(book(1))

    async def speak():
        number[0] += 1
        await caller.say(book(number[0], f"{number[0]}.00", "200.00"))
        await trio.sleep(0.1)

    exchange.meanwhile = speak
    await trio.sleep(30)
    assert len(exchange.asked) > 5
    assert feed.silent_deaths == 0
    assert feed.confirmed() == []


async def test_rest_that_fails_confirms_nothing(autojump_clock, served, nursery):
    """Nor does it kill a line; it is asked again."""
    server, exchange, make = served
    feed = make()
    nursery.start_soon(feed.run)
    await feed.opened()
    await server.callers[0].say(book(1))
    exchange.fault = NotSent("the budget is used up")
    await trio.sleep(30)
    assert feed.confirmed() == []
    assert feed.snapshot()["failed_looks"] == len(exchange.asked) > 5

    async def hang():
        await trio.sleep_forever()

    exchange.fault, exchange.meanwhile = None, hang
    await trio.sleep(30)
    assert feed.confirmed() == []
    assert feed.silent_deaths == 0
    assert len(server.callers) == 1


async def test_one_sided_prices_say_nothing(autojump_clock, served, nursery):
    """A book without a side confirms nothing, and is no sign of a dead line."""
    server, exchange, make = served
    feed = make()
    nursery.start_soon(feed.run)
    await feed.opened()
    await server.callers[0].say(book(1))
    exchange.prices[BTC] = ("0", "101.00")
    await trio.sleep(60)
    assert feed.confirmed() == []
    assert feed.silent_deaths == 0


async def test_a_line_that_is_away_is_not_asked_about(autojump_clock, served, nursery):
    """Nothing is confirmed of what has no stream; after a gap the price of before is no proof of anything."""
    server, exchange, make = served
    feed = make()
    nursery.start_soon(feed.run)
    await feed.opened()
    await server.callers[0].say(book(1))
    await trio.testing.wait_all_tasks_blocked()
    server.refusal = 503
    server.callers[0].cut()
    await trio.sleep(30)
    assert exchange.asked == []
    server.refusal = None
    exchange.prices[BTC] = ("95.00", "96.00")
    with trio.fail_after(60):
        await feed.opened()
    await trio.sleep(30)
    assert [quote.bid for quote in feed.merger.take()] == [100.0, 95.0]
    assert feed.confirmed() == [BTC]
    assert feed.silent_deaths == 0


async def test_restart_is_for_the_lines_of_these_symbols(autojump_clock, served, nursery):
    """Others stay; unknown symbols are nobody's."""
    server, _, make = served
    feed = make()
    nursery.start_soon(feed.run)
    await feed.opened()
    feed.restart(["XRPUSDT"])
    await trio.sleep(0.5)
    assert len(server.callers) == 1
    feed.restart([BTC])
    with trio.fail_after(5):
        await server.caller(1)


async def test_a_feed_can_be_run_again(autojump_clock, served, nursery):
    """After it was cancelled; what it had confirmed is forgotten."""
    server, _, make = served
    feed = make()
    for number in range(1, 3):
        async with trio.open_nursery() as running:
            running.start_soon(feed.run)
            await feed.opened()
            await server.callers[-1].say(book(number))
            await until_silent(1)
            running.cancel_scope.cancel()
        assert feed.lost is not None
    assert len(feed.merger.take()) == 2


# --- trades ----------------------------------------------------------------------------------------------------------


async def move(server, feed, seconds, number=0):
    """Prices move ten times a second, on whichever lines have them."""
    for _ in range(int(seconds * 10)):
        number += 1
        for caller in server.callers:
            if "bookTicker" in caller.path and not caller.over.is_set():
                await caller.say(future_book(number, number))
        await trio.sleep(0.1)
    return number


async def test_trades_are_looked_for_on_the_other_path(autojump_clock, served, nursery):
    """Sources disagree on it: where nobody seems to trade while prices move, the other one is tried."""
    server, _, make = served
    feed = make(futures=True)
    nursery.start_soon(feed.run)
    await feed.opened()
    number = await move(server, feed, TRADES_QUIET_S - 2)
    assert len(server.callers) == 2
    await move(server, feed, 4, number)
    assert server.callers[2].path == "/public/stream?streams=btcusdt@trade"
    assert feed.snapshot()["trades_restarts"] == 1
    assert feed.snapshot()["trades_path"] == "public"


async def test_a_path_that_trades_have_come_by_is_kept(autojump_clock, served, nursery):
    """A market may trade nothing for long: the line is connected anew, more and more seldom, on the path that works."""
    server, _, make = served
    feed = make(futures=True)
    nursery.start_soon(feed.run)
    await feed.opened()
    await next(caller for caller in server.callers if "trade" in caller.path).say(trade(1))
    await move(server, feed, 10 * TRADES_QUIET_S)
    paths = [caller.path for caller in server.callers if "trade" in caller.path]
    assert set(paths) == {"/market/stream?streams=btcusdt@trade"}
    assert len(paths) == 1 + 3  # after 1, 1 + 2 and 1 + 2 + 4 minutes


async def test_a_quiet_market_is_no_fault(autojump_clock, served, nursery):
    """Prices that hardly move say nothing of trades; nor is spot's line let go, which tells prices."""
    server, _, make = served
    feed, spot = make(futures=True), make()
    nursery.start_soon(feed.run)
    nursery.start_soon(spot.run)
    await feed.opened()
    await spot.opened()
    lines = len(server.callers)
    for number in range(TRADES_MOVES - 1):
        for caller in server.callers:
            if "bookTicker" in caller.path:
                await caller.say(future_book(number, number))
        await trio.sleep(1)
    assert len(server.callers) == lines
    assert feed.trades_restarts == spot.trades_restarts == 0


# --- looks, without a network ----------------------------------------------------------------------------------------


def test_looks():
    """The same price holds; another one needs two looks in a row, and a line that is new has the first one free."""
    looks, old, new = Looks(), (1.0, 2.0), (1.5, 2.0)
    looks.begun(["A"])
    assert looks.look("A", old, None) is Verdict.FIRST
    assert looks.look("A", old, old) is Verdict.SAME
    assert looks.look("A", new, old) is Verdict.OTHER
    assert looks.look("A", old, old) is Verdict.SAME
    assert looks.look("A", new, old) is Verdict.OTHER
    looks.told("A")
    assert looks.look("A", new, old) is Verdict.OTHER
    assert looks.look("A", new, old) is Verdict.DEAD
    looks.begun(["A"])
    assert looks.look("A", new, old) is Verdict.FIRST


@given(st.lists(st.tuples(st.sampled_from(["begun", "told", "look"]), st.integers(0, 2)), max_size=60))
def test_no_line_is_dead_of_which_rest_says_the_same(steps):
    """And none that has spoken since the look before."""
    looks, last, since = Looks(), (0.0, 1.0), 0
    for what, price in steps:
        pair = (float(price), float(price) + 1)
        if what == "begun":
            looks.begun(["A"])
            since = 0
        elif what == "told":
            looks.told("A")
            last, since = pair, 0
        else:
            verdict = looks.look("A", pair, last)
            assert (verdict is Verdict.SAME) == (pair == last)
            since = 0 if verdict is Verdict.SAME else since + 1
            if verdict is Verdict.FIRST:
                last, since = pair, 0
            if verdict is Verdict.DEAD:
                assert since >= LOOKS
