"""What is wrong with a recording."""

from __future__ import annotations

from quantmind.errors import QuantMindError

_SHOWN = 60


class ReplayError(QuantMindError):
    """A recording can't be read. The text names the file, and the line where there is one."""


class Fault(Exception):
    """What is wrong at the place in hand; who knows file and line makes a ReplayError of it."""


def shown(line: bytes) -> str:
    """A line for people, shortened, and printable whatever its bytes are."""
    text = line.strip()
    return ascii(text[:_SHOWN].decode("utf-8", "backslashreplace")) + ("..." if len(text) > _SHOWN else "")
