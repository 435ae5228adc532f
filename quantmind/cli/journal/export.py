"""`quantmind journal export`: lines of the log into a file, as JSON lines that prove themselves or as CSV."""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import attrs

from quantmind.adapters.journal.exports import FIELDS, before_each, json_line, values
from quantmind.adapters.journal.pages import snapshot
from quantmind.cli.gateway import as_json
from quantmind.cli.journal.source import PAGE, asked, opened, page_of
from quantmind.cli.output import complain, say
from quantmind.domain.visible import json_visible
from quantmind.errors import EXIT_REFUSED, EXIT_UNAVAILABLE, JournalDown
from quantmind.records import Entry, Extent

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001
"""A spreadsheet may run a cell that begins with one of these."""


@attrs.define
class Written:
    """What an export has come to."""

    lines: int = 0
    first: int | None = None
    last: int | None = None
    damaged: int = 0
    extent: Extent | None = None

    def take(self, line: Entry) -> None:
        self.lines += 1
        self.first = line.seq if self.first is None else self.first
        self.last = line.seq
        self.damaged += not line.hash


def run_export(path: Path, options: argparse.Namespace) -> int:
    """Write lines to a file, which is there as a whole or not at all, or to standard output."""
    written = Written()
    form = _csv_rows if options.format == "csv" else _json_rows
    try:
        if options.target == "-":
            _to_stdout(path, options, form, written)
        else:
            with _whole_file(Path(options.target)) as file:
                for text in form(_lines(path, options, written)):
                    file.write(text.encode())
    except KeyboardInterrupt:
        complain("quantmind: interrupted; no file was made")
        return EXIT_REFUSED
    except OSError as error:
        if options.target == "-":
            raise
        complain(f"quantmind: {options.target} can't be written: {error.strerror or error}")
        return EXIT_UNAVAILABLE
    return _tell(options, written)


def _lines(path: Path, options: argparse.Namespace, written: Written) -> Iterator[tuple[Entry, bytes | None]]:
    """Each line that is asked for with the hash before it, up to the last that is there at the beginning."""
    ask = attrs.evolve(asked(options), after=options.after, since_us=options.since, limit=PAGE)
    with opened(path) as connection:
        while True:
            with snapshot(connection):
                page = page_of(connection, ask)
                befores = before_each(connection, page.entries)
            if written.extent is None:
                written.extent = page.extent
                ask = attrs.evolve(ask, before=page.extent.last + 1)
            elif page.extent.first > ask.after + 1:
                raise JournalDown(f"lines from {ask.after + 1} on were pruned meanwhile; export again")
            for line, before in zip(page.entries, befores, strict=True):
                written.take(line)
                yield line, before
            if not page.more:
                return
            ask = attrs.evolve(ask, after=page.through)


# --- forms -----------------------------------------------------------------------------------------------------------

Lines = Iterator[tuple[Entry, bytes | None]]


def _json_rows(lines: Lines) -> Iterator[str]:
    for line, before in lines:
        yield json_line(line, before) + "\n"


def _csv_rows(lines: Lines) -> Iterator[str]:
    yield _csv_row(FIELDS)
    for line, before in lines:
        yield _csv_row([_cell(value) for value in values(line, before)])


def _csv_row(cells: Any) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue()


def _cell(value: Any) -> str:
    """A cell that a spreadsheet takes for text or a number, never for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


# --- where it goes ---------------------------------------------------------------------------------------------------


def _to_stdout(path: Path, options: argparse.Namespace, form: Callable[[Lines], Iterator[str]], to: Written) -> None:
    shown = sys.stdout.isatty()
    for text in form(_lines(path, options, to)):
        # Into a pipe or a file the bytes go as they stand; a terminal would obey some of them.
        told = _tame(text, options.format) if shown else text
        sys.stdout.buffer.write(told.encode())
    sys.stdout.buffer.flush()


def _tame(text: str, form: str) -> str:
    body = text.rstrip("\r\n")
    return json_visible(body) + "\n" if form == "jsonl" else "".join(c if c.isprintable() else "?" for c in body) + "\n"


@contextlib.contextmanager
def _whole_file(target: Path) -> Iterator[BinaryIO]:
    """A file beside the target that takes its name when all is written and on disk; on any trouble it goes."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _tell(options: argparse.Namespace, written: Written) -> int:
    extent = written.extent
    head = None if extent is None or not extent.last else f"{extent.last}:{extent.hash.hex()}"
    found = {"lines": written.lines, "first": written.first, "last": written.last, "head": head}
    if written.damaged:
        complain(f"quantmind: {written.damaged} lines (with an empty hash) are damaged; see `quantmind journal verify`")
    if options.json and options.target != "-":
        say(as_json({**found, "file": options.target, "damaged": written.damaged}))
    else:
        range_of = f", {written.first} to {written.last}" if written.lines else ""
        complain(f"quantmind: exported {written.lines} lines{range_of}; the log's head is {head}")
    return EXIT_REFUSED if written.damaged else 0
