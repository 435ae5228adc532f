"""Files of bars, which are refused by what they are: a bar does not say in which order its prices came."""

from __future__ import annotations

import re
from typing import Final

from quantmind.adapters.mock.recordings.formats import NUMBER

_HEADER: Final = re.compile(rb"[^\n]*\bopen\b[^\n]*\bhigh\b[^\n]*\blow\b[^\n]*\bclose\b", re.IGNORECASE)
# A time, four prices and mostly a volume: MetaTrader's and HistData's bars have no header.
_ROW: Final = re.compile(
    rb"[0-9]{4}[.-]?[0-9]{2}[.-]?[0-9]{2}[ T,;\t]?[0-9:]{0,8}(?:Z|[+-][0-9:]{4,5})?"
    rb"(?:[,;\t]%b){4,7}[ \t\r]*(?:\n|\Z)" % NUMBER
)


def looks_like_bars(head: bytes) -> bool:
    """Whether a file that begins so, without blanks in front, is one of bars."""
    return bool(_HEADER.match(head) or _ROW.match(head))
