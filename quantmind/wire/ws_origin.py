"""Which web pages may connect: a browser says where a page came from, and lets any page try any address."""

from __future__ import annotations

import re
from collections.abc import Collection

_LOOPBACK = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?\Z")


def origin_allowed(origin: str | None, allowed: Collection[str]) -> bool:
    """Whether a handshake with this `Origin` header may go on.

    None (no browser) and pages of this machine always may; others by exact match, capitals aside.
    """
    if origin is None:
        return True
    lowered = origin.lower()
    return _LOOPBACK.match(lowered) is not None or any(lowered == each.lower() for each in allowed)
