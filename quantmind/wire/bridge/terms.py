"""The words and bounds that both sides know, and the fault of a message that keeps neither."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

PROTOCOL: Final = 1
MAX_REPLY_BYTES: Final = 16 * 1024 * 1024
"""Ten thousand deals have about three of them."""
MOST_DEALS: Final = 10_000
"""In one answer, the newest."""
MAX_REQUEST_BYTES: Final = 64 * 1024
HIGHEST: Final = Decimal(10) ** 18
SMALLEST_EXPONENT: Final = -20
LATEST_MSC: Final = 253_402_300_799_999

LONGEST_ID: Final = 64
UNAVAILABLE: Final = "unavailable"
"""The terminal can't be reached; nothing was sent."""
INVALID: Final = "invalid_message"
UNAUTHORIZED: Final = "unauthorized"
INTERNAL: Final = "internal"
LATE: Final = "late"
"""An order came after its `start_by_ms`; nothing was sent."""
REPLACED: Final = "replaced"
"""Another bridge of the same account has come; this one is not asked any more."""
ANOTHER: Final = "another bridge has come"
GUARDED: Final = "guarded"
"""The type of what a bridge says of its guard."""
UNASKED: Final = ""
"""The id of an error that answers no request."""


class BridgeFault(Exception):
    """A message that can't be understood; the text names the field, the value and what it may be."""
