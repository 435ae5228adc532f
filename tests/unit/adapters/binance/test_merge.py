"""Ticks from book tickers and trades, and the handover from one connection to the next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quantmind.adapters.binance.handover import FAR_RESETS, HOLD_S, MOST_HELD, NEAR_RESETS, Handover
from quantmind.adapters.binance.market_wire import BookTicker, Trade
from quantmind.adapters.binance.merge import Merger

SYMBOL = "BTCUSDT"


def ticker(number, bid=100.0, ask=101.0, time_msc=None, symbol=SYMBOL):
    return BookTicker(symbol, number, bid, ask, 1.0, 1.0, time_msc, time_msc)


def trade(number, price=100.5, quantity=2.0, time_msc=1000, symbol=SYMBOL):
    return Trade(symbol, number, price, quantity, time_msc, time_msc, False)


def facts(merger):
    return [(quote.bid, quote.ask, quote.last, quote.volume, quote.time_msc) for quote in merger.take()]


# --- ticks -----------------------------------------------------------------------------------------------------------


def test_a_book_ticker_gives_the_last_trades_price_and_no_volume():
    """A trade before the first book is kept for it; later ones give ticks with the book as it is."""
    merger = Merger()
    merger.trade(trade(7, 99.0))
    assert merger.last(SYMBOL) is None
    merger.book(ticker(1), 500)
    merger.trade(trade(8, 100.5, 3.0, 2000))
    merger.book(ticker(2, 100.5, 101.5), 2500)
    assert facts(merger) == [
        (100.0, 101.0, 99.0, 0.0, 1000),
        (100.0, 101.0, 100.5, 3.0, 2000),
        (100.5, 101.5, 100.5, 0.0, 2500),
    ]
    assert merger.take() == []
    assert merger.last(SYMBOL).bid == 100.5


def test_futures_have_times_of_their_own():
    """The transaction time counts, and not when it came."""
    merger = Merger()
    merger.book(ticker(1, time_msc=777), 500)
    assert facts(merger) == [(100.0, 101.0, 0.0, 0.0, 777)]


def test_times_never_go_back_within_a_symbol():
    """What is told with an earlier time gets that of the tick before it; other symbols have times of their own."""
    merger = Merger()
    merger.book(ticker(1), 900)
    merger.trade(trade(1, time_msc=800))
    merger.book(ticker(2), 850)
    merger.book(ticker(1, symbol="ETHUSDT"), 10)
    assert [quote.time_msc for quote in merger.take()] == [900, 900, 900, 10]


def test_a_book_that_nobody_could_trade_on_is_counted_and_not_given():
    """Nor do trades give ticks until there is a book again; the last price is kept."""
    merger = Merger()
    merger.book(ticker(1), 1)
    for number, (bid, ask) in enumerate([(101.5, 101.0), (0.0, 101.0), (100.0, 0.0)], 2):
        merger.book(ticker(number, bid, ask), number)
    merger.trade(trade(1, 55.0))
    merger.book(ticker(9), 9)
    assert [(quote.bid, quote.last) for quote in merger.take()] == [(100.0, 0.0), (100.0, 55.0)]
    assert merger.crossed == 3
    assert merger.take_crossed() == 3
    assert merger.take_crossed() == 0


def test_ticks_that_nobody_takes_are_bounded():
    """The oldest go, and are counted."""
    merger = Merger(most=3)
    for number in range(5):
        merger.book(ticker(number, 100.0 + number, 110.0), number)
    assert [quote.bid for quote in merger.take()] == [102.0, 103.0, 104.0]
    assert merger.snapshot()["dropped"] == 2


def test_trades_that_are_missing_are_counted_by_symbol():
    """Of a gap between two connections; a counter that begins anew is none."""
    merger = Merger()
    for number in (1010, 1011, 1015, 1016):
        merger.trade(trade(number))
    merger.trade(trade(1, symbol="ETHUSDT"))
    assert merger.snapshot()["lost_trades"] == {SYMBOL: 3}
    for number in range(1, FAR_RESETS + 5):
        merger.trade(trade(number))
    assert merger.lost_trades == 3
    assert merger.resets == 1


def test_a_price_that_was_asked_for_is_a_tick():
    """It does not disturb the order of the streams."""
    merger = Merger()
    merger.book(ticker(50), 1)
    merger.seed(SYMBOL, 1.0, 2.0, 5)
    merger.book(ticker(50), 6)
    merger.book(ticker(51), 7)
    assert [quote.bid for quote in merger.take()] == [100.0, 1.0, 100.0]


def test_what_waits_for_a_leader_is_given_in_the_end():
    """Books and trades of a second connection come out when the first one ends or falls silent."""
    merger = Merger()
    merger.book(ticker(1), 1, link=1, at=0.0)
    merger.trade(trade(1), link=1, at=0.0)
    merger.book(ticker(5), 2, link=2, at=0.1)
    merger.trade(trade(3, time_msc=2000), link=2, at=0.1)
    assert len(merger.take()) == 2
    merger.flush(0.1 + HOLD_S / 2)
    assert merger.take() == []
    merger.flush(0.1 + HOLD_S)
    assert len(merger.take()) == 2
    assert merger.lost_trades == 1
    merger.book(ticker(9), 3, link=3, at=2.0)
    merger.end(2)
    assert len(merger.take()) == 1


# --- the handover ----------------------------------------------------------------------------------------------------


def numbers(handover, link, *told, at=0.0):
    return [number for each in told for number, _ in handover.take(link, each, each, at)]


def test_one_connection_is_given_as_it_comes():
    """Whatever numbers it leaves out."""
    handover = Handover()
    assert numbers(handover, 1, 3, 4, 90, 91) == [3, 4, 90, 91]


def test_a_second_connection_that_is_ahead_waits_for_the_first():
    """Nothing of what the first has still to tell is lost, nothing is told twice, and then the second leads."""
    handover = Handover()
    assert numbers(handover, 1, 1, 2) == [1, 2]
    assert numbers(handover, 2, 5, 6, 7) == []
    assert numbers(handover, 1, 3, 4) == [3, 4]
    assert numbers(handover, 1, 5) == [5, 6, 7]
    assert handover.leader == 2
    assert numbers(handover, 1, 6, 7) == []
    assert numbers(handover, 2, 8) == [8]
    assert handover.duplicates == 3


def test_a_second_connection_that_is_behind_leads_at_once():
    """It leaves nothing out from where we are on; what the first tells beyond it is of no use any more."""
    handover = Handover()
    assert numbers(handover, 1, 1, 2, 3, 4) == [1, 2, 3, 4]
    assert numbers(handover, 2, 2, 3) == []
    assert numbers(handover, 1, 5) == []
    assert numbers(handover, 2, 4, 5, 6) == [5, 6]


def test_numbers_that_only_one_of_them_tells_are_met_all_the_same():
    """Book tickers leave numbers out: that the first one is beyond the second one's is enough."""
    handover = Handover()
    assert numbers(handover, 1, 10) == [10]
    assert numbers(handover, 2, 20, 30) == []
    assert numbers(handover, 1, 25) == [25, 30]


def test_a_leader_that_ends_leaves_the_rest_to_the_other():
    """What the other one holds is given at once: there is a gap, and no more can come into it."""
    handover = Handover()
    numbers(handover, 1, 1)
    numbers(handover, 2, 5, 6)
    assert [number for number, _ in handover.end(1)] == [5, 6]
    assert numbers(handover, 2, 7) == [7]
    assert list(handover.end(9)) == []


def test_another_than_the_leader_ends_without_a_trace():
    """What it was ahead the leader tells, too."""
    handover = Handover()
    numbers(handover, 1, 1)
    numbers(handover, 2, 3)
    assert list(handover.end(2)) == []
    assert numbers(handover, 1, 2, 3) == [2, 3]


def test_a_leader_that_stalls_is_left_behind():
    """By the next message of the other one, or by the clock; or when too much waits."""
    by_message, by_number = Handover(), Handover()
    numbers(by_message, 1, 1)
    assert numbers(by_message, 2, 5, at=0.0) == []
    assert numbers(by_message, 2, 6, at=HOLD_S) == [5, 6]
    assert by_message.stalls == 1
    numbers(by_number, 1, 1)
    assert numbers(by_number, 2, *range(2, MOST_HELD + 2)) == []
    assert len(numbers(by_number, 2, MOST_HELD + 2)) == MOST_HELD + 1


def test_an_exchange_that_counts_anew_is_believed_after_a_while():
    """Far below: soon; a little below: only when no connection could be so far behind."""
    far, near = Handover(), Handover()
    numbers(far, 1, 1000)
    assert numbers(far, 1, *range(1, FAR_RESETS + 3)) == [FAR_RESETS, FAR_RESETS + 1, FAR_RESETS + 2]
    assert far.resets == 1
    numbers(near, 1, 10**6)
    below = range(10**6 - NEAR_RESETS - 100, 10**6)
    assert numbers(near, 1, *below)[0] == below[NEAR_RESETS - 1]
    assert near.resets == 1


def test_a_connection_after_a_reset_is_believed_too():
    """The exchange was away, and counts from 1 on a new connection."""
    handover = Handover()
    numbers(handover, 1, 5000)
    handover.end(1)
    assert numbers(handover, 2, *range(1, FAR_RESETS + 1)) == [FAR_RESETS]


@given(st.data())
def test_however_connections_lie_beside_each_other_all_is_told_once(data):
    """Each tells all from some place on, in order, and ends when the next one has met it: nothing is lost."""
    total = data.draw(st.integers(1, 60), "messages")
    count = data.draw(st.integers(1, 4), "connections")
    handover, given_out = Handover(), []
    steps = data.draw(st.lists(st.integers(1, 1000), min_size=total, max_size=total))
    ids = [10**6 + sum(steps[: index + 1]) for index in range(total)]  # a half of it would be a reset
    begins = [0, *sorted(data.draw(st.lists(st.integers(0, total - 1), min_size=count - 1, max_size=count - 1)))]
    told = list(begins)
    alive = list(range(count))
    opened = 1
    while any(told[link] < total for link in alive if link < opened):
        choices = [("tell", link) for link in alive if link < opened and told[link] < total]
        # The first one has told something when another is opened; then each may be ahead or behind.
        if opened < count and told[0] > 0:
            choices.append(("open", opened))
        # One ends when it has told more than the next one's first.
        choices += [
            ("end", link)
            for link in alive[:-1]
            if link + 1 < opened and link + 1 in alive and min(alive) == link and told[link] > begins[link + 1]
            if told[link + 1] > begins[link + 1]
        ]
        what, link = data.draw(st.sampled_from(choices))
        if what == "open":
            opened += 1
        elif what == "end":
            alive.remove(link)
            given_out += handover.end(link)
        else:
            number = ids[told[link]]
            given_out += handover.take(link, number, told[link], 0.0)
            told[link] += 1
    assert [number for number, _ in given_out] == ids
    assert [ids[what] for _, what in given_out] == ids
    assert handover.stalls == handover.resets == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["take", "take", "take", "flush", "end"]),
            st.integers(0, 3),
            st.integers(0, 40),
            st.floats(0, 3, allow_nan=False),
        ),
        max_size=80,
    )
)
def test_whatever_is_told_numbers_rise(steps):
    """And what waits is bounded: nonsense of an exchange is no crash."""
    handover, given_out, at = Handover(), [], 0.0
    for what, link, number, later in steps:
        at += later
        if what == "take":
            given_out += handover.take(link, number, number, at)
        elif what == "flush":
            given_out += handover.flush(at)
        else:
            given_out += handover.end(link)
    told = [number for number, _ in given_out]
    if not handover.resets:
        assert told == sorted(set(told))
