"""Netting accounts: one position a symbol, which opposite orders reduce, close or reverse. And close by."""

from decimal import Decimal

import attrs
import pytest

from quantmind.adapters.mock import PaperAccount, Terms
from quantmind.domain.accounts import Entry
from quantmind.domain.orders import Close, Modify, Open, OrderType, Origin, Placed, Refused, Side
from quantmind.domain.quotes import Quote
from quantmind.domain.retcodes import Retcode
from quantmind.domain.symbols import TradeMode, usual_spec

BUY, SELL = Side.BUY, Side.SELL


def make(mode="netting", *, trade_mode=TradeMode.FULL, names=("EURUSD",), **terms):
    specs = [attrs.evolve(usual_spec(name), trade_mode=trade_mode) for name in names]
    account = PaperAccount(Terms(margin_mode=mode, **terms), specs)
    tick(account, 1.08500, 1.08510)
    return account


def tick(account, bid, ask, symbol="EURUSD", time_msc=1000):
    return list(account.tick(Quote(symbol, bid, ask, time_msc)))


def trade(account, side, volume="0.1", tag="t", magic=7, **more):
    outcome = account.open(Open(Origin("ea", magic), "demo", "EURUSD", Decimal(volume), side, **more), tag)
    assert isinstance(outcome, Placed), outcome
    return outcome


def refused(outcome, code):
    assert isinstance(outcome, Refused), outcome
    assert outcome.retcode == code, outcome
    return outcome.comment


def test_the_same_side_adds_at_the_mean_price():
    """One position with the first one's number, time and magic; the mean is not rounded to the symbol's digits."""
    account = make()
    first = trade(account, BUY, "0.01")
    tick(account, 1.08600, 1.08612, time_msc=2000)
    added = trade(account, BUY, "0.02", magic=8)
    assert (added.ticket, added.profit) == (first.ticket, None)
    (position,) = account.positions()
    assert (position.volume, position.time_msc, position.magic) == (Decimal("0.03"), 1000, 7)
    assert position.price_open == Decimal("1.0857800000")
    assert [deal.entry for deal in account.deals] == [Entry.IN, Entry.IN]
    tick(account, 1.08600, 1.08610)
    trade(account, BUY, "0.04")
    assert account.positions()[0].price_open == Decimal("1.0859628571")  # 7.6017400 / 7, cut at ten digits
    closed = account.close(Close(Origin("ea", 7), "demo", "", first.ticket), "c")
    # (1.08600 x 0.07 - 0.0760174) x 100,000: what the three of them make
    assert closed.profit == Decimal("0.26")


def test_the_opposite_side_reduces():
    """The rest keeps price, stops and number; the deal is of the new order and closes at its price."""
    account = make()
    held = trade(account, BUY, "0.3", sl=Decimal("1.08"))
    tick(account, 1.08610, 1.08620)
    less = trade(account, SELL, "0.1", sl=Decimal("1.09"), comment="less", magic=9)
    assert (less.ticket, less.profit, less.sl) == (held.ticket, Decimal("10.00"), Decimal("1.08000"))
    assert less.order not in (held.order, less.ticket)
    (position,) = account.positions()
    assert (position.ticket, position.volume, position.side) == (held.ticket, Decimal("0.2"), BUY)
    assert (position.price_open, position.sl, position.magic) == (Decimal("1.08510"), Decimal("1.08000"), 7)
    deal = account.deals[-1]
    assert (deal.entry, deal.side, deal.position, deal.magic, deal.comment) == (
        Entry.OUT,
        SELL,
        held.ticket,
        9,
        "less",
    )


def test_the_same_volume_closes():
    """Nothing is left, and no stops."""
    account = make()
    held = trade(account, BUY)
    gone = trade(account, SELL)
    assert (gone.ticket, gone.profit, gone.sl, gone.tp) == (held.ticket, Decimal("-1.00"), None, None)
    assert (account.positions(), account.margin) == ((), 0)
    again = trade(account, SELL)
    assert again.ticket == again.order != held.ticket


def test_more_reverses():
    """One INOUT deal of the whole volume; the position keeps its number, and has price, time and magic of the order."""
    account = make()
    held = trade(account, BUY, "0.1", sl=Decimal("1.08"), tp=Decimal("1.09"))
    tick(account, 1.08610, 1.08620, time_msc=2000)
    turned = trade(account, SELL, "0.3", tp=Decimal("1.08"), magic=9)
    assert (turned.ticket, turned.profit, turned.volume) == (held.ticket, Decimal("10.00"), Decimal("0.3"))
    assert (turned.sl, turned.tp) == (None, Decimal("1.08000"))
    (position,) = account.positions()
    assert (position.ticket, position.side, position.volume) == (held.ticket, SELL, Decimal("0.2"))
    assert (position.price_open, position.time_msc, position.magic) == (Decimal("1.08610"), 2000, 9)
    deal = account.deals[-1]
    assert (deal.entry, deal.volume, deal.side) == (Entry.INOUT, Decimal("0.3"), SELL)
    assert account.margin == Decimal("217.22")


def test_stops_are_those_of_the_newest_order_that_adds():
    """Also when it has none: they are removed, as on a server."""
    account = make()
    trade(account, BUY, sl=Decimal("1.08"))
    trade(account, BUY, sl=Decimal("1.081"), tp=Decimal("1.09"))
    assert (account.positions()[0].sl, account.positions()[0].tp) == (Decimal("1.08100"), Decimal("1.09000"))
    trade(account, BUY)
    assert (account.positions()[0].sl, account.positions()[0].tp) == (None, None)


def test_a_waiting_order_nets_when_it_fills():
    """Its tag finds the position that it met, and the profit of what it closed."""
    account = make()
    held = trade(account, BUY, "0.3")
    order = trade(account, SELL, "0.1", tag="p", order_type=OrderType.LIMIT, price=Decimal("1.086"))
    (deal,) = tick(account, 1.08600, 1.08610)
    assert (deal.order, deal.position, deal.entry) == (order.order, held.ticket, Entry.OUT)
    found = account.find("p")
    assert (found.ticket, found.profit, found.deal) == (held.ticket, Decimal("9.00"), deal.ticket)


def test_symbols_do_not_net_with_each_other():
    """Though they may be the same money."""
    account = make(names=("EURUSD", "EURUSD.r"))
    tick(account, 1.08500, 1.08510, symbol="EURUSD.r")
    trade(account, BUY)
    account.open(Open(Origin("ea", 1), "demo", "EURUSD.r", Decimal("0.1"), SELL), "r")
    assert len(account.positions()) == 2


def test_reducing_needs_no_money_and_reversing_does():
    """10019 only for what would hold more margin than before."""
    account = make(stop_out_percent=Decimal(0))
    trade(account, BUY, "9")
    tick(account, 1.07510, 1.07520)
    assert account.state().margin_free < 0
    refused(account.open(Open(Origin("ea", 1), "demo", "EURUSD", Decimal(19), SELL), "x"), Retcode.NO_MONEY)
    trade(account, SELL, "8")
    trade(account, SELL, "1.5")
    assert account.positions()[0].side is SELL


@pytest.mark.parametrize(("volume", "fine"), [("0.1", True), ("0.2", True), ("0.3", False)])
def test_close_only_lets_an_opposite_order_reduce(volume, fine):
    """And refuses one that would turn the position."""
    account = make()
    trade(account, BUY, "0.2")
    closing = make(trade_mode=TradeMode.CLOSE_ONLY)
    closing.restore(account.snapshot())
    outcome = closing.open(Open(Origin("ea", 1), "demo", "EURUSD", Decimal(volume), SELL), "x")
    assert isinstance(outcome, Placed) == fine
    if not fine:
        refused(outcome, Retcode.CLOSE_ONLY)


def test_a_close_by_ticket_and_a_change_of_stops_work_as_on_a_hedging_account():
    """Part of it, too."""
    account = make()
    ticket = trade(account, BUY, "0.3").ticket
    assert isinstance(account.modify(Modify(Origin("ea", 1), "demo", ticket, new_sl=Decimal("1.08")), "m"), Placed)
    assert account.close(Close(Origin("ea", 1), "demo", "", ticket, Decimal("0.1")), "c").volume == Decimal("0.1")
    refused(account.close(Close(Origin("ea", 1), "demo", "", ticket, Decimal("0.3")), "c"), 10038)
    assert account.positions()[0].volume == Decimal("0.2")


# --- close by, on hedging accounts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("bought", "sold"), [("0.3", "0.1"), ("0.1", "0.3"), ("0.2", "0.2")])
def test_opposite_positions_close_each_other_without_a_spread(bought, sold):
    """By the smaller volume: two OUT_BY deals at the second's opening price, whose profits are that of the pair."""
    account = make("hedging")
    long = trade(account, BUY, bought, sl=Decimal("1.08"))
    tick(account, 1.08700, 1.08720)
    short = trade(account, SELL, sold)
    volume = min(Decimal(bought), Decimal(sold))
    tick(account, 1.08100, 1.09900)
    outcome = account.close(Close(Origin("ea", 7), "demo", "EURUSD", long.ticket, by=short.ticket), "by")
    assert isinstance(outcome, Placed)
    made = (Decimal("1.08700") - Decimal("1.08510")) * volume * 100_000
    assert (outcome.profit, outcome.volume, outcome.price) == (made, volume, Decimal("1.08700"))
    first, second = account.deals[-2:]
    assert (first.entry, second.entry) == (Entry.OUT_BY, Entry.OUT_BY)
    assert (first.position, second.position) == (long.ticket, short.ticket)
    assert (first.side, second.side) == (SELL, BUY)
    assert (first.profit, second.profit, first.order) == (made, 0, second.order)
    left = {p.ticket: p.volume for p in account.positions()}
    sizes = {long.ticket: Decimal(bought) - volume, short.ticket: Decimal(sold) - volume}
    assert left == {ticket: size for ticket, size in sizes.items() if size}
    assert account.find("by") == outcome
    assert account.balance == 10_000 + made


def test_what_can_not_close_each_other_is_refused():
    """The position itself, one side twice, another symbol, what is not open, another volume, a netting account."""
    account = make("hedging", names=("EURUSD", "GBPUSD"))
    tick(account, 1.27, 1.2701, symbol="GBPUSD")
    long, other = trade(account, BUY, "0.2"), trade(account, BUY, "0.1")
    short = trade(account, SELL, "0.1")
    pound = account.open(Open(Origin("ea", 1), "demo", "GBPUSD", Decimal("0.1"), SELL), "g")

    def by(ticket, second, **more):
        return account.close(Close(Origin("ea", 1), "demo", "", ticket, by=second, **more), "by")

    before = account.snapshot()
    refused(by(long.ticket, long.ticket), Retcode.INVALID)
    assert "opposite" in refused(by(long.ticket, other.ticket), Retcode.INVALID)
    assert "GBPUSD" in refused(by(long.ticket, pound.ticket), Retcode.INVALID)
    refused(by(long.ticket, 42), Retcode.POSITION_CLOSED)
    refused(by(42, short.ticket), Retcode.POSITION_CLOSED)
    refused(by(long.ticket, short.ticket, volume=Decimal("0.05")), Retcode.INVALID_CLOSE_VOLUME)
    assert account.snapshot() == before
    netting = make()
    ticket = trade(netting, BUY).ticket
    assert "netting" in refused(
        netting.close(Close(Origin("ea", 1), "demo", "", ticket, by=ticket), "by"), Retcode.INVALID_ORDER
    )
