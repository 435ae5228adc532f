"""The chain, checked line by line in constant memory: of a journal's table, or of an export. Pure.

After a faulty line the check goes on from the hash that this line has, so that one edit is told once or twice and not
with every line that follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import attrs
import msgspec

from quantmind.adapters.journal.chain import START, digest
from quantmind.adapters.journal.faults import Findings
from quantmind.adapters.journal.lines import fault_of
from quantmind.records import Entry

BACK_US: Final = 60_000_000
"""Lines of one commit come from several actors: only a time that is so much earlier than the line before is told."""
AHEAD_US: Final = 86_400_000_000
"""So far after now a time is told."""


class Pruned(msgspec.Struct, frozen=True):
    """The body of a line `pruned`: these lines went, and the last of them had this hash (hex)."""

    first: int
    through: int
    lines: int
    hash: str
    why: str = ""


_pruned = msgspec.json.Decoder(Pruned).decode


@attrs.frozen
class Noted:
    """A head that was noted elsewhere: this line has this hash."""

    seq: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash.hex()}"


@attrs.define(eq=False)
class ChainCheck:
    """Is given every line in order, then `finish`; what it finds is in `findings`.

    `whole`: it is all that the journal keeps, so its first line is the first of all or the one after what was pruned.
    `selection`: lines were left out on purpose, as by an export of some kinds. `now_us` (Unix microseconds) bounds
    times.
    """

    findings: Findings
    whole: bool = True
    selection: bool = False
    noted: Noted | None = None
    now_us: int | None = None
    lines: int = attrs.field(default=0, init=False)
    first: Entry | None = attrs.field(default=None, init=False)
    last: Entry | None = attrs.field(default=None, init=False)
    pruned: tuple[Entry, Pruned] | None = attrs.field(default=None, init=False)
    """The newest line of that kind."""
    went_back: bool = attrs.field(default=False, init=False)
    """The clock was set back at some line."""
    unproven: int = attrs.field(default=0, init=False)
    """Lines whose hash could not be computed, since the hash before them is not known."""
    _claimed: bytes | None = attrs.field(default=None, init=False)
    """What the first line says to be chained to."""
    _noted_seen: bool = attrs.field(default=False, init=False)

    def feed(self, row: Sequence[Any], before: bytes | None = None) -> Entry | None:
        """Check the next line; the line, or None if no journal has written it.

        `before` is the hash before it as the line itself says, in an export; None where it doesn't.
        """
        self.lines += 1
        seq = row[0]
        known = self._follow(seq, before)
        fault = fault_of(row)
        if fault is not None:
            self.findings.line(seq, fault)
            self._remember(Entry(seq, 0, "", None, None, None, None, "", row[8] if type(row[8]) is bytes else b""))
            return None
        line = Entry(*row)
        if self.first is not None or seq == 1:
            self._check_hash(line, known)
        else:
            self._claimed = before
        self._check_time(line)
        if line.kind == "pruned":
            self._take_pruned(line)
        if self.noted is not None and seq == self.noted.seq:
            self._compare_noted(line.hash)
        self._remember(line)
        return line

    def finish(self) -> None:
        """Check what only shows at the end."""
        if self.first is None:
            self.findings.fault("log", "it holds no line; a journal always keeps its last")
            return
        if self.first.seq != 1:
            self._check_beginning(self.first)
        if self.noted is not None and not self._noted_seen:
            self._miss_noted(self.noted)
        if self.unproven:
            self.findings.note(
                f"{self.unproven} lines could not be proven: they don't follow the line before, and don't say `prev`"
            )

    # --- one line ------------------------------------------------------------------------------------------------

    def _follow(self, seq: int, before: bytes | None) -> bytes | None:
        """The hash that the line must be chained to; None where it is not known."""
        last = self.last
        if last is None:
            if seq == 1:
                if before not in (None, START):
                    self.findings.line(seq, "it is the first and says that there was one before it")
                return START
            return before
        if seq == last.seq + 1:
            if before is not None and before != last.hash:
                values = (last.hash, before)
                self.findings.line(seq, "it says another hash before it than the line before has", values=values)
            return last.hash
        if seq <= last.seq:
            self.findings.line(seq, f"it comes after line {last.seq}")
        elif not self.selection:
            self.findings.line(seq, f"{_lines(last.seq + 1, seq - 1)} before it missing")
        return before

    def _check_hash(self, line: Entry, before: bytes | None) -> None:
        if not before:
            self.unproven += 1
            return
        wanted = digest(before, line)
        if wanted != line.hash:
            self.findings.line(line.seq, "it, or its hash, was changed", values=(wanted, line.hash))

    def _check_time(self, line: Entry) -> None:
        if self.last is not None and self.last.kind and line.at_us < self.last.at_us - BACK_US:
            self.went_back = True
            by = (self.last.at_us - line.at_us) / 1e6
            self.findings.note(f"line {line.seq}: the clock was {by:.0f} s earlier than at the line before")
        if self.now_us is not None and line.at_us > self.now_us + AHEAD_US:
            self.findings.note(f"line {line.seq}: its time is more than a day after now")

    def _remember(self, line: Entry) -> None:
        if self.first is None:
            self.first = line
        self.last = line

    # --- what went by retention ----------------------------------------------------------------------------------

    def _take_pruned(self, line: Entry) -> None:
        try:
            body = _pruned(line.body)
        except msgspec.DecodeError as error:
            self.findings.line(line.seq, f"it does not say what was pruned: {error}")
            return
        if not 1 <= body.first <= body.through < line.seq or body.lines != body.through - body.first + 1:
            self.findings.line(line.seq, f"it can't be: {body.lines} lines from {body.first} through {body.through}")
        if self.pruned is not None and body.first != self.pruned[1].through + 1:
            values = (self.pruned[1].through + 1, body.first)
            self.findings.line(line.seq, "it does not go on where the one before it ended", values=values)
        if self.noted is not None and body.through == self.noted.seq:
            self._compare_noted(_unhex(body.hash))
        self.pruned = (line, body)

    def _check_beginning(self, first: Entry) -> None:
        gone = self.pruned
        fits = gone is not None and gone[1].through == first.seq - 1
        before = self._claimed
        if gone is not None and fits:
            before = _unhex(gone[1].hash)
            if self._claimed not in (None, before):
                values = (before, self._claimed)
                self.findings.line(first.seq, f"line {gone[0].seq} says another hash before it", values=values)
        elif self.whole:
            self._tell_beginning(first)
            return
        if first.kind:
            self._check_hash(first, before)

    def _tell_beginning(self, first: Entry) -> None:
        if self.pruned is None:
            self.findings.line(first.seq, f"{_lines(1, first.seq - 1)} missing, and no line says that they were pruned")
            return
        line, body = self.pruned
        said = f"line {line.seq} says that all through {body.through} were pruned"
        if body.through < first.seq:
            self.findings.line(first.seq, f"{_lines(body.through + 1, first.seq - 1)} missing: {said}")
        else:
            self.findings.line(
                line.seq, f"it says that all through {body.through} were pruned, and {first.seq} is there"
            )

    # --- a head that was noted elsewhere -------------------------------------------------------------------------

    def _compare_noted(self, found: bytes) -> None:
        assert self.noted is not None
        self._noted_seen = True
        if found != self.noted.hash:
            what = "its hash is not the one that was noted"
            self.findings.line(self.noted.seq, what, values=(self.noted.hash, found))

    def _miss_noted(self, noted: Noted) -> None:
        assert self.first is not None
        assert self.last is not None
        if noted.seq > self.last.seq:
            what = f"it was noted as the head, and the log ends with line {self.last.seq}: lines were taken off its end"
        elif noted.seq < self.first.seq:
            what = f"it was noted as the head, and is no longer kept (the log begins with line {self.first.seq}): this "
            what += "can't be proven any more; note the head more often than lines are pruned"
        else:
            what = "it was noted as the head, and is not there"
        self.findings.line(noted.seq, what)


def _unhex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b"no hash"


def _lines(first: int, last: int) -> str:
    return f"line {first} is" if first == last else f"lines {first} to {last} are"
