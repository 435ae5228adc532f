"""Our names and the terminal's, and what a symbol lets be done."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.adapters.mt5.terminal.constants import FIELDS
from quantmind.adapters.mt5.terminal.symbols import NotResolved, fillings_of, named, resolve
from quantmind.domain.orders import Filling
from quantmind.domain.symbols import Execution, TradeMode

USUAL: Mapping[str, Any] = {
    "name": "EURUSD",
    "description": "Euro vs US Dollar",
    "path": "Forex",
    "visible": True,
    "select": True,
    "digits": 5,
    "point": 1e-5,
    "trade_tick_size": 1e-5,
    "trade_contract_size": 100000.0,
    "volume_min": 0.01,
    "volume_max": 500.0,
    "volume_step": 0.01,
    "trade_stops_level": 0,
    "trade_freeze_level": 0,
    "currency_base": "EUR",
    "currency_profit": "USD",
    "currency_margin": "EUR",
    "trade_mode": 4,
    "trade_exemode": 2,
    "filling_mode": 1,
    "expiration_mode": 15,
    "swap_mode": 1,
    "swap_long": -7.2,
    "swap_short": 2.4,
    "bid": 1.1,
    "ask": 1.1001,
    "time": 0,
    "trade_tick_value": 1.0,
}


def info(name: str = "EURUSD", **more: Any) -> Any:
    assert set(USUAL) == set(FIELDS["SymbolInfo"])
    return SimpleNamespace(**{**USUAL, "name": name, **more})


def test_a_specification() -> None:
    """Exact sizes, the terminal's name beside ours."""
    found = named(info("EURUSD.r"), "EURUSD")
    spec = found.spec
    assert (spec.name, found.terminal_name, spec.digits) == ("EURUSD", "EURUSD.r", 5)
    assert (spec.tick_size, spec.contract_size, spec.volume_step) == (Decimal("0.00001"), 100000, Decimal("0.01"))
    assert (spec.swap_long, spec.swap_short) == (Decimal("-7.2"), Decimal("2.4"))
    assert (spec.trade_mode, spec.execution, spec.fillings) == (TradeMode.FULL, Execution.MARKET, {Filling.FOK})
    assert named(info(swap_mode=5), "EURUSD").spec.swap_long == 0, "an interest is no points"
    assert named(info(trade_tick_size=0.0), "EURUSD").spec.tick_size == Decimal("0.00001")
    assert not named(info(expiration_mode=3), "EURUSD").takes_time
    assert named(info(trade_mode=77), "EURUSD").spec.trade_mode is TradeMode.DISABLED, "what is not known is not traded"


@pytest.mark.parametrize(
    ("mask", "execution", "expected"),
    [
        (1, Execution.MARKET, {Filling.FOK}),
        (2, Execution.MARKET, {Filling.IOC}),
        (3, Execution.MARKET, {Filling.FOK, Filling.IOC}),
        (0, Execution.MARKET, {Filling.FOK}),
        (4, Execution.MARKET, {Filling.FOK}),
        (1, Execution.INSTANT, {Filling.FOK, Filling.RETURN}),
        (0, Execution.EXCHANGE, {Filling.RETURN}),
    ],
)
def test_the_mask_of_filling_modes(mask: int, execution: Execution, expected: set[Filling]) -> None:
    """RETURN is in no mask, and allowed but for market execution."""
    assert fillings_of(mask, execution) == expected


def test_names_are_resolved() -> None:
    """By what the configuration says, by the suffix, as they are, by both currencies; never by a beginning alone."""
    infos = [
        *(info("EURUSD.r"), info("USDJPY", currency_base="USD", currency_profit="JPY")),
        *(info("GBPUSD.pro", currency_base="GBP"), info("DJ30.cash", currency_base="USD"), info("GOLDMAN")),
    ]
    wanted = ["EURUSD", "USDJPY", "GBPUSD", "US30"]
    found = resolve(wanted, infos, suffix=".r", names={"US30": "DJ30.cash"})
    assert found == {"EURUSD": "EURUSD.r", "USDJPY": "USDJPY", "GBPUSD": "GBPUSD.pro", "US30": "DJ30.cash"}
    with pytest.raises(NotResolved, match="no symbol GOLD; say under `symbol_names` which it is; there are GOLDMAN"):
        resolve(["GOLD"], infos)
    with pytest.raises(NotResolved, match="`symbol_names` says NOPE"):
        resolve(["US30"], infos, names={"US30": "NOPE"})
    with pytest.raises(NotResolved, match="say its name there"):
        resolve(["XYZ"], infos)


def test_two_that_fit_are_none() -> None:
    """Both are named; a disabled one does not count."""
    infos = [info("EURUSDm"), info("EURUSD.ecn")]
    with pytest.raises(NotResolved, match=r"may be EURUSD\.ecn, EURUSDm: say which"):
        resolve(["EURUSD"], infos)
    assert resolve(["EURUSD"], [infos[0], info("EURUSD.ecn", trade_mode=0)]) == {"EURUSD": "EURUSDm"}
    assert resolve(["EURUSD"], [infos[0], info("EURUSD.x", currency_profit="EUR")]) == {"EURUSD": "EURUSDm"}


def test_the_market_watch() -> None:
    """Without a list: what is shown there, without the suffix; an empty one says what to do."""
    infos = [info("EURUSD.r"), info("USDJPY.r"), info("HIDDEN", visible=False), info("a name"), info("XAUUSD")]
    assert resolve([], infos, suffix=".r") == {"EURUSD": "EURUSD.r", "USDJPY": "USDJPY.r", "XAUUSD": "XAUUSD"}
    assert resolve([], infos[:1], names={"EUR": "EURUSD.r"}) == {"EUR": "EURUSD.r"}
    with pytest.raises(NotResolved, match="Market Watch is empty"):
        resolve([], [infos[2]])


@settings(max_examples=examples(1_000, 200), deadline=None)
@given(
    st.sampled_from(sorted(USUAL)),
    st.none() | st.floats() | st.integers() | st.text(max_size=20) | st.sampled_from([b"", [], 1e308]),
)
def test_any_field_makes_a_symbol_or_a_named_fault(field: str, value: Any) -> None:
    """A ValueError that names it, and nothing else."""
    try:
        found = named(info(**{field: value}), "EURUSD")
    except ValueError as error:
        assert field in str(error)  # noqa: PT017 - it may also be fine
        return
    spec = found.spec
    assert 0 < spec.volume_min <= spec.volume_max
    assert spec.tick_size > 0
    assert spec.fillings
