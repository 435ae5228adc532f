"""The bulletin: what holds, what is kept of the lines, and that nothing is lost or told twice, whatever happens."""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
import trio
from channel_records import (
    RECORDS,
    Folded,
    event,
    held_deal,
    held_order,
    held_position,
    intent,
    settled,
    state,
    unframed,
)
from channel_world import Client, World
from command_path import InlineJournal
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import bulletin as bulletin_module
from actors import channel_reader
from actors.bulletin import Bulletin
from quantmind.adapters.journal import reading
from quantmind.adapters.journal.chain import Chain
from quantmind.records import Entry, Record

ALL = frozenset({"orders", "risk", "events"})


def texts(frames: Any) -> list[tuple[str, int]]:
    return [(message["type"], message["journal_seq"]) for frame in frames for message in unframed(frame)]


def loaded(**changes: Any) -> World:
    world = World(**changes)
    world.load()
    return world


def test_what_holds_is_loaded_and_kept_up() -> None:
    """From the record, then line by line; a snapshot is of one channel and names the newest line."""
    world = World()
    world.record(intent(), held_position(17), state())
    world.load()
    assert texts(world.bulletin.snapshot("orders")) == [("order", 4), ("position", 4)]
    world.record(settled(), held_deal(3), held_order(18))
    assert texts(world.bulletin.snapshot("orders")) == [("order", 7), ("position", 7)]
    assert texts(world.bulletin.snapshot("risk")) == [("risk", 7)]
    assert texts(world.bulletin.snapshot("events")) == []


def test_lines_follow_by_channel_and_in_pieces() -> None:
    """Those of the channels that are asked for; what is of no channel is passed over; a piece is never empty."""
    world = loaded()
    world.record(intent(), state(), held_deal(3), event())
    bulletin = world.bulletin
    whole = bulletin.lines(1, ALL, 10**6)
    assert texts([whole.joined]) == [("order", 2), ("risk", 3), ("deal", 4), ("event", 5)]
    assert whole.through == 5
    first = bulletin.lines(1, frozenset({"orders"}), 1)
    assert (texts([first.joined]), first.through) == ([("order", 2)], 3)
    rest = bulletin.lines(first.through, frozenset({"orders"}), 1)
    assert (texts([rest.joined]), rest.through) == ([("deal", 4)], 5)
    assert bulletin.lines(5, ALL, 1) == bulletin_module.Lines(b"", 5)


def test_who_stands_at_the_same_line_shares_one_join() -> None:
    """However many clients there are: the very same bytes, and a line that comes makes others."""
    world = loaded()
    world.record(intent(), state())
    bulletin = world.bulletin
    assert bulletin.lines(1, ALL, 10**6) is bulletin.lines(1, ALL, 10**6)
    assert bulletin.snapshot("risk") is bulletin.snapshot("risk")
    before = bulletin.lines(1, ALL, 10**6)
    world.record(event())
    assert bulletin.lines(1, ALL, 10**6).through == 4 != before.through


@pytest.mark.parametrize("bound", [{"most_lines": 3}, {"most_bytes": 900}])
def test_what_is_kept_is_bounded(bound: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """By lines and by bytes; `floor` says how far it reaches back, and what went leaves no memory behind."""
    monkeypatch.setattr(bulletin_module, "COMPACT_AT", 4)
    bulletin = Bulletin(**bound)
    world = World()
    world.channels = attrs.evolve(world.channels, bulletin=bulletin)
    world.load()
    world.record(*(event() for _ in range(20)))
    kept = list(bulletin.since(bulletin.floor))
    assert 1 <= len(kept) <= 6
    assert kept[0].seq == bulletin.floor + 1
    assert kept[-1].seq == bulletin.seq == 21
    assert sum(len(line.frame) for line in kept) <= bulletin.most_bytes
    assert len(bulletin._lines) < 4 + len(kept)
    with pytest.raises(AssertionError):
        list(bulletin.since(bulletin.floor - 1))


def test_a_gap_asks_for_what_holds() -> None:
    """Nothing is told past it; what was written meanwhile is known after the load, which is another generation."""
    world = loaded()
    world.record(intent())
    world.write(held_position(17))
    world.untold.clear()
    world.record(held_order(18))
    bulletin = world.bulletin
    assert bulletin.seq == 2
    assert "line 4 came after line 2" in str(bulletin.error)
    assert bulletin.wants_load.is_set()
    world.record(state())
    world.load()
    assert (bulletin.error, bulletin.seq, bulletin.floor, bulletin.generation) == (None, 5, 5, 2)
    assert texts(bulletin.snapshot("orders")) == [("order", 5), ("order", 5), ("position", 5)]
    assert bulletin.status()["gaps"] == 1


def test_lines_that_came_while_it_was_loaded_follow() -> None:
    """What was read may be older than what was told meanwhile; each counts once."""
    world = World()
    world.record(intent())
    standing = reading.standing(world.journal.connection)
    world.record(settled(), event())
    world.bulletin.load(standing)
    assert (world.bulletin.seq, world.bulletin.floor) == (4, 2)
    assert texts([world.bulletin.lines(2, ALL, 10**6).joined]) == [("order", 3), ("event", 4)]
    assert texts(world.bulletin.snapshot("orders")) == []


def test_a_standing_that_is_too_old_is_not_the_end() -> None:
    """Where lines are missing between it and what was told since, it is loaded again."""
    world = World()
    standing = reading.standing(world.journal.connection)
    world.write(intent())
    world.untold.clear()
    world.record(event())
    world.bulletin.load(standing)
    assert world.bulletin.wants_load.is_set()
    world.load()
    assert world.bulletin.seq == 3
    assert world.bulletin.error is None


def test_what_waits_for_a_load_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it lines are let go, and what holds is loaded once more."""
    monkeypatch.setattr(bulletin_module, "MOST_WAITING", 3)
    world = World()
    standing = reading.standing(world.journal.connection)
    world.record(*(event() for _ in range(10)))
    assert len(world.bulletin._waiting) == 3
    world.bulletin.load(standing)
    assert world.bulletin.error is not None
    world.load()
    assert (world.bulletin.error, world.bulletin.seq) == (None, 11)


def test_a_log_that_begins_anew_is_noticed() -> None:
    """Somebody removed the file, and the journal made another: its lines are none that were there before."""
    world = loaded()
    world.record(*(event() for _ in range(5)))
    other = InlineJournal()
    chain = Chain(other.connection)
    chain.append("event", 0.0, {"name": "first"})
    world.bulletin.take(chain.entries)
    assert world.bulletin.wants_load.is_set()
    world.bulletin.load(reading.standing(other.connection))
    assert world.bulletin.seq == chain.entries[0].seq
    other.connection.close()


async def test_who_stands_at_a_line_that_was_lost_begins_anew(autojump_clock: trio.testing.MockClock) -> None:
    """Its number was given to another line since: what followed it is not what the client missed."""
    world = loaded()
    world.record(event(), event(), event(), event())
    connection = world.journal.connection
    connection.execute("DELETE FROM log WHERE seq > 2")
    connection.execute("UPDATE head SET seq = 2, hash = (SELECT hash FROM log WHERE seq = 2)")
    world.record(event())
    assert world.bulletin.error is not None
    world.load()
    world.record(event(), event(), event(), event())
    assert world.bulletin.seq == 7
    can = [await Client(world).reader.can_go_on(["events"], seq) for seq in range(1, 8)]
    assert can == [True, True, False, False, False, True, True]


def test_a_line_that_nobody_understands_holds_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    """It is counted and logged, and those after it go out."""
    world = loaded()
    caplog.set_level(logging.CRITICAL)
    bad = [
        Entry(2, 0, "intent", "demo", None, None, None, "{}"),
        Entry(3, 0, "outcome", "demo", None, None, "a", '{"magic":1,"symbol":"A","order":{},"state":"eaten"}'),
        Entry(4, 0, "event", "demo", None, None, None, "["),
        Entry(5, 0, "setting", None, None, None, None, '{"key":"multiplier:a","value":{"value":"much"}}'),
        Entry(6, 0, "event", "demo", None, None, None, '{"name":"good"}'),
    ]
    world.bulletin.take(bad)
    assert world.bulletin.status()["faults"] == 4
    assert texts([world.bulletin.lines(1, ALL, 10**6).joined]) == [("event", 6)]


def test_listeners_are_told_of_each_change() -> None:
    """Until they are forgotten; also of a load, after which everything may be another."""
    world = World()
    heard: list[int] = []
    listener = functools.partial(heard.append, 1)
    world.bulletin.listen(listener)
    world.record(event())
    assert heard == [], "nothing is known of it yet"
    world.load()
    assert heard
    heard.clear()
    world.record(event())
    assert heard
    world.bulletin.forget(listener)
    world.bulletin.forget(listener)
    heard.clear()
    world.record(event())
    assert heard == []


# --- property --------------------------------------------------------------------------------------------------------

# Each as often as it stands here.
KINDS = (
    *("record",) * 30,
    *("write", "write", "tell", "lose", "late", "read", "load", "load"),
    *("subscribe", "subscribe", "subscribe", "unsubscribe", "away", "away", "back", "back", "back", "back"),
    *("stand", "stand", "go on", "go on", "prune", "restart", "wait", "wait"),
)
CHANNEL_SETS = (("orders",), ("risk",), ("events",), ("orders", "risk"), ("events", "orders", "risk"))
STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 2), st.sampled_from(CHANNEL_SETS), st.booleans()),
    min_size=60,
    max_size=200,
)
WRITTEN = st.lists(RECORDS, min_size=10, max_size=30)


@attrs.define(eq=False)
class Play:
    """What a drawn list of steps does."""

    world: World
    nursery: trio.Nursery
    records: Iterator[Record]
    clients: list[Client | None] = attrs.field(factory=lambda: [None] * 3)
    scopes: list[trio.CancelScope] = attrs.field(factory=lambda: [trio.CancelScope() for _ in range(3)])
    left: dict[int, tuple[Client, tuple[str, ...]]] = attrs.field(factory=dict)
    """Clients that went away, with what they had."""
    late: list[Entry] = attrs.field(factory=list)
    standing: Any = None
    patient: bool = False
    """Everybody takes what there is before the next step."""
    stood: set[Client] = attrs.field(factory=set)
    pruned: bool = False

    def connect(self, who: int) -> Client:
        client = self.clients[who]
        if client is None or client.given_up is not None:
            self.part(who)
            client = self.clients[who] = Client(self.world)
            self.scopes[who] = trio.CancelScope()
            self.nursery.start_soon(self._run, client, self.scopes[who])
        return client

    async def _run(self, client: Client, scope: trio.CancelScope) -> None:
        with scope:
            await client.reader.run()

    def part(self, who: int) -> None:
        client = self.clients[who]
        if client is not None:
            self.scopes[who].cancel()
            client.reader.close()
            self.left.pop(who, None)
            if client.at is not None and client._wanted:
                self.left[who] = client, tuple(client._wanted)
            self.clients[who] = None

    async def back(self, who: int) -> None:
        """Come back and say what it has: what it knew to hold goes on, or begins anew."""
        self.part(who)
        if who not in self.left:
            return
        before, channels = self.left.pop(who)
        client = self.connect(who)
        client.folded = Folded(dict(before.folded.held))
        if not await client.subscribe(*channels, after=before.at, resume=True):
            self.left[who] = before, channels

    async def step(self, kind: str, who: int, channels: tuple[str, ...], either: bool) -> None:
        world, client = self.world, self.clients[who]
        match kind:
            case "write":
                world.write(next(self.records))
            case "record":
                world.record(next(self.records))
            case "tell":
                world.tell(1)
            case "lose":
                world.untold.clear()
            case "late":
                self.late += world.untold
                world.untold.clear()
            case "read":
                self.standing = reading.standing(world.journal.connection)
            case "load" if self.late and either:
                world.bulletin.take(self.late)
                self.late = []
            case "load" if world.bulletin.wants_load.is_set():
                if either and self.standing is not None:
                    world.bulletin.load(self.standing)
                else:
                    world.load()
            case "subscribe":
                await self.connect(who).subscribe(*channels)
            case "unsubscribe" if client is not None:
                client.unsubscribe(*channels)
            case "away":
                self.part(who)
            case "back":
                await self.back(who)
            case "stand" if client is not None:
                client.stand_still()
                self.stood.add(client)
            case "go on" if client is not None:
                client.go_on()
            case "prune":
                self.pruned = True
                last = world.last - (20 if either else 3)
                world.journal.connection.execute("DELETE FROM log WHERE seq <= ?", (last,))
            case "restart":
                for each in range(3):
                    self.part(each)
                self.late.clear()
                self.standing = None
                world.restart()
                world.load()
            case "wait":
                await trio.sleep(0.05 if either else 0.01)
        if self.patient:
            await trio.sleep(0.05)
            for client in self.clients:
                if client is not None and client.given_up is not None:
                    assert client in self.stood or self.pruned, "who keeps up is not given up"

    async def end(self) -> None:
        """Whatever happened: once lines follow each other again, everybody has everything."""
        world = self.world
        world.tell()
        world.record(event())
        while world.bulletin.error is not None:
            world.load()
        for client in self.clients:
            if client is not None:
                client.go_on()
        await trio.sleep(5)
        for client in self.clients:
            if client is not None and client.given_up is None:
                assert client.has_all()


@settings(max_examples=examples(200, 100))
@given(STEPS, WRITTEN, st.booleans())
def test_nothing_is_lost_or_told_twice(steps: list[Any], written: list[Record], patient: bool) -> None:
    """What a client adds up is the truth after each line, whoever comes, goes, stands still or comes back, whatever is
    told late or never, pruned or loaded in between."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            play = Play(World(6), nursery, itertools.cycle(written), patient=patient)
            play.world.load()
            for step in steps:
                await play.step(*step)
            await play.end()
            nursery.cancel_scope.cancel()
            play.world.journal.connection.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(channel_reader, "PAGE", 3)
        patch.setattr(channel_reader, "CHUNK_BYTES", 900)
        patch.setattr(channel_reader, "MOST_REPLAYED", 25)
        patch.setattr(bulletin_module, "COMPACT_AT", 3)
        patch.setattr(bulletin_module, "MOST_WAITING", 4)
        logging.disable(logging.ERROR)
        try:
            trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
        finally:
            logging.disable(logging.NOTSET)
