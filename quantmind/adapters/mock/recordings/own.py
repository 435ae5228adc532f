"""Our own recordings, as `quantmind ticks --record` writes them: one tick a line, several symbols, UTC.

    #quantmind-ticks 1
    #begin at=2026-11-23T09:00:00.000Z from=ws://127.0.0.1:8765/
    1795424400123,EURUSD,1.085,1.0851,0,0
    #gap symbol=EURUSD after=121 next=124

Lines are `UTC ms,symbol,bid,ask,last,volume`; those that begin with # tell what happened, and are no ticks. Each
line that was written whole ends with a line feed: one that does not is what a kill left over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from quantmind.adapters.mock.recordings.errors import Fault, shown
from quantmind.adapters.mock.recordings.formats import NUMBER, Format
from quantmind.adapters.mock.recordings.text import Raw, Text
from quantmind.adapters.mock.recordings.zones import UTC_ZONE, Zone

MAGIC: Final = b"#quantmind-ticks"
VERSION: Final = 1
HEADER: Final = b"%b %d\n" % (MAGIC, VERSION)
GAP: Final = b"#gap"

_HEADER: Final = re.compile(rb"%b ([0-9]{1,9})\r?\n?" % MAGIC)
_LINE: Final = re.compile(
    rb"([0-9]{1,13}),([^,\x00-\x1f]{1,128}),(%b),(%b),(%b),(%b)\r?\n" % (NUMBER, NUMBER, NUMBER, NUMBER)
)


def read(text: Text, _: Zone = UTC_ZONE) -> Iterator[Raw | None]:
    """The ticks of a recording; a last line that is torn is left out, and `text.torn` then says so."""
    text.may_be_torn = True
    match_line = _LINE.fullmatch

    def parse(line: bytes) -> Raw | None:
        match = match_line(line)
        if match is not None and text.line > 1:
            at, symbol, bid, ask, last, volume = match.groups()
            return symbol, int(at), float(bid), float(ask), float(last), float(volume)
        if text.line == 1:
            _check_header(line)
        elif not line.endswith(b"\n"):
            text.torn = True
        elif line.startswith(b"#"):
            text.gaps += line.startswith(GAP)
        else:
            raise Fault(f"not `UTC ms,symbol,bid,ask,last,volume`: {shown(line)}")
        return None

    return text.parsed(parse)


def _check_header(line: bytes) -> None:
    header = _HEADER.fullmatch(line)
    if header is None:
        raise Fault(f"not the header {HEADER.decode().strip()!r}: {shown(line)}")
    if int(header.group(1)) != VERSION:
        raise Fault(f"version {int(header.group(1))} of the format, this one reads {VERSION}; use a newer release")


OWN: Final = Format(
    name="quantmind",
    shape="#quantmind-ticks 1, then ms,symbol,bid,ask,last,volume",
    begins=_HEADER,
    read=read,
    zone=UTC_ZONE,
    zone_is_fixed=True,
    many_symbols=True,
)
