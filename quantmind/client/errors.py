"""What ends a client for good. Outages are no errors: they are told as events or outcomes, and waited out.

QuantMindError
└── FeedRefused   the gateway refused what was asked for: a token, a message, the protocol
"""

from __future__ import annotations

from quantmind.errors import QuantMindError


class FeedRefused(QuantMindError):
    """The gateway refused what was asked for; the message says why, and trying again will not help."""
