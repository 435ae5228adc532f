"""What the made-up exchanges share: parameters, faults, numbers, the market."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantmind.testing.binance.engine import (
    ApiFault,
    decimal_of,
    integer_of,
    one_of,
    wanted,
    wanted_decimal,
    yes_or_no,
)
from quantmind.testing.binance.market import Market
from quantmind.testing.binance.symbols import (
    FUTURES_SYMBOLS,
    SPOT_SYMBOLS,
    decimals,
    eight,
    is_multiple,
    plain,
)

READERS: list[Callable[[dict[str, str], str], Any]] = [wanted, decimal_of, integer_of, yes_or_no, wanted_decimal]
NUMBERS = st.decimals(min_value=0, max_value=10**9, places=8, allow_nan=False)


@given(st.text(max_size=50))
def test_any_parameter_is_read_or_refused(said: str) -> None:
    """Whatever a client sends, it is a value or an ApiFault, and nothing else is raised."""
    for read in READERS:
        with suppress(ApiFault):
            read({"x": said}, "x")


@given(NUMBERS)
def test_a_number_is_read_as_it_was_written(value: Decimal) -> None:
    """A decimal without sign and exponent comes back."""
    assert decimal_of({"x": f"{value:f}"}, "x") == value


@pytest.mark.parametrize("said", ["-1", "+1", "1e5", "NaN", "Infinity", "1_000", " 1", ".", "1.2.3", "1,5", "٣"])
def test_what_is_no_number(said: str) -> None:
    """What Python takes for a number is none to the exchange."""
    with pytest.raises(ApiFault, match="-1100"):
        decimal_of({"x": said}, "x")


def test_what_was_not_sent() -> None:
    """A parameter that is wanted and misses is -1102, an empty one -1105, and any other is None or its default."""
    with pytest.raises(ApiFault, match="-1102"):
        wanted({}, "x")
    with pytest.raises(ApiFault, match="-1105"):
        wanted({"x": ""}, "x")
    assert decimal_of({}, "x") is None
    assert integer_of({}, "x") is None
    assert yes_or_no({}, "x", default=True)
    assert yes_or_no({"x": "true"}, "x")
    assert not yes_or_no({"x": "FALSE"}, "x", default=True)
    with pytest.raises(ApiFault, match="-1102"):
        yes_or_no({"x": "yes"}, "x")


def test_one_of_several_words() -> None:
    """A word that is none of these is the fault that was given."""
    assert one_of({"x": "a"}, "x", ("a", "b"), ApiFault(400, -1, "no")) == "a"
    with pytest.raises(ApiFault, match="-1 no"):
        one_of({"x": "c"}, "x", ("a", "b"), ApiFault(400, -1, "no"))


def test_what_a_fault_says() -> None:
    """Its body is Binance's, with the data of a request that was half done."""
    assert ApiFault(400, -1121, "Invalid symbol.").body() == {"code": -1121, "msg": "Invalid symbol."}
    assert ApiFault(409, -2021, "half", {"a": 1}).body() == {"code": -2021, "msg": "half", "data": {"a": 1}}


@given(NUMBERS)
def test_numbers_are_written_as_the_exchanges_do(value: Decimal) -> None:
    """Spot writes eight decimals, futures as few as it takes; both are the same value."""
    assert Decimal(eight(value)) == value
    assert len(eight(value).split(".")[1]) == 8
    assert Decimal(plain(value)) == value
    assert "E" not in plain(value)
    assert plain(value) == "0" or not ("." in plain(value) and plain(value).endswith("0"))


def test_decimals_and_multiples() -> None:
    """Noughts at the end are no precision, and a unit of 0 asks for nothing."""
    assert decimals(Decimal("1.230")) == 2
    assert decimals(Decimal(1200)) == 0
    assert is_multiple(Decimal("0.3"), Decimal("0.1"))
    assert not is_multiple(Decimal("0.35"), Decimal("0.1"))
    assert is_multiple(Decimal("0.35"), Decimal(0))


def test_the_symbols_that_are_there() -> None:
    """Both exchanges have the same two, with filters that fit each other."""
    for symbols in (SPOT_SYMBOLS, FUTURES_SYMBOLS):
        assert [each.name for each in symbols] == ["BTCUSDT", "ETHUSDT"]
        for each in symbols:
            assert is_multiple(each.min_qty, each.step)
            assert is_multiple(each.min_price, each.tick)
            assert each.min_qty <= each.most_at_market <= each.max_qty


def test_the_last_price_stays_in_the_spread() -> None:
    """A quote that leaves the last price behind takes it along."""
    market = Market()
    assert not market.is_quoted
    market.move(Decimal(10), Decimal(11), None, None)
    assert market.last == 10
    market.move(Decimal(12), Decimal(13), None, None)
    assert market.last == 12
    market.move(Decimal(8), Decimal(9), None, None)
    assert market.last == 9


def test_what_a_quote_offers() -> None:
    """A quantity that is given runs out; one that is not never does."""
    market = Market()
    market.move(Decimal(10), Decimal(11), Decimal(5), None)
    market.take("SELL", Decimal(3))
    market.take("BUY", Decimal(3))
    assert (market.offered_to("SELL"), market.offered_to("BUY")) == (2, None)
    assert (market.price_for("SELL"), market.price_for("BUY")) == (10, 11)
    assert market.reaches("BUY", Decimal(11))
    assert not market.reaches("BUY", Decimal("10.99"))
    assert market.reaches("SELL", Decimal(10))
    assert not market.reaches("SELL", Decimal("10.01"))


@pytest.mark.parametrize(
    ("bid", "ask", "size"),
    [("0", "1", None), ("2", "1", None), ("NaN", "1", None), ("1", "Infinity", None), ("1", "2", "-1")],
)
def test_what_is_no_market(bid: str, ask: str, size: str | None) -> None:
    """A quote that is crossed or no number is a mistake of the test, and is not taken."""
    market = Market()
    with pytest.raises(ValueError):
        market.move(Decimal(bid), Decimal(ask), None if size is None else Decimal(size), None)
    assert not market.is_quoted
