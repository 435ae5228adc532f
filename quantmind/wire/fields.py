"""One field of a command at a time: its value, or a fault that names the field, the value and the way out.

`number_in`, `float_in`, `price_in` and their like take the raw text of a JSON number, `null` being None, and all raise
`CommandFault` with the code `invalid_message`.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import msgspec

from quantmind.domain.symbols import VALID_NAME
from quantmind.wire.guards import CommandFault
from quantmind.wire.numbers import BadNumber, decimal_from_json

MAX_ID = 64
MAX_EA_NAME = 64
MAX_COMMENT = 31
MAX_TICKET = 2**64 - 1
MAX_DEVIATION = 1_000_000
LATEST = 253_402_300_799.0
"""The last second of the year 9999: no later time can be written."""


def valid_id(request_id: str | None) -> str | None:
    """The id where it is one that can be echoed, else None."""
    return request_id if request_id is not None and 1 <= len(request_id) <= MAX_ID else None


def number_in(field: str, raw: msgspec.Raw) -> Decimal | None:
    """An exact number within the bounds of the protocol."""
    text = bytes(raw)
    if text == b"null":
        return None
    try:
        return decimal_from_json(text)
    except BadNumber as exc:
        raise CommandFault("invalid_message", f"{field}: {exc}; send a plain JSON number") from None


def float_in(field: str, raw: msgspec.Raw) -> float | None:
    """A number that need not be exact: a time, a score."""
    value = number_in(field, raw)
    if value is None:
        return None
    as_float = float(value)
    if not math.isfinite(as_float):
        raise CommandFault("invalid_message", f"{field} is out of range")
    return as_float


def above_zero(field: str, value: Decimal) -> Decimal:
    """The value, if it is above 0."""
    if value <= 0:
        raise CommandFault("invalid_message", f"{field} is {value}, it must be above 0")
    return value


def positive_in(field: str, raw: msgspec.Raw) -> Decimal:
    """A number above 0 that must be there."""
    value = number_in(field, raw)
    if value is None:
        raise CommandFault("invalid_message", f"{field} is missing")
    return above_zero(field, value)


def price_in(field: str, raw: msgspec.Raw) -> Decimal | None:
    """A price, or 0 where that means none."""
    value = number_in(field, raw)
    if value is not None and value < 0:
        raise CommandFault("invalid_message", f"{field} is {value}, a price can't be negative")
    return value


def expiration_in(field: str, raw: msgspec.Raw) -> float | None:
    """The end of a pending order in Unix seconds; 0 for none."""
    value = float_in(field, raw)
    if value is not None and not 0 <= value <= LATEST:
        raise CommandFault("invalid_message", f"{field} is {value:g}, it must be Unix seconds (UTC), or 0 for none")
    return value


def alias_in(message: Any, name: str, other: str) -> Decimal | None:
    """A price that may come under either of two names."""
    first, second = price_in(name, getattr(message, name)), price_in(other, getattr(message, other))
    if first is not None and second is not None and first != second:
        raise CommandFault("invalid_message", f"{name} and {other} are the same field and differ; send one of them")
    return first if first is not None else second


def zero_is_none(value: Decimal | None) -> Decimal | None:
    """0 is how MQL5 says that there is no stop."""
    return None if value is None or value == 0 else value


def integer_in(field: str, value: int, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    if not low <= value <= high:
        raise CommandFault("invalid_message", f"{field} is {_shown(value)}, it must be from {low} to {high}")
    return value


def _shown(value: int) -> str:
    return str(value) if -(10**20) < value < 10**20 else "far out of range"


def symbol_in(symbol: str) -> str:
    """What may be the name of a symbol."""
    if VALID_NAME.match(symbol) is None:
        shown = symbol[:40]
        raise CommandFault("invalid_message", f"symbol {shown!r} is no symbol's name")
    return symbol


def text_in(field: str, text: str, limit: int) -> str:
    """A short text that can be printed."""
    if len(text) > limit:
        raise CommandFault("invalid_message", f"{field} has {len(text)} characters, at most {limit} are taken")
    if not text.isprintable():
        raise CommandFault("invalid_message", f"{field} has characters that can't be printed")
    return text


def choice_in(field: str, text: str | None, choices: Any) -> Any:
    """The member of an enumeration with this value, in any case of letters."""
    if text is None:
        return None
    try:
        return choices(text.lower())
    except ValueError:
        allowed = ", ".join(choice.value for choice in choices)
        raise CommandFault("invalid_message", f"{field} is {text[:24]!r}, it must be one of {allowed}") from None


def text_of(value: Decimal | None) -> str | None:
    """An exact number in its plainest form: equal numbers give equal texts."""
    return None if value is None else format(value.normalize(), "f")
