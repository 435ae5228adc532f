"""The stops that are wanted: handed on from orders to positions, and gone with them."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from pathlib import Path

import attrs
import pytest

from quantmind.adapters.binance.carried import MOST, Carried, CarriedFile, CarriedFileError
from quantmind.adapters.binance.names import Role, client_id, tag_number
from quantmind.adapters.binance.orders_kept import OrdersKept
from quantmind.adapters.binance.records import Fill, Order
from quantmind.adapters.binance.walk import Walk, mark_of, told_of
from quantmind.adapters.binance.wishes import Wishes
from quantmind.domain.orders import Side

D = Decimal
SLOT = ("BTCUSDT", "BOTH")


@attrs.define
class Account:
    """A walk, orders and wishes, as a book has them."""

    file: CarriedFile = attrs.field(factory=lambda: CarriedFile.open(None))
    walk: Walk = attrs.field(factory=lambda: Walk(*SLOT, D("0.001"), lambda each: D(0)))
    orders: OrdersKept = attrs.field(factory=OrdersKept)
    wishes: Wishes = attrs.field(init=False)
    trades: int = 0

    def __attrs_post_init__(self) -> None:
        self.wishes = Wishes(self.file)

    def order(self, tag: str, amount: str, sl: str = "0", tp: str = "0") -> None:
        """An order is sent, and waits."""
        self.wishes.order(Carried(tag_number(tag), *SLOT, tag=tag, by=tag, sl=D(sl), tp=D(tp), waits=True))
        self.say(tag, amount, "0", "NEW")

    def say(self, tag: str, amount: str, filled: str, status: str) -> None:
        """The exchange says how an order stands."""
        side = Side.BUY if D(amount) > 0 else Side.SELL
        number = sum(tag.encode())
        named = client_id(Role.ORDER, tag)
        self.orders.take(Order("BTCUSDT", number, named, side, "LIMIT", status, abs(D(amount)), D(filled)))
        self.wishes.settle({SLOT: self.walk}, self.orders, partial(told_of, [self.walk]))

    def fill(self, tag: str, amount: str, *, whole: bool = True, role: Role = Role.ORDER) -> None:
        """An order fills."""
        self.trades += 1
        side = Side.BUY if D(amount) > 0 else Side.SELL
        named = client_id(role, tag)
        number = sum(tag.encode())
        one = Fill("BTCUSDT", self.trades, number, side, D(100), abs(D(amount)), D(0), "", self.trades, client_id=named)
        deal = self.walk.take(one)
        assert deal is not None
        self.wishes.traded(SLOT, deal, mark_of(one))
        if whole:
            done = Order("BTCUSDT", number, named, side, "LIMIT", "FILLED", abs(D(amount)), abs(D(amount)))
            self.orders.take(done)
        self.wishes.settle({SLOT: self.walk}, self.orders, partial(told_of, [self.walk]))

    @property
    def position(self) -> Carried | None:
        return self.file.position(*SLOT)


def test_a_position_has_the_wishes_of_the_order_that_opened_it() -> None:
    """And keeps them until it is closed."""
    account = Account()
    account.order("a", "1", sl="90", tp="120")
    assert account.position is None
    account.fill("a", "1")
    position = account.position
    assert position is not None
    assert (position.sl, position.tp, position.by, position.waits) == (D(90), D(120), "a", False)
    account.fill("b", "-1", role=Role.CLOSE)
    assert not account.file.items


def test_an_order_that_makes_it_larger_brings_its_own_wishes_or_none() -> None:
    """A stop that is there is not lost because a later order had none."""
    account = Account()
    account.order("a", "1", sl="90")
    account.fill("a", "1")
    account.order("b", "1")
    account.fill("b", "1")
    assert account.position is not None
    assert account.position.sl == D(90)
    account.order("c", "1", sl="95")
    account.fill("c", "1")
    assert (account.position.sl, account.position.by, len(account.file.items)) == (D(95), "c", 1)


def test_a_position_that_was_turned_has_no_stops_of_the_other_side() -> None:
    """A stop loss below a short position would be none."""
    account = Account()
    account.order("a", "1", sl="90")
    account.fill("a", "1")
    account.order("b", "-2")
    account.fill("b", "-2")
    assert account.position is not None
    assert (account.position.sl, account.position.amount) == (D(0), D(-1))


def test_wishes_that_were_changed_stay_while_the_order_fills_on() -> None:
    """The order hands them on once."""
    account = Account()
    account.order("a", "2", sl="90")
    account.fill("a", "1", whole=False)
    account.wishes.position(tag_number("a"), D(95), D(0), "change", 0.0)
    account.fill("a", "1")
    assert account.position is not None
    assert (account.position.sl, account.position.by) == (D(95), "change")


def test_the_rest_of_an_order_has_its_wishes_when_its_position_was_closed() -> None:
    """It waits on, and what it opens later is protected as well."""
    account = Account()
    account.order("a", "2", sl="90")
    account.say("a", "2", "1", "PARTIALLY_FILLED")
    account.fill("a", "1", whole=False)
    account.fill("x", "-1", role=Role.CLOSE)
    wish = account.wishes.of_order(tag_number("a"))
    assert wish is not None
    assert (wish.waits, wish.sl) == (True, D(90))
    account.fill("a", "1")
    assert account.position is not None
    assert account.position.sl == D(90)


def test_an_order_that_is_over_takes_its_wishes_along() -> None:
    """Nothing is kept of what never was."""
    account = Account()
    account.order("a", "1", sl="90")
    account.say("a", "1", "0", "CANCELED")
    assert not account.file.items


def test_what_is_wanted_survives_the_process(tmp_path: Path) -> None:
    """Also of an order that filled while nobody was there: the walk hands its wishes on when it is read."""
    path = tmp_path / "positions"
    Account(CarriedFile.open(path)).order("a", "1", sl="90")
    again = Account(CarriedFile.open(path))
    again.fill("a", "1")
    assert again.position is not None
    assert again.position.sl == D(90)


def test_a_file_that_can_t_be_written_changes_nothing(tmp_path: Path) -> None:
    """The order must not go out, and what was wanted before still is."""
    file = CarriedFile.open(tmp_path / "none" / "positions")
    with pytest.raises(CarriedFileError, match="can't be written"):
        file.keep(Carried(1, *SLOT))
    assert not file.items
    assert file.fault is not None


def test_it_is_bounded() -> None:
    """The oldest go first."""
    file = CarriedFile.open(None)
    file.keep(*(Carried(number, *SLOT, waits=True) for number in range(1, MOST + 10)))
    assert len(file.items) == MOST
    assert 1 not in file.items
