"""Dukascopy, as JSON: rows `[ms, ask, bid, ask volume, bid volume]`, or an hour coded as differences. UTC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Final

import msgspec

from quantmind.adapters.mock.recordings.errors import Fault, shown
from quantmind.adapters.mock.recordings.formats import NUMBER, Format
from quantmind.adapters.mock.recordings.text import LONGEST_LINE, Raw, Text
from quantmind.adapters.mock.recordings.zones import UTC_ZONE, Zone

MOST_HOUR_BYTES: Final = 16 * 1024**2
"""Of an hour coded as differences, which is read at once: some 500,000 ticks, and real ones have 50,000."""
_MOST_MSC: Final = 8 * 10**12
_MOST_DELTA: Final = 2**53
_LONGEST_SPACE: Final = 1 << 16

_VALUE: Final = rb"\s*(%b)\s*" % NUMBER
_ROW: Final = re.compile(rb"\[\s*([0-9]{1,13})\s*,%b,%b,\s*%b\s*,\s*%b\s*\]" % (_VALUE, _VALUE, NUMBER, NUMBER))
_BETWEEN: Final = re.compile(rb"\s*(,?)\s*")

_Delta = Annotated[int, msgspec.Meta(ge=-_MOST_DELTA, le=_MOST_DELTA)]


class _Hour(msgspec.Struct):
    """Times as milliseconds since the one before, prices as multiples of `multiplier` above the one before."""

    timestamp: Annotated[int, msgspec.Meta(ge=0, le=_MOST_MSC)]
    multiplier: Annotated[float, msgspec.Meta(gt=0, le=1e6)]
    ask: float
    bid: float
    times: list[_Delta]
    asks: list[_Delta]
    bids: list[_Delta]


def read_rows(text: Text, _: Zone = UTC_ZONE) -> Iterator[Raw | None]:
    """The ticks of a list of rows, however it is broken into lines. Raises Fault."""
    rows = _Rows(text)
    if not rows.skip(b"["):
        raise rows.bad("not a list of rows")
    if rows.skip(b"]"):
        rows.end()
        return
    while True:
        yield rows.row()
        if rows.skip(b"]"):
            rows.end()
            return
        if not rows.skip(b","):
            raise rows.bad("neither a comma nor the end of the list behind a row")


# The text in hand is cut off in front as rows are read; each row is looked for within LONGEST_LINE bytes.
class _Rows:
    def __init__(self, text: Text) -> None:
        self._text = text
        self._rest = b""
        self._at = 0
        self._ended = False
        text.line = 1

    def row(self) -> Raw:
        self._skip_space()
        rest, at = self._rest, self._at
        match = _ROW.match(rest, at, at + LONGEST_LINE)
        if match is None:
            raise self.bad("not a row `[ms, ask, bid, ask volume, bid volume]`")
        self._text.current = match[0]
        self._at = match.end()
        self._text.line += match[0].count(b"\n")
        ms, ask, bid = match.groups()
        return b"", int(ms), float(bid), float(ask), 0.0, 0.0

    def skip(self, sign: bytes) -> bool:
        self._skip_space()
        if self._rest[self._at : self._at + 1] != sign:
            return False
        self._at += 1
        return True

    def end(self) -> None:
        self._skip_space()
        if self._at < len(self._rest):
            raise self.bad("something stands behind the end of the list")

    def bad(self, what: str) -> Fault:
        line = self._rest[self._at : self._at + LONGEST_LINE]
        return Fault(f"{what}: {shown(line)}" if line else f"{what}: the file ends here")

    def _skip_space(self) -> None:
        run = 0
        while True:
            if len(self._rest) - self._at <= LONGEST_LINE and not self._ended:
                more = self._text.chunk()
                self._ended = not more
                self._rest, self._at = self._rest[self._at :] + more, 0
            at = self._at
            rest = self._rest[at : at + LONGEST_LINE]
            space = len(rest) - len(rest.lstrip())
            self._text.line += rest[:space].count(b"\n")
            self._at += space
            run += space
            if run > _LONGEST_SPACE:
                raise Fault(f"more than {_LONGEST_SPACE} blanks in a row")
            if space < len(rest) or (self._ended and self._at == len(self._rest)):
                return


def read_hour(text: Text, _: Zone = UTC_ZONE) -> Iterator[Raw | None]:
    """The ticks of an hour that is coded as differences. Raises Fault."""
    text.line = 1
    data = bytearray()
    while more := text.chunk():
        data += more
        if len(data) > MOST_HOUR_BYTES:
            raise Fault(f"more than {MOST_HOUR_BYTES} bytes for an hour of ticks")
    try:
        hour = msgspec.json.decode(data, type=_Hour)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as exc:
        raise Fault(f"not an hour of ticks as JSON: {exc}: {shown(bytes(data[:LONGEST_LINE]))}") from None
    data.clear()
    if not len(hour.times) == len(hour.asks) == len(hour.bids):
        raise Fault(
            f"{len(hour.times)} times, {len(hour.asks)} asks and {len(hour.bids)} bids, where each tick has one"
        )
    at, ask, bid, unit = hour.timestamp, 0, 0, hour.multiplier
    for number, (later, ask_up, bid_up) in enumerate(zip(hour.times, hour.asks, hour.bids, strict=True), 1):
        at, ask, bid = at + later, ask + ask_up, bid + bid_up
        text.current = b"tick %d of the hour" % number
        if later < 0:
            raise Fault(f"time runs backwards by {-later} ms at tick {number} of the hour")
        yield b"", at, hour.bid + bid * unit, hour.ask + ask * unit, 0.0, 0.0


DUKASCOPY: Final = Format(
    name="dukascopy",
    shape="JSON rows [ms, ask, bid, ask volume, bid volume]",
    begins=re.compile(rb"\[\s*(?:\[|\]|\Z)"),
    read=read_rows,
    zone=UTC_ZONE,
    zone_is_fixed=True,
)
DUKASCOPY_HOUR: Final = Format(
    name="dukascopy_hour",
    shape='JSON {"timestamp":…,"multiplier":…,"times":[…],"asks":[…],"bids":[…]}',
    begins=re.compile(rb'\{\s*"(?:timestamp|multiplier|ask|bid|times|asks|bids|askVolumes|bidVolumes)"'),
    read=read_hour,
    zone=UTC_ZONE,
    zone_is_fixed=True,
)
