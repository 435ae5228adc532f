"""The decisions of a journal, of a copy of one, or of an export in JSON lines (plain or gzip), in order."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import attrs

from quantmind.adapters.journal.exports import parse
from quantmind.adapters.journal.lines import fault_of, mend, tolerate
from quantmind.adapters.journal.pages import read_page
from quantmind.adapters.journal.readonly import open_to_read
from quantmind.errors import JournalDown
from quantmind.ports import LogQuery
from quantmind.records import Entry

KIND: Final = "decision"
PAGE: Final = 1000
PAGE_BYTES: Final = 4 * 1024 * 1024
"""Bodies of so many bytes end a page: the snapshot of each ends soon, so that the write-ahead log can be cut back."""
LONGEST: Final = 64 * 1024 * 1024
"""A line of an export that is longer is none."""
_SQLITE: Final = b"SQLite format 3\0"
_GZIP: Final = b"\x1f\x8b"


@attrs.frozen
class Damaged:
    """A line that is no line of a journal any more; `place` says which one."""

    place: str
    reason: str


@attrs.frozen
class Asked:
    """Which decisions. Times in Unix microseconds, `until_us` without."""

    broker: str | None = None
    since_us: int | None = None
    until_us: int | None = None

    def wants(self, line: Entry) -> bool:
        """Whether a line is one of them."""
        if line.kind != KIND or (self.broker is not None and line.broker != self.broker):
            return False
        if self.since_us is not None and line.at_us < self.since_us:
            return False
        return self.until_us is None or line.at_us < self.until_us


def decision_lines(path: Path, asked: Asked) -> Iterator[Entry | Damaged]:
    """Each decision that is asked for, up to the last that is there at the beginning; the file is only read.

    Raises:
        JournalDown: there is no such file, it is none of these, or it can't be read.
    """
    begins = _beginning(path)
    if begins.startswith(_GZIP):
        yield from _of_export(path, asked, packed=True)
    elif begins.startswith(b"{"):
        yield from _of_export(path, asked, packed=False)
    elif begins in (b"", _SQLITE):
        yield from _of_journal(path, asked)
    else:
        raise JournalDown(f"{path} is no journal, and no export of one in JSON lines")


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE))
    except FileNotFoundError:
        return b""  # opening it says so
    except OSError as error:
        raise JournalDown(f"{path} can't be read: {error.strerror or error}") from None


def _of_journal(path: Path, asked: Asked) -> Iterator[Entry | Damaged]:
    ask = LogQuery(kinds=frozenset({KIND}), broker=asked.broker, since_us=asked.since_us, limit=PAGE)
    with open_to_read(path) as connection:
        tolerate(connection)
        while True:
            page = read_page(connection, ask, most_bytes=PAGE_BYTES, made=mend)
            if ask.before is None:
                ask = attrs.evolve(ask, before=page.extent.last + 1)
            elif page.extent.first > ask.after + 1:
                raise JournalDown(f"lines from {ask.after + 1} on were pruned meanwhile; replay a copy")
            for line in page.entries:
                if not line.hash:
                    yield Damaged(
                        f"line {line.seq}", "it is not as a journal writes it; see `quantmind journal verify`"
                    )
                elif asked.wants(line):
                    yield line
            if not page.more:
                return
            ask = attrs.evolve(ask, after=page.through)


def _of_export(path: Path, asked: Asked, *, packed: bool) -> Iterator[Entry | Damaged]:
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            yield from _parsed(file, asked)
    except (OSError, EOFError, zlib.error) as error:
        raise JournalDown(f"{path} can't be read to its end: {error}") from None


def _parsed(file: BinaryIO | gzip.GzipFile, asked: Asked) -> Iterator[Entry | Damaged]:
    number = 0
    while text := file.readline(LONGEST):
        number += 1
        try:
            row, _, _ = parse(text)
        except ValueError as error:
            yield Damaged(f"line {number} of the file", str(error))
            continue
        line = Entry(*row)
        if not asked.wants(line):
            continue
        fault = fault_of(row)
        yield line if fault is None else Damaged(f"line {line.seq}", fault)
