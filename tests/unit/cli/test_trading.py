"""What the trading subcommands read from the command line, and how they lay out tables."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.cli.positions import table
from quantmind.cli.trading import _key_of, amount, moment

MANY = settings(max_examples=examples(1_000, 200), deadline=None)
WORDS = st.one_of(
    st.text(max_size=30), st.decimals().map(str), st.from_regex(r"[0-9]{0,8}[.smhdT:Z+-]?[0-9]{0,4}", fullmatch=True)
)


def read(reader: Callable[[str], Any], text: str) -> tuple[Any, str | None]:
    try:
        return reader(text), None
    except argparse.ArgumentTypeError as error:
        return None, str(error)


@MANY
@given(WORDS)
def test_amounts(text):
    """A number above 0, as it was written, or an error that shows it."""
    value, fault = read(amount, text)
    if fault is None:
        assert value > 0
        assert value == Decimal(text)
    else:
        assert "is not a number above 0" in fault


@MANY
@given(WORDS)
def test_moments(text):
    """Milliseconds, or an error that says how to write one."""
    _, fault = read(moment, text)
    assert fault is None or "is no time" in fault


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("2026-11-23T09:00:00Z", 1795424400000), ("2026-11-23T10:00:00.5+01:00", 1795424400500)],
)
def test_a_moment_with_its_zone(text, wanted):
    """As REST takes it."""
    assert moment(text) == wanted


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64), st.integers(1, 2**64 - 1))
def test_keys_of_single_positions(key, ticket):
    """The same again for the same, within the protocol's length, and another for another ticket."""
    own = _key_of(key, ticket)
    assert 1 <= len(own) <= 64
    assert own == _key_of(key, ticket)
    assert own != _key_of(key, ticket + 1)


def test_a_table_has_columns():
    """Texts to the left, numbers to the right; what a terminal would obey is not passed on."""
    items = [
        {"ticket": 7, "symbol": "EURUSD", "profit": Decimal("-1.50"), "comment": "a\x1b[2Jb"},
        {"ticket": 12345, "symbol": "XAU", "profit": None, "comment": ""},
    ]
    assert table(("ticket", "symbol", "profit", "comment"), items).splitlines() == [
        "ticket  symbol  profit  comment",
        "     7  EURUSD   -1.50  a?[2Jb",
        " 12345  XAU          -",
    ]
