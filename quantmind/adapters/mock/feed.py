"""Where a paper account's prices come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs

from quantmind.domain.quotes import Quote


@attrs.frozen
class FeedStep:
    """What one step of a feed gave.

    `quotes` in order of time, none of them crossed; `crossed` counts those that were dropped in this step;
    `ended` when nothing will ever come again.
    """

    quotes: Sequence[Quote]
    crossed: int = 0
    ended: bool = False


class Feed(Protocol):
    """Prices as they fall due. Synchronous: it knows nothing of Trio and reads no clock of its own."""

    @property
    def paced(self) -> bool:
        """False while `advance` gives something each time, however often it is called."""
        ...

    def open(self) -> None:
        """Get ready. Safe to repeat: what has been given is not given again. Raises ReplayError."""
        ...

    def start(self) -> None:
        """Begin, for a feed that waits for its first subscriber. Safe to repeat."""
        ...

    def advance(self, now: float) -> FeedStep:
        """Everything due up to `now` (monotonic seconds), a bounded number at a time. Raises ReplayError."""
        ...

    def close(self) -> None:
        """Let files go. Safe to repeat; `open` goes on where it was."""
        ...
