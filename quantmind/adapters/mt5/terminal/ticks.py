"""Ticks of a terminal, none left out and none twice.

`symbol_info_tick` is a snapshot: between two looks ticks are lost. So each symbol is read on from the last tick that
was given out. Several ticks may have the same millisecond, and the date argument counts in seconds: what was given out
of the newest millisecond is remembered, and skipped when it is read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import attrs

from quantmind.adapters.mt5.terminal.calls import Calls, NoAnswer
from quantmind.adapters.mt5.terminal.numbers import nearest_double, number, whole
from quantmind.adapters.mt5.terminal.server_clock import ServerClock
from quantmind.adapters.mt5.terminal.symbols import Named
from quantmind.domain.quotes import Quote

AT_ONCE: Final = 2000
"""Ticks of a symbol that one call reads."""
MOST_READS: Final = 50
"""Calls for one symbol in one look: 100,000 ticks after an outage, and the rest at the next look."""

Seen = tuple[float, float, float, float]


@attrs.define
class _Cursor:
    """How far a symbol was read: the newest millisecond (server's), and which ticks of it were given out."""

    msc: int
    taken: list[Seen]


@attrs.frozen
class Look:
    """What one look gave: quotes in order of time (UTC), how many were crossed, and which symbols said something."""

    quotes: Sequence[Quote]
    crossed: int
    spoke: frozenset[str]


@attrs.define(eq=False)
class TickReader:
    """Reads the ticks of some symbols.

    The first look at a symbol gives its newest tick alone. A tick that a server adds behind one that was given out
    already comes out if its time is not earlier; no price comes after a later one of its symbol.

    Args:
        now: our clock, Unix seconds.
    """

    calls: Calls
    clock: ServerClock
    symbols: Sequence[Named]
    now: Callable[[], float]
    snapshots: int = attrs.field(default=0, init=False)
    """Looks at a symbol that had to do with the last tick alone, since its ticks can't be read."""
    malformed: int = attrs.field(default=0, init=False)
    """Rows that are no ticks."""
    offset_changes: int = attrs.field(default=0, init=False)
    _cursors: dict[str, _Cursor] = attrs.field(factory=dict, init=False)
    _unreadable: set[str] = attrs.field(factory=set, init=False)

    def begin_again(self, names: Iterable[str]) -> None:
        """Try to read the ticks of these symbols once more, where it could not be done."""
        self._unreadable.difference_update(names)

    def look(self) -> Look:
        """The ticks since the last look. Raises NoAnswer: the terminal is lost; nothing of this look is given out."""
        read: list[tuple[int, Quote]] = []
        crossed, spoke = 0, set()
        cursors = {name: attrs.evolve(cursor, taken=list(cursor.taken)) for name, cursor in self._cursors.items()}
        for symbol in self.symbols:
            rows = self._new_rows(symbol, cursors)
            if rows:
                spoke.add(symbol.spec.name)
            for msc, seen in rows:
                quote = self._quote(symbol, msc, seen)
                if quote is None:
                    crossed += 1
                else:
                    read.append((msc, quote))
        self._cursors = cursors
        read.sort(key=lambda each: each[0])
        # The offset is judged before a time is converted by it, so a change counts for the ticks that tell of it.
        quotes = [attrs.evolve(quote, time_msc=self.clock.to_utc_msc(msc)) for msc, quote in read]
        return Look(quotes, crossed, frozenset(spoke))

    # --- inside ------------------------------------------------------------------------------------------------

    def _new_rows(self, symbol: Named, cursors: dict[str, _Cursor]) -> list[tuple[int, Seen]]:
        name = symbol.terminal_name
        cursor = cursors.get(name)
        if cursor is None or name in self._unreadable:
            rows = self._last_tick(name)
        else:
            try:
                rows = self._read_on(name, cursor)
            except NoAnswer as exc:
                if exc.lost:
                    raise
                self._unreadable.add(name)
                rows = self._last_tick(name)
        if rows:
            now = self.now()
            self.offset_changes += self.clock.observe(name, rows[-1][0], now)
        fresh = _behind(rows, cursor)
        if fresh:
            last = fresh[-1][0]
            taken = [seen for msc, seen in fresh if msc == last]
            if cursor is not None and cursor.msc == last:
                taken = cursor.taken + taken
            cursors[name] = _Cursor(last, taken)
        return fresh

    def _last_tick(self, name: str) -> list[tuple[int, Seen]]:
        self.snapshots += name in self._unreadable
        try:
            tick = self.calls.symbol_info_tick(name)
        except NoAnswer as exc:
            if exc.lost:
                raise
            return []  # it has no price yet
        row = self._row(tick._asdict() if hasattr(tick, "_asdict") else tick)
        return [] if row is None else [row]

    def _read_on(self, name: str, cursor: _Cursor) -> list[tuple[int, Seen]]:
        found: list[tuple[int, Seen]] = []
        since_s, count = cursor.msc // 1000, AT_ONCE
        for _ in range(MOST_READS):
            rows = self.calls.copy_ticks_from(name, since_s, count)
            read = [row for row in map(self._row, rows) if row is not None]
            found = [row for row in found if row[0] < since_s * 1000] + read
            if len(rows) < count:
                break
            last_s = read[-1][0] // 1000 if read else since_s
            # A second with more ticks than one call gives is read again whole, by a larger call.
            count = count * 2 if last_s == since_s else AT_ONCE
            since_s = last_s
        return sorted(found, key=lambda row: row[0])

    def _row(self, row: Any) -> tuple[int, Seen] | None:
        try:
            msc = whole(row["time_msc"], "time_msc", most=10**15)
            seen = tuple(number(row[field], field) for field in ("bid", "ask", "last", "volume_real"))
        except (ValueError, KeyError, IndexError, TypeError):
            self.malformed += 1
            return None
        return msc, (seen[0], seen[1], seen[2], seen[3])

    def _quote(self, symbol: Named, msc: int, seen: Seen) -> Quote | None:
        digits = symbol.spec.digits
        bid, ask, last = (nearest_double(each, "price", digits) for each in seen[:3])
        quote = Quote(symbol.spec.name, bid, ask, msc, max(last, 0.0), max(seen[3], 0.0))
        return None if quote.crossed else quote


# What comes after the cursor: of its own millisecond those that were not given out, as often as they are there.
def _behind(rows: Sequence[tuple[int, Seen]], cursor: _Cursor | None) -> list[tuple[int, Seen]]:
    if cursor is None:
        return list(rows)
    left = list(cursor.taken)
    fresh: list[tuple[int, Seen]] = []
    for msc, seen in rows:
        if msc < cursor.msc:
            continue
        if msc == cursor.msc and seen in left:
            left.remove(seen)
            continue
        fresh.append((msc, seen))
    return fresh
