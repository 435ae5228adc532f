"""Who is silent that should speak, and what to try next. Pure: it is told of times and of what was heard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import attrs

from quantmind.domain.sessions import Sessions
from quantmind.ports import Recovery

STALE_AFTER_S: Final = 10.0
"""A feed, or a symbol, that has confirmed no price for so long while its market is open is stale."""
LONGEST_PAUSE_S: Final = 600.0
"""Between two attempts at a feed, or a symbol, that does not come back."""
STEPS: Final = (Recovery.RESUBSCRIBE, Recovery.RECONNECT, Recovery.RESTART)


@attrs.frozen
class Step:
    """What to try now, for which symbols, after how many seconds of silence."""

    recovery: Recovery
    symbols: tuple[str, ...]
    silent_s: float


@attrs.frozen
class Look:
    """What a look found.

    `symbols` are those whose state is another than at the look before: `stale`, `closed` or `live`, each with the
    seconds since it was heard, in the order of the catalog.
    """

    closed: bool
    """No symbol's market is open."""
    silent_s: float
    """How long nothing was heard of any symbol whose market is open; 0 while all are closed."""
    symbols: tuple[tuple[str, str, float], ...]
    steps: tuple[Step, ...]


@attrs.define(eq=False)
class _Symbol:
    sessions: Sessions
    heard_at: float
    """When a price was last confirmed, or since when it is followed."""
    open_since: float
    """When it opened last, or was followed first: what a closed market does not say is not missing."""
    state: str = "live"
    opens_msc: int = 0
    """While it is closed: when it opens, Unix milliseconds; else 0."""
    closed_at: float = 0.0
    """When it was found closed last."""
    closed_msc: int = 0
    """The same, Unix milliseconds: before it a clock was set back, and what it had said counts no more."""
    next_at: float = 0.0
    pause_s: float = 0.0

    def silent_since(self) -> float:
        return max(self.heard_at, self.open_since)


@attrs.define(eq=False)
class FeedWatch:
    """Watches the feed of one broker. Times are monotonic seconds; `msc` is the market's time, Unix milliseconds.

    The whole feed silent: its symbols are subscribed to again, then it is connected again, then its adapter is
    restarted, each after another `stale_after_s`; from there on that is repeated with pauses that double up to ten
    minutes. A single symbol silent while others speak is subscribed to again, with pauses that double until it has
    spoken for as long as the last one after its end; nothing harsher is done for it, since that would silence the
    others.

    Args:
        stale_after_s: see `STALE_AFTER_S`, for the whole feed.
        symbol_stale_after_s: the same for one symbol.
        began: when it was first waited for.
    """

    stale_after_s: float
    symbol_stale_after_s: float
    began: float
    _symbols: dict[str, _Symbol] = attrs.field(factory=dict, init=False)
    _tried: int = attrs.field(default=0, init=False)
    _next_at: float | None = attrs.field(default=None, init=False)
    """When the next step for the whole feed is due; None: none was tried since it was last heard."""
    _heard_at: float = attrs.field(init=False)

    @_heard_at.default
    def _began_with(self) -> float:
        return self.began

    @property
    def heard_at(self) -> float:
        """When a price of any symbol was last confirmed, or the wait for the first one began."""
        return self._heard_at

    def follow(self, sessions: Mapping[str, Sessions], now: float) -> None:
        """These are the symbols from now on, and their hours; those that were there before keep their times."""
        before = self._symbols
        self._symbols = {}
        for name, hours in sessions.items():
            known = before.get(name)
            if known is None:
                known = _Symbol(hours, now, now)
            known.sessions = hours
            self._symbols[name] = known

    def heard(self, names: Iterable[str], at: float) -> None:
        """A price of each of these was confirmed."""
        self._heard_at = max(self._heard_at, at)
        for name in names:
            symbol = self._symbols.get(name)
            if symbol is not None:
                symbol.heard_at = max(symbol.heard_at, at)

    def silent_s(self, name: str | None, now: float) -> float:
        """How long a symbol, or (None) the whole feed, has confirmed no price."""
        symbol = None if name is None else self._symbols.get(name)
        return now - (self._heard_at if symbol is None else symbol.heard_at)

    def wait_anew(self, now: float) -> None:
        """Nobody was to speak until now."""
        self._heard_at = max(self._heard_at, now)
        for symbol in self._symbols.values():
            symbol.open_since = max(symbol.open_since, now)

    def connected(self, now: float) -> None:
        """A connection was made: the next step waits until it should have spoken."""
        if self._next_at is not None:
            self._next_at = max(self._next_at, now + self.stale_after_s)

    def look(self, now: float, msc: int, *, act: bool = True) -> Look:
        """What is silent, what has changed since the last look, and what is due to be tried.

        Args:
            act: False while something is being tried already: then no step is due.
        """
        changed: list[tuple[str, str, float]] = []
        silent: list[tuple[str, _Symbol]] = []
        anybody_open = not self._symbols
        for name, symbol in self._symbols.items():
            state = self._state(symbol, now, msc)
            anybody_open = anybody_open or state != "closed"
            if state == "stale":
                silent.append((name, symbol))
            elif state == "live" and now >= symbol.next_at + symbol.pause_s:  # one that is rarely quoted comes and goes
                symbol.next_at = symbol.pause_s = 0.0
            if state != symbol.state:
                symbol.state = state
                changed.append((name, state, now - symbol.heard_at))
        if not anybody_open:
            self._tried, self._next_at = 0, None
            return Look(True, 0.0, tuple(changed), ())
        silent_s = now - self._silent_since()
        steps: tuple[Step, ...] = ()
        if silent_s < self.stale_after_s:
            self._tried, self._next_at = 0, None
            steps = self._single(now, silent) if act else ()
        elif act:
            steps = self._whole(now, silent_s)
        return Look(False, silent_s, tuple(changed), steps)

    def _state(self, symbol: _Symbol, now: float, msc: int) -> str:
        if symbol.opens_msc:
            if symbol.heard_at > symbol.closed_at:  # it is quoted out of its hours
                symbol.opens_msc = 0
            elif symbol.closed_msc <= msc < symbol.opens_msc:
                return "closed"
            else:
                symbol.opens_msc, symbol.open_since = 0, now
        silent_s = now - symbol.silent_since()
        if silent_s < min(self.stale_after_s, self.symbol_stale_after_s):
            return "live"
        opens = symbol.sessions.opens_at(msc)
        if opens > msc:
            symbol.opens_msc, symbol.closed_at, symbol.closed_msc = opens, now, msc
            return "closed"
        return "stale" if silent_s >= self.symbol_stale_after_s else "live"

    # Of the symbols that are open: the last one that was heard or opened.
    def _silent_since(self) -> float:
        times = [symbol.silent_since() for symbol in self._symbols.values() if symbol.state != "closed"]
        return max([self.began, *times]) if times else self._heard_at

    def _whole(self, now: float, silent_s: float) -> tuple[Step, ...]:
        if self._next_at is None:
            self._tried, self._next_at = 0, now
        if now < self._next_at:
            return ()
        recovery = STEPS[min(self._tried, len(STEPS) - 1)]
        over = max(0, self._tried - len(STEPS) + 1)
        self._next_at = now + min(self.stale_after_s * 2.0 ** min(over, 32), max(LONGEST_PAUSE_S, self.stale_after_s))
        self._tried += 1
        names = tuple(name for name, symbol in self._symbols.items() if symbol.state != "closed")
        return (Step(recovery, names, silent_s),)

    def _single(self, now: float, silent: Sequence[tuple[str, _Symbol]]) -> tuple[Step, ...]:
        due = [(name, symbol) for name, symbol in silent if now >= symbol.next_at]
        if not due:
            return ()
        for _, symbol in due:
            first_s = self.symbol_stale_after_s
            symbol.pause_s = min(symbol.pause_s * 2.0, max(LONGEST_PAUSE_S, first_s)) if symbol.pause_s else first_s
            symbol.next_at = now + symbol.pause_s
        longest = max(now - symbol.silent_since() for _, symbol in due)
        return (Step(Recovery.RESUBSCRIBE, tuple(name for name, _ in due), longest),)
