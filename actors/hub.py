"""The hub: stamps each tick, encodes it once, and pushes it to every client that wants it. Waits for none."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs
import msgspec
import trio

from actors.boards import BarBoard, Catalog
from actors.messages import (
    Detach,
    FeedState,
    HubMessage,
    HubStarted,
    Key,
    Subscribe,
    SymbolsKnown,
    TickBatch,
    TickSink,
    Unsubscribe,
    Welcome,
)
from actors.runtime import Inbox, MailboxPolicy, NotDelivered, Overflow, Ref
from actors.tick_history import TickHistory, Ticks, newest
from quantmind.domain.bars import BarSeries
from quantmind.net.frames import text_frame
from quantmind.ports import Publisher
from quantmind.wire import ws_messages
from quantmind.wire.market import Tick, encode_object, make_tick, tick_message
from quantmind.wire.ws_messages import Resume

logger: Final = logging.getLogger("quantmind.hub")

SLICE: Final = 64
"""Pushes in a row before other tasks get a turn: about a millisecond, so that commands do not wait behind ticks."""

HUB_MAILBOX: Final = MailboxPolicy(
    Overflow.BLOCK,
    capacity=128,
    reason="12 s of one broker's polls: replays and clients wait for room, a live feed keeps the newest of each symbol",
)


@attrs.define(eq=False)
class LastTicks:
    """The newest published tick of each symbol, with the epoch that its `seq` counts in. Written by the hub."""

    epoch: str = ""
    _by_key: dict[Key, Tick] = attrs.field(factory=dict, init=False)

    def last_tick(self, broker: str, symbol: str) -> Tick | None:
        """The newest tick, or None before the first."""
        return self._by_key.get((broker, symbol))

    def put(self, key: Key, tick: Tick) -> None:
        self._by_key[key] = tick

    def all(self) -> Mapping[Key, Tick]:
        return dict(self._by_key)


@attrs.define(eq=False)
class Demand:
    """Which brokers' ticks somebody has ever wanted. Written by the hub; a feed may wait for it."""

    _events: dict[str, trio.Event] = attrs.field(factory=dict, init=False)

    def note(self, broker: str) -> None:
        """Somebody subscribed to a symbol of this broker. Safe to repeat."""
        self._of(broker).set()

    def noted(self, broker: str) -> bool:
        return self._of(broker).is_set()

    async def wait(self, broker: str) -> None:
        """Wait until somebody wants this broker's ticks."""
        await self._of(broker).wait()

    def _of(self, broker: str) -> trio.Event:
        event = self._events.get(broker)
        if event is None:
            event = self._events[broker] = trio.Event()
        return event


@attrs.define(eq=False)
class HubStatistics:
    """For /status; outlives the hub's incarnations."""

    ticks_published: int = 0
    ticks_unchanged: int = 0
    """Not published, because nothing that a client sees had changed."""
    ticks_unknown: int = 0
    """Not published, because their broker does not trade such a symbol."""
    batches: int = 0
    pushes: int = 0
    """Batches of ticks handed to a client."""
    sinks: int = 0
    groups: int = 0
    """Different sets of symbols among clients: each is joined once a batch."""
    sink_errors: int = 0
    """Clients given up because pushing to them raised."""
    resumed: int = 0
    """Subscriptions that were given all that they had missed."""
    not_resumed: int = 0
    """Those that could not, and began anew with snapshots."""
    history_bytes: int = 0
    """Kept of this epoch's ticks, for clients who come back."""


Push = Callable[[Sequence[tuple[Hashable, bytes]], bytes], None]


# All clients that want exactly the same symbols.
@attrs.define(eq=False)
class _Group:
    keys: frozenset[Key]
    sinks: dict[TickSink, Push] = attrs.field(factory=dict)
    pending: list[tuple[Hashable, bytes]] = attrs.field(factory=list)


# A symbol that has ticked or is wanted, in this epoch.
@attrs.define(eq=False)
class _Symbol:
    key: Key
    topic: bytes
    bars: BarSeries
    history: Ticks
    tick: Tick | None = None
    encoded: bytes = b""
    groups: dict[_Group, None] = attrs.field(factory=dict)


@attrs.define(eq=False)
class _Client:
    sink: TickSink
    names: dict[str, Key] = attrs.field(factory=dict)
    """By the names that the client uses, which go on to mean what they meant when it subscribed."""
    keys: dict[Key, None] = attrs.field(factory=dict)
    group: _Group | None = None


@attrs.define(eq=False)
class Hub:
    """One incarnation of the hub, with an epoch of its own in which each symbol's `seq` grows by one a tick.

    A name is looked up when a client subscribes: one that no broker has said by then is rejected, and is not
    remembered. The last known ticks of the epoch before are the first of this one. Who comes back within an epoch, and
    says what it has seen, is given what it missed as long as `history` reaches back so far.

    Args:
        sessions: the addresses of all live sessions; each is told of the new epoch and subscribes again.
        publisher: gets every tick as `tick.BROKER.SYMBOL`.
        bars: take every published tick.
    """

    catalog: Catalog
    last_ticks: LastTicks
    demand: Demand
    publisher: Publisher
    sessions: Callable[[], Iterable[Ref[Any]]]
    statistics: HubStatistics = attrs.field(factory=HubStatistics)
    bars: BarBoard = attrs.field(factory=BarBoard)
    epoch: str = attrs.field(factory=lambda: secrets.token_hex(8))
    history: TickHistory = attrs.field(factory=TickHistory)
    _symbols: dict[str, dict[str, _Symbol]] = attrs.field(factory=dict, init=False)
    _clients: dict[TickSink, _Client] = attrs.field(factory=dict, init=False)
    _groups: dict[frozenset[Key], _Group] = attrs.field(factory=dict, init=False)
    _feeds: dict[tuple[str, str | None], tuple[FeedState, float]] = attrs.field(factory=dict, init=False)
    _work: int = attrs.field(default=0, init=False)

    async def __call__(self, inbox: Inbox[HubMessage]) -> None:
        """Serve until asked to stop."""
        self._begin()
        inbox.ready()
        self._tell_sessions()
        async for message in inbox:
            match message:
                case TickBatch():
                    await self._publish(message)
                case Subscribe():
                    self._subscribe(message)
                case Unsubscribe():
                    self._unsubscribe(message)
                case Detach():
                    self._detach(message.sink)
                case FeedState():
                    await self._tell_feed(message)
                case SymbolsKnown():
                    # The poller has written them to the catalog, which is read for each batch.
                    logger.info("know.symbols broker=%s count=%d", message.broker, len(message.specs))

    def _begin(self) -> None:
        self.last_ticks.epoch = self.epoch
        for key, tick in self.last_ticks.all().items():
            first = msgspec.structs.replace(tick, seq=1)
            symbol = self._symbol(key)
            symbol.tick, symbol.encoded = first, encode_object(first)
            self.history.keep(symbol.history, 0, text_frame(tick_message(symbol.encoded)))
            self.last_ticks.put(key, first)
        self._count()
        logger.info("start.hub epoch=%s symbols=%d", self.epoch, len(self.last_ticks.all()))

    def _tell_sessions(self) -> None:
        started = HubStarted(self.epoch)
        for session in self.sessions():
            try:
                session.tell_nowait(started)
            except NotDelivered as error:  # it is about to end
                logger.debug("skip.session session=%s reason=%s", session.name, error)

    # ------------------------------------------------------------------ ticks

    async def _publish(self, batch: TickBatch) -> None:
        touched = self._stamp(batch)
        failed: list[TickSink] = []
        for group in touched:
            items, group.pending = group.pending, []
            joined = items[0][1] if len(items) == 1 else b"".join([frame for _, frame in items])
            for sink, push in group.sinks.items():
                try:
                    push(items, joined)
                except Exception:  # one client's bug must not become everybody's
                    logger.exception("fail.sink sink=%r", sink)
                    failed.append(sink)
                self._work += 1
                if self._work % SLICE == 0:
                    await trio.lowlevel.checkpoint()
            self.statistics.pushes += len(group.sinks)
        for sink in failed:
            self._give_up(sink)

    # Numbers, encodes and publishes what has changed; gives the groups that have ticks pending.
    def _stamp(self, batch: TickBatch) -> list[_Group]:
        broker, statistics = batch.broker, self.statistics
        statistics.batches += 1
        specs = self.catalog.symbols(broker)
        symbols = self._symbols.setdefault(broker, {})
        publish, put, keep = self.publisher.publish, self.last_ticks.put, self.history.keep
        touched: list[_Group] = []
        for quote in batch.quotes:
            spec = specs.get(quote.symbol)
            if spec is None:
                statistics.ticks_unknown += 1
                continue
            symbol = symbols.get(quote.symbol)
            if symbol is None:
                symbol = self._symbol((broker, quote.symbol))
            last = symbol.tick
            tick = make_tick(quote, spec, 1 if last is None else last.seq + 1, broker)
            if last is not None and tick.same_prices(last):
                statistics.ticks_unchanged += 1
                continue
            encoded = encode_object(tick)
            symbol.tick, symbol.encoded = tick, encoded
            put(symbol.key, tick)
            symbol.bars.add(tick.time_msc, tick.bid, tick.ask)
            publish(symbol.topic, encoded)
            statistics.ticks_published += 1
            frame = text_frame(tick_message(encoded))
            keep(symbol.history, statistics.ticks_published, frame)
            if symbol.groups:
                item = (symbol.key, frame)
                for group in symbol.groups:
                    if not group.pending:
                        touched.append(group)
                    group.pending.append(item)
        statistics.history_bytes = self.history.size_bytes
        return touched

    def _symbol(self, key: Key) -> _Symbol:
        symbols = self._symbols.setdefault(key[0], {})
        symbol = symbols.get(key[1])
        if symbol is None:
            topic = f"tick.{key[0]}.{key[1]}".encode()
            symbol = symbols[key[1]] = _Symbol(key, topic, self.bars.of(*key), self.history.begin())
        return symbol

    # ------------------------------------------------------------------ clients

    # One step: no tick comes between the answer, the snapshots and the first push.
    def _subscribe(self, message: Subscribe) -> None:
        client = self._clients.get(message.sink) or _Client(message.sink)
        had = tuple(client.keys)
        accepted: list[str] = []
        rejected: list[tuple[str, str]] = []
        confirmed: dict[Key, None] = {}
        for name in dict.fromkeys(message.names):
            key = client.names.get(name)
            if key is None:
                key = self.catalog.resolve(name)
                if key is None:
                    rejected.append((name, "unknown_symbol"))
                    continue
                if key not in client.keys and len(client.keys) >= message.limit:
                    rejected.append((name, "symbol_limit"))
                    continue
                client.names[name] = key
                client.keys[key] = None
            accepted.append(name)
            confirmed[key] = None
        missed: list[bytes] | None = None
        if message.resume is not None:
            fresh = not rejected and confirmed.keys().isdisjoint(had)
            named = {name: client.names[name] for name in accepted}
            missed = self._missed(message.resume, named) if fresh else None
            self._count_resumed(missed)
        self._regroup(client)
        known = [symbol for symbol in map(self._symbol, confirmed) if missed is None and symbol.tick is not None]
        welcome = Welcome(
            message.request_id,
            tuple(accepted),
            tuple(rejected),
            len(client.keys),
            self.epoch,
            tuple(tick_message(symbol.encoded, snapshot=True) for symbol in known),
            tuple(symbol.key for symbol in known),
            None if message.resume is None else missed is not None,
            tuple(missed or ()),
        )
        self._attempt(message.sink, message.sink.push_welcome, welcome)
        feeds = b"".join(self._feed_frames(confirmed))
        if feeds and message.sink in self._clients:
            self._attempt(message.sink, message.sink.push_frames, feeds)
        for broker in {key[0] for key in confirmed}:
            self.demand.note(broker)

    # What a client missed since it saw these numbers, in the order it was published; None: that is not known of each
    # symbol, or more than is kept.
    def _missed(self, resume: Resume, named: Mapping[str, Key]) -> list[bytes] | None:
        if resume.epoch != self.epoch:
            return None
        seen: dict[Key, int] = {}
        for name, key in named.items():
            seq = resume.seq.get(name)
            if seq is None or seen.setdefault(key, seq) != seq:
                return None
        wanted: list[tuple[Ticks, int]] = []
        for key, seq in seen.items():
            symbol = self._symbol(key)
            count = (0 if symbol.tick is None else symbol.tick.seq) - seq
            if not 0 <= count <= len(symbol.history):
                return None
            wanted.append((symbol.history, count))
        return newest(wanted)

    def _count_resumed(self, missed: Sequence[bytes] | None) -> None:
        if missed is None:
            self.statistics.not_resumed += 1
        else:
            self.statistics.resumed += 1

    def _unsubscribe(self, message: Unsubscribe) -> None:
        client = self._clients.get(message.sink) or _Client(message.sink)
        names = tuple(client.names if message.names is None else dict.fromkeys(message.names))
        removed: dict[Key, None] = {}
        for name in names:
            key = client.names.get(name) or self.catalog.resolve(name)
            if key is not None and key in client.keys:
                removed[key] = None
        if removed:
            client.keys = {key: None for key in client.keys if key not in removed}
            client.names = {name: key for name, key in client.names.items() if key not in removed}
            self._regroup(client)
        total, keys = len(client.keys), tuple(removed)
        self._attempt(message.sink, message.sink.push_goodbye, message.request_id, names, total, keys)

    def _detach(self, sink: TickSink) -> None:
        client = self._clients.get(sink)
        if client is not None:
            client.keys = {}
            self._regroup(client)

    def _attempt(self, sink: TickSink, push: Callable[..., None], *args: object) -> None:
        try:
            push(*args)
        except Exception:  # one client's bug must not become everybody's
            logger.exception("fail.sink sink=%r", sink)
            self._give_up(sink)

    def _give_up(self, sink: TickSink) -> None:
        self.statistics.sink_errors += 1
        self._detach(sink)
        try:
            sink.give_up()
        except Exception:  # as above
            logger.exception("fail.sink sink=%r", sink)

    # Puts a client where those with the same symbols are; without any it is forgotten.
    def _regroup(self, client: _Client) -> None:
        keys = frozenset(client.keys)
        old = client.group
        if old is not None:
            if old.keys == keys:
                return
            del old.sinks[client.sink]
            if not old.sinks:
                del self._groups[old.keys]
                for key in old.keys:
                    del self._symbol(key).groups[old]
        if keys:
            group = self._groups.get(keys)
            if group is None:
                group = self._groups[keys] = _Group(keys)
                for key in keys:
                    self._symbol(key).groups[group] = None
            group.sinks[client.sink] = client.sink.push_ticks
            client.group = group
            self._clients[client.sink] = client
        else:
            client.group = None
            self._clients.pop(client.sink, None)
        self._count()

    def _count(self) -> None:
        self.statistics.sinks = len(self._clients)
        self.statistics.groups = len(self._groups)

    # ------------------------------------------------------------------ feeds

    async def _tell_feed(self, message: FeedState) -> None:
        before = self._feeds.get((message.broker, message.symbol))
        if message.state == "live" and (before is None or before[0].state == "live"):
            return  # nobody was told otherwise
        self._feeds[message.broker, message.symbol] = (message, trio.current_time())
        if message.symbol is None:
            # What was said of the whole feed covers what was said of single symbols.
            for key in [key for key in self._feeds if key[0] == message.broker and key[1] is not None]:
                del self._feeds[key]
        concerned = [
            symbol
            for symbol in self._symbols.get(message.broker, {}).values()
            if symbol.groups and message.symbol in (None, symbol.key[1])
        ]
        frames: dict[_Group, list[bytes]] = {}
        for symbol in concerned:
            frame = _status_frame(symbol.key, message.state, message.age_ms)
            for group in symbol.groups:
                frames.setdefault(group, []).append(frame)
        for group, parts in frames.items():
            joined = b"".join(parts)
            for sink in tuple(group.sinks):
                self._attempt(sink, sink.push_frames, joined)
                self._work += 1
                if self._work % SLICE == 0:
                    await trio.lowlevel.checkpoint()

    # What a new subscriber has to know: feeds that are not live.
    def _feed_frames(self, keys: Iterable[Key]) -> Iterable[bytes]:
        for broker, name in keys:
            known = self._feeds.get((broker, name)) or self._feeds.get((broker, None))
            if known is not None and known[0].state != "live":
                feed, since = known
                age_ms = feed.age_ms + int((trio.current_time() - since) * 1000)
                yield _status_frame((broker, name), feed.state, age_ms)


def _status_frame(key: Key, state: str, age_ms: int) -> bytes:
    return text_frame(ws_messages.status(state, broker=key[0], symbol=key[1], age_ms=age_ms))
