"""QuantConnect LEAN: `ms_since_midnight,bid,ask`, one file for a symbol and a day, which its name says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from quantmind.adapters.mock.recordings.errors import Fault, shown
from quantmind.adapters.mock.recordings.formats import NUMBER, Format
from quantmind.adapters.mock.recordings.text import Parse, Raw, Text
from quantmind.adapters.mock.recordings.zones import UTC_ZONE, Zone

_NAME: Final = re.compile(
    r"(\d{4})(\d\d)(\d\d)_([A-Za-z0-9.#&-]{1,31})_tick_quote\.csv(?:\.gz)?", re.ASCII | re.IGNORECASE
)
_DAY_MS: Final = 86_400_000


def _read(text: Text, zone: Zone) -> Iterator[Raw | None]:
    # The member's name says it, or the one of a file that is not in a zip.
    match = _NAME.fullmatch(text.names[0])
    if match is None:
        raise Fault(f"the name {text.names[0]!r} must say day and symbol, as 20140508_eurusd_tick_quote.csv does")
    year, month, day, _ = match.groups()
    return text.parsed(parser(zone.day_msc(int(year), int(month), int(day))))


def parser(midnight_msc: int) -> Parse:
    """A parser of lines of the day that begins at `midnight_msc`."""

    def parse(line: bytes) -> Raw:
        fields = line.split(b",")
        if len(fields) != 3:
            raise Fault(f"{len(fields)} fields where `ms,bid,ask` has 3: {shown(line)}")
        try:
            ms, bid, ask = int(fields[0]), float(fields[1]), float(fields[2])
        except ValueError:
            raise Fault(f"not numbers where `ms,bid,ask` has them: {shown(line)}") from None
        # int and float also take 1_000, which no recorder writes.
        if b"_" in line:
            raise Fault(f"not numbers where `ms,bid,ask` has them: {shown(line)}")
        if not 0 <= ms <= _DAY_MS:
            raise Fault(f"{ms} ms are not within a day of {_DAY_MS} ms: {shown(line)}")
        return b"", midnight_msc + ms, bid, ask, 0.0, 0.0

    return parse


def _symbol(names: tuple[str, ...], _: bytes) -> str | None:
    match = _NAME.fullmatch(names[0])
    return None if match is None else match.group(4).upper()


LEAN: Final = Format(
    name="lean",
    shape="ms_since_midnight,bid,ask",
    begins=re.compile(rb"[0-9]{1,8},%b,%b[ \t\r]*(?:\n|\Z)" % (NUMBER, NUMBER)),
    read=_read,
    zone=UTC_ZONE,
    symbol_of=_symbol,
)
