"""Where a command's time went."""

from __future__ import annotations

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
        spent, last = 0.0, self.start
        for name, at in self.marks:
            spent += (at - last) * 1000 if name == stage else 0.0
            last = at
        return spent

    def stages_ms(self) -> dict[str, float]:
        """Milliseconds spent in each stage."""
        out: dict[str, float] = {}
        last = self.start
        for stage, at in self.marks:
            out[stage] = round((at - last) * 1000, 3)
            last = at
        return out
