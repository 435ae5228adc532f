"""The exchange's rules: two real answers of 2021, answers as they are today, and what the gateway makes of them."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from wire_fuzz import reads_or_faults, refused, spoiled

from quantmind.adapters.binance.budget import FUTURES, SPOT, Budget, Limit
from quantmind.adapters.binance.exchange_info import ExchangeInfo, Rules, exchange_info, spec_of
from quantmind.adapters.binance.rules import CLOSE_ONLY, CLOSED, Lot, Notional, Percent, digits_of
from quantmind.adapters.binance.strange import Strange
from quantmind.domain.orders import Filling
from quantmind.domain.symbols import Execution, SymbolSpec, TradeMode

D = Decimal
ROOT = Path(__file__).resolve().parents[4]
DATA = Path(os.environ.get("QUANTMIND_DATA") or ROOT.parent / "shared" / "data")

SYMBOL: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "baseAssetPrecision": 8,
    "quoteAsset": "USDT",
    "quotePrecision": 8,
    "quoteAssetPrecision": 8,
    "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT"],
    "ocoAllowed": True,
    "otoAllowed": True,
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01000000", "maxPrice": "1000000.0", "tickSize": "0.01000000"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000", "stepSize": "0.00001000"},
        {"filterType": "ICEBERG_PARTS", "limit": 10},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "73.4", "stepSize": "0.00000000"},
        {"filterType": "TRAILING_DELTA", "minTrailingAboveDelta": 10, "maxTrailingAboveDelta": 2000},
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": "5",
            "bidMultiplierDown": "0.2",
            "askMultiplierUp": "6",
            "askMultiplierDown": "0.3",
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": "5.00000000",
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10},
        {"filterType": "MAX_POSITION", "maxPosition": "10.5"},
    ],
    "permissions": [],
    "permissionSets": [["SPOT", "MARGIN"], ["TRD_GRP_004"]],
}
CONTRACT: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "pair": "BTCUSDT",
    "contractType": "PERPETUAL",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "marginAsset": "USDT",
    "pricePrecision": 2,
    "quantityPrecision": 3,
    "triggerProtect": "0.0500",
    "marketTakeBound": "0.30",
    "orderTypes": ["LIMIT", "MARKET", "STOP_MARKET"],
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "120", "stepSize": "0.001"},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
        {"filterType": "MIN_NOTIONAL", "notional": "100"},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.05", "multiplierDown": "0.95", "multiplierDecimal": "4"},
    ],
}
LIMITS = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
]


def info(*symbols: Any, wanted: tuple[str, ...] = ("BTCUSDT",)) -> ExchangeInfo:
    """What an answer with these symbols comes to."""
    payload = {"serverTime": 1565246363776, "rateLimits": LIMITS, "exchangeFilters": [], "symbols": list(symbols)}
    return exchange_info(json.dumps(payload).encode(), wanted)


def rules(symbol: dict[str, Any] = SYMBOL, **changes: Any) -> Rules:
    """The rules of one symbol."""
    return info(symbol | changes).symbols["BTCUSDT"]


def with_filter(symbol: dict[str, Any], name: str, **values: Any) -> Rules:
    """The rules with another filter in place of the one with this name."""
    filters = [each for each in symbol["filters"] if each["filterType"] != name]
    return rules(symbol, filters=[*filters, {"filterType": name, **values}])


def test_rules_of_spot() -> None:
    """Each filter has its place; those of what is never done are passed over."""
    assert rules() == Rules(
        symbol="BTCUSDT",
        status="TRADING",
        base="BTC",
        quote="USDT",
        order_types=frozenset(SYMBOL["orderTypes"]),
        permissions=(frozenset({"SPOT", "MARGIN"}), frozenset({"TRD_GRP_004"})),
        oco_allowed=True,
        oto_allowed=True,
        min_price=D("0.01"),
        max_price=D(1000000),
        tick=D("0.01"),
        lot=Lot(D("0.00001"), D(9000), D("0.00001")),
        market_lot=Lot(D(0), D("73.4"), D(0)),
        notionals=(Notional("NOTIONAL", D(5), D(9000000), True, False, 5),),
        percents=(Percent("PERCENT_PRICE_BY_SIDE", D("0.2"), D(5), D("0.3"), D(6), 5),),
        max_orders=200,
        max_stops=5,
        max_lists=20,
        max_position=D("10.5"),
    )
    assert not rules().is_futures


def test_rules_of_futures() -> None:
    """Their filters have other names for the same, and go by the mark price."""
    assert rules(CONTRACT) == Rules(
        symbol="BTCUSDT",
        status="TRADING",
        base="BTC",
        quote="USDT",
        margin="USDT",
        contract_type="PERPETUAL",
        order_types=frozenset({"LIMIT", "MARKET", "STOP_MARKET"}),
        price_digits=2,
        quantity_digits=3,
        min_price=D("556.8"),
        max_price=D(4529764),
        tick=D("0.1"),
        lot=Lot(D("0.001"), D(1000), D("0.001")),
        market_lot=Lot(D("0.001"), D(120), D("0.001")),
        notionals=(Notional("MIN_NOTIONAL", D(100), by_mark=True),),
        percents=(Percent("PERCENT_PRICE", D(0), D("1.05"), D("0.95"), D(0), by_mark=True),),
        max_orders=200,
        max_stops=10,
        trigger_protect=D("0.05"),
        market_take_bound=D("0.3"),
    )
    assert rules(CONTRACT).is_futures


def test_old_filters_of_spot_are_read() -> None:
    """PERCENT_PRICE and MIN_NOTIONAL, which one symbol may have beside the newer ones."""
    found = with_filter(SYMBOL, "MIN_NOTIONAL", minNotional="10", applyToMarket=False, avgPriceMins=0)
    assert found.notionals == (
        Notional("NOTIONAL", D(5), D(9000000), True, False, 5),
        Notional("MIN_NOTIONAL", D(10), least_at_market=False, average_mins=0),
    )
    found = with_filter(SYMBOL, "PERCENT_PRICE", multiplierUp="5", multiplierDown="0.2", avgPriceMins=5)
    assert Percent("PERCENT_PRICE", D("0.2"), D(5), D("0.2"), D(5), 5) in found.percents


def test_only_what_is_wanted_is_read() -> None:
    """What can't be read of others is no fault; what is not there is missing."""
    found = info({"symbol": "NEW", "filters": 5}, 7, {"symbol": None}, SYMBOL, wanted=("BTCUSDT", "ETHUSDT"))
    assert list(found.symbols) == ["BTCUSDT"]
    assert found.server_msc == 1565246363776


def test_limits_are_what_the_budget_takes() -> None:
    """One without a kind is passed over."""
    assert info(SYMBOL).rate_limits == (
        Limit("REQUEST_WEIGHT", "MINUTE", 1, 6000),
        Limit("ORDERS", "SECOND", 10, 100),
    )
    budget = Budget(SPOT)
    budget.set_limits(info(SYMBOL).rate_limits)
    assert budget.snapshot()["used"]["ORDERS 10S"]["limit"] == 100
    assert exchange_info(b'{"symbols":[],"rateLimits":[{}]}', ()).rate_limits == ()


def test_a_filter_that_is_new_is_seen() -> None:
    """And refuses nothing."""
    found = with_filter(SYMBOL, "BRAND_NEW", limit="5.5")
    assert found.unknown_filters == ("BRAND_NEW",)
    strange = Strange()
    assert strange.look(found)
    assert strange.snapshot() == {"filter=BRAND_NEW": 1}


def test_a_limit_that_is_no_number_is_a_fault() -> None:
    """It is a quantity of other filters."""
    payload = {"symbols": [CONTRACT | {"filters": [{"filterType": "MAX_NUM_ORDERS", "limit": "5.5"}]}]}
    assert refused(lambda body: exchange_info(body, ("BTCUSDT",)), payload).value == '"5.5"'


# --- what the gateway makes of it ------------------------------------------------------------------------------------


def test_a_specification_of_spot() -> None:
    """Noughts at the end do not count; money is the quote asset's."""
    assert spec_of(rules()) == SymbolSpec(
        name="BTCUSDT",
        digits=2,
        tick_size=D("0.01"),
        contract_size=D(1),
        volume_min=D("0.00001"),
        volume_max=D(9000),
        volume_step=D("0.00001"),
        stops_level=0,
        currency_base="BTC",
        currency_profit="USDT",
        currency_margin="USDT",
        description="BTC/USDT, Binance spot",
        trade_mode=TradeMode.FULL,
        execution=Execution.MARKET,
        fillings=frozenset({Filling.IOC}),
    )


def test_a_specification_of_futures() -> None:
    """A tick of 0.10 has one digit."""
    spec = spec_of(rules(CONTRACT))
    assert (spec.digits, spec.tick_size, spec.volume_min, spec.volume_max) == (1, D("0.1"), D("0.001"), D(1000))
    assert spec.description == "BTC/USDT perpetual, Binance USD-M futures"
    assert spec_of(rules(CONTRACT, marginAsset="USDC")).currency_margin == "USDC"
    assert spec_of(rules(CONTRACT, contractType="CURRENT_QUARTER")).description.startswith("BTC/USDT current quarter")


@pytest.mark.parametrize(
    ("least", "step", "smallest"),
    [("0.001", "0.001", "0.001"), ("0.0015", "0.001", "0.002"), ("0", "0.5", "0.5"), ("100", "7", "105")],
)
def test_the_smallest_volume_is_a_multiple_of_the_step(least: str, step: str, smallest: str) -> None:
    """So that it is tradable."""
    spec = spec_of(with_filter(SYMBOL, "LOT_SIZE", minQty=least, maxQty="1000", stepSize=step))
    assert spec.volume_min == D(smallest)
    assert spec.on_volume_grid(spec.volume_min)


@pytest.mark.parametrize("tick", ["1", "10.00000000", "1000"])
def test_whole_ticks_have_no_digits(tick: str) -> None:
    """Prices of whole numbers, and of whole tens."""
    spec = spec_of(with_filter(SYMBOL, "PRICE_FILTER", minPrice="0", maxPrice="0", tickSize=tick))
    assert (spec.digits, spec.tick_size) == (0, D(tick))
    assert "E" not in str(spec.tick_size)


def test_a_symbol_without_filters_goes_by_its_precision() -> None:
    """The documents have such an example."""
    spec = spec_of(rules(filters=[]))
    assert (spec.digits, spec.volume_step, spec.volume_min) == (8, D("1E-8"), D("1E-8"))
    assert spec.volume_max == D(10) ** 12


@pytest.mark.parametrize(
    ("status", "mode"),
    [
        ("TRADING", TradeMode.FULL),
        *[(each, TradeMode.CLOSE_ONLY) for each in sorted(CLOSE_ONLY)],
        *[(each, TradeMode.DISABLED) for each in sorted(CLOSED)],
        ("BRAND_NEW", TradeMode.DISABLED),
    ],
)
def test_what_may_be_traded_goes_by_the_state(status: str, mode: TradeMode) -> None:
    """With a word that is new nothing may, and it is seen."""
    found = rules(status=status)
    assert spec_of(found).trade_mode is mode
    assert Strange().look(found) is (status == "BRAND_NEW")


# --- real answers, and any -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "limits"), [("cryptofeed_BINANCE.0.txt", SPOT), ("cryptofeed_BINANCE_FUTURES.0.txt", FUTURES)]
)
def test_a_real_answer_is_read(name: str, limits: Any) -> None:
    """Every symbol of two answers of 2021: grids that fit together, and nothing that is new to us."""
    path = DATA / "crypto" / name
    if not path.is_file():
        pytest.skip(f"{path} is not there; set QUANTMIND_DATA to the folder of recorded data")
    with path.open("rb") as lines:
        where, _, body = lines.readline().partition(b": {")
    assert b"exchangeInfo" in where
    body = b"{" + body
    names = [each["symbol"] for each in json.loads(body)["symbols"]]
    found = exchange_info(body, names)
    assert list(found.symbols) == names
    assert {each.kind for each in found.rate_limits} >= {each.kind for each in limits} - {"RAW_REQUESTS"}
    strange = Strange()
    for each in found.symbols.values():
        strange.look(each)
        spec = spec_of(each)
        assert spec.on_volume_grid(spec.volume_min)
        assert spec.on_price_grid(spec.round_price(D("1.2345")))
        # So it is the same whether prices are counted from 0 or from the smallest one.
        assert each.min_price % spec.tick_size == 0
        assert digits_of(each.tick) <= each.price_digits
        assert digits_of(each.lot.step) <= each.quantity_digits
    assert strange.snapshot() == {}


@given(spoiled({"symbols": [SYMBOL | {"pricePrecision": 2}], "rateLimits": LIMITS, "serverTime": 1}))
def test_any_answer_is_read_or_is_a_fault(body: bytes) -> None:
    """And what is read can be made a specification of."""
    found = reads_or_faults(lambda each: exchange_info(each, ("BTCUSDT",)), body)
    if isinstance(found, ExchangeInfo):
        for each in found.symbols.values():
            spec = spec_of(each)
            assert spec.volume_step > 0
            assert spec.tick_size > 0
