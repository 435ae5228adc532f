"""The client's side of a feed without I/O: what to say to the gateway, and which events its words make.

Pure: texts in, events and texts out. `quantmind.client.ticks` gives it a socket and a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, TypeVar

import attrs
import msgspec

from quantmind.client import feed_channels
from quantmind.client.channel_events import UPDATES
from quantmind.client.errors import FeedRefused
from quantmind.client.feed_channels import FeedChannels
from quantmind.client.feed_events import (
    Connected,
    FeedEvent,
    FeedStatus,
    FeedWarning,
    Gap,
    Key,
    NewEpoch,
    Recovered,
    SeqReset,
    Subscribed,
    SymbolRejected,
    Tick,
)
from quantmind.wire.ws_messages import MAX_NAME, PROTOCOL

T = TypeVar("T")

NAMES_PER_MESSAGE: Final = 200
"""So that a message stays below the gateway's 64 KiB, whatever the names."""

RESUMED_PER_MESSAGE: Final = 100
"""As above: who says what it has seen names each symbol twice. They are recovered together or not at all."""

FIRST_ASK_AGAIN_S: Final = 1.0
MOST_ASK_AGAIN_S: Final = 30.0
"""Rejected symbols are asked for again after a pause that doubles between these two."""

MAX_SYMBOLS: Final = 10_000
"""Ten times what a gateway gives one client, unless it is told otherwise."""

SPARE_KEYS: Final = 16
"""Symbols heard of beyond those asked for: what was on its way when they were given up."""

PING: Final = '{"type":"ping"}'

_REFUSALS: Final = frozenset(
    {
        *("unauthorized", "forbidden", "invalid_json", "invalid_message", "unknown_type", "no_symbols"),
        *("unknown_channel", "binary_unsupported"),
    }
)
# What the gateway says of a message that is none of the above: it is busy, and the message can be sent again.
_SHOWN: Final = 60


class GatewayFault(Exception):
    """What came can't be from a gateway that works: the connection is dropped and opened again."""


_Price = Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=2 * MAX_NAME)]


class _Kind(msgspec.Struct):
    type: str


class _TickData(msgspec.Struct):
    symbol: _Name
    bid: _Price
    ask: _Price
    time_msc: int
    seq: Annotated[int, msgspec.Meta(ge=1)]
    broker: _Name
    last: _Price = 0.0
    volume: _Price = 0.0
    spread: _Price = 0.0


class _TickMessage(msgspec.Struct):
    data: _TickData
    snapshot: bool = False


class _Rejected(msgspec.Struct):
    symbol: str
    reason: str


class _SubscribedMessage(msgspec.Struct):
    symbols: list[str]
    epoch: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    rejected: list[_Rejected] = []
    protocol: int = PROTOCOL
    recovered: bool | None = None
    channels: list[str] = []
    snapshots: dict[str, int] = {}
    journal_seq: int = 0


class _StatusMessage(msgspec.Struct):
    state: str
    broker: str | None = None
    symbol: str | None = None
    age_ms: int | None = None


class _HeartbeatMessage(msgspec.Struct):
    journal_seq: int | None = None


class _ErrorMessage(msgspec.Struct):
    code: str
    message: str = ""


_kind: Final = msgspec.json.Decoder(_Kind)
_tick: Final = msgspec.json.Decoder(_TickMessage)
_subscribed: Final = msgspec.json.Decoder(_SubscribedMessage)
_status: Final = msgspec.json.Decoder(_StatusMessage)
_error: Final = msgspec.json.Decoder(_ErrorMessage)
_heartbeat: Final = msgspec.json.Decoder(_HeartbeatMessage)
_encode: Final = msgspec.json.Encoder().encode

_TICK_OPENING: Final = '{"type":"tick",'
# What decoding raises, whatever was sent. RecursionError: nesting; UnicodeError: half a surrogate pair.
_BAD: Final = (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError)


@attrs.define
class FeedState:
    """What a feed wants and has heard. Times are monotonic seconds that the caller gives.

    Wrong names are a ValueError that names them. A `GatewayFault` means: drop the connection, call `lost`, connect
    again. `FeedRefused` means: it is over.
    """

    channels: FeedChannels = attrs.field(factory=FeedChannels)
    _wanted: dict[str, None] = attrs.field(factory=dict, init=False)
    _epoch: str | None = attrs.field(default=None, init=False)
    _last: dict[Key, int] = attrs.field(factory=dict, init=False)
    """The newest `seq` of each symbol in this epoch."""
    _heard: set[Key] = attrs.field(factory=set, init=False)
    _accepted: set[str] = attrs.field(factory=set, init=False)
    """Names that this connection sends."""
    _before: set[str] = attrs.field(factory=set, init=False)
    """Names that an earlier connection of this epoch sent: their first tick now may not be the first that there was."""
    _rejected: dict[str, str] = attrs.field(factory=dict, init=False)
    _ask_again_at: float | None = attrs.field(default=None, init=False)
    _ask_again_s: float = attrs.field(default=FIRST_ASK_AGAIN_S, init=False)
    _up: bool = attrs.field(default=False, init=False)
    _was_up: bool = attrs.field(default=False, init=False)
    _lost_at: float | None = attrs.field(default=None, init=False)

    # ------------------------------------------------------------------ what is wanted

    @property
    def symbols(self) -> tuple[str, ...]:
        """The names that are wanted, in the order of asking."""
        return tuple(self._wanted)

    @property
    def up(self) -> bool:
        """The gateway has answered a subscription on this connection."""
        return self._up

    def add(self, names: Iterable[str]) -> list[str]:
        """Want these symbols too; returns what to send if a connection is open."""
        new = [name for name in _checked(names) if name not in self._wanted]
        if len(self._wanted) + len(new) > MAX_SYMBOLS:
            raise ValueError(
                f"symbols would be {len(self._wanted) + len(new)}, a feed takes {MAX_SYMBOLS}; open another"
            )
        self._wanted.update(dict.fromkeys(new))
        return _subscribe(new)

    def remove(self, names: Iterable[str]) -> list[str]:
        """Want these symbols no more; returns what to send if a connection is open."""
        gone = [name for name in _checked(names) if name in self._wanted]
        for name in gone:
            del self._wanted[name]
            self._accepted.discard(name)
            self._before.discard(name)
            self._rejected.pop(name, None)
        for key in [key for key in self._last if not self._wants(key)]:
            del self._last[key]
        self._heard = {key for key in self._heard if self._wants(key)}
        # To the gateway `EURUSD` and `EURUSD@demo` may be one symbol, which ends with either.
        bare = {_bare(name) for name in gone}
        return [*_messages("unsubscribe", gone), *_subscribe([name for name in self._wanted if _bare(name) in bare])]

    def _wants(self, key: Key) -> bool:
        broker, symbol = key
        return symbol in self._wanted or f"{symbol}@{broker}" in self._wanted

    def _sends(self, key: Key) -> bool:
        broker, symbol = key
        return symbol in self._accepted or f"{symbol}@{broker}" in self._accepted

    # ------------------------------------------------------------------ the connection

    def opened(self) -> list[str]:
        """A connection is open: returns what to send."""
        self._ask_again_at = None
        self._ask_again_s = FIRST_ASK_AGAIN_S
        # Without anything wanted, a ping: its pong is the sign that a gateway answers.
        return [*self._resume(), *_texts(self.channels.subscribe())] or [PING]

    # Symbols that an earlier connection of this epoch sent go on where they were; the others begin.
    def _resume(self) -> list[str]:
        seen = {name: seq for name in self._wanted if name in self._before and (seq := self._seen(name)) is not None}
        messages: list[Mapping[str, Any]] = []
        for part in _parts(list(seen), RESUMED_PER_MESSAGE):
            resume = {"epoch": self._epoch, "seq": {name: seen[name] for name in part}}
            messages.append({"type": "subscribe", "symbols": part, "resume": resume})
        return [*_texts(messages), *_subscribe([name for name in self._wanted if name not in seen])]

    # The newest tick of a name, 0 for none yet; None where it is not sure of which broker that is.
    def _seen(self, name: str) -> int | None:
        symbol, at, broker = name.rpartition("@")
        if at:
            return self._last.get((broker, symbol), 0)
        keys = [key for key in self._last if key[1] == name]
        others = [key for key in keys if f"{name}@{key[0]}" not in self._wanted]
        if len(others) == 1:
            return self._last[others[0]]
        return 0 if not keys else None

    def lost(self, now: float) -> None:
        """The connection is over."""
        if self._up:
            self._lost_at = now
        self._up = False
        self._before |= self._accepted
        self._accepted.clear()
        self._ask_again_at = None
        self.channels.lost()

    def due(self, now: float) -> list[str]:
        """What to send because of the time: rejected symbols are asked for again."""
        if self._ask_again_at is None or now < self._ask_again_at:
            return []
        self._ask_again_at = None
        self._ask_again_s = min(2 * self._ask_again_s, MOST_ASK_AGAIN_S)
        again = _subscribe([name for name in self._rejected if name in self._wanted])
        return again if self.channels.confirmed else [*again, *_texts(self.channels.subscribe())]

    def channels_dropped(self) -> list[str]:
        """The consumer was too slow for updates of channels: what to send if a connection is open."""
        return _texts(self.channels.dropped())

    @property
    def due_at(self) -> float | None:
        """When `due` has something to send, or None."""
        return self._ask_again_at

    # ------------------------------------------------------------------ what the gateway says

    def received(self, text: str, now: float) -> Sequence[FeedEvent]:
        """The events that a message of the gateway makes.

        Raises:
            FeedRefused: it refused what was asked, for good.
            GatewayFault: it is no message that a gateway sends.
        """
        if text.startswith(_TICK_OPENING):
            return self._ticked(_decoded(_tick, text))
        match _decoded(_kind, text).type:
            case "tick":
                return self._ticked(_decoded(_tick, text))
            case kind if kind in UPDATES:
                return self._told_by_channel(text)
            case "subscribed":
                return self._subscribed(_decoded(_subscribed, text), now)
            case "heartbeat":
                # Not its epoch: it can overtake ticks of the epoch before, and `subscribed` never does.
                self.channels.stands(_decoded(_heartbeat, text).journal_seq)
                return self._answered(now)
            case "status":
                return self._told(_decoded(_status, text))
            case "error":
                return self._refused(_decoded(_error, text), now)
            case "pong":
                return self._answered(now)
            case _:  # what later versions say besides
                return ()

    def _ticked(self, message: _TickMessage) -> Sequence[FeedEvent]:
        data = message.data
        key = (data.broker, data.symbol)
        last = self._last.get(key)
        if last is None:
            if not self._sends(key):
                return ()  # of a subscription that has ended; the present one begins with its answer
            self._hear(key)
        tick = Tick(
            data.symbol,
            data.broker,
            data.bid,
            data.ask,
            data.last,
            data.volume,
            data.time_msc,
            data.spread,
            data.seq,
            message.snapshot,
        )
        self._last[key] = data.seq
        if last is None:
            known = self._missed_before(data, snapshot=message.snapshot)
            return (tick,) if known == data.seq else (Gap(data.symbol, data.broker, known, data.seq - 1), tick)
        if data.seq == last + 1:
            return (tick,)
        if data.seq > last:
            return (Gap(data.symbol, data.broker, last + 1, data.seq - 1), tick)
        if data.seq == last:
            return ()  # what a repeated subscription begins with
        return (SeqReset(data.symbol, data.broker, last, data.seq), tick)

    # The first number that could have reached us. A subscription begins with the last known tick; where there was
    # none, the next one is number 1, and so it is where an earlier connection had seen none yet.
    def _missed_before(self, data: _TickData, *, snapshot: bool) -> int:
        if not snapshot or not self._before.isdisjoint((data.symbol, f"{data.symbol}@{data.broker}")):
            return 1
        return data.seq

    def _subscribed(self, message: _SubscribedMessage, now: float) -> list[FeedEvent]:
        if message.protocol > PROTOCOL:
            raise FeedRefused(
                f"the gateway speaks protocol {message.protocol}, this client {PROTOCOL}; update quantmind-gateway"
            )
        events: list[FeedEvent] = [*self._new_epoch(message.epoch), *self._connected(now)]
        symbols = tuple(name for name in message.symbols if name in self._wanted)
        if message.recovered and (symbols or message.channels):
            events.append(Recovered(symbols, tuple(message.channels)))
        for name in message.symbols:
            if name in self._wanted and name not in self._accepted:
                self._accepted.add(name)
                self._rejected.pop(name, None)
                events.append(Subscribed(name))
        for item in message.rejected:
            if item.symbol not in self._wanted:
                continue
            if self._rejected.get(item.symbol) != item.reason:
                events.append(SymbolRejected(item.symbol, item.reason))
            self._rejected[item.symbol] = item.reason
            self._accepted.discard(item.symbol)
            self._ask_again_at = now + self._ask_again_s
        if message.channels:
            events += self._begin_channels(message)
        return events

    def _begin_channels(self, message: _SubscribedMessage) -> list[FeedEvent]:
        try:
            return self.channels.subscribed(message.snapshots, message.journal_seq, message.recovered)
        except ValueError as error:
            raise GatewayFault(str(error)) from None

    def _told_by_channel(self, text: str) -> Sequence[FeedEvent]:
        try:
            return self.channels.told(_decoded(feed_channels.decoder, text))
        except ValueError as error:
            raise GatewayFault(str(error)) from None

    def _connected(self, now: float) -> list[FeedEvent]:
        if self._up:
            return []
        self._up = True
        down_s = 0.0 if self._lost_at is None else now - self._lost_at
        again, self._was_up = self._was_up, True
        return [Connected(again, down_s)]

    # Where something is wanted, the connection stands when it is subscribed to.
    def _answered(self, now: float) -> list[FeedEvent]:
        return [] if self._wanted or self.channels.wanted else self._connected(now)

    def _new_epoch(self, epoch: str) -> list[FeedEvent]:
        if epoch == self._epoch:
            return []
        previous, self._epoch = self._epoch, epoch
        self._last.clear()
        self._heard.clear()
        self._before.clear()
        return [NewEpoch(epoch, previous)]

    def _told(self, message: _StatusMessage) -> Sequence[FeedEvent]:
        if message.broker is not None and message.symbol is not None:
            key = (message.broker, message.symbol)
            if not self._wants(key):
                return ()
            self._hear(key)
        return (FeedStatus(message.state, message.broker, message.symbol, message.age_ms),)

    # What is kept by symbol is bounded by what was asked for, whatever the gateway sends.
    def _hear(self, key: Key) -> None:
        self._heard.add(key)
        if len(self._heard) > len(self._wanted) + SPARE_KEYS:
            raise GatewayFault(f"it sends more symbols than the {len(self._wanted)} that were asked for")

    def _refused(self, message: _ErrorMessage, now: float) -> Sequence[FeedEvent]:
        if message.code in _REFUSALS:
            raise FeedRefused(f"{message.code}: {message.message}")
        if message.code == "max_clients":
            raise GatewayFault(f"max_clients: {message.message}")
        # Too fast, or restarting: whatever it did not do, all that is not confirmed is asked for again.
        self._rejected.update((name, "") for name in self._wanted if name not in self._accepted | self._rejected.keys())
        self._ask_again_at = now + self._ask_again_s
        return (FeedWarning(message.code, message.message),)


def _decoded(decoder: msgspec.json.Decoder[T], text: str) -> T:
    try:
        return decoder.decode(text)
    except _BAD as error:
        raise GatewayFault(f"it sent {text[:_SHOWN]!r} ({str(error)[:200]}): is it a QuantMind gateway?") from None


def _checked(names: Iterable[str]) -> list[str]:
    if isinstance(names, str):
        raise ValueError(f"symbols is the text {names[:_SHOWN]!r}; give a list of names, such as [{names[:_SHOWN]!r}]")
    checked: list[Any] = list(dict.fromkeys(names))
    for name in checked:
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise ValueError(
                f"symbols has {str(name)[:_SHOWN]!r}; a name has 1 to {MAX_NAME} printable characters, "
                "such as EURUSD or EURUSD@demo"
            )
    return checked


def _bare(name: str) -> str:
    return name.rpartition("@")[0] or name


def _subscribe(names: Sequence[str]) -> list[str]:
    return _messages("subscribe", names)


def _messages(kind: str, names: Sequence[str]) -> list[str]:
    return _texts({"type": kind, "symbols": part} for part in _parts(names, NAMES_PER_MESSAGE))


def _parts(names: Sequence[str], most: int) -> list[Sequence[str]]:
    return [names[at : at + most] for at in range(0, len(names), most)]


def _texts(messages: Iterable[Mapping[str, Any]]) -> list[str]:
    return [_encode(message).decode() for message in messages]
