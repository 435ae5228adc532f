"""The kill switch: ends its own process by SIGKILL at one await of the order path, chosen from outside.

A site is where a task of the order path stands still: `file:line function` of its innermost frame there, and behind
`>` that of whatever else of ours it waits in (a journal's call, a broker's). Each has two moments: `wait`, when all
before the await has been done, and `resume`, when what was waited for has come and nobody has acted on it yet. The
journal's writer is a thread: its sites are round its transactions, seen by the connection that it writes with, and by
what the journal was asked to write when they began.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import trio
from faults.chaos.records import Appender

from quantmind.adapters.journal import SqliteJournal
from quantmind.records import Intent, Record, Result, Settled

ROOT: Final = Path(__file__).resolve().parents[3]

OWN: Final = ("actors/", "quantmind/", "tests/faults/chaos/broker_link.py")
PLUMBING: Final = ("actors/runtime/", "actors/durable.py", "quantmind/app.py")
"""Frames that say nothing of where an order is."""
PATH: Final = ("actors/", "quantmind/edges/")
"""Where an order may be, but for what follows; and the journal, in tasks of its own."""
JOURNAL: Final = "quantmind/adapters/journal/"
BESIDE: Final = (
    "actors/hub.py",
    "actors/poller.py",
    "actors/session.py",
    "actors/reporter.py",
    "quantmind/edges/ws",
    "quantmind/edges/ingest",
)

WRITER: Final = "journal writer"
INTENT, OUTCOME = "of an intent", "of an outcome"
GROUPS: Final = ("commands", "governor", "executor", "intents", "journal", "doors", "bookkeeper")
"""What an order passes, or is counted by afterwards. Intents are the journal's, and all hangs by them; other tasks that
write to the journal are one group more."""


@attrs.frozen
class Target:
    """Where and when to end the process. A site of "" is never reached; without `watch` nobody looks."""

    site: str = ""
    moment: str = ""
    visit: int = 1
    round: int = 0
    watch: bool = True


def group_of(site: str) -> str:
    """The part of the order path that a site is of, one of `GROUPS` or "others"."""
    if site.startswith(WRITER) and site.endswith(INTENT):
        return "intents"
    if site.startswith((WRITER, JOURNAL)):
        return "journal"
    where = site.partition(":")[0]
    if where.startswith("quantmind/edges/"):
        return "doors"
    name = "journal" if where == "actors/recorder.py" else Path(where).stem
    return name if name in GROUPS else "others"


@attrs.define(eq=False)
class KillSwitch(trio.abc.Instrument):
    """Watches the tasks of a Trio run, and the journal's connections after `watch_journal`.

    Each site is written to `sites` when it is seen for the first time, and by `write_visits` how often it was.
    """

    target: Target
    sites: Appender
    kills: Appender
    visits: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    _waiting: dict[trio.lowlevel.Task, str] = attrs.field(factory=dict, init=False)
    _lock: Any = attrs.field(factory=threading.Lock, init=False)
    _asked: Counter[str] = attrs.field(factory=Counter, init=False)
    """What the journal is asked to write now."""

    # --- tasks ---------------------------------------------------------------------------------------------------

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        site = site_of(task)
        if site is not None:
            self._waiting[task] = site
            self.visit(site, "wait")

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        site = self._waiting.pop(task, None)
        if site is not None:
            self.visit(site, "resume")

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        self._waiting.pop(task, None)

    # --- the journal's thread ------------------------------------------------------------------------------------

    def watch_journal(self) -> None:
        """Let what is asked of a journal be seen, and every SQLite connection: a gateway has none but its journal's."""
        real, append, switch = sqlite3.connect, SqliteJournal.append, self

        class Connection(sqlite3.Connection):
            """Tells the switch of each step of a transaction."""

            of: str = ""
            """What the transaction is of."""
            since: int = 0
            """Changes before it."""

            def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
                return switch._watched(self, sql, super().execute, args)

        def connect(*args: Any, **named: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = real(*args, **{"factory": Connection, **named})
            return connection

        async def watched_append(journal: SqliteJournal, asked: Sequence[Record]) -> Sequence[Result]:
            kinds = {INTENT for record in asked if isinstance(record, Intent)}
            kinds |= {OUTCOME for record in asked if isinstance(record, Settled)}
            switch._asked.update(kinds)
            try:
                return await append(journal, asked)
            finally:
                switch._asked.subtract(kinds)

        sqlite3.connect = connect  # type: ignore[assignment]
        SqliteJournal.append = watched_append  # type: ignore[assignment, method-assign]

    def _watched(self, connection: Any, sql: str, execute: Any, args: Any) -> sqlite3.Cursor:
        verb = sql.split(None, 1)[0].upper() if sql.strip() else ""
        before = connection.total_changes
        if verb == "BEGIN":
            # As it is now: who hears too soon that it was written must not be what hides it.
            of = INTENT if self._asked[INTENT] > 0 else OUTCOME if self._asked[OUTCOME] > 0 else "of something else"
            connection.of, connection.since = of, before
            self.visit(f"{WRITER}: before BEGIN, {of}", "wait")
        elif verb == "COMMIT":
            connection.of = connection.of if before > connection.since else "of nothing"
            self.visit(f"{WRITER}: before COMMIT, {connection.of}", "wait")
        cursor: sqlite3.Cursor = execute(sql, *args)
        if verb == "COMMIT":
            self.visit(f"{WRITER}: after COMMIT, before the wake-up, {connection.of}", "resume")
        elif connection.in_transaction and connection.total_changes > before:
            self.visit(f"{WRITER}: between {verb} and COMMIT, {connection.of}", "wait")
        return cursor

    # --- both ----------------------------------------------------------------------------------------------------

    def visit(self, site: str, moment: str) -> None:
        """Somebody is at a site."""
        with self._lock:
            self.visits[site, moment] += 1
            seen = self.visits[site, moment]
            if seen == 1:
                self.sites.write({"kind": "site", "site": site, "moment": moment})
            target = self.target
            if (site, moment, seen) == (target.site, target.moment, target.visit):
                self.kills.write({"kind": "kill", **attrs.asdict(target)})
                os.kill(os.getpid(), signal.SIGKILL)

    def write_visits(self) -> None:
        """How often each site was visited by now."""
        with self._lock:
            visits = dict(self.visits)
        for (site, moment), count in visits.items():
            self.sites.write({"kind": "visits", "site": site, "moment": moment, "visits": count})


def site_of(task: trio.lowlevel.Task) -> str | None:
    """Where a task of the order path stands still; None for other tasks."""
    anchor = inner = journal = None
    for frame, line in task.iter_await_frames():
        where = _where(frame.f_code.co_filename)
        if where is None:
            continue
        inner = f"{where}:{line} {frame.f_code.co_name}"
        if where.startswith(JOURNAL):
            journal = inner
        elif where.startswith(PATH) and not where.startswith(BESIDE):
            anchor = inner
    if anchor is None:
        return journal
    return anchor if inner == anchor else f"{anchor} > {inner}"


_known: dict[str, str | None] = {}


def _where(file: str) -> str | None:
    """The file from the root of the project; None for one that is none of ours."""
    if file not in _known:
        path = Path(file)
        inside = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""
        _known[file] = inside if inside.startswith(OWN) and not inside.startswith(PLUMBING) else None
    return _known[file]
