"""Books: what deals explain is written down, what they don't is drift, and no data is no news."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.domain.accounts import Account, Cause, Deal, Entry, PendingOrder, Position, Sample
from quantmind.domain.books import GRACE_S, Books, Comparison, Explained, adopt_flagged, compare
from quantmind.domain.orders import OrderType, Side

LATEST_S = GRACE_S - 0.5
"""So late deals may be, and no difference is taken for drift."""
ACCOUNT = Account(1, "S", "USD", 100, "hedging", *([Decimal(0)] * 5))


def position(ticket: int, volume: str = "0.10", side: Side = Side.BUY, **more: Any) -> Position:
    return Position(
        ticket, "EURUSD", side, Decimal(volume), Decimal("1.1"), Decimal("1.1"), Decimal(0), time_msc=1, **more
    )


def deal(ticket: int, of: int, volume: str = "0.10", side: Side = Side.BUY, **more: Any) -> Deal:
    given: dict[str, Any] = {"entry": Entry.IN, "cause": Cause.CLIENT, "order": of, **more}
    return Deal(
        ticket=ticket,
        position=of,
        symbol="EURUSD",
        side=side,
        volume=Decimal(volume),
        price=Decimal("1.1"),
        profit=Decimal(0),
        time_msc=ticket,
        **given,
    )


def pending(ticket: int, price: str = "1.05", **more: Any) -> PendingOrder:
    return PendingOrder(ticket, "EURUSD", Side.BUY, OrderType.LIMIT, Decimal("0.10"), Decimal(price), 1, **more)


def sample(at: float, positions: Sequence[Position] = (), orders: Sequence[PendingOrder] = ()) -> Sample:
    return Sample("demo", ACCOUNT, positions, orders, at)


@attrs.define
class Keeper:
    """Applies comparisons one after the other, as the actor does."""

    adopt: bool = True
    books: Books = attrs.field(factory=Books)
    known: set[int] = attrs.field(factory=set)

    def look(self, seen: Sample, deals: Sequence[Deal] = (), read_at: float | None = None, **why: str) -> Comparison:
        new = [item for item in deals if item.ticket not in self.known]
        explained = {item.ticket: Explained(why.get(f"d{item.ticket}", "order"), item.tag or None) for item in new}
        found = compare(
            self.books,
            seen,
            new,
            explained,
            now=seen.taken_at,
            deals_read_at=seen.taken_at + 0.1 if read_at is None else read_at,
            adopt=self.adopt,
        )
        self.books = found.books
        if found.books.begun:
            self.known |= {item.ticket for item in new}
        return found

    def begin(self, positions: Sequence[Position] = (), orders: Sequence[PendingOrder] = ()) -> Comparison:
        self.look(sample(0.0, positions, orders), read_at=0.5)
        return self.look(sample(1.0, positions, orders), read_at=0.5)


def told(found: Comparison) -> list[tuple[str, int, str]]:
    return [(change.kind, change.ticket, change.cause) for change in found.changes]


def test_what_is_there_at_first_is_taken_over() -> None:
    """Positions, orders and the history of an account that was never seen are adopted, once, and are no drift."""
    keeper = Keeper()
    history = [deal(1, 5, "0.30"), deal(2, 5, "0.20", Side.SELL, entry=Entry.OUT)]
    here = ([position(5)], [pending(9)])
    assert told(keeper.look(sample(0.0, *here), history, read_at=0.5)) == []
    found = keeper.look(sample(1.0, *here), history, read_at=0.5)
    assert told(found) == [
        ("deal", 1, "adopted"),
        ("deal", 2, "adopted"),
        ("position", 5, "adopted"),
        ("order", 9, "adopted"),
    ]
    for at in range(2, 20):
        assert keeper.look(sample(at, *here), history).changes == ()
    assert keeper.books.agree


def test_it_begins_only_when_no_deal_can_be_missing() -> None:
    """An account that changes while its deals are read is looked at again."""
    keeper = Keeper()
    keeper.look(sample(0.0, [position(5)]), read_at=0.5)
    keeper.look(sample(1.0, [position(5), position(6)]), read_at=0.5)
    assert not keeper.books.begun
    keeper.look(sample(2.0, [position(5), position(6)]), read_at=0.5)  # the deals were read before both
    assert not keeper.books.begun
    keeper.look(sample(3.0, [position(5), position(6)]), read_at=2.5)
    assert keeper.books.begun


def test_a_fill_is_explained_by_its_deal() -> None:
    """A position is written down with where it comes from, whichever is seen first, sample or deal."""
    keeper = Keeper()
    keeper.begin()
    opened = [deal(1, 5, tag="o1")]
    assert told(keeper.look(sample(2.0), opened)) == [("deal", 1, "order")]
    found = keeper.look(sample(2.5, [position(5, tag="o1")]), opened)
    assert told(found) == [("position", 5, "order")]
    assert found.changes[0].order_id == "o1"
    assert told(keeper.look(sample(3.0), opened)) == []
    closed = [*opened, deal(2, 5, side=Side.SELL, entry=Entry.OUT, cause=Cause.SL)]
    found = keeper.look(sample(3.5), closed, d2="sl")
    assert told(found) == [("deal", 2, "sl"), ("position", 5, "sl")]
    assert found.changes[1].item is None
    assert keeper.books.agree


def test_a_reversal_on_a_netting_account_is_explained() -> None:
    """A sell of more than is long leaves a short position of the same ticket, and its one deal explains it."""
    keeper = Keeper()
    keeper.begin([position(5, "0.10")])
    turned = [deal(1, 5, "0.30", Side.SELL, entry=Entry.INOUT)]
    found = keeper.look(sample(2.0, [position(5, "0.20", Side.SELL)]), turned)
    assert told(found) == [("deal", 1, "order"), ("position", 5, "order")]
    assert keeper.books.agree


def test_stops_and_pending_orders_are_written_down() -> None:
    """A stop that was moved, an order that came, changed, was filled or ended: each once."""
    keeper = Keeper()
    keeper.begin([position(5)])
    found = keeper.look(sample(2.0, [position(5, sl=Decimal("1.05"))], [pending(9, tag="o9")]))
    assert told(found) == [("position", 5, "changed"), ("order", 9, "order")]
    found = keeper.look(sample(3.0, [position(5, sl=Decimal("1.05"))], [pending(9, "1.06", tag="o9")]))
    assert told(found) == [("order", 9, "changed")]
    filled = [deal(1, 9, tag="o9")]
    stands = [position(5, sl=Decimal("1.05")), position(9)]
    found = keeper.look(sample(4.0, stands), filled)
    assert told(found) == [("deal", 1, "order"), ("position", 9, "order"), ("order", 9, "filled")]
    keeper.look(sample(5.0, stands, [pending(11)]), filled)
    assert told(keeper.look(sample(6.0, stands), filled)) == [("order", 11, "ended")]


def test_drift_is_told_once_and_adopted() -> None:
    """A position that no deal explains is drift after the grace, with both sides and since when; then it is ours."""
    keeper = Keeper()
    keeper.begin()
    strange = [position(5)]
    assert keeper.look(sample(2.0, strange)).drifted == ()
    assert told(keeper.look(sample(2.0 + GRACE_S - 0.1, strange))) == []
    found = keeper.look(sample(2.0 + GRACE_S, strange))
    (drift,) = found.drifted
    assert (drift.ticket, drift.ours, drift.theirs, drift.since) == (5, Decimal(0), Decimal("0.10"), 2.0)
    assert told(found) == [("position", 5, "drift")]
    found = keeper.look(sample(20.0, strange))
    assert (found.drifted, found.changes) == ((), ())
    assert keeper.books.agree


def test_drift_waits_for_deals_and_for_a_steady_difference() -> None:
    """While the deals can't be read, or the difference still changes, it may be of timing."""
    keeper = Keeper()
    keeper.begin()
    for at in (2.0, 6.0, 10.0):
        assert keeper.look(sample(at, [position(5)]), read_at=1.5).drifted == ()
    for number in range(5):
        assert keeper.look(sample(11.0 + 2 * number, [position(5, f"0.{20 + number}")])).drifted == ()


def test_flagged_drift_stays_until_a_person_adopts_it_or_it_goes() -> None:
    """With the policy `flag` nothing is taken over: it stands there once, and ends by a person or by itself."""
    keeper = Keeper(adopt=False)
    keeper.begin([position(5), position(6)])
    for at in (2.0, 2.0 + GRACE_S):
        found = keeper.look(sample(at, [position(5, "0.30")]))
    assert {drift.ticket for drift in found.drifted} == {5, 6}
    assert found.changes == ()
    assert keeper.look(sample(9.0, [position(5, "0.30")])).drifted == ()
    found = keeper.look(sample(10.0, [position(5, "0.30"), position(6)]))
    assert [drift.ticket for drift in found.settled] == [6]
    keeper.books = adopt_flagged(keeper.books)
    assert told(keeper.look(sample(11.0, [position(5, "0.30"), position(6)]))) == [("position", 5, "changed")]
    assert keeper.books.agree


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_whatever_happens_the_books_end_as_the_broker_is(data: st.DataObject) -> None:
    """Trades, late deals, restarts and samples in any order: in the end the books hold what the broker holds, each deal
    is written once, and nothing that deals explain was ever called drift."""
    keeper = Keeper()
    keeper.begin()
    there: dict[int, Decimal] = {}
    deals: list[Deal] = []
    shown = 0  # deals that can be read by now
    made: list[float] = []
    written: list[int] = []
    drifted = 0
    at = 2.0
    for _ in range(data.draw(st.integers(1, 25))):
        at += 0.5
        match data.draw(st.sampled_from(["open", "close", "part", "look", "look", "read"])):
            case "open":
                ticket = 100 + len(deals)
                there[ticket] = Decimal("0.10")
                deals.append(deal(len(deals) + 1, ticket))
            case "close" if there:
                ticket = data.draw(st.sampled_from(sorted(there)))
                volume = there.pop(ticket)
                deals.append(deal(len(deals) + 1, ticket, str(volume), Side.SELL, entry=Entry.OUT))
            case "part" if there:
                ticket = data.draw(st.sampled_from(sorted(there)))
                if there[ticket] > Decimal("0.01"):
                    there[ticket] -= Decimal("0.01")
                    deals.append(deal(len(deals) + 1, ticket, "0.01", Side.SELL, entry=Entry.OUT))
            case "read":
                shown = len(deals)
            case _:
                pass
        held = [position(ticket, str(volume)) for ticket, volume in there.items()]
        made += [at] * (len(deals) - len(made))
        shown = max(shown, sum(time <= at - LATEST_S for time in made))
        found = keeper.look(sample(at, held), deals[:shown], read_at=at + 0.1)
        drifted += len(found.drifted)
        written += [change.ticket for change in found.changes if change.kind == "deal"]
    for _ in range(3):
        at += 0.5
        held = [position(ticket, str(volume)) for ticket, volume in there.items()]
        found = keeper.look(sample(at, held), deals)
        written += [change.ticket for change in found.changes if change.kind == "deal"]
    assert sorted(written) == [item.ticket for item in deals]
    assert {ticket: shape.volume for ticket, shape in keeper.books.positions.items()} == there
    assert dict(keeper.books.volumes) == there
    assert drifted == 0
    assert keeper.books.agree
