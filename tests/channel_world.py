"""Channels without sockets: a journal that is told when a test says so, and clients who check every message."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

import attrs
import trio
from channel_records import Folded, unframed
from command_path import InlineJournal, WallClock
from inline_log import InlineLog, write

from actors.account_board import AccountBoard
from actors.bulletin import Bulletin
from actors.channel_reader import ChannelReader, Channels
from quantmind.adapters.journal import reading
from quantmind.net.frames import text_frame
from quantmind.records import Entry, Record
from quantmind.wire.channels import RECORDED, notice_of, standing_notices
from quantmind.wire.ws_messages import ChannelPart, subscribed

KINDS = {"orders": ("order", "waiting", "position"), "risk": ("state", "multiplier"), "events": (), "account": ()}
CHANNEL_OF = {"order": "orders", "position": "orders", "deal": "orders", "risk": "risk", "event": "events"}


def exact(text: bytes) -> Any:
    return json.loads(text, parse_float=Decimal)


@attrs.define(eq=False)
class World:
    """The record, what was told of it, and what is true after each line."""

    most_lines: int = 20_000
    journal: InlineJournal = attrs.field(factory=InlineJournal)
    truth: dict[int, Folded] = attrs.field(factory=dict)
    lines: dict[int, tuple[str, Any]] = attrs.field(factory=dict)
    """Every line of a channel that there ever was: its channel and its message."""
    untold: list[Entry] = attrs.field(factory=list)
    last: int = 0
    log: InlineLog = attrs.field(init=False)
    channels: Channels = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.log = InlineLog(self.journal.connection)
        self.last = reading.standing(self.journal.connection).seq
        self._see()
        self.restart()

    @property
    def bulletin(self) -> Bulletin:
        return self.channels.bulletin

    def restart(self) -> None:
        """Another run of the gateway, which knows nothing until it is loaded."""
        bulletin = Bulletin(self.most_lines)
        self.channels = Channels(bulletin, AccountBoard(), WallClock(), self.log)
        self.untold.clear()

    def write(self, *records: Record) -> list[Entry]:
        """Write records, each in a commit of its own, and tell nobody yet."""
        made: list[Entry] = []
        for record in records:
            for entry in write(self.journal.connection, record):
                made.append(entry)
                self.last = entry.seq
                notice = notice_of(entry)
                if notice is not None:
                    self.lines[entry.seq] = notice.channel, exact(notice.message(entry.seq))
            self._see()
        self.untold += made
        return made

    def _see(self) -> None:
        folded = Folded()
        for notice in standing_notices(reading.standing(self.journal.connection)):
            folded.take(exact(notice.message(self.last, snapshot=True)))
        self.truth[self.last] = folded

    def tell(self, count: int | None = None) -> None:
        """Tell the bulletin of the oldest commits that it was not told of."""
        count = len(self.untold) if count is None else count
        told, self.untold = self.untold[:count], self.untold[count:]
        if told:
            self.bulletin.take(told)

    def load(self) -> None:
        """What the keeper does."""
        self.bulletin.load(reading.standing(self.journal.connection))

    def record(self, *records: Record) -> None:
        """Write and tell."""
        self.write(*records)
        self.tell()

    def follow(self, channels: Iterable[str], after: int) -> list[int]:
        """The lines of these channels that follow one."""
        return sorted(seq for seq, (channel, _) in self.lines.items() if seq > after and channel in channels)


@attrs.define(eq=False)
class Client:
    """A client on one connection: an outlet that looks at each message as it is pushed.

    It knows what the truth is after every line, and that no line may be left out or come twice.
    """

    world: World
    folded: Folded = attrs.field(factory=Folded)
    at: int | None = None
    """The newest line that it was told of: where it would go on."""
    messages: list[Any] = attrs.field(factory=list)
    given_up: tuple[int, str] | None = None
    anew: int = 0
    recovered: bool | None = None
    reader: ChannelReader = attrs.field(init=False)
    push_frame: Callable[[bytes], None] = attrs.field(init=False)
    _gate: trio.Event = attrs.field(factory=trio.Event)
    _due: dict[str, int] = attrs.field(factory=dict)
    _wanted: set[str] = attrs.field(factory=set)

    def __attrs_post_init__(self) -> None:
        self._gate.set()
        self.push_frame = self._push
        self.reader = ChannelReader(self.world.channels, self, self._announce, self._give_up)

    # ------------------------------------------------------------------ what it does

    async def subscribe(self, *channels: str, after: int | None = None, resume: bool = False) -> bool:
        """As a session does; False: there is nothing to subscribe to yet."""
        if await self.reader.why_not() is not None:
            return False
        can = await self.reader.can_go_on(channels, after) if resume else None
        self.recovered = can

        def say(part: ChannelPart) -> list[bytes]:
            return [text_frame(subscribed((), (), 0, "e", part=part, recovered=can))]

        self.reader.subscribe(channels, after if can else None, say)
        return True

    def unsubscribe(self, *channels: str) -> None:
        self.reader.unsubscribe(channels)
        self._wanted -= set(channels)
        self._forget(channels)

    def stand_still(self) -> None:
        """Take nothing more; what is pushed is still looked at, as it is on its way."""
        if self._gate.is_set():
            self._gate = trio.Event()

    def go_on(self) -> None:
        self._gate.set()

    # ------------------------------------------------------------------ the outlet

    def push_many(self, frames: Sequence[bytes]) -> None:
        for frame in frames:
            self._push(frame)

    async def controls_written(self) -> None:
        await trio.lowlevel.checkpoint()
        await self._gate.wait()

    def _announce(self, part: ChannelPart) -> Sequence[bytes]:
        self.anew += 1
        return [text_frame(subscribed((), (), 0, "e", part=part, recovered=False))]

    def _give_up(self, code: int, reason: str) -> None:
        assert self.given_up is None
        self.given_up = code, reason

    def _push(self, frames: bytes) -> None:
        assert self.given_up is None, "nothing follows the end"
        for message in unframed(frames):
            self.messages.append(message)
            self._look_at(message)

    # ------------------------------------------------------------------ what it makes of it

    def _look_at(self, message: Any) -> None:
        if message["type"] == "subscribed":
            self._begin(message)
        elif message["type"] == "account":
            assert self.at is None or message["journal_seq"] == self.at or not self._wanted & RECORDED
            if message.get("snapshot"):
                self._count(message, "account")
        elif message.get("snapshot"):
            self._count(message, CHANNEL_OF[message["type"]])
            assert message["journal_seq"] == self.at
            self.folded.take(message)
        else:
            self._update(message)

    def _begin(self, message: Any) -> None:
        assert not any(self._due.values()), "the snapshot before was not whole"
        self._check()
        goes_on = (self._wanted & RECORDED) - set(message["snapshots"])
        if goes_on and self.at is not None:
            missing = [seq for seq in self.world.follow(goes_on, self.at) if seq <= message["journal_seq"]]
            assert not missing, f"lines {missing} were not told before a later snapshot"
        self._due = dict(message["snapshots"])
        self._wanted |= set(message["channels"])
        self._forget(message["snapshots"])
        if self._wanted & RECORDED:
            self.at = message["journal_seq"]

    def _forget(self, channels: Iterable[str]) -> None:
        kinds = [kind for channel in channels for kind in KINDS[channel]]
        for key in [key for key in self.folded.held if key[0] in kinds]:
            del self.folded.held[key]

    def _count(self, message: Any, channel: str) -> None:
        assert self._due.get(channel, 0) > 0, f"more of a snapshot than was announced: {message}"
        self._due[channel] -= 1

    def _update(self, message: Any) -> None:
        assert not any(self._due.values()), "an update inside a snapshot"
        seq = message["journal_seq"]
        channel = CHANNEL_OF[message["type"]]
        assert self.at is not None
        assert channel in self._wanted, f"{message} was not asked for"
        assert seq > self.at, f"line {seq} came after line {self.at}"
        assert self.world.follow(self._wanted, self.at)[0] == seq, f"a hole before line {seq}"
        assert message == self.world.lines[seq][1]
        self.at = seq
        self.folded.take(message)
        self._check()

    # What holds by what it was told is what the record held after that line.
    def _check(self) -> None:
        if self.at is None or any(self._due.values()):
            return
        kinds = [kind for channel in self._wanted for kind in KINDS[channel]]
        assert self.folded.of(*kinds) == self.world.truth[self.at].of(*kinds)

    def has_all(self) -> bool:
        """Nothing is missing up to the last line."""
        self._check()
        assert not any(self._due.values())
        wanted = self._wanted & RECORDED
        return not wanted or (self.at is not None and not self.world.follow(wanted, self.at))
