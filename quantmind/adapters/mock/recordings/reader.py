"""From a recording's ticks to quotes to trade on, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import attrs

from quantmind.adapters.mock.money import HIGHEST_PRICE
from quantmind.adapters.mock.recordings.errors import Fault, ReplayError, shown
from quantmind.adapters.mock.recordings.text import Raw, Text
from quantmind.domain.quotes import Quote


# A symbol of a recording: what the broker calls it, its digits, and the newest time seen.
@attrs.define(eq=False)
class _Symbol:
    name: str
    digits: int
    newest_msc: int = 0


class Reader:
    """Reads one recording from front to back; holds no more of it than a few lines.

    `error` is set when a line was bad: what stood before it is given first, and nothing after it, since a price
    made up or left out is money in a test. The time of a symbol never runs backwards; equal times are sound.

    Args:
        text: the open file; closed at the end.
        ticks: what a format reads from it.
        symbols: by the name in the recording, b"" for its only one: what the broker calls it, and its digits.
        skips_others: whether ticks of further symbols are left out; else they are a fault.
    """

    def __init__(
        self,
        text: Text,
        ticks: Iterator[Raw | None],
        symbols: Mapping[bytes, tuple[str, int]],
        *,
        skips_others: bool = False,
    ) -> None:
        self.text = text
        self.ended = False
        self.error: ReplayError | None = None
        self._ticks = ticks
        self._symbols = {name: _Symbol(*known) for name, known in symbols.items()}
        self._skips_others = skips_others

    @property
    def where(self) -> str:
        """The file for people."""
        return self.text.where

    @property
    def told(self) -> str:
        """How far it came, for the log: lines, and what the recording says of itself."""
        text = self.text
        gaps = f" gaps={text.gaps}" if text.gaps else ""
        return f"file={text.where} lines={text.line}{gaps}{' torn_at_the_end=true' if text.torn else ''}"

    def open(self) -> None:
        """Open the file, behind what has been read. Safe to repeat. Raises ReplayError."""
        if not self._done():
            self.text.open()

    def close(self) -> None:
        """Let the file go; `open` goes on where it was."""
        self.text.close()

    def take(self, limit: int) -> tuple[Sequence[Quote], int]:
        """What the next `limit` lines have: quotes to trade on, and how many were crossed and left out."""
        if self._done():
            return (), 0
        quotes: list[Quote] = []
        crossed = 0
        try:
            with self.text.reading():
                crossed = self._read(limit, quotes)
        except ReplayError as exc:
            self.error = exc
        if self._done():
            self.close()
        return quotes, crossed

    def _done(self) -> bool:
        return self.ended or self.error is not None

    def _read(self, limit: int, quotes: list[Quote]) -> int:
        symbols, add = self._symbols, quotes.append
        crossed = seen = 0
        try:
            for raw in islice(self._ticks, limit):
                seen += 1
                if raw is None:
                    continue
                name, at, bid, ask, last, volume = raw
                symbol = symbols.get(name)
                if symbol is None:
                    self._refuse_unless_skipped(name)
                    continue
                if at < symbol.newest_msc:
                    raise Fault(self._backwards(at, symbol))
                symbol.newest_msc = at
                digits = symbol.digits
                bid, ask = round(bid, digits), round(ask, digits)
                if last or volume:
                    last = round(last, digits)
                    self._check(last, volume)
                if 0.0 < bid <= ask <= HIGHEST_PRICE:
                    add(Quote(symbol.name, bid, ask, at, last, volume))
                else:
                    self._check(bid, ask)
                    crossed += 1
        except Fault as fault:
            raise ReplayError(f"{self.where}, line {self.text.line}: {fault}") from None
        self.ended = seen < limit
        return crossed

    def _backwards(self, at: int, symbol: _Symbol) -> str:
        return f"time runs backwards, {at} ms after {symbol.newest_msc} ms: {shown(self.text.current)}"

    # Also refuses NaN, which is not below or above anything.
    def _check(self, *numbers: float) -> None:
        for number in numbers:
            if not -HIGHEST_PRICE <= number <= HIGHEST_PRICE:
                raise Fault(f"a number that can't be a price or a volume: {shown(self.text.current)}")

    def _refuse_unless_skipped(self, name: bytes) -> None:
        if not self._skips_others:
            names = ", ".join(symbol.name for symbol in self._symbols.values())
            raise Fault(
                f"a tick of {shown(name)}, which this broker does not trade: it has {names}; "
                "add it to the broker's symbols, or write `symbol` to replay one only"
            )
