"""Where the loop stands still: a thread beside it that looks whether it still turns, and says what holds it."""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import attrs

logger: Final = logging.getLogger("quantmind.reporter")

STALLED_AFTER_S: Final = 1.0
"""A loop that has not turned for so long stands still."""
LOOK_EVERY_S: Final = 0.25
FRAMES: Final = 6
"""So many of the innermost are told."""


@attrs.define(eq=False)
class LoopLag:
    """How much later than asked the loop woke its reporter, in milliseconds; and where it stood still."""

    last_ms: float = 0.0
    max_ms: float = 0.0
    late: int = 0
    stalls: int = 0
    """How often it stood still for `STALLED_AFTER_S` or longer."""
    stalled_s: float = 0.0
    """The longest of these times as far as it was seen, in seconds."""
    stalled_in: str | None = None
    """What held it the last time: the innermost calls, outermost first."""


@attrs.define(eq=False)
class LoopWatch:
    """Watches the loop of the thread that enters `running`; `beat` says that it turns.

    The thread only reads: it can end nothing that holds the loop, and a call that holds the interpreter holds it, too.
    """

    lag: LoopLag
    stalled_after_s: float = STALLED_AFTER_S
    _beaten_at: float = attrs.field(factory=time.monotonic, init=False)
    _over: threading.Event = attrs.field(factory=threading.Event, init=False)

    def beat(self) -> None:
        """The loop turns."""
        self._beaten_at = time.monotonic()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch until the end of the block, which does not wait for the thread."""
        self.beat()
        watched = threading.get_ident()
        threading.Thread(target=self._watch, args=(watched,), name="loop watch", daemon=True).start()
        try:
            yield
        finally:
            self._over.set()

    def _watch(self, watched: int) -> None:
        told_of = None
        while not self._over.wait(min(LOOK_EVERY_S, self.stalled_after_s / 2)):
            beaten_at = self._beaten_at
            still_s = time.monotonic() - beaten_at
            if still_s < self.stalled_after_s:
                continue
            self.lag.stalled_s = max(self.lag.stalled_s, round(still_s, 3))
            if told_of == beaten_at:
                continue
            told_of = beaten_at
            self.lag.stalls += 1
            self.lag.stalled_in = _told(sys._current_frames().get(watched))  # noqa: SLF001  # the only way to look in
            logger.error("stall.loop for_s=%.1f in=%s", still_s, self.lag.stalled_in)


def _told(frame: FrameType | None) -> str:
    if frame is None:
        return "?"
    calls = traceback.extract_stack(frame)[-FRAMES:]
    return " > ".join(f"{call.filename.rpartition('/')[2]}:{call.lineno} {call.name}" for call in calls)
