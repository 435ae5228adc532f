"""The operator's calendar of events, as a file that is replaced or written over now and then."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import attrs
import trio

from quantmind.domain.risk.calendar_text import MAX_BYTES, CalendarFault, parse_calendar
from quantmind.ports import CalendarReading

_Stamp = tuple[int, int]
"""Size and time of the last change (nanoseconds)."""


@attrs.frozen
class _Seen:
    """What the looks so far have found."""

    reading: CalendarReading = attrs.field(factory=CalendarReading)
    read: _Stamp | None = None
    """The file that `reading` tells of."""
    noticed: _Stamp | None = None
    """A file that was new at the last look."""


@attrs.define(eq=False)
class CalendarFile:
    """Reads the file when it has changed and then stayed as it is from one look to the next.

    So one that is being written is not taken for a whole one; that holds from the second look on, as at the first
    there is nothing yet to keep. What was read before stays with whatever is wrong. A file that can't be opened is
    tried at each look, one that is no calendar when it changes. Reading happens in a thread; cancelled, nothing was
    seen.
    """

    path: Path
    _seen: _Seen = attrs.field(factory=_Seen, init=False)
    _threads: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), init=False)
    """One that hangs must not become many."""

    @property
    def name(self) -> str:
        return str(self.path)

    async def look(self) -> CalendarReading:
        """Look once more."""
        self._seen = await trio.to_thread.run_sync(
            _look, self.path, self._seen, abandon_on_cancel=True, limiter=self._threads
        )
        return self._seen.reading


def look_once(path: Path) -> CalendarReading:
    """What the file has now, for whoever asks a single time."""
    return _look(path, _Seen()).reading


def _look(path: Path, seen: _Seen) -> _Seen:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return _wrong(seen, "it is no file")
        if found.st_size > MAX_BYTES:
            return _wrong(seen, f"it has {found.st_size} bytes, at most {MAX_BYTES} are read")
        stamp = _stamp(found)
        if stamp == seen.read:
            return seen
        if seen.noticed != stamp and seen.reading != CalendarReading():
            still = "it is still being written" if seen.noticed is not None else seen.reading.error
            return _Seen(attrs.evolve(seen.reading, error=still), noticed=stamp)
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
            after = _stamp(os.fstat(file.fileno()))
    except OSError as error:
        return _wrong(seen, f"it can't be read ({error.strerror or type(error).__name__})")
    if after != stamp or len(data) != stamp[0]:
        return attrs.evolve(_wrong(seen, "it is still being written"), noticed=after)
    try:
        calendar = attrs.evolve(parse_calendar(data), refreshed_at=found.st_mtime)
    except CalendarFault as fault:
        return attrs.evolve(_wrong(seen, str(fault)), read=stamp)
    return _Seen(CalendarReading(calendar), stamp)


def _stamp(found: os.stat_result) -> _Stamp:
    return found.st_size, found.st_mtime_ns


def _wrong(seen: _Seen, error: str) -> _Seen:
    return _Seen(attrs.evolve(seen.reading, error=error))
