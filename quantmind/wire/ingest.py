"""Ticks that terminals send in: topic `tick.SYMBOL` and one JSON object, as strict as commands are.

A false tick is money: what is not exactly a tick is dropped, with a reason that can be counted and a text that names
the field, the value and the way out.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import VALID_NAME
from quantmind.wire.guards import CommandFault, refuse_repeated_key, too_deep
from quantmind.wire.numbers import BadNumber, decimal_from_json

TOPIC: Final = b"tick."
MAX_TICK_BYTES: Final = 1024
"""Topic and object together; a real one has about 150."""
HIGHEST_PRICE: Final = Decimal(10**12)
"""Above it a price is a slip of the keyboard."""
MOST_VOLUME: Final = Decimal(10**15)
LATEST_MSC: Final = Decimal(253_402_300_799_999)
"""The last millisecond of the year 9999: no later time can be written."""


class IngestFault(Exception):
    """A tick that is dropped. `reason` is one word of few, to count by; `message` is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return self.message


class _Tick(msgspec.Struct, forbid_unknown_fields=True):
    symbol: str
    bid: msgspec.Raw
    ask: msgspec.Raw
    time_msc: msgspec.Raw
    last: msgspec.Raw = msgspec.Raw(b"0")
    volume: msgspec.Raw = msgspec.Raw(b"0")


class _TickOut(msgspec.Struct):
    symbol: str
    bid: float
    ask: float
    last: float
    volume: float
    time_msc: int


_decode = msgspec.json.Decoder(_Tick).decode
_encode = msgspec.json.Encoder().encode


def decode_tick(topic: bytes, body: bytes) -> Quote:
    """The tick in the two frames of a message; `last` and `volume` are 0 where they are left out.

    Prices in the symbol's quote currency, `time_msc` UTC milliseconds. What is checked here needs no knowledge of the
    broker: shape, numbers, bid at most ask, topic and object of one symbol.

    Raises:
        IngestFault: it is no tick.
    """
    size = len(topic) + len(body)
    if size > MAX_TICK_BYTES:
        raise IngestFault("oversize", f"the message has {size} bytes, at most {MAX_TICK_BYTES} are taken")
    found = _read(body)
    symbol = found.symbol
    if not VALID_NAME.fullmatch(symbol):
        raise IngestFault(
            "invalid_symbol", f"symbol must be 1 to 31 letters, digits and . _ # & -, was {symbol[:40]!r}"
        )
    if topic != TOPIC + symbol.encode():
        shown = topic[:40].decode("utf-8", "backslashreplace")
        raise IngestFault("wrong_topic", f"the topic must be tick.{symbol} as the symbol in the object, was {shown!r}")
    bid, ask = _price("bid", found.bid), _price("ask", found.ask)
    if bid > ask:
        raise IngestFault("crossed", f"bid {bid} of {symbol} is above ask {ask}; nobody could trade on it")
    last, volume = _amount("last", found.last, HIGHEST_PRICE), _amount("volume", found.volume, MOST_VOLUME)
    return Quote(symbol, float(bid), float(ask), _time(found.time_msc), float(last), float(volume))


def encode_tick(quote: Quote) -> tuple[bytes, bytes]:
    """Topic and object of a tick, as a terminal sends it."""
    body = _TickOut(quote.symbol, quote.bid, quote.ask, quote.last, quote.volume, quote.time_msc)
    return TOPIC + quote.symbol.encode(), _encode(body)


def _read(body: bytes) -> _Tick:
    try:
        body.decode()
    except UnicodeDecodeError as exc:
        raise IngestFault("not_utf8", f"the object is not UTF-8 text: byte {exc.start} is wrong") from None
    if too_deep(body):
        raise IngestFault("invalid_message", "the object is nested; a tick has plain fields only")
    try:
        found = _decode(body)
        refuse_repeated_key(body)
    except msgspec.ValidationError as exc:
        raise IngestFault(
            "invalid_message", f"{exc}; a tick has symbol, bid, ask, last, volume, time_msc"[:300]
        ) from None
    except (msgspec.DecodeError, RecursionError) as exc:
        raise IngestFault("invalid_json", f"the object is not JSON: {exc}"[:300]) from None
    except CommandFault as fault:
        raise IngestFault(fault.code, fault.message) from None
    return found


def _amount(name: str, raw: msgspec.Raw, most: Decimal) -> Decimal:
    try:
        value = decimal_from_json(bytes(raw))
    except BadNumber as exc:
        raise IngestFault("bad_number", f"{name}: {exc}; send a JSON number") from None
    if value < 0:
        raise IngestFault("negative", f"{name} must not be negative, was {value}")
    if value > most:
        raise IngestFault("too_high", f"{name} must be at most {most}, was {value}")
    return value


def _price(name: str, raw: msgspec.Raw) -> Decimal:
    value = _amount(name, raw, HIGHEST_PRICE)
    if value == 0:
        raise IngestFault("no_price", f"{name} must be above 0; leave out a symbol that has no price")
    return value


def _time(raw: msgspec.Raw) -> int:
    value = _amount("time_msc", raw, LATEST_MSC)
    if value != value.to_integral_value():
        raise IngestFault("bad_number", f"time_msc must be whole milliseconds since 1970 UTC, was {value}")
    return int(value)
