"""The ticks of an epoch that a client who was away can still be given: the newest of each symbol, bounded in all."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Final

import attrs

MOST_EACH: Final = 4096
"""Ticks of one symbol: at ten a second, nearly seven minutes."""
MOST_BYTES: Final = 64 * 1024 * 1024
"""Of all symbols together. Beyond it each symbol may keep half as many as before, until the next epoch."""
OVERHEAD: Final = 128
"""What a kept tick takes beside its frame, about."""

Kept = tuple[int, bytes]
"""A tick's number among all that were published, and its frame."""
Ticks = deque[Kept]
"""One symbol's, without a gap up to its newest."""


@attrs.define(eq=False)
class TickHistory:
    """Frames of published ticks, by symbol. Written by the hub; gone with its epoch."""

    most_bytes: int = MOST_BYTES
    each: int = MOST_EACH
    """Ticks that one symbol may keep now."""
    size_bytes: int = attrs.field(default=0, init=False)
    _all: list[Ticks] = attrs.field(factory=list, init=False)

    def begin(self) -> Ticks:
        """Where a symbol's ticks are kept."""
        ticks: Ticks = deque()
        self._all.append(ticks)
        return ticks

    def keep(self, ticks: Ticks, number: int, frame: bytes) -> None:
        """Add a symbol's newest tick; what finds no room any more goes, oldest first."""
        if len(ticks) >= self.each:
            self.size_bytes -= len(ticks.popleft()[1]) + OVERHEAD
        ticks.append((number, frame))
        self.size_bytes += len(frame) + OVERHEAD
        if self.size_bytes > self.most_bytes:
            self._halve()

    def _halve(self) -> None:
        while self.size_bytes > self.most_bytes and self.each > 0:
            self.each //= 2
            for ticks in self._all:
                while len(ticks) > self.each:
                    self.size_bytes -= len(ticks.popleft()[1]) + OVERHEAD

    @property
    def count(self) -> int:
        """How many ticks are kept."""
        return sum(map(len, self._all))


def newest(wanted: Iterable[tuple[Ticks, int]]) -> list[bytes]:
    """The frames of the newest `count` ticks of each symbol, all together in the order they were published."""
    parts = [list(islice(ticks, len(ticks) - count, None)) for ticks, count in wanted]
    return [frame for _, frame in heapq.merge(*parts)]
