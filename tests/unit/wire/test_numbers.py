"""Numbers of the wire: exact, and within bounds before they become numbers."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantmind.wire.numbers import BadNumber, decimal_from_json


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "-0",
        "1",
        "0.10",
        "1e12",
        "1E-12",
        "99999999999999999999",
        "0.00000000000000000001",
        "12345678.123456789012",
    ],
)
def test_exact(text: str) -> None:
    """The value is the text's."""
    assert str(decimal_from_json(text.encode())) == str(Decimal(text))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"-",
        b"e1",
        b"1e",
        b"1e+",
        b"1.",
        b".1",
        b"1 ",
        b" 1",
        b"1\n",
        b"nan",
        b"Infinity",
        b"1e13",
        b"1e-13",
        b"0x1",
        b"1_0",
        b"1" * 21,
        b"0." + b"1" * 21,
        b"1e999999999",
        b"1e9999999999",
        b"null",
        b"true",
        b"\xd9\xa1",
        b"\xff",
    ],
)
def test_refused(text: bytes) -> None:
    """What is no number, or beyond the bounds, is refused with a reason, at once."""
    began = time.thread_time()
    with pytest.raises(BadNumber):
        decimal_from_json(text)
    assert time.thread_time() - began < 2.0, "1e999999999 as a plain Decimal takes minutes"


@given(st.binary(max_size=40))
def test_any_bytes(text: bytes) -> None:
    """Any bytes: an exact finite number or BadNumber."""
    try:
        value = decimal_from_json(text)
    except BadNumber:
        return
    assert value.is_finite()
    assert abs(value) < Decimal("1e33")
