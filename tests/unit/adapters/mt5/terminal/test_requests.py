"""What is asked of a terminal: a server does exactly what was meant, or it was refused here with the server's code."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.adapters.mock import PaperAccount, Terms
from quantmind.adapters.mock.terminal_view import TerminalView
from quantmind.adapters.mt5.terminal.books import Names, pending_of, position_of
from quantmind.adapters.mt5.terminal.requests import (
    Market,
    Request,
    cancel_request,
    close_by_request,
    close_request,
    modify_request,
    open_request,
    stops_request,
)
from quantmind.adapters.mt5.terminal.server_clock import ServerClock, parse_server_zone
from quantmind.adapters.mt5.terminal.symbols import named
from quantmind.domain.accounts import PendingOrder, Position
from quantmind.domain.orders import Cancel, Close, Filling, Modify, Open, OrderType, Origin, Refused, Side
from quantmind.domain.quotes import Quote
from quantmind.domain.retcodes import SUCCESSES, Retcode
from quantmind.domain.symbols import Execution, SymbolSpec, TradeMode, usual_spec

OFFSET_S = 7200
NOW_MSC = 1_795_424_400_000
ORIGIN = Origin("tests", 77)
TAG = "0123456789abcdef"


def D(text: str) -> Decimal:  # noqa: N802 - as the class that it makes
    return Decimal(text)


@attrs.define(eq=False)
class World:
    """A paper account as a server, and what the adapter would know of it."""

    spec: SymbolSpec
    mode: str = "hedging"
    account: PaperAccount = attrs.field(init=False)
    view: TerminalView = attrs.field(init=False)
    clock: ServerClock = attrs.field(factory=lambda: ServerClock(parse_server_zone("+02:00")), init=False)

    def __attrs_post_init__(self) -> None:
        self.account = PaperAccount(Terms(margin_mode=self.mode), [self.spec])
        self.view = TerminalView(self.account, OFFSET_S)
        self.price("1.10000")

    def price(self, bid: str, points: int = 10) -> None:
        low = D(bid)
        self.account.tick(Quote(self.spec.name, float(low), float(low + points * self.spec.point), NOW_MSC))

    @property
    def market(self) -> Market:
        info = self.view.symbol_info(self.spec.name)
        assert info is not None
        one = named(SimpleNamespace(**info), self.spec.name)
        return Market(one, self.account.market.quotes.get(self.spec.name))

    @property
    def names(self) -> Names:
        return Names({self.spec.name: self.spec.name}, {self.spec.name: self.spec.digits})

    def position(self) -> Position:
        (row,) = self.view.positions_get()
        return position_of(SimpleNamespace(**row), self.names, self.clock)

    def waiting(self) -> PendingOrder:
        (row,) = self.view.orders_get()
        found = pending_of(SimpleNamespace(**row), self.names, self.clock)
        assert found is not None
        return found

    def send(self, request: Request | Refused) -> Any:
        """The server's answer; it must have taken the request."""
        assert not isinstance(request, Refused), request
        result = self.view.order_send(request)
        assert result["retcode"] in SUCCESSES, (result, self.view.reason)
        return result

    def open(self, **more: Any) -> Request | Refused:
        order = Open(
            ORIGIN, "demo", self.spec.name, **{"volume": D("0.10"), "side": Side.BUY, "comment": "why", **more}
        )
        return open_request(order, self.market, TAG, self.clock)


@pytest.fixture(params=["hedging", "netting"])
def world(request: pytest.FixtureRequest) -> World:
    return World(usual_spec("EURUSD"), request.param)


def code(found: Request | Refused) -> int | None:
    """The code of a refusal, whose words must be plain."""
    if not isinstance(found, Refused):
        return None
    assert 0 < len(found.comment) <= 400
    assert found.comment.isprintable()
    return found.retcode


@pytest.mark.parametrize("side", list(Side))
def test_a_market_order(world: World, side: Side) -> None:
    """Volume, side, stops, magic number, and tag and comment in the comment."""
    sl, tp = (D("1.09000"), D("1.11000")) if side is Side.BUY else (D("1.11000"), D("1.09000"))
    world.send(world.open(side=side, sl=sl, tp=tp))
    position = world.position()
    assert (position.side, position.volume, position.sl, position.tp) == (side, D("0.1"), sl, tp)
    assert (position.magic, position.tag, position.comment) == (77, TAG, "why")


@pytest.mark.parametrize(("kind", "price"), [(OrderType.LIMIT, "1.09000"), (OrderType.STOP, "1.11000")])
@pytest.mark.parametrize("side", list(Side))
def test_an_order_that_waits(world: World, side: Side, kind: OrderType, price: str) -> None:
    """Its price, stops and end; the end is written in the server's time and read in UTC."""
    where = D(price) if side is Side.BUY else D("2.2") - D(price)
    ends = NOW_MSC / 1000 + 3600
    world.send(world.open(side=side, order_type=kind, price=where, expiration=ends))
    found = world.waiting()
    assert (found.side, found.order_type, found.price, found.expiration_msc) == (side, kind, where, ends * 1000)
    assert (found.tag, found.comment, found.magic) == (TAG, "why", 77)


def test_a_close_and_a_part_of_it(world: World) -> None:
    """By its ticket, with the magic number and the comment of the position and the tag of the close."""
    world.send(world.open())
    position = world.position()
    for volume, left in ((D("0.04"), D("0.06")), (None, None)):
        order = Close(ORIGIN, "demo", "EURUSD", position.ticket, volume)
        request = close_request(order, world.position(), world.market, "close-1")
        assert isinstance(request, dict)
        assert (request["comment"], request["magic"], request["position"]) == ("close-1|why", 77, position.ticket)
        world.send(request)
        if left is not None:
            assert world.position().volume == left
    assert world.view.positions_get() == ()


def test_two_positions_against_each_other() -> None:
    """On a hedging account; on a netting one there are no two."""
    world = World(usual_spec("EURUSD"))
    world.send(world.open())
    first = world.position()
    world.send(world.open(side=Side.SELL))
    rows = world.view.positions_get()
    second = next(position_of(SimpleNamespace(**row), world.names, world.clock) for row in rows if row["type"] == 1)
    order = Close(ORIGIN, "demo", "EURUSD", first.ticket, by=second.ticket)
    give = {"terminal_name": "EURUSD", "tag": TAG}
    assert code(close_by_request(order, first, second, hedging=False, **give)) == Retcode.INVALID_ORDER
    assert code(close_by_request(order, first, first, hedging=True, **give)) == Retcode.INVALID
    assert code(close_by_request(order, first, attrs.evolve(second, side=Side.BUY), hedging=True, **give)) == 10013
    assert code(close_by_request(order, first, attrs.evolve(second, symbol="X"), hedging=True, **give)) == 10013
    assert code(close_by_request(order, first, None, hedging=True, **give)) == Retcode.POSITION_CLOSED
    assert code(close_by_request(order, None, second, hedging=True, **give)) == Retcode.POSITION_CLOSED
    part = attrs.evolve(order, volume=D("0.01"))
    assert code(close_by_request(part, first, second, hedging=True, **give)) == Retcode.INVALID_VOLUME
    world.send(close_by_request(order, first, second, hedging=True, **give))
    assert world.view.positions_get() == ()


def test_changing_one_stop_keeps_the_other(world: World) -> None:
    """The package replaces both; 0 removes one."""
    world.send(world.open(sl=D("1.09"), tp=D("1.11")))
    position = world.position()

    def change(**levels: Decimal) -> tuple[Decimal | None, Decimal | None]:
        order = Modify(ORIGIN, "demo", position.ticket, **levels)
        world.send(stops_request(order, world.position(), world.market))
        return world.position().sl, world.position().tp

    assert change(new_sl=D("1.095")) == (D("1.09500"), D("1.11000"))
    assert change(new_tp=D("1.12")) == (D("1.09500"), D("1.12000"))
    assert change(new_sl=D(0) if False else Decimal(0)) == (None, D("1.12000"))
    same = Modify(ORIGIN, "demo", position.ticket, new_tp=D("1.12"))
    assert code(stops_request(same, world.position(), world.market)) == Retcode.NO_CHANGES
    priced = Modify(ORIGIN, "demo", position.ticket, new_price=D("1.2"))
    assert code(stops_request(priced, world.position(), world.market)) == Retcode.INVALID


def test_changing_a_waiting_order_keeps_the_rest(world: World) -> None:
    """Price, stops and end: what is not named stays."""
    ends = NOW_MSC / 1000 + 3600
    world.send(world.open(order_type=OrderType.LIMIT, price=D("1.09"), sl=D("1.08"), tp=D("1.12"), expiration=ends))
    ticket = world.waiting().ticket

    def change(**what: Any) -> tuple[Any, ...]:
        order = Modify(ORIGIN, "demo", ticket, **what)
        world.send(modify_request(order, world.waiting(), world.market, world.clock))
        found = world.waiting()
        return found.price, found.sl, found.tp, found.expiration_msc

    assert change(new_price=D("1.085")) == (D("1.08500"), D("1.08000"), D("1.12000"), ends * 1000)
    assert change(new_sl=D("1.07")) == (D("1.08500"), D("1.07000"), D("1.12000"), ends * 1000)
    assert change(new_tp=Decimal(0), new_expiration=0.0) == (D("1.08500"), D("1.07000"), None, None)
    same = Modify(ORIGIN, "demo", ticket, new_price=D("1.085"))
    assert code(modify_request(same, world.waiting(), world.market, world.clock)) == Retcode.NO_CHANGES


def test_a_cancellation(world: World) -> None:
    """It is gone; one that is not there is refused."""
    world.send(world.open(order_type=OrderType.LIMIT, price=D("1.09")))
    order = Cancel(ORIGIN, "demo", world.waiting().ticket)
    world.send(cancel_request(order, world.waiting(), world.market))
    assert world.view.orders_get() == ()
    assert code(cancel_request(order, None, None)) == Retcode.INVALID


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ({"volume": "0.105"}, Retcode.INVALID_VOLUME),
        ({"volume": "0.001"}, Retcode.INVALID_VOLUME),
        ({"volume": "1000"}, Retcode.INVALID_VOLUME),
        ({"volume": "0"}, Retcode.INVALID_VOLUME),
        ({"volume": "-1"}, Retcode.INVALID_VOLUME),
        ({"volume": "NaN"}, Retcode.INVALID_VOLUME),
        ({"sl": "1.2"}, Retcode.INVALID_STOPS),
        ({"tp": "1.0"}, Retcode.INVALID_STOPS),
        ({"sl": "1.0900001"}, Retcode.INVALID_PRICE),
        ({"sl": "1.09960"}, Retcode.INVALID_STOPS),
        ({"sl": "-1"}, Retcode.INVALID_PRICE),
        ({"order_type": OrderType.LIMIT}, Retcode.INVALID_PRICE),
        ({"order_type": OrderType.LIMIT, "price": "1.2"}, Retcode.INVALID_PRICE),
        ({"order_type": OrderType.STOP, "price": "1.0"}, Retcode.INVALID_PRICE),
        ({"order_type": OrderType.LIMIT, "price": "1.05", "sl": "1.06"}, Retcode.INVALID_STOPS),
        ({"order_type": OrderType.LIMIT, "price": "1.0500001"}, Retcode.INVALID_PRICE),
        ({"filling": Filling.RETURN}, Retcode.INVALID_FILL),
        ({"side": None}, Retcode.INVALID),
    ],
)
def test_what_must_fail_is_not_sent(what: dict[str, Any], expected: Retcode) -> None:
    """With the code that a server has for it; it is 50 points to the nearest stop here."""
    world = World(attrs.evolve(usual_spec("EURUSD"), stops_level=50))
    more = {name: D(value) if isinstance(value, str) else value for name, value in what.items()}
    assert code(world.open(**more)) == expected


def test_a_volume_may_be_lowered_where_that_was_asked_for() -> None:
    """To the step, never up."""
    world = World(usual_spec("EURUSD"))
    request = world.open(volume=D("0.109"), reduce=True)
    assert isinstance(request, dict)
    assert request["volume"] == 0.1
    assert code(world.open(volume=D("0.009"), reduce=True)) == Retcode.INVALID_VOLUME


@pytest.mark.parametrize(
    ("mode", "buy", "sell"),
    [
        (TradeMode.DISABLED, Retcode.TRADE_DISABLED, Retcode.TRADE_DISABLED),
        (TradeMode.CLOSE_ONLY, Retcode.CLOSE_ONLY, Retcode.CLOSE_ONLY),
        (TradeMode.LONG_ONLY, None, Retcode.LONG_ONLY),
        (TradeMode.SHORT_ONLY, Retcode.SHORT_ONLY, None),
        (TradeMode.FULL, None, None),
    ],
)
def test_what_a_symbol_lets_be_traded(mode: TradeMode, buy: Retcode | None, sell: Retcode | None) -> None:
    """Opening; closing goes in all but the disabled one."""
    world = World(attrs.evolve(usual_spec("EURUSD"), trade_mode=mode))
    assert (code(world.open()), code(world.open(side=Side.SELL))) == (buy, sell)
    position = Position(1, "EURUSD", Side.BUY, D("0.1"), D("1.1"), D("1.1"), Decimal(0), 0)
    closing = close_request(Close(ORIGIN, "demo", "EURUSD", 1), position, world.market, TAG)
    assert code(closing) == (Retcode.TRADE_DISABLED if mode is TradeMode.DISABLED else None)


@pytest.mark.parametrize(
    ("fillings", "execution", "number"),
    [
        ({Filling.FOK}, Execution.MARKET, 0),
        ({Filling.IOC}, Execution.MARKET, 1),
        ({Filling.FOK, Filling.IOC}, Execution.MARKET, 0),
        ({Filling.RETURN}, Execution.INSTANT, 2),
        ({Filling.IOC, Filling.RETURN}, Execution.EXCHANGE, 1),
    ],
)
def test_the_filling_mode_is_none_of_the_mask(fillings: set[Filling], execution: Execution, number: int) -> None:
    """IOC is 2 in the mask and 1 in a request: a mask in a request is what usually makes 10030."""
    spec = attrs.evolve(usual_spec("EURUSD"), fillings=frozenset(fillings), execution=execution)
    market = attrs.evolve(World(usual_spec("EURUSD")).market, symbol=named_as(spec))
    order = Open(ORIGIN, "demo", "EURUSD", D("0.1"), Side.BUY)
    request = open_request(order, market, TAG, ServerClock())
    assert isinstance(request, dict)
    assert request["type_filling"] == number


def named_as(spec: SymbolSpec) -> Any:
    return attrs.evolve(World(usual_spec("EURUSD")).market.symbol, spec=spec)


def test_what_is_too_near_is_frozen() -> None:
    """Within the freeze level nothing is changed or cancelled."""
    world = World(usual_spec("EURUSD"))
    world.send(world.open(sl=D("1.09950")))
    frozen = attrs.evolve(world.market, symbol=named_as(attrs.evolve(world.spec, freeze_level=60)))
    change = Modify(ORIGIN, "demo", world.position().ticket, new_sl=D("1.09"))
    assert code(stops_request(change, world.position(), frozen)) == Retcode.FROZEN
    world.send(world.open(order_type=OrderType.LIMIT, price=D("1.09970")))
    ticket = world.waiting().ticket
    assert code(cancel_request(Cancel(ORIGIN, "demo", ticket), world.waiting(), frozen)) == Retcode.FROZEN
    moved = Modify(ORIGIN, "demo", ticket, new_price=D("1.09"))
    assert code(modify_request(moved, world.waiting(), frozen, world.clock)) == Retcode.FROZEN


def test_without_a_price_nothing_is_guessed() -> None:
    """Opening, closing and changing wait for a tick."""
    world = World(usual_spec("EURUSD"))
    world.send(world.open(sl=D("1.09")))
    blind = attrs.evolve(world.market, quote=None)
    order = Open(ORIGIN, "demo", "EURUSD", D("0.1"), Side.BUY)
    assert code(open_request(order, blind, TAG, world.clock)) == Retcode.PRICE_OFF
    close = Close(ORIGIN, "demo", "EURUSD", world.position().ticket)
    assert code(close_request(close, world.position(), blind, TAG)) == Retcode.PRICE_OFF
    assert code(close_request(close, world.position(), None, TAG)) == Retcode.PRICE_OFF


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Close(ORIGIN, "demo", "EURUSD", 1), Retcode.POSITION_CLOSED),
        (Close(ORIGIN, "demo", "USDJPY", 0), Retcode.INVALID),
        (Close(ORIGIN, "demo", "EURUSD", 0, D("0.2")), Retcode.INVALID_CLOSE_VOLUME),
        (Close(ORIGIN, "demo", "EURUSD", 0, D("0.005")), Retcode.INVALID_VOLUME),
    ],
)
def test_closes_that_are_none(world: World, order: Close, expected: Retcode) -> None:
    """A ticket that is not there, another symbol, more than there is, half a step."""
    world.send(world.open())
    position = world.position()
    if order.ticket == 0:
        order = attrs.evolve(order, ticket=position.ticket)
    known = position if order.ticket == position.ticket else None
    assert code(close_request(order, known, world.market, TAG)) == expected


@settings(max_examples=examples(1_000, 200), deadline=None)
@given(
    st.sampled_from(list(Side)),
    st.sampled_from(list(OrderType)),
    st.integers(-5, 500).map(lambda steps: Decimal(steps) / 1000),
    st.none() | st.integers(109_000, 111_000).map(lambda points: Decimal(points) / 100_000),
    st.none() | st.integers(108_000, 112_000).map(lambda points: Decimal(points) / 100_000),
    st.none() | st.integers(108_000, 112_000).map(lambda points: Decimal(points) / 100_000),
)
def test_a_server_agrees(
    side: Side, kind: OrderType, volume: Decimal, price: Decimal | None, sl: Decimal | None, tp: Decimal | None
) -> None:
    """What is sent is taken, as it was meant; what is refused here it would have refused, too."""
    world = World(attrs.evolve(usual_spec("EURUSD"), stops_level=20))
    order = Open(ORIGIN, "demo", "EURUSD", volume, side, kind, price, sl, tp)
    request = open_request(order, world.market, TAG, world.clock)
    if isinstance(request, Refused):
        ours = world.account.carry_out(order, "x")
        assert isinstance(ours, Refused), (request, ours)
        return
    result = world.view.order_send(request)
    assert result["retcode"] in (*SUCCESSES, Retcode.NO_MONEY), (request, result, world.view.reason)
