"""Holdings: what was executed counts at once, and a later sample is always right."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from actors.holdings import Holdings
from actors.targets import wrong_target
from quantmind.domain.accounts import Account, PendingOrder, Position, Sample, net_lots
from quantmind.domain.orders import Cancel, Close, Modify, Open, OrderType, Origin, Placed, Proposal, Side

HEDGING = Account(1, "s", "USD", 100, "hedging", *[Decimal(1000)] * 5)
NETTING = attrs.evolve(HEDGING, margin_mode="netting")
ORIGIN = Origin("alpha", 7, "r")
PRICE = Decimal("1.1")


def position(ticket: int = 11, side: Side = Side.BUY, volume: str = "1", **more: Any) -> Position:
    return Position(ticket, "EURUSD", side, Decimal(volume), *[Decimal(1)] * 2, Decimal(0), 0, **more)


def waiting(ticket: int = 21, **more: Any) -> PendingOrder:
    return PendingOrder(ticket, "EURUSD", Side.BUY, OrderType.LIMIT, Decimal(1), Decimal("1.05"), 0, **more)


def holdings(*held: Position | PendingOrder, account: Account = HEDGING, at: float = 100) -> Holdings:
    it = Holdings()
    positions = [item for item in held if isinstance(item, Position)]
    orders = [item for item in held if isinstance(item, PendingOrder)]
    it.sampled(Sample("demo", account, positions, orders, at))
    return it


def opening(side: Side = Side.BUY, volume: str = "1", **more: Any) -> Open:
    return Open(ORIGIN, "demo", "EURUSD", Decimal(volume), side, **more)


def placed(ticket: int, volume: str | None = "1", **more: Any) -> Placed:
    filled = None if volume is None else Decimal(volume)
    return Placed(10009, order=ticket, deal=5, ticket=ticket, price=PRICE, volume=filled, **more)


def test_a_pending_order_counts_at_once_and_goes_when_it_is_taken_back() -> None:
    """Placing, changing and cancelling show before any sample does."""
    it = holdings()
    limit = opening(order_type=OrderType.LIMIT, price=Decimal("1.05"), expiration=2e9)
    accepted = Placed(10009, order=21, ticket=21, volume=Decimal(1), sl=Decimal(1), pending=True)
    assert it.executed(limit, accepted, 101)
    assert it.orders[21] == waiting(sl=Decimal(1), expiration_msc=2_000_000_000_000, magic=7)
    assert it.positions == {}
    change = Modify(ORIGIN, "demo", 21, new_price=Decimal("1.04"), new_expiration=0.0)
    assert it.executed(change, Placed(10009, order=21, ticket=21, pending=True), 102)
    assert it.orders[21] == attrs.evolve(waiting(magic=7), price=Decimal("1.04"))
    assert it.executed(Cancel(ORIGIN, "demo", 21), Placed(10009, order=21, ticket=21), 103)
    assert it.orders == {}


def test_a_later_sample_is_right() -> None:
    """What was executed before a sample is forgotten, what came after it stays."""
    it = holdings(waiting(), position())
    assert it.executed(Cancel(ORIGIN, "demo", 21), Placed(10009), 101)
    assert it.executed(Close(ORIGIN, "demo", "EURUSD", 11), placed(11), 103)
    assert it.sampled(Sample("demo", HEDGING, [position()], [waiting()], 102))
    assert (list(it.orders), list(it.positions)) == ([21], [])
    assert it.sampled(Sample("demo", HEDGING, [position()], [], 104))
    assert (list(it.orders), list(it.positions)) == ([], [11])
    assert not it.sampled(Sample("demo", HEDGING, [], [], 103.5))
    assert list(it.positions) == [11]
    assert it.executed(Close(ORIGIN, "demo", "EURUSD", 11), placed(11), 103.9), "the sample shows it already"
    assert list(it.positions) == [11]


def test_a_sample_taken_meanwhile_counts_it_once() -> None:
    """Taken between order and answer, a sample shows a fill or not: what would add up waits for the next one."""
    half = Close(ORIGIN, "demo", "EURUSD", 11, Decimal("0.5"))
    for account, proposal, answer in (
        (NETTING, opening(Side.SELL), placed(30)),
        (HEDGING, half, placed(11, "0.5")),
        (HEDGING, attrs.evolve(half, volume=None, by=12), placed(11)),
        (HEDGING, attrs.evolve(half, volume=None), placed(11, "0.5")),
    ):
        it = holdings(position(), position(12, Side.SELL), account=account, at=101.5)
        assert not it.executed(proposal, answer, 102, since=101)
        assert [p.volume for p in it.positions.values()] == [1, 1]
        before = holdings(position(), position(12, Side.SELL), account=account, at=101)
        assert before.executed(proposal, answer, 102, since=101), "it was taken before, and can't show it"
        assert [p.volume for p in before.positions.values()] != [1, 1]
    for account, proposal, answer in (
        (HEDGING, opening(), placed(30)),
        (NETTING, opening(order_type=OrderType.LIMIT, price=PRICE), placed(31, pending=True)),
        (HEDGING, attrs.evolve(half, volume=None), placed(11)),
        (HEDGING, Modify(ORIGIN, "demo", 11, PRICE), placed(11, sl=PRICE)),
        (HEDGING, Cancel(ORIGIN, "demo", 21), placed(21)),
    ):
        it = holdings(position(), waiting(), account=account, at=101.5)
        assert it.executed(proposal, answer, 102, since=101), "a state, which is the same twice"


def test_close_by_takes_the_smaller_volume_from_both() -> None:
    """The smaller of two opposite positions goes, the larger keeps the rest."""
    it = holdings(position(11, volume="0.3"), position(12, Side.SELL, "0.5"))
    assert it.executed(Close(ORIGIN, "demo", "EURUSD", 11, by=12), placed(11, "0.3"), 101)
    assert [(p.ticket, p.volume) for p in it.positions.values()] == [(12, Decimal("0.2"))]


def test_what_cannot_be_told() -> None:
    """A ticket that is not here, or an answer without ticket or price, is left to the next sample."""
    it = holdings(position())
    assert not it.executed(Close(ORIGIN, "demo", "EURUSD", 99), placed(99), 101)
    assert not it.executed(Close(ORIGIN, "demo", "EURUSD", 11, by=99), placed(11), 101)
    assert not it.executed(Modify(ORIGIN, "demo", 99, Decimal(1)), placed(99), 101)
    assert not it.executed(opening(), Placed(10009), 101)
    assert not it.executed(opening(), Placed(10009, ticket=5), 101)
    assert list(it.positions) == [11]


@given(st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 5)), min_size=1, max_size=12))
def test_netting_keeps_one_position(deals: list[tuple[Side, int]]) -> None:
    """Whatever is traded, a netting account has one position a symbol, and it is the sum."""
    it, net = holdings(account=NETTING), 0
    for number, (side, lots) in enumerate(deals):
        net += lots * side.sign
        assert it.executed(opening(side, str(lots)), placed(30 + number, str(lots)), 101 + number)
        held = list(it.positions.values())
        assert len(held) == (net != 0)
        assert net_lots(held, "EURUSD") == net


def test_netting_stops_and_prices() -> None:
    """Adding means the price and keeps stops that the order does not name; turning round takes the deal's."""
    it = holdings(position(sl=Decimal("0.9")), account=NETTING)
    it.executed(opening(), placed(30), 101)
    added = attrs.evolve(position(volume="2", sl=Decimal("0.9")), price_open=Decimal("1.05"))
    assert it.positions == {11: added}
    it.executed(opening(Side.SELL, "3"), placed(31, "3", tp=Decimal("0.8")), 102)
    (turned,) = it.positions.values()
    assert (turned.side, turned.volume, turned.price_open, turned.sl, turned.tp) == (
        Side.SELL,
        Decimal(1),
        PRICE,
        None,
        Decimal("0.8"),
    )


def test_targets() -> None:
    """A symbol or ticket that is missing, or of the wrong kind, is an answer that says where to look."""
    it = holdings(position(), position(12, Side.SELL), waiting())

    def wrong(proposal: Proposal, at: Holdings = it, *, must_exist: bool = True) -> tuple[str, str] | None:
        reply = wrong_target(proposal, at, {"EURUSD": 1}, must_exist=must_exist)
        return None if reply is None else (reply["code"], reply["message"])

    for fine in (
        opening(),
        Close(ORIGIN, "demo", "EURUSD", 11),
        Close(ORIGIN, "demo", "EURUSD", 11, by=12),
        Modify(ORIGIN, "demo", 11, Decimal(1)),
        Modify(ORIGIN, "demo", 21, new_price=Decimal(1)),
        Cancel(ORIGIN, "demo", 21),
    ):
        assert wrong(fine) is None
    for proposal, code, words in (
        (attrs.evolve(opening(), symbol="XAUUSD"), "unknown_symbol", "/symbols"),
        (Close(ORIGIN, "demo", "EURUSD", 99), "unknown_ticket", "/positions"),
        (Close(ORIGIN, "demo", "EURUSD", 11, by=99), "unknown_ticket", "99"),
        (Close(ORIGIN, "demo", "EURUSD", 21), "unknown_ticket", "trade_cancel"),
        (Close(ORIGIN, "demo", "GBPUSD", 11), "invalid_message", "EURUSD"),
        (Cancel(ORIGIN, "demo", 11), "unknown_ticket", "trade_close"),
        (Cancel(ORIGIN, "demo", 99), "unknown_ticket", "/orders"),
        (Modify(ORIGIN, "demo", 99, Decimal(1)), "unknown_ticket", "/positions"),
        (Modify(ORIGIN, "demo", 11, new_price=Decimal(1)), "invalid_message", "pending"),
        (Modify(ORIGIN, "demo", 11, new_expiration=0.0), "invalid_message", "pending"),
    ):
        found = wrong(proposal)
        assert found is not None
        assert found[0] == code
        assert words in found[1]
        if code == "unknown_ticket":
            assert wrong(proposal, must_exist=False) is None, "an EA may see what we can't"
    nothing = wrong(Cancel(ORIGIN, "demo", 1), Holdings())
    assert nothing is not None
    assert nothing[0] == "broker_unavailable"
