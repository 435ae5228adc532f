"""Readers of channels: pace, accounts, clients who were away, who are slow, and what is told when it can't go on."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from channel_records import event, intent, multiplier, sample, settled, state
from channel_world import Client, World
from trio.testing import MockClock

from actors import channel_reader
from actors.channel_reader import PACE_S, READERS
from quantmind.ports import LogQuery

INTERVAL_S = 0.5


@contextlib.asynccontextmanager
async def running(*clients: Client) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        for client in clients:
            nursery.start_soon(client.reader.run)
        yield
        nursery.cancel_scope.cancel()
    for client in clients:
        client.reader.close()


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


def loaded(most_lines: int = 20_000) -> World:
    world = World(most_lines)
    world.load()
    return world


def told(client: Client) -> list[tuple[str, int]]:
    """Updates, without the answers and snapshots."""
    return [
        (message["type"], message["journal_seq"])
        for message in client.messages
        if message["type"] != "subscribed" and not message.get("snapshot")
    ]


# --- following -------------------------------------------------------------------------------------------------------


async def test_a_line_goes_out_at_once_and_those_behind_it_together(autojump_clock: MockClock) -> None:
    """Under load a client is written to every 20 ms and not for each line."""
    world = loaded()
    client = Client(world)
    async with running(client):
        await client.subscribe("events")
        await trio.sleep(1)
        before, started = len(client.messages), trio.current_time()
        world.record(event())
        await settle()
        assert (len(client.messages), trio.current_time()) == (before + 1, started)
        for _ in range(10):
            world.record(event())
        await settle()
        assert len(client.messages) == before + 1
        await trio.sleep(PACE_S)
        await settle()
        assert len(client.messages) == before + 11
    assert client.has_all()


async def test_lines_of_other_channels_are_passed_over(autojump_clock: MockClock) -> None:
    """They move the place where the client stands, and nothing is written."""
    world = loaded()
    client = Client(world)
    async with running(client):
        await client.subscribe("risk")
        world.record(intent(), event(), settled())
        await trio.sleep(1)
        assert told(client) == []
        assert client.reader.at == client.reader.journal_seq == 4


async def test_an_account_is_told_at_most_once_an_interval(autojump_clock: MockClock) -> None:
    """At once when it is news; then the newest of what came meanwhile; and never what says the same."""
    world = loaded()
    accounts = world.channels.accounts
    client = Client(world)

    def balances() -> list[float]:
        return [float(m["data"]["balance"]) for m in client.messages if m["type"] == "account"]

    async with running(client):
        accounts.put(sample("1.00", taken_at=trio.current_time()))
        await client.subscribe("account")
        assert client.messages[-1]["snapshot"] is True
        assert balances() == [1]
        for balance in ("2.00", "3.00", "4.00"):
            await trio.sleep(0.1)
            accounts.put(sample(balance))
        assert balances() == [1]
        await trio.sleep(INTERVAL_S - 0.3 + 0.001)
        await settle()
        assert balances() == [1, 4]
        for _ in range(5):
            await trio.sleep(0.3)
            accounts.put(sample("4.00", taken_at=trio.current_time()))
        assert balances() == [1, 4]
        accounts.put(sample("5.00"))
        accounts.put(sample("7.00", broker="live"))
        await settle()
        assert balances() == [1, 4, 5, 7]


async def test_an_account_never_names_a_line_that_did_not_go_out(autojump_clock: MockClock) -> None:
    """Its `journal_seq` is where the client stands, so that it may go on there."""
    world = loaded()
    client = Client(world)
    async with running(client):
        await client.subscribe("account", "events")
        await trio.sleep(1)
        client.stand_still()
        world.record(event())
        await settle()
        world.record(event(), event())
        world.channels.accounts.put(sample("2.00"))
        await settle()
        assert client.messages[-1]["type"] == "event"
        client.go_on()
        await trio.sleep(1)
    assert [(m["type"], m["journal_seq"]) for m in client.messages[-4:]] == [
        ("event", 2),
        ("event", 3),
        ("event", 4),
        ("account", 4),
    ]
    account = client.messages[-1]
    assert account["time"].endswith("Z")
    assert account["data"]["age_ms"] >= 0


async def test_another_channel_begins_where_the_others_stand(autojump_clock: MockClock) -> None:
    """What is due to those goes out first: there is one line that stands for all."""
    world = loaded()
    client = Client(world)
    async with running(client):
        await client.subscribe("events")
        world.record(event(), state(), event())
        await client.subscribe("risk")
        assert [m["type"] for m in client.messages] == ["subscribed", "event", "event", "subscribed", "risk"]
        assert client.at == 4
        await client.subscribe("events")
        assert client.messages[-1]["snapshots"] == {"events": 0}
        world.record(multiplier())
        await trio.sleep(1)
    assert client.has_all()


async def test_unsubscribed_is_quiet(autojump_clock: MockClock) -> None:
    """No line follows; who has no channel any more costs nothing."""
    world = loaded()
    client = Client(world)
    async with running(client):
        await client.subscribe("events", "risk")
        assert world.channels.status()["subscribers"] == {"account": 0, "orders": 0, "risk": 1, "events": 1}
        client.unsubscribe("events", "orders")
        world.record(event(), state())
        await trio.sleep(1)
        assert told(client) == [("risk", 3)]
        assert client.reader.unsubscribe(None) == ("risk",)
        assert not world.bulletin._listeners
        assert not world.channels.readers
        assert client.reader.journal_seq is None
        world.record(state("active"))
        await trio.sleep(1)
        assert told(client) == [("risk", 3)]
        client._wanted.clear()
        await client.subscribe("events")
        world.record(event())
        await trio.sleep(1)
    assert told(client) == [("risk", 3), ("event", 5)]


async def test_before_anything_is_known_there_is_nothing_to_have(autojump_clock: MockClock) -> None:
    """Whoever asks waits a little, and is told why not."""
    world = World()
    client = Client(world)
    started = trio.current_time()
    assert not await client.subscribe("risk")
    assert trio.current_time() - started == pytest.approx(channel_reader.LOAD_WITHIN_S)
    assert "not read" in str(await client.reader.why_not())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.subscribe, "risk")
        await trio.sleep(1)
        world.load()
    assert client.messages[-1]["journal_seq"] == 1


# --- coming back -----------------------------------------------------------------------------------------------------


async def test_who_was_away_gets_what_it_missed(autojump_clock: MockClock) -> None:
    """From memory: exactly the lines that followed, with no snapshot, and then what comes."""
    world = loaded()
    world.record(state(), event(), intent(), event())
    client = Client(world)
    client.folded.held.update(world.truth[2].of("state", "multiplier"))
    async with running(client):
        await client.subscribe("events", "risk", after=2, resume=True)
        world.record(event())
        await trio.sleep(1)
    assert client.recovered
    assert client.messages[0]["snapshots"] == {}
    assert told(client) == [("event", 3), ("event", 5), ("event", 6)]
    assert world.channels.statistics.resumed == 1
    assert not world.log.asked


@pytest.mark.parametrize("after", [1, 3, 7, 12])
async def test_who_was_away_for_longer_is_read_to_from_the_log(
    after: int, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pages; what is told while they are read follows them, once."""
    monkeypatch.setattr(channel_reader, "PAGE", 3)
    world = loaded()
    world.record(*(event() for _ in range(12)))
    world.restart()
    world.load()

    async def meanwhile(ask: LogQuery) -> None:
        world.record(event())
        await trio.sleep(0.1)
        world.record(event())

    world.log.before = meanwhile
    client = Client(world)
    async with running(client):
        await client.subscribe("events", after=after, resume=True)
        assert client.recovered
        await trio.sleep(10)
        world.log.before = None
        await trio.sleep(10)
    assert [seq for _, seq in told(client)] == list(range(after + 1, world.last + 1))
    assert world.channels.statistics.read_from_log >= 12 - after
    assert client.has_all()


async def test_lines_that_are_written_and_not_told_yet_come_once(autojump_clock: MockClock) -> None:
    """The log may have more than the bulletin knows: those wait until they are told."""
    world = loaded()
    world.record(event(), event())
    world.restart()
    world.load()
    world.write(event())
    client = Client(world)
    async with running(client):
        await client.subscribe("events", after=1, resume=True)
        await trio.sleep(1)
        assert [seq for _, seq in told(client)] == [2, 3]
        world.tell()
        await trio.sleep(1)
    assert [seq for _, seq in told(client)] == [2, 3, 4]


@pytest.mark.parametrize("trouble", ["pruned", "down", "hangs"])
async def test_what_can_not_be_read_to_the_end_ends_the_connection(
    trouble: str, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a line past the hole: it can go on where it is, or be told that it can't."""
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr(channel_reader, "PAGE", 3)
    world = loaded()
    world.record(*(event() for _ in range(12)))
    world.restart()
    world.load()

    async def hinder(ask: LogQuery) -> None:
        if ask.after > 3:
            if trouble == "pruned":
                world.journal.connection.execute("DELETE FROM log WHERE seq <= 8")
            elif trouble == "down":
                world.log.fails = "the disk is gone"
            else:
                await trio.sleep_forever()

    world.log.before = hinder
    client = Client(world)
    async with running(client):
        await client.subscribe("events", after=1, resume=True)
        await trio.sleep(60)
        world.record(event())
        await trio.sleep(1)
    assert client.given_up is not None
    assert client.given_up[0] == 1011
    assert [seq for _, seq in told(client)] == [2, 3, 4]
    assert world.channels.statistics.unreadable == 1


async def test_few_are_read_to_at_the_same_time(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crowd that comes back after a restart takes turns."""
    world = loaded()
    world.record(*(event() for _ in range(5)))
    world.restart()
    world.load()
    now, most = 0, 0

    async def slow(ask: LogQuery) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await trio.sleep(0.1)
        now -= 1

    world.log.before = slow
    clients = [Client(world) for _ in range(3 * READERS)]
    async with running(*clients):
        for client in clients:
            await client.subscribe("events", after=1, resume=True)
        await trio.sleep(5)
    assert most == READERS
    assert all(client.has_all() for client in clients)


async def test_who_can_not_go_on_begins_with_what_holds(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A line that there is not, one that was pruned, one too long ago, a log that can't be read, or none at all."""
    caplog.set_level(logging.CRITICAL)
    world = loaded()
    world.record(*(event() for _ in range(12)))
    world.restart()
    world.load()

    async def can(after: int | None, *channels: str) -> bool:
        client = Client(world)
        return await client.reader.can_go_on(channels or ("events",), after)

    assert not await can(14)
    assert not await can(None)
    assert await can(13)
    assert await can(0)
    assert await can(None, "account"), "an account is told by its snapshot anyway"
    monkeypatch.setattr(channel_reader, "MOST_REPLAYED", 5)
    assert not await can(7)
    assert await can(8)
    world.journal.connection.execute("DELETE FROM log WHERE seq <= 9")
    assert not await can(8)
    assert await can(9)
    world.log.fails = "the disk is gone"
    assert not await can(10)
    world.channels.log = None
    assert not await can(10)
    assert await can(13)
    world.write(event())
    world.untold.clear()
    world.record(event())
    assert not await can(13), "there is a gap, and nobody knows what is in it"
    assert world.channels.statistics.not_resumed == 7


async def test_a_connection_goes_on_once(autojump_clock: MockClock) -> None:
    """Afterwards the client stands somewhere already."""
    world = loaded()
    world.record(event(), event())
    client = Client(world)
    async with running(client):
        await client.subscribe("events", after=2, resume=True)
        assert client.recovered
        await trio.sleep(1)
        await client.subscribe("events", after=2, resume=True)
        assert client.recovered is False
        client.unsubscribe("events")
        await client.subscribe("risk", after=3, resume=True)
        assert client.recovered is False


# --- those who are slow, and gaps ------------------------------------------------------------------------------------


async def test_who_is_further_behind_than_memory_is_closed(autojump_clock: MockClock) -> None:
    """With 4008, and it can go on; nobody else notices."""
    world = loaded(most_lines=5)
    slow, other = Client(world), Client(world)
    async with running(slow, other):
        await slow.subscribe("events")
        await other.subscribe("events")
        await trio.sleep(1)
        slow.stand_still()
        for _ in range(10):
            world.record(event())
            await trio.sleep(0.1)
        slow.go_on()
        await trio.sleep(1)
        assert slow.given_up is not None
        assert slow.given_up[0] == 4008
        assert other.has_all()
        assert other.given_up is None
        assert world.channels.statistics.too_slow == 1
        again = Client(world)
        again.folded = slow.folded
        async with running(again):
            await again.subscribe("events", after=slow.at, resume=True)
            assert again.recovered
            await trio.sleep(1)
        assert again.has_all()


async def test_nothing_goes_out_past_the_end(autojump_clock: MockClock) -> None:
    """A client that is given up gets no snapshot of another channel any more: it would hide the hole."""
    world = loaded(most_lines=2)
    client = Client(world)
    await client.subscribe("events")
    world.record(*(event() for _ in range(5)))
    before = len(client.messages)
    await client.subscribe("risk")
    assert client.given_up is not None
    assert client.given_up[0] == 4008
    await client.subscribe("risk")
    assert len(client.messages) == before


async def test_a_gap_is_told_by_a_fresh_snapshot(autojump_clock: MockClock) -> None:
    """Marked as what it is; the lines that follow it follow the snapshot."""
    world = loaded()
    client = Client(world)
    async with running(client):
        await client.subscribe("risk", "account", "events")
        world.record(state())
        await trio.sleep(1)
        world.write(multiplier())
        world.untold.clear()
        world.record(event())
        await trio.sleep(1)
        assert told(client) == [("risk", 2)], "nothing is told past the gap"
        world.load()
        await trio.sleep(1)
        world.record(event())
        await trio.sleep(1)
    assert client.anew == 1
    answer = next(m for m in client.messages[1:] if m["type"] == "subscribed")
    assert (answer["channels"], answer["recovered"], answer["journal_seq"]) == (["risk", "events"], False, 4)
    assert told(client) == [("risk", 2), ("event", 5)]
    assert client.has_all()


@pytest.mark.parametrize("gap", [True, False])
async def test_a_channel_more_after_a_gap_or_while_the_log_is_read(
    gap: bool, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All channels begin anew, so that there is one line that stands for all."""
    monkeypatch.setattr(channel_reader, "PAGE", 3)
    world = loaded()
    world.record(state(), *(event() for _ in range(12)))
    world.restart()
    world.load()
    client = Client(world)
    await client.subscribe("events", after=2, resume=True)
    if gap:
        world.write(event())
        world.untold.clear()
        world.record(event())
        world.load()
    async with running(client):
        if not gap:
            client.stand_still()
            await settle()
        await client.subscribe("risk")
        client.go_on()
        world.record(event())
        await trio.sleep(1)
    assert client.anew == 1
    assert [m["channels"] for m in client.messages if m["type"] == "subscribed"] == [["events"], ["events"], ["risk"]]
    assert client.has_all()


async def test_what_can_be_seen(autojump_clock: MockClock) -> None:
    """How far it is, how far it reaches back, and who has which channel."""
    world = loaded()
    client = Client(world)
    await client.subscribe("events")
    world.record(event())
    status: dict[str, Any] = dict(world.channels.status())
    assert (status["journal_seq"], status["reaches_back_to"], status["lines"], status["error"]) == (2, 1, 1, None)
    assert status["subscribers"]["events"] == 1
    assert (status["snapshots"], status["loads"], status["gaps"]) == (1, 1, 0)
    client.reader.close()
    client.reader.close()
