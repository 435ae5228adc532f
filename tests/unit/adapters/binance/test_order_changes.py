"""What is asked of an order is done once, wholly, or told: changes, closes and limits in the worst moment."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import attrs
import pytest
import trio
from binance_desk import BTC, KINDS, D, opened, stopped
from conformance.binance_subject import symbols
from conformance.desk import ORIGIN, new_tag

from quantmind.adapters.binance import finder, futures_wire, spot_wire
from quantmind.adapters.binance.budget import Budget, Limit
from quantmind.adapters.binance.errors import NotSent, Refusal
from quantmind.adapters.binance.futures_venue import FuturesVenue
from quantmind.adapters.binance.spot_venue import SpotVenue
from quantmind.domain.orders import Absent, Cancel, Close, Modify, Open, OrderType, Placed, Refused, Side, Unknown
from quantmind.errors import BrokerUnavailable
from quantmind.testing.binance.futures_engine import FuturesEngine
from quantmind.testing.binance.spot_engine import SpotEngine


@KINDS
async def test_a_move_orders_no_more_than_is_left(kind: str, tmp_path: Path) -> None:
    """Though the order has filled further since it was told of last."""
    async with opened(kind, tmp_path) as desk:
        await desk.buy("0.01")
        placed = await desk.buy("0.02", price=D(59000))
        desk.sim.quote(BTC, "58999", "59000", ask_qty="0.005")
        await trio.sleep(0.2)
        desk.sim.faults.events_delayed_s = 0.5
        desk.sim.quote(BTC, "58999", "59000", ask_qty="0.005")
        desk.sim.quote(BTC, "60000", "60001")
        moved = await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(58000)))
        await trio.sleep(0.6)
        desk.sim.faults.events_delayed_s = 0.0
        sample = await desk.broker.sample()
        held = sample.positions[0].volume
        assert held == D("0.02")
        assert held + sum(order.volume for order in sample.orders) == D("0.03")
        assert isinstance(moved, Placed)


NO_LOOK: Any = pytest.mark.parametrize("error", [NotSent("no connection"), Refusal(-1003, "too many", 429)])


@NO_LOOK
async def test_an_order_that_was_taken_back_is_not_told_as_untouched(error: Exception, tmp_path: Path) -> None:
    """How it ended can't be asked for after that: what became of the change is not known."""
    async with opened("futures", tmp_path) as desk:
        stop = Open(ORIGIN, "c", BTC, D("0.01"), Side.BUY, OrderType.STOP, price=D(61000))
        placed = await desk.place(stop)

        async def look_again(venue: Any, order: Any) -> Any:
            await trio.lowlevel.checkpoint()
            raise error

        tag = new_tag()
        with patch.object(FuturesVenue, "look_again", look_again):
            said = await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(61500)), tag)
        assert isinstance(said, Unknown)
        found = await desk.until(lambda: desk.broker.find(tag))
        assert isinstance(found, Placed)
        assert found.ended is not None


async def test_one_leg_of_another_s_list_is_not_moved(tmp_path: Path) -> None:
    """The exchange would take back the whole list for it."""
    engine = SpotEngine(symbols(), balances={"USDT": D(1_000_000), "BTC": D(1)})
    async with opened("spot", tmp_path, engine=engine) as desk:
        legs = {"aboveType": "LIMIT_MAKER", "abovePrice": "61000", "belowType": "STOP_LOSS", "belowStopPrice": "59000"}
        params = {"symbol": BTC, "side": "SELL", "quantity": "0.1", **legs}
        desk.sim.engine.handle("POST", "/api/v3/orderList/oco", params)
        await trio.sleep(0.2)
        orders = (await desk.broker.sample()).orders
        assert len(orders) == 2
        stop = next(order for order in orders if order.order_type is OrderType.STOP)
        said = await desk.place(Modify(ORIGIN, "c", stop.ticket, new_price=D(58000)))
        assert isinstance(said, Refused)
        assert len((await desk.broker.sample()).orders) == 2


async def test_another_s_order_of_a_kind_that_is_not_ours_is_not_moved(tmp_path: Path) -> None:
    """It would become an order of another kind."""
    async with opened("futures", tmp_path) as desk:
        await desk.buy("0.01")
        params = {"symbol": BTC, "side": "SELL", "algoType": "CONDITIONAL", "type": "TAKE_PROFIT_MARKET"}
        params |= {"triggerPrice": "61000", "quantity": "0.01", "reduceOnly": "true"}
        desk.sim.engine.handle("POST", "/fapi/v1/algoOrder", params)
        await trio.sleep(0.2)
        (order,) = (await desk.broker.sample()).orders
        later: dict[str, Any] = {"new_price": D(62000), "new_expiration": desk.broker.clock.now() + 900}
        for change in ({"new_price": D(62000)}, later):
            said = await desk.place(Modify(ORIGIN, "c", order.ticket, **change))
            assert isinstance(said, Refused)
            assert "TAKE_PROFIT_MARKET" in said.comment
        assert (await desk.broker.sample()).orders == [order]


async def test_a_replacement_of_which_nobody_knows_is_not_placed_again(tmp_path: Path) -> None:
    """The exchange has taken the old order back, and had no answer in time for the new one, which is there."""
    async with opened("spot", tmp_path) as desk:
        placed = await desk.buy("0.01", price=D(59000))
        real = spot_wire.replaced

        def timed_out(body: bytes) -> Any:
            real(body)
            half = b'"newOrderResult":"FAILURE","newOrderResponse":{"code":-1007,"msg":"Timeout"}'
            raise Refusal(-2021, "It partially failed.", 409, b'{"cancelResult":"SUCCESS",' + half + b"}")

        trade = type(desk.broker.venue.asking).trade  # type: ignore[attr-defined]

        async def traded(asking: Any, method: str, path: str, params: Any, **how: Any) -> bytes:
            body = await trade(asking, method, path, params, **how)
            if path.endswith("cancelReplace"):
                timed_out(body)
            return bytes(body)

        tag = new_tag()
        with patch.object(type(desk.broker.venue.asking), "trade", traded):  # type: ignore[attr-defined]
            said = await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(58000)), tag)
        assert isinstance(said, Unknown)
        (order,) = (await desk.broker.sample()).orders
        assert order.price == D(58000)
        assert isinstance(await desk.broker.find(tag), Placed)


@KINDS
async def test_what_opens_leaves_orders_for_what_closes(kind: str, tmp_path: Path) -> None:
    """The limit of orders is used up by opens to nine tenths, and a close still goes out."""
    async with opened(kind, tmp_path) as desk:
        budget: Budget = desk.broker.api.budget
        budget.set_limits([Limit("ORDERS", "DAY", 1, 10)])
        said = None
        for _ in range(12):
            try:
                said = await desk.buy("0.01")
            except BrokerUnavailable as error:
                said = error
                break
        assert isinstance(said, BrokerUnavailable)
        position = await desk.position()
        assert position is not None
        assert isinstance(await desk.place(Close(ORIGIN, "c", BTC, position.ticket)), Placed)


@KINDS
async def test_a_position_above_the_largest_market_order_is_closed_in_parts(kind: str, tmp_path: Path) -> None:
    """Limit orders may have made it larger than what goes in one market order."""
    rows = [attrs.evolve(each, market_max_qty=D("0.05")) for each in symbols()]
    engine = (SpotEngine if kind == "spot" else FuturesEngine)(rows, balances={"USDT": D(1_000_000)})
    async with opened(kind, tmp_path, engine=engine) as desk:
        await desk.buy("0.12", price=D(60100), sl=D(58000))
        volumes = []
        while (position := await desk.position()) is not None:
            assert await desk.until(lambda: stopped(desk, D(58000)))
            closed = await desk.place(Close(ORIGIN, "c", BTC, position.ticket))
            assert isinstance(closed, Placed), closed
            volumes.append(closed.volume)
        assert volumes == [D("0.05"), D("0.05"), D("0.02")]
        await desk.buy("0.12", price=D(60100))
        position = await desk.position()
        assert position is not None
        said = await desk.place(Close(ORIGIN, "c", BTC, position.ticket, volume=D("0.1")))
        assert isinstance(said, Refused)
        assert "0.05" in said.comment


@KINDS
async def test_a_large_position_beyond_its_stop_is_closed_in_parts(kind: str, tmp_path: Path) -> None:
    """The market went through the stop while nobody was there to place it."""
    rows = [attrs.evolve(each, market_max_qty=D("0.05")) for each in symbols()]
    engine = (SpotEngine if kind == "spot" else FuturesEngine)(rows, balances={"USDT": D(1_000_000)})
    async with opened(kind, tmp_path, engine=engine) as desk:
        await desk.buy("0.12", price=D(59000), sl=D(58500))
        desk.down()
        desk.sim.quote(BTC, "58999", "59000")
        desk.sim.quote(BTC, "58000", "58001")
        await desk.up()

        async def is_flat() -> bool:
            return await desk.position() is None

        await desk.until(is_flat)


HUGE = D("9E+31")
"""The largest that the protocol lets through."""


@KINDS
async def test_numbers_that_are_too_large_are_refused(kind: str, tmp_path: Path) -> None:
    """A number that has too many digits to be reckoned with is one that nobody trades, and breaks nothing."""
    async with opened(kind, tmp_path) as desk:
        placed = await desk.buy("0.01", sl=D(58000))
        waits = await desk.buy("0.01", price=D(59000))
        asked: list[Any] = [
            Open(ORIGIN, "c", BTC, HUGE, Side.BUY),
            Open(ORIGIN, "c", BTC, D("0.01"), Side.BUY, sl=HUGE),
            Open(ORIGIN, "c", BTC, D("0.01"), Side.BUY, tp=HUGE),
            Open(ORIGIN, "c", BTC, D("0.01"), Side.BUY, OrderType.LIMIT, price=HUGE),
            Open(ORIGIN, "c", BTC, D("0.01"), Side.BUY, OrderType.STOP, price=HUGE),
            Open(ORIGIN, "c", BTC, D("0.01"), Side.BUY, price=HUGE, deviation=10),
            Close(ORIGIN, "c", BTC, placed.ticket, volume=HUGE),
            Modify(ORIGIN, "c", placed.ticket, new_sl=HUGE),
            Modify(ORIGIN, "c", placed.ticket, new_tp=HUGE),
            Modify(ORIGIN, "c", waits.ticket, new_price=HUGE),
            Modify(ORIGIN, "c", waits.ticket, new_sl=HUGE),
            Modify(ORIGIN, "c", waits.ticket, new_tp=HUGE),
        ]
        for proposal in asked:
            assert isinstance(await desk.place(proposal), Refused), proposal


@KINDS
async def test_a_stop_that_the_exchange_would_refuse_is_refused_before(kind: str, tmp_path: Path) -> None:
    """A take profit above the symbol's largest price would leave a position that is open already without any stop."""
    async with opened(kind, tmp_path) as desk:
        said = await desk.buy("0.01", sl=D(58000), tp=D(2_000_000))
        assert isinstance(said, Refused)
        assert "1000000" in said.comment
        assert await desk.position() is None


VENUE: Any = {"spot": SpotVenue, "futures": FuturesVenue}
WIRES: Any = {"spot": spot_wire, "futures": futures_wire}


@KINDS
async def test_an_order_whose_trades_are_told_no_more_is_found(kind: str, tmp_path: Path) -> None:
    """It filled while nobody was there, too long ago: what it says of itself counts, and its position gets its stop."""
    async with opened(kind, tmp_path) as desk:
        tag = new_tag()
        await desk.buy("0.01", tag, price=D(59000), sl=D(57000))
        desk.down()
        desk.sim.quote(BTC, "58999", "59000")
        with patch.object(WIRES[kind], "trades", lambda body: []), patch.object(finder, "HISTORY_S", 0.0):
            await desk.up()
            found = await desk.broker.find(tag)
            assert isinstance(found, Placed)
            assert (found.volume, found.price, found.pending) == (D("0.01"), D(59000), False)
            with trio.fail_after(0.9):
                position = await desk.position()
            assert position is not None
            assert position.volume == D("0.01")
            assert await desk.until(lambda: stopped(desk, D(57000)))


async def test_an_old_trade_that_is_asked_for_does_not_touch_the_position(tmp_path: Path) -> None:
    """It is in what is held already; taken in once more it would have closed the position, and with it its stop."""
    async with opened("spot", tmp_path) as desk:
        first = await desk.buy("0.01")
        tag = new_tag()
        await desk.place(Close(ORIGIN, "c", BTC, first.ticket), tag)
        before = desk.broker.book.deals(0)[-1].time_msc
        await trio.sleep(0.01)
        await desk.buy("0.01", sl=D(57000))
        assert await desk.until(lambda: stopped(desk, D(57000)))
        desk.down()
        sent = (tmp_path / "sent").read_text().splitlines()
        (tmp_path / "sent").write_text("\n".join(line for line in sent if f'"{tag}", "done"' not in line))
        real = SpotVenue.snapshot

        async def snapshot(venue: Any, book: Any, names: Any) -> None:
            trades = spot_wire.trades
            with patch.object(spot_wire, "trades", lambda body: [t for t in trades(body) if t.time_msc > before]):
                await real(venue, book, names)

        with patch.object(SpotVenue, "snapshot", snapshot), patch.object(finder, "HISTORY_S", 0.0):
            await desk.up()
            found = await desk.broker.find(tag)
            assert await stopped(desk, D(57000))
            await trio.sleep(1)
            assert await stopped(desk, D(57000))
        assert isinstance(found, Placed)
        assert found.volume == D("0.01")


@KINDS
async def test_a_move_that_never_arrived_leaves_the_name_of_its_order(kind: str, tmp_path: Path) -> None:
    """Once it is known to be absent, what is wanted of the order goes with it as it is, and ends when it ends."""
    async with opened(kind, tmp_path) as desk:
        placed = await desk.place(
            Open(ORIGIN, "c", BTC, D("0.01"), Side.BUY, OrderType.LIMIT, price=D(59000), sl=D(57000))
        )
        await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(58900)))
        desk.sim.faults.lose = "request"
        tag = new_tag()
        assert isinstance(await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(58500)), tag), Unknown)
        desk.sim.faults.lose = None
        assert isinstance(await desk.until(lambda: desk.broker.find(tag)), Absent)
        assert isinstance(await desk.place(Cancel(ORIGIN, "c", placed.ticket)), Placed)
        await desk.broker.sample()
        assert desk.broker.book.carried.items == {}


@KINDS
async def test_an_order_that_was_moved_is_found_without_the_file(kind: str, tmp_path: Path) -> None:
    """The file of what was sent is lost; the name that the order has now begins as the one that it had at first."""
    async with opened(kind, tmp_path) as desk:
        tag = new_tag()
        placed = await desk.place(Open(ORIGIN, "c", BTC, D("0.01"), Side.BUY, OrderType.STOP, price=D(61000)), tag)
        assert isinstance(await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(61500))), Placed)
        desk.down()
        (tmp_path / "sent").unlink()
        await desk.up()
        found = await desk.broker.find(tag)
        assert isinstance(found, Placed)
        assert found.pending


@KINDS
async def test_an_order_that_can_not_be_written_down_leaves_no_wish(kind: str, tmp_path: Path) -> None:
    """It was never sent, so nothing is wanted of it."""
    async with opened(kind, tmp_path) as desk:
        sent = desk.broker.desk.sent
        sent.path = tmp_path / "none" / "sent"
        sent.close()
        with pytest.raises(BrokerUnavailable, match="nothing was sent"):
            await desk.buy("0.01", price=D(59000), sl=D(58000))
        assert desk.broker.book.carried.items == {}


@KINDS
async def test_a_refused_change_of_stops_is_not_wanted_after_it(kind: str, tmp_path: Path) -> None:
    """Another change was under way as it was asked for; the stops are as that one made them, and stay so."""
    async with opened(kind, tmp_path) as desk, trio.open_nursery() as nursery:
        placed = await desk.buy("0.01", sl=D(57000))
        real, said = VENUE[kind].set_stops, {}

        async def set_stops(venue: Any, stops: Any) -> Any:
            if stops.sl == D(59000):
                raise Refusal(-2021, "Order would immediately trigger.")
            await trio.sleep(0.3)
            return await real(venue, stops)

        async def change(level: Decimal) -> None:
            said[level] = await desk.place(Modify(ORIGIN, "c", placed.ticket, new_sl=level))

        with patch.object(VENUE[kind], "set_stops", set_stops):
            nursery.start_soon(change, D(58000))
            await trio.sleep(0.1)
            await change(D(59000))
            assert isinstance(said[D(59000)], Refused)
            assert isinstance(said[D(58000)], Placed)
            wanted = [(item.sl, item.doubt) for item in desk.broker.book.carried.items.values()]
            assert wanted == [(D(58000), None)]
        assert await stopped(desk, D(58000))


@KINDS
async def test_another_s_order_is_not_moved_where_its_stops_are_refused(kind: str, tmp_path: Path) -> None:
    """What is told as refused has changed nothing."""
    async with opened(kind, tmp_path) as desk:
        params = {"symbol": BTC, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "59000"}
        path = "/api/v3/order" if kind == "spot" else "/fapi/v1/order"
        desk.sim.engine.handle("POST", path, params | {"quantity": "0.01"})
        await trio.sleep(0.2)
        (order,) = (await desk.broker.sample()).orders
        said = await desk.place(Modify(ORIGIN, "c", order.ticket, new_price=D(58000), new_sl=D(57000)))
        assert isinstance(said, Refused)
        await trio.sleep(0.2)
        assert (await desk.broker.sample()).orders == [order]


@KINDS
@pytest.mark.parametrize(("side", "quoted"), [(Side.BUY, ("60000", "60000.5")), (Side.SELL, ("59999.5", "60000"))])
async def test_no_price_is_worse_than_the_deviation_allows(
    kind: str, side: Side, quoted: tuple[str, str], tmp_path: Path
) -> None:
    """Where a tick is several points the worst price is the last tick within it, and not the nearest one."""
    rows = [attrs.evolve(each, tick=D("0.5")) for each in symbols()]
    engine = (SpotEngine if kind == "spot" else FuturesEngine)(rows, balances={"USDT": D(1_000_000), "BTC": D(1)})
    async with opened(kind, tmp_path, engine=engine) as desk:
        desk.sim.quote(BTC, *quoted)
        await trio.sleep(0.1)
        said = await desk.place(Open(ORIGIN, "c", BTC, D("0.01"), side, price=D(60000), deviation=3))
        assert isinstance(said, Refused)


async def test_nothing_is_wanted_of_an_order_that_a_change_has_ended(tmp_path: Path) -> None:
    """It was taken back, and what should have come in its place never arrived."""
    async with opened("futures", tmp_path) as desk:
        stop = Open(ORIGIN, "c", BTC, D("0.01"), Side.BUY, OrderType.STOP, price=D(61000), sl=D(57000))
        placed = await desk.place(stop)

        async def place(venue: Any, new: Any) -> Any:
            await trio.lowlevel.checkpoint()
            raise NotSent("no connection")

        tag = new_tag()
        with patch.object(FuturesVenue, "place", place):
            said = await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(61500)), tag)
        assert isinstance(said, Unknown)
        found = await desk.until(lambda: desk.broker.find(tag))
        assert found.ended is not None
        await desk.broker.sample()
        assert desk.broker.book.carried.items == {}
