"""Wall-clock times as text, and where they come from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where wall-clock time comes from: the system in the product, a test's own in tests."""

    def now(self) -> float:
        """Unix seconds, UTC."""
        ...


def iso_from_msc(time_msc: int) -> str:
    """ISO 8601 UTC with milliseconds and `Z` for Unix milliseconds."""
    seconds, millis = divmod(time_msc, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"


def iso(now: float) -> str:
    """ISO 8601 UTC with milliseconds and `Z` for Unix seconds."""
    return iso_from_msc(int(now * 1000))
