"""The made-up futures exchange over random days: positions are what was filled, money is where it was booked."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from decimal import Decimal
from typing import Any

from futures_desk import BTC, FuturesDesk
from hypothesis import given
from hypothesis import strategies as st

from quantmind.testing.binance.engine import ApiFault
from quantmind.testing.binance.ledger import Done

D = Decimal
PRICES = st.integers(5970, 6030).map(lambda price: str(price * 10))
QUANTITIES = st.sampled_from(["0.05", "0.1", "0.1", "0.123", "0.9"])
SIZES = st.sampled_from([None, None, None, "0", "0.03", "0.701"])
SIDES = st.sampled_from(["BUY", "SELL"])
KEYS = st.sampled_from(["LONG", "SHORT"])
TIFS = st.sampled_from(["GTC", "GTC", "IOC", "FOK", "GTX"])
KINDS = st.sampled_from(["STOP_MARKET", "TAKE_PROFIT_MARKET"])
NUMBERS = st.integers(1, 8)
MARKET = st.tuples(st.just("market"), SIDES, KEYS, QUANTITIES, st.booleans())
LIMIT = st.tuples(st.just("limit"), SIDES, KEYS, QUANTITIES, st.booleans(), PRICES, TIFS)
EXIT = st.tuples(st.just("exit"), KEYS, KINDS, PRICES)
OTHER = st.one_of(
    st.tuples(st.just("trade"), PRICES, QUANTITIES),
    st.tuples(st.just("entry"), SIDES, KEYS, KINDS, PRICES, QUANTITIES),
    st.tuples(st.just("modify"), NUMBERS, SIDES, QUANTITIES, PRICES),
    st.tuples(st.just("cancel"), NUMBERS),
    st.tuples(st.just("cancel_algo"), NUMBERS),
    st.tuples(st.just("cancel_all")),
    st.tuples(st.just("fund"), st.sampled_from(["0.0001", "-0.00037"])),
    st.tuples(st.just("hour")),
)
QUOTE = st.tuples(st.just("quote"), PRICES, st.sampled_from(["0.1", "1", "50"]), SIZES, SIZES)
STEPS = st.sampled_from([MARKET, MARKET, LIMIT, LIMIT, EXIT, EXIT, OTHER, QUOTE]).flatmap(lambda kind: kind)
DAYS = st.lists(STEPS, min_size=20, max_size=60)
"""Long ones: a short day has no position that could be closed again."""


def sent(desk: FuturesDesk, key: str, reduces: bool = False) -> dict[str, object]:
    """A position side in hedge mode, and whether it only reduces in the other."""
    if desk.engine.account.hedges:
        return {"positionSide": key}
    return {"reduceOnly": "true"} if reduces else {}


def take(desk: FuturesDesk, step: tuple[Any, ...]) -> None:
    """One step of a day; what the exchange refuses is a step, too."""
    name, *args = step
    with suppress(ApiFault):
        match name, *args:
            case "quote", price, spread, bid_qty, ask_qty:
                desk.quote(price, str(D(price) + D(spread)), bid_qty, ask_qty)
            case "trade", price, quantity:
                desk.engine.trade(BTC, D(price), D(quantity))
            case "market", side, key, quantity, reduces:
                desk.order(side, quantity, **sent(desk, key, reduces))
            case "limit", side, key, quantity, reduces, price, tif:
                desk.limit(side, quantity, price, tif, **sent(desk, key, reduces))
            case "exit", key, kind, price:
                desk.algo("SELL" if key == "LONG" else "BUY", kind, price, **sent(desk, key))
            case "entry", side, key, kind, price, quantity:
                desk.algo(side, kind, price, quantity=quantity, **sent(desk, key))
            case "modify", number, side, quantity, price:
                desk.ask("PUT", "order", orderId=number, side=side, quantity=quantity, price=price)
            case "cancel", number:
                desk.ask("DELETE", "order", orderId=number)
            case "cancel_algo", number:
                desk.ask("DELETE", "algoOrder", algoId=number)
            case "cancel_all", *_:
                desk.ask("DELETE", "allOpenOrders")
            case "fund", rate:
                desk.engine.fund(BTC, D(rate))
            case "hour", *_:
                desk.now_s += 3600
                desk.engine.run_timers()


def check_positions(desk: FuturesDesk) -> None:
    """Each is what its trades come to; what only reduces never opened, in hedge mode none is on the wrong side of 0."""
    held: dict[str, Decimal] = defaultdict(Decimal)
    filled: dict[int, Decimal] = defaultdict(Decimal)
    paid: dict[int, Decimal] = defaultdict(Decimal)
    for trade in desk.ask("GET", "userTrades", limit=1000):
        before, side = held[trade["positionSide"]], trade["positionSide"]
        held[side] += D(trade["qty"]) * (1 if trade["side"] == "BUY" else -1)
        if desk.engine.book.orders[BTC, trade["orderId"]].reduces:
            assert abs(held[side]) < abs(before)
            assert held[side] * before >= 0
        filled[trade["orderId"]] += D(trade["qty"])
        paid[trade["orderId"]] += D(trade["quoteQty"])
    for side in ("BOTH", "LONG", "SHORT"):
        assert desk.held(side) == held[side]
    assert desk.held("LONG") >= 0 >= desk.held("SHORT")
    risks = desk.ask("GET", "v2/positionRisk")
    assert {each["positionSide"]: D(each["positionAmt"]) for each in risks} == {
        each["positionSide"]: held[each["positionSide"]] for each in risks
    }
    for order in desk.ask("GET", "allOrders", limit=1000):
        assert D(order["executedQty"]) == filled[order["orderId"]] <= D(order["origQty"])
        assert D(order["cumQuote"]) == paid[order["orderId"]]
        assert (order["status"] == "FILLED") is (order["executedQty"] == order["origQty"])


def check_money(desk: FuturesDesk) -> None:
    """The wallet is what came in; margin is never below 0, and never more than what is there for new orders."""
    rows = desk.ask("GET", "income", symbol=None, limit=1000)
    assert desk.wallet == 10_000 + sum((D(each["income"]) for each in rows), D(0))
    account = desk.ask("GET", "v3/account")
    assert D(account["totalInitialMargin"]) >= D(account["totalPositionInitialMargin"]) >= 0
    assert D(account["availableBalance"]) >= 0


def check_waiting(desk: FuturesDesk) -> None:
    """Nothing waits that could only reduce what is not there, or that the market has reached."""
    for order in desk.engine.book.open_orders():
        assert order.left > 0
        if order.reduces:
            assert desk.engine.account.position(BTC, order.position_side).against(order.sign) > 0
    for algo in desk.engine.conditionals.open_algos():
        if algo.closes_position:
            sign = 1 if algo.side == "BUY" else -1
            assert desk.engine.account.position(BTC, algo.position_side).against(sign) > 0


def check_events(desk: FuturesDesk) -> None:
    """Whoever follows the events alone has the same orders, conditional orders, positions and wallet."""
    orders: dict[int, dict[str, Any]] = {}
    algos: dict[int, str] = {}
    positions: dict[str, Decimal] = defaultdict(Decimal)
    wallet = D(10_000)
    traded = D(0)
    for event in desk.events:
        match event["e"]:
            case "ORDER_TRADE_UPDATE":
                orders[event["o"]["i"]] = event["o"]
                traded += D(event["o"]["l"])
            case "ALGO_UPDATE":
                algos[event["o"]["aid"]] = event["o"]["X"]
            case "ACCOUNT_UPDATE":
                wallet = D(event["a"]["B"][0]["wb"])
                for each in event["a"]["P"]:
                    positions[each["ps"]] = D(each["pa"])
    rows = {each["orderId"]: each for each in desk.ask("GET", "allOrders", limit=1000)}
    assert orders.keys() == rows.keys()
    for number, said in orders.items():
        assert (said["X"], said["z"], said["p"], said["c"]) == (
            rows[number]["status"],
            rows[number]["executedQty"],
            rows[number]["price"],
            rows[number]["clientOrderId"],
        )
    found = {each["algoId"]: each["algoStatus"] for each in desk.ask("GET", "allAlgoOrders", limit=1000)}
    assert algos == found
    for row in desk.ask("GET", "allAlgoOrders", limit=1000):
        became = rows.get(int(row["actualOrderId"] or 0))
        is_open = became is not None and became["status"] in ("NEW", "PARTIALLY_FILLED")
        assert (row["algoStatus"] == "TRIGGERED") is is_open
        assert (row["algoStatus"] == "FINISHED") is (became is not None and not is_open)
    assert wallet == desk.wallet
    for side in ("BOTH", "LONG", "SHORT"):
        assert positions[side] == desk.held(side)
    assert traded == sum((D(each["qty"]) for each in desk.ask("GET", "userTrades", limit=1000)), D(0))


def check_ledger(desk: FuturesDesk) -> None:
    """Each order that somebody asked for is in it once; what came of conditional orders is not."""
    placed = [each.client_id for each in desk.engine.executed() if each.done is Done.PLACED]
    asked = [each.client_id for each in desk.engine.book.orders.values() if not each.came_of]
    asked += [each.client_id for each in desk.engine.conditionals.algos.values()]
    assert sorted(placed) == sorted(asked)
    assert len(set(asked)) == len(asked)


@given(st.booleans(), DAYS)
def test_the_books_are_right_after_each_day(hedges: bool, steps: list[tuple[Any, ...]]) -> None:
    """Positions, money, what waits, events and ledger agree after every step, in both position modes."""
    desk = FuturesDesk(balances={"USDT": D(10_000)}, taker=D("0.0004"), maker=D("0.0002"))
    if hedges:
        desk.ask("POST", "positionSide/dual", dualSidePosition="true")
        desk.events.clear()
    for step in steps:
        take(desk, step)
        check_positions(desk)
        check_money(desk)
        check_waiting(desk)
    check_events(desk)
    check_ledger(desk)
