"""What the exchange would refuse is refused before it is sent, and nothing else is.

The rules are read twice: by the code, and here by hand, from the filters as JSON with fractions, as filters.md of spot
and the definitions of the futures documents have them.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantmind.adapters.binance.exchange_info import Rules, exchange_info
from quantmind.adapters.binance.filters import STOPS, Prices, Standing, Wanted, refusal
from quantmind.domain.orders import Refused, Side
from quantmind.domain.retcodes import Retcode

D = Decimal

SPOT_KINDS = ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"]
FUTURES_KINDS = ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"]
SPOT = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "orderTypes": SPOT_KINDS,
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.0", "maxQty": "73.4", "stepSize": "0.0"},
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": "1.2",
            "bidMultiplierDown": "0.2",
            "askMultiplierUp": "5",
            "askMultiplierDown": "0.8",
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": "5.0",
            "applyMinToMarket": True,
            "maxNotional": "9000000.0",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
        {"filterType": "MAX_POSITION", "maxPosition": "10"},
    ],
}
FUTURES = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "marginAsset": "USDT",
    "contractType": "PERPETUAL",
    "pricePrecision": 2,
    "quantityPrecision": 3,
    "orderTypes": FUTURES_KINDS,
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "120", "stepSize": "0.001"},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
        {"filterType": "MIN_NOTIONAL", "notional": "100"},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.05", "multiplierDown": "0.95"},
    ],
}
MARKET = Prices(bid=D(60000), ask=D(60001), last=D(60000), mark=D(60000), average=D(60000))
BUY = Wanted(Side.BUY, "LIMIT", D("0.01"), D(60000))


def rules_of(symbol: dict[str, Any], **changes: Any) -> Rules:
    """As the adapter has them."""
    payload = {"symbols": [symbol | changes]}
    return exchange_info(json.dumps(payload).encode(), ("BTCUSDT",)).symbols["BTCUSDT"]


SPOT_RULES = rules_of(SPOT)
FUTURES_RULES = rules_of(FUTURES)


def why(rules: Rules, wanted: Wanted, market: Prices = MARKET, standing: Standing | None = None) -> tuple[int, str]:
    """Return code and sentence of what is refused."""
    refused = refusal(rules, wanted, market, standing or Standing())
    assert refused is not None
    return refused.retcode, refused.comment


def with_filter(symbol: dict[str, Any], name: str, **values: Any) -> Rules:
    """The rules with one other filter."""
    filters = [each for each in symbol["filters"] if each["filterType"] != name]
    return rules_of(symbol, filters=[*filters, {"filterType": name, **values}])


# --- one by one ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", [SPOT_RULES, FUTURES_RULES])
def test_an_order_that_fits_is_not_refused(rules: Rules) -> None:
    """Buys and sells, at a price and at the market."""
    for side in Side:
        assert refusal(rules, attrs.evolve(BUY, side=side), MARKET) is None
        assert refusal(rules, Wanted(side, "MARKET", D("0.01")), MARKET) is None


@pytest.mark.parametrize(
    ("rules", "changes", "code", "sentence"),
    [
        (
            SPOT_RULES,
            {"price": D("60000.005")},
            Retcode.INVALID_PRICE,
            "PRICE_FILTER: the price 60000.005 is not a multiple of 0.01; use 60000",
        ),
        (
            SPOT_RULES,
            {"price": D("2000000")},
            Retcode.INVALID_PRICE,
            "PRICE_FILTER: the price 2000000 is above 1000000; use 1000000",
        ),
        (
            FUTURES_RULES,
            {"price": D("500")},
            Retcode.INVALID_PRICE,
            "PRICE_FILTER: the price 500 is below 556.8; use 556.8",
        ),
        (
            FUTURES_RULES,
            {"price": D("60000.123")},
            Retcode.INVALID_PRICE,
            "the price 60000.123 has more than 2 decimals; use 60000.12",
        ),
        (
            SPOT_RULES,
            {"kind": "STOP_LOSS", "price": None, "trigger": D("59999.999")},
            Retcode.INVALID_PRICE,
            "PRICE_FILTER: the trigger price 59999.999 is not a multiple of 0.01; use 60000",
        ),
        (
            SPOT_RULES,
            {"quantity": D("0.010001")},
            Retcode.INVALID_VOLUME,
            "LOT_SIZE: the quantity 0.010001 is not a multiple of 0.00001; use 0.01",
        ),
        (
            SPOT_RULES,
            {"quantity": D("0.000001")},
            Retcode.INVALID_VOLUME,
            "LOT_SIZE: the quantity 0.000001 is below 0.00001; use 0.00001",
        ),
        (
            SPOT_RULES,
            {"quantity": D("10000")},
            Retcode.INVALID_VOLUME,
            "LOT_SIZE: the quantity 10000 is above 9000; use 9000",
        ),
        (
            SPOT_RULES,
            {"kind": "MARKET", "price": None, "quantity": D(80)},
            Retcode.INVALID_VOLUME,
            "MARKET_LOT_SIZE: the quantity 80 is above 73.4; use 73.4",
        ),
        (
            FUTURES_RULES,
            {"quantity": D("0.0105")},
            Retcode.INVALID_VOLUME,
            "the quantity 0.0105 has more than 3 decimals; use 0.01",
        ),
        (
            SPOT_RULES,
            {"quantity": D("0.00005")},
            Retcode.INVALID_VOLUME,
            "NOTIONAL: the worth 3 (0.00005 at 60000) is below 5; use quantity 0.00009",
        ),
        (
            FUTURES_RULES,
            {"kind": "MARKET", "price": None, "quantity": D("0.001")},
            Retcode.INVALID_VOLUME,
            "MIN_NOTIONAL: the worth 60 (0.001 at 60000) is below 100; use quantity 0.002",
        ),
        (
            SPOT_RULES,
            {"quantity": D(1000)},
            Retcode.INVALID_VOLUME,
            "NOTIONAL: the worth 60000000 (1000 at 60000) is above 9000000; use quantity 150",
        ),
        (
            SPOT_RULES,
            {"price": D(80000)},
            Retcode.INVALID_PRICE,
            "PERCENT_PRICE_BY_SIDE: the price 80000 is above 72000, by 60000; use 72000",
        ),
        (
            FUTURES_RULES,
            {"side": Side.SELL, "price": D(50000)},
            Retcode.INVALID_PRICE,
            "PERCENT_PRICE: the price 50000 is below 57000, by 60000; use 57000",
        ),
        (SPOT_RULES, {"quantity": D(0)}, Retcode.INVALID_VOLUME, "the quantity 0 is not above 0"),
        (SPOT_RULES, {"quantity": D("NaN")}, Retcode.INVALID_VOLUME, "the quantity NaN is not above 0"),
        (SPOT_RULES, {"price": D("-1")}, Retcode.INVALID_PRICE, "the price -1 is not above 0"),
        (SPOT_RULES, {"price": D("Infinity")}, Retcode.INVALID_PRICE, "the price Infinity is not above 0"),
        (SPOT_RULES, {"quantity": D("1E+40")}, Retcode.INVALID_VOLUME, "the quantity 1E+40 is not above 0 and below"),
        (SPOT_RULES, {"price": None}, Retcode.INVALID_PRICE, "an order of type LIMIT needs a price"),
        (
            FUTURES_RULES,
            {"kind": "STOP_MARKET", "price": None},
            Retcode.INVALID_PRICE,
            "an order of type STOP_MARKET needs a trigger price",
        ),
        (
            SPOT_RULES,
            {"kind": "STOP_MARKET", "trigger": D(1)},
            Retcode.INVALID_ORDER,
            "BTCUSDT takes no orders of type STOP_MARKET; use LIMIT, LIMIT_MAKER,",
        ),
    ],
)
def test_a_refusal_says_what_works(rules: Rules, changes: dict[str, Any], code: Retcode, sentence: str) -> None:
    """Filter, value, limit, and the nearest value that would be taken."""
    said = why(rules, attrs.evolve(BUY, **changes))
    assert said[0] == code
    assert said[1].startswith(sentence)


def test_a_number_of_many_digits_makes_no_long_sentence() -> None:
    """It is cut short."""
    for price in (D("1E-5000"), D("1." + "3" * 5000)):
        assert len(why(SPOT_RULES, attrs.evolve(BUY, price=price))[1]) < 200


@pytest.mark.parametrize(
    ("rules", "reduces", "code"),
    [
        (rules_of(SPOT, status="BREAK"), False, Retcode.MARKET_CLOSED),
        (rules_of(SPOT, status="HALT"), True, Retcode.MARKET_CLOSED),
        (rules_of(SPOT, status="BRAND_NEW"), False, Retcode.TRADE_DISABLED),
        (rules_of(SPOT, status="CANCEL_ONLY"), True, Retcode.TRADE_DISABLED),
        (rules_of(FUTURES, status="SETTLING"), True, Retcode.MARKET_CLOSED),
        (rules_of(FUTURES, status="PRE_DELIVERING"), False, Retcode.CLOSE_ONLY),
        (rules_of(FUTURES, status="PRE_DELIVERING"), True, None),
    ],
)
def test_a_symbol_that_does_not_trade_takes_no_orders(rules: Rules, reduces: bool, code: Retcode | None) -> None:
    """A contract before its delivery takes those that reduce."""
    refused = refusal(rules, attrs.evolve(BUY, reduces=reduces), MARKET)
    assert (None if refused is None else refused.retcode) == code


def test_what_is_open_counts() -> None:
    """Orders in all, those that wait for a trigger, and what would be held."""
    stop = Wanted(Side.SELL, "STOP_LOSS", D("0.01"), trigger=D(50000))
    assert refusal(SPOT_RULES, stop, MARKET, Standing(199, 4)) is None
    assert why(SPOT_RULES, stop, standing=Standing(7, 5)) == (
        Retcode.LIMIT_ORDERS,
        "MAX_NUM_ALGO_ORDERS: 5 orders wait for a trigger, and 5 may be; take one back first",
    )
    assert why(SPOT_RULES, BUY, standing=Standing(200, 0))[1].startswith("MAX_NUM_ORDERS: 200 orders are open")
    assert refusal(SPOT_RULES, Wanted(Side.SELL, "MARKET", D("0.01")), MARKET, Standing(200, 5)) is None
    held = Standing(position=D("9.995"))
    assert why(SPOT_RULES, BUY, standing=held) == (
        Retcode.LIMIT_VOLUME,
        "MAX_POSITION: 9.995 is held or ordered, and with 0.01 more it is above 10; use at most 0.005",
    )
    assert why(SPOT_RULES, BUY, standing=Standing(position=D(12)))[1].endswith("above 10; sell some first")
    assert refusal(SPOT_RULES, attrs.evolve(BUY, side=Side.SELL), MARKET, held) is None


def test_a_price_that_is_not_known_refuses_nothing() -> None:
    """The exchange knows it, and decides."""
    unknown = Prices(D(60000), D(60001))
    assert refusal(SPOT_RULES, Wanted(Side.BUY, "MARKET", D("0.00001")), unknown) is None
    assert refusal(SPOT_RULES, attrs.evolve(BUY, price=D(900000)), unknown) is None
    assert refusal(SPOT_RULES, attrs.evolve(BUY, price=D(900000)), attrs.evolve(MARKET, average=D("NaN"))) is None


def test_an_average_over_no_time_is_the_last_price() -> None:
    """`avgPriceMins` of 0."""
    rules = with_filter(SPOT, "NOTIONAL", minNotional="5", applyMinToMarket=True, avgPriceMins=0)
    wanted = Wanted(Side.BUY, "MARKET", D("0.001"))
    assert refusal(rules, wanted, attrs.evolve(MARKET, average=D(1))) is None
    assert why(rules, wanted, attrs.evolve(MARKET, last=D(1)))[1].startswith("NOTIONAL: the worth 0.001")


def test_market_orders_may_be_exempt() -> None:
    """As the filter says, from its smallest and from its largest worth."""
    small, large = Wanted(Side.BUY, "MARKET", D("0.00001")), Wanted(Side.BUY, "MARKET", D(2))
    rules = with_filter(
        SPOT,
        "NOTIONAL",
        minNotional="5",
        maxNotional="100000",
        applyMinToMarket=False,
        applyMaxToMarket=True,
        avgPriceMins=5,
    )
    assert refusal(rules, small, MARKET) is None
    assert why(rules, large)[1].startswith("NOTIONAL: the worth 120000")
    assert refusal(SPOT_RULES, attrs.evolve(large, quantity=D(9)), attrs.evolve(MARKET, average=D(2000000))) is None


def test_orders_that_reduce_may_be_worth_little() -> None:
    """On futures (-4164): so that a small rest can be closed."""
    rest = Wanted(Side.SELL, "MARKET", D("0.001"), reduces=True)
    assert refusal(FUTURES_RULES, rest, MARKET) is None
    assert why(FUTURES_RULES, attrs.evolve(rest, reduces=False))[0] == Retcode.INVALID_VOLUME


def test_nothing_may_work() -> None:
    """Where bounds and grid leave nothing, no value is named."""
    rules = with_filter(SPOT, "PRICE_FILTER", minPrice="1", maxPrice="2", tickSize="5")
    assert why(rules, attrs.evolve(BUY, price=D(5)))[1].endswith("; nothing works here now")


# --- against a second reading of the documents -----------------------------------------------------------------------


def _inside(value: Fraction, least: str, most: str, step: str = "0") -> bool:
    low, high, unit = Fraction(least), Fraction(most), Fraction(step)
    return (not low or value >= low) and (not high or value <= high) and (not unit or (value / unit).denominator == 1)


def documents_accept(symbol: dict[str, Any], order: Wanted, market: Prices, standing: Standing) -> bool:
    """Whether an order passes the symbol's filters, read by hand."""
    is_futures = "marginAsset" in symbol
    quantity = Fraction(order.quantity)
    price = None if order.price is None else Fraction(order.price)
    trigger = None if order.trigger is None else Fraction(order.trigger)
    at_market = order.kind == "MARKET"
    buys = order.side is Side.BUY
    for each in symbol["filters"]:

        def reference(mins: Any) -> Fraction | None:
            known = market.mark if is_futures else market.average if mins else market.last
            return None if known is None else Fraction(known)

        match each["filterType"]:
            case "PRICE_FILTER":
                for level in (price, trigger):
                    if level is not None and not _inside(level, each["minPrice"], each["maxPrice"], each["tickSize"]):
                        return False
            case "LOT_SIZE":
                if not _inside(quantity, each["minQty"], each["maxQty"], each["stepSize"]):
                    return False
            case "MARKET_LOT_SIZE":
                if at_market and not _inside(quantity, each["minQty"], each["maxQty"], each["stepSize"]):
                    return False
            case "MIN_NOTIONAL" if is_futures:
                worth = reference(0) if at_market else price
                if worth is not None and not order.reduces and worth * quantity < Fraction(each["notional"]):
                    return False
            case "MIN_NOTIONAL":
                worth = reference(each["avgPriceMins"]) if at_market else price
                applies = each["applyToMarket"] or not at_market
                if worth is not None and applies and worth * quantity < Fraction(each["minNotional"]):
                    return False
            case "NOTIONAL":
                worth = reference(each["avgPriceMins"]) if at_market else price
                if worth is not None:
                    low, high = Fraction(each["minNotional"]), Fraction(each["maxNotional"])
                    if (each["applyMinToMarket"] or not at_market) and worth * quantity < low:
                        return False
                    if (each["applyMaxToMarket"] or not at_market) and worth * quantity > high:
                        return False
            case "PERCENT_PRICE" if is_futures:
                mark = reference(0)
                if price is not None and mark is not None:
                    if buys and price > mark * Fraction(each["multiplierUp"]):
                        return False
                    if not buys and price < mark * Fraction(each["multiplierDown"]):
                        return False
            case "PERCENT_PRICE":
                around = reference(each["avgPriceMins"])
                if price is not None and around is not None:
                    down, up = Fraction(each["multiplierDown"]), Fraction(each["multiplierUp"])
                    if not around * down <= price <= around * up:
                        return False
            case "PERCENT_PRICE_BY_SIDE":
                around = reference(each["avgPriceMins"])
                if price is not None and around is not None:
                    name = "bid" if buys else "ask"
                    down, up = Fraction(each[f"{name}MultiplierDown"]), Fraction(each[f"{name}MultiplierUp"])
                    if not around * down <= price <= around * up:
                        return False
            case "MAX_NUM_ORDERS":
                most = each.get("maxNumOrders", each.get("limit"))
                if not at_market and standing.orders + 1 > most:
                    return False
            case "MAX_NUM_ALGO_ORDERS":
                most = each.get("maxNumAlgoOrders", each.get("limit"))
                if order.kind in STOPS and standing.stops + 1 > most:
                    return False
            case "MAX_POSITION":
                if buys and Fraction(standing.position) + quantity > Fraction(each["maxPosition"]):
                    return False
    return True


def numbers(least: int, most: int, places: int) -> st.SearchStrategy[str]:
    """Decimals of so many places, as the exchange writes them."""
    return st.integers(least, most).map(lambda units: f"{Decimal(units).scaleb(-places):f}")


def a_filter(name: str, **values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A filter with any values."""
    return st.fixed_dictionaries({"filterType": st.just(name), **values})


PRICE = a_filter(
    "PRICE_FILTER",
    minPrice=numbers(0, 300, 2),
    maxPrice=st.one_of(st.just("0"), numbers(300, 3000, 2)),
    tickSize=st.sampled_from(["0", "0.01", "0.05", "0.10000000", "0.3"]),
)
LOTS = {
    "minQty": numbers(0, 200, 2),
    "maxQty": st.one_of(st.just("0"), numbers(200, 900, 2)),
    "stepSize": st.sampled_from(["0", "0.01", "0.02", "0.5", "0.07"]),
}
MINS = st.sampled_from([0, 5])
NOTIONALS = st.one_of(
    a_filter("MIN_NOTIONAL", minNotional=numbers(1, 3000, 2), applyToMarket=st.booleans(), avgPriceMins=MINS),
    a_filter(
        "NOTIONAL",
        minNotional=numbers(1, 3000, 2),
        maxNotional=numbers(3000, 20000, 2),
        applyMinToMarket=st.booleans(),
        applyMaxToMarket=st.booleans(),
        avgPriceMins=MINS,
    ),
)
MULTIPLIERS = (numbers(50, 100, 2), numbers(100, 200, 2))
PERCENTS = st.one_of(
    a_filter("PERCENT_PRICE", multiplierDown=MULTIPLIERS[0], multiplierUp=MULTIPLIERS[1], avgPriceMins=MINS),
    a_filter(
        "PERCENT_PRICE_BY_SIDE",
        bidMultiplierDown=MULTIPLIERS[0],
        bidMultiplierUp=MULTIPLIERS[1],
        askMultiplierDown=MULTIPLIERS[0],
        askMultiplierUp=MULTIPLIERS[1],
        avgPriceMins=MINS,
    ),
)
SPOT_FILTERS = st.tuples(
    PRICE,
    a_filter("LOT_SIZE", **LOTS),
    a_filter("MARKET_LOT_SIZE", **LOTS),
    NOTIONALS,
    PERCENTS,
    a_filter("MAX_NUM_ORDERS", maxNumOrders=st.integers(1, 4)),
    a_filter("MAX_NUM_ALGO_ORDERS", maxNumAlgoOrders=st.integers(1, 4)),
    a_filter("MAX_POSITION", maxPosition=numbers(100, 2000, 2)),
)
FUTURES_FILTERS = st.tuples(
    PRICE,
    a_filter("LOT_SIZE", **LOTS),
    a_filter("MARKET_LOT_SIZE", **LOTS),
    a_filter("MIN_NOTIONAL", notional=numbers(1, 3000, 2)),
    a_filter("PERCENT_PRICE", multiplierDown=MULTIPLIERS[0], multiplierUp=MULTIPLIERS[1]),
    a_filter("MAX_NUM_ORDERS", limit=st.integers(1, 4)),
    a_filter("MAX_NUM_ALGO_ORDERS", limit=st.integers(1, 4)),
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, Any], Wanted, Prices, Standing]:
    """A symbol with some filters, and a well-formed order for it."""
    is_futures = draw(st.booleans())
    every = draw(FUTURES_FILTERS if is_futures else SPOT_FILTERS)
    filters = [each for each in every if draw(st.integers(0, 3))]
    base = FUTURES if is_futures else SPOT
    kind = draw(st.sampled_from(FUTURES_KINDS if is_futures else SPOT_KINDS))
    has_price = kind in ("LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT") or (
        is_futures and kind in ("STOP", "TAKE_PROFIT")
    )
    a_price = st.one_of(numbers(1, 400, 2), numbers(10, 40, 1)).map(Decimal)
    known = st.one_of(st.none(), numbers(50, 300, 2).map(Decimal))
    order = Wanted(
        side=draw(st.sampled_from(Side)),
        kind=kind,
        quantity=draw(st.one_of(numbers(1, 1000, 2), numbers(1, 20, 0)).map(Decimal)),
        price=draw(a_price) if has_price else None,
        trigger=draw(a_price) if kind in STOPS else None,
        reduces=draw(st.booleans()),
    )
    market = Prices(D(1), D(2), draw(known), draw(known), draw(known))
    standing = Standing(draw(st.integers(0, 4)), draw(st.integers(0, 4)), draw(numbers(0, 900, 2).map(Decimal)))
    return base | {"filters": filters}, order, market, standing


@given(cases())
def test_what_the_documents_accept_is_accepted_and_nothing_else(
    case: tuple[dict[str, Any], Wanted, Prices, Standing],
) -> None:
    """Two readings of the same rules come to the same."""
    symbol, order, market, standing = case
    refused = refusal(rules_of(symbol), order, market, standing)
    assert (refused is None) is documents_accept(symbol, order, market, standing), refused


SUGGESTED = re.compile(r"^([A-Z_]+): the (quantity|price|trigger price|worth) .*; use (?:quantity )?([0-9.]+)$")


@given(cases())
def test_what_is_suggested_passes_the_filter(case: tuple[dict[str, Any], Wanted, Prices, Standing]) -> None:
    """Whoever does as the sentence says is not refused by the same filter again."""
    symbol, order, market, standing = case
    refused = refusal(rules_of(symbol), order, market, standing)
    found = None if refused is None else SUGGESTED.match(refused.comment)
    if found is None:
        return
    name, what, value = found[1], found[2], Decimal(found[3])
    field = {"worth": "quantity", "trigger price": "trigger"}.get(what, what)
    again = refusal(rules_of(symbol), attrs.evolve(order, **{field: value}), market, standing)
    if field == "quantity" and name in ("LOT_SIZE", "MARKET_LOT_SIZE"):
        assert again is None or not again.comment.startswith(("LOT_SIZE", "MARKET_LOT_SIZE", "the quantity")), again
    elif field == "trigger":
        assert again is None or not again.comment.startswith("PRICE_FILTER: the trigger"), again
    elif name == "PRICE_FILTER":
        assert again is None or not again.comment.startswith("PRICE_FILTER: the price"), again
    else:
        assert again is None or not again.comment.startswith((name, "LOT_SIZE", "PRICE_FILTER", "the ")), again


@given(
    st.sampled_from([SPOT_RULES, FUTURES_RULES]),
    st.sampled_from([*SPOT_KINDS, *FUTURES_KINDS, "BRAND_NEW"]),
    st.decimals(),
    st.one_of(st.none(), st.decimals()),
    st.one_of(st.none(), st.decimals()),
    st.tuples(*[st.one_of(st.none(), st.decimals())] * 3),
)
def test_no_number_is_too_strange(
    rules: Rules,
    kind: str,
    quantity: Decimal,
    price: Decimal | None,
    trigger: Decimal | None,
    known: tuple[Decimal | None, ...],
) -> None:
    """It is accepted or refused in a short sentence that can be shown, and nothing is raised."""
    for side in Side:
        refused = refusal(rules, Wanted(side, kind, quantity, price, trigger), Prices(D(1), D(2), *known))
        assert refused is None or isinstance(refused, Refused)
        if refused is not None:
            assert len(refused.comment) < 300
            assert refused.comment.isprintable()
