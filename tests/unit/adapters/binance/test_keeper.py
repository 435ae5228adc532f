"""When stops are placed, and when they are tried again."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs
import pytest
import trio
from binance_accounts import D, has, order, spec, spot, traded

from quantmind.adapters.binance.carried import Carried
from quantmind.adapters.binance.errors import Refusal
from quantmind.adapters.binance.keeper import RETRY_S, StopKeeper
from quantmind.adapters.binance.names import Role, client_id, tag_number
from quantmind.adapters.binance.records import Balance, BalancesSaid, Order, SpotAccount
from quantmind.adapters.binance.spot_book import SpotBook
from quantmind.adapters.binance.venue import Stops
from quantmind.domain.orders import Side

SLOTS = {"BTCUSDT": "BTC", "ETHUSDT": "ETH"}


@attrs.define(eq=False)
class Venue:
    """Takes stops, or refuses them, after a while; and says when it was asked for them, and for how much."""

    refuses: bool = True
    takes: Decimal | None = None
    """A stop at this price is taken all the same."""
    takes_s: float = 0.0
    asked: list[tuple[float, Stops]] = attrs.field(factory=list)
    locks_holdings: bool = True

    async def set_stops(self, stops: Stops) -> Sequence[Order]:
        self.asked.append((trio.current_time(), stops))
        await trio.sleep(self.takes_s)
        if self.refuses and stops.sl != self.takes:
            raise Refusal(-2010, "Account has insufficient balance for requested action.")
        return [
            Order(
                stops.slot[0],
                len(self.asked),
                client_id(Role.STOP_LOSS, stops.tag),
                stops.side,
                "STOP_LOSS",
                "NEW",
                stops.quantity,
                trigger=stops.sl,
            )
        ]

    async def drop_stops(self, exits: Any) -> Sequence[Order]:
        return [attrs.evolve(each, status="CANCELED") for each in exits.orders]


def opened(*symbols: str) -> SpotBook:
    """An account that has bought 2 coins of each symbol, with a stop at 90 that is wanted."""
    book = spot()
    book.trades({name: spec(name, base) for name, base in SLOTS.items()})
    book.begin_stream()
    book.install(SpotAccount(5, True, [Balance("USDT", D(10_000))], 1), [], {}, list(SLOTS))
    for number, symbol in enumerate(symbols, 1):
        buy(book, symbol, number)
    return book


def buy(book: SpotBook, symbol: str, number: int) -> None:
    """Two coins at 100, at a time in milliseconds."""
    tag = f"t{number}"
    book.wishes.order(Carried(tag_number(tag), symbol, "BOTH", tag=tag, by=tag, sl=D(90), waits=True))
    book.take(traded(order(tag, "2", symbol=symbol, order_id=100 + number), number, at=number))
    held = D(book.balances[SLOTS[symbol]].total if SLOTS[symbol] in book.balances else 0) + 2
    book.take(BalancesSaid([Balance("USDT", book.cash - 200), Balance(SLOTS[symbol], held)], number))


def kept(book: SpotBook, venue: Venue) -> StopKeeper:
    async def reread() -> None:
        await trio.lowlevel.checkpoint()

    return StopKeeper(book, venue, {}, reread, lambda: 0.0, lambda *_: False)  # type: ignore[arg-type]


async def test_what_was_refused_is_tried_again_after_longer_and_longer_pauses(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Whatever the account's stream says meanwhile."""
    book, venue = opened("BTCUSDT"), Venue()
    keeper = kept(book, venue)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        for at in range(600):
            await trio.sleep(0.1)
            book.take(has(book, str(book.cash), "2", at=100 + at))
        nursery.cancel_scope.cancel()
    pauses = [round(after - before, 1) for (before, _), (after, _) in zip(venue.asked, venue.asked[1:], strict=False)]
    assert pauses == pytest.approx(list(RETRY_S), abs=0.11)
    assert venue.asked[0][0] - began < 0.11
    assert (keeper.failed, keeper.placed) == (len(venue.asked), 0)
    assert "insufficient balance" in keeper.snapshot()["missing"]["BTCUSDT"]
    assert keeper.unprotected() == keeper.snapshot()["missing"]


async def test_it_is_tried_at_once_when_there_is_more_to_protect(autojump_clock: trio.testing.MockClock) -> None:
    """A position that has grown is another case, and its pauses begin anew."""
    book, venue = opened("BTCUSDT"), Venue()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kept(book, venue).run)
        await trio.sleep(9)
        tries = len(venue.asked)
        buy(book, "BTCUSDT", 50)
        await trio.sleep(0.01)
        assert [stops.quantity for _, stops in venue.asked[tries:]] == [D(4)]
        venue.refuses = False
        await trio.sleep(RETRY_S[0] + 0.01)
        assert len(venue.asked) == tries + 2
        assert book.exits(("BTCUSDT", "BOTH")).sl == D(90)
        await trio.sleep(60)
        assert len(venue.asked) == tries + 2
        nursery.cancel_scope.cancel()


async def test_a_position_that_has_the_stop_of_before_is_not_without_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Another one was refused, and what protects it is said to be missing nowhere but in the list of what was asked."""
    book, venue = opened("BTCUSDT"), Venue()
    venue.refuses = False
    keeper = kept(book, venue)
    slot = ("BTCUSDT", "BOTH")
    assert await keeper.keep(slot) is None
    wish = book.wish(slot)
    assert wish is not None
    book.wishes.adopt(wish.ticket, D(95), D(0))
    venue.refuses = True
    venue.takes = D(90)
    assert await keeper.keep(slot) is not None
    assert book.exits(slot).sl == D(90)
    assert list(keeper.snapshot()["missing"]) == ["BTCUSDT"]
    assert keeper.unprotected() == {}


async def test_what_fills_while_another_position_is_seen_to_has_its_stop_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The exchange takes its time with one symbol's stops; the next position is not forgotten over it."""
    book, venue = opened("ETHUSDT"), Venue(refuses=False, takes_s=2.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kept(book, venue).run)
        await trio.sleep(1)
        buy(book, "BTCUSDT", 50)
        await trio.sleep(4)
        nursery.cancel_scope.cancel()
    assert [(stops.slot[0], stops.side, stops.sl) for _, stops in venue.asked] == [
        ("ETHUSDT", Side.SELL, D(90)),
        ("BTCUSDT", Side.SELL, D(90)),
    ]
