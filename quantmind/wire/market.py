"""Ticks as clients see them: one object for WebSocket, PUB and REST, encoded once."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta

import msgspec

from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import SymbolSpec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode

_OPENING = b'{"type":"tick","data":'
_SNAPSHOT_OPENING = b'{"type":"tick","snapshot":true,"data":'
_CLOSING = b"}"


class Tick(msgspec.Struct, frozen=True, gc=False):
    """A published tick: the `data` of a `tick` message, what PUB sends and REST returns.

    Prices in the symbol's quote currency, rounded to its digits; `spread` in pips; `time_msc` UTC milliseconds.
    """

    symbol: str
    bid: float
    ask: float
    last: float
    volume: float
    time: str
    time_msc: int
    spread: float
    seq: int
    broker: str

    def same_prices(self, other: Tick) -> bool:
        """Whether nothing that a client sees but time and number differs: such a tick is not published."""
        return (
            self.bid == other.bid and self.ask == other.ask and self.last == other.last and self.volume == other.volume
        )


def make_tick(quote: Quote, spec: SymbolSpec, seq: int, broker: str) -> Tick:
    """The tick that a client sees of a quote."""
    digits = spec.digits
    bid, ask = round(quote.bid, digits), round(quote.ask, digits)
    seconds, millis = divmod(quote.time_msc, 1000)
    return Tick(
        quote.symbol,
        bid,
        ask,
        round(quote.last, digits) if quote.last else 0.0,
        quote.volume,
        f"{_second(seconds)}{millis:03d}Z",
        quote.time_msc,
        spread_pips(bid, ask, digits),
        seq,
        broker,
    )


def spread_pips(bid: float, ask: float, digits: int) -> float:
    """The spread in pips: of 10 points on 3- and 5-digit symbols, else of 1. Exact to a tenth, as points are."""
    return round((ask - bid) * 10.0 ** (digits - 1 if digits in (3, 5) else digits), 1)


def encode_object(tick: Tick) -> bytes:
    """The tick alone, as PUB sends it."""
    return _encode(tick)


def tick_message(encoded: bytes, *, snapshot: bool = False) -> bytes:
    """The WebSocket message of an object that `encode_object` made; `snapshot` marks the last known tick."""
    return (_SNAPSHOT_OPENING if snapshot else _OPENING) + encoded + _CLOSING


def encode_tick(quote: Quote, spec: SymbolSpec, seq: int, broker: str, *, snapshot: bool = False) -> bytes:
    """The WebSocket message of a quote."""
    return tick_message(_encode(make_tick(quote, spec, seq, broker)), snapshot=snapshot)


# Formatting a date costs as much as all the rest of a tick, and many ticks share a second. Not by `fromtimestamp`,
# which refuses times before 1970 on Windows.
@functools.lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}."
