"""What is told of an account: subscriptions, listen keys, proofs, and what a gap means."""

from __future__ import annotations

import itertools
import json
from functools import partial

import pytest
import trio
import trio.testing
from stream_server import open_stream_server

from quantmind.adapters.binance.budget import SPOT, Budget
from quantmind.adapters.binance.clock import ServerClock
from quantmind.adapters.binance.errors import NotSent, Refusal
from quantmind.adapters.binance.records import BalancesSaid, Ended
from quantmind.adapters.binance.signing import HmacSigner
from quantmind.adapters.binance.strange import Strange
from quantmind.adapters.binance.stream import OVERLAPS_S, PONG_WITHIN_S, SETTLES_S, Attempts
from quantmind.adapters.binance.user_stream import (
    KEEP_ALIVE_S,
    SUBSCRIBES_WITHIN_S,
    FuturesDialect,
    SpotDialect,
    UserStream,
)
from quantmind.errors import BrokerUnavailable

SIGNER = HmacSigner("TheApiKey", "TheSecret")
WALL = 1_700_000_000.0


def balance(number, free="1.5"):
    """Spot's event in its envelope."""
    said = {"e": "outboundAccountPosition", "E": number, "u": number, "B": [{"a": "BTC", "f": free, "l": "0"}]}
    return json.dumps({"subscriptionId": 0, "event": said})


def future_balance(number):
    said = {"e": "ACCOUNT_UPDATE", "E": number, "T": number}
    said["a"] = {"m": "ORDER", "B": [{"a": "USDT", "wb": "100", "cw": "100", "bc": "0"}], "P": []}
    return json.dumps(said)


class Rest:
    """The REST side: listen keys, and what was asked."""

    recv_window_ms = 5000

    def __init__(self):
        self.clock = ServerClock(lambda: WALL, trio.current_time)
        self.budget = Budget(SPOT, lambda: WALL, trio.current_time)
        self.asked: list[tuple[float, str]] = []
        self.keys = itertools.count(1)
        self.key = "key-1"
        self.fault: Exception | None = None

    async def call(self, method, path, params, *, keyed=False, **how):
        assert (path, dict(params), keyed) == ("/fapi/v1/listenKey", {}, True)
        self.asked.append((trio.current_time(), method))
        await trio.lowlevel.checkpoint()
        if self.fault is not None:
            raise self.fault
        return json.dumps({"listenKey": self.key}).encode()


class Exchange:
    """Answers subscriptions of spot, as it is told."""

    def __init__(self):
        self.asked: list[dict] = []
        self.answer = {"status": 200, "result": {"subscriptionId": 0}}

    def greet(self, caller):
        async def take(text):
            said = json.loads(text)
            self.asked.append(said)
            if self.answer is not None:
                limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}]
                limits[0] |= {"limit": 6000, "count": 4711}
                await caller.say(json.dumps({"id": said["id"], **self.answer, "rateLimits": limits}))

        caller.on_text = take


class Owner:
    def __init__(self, rest):
        self.rest = rest
        self.told: list[object] = []

    def make(self, dialect):
        user = UserStream(dialect, Strange(), Attempts())
        user.on_open = lambda: self.told.append("open")
        user.on_event = self.told.append
        return user

    def numbers(self):
        return [event.event_msc for event in self.told if isinstance(event, BalancesSaid)]


@pytest.fixture
async def spot(autojump_clock, nursery):
    async with open_stream_server() as server:
        exchange, rest = Exchange(), Rest()
        server.on_open = exchange.greet
        owner = Owner(rest)
        yield server, exchange, owner, partial(owner.make, SpotDialect(f"{server.url}/ws-api/v3", SIGNER, rest))
        nursery.cancel_scope.cancel()


@pytest.fixture
async def futures(autojump_clock, nursery):
    async with open_stream_server() as server:
        rest = Rest()
        owner = Owner(rest)
        yield server, rest, owner, partial(owner.make, FuturesDialect(server.url, rest))
        nursery.cancel_scope.cancel()


async def settled():
    await trio.testing.wait_all_tasks_blocked()


# --- spot ------------------------------------------------------------------------------------------------------------


async def test_spot_subscribes_with_a_signature(autojump_clock, spot, nursery):
    """The request is signed over its parameters in order of name; it counts as open when it was answered."""
    server, exchange, owner, make = spot
    user = make()
    nursery.start_soon(user.run)
    await user.opened()
    (asked,) = exchange.asked
    assert server.callers[0].path == "/ws-api/v3"
    assert asked["method"] == "userDataStream.subscribe.signature"
    params = asked["params"]
    payload = f"apiKey=TheApiKey&recvWindow=5000&timestamp={int(WALL * 1000)}"
    assert params == {
        "apiKey": "TheApiKey",
        "recvWindow": 5000,
        "timestamp": int(WALL * 1000),
        "signature": SIGNER.sign(payload.encode()),
    }
    assert owner.told == ["open"]
    assert 4711 in [each["used"] for each in owner.rest.budget.snapshot()["used"].values()]


async def test_events_are_told_at_once_and_in_order(autojump_clock, spot, nursery):
    """Out of their envelopes; a proof says that all was told that came before it."""
    server, _, owner, make = spot
    user = make()
    nursery.start_soon(user.run)
    await user.opened()
    await server.callers[0].say(*(balance(number) for number in range(100)))
    await user.prove()
    assert owner.numbers() == list(range(100))
    assert user.snapshot()["events"] == 100


@pytest.mark.parametrize("status", [401, 400])
async def test_a_refused_subscription_is_told_in_the_exchanges_words(autojump_clock, spot, nursery, status):
    """And tried again: a key may be switched on meanwhile."""
    _, exchange, owner, make = spot
    exchange.answer = {"status": status, "error": {"code": -2015, "msg": "Invalid API-key, IP, or permissions."}}
    user = make()
    nursery.start_soon(user.run)
    await trio.sleep(10)
    assert "the account's stream was refused: Invalid API-key" in user.lost
    assert len(exchange.asked) > 2
    exchange.answer = {"status": 200, "result": {"subscriptionId": 3}}
    with trio.fail_after(60):
        await user.line.opened()
    assert owner.told == ["open"]


@pytest.mark.parametrize(
    ("code", "raises"), [(-1022, True), (-2014, True), (-2015, True), (-1021, False), (-1000, False)]
)
async def test_who_waits_is_told_that_the_key_is_not_taken(autojump_clock, spot, nursery, code, raises):
    """At once, and as long as it is so; other trouble is waited out."""
    _, exchange, _, make = spot
    exchange.answer = {"status": 400, "error": {"code": code, "msg": "No."}}
    user = make()
    nursery.start_soon(user.run)
    for _ in range(2):
        told = None
        with trio.move_on_after(5):
            try:
                await user.opened()
            except Refusal as refusal:
                told = refusal.code
        assert told == (code if raises else None)
    exchange.answer = {"status": 200, "result": {"subscriptionId": 3}}
    await trio.sleep(60)
    await user.opened()


async def test_a_time_that_is_off_is_measured_anew(autojump_clock, spot, nursery):
    """-1021: the clock is told."""
    _, exchange, owner, make = spot
    exchange.answer = {"status": 400, "error": {"code": -1021, "msg": "Timestamp for this request..."}}
    nursery.start_soon(make().run)
    await settled()
    assert owner.rest.clock.refusals == 1


async def test_a_ban_stops_subscriptions_and_rest(autojump_clock, spot, nursery):
    """418 and 429 hold for the address, whichever way it was said."""
    _, exchange, owner, make = spot
    exchange.answer = {"status": 418, "error": {"code": -1003, "msg": "Way too much request weight used"}}
    user = make()
    nursery.start_soon(user.run)
    await trio.sleep(20)
    assert len(exchange.asked) == 1
    assert owner.rest.budget.bans == 1
    assert "nothing is sent" in user.lost


async def test_whoever_is_banned_connects_no_more(autojump_clock, spot, nursery):
    """A connection has a weight, too, and what is tried too early makes a ban longer."""
    server, exchange, _, make = spot
    exchange.answer = {"status": 418, "error": {"code": -1003, "msg": "Way too much request weight used"}}
    user = make()
    nursery.start_soon(user.run)
    await trio.sleep(60)
    assert len(server.callers) == 1
    assert "nothing is sent" in user.lost


async def test_a_key_that_becomes_invalid_ends_the_stream(autojump_clock, spot, nursery):
    """The exchange says so in an answer to nothing (web-socket-api.md), and tells nothing of the account any more."""
    server, exchange, _, make = spot
    user = make()
    nursery.start_soon(user.run)
    await user.opened()
    exchange.answer = {"status": 401, "error": {"code": -2015, "msg": "Invalid API-key, IP, or permissions."}}
    await server.callers[0].say(json.dumps({"id": None, **exchange.answer}))
    await trio.sleep(1)
    assert "Invalid API-key" in user.lost
    with pytest.raises(Refusal):
        await user.opened()


async def test_a_subscription_that_is_not_answered(autojump_clock, spot, nursery):
    """It is given up after a while, and made anew on another connection."""
    server, exchange, owner, make = spot
    exchange.answer = None
    user = make()
    nursery.start_soon(user.run)
    await trio.sleep(SUBSCRIBES_WITHIN_S + 0.01)
    assert "was not answered" in user.lost
    exchange.answer = {"status": 200, "result": {"subscriptionId": 0}}
    with trio.fail_after(30):
        await user.opened()
    assert len(server.callers) == 2
    assert owner.told == ["open"]


async def test_a_subscription_that_the_exchange_ends(autojump_clock, spot, nursery):
    """Is told, and made anew: the owner hears that it is open again, and reads the account."""
    server, _, owner, make = spot
    user = make()
    nursery.start_soon(user.run)
    await user.opened()
    await server.callers[0].say(json.dumps({"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}}))
    await server.caller(1)
    await user.opened()
    assert [type(each) if each != "open" else each for each in owner.told] == ["open", Ended, "open"]


async def test_an_event_that_cant_be_read_may_be_anything(autojump_clock, spot, nursery):
    """So the account is read anew, and the stream goes on."""
    server, _, owner, make = spot
    user = make()
    nursery.start_soon(user.run)
    await user.opened()
    broken = {"subscriptionId": 0, "event": {"e": "executionReport", "E": "soon"}}
    await server.callers[0].say(json.dumps(broken), balance(7))
    await user.prove()
    assert owner.told[:2] == ["open", "open"]
    assert owner.numbers() == [7]
    assert user.snapshot()["faults"] == 1


async def test_a_replacement_tells_all_and_reads_nothing_anew(autojump_clock, spot, nursery):
    """Events of the overlap come twice, none is lost, and the owner is not told of a gap: there is none."""
    server, exchange, owner, make = spot
    user = make()
    nursery.start_soon(user.run)
    await user.opened()
    old = server.callers[0]
    await old.say(json.dumps({"event": {"e": "serverShutdown", "E": 1}}))
    await server.caller(1)
    number = 0
    while number < 400:
        number += 1
        # Each tells what happened since its subscription; the first one is a little behind.
        fresh = server.callers[1]
        if len(exchange.asked) == 2:
            await fresh.say(balance(number))
        await trio.sleep(0.005)
        if not old.over.is_set():
            await old.say(balance(number))
    await user.prove()
    assert old.over.is_set()
    assert set(owner.numbers()) == set(range(1, 401))
    assert len(owner.numbers()) > 400
    assert owner.told.count("open") == 1
    assert user.snapshot()["replaced"] == 1


async def test_a_proof_needs_a_connection(autojump_clock, spot, nursery):
    """Without one it is told at once, with the reason; a half-open one is left to the caller's bound."""
    server, _, _, make = spot
    user = make()
    with pytest.raises(BrokerUnavailable, match="it is being connected"):
        await user.prove()
    nursery.start_soon(user.run)
    await user.opened()
    await user.prove()
    server.callers[0].pongs = False
    with trio.move_on_after(3) as patience:
        await user.prove()
    assert patience.cancelled_caught
    user.restart("no pong within 3 s")
    await settled()
    with trio.fail_after(5):
        await user.opened()
        await user.prove()
    assert user.snapshot()["gaps"] == {"no pong within 3 s": 1}


async def test_a_proof_that_is_under_way_when_the_connection_breaks(autojump_clock, spot, nursery):
    """Ends with it, and says that the broker is not available."""
    server, _, _, make = spot
    user = make()
    nursery.start_soon(user.run)
    await user.opened()
    server.callers[0].pongs = False
    server.refusal = 503

    async def cut():
        await trio.sleep(1)
        server.callers[0].cut()

    nursery.start_soon(cut)
    with pytest.raises(BrokerUnavailable), trio.fail_after(2):
        await user.prove()


# --- futures ---------------------------------------------------------------------------------------------------------


async def test_futures_stream_is_at_the_listen_key(autojump_clock, futures, nursery):
    """On the private path. The key is kept alive every half hour, and stands in no text."""
    server, rest, owner, make = futures
    rest.key = "SecretKey"
    user = make()
    nursery.start_soon(user.run)
    await user.opened()
    assert server.callers[0].path == "/private/ws/SecretKey"
    await server.callers[0].say(future_balance(1))
    await user.prove()
    assert owner.numbers() == [1]
    await trio.sleep(3 * KEEP_ALIVE_S + 1)
    assert [method for _, method in rest.asked] == ["POST", "PUT", "PUT", "PUT"]
    server.refusal = 503
    server.callers[0].cut()
    await trio.sleep(5)
    assert "SecretKey" not in f"{user.lost} {user.snapshot()}"


async def test_a_listen_key_that_has_expired_is_replaced(autojump_clock, futures, nursery):
    """The event says so; another key is asked for, and the account is read anew."""
    server, rest, owner, make = futures
    user = make()
    nursery.start_soon(user.run)
    await user.opened()
    rest.key = "key-2"
    await server.callers[0].say(json.dumps({"e": "listenKeyExpired", "E": 5, "listenKey": "key-1"}))
    await server.caller(1)
    await user.opened()
    assert server.callers[1].path == "/private/ws/key-2"
    assert owner.told.count("open") == 2


async def test_a_listen_key_that_is_gone_without_a_word(autojump_clock, futures, nursery):
    """Keeping it alive says so (-1125): the connection that says nothing any more is let go."""
    server, rest, owner, make = futures
    user = make()
    nursery.start_soon(user.run)
    await user.opened()

    await trio.sleep(KEEP_ALIVE_S - 1)
    rest.fault = Refusal(-1125, "This listenKey does not exist.")
    await trio.sleep(2)
    rest.fault, rest.key = None, "key-2"
    with trio.fail_after(60):
        await server.caller(1)
        await user.opened()
    assert server.callers[-1].path == "/private/ws/key-2"
    assert owner.told.count("open") == 2
    assert "its listen key has ended" in str(user.snapshot()["gaps"])


async def test_rest_that_is_away_is_tried_again(autojump_clock, futures, nursery):
    """For a key, and for keeping it alive: a minute later, since it lives for an hour."""
    server, rest, _, make = futures
    rest.fault = NotSent("fapi.binance.com:443 refuses connections")
    user = make()
    nursery.start_soon(user.run)
    await trio.sleep(5)
    assert user.lost == "account: fapi.binance.com:443 refuses connections"
    rest.fault = None
    with trio.fail_after(60):
        await user.opened()
    rest.fault = NotSent("away")
    rest.asked.clear()
    await trio.sleep(KEEP_ALIVE_S + 200)
    assert 3 <= len(rest.asked) <= 4
    assert user.lost is None
    assert len(server.callers) == 1


async def test_two_connections_on_one_key_overlap(autojump_clock, futures, nursery):
    """Before the exchange cuts the first; nothing is read anew."""
    server, _, owner, make = futures
    user = make()
    nursery.start_soon(user.run)
    await user.opened()
    await server.callers[0].say(json.dumps({"e": "serverShutdown", "E": 1}))
    await server.caller(1)
    await trio.sleep(SETTLES_S + 0.1)
    assert server.callers[0].over.is_set()
    assert owner.told == ["open"]
    assert SETTLES_S < PONG_WITHIN_S < OVERLAPS_S
