"""What a check of the journal finds: faults, which something or somebody has made, and notes, which may be right."""

from __future__ import annotations

from typing import Any, Final

import attrs

MOST: Final = 100
"""So many faults, and so many notes, are told one by one; the others are counted."""
_SHOWN: Final = 200


@attrs.frozen
class Fault:
    """Something that is not as a journal writes it. `where` names the line or the row, `seq` the line if it is one."""

    where: str
    what: str
    seq: int | None = None
    expected: str | None = None
    found: str | None = None

    def __str__(self) -> str:
        told = "" if self.expected is None else f"; expected {self.expected}, found {self.found}"
        return f"{self.where}: {self.what}{told}"


@attrs.define(eq=False)
class Findings:
    """Collects what is found, within bounds."""

    faults: list[Fault] = attrs.field(factory=list)
    fault_count: int = 0
    notes: list[str] = attrs.field(factory=list)
    note_count: int = 0

    def fault(self, where: str, what: str, *, seq: int | None = None, values: tuple[Any, Any] | None = None) -> None:
        """Add a fault; `values` are what was expected and what was found."""
        self.fault_count += 1
        if len(self.faults) < MOST:
            expected, found = (None, None) if values is None else map(shown, values)
            self.faults.append(Fault(where, what, seq, expected, found))

    def line(self, seq: int, what: str, *, values: tuple[Any, Any] | None = None) -> None:
        """Add a fault of a line of the log."""
        self.fault(f"line {seq}", what, seq=seq, values=values)

    def note(self, text: str) -> None:
        """Add what may be all right, and somebody may want to know."""
        self.note_count += 1
        if len(self.notes) < MOST:
            self.notes.append(text)


def shown(value: Any) -> str:
    """A value as an error may repeat it: hashes as hex, long texts cut."""
    if value is None:
        return "nothing"
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
