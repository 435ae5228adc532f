"""The bulletin: what private channels are told of the log, and what holds after its newest line. Waits for nothing.

The journal hands it the lines of each commit, in order (`take`); its keeper loads what holds from the record (`load`),
at the start and whenever lines did not follow each other. Sessions read from it, each at its own pace.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import attrs
import msgspec
import trio

from quantmind.net.frames import text_frame
from quantmind.records import Entry, Standing
from quantmind.wire.channels import Key, Notice, fold, notice_of, standing_notices

logger: Final = logging.getLogger("quantmind.bulletin")

MOST_LINES: Final = 20_000
MOST_BYTES: Final = 16 * 1024 * 1024
"""Of the newest lines of channels that are kept: who comes back sooner is given them from memory."""

MOST_WAITING: Final = 20_000
"""Lines that are kept while what holds is being loaded; beyond them it is loaded again."""

COMPACT_AT: Final = 4096
MOST_JOINED: Final = 256


@attrs.frozen
class Line:
    """A line of the log that goes out on a channel, framed."""

    seq: int
    channel: str
    frame: bytes
    broker: str | None = None


@attrs.frozen
class Shown:
    """What one client is shown: of which channels, and of which brokers (empty: of all).

    Who is bound to brokers is not shown events of no broker, which are of the gateway and of others; multipliers and
    mandates are of no broker too, and hold for everybody.
    """

    channels: frozenset[str]
    brokers: frozenset[str] = frozenset()

    def has(self, channel: str, broker: str | None) -> bool:
        return channel in self.channels and (
            not self.brokers or broker in self.brokers or (broker is None and channel == "risk")
        )


@attrs.frozen
class Lines:
    """What goes out next to a client, joined; up to and with line `through` it then has everything."""

    joined: bytes
    through: int


@attrs.define(eq=False)
class BulletinStatistics:
    """For /status."""

    loads: int = 0
    gaps: int = 0
    """Times that lines did not follow each other: what holds was loaded again, and clients began anew."""
    faults: int = 0
    """Lines that could not be understood; they go out on no channel."""


@attrs.define(eq=False)
class Bulletin:
    """One gateway's; outlives every actor. Written by the journal's `on_commit` and by its keeper.

    `seq` is the newest line that it knows, `floor` the one after which it has every line of a channel. Each `load`
    begins another `generation`: what a client had of the one before does not go on without a gap.
    """

    most_lines: int = MOST_LINES
    most_bytes: int = MOST_BYTES
    statistics: BulletinStatistics = attrs.field(factory=BulletinStatistics)
    seq: int = attrs.field(default=0, init=False)
    floor: int = attrs.field(default=0, init=False)
    generation: int = attrs.field(default=0, init=False)
    error: str | None = attrs.field(default="what holds was not read from the journal yet", init=False)
    """Why it does not know what is in the log now, or None."""
    wants_load: trio.Event = attrs.field(factory=trio.Event, init=False)
    loaded: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set with the first load, and for good: from then on there is something to say, if not always the newest."""
    _lost: tuple[int, int] = attrs.field(default=(0, 0), init=False)
    """Lines after the first and through the second were told, and then lost: others may have their numbers now."""
    _held: dict[Key, Notice] = attrs.field(factory=dict, init=False)
    _lines: list[Line] = attrs.field(factory=list, init=False)
    _seqs: list[int] = attrs.field(factory=list, init=False)
    """Of `_lines`, for searching."""
    _first: int = attrs.field(default=0, init=False)
    """Of `_lines`, those before this place have gone."""
    _bytes: int = attrs.field(default=0, init=False)
    _waiting: list[Entry] = attrs.field(factory=list, init=False)
    _spilt: bool = attrs.field(default=False, init=False)
    _joined: dict[tuple[int, Shown, int], Lines] = attrs.field(factory=dict, init=False)
    """What clients who stand at the same line are given; until the next line, as are snapshots."""
    _snapshots: dict[tuple[str, frozenset[str]], list[bytes]] = attrs.field(factory=dict, init=False)
    _listeners: set[Callable[[], None]] = attrs.field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        self.wants_load.set()

    # ------------------------------------------------------------------ written

    def take(self, entries: Sequence[Entry]) -> None:
        """Take in the lines of a commit. Never waits; lines that do not follow the newest one ask for a `load`."""
        if self.error is not None:
            self._keep_waiting(entries)
            return
        for place, entry in enumerate(entries):
            if entry.seq != self.seq + 1:
                self._break(entry.seq)
                self._keep_waiting(entries[place:])
                return
            self._add(entry)
        self._tell()

    def load(self, standing: Standing) -> None:
        """Begin anew with what holds by the record, and go on with the lines that came since it was asked for."""
        self._held = {}
        for notice in standing_notices(standing):
            fold(self._held, notice)
        self._lose(standing.seq)
        self.seq = self.floor = standing.seq
        self._lines, self._seqs, self._first, self._bytes = [], [], 0, 0
        self.generation += 1
        self.statistics.loads += 1
        waiting, spilt = self._waiting, self._spilt
        self._waiting, self._spilt = [], False
        self._joined.clear()
        self._snapshots.clear()
        self.error, self.wants_load = None, trio.Event()
        self.loaded.set()
        later = [entry for entry in waiting if entry.seq > standing.seq]
        if spilt:
            self._break(later[0].seq if later else standing.seq)
        else:
            self.take(later)
        self._tell()

    def _keep_waiting(self, entries: Sequence[Entry]) -> None:
        room = MOST_WAITING - len(self._waiting)
        self._waiting += entries[:room]
        self._spilt = self._spilt or len(entries) > room

    def _break(self, came: int) -> None:
        self._lose(came - 1)
        self.statistics.gaps += 1
        self.error = f"line {came} came after line {self.seq}"
        logger.warning("break.bulletin seq=%d came=%d", self.seq, came)
        self.wants_load.set()

    # The log goes on after this line, and more than that was told.
    def _lose(self, after: int) -> None:
        if after < self.seq:
            since, through = self._lost if any(self._lost) else (after, self.seq)
            self._lost = min(since, after), max(through, self.seq)

    def _add(self, entry: Entry) -> None:
        self.seq = entry.seq
        self._joined.clear()
        self._snapshots.clear()
        notice = self._read(entry)
        if notice is None:
            return
        fold(self._held, notice)
        line = _framed(entry.seq, notice)
        self._lines.append(line)
        self._seqs.append(line.seq)
        self._bytes += len(line.frame)
        while len(self._lines) - self._first > self.most_lines or self._bytes > self.most_bytes:
            gone = self._lines[self._first]
            self._first += 1
            self._bytes -= len(gone.frame)
            self.floor = gone.seq
        if self._first >= COMPACT_AT:
            del self._lines[: self._first], self._seqs[: self._first]
            self._first = 0

    # A line that nobody here understands is a bug, and must not hold up those after it.
    def _read(self, entry: Entry) -> Notice | None:
        try:
            return notice_of(entry)
        except _NOT_UNDERSTOOD:
            logger.exception("fail.line seq=%d kind=%s", entry.seq, entry.kind)
            self.statistics.faults += 1
            return None

    # ------------------------------------------------------------------ read

    def line_of(self, entry: Entry) -> Line | None:
        """A line that was read from the log, as `lines` would give it; None: it is of no channel."""
        notice = self._read(entry)
        return None if notice is None else _framed(entry.seq, notice)

    def was_lost(self, seq: int) -> bool:
        """Whether a line with this number was told that the log does not have: who stands there can't go on."""
        since, through = self._lost
        return since < seq <= through

    def snapshot(self, channel: str, brokers: frozenset[str] = frozenset()) -> Sequence[bytes]:
        """The frames of what holds on a channel after line `seq`, in a fixed order; of these brokers, or of all."""
        found = self._snapshots.get((channel, brokers))
        if found is None:
            held = [self._held[key] for key in sorted(self._held)]
            shown = Shown(frozenset((channel,)), brokers)
            found = [
                text_frame(notice.message(self.seq, snapshot=True))
                for notice in held
                if shown.has(notice.channel, notice.broker)
            ]
            if len(self._snapshots) >= MOST_JOINED:
                self._snapshots.clear()
            self._snapshots[channel, brokers] = found
        return found

    def lines(
        self, after: int, channels: frozenset[str], most_bytes: int, brokers: frozenset[str] = frozenset()
    ) -> Lines:
        """The lines of these channels that follow line `after`, at least one if there is one; `after` is not below
        `floor`. `brokers`: as in `snapshot`."""
        shown = Shown(channels, brokers)
        at = (after, shown, most_bytes)
        found = self._joined.get(at)
        if found is None:
            if len(self._joined) >= MOST_JOINED:
                self._joined.clear()
            found = self._joined[at] = self._join(after, shown, most_bytes)
        return found

    def _join(self, after: int, shown: Shown, most_bytes: int) -> Lines:
        frames: list[bytes] = []
        size, through = 0, self.seq
        for line in self.since(after):
            if shown.has(line.channel, line.broker):
                if frames and size + len(line.frame) > most_bytes:
                    break
                frames.append(line.frame)
                size += len(line.frame)
            through = line.seq
        else:
            through = max(after, self.seq)
        return Lines(b"".join(frames), through)

    def since(self, after: int) -> Iterable[Line]:
        """The lines of all channels that follow line `after`, which is not below `floor`."""
        assert after >= self.floor, f"line {after} is below {self.floor}"
        lines = self._lines
        for place in range(bisect_right(self._seqs, after, self._first), len(lines)):
            yield lines[place]

    def listen(self, listener: Callable[[], None]) -> None:
        """Have a function called, which never waits, whenever there is something new."""
        self._listeners.add(listener)

    def forget(self, listener: Callable[[], None]) -> None:
        """Call it no more. Harmless for one that is not called."""
        self._listeners.discard(listener)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def status(self) -> Mapping[str, object]:
        """For /status."""
        return {
            "journal_seq": self.seq,
            "error": self.error,
            "reaches_back_to": self.floor,
            "lines": len(self._lines) - self._first,
            "bytes": self._bytes,
            "holds": len(self._held),
            **attrs.asdict(self.statistics),
        }


def _framed(seq: int, notice: Notice) -> Line:
    return Line(seq, notice.channel, text_frame(notice.message(seq)), notice.broker)


_NOT_UNDERSTOOD: Final = (KeyError, TypeError, ValueError, ArithmeticError, AttributeError, msgspec.MsgspecError)
