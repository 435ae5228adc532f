"""What market streams say, spot's and futures', and best prices over REST (docs of 2026-07 and 2026-08).

Most messages are best prices, and a busy market makes thousands of them in a second: each is read in one pass.
Prices are floats here, those nearest to what was said.
"""

from __future__ import annotations

from decimal import Decimal
from math import inf
from typing import Final

import msgspec

from quantmind.adapters.binance.faults import (
    FIRST_MICROSECOND,
    NOT_JSON,
    Name,
    Size,
    Time,
    WireFault,
    decoded,
    fault_of,
    milliseconds,
    number,
    wrong,
)

_WHAT: Final = "market message"
_READ: Final = frozenset({"", "bookTicker", "trade", "serverShutdown"})


class BookTicker(msgspec.Struct, frozen=True, gc=False):
    """Best bid and ask. A price of 0: there is nothing on that side of the book. Spot says no times."""

    symbol: str
    update_id: int
    bid: float
    ask: float
    bid_qty: float
    ask_qty: float
    event_msc: int | None
    transaction_msc: int | None


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One trade of the market. `buyer_is_maker`: it was a sell into the book."""

    symbol: str
    trade_id: int
    price: float
    quantity: float
    event_msc: int
    trade_msc: int
    buyer_is_maker: bool


class ServerShutdown(msgspec.Struct, frozen=True, gc=False):
    """The connection will be cut soon; another one has to be made."""

    event_msc: int


class Subscribed(msgspec.Struct, frozen=True, gc=False):
    """The answer to a request on the stream; `error` in the exchange's words, None: it was done."""

    id: int | str | None
    error: str | None


class OtherMarket(msgspec.Struct, frozen=True, gc=False):
    """A message of another kind: its event type, or where it has none its stream; empty: it has neither."""

    kind: str


MarketEvent = BookTicker | Trade | ServerShutdown | Subscribed | OtherMarket


class _Data(msgspec.Struct, gc=False):
    e: str = ""
    s: str = ""
    u: int = -1
    b: float = -1.0
    B: float = -1.0
    a: float = -1.0
    A: float = -1.0
    E: int = -1
    T: int = -1
    t: int = -1
    p: float = -1.0
    q: float = -1.0
    m: bool | None = None


class _Error(msgspec.Struct):
    code: int = 0
    msg: str = ""


class _Message(_Data):
    stream: str = ""
    data: _Data | None = None
    result: msgspec.Raw = msgspec.Raw(b"")
    id: int | str | None = None
    error: _Error | None = None
    code: int = 0
    msg: str = ""


class _Head(msgspec.Struct):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    e: str = ""


class _Kind(msgspec.Struct):
    e: str = ""


class _BookRow(msgspec.Struct, rename="camel"):
    symbol: Name
    bid_price: Size
    ask_price: Size
    time: Time | None = None


_message: Final = msgspec.json.Decoder(_Message, strict=False)  # numbers are said as strings
_head: Final = msgspec.json.Decoder(_Head)
_kind: Final = msgspec.json.Decoder(_Kind)
_rows: Final = msgspec.json.Decoder(_BookRow | list[_BookRow])


def market_event(body: bytes) -> MarketEvent:
    """A message of a market stream, raw or of a combined one. Raises WireFault."""
    try:
        message = _message.decode(body)
    except NOT_JSON as error:
        return _other(body, error)
    data: _Data = message if message.data is None else message.data
    kind = data.e
    if kind == "bookTicker" or (not kind and (data.u >= 0 or message.stream.endswith("@bookTicker"))):
        return _book_ticker(body, data)
    if kind == "trade":
        return _trade(body, data)
    if kind == "serverShutdown":
        return ServerShutdown(milliseconds(max(data.E, 0)))
    if kind or message.data is not None:
        return OtherMarket(kind or message.stream)
    return _answer(message)


def book_rows(body: bytes) -> list[tuple[str, Decimal, Decimal, int | None]]:
    """GET ticker/bookTicker of one symbol or of several: symbol, bid, ask, and their time where it is said (futures).

    Raises WireFault.
    """
    said = decoded(_rows, body, "best prices")
    return [
        (
            row.symbol,
            number(row.bid_price),
            number(row.ask_price),
            None if row.time is None else milliseconds(row.time),
        )
        for row in (said if isinstance(said, list) else [said])
    ]


def book_prices(body: bytes) -> list[tuple[str, Decimal, Decimal]]:
    """The same without times. Raises WireFault."""
    return [(symbol, bid, ask) for symbol, bid, ask, _ in book_rows(body)]


def _book_ticker(body: bytes, data: _Data) -> BookTicker:
    bid, ask, event, changed = data.b, data.a, data.E, data.T
    if not (0.0 <= bid < inf and 0.0 <= ask < inf and 0.0 <= data.B < inf and 0.0 <= data.A < inf):
        raise _nonsense(body, data, "bBaA")
    if not data.s or data.u < 0:
        raise _nonsense(body, data, "su")
    if event >= FIRST_MICROSECOND:
        event, changed = milliseconds(event), milliseconds(changed)
    return BookTicker(
        data.s, data.u, bid, ask, data.B, data.A, event if event >= 0 else None, changed if changed >= 0 else None
    )


def _trade(body: bytes, data: _Data) -> Trade:
    if not (0.0 <= data.p < inf and 0.0 <= data.q < inf):
        raise _nonsense(body, data, "pq")
    if not data.s or data.t < 0 or data.E < 0 or data.T < 0 or data.m is None:
        raise _nonsense(body, data, "stETm")
    return Trade(data.s, data.t, data.p, data.q, milliseconds(data.E), milliseconds(data.T), data.m)


# Which of some fields is missing, or is no number from 0 up.
def _nonsense(body: bytes, data: _Data, fields: str) -> WireFault:
    for field in fields:
        value = getattr(data, field)
        if value in ("", None, -1) or (isinstance(value, float | int) and not 0 <= value < inf):
            return wrong(_WHAT, field, str(value), "it is missing, or no number from 0 up")
    raise AssertionError(body)


def _answer(message: _Message) -> MarketEvent:
    if message.error is not None:
        return Subscribed(message.id, f"{message.error.msg} ({message.error.code})")
    if message.code or message.msg:
        return Subscribed(message.id, f"{message.msg} ({message.code})")
    if message.result or message.id is not None:
        return Subscribed(message.id, None)
    return OtherMarket(message.stream)


# Other kinds use the same letters for other things, and that is no fault of theirs.
def _other(body: bytes, error: Exception) -> MarketEvent:
    if isinstance(error, msgspec.ValidationError):
        if body.lstrip()[:1] == b"[":
            return OtherMarket("")
        try:
            head = _head.decode(body)
            inner = bytes(head.data)
            if inner[:1] == b"[":
                return OtherMarket(head.stream)
            kind = _kind.decode(inner).e if inner else head.e
        except NOT_JSON:
            raise fault_of(_WHAT, body, error) from None
        if (kind or head.stream.partition("@")[2]) not in _READ:
            return OtherMarket(kind or head.stream)
    raise fault_of(_WHAT, body, error)
