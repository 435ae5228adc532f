"""What the journal could not take is kept in the emergency file, by a thread of its own, until the journal has it.

The writer's thread may hang, and with it the journal's file; whoever keeps something here waits for neither. What is
kept counts as recorded for whoever reads (see `overlay`), and is appended before anything else when the journal works.
"""

from __future__ import annotations

import logging
import queue
import stat
import threading
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec
import trio

from quantmind.adapters.journal.emergency import EmergencyFile, EmergencyFull, Frame, scan
from quantmind.domain.order_life import KnownBy, OrderState
from quantmind.errors import JournalDown
from quantmind.records import Command, Decision, Event, Holding, Intent, Record, Released, Setting, Settled

logger = logging.getLogger("quantmind.journal")

QUEUE: Final = 256
"""Above what executors can have waiting, each for one batch; beyond it the caller hears JournalDown at once."""
HUNG_S: Final = 0.25
"""A file that has not taken something for so long is not waited for again until it has."""
STOP_WITHIN_S: Final = 2.0
OPEN_WITHIN_S: Final = 3.0

Place = tuple[bytes, int]
"""Generation and sequence number of a frame."""


@attrs.define(eq=False)
class AsideStatus:
    """For /status."""

    error: str | None = "it has not been opened yet"
    """Why nothing can be kept, or None."""
    size: int = 0
    used: int = 0
    """Bytes."""
    kept: int = 0
    """Records that went in since the start."""
    waiting: int = 0
    """Records in it that the journal does not have yet."""
    refused: int = 0
    """Records that it could not keep, or not surely: a process that dies now loses them."""
    torn: int = 0
    """Damaged places that were found at the start."""


@attrs.define(eq=False)
class _Keep:
    """One caller's records."""

    records: Sequence[Record]
    texts: list[bytes]
    done: trio.Event = attrs.field(factory=trio.Event)
    failure: str | None = None
    left: bool = False
    """Its caller does not wait any more: what is said later is no news of now, and is not kept."""


_Job = _Keep | Callable[[], None] | None


@attrs.define(eq=False)
class Aside:
    """The emergency file with its thread. `start` and `stop` it inside a Trio run.

    `pending` and `applied` may be called from the writer's thread.
    """

    path: Path
    status: AsideStatus = attrs.field(factory=AsideStatus)
    _jobs: queue.Queue[_Job] = attrs.field(factory=lambda: queue.Queue(QUEUE), init=False)
    _thread: threading.Thread | None = attrs.field(default=None, init=False)
    _running: bool = attrs.field(default=False, init=False)
    _token: trio.lowlevel.TrioToken | None = attrs.field(default=None, init=False)
    _busy_since: float | None = attrs.field(default=None, init=False)
    _file: EmergencyFile | None = attrs.field(default=None, init=False)
    """Of the thread alone, as the next."""
    _unread: str | None = attrs.field(default=None, init=False)
    """What to say of frames that were written whole and can't be understood: they are never cleared."""
    _looked: bool = attrs.field(default=False, init=False)
    """What the file held at the start is in `_pending`."""
    _unsynced: bool = attrs.field(default=False, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _pending: dict[Place, Sequence[Record]] = attrs.field(factory=dict, init=False)
    _through: Place | None = attrs.field(default=None, init=False)
    """The journal has this one and those before it."""

    # --- for those who keep --------------------------------------------------------------------------------------

    async def keep(self, records: Sequence[Record]) -> None:
        """See `quantmind.ports.Journal.keep_aside`."""
        try:
            job = _Keep(records, [_encode(_plain(record)) for record in records])
        except Exception as exc:  # whatever is wrong with a record, the order that it is of must not break by it
            logger.exception("fail.record")
            await trio.lowlevel.checkpoint()
            raise self._refused(records, "the record can't be written; this is a bug, see the log") from exc
        why = self._unable()
        if why is None:
            try:
                self._jobs.put_nowait(job)
            except queue.Full:
                why = f"{QUEUE} writers are waiting for it already"
        if why is not None:
            await trio.lowlevel.checkpoint()
            raise self._refused(records, why)
        try:
            await job.done.wait()
        except trio.Cancelled:
            job.left = True
            self.status.refused += len(records)
            raise
        if job.failure is not None:
            raise self._refused(records, job.failure)

    def _unable(self) -> str | None:
        if not self._running:
            return "it is not running"
        since = self._busy_since
        if since is not None and time.monotonic() - since >= HUNG_S:
            return f"the disk has not answered for {time.monotonic() - since:.1f} s"
        return None

    def _refused(self, records: Sequence[Record], why: str) -> JournalDown:
        self.status.refused += len(records)
        return JournalDown(f"{self.path.name}: {why}")

    # --- for the journal -----------------------------------------------------------------------------------------

    @property
    def unseen(self) -> str | None:
        """Why it is not known what the file holds, or None.

        It may be a halt or an order that the journal lacks, so until it is known nobody may believe the journal.
        """
        if self._looked:
            return self._unread
        why = self.status.error or "the disk has not answered"
        return (
            f"{self.path.name} can't be read yet ({why}): it may hold what the journal lacks; make it readable, or "
            "look at the account and move it away"
        )

    def pending(self) -> list[tuple[Place, Sequence[Record]]]:
        """What the journal may not have yet, in order."""
        with self._lock:
            return list(self._pending.items())

    def applied(self, place: Place) -> None:
        """The journal has this and what came before it: the file can be cleared."""
        with self._lock:
            self._through = place
            self._drop_recorded()
        self.mend()

    def mend(self) -> None:
        """Open the file if it can't be used, or clear what the journal has; later, in the thread."""
        if not self._running and self._token is not None:
            self._start_thread()
        try:
            self._jobs.put_nowait(self._mend)
        except queue.Full:
            return  # it is asked again

    @property
    def needs_mending(self) -> bool:
        """Something would have to be done that could not be done before."""
        return self.status.error is not None or (self.status.used > 0 and not self.status.waiting)

    def _drop_recorded(self) -> None:
        through = self._through
        if through is not None:
            self._pending = {place: kept for place, kept in self._pending.items() if not _before(place, through)}
        self.status.waiting = sum(len(records) for records in self._pending.values())

    # --- its life ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the thread and read what is in the file, within a limit; a disk that hangs is waited for no longer."""
        self._token = trio.lowlevel.current_trio_token()
        if not self._start_thread():
            await trio.lowlevel.checkpoint()
            return
        opened = trio.Event()
        self._jobs.put_nowait(self._mend)
        self._jobs.put_nowait(lambda: self._call_back(opened.set))
        with trio.move_on_after(OPEN_WITHIN_S):
            await opened.wait()

    def _start_thread(self) -> bool:
        if self._thread is not None and self._thread.is_alive():
            return False  # it hangs since an earlier run, and two must not write to the file
        self._jobs, self._busy_since, self._running = queue.Queue(QUEUE), None, True
        self._thread = threading.Thread(target=self._run, name="journal-aside", daemon=True)
        self._thread.start()
        return True

    async def stop(self) -> None:
        """End the thread; within a limit, also when it hangs."""
        thread, running = self._thread, self._running
        self._running = False
        if thread is None or not running:
            return
        try:
            self._jobs.put_nowait(None)
        except queue.Full:
            return  # it hangs, and ends with the process
        with trio.move_on_after(STOP_WITHIN_S, shield=True):
            await trio.to_thread.run_sync(thread.join, STOP_WITHIN_S, abandon_on_cancel=True)

    # --- its thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                break
            self._busy_since = time.monotonic()
            if isinstance(job, _Keep):
                self._keep_all([job, *_more(self._jobs)])
            else:
                job()
            self._busy_since = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def _keep_all(self, jobs: list[_Keep]) -> None:
        """Write what several callers want kept as one frame."""
        jobs = [job for job in jobs if not job.left]
        records = [record for job in jobs for record in job.records]
        failure = self._keep(records, [text for job in jobs for text in job.texts]) if records else None
        for job in jobs:
            job.failure = failure

        def wake() -> None:
            for job in jobs:
                job.done.set()

        self._call_back(wake)

    def _keep(self, records: Sequence[Record], texts: Sequence[bytes]) -> str | None:
        """Why it was not surely kept, or None."""
        file = self._file
        if file is None:
            return self.status.error or "it is not open"
        try:
            sequence = file.append(b"[" + b",".join(texts) + b"]")
        except EmergencyFull as exc:
            return str(exc)
        except OSError as exc:
            self._unusable(exc)
            return str(exc)
        with self._lock:
            self._pending[file.generation, sequence] = records
            self._drop_recorded()
        self.status.used = file.used
        try:
            file.sync()
        except OSError as exc:  # another process would find it, and after a power cut nobody
            self._unsynced = True
            self._note_error(f"it can't be synced: {exc}")
            return f"it can't be synced: {exc}"
        self.status.kept += len(records)
        self._note_error(None)
        return None

    def _mend(self) -> None:
        try:
            if self._file is None:
                self._file = self._open()
            file = self._file
            if self._unsynced:
                file.renew()
            self._unsynced = False
        except OSError as exc:
            self._unusable(exc)
            return
        try:
            if file.used and not self.pending() and self._unread is None:
                file.clear()
        except OSError as exc:  # what is kept meanwhile goes behind what is there
            self._note_error(f"it can't be cleared: {exc}")
            return
        self.status.size, self.status.used = file.size, file.used
        self._note_error(self._unread)

    def _open(self) -> EmergencyFile:
        try:
            file = EmergencyFile.open(self.path)
        except OSError:
            self._look()  # what can't be written may still be read
            raise
        self._found(file.found, file.torn)
        return file

    def _look(self) -> None:
        try:
            there = stat.S_ISREG(self.path.stat().st_mode)
            content = self.path.read_bytes() if there else b""
        except FileNotFoundError:
            content = b""
        except OSError:
            return
        frames, torn, _ = scan(content)
        self._found(frames, torn)

    def _found(self, frames: Sequence[Frame], torn: int) -> None:
        if torn and not self.status.torn:
            logger.error("find.torn file=%s places=%d; what was being written there is lost", self.path.name, torn)
        self.status.torn = torn
        for frame in frames:
            try:
                records = _records(frame.payload)
            except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as exc:
                # Written whole, and not by this version of the program: told, and not guessed at.
                logger.error("fail.aside file=%s frame=%d reason=%s", self.path.name, frame.sequence, exc)
                self._unread = (
                    f"{self.path.name} holds records that this version can't read; start the one that wrote it, or "
                    "stop the gateway, look at the account and move the file away"
                )
                continue
            with self._lock:
                self._pending.setdefault((frame.generation, frame.sequence), records)
        with self._lock:
            self._drop_recorded()
        self._looked = True

    def _unusable(self, error: OSError) -> None:
        self._note_error(str(error))
        if self._file is not None:
            self._file.close()
            self._file = None

    def _note_error(self, error: str | None) -> None:
        if error is not None and error != self.status.error:
            logger.error("fail.aside file=%s reason=%s", self.path.name, error)
        self.status.error = error

    def _call_back(self, function: Callable[[], Any]) -> None:
        assert self._token is not None
        try:
            self._token.run_sync_soon(function)
        except trio.RunFinishedError:
            return


def records_after(kept: Sequence[tuple[Place, Sequence[Record]]], through: Place | None) -> list[Record]:
    """The records that are not in the journal, which has those up to a place."""
    return [record for place, records in kept if through is None or not _before(place, through) for record in records]


def _before(place: Place, through: Place) -> bool:
    return place[0] == through[0] and place[1] <= through[1]


def _more(jobs: queue.Queue[_Job]) -> list[_Keep]:
    """What else waits to be kept, as far as nothing else comes between."""
    found: list[_Keep] = []
    while jobs.queue and isinstance(jobs.queue[0], _Keep):  # nobody else takes from it
        job = jobs.get_nowait()
        assert isinstance(job, _Keep)
        found.append(job)
    return found


# --- records to bytes and back -------------------------------------------------------------------------------------

_KINDS: Final = {
    kind.__name__: kind for kind in (Intent, Settled, Decision, Released, Setting, Command, Holding, Event)
}
_EXACT: Final = ("reply", "data")
"""Whose numbers are read back to the last digit, as from the tables."""

_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode
_decode_exactly = msgspec.json.Decoder(list[dict[str, Any]], float_hook=Decimal).decode


def _plain(record: Record) -> dict[str, Any]:
    fields = attrs.asdict(record, recurse=False)
    fields.pop("inputs", None)  # the whole situation: the log has it when the process lives to write it
    return {"record": type(record).__name__, **fields}


def _records(payload: bytes) -> list[Record]:
    """Raises MsgspecError, KeyError, TypeError, ValueError: they are not of this version."""
    return [
        _record({**item, **{name: exact[name] for name in _EXACT if name in exact}})
        for item, exact in zip(_decode(payload), _decode_exactly(payload), strict=True)
    ]


def _record(fields: dict[str, Any]) -> Record:
    kind = _KINDS[fields.pop("record")]
    fields["at"] = float(fields["at"])
    if kind is Settled:
        fields["state"], fields["known_by"] = OrderState(fields["state"]), KnownBy(fields["known_by"])
    record: Record = kind(**fields)
    return record
