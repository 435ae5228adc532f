"""The feed of ticks that a terminal sends in: which are taken, in which order, and what happens when there are many."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.adapters import mock
from quantmind.adapters.mock.ingest_feed import IngestFeed
from quantmind.config.brokers import IngestFeed as IngestFeedConfig
from quantmind.config.brokers import MockBrokerConfig, SymbolOverrides
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import usual_spec
from quantmind.errors import BrokerUnavailable
from quantmind.wire.ingest import IngestFault

EXAMPLES = examples(1_000, 200)
NOW = 1_795_424_400.0
NOW_MSC = round(NOW * 1000)
SPECS = [usual_spec("EURUSD"), usual_spec("USDJPY")]


@attrs.define
class Wall:
    """A wall clock that is set by hand."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


def made(**arguments: Any) -> tuple[IngestFeed, Wall]:
    wall = Wall()
    return IngestFeed(SPECS, wall=wall, **{"tolerance_s": 10.0, **arguments}), wall


def tick(bid: float = 1.0850, at_ms: int = 0, symbol: str = "EURUSD", **fields: Any) -> Quote:
    return Quote(symbol, bid, fields.pop("ask", bid + 0.0001), NOW_MSC + at_ms, **fields)


def refused(feed: IngestFeed, quote: Quote) -> str:
    with pytest.raises(IngestFault) as caught:
        feed.offer(quote)
    return caught.value.reason


def taken(feed: IngestFeed, quote: Quote) -> str | None:
    try:
        feed.offer(quote)
    except IngestFault as fault:
        return fault.reason
    return None


def test_ticks_come_out_as_they_came_in():
    """Each once, in order, also those of one millisecond; a step without any gives none, which confirms nothing."""
    feed, _ = made()
    ticks = [tick(1.0850), tick(110.0, symbol="USDJPY", ask=110.01), tick(1.0850), tick(1.0849)]
    for each in ticks:
        feed.offer(each)
    assert feed.waiting == 4
    step = feed.advance(0.0)
    assert [(q.symbol, q.bid, q.time_msc) for q in step.quotes] == [(q.symbol, q.bid, q.time_msc) for q in ticks]
    assert (step.crossed, step.ended) == (0, False)
    assert feed.advance(1.0).quotes == ()
    assert feed.statistics.accepted == 4
    assert feed.statistics.newest_msc == NOW_MSC


def test_prices_are_rounded_to_the_digits():
    """What a client sees is what an order fills at."""
    feed, _ = made()
    feed.offer(tick(1.085004, ask=1.085096, last=1.085051))
    (quote,) = feed.advance(0.0).quotes
    assert (quote.bid, quote.ask, quote.last) == (1.085, 1.0851, 1.08505)


def test_an_unknown_symbol_is_refused():
    """A broker trades only what its configuration has; the message says what that is."""
    feed, _ = made()
    with pytest.raises(IngestFault, match="GBPUSD here, only EURUSD, USDJPY"):
        feed.offer(tick(symbol="GBPUSD"))


@pytest.mark.parametrize(
    ("bid", "ask"), [(0.000004, 0.1), (0.0, 1.0), (1.1, 1.0), (float("nan"), 1.0), (1.0, float("inf")), (1.0, 1e13)]
)
def test_what_nobody_could_trade_on_is_refused(bid: float, ask: float):
    """A price below half a point would show as nothing, and the account would not survive it."""
    feed, _ = made()
    assert refused(feed, tick(bid, ask=ask)) == "no_price"


@pytest.mark.parametrize(
    ("at_ms", "reason"), [(10_000, None), (10_001, "ahead"), (-10_000, None), (-10_001, "old"), (7_200_000, "ahead")]
)
def test_a_tick_is_of_now(at_ms: int, reason: str | None):
    """Further from the clock than the tolerance it is no live price, as one in the broker's local time."""
    feed, _ = made()
    if reason is None:
        feed.offer(tick(at_ms=at_ms))
        assert feed.waiting == 1
    else:
        assert refused(feed, tick(at_ms=at_ms)) == reason


def test_a_late_tick_is_refused():
    """Time does not run backwards within a symbol; another symbol's time is its own."""
    feed, _ = made()
    feed.offer(tick(at_ms=500))
    assert refused(feed, tick(at_ms=499)) == "late"
    feed.offer(tick(at_ms=500))
    feed.offer(tick(110.0, 0, "USDJPY", ask=110.1))
    assert feed.waiting == 3


def test_a_clock_that_was_set_back_silences_nobody():
    """Times from before that are forgotten, since no tick could be so far ahead."""
    feed, wall = made()
    feed.offer(tick())
    wall.now = NOW - 3600
    feed.offer(tick(at_ms=-3_600_000))
    assert refused(feed, tick(at_ms=-3_600_001)) == "late"


def test_what_waited_too_long_is_not_given_out():
    """A poller that stood still does not trade on what came before."""
    feed, wall = made()
    feed.offer(tick())
    wall.now = NOW + 9.0
    feed.offer(tick(at_ms=9_000))
    wall.now = NOW + 10.5
    assert [q.time_msc for q in feed.advance(0.0).quotes] == [NOW_MSC + 9_000]
    assert feed.statistics.waited == 1


def test_a_full_queue_keeps_the_newest_of_each_symbol():
    """Order holds up to the bound; beyond it the newest of each symbol comes last, and the others are counted."""
    feed, _ = made(queue=3)
    for number in range(10):
        feed.offer(tick(1.08 + number / 1000, number))
    feed.offer(tick(110.0, 3, "USDJPY", ask=110.1))
    assert feed.waiting == 5
    assert [(q.symbol, q.time_msc - NOW_MSC) for q in feed.advance(0.0).quotes] == [
        ("EURUSD", 0), ("EURUSD", 1), ("EURUSD", 2), ("EURUSD", 9), ("USDJPY", 3),
    ]  # fmt: skip
    assert feed.statistics.conflated == 6
    feed.offer(tick(at_ms=20))
    assert len(feed.advance(0.0).quotes) == 1


steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["EURUSD", "USDJPY", "X"]), st.integers(-20_000, 20_000)),
        st.floats(-30.0, 30.0),
        st.none(),
    ),
    max_size=60,
)


@given(steps, st.integers(1, 5))
@settings(max_examples=EXAMPLES)
def test_whatever_comes(steps: list[Any], queue: int):
    """Whatever comes in whatever order: bounded, counted, in order for each symbol, and nothing old goes out."""
    feed, wall = made(queue=queue)
    given_out = offered = 0
    for step in steps:
        if step is None:
            newest: dict[str, int] = {}
            for quote in feed.advance(0.0).quotes:
                given_out += 1
                assert quote.time_msc >= wall.now * 1000 - 10_000
                if wall.now == NOW:
                    assert quote.time_msc >= newest.get(quote.symbol, 0)
                newest[quote.symbol] = quote.time_msc
        elif isinstance(step, float):
            wall.now += step
        else:
            reason = taken(feed, Quote(step[0], 1.0, 1.1, NOW_MSC + step[1]))
            assert reason in (None, "unknown_symbol", "ahead", "old", "late")
            offered += reason is None
        assert feed.waiting <= queue + len(SPECS)
    statistics = feed.statistics
    assert statistics.accepted == offered == given_out + statistics.conflated + statistics.waited + feed.waiting


async def test_the_paper_broker_trades_on_them(autojump_clock):
    """The configured broker gives them out when it is polled, and nothing while there are none."""
    config = MockBrokerConfig(
        name="demo", symbols={"EURUSD": SymbolOverrides()}, feed=IngestFeedConfig(clock_tolerance_s=5.0)
    )
    broker = mock.build(config, wall=Wall())
    feed = mock.inlets({"demo": broker})["demo"]
    with pytest.raises(BrokerUnavailable):
        await broker.poll()
    await broker.connect()
    assert (await broker.poll()).quotes == ()
    feed.offer(tick())
    assert refused(feed, tick(at_ms=5_001)) == "ahead"
    assert [quote.bid for quote in (await broker.poll()).quotes] == [1.085]
    assert (await broker.poll()).quotes == ()
    price = broker.account.market.price("EURUSD")
    assert price is not None
    assert (str(price.bid), str(price.ask)) == ("1.08500", "1.08510")


def test_other_feeds_have_no_inlet():
    """A broker that walks takes no ticks from outside."""
    broker = mock.build(MockBrokerConfig(name="demo"))
    assert mock.inlets({"demo": broker}) == {}
