"""The made-up spot exchange over random days: nothing is lost, made or locked for nothing."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from spot_desk import BALANCES, BTC, SpotDesk

from quantmind.testing.binance.engine import ApiFault
from quantmind.testing.binance.spot_account import Charge, Commission

PRICES = st.integers(5800, 6200).map(lambda price: str(price * 10))
QUANTITIES = st.sampled_from(["0.00100", "0.05", "0.12345", "0.9", "1.7"])
SIZES = st.sampled_from([None, "0.03", "0.70001", "5"])
SIDES = st.sampled_from(["BUY", "SELL"])
TIFS = st.sampled_from(["GTC", "IOC", "FOK"])
COMMISSIONS = st.sampled_from(
    [
        Commission(),
        Commission(Decimal("0.00075"), Decimal("0.001")),
        Commission(Decimal("0.00075"), Decimal("0.001"), Charge.BNB, bnb_price=Decimal("613.37")),
    ]
)
STEPS = st.one_of(
    st.tuples(st.just("quote"), PRICES, st.sampled_from(["0.01", "1", "50"]), SIZES, SIZES),
    st.tuples(st.just("trade"), PRICES, QUANTITIES),
    st.tuples(st.just("market"), SIDES, QUANTITIES),
    st.tuples(st.just("limit"), SIDES, QUANTITIES, PRICES, TIFS),
    st.tuples(st.just("stop"), SIDES, st.sampled_from(["STOP_LOSS", "TAKE_PROFIT"]), QUANTITIES, PRICES),
    st.tuples(st.just("stop_limit"), SIDES, QUANTITIES, PRICES, PRICES, TIFS),
    st.tuples(st.just("oco"), SIDES, QUANTITIES, PRICES, PRICES),
    st.tuples(st.just("otoco"), QUANTITIES, PRICES, PRICES, PRICES, TIFS),
    st.tuples(st.just("replace"), st.integers(1, 12), SIDES, QUANTITIES, PRICES),
    st.tuples(st.just("cancel"), st.integers(1, 12)),
    st.tuples(st.just("cancel_all")),
)


def take(desk: SpotDesk, step: tuple[Any, ...]) -> None:
    """One step of a day; what the exchange refuses is a step, too."""
    name, *args = step
    with suppress(ApiFault):
        match name:
            case "quote":
                price, spread, bid_qty, ask_qty = args
                desk.quote(price, str(Decimal(price) + Decimal(spread)), bid_qty, ask_qty)
            case "trade":
                desk.engine.trade(BTC, Decimal(args[0]), Decimal(args[1]))
            case "market":
                desk.order(args[0], "MARKET", args[1])
            case "limit":
                desk.limit(*args)
            case "stop":
                desk.order(args[0], args[1], args[2], stopPrice=args[3])
            case "stop_limit":
                side, quantity, stop, price, tif = args
                desk.order(side, "STOP_LOSS_LIMIT", quantity, stopPrice=stop, price=price, timeInForce=tif)
            case "oco":
                side, quantity, above, below = args
                if side == "SELL":
                    desk.oco(quantity=quantity, abovePrice=above, belowStopPrice=below)
                else:
                    desk.oco(
                        side="BUY",
                        quantity=quantity,
                        aboveType="STOP_LOSS",
                        abovePrice=None,
                        aboveStopPrice=above,
                        belowType="LIMIT_MAKER",
                        belowPrice=below,
                        belowStopPrice=None,
                    )
            case "otoco":
                quantity, price, above, below, tif = args
                desk.otoco(
                    workingQuantity=quantity,
                    workingPrice=price,
                    workingTimeInForce=tif,
                    pendingQuantity=quantity,
                    pendingAbovePrice=above,
                    pendingBelowStopPrice=below,
                )
            case "replace":
                number, side, quantity, price = args
                desk.ask(
                    "POST",
                    "order/cancelReplace",
                    cancelReplaceMode="ALLOW_FAILURE",
                    cancelOrderId=number,
                    side=side,
                    type="LIMIT",
                    timeInForce="GTC",
                    quantity=quantity,
                    price=price,
                )
            case "cancel":
                desk.ask("DELETE", "order", orderId=args[0])
            case "cancel_all":
                desk.ask("DELETE", "openOrders")


def check_balances(desk: SpotDesk) -> None:
    """What there is, is what there was and what the trades moved."""
    wanted = dict(BALANCES)
    for row in desk.ask("GET", "myTrades"):
        sign = 1 if row["isBuyer"] else -1
        wanted["BTC"] += sign * Decimal(row["qty"])
        wanted["USDT"] -= sign * Decimal(row["quoteQty"])
        wanted[row["commissionAsset"]] -= Decimal(row["commission"])
    for asset, amount in wanted.items():
        free, locked = desk.balance(asset)
        assert free >= 0
        assert free + locked == amount, asset


def check_locks(desk: SpotDesk) -> None:
    """What is locked is what open orders need; the legs of an OCO need it once, the larger of both."""
    needs: dict[tuple[str, int, int], Decimal] = {}
    for row in desk.ask("GET", "openOrders"):
        left = Decimal(row["origQty"]) - Decimal(row["executedQty"])
        price = Decimal(row["price"]) or Decimal(row["stopPrice"])
        asset, need = ("USDT", left * price) if row["side"] == "BUY" else ("BTC", left)
        alone = row["orderListId"] == -1
        of = (asset, row["orderListId"], row["orderId"] if alone else 0)
        needs[of] = max(needs.get(of, Decimal(0)), need)
    for asset in ("USDT", "BTC"):
        assert desk.balance(asset)[1] == sum(need for (of, *_), need in needs.items() if of == asset), asset


def check_events(desk: SpotDesk) -> None:
    """The stream alone says how all orders, lists and balances are."""
    orders: dict[int, tuple[str, str]] = {}
    said: dict[str, tuple[Decimal, Decimal]] = {asset: (amount, Decimal(0)) for asset, amount in BALANCES.items()}
    lists: dict[int, str] = {}
    trades = []
    for event in desk.events:
        if event["e"] == "executionReport" and event["X"] != "REJECTED":
            orders[event["i"]] = (event["X"], event["z"])
            if event["x"] == "TRADE":
                trades.append(event["t"])
        elif event["e"] == "listStatus":
            lists[event["g"]] = event["L"]
        elif event["e"] == "outboundAccountPosition":
            said |= {row["a"]: (Decimal(row["f"]), Decimal(row["l"])) for row in event["B"]}
    rows = desk.ask("GET", "allOrders")
    assert orders == {row["orderId"]: (row["status"], row["executedQty"]) for row in rows}
    assert lists == {row["orderListId"]: row["listOrderStatus"] for row in desk.ask("GET", "allOrderList")}
    assert trades == sorted(trades)
    assert trades == [row["id"] for row in desk.ask("GET", "myTrades")]
    for asset, balance in said.items():
        assert desk.balance(asset) == balance, asset


def check_ledger(desk: SpotDesk) -> None:
    """Each order that was accepted alone, and each list, was written down once."""
    placed = [entry.order_id for entry in desk.engine.executed() if entry.done.value == "placed"]
    listed = [entry.order_id for entry in desk.engine.executed() if entry.done.value == "listed"]
    rows = desk.ask("GET", "allOrders")
    assert placed == [row["orderId"] for row in rows if row["orderListId"] == -1]
    assert listed == [row["orderListId"] for row in desk.ask("GET", "allOrderList")]


@given(COMMISSIONS, st.lists(STEPS, min_size=8, max_size=25))
def test_a_day_at_the_exchange(commission: Commission, steps: list[tuple[Any, ...]]) -> None:
    """After each step: balances are conserved, locks fit the open orders, and the stream said all of it."""
    desk = SpotDesk(commission)
    for step in steps:
        desk.now_s += 1
        take(desk, step)
        check_balances(desk)
        check_locks(desk)
    check_events(desk)
    check_ledger(desk)
