"""TrueFX: `EUR/USD,YYYYMMDD HH:MM:SS.mmm,bid,ask`, or with a header `timestamp,bid,ask` and ISO 8601 times. UTC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from quantmind.adapters.mock.recordings.errors import Fault, shown
from quantmind.adapters.mock.recordings.formats import NUMBER, Format
from quantmind.adapters.mock.recordings.text import Parse, Raw, Text
from quantmind.adapters.mock.recordings.zones import UTC_ZONE, Minutes, Zone

_SECONDS: Final = rb"([0-9]{2})(?:\.([0-9]{1,9}))?"
_LINE: Final = re.compile(
    rb"(?:([A-Z]{3}/[A-Z]{3}),)?([0-9]{4})-?([0-9]{2})-?([0-9]{2})[ T]([0-9]{2}):([0-9]{2}):%b"
    rb"(Z|[+-]00:?00)?,(%b),(%b)\s*" % (_SECONDS, NUMBER, NUMBER)
)
_HEADER: Final = re.compile(rb"timestamp,bid,ask\s*", re.IGNORECASE)


def _read(text: Text, zone: Zone) -> Iterator[Raw | None]:
    parse = parser(zone)

    def first(line: bytes) -> Raw | None:
        return None if text.line == 1 and _HEADER.fullmatch(line) else parse(line)

    return text.parsed(first)


def parser(zone: Zone) -> Parse:
    """A parser of lines of one pair, in order of time; fractions of a millisecond are cut off."""
    minutes = Minutes(zone)
    match_line = _LINE.fullmatch
    first_pair: list[bytes | None] = []

    def parse(line: bytes) -> Raw:
        match = match_line(line)
        if match is None:
            raise Fault(f"not `time,bid,ask`, nor `EUR/USD,time,bid,ask`: {shown(line)}")
        pair, year, month, day, hour, minute, second, fraction, offset, bid, ask = match.groups()
        if not first_pair:
            first_pair.append(pair)
        elif pair != first_pair[0]:
            raise Fault(f"a second pair in a file of one: {shown(line)}")
        if offset is not None and zone.name != "UTC":
            raise Fault(f"the time says that it is UTC, and the configuration zone {zone.name}: {shown(line)}")
        ms = int(second) * 1000 + (0 if fraction is None else int(fraction[:3].ljust(3, b"0")))
        return b"", minutes.msc((year, month, day, hour, minute), ms), float(bid), float(ask), 0.0, 0.0

    return parse


def _symbol(_: tuple[str, ...], line: bytes) -> str | None:
    match = _LINE.fullmatch(line)
    pair = None if match is None else match.group(1)
    return None if pair is None else pair.replace(b"/", b"").decode("ascii")


TRUEFX: Final = Format(
    name="truefx",
    shape="EUR/USD,YYYYMMDD HH:MM:SS.mmm,bid,ask or timestamp,bid,ask",
    begins=re.compile(_HEADER.pattern + rb"|" + _LINE.pattern, re.IGNORECASE),
    read=_read,
    zone=UTC_ZONE,
    symbol_of=_symbol,
)
