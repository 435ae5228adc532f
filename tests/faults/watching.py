"""A consumer of a feed that holds what it is told against the rule: no tick is lost silently."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import attrs
import trio

from quantmind.client import Connected, Disconnected, Feed, FeedEvent, Gap, NewEpoch, SeqReset, Tick

Key = tuple[str, str]
"""(broker, symbol)."""


@attrs.define(eq=False)
class Watcher:
    """Follows one feed, and fails at the first number that is neither a tick nor told as missing.

    It keeps the newest tick of each symbol and counts the others, so it can watch for a day. `check` sees each tick.
    """

    check: Callable[[Tick], None] = lambda tick: None
    epochs: list[str] = attrs.field(factory=list)
    newest: dict[Key, Tick] = attrs.field(factory=dict)
    """Of the present epoch."""
    first_seq: dict[Key, int] = attrs.field(factory=dict)
    """The number with which the present epoch began for us, missing ones included."""
    ticks: int = 0
    missing: int = 0
    connected: int = 0
    disconnected: int = 0

    def next_seq(self, key: Key) -> int | None:
        """The number that comes next, or None where nothing has come yet."""
        return self._next.get(key)

    def forget(self, *symbols: str) -> None:
        """These are subscribed to anew: what came meanwhile is not missing. Nothing of them may be buffered then."""
        for key in [key for key in self._next if key[1] in symbols]:
            del self._next[key], self.newest[key], self.first_seq[key]

    async def follow(self, feed: Feed) -> None:
        """Take every event until the feed is closed."""
        with contextlib.suppress(trio.ClosedResourceError):
            async for event in feed:
                self.take(event)

    def take(self, event: FeedEvent) -> None:
        """Take one event."""
        match event:
            case Tick():
                self._expect(event.key, event.seq, f"lost silently before {event}")
                self._next[event.key] = event.seq + 1
                self.newest[event.key] = event
                self.ticks += 1
                self.check(event)
            case Gap():
                key = (event.broker, event.symbol)
                self._expect(key, event.from_seq, f"it does not begin where the ticks ended: {event}")
                self._next[key] = event.to_seq + 1
                self.missing += event.count
            case NewEpoch():
                assert event.previous == (self.epochs[-1] if self.epochs else None), f"after {self.epochs}: {event}"
                self.epochs.append(event.epoch)
                for kept in (self._next, self.newest, self.first_seq):
                    kept.clear()
            case SeqReset():
                raise AssertionError(f"a gateway does not count backwards: {event}")
            case Connected():
                self.connected += 1
            case Disconnected():
                self.disconnected += 1

    _next: dict[Key, int] = attrs.field(factory=dict, init=False)

    def _expect(self, key: Key, seq: int, otherwise: str) -> None:
        self.first_seq.setdefault(key, seq)
        expected = self._next.get(key, seq)
        assert seq == expected, f"{otherwise}; {expected} was to come"
