"""`quantmind journal tail`: the newest lines of the log, and those that follow."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import attrs

from quantmind.adapters.journal.exports import json_line
from quantmind.adapters.journal.pages import snapshot
from quantmind.cli.journal.source import PAGE, asked, opened, page_of
from quantmind.cli.journal.words import one_line
from quantmind.cli.output import complain
from quantmind.domain.visible import json_visible
from quantmind.errors import JournalDown
from quantmind.ports import LogQuery
from quantmind.records import Entry, LogPage

LOOK_EVERY_S: Final = 0.5
"""How often a follower looks for new lines."""


def run_tail(path: Path, options: argparse.Namespace) -> int:
    """Show the newest lines, and with `--follow` the coming ones until Ctrl-C."""
    ask = asked(options)
    follower = Follower(path, ask, options.json)
    try:
        if options.follow:
            follower.begin(options.n)
            while True:
                follower.look()
                time.sleep(LOOK_EVERY_S)
        with opened(path) as connection:
            page = page_of(connection, attrs.evolve(ask, newest=True, limit=options.n))
        show_lines(page.entries, as_json=options.json)
    except KeyboardInterrupt:
        return 0
    return 0


def show_lines(lines: Iterable[Entry], *, as_json: bool) -> None:
    """Print lines, in a form that no terminal obeys."""
    for line in lines:
        print(json_visible(json_line(line, None)) if as_json else one_line(line), flush=True)


@attrs.define(eq=False)
class Follower:
    """Shows what comes, over prunes, restarts of the gateway, and another journal in the file's place."""

    path: Path
    ask: LogQuery
    as_json: bool
    _after: int = attrs.field(default=0, init=False)
    _hash: bytes | None = attrs.field(default=None, init=False)
    """Of the line `_after`, by which another journal is told from this one; None where it is not known."""
    _down: str | None = attrs.field(default=None, init=False)

    def begin(self, lines: int) -> None:
        """Show the newest lines. A journal that is not there may come."""
        try:
            with opened(self.path) as connection:
                page = page_of(connection, attrs.evolve(self.ask, newest=True, limit=lines))
        except JournalDown as error:
            self._tell_down(error)
            return
        show_lines(page.entries, as_json=self.as_json)
        self._after, self._hash = page.extent.last, page.extent.hash

    def look(self) -> None:
        """Show what has come since."""
        try:
            while self._step():
                pass
        except JournalDown as error:
            self._tell_down(error)
        else:
            self._down = None

    def _step(self) -> bool:
        """Show a page; whether there may be more."""
        with opened(self.path) as connection, snapshot(connection):
            self._look_back(page_of(connection, LogQuery(after=max(self._after - 1, 0), limit=1)))
            page = page_of(connection, attrs.evolve(self.ask, after=self._after, limit=PAGE))
        show_lines(page.entries, as_json=self.as_json)
        if page.more:
            self._after, self._hash = page.through, None
        else:
            self._after, self._hash = page.extent.last, page.extent.hash
        return page.more

    def _look_back(self, page: LogPage) -> None:
        """Tell of what is not to come any more: lines that were pruned, or the whole journal."""
        if self._after == 0:
            return
        first = page.entries[0] if page.entries else None
        replaced = page.extent.last < self._after
        if first is not None and first.seq == self._after and self._hash is not None:
            replaced = replaced or first.hash != self._hash
        if replaced:
            complain("quantmind: this is another journal than before; it is shown from its beginning")
            self._after, self._hash = 0, None
        elif first is not None and first.seq > self._after + 1:
            complain(f"quantmind: lines {self._after + 1} to {first.seq - 1} were pruned before they could be shown")

    def _tell_down(self, error: JournalDown) -> None:
        if str(error) != self._down:
            complain(f"quantmind: {error}; waiting for it")
        self._down = str(error)
