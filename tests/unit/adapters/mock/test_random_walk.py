"""Made-up prices: repeatable, on the grid, never at zero, about as lively as asked for."""

import itertools
import math
from decimal import Decimal

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.adapters.mock import RandomWalk, WalkSymbol, usual_walk
from quantmind.domain.symbols import usual_spec

WALL = 1_795_424_400.0

GOLDEN = [
    ("EURUSD", 1.085, 1.0851),
    ("EURUSD", 1.08501, 1.08511),
    ("EURUSD", 1.085, 1.0851),
    ("EURUSD", 1.085, 1.0851),
    ("EURUSD", 1.085, 1.0851),
    ("EURUSD", 1.085, 1.0851),
    ("EURUSD", 1.085, 1.0851),
    ("EURUSD", 1.085, 1.0851),
    ("EURUSD", 1.08501, 1.08511),
    ("EURUSD", 1.08498, 1.08508),
    ("EURUSD", 1.08499, 1.08514),
    ("EURUSD", 1.085, 1.0851),
]


def walk(*names, seed=1, wall=WALL, ticks_per_s=None):
    symbols = [usual_walk(usual_spec(name)) for name in names or ("EURUSD",)]
    return RandomWalk(symbols, seed=seed, wall=lambda: wall, ticks_per_s=ticks_per_s)


def prices(feed, steps):
    return [(q.symbol, q.bid, q.ask) for _ in range(steps) for q in feed.advance(0.0).quotes]


def test_the_first_ticks_of_seed_1():
    """Golden, so that a demonstration and its screenshots stay what they were, on every platform."""
    assert prices(walk(), 12) == GOLDEN


def test_the_same_seed_makes_the_same_ticks():
    """And another seed makes others."""
    assert prices(walk(seed=7), 500) == prices(walk(seed=7), 500)
    assert prices(walk(seed=7), 500) != prices(walk(seed=8), 500)


def test_a_symbol_beside_it_changes_nothing():
    """Each symbol has a stream of random numbers of its own."""
    alone = prices(walk("EURUSD"), 200)
    together = prices(walk("GBPUSD", "EURUSD"), 200)
    assert [price for price in together if price[0] == "EURUSD"] == alone


def test_a_symbol_is_quiet_in_some_polls_and_is_given_again():
    """The same quote, with the time of its change: it confirms the price."""
    feed = walk()
    quotes = [feed.advance(0.0).quotes for _ in range(1000)]
    assert all(len(step) == 1 for step in quotes)
    changes = sum(after[0] is not before[0] for before, after in itertools.pairwise(quotes))
    assert 300 < changes < 500


def test_a_grid_gives_what_is_due_whenever_it_is_asked():
    """Polls at odd times see the same ticks as polls on time, and a poll between two ticks confirms the last."""
    on_time, late = walk(ticks_per_s=100), walk(ticks_per_s=100)
    first = [q for n in range(101) for q in on_time.advance(5.0 + n * 0.01).quotes]
    second = [q for now in (5.0, 5.333, 5.3331, 5.9, 6.0) for q in late.advance(now).quotes]
    changed = [q for before, q in zip([None, *second], second, strict=False) if q is not before]
    assert [(q.bid, q.ask) for q in changed] == [(q.bid, q.ask) for q in first]
    assert len(first) == 101


def test_a_long_pause_is_not_made_up_for():
    """After an hour asleep at 100 ticks a second, one second's worth comes, and then the usual pace."""
    feed = walk(ticks_per_s=100)
    feed.advance(0.0)
    assert len(feed.advance(3600.0).quotes) == 100
    assert len(feed.advance(3600.1).quotes) == 10


def test_ticks_carry_the_wall_clock_which_never_runs_backwards_in_them():
    """A clock that is set back stops their time until it has caught up."""
    wall = [WALL]
    feed = RandomWalk([usual_walk(usual_spec("EURUSD"))], seed=1, wall=lambda: wall[0], ticks_per_s=10)
    assert [q.time_msc for q in feed.advance(0.0).quotes] == [1_795_424_400_000]
    wall[0] += 0.2
    assert [q.time_msc for q in feed.advance(0.2).quotes] == [1_795_424_400_100, 1_795_424_400_200]
    wall[0] -= 3600
    assert {q.time_msc for q in feed.advance(0.4).quotes} == {1_795_424_400_200}


@pytest.mark.parametrize(("ticks_per_s", "seconds"), [(None, 300), (1.0, 300), (1000.0, 5)])
def test_volatility_is_about_what_was_asked_for(ticks_per_s, seconds):
    """However many ticks there are, the price goes about as far in the same time: within a factor of two."""
    symbol = attrs.evolve(usual_walk(usual_spec("EURUSD")), volatility=0.1)
    ends = []
    for seed in range(60):
        feed = RandomWalk([symbol], seed=seed, wall=lambda: WALL, ticks_per_s=ticks_per_s)
        polls = [feed.advance(n * 0.1).quotes for n in range(seconds * 10 + 1)]
        ends.append(math.log(polls[-1][-1].bid / polls[0][0].bid))
    seen = math.sqrt(sum(end * end for end in ends) / len(ends))
    asked = 0.1 * math.sqrt(seconds / (252 * 86_400))
    assert asked / 2 < seen < asked * 2


@given(
    start=st.integers(1, 10**7),
    spread=st.integers(0, 500),
    volatility=st.floats(0.01, 10),
    seed=st.integers(0, 2**63 - 1),
    ticks_per_s=st.none() | st.floats(0.1, 10_000),
    step=st.sampled_from(["0.00001", "0.00005"]),
)
@settings(deadline=None)
def test_prices_are_always_prices(start, spread, volatility, seed, ticks_per_s, step):
    """Above 0, the ask not below the bid, on the tick grid, near the start; times never decrease."""
    spec = attrs.evolve(usual_spec("EURUSD"), tick_size=Decimal(step))
    start_price = start * spec.tick_size
    symbol = WalkSymbol(spec, start_price, spread, volatility)
    feed = RandomWalk([symbol], seed=seed, wall=lambda: WALL, ticks_per_s=ticks_per_s)
    newest = 0
    for n in range(60):
        for quote in feed.advance(n * 0.1).quotes:
            assert not quote.crossed
            for price in (quote.bid, quote.ask):
                assert spec.on_price_grid(Decimal(repr(price)))
            assert float(start_price) / 3 <= quote.bid <= float(start_price) * 3 + float(spec.tick_size) * 2
            assert quote.time_msc >= newest
            newest = quote.time_msc


@pytest.mark.parametrize("start_price", ["0", "-1", "0.000001", "NaN", "Infinity"])
def test_a_start_price_that_is_none_is_refused(start_price):
    """With the symbol's name."""
    with pytest.raises(ValueError, match="EURUSD"):
        usual_walk(usual_spec("EURUSD"), start_price=Decimal(start_price))


def test_usual_symbols_start_near_where_they_are():
    """Yen pairs at yen, gold at gold, and an unknown pair somewhere sensible."""
    assert usual_walk(usual_spec("USDJPY")).start_price == Decimal("150.000")
    assert usual_walk(usual_spec("EURUSD.r")).start_price == Decimal("1.08500")
    assert usual_walk(usual_spec("XAUUSD")).volatility == pytest.approx(0.15)
    assert usual_walk(usual_spec("SGDJPY")).start_price == Decimal(150)
    assert usual_walk(usual_spec("NOKSEK")).start_price == Decimal(1)
    assert usual_walk(usual_spec("US500")).start_price == Decimal(5000)
