"""Several recordings as one, by time."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from typing import Final

from quantmind.adapters.mock.recordings.errors import ReplayError
from quantmind.adapters.mock.recordings.reader import Reader
from quantmind.domain.quotes import Quote

MOST_FILES: Final = 400
"""Open at a time: a year of days, below the usual limit of open files."""
_AHEAD: Final = 64


class Merged:
    """Reads recordings together: ticks in order of time; at the same time the file that began earlier comes first.

    One after another of the same symbol is sound (day after day), two at the same time are not: nobody could say
    which price was the broker's. At a bad line of one file all stops, after what is older in the others.
    """

    def __init__(self, readers: Sequence[Reader]) -> None:
        if not 0 < len(readers) <= MOST_FILES:
            raise ReplayError(f"{len(readers)} recordings at once, and 1 to {MOST_FILES} can be open")
        self.error: ReplayError | None = None
        self._readers = readers
        self._ahead: list[deque[Quote]] = [deque() for _ in readers]
        self._wanted = list(range(len(readers)))
        self._next: list[tuple[int, int, int]] = []
        self._began: dict[int, int] = {}
        self._crossed = 0
        self._owner: dict[str, int] = {}
        self._past: set[tuple[str, int]] = set()

    @property
    def where(self) -> str:
        """The files for people."""
        first, count = self._readers[0].where, len(self._readers) - 1
        return f"{first} and {count} more"

    @property
    def told(self) -> str:
        """How far each came, for the log."""
        return " ".join(reader.told for reader in self._readers)

    @property
    def ended(self) -> bool:
        """Whether nothing is left in any."""
        return self.error is None and not self._wanted and not self._next

    def open(self) -> None:
        """Open all, each behind what has been read. Safe to repeat. Raises ReplayError."""
        for reader in self._readers:
            reader.open()

    def close(self) -> None:
        """Let all files go."""
        for reader in self._readers:
            reader.close()

    def take(self, limit: int) -> tuple[Sequence[Quote], int]:
        """The next quotes, at most `limit`, and how many were crossed and left out."""
        quotes: list[Quote] = []
        while self.error is None and len(quotes) < limit and self._fill() and self._next:
            number = self._next[0][-1]
            ahead = self._ahead[number]
            quote = ahead.popleft()
            if not self._is_alone(quote, number):
                break
            quotes.append(quote)
            if ahead:
                heapq.heapreplace(self._next, (ahead[0].time_msc, self._began[number], number))
            else:
                heapq.heappop(self._next)
                self._wanted.append(number)
        if self.error is not None or self.ended:
            self.close()
        crossed, self._crossed = self._crossed, 0
        return quotes, crossed

    # False while the next tick of a file is not known. A stretch of crossed quotes must not hold the caller, who
    # comes back for more.
    def _fill(self) -> bool:
        while self._wanted:
            number = self._wanted[-1]
            reader, ahead = self._readers[number], self._ahead[number]
            quotes, crossed = reader.take(_AHEAD)
            self._crossed += crossed
            if quotes:
                ahead.extend(quotes)
                began = self._began.setdefault(number, ahead[0].time_msc)
                heapq.heappush(self._next, (ahead[0].time_msc, began, number))
            elif reader.error is not None:
                self.error = reader.error
                return False
            elif not reader.ended:
                return False
            self._wanted.pop()
        return True

    def _is_alone(self, quote: Quote, number: int) -> bool:
        owner = self._owner.setdefault(quote.symbol, number)
        if owner == number:
            return True
        self._past.add((quote.symbol, owner))
        self._owner[quote.symbol] = number
        if (quote.symbol, number) not in self._past:
            return True
        self.error = ReplayError(
            f"{self._readers[owner].where} and {self._readers[number].where} both have {quote.symbol} at "
            f"{quote.time_msc} ms: replay them one after the other, or leave one out"
        )
        return False
