"""Where the subcommands read: the journal's file, also while the gateway is down, and what was asked of it."""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from quantmind.adapters.journal.lines import mend, tolerate
from quantmind.adapters.journal.pages import MAX_LIMIT, read_page
from quantmind.adapters.journal.readonly import open_to_read
from quantmind.ports import LogQuery
from quantmind.records import KINDS, LogPage
from quantmind.wire.rest import msc_from_iso, near

PAGE: Final = 1000
"""Lines that are read at a time: the snapshot of each ends soon, so that the write-ahead log can be cut back."""


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that reads whatever is there. Raises JournalDown."""
    with open_to_read(path) as connection:
        tolerate(connection)
        yield connection


def page_of(connection: sqlite3.Connection, ask: LogQuery) -> LogPage:
    """A page of lines, those that are damaged as far as they can be read."""
    return read_page(connection, ask, made=mend)


def asked(options: argparse.Namespace) -> LogQuery:
    """The filters of the command line."""
    return LogQuery(
        kinds=options.kinds,
        broker=options.broker,
        ea_name=options.ea,
        request_id=options.request,
        order_id=options.order,
    )


# --- what an argument may be -----------------------------------------------------------------------------------------


def kinds(text: str) -> frozenset[str]:
    """Kinds of lines, with commas between them."""
    found = [each.strip() for each in text.split(",")]
    for each in found:
        if each not in KINDS:
            raise argparse.ArgumentTypeError(f"there is no kind {each[:40]!r}{near(each, KINDS)}")
    return frozenset(found)


def number(text: str) -> int:
    """The number of a line."""
    if not text.isdecimal() or len(text) > 18:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number of a line")
    return int(text)


def count(text: str) -> int:
    """How many lines."""
    value = int(text) if text.isdecimal() and len(text) < 10 else 0
    if not 1 <= value <= MAX_LIMIT:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from 1 to {MAX_LIMIT}")
    return value


def moment(text: str) -> int:
    """A time, in Unix microseconds."""
    msc = msc_from_iso(text)
    if msc is None:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no time such as 2026-11-23T09:00:00Z")
    return msc * 1000
