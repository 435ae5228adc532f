"""What Binance does and its documents say, where adapter and simulator could be wrong alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import attrs
import pytest
import spot_desk
import trio
from binance_accounts import futures, order, spot, traded
from binance_desk import BTC, KINDS, D, Desk, opened, stopped
from conformance.binance_subject import symbols
from conformance.desk import ORIGIN, new_tag

from quantmind.adapters.binance import futures_algo
from quantmind.adapters.binance.errors import OutcomeUnknown
from quantmind.adapters.binance.records import Balance, BalancesSaid, FuturesAccount, Holding, SpotAccount
from quantmind.adapters.binance.spot_venue import SpotVenue
from quantmind.domain.accounts import PendingOrder
from quantmind.domain.orders import Modify, Open, OrderType, Placed, Refused, Side, Unknown
from quantmind.testing.binance.engine import ApiFault
from quantmind.testing.binance.futures_conditional import Conditionals
from quantmind.testing.binance.futures_engine import FuturesEngine
from quantmind.testing.binance.spot_engine import SpotEngine
from quantmind.testing.binance.spot_placing import Placing

OTOCO = spot_desk.OTOCO | {"workingPrice": "59000", "pendingBelowStopPrice": "58000"}
STOP = Open(ORIGIN, "c", BTC, D("0.01"), Side.BUY, OrderType.STOP, price=D(61000))
ALGO = {"algoType": "CONDITIONAL", "side": "BUY", "quantity": "0.1"}


def said(desk: Desk, method: str, path: str, **params: str) -> Any:
    """What the exchange answers to a request that is not the gateway's."""
    return desk.sim.engine.handle(method, path, {"symbol": BTC, **params})


async def waiting(desk: Desk) -> list[PendingOrder]:
    return list((await desk.broker.sample()).orders)


async def moved(desk: Desk, order: PendingOrder, price: str) -> Any:
    return await desk.place(Modify(ORIGIN, "c", order.ticket, new_price=D(price)))


async def test_the_stops_that_hang_on_an_order_of_somebody_else_stay_with_it(tmp_path: Path) -> None:
    """An order of a list can't be moved: taking it back for that would take back the whole list."""
    engine = SpotEngine(symbols(), balances={"USDT": D(1_000_000), "BTC": D(1)})
    async with opened("spot", tmp_path, engine=engine) as desk:
        said(desk, "POST", "/api/v3/orderList/otoco", **OTOCO)
        await desk.until(lambda: waiting(desk))
        before = await waiting(desk)
        outcome = await moved(desk, next(each for each in before if each.price == D(59000)), "59100")
        assert isinstance(outcome, Refused)
        assert await waiting(desk) == before


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("TAKE_PROFIT_MARKET", {"triggerPrice": "59000"}),
        ("STOP", {"triggerPrice": "61000", "price": "61010"}),
        ("TAKE_PROFIT", {"triggerPrice": "59000", "price": "59010"}),
    ],
)
async def test_an_order_of_a_kind_that_is_not_placed_here_is_not_moved(
    kind: str, more: dict[str, str], tmp_path: Path
) -> None:
    """It would become one of another kind, or another order with its number would be moved in its place."""
    async with opened("futures", tmp_path) as desk:
        await desk.buy("0.02", price=D(58000))
        said(desk, "POST", "/fapi/v1/algoOrder", **ALGO, type=kind, **more)
        await desk.until(lambda: _has(desk, 2))
        before = await waiting(desk)
        foreign = next(each for each in before if each.price != D(58000))
        outcome = await moved(desk, foreign, str(foreign.price + 10))
        assert isinstance(outcome, Refused)
        assert await waiting(desk) == before
        [algo] = said(desk, "GET", "/fapi/v1/openAlgoOrders")
        assert (algo["orderType"], algo["triggerPrice"]) == (kind, more["triggerPrice"])


async def _has(desk: Desk, orders: int) -> bool:
    return len(await waiting(desk)) == orders


async def test_an_order_is_not_placed_twice_when_half_of_its_move_is_unknown(tmp_path: Path) -> None:
    """That nobody knows whether the new order was placed is no refusal of it, so the old one is not placed again."""
    place = Placing._place

    def in_doubt(self: Placing, wish: Any, *, says_rejected: bool = False) -> Any:
        order = place(self, wish)
        if says_rejected:
            raise ApiFault(504, -1007, "Timeout waiting for response from backend server.")
        return order

    async with opened("spot", tmp_path) as desk:
        placed = await desk.buy("0.02", price=D(59000))
        assert isinstance(placed, Placed)
        with patch.object(Placing, "_place", in_doubt):
            outcome = await moved(desk, (await waiting(desk))[0], "59100")
        assert isinstance(outcome, Unknown)
        assert [each.price for each in await waiting(desk)] == [D(59100)]


async def test_a_part_that_fills_while_an_order_is_moved_is_not_bought_twice(tmp_path: Path) -> None:
    """What is left of an order that was filled in part is what the exchange says when it has taken it back."""
    async with opened("spot", tmp_path) as desk:
        await desk.buy("0.01")
        await desk.buy("0.03", price=D(59000))
        desk.sim.quote(BTC, "58999", "59000", ask_qty="0.01")
        [one] = await waiting(desk)
        move = SpotVenue.move

        async def late(self: SpotVenue, known: Any, new: Any) -> Any:
            desk.sim.quote(BTC, "58999", "59000", ask_qty="0.01")
            return await move(self, known, new)

        with patch.object(SpotVenue, "move", late):
            assert isinstance(await moved(desk, one, "58900"), Placed)
        desk.sim.quote(BTC, "58799", "58800")
        await desk.until(lambda: _has(desk, 0))
        position = await desk.position()
        assert position is not None
        assert position.volume == D("0.04")


async def test_leverage_that_is_changed_elsewhere_counts_at_once(tmp_path: Path) -> None:
    """The margin of a position goes by the leverage that the account has now."""
    async with opened("futures", tmp_path) as desk:
        await desk.buy("1")
        before = (await desk.broker.sample()).account
        said(desk, "POST", "/fapi/v1/leverage", leverage="5")
        now = (await desk.broker.sample()).account
        assert (before.leverage, now.leverage) == (20, 5)
        assert now.margin == 4 * before.margin


async def test_leverage_that_is_changed_unheard_counts_when_the_account_is_read_anew(tmp_path: Path) -> None:
    """What its stream has not told is read with the account."""
    async with opened("futures", tmp_path) as desk:
        await desk.buy("1")
        desk.sim.faults.events_lost = True
        said(desk, "POST", "/fapi/v1/leverage", leverage="5")
        desk.sim.faults.events_lost = False
        await desk.broker.reread()
        assert (await desk.broker.sample()).account.leverage == 5


UNKNOWN = ApiFault(400, -2011, "Unknown order sent.")
ABSENT = ApiFault(400, -2013, "Order does not exist.")


async def test_a_stop_that_the_exchange_denies_is_not_taken_for_gone(tmp_path: Path) -> None:
    """Under load it denies conditional orders that are there (freqtrade 12681): another stop beside it is refused."""
    async with opened("futures", tmp_path) as desk:
        await desk.buy("0.1", sl=D(58000))
        position = await desk.position()
        assert position is not None
        change = Modify(ORIGIN, "c", position.ticket, new_sl=D(59000))
        with patch.object(Conditionals, "find", side_effect=[UNKNOWN, ABSENT]):
            assert isinstance(await desk.place(change), Unknown)
        assert await stopped(desk, D(58000))
        assert isinstance(await desk.place(change), Placed)
        assert [each["triggerPrice"] for each in said(desk, "GET", "/fapi/v1/openAlgoOrders")] == ["59000"]


async def test_a_waiting_order_that_the_exchange_denies_is_not_absent(tmp_path: Path) -> None:
    """One whose answer was lost is looked for among the open ones, too, before it counts as never placed."""
    async with opened("futures", tmp_path) as desk:
        tag = new_tag()
        desk.sim.faults.events_lost = True
        with patch.object(futures_algo, "algo_order", side_effect=OutcomeUnknown("its answer was lost")):
            assert isinstance(await desk.place(STOP, tag), Unknown)
        await trio.sleep(2 * desk.broker.finder.window_s)
        with patch.object(Conditionals, "find", side_effect=ABSENT):
            found = await desk.broker.find(tag)
        assert isinstance(found, Placed)
        assert found.pending


async def test_a_stop_that_nobody_told_of_is_found_when_it_is_in_the_way(tmp_path: Path) -> None:
    """The exchange takes one stop of a kind beside no other: then the account is read, and nothing is missing."""
    async with opened("futures", tmp_path) as desk:
        await desk.buy("0.1")
        position = await desk.position()
        assert position is not None
        desk.sim.faults.events_lost = True
        stop = {"type": "STOP_MARKET", "triggerPrice": "58000", "closePosition": "true"}
        said(desk, "POST", "/fapi/v1/algoOrder", algoType="CONDITIONAL", side="SELL", **stop)
        desk.sim.faults.events_lost = False
        await desk.place(Modify(ORIGIN, "c", position.ticket, new_tp=D(70000), new_sl=D(59000)))
        await desk.until(lambda: stopped(desk, D(58000)))


@pytest.mark.parametrize("keeps_names", [True, False])
async def test_a_stop_order_of_last_week_that_is_set_off_while_nobody_looks(keeps_names: bool, tmp_path: Path) -> None:
    """Its position has the stop that was wanted with it, though the exchange tells of the last seven days alone."""
    engine = FuturesEngine(symbols(), balances={"USDT": D(1_000_000)}, keeps_names=keeps_names)
    async with opened("futures", tmp_path, engine=engine) as desk:
        placed = await desk.place(attrs.evolve(STOP, sl=D(58000)))
        assert isinstance(placed, Placed)
        desk.down()
        for algo in engine.conditionals.algos.values():
            algo.time -= 8 * 86_400_000
        desk.sim.quote(BTC, "61010", "61011")
        await desk.up()
        await desk.until(lambda: stopped(desk, D(58000)))


@KINDS
async def test_an_old_order_that_fills_while_nobody_looks(kind: str, tmp_path: Path) -> None:
    """Its position has the stop that was wanted with it, though the exchange lists the newest orders alone."""
    async with opened(kind, tmp_path) as desk:
        assert isinstance(await desk.buy("0.02", price=D(59000), sl=D(57000)), Placed)
        desk.down()
        desk.sim.quote(BTC, "58999", "59000")
        path = "/api/v3/allOrders" if kind == "spot" else "/fapi/v1/allOrders"
        with patch.dict(desk.sim.engine._routes, {("GET", path): lambda _: []}):
            await desk.up()
            await desk.until(lambda: stopped(desk, D(57000)))


def test_a_trade_with_oneself_is_two_trades_with_one_number() -> None:
    """Where a symbol does not prevent it, both orders are ours: what was sold and bought is held as before."""
    book = spot()
    bought, sold = traded(order("buy", "1"), 5), traded(order("sell", "-1"), 5)
    assert bought.fill is not None
    assert sold.fill is not None
    account = SpotAccount(1, True, [Balance("USDT", D(1000)), Balance("BTC", D(2))], 10)
    book.install(account, [], {BTC: [bought.fill, sold.fill]}, [BTC])
    assert book.unsettled() is None
    assert len({deal.ticket for deal in book.deals(0)}) == 2
    book.install(account, [], {BTC: []}, [BTC])
    for event in (sold, bought, sold):
        book.take(event)
    assert book.unsettled() is None


def test_a_deleveraging_adds_up_at_once() -> None:
    """Its trade is told as others are, and the wallet's change with the reason ADL."""
    book = futures()
    held = Holding(BTC, "BOTH", D(1), D(100))
    bought = traded(order("buy", "1"), 1).fill
    assert bought is not None
    account = FuturesAccount([Balance("USDT", D(1000))], [held], D(0), D(1000), 10)
    book.install(account, [], {BTC: [bought]}, [BTC])
    gone = attrs.evolve(held, amount=D(0))
    closed = attrs.evolve(order("x", "-1"), client_id="adl_autoclose")
    book.take(BalancesSaid([Balance("USDT", D(1010))], 11, [gone], "ADL"))
    book.take(traded(closed, 2, 11, "110", realized=D(10)))
    assert book.unsettled() is None
