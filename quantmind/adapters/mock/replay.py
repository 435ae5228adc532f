"""A feed of recorded ticks, at the pace of the recording, faster, or as fast as they are taken."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from quantmind.adapters.mock.feed import FeedStep
from quantmind.adapters.mock.recordings import Merged, Reader, Recording, ReplayError, parse_zone
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import SymbolSpec

_log = logging.getLogger(__name__)

CHUNK = 256
"""Lines in one step at speed 0: small enough that nobody else in the process waits long."""
MOST_DUE = 2048
"""Ticks in one paced step; what is due beyond it comes with the next, none is skipped."""


class Replay:
    """One recording or several, each tick in order, none left out, with its recorded time.

    While nothing is due the last tick is given again, as a terminal does when it is asked in a quiet market: it
    confirms the price. That ends with the recording.

    Args:
        path: the file; it is looked for at `open`.
        specs: what is traded; the recording must be of one of them.
        symbol: what the ticks are of, or which to replay of several; None: what the file says, in capitals or not.
        format: how the file is written; None: told from what it begins with.
        zone: of the recorded times, as in the configuration; None: the format's own.
        more_paths: further files, merged with the first by time.
        speed: 1 keeps the recorded gaps, 10 makes them ten times shorter, 0 gives the next ticks at each step.
        waits: nothing comes before `start()`; else the first step begins.

    Raises:
        ValueError: speed or zone are none.
    """

    def __init__(
        self,
        path: Path,
        *,
        specs: Mapping[str, SymbolSpec],
        symbol: str | None = None,
        format: str | None = None,  # noqa: A002 - as the key is called
        zone: str | None = None,
        more_paths: Sequence[Path] = (),
        speed: float = 1.0,
        waits: bool = False,
    ) -> None:
        if not 0 <= speed < math.inf:
            raise ValueError(f"speed {speed} is not a pace: 1 is real time, 0 as fast as it is taken")
        parsed = None if zone is None else parse_zone(zone)
        self._recordings = [Recording(each, format, symbol, parsed) for each in (path, *more_paths)]
        self._specs = specs
        self._speed = speed
        self._started = not waits
        self._reader: Reader | Merged | None = None
        self._began: float | None = None
        self._first_msc = 0
        self._ahead: deque[Quote] = deque()  # at most CHUNK: read and not yet due
        self._last: Quote | None = None
        self._crossed = 0
        self._told_crossed = False
        self._told_end = False

    @property
    def paced(self) -> bool:
        """False while there is always more to take: at speed 0, between start and end."""
        reader = self._reader
        return self._speed != 0 or not self._started or reader is None or reader.error is not None or self._over(reader)

    def open(self) -> None:
        """Open the file; one that turned out bad stays so. Raises ReplayError."""
        if self._reader is None:
            self._reader = self._opened()
        self._raise_error(self._reader)
        self._reader.open()

    def start(self) -> None:
        """Begin, if it waited for this."""
        self._started = True

    def close(self) -> None:
        """Let the file go."""
        if self._reader is not None:
            self._reader.close()

    def advance(self, now: float) -> FeedStep:
        """The ticks due up to `now`; at speed 0 the next ones.

        Raises:
            ReplayError: everything before a bad line has been given, and there it stops.
        """
        reader = self._reader
        if reader is None:
            raise ReplayError(f"{self._recordings[0].path} is not open")
        if not self._started:
            return FeedStep(())
        quotes, crossed = self._take_chunk(reader) if self._speed == 0 else self._take_due(reader, now)
        if not quotes and not crossed:
            self._raise_error(reader)
        ended = self._over(reader)
        self._tell(reader, crossed, ended)
        if quotes:
            self._last = quotes[-1]
        elif self._last is not None and not ended:
            quotes = (self._last,)
        return FeedStep(quotes, crossed, ended)

    def _opened(self) -> Reader | Merged:
        readers: list[Reader] = []
        try:
            readers.extend(recording.open(self._specs) for recording in self._recordings)
            return readers[0] if len(readers) == 1 else Merged(readers)
        except ReplayError:
            for reader in readers:
                reader.close()
            raise

    def _over(self, reader: Reader | Merged) -> bool:
        return reader.ended and not self._ahead

    def _raise_error(self, reader: Reader | Merged) -> None:
        if reader.error is not None and not self._ahead:
            raise reader.error

    def _take_chunk(self, reader: Reader | Merged) -> tuple[Sequence[Quote], int]:
        crossed = 0
        for _ in range(MOST_DUE // CHUNK):
            quotes, dropped = reader.take(CHUNK)
            crossed += dropped
            if quotes or reader.ended or reader.error is not None:
                return quotes, crossed
        return (), crossed

    def _take_due(self, reader: Reader | Merged, now: float) -> tuple[Sequence[Quote], int]:
        quotes: list[Quote] = []
        crossed = 0
        ahead = self._ahead
        while len(quotes) < MOST_DUE:
            if not ahead:
                more, dropped = reader.take(CHUNK)
                crossed += dropped
                ahead.extend(more)
            if not ahead:
                break
            if self._began is None:
                self._began, self._first_msc = now, ahead[0].time_msc
            if now < self._began + (ahead[0].time_msc - self._first_msc) / 1000 / self._speed:
                break
            quotes.append(ahead.popleft())
        return quotes, crossed

    def _tell(self, reader: Reader | Merged, crossed: int, ended: bool) -> None:
        self._crossed += crossed
        if crossed and not self._told_crossed:
            self._told_crossed = True
            _log.warning(
                "drop.crossed %s count=%d: nobody could trade on a bid above its ask; "
                "further ones are counted and said at the end",
                reader.told,
                crossed,
            )
        if ended and not self._told_end:
            self._told_end = True
            _log.info("end.replay %s crossed=%d", reader.told, self._crossed)
