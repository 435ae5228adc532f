"""Private channels and resume over real sockets: who may, what ends, those who are slow and those who were away."""

from __future__ import annotations

import contextlib
import json
import logging
from typing import Any

import pytest
import trio
from channel_records import event, intent, multiplier, sample, settled, state
from channel_world import World
from command_path import InlineJournal
from protocol.ws.ws_gateway import Client, WsGateway, open_gateway
from session_desk import Desk, masked, open_desk, raw_client, until

from actors import channel_reader
from actors.messages import Subscribe, Unsubscribe
from quantmind.records import Event
from quantmind.wire.ws_messages import Resume

TOKEN = {"Authorization": "Bearer good-token"}
T = 1_795_424_400_000


async def subscribe(client: Client, *channels: str, **more: Any) -> Any:
    return await client.ask({"type": "subscribe", "channels": channels, **more})


async def seqs(client: Client, count: int) -> list[int]:
    return [(await client.receive())["journal_seq"] for _ in range(count)]


# --- who may ---------------------------------------------------------------------------------------------------------


async def test_a_token_opens_channels_and_another_closes_them() -> None:
    """Auth at any time; who goes on as somebody without the scope has none of them any more."""
    async with open_gateway() as gateway, gateway.connect() as client:
        assert (await subscribe(client, "risk"))["code"] == "unauthorized"
        await client.ask({"type": "auth", "token": "good-token"})
        assert (await subscribe(client, "risk", id="1"))["id"] == "1"
        await gateway.record(state())
        assert (await client.receive())["data"]["state"] == "reduce_only"
        await client.ask({"type": "auth", "token": "all-token"})
        assert gateway.clients.all()[0].channels == ("risk",)
        await client.ask({"type": "auth", "token": "ea-token"})
        assert await client.receive() == {
            "type": "unsubscribed",
            "symbols": [],
            "total_subscribed": 0,
            "channels": ["risk"],
        }
        await gateway.record(state("halted"))
        assert (await subscribe(client, "risk"))["code"] == "forbidden"
        assert gateway.clients.all()[0].channels == ()


async def test_admin_has_every_scope() -> None:
    """Also that to read."""
    async with open_gateway() as gateway, gateway.connect({"Authorization": "Bearer all-token"}) as client:
        assert (await subscribe(client, "orders", "account"))["channels"] == ["orders", "account"]
        (info,) = gateway.clients.all()
        assert info.channels == ("account", "orders")


# --- what goes out ---------------------------------------------------------------------------------------------------


async def test_two_clients_hear_the_same() -> None:
    """Each of the channels that it has, in order."""
    async with open_gateway() as gateway, gateway.connect(TOKEN) as one, gateway.connect(TOKEN) as two:
        await subscribe(one, "orders", "risk")
        await subscribe(two, "events", "risk")
        await gateway.record(intent(), event(), state(), settled())
        assert await seqs(one, 3) == [2, 4, 5]
        assert await seqs(two, 2) == [3, 4]


async def test_a_heartbeat_says_where_the_client_stands() -> None:
    """So that one who hears of nothing for long can still go on there."""
    async with open_gateway(heartbeat_interval_s=0.2) as gateway, gateway.connect(TOKEN) as client:
        await subscribe(client, "risk")
        await gateway.record(*(event() for _ in range(5)))
        with trio.fail_after(10):
            while (await client.receive()).get("journal_seq") != 6:
                pass
        await client.ask({"type": "unsubscribe"})
        beat = await client.receive()
        assert beat["type"] == "heartbeat"
        assert "journal_seq" not in beat


async def test_ticks_and_channels_do_not_mind_each_other() -> None:
    """One ends and the other goes on."""
    async with open_gateway() as gateway, gateway.connect(TOKEN) as client:
        answer = await subscribe(client, "events", symbols=["EURUSD"])
        assert (answer["total_subscribed"], answer["channels"]) == (1, ["events"])
        gateway.publish(("EURUSD", 1.1, 1.2, T))
        assert (await client.receive())["type"] == "tick"
        answer = await client.ask({"type": "unsubscribe", "symbols": ["EURUSD"]})
        assert "channels" not in answer
        gateway.publish(("EURUSD", 1.3, 1.4, T))
        await gateway.record(event())
        assert (await client.receive())["type"] == "event"
        answer = await client.ask({"type": "unsubscribe", "symbols": ["GBPUSD"], "channels": ["events", "risk"]})
        assert (answer["symbols"], answer["channels"]) == (["GBPUSD"], ["events", "risk"])
        await gateway.record(event())
        assert (await client.ask({"type": "ping"}))["type"] == "pong"


async def test_accounts_go_out_from_the_pollers_board() -> None:
    """As REST shows them."""
    async with open_gateway() as gateway, gateway.connect(TOKEN) as client:
        await subscribe(client, "account")
        gateway.channels.accounts.put(sample("123.45"))
        message = await client.receive()
        assert (message["type"], message["broker"], message["data"]["balance"]) == ("account", "demo", 123.45)


# --- hubs and journals that end --------------------------------------------------------------------------------------


async def test_a_new_hub_does_not_touch_channels() -> None:
    """The ticks begin anew, the channels go on."""
    async with open_gateway() as gateway, gateway.connect(TOKEN) as client:
        await subscribe(client, "events", symbols=["EURUSD"])
        assert gateway.tree.fail("hub", RuntimeError("a bug in the hub"))
        again = await client.receive()
        assert again["symbols"] == ["EURUSD"]
        assert "channels" not in again
        await gateway.record(event())
        assert (await client.receive())["journal_seq"] == 2


async def test_a_keeper_that_crashes_changes_nothing() -> None:
    """What holds is kept elsewhere."""
    async with open_gateway() as gateway, gateway.connect(TOKEN) as client:
        await subscribe(client, "events")
        assert gateway.tree.fail("bulletin", RuntimeError("a bug"))
        await gateway.record(event())
        assert (await client.receive())["journal_seq"] == 2
        assert gateway.bulletin.status()["loads"] == 1


async def test_a_gap_is_repaired_and_told(caplog: pytest.LogCaptureFixture) -> None:
    """By the keeper, without anybody asking."""
    caplog.set_level(logging.ERROR)
    async with open_gateway() as gateway, gateway.connect(TOKEN) as client:
        await subscribe(client, "risk", symbols=["EURUSD"], id="1")
        gateway.journal.on_commit = None
        await gateway.record(state())
        gateway.journal.on_commit = gateway.bulletin.take
        await gateway.record(multiplier())
        again = await client.receive()
        assert "id" not in again
        assert (again["channels"], again["recovered"], again["snapshots"]) == (["risk"], False, {"risk": 2})
        assert (again["symbols"], again["total_subscribed"]) == ([], 1)
        assert [(await client.receive())["snapshot"] for _ in range(2)] == [True, True]
        await gateway.record(event(), state("halted"))
        assert (await client.receive())["journal_seq"] == 5


async def test_a_journal_that_is_down_breaks_no_session(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Channels can't be had and ticks can; it recovers by itself, and who asks again has them."""
    caplog.set_level(logging.ERROR)
    monkeypatch.setattr(channel_reader, "LOAD_WITHIN_S", 0.05)
    journal = InlineJournal(fails="the disk is full")
    async with open_gateway(journal=journal) as gateway, gateway.connect(TOKEN) as client:
        refused = await subscribe(client, "risk", symbols=["EURUSD"], id="1")
        assert (refused["type"], refused["code"], refused["id"]) == ("error", "internal", "1")
        assert "the disk is full" in refused["message"]
        assert gateway.clients.all()[0].subscriptions == 0
        assert (await client.subscribe("EURUSD"))["symbols"] == ["EURUSD"]
        journal.fails = None
        await until(lambda: gateway.bulletin.error is None)
        assert (await subscribe(client, "risk"))["channels"] == ["risk"]
        journal.fails = "the disk is full again"
        assert (await subscribe(client, "orders"))["channels"] == ["orders"], "what is known is still so"


# --- one message, two parts ------------------------------------------------------------------------------------------


def loaded() -> World:
    world = World()
    world.record(state(), event())
    world.load()
    return world


async def test_symbols_and_channels_have_one_answer(caplog: pytest.LogCaptureFixture) -> None:
    """It waits for the hub; meanwhile another message about channels is refused, and ticks are not."""
    world = loaded()
    async with open_desk(world.channels, TOKEN) as desk:
        client = desk.client
        await client.send({"type": "subscribe", "symbols": ["EURUSD"], "channels": ["risk"], "id": "a"})
        asked = await desk.next()
        for message in (
            {"type": "subscribe", "channels": ["events"], "id": "b"},
            {"type": "unsubscribe", "channels": ["risk"], "id": "b"},
        ):
            refused = await client.ask(message)
            assert (refused["code"], refused["id"]) == ("internal", "b")
        await client.send({"type": "subscribe", "symbols": ["GBPUSD"], "id": "c"})
        other = await desk.next()
        world.record(multiplier())
        desk.welcome(asked)
        desk.welcome(other)
        answer = await client.receive()
        assert (answer["id"], answer["symbols"], answer["snapshots"]) == ("a", ["EURUSD"], {"risk": 2})
        assert [(await client.receive())["journal_seq"] for _ in range(2)] == [4, 4]
        assert (await client.receive())["id"] == "c"
        world.record(state("halted"))
        assert (await client.receive())["journal_seq"] == 5


async def test_everything_ends_with_one_answer() -> None:
    """It comes when the hub has answered; the channels end at once, and those that begin meanwhile stay."""
    world = loaded()
    async with open_desk(world.channels, TOKEN) as desk:
        await subscribe(desk.client, "events")
        await desk.client.send({"type": "unsubscribe", "id": "u"})
        asked = await desk.next()
        assert isinstance(asked, Unsubscribe)
        world.record(event())
        await subscribe(desk.client, "risk")
        assert (await desk.client.receive())["snapshot"] is True
        await desk.client.send({"type": "unsubscribe", "id": "v"})
        again = await desk.next()
        for each in (asked, again):
            each.sink.push_goodbye(each.request_id, ("EURUSD",), 0)
        answer = await desk.client.receive()
        assert (answer["id"], answer["symbols"], answer["channels"]) == ("u", ["EURUSD"], ["events"])
        answer = await desk.client.receive()
        assert (answer["id"], answer["channels"]) == ("v", ["risk"])
        world.record(event(), state())
        assert (await desk.client.ask({"type": "ping"}))["type"] == "pong"


@pytest.mark.parametrize("ticks", [True, False])
@pytest.mark.parametrize("lines", [True, False])
async def test_it_recovers_all_of_it_or_nothing(ticks: bool, lines: bool) -> None:
    """What the hub or the bulletin can't give makes snapshots of both."""
    world = loaded()
    resume = {"epoch": "e1", "seq": {"EURUSD": 5}, "journal_seq": 2 if lines else 9}
    async with open_desk(world.channels, TOKEN) as desk:
        await desk.client.send(
            {"type": "subscribe", "symbols": ["EURUSD"], "channels": ["risk", "events"], "resume": resume}
        )
        asked = await desk.next()
        assert isinstance(asked, Subscribe)
        assert asked.resume == (Resume("e1", {"EURUSD": 5}, 2) if lines else Resume())
        desk.welcome(asked, recovered=ticks and lines)
        answer = await desk.client.receive()
        recovered = ticks and lines
        assert answer["recovered"] is recovered
        assert answer["snapshots"] == ({} if recovered else {"risk": 1, "events": 0})
        message = await desk.client.receive()
        assert message.get("snapshot") == (None if recovered else True)
        assert (message["type"], message["journal_seq"]) == (("event", 3) if recovered else ("risk", 3))


async def test_a_resume_that_a_hub_left_unanswered_begins_anew() -> None:
    """The next hub is another epoch, and the answer says so; the channels come with it."""
    world = loaded()
    async with open_desk(world.channels, TOKEN) as desk:
        resume = {"epoch": "e1", "seq": {"EURUSD": 5}, "journal_seq": 2}
        await desk.client.send(
            {"type": "subscribe", "symbols": ["EURUSD"], "channels": ["events"], "resume": resume, "id": "r"}
        )
        await desk.next()
        await desk.restart_hub("e2")
        desk.welcome(await desk.next(), epoch="e2")
        assert "channels" not in await desk.client.receive()
        again = await desk.next()
        assert again.resume.epoch == "e1"
        desk.welcome(again, epoch="e2", recovered=False)
        answer = await desk.client.receive()
        assert (answer["id"], answer["recovered"], answer["snapshots"]) == ("r", False, {"events": 0})


# --- those who were away, and those who are slow ---------------------------------------------------------------------


async def test_a_client_that_was_away_goes_on() -> None:
    """Another connection, and exactly what happened in between: ticks and lines."""
    async with open_gateway() as gateway, gateway.connect() as witness:
        await witness.subscribe("EURUSD", "GBPUSD")
        async with gateway.connect(TOKEN) as client:
            answer = await subscribe(client, "events", "risk", symbols=["EURUSD", "GBPUSD"])
            gateway.publish(("EURUSD", 1.1, 1.2, T))
            await gateway.record(event(), state())
            got = [await client.receive() for _ in range(3)]
            assert {message["type"] for message in got} == {"tick", "event", "risk"}
        gateway.publish(("EURUSD", 1.2, 1.3, T), ("GBPUSD", 1.2, 1.3, T), ("EURUSD", 1.3, 1.4, T))
        await gateway.record(event(), intent(), state("halted"))
        missed = [await witness.receive() for _ in range(4)][1:]
        async with gateway.connect(TOKEN) as client:
            resume = {"epoch": answer["epoch"], "seq": {"EURUSD": 1, "GBPUSD": 0}, "journal_seq": 3}
            again = await subscribe(client, "events", "risk", symbols=["EURUSD", "GBPUSD"], resume=resume)
            assert (again["recovered"], again["journal_seq"], again["snapshots"]) == (True, 3, {})
            assert [await client.receive() for _ in range(3)] == missed
            assert await seqs(client, 2) == [4, 6]
            gateway.publish(("EURUSD", 1.4, 1.5, T))
            assert (await client.receive())["data"]["seq"] == 4


async def flood(gateway: WsGateway, until_closed: int, received: list[int]) -> int:
    """Record long lines, as fast as one client receives them, until another is closed; how many."""
    count = 0
    with trio.fail_after(60):
        while until_closed not in gateway.statistics.closed:
            await gateway.record(*(Event("noise", "demo", {"text": "x" * 900}, 1.0 + count) for _ in range(100)))
            count += 100
            await until(lambda count=count: len(received) == count)
    return count


@pytest.mark.parametrize("bound", ["lines", "time"])
async def test_a_client_that_is_too_slow_is_closed_and_slows_nobody(
    bound: str, caplog: pytest.LogCaptureFixture
) -> None:
    """By 4008 when memory has no more of what it lacks, or when it takes nothing for too long; another has it all."""
    caplog.set_level(logging.ERROR)
    patience_s = 0.5 if bound == "time" else 60
    async with open_gateway(slow_client_timeout_s=patience_s, heartbeat_interval_s=60) as gateway:
        gateway.bulletin.most_lines = 10**6 if bound == "time" else 500
        received: list[int] = []

        async def listen(client: Client) -> None:
            with contextlib.suppress(trio.Cancelled):
                while True:
                    received.append((await client.receive())["journal_seq"])

        async def trickle(stream: trio.SocketStream) -> None:
            with contextlib.suppress(trio.BrokenResourceError):
                while await stream.receive_some(20_000):
                    await trio.sleep(0.02)

        async with raw_client(gateway, b"Authorization: Bearer good-token\r\n", SO_RCVBUF=4096) as slow:
            await slow.send_all(masked(json.dumps({"type": "subscribe", "channels": ["events"]}).encode()))
            await until(lambda: gateway.channels.status()["subscribers"]["events"] == 1)  # type: ignore[index]
            async with gateway.connect(TOKEN) as healthy, trio.open_nursery() as nursery:
                await subscribe(healthy, "events")
                nursery.start_soon(listen, healthy)
                if bound == "lines":
                    nursery.start_soon(trickle, slow)
                count = await flood(gateway, 4008, received)
                nursery.cancel_scope.cancel()
        assert received == list(range(2, count + 2))
        assert gateway.channels.statistics.too_slow == (1 if bound == "lines" else 0)
        await until(lambda: not gateway.channels.readers)


async def test_a_client_that_is_slow_for_a_while_loses_nothing() -> None:
    """What waits for it is bounded by pieces, and it gets every line in the end."""
    async with (
        open_gateway(slow_client_timeout_s=60, heartbeat_interval_s=60) as gateway,
        gateway.connect(TOKEN) as client,
    ):
        await subscribe(client, "events")
        for _ in range(50):
            await gateway.record(*(Event("noise", "demo", {"text": "x" * 900}, 1.0) for _ in range(100)))
            await trio.sleep(0.001)
            (info,) = gateway.clients.all()
            assert info.queued_bytes < 4 * channel_reader.CHUNK_BYTES
        assert await seqs(client, 5000) == list(range(2, 5002))


async def test_snapshots_are_taken_before_others_are_made() -> None:
    """A client that asks and does not read is not given one after the other."""
    async with open_gateway(slow_client_timeout_s=60, heartbeat_interval_s=60, rate_limit_per_s=10_000) as gateway:
        await gateway.record(*(multiplier(ea_name=f"{number:064}") for number in range(5000)))
        async with raw_client(gateway, b"Authorization: Bearer good-token\r\n", SO_RCVBUF=4096) as stuck:
            wish = masked(json.dumps({"type": "subscribe", "channels": ["risk"]}).encode())
            await stuck.send_all(wish * 100)
            await until(lambda: gateway.channels.statistics.snapshots >= 1)
            await trio.sleep(0.3)
            assert gateway.channels.statistics.snapshots == 1
            (info,) = gateway.clients.all()
            assert info.queued_bytes < 3_000_000


async def test_what_a_desk_that_closes_leaves(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing listens any more when the session is over."""
    world = loaded()
    desks: list[Desk] = []
    async with open_desk(world.channels, TOKEN) as desk:
        desks.append(desk)
        await subscribe(desk.client, "events", "account")
        assert len(world.channels.readers) == 1
    assert not world.channels.readers
    assert not world.bulletin._listeners
    assert not world.channels.accounts._listeners
