"""Where a command's time went."""

from __future__ import annotations

from collections.abc import Iterator

import attrs


@attrs.define(eq=False, slots=True)
class Stopwatch:
    """Marks of one command's way, in monotonic seconds, in the order they were passed.

    It travels with a message and is written to: a measurement, not a fact.
    """

    start: float
    marks: list[tuple[str, float]] = attrs.field(factory=list)

    def mark(self, stage: str, now: float) -> None:
        """The stage ended now."""
        self.marks.append((stage, now))

    def spent_ms(self, stage: str) -> float:
        """Milliseconds spent in one stage; 0 if it was not passed."""
        return sum(ms for name, ms in self._spans() if name == stage)

    def stages_ms(self) -> dict[str, float]:
        """Milliseconds spent in each stage."""
        return {stage: round(ms, 3) for stage, ms in self._spans()}

    def _spans(self) -> Iterator[tuple[str, float]]:
        last = self.start
        for stage, at in self.marks:
            yield stage, (at - last) * 1000
            last = at
