"""Limit and stop orders of the paper account: placing, waiting, activation, expiry, change, cancellation."""

from decimal import Decimal

import attrs
import pytest

from quantmind.adapters.mock import PaperAccount, Terms
from quantmind.adapters.mock.history import OrderState
from quantmind.adapters.mock.symbol_terms import SymbolTerms
from quantmind.domain.accounts import Cause, Entry, PendingOrder
from quantmind.domain.orders import Cancel, Close, Modify, Open, OrderType, Origin, Placed, Refused, Side
from quantmind.domain.quotes import Quote
from quantmind.domain.retcodes import Retcode
from quantmind.domain.sessions import weekly
from quantmind.domain.symbols import TradeMode, usual_spec

ORIGIN = Origin("ea", 7, "r1")
LIMIT, STOP = OrderType.LIMIT, OrderType.STOP
BUY, SELL = Side.BUY, Side.SELL
SUNDAY_MSC = 1_795_305_600_000


def make(*, stops_level=0, freeze_level=0, symbol_terms=None, trade_mode=TradeMode.FULL, **terms):
    spec = attrs.evolve(usual_spec("EURUSD"), stops_level=stops_level, freeze_level=freeze_level, trade_mode=trade_mode)
    account = PaperAccount(Terms(**terms), [spec], symbol_terms)
    tick(account, 1.08500, 1.08510)
    return account


def tick(account, bid, ask, time_msc=1000):
    return list(account.tick(Quote("EURUSD", bid, ask, time_msc)))


def ask(account, side, kind, price, tag="t", volume="0.1", **more):
    level = None if price is None else Decimal(price)
    order = Open(ORIGIN, "demo", "EURUSD", Decimal(volume), side, order_type=kind, price=level, **more)
    return account.open(order, tag)


def place(account, side, kind, price, **more):
    outcome = ask(account, side, kind, price, **more)
    assert isinstance(outcome, Placed), outcome
    return outcome.order


def refused(outcome, code):
    assert isinstance(outcome, Refused), outcome
    assert outcome.retcode == code, outcome
    return outcome.comment


def test_an_order_that_waits_says_so():
    """No deal and no price, the order's volume, and its number as ticket; nothing is open and no margin held."""
    account = make()
    outcome = ask(account, BUY, LIMIT, "1.084", sl=Decimal("1.083"), expiration=2.5, comment="dip")
    number = outcome.order
    assert outcome == Placed(
        retcode=10009,
        order=number,
        ticket=number,
        volume=Decimal("0.1"),
        sl=Decimal("1.08300"),
        comment="Request executed",
        pending=True,
    )
    assert account.orders() == (
        PendingOrder(
            ticket=number,
            symbol="EURUSD",
            side=BUY,
            order_type=LIMIT,
            volume=Decimal("0.1"),
            price=Decimal("1.08400"),
            time_msc=1000,
            sl=Decimal("1.08300"),
            expiration_msc=2500,
            magic=7,
            comment="dip",
            tag="t",
        ),
    )
    assert (account.positions(), account.deals, account.margin) == ((), (), 0)
    assert account.find("t") == outcome


@pytest.mark.parametrize(
    ("side", "kind", "price", "quiet", "activating", "filled"),
    [
        # A buy looks at the ask, and the bid may be far below.
        (BUY, LIMIT, "1.08400", (1.08301, 1.08401), (1.08390, 1.08400), "1.08400"),
        (BUY, STOP, "1.08600", (1.08589, 1.08599), (1.08500, 1.08600), "1.08600"),
        # A sell looks at the bid.
        (SELL, LIMIT, "1.08600", (1.08599, 1.08699), (1.08600, 1.08610), "1.08600"),
        (SELL, STOP, "1.08400", (1.08401, 1.08402), (1.08400, 1.08410), "1.08400"),
        # Over a gap a limit is better than its price and a stop worse.
        (BUY, LIMIT, "1.08400", (1.08401, 1.08401), (1.08300, 1.08310), "1.08310"),
        (BUY, STOP, "1.08600", (1.08500, 1.08510), (1.08700, 1.08710), "1.08710"),
        (SELL, LIMIT, "1.08600", (1.08500, 1.08510), (1.08700, 1.08710), "1.08700"),
        (SELL, STOP, "1.08400", (1.08500, 1.08510), (1.08300, 1.08310), "1.08300"),
    ],
)
def test_an_order_activates_on_its_side_of_the_spread_at_the_market(side, kind, price, quiet, activating, filled):
    """A point before nothing happens; at the price the order becomes a position with its number."""
    account = make()
    number = place(account, side, kind, price)
    assert tick(account, *quiet) == []
    (deal,) = tick(account, *activating, time_msc=2000)
    assert (deal.entry, deal.side, deal.order, deal.position) == (Entry.IN, side, number, number)
    assert (deal.price, deal.time_msc, deal.cause, deal.magic) == (Decimal(filled), 2000, Cause.CLIENT, 7)
    assert account.orders() == ()
    (position,) = account.positions()
    assert (position.ticket, position.price_open) == (number, Decimal(filled))
    found = account.find("t")
    assert (found.pending, found.deal, found.price, found.ticket) == (False, deal.ticket, Decimal(filled), number)
    assert account.records[number].state is OrderState.FILLED
    assert tick(account, *activating) == []


@pytest.mark.parametrize(
    ("side", "kind", "price"),
    [
        (BUY, LIMIT, "1.08510"),
        (BUY, LIMIT, "1.08600"),
        (BUY, STOP, "1.08510"),
        (BUY, STOP, "1.08400"),
        (SELL, LIMIT, "1.08500"),
        (SELL, LIMIT, "1.08400"),
        (SELL, STOP, "1.08500"),
        (SELL, STOP, "1.08600"),
        (BUY, LIMIT, None),
        (BUY, STOP, "0"),
    ],
)
def test_an_order_on_the_wrong_side_of_the_market_is_refused(side, kind, price):
    """10015, also at the market itself and without a price; the comment has both prices."""
    comment = refused(ask(make(), side, kind, price), Retcode.INVALID_PRICE)
    if price not in (None, "0"):
        assert str(Decimal(price)) in comment
        assert ("1.08510" if side is BUY else "1.08500") in comment


def test_the_stops_level_counts_from_the_market_and_for_stops_from_the_order():
    """10015 for the order's price and 10016 for its stops; exactly the level is far enough."""
    account = make(stops_level=20)
    refused(ask(account, BUY, LIMIT, "1.08491"), Retcode.INVALID_PRICE)
    place(account, BUY, LIMIT, "1.08490")
    near = Decimal("1.08381")
    assert "order's price" in refused(ask(account, BUY, LIMIT, "1.084", sl=near), Retcode.INVALID_STOPS)
    # Below the market and above the order: right for a position, wrong for the order.
    refused(ask(account, BUY, LIMIT, "1.084", sl=Decimal("1.0845")), Retcode.INVALID_STOPS)
    refused(ask(account, SELL, STOP, "1.084", tp=Decimal("1.0845")), Retcode.INVALID_STOPS)
    place(account, BUY, LIMIT, "1.084", sl=Decimal("1.08380"), tp=Decimal("1.08420"))


@pytest.mark.parametrize("expiration", [1.0, 0.5, -5.0, float("nan"), float("inf"), 1e300])
def test_an_expiration_lies_ahead(expiration):
    """10022 for now, for the past, and for what is no time."""
    comment = refused(ask(make(), BUY, LIMIT, "1.084", expiration=expiration), Retcode.INVALID_EXPIRATION)
    assert "use" in comment


def test_a_market_order_has_no_expiration():
    """10022 rather than ignored."""
    refused(ask(make(), BUY, OrderType.MARKET, None, expiration=99.0), Retcode.INVALID_EXPIRATION)


@pytest.mark.parametrize("by_tick", [True, False])
def test_an_expired_order_is_gone_at_its_moment(by_tick):
    """By a tick, also one that would have filled it, or by time alone; history and tag say why."""
    account = make()
    number = place(account, BUY, LIMIT, "1.084", expiration=60.0)
    assert tick(account, 1.0850, 1.0851, time_msc=59_999) == []
    assert len(account.orders()) == 1
    assert (tick(account, 1.083, 1.083, 60_000) if by_tick else list(account.pass_time(60_000))) == []
    assert account.orders() == ()
    record = account.records[number]
    assert (record.state, record.done_msc) == (OrderState.EXPIRED, 60_000)
    assert "1970-01-01T00:01:00.000Z" in record.comment
    found = account.find("t")
    assert (found.pending, found.volume, found.deal, found.comment) == (False, 0, 0, record.comment)
    assert isinstance(account.cancel(Cancel(ORIGIN, "demo", number), "c"), Refused)


def test_a_bad_tick_lets_no_time_pass():
    """A crossed quote changes nothing, also when it is of a later time."""
    account = make()
    place(account, BUY, LIMIT, "1.084", expiration=60.0)
    with pytest.raises(ValueError, match="not prices"):
        tick(account, 2.0, 1.0, time_msc=90_000)
    assert len(account.orders()) == 1
    assert account.time_msc == 1000


def test_margin_is_asked_for_at_placing():
    """10019 for what the account could not carry now; the order holds nothing while it waits."""
    account = make()
    assert "more margin" in refused(ask(account, BUY, LIMIT, "1.084", volume="9.3"), Retcode.NO_MONEY)
    place(account, BUY, LIMIT, "1.084", volume="9.2")
    place(account, BUY, LIMIT, "1.084", volume="9.2")
    assert account.margin == 0


def test_margin_is_asked_for_again_at_activation():
    """The second of two orders finds no money: it is deleted, and says so in the history and to its tag."""
    account = make(stop_out_percent=Decimal(0))
    first = place(account, BUY, LIMIT, "1.084", volume="9", tag="a")
    second = place(account, BUY, LIMIT, "1.084", volume="9", tag="b")
    (deal,) = tick(account, 1.08390, 1.08400)
    assert deal.order == first
    record = account.records[second]
    assert record.state is OrderState.REJECTED
    assert "10019" in record.comment
    assert account.find("b").comment == record.comment
    assert account.orders() == ()


def test_one_tick_does_what_it_triggers_by_ticket():
    """Positions and orders alike, oldest first."""
    account = make()
    stop = place(account, SELL, STOP, "1.08400", tag="a")
    held = account.open(Open(ORIGIN, "demo", "EURUSD", Decimal("0.1"), BUY, sl=Decimal("1.08450")), "b").ticket
    limit = place(account, BUY, LIMIT, "1.08420", tag="c")
    deals = tick(account, 1.08390, 1.08400)
    assert [deal.position for deal in deals] == [stop, held, limit]
    assert [deal.cause for deal in deals] == [Cause.CLIENT, Cause.SL, Cause.CLIENT]


def test_a_position_opened_by_a_tick_meets_its_stops_at_the_next():
    """Behind a gap its stop loss may already be passed: the next tick closes it, at the same price, too."""
    account = make()
    place(account, BUY, LIMIT, "1.08400", sl=Decimal("1.08350"))
    (opened,) = tick(account, 1.08300, 1.08310)
    assert opened.entry is Entry.IN
    (closed,) = tick(account, 1.08300, 1.08310)
    assert closed.cause is Cause.SL


def test_a_change_keeps_what_it_does_not_name():
    """Price, stops and expiration one by one; 0 removes."""
    account = make()
    number = place(account, BUY, LIMIT, "1.084", sl=Decimal("1.083"), expiration=60.0)
    changed = account.modify(Modify(ORIGIN, "demo", number, new_price=Decimal("1.0845")), "m")
    assert isinstance(changed, Placed)
    assert (changed.pending, changed.order, changed.sl) == (True, number, Decimal("1.08300"))
    account.modify(Modify(ORIGIN, "demo", number, new_tp=Decimal("1.09"), new_expiration=90.0), "m2")
    (order,) = account.orders()
    assert (order.price, order.sl, order.tp, order.expiration_msc) == (
        Decimal("1.08450"),
        Decimal("1.08300"),
        Decimal("1.09000"),
        90_000,
    )
    account.modify(Modify(ORIGIN, "demo", number, new_sl=Decimal(0), new_tp=Decimal(0), new_expiration=0.0), "m3")
    (order,) = account.orders()
    assert (order.sl, order.tp, order.expiration_msc) == (None, None, None)
    tick(account, 1.0850, 1.0851, time_msc=10**9)
    assert len(account.orders()) == 1
    (deal,) = tick(account, 1.0844, 1.0845, time_msc=10**9)
    assert deal.price == Decimal("1.08450")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, Retcode.NO_CHANGES),
        ({"new_price": "1.0840"}, Retcode.NO_CHANGES),
        ({"new_sl": "1.083"}, Retcode.NO_CHANGES),
        ({"new_price": "0"}, Retcode.INVALID_PRICE),
        ({"new_price": "1.08600"}, Retcode.INVALID_PRICE),
        ({"new_price": "1.084005"}, Retcode.INVALID_PRICE),
        ({"new_price": "NaN"}, Retcode.INVALID_PRICE),
        ({"new_sl": "1.0841"}, Retcode.INVALID_STOPS),
        # The price moves to where the old stop loss is no stop loss.
        ({"new_price": "1.0829"}, Retcode.INVALID_STOPS),
        ({"new_expiration": 0.5}, Retcode.INVALID_EXPIRATION),
        ({"new_expiration": float("nan")}, Retcode.INVALID_EXPIRATION),
    ],
)
def test_a_change_that_can_not_be_is_refused(change, code):
    """And the order stays as it was."""
    account = make()
    number = place(account, BUY, LIMIT, "1.084", sl=Decimal("1.083"))
    before = account.orders()
    levels = {key: Decimal(value) if isinstance(value, str) else value for key, value in change.items()}
    refused(account.modify(Modify(ORIGIN, "demo", number, **levels), "m"), code)
    assert account.orders() == before
    assert account.find("m") is None


def test_a_position_has_no_price_to_change():
    """10013: price and expiration are for pending orders."""
    account = make()
    ticket = account.open(Open(ORIGIN, "demo", "EURUSD", Decimal("0.1"), BUY), "t").ticket
    for change in ({"new_price": Decimal("1.09")}, {"new_expiration": 99.0}):
        refused(account.modify(Modify(ORIGIN, "demo", ticket, **change), "m"), Retcode.INVALID)


def test_a_cancelled_order_leaves_a_record_and_never_fills():
    """Its tag says that it ended without a fill; to cancel it again is refused with what became of it."""
    account = make()
    number = place(account, BUY, LIMIT, "1.084")
    outcome = account.cancel(Cancel(ORIGIN, "demo", number), "c")
    assert outcome == Placed(
        retcode=10009, order=number, ticket=number, volume=Decimal("0.1"), comment="Request executed"
    )
    assert account.find("c") == outcome
    assert account.records[number].state is OrderState.CANCELED
    assert account.find("t").volume == 0
    assert tick(account, 1.08, 1.08) == []
    assert "canceled" in refused(account.cancel(Cancel(ORIGIN, "demo", number), "c2"), Retcode.INVALID)
    refused(account.cancel(Cancel(ORIGIN, "demo", 42), "c3"), Retcode.INVALID)
    refused(account.modify(Modify(ORIGIN, "demo", number, new_price=Decimal("1.08")), "m"), Retcode.POSITION_CLOSED)


def test_a_filled_order_can_not_be_cancelled():
    """10023: its state has changed meanwhile (10041 would say that its activation was rejected)."""
    account = make()
    number = place(account, BUY, LIMIT, "1.084")
    tick(account, 1.084, 1.084)
    assert "filled" in refused(account.cancel(Cancel(ORIGIN, "demo", number), "c"), Retcode.ORDER_CHANGED)


def test_no_more_orders_wait_than_the_account_allows():
    """10033 with both numbers; one that ends makes room."""
    account = make(max_pending_orders=2)
    first = place(account, BUY, LIMIT, "1.084", tag="a")
    place(account, SELL, LIMIT, "1.086", tag="b")
    assert "2" in refused(ask(account, BUY, LIMIT, "1.083", tag="c"), Retcode.LIMIT_ORDERS)
    account.cancel(Cancel(ORIGIN, "demo", first), "x")
    place(account, BUY, LIMIT, "1.083", tag="d")


def test_what_the_market_is_about_to_reach_is_frozen():
    """10029 within the freeze level, for an order's change and cancellation; a point beyond it is free."""
    account = make(freeze_level=30)
    number = place(account, BUY, LIMIT, "1.08480")
    assert "30" in refused(account.cancel(Cancel(ORIGIN, "demo", number), "c"), Retcode.FROZEN)
    refused(account.modify(Modify(ORIGIN, "demo", number, new_price=Decimal("1.084")), "m"), Retcode.FROZEN)
    tick(account, 1.08501, 1.08511)
    assert isinstance(account.cancel(Cancel(ORIGIN, "demo", number), "c"), Placed)


@pytest.mark.parametrize(("side", "stop"), [(BUY, {"sl": "1.084"}), (BUY, {"tp": "1.086"}), (SELL, {"tp": "1.084"})])
def test_a_position_near_its_stop_is_frozen(side, stop):
    """10029 for a change, a close and a part of one; its stop still triggers."""
    account = make(freeze_level=30)
    stops = {key: Decimal(value) for key, value in stop.items()}
    ticket = account.open(Open(ORIGIN, "demo", "EURUSD", Decimal("0.2"), side, **stops), "t").ticket
    (level,) = stops.values()
    away = Decimal("0.0003") if level < Decimal("1.085") else Decimal("-0.0003")
    tick(account, float(level + away), float(level + away))
    refused(account.close(Close(ORIGIN, "demo", "", ticket), "c"), Retcode.FROZEN)
    refused(account.close(Close(ORIGIN, "demo", "", ticket, Decimal("0.1")), "c"), Retcode.FROZEN)
    refused(account.modify(Modify(ORIGIN, "demo", ticket, new_sl=Decimal(0), new_tp=Decimal(0)), "m"), Retcode.FROZEN)
    (deal,) = tick(account, float(level), float(level))
    assert deal.position == ticket


def test_slippage_is_for_stop_orders_and_not_for_limits():
    """A stop order is a market order once it is reached; a limit never gets worse than its price."""
    account = make(symbol_terms={"EURUSD": SymbolTerms(slippage_points=50)}, execution_seed=3)
    place(account, BUY, LIMIT, "1.084", tag="limit")
    place(account, BUY, STOP, "1.086", tag="stop")
    (limit,) = tick(account, 1.0839, 1.0840)
    assert limit.price == Decimal("1.08400")
    (stop,) = tick(account, 1.0859, 1.0860)
    assert Decimal("1.08600") < stop.price <= Decimal("1.08650")


def test_outside_the_session_nothing_is_placed_and_nothing_triggers():
    """10018; what was due meanwhile is filled by the first tick of the next session."""
    hours = {"EURUSD": SymbolTerms(sessions=weekly({"mon-fri": "00:00-24:00"}))}
    account = make(symbol_terms=hours)
    number = place(account, BUY, LIMIT, "1.084")
    tick(account, 1.0850, 1.0851, time_msc=SUNDAY_MSC)
    assert tick(account, 1.0830, 1.0831, time_msc=SUNDAY_MSC) == []
    assert len(account.orders()) == 1
    refused(ask(account, BUY, LIMIT, "1.08"), Retcode.MARKET_CLOSED)
    refused(account.cancel(Cancel(ORIGIN, "demo", number), "c"), Retcode.MARKET_CLOSED)
    refused(account.modify(Modify(ORIGIN, "demo", number, new_price=Decimal("1.08")), "m"), Retcode.MARKET_CLOSED)
    (deal,) = tick(account, 1.0829, 1.0830, time_msc=SUNDAY_MSC + 86_400_000)
    assert deal.price == Decimal("1.08300")


def test_a_symbol_that_may_only_be_closed_takes_no_orders():
    """10044 for an order that would open."""
    refused(ask(make(trade_mode=TradeMode.CLOSE_ONLY), BUY, LIMIT, "1.084"), Retcode.CLOSE_ONLY)
