"""What live terminals printed comes out field by field in the same situation.

The recorded texts are `recorded_reprs_from_public_repos` of the facts beside the data that `QUANTMIND_DATA` names
(default ../shared/data): ../facts/mt5_facts.json. They stand here, too, so that the rules are tested without the facts.
"""

from __future__ import annotations

import ast
import json
import os
import re
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from quantmind.adapters.mock.account import PaperAccount
from quantmind.adapters.mock.symbol_terms import USUAL_KINDS, OrderKind, SymbolTerms
from quantmind.adapters.mock.terminal_view import TerminalView
from quantmind.adapters.mock.terms import Terms
from quantmind.domain.orders import Filling
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import usual_spec

ROOT = Path(__file__).parents[4]
FACTS = Path(os.environ.get("QUANTMIND_DATA", str(ROOT.parent / "shared" / "data"))).parent / "facts" / "mt5_facts.json"

MARKET_REQUEST = {
    "action": 1,
    "magic": 234000,
    "order": 0,
    "symbol": "GBPUSD",
    "volume": 0.1,
    "price": 1.245,
    "stoplimit": 0.0,
    "sl": 1.2440000000000002,
    "tp": 1.246,
    "deviation": 20,
    "type": 0,
    "type_filling": 1,
    "type_time": 0,
    "expiration": 0,
    "comment": "python script open",
    "position": 0,
    "position_by": 0,
}
MARKET = {
    "retcode": 10009,
    "deal": 285100830,
    "order": 394540683,
    "volume": 0.1,
    "price": 1.245,
    "bid": 1.24491,
    "ask": 1.245,
    "comment": "Request executed",
    "request_id": 1157830844,
    "retcode_external": 0,
    "request": MARKET_REQUEST,
}
PENDING_REQUEST = {
    "action": 5,
    "magic": 0,
    "order": 0,
    "symbol": "BTCUSD",
    "volume": 0.05,
    "price": 59000.0,
    "stoplimit": 0.0,
    "sl": 0.0,
    "tp": 0.0,
    "deviation": 0,
    "type": 2,
    "type_filling": 2,
    "type_time": 0,
    "expiration": 0,
    "comment": "limit order",
    "position": 0,
    "position_by": 0,
}
PENDING = {
    "retcode": 10009,
    "deal": 0,
    "order": 47247595,
    "volume": 0.05,
    "price": 0.0,
    "bid": 65348.46,
    "ask": 65380.340000000004,
    "comment": "limit order",
    "request_id": 3922353979,
    "retcode_external": 0,
    "request": PENDING_REQUEST,
}
SLTP_REQUEST = {
    "action": 6,
    "magic": 234000,
    "order": 0,
    "symbol": "USDJPY",
    "volume": 0.0,
    "price": 0.0,
    "stoplimit": 0.0,
    "sl": 138.574,
    "tp": 0.0,
    "deviation": 20,
    "type": 0,
    "type_filling": 0,
    "type_time": 0,
    "expiration": 0,
    "comment": "python script open",
    "position": 2274618675,
    "position_by": 0,
}
SLTP = {
    "retcode": 10009,
    "deal": 0,
    "order": 0,
    "volume": 0.0,
    "price": 0.0,
    "bid": 0.0,
    "ask": 0.0,
    "comment": "Request executed",
    "request_id": 151,
    "retcode_external": 0,
    "request": SLTP_REQUEST,
}
POSITION = {
    "ticket": 425102858,
    "time": 1686945604,
    "time_msc": 1686945604865,
    "time_update": 1686945604,
    "time_update_msc": 1686945604865,
    "type": 1,
    "magic": 0,
    "identifier": 425102858,
    "reason": 0,
    "volume": 1.0,
    "price_open": 1.6921300000000001,
    "sl": 1.69791,
    "tp": 1.6844999999999999,
    "price_current": 1.6923300000000001,
    "swap": 0.0,
    "profit": -11.82,
    "symbol": "GBPCAD",
    "comment": "",
    "external_id": "",
}
SYMBOL = {
    "digits": 3,
    "spread": 14,
    "trade_stops_level": 3,
    "trade_freeze_level": 3,
    "trade_exemode": 2,
    "swap_mode": 0,
    "expiration_mode": 15,
    "filling_mode": 1,
    "order_mode": 63,
    "bid": 144.995,
    "ask": 145.009,
    "point": 0.001,
    "trade_tick_value": 0.7173395311468824,
    "trade_tick_value_profit": 0.7173395311468824,
    "trade_tick_value_loss": 0.7173961389739801,
    "trade_tick_size": 0.001,
    "trade_contract_size": 100000.0,
    "volume_min": 0.01,
}


def same(shape, recorded):
    """Field by field, in value and in type; a double to its last bit."""
    assert {name: (shape[name], type(shape[name])) for name in recorded} == {
        name: (value, type(value)) for name, value in recorded.items()
    }


def account(*symbols, currency="USD", **terms):
    return PaperAccount(Terms(currency=currency, initial_balance=Decimal(1_000_000), **terms), map(usual_spec, symbols))


def market_order():
    paper = account("GBPUSD", first_ticket=394540683, first_deal=285100830)
    paper.tick(Quote("GBPUSD", 1.24491, 1.245, 1_670_000_000_000))
    return TerminalView(paper, next_request_id=1157830844).order_send(MARKET_REQUEST)


def pending_order():
    paper = account("BTCUSD", first_ticket=47247595)
    paper.tick(Quote("BTCUSD", 65348.46, 65380.340000000004, 1_710_000_000_000))
    return TerminalView(paper, next_request_id=3922353979).order_send(PENDING_REQUEST)


def stops():
    paper = account("USDJPY", first_ticket=2274618675)
    paper.tick(Quote("USDJPY", 139.100, 139.112, 1_670_000_000_000))
    view = TerminalView(paper, next_request_id=150)
    opening = {"action": 1, "symbol": "USDJPY", "volume": 0.1, "type": 0, "magic": 234000}
    assert view.order_send(opening)["order"] == 2274618675
    return view.order_send(SLTP_REQUEST)


def position():
    # 20 points against it are 20 CAD; -11.82 says that the account is in GBP: 20 / 1.6923 (the bid) = 11.8182.
    paper = account("GBPCAD", currency="GBP", first_ticket=425102858)
    paper.tick(Quote("GBPCAD", 1.69213, 1.69228, 1_686_945_604_865))
    view = TerminalView(paper)
    request = {"action": 1, "symbol": "GBPCAD", "volume": 1.0, "type": 1, "sl": 1.69791, "tp": 1.6845}
    assert view.order_send(request)["retcode"] == 10009
    paper.tick(Quote("GBPCAD", 1.69218, 1.69233, 1_686_945_700_000))
    (shape,) = view.positions_get()
    return shape


def symbol():
    # 100 JPY (a tick of a lot) are 0.71733953 USD at USDJPY 139.404 and 0.71739614 at 139.393: ask and bid then.
    spec = attrs.evolve(
        usual_spec("EURJPY"),
        stops_level=3,
        freeze_level=3,
        fillings=frozenset({Filling.FOK}),
        tick_size=Decimal("0.001"),
    )
    # 63 has stop limit orders and no close by; of a paper account the bit is shown and the order refused.
    kinds = USUAL_KINDS - {OrderKind.CLOSE_BY} | {OrderKind.STOP_LIMIT}
    paper = PaperAccount(Terms(), [spec, usual_spec("USDJPY")], {"EURJPY": SymbolTerms(order_kinds=kinds)})
    paper.tick(Quote("USDJPY", 139.393, 139.404, 1_668_579_322_000))
    paper.tick(Quote("EURJPY", 144.995, 145.009, 1_668_579_322_000))
    return TerminalView(paper, offset_s=7200).symbol_info("EURJPY")


CASES = [
    ("order_send market", market_order, MARKET),
    ("order_send pending", pending_order, PENDING),
    ("order_send sltp", stops, SLTP),
    ("TradePosition", position, POSITION),
    ("SymbolInfo (part", symbol, SYMBOL),
]


@pytest.mark.parametrize(("name", "make", "recorded"), CASES, ids=[name for name, _, _ in CASES])
def test_a_recorded_structure_comes_out_field_by_field(name, make, recorded):
    """Given the prices, tickets and numbers of the recording."""
    same(make(), recorded)


def test_the_time_of_a_symbol_is_the_server_clock():
    """1668586522 was printed at 08:15:22 UTC by a server two hours ahead."""
    assert symbol()["time"] == 1668586522


@pytest.fixture(scope="module")
def facts():
    if not FACTS.is_file():
        pytest.skip(f"the facts are not there: {FACTS}; set QUANTMIND_DATA to the data folder beside them")
    return json.loads(FACTS.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("name", "make", "recorded"), CASES, ids=[name for name, _, _ in CASES])
def test_what_stands_here_is_what_was_recorded(facts, name, make, recorded):
    """The literals of this file are the recorded texts."""
    (text,) = (text for key, text in facts["recorded_reprs_from_public_repos"].items() if key.startswith(name))

    assert recorded == parsed(text)


def parsed(text):
    """A printed structure as a dict."""
    call = ast.parse(text if text.startswith("OrderSendResult") else f"X({text})", mode="eval").body
    return fields(call)


def fields(call):
    return {
        keyword.arg: fields(keyword.value) if isinstance(keyword.value, ast.Call) else ast.literal_eval(keyword.value)
        for keyword in call.keywords
    }


@pytest.mark.parametrize(
    ("struct", "make"),
    [
        ("OrderSendResult", lambda view: view.order_send({"action": 1})),
        ("TradeRequest", lambda view: view.order_send({"action": 1})["request"]),
        ("OrderCheckResult", lambda view: view.order_check({"action": 1})),
        ("AccountInfo", lambda view: view.account_info()),
        ("SymbolInfo", lambda view: view.symbol_info("GBPUSD")),
        ("Tick", lambda view: view.symbol_info_tick("GBPUSD")),
        ("TradePosition", lambda view: view.positions_get()[0]),
        ("TradeOrder", lambda view: view.orders_get()[0]),
        ("TradeDeal", lambda view: view.history_deals_get(position=1)[0]),
    ],
)
def test_each_structure_has_the_fields_of_the_package_in_its_order(facts, struct, make):
    """A structure is a sequence: a field out of its place is another one's value."""
    paper = account("GBPUSD", first_ticket=1)
    paper.tick(Quote("GBPUSD", 1.24491, 1.245, 1_670_000_000_000))
    view = TerminalView(paper)
    view.order_send({"action": 1, "symbol": "GBPUSD", "volume": 0.1, "type": 0})
    view.order_send({"action": 5, "symbol": "GBPUSD", "volume": 0.1, "type": 2, "price": 1.2})

    assert list(make(view)) == facts["structs"][struct]


def test_the_names_of_the_numbers_are_those_of_the_package(facts):
    """Each number that the view has is the constant that it stands for."""
    from quantmind.adapters.mock.terminal_view import constants
    from quantmind.domain.accounts import Cause, Entry

    named = {name: number for group in facts["constants"].values() for name, number in group.items()}
    assert {f"TRADE_ACTION_{each.name}": int(each) for each in constants.Action}.items() <= named.items()
    assert {f"ORDER_TIME_{each.name}": int(each) for each in constants.TypeTime}.items() <= named.items()
    assert {
        f"ORDER_TYPE_{side.name}{'' if kind.name == 'MARKET' else '_' + kind.name}": number
        for number, (side, kind) in constants.ORDER_TYPES.items()
    }.items() <= named.items()
    assert {
        f"ORDER_FILLING_{each.name}": number for number, each in constants.FILLINGS.items()
    }.items() <= named.items()
    for prefix, table in (
        ("SYMBOL_TRADE_EXECUTION_", constants.EXECUTIONS),
        ("SYMBOL_TRADE_MODE_", constants.TRADE_MODES),
        ("DEAL_ENTRY_", constants.ENTRIES),
    ):
        assert {prefix + re.sub("_(?=ONLY)", "", each.name): number for each, number in table.items()}.items() <= (
            named.items()
        )
    assert {
        f"DEAL_REASON_{short}": constants.DEAL_REASONS[cause]
        for short, cause in (("SL", Cause.SL), ("TP", Cause.TP), ("SO", Cause.STOP_OUT))
    }.items() <= named.items()
    assert set(constants.ENTRIES) == set(Entry)
    bits = facts["absent_from_python_module_but_in_MQL5"]
    for each, bit in constants.ORDER_BITS.items():
        assert bits[f"SYMBOL_ORDER_{each.name.replace('CLOSE_BY', 'CLOSEBY')}"] == bit
    assert bits["SYMBOL_FILLING_FOK"] == constants.FILLING_BITS[Filling.FOK]
    assert bits["SYMBOL_FILLING_IOC"] == constants.FILLING_BITS[Filling.IOC]
