"""Our tag in an order's comment: MetaTrader 5 has no client order id, and a comment is what it keeps.

A comment has 31 characters at the server. The tag stands in front, so that a broker that cuts the end leaves it whole,
and a separator behind it, so that one that was cut is none.
"""

from __future__ import annotations

import re
from typing import Final

MOST: Final = 31
"""Characters of a comment that a server keeps."""
_SEPARATOR: Final = "|"
_PACKED: Final = re.compile(r"([0-9A-Za-z_-]{1,16})\|(.*)\Z", re.DOTALL)
_TAG: Final = re.compile(r"[0-9A-Za-z_-]{1,16}\Z")


def pack(tag: str, comment: str) -> str:
    """The comment that an order gets: its tag, and as much of the user's comment as there is room for.

    Raises:
        ValueError: the tag is none.
    """
    if not _TAG.match(tag):
        raise ValueError(f"the tag {tag!r} must be 1 to 16 letters, digits, _ and -")
    return (tag + _SEPARATOR + comment)[:MOST]


def unpack(comment: str) -> tuple[str, str]:
    """(tag, the user's comment); the tag is empty where a comment is not ours, or was cut into the tag."""
    found = _PACKED.match(comment)
    return ("", comment) if found is None else (found[1], found[2])
