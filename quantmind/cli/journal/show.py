"""`quantmind journal show`: one line, or everything about one order or one command."""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import attrs

from quantmind.adapters.journal.pages import MAX_LIMIT
from quantmind.cli.journal.source import opened, page_of
from quantmind.cli.journal.tail import show_lines
from quantmind.cli.journal.words import everything, paragraph
from quantmind.cli.output import complain, printable
from quantmind.errors import EXIT_REFUSED, EXIT_USAGE
from quantmind.ports import LogQuery
from quantmind.records import Entry


def run_show(path: Path, options: argparse.Namespace) -> int:
    """Show a line, or a story in order."""
    given = [each for each in (options.seq, options.order, options.request) if each is not None]
    if len(given) != 1 or (options.ea is not None and options.request is None):
        complain("quantmind: name one of SEQ, --order ID and --request ID (with --ea NAME, if several EAs use that id)")
        return EXIT_USAGE
    with opened(path) as connection:
        if options.seq is not None:
            return _show_line(connection, options)
        lines = _story(connection, options)
    if not lines:
        complain(
            f"quantmind: the log has no line of {printable(given[0])}; old lines are pruned, see journal.keep_days"
        )
        return EXIT_REFUSED
    names = sorted({line.ea_name for line in lines if line.ea_name is not None})
    if options.request is not None and len(names) > 1:
        shown = ", ".join(map(printable, names))
        complain(f"quantmind: several EAs have used this id: {shown}; name one with --ea")
    if options.json:
        show_lines(lines, as_json=True)
    else:
        print("\n".join(map(paragraph, lines)), flush=True)
    return 0


def _show_line(connection: sqlite3.Connection, options: argparse.Namespace) -> int:
    page = page_of(connection, LogQuery(after=options.seq - 1, before=options.seq + 1, limit=1))
    if not page.entries:
        extent = page.extent
        complain(f"quantmind: there is no line {options.seq}; the log has {extent.first} to {extent.last}")
        return EXIT_REFUSED
    if options.json:
        show_lines(page.entries, as_json=True)
    else:
        print(everything(page.entries[0]), flush=True)
    return 0


def _story(connection: sqlite3.Connection, options: argparse.Namespace) -> list[Entry]:
    """Lines that name the order or the request, and those of the orders and requests that these name."""
    seed = LogQuery(limit=MAX_LIMIT, order_id=options.order, request_id=options.request, ea_name=options.ea)
    found = {line.seq: line for line in _all(connection, seed)}
    lines = list(found.values())
    orders = {line.order_id for line in lines} - {None, options.order}
    requests = {(line.ea_name, line.request_id) for line in lines if line.request_id is not None}
    more = [LogQuery(limit=MAX_LIMIT, order_id=order) for order in orders]
    if options.request is None:
        more += [LogQuery(limit=MAX_LIMIT, ea_name=name, request_id=request) for name, request in requests]
    for ask in more:
        found |= {line.seq: line for line in _all(connection, ask)}
    return [found[seq] for seq in sorted(found)]


def _all(connection: sqlite3.Connection, ask: LogQuery) -> Iterator[Entry]:
    while True:
        page = page_of(connection, ask)
        yield from page.entries
        if not page.more:
            return
        ask = attrs.evolve(ask, after=page.through)
