"""The hub: numbering, snapshots, grouping, clients that fail, and what a restart means."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import tick_history
from actors.boards import BarBoard, Catalog
from actors.hub import HUB_MAILBOX, SLICE, Demand, Hub, HubStatistics, LastTicks
from actors.messages import (
    Detach,
    FeedState,
    HubMessage,
    HubStarted,
    Key,
    Subscribe,
    SymbolsKnown,
    TickBatch,
    Unsubscribe,
    Welcome,
)
from actors.runtime import Inbox, Mailbox, Ref
from actors.tick_history import TickHistory
from quantmind.domain.bars import Timeframe
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import usual_spec
from quantmind.wire.ws_messages import Resume

SYMBOLS = ("EURUSD", "GBPUSD", "USDJPY")


def unframe(data: bytes) -> list[Any]:
    """The messages in joined text frames."""
    messages, at = [], 0
    while at < len(data):
        assert data[at] == 0x81
        size, start = data[at + 1], at + 2
        if size == 126:
            size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        messages.append(json.loads(data[start : start + size]))
        at = start + size
    return messages


@attrs.define(eq=False)
class FakeSink:
    """A client that is never behind: keeps everything in order."""

    log: list[tuple[str, Any]] = attrs.field(factory=list)
    broken: bool = False
    began: tuple[str, dict[str, int]] = ("", {})
    """Where its client was on the connection before."""

    def push_ticks(self, items: Sequence[tuple[Hashable, bytes]], joined: bytes) -> None:
        if self.broken:
            raise RuntimeError("a bug in this client")
        assert joined == b"".join(frame for _, frame in items)
        for (key, _), message in zip(items, unframe(joined), strict=True):
            assert key == (message["data"]["broker"], message["data"]["symbol"])
            self.log.append(("tick", message["data"]))

    def push_welcome(self, welcome: Welcome) -> None:
        if self.broken:
            raise RuntimeError("a bug in this client")
        self.log.append(("welcome", welcome))
        for key, snapshot in zip(welcome.keys, welcome.snapshots, strict=True):
            message = json.loads(snapshot)
            assert message["snapshot"] is True
            assert key == (message["data"]["broker"], message["data"]["symbol"])
            self.log.append(("snapshot", message["data"]))
        for frame in welcome.missed:
            (message,) = unframe(frame)
            assert "snapshot" not in message
            self.log.append(("missed", message["data"]))

    def push_goodbye(
        self, request_id: str | None, names: tuple[str, ...], total: int, keys: tuple[Key, ...] = ()
    ) -> None:
        self.log.append(("goodbye", (request_id, names, total, keys)))

    def push_frames(self, frames: bytes) -> None:
        self.log.extend(("message", message) for message in unframe(frames))

    def give_up(self) -> None:
        self.log.append(("given up", None))

    def take(self, kind: str) -> list[Any]:
        return [what for each, what in self.log if each == kind]

    def ticks(self) -> list[tuple[str, int]]:
        return [(tick["symbol"], tick["seq"]) for tick in self.take("tick")]


@attrs.define(eq=False)
class FakePublisher:
    sent: list[tuple[bytes, bytes]] = attrs.field(factory=list)

    def publish(self, topic: bytes, payload: bytes) -> None:
        self.sent.append((topic, payload))


@attrs.define(eq=False)
class World:
    """A hub with its boards and its mailbox, run by hand."""

    catalog: Catalog
    last: LastTicks = attrs.field(factory=LastTicks)
    demand: Demand = attrs.field(factory=Demand)
    publisher: FakePublisher = attrs.field(factory=FakePublisher)
    statistics: HubStatistics = attrs.field(factory=HubStatistics)
    bars: BarBoard = attrs.field(factory=BarBoard)
    mailbox: Mailbox[HubMessage] = attrs.field(factory=lambda: Mailbox(HUB_MAILBOX))
    session: Mailbox[HubStarted] = attrs.field(factory=lambda: Mailbox(attrs.evolve(HUB_MAILBOX, capacity=1)))
    price: int = 100_000
    hubs: int = 0
    history_bytes: int = tick_history.MOST_BYTES
    history_each: int = tick_history.MOST_EACH

    def hub(self) -> Hub:
        self.hubs += 1
        return Hub(
            catalog=self.catalog,
            last_ticks=self.last,
            demand=self.demand,
            publisher=self.publisher,
            sessions=lambda: [Ref("client", self.session)],
            statistics=self.statistics,
            bars=self.bars,
            epoch=f"epoch{self.hubs}",
            history=TickHistory(self.history_bytes, self.history_each),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Ref[HubMessage]]:
        """An incarnation of the hub; leaving the block ends it after what is queued."""
        inbox: Inbox[HubMessage] = Inbox(self.mailbox)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.hub(), inbox)
            yield Ref("hub", self.mailbox)
            while self.mailbox.statistics().queued:
                await trio.testing.wait_all_tasks_blocked()
            await trio.testing.wait_all_tasks_blocked()
            inbox.request_stop()

    def quote(self, symbol: str = "EURUSD", **changes: Any) -> Quote:
        """A quote with a new price."""
        self.price += 1
        digits = 3 if symbol.endswith("JPY") else 5
        bid = round(self.price * 10.0**-digits, digits)
        return attrs.evolve(Quote(symbol, bid, round(bid + 2 * 10.0**-digits, digits), self.price), **changes)

    def batch(self, *symbols: str, broker: str = "demo") -> TickBatch:
        return TickBatch(broker, [self.quote(symbol) for symbol in symbols], 0.0)


@pytest.fixture
def world() -> World:
    catalog = Catalog(("demo", "live"))
    catalog.set("demo", [usual_spec(name) for name in SYMBOLS])
    catalog.set("live", [usual_spec(name) for name in ("EURUSD", "XAUUSD")])
    return World(catalog)


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def test_seq_grows_by_one_for_each_published_tick(world: World) -> None:
    """By broker and symbol, from 1; the client gets the ticks in order."""
    sink = FakeSink()
    async with world.running() as hub:
        hub.tell_nowait(Subscribe(sink, ("EURUSD", "GBPUSD", "EURUSD@live"), 10))
        hub.tell_nowait(world.batch("EURUSD", "GBPUSD", "EURUSD"))
        hub.tell_nowait(world.batch("EURUSD", broker="live"))
        hub.tell_nowait(world.batch("EURUSD"))
    assert sink.ticks() == [("EURUSD", 1), ("GBPUSD", 1), ("EURUSD", 2), ("EURUSD", 1), ("EURUSD", 3)]
    assert [tick["broker"] for tick in sink.take("tick")] == ["demo"] * 3 + ["live", "demo"]
    assert world.statistics.ticks_published == 5


async def test_unchanged_ticks_are_not_published(world: World) -> None:
    """Also one that differs by less than the digits show, or by time alone."""
    sink = FakeSink()
    quote = world.quote()
    same = [attrs.evolve(quote, time_msc=5), attrs.evolve(quote, bid=quote.bid + 1e-9)]
    async with world.running() as hub:
        hub.tell_nowait(Subscribe(sink, ("EURUSD",), 10))
        hub.tell_nowait(TickBatch("demo", [quote, *same, attrs.evolve(quote, last=1.0)], 0.0))
    assert [tick["seq"] for tick in sink.take("tick")] == [1, 2]
    assert world.statistics.ticks_unchanged == 2


async def test_bars_are_of_what_is_published(world: World) -> None:
    """By broker and symbol, of the prices that clients saw; they outlive a hub."""
    quote = world.quote(bid=1.0, ask=1.00002, time_msc=60_000)
    async with world.running() as hub:
        hub.tell_nowait(TickBatch("demo", [quote, quote, attrs.evolve(quote, bid=1.000010004)], 0.0))
        hub.tell_nowait(world.batch("NOSUCH"))
    async with world.running() as hub:
        hub.tell_nowait(TickBatch("demo", [attrs.evolve(quote, bid=0.99, time_msc=119_999)], 0.0))
    series = world.bars.read("demo", "EURUSD")
    assert series is not None
    (bar,) = series.read(Timeframe.M1, limit=10)[0]
    assert (bar.time_msc, bar.open, bar.high, bar.low, bar.close, bar.tick_volume) == (
        60_000,
        1.0,
        1.00001,
        0.99,
        0.99,
        3,
    )
    assert world.bars.read("live", "EURUSD") is None
    assert world.bars.read("demo", "NOSUCH") is None


async def test_ticks_of_unknown_symbols_are_counted(world: World) -> None:
    """A tick without a specification can't be shown, and stops nothing."""
    async with world.running() as hub:
        hub.tell_nowait(world.batch("NOSUCH", "EURUSD"))
    assert world.statistics.ticks_unknown == 1
    assert world.statistics.ticks_published == 1


async def test_subscribe_answers_with_snapshots(world: World) -> None:
    """The last known tick of each symbol comes with the answer, and the next tick has the next number."""
    sink = FakeSink()
    async with world.running() as hub:
        hub.tell_nowait(world.batch("EURUSD", "EURUSD", "GBPUSD"))
        hub.tell_nowait(Subscribe(sink, ("EURUSD", "GBPUSD", "USDJPY"), 10, "7"))
        hub.tell_nowait(world.batch("EURUSD"))
    welcome: Welcome = sink.take("welcome")[0]
    assert (welcome.request_id, welcome.accepted, welcome.rejected, welcome.total, welcome.epoch) == (
        "7",
        ("EURUSD", "GBPUSD", "USDJPY"),
        (),
        3,
        "epoch1",
    )
    assert [(tick["symbol"], tick["seq"]) for tick in sink.take("snapshot")] == [("EURUSD", 2), ("GBPUSD", 1)]
    assert sink.ticks() == [("EURUSD", 3)]


async def test_subscribing_again_confirms_with_a_snapshot(world: World) -> None:
    """It changes nothing, and ticks are not doubled."""
    sink = FakeSink()
    async with world.running() as hub:
        hub.tell_nowait(Subscribe(sink, ("EURUSD",), 1))
        hub.tell_nowait(world.batch("EURUSD"))
        hub.tell_nowait(Subscribe(sink, ("EURUSD", "EURUSD", "EURUSD@demo"), 1))
        hub.tell_nowait(world.batch("EURUSD"))
    again: Welcome = sink.take("welcome")[1]
    assert (again.accepted, again.total, len(again.snapshots)) == (("EURUSD", "EURUSD@demo"), 1, 1)
    assert sink.ticks() == [("EURUSD", 1), ("EURUSD", 2)]


async def test_names_that_cannot_be_had_are_rejected_with_the_reason(world: World) -> None:
    """Unknown ones, and those beyond the client's limit; the others are taken."""
    sink = FakeSink()
    async with world.running() as hub:
        hub.tell_nowait(Subscribe(sink, ("NOSUCH", "EURUSD", "EURUSD@nobody", "GBPUSD", "USDJPY"), 2))
    welcome: Welcome = sink.take("welcome")[0]
    assert welcome.accepted == ("EURUSD", "GBPUSD")
    assert welcome.rejected == (
        ("NOSUCH", "unknown_symbol"),
        ("EURUSD@nobody", "unknown_symbol"),
        ("USDJPY", "symbol_limit"),
    )


async def test_a_bare_name_goes_on_to_mean_what_it_meant(world: World) -> None:
    """When a broker that comes first begins to trade a symbol later, clients are not moved to it."""
    sink = FakeSink()
    async with world.running() as hub:
        hub.tell_nowait(Subscribe(sink, ("XAUUSD",), 10))
        await settle()
        world.catalog.set("demo", [usual_spec("XAUUSD")])
        hub.tell_nowait(SymbolsKnown("demo", [usual_spec("XAUUSD")]))
        hub.tell_nowait(Subscribe(sink, ("XAUUSD",), 10))
        hub.tell_nowait(world.batch("XAUUSD", broker="live"))
        hub.tell_nowait(world.batch("XAUUSD", broker="demo"))
        hub.tell_nowait(Unsubscribe(sink, ("XAUUSD",)))
    assert [tick["broker"] for tick in sink.take("tick")] == ["live"]
    assert sink.take("goodbye") == [(None, ("XAUUSD",), 0, (("live", "XAUUSD"),))]


async def test_unsubscribe_ends_ticks_at_once(world: World) -> None:
    """By either spelling, by name or all; names that were not subscribed are confirmed too."""
    sink = FakeSink()
    async with world.running() as hub:
        hub.tell_nowait(Subscribe(sink, ("EURUSD", "GBPUSD", "USDJPY"), 10))
        hub.tell_nowait(Unsubscribe(sink, ("EURUSD@demo", "NOSUCH"), "1"))
        hub.tell_nowait(world.batch("EURUSD", "GBPUSD"))
        hub.tell_nowait(Unsubscribe(sink, None, "2"))
        hub.tell_nowait(world.batch("GBPUSD"))
    first, second = sink.take("goodbye")
    assert first == ("1", ("EURUSD@demo", "NOSUCH"), 2, (("demo", "EURUSD"),))
    assert second[:3] == ("2", ("GBPUSD", "USDJPY"), 0)
    assert sink.ticks() == [("GBPUSD", 1)]
    assert (world.statistics.sinks, world.statistics.groups) == (0, 0)


async def test_a_detached_client_gets_nothing(world: World) -> None:
    """And detaching one that is not there does no harm."""
    sink, other = FakeSink(), FakeSink()
    async with world.running() as hub:
        hub.tell_nowait(Subscribe(sink, ("EURUSD",), 10))
        hub.tell_nowait(Subscribe(other, ("EURUSD",), 10))
        hub.tell_nowait(Detach(sink))
        hub.tell_nowait(Detach(sink))
        hub.tell_nowait(world.batch("EURUSD"))
    assert sink.ticks() == []
    assert other.ticks() == [("EURUSD", 1)]


async def test_clients_with_the_same_symbols_share_one_join(world: World) -> None:
    """However they came by them; what each gets is the very same object."""
    seen: list[int] = []

    class Spy(FakeSink):
        def push_ticks(self, items: Sequence[tuple[Hashable, bytes]], joined: bytes) -> None:
            seen.append(id(joined))

    sinks = [Spy() for _ in range(4)]
    async with world.running() as hub:
        hub.tell_nowait(Subscribe(sinks[0], ("EURUSD", "GBPUSD"), 10))
        hub.tell_nowait(Subscribe(sinks[1], ("GBPUSD",), 10))
        hub.tell_nowait(Subscribe(sinks[1], ("EURUSD",), 10))
        hub.tell_nowait(Subscribe(sinks[2], ("GBPUSD", "EURUSD", "USDJPY"), 10))
        hub.tell_nowait(Unsubscribe(sinks[2], ("USDJPY",)))
        hub.tell_nowait(Subscribe(sinks[3], ("EURUSD@demo", "GBPUSD@demo"), 10))
        await settle()
        assert (world.statistics.sinks, world.statistics.groups) == (4, 1)
        hub.tell_nowait(world.batch("EURUSD", "GBPUSD"))
    assert len(seen) == 4
    assert len(set(seen)) == 1


async def test_a_client_that_raises_is_given_up_alone(world: World) -> None:
    """The others get their ticks; the failed one is told and counted once."""
    sinks = [FakeSink() for _ in range(3)]
    async with world.running() as hub:
        for sink in sinks:
            hub.tell_nowait(Subscribe(sink, ("EURUSD",), 10))
        await settle()
        sinks[1].broken = True
        hub.tell_nowait(world.batch("EURUSD"))
        hub.tell_nowait(world.batch("EURUSD"))
        hub.tell_nowait(Subscribe(sinks[1], ("EURUSD",), 10))
    assert [len(sink.ticks()) for sink in sinks] == [2, 0, 2]
    assert sinks[1].take("given up") == [None, None]
    assert world.statistics.sink_errors == 2
    assert world.statistics.sinks == 2


async def test_publishes_the_data_object_by_broker_and_symbol(world: World) -> None:
    """PUB gets what is inside the WebSocket message, byte for byte."""
    sink = FakeSink()
    async with world.running() as hub:
        hub.tell_nowait(Subscribe(sink, ("EURUSD",), 10))
        hub.tell_nowait(world.batch("EURUSD", "GBPUSD"))
    assert [topic for topic, _ in world.publisher.sent] == [b"tick.demo.EURUSD", b"tick.demo.GBPUSD"]
    assert json.loads(world.publisher.sent[0][1]) == sink.take("tick")[0]


async def test_feed_states_go_to_the_clients_of_that_feed(world: World) -> None:
    """One status for each subscribed symbol; `live` only after something else."""
    sink, other = FakeSink(), FakeSink()
    async with world.running() as hub:
        hub.tell_nowait(Subscribe(sink, ("EURUSD", "GBPUSD"), 10))
        hub.tell_nowait(Subscribe(other, ("XAUUSD",), 10))
        hub.tell_nowait(FeedState("demo", None, "live", 0))
        hub.tell_nowait(FeedState("demo", None, "stale", 12_000))
        hub.tell_nowait(FeedState("demo", None, "live", 3))
    said = [(m["broker"], m["symbol"], m["state"], m["age_ms"]) for m in sink.take("message")]
    assert sorted(said[:2]) == [("demo", "EURUSD", "stale", 12_000), ("demo", "GBPUSD", "stale", 12_000)]
    assert sorted(said[2:]) == [("demo", "EURUSD", "live", 3), ("demo", "GBPUSD", "live", 3)]
    assert other.take("message") == []


async def test_a_new_client_hears_of_a_silent_feed(world: World, autojump_clock: trio.testing.MockClock) -> None:
    """Behind its snapshots, with the age as it is by then."""
    sink = FakeSink()
    async with world.running() as hub:
        hub.tell_nowait(FeedState("demo", None, "stale", 10_000))
        await settle()
        await trio.sleep(5)
        hub.tell_nowait(Subscribe(sink, ("EURUSD", "EURUSD@live"), 10))
    assert [kind for kind, _ in sink.log] == ["welcome", "message"]
    status = sink.take("message")[0]
    assert (status["state"], status["symbol"]) == ("stale", "EURUSD")
    assert status["age_ms"] == pytest.approx(15_000, abs=1)


async def test_the_first_subscription_is_noted_by_broker(world: World) -> None:
    """So that a feed may wait for it; a rejected name is none."""
    async with world.running() as hub:
        hub.tell_nowait(Subscribe(FakeSink(), ("NOSUCH",), 10))
        await settle()
        assert not world.demand.noted("demo")
        hub.tell_nowait(Subscribe(FakeSink(), ("EURUSD",), 10))
        with trio.fail_after(5):
            await world.demand.wait("demo")
        assert not world.demand.noted("live")


async def test_last_ticks_are_on_a_board(world: World) -> None:
    """For REST, with the epoch."""
    async with world.running() as hub:
        assert world.last.last_tick("demo", "EURUSD") is None
        hub.tell_nowait(world.batch("EURUSD", "EURUSD"))
    tick = world.last.last_tick("demo", "EURUSD")
    assert tick is not None
    assert (tick.seq, world.last.epoch) == (2, "epoch1")


async def test_a_new_hub_has_a_new_epoch_and_the_last_prices(world: World) -> None:
    """Sessions are told; what was known before is the first tick of the new epoch, in the snapshot."""
    sink = FakeSink()
    async with world.running() as hub:
        hub.tell_nowait(world.batch("EURUSD", "EURUSD", "EURUSD"))
        await settle()
        assert world.session.pop_nowait() == HubStarted("epoch1")
    price = world.last.last_tick("demo", "EURUSD")
    async with world.running() as hub:
        await settle()
        assert world.session.pop_nowait() == HubStarted("epoch2")
        hub.tell_nowait(Subscribe(sink, ("EURUSD",), 10))
        hub.tell_nowait(world.batch("EURUSD"))
    assert price is not None
    snapshot = sink.take("snapshot")[0]
    assert (snapshot["seq"], snapshot["bid"]) == (1, price.bid)
    assert sink.ticks() == [("EURUSD", 2)]


# --- coming back -----------------------------------------------------------------------------------------------------


def came(sink: FakeSink) -> list[tuple[str, str, int]]:
    """What came after the answer: snapshots, missed ticks and ticks, by symbol and number."""
    return [(kind, what["symbol"], what["seq"]) for kind, what in sink.log if kind in ("snapshot", "missed", "tick")]


async def resume(
    world: World, hub: Ref[HubMessage], *names: str, epoch: str = "epoch1", sink: FakeSink | None = None, **seq: int
) -> FakeSink:
    """Subscribe with what was seen."""
    sink = FakeSink() if sink is None else sink
    hub.tell_nowait(Subscribe(sink, names or tuple(seq), 10, "7", Resume(epoch, seq)))
    await settle()
    return sink


async def test_who_comes_back_gets_exactly_what_it_missed(world: World) -> None:
    """In the order it was published, over all symbols, and then what comes; no snapshot."""
    async with world.running() as hub:
        hub.tell_nowait(world.batch("EURUSD", "GBPUSD", "EURUSD", "USDJPY", "GBPUSD", "EURUSD"))
        sink = await resume(world, hub, EURUSD=1, GBPUSD=1, USDJPY=0)
        hub.tell_nowait(world.batch("EURUSD"))
    assert sink.take("welcome")[0].recovered is True
    assert came(sink) == [
        ("missed", "EURUSD", 2),
        ("missed", "USDJPY", 1),
        ("missed", "GBPUSD", 2),
        ("missed", "EURUSD", 3),
        ("tick", "EURUSD", 4),
    ]
    assert (world.statistics.resumed, world.statistics.not_resumed) == (1, 0)


async def test_what_came_is_what_others_saw(world: World) -> None:
    """Field by field."""
    other = FakeSink()
    async with world.running() as hub:
        hub.tell_nowait(Subscribe(other, ("EURUSD",), 10))
        hub.tell_nowait(world.batch("EURUSD", "EURUSD", "EURUSD"))
        sink = await resume(world, hub, EURUSD=1)
    assert sink.take("missed") == other.take("tick")[1:]


async def test_nothing_missed_is_recovered_too(world: World) -> None:
    """Nothing follows; also where no tick ever came."""
    async with world.running() as hub:
        hub.tell_nowait(world.batch("EURUSD"))
        sink = await resume(world, hub, EURUSD=1, GBPUSD=0)
    assert sink.take("welcome")[0].recovered is True
    assert came(sink) == []


@pytest.mark.parametrize(
    ("names", "seq", "epoch"),
    [
        (("EURUSD",), {"EURUSD": 1}, "epoch0"),
        (("EURUSD",), {"EURUSD": 3}, "epoch1"),
        (("EURUSD", "GBPUSD"), {"EURUSD": 1}, "epoch1"),
        (("EURUSD", "GBPUSD"), {"EURUSD": 1, "GBPUSD": 2}, "epoch1"),
        (("EURUSD", "NOSUCH"), {"EURUSD": 1, "NOSUCH": 0}, "epoch1"),
        (("EURUSD", "EURUSD@demo"), {"EURUSD": 1, "EURUSD@demo": 2}, "epoch1"),
        (("EURUSD@demo",), {"EURUSD": 1}, "epoch1"),
    ],
)
async def test_all_or_nothing(world: World, names: tuple[str, ...], seq: dict[str, int], epoch: str) -> None:
    """Another epoch, a tick that there is not, a name that is not told or not known: snapshots of all."""
    async with world.running() as hub:
        hub.tell_nowait(world.batch("EURUSD", "EURUSD", "GBPUSD"))
        sink = FakeSink()
        hub.tell_nowait(Subscribe(sink, names, 10, "7", Resume(epoch, seq)))
    assert sink.take("welcome")[0].recovered is False
    assert sink.take("missed") == []
    assert next(tick["seq"] for tick in sink.take("snapshot")) == 2
    assert (world.statistics.resumed, world.statistics.not_resumed) == (0, 1)


async def test_who_has_a_symbol_does_not_come_back_to_it(world: World) -> None:
    """It would see ticks twice."""
    sink = FakeSink()
    async with world.running() as hub:
        hub.tell_nowait(Subscribe(sink, ("EURUSD",), 10))
        hub.tell_nowait(world.batch("EURUSD", "EURUSD", "GBPUSD"))
        await resume(world, hub, EURUSD=1, GBPUSD=0, sink=sink)
        hub.tell_nowait(Unsubscribe(sink, ("EURUSD",)))
        hub.tell_nowait(world.batch("EURUSD"))
        await resume(world, hub, EURUSD=2, sink=sink)
    assert [welcome.recovered for welcome in sink.take("welcome")] == [None, False, True]
    assert came(sink)[-1] == ("missed", "EURUSD", 3)


async def test_a_new_hub_recovers_nothing_of_the_one_before(world: World) -> None:
    """And in its own epoch from the first tick on, which is the last known one."""
    async with world.running() as hub:
        hub.tell_nowait(world.batch("EURUSD", "EURUSD", "EURUSD"))
    async with world.running() as hub:
        old = await resume(world, hub, EURUSD=3)
        hub.tell_nowait(world.batch("EURUSD"))
        new = await resume(world, hub, EURUSD=0, epoch="epoch2")
    assert old.take("welcome")[0].recovered is False
    assert came(new) == [("missed", "EURUSD", 1), ("missed", "EURUSD", 2)]


async def test_a_symbol_keeps_only_so_many(world: World) -> None:
    """Whoever missed more gets a snapshot; a quiet symbol is not touched by a busy one."""
    async with world.running() as hub:
        hub.tell_nowait(world.batch("GBPUSD", *["EURUSD"] * (tick_history.MOST_EACH + 2)))
        just = await resume(world, hub, EURUSD=2, GBPUSD=0)
        too_much = await resume(world, hub, EURUSD=1, GBPUSD=0)
    assert [seq for kind, symbol, seq in came(just) if symbol == "EURUSD"] == list(range(3, tick_history.MOST_EACH + 3))
    assert came(just)[0] == ("missed", "GBPUSD", 1)
    assert too_much.take("welcome")[0].recovered is False


async def test_all_symbols_together_keep_only_so_much(world: World) -> None:
    """Each then keeps half as many as before, and what is kept is still whole."""
    world.history_bytes = 40_000
    async with world.running() as hub:
        for _ in range(200):
            hub.tell_nowait(world.batch("EURUSD", "GBPUSD"))
            await settle()
        assert 0 < world.statistics.history_bytes <= 40_000
        kept = [(await resume(world, hub, EURUSD=seq)).take("welcome")[0].recovered for seq in range(200)]
        sink = await resume(world, hub, EURUSD=kept.index(True))
    assert kept == sorted(kept)
    assert 32 <= kept.count(True) < 100
    assert [seq for _, _, seq in came(sink)] == list(range(kept.index(True) + 1, 201))


async def test_epochs_differ(world: World) -> None:
    """Without a fixed one, each hub makes up its own."""
    made = {Hub(world.catalog, world.last, world.demand, world.publisher, lambda: ()).epoch for _ in range(10)}
    assert len(made) == 10


async def test_a_session_that_takes_nothing_does_not_stop_a_start(world: World) -> None:
    """Its mailbox is full or closed: it is about to end."""
    world.session.close("gone")
    async with world.running() as hub:
        hub.tell_nowait(world.batch("EURUSD"))
    assert world.statistics.ticks_published == 1


async def test_others_get_turns_while_many_clients_are_served(world: World) -> None:
    """The loop is cut into slices, so that a command does not wait for a thousand clients.

    Trio shuffles who runs in a round, so another task waits for two slices at most.
    """
    served: list[int] = []
    turns: list[int] = []

    class Counting(FakeSink):
        def push_ticks(self, items: Sequence[tuple[Hashable, bytes]], joined: bytes) -> None:
            served.append(1)

    async def other() -> None:
        while len(served) < 10 * SLICE:
            turns.append(len(served))
            await trio.lowlevel.checkpoint()

    async with world.running() as hub:
        for _ in range(10 * SLICE):
            await hub.tell(Subscribe(Counting(), ("EURUSD",), 10))
        await settle()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            hub.tell_nowait(world.batch("EURUSD"))
    assert max(after - before for before, after in itertools.pairwise(turns)) <= 2 * SLICE


# --- property ---------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("subscribe"), st.integers(0, 3), st.sets(st.sampled_from(SYMBOLS), min_size=1)),
        st.tuples(st.just("unsubscribe"), st.integers(0, 3), st.sets(st.sampled_from(SYMBOLS), min_size=1)),
        st.tuples(st.just("detach"), st.integers(0, 3), st.none()),
        st.tuples(st.just("back"), st.integers(0, 3), st.none()),
        st.tuples(st.just("batch"), st.none(), st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=6)),
        st.tuples(st.just("restart"), st.none(), st.none()),
    ),
    max_size=40,
)


def seen_by(sink: FakeSink) -> tuple[str, dict[str, int]]:
    """The epoch that a client is in, and the newest tick that it has of each symbol that it wants."""
    epoch, seen = "", dict[str, int]()
    for kind, what in sink.log:
        if kind == "welcome":
            if what.epoch != epoch:
                epoch, seen = what.epoch, {}
            seen.update({name: seen.get(name, 0) for name in what.accepted})
        elif kind in ("snapshot", "missed", "tick"):
            seen[what["symbol"]] = what["seq"]
        elif kind == "goodbye":
            for symbol in what[1]:
                seen.pop(symbol, None)
    return epoch, seen


def check_sequence(sink: FakeSink) -> None:
    """Within an epoch and a subscription each symbol's numbers have no gap, no repeat and begin at the snapshot, or
    where the client was before."""
    epoch, before = sink.began
    next_seq: dict[str, int] = {symbol: seq + 1 for symbol, seq in before.items()}
    first = True
    has: set[str] = set()
    for kind, what in sink.log:
        if kind == "welcome":
            if what.epoch != epoch or (first and not what.recovered):
                epoch, next_seq, has = what.epoch, {}, set()
            first = False
            has |= set(what.accepted)
        elif kind == "snapshot":
            symbol, seq = what["symbol"], what["seq"]
            assert next_seq.get(symbol, seq + 1) == seq + 1, "a snapshot is the tick that came last"
            next_seq[symbol] = seq + 1
        elif kind in ("tick", "missed"):
            symbol, seq = what["symbol"], what["seq"]
            assert symbol in has
            assert seq == next_seq.get(symbol, 1), "without a snapshot the first tick is the first of the epoch"
            next_seq[symbol] = seq + 1
        elif kind == "goodbye":
            for symbol in what[1]:
                has.discard(symbol)
                next_seq.pop(symbol, None)


@settings(max_examples=60)
@given(STEPS)
def test_no_client_misses_a_tick_or_sees_one_twice(steps: list[tuple[str, Any, Any]]) -> None:
    """Whatever clients do between batches, and however often the hub begins anew."""
    catalog = Catalog(("demo",))
    catalog.set("demo", [usual_spec(name) for name in SYMBOLS])
    world = World(catalog, history_each=6)
    sinks = [FakeSink() for _ in range(4)]
    wanted: list[set[str]] = [set() for _ in sinks]
    published: dict[str, list[int]] = {}

    async def main() -> None:
        rest = list(steps)
        while True:
            async with world.running() as hub:
                for sink, names in zip(sinks, wanted, strict=True):
                    if names:
                        await hub.tell(Subscribe(sink, tuple(sorted(names)), 10))
                while rest:
                    kind, who, what = rest.pop(0)
                    if kind == "restart":
                        break
                    if kind == "batch":
                        await hub.tell(world.batch(*what))
                    elif kind == "subscribe":
                        wanted[who] |= what
                        await hub.tell(Subscribe(sinks[who], tuple(sorted(what)), 10))
                    elif kind == "unsubscribe":
                        wanted[who] -= what
                        await hub.tell(Unsubscribe(sinks[who], tuple(sorted(what))))
                    elif kind == "back":
                        await hub.tell(Detach(sinks[who]))
                        await settle()
                        done.append(sinks[who])
                        was = seen_by(sinks[who])
                        sinks[who], wanted[who] = FakeSink(began=was), set(was[1])
                        if was[1]:
                            await hub.tell(Subscribe(sinks[who], tuple(sorted(was[1])), 10, "9", Resume(*was)))
                    else:
                        # Its session is gone, and with it the sink: another client takes the place.
                        await hub.tell(Detach(sinks[who]))
                        done.append(sinks[who])
                        sinks[who], wanted[who] = FakeSink(), set()
                else:
                    return

    done: list[FakeSink] = []
    trio.run(main)
    for sink in (*sinks, *done):
        check_sequence(sink)
    for topic, payload in world.publisher.sent:
        published.setdefault(topic.decode(), []).append(json.loads(payload)["seq"])
    for numbers in published.values():
        assert all(after in (before + 1, 2) for before, after in itertools.pairwise(numbers))


async def test_a_hundred_clients_share_one_encoding(world: World) -> None:
    """One encode and one join a batch, however many clients watch the same symbols: they get the very same bytes."""
    pushed: list[bytes] = []

    class Watcher(FakeSink):
        def push_ticks(self, items: Sequence[tuple[Hashable, bytes]], joined: bytes) -> None:
            pushed.append(joined)

    async with world.running() as hub:
        for _ in range(100):
            await hub.tell(Subscribe(Watcher(), SYMBOLS, 10))
        for _ in range(10):
            await hub.tell(world.batch(*(SYMBOLS * 4)[:10]))
        await settle()
    assert world.statistics.ticks_published == 100
    assert sum(len(unframe(joined)) for joined in {id(joined): joined for joined in pushed}.values()) == 100
    assert sum(len(unframe(joined)) for joined in pushed) == 100 * 100
