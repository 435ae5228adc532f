"""One writer thread with its own connection: whatever is queued goes to disk in one commit, with one wake-up.

A commit per command would cost a sync each; here a batch forms by itself while the one before is written
(docs/measurements.md has the figures).
"""

from __future__ import annotations

import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import trio

from quantmind.adapters.journal import reading, rows
from quantmind.adapters.journal.aside import Aside, records_after
from quantmind.adapters.journal.chain import Chain
from quantmind.adapters.journal.group import Job, Work, next_group
from quantmind.adapters.journal.overlay import Overlay, lookup_aside
from quantmind.adapters.journal.retention import Bounds, Pruner, live_bytes
from quantmind.adapters.journal.writer import JournalStatistics, Writer, close
from quantmind.errors import JournalDown
from quantmind.ports import OpenOrders
from quantmind.records import Decision, Entry, Impossible, Intent, Known, OrderRecord, Record, Result, Setting, Standing

logger = logging.getLogger("quantmind.journal")

QUEUE = 8192
"""Above what doors and executors can have in flight; beyond it the caller hears JournalDown at once."""
NOTES = 4096
"""Records that wait to be noted; beyond them further ones are counted and not written."""
PRUNE_EVERY_S = 600.0
PRUNE_PAUSE_S = 0.05
"""Between two chunks, so that orders come between them."""
HUNG_S = 2.0
"""A disk that has not answered for so long is `down`: whoever comes now hears it at once."""
PROBE_EVERY_S = 1.0
FIRST_LOOK_WITHIN_S = 5.0
STOP_WITHIN_S = 10.0


@attrs.define(eq=False)
class SqliteJournal:
    """The Journal port on a SQLite file. `run` must be running for anything to become durable.

    Args:
        path: the file; its folder exists.
        durable: False leaves syncing to the operating system: a power loss may then lose the last records.
        bounds: how much is kept.
        clock: Unix seconds.

    Attributes:
        on_commit: told of the lines of each commit, in order, in the Trio thread, before those who wait for it.
    """

    path: Path
    durable: bool = True
    bounds: Bounds = attrs.field(factory=Bounds)
    clock: Callable[[], float] = time.time
    on_commit: Callable[[Sequence[Entry]], None] | None = None
    statistics: JournalStatistics = attrs.field(factory=JournalStatistics)
    _aside: Aside = attrs.field(init=False)
    _writer: Writer = attrs.field(init=False)
    _jobs: queue.Queue[Job | None] = attrs.field(factory=lambda: queue.Queue(QUEUE), init=False)
    """Each run has its own, so that a thread that hangs in an earlier one takes nothing from this."""
    _busy_since: float | None = attrs.field(default=None, init=False)
    _token: trio.lowlevel.TrioToken | None = attrs.field(default=None, init=False)
    _running: bool = attrs.field(default=False, init=False)
    _notes: list[Record] = attrs.field(factory=list, init=False)
    _notes_wait: bool = attrs.field(default=False, init=False)
    """A job for them is queued."""
    _noting: list[Record] = attrs.field(factory=list, init=False)
    """What the writer has in hand of them."""
    _notes_lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    @_aside.default
    def _make_aside(self) -> Aside:
        return Aside(self.path.with_suffix(".emergency"))

    @_writer.default
    def _make_writer(self) -> Writer:
        def tell(entries: Sequence[Entry]) -> None:
            self._call_back(lambda: self._tell(entries))

        return Writer(self.path, self.durable, self._aside, self.statistics, tell)

    @property
    def down(self) -> str | None:
        """Why it can't write now, or None."""
        return self._writer.down or self._not_now()

    def at_work(self) -> bool:
        """Whether its thread has something in hand."""
        return self._busy_since is not None or not self._jobs.empty()

    def snapshot(self) -> dict[str, Any]:
        """For /status."""
        emergency = {"file": self._aside.path.name, **attrs.asdict(self._aside.status)}
        return {"down": self.down, **attrs.asdict(self.statistics), "emergency": emergency}

    def _not_now(self) -> str | None:
        return self._hung() or (self._aside.unseen if self._running else None)

    def _hung(self) -> str | None:
        since = self._busy_since
        if since is None or time.monotonic() - since < HUNG_S:
            return None
        return f"{self.path.name}: the disk has not answered for {time.monotonic() - since:.1f} s"

    # --- the port ------------------------------------------------------------------------------------------------

    async def append(self, records: Sequence[Record]) -> Sequence[Result]:
        """See `quantmind.ports.Journal`."""
        results: list[Result] = await self._do(
            lambda connection, chain: rows.write_all(connection, records, chain), writes=True
        )
        self._count(records, results)
        return results

    async def keep_aside(self, records: Sequence[Record]) -> None:
        """See `quantmind.ports.Journal`."""
        await self._aside.keep(records)

    def note(self, records: Sequence[Record]) -> None:
        """See `quantmind.ports.Journal`."""
        if not self._running or self.down is not None:
            self.statistics.unnoted += len(records)
            return
        with self._notes_lock:
            room = NOTES - len(self._notes)
            self._notes += records[:room]
            self.statistics.unnoted += max(0, len(records) - room)
            if self._notes_wait:
                return
            self._notes_wait = True
        try:
            self._jobs.put_nowait(Job(self._write_notes, trio.Event(), writes=True))
        except queue.Full:
            with self._notes_lock:
                self.statistics.unnoted += len(self._notes)
                self._notes, self._notes_wait = [], False

    def _write_notes(self, connection: sqlite3.Connection, chain: Chain) -> None:
        with self._notes_lock:
            self._noting += self._notes  # still there from a try that failed
            self._notes, self._notes_wait = [], False
        rows.write_all(connection, self._noting, chain)

    async def known(self, limit: int) -> Sequence[Known]:
        """See `quantmind.ports.Journal`."""
        found: list[Known] = await self._read(lambda tables: tables.newest(limit))
        return found

    async def lookup(self, ea_name: str, request_id: str) -> Known | None:
        """See `quantmind.ports.Journal`."""
        if self.down is not None:  # the tables may not be there to be asked, or hang
            kept = lookup_aside(records_after(self._aside.pending(), None), ea_name, request_id)
            if kept is not None:
                await trio.lowlevel.checkpoint()
                return kept
        found: Known | None = await self._read(lambda tables: tables.lookup(ea_name, request_id))
        return found

    async def order(self, order_id: str) -> OrderRecord | None:
        """See `quantmind.ports.Journal`."""
        found: OrderRecord | None = await self._read(lambda tables: tables.order(order_id))
        return found

    async def remembered(self, request_id: str, ea_name: str | None, limit: int) -> Sequence[OrderRecord]:
        """See `quantmind.ports.Journal`."""
        found: list[OrderRecord] = await self._read(lambda tables: tables.remembered(request_id, ea_name, limit))
        return found

    async def open_orders(self, ask: OpenOrders) -> Sequence[OrderRecord]:
        """See `quantmind.ports.Journal`."""
        found: list[OrderRecord] = await self._read(lambda tables: tables.open_orders(ask))
        return found

    async def open_intents(self, broker: str) -> Sequence[Intent]:
        """See `quantmind.ports.Journal`."""
        found: list[Intent] = await self._read(lambda tables: tables.open_intents(broker))
        return found

    async def waiting_orders(self, broker: str) -> Sequence[OrderRecord]:
        """See `quantmind.ports.Journal`."""
        found: list[OrderRecord] = await self._read(lambda tables: tables.waiting_orders(broker))
        return found

    async def known_deals(self, broker: str) -> frozenset[int]:
        """See `quantmind.ports.Journal`."""
        found: frozenset[int] = await self._read(lambda tables: reading.known_deals(tables.connection, broker))
        return found

    async def approval_for(self, broker: str, symbol: str, magic: int, since: float) -> str | None:
        """See `quantmind.ports.Journal`."""
        found: str | None = await self._read(
            lambda tables: reading.approval_for(tables.connection, broker, symbol, magic, since)
        )
        return found

    async def approved_since(self, broker: str, since: float) -> Sequence[float]:
        """See `quantmind.ports.Journal`."""
        found: list[float] = await self._read(lambda tables: reading.approved_since(tables.connection, broker, since))
        return found

    async def open_reservations(self) -> Sequence[Decision]:
        """See `quantmind.ports.Journal`."""
        found: list[Decision] = await self._read(lambda tables: tables.open_reservations())
        return found

    async def settings(self) -> Sequence[Setting]:
        """See `quantmind.ports.Journal`."""
        found: list[Setting] = await self._read(lambda tables: tables.settings())
        return found

    async def standing(self) -> Standing:
        """See `quantmind.ports.Journal`."""
        found: Standing = await self._read(lambda tables: tables.standing())
        return found

    def _count(self, records: Sequence[Record], results: Sequence[Result]) -> None:
        self.statistics.records += len(records)
        for result in results:
            if isinstance(result, Impossible):
                self.statistics.impossible += 1
                logger.error(
                    "impossible.transition order=%s recorded=%s refused=%s",
                    result.order_id,
                    result.recorded.value,
                    result.refused.value,
                )

    async def _read(self, work: Callable[[Overlay], Any]) -> Any:
        def read(connection: sqlite3.Connection, _: Chain) -> Any:
            kept = self._aside.pending()
            aside = records_after(kept, reading.aside_through(connection)) if kept else []
            return work(Overlay(connection, aside))

        return await self._do(read, reads=True)

    async def _do(self, work: Work, *, writes: bool = False, reads: bool = False) -> Any:
        job = Job(work, trio.Event(), writes, reads)
        if not self._running:
            await trio.lowlevel.checkpoint()
            raise JournalDown(self._writer.down or "it is not running")
        why = self._not_now()
        if why is not None:
            await trio.lowlevel.checkpoint()
            raise JournalDown(why)
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            await trio.lowlevel.checkpoint()
            raise JournalDown(f"{QUEUE} records are waiting to be written already") from None
        await job.done.wait()
        if job.failure is not None:
            raise JournalDown(job.failure)
        return job.result

    # --- its life ------------------------------------------------------------------------------------------------

    async def run(self, opened: Callable[[], None]) -> None:
        """Write until cancelled; then finish what is queued, within a limit.

        `opened` is called once the writer is there, whether or not the file could be opened: a journal that
        can't write is a state (`down`) and is tried again with every record.

        Raises:
            JournalDown: the writer thread ended, which it never should.
        """
        self._token = trio.lowlevel.current_trio_token()
        self._jobs = queue.Queue(QUEUE)
        self._busy_since = None
        finished = trio.Event()
        thread = threading.Thread(target=self._thread, args=(self._jobs, finished), name="journal", daemon=True)
        self._running = True
        try:
            await self._aside.start()  # first: what is in it comes before anything else
            thread.start()
            with trio.move_on_after(FIRST_LOOK_WITHIN_S):
                await self._probe()
            opened()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._prune_for_ever)
                while not finished.is_set():
                    with trio.move_on_after(PROBE_EVERY_S):
                        await finished.wait()
                    if (self._writer.down is not None or self._aside.status.waiting) and not finished.is_set():
                        await self._probe()
                    if self._aside.needs_mending:
                        self._aside.mend()
                nursery.cancel_scope.cancel()
            raise JournalDown("its writer ended by itself")
        finally:
            self._running = False
            self._writer.down = "it was stopped"
            if thread.is_alive():
                self._put_end()
                with trio.move_on_after(STOP_WITHIN_S, shield=True):
                    await finished.wait()
            self._refuse_rest()
            await self._aside.stop()

    async def _probe(self) -> None:
        """Try to write, so that a journal that was down is up again as soon as it can be."""
        with contextlib.suppress(JournalDown):
            await self._do(lambda connection, _: rows.write_and_forget(connection), writes=True)

    async def _prune_for_ever(self) -> None:
        pruner = Pruner(self.bounds)

        def prune(connection: sqlite3.Connection, chain: Chain) -> tuple[bool, int, int]:
            lines, more = pruner.prune(connection, chain, self.clock())
            return more, lines, live_bytes(connection)

        while True:
            more = False
            with contextlib.suppress(JournalDown):
                more, lines, self.statistics.bytes = await self._do(prune)
                self.statistics.pruned += lines
            await trio.sleep(PRUNE_PAUSE_S if more else PRUNE_EVERY_S)

    def _put_end(self) -> None:
        # A full queue is made room in: its oldest job is refused.
        while True:
            try:
                self._jobs.put_nowait(None)
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._refuse(self._jobs.get_nowait())
            else:
                return

    def _refuse_rest(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            self._refuse(job)

    def _refuse(self, job: Job | None) -> None:
        if job is not None:
            job.failure = "it was stopped before this was written"
            job.done.set()

    # --- the writer thread ---------------------------------------------------------------------------------------

    def _thread(self, jobs: queue.Queue[Job | None], finished: trio.Event) -> None:
        connection: sqlite3.Connection | None = None
        group: list[Job] = []
        try:
            while True:
                group, last = next_group(jobs)
                if group:
                    self._note_busy(jobs, time.monotonic())
                    connection = self._writer.serve(connection, group)
                    self._note_busy(jobs, None)
                    self._wake(group)
                    group = []
                if last:
                    return
        finally:
            for job in group:  # a bug ended this thread with callers waiting
                job.failure = "its writer broke"
            self._wake(group)
            if connection is not None:
                close(connection)
            self._call_back(finished.set)

    def _note_busy(self, jobs: queue.Queue[Job | None], since: float | None) -> None:
        if jobs is self._jobs:
            self._busy_since = since

    def _wake(self, group: list[Job]) -> None:
        entries = [entry for job in group if job.written for entry in job.entries]
        if any(job.work == self._write_notes for job in group):
            self._noted(group)

        def wake() -> None:
            if entries:
                self._tell(entries)
            for job in group:
                job.done.set()

        self._call_back(wake)

    def _noted(self, group: list[Job]) -> None:
        if not all(job.written for job in group if job.work == self._write_notes):
            self.statistics.unnoted += len(self._noting)
        self._noting = []

    # In the Trio thread. An exception there would end the whole run.
    def _tell(self, entries: Sequence[Entry]) -> None:
        self.statistics.last_seq = entries[-1].seq
        if self.on_commit is None:
            return
        try:
            self.on_commit(entries)
        except Exception:
            logger.exception("fail.on_commit seq=%d", entries[-1].seq)

    def _call_back(self, function: Callable[[], Any]) -> None:
        assert self._token is not None
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(function)
