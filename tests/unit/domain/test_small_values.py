"""Small values: clocks, return codes, stopwatch, accounts, quotes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantmind.domain.accounts import Account, Position, net_lots
from quantmind.domain.clock import iso, iso_from_msc
from quantmind.domain.orders import Side
from quantmind.domain.quotes import Quote
from quantmind.domain.retcodes import AMBIGUOUS, SUCCESSES, Retcode, sentence
from quantmind.domain.stopwatch import Stopwatch


@pytest.mark.parametrize("code", list(Retcode))
def test_every_code_has_a_sentence(code: Retcode) -> None:
    """Every return code says what happened in a sentence of its own."""
    assert sentence(code).endswith(".")
    assert str(int(code)) not in sentence(code)


def test_codes() -> None:
    """A code that nobody knows is said so; success and doubt exclude each other."""
    assert "4711" in sentence(4711)
    assert not SUCCESSES & AMBIGUOUS


@given(st.integers(0, 4_000_000_000_000))
def test_iso(msc: int) -> None:
    """Times are UTC with milliseconds and Z, and sort as text."""
    text = iso_from_msc(msc)
    assert len(text) == 24
    assert text.endswith("Z")
    assert text <= iso_from_msc(msc + 1)


def test_iso_of_seconds() -> None:
    """Unix seconds are told to the millisecond."""
    assert iso(1_795_424_400.123) == "2026-11-23T09:00:00.123Z"


def test_stopwatch() -> None:
    """Stages follow each other from the start."""
    watch = Stopwatch(1.0)
    watch.mark("a", 1.001)
    watch.mark("b", 1.003)
    assert watch.stages_ms() == {"a": 1.0, "b": 2.0}


def test_net_and_margin_level() -> None:
    """Long minus short of one symbol; without margin there is no level."""

    def held(ticket: int, side: Side, volume: str, symbol: str = "A") -> Position:
        return Position(ticket, symbol, side, Decimal(volume), *[Decimal(1)] * 3, 0)

    assert net_lots([held(1, Side.BUY, "1"), held(2, Side.SELL, "0.4"), held(3, Side.BUY, "9", "B")], "A") == Decimal(
        "0.6"
    )
    account = Account(1, "s", "USD", 100, "hedging", *[Decimal(100)] * 5)
    assert account.margin_level == 100
    assert Account(1, "s", "USD", 100, "hedging", *[Decimal(0)] * 5).margin_level is None


@pytest.mark.parametrize(
    ("bid", "ask", "crossed"), [(1, 1, False), (2, 1, True), (0, 1, True), (float("nan"), 1, True)]
)
def test_crossed(bid: float, ask: float, crossed: bool) -> None:
    """Nobody can trade on a bid above the ask, on 0 or on what is no number."""
    assert Quote("A", bid, ask, 0).crossed is crossed
    assert Side.BUY.opposite is Side.SELL
