"""Answers and messages that are not as the documents have them, and what all decoders share: numbers, times, sides."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from quantmind.adapters.binance.errors import OutcomeUnknown
from quantmind.adapters.binance.records import NOUGHT
from quantmind.adapters.binance.refusals import printable
from quantmind.domain.orders import Side

T = TypeVar("T")

_NUMBER: Final = r"-?[0-9]{1,24}(\.[0-9]{1,24})?"
Number = Annotated[str, Meta(pattern=rf"\A{_NUMBER}\Z")]
"""A number as the exchange writes it: finite, and without an exponent."""
Size = Annotated[str, Meta(pattern=rf"\A{_NUMBER[2:]}\Z")]
"""The same, from 0 up."""
MaybeNumber = Annotated[str, Meta(pattern=rf"\A({_NUMBER})?\Z")] | None
"""The same, where it may also be empty."""
Time = Annotated[int, Meta(ge=0, le=10**17)]
"""Unix milliseconds; microseconds, where those are asked for."""
Name = Annotated[str, Meta(min_length=1, max_length=64)]
"""Of a symbol or an asset."""
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Id = Annotated[int, Meta(ge=-1, le=2**63 - 1)]
"""-1: there is none."""

NOT_JSON: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises; the last two of bad UTF-8, and of too many brackets."""
LONGEST_VALUE: Final = 60
_PLACE: Final = re.compile(r" - at `\$(.*)`\Z", re.DOTALL)
_MISSING: Final = re.compile(r"missing required field `(.+?)`")
_STEP: Final = re.compile(r"(?:\A|\.)([^.\[\]]+)|\[([0-9]+)\]")
FIRST_MICROSECOND: Final = 10**14
"""As milliseconds it is in the year 5138."""
_SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}


class WireFault(OutcomeUnknown):
    """The exchange said something that can't be read. Whatever was asked for may have been done.

    Attributes:
        what: which answer or message.
        field: where in it, as `fills[0].price`; empty: it can't be read at all.
        value: what is there, as JSON, cut short.
    """

    def __init__(self, what: str, field: str, value: str, why: str) -> None:
        place = f"{field} is {value}" if field else f"it begins with {value}"
        super().__init__(f"{what} can't be read: {place} ({why})")
        self.what, self.field, self.value = what, field, value


def decoded(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw, what: str) -> T:
    """What is in it. Raises WireFault, which names field and value."""
    try:
        return decoder.decode(body)
    except NOT_JSON as error:
        raise fault_of(what, bytes(body), error) from None


def fault_of(what: str, body: bytes, error: Exception) -> WireFault:
    """The same error with the value that it is about."""
    said = str(error) or type(error).__name__
    found = _PLACE.search(said)
    field = found[1].lstrip(".") if found is not None else ""
    why = said if found is None else said[: found.start()]
    missing = _MISSING.search(why)
    if missing is not None:
        return WireFault(what, f"{field}.{missing[1]}".lstrip("."), "missing", "it is always there in the documents")
    return WireFault(what, field, _value_at(body, field), printable(why))


def wrong(what: str, field: str, value: object, why: str) -> WireFault:
    """An error about a value that has the right type, and makes no sense."""
    return WireFault(what, field, _short(value), why)


def number(text: str | None) -> Decimal:
    """A number that was checked when it was decoded; 0 for an empty one."""
    return Decimal(text) if text else NOUGHT


def side_of(word: str, what: str) -> Side:
    """BUY or SELL. Raises WireFault."""
    side = _SIDES.get(word)
    if side is None:
        raise wrong(what, "side", word, "it is neither BUY nor SELL")
    return side


def milliseconds(time: int) -> int:
    """A time in Unix milliseconds, also where it was said in microseconds."""
    return time // 1000 if time >= FIRST_MICROSECOND else time


def _value_at(body: bytes, field: str) -> str:
    try:
        value: Any = msgspec.json.decode(body)
        for name, index in _STEP.findall(field):
            value = value[name] if name else value[int(index)]
    except (*NOT_JSON, KeyError, IndexError, TypeError):
        return printable(repr(body[:LONGEST_VALUE]))
    return _short(value) if field else printable(repr(body[:LONGEST_VALUE]))


def _short(value: object) -> str:
    text = printable(msgspec.json.encode(value).decode())
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "..."
