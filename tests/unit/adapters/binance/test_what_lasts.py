"""What outlives the requests about it: old fills, names, steps, and what is said of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import attrs
import pytest
import trio
from binance_accounts import futures, spot
from binance_desk import BTC, KINDS, D, opened, stopped
from conformance.desk import ORIGIN, new_tag

from quantmind.adapters.binance import futures_wire, spot_wire
from quantmind.adapters.binance.book import Book, Exits
from quantmind.adapters.binance.checks import LEAST_GTD_S
from quantmind.adapters.binance.errors import OutcomeUnknown, Refusal
from quantmind.adapters.binance.records import NOUGHT, Order
from quantmind.adapters.binance.venue import Stops
from quantmind.adapters.binance.walk import Lot
from quantmind.domain.orders import Absent, Cancel, Close, Modify, Open, OrderType, Placed, Refused, Side, Unknown
from quantmind.domain.retcodes import Retcode

WIRES: Any = {"spot": spot_wire, "futures": futures_wire}


@KINDS
async def test_an_order_that_waits_is_moved_though_its_trades_are_told_no_more(kind: str, tmp_path: Path) -> None:
    """A part of it has filled too long ago, and what waits of it is found and moved like any other."""
    async with opened(kind, tmp_path) as desk:
        tag, move = new_tag(), new_tag()
        await desk.buy("0.01")
        placed = await desk.buy("0.02", tag, price=D(59000))
        desk.sim.quote(BTC, "58999", "59000", ask_qty="0.005")
        await trio.sleep(0.2)
        desk.sim.quote(BTC, "60000", "60001")
        desk.down()
        with patch.object(WIRES[kind], "trades", lambda body: []):
            await desk.up()
            found = await desk.broker.find(tag)
            assert isinstance(found, Placed)
            assert (found.pending, found.volume) == (True, D("0.015"))
            moved = await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(58000)), move)
            assert isinstance(moved, Placed), moved
            assert (moved.pending, moved.volume) == (True, D("0.015"))
            with trio.fail_after(0.9):
                sample = await desk.broker.sample()
            assert [order.volume for order in sample.orders] == [D("0.015")]


async def test_a_move_that_is_found_under_the_old_name_leaves_that_name(tmp_path: Path) -> None:
    """Futures keep the name of an order whose price changes; what is wanted of it ends when it ends."""
    async with opened("futures", tmp_path) as desk:
        placed = await desk.buy("0.01", price=D(59000), sl=D(57000))
        desk.sim.faults.lose = "answer"
        tag = new_tag()
        assert isinstance(await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(58500)), tag), Unknown)
        desk.sim.faults.lose = None
        assert isinstance(await desk.until(lambda: desk.broker.find(tag)), Placed)
        assert isinstance(await desk.place(Cancel(ORIGIN, "c", placed.ticket)), Placed)
        await desk.broker.sample()
        assert desk.broker.book.carried.items == {}


async def test_stops_that_were_set_back_are_not_told_as_changed(tmp_path: Path) -> None:
    """One of two was placed and the other refused, and who asked is gone before he is told: nothing has changed."""
    async with opened("futures", tmp_path) as desk:
        bought = await desk.buy("0.01", sl=D(57000))
        assert await desk.until(lambda: stopped(desk, D(57000)))
        venue = type(desk.broker.venue)
        real, tag = venue.set_stops, new_tag()
        with trio.CancelScope() as scope:

            async def set_stops(self: Any, stops: Stops) -> Sequence[Order]:
                if stops.tag != tag:
                    scope.cancel()
                placed = await real(self, attrs.evolve(stops, tp=NOUGHT))
                if stops.tp:
                    raise Refusal(-4024, "too far", 400)
                return placed

            with patch.object(venue, "set_stops", set_stops):
                await desk.place(Modify(ORIGIN, "c", bought.ticket, new_sl=D(58000), new_tp=D(65000)), tag)
        assert scope.cancelled_caught
        assert await desk.until(lambda: stopped(desk, D(57000)))
        await trio.sleep(0.5)
        assert isinstance(await desk.broker.find(tag), Absent)


@pytest.mark.parametrize("made", [spot, futures])
def test_a_position_goes_by_the_step_that_the_exchange_has_now(made: Callable[[], Book]) -> None:
    """Of one that it has made coarser since, what is closed and protected is what can be traded still."""
    book = made()
    walk = book.walks[BTC, "BOTH"]
    walk.begin(Lot(1, "", 1, D("0.015"), D(15)))
    assert book.volume_of((BTC, "BOTH")) == D("0.015")
    book.trades({name: attrs.evolve(spec, volume_step=D("0.01")) for name, spec in book.specs.items()})
    assert book.volume_of((BTC, "BOTH")) == D("0.01")


async def test_an_order_that_ends_soon_is_not_taken_back_to_be_moved(tmp_path: Path) -> None:
    """The exchange takes no order that ends within ten minutes: it could be placed neither anew nor as it was."""
    async with opened("futures", tmp_path) as desk:
        ends = time.time() + LEAST_GTD_S + 1.5
        stop = Open(ORIGIN, "c", BTC, D("0.01"), Side.BUY, OrderType.STOP, price=D(61000), expiration=ends)
        placed = await desk.place(stop)
        assert isinstance(placed, Placed), placed
        await trio.sleep(1.6)
        said = await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(61500)))
        assert isinstance(said, Refused), said
        assert said.retcode == Retcode.INVALID_EXPIRATION
        assert [order.ticket for order in (await desk.broker.sample()).orders] == [placed.ticket]


async def test_a_close_does_not_wait_for_stops_that_are_being_changed(tmp_path: Path) -> None:
    """Futures close a position whatever stops it has; a request about them that hangs must not hold the close back."""
    async with opened("futures", tmp_path) as desk:
        bought = await desk.buy("0.01", sl=D(57000))
        assert await desk.until(lambda: stopped(desk, D(57000)))
        venue, begun = type(desk.broker.venue), trio.Event()

        async def drop_stops(self: Any, exits: Exits) -> Sequence[Order]:
            begun.set()
            await trio.sleep_forever()
            raise AssertionError

        async with trio.open_nursery() as nursery:
            with patch.object(venue, "drop_stops", drop_stops):
                nursery.start_soon(desk.place, Modify(ORIGIN, "c", bought.ticket, new_sl=D(58000)))
                await begun.wait()
                with trio.fail_after(2):
                    closed = await desk.place(Close(ORIGIN, "c", BTC, bought.ticket))
            nursery.cancel_scope.cancel()
        assert isinstance(closed, Placed)
        assert await desk.position() is None

        async def no_stops() -> bool:
            return not desk.sim.engine.conditionals.open_algos()

        assert await desk.until(no_stops)


async def test_an_account_that_does_not_say_its_name_once_is_the_same_account(tmp_path: Path) -> None:
    """Without any wallet nobody says what it is called; what is wanted of its orders stays when it is said later."""
    async with opened("futures", tmp_path) as desk:
        desk.down()
        (tmp_path / "positions").unlink(missing_ok=True)
        with patch.object(futures_wire, "balances", lambda body: ("", ())):
            await desk.up()
        await desk.buy("0.01", price=D(59000), sl=D(57000))
        desk.down()
        await desk.up()
        desk.sim.quote(BTC, "58999", "59000")
        assert await desk.until(lambda: stopped(desk, D(57000)))


async def test_a_change_of_stops_that_goes_no_further_is_taken_back(tmp_path: Path) -> None:
    """Nobody heard of its request, and then it is refused: the stop is as it was before, and the change is decided."""
    async with opened("futures", tmp_path) as desk:
        bought = await desk.buy("0.01", sl=D(57000))
        assert await desk.until(lambda: stopped(desk, D(57000)))
        venue = type(desk.broker.venue)
        real, tag, asked = venue.set_stops, new_tag(), 0

        async def set_stops(self: Any, stops: Stops) -> Sequence[Order]:
            nonlocal asked
            if stops.tag != tag:
                return await real(self, stops)
            asked += 1
            raise OutcomeUnknown("no answer") if asked == 1 else Refusal(-4024, "too far", 400)

        with patch.object(venue, "set_stops", set_stops):
            said = await desk.place(Modify(ORIGIN, "c", bought.ticket, new_sl=D(58000)), tag)
            assert isinstance(said, Unknown)
            assert await desk.until(lambda: stopped(desk, D(57000)))
            assert isinstance(await desk.until(lambda: desk.broker.find(tag)), Absent)
