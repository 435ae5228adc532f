"""The client's side of private channels without I/O: snapshots are put together, and where it can go on is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs
import msgspec

from quantmind.client.channel_events import UPDATES, ChannelSnapshot, ChannelUpdate
from quantmind.wire.channels import CHANNELS

MAX_SNAPSHOT: Final = 1_000_000
"""Messages of one snapshot; no account holds so much."""


class ChannelMessage(msgspec.Struct):
    """One message of a channel."""

    type: str
    journal_seq: int
    data: dict[str, Any]
    broker: str | None = None
    time: str = ""
    snapshot: bool = False


decoder: Final = msgspec.json.Decoder(ChannelMessage, float_hook=Decimal)


@attrs.define
class FeedChannels:
    """Which channels a feed wants, and how far it has them.

    A ValueError is a message that no gateway sends.
    """

    wanted: tuple[str, ...] = ()
    at: int | None = attrs.field(default=None, init=False)
    """The consumer has everything up to this line of the journal; None: nothing that could be gone on from."""
    confirmed: bool = attrs.field(default=False, init=False)
    """This connection sends them."""
    _had: bool = attrs.field(default=False, init=False)
    """The consumer was told of these channels before."""
    _due: dict[str, int] = attrs.field(factory=dict, init=False)
    """Messages that are missing of the snapshots that are coming."""
    _items: dict[str, list[ChannelUpdate]] = attrs.field(factory=dict, init=False)
    _snapshot_at: int = attrs.field(default=0, init=False)
    _anew: bool = attrs.field(default=False, init=False)
    """It begins anew with these snapshots."""
    _deaf: bool = attrs.field(default=False, init=False)
    """Updates are not told: the consumer lacks what came before, until the next snapshot."""

    @classmethod
    def of(cls, channels: Iterable[str]) -> FeedChannels:
        """Want these channels. A wrong name is a ValueError."""
        if isinstance(channels, str):
            raise ValueError(f"channels is the text {channels!r}; give a list, such as [{channels!r}]")
        names = tuple(dict.fromkeys(channels))
        for name in names:
            if name not in CHANNELS:
                raise ValueError(f"there is no channel {name!r}; there are {', '.join(CHANNELS)}")
        return cls(names)

    def subscribe(self) -> list[Mapping[str, Any]]:
        """What to send to have them, once."""
        if not self.wanted:
            return []
        message: dict[str, Any] = {"type": "subscribe", "channels": self.wanted}
        if self.at is not None:
            message["resume"] = {"journal_seq": self.at}
        return [message]

    def lost(self) -> None:
        """The connection is over. Half a snapshot is none, and what was told of it can't be gone on from."""
        if self._anew or self._deaf:
            self.at = None
        self.confirmed = self._anew = False
        self._due, self._items = {}, {}

    def dropped(self) -> list[Mapping[str, Any]]:
        """The consumer was too slow, and lacks updates: what to send for a fresh snapshot, if a connection is open."""
        self._deaf, self.at = True, None
        return self.subscribe()

    # ------------------------------------------------------------------ what the gateway says

    def subscribed(self, snapshots: Mapping[str, int], journal_seq: int, recovered: bool | None) -> list[Any]:
        """A subscription was answered, or the gateway begins anew by itself: snapshots of these follow."""
        if any(not 0 <= count <= MAX_SNAPSHOT for count in snapshots.values()):
            raise ValueError(f"it announces snapshots of {snapshots}")
        if self._due:
            raise ValueError(f"it begins anew before the snapshots of {', '.join(self._due)} were whole")
        if recovered and self.at is None and not self._deaf:
            raise ValueError("it says that it recovered what nobody asked for")
        self.confirmed = True
        self._snapshot_at = journal_seq
        self._due = {name: count for name, count in snapshots.items() if name in self.wanted}
        self._items = {name: [] for name in self._due}
        self._anew = not recovered
        if self._anew:
            self.at, self._deaf = None, False
        return self._finished()

    def told(self, message: ChannelMessage) -> Sequence[Any]:
        """A message of a channel."""
        kind = UPDATES[message.type]
        if not self.confirmed or kind.channel not in self.wanted:
            return ()
        update = kind(message.broker, message.journal_seq, message.time, message.data)
        if message.snapshot:
            if not self._due.get(kind.channel):
                raise ValueError(f"it sends more of a snapshot of {kind.channel} than it announced")
            self._items[kind.channel].append(update)
            self._due[kind.channel] -= 1
            return self._finished()
        if self._deaf:
            return ()
        if self._anew:
            raise ValueError(f"it sends a message of {kind.channel} inside a snapshot")
        if kind.channel != "account":
            if self.at is not None and update.journal_seq <= self.at:
                return ()  # it is known already
            self.at = update.journal_seq
        return (update,)

    def stands(self, journal_seq: int | None) -> None:
        """A heartbeat: everything up to this line was sent."""
        if journal_seq is not None and self.at is not None and self.confirmed and not self._due:
            self.at = max(self.at, journal_seq)

    # Snapshots that are whole. With the last of them the consumer stands where they were taken.
    def _finished(self) -> list[Any]:
        events: list[Any] = []
        for channel in [name for name, count in self._due.items() if count == 0]:
            del self._due[channel]
            missed = self._anew and self._had and channel != "account"
            events.append(ChannelSnapshot(channel, self._snapshot_at, tuple(self._items.pop(channel)), missed))
        if not self._due and self._anew:
            self.at, self._anew, self._had = self._snapshot_at, False, True
        return events
