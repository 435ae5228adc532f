"""Our calls, constants and field names against what the real package has, so that a wrong name fails on Linux."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from quantmind.adapters.mt5.terminal import constants
from quantmind.adapters.mt5.terminal.calls import Calls
from quantmind.adapters.mt5.terminal.requests import Request
from quantmind.adapters.mt5.terminal.symbols import named
from quantmind.testing import mt5

POSITIONAL, KEYWORDS, NOTHING = 1, 3, 4


@pytest.fixture(scope="module")
def facts(data_folder: Path) -> Mapping[str, Any]:
    file = data_folder.parent / "facts" / "mt5_facts.json"
    if not file.exists():
        pytest.skip(f"the facts about the package are not there: {file}")
    found: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def all_constants(facts: Mapping[str, Any]) -> dict[str, int]:
    return {name: value for group in facts["constants"].values() for name, value in group.items()}


def test_what_we_use_is_there(facts: Mapping[str, Any]) -> None:
    """Each constant has the package's value, each function and each field is the package's."""
    theirs = all_constants(facts)
    assert {name: theirs.get(name) for name in constants.CONSTANTS} == dict(constants.CONSTANTS)
    assert set(constants.FUNCTIONS) <= set(facts["functions"])
    for name, fields in constants.FIELDS.items():
        assert set(fields) <= set(facts["structs"][name]), name
    assert set(constants.REQUEST_FIELDS) <= set(facts["structs"]["TradeRequest"])
    bits = facts["absent_from_python_module_but_in_MQL5"]
    assert (
        bits["SYMBOL_FILLING_FOK"],
        bits["SYMBOL_FILLING_IOC"],
    ) == (constants.FILLING_BIT_FOK, constants.FILLING_BIT_IOC)
    assert bits["SYMBOL_EXPIRATION_GTC"] == constants.EXPIRATION_BIT_GTC
    assert bits["SYMBOL_EXPIRATION_SPECIFIED"] == constants.EXPIRATION_BIT_SPECIFIED


def test_nothing_else_is_used() -> None:
    """Whatever the adapter calls stands in the list that is held against the facts.

    Fields are held against them by use: the made-up module's structures have those of the facts and no others.
    """
    folder = Path(inspect.getfile(constants)).parents[1]
    sources = "\n".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    called = set(re.findall(r"self\.module\.(\w+)\(", sources))
    assert called == set(constants.FUNCTIONS)


def test_a_module_that_lacks_something_is_told(facts: Mapping[str, Any]) -> None:
    """Each thing that is missing or different by its name; the made-up module lacks nothing."""
    assert constants.missing_from(mt5) == []
    broken = SimpleNamespace(**{**vars(mt5), "TRADE_ACTION_DEAL": 2, "order_send": None, "TradeDeal": tuple})
    del broken.ORDER_TIME_GTC
    told = constants.missing_from(broken)
    assert "the function order_send is missing" in told
    assert "the constant ORDER_TIME_GTC is missing" in told
    assert "the constant TRADE_ACTION_DEAL is 2, and 1 is expected" in told
    assert "the structure TradeDeal has no field position_id" in told
    assert facts["version"] == mt5.__version__


def test_the_made_up_module_has_the_surface(facts: Mapping[str, Any]) -> None:
    """Every constant, structure and function of the package, with its way of taking arguments."""
    theirs = all_constants(facts)
    assert len(theirs) == facts["constant_count"]
    assert {name: getattr(mt5, name, None) for name in theirs} == theirs
    for name, fields in facts["structs"].items():
        kind = getattr(mt5, name)
        assert kind._names == tuple(fields), name
        assert (kind.n_fields, kind.n_sequence_fields) == (len(fields), len(fields))
        assert not hasattr(kind, "_replace")
        assert not hasattr(kind, "_fields")
    for name, fact in facts["functions"].items():
        parameters = inspect.signature(getattr(mt5, name)).parameters.values()
        takes_keywords = any(each.kind in (each.KEYWORD_ONLY, each.POSITIONAL_OR_KEYWORD) for each in parameters)
        flags = fact["c_flags"]
        assert bool(parameters) == (flags != NOTHING), name
        assert takes_keywords == (flags == KEYWORDS), name
    for said in facts["python_helpers"]:
        name = said.partition("(")[0]
        shown = [str(each).partition(":")[0] for each in inspect.signature(getattr(mt5, name)).parameters.values()]
        assert shown == re.findall(r"(\w+)(?:=None)?[,)]", said), name


@pytest.mark.parametrize("which", ["order_send market", "order_send pending", "order_send sltp"])
def test_results_show_themselves_as_recorded(facts: Mapping[str, Any], which: str) -> None:
    """The text of a live terminal's result, read and shown again."""
    text = facts["recorded_reprs_from_public_repos"][which]
    made: Any = eval(text, {"OrderSendResult": by_names("OrderSendResult"), "TradeRequest": by_names("TradeRequest")})
    assert repr(made) == text
    assert made.request.symbol == made._asdict()["request"].symbol
    with pytest.raises(AttributeError):
        made.retcode = 0


def by_names(kind: str) -> Any:
    made = getattr(mt5, kind)
    return lambda **fields: made(fields[name] for name in made._names)


def test_the_recorded_symbol_gives_the_recorded_tick_value(facts: Mapping[str, Any]) -> None:
    """A yen cross of a dollar account: a tick is worth its yen at USDJPY, and not at the pair's own price."""
    recorded = facts["recorded_reprs_from_public_repos"]
    text = next(said for name, said in recorded.items() if name.startswith("SymbolInfo"))
    said = {name: json.loads(value) for name, value in re.findall(r"(\w+)=([-0-9.]+)", text)}
    info = SimpleNamespace(
        **{
            **dict.fromkeys(constants.FIELDS["SymbolInfo"], 0),
            "volume_max": 100.0,
            "volume_step": 0.01,
            "trade_mode": 4,
            **said,
            "name": "EURJPY",
            "description": "",
            "currency_base": "EUR",
            "currency_profit": "JPY",
            "currency_margin": "EUR",
        }
    )
    found = named(info, "EURJPY")
    spec = found.spec
    usdjpy = float(spec.tick_size * spec.contract_size / found.tick_value)
    assert abs(usdjpy - 139.40) < 0.01
    assert float(found.tick_value) == said["trade_tick_value"]
    assert (spec.digits, spec.stops_level, spec.freeze_level) == (3, 3, 3)
    assert {each.value for each in spec.fillings} == {"fok"}


def test_calls_are_made_as_the_package_wants_them(facts: Mapping[str, Any]) -> None:
    """What takes no keywords is given none: a strict module takes every call that we make."""
    made: list[str] = []

    def strict(name: str, flags: int) -> Any:
        def call(*arguments: Any, **keywords: Any) -> Any:
            if keywords and flags != KEYWORDS:
                raise TypeError(f"{name}() takes no keyword arguments")
            if (arguments or keywords) and flags == NOTHING:
                raise TypeError(f"{name}() takes no arguments")
            made.append(name)
            return (1, "Success") if name == "last_error" else ("something",)

        return call

    module = SimpleNamespace(**{name: strict(name, fact["c_flags"]) for name, fact in facts["functions"].items()})
    calls, request = Calls(module), Request(action=1)
    calls.initialize(path="x", login=1, password="p", server="s", timeout_ms=1, portable=True)
    calls.initialize()
    for call in (calls.version, calls.terminal_info, calls.account_info, calls.symbols_get, calls.positions_get):
        call()
    calls.orders_get()
    calls.positions_get(1)
    calls.orders_get(1)
    for named_call in (calls.symbol_info, calls.symbol_info_tick, calls.symbol_select):
        named_call("EURUSD")
    calls.copy_ticks_from("EURUSD", 1, 2)
    calls.history_orders(1, 2)
    calls.history_order(1)
    calls.history_deals(1, 2)
    calls.deals_of_order(1)
    calls.deals_of_position(1)
    calls.order_check(request)
    calls.order_send(request)
    calls.shutdown()
    assert set(made) == set(constants.FUNCTIONS) - {"last_error"}
