"""What a MetaTrader 5 terminal exports: `<DATE> <TIME> <BID> <ASK> <LAST> <VOLUME> <FLAGS>`, in its server's time.

An empty cell means that the value is the one before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from quantmind.adapters.mock.recordings.errors import Fault, shown
from quantmind.adapters.mock.recordings.formats import NUMBER, Format
from quantmind.adapters.mock.recordings.text import Parse, Raw, Text
from quantmind.adapters.mock.recordings.zones import Minutes, Zone

# Some tools that write this format leave the flags out.
_HEADER: Final = re.compile(rb"<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>(\t<FLAGS>)?\s*", re.IGNORECASE)
_CELL: Final = rb"(%b)?" % NUMBER
_LINE: Final = re.compile(
    rb"([0-9]{4})\.([0-9]{2})\.([0-9]{2})\t([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{3}))?"
    rb"\t%b\t%b\t%b\t%b(\t[0-9]{0,10})?[\r\n]*" % (_CELL, _CELL, _CELL, _CELL)
)


def _read(text: Text, zone: Zone) -> Iterator[Raw | None]:
    return text.parsed(parser(zone))


def parser(zone: Zone) -> Parse:
    """A parser of all lines of a file, the header first."""
    minutes = Minutes(zone)
    match_line = _LINE.fullmatch
    has_flags: bool | None = None
    bid = ask = last = volume = 0.0

    def parse(line: bytes) -> Raw | None:
        nonlocal has_flags, bid, ask, last, volume
        if has_flags is None:
            header = _HEADER.fullmatch(line)
            if header is None:
                raise Fault(f"not the header `<DATE> <TIME> <BID> <ASK> <LAST> <VOLUME> <FLAGS>`: {shown(line)}")
            has_flags = header.group(1) is not None
            return None
        match = match_line(line)
        if match is None or (match.group(12) is not None) != has_flags:
            raise Fault(f"not date, time, bid, ask, last, volume and flags with tabs between: {shown(line)}")
        year, month, day, hour, minute, second, ms, *cells, _ = match.groups()
        new_bid, new_ask, new_last, new_volume = cells
        if new_bid is not None:
            bid = float(new_bid)
        if new_ask is not None:
            ask = float(new_ask)
        if new_last is not None:
            last = float(new_last)
        if new_volume is not None:
            volume = float(new_volume)
        at = minutes.msc((year, month, day, hour, minute), int(second) * 1000 + int(ms or 0))
        return b"", at, bid, ask, last, volume

    return parse


MT5: Final = Format(
    name="mt5",
    shape="<DATE> <TIME> <BID> <ASK> <LAST> <VOLUME> <FLAGS>",
    begins=_HEADER,
    read=_read,
    zone=None,
)
