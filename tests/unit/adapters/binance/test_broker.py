"""The adapter over the exchange that is made up: mishaps that no other broker has."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import attrs
import pytest
import trio
from binance_desk import BTC, KINDS, D, Desk, opened, stopped
from conformance.binance_subject import symbols
from conformance.desk import ORIGIN, new_tag

from quantmind.adapters.binance.errors import NotSent
from quantmind.adapters.binance.futures_venue import FuturesVenue
from quantmind.domain.accounts import Position
from quantmind.domain.orders import (
    Absent,
    Cancel,
    Close,
    Modify,
    Open,
    OrderType,
    Placed,
    Refused,
    Side,
    Unknown,
)
from quantmind.domain.retcodes import Retcode
from quantmind.errors import BrokerUnavailable
from quantmind.testing.binance.futures_engine import FuturesEngine
from quantmind.testing.binance.spot_account import Charge, Commission
from quantmind.testing.binance.spot_engine import SpotEngine


@KINDS
@pytest.mark.parametrize("mishap", ["events_out_of_order", "duplicate_events"])
async def test_events_in_disorder_come_to_the_same(kind: str, mishap: str, tmp_path: Path) -> None:
    """Whatever order they come in, and how often: a sample is given only when all fits together."""
    async with opened(kind, tmp_path) as desk:
        setattr(desk.sim.faults, mishap, True)
        for number in range(1, 6):
            assert isinstance(await desk.buy(), Placed)
            sample = await desk.broker.sample()
            assert [each.volume for each in sample.positions] == [D("0.01") * number]
            assert sample.account.balance == D(1_000_000)
        assert len(await desk.broker.deals(0)) == 5


@KINDS
async def test_lost_events_are_noticed_and_the_account_is_read_anew(kind: str, tmp_path: Path) -> None:
    """An account that does not add up is given to nobody."""
    async with opened(kind, tmp_path) as desk:
        desk.sim.faults.events_lost = True
        assert isinstance(await desk.buy(), Placed)
        desk.sim.faults.events_lost = False
        position = await desk.position()
        assert position is not None
        assert position.volume == D("0.01")
        assert desk.broker.snapshot()["reads"] > 1


@KINDS
async def test_a_fill_that_crosses_a_cancellation_is_not_lost(kind: str, tmp_path: Path) -> None:
    """Half of the order was filled before it was cancelled, and that is told afterwards."""
    async with opened(kind, tmp_path) as desk:
        placed = await desk.buy("0.02", price=D(59000))
        assert isinstance(placed, Placed)
        desk.sim.faults.late_fill_after_cancel = True
        cancelled = await desk.place(Cancel(ORIGIN, "c", placed.ticket))
        assert isinstance(cancelled, Placed)
        assert cancelled.volume == D("0.01")
        desk.sim.faults.late_fill_after_cancel = False
        position = await desk.until(desk.position)
        assert position.volume == D("0.01")
        assert (await desk.broker.sample()).orders == []


@KINDS
async def test_a_cancellation_that_is_looked_up_tells_what_was_left(kind: str, tmp_path: Path) -> None:
    """Nobody heard that it was cancelled, nor that half of it was filled before: only the other half was taken back."""
    async with opened(kind, tmp_path) as desk:
        placed = await desk.buy("0.02", price=D(59000))
        assert isinstance(placed, Placed)
        desk.sim.faults.late_fill_after_cancel, desk.sim.faults.lose = True, "answer"
        tag = new_tag()
        assert isinstance(await desk.place(Cancel(ORIGIN, "c", placed.ticket), tag), Unknown)
        desk.sim.faults.late_fill_after_cancel, desk.sim.faults.lose = False, None
        found = await desk.until(lambda: desk.broker.find(tag))
        assert isinstance(found, Placed)
        assert found.volume == D("0.01")


@KINDS
@pytest.mark.parametrize("by", [Cancel(ORIGIN, "c", 0), Modify(ORIGIN, "c", 0, new_price=D(58500))])
async def test_a_move_that_never_arrived_is_not_found_in_what_another_did(
    kind: str, by: Cancel | Modify, tmp_path: Path
) -> None:
    """Its order is over under the name that it had, since another request cancelled or moved it: it is absent."""
    async with opened(kind, tmp_path) as desk:
        placed = await desk.buy("0.02", price=D(59000))
        assert isinstance(placed, Placed)
        desk.sim.faults.lose = "request"
        tag = new_tag()
        lost = Modify(ORIGIN, "c", placed.ticket, new_price=D(58000))
        assert isinstance(await desk.place(lost, tag), Unknown)
        desk.sim.faults.lose = None
        assert isinstance(await desk.place(attrs.evolve(by, ticket=placed.ticket)), Placed)
        found = await desk.until(lambda: desk.broker.find(tag))
        assert isinstance(found, Absent)


@KINDS
@pytest.mark.parametrize(("late_s", "arrives"), [(0.2, True), (0.6, False)])
async def test_a_request_that_may_still_arrive_is_not_called_absent(
    kind: str, late_s: float, arrives: bool, tmp_path: Path
) -> None:
    """The exchange takes it until `recvWindow` is over; only then what it does not know is absent, and stays so."""
    async with opened(kind, tmp_path) as desk:
        desk.sim.faults.lose, desk.sim.faults.late_s = "late", late_s
        tag = new_tag()
        assert isinstance(await desk.buy(tag=tag), Unknown)
        desk.sim.faults.lose = None
        assert await desk.broker.find(tag) is None
        found = await desk.until(lambda: desk.broker.find(tag))
        assert isinstance(found, Placed if arrives else Absent)
        await trio.sleep(late_s)
        assert len([each for each in desk.sim.executed() if each.quantity is not None]) == arrives


@KINDS
async def test_a_cancellation_is_not_found_in_a_move_that_arrives_later(kind: str, tmp_path: Path) -> None:
    """The order is over under the name that it had; if it waits under another one, nothing has taken it back."""
    async with opened(kind, tmp_path) as desk:
        placed = await desk.place(Open(ORIGIN, "c", BTC, D("0.01"), Side.BUY, OrderType.STOP, price=D(61000)))
        assert isinstance(placed, Placed)
        desk.sim.faults.lose, desk.sim.faults.late_s = "late", 0.15
        move = Modify(ORIGIN, "c", placed.ticket, new_price=D(62000))
        moved, tag = new_tag(), new_tag()
        assert isinstance(await desk.place(move, moved), Unknown)
        desk.sim.faults.lose = "request"
        assert isinstance(await desk.place(Cancel(ORIGIN, "c", placed.ticket), tag), Unknown)
        desk.sim.faults.lose = None
        cancelled = await desk.until(lambda: desk.broker.find(tag))
        said = await desk.until(lambda: desk.broker.find(moved))
        orders = [(each.ticket, each.price) for each in (await desk.broker.sample()).orders]
        if kind == "spot":
            assert isinstance(cancelled, Absent)
            assert isinstance(said, Placed)
            assert orders == [(placed.ticket, D(62000))]
        else:  # a move is two requests there, and the first of them takes the order back
            assert isinstance(cancelled, Placed)
            assert isinstance(said, Absent)
            assert orders == []


@KINDS
@pytest.mark.parametrize("executed", [True, False])
@pytest.mark.parametrize("error", [(503, -1000, "busy"), (400, -1007, "Timeout"), (400, -1006, "Unexpected")])
async def test_an_answer_that_says_nothing_is_looked_up(
    kind: str, executed: bool, error: tuple[int, int, str], tmp_path: Path
) -> None:
    """5xx, -1006 and -1007 are unknown, and nothing is sent again."""
    async with opened(kind, tmp_path) as desk:
        desk.sim.faults.executed_first, desk.sim.faults.error = executed, error
        tag = new_tag()
        assert isinstance(await desk.buy(tag=tag), Unknown)
        desk.sim.faults.error = None
        found = await desk.until(lambda: desk.broker.find(tag))
        assert isinstance(found, Placed if executed else Absent)
        assert len(desk.sim.executed()) == int(executed)
        assert isinstance(await desk.buy(tag=tag), Refused if executed else Placed)


@KINDS
async def test_a_stop_that_is_refused_leaves_the_old_one(kind: str, tmp_path: Path) -> None:
    """The exchange takes no second one beside it, so it is taken back first; then it is placed again."""
    async with opened(kind, tmp_path) as desk:
        opened_ = await desk.buy(sl=D(59000))
        assert isinstance(opened_, Placed)
        assert opened_.sl == D(59000)
        # The market has moved, and the adapter has not heard of it.
        desk.sim.faults.silent_paths = {"/stream", "/public"}
        desk.sim.quote(BTC, "59500", "59501")
        refused = await desk.place(Modify(ORIGIN, "c", opened_.ticket, new_sl=D(59800)))
        assert isinstance(refused, Refused)
        assert refused.retcode == Retcode.INVALID_STOPS
        position = await desk.position()
        assert position is not None
        assert position.sl == D(59000)
        desk.sim.quote(BTC, "58990", "58991")
        assert await desk.until(lambda: _gone(desk))


async def _gone(desk: Desk) -> bool:
    return await desk.position() is None


@KINDS
async def test_an_order_that_fills_while_nobody_is_there_gets_its_stops(kind: str, tmp_path: Path) -> None:
    """They are wishes in a file until then; whoever comes back makes orders of them."""
    async with opened(kind, tmp_path) as desk:
        placed = await desk.buy(price=D(59000), sl=D(58000), tp=D(62000))
        assert isinstance(placed, Placed)
        desk.down()
        desk.sim.quote(BTC, "58999", "59000")
        await desk.up()
        position = await desk.until(lambda: _protected(desk))
        assert (position.ticket, position.sl, position.tp) == (placed.ticket, D(58000), D(62000))


async def _protected(desk: Desk) -> Position | None:
    position = await desk.position()
    return position if position is not None and position.sl and position.tp else None


@KINDS
async def test_a_market_beyond_a_stop_that_was_not_there_closes(kind: str, tmp_path: Path) -> None:
    """It would have closed the position, so the position is closed, and the deal says why."""
    async with opened(kind, tmp_path) as desk:
        placed = await desk.buy(price=D(59000), sl=D(58000))
        assert isinstance(placed, Placed)
        desk.down()
        desk.sim.quote(BTC, "58999", "59000")
        desk.sim.quote(BTC, "57000", "57001")
        await desk.up()
        assert await desk.until(lambda: _gone(desk))
        assert (await desk.broker.deals(0))[-1].cause.value == "sl"


@KINDS
async def test_stops_go_with_their_position(kind: str, tmp_path: Path) -> None:
    """A close takes them along, a partial one leaves them for the rest."""
    async with opened(kind, tmp_path) as desk:
        placed = await desk.buy("0.02", sl=D(59000), tp=D(62000))
        assert isinstance(placed, Placed)
        assert isinstance(await desk.place(Close(ORIGIN, "c", BTC, placed.ticket, D("0.01"))), Placed)
        position = await desk.position()
        assert position is not None
        assert (position.volume, position.sl, position.tp) == (D("0.01"), D(59000), D(62000))
        assert isinstance(await desk.place(Close(ORIGIN, "c", BTC, placed.ticket)), Placed)
        path = "/api/v3/openOrders" if kind == "spot" else "/fapi/v1/openAlgoOrders"
        assert desk.sim.engine.handle("GET", path, {"symbol": BTC}) == []


@KINDS
async def test_no_data_is_no_empty_account(kind: str, tmp_path: Path) -> None:
    """An account that can't be read is unavailable."""
    async with opened(kind, tmp_path) as desk:
        await desk.buy()
        for how in ("error", "empty"):
            desk.sim.faults.no_data = how
            await desk.broker.reread()
            with pytest.raises(BrokerUnavailable):
                await desk.broker.sample()
        desk.sim.faults.no_data = None
        assert await desk.position() is not None


@KINDS
async def test_what_the_configuration_can_t_have_is_said(kind: str, tmp_path: Path) -> None:
    """A symbol that is not traded, and one that is paid in another asset."""
    async with opened(kind, tmp_path) as desk:
        for config, words in (({"symbols": ("NOSUCHUSDT",)}, "NOSUCHUSDT"), ({"currency": "USDC"}, "USDC")):
            desk.down()
            desk.config = config
            with pytest.raises(BrokerUnavailable, match=words):
                await desk.up()


async def test_spot_charges_in_what_was_bought(tmp_path: Path) -> None:
    """The position is as much smaller, the charge counts at the price, and all of it can be closed."""
    engine = SpotEngine(
        symbols(), {"USDT": D(1_000_000)}, Commission(maker=D("0.001"), taker=D("0.001"), charge=Charge.RECEIVED)
    )
    async with opened("spot", tmp_path, engine=engine) as desk:
        placed = await desk.buy("1")
        assert isinstance(placed, Placed)
        sample = await desk.broker.sample()
        assert sample.positions[0].volume == D("0.999")
        assert sample.account.balance == D(1_000_000) - D("60.001")
        assert isinstance(await desk.place(Close(ORIGIN, "c", BTC, placed.ticket)), Placed)
        assert await desk.position() is None


async def test_futures_are_set_as_they_are_wanted(tmp_path: Path) -> None:
    """Position mode, margin type and leverage, again at each start; what is so already is no fault."""
    config = {"position_mode": "hedge", "margin_type": "isolated", "leverage": 7}
    async with opened("futures", tmp_path, **config) as desk:
        assert isinstance(await desk.buy(), Placed)
        desk.down()
        await desk.up()
        account = desk.sim.engine.account  # type: ignore[attr-defined]
        assert (account.hedges, account.margin_types[BTC], account.leverages[BTC]) == (True, "ISOLATED", 7)
        assert (await desk.broker.sample()).account.leverage == 7
        assert isinstance(await desk.place(Open(ORIGIN, "c", BTC, D("0.01"), Side.SELL)), Placed)
        assert len((await desk.broker.sample()).positions) == 2


async def test_the_exchange_takes_orders_back_when_nobody_speaks(tmp_path: Path) -> None:
    """Armed while the gateway runs; once it is gone its waiting orders go, and stops of positions stay."""
    ahead = [0.0]
    engine = FuturesEngine(symbols(), balances={"USDT": D(1_000_000)})
    async with opened("futures", tmp_path, engine=engine, dead_man_s=10.0) as desk:
        desk.sim.exchange.true_clock = lambda: time.time() + ahead[0]
        await desk.buy(sl=D(59000))
        await desk.buy(price=D(58000))
        await desk.until(_armed(engine))
        desk.down()
        ahead[0] = 11.0
        engine.run_timers()
        waiting = [
            engine.handle("GET", f"/fapi/v1/{path}", {"symbol": BTC}) for path in ("openOrders", "openAlgoOrders")
        ]
        assert [len(each) for each in waiting] == [0, 1]


def _armed(engine: FuturesEngine) -> Any:
    async def armed() -> bool:
        await trio.lowlevel.checkpoint()
        return bool(engine._settings._countdowns)

    return armed


async def test_funding_reaches_the_balance(tmp_path: Path) -> None:
    """It is told with its reason, and needs no trade."""
    engine = FuturesEngine(symbols(), balances={"USDT": D(1_000_000)})
    async with opened("futures", tmp_path, engine=engine) as desk:
        await desk.buy()
        engine.fund(BTC, D("0.0001"))
        account = (await desk.broker.sample()).account
        assert account.balance == D(1_000_000) - D("0.01") * D(60001) * D("0.0001")


# --- what a trader would have lost by ---------------------------------------------------------------------------------


async def test_a_filled_order_is_never_told_as_not_sent(tmp_path: Path) -> None:
    """Its trades can't be learned at the moment: that is unknown, and found later."""
    async with opened("futures", tmp_path) as desk:
        desk.sim.faults.events_lost = True

        async def cut(venue: FuturesVenue, order: Any) -> Any:
            raise NotSent("nobody answers")

        tag = new_tag()
        with patch.object(FuturesVenue, "fills_of", cut):
            assert isinstance(await desk.buy(tag=tag), Unknown)
        desk.sim.faults.events_lost = False
        position = await desk.position()
        assert position is not None
        assert isinstance(await desk.until(lambda: desk.broker.find(tag)), Placed)


@KINDS
async def test_a_state_file_that_can_t_be_written_stops_nothing_that_has_happened(kind: str, tmp_path: Path) -> None:
    """What was carried out is told and remembered, the account goes on, and /status says what is wrong."""
    async with opened(kind, tmp_path) as desk:
        desk.broker.book.carried.path = tmp_path / "none" / "positions"
        assert isinstance(await desk.buy(), Placed)
        assert await desk.position() is not None
        assert "can't be written" in desk.broker.snapshot()["stops"]["file"]
        with pytest.raises(BrokerUnavailable, match="nothing was sent"):
            await desk.buy(sl=D(59000))


async def test_reading_the_account_anew_keeps_the_stops_of_a_position_that_was_turned(tmp_path: Path) -> None:
    """Its trades are gone through again, the one that turned it among them."""
    async with opened("futures", tmp_path) as desk:
        placed = await desk.buy("0.01")
        assert isinstance(placed, Placed)
        turned = await desk.place(Open(ORIGIN, "c", BTC, D("0.03"), Side.SELL, sl=D(62000)))
        assert isinstance(turned, Placed)
        assert isinstance(await desk.place(Modify(ORIGIN, "c", turned.ticket, new_sl=D(61000))), Placed)
        for _ in range(2):
            await desk.broker.reread()
            position = await desk.position()
            assert position is not None
            assert (position.side, position.sl) == (Side.SELL, D(61000))


@KINDS
async def test_an_order_that_is_moved_into_the_market_tells_its_fill(kind: str, tmp_path: Path) -> None:
    """Also where its trades are told later than the answer."""
    async with opened(kind, tmp_path) as desk:
        placed = await desk.buy("0.02", price=D(59000), sl=D(58000))
        assert isinstance(placed, Placed)
        desk.sim.faults.events_delayed_s = 0.3
        moved = await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(60100)))
        assert isinstance(moved, Placed)
        assert (moved.ticket, moved.price, moved.volume) == (placed.ticket, D(60001), D("0.02"))
        assert (moved.pending, moved.ended) == (False, None)
        assert await desk.until(lambda: stopped(desk, D(58000)))


@KINDS
async def test_stops_that_come_with_a_move_into_the_market_are_those_of_the_position(kind: str, tmp_path: Path) -> None:
    """Which was open before, and is larger now."""
    async with opened(kind, tmp_path) as desk:
        held = await desk.buy("0.01", sl=D(57000))
        placed = await desk.buy("0.01", price=D(59000))
        assert isinstance(held, Placed)
        assert isinstance(placed, Placed)
        moved = await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(60100), new_sl=D(58000)))
        assert isinstance(moved, Placed)
        assert (moved.ticket, moved.volume, moved.sl) == (held.ticket, D("0.01"), D(58000))
        position = await desk.position()
        assert position is not None
        assert (position.volume, position.sl) == (D("0.02"), D(58000))


@KINDS
async def test_a_change_of_what_waits_of_an_order_tells_of_that(kind: str, tmp_path: Path) -> None:
    """Half of it was filled, and that position is closed: the other half is moved, and no old fill is told."""
    async with opened(kind, tmp_path) as desk:
        placed = await desk.buy("0.02", price=D(59000))
        assert isinstance(placed, Placed)
        desk.sim.quote(BTC, "58999", "59000", ask_qty="0.01")
        position = await desk.until(desk.position)
        assert position.volume == D("0.01")
        desk.sim.quote(BTC, "60000", "60001")
        assert isinstance(await desk.place(Close(ORIGIN, "c", BTC, placed.ticket)), Placed)
        tag = new_tag()
        moved = await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(58500), new_sl=D(57000)), tag)
        for said in (moved, await desk.broker.find(tag)):
            assert isinstance(said, Placed)
            assert (said.ticket, said.pending, said.price, said.volume) == (placed.ticket, True, None, D("0.01"))
            assert (said.sl, said.deal) == (D(57000), 0)
        (order,) = (await desk.broker.sample()).orders
        assert (order.ticket, order.price, order.volume, order.sl) == (placed.ticket, D(58500), D("0.01"), D(57000))


@KINDS
async def test_an_order_whose_move_is_refused_keeps_its_stops(kind: str, tmp_path: Path) -> None:
    """It was taken back for it, and is there again under its own name."""
    async with opened(kind, tmp_path) as desk:
        stop = Open(ORIGIN, "c", BTC, D("0.01"), Side.BUY, OrderType.STOP, price=D(60500), sl=D(59000))
        placed = await desk.place(stop)
        assert isinstance(placed, Placed)
        assert isinstance(await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(59900))), Refused)
        (order,) = (await desk.broker.sample()).orders
        assert (order.ticket, order.price, order.sl) == (placed.ticket, D(60500), D(59000))
        desk.sim.quote(BTC, "60499", "60500")
        position = await desk.until(desk.position)
        assert position.ticket == placed.ticket
        assert await desk.until(lambda: stopped(desk, D(59000)))


async def test_a_stop_of_the_trader_s_own_stays(tmp_path: Path) -> None:
    """One that he set in the exchange's application is what he wants, until he asks here for another one."""
    async with opened("futures", tmp_path) as desk:
        placed = await desk.buy()
        assert isinstance(placed, Placed)
        own = {"symbol": BTC, "side": "SELL", "algoType": "CONDITIONAL", "type": "STOP_MARKET", "closePosition": "true"}
        desk.sim.engine.handle("POST", "/fapi/v1/algoOrder", {**own, "triggerPrice": "59000"})
        assert await desk.until(lambda: stopped(desk, D(59000)))
        await trio.sleep(0.7)
        assert await stopped(desk, D(59000))
        assert isinstance(await desk.place(Modify(ORIGIN, "c", placed.ticket, new_sl=D(59500))), Placed)
        assert await stopped(desk, D(59500))


@KINDS
async def test_positions_are_worth_what_is_asked_for_while_the_streams_are_lost(kind: str, tmp_path: Path) -> None:
    """Prices that nobody tells are not believed."""
    async with opened(kind, tmp_path) as desk:
        assert isinstance(await desk.buy("1"), Placed)
        for line in desk.broker.feed._lines.values():
            line.lost = "it is away"
        desk.sim.faults.silent_paths = {"/stream", "/public"}
        desk.sim.quote(BTC, "50000", "50001")
        assert (await desk.broker.sample()).account.profit == D(-10_001)
