"""One client's private channels: what it wants of them, how far it has it, and what goes out to it next.

A reader stands at a line of the log. What a client has of its channels is always everything up to that line, so the
line is where it can go on after an outage; a message never tells of a later one before all that came earlier went out.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Protocol

import attrs
import trio

from actors import durable
from actors.account_board import AccountBoard, Shown
from actors.bulletin import Bulletin, Line
from actors.bulletin import Shown as ShownLines
from quantmind.domain.clock import Clock, iso
from quantmind.errors import JournalDown
from quantmind.net.frames import text_frame
from quantmind.ports import Log, LogQuery
from quantmind.wire import holdings
from quantmind.wire.channels import CHANNELS, KINDS, RECORDED, account_message
from quantmind.wire.ws_messages import ChannelPart

logger: Final = logging.getLogger("quantmind.channels")

CHUNK_BYTES: Final = 64 * 1024
"""Written at once; the next follows when the client has taken these, so that little waits for each."""
PACE_S: Final = 0.02
"""Between two writes to a client that keeps up: under load lines go out together."""
PAGE: Final = 250
"""Lines read from the log at once: a few milliseconds of work."""
MOST_REPLAYED: Final = 100_000
"""Lines of the log, of whatever kind, that are gone through for a client who comes back; beyond them it begins anew."""
LOAD_WITHIN_S: Final = 2.0
EXTENT_WITHIN_S: Final = 2.0
READ_WITHIN_S: Final = 10.0
READERS: Final = 4
"""Clients for whom the log is read at the same time; the others wait for their turn."""

SERVER_FAULT: Final = 1011
TOO_SLOW: Final = 4008


class Outlet(Protocol):
    """Where frames for one client go; `quantmind.net.ws.ServerConnection` is one."""

    push_frame: Callable[[bytes], None]

    def push_many(self, frames: Sequence[bytes]) -> None: ...

    async def controls_written(self) -> None: ...


@attrs.define(eq=False)
class ChannelStatistics:
    """For /status."""

    snapshots: int = 0
    """Subscriptions that began with what holds."""
    resumed: int = 0
    """Those that went on where the client had been."""
    not_resumed: int = 0
    """Those that asked for it and could not: too long ago, pruned, or a line that there is not."""
    read_from_log: int = 0
    """Lines for clients who were away for longer than the bulletin reaches back."""
    began_anew: int = 0
    """Times that a client was given what holds without having asked: a gap, see the bulletin."""
    too_slow: int = 0
    """Clients who were closed, since they were further behind than the bulletin reaches back."""
    unreadable: int = 0
    """Clients who were closed, since the log could not be read to the end for them."""


@attrs.define(eq=False)
class Channels:
    """What all sessions read their channels from. `log` None: nobody comes back further than the bulletin reaches."""

    bulletin: Bulletin
    accounts: AccountBoard
    clock: Clock
    log: Log | None = None
    account_interval_s: float = 0.5
    """A client hears of one account at most so often."""
    statistics: ChannelStatistics = attrs.field(factory=ChannelStatistics)
    turns: trio.Semaphore = attrs.field(factory=lambda: trio.Semaphore(READERS), init=False)
    readers: set[ChannelReader] = attrs.field(factory=set, init=False)
    """Of clients that are connected."""

    def status(self) -> Mapping[str, object]:
        """For /status."""
        subscribers = {name: sum(name in reader.wanted for reader in self.readers) for name in CHANNELS}
        return {"subscribers": subscribers, **attrs.asdict(self.statistics), **self.bulletin.status()}


@attrs.define(eq=False)
class ChannelReader:
    """Reads channels for one client. `run` must be running for anything but snapshots to go out.

    Args:
        outlet: where it goes.
        announce: frames for what the client is told when it begins anew without having asked.
        give_up: ends the connection with a close code and a reason.
    """

    sources: Channels
    outlet: Outlet
    announce: Callable[[ChannelPart], Sequence[bytes]]
    give_up: Callable[[int, str], None]
    brokers: frozenset[str] = attrs.field(default=frozenset(), init=False)
    """Those whose messages the client may see; empty: all."""
    wanted: frozenset[str] = attrs.field(default=frozenset(), init=False)
    at: int = attrs.field(default=0, init=False)
    """The client has all lines of its channels up to this one."""
    _generation: int = attrs.field(default=0, init=False)
    _from_log: bool = attrs.field(default=False, init=False)
    """It stands below the bulletin's floor, and is given lines from the log."""
    _claim: int | None = attrs.field(default=None, init=False)
    """The generation in which this client was told that it can go on; it may ask only once."""
    _over: bool = attrs.field(default=False, init=False)
    """It was given up."""
    _told: dict[str, tuple[int, float]] = attrs.field(factory=dict, init=False)
    """By broker the version of its account that the client has, and since when."""
    _wake: trio.Event = attrs.field(factory=trio.Event, init=False)

    # ------------------------------------------------------------------ subscribing: plain calls, but for two questions

    async def why_not(self) -> str | None:
        """Why nothing can be subscribed to now, after a short wait; None: it can."""
        bulletin = self.sources.bulletin
        with trio.move_on_after(LOAD_WITHIN_S):
            await bulletin.loaded.wait()
            return None
        return bulletin.error

    async def can_go_on(self, channels: Collection[str], after: int | None) -> bool:
        """Whether a client that has all lines up to `after` can be given those that it missed.

        True is to be followed by `subscribe` with the same line. A client that has lines of channels already is not
        asked twice where it stands.
        """
        if not RECORDED.intersection(channels):
            return True
        can = after is not None and self._claim is None and not self._recorded and await self._reaches(after)
        if can:
            self._claim = self.sources.bulletin.generation
        else:
            self.sources.statistics.not_resumed += 1
        return can

    async def _reaches(self, after: int) -> bool:
        bulletin, log = self.sources.bulletin, self.sources.log
        if bulletin.error is not None or after > bulletin.seq or bulletin.was_lost(after):
            return False
        if after >= bulletin.floor:
            return True
        if log is None or bulletin.seq - after > MOST_REPLAYED:
            return False
        try:
            extent = await durable.within(log.extent(), EXTENT_WITHIN_S)
        except JournalDown as error:
            logger.warning("fail.resume after=%d reason=%s", after, error)
            return False
        return 0 < extent.first <= after + 1

    def subscribe(
        self, channels: Sequence[str], after: int | None, say: Callable[[ChannelPart], Sequence[bytes]]
    ) -> None:
        """Begin with these channels, beside those that the client has: with what holds, or after a line.

        Args:
            after: the line that `can_go_on` was told of; None: begin with what holds.
            say: frames of the answer, which goes out before what it tells of.

        A client that is too far behind is given up instead: nothing may go out to it past a hole.
        """
        if not self._over:
            self._flush()
        if self._over:
            return
        statistics, bulletin = self.sources.statistics, self.sources.bulletin
        self.wanted |= frozenset(channels)
        if not RECORDED.intersection(channels):
            after = None
        if after is None:
            self.at, self._generation, self._from_log = bulletin.seq, bulletin.generation, False
            statistics.snapshots += 1
        else:
            assert self._claim is not None, "`can_go_on` was not asked"
            self.at, self._generation = after, self._claim
            self._from_log = after < bulletin.floor and self.sources.log is not None
            statistics.resumed += 1
        shown = [name for name in channels if after is None or name not in RECORDED]
        parts = {name: self._snapshot(name) for name in shown}
        part = ChannelPart(tuple(channels), {name: len(frames) for name, frames in parts.items()}, self.at)
        self.outlet.push_many([*say(part), *(frame for frames in parts.values() for frame in frames)])
        self._listen()

    def unsubscribe(self, channels: Collection[str] | None) -> tuple[str, ...]:
        """End these channels, or all; those that the client had of them."""
        ended = self.wanted if channels is None else self.wanted.intersection(channels)
        self.wanted -= ended
        if not self.wanted:
            self.close()
        return tuple(name for name in CHANNELS if name in ended)

    def close(self) -> None:
        """Listen no more. Safe to repeat."""
        self.sources.bulletin.forget(self._rouse)
        self.sources.accounts.forget(self._rouse)
        self.sources.readers.discard(self)

    def _listen(self) -> None:
        self.sources.bulletin.listen(self._rouse)
        self.sources.accounts.listen(self._rouse)
        self.sources.readers.add(self)
        self._rouse()

    def _rouse(self) -> None:
        self._wake.set()

    @property
    def _recorded(self) -> frozenset[str]:
        return self.wanted & RECORDED

    @property
    def channels(self) -> tuple[str, ...]:
        """Those that the client has, in the order of the protocol."""
        return tuple(name for name in CHANNELS if name in self.wanted)

    @property
    def journal_seq(self) -> int | None:
        """The line where the client can go on; None for one without channels that are made of lines."""
        return self.at if self._recorded else None

    # What is due to the channels that it has goes out before another one begins: they then stand at the same line.
    def _flush(self) -> None:
        bulletin, recorded = self.sources.bulletin, self._recorded
        if not recorded:
            return
        if self._generation != bulletin.generation or self._from_log:
            self._begin_anew()
        elif self.at < bulletin.floor:
            self._fall_behind()
        else:
            self.outlet.push_many([line.frame for line in bulletin.since(self.at) if self._shows(line)])
            self.at = bulletin.seq

    def _begin_anew(self) -> None:
        bulletin = self.sources.bulletin
        self.at, self._generation, self._from_log = bulletin.seq, bulletin.generation, False
        self.sources.statistics.began_anew += 1
        parts = {name: self._snapshot(name) for name in CHANNELS if name in self._recorded}
        part = ChannelPart(tuple(parts), {name: len(frames) for name, frames in parts.items()}, self.at)
        self.outlet.push_many([*self.announce(part), *(frame for frames in parts.values() for frame in frames)])

    def _fall_behind(self) -> None:
        self._over = True
        self.sources.statistics.too_slow += 1
        self.give_up(TOO_SLOW, "too far behind; resume where you are")

    def _snapshot(self, channel: str) -> Sequence[bytes]:
        if channel in RECORDED:
            return self.sources.bulletin.snapshot(channel, self.brokers)
        frames = []
        for broker, shown in self._accounts():
            frames.append(self._account(shown, snapshot=True))
            self._told[broker] = (shown.version, trio.current_time())
        return frames

    def _accounts(self) -> list[tuple[str, Shown]]:
        return [
            (broker, shown)
            for broker, shown in self.sources.accounts.all().items()
            if not self.brokers or broker in self.brokers
        ]

    def _shows(self, line: Line) -> bool:
        return ShownLines(self._recorded, self.brokers).has(line.channel, line.broker)

    def _account(self, shown: Shown, *, snapshot: bool = False) -> bytes:
        now = trio.current_time()
        data = holdings.account(shown.sample, now=now)
        taken = iso(self.sources.clock.now() - (now - shown.sample.taken_at))
        return text_frame(account_message(data, taken, self.at, snapshot=snapshot))

    # ------------------------------------------------------------------ following

    async def run(self) -> None:
        """Push what is new, as fast as the client takes it, until cancelled or until it was given up."""
        while True:
            self._wake = trio.Event()
            began_at = self.at
            while await self._push_lines():
                await self.outlet.controls_written()
            due, pushed = self._push_accounts()
            if pushed or self.at != began_at:
                await self.outlet.controls_written()
                await trio.sleep(PACE_S)
            with trio.move_on_at(due):
                await self._wake.wait()

    # True: there may be more.
    async def _push_lines(self) -> bool:
        bulletin, recorded = self.sources.bulletin, self._recorded
        if self._over:
            await trio.sleep_forever()
        if not recorded:
            self.at = bulletin.seq
            return False
        if self._generation != bulletin.generation:
            self._begin_anew()
            return True
        if self.at < bulletin.floor:
            if self._from_log and bulletin.seq - self.at <= 2 * MOST_REPLAYED:
                await self._push_page()
                return True
            self._fall_behind()
            return True
        self._from_log = False
        lines = bulletin.lines(self.at, recorded, CHUNK_BYTES, self.brokers)
        if lines.joined:
            self.outlet.push_frame(lines.joined)
        self.at = lines.through
        return self.at < bulletin.seq

    # Lines that come while older ones are read follow them: they are after `until`.
    async def _push_page(self) -> None:
        sources, log = self.sources, self.sources.log
        assert log is not None
        until, began_at = sources.bulletin.seq, self.at
        try:
            async with sources.turns:
                ask = LogQuery(after=began_at, limit=PAGE, kinds=KINDS)
                entries = await durable.within(log.entries(ask), READ_WITHIN_S)
                extent = await durable.within(log.extent(), READ_WITHIN_S)
        except JournalDown as error:
            self._leave(f"the journal could not be read ({error})")
            return
        if not self._from_log or self._generation != sources.bulletin.generation:
            return  # it began anew meanwhile
        if not 0 < extent.first <= began_at + 1:
            self._leave(f"lines up to {extent.first - 1} were pruned meanwhile")
            return
        lines = [sources.bulletin.line_of(entry) for entry in entries if entry.seq <= until]
        frames = [line.frame for line in lines if line is not None and self._shows(line)]
        self.outlet.push_many(frames)
        sources.statistics.read_from_log += len(frames)
        self.at = until if len(entries) < PAGE else min(until, entries[-1].seq)

    def _leave(self, why: str) -> None:
        logger.warning("fail.replay at=%d reason=%s", self.at, why)
        self._over = True
        self.sources.statistics.unreadable += 1
        self.give_up(SERVER_FAULT, "what you missed can't be read now; resume later")

    # When the next account is due, and whether one went out.
    def _push_accounts(self) -> tuple[float, bool]:
        due, pushed = math.inf, False
        if "account" not in self.wanted:
            return due, pushed
        now, interval_s = trio.current_time(), self.sources.account_interval_s
        for broker, shown in self._accounts():
            version, since = self._told.get(broker, (0, -math.inf))
            if shown.version == version:
                continue
            if now < since + interval_s:
                due = min(due, since + interval_s)
                continue
            self.outlet.push_frame(self._account(shown))
            self._told[broker] = (shown.version, now)
            pushed = True
        return due, pushed
