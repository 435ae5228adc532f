"""What once lost money, or would have: each of these was found by somebody who tried to break the adapter."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import attrs
import pytest
import trio
from binance_desk import BTC, KINDS, D, Desk, opened, stopped
from conformance.binance_subject import account_at, symbols
from conformance.desk import ORIGIN, approved, new_tag

from quantmind.adapters.binance import asking, futures_wire
from quantmind.adapters.binance.errors import NotSent
from quantmind.adapters.binance.examine import examine
from quantmind.adapters.binance.futures_venue import FuturesVenue
from quantmind.adapters.binance.spot_venue import SpotVenue
from quantmind.domain.orders import Absent, Cancel, Close, Modify, Open, OrderType, Placed, Refused, Side, Unknown
from quantmind.errors import BrokerUnavailable
from quantmind.testing.binance import exchange
from quantmind.testing.binance.faults import Held
from quantmind.testing.binance.futures_engine import FuturesEngine
from quantmind.testing.binance.spot_engine import SpotEngine

VENUE: dict[str, Any] = {"spot": SpotVenue, "futures": FuturesVenue}


async def none_yet(venue: Any, order: Any) -> list[Any]:
    await trio.lowlevel.checkpoint()
    return []


async def found_by(desk: Desk, tag: str) -> Any:
    try:
        return await desk.broker.find(tag)
    except BrokerUnavailable:
        return None


async def looks(desk: Desk) -> list[tuple[Decimal, ...]]:
    rows = []
    for _ in range(4):
        s = await desk.broker.sample()
        rows.append((s.positions[0].price_open, s.account.balance, s.account.equity))
        await desk.broker.reread()
    return rows


async def test_equity_stays_when_the_account_is_read_anew(tmp_path: Path) -> None:
    """Though the exchange tells the first of its trades no more."""
    async with opened("futures", tmp_path) as desk:
        await desk.buy("1")
        first = desk.broker.book.deals(0)[-1].time_msc
        await trio.sleep(0.01)
        desk.sim.quote(BTC, "70000", "70001")
        await desk.buy("1")
        trades = futures_wire.trades  # the first trade is older than what userTrades tells
        with patch.object(futures_wire, "trades", lambda body: [t for t in trades(body) if t.time_msc > first]):
            assert len(set(await looks(desk))) == 1


async def test_a_spot_balance_stays_when_the_account_is_read_anew(tmp_path: Path) -> None:
    """Of coins that were there before, and of those that were bought."""
    engine = SpotEngine(symbols(), balances={"USDT": D(1_000_000), "BTC": D(1)})
    async with opened("spot", tmp_path, engine=engine) as desk:
        await desk.broker.sample()
        desk.sim.quote(BTC, "70000", "70001")
        await desk.buy("1")
        assert len(set(await looks(desk))) == 1


@KINDS
async def test_the_rest_of_an_order_that_is_moved_into_the_market(kind: str, tmp_path: Path) -> None:
    """It tells its own fill, not that of the half that is closed, and its position has the stop."""
    async with opened(kind, tmp_path) as desk:
        placed = await desk.buy("0.02", price=D(59000), sl=D(57000))
        desk.sim.quote(BTC, "58999", "59000", ask_qty="0.01")
        await desk.until(desk.position)
        desk.sim.quote(BTC, "60000", "60001")
        await desk.place(Close(ORIGIN, "c", BTC, placed.ticket))
        desk.sim.faults.events_delayed_s = 0.3
        moved = await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(60100)))
        await trio.sleep(1.5)
        assert await stopped(desk, D(57000))
        assert (moved.price, moved.volume) == (D(60001), D("0.01"))


async def test_a_moved_order_that_reduces_keeps_the_position_s_stop(tmp_path: Path) -> None:
    """Its own would be on the other side."""
    async with opened("futures", tmp_path) as desk:
        await desk.buy("0.02", sl=D(58000))
        waits = await desk.place(
            Open(ORIGIN, "c", BTC, D("0.01"), Side.SELL, OrderType.LIMIT, price=D(61000), sl=D(63000))
        )
        real, asked = FuturesVenue.set_stops, []

        async def set_stops(venue, stops):
            asked.append(stops)
            if len(asked) == 1:
                raise NotSent("the network is away for a moment")
            return await real(venue, stops)

        with patch.object(FuturesVenue, "set_stops", set_stops):
            await desk.place(Modify(ORIGIN, "c", waits.ticket, new_price=D(59900)))
            await trio.sleep(2)
        assert asked == []
        position = await desk.position()
        assert position is not None
        assert (position.volume, position.sl) == (D("0.01"), D(58000))


@KINDS
async def test_a_move_that_is_refused_after_one_that_nobody_heard_of(kind: str, tmp_path: Path) -> None:
    """The order is as the first one made it, and its position gets the stop that is wanted."""
    async with opened(kind, tmp_path) as desk:
        stop = Open(ORIGIN, "c", BTC, D("0.01"), Side.BUY, OrderType.STOP, price=D(61000), sl=D(57000))
        placed = await desk.place(stop)
        desk.sim.faults.events_delayed_s = 0.3
        real = FuturesVenue.place

        async def place(venue, new):
            desk.sim.faults.lose = "answer"
            return await real(venue, new)

        with patch.object(FuturesVenue, "place", place):
            desk.sim.faults.lose = "answer" if kind == "spot" else None
            first = await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(61500)))
        desk.sim.faults.lose = None
        assert isinstance(first, Unknown)
        assert isinstance(await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(61600))), Refused)
        await trio.sleep(0.6)
        desk.sim.faults.events_delayed_s = 0.0
        (order,) = (await desk.broker.sample()).orders
        assert order.price == D(61500)
        desk.sim.quote(BTC, "61499", "61500")
        await trio.sleep(1)
        assert await stopped(desk, D(57000))


@KINDS
async def test_reading_the_account_anew_hands_no_old_stop_on(kind: str, tmp_path: Path) -> None:
    """An order that still waits has handed its own on once; what the position has since then stays."""
    async with opened(kind, tmp_path) as desk:
        held = await desk.buy("0.01", sl=D(57000))
        waits = await desk.buy("0.02", price=D(59000))
        desk.sim.quote(BTC, "58999", "59000", ask_qty="0.01")
        await trio.sleep(0.2)
        desk.sim.quote(BTC, "60000", "60001")
        assert isinstance(await desk.place(Modify(ORIGIN, "c", waits.ticket, new_sl=D(56000))), Placed)
        assert isinstance(await desk.place(Modify(ORIGIN, "c", held.ticket, new_sl=D(58500))), Placed)
        await desk.broker.reread()
        await trio.sleep(1)
        assert await stopped(desk, D(58500))


@KINDS
async def test_a_move_whose_trades_are_not_told_yet_is_unknown(kind: str, tmp_path: Path) -> None:
    """It has filled, and is not told as over; once they are told it is found."""
    async with opened(kind, tmp_path) as desk:
        placed = await desk.buy(price=D(59000))
        desk.sim.faults.events_delayed_s = 1.5
        tag = new_tag()
        with patch.object(VENUE[kind], "fills_of", none_yet):
            said = await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(60100)), tag)
        assert isinstance(said, Unknown)
        found = await desk.until(lambda: found_by(desk, tag))
        assert (found.price, found.volume, found.ended) == (D(60001), D("0.01"), None)


async def test_an_order_whose_trades_are_not_told_yet_is_unknown(tmp_path: Path) -> None:
    """On futures, where the answer to an order tells no trades."""
    async with opened("futures", tmp_path) as desk:
        desk.sim.faults.events_delayed_s = 1.5
        tag = new_tag()
        with patch.object(FuturesVenue, "fills_of", none_yet):
            said = await desk.buy(tag=tag)
        assert isinstance(said, Unknown)
        found = await desk.until(lambda: found_by(desk, tag))
        assert (found.price, found.volume, found.ended) == (D(60001), D("0.01"), None)


@KINDS
async def test_how_old_a_move_is_counts_from_when_it_goes_out(kind: str, tmp_path: Path) -> None:
    """It waited for the stops of its symbol before that."""
    async with opened(kind, tmp_path) as desk, trio.open_nursery() as nursery:
        placed = await desk.buy(price=D(59000))
        desk.sim.faults.lose, desk.sim.faults.late_s = "late", 0.1
        tag, said = new_tag(), trio.Event()

        async def move():
            assert isinstance(await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(58000)), tag), Unknown)
            said.set()

        async with desk.broker.keeper.lock(BTC):
            nursery.start_soon(move)
            await trio.sleep(0.6)
        await said.wait()
        desk.sim.faults.lose = None
        found = await desk.broker.find(tag)
        await trio.sleep(0.5)
        (order,) = (await desk.broker.sample()).orders
        assert order.price == D(58000)
        assert not isinstance(found, Absent)


@KINDS
async def test_a_move_that_was_done_is_not_told_as_not_sent(kind: str, tmp_path: Path) -> None:
    """The file of what is wanted can no more be written by then."""
    async with opened(kind, tmp_path) as desk:
        placed = await desk.buy(price=D(59000))
        real = VENUE[kind].move

        async def move(venue, order, new):
            said = await real(venue, order, new)
            desk.broker.book.carried.path = tmp_path / "none" / "positions"
            return said

        with patch.object(VENUE[kind], "move", move):
            said = await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(58000), new_sl=D(57000)))
        assert isinstance(said, Placed | Unknown)


@KINDS
async def test_stops_that_nobody_heard_of_are_found_after_their_position_is_closed(kind: str, tmp_path: Path) -> None:
    """They were placed, and an order is left that says so."""
    async with opened(kind, tmp_path) as desk:
        placed = await desk.buy()
        assert isinstance(placed, Placed)
        await trio.sleep(0.3)  # the keeper of stops sleeps by then
        desk.sim.faults.lose = "answer"
        tag = new_tag()
        assert isinstance(await desk.place(Modify(ORIGIN, "c", placed.ticket, new_sl=D(58000)), tag), Unknown)
        desk.sim.faults.lose = None
        assert isinstance(await desk.place(Close(ORIGIN, "c", BTC, placed.ticket)), Placed)
        found = await desk.until(lambda: desk.broker.find(tag))
        assert isinstance(found, Placed)
        assert found.sl == D(58000)


async def test_a_setting_that_can_t_be_changed_locks_nobody_out(tmp_path: Path) -> None:
    """A position is open, so its margin type stays; its stops are kept, it can be closed, and /status tells."""
    async with opened("futures", tmp_path) as desk:
        assert isinstance(await desk.buy(price=D(59000), sl=D(58000)), Placed)
        desk.down()
        desk.sim.quote(BTC, "58999", "59000")
        desk.config = {"margin_type": "isolated"}
        await desk.up()
        assert await desk.until(lambda: stopped(desk, D(58000)))
        (unset,) = desk.broker.snapshot()["settings_unset"]
        assert "margin type of BTCUSDT is CROSSED, and ISOLATED is wanted" in unset
        position = await desk.position()
        assert position is not None
        assert isinstance(await desk.place(Close(ORIGIN, "c", BTC, position.ticket)), Placed)
        await desk.broker.aclose()
        await desk.broker.connect()
        assert desk.broker.snapshot()["settings_unset"] == []


@KINDS
async def test_a_look_up_goes_on_without_its_file(kind: str, tmp_path: Path) -> None:
    """What was moved is found."""
    async with opened(kind, tmp_path) as desk:
        placed = await desk.buy(price=D(59000))
        desk.sim.faults.lose = "answer"
        tag = new_tag()
        await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(58000), new_sl=D(57000)), tag)
        desk.sim.faults.lose = None
        desk.broker.book.carried.path = tmp_path / "none" / "positions"
        found = await desk.until(lambda: desk.broker.find(tag))
        assert isinstance(found, Placed)


async def test_the_doctor_sees_the_positions_of_a_hedging_account(tmp_path: Path) -> None:
    """Long and short ones."""
    async with opened("futures", tmp_path, position_mode="hedge") as desk:
        await desk.buy()
        config = account_at(desk.sim, "futures", name="c", symbols=(BTC,))
        (found,) = [each for each in await examine(config, ticks_within_s=0.1) if each.what == "account"]
        assert "1 positions" in found.detail


@KINDS
async def test_a_question_that_is_never_answered_ends(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One connection that is half open does not hold up the account for good."""
    monkeypatch.setattr(asking, "ANSWERS_WITHIN_S", 0.5)
    real, held = exchange.carry_out, []

    def one_is_held(faults, method, path, run):
        if method == "GET" and path.endswith("/openOrders") and not held:
            held.append(path)
            return Held()
        return real(faults, method, path, run)

    async with opened(kind, tmp_path) as desk, trio.open_nursery() as nursery:
        monkeypatch.setattr(exchange, "carry_out", one_is_held)
        nursery.start_soon(desk.broker.reread)  # as the keeper of stops does it
        with trio.fail_after(5):
            while not held:
                await trio.sleep(0.01)
            assert (await desk.broker.sample()).account.currency == "USDT"


async def test_an_exchange_that_counts_its_orders_anew(tmp_path: Path) -> None:
    """As a test network that was reset: an order is not taken for the one that had its number before."""
    async with opened("spot", tmp_path) as desk:
        first = await desk.buy("0.01", price=D(59000))
        assert isinstance(first, Placed)
        (order,) = desk.broker.book.orders
        assert isinstance(await desk.place(Cancel(ORIGIN, "c", first.ticket)), Placed)
        later = attrs.evolve(order, client_id="another", time_msc=order.time_msc + 60_000)
        desk.broker.book.orders.begin([later], [BTC])
        assert list(desk.broker.book.orders) == [later]


@pytest.mark.parametrize("mode", ["one_way", "hedge"])
async def test_an_order_of_which_less_would_do_opens(mode: str, tmp_path: Path) -> None:
    """`reduce` says that a smaller volume may be approved, and never that the order may only close."""
    async with opened("futures", tmp_path, position_mode=mode) as desk:
        outcome = await desk.buy("0.02", reduce=True)
        assert isinstance(outcome, Placed)
        position = await desk.position()
        assert position is not None
        assert (position.side, position.volume) == (Side.BUY, D("0.02"))


async def test_what_was_proved_to_reduce_turns_nothing_round(tmp_path: Path) -> None:
    """Its position was closed by a stop meanwhile: it would open the opposite one, which nobody has approved."""
    async with opened("futures", tmp_path) as desk:
        await desk.buy("0.02")
        sell = Open(ORIGIN, "c", BTC, D("0.02"), Side.SELL)
        assert isinstance(await desk.broker.place(approved(sell, reduces=True), new_tag()), Placed)
        outcome = await desk.broker.place(approved(sell, reduces=True), new_tag())
        assert isinstance(outcome, Refused)
        assert await desk.position() is None


@KINDS
async def test_a_symbol_that_is_not_traded_stops_no_other(kind: str, tmp_path: Path) -> None:
    """A wrong name, or a coin that was taken off the list: it is told, and what else the account has goes on."""
    async with opened(kind, tmp_path, symbols=(BTC, "NONEUSDT")) as desk:
        assert desk.broker.snapshot()["symbols_missing"] == ["NONEUSDT"]
        await desk.buy("0.02", sl=D(59000))
        assert await stopped(desk, D(59000))
        outcome = await desk.place(Open(ORIGIN, "c", "NONEUSDT", D(1), Side.BUY))
        assert isinstance(outcome, Refused)
        assert "NONEUSDT is not followed" in outcome.comment
        desk.sim.quote(BTC, "60002", "60003")

        async def told():
            return {quote.symbol for quote in (await desk.broker.poll()).quotes} == {BTC}

        await desk.until(told)
        await trio.sleep(3.5)  # nothing is heard of it, and its watchdog asks for no price of it
        assert await stopped(desk, D(59000))


@KINDS
async def test_a_symbol_with_a_position_does_not_just_vanish(kind: str, tmp_path: Path) -> None:
    """Its position would count for nothing all at once: the account is not read until somebody has seen to it."""
    async with opened(kind, tmp_path) as desk:
        await desk.buy("0.02")
        desk.down()
        desk.sim.engine.symbols.pop(BTC)
        desk.config["symbols"] = (BTC, "ETHUSDT")
        with pytest.raises(BrokerUnavailable, match="does not trade BTCUSDT: correct `symbols`"):
            await desk.up()


async def test_nothing_that_is_traded_is_no_account(tmp_path: Path) -> None:
    """Then the configuration is wrong, and nothing else."""
    with pytest.raises(ExceptionGroup) as caught:
        async with opened("spot", tmp_path, symbols=("NONEUSDT", "OTHERUSDT")):
            raise AssertionError
    assert caught.group_contains(BrokerUnavailable, match="does not trade NONEUSDT, OTHERUSDT: correct")


@KINDS
async def test_a_market_order_that_is_worth_too_little_says_how_much_is_enough(kind: str, tmp_path: Path) -> None:
    """The exchange goes by a price of its own, and names neither it nor an amount."""
    engine = (SpotEngine if kind == "spot" else FuturesEngine)(balances={"USDT": D(1_000_000)})
    async with opened(kind, tmp_path, engine=engine) as desk:
        step = desk.broker.rules[BTC].lot.step
        outcome = await desk.buy(f"{step:f}")
        assert isinstance(outcome, Refused)
        enough = D(outcome.comment.rpartition("use ")[2].split()[0])
        assert isinstance(await desk.buy(f"{enough:f}"), Placed)
        assert isinstance(await desk.buy(f"{enough - step:f}"), Refused)


async def test_a_rest_that_is_worth_too_little_keeps_nothing_back(tmp_path: Path) -> None:
    """No stop of it is taken, and it can't be closed: new orders wait for neither. Once it grows it has its stop."""
    engine = SpotEngine(balances={"USDT": D(1_000_000)})
    async with opened("spot", tmp_path, engine=engine) as desk:
        placed = await desk.buy("0.01", sl=D(50000))
        await desk.place(Close(ORIGIN, "c", BTC, placed.ticket, volume=D("0.00995")))
        position = await desk.position()
        assert position is not None
        assert (position.volume, position.sl) == (D("0.00005"), None)

        async def calm() -> bool:
            return not desk.broker.snapshot()["stops"]["missing"]

        await desk.until(calm)
        failed = desk.broker.snapshot()["stops"]["failed"]
        await trio.sleep(1.2)
        assert (await desk.broker.sample()).unprotected == {}
        assert desk.broker.snapshot()["stops"]["failed"] == failed
        await desk.buy("0.01")

        async def has_its_stop() -> bool:
            return await stopped(desk, D(50000))

        await desk.until(has_its_stop)
