"""HistData.com, "ASCII tick": `YYYYMMDD HHMMSSmmm,bid,ask,volume`, in Eastern Standard Time all year round."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from quantmind.adapters.mock.recordings.errors import Fault, shown
from quantmind.adapters.mock.recordings.formats import NUMBER, Format
from quantmind.adapters.mock.recordings.text import Parse, Raw, Text
from quantmind.adapters.mock.recordings.zones import EST_ZONE, Minutes, Zone

_LINE: Final = re.compile(
    rb"([0-9]{4})([0-9]{2})([0-9]{2}) ([0-9]{2})([0-9]{2})([0-9]{5}),(%b),(%b),%b\s*" % (NUMBER, NUMBER, NUMBER)
)


def _read(text: Text, zone: Zone) -> Iterator[Raw | None]:
    return text.parsed(parser(zone))


def parser(zone: Zone) -> Parse:
    """A parser of lines, in order of time. The volume is always 0 there and is not used."""
    minutes = Minutes(zone)
    match_line = _LINE.fullmatch

    def parse(line: bytes) -> Raw:
        match = match_line(line)
        if match is None:
            raise Fault(f"not `YYYYMMDD HHMMSSmmm,bid,ask,volume`: {shown(line)}")
        year, month, day, hour, minute, ms, bid, ask = match.groups()
        return b"", minutes.msc((year, month, day, hour, minute), int(ms)), float(bid), float(ask), 0.0, 0.0

    return parse


HISTDATA: Final = Format(
    name="histdata",
    shape="YYYYMMDD HHMMSSmmm,bid,ask,volume",
    begins=_LINE,
    read=_read,
    zone=EST_ZONE,
)
