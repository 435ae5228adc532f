"""Lines that are kept up: over real sockets, against a server that does what it is told."""

from __future__ import annotations

import random
from functools import partial

import pytest
import trio
import trio.testing
from stream_server import open_stream_server

from quantmind.adapters.binance.errors import NotSent, OutcomeUnknown
from quantmind.adapters.binance.live import MOST_PINGS, PINGS_WINDOW_S, Attempts, Turns
from quantmind.adapters.binance.stream import (
    AGAIN_S,
    BANNED_S,
    LIFE_S,
    OPENS_WITHIN_S,
    OVERLAPS_S,
    PING_EVERY_S,
    PONG_WITHIN_S,
    SETTLES_S,
    SPREAD_S,
    Shutdown,
    StreamLine,
)


class Heard:
    """What a line's owner is told."""

    def __init__(self):
        self.texts: list[str] = []
        self.by: list[int] = []
        self.events: list[str] = []
        self.ended: list[str] = []

    def listen(self, body, live):
        text = body.decode()
        if text == "shutdown":
            return Shutdown
        self.texts.append(text)
        self.by.append(live.number)
        return text.partition(":")[0] if ":" in text else None

    def opened(self):
        self.events.append("open")

    def lost(self, why):
        self.events.append(f"lost: {why}")


def line_of(server, heard, **settings):
    async def address():
        return f"{server.url}/ws/a-secret-key"

    return StreamLine(
        "account",
        settings.pop("address", address),
        heard.listen,
        settings.pop("attempts", Attempts()),
        on_open=heard.opened,
        on_lost=heard.lost,
        on_end=lambda live: heard.ended.append(live.why),
        rng=random.Random(7),
        **settings,
    )


async def settled():
    await trio.testing.wait_all_tasks_blocked()


@pytest.fixture
async def served(autojump_clock, nursery):
    """A server, what is heard, and a line that is not run yet."""
    async with open_stream_server() as server:
        heard = Heard()
        yield server, heard, partial(line_of, server, heard)
        nursery.cancel_scope.cancel()


async def test_messages_are_heard_in_order(autojump_clock, served, nursery):
    """Each at once, with the number of its connection."""
    server, heard, make = served
    line = make()
    assert line.lost == "it is being connected"
    nursery.start_soon(line.run)
    await line.opened()
    await (await server.caller(0)).say("1", "2", "3")
    await line.prove()
    assert heard.texts == ["1", "2", "3"]
    assert set(heard.by) == {1}
    assert heard.events == ["open"]
    assert line.lost is None
    assert line.snapshot()["received"] == 3


async def test_a_broken_connection_is_a_gap(autojump_clock, served, nursery):
    """It is told why, another one is made at once, and what came before the break was heard."""
    server, heard, make = served
    line = make()
    nursery.start_soon(line.run)
    await line.opened()
    await trio.sleep(60)
    begun = trio.current_time()
    caller = await server.caller(0)
    await caller.say("1")
    await settled()
    caller.cut()
    await server.caller(1)
    await line.opened()
    assert trio.current_time() - begun < 0.1
    assert heard.texts == ["1"]
    assert heard.events[0] == "open"
    assert heard.events[1].startswith("lost: account: the connection ended with code 1006")
    assert heard.events[2:] == ["open"]
    assert line.snapshot()["gaps"] == {"the connection ended with code 1006": 1}


async def test_a_server_that_hangs_up_again_and_again_is_given_pauses(autojump_clock, served, nursery):
    """A connection that did not hold is not tried again at once: 20 tries take minutes, not milliseconds."""
    server, _, make = served
    server.on_open = lambda caller: caller.cut()
    nursery.start_soon(make().run)
    begun = trio.current_time()
    await server.caller(20)
    assert trio.current_time() - begun > 100


async def test_a_server_that_is_away_is_named_and_tried_again(autojump_clock, served, nursery):
    """With host and port, without the path; and it is found when it is back."""
    server, heard, make = served
    port, url = server.url.rpartition(":")[2], ["ws://127.0.0.1:9/ws/a-secret-key"]

    async def address():
        return url[0]

    line = make(address=address)
    nursery.start_soon(line.run)
    await trio.sleep(30)
    assert line.lost.startswith("account: Binance at 127.0.0.1:9 can't be reached (")
    assert "secret" not in str(line.snapshot()) + line.lost
    url[0] = f"ws://127.0.0.1:{port}/"
    with trio.fail_after(30):
        await line.opened()
    assert heard.events == ["open"]


@pytest.mark.parametrize("status", [418, 429])
async def test_a_ban_is_waited_for(autojump_clock, served, nursery, status):
    """What is tried too early makes it longer; other refusals are tried again soon."""
    server, _, make = served
    server.refusal = status
    line = make()
    nursery.start_soon(line.run)
    await trio.sleep(BANNED_S - 1)
    assert server.refused == 1
    assert f"HTTP status {status}" in line.lost
    server.refusal = None
    with trio.fail_after(2 * BANNED_S):
        await line.opened()


async def test_other_refusals_are_tried_again_soon(autojump_clock, served, nursery):
    """A 503 is no ban."""
    server, _, make = served
    server.refusal = 503
    nursery.start_soon(make().run)
    await trio.sleep(20)
    assert server.refused > 4


async def test_an_address_that_cant_be_had_is_trouble_like_any(autojump_clock, served, nursery):
    """A listen key that REST does not give is tried for again."""
    server, _, make = served
    asked = []

    async def address():
        asked.append(trio.current_time())
        if len(asked) < 3:
            raise NotSent("no key")
        if len(asked) == 3:
            await trio.sleep_forever()
        return server.url

    line = make(address=address)
    nursery.start_soon(line.run)
    await trio.sleep(0.01)
    assert line.lost == "account: no key"
    with trio.fail_after(60):
        await line.opened()
    assert asked[3] - asked[2] >= OPENS_WITHIN_S
    assert line.last_error == f"nothing opened within {OPENS_WITHIN_S:g} s"


async def test_what_is_said_first_has_to_be_answered(autojump_clock, served, nursery):
    """A connection is open when `begin` returns; messages come in meanwhile. If it fails, another one is made."""
    server, heard, make = served
    begun = []

    async def begin(live):
        begun.append(live.number)
        await live.connection.send("subscribe")
        while not heard.texts:
            await trio.sleep(0.01)
        if len(begun) == 1:
            raise OutcomeUnknown("not like this")

    async def answer(_):
        await server.callers[-1].say("answer")

    server.on_open = lambda caller: setattr(caller, "on_text", answer)
    line = make(begin=begin)
    nursery.start_soon(line.run)
    with trio.fail_after(30):
        await line.opened()
    assert begun == [1, 2]
    assert heard.events == ["open"]
    assert line.last_error == "not like this"


async def test_a_server_that_never_pongs_is_let_go(autojump_clock, served, nursery):
    """The connection is alive for TCP, and for nobody else."""
    server, heard, make = served
    server.on_open = lambda caller: setattr(caller, "pongs", False)
    line = make()
    nursery.start_soon(line.run)
    await line.opened()
    begun = trio.current_time()
    await server.caller(1)
    assert PING_EVERY_S + PONG_WITHIN_S <= trio.current_time() - begun < PING_EVERY_S + PONG_WITHIN_S + 1
    assert heard.events[1] == f"lost: account: no pong within {PONG_WITHIN_S:g} s"


async def test_a_half_open_connection_proves_nothing(autojump_clock, served, nursery):
    """Whoever asks for a proof is not answered: its caller bounds it. After the end it is told at once."""
    server, _, make = served
    line = make()
    nursery.start_soon(line.run)
    await line.opened()
    caller = await server.caller(0)
    caller.pongs = False
    with trio.move_on_after(3) as patience:
        await line.prove()
    assert patience.cancelled_caught
    server.refusal = 503
    line.restart("no pong within 3 s")
    await settled()
    with pytest.raises(NotSent, match=r"account: "):
        await line.prove()


async def test_a_proof_that_is_asked_for_while_another_is_under_way_is_a_later_one(autojump_clock, served, nursery):
    """What was told before the question has been heard, whenever it was asked; and many share one ping."""
    server, heard, make = served
    line = make()
    nursery.start_soon(line.run)
    await line.opened()
    caller = await server.caller(0)
    proven = []

    async def ask(number):
        await line.prove()
        proven.append((number, len(heard.texts)))

    async with trio.open_nursery() as asking:
        asking.start_soon(ask, 0)
        await trio.lowlevel.checkpoint()
        await caller.say("1")
        for number in range(1, 20):
            asking.start_soon(ask, number)
    assert {heard for number, heard in proven if number} == {1}
    assert caller.pings <= 2  # the first question may be in time to share the others'


async def test_pings_are_limited(autojump_clock, served, nursery):
    """The exchange ends a connection that gets more than five messages in a second."""
    server, _, make = served
    line = make()
    nursery.start_soon(line.run)
    await line.opened()
    caller = await server.caller(0)
    begun = trio.current_time()
    for _ in range(4 * MOST_PINGS):
        await line.prove()
    assert trio.current_time() - begun >= 3 * PINGS_WINDOW_S
    assert caller.pings == 4 * MOST_PINGS


async def test_a_ping_of_the_exchange_is_answered(autojump_clock, served, nursery):
    """By the layer below, with the same payload, though nothing is heard."""
    server, _, make = served
    nursery.start_soon(make().run)
    caller = await server.caller(0)
    await caller.stream.send_all(b"\x89\x03abc")
    await settled()
    assert caller.got_pongs == [b"abc"]


# --- replacements ----------------------------------------------------------------------------------------------------


async def test_a_connection_is_replaced_before_it_is_cut(autojump_clock, served, nursery):
    """A second one is opened after 23 h 40 min at the latest; the first goes when the second tells the same."""
    server, heard, make = served
    line = make()
    nursery.start_soon(line.run)
    await line.opened()
    old = await server.caller(0)
    await old.say("a:1", "b:1")
    begun = trio.current_time()
    fresh = await server.caller(1)
    assert LIFE_S - SPREAD_S <= trio.current_time() - begun <= LIFE_S
    await fresh.say("a:2")
    await trio.sleep(SETTLES_S + 1)
    assert not old.over.is_set()
    await old.say("b:2")
    await fresh.say("b:2")
    await trio.sleep(0.1)
    assert old.over.is_set()
    await fresh.say("a:3")
    await line.prove()
    assert sorted(heard.texts) == ["a:1", "a:2", "a:3", "b:1", "b:2", "b:2"]
    assert heard.events == ["open"]
    assert line.replaced == 1
    assert line.snapshot()["unseen"] == 0


async def test_what_the_exchange_announces_is_obeyed_at_once(autojump_clock, served, nursery):
    """On `serverShutdown` a second one is opened; where nothing is told the first one goes after a moment."""
    server, heard, make = served
    line = make()
    nursery.start_soon(line.run)
    await line.opened()
    old = await server.caller(0)
    begun = trio.current_time()
    await old.say("shutdown")
    await server.caller(1)
    assert trio.current_time() - begun < 0.1
    await trio.sleep(SETTLES_S + 0.1)
    assert old.over.is_set()
    assert heard.events == ["open"]
    assert line.replaced == 1


async def test_announcements_that_do_not_end_are_obeyed_with_pauses(autojump_clock, served, nursery):
    """Where each new connection is told the same at once, those that may be made are not used up."""
    server, heard, make = served
    line = make()
    nursery.start_soon(line.run)

    async def announce():
        number = 0
        while True:
            await (await server.caller(number)).say("shutdown")
            number += 1

    nursery.start_soon(announce)
    await trio.sleep(10 * AGAIN_S)
    assert 5 < line.replaced < 12
    assert heard.events == ["open"]


async def test_a_proof_outlives_a_replacement(autojump_clock, served, nursery):
    """Whoever waits for a pong of the first one is given that of the second: nothing is missing."""
    server, heard, make = served
    line = make()
    nursery.start_soon(line.run)
    await line.opened()
    proven = []

    async def prove(delay):
        await trio.sleep(delay)
        while True:
            await line.prove()
            proven.append(trio.current_time())

    for number in range(5):
        nursery.start_soon(prove, number * 0.07)
    for number in range(4):
        await (await server.caller(number)).say("shutdown")
        await trio.sleep(AGAIN_S + 10)
    assert line.replaced == 4
    assert heard.events == ["open"]
    assert len(proven) > 100


async def test_what_the_first_had_still_to_say_is_heard(autojump_clock, served, nursery):
    """Before it is let go it answers a ping: messages that were under way are not lost."""
    server, heard, make = served
    line = make()
    nursery.start_soon(line.run)
    await line.opened()
    old = await server.caller(0)
    await old.say("shutdown")
    await server.caller(1)
    count = 0
    while not old.over.is_set():
        await old.say(f"{count}")
        count += 1
        await trio.sleep(0.01)
    assert len(heard.texts) >= count - 2
    assert count > 100


async def test_a_stream_that_says_nothing_new_does_not_hold_the_first_for_ever(autojump_clock, served, nursery):
    """After a while the second one stands alone, and that is counted."""
    server, heard, make = served
    line = make()
    nursery.start_soon(line.run)
    await line.opened()
    old = await server.caller(0)
    await old.say("quiet:1", "shutdown")
    await server.caller(1)
    await trio.sleep(OVERLAPS_S - 1)
    assert not old.over.is_set()
    await trio.sleep(1.1)
    assert old.over.is_set()
    assert line.snapshot()["unseen"] == 1
    assert heard.events == ["open"]


async def test_a_first_that_breaks_during_the_overlap_is_a_gap(autojump_clock, served, nursery):
    """Nobody knows what it had still to tell: it is told as lost, and as open again."""
    server, heard, make = served
    line = make()
    nursery.start_soon(line.run)
    await line.opened()
    old = await server.caller(0)
    await old.say("a:1", "shutdown")
    await server.caller(1)
    await trio.sleep(0.5)
    old.cut()
    await settled()
    assert [event.partition(":")[0] for event in heard.events] == ["open", "lost", "open"]
    assert line.lost is None
    assert line.replaced == 0


async def test_a_first_that_says_close_during_the_overlap_is_none(autojump_clock, served, nursery):
    """It has told all, since it lived when the second one was open."""
    server, heard, make = served
    line = make()
    nursery.start_soon(line.run)
    await line.opened()
    old = await server.caller(0)
    await old.say("a:1", "shutdown")
    await server.caller(1)
    await trio.sleep(0.5)
    await old.say("a:2")
    await old.close()
    await settled()
    assert heard.texts == ["a:1", "a:2"]
    assert heard.events == ["open"]
    assert line.replaced == 1


async def test_a_first_that_is_gone_when_the_second_opens_is_a_gap(autojump_clock, served, nursery):
    """A Close frame then says nothing of the time in between."""
    server, heard, make = served
    line = make()
    nursery.start_soon(line.run)
    await line.opened()
    old = await server.caller(0)
    server.refusal = 503
    await old.say("shutdown")
    await trio.sleep(0.2)
    await old.close()
    server.refusal = None
    await server.caller(1)
    await settled()
    await trio.sleep(SETTLES_S)
    assert [event.partition(":")[0] for event in heard.events] == ["open", "lost", "open"]


async def test_a_second_that_breaks_leaves_the_first_alone(autojump_clock, served, nursery):
    """The first goes on, and another second one is made soon."""
    server, heard, make = served
    line = make()
    nursery.start_soon(line.run)
    await line.opened()
    old = await server.caller(0)
    await old.say("a:1", "shutdown")
    fresh = await server.caller(1)
    await trio.sleep(0.5)
    fresh.cut()
    await settled()
    assert not old.over.is_set()
    await old.say("a:2")
    await line.prove()
    assert heard.texts == ["a:1", "a:2"]
    with trio.fail_after(60):
        third = await server.caller(2)
    await third.say("a:3")
    await trio.sleep(SETTLES_S + 0.1)
    assert old.over.is_set()
    assert heard.events == ["open"]


async def test_a_second_that_cant_be_opened_is_tried_for_until_the_first_is_cut(autojump_clock, served, nursery):
    """Meanwhile the first tells on."""
    server, heard, make = served
    line = make()
    nursery.start_soon(line.run)
    await line.opened()
    old = await server.caller(0)
    server.refusal = 503
    await old.say("shutdown")
    await trio.sleep(120)
    assert server.refused > 5
    await old.say("still here")
    await line.prove()
    assert heard.texts == ["still here"]
    server.refusal = None
    with trio.fail_after(60):
        await server.caller(1)


async def test_restart_lets_the_connection_go(autojump_clock, served, nursery):
    """It is a gap with the reason that was given. Without a connection nothing happens."""
    server, heard, make = served
    line = make()
    line.restart("too early")
    nursery.start_soon(line.run)
    await line.opened()
    await trio.sleep(60)
    line.restart("it said nothing")
    await server.caller(1)
    await line.opened()
    assert heard.events == ["open", "lost: account: it said nothing", "open"]


async def test_a_line_that_is_cancelled_says_so_and_can_be_run_again(autojump_clock, served, nursery):
    """Nothing of it is left; the numbers of connections go on."""
    server, heard, make = served
    line = make()
    for number in range(2):
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as running:
                running.start_soon(line.run)
                await line.opened()
                caller = await server.caller(number)
                await caller.say("hello")
                await line.prove()
                scope.cancel()
        await settled()
        assert line.lost == "its connection was closed"
        assert caller.over.is_set()
    assert heard.by == [1, 2]
    assert heard.events == ["open", "lost: its connection was closed"] * 2
    assert len(heard.ended) == 2


async def test_connections_of_all_lines_are_limited(autojump_clock):
    """So many in five minutes, of one address; who is cancelled while he waits has taken none."""
    attempts = Attempts(most=3)
    begun = trio.current_time()
    assert [await attempts.turn() for _ in range(3)] == [1, 2, 3]
    with trio.move_on_after(10):
        await attempts.turn()
    assert trio.current_time() - begun == pytest.approx(10)
    assert await attempts.turn() == 4
    assert trio.current_time() - begun == pytest.approx(300)


async def test_turns_are_given_in_order(autojump_clock):
    """In each window of time so many, and whoever came first goes first."""
    turns, given = Turns(2, 1.0), []

    async def take(number):
        await trio.sleep(number / 1000)
        await turns.turn()
        given.append((number, trio.current_time()))

    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number in range(7):
            nursery.start_soon(take, number)
    assert [number for number, _ in given] == list(range(7))
    times = [at - begun for _, at in given]
    for at in times:
        assert sum(at <= other < at + 1 - 1e-9 for other in times) <= 2
    assert times[-1] < 3.1
