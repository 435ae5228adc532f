"""The simulator's streams: paths, subscriptions, and what ends a connection."""

from __future__ import annotations

import json

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio_websocket import ConnectionClosed

from quantmind.testing.binance.settings import FUTURES, SPOT
from quantmind.testing.binance.streams import Place, Streams

EARLY = 0.002
"""With a clock that jumps, a socket gets this long to answer."""


@pytest.fixture
def jumping(autojump_clock):
    autojump_clock.autojump_threshold = EARLY
    return autojump_clock


async def test_raw_and_combined_streams(tools):
    """/ws/<name> brings bare messages, /stream?streams= puts them into an envelope with the stream's name."""
    async with (
        tools.open() as client,
        client.socket("/ws/btcusdt@bookTicker") as raw,
        client.socket("/stream?streams=btcusdt@bookTicker/btcusdt@trade/btcusdt@aggTrade") as combined,
    ):
        client.sim.quote("BTCUSDT", "1000", "1001")
        client.sim.trade("BTCUSDT", "1001", "2")
        bare = await tools.heard(raw)
        assert (bare["s"], float(bare["b"]), float(bare["a"])) == ("BTCUSDT", 1000, 1001)
        assert "e" not in bare
        said = [await tools.heard(combined) for _ in range(3)]
        assert [each["stream"] for each in said] == ["btcusdt@bookTicker", "btcusdt@trade", "btcusdt@aggTrade"]
        assert said[0]["data"] == bare
        assert float(said[1]["data"]["p"]) == 1001
        assert said[2]["data"]["a"] == said[1]["data"]["t"]


async def test_subscriptions_change_while_it_is_open(tools):
    """SUBSCRIBE, UNSUBSCRIBE and LIST_SUBSCRIPTIONS are answered by their id, and `combined` can be set."""
    async with tools.open() as client, client.socket("/ws") as ws:

        async def ask(**said):
            await ws.send_message(json.dumps(said))
            return await tools.heard(ws)

        assert await ask(method="SUBSCRIBE", params=["btcusdt@bookTicker", "x@trade"], id=1) == {
            "result": None,
            "id": 1,
        }
        client.sim.quote("BTCUSDT", "1000", "1001")
        assert (await tools.heard(ws))["s"] == "BTCUSDT"
        assert (await ask(method="LIST_SUBSCRIPTIONS", id=2))["result"] == ["btcusdt@bookTicker", "x@trade"]
        assert await ask(method="SET_PROPERTY", params=["combined", True], id="3") == {"result": None, "id": "3"}
        client.sim.quote("BTCUSDT", "1000", "1002")
        assert (await tools.heard(ws))["stream"] == "btcusdt@bookTicker"
        await ask(method="UNSUBSCRIBE", params=["btcusdt@bookTicker"], id=4)
        client.sim.quote("BTCUSDT", "1000", "1003")
        assert await tools.is_quiet(ws)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x", 3),
        ("[]", 2),
        ('{"id": 1}', 2),
        ('{"method": "SUBSCRIBE", "id": 1}', 2),
        ('{"method": "SUBSCRIBE", "params": [1], "id": 1}', 2),
        ('{"method": "JUMP", "params": [], "id": 1}', 2),
        ('{"method": "SUBSCRIBE", "params": [], "id": 1.5}', 2),
        ('{"method": "SET_PROPERTY", "params": ["x", true], "id": 1}', 0),
        ('{"method": "SET_PROPERTY", "params": ["combined", 1], "id": 1}', 1),
    ],
)
async def test_what_is_no_request_is_answered_with_an_error(tools, text, code):
    """Such a message gets a code and a text, and the connection stays."""
    async with tools.open() as client, client.socket("/ws") as ws:
        await ws.send_message(text)
        assert (await tools.heard(ws))["error"]["code"] == code


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/public/stream?streams=", {"btcusdt@bookTicker"}),
        ("/market/stream?streams=", {"btcusdt@trade", "btcusdt@aggTrade"}),
        ("/private/stream?streams=", set()),
        ("/stream?streams=", {"btcusdt@bookTicker"}),
    ],
)
async def test_a_path_of_futures_carries_its_own_streams(tools, path, names):
    """Others can be subscribed to and stay silent; a connection without a path carries those of /public."""
    every = ["btcusdt@bookTicker", "btcusdt@trade", "btcusdt@aggTrade"]
    async with tools.open("futures") as client, client.socket(path + "/".join(every)) as ws:
        client.sim.quote("BTCUSDT", "1000", "1001")
        client.sim.trade("BTCUSDT", "1001", "2")
        assert {(await tools.heard(ws))["stream"] for _ in names} == names
        assert await tools.is_quiet(ws)
        await ws.send_message('{"method": "LIST_SUBSCRIPTIONS", "id": 1}')
        assert (await tools.heard(ws))["result"] == every


async def test_which_paths_carry_trades_can_be_set(tools):
    """Sources disagree on it, so a test may try each."""
    paths = frozenset({"public"})
    async with tools.open("futures", trade_paths=paths) as client, client.socket("/public/ws/btcusdt@trade") as ws:
        client.sim.trade("BTCUSDT", "1001", "2")
        assert (await tools.heard(ws))["e"] == "trade"


@pytest.mark.parametrize(
    "path", ["/private/ws/{}", "/private/ws?listenKey={}", "/private/stream?streams={}", "/private/stream?listenKey={}"]
)
async def test_a_listen_key_has_a_private_stream(tools, path):
    """Events of the user come there, raw but for /stream; nobody else gets them."""
    async with tools.open("futures") as client:
        key = (await client.http.post("/fapi/v1/listenKey", headers=client.key)).json()["listenKey"]
        async with client.socket(path.format(key)) as ws, client.socket(f"/ws/{key}") as dead:
            await client.ask("POST", "/fapi/v1/order", **tools.order)
            said = await tools.heard(ws)
            assert said.get("data", said)["e"] == "ORDER_TRADE_UPDATE"
            assert await tools.is_quiet(dead)
            await client.http.delete("/fapi/v1/listenKey", headers=client.key)
            with pytest.raises(ConnectionClosed):
                await tools.heard(ws)


async def test_an_expired_key_is_told_and_falls_silent(tools):
    """`listenKeyExpired` is the last event of its stream."""
    async with tools.open("futures") as client:
        key = (await client.http.post("/fapi/v1/listenKey", headers=client.key)).json()["listenKey"]
        async with client.socket(f"/private/ws/{key}") as ws:
            client.sim.engine.on_event({"e": "listenKeyExpired", "E": 1, "listenKey": key})
            assert (await tools.heard(ws))["e"] == "listenKeyExpired"
            await client.ask("POST", "/fapi/v1/order", **tools.order)
            assert await tools.is_quiet(ws)


@pytest.mark.parametrize(("kind", "most"), [("spot", 5), ("futures", 10)])
async def test_too_many_messages_end_a_connection(tools, kind, most):
    """One more than 5 (spot) or 10 (futures) in a second, pings among them, closes it with 1008."""
    async with tools.open(kind) as client, client.socket("/ws") as ws:
        for number in range(most // 2):
            await ws.ping(b"%d" % number)
        for number in range(most - most // 2):
            await ws.send_message(f'{{"method": "LIST_SUBSCRIPTIONS", "id": {number}}}')
            await tools.heard(ws)
        await ws.send_message('{"method": "LIST_SUBSCRIPTIONS", "id": 99}')
        with pytest.raises(ConnectionClosed) as raised:
            await tools.heard(ws)
        assert raised.value.reason.code == 1008


async def test_too_many_streams_end_a_connection(tools):
    """There is a most of subscriptions on one connection."""
    async with tools.open(max_streams=2) as client, client.socket("/stream?streams=a@trade/b@trade/c@trade") as ws:
        with pytest.raises(ConnectionClosed):
            await tools.heard(ws)


async def test_too_many_connections_are_refused(tools):
    """The 301st in five minutes gets 429 instead of a handshake."""
    at = [1000.0]
    async with tools.open(connects_5m=1, clock=lambda: at[0]) as client:
        async with client.socket("/ws"):
            pass
        assert await client.refusal("/ws") == 429
        at[0] += 301
        async with client.socket("/ws"):
            pass


@pytest.mark.parametrize(("kind", "path"), [("spot", "/"), ("spot", "/public/ws"), ("futures", "/ws-api/v3")])
async def test_an_unknown_path_is_no_websocket(tools, kind, path):
    """It gets 404."""
    async with tools.open(kind) as client:
        assert await client.refusal(path) == 404


@pytest.mark.parametrize(("kind", "every_s", "within_s"), [("spot", 20, 60), ("futures", 180, 600)])
async def test_who_answers_no_ping_is_cut(tools, jumping, kind, every_s, within_s):
    """The server pings, and cuts a client that has not answered when its time is over."""
    async with tools.open(kind) as client:
        plain = await trio.open_tcp_stream("127.0.0.1", client.sim.port.address.port)
        async with plain:
            await plain.send_all(tools.handshake("/ws"))
            begun, got = trio.current_time(), b""
            assert b" 101 " in await plain.receive_some()
            while data := await plain.receive_some():
                got += data
            assert trio.current_time() - begun == pytest.approx(every_s + within_s, abs=1)
            assert got.startswith(b"\x89\x011")
        assert not client.sim.connections()


async def test_who_answers_pings_stays(tools, jumping):
    """Each pong gives the connection another span."""
    async with tools.open() as client, client.socket("/ws"):
        await trio.sleep(130)
        assert [each.received for each in client.sim.connections()] == [6]


@pytest.mark.parametrize("path", ["/ws", "/stream"])
async def test_a_day_is_a_connections_life(tools, jumping, path):
    """Before its 24 hours are over it is told so, in the form of its path, and then it is closed."""
    assert (SPOT.life_s, FUTURES.life_s) == (86_400, 86_400)
    async with tools.open(life_s=600, notice_s=60) as client, client.socket(path) as ws:
        begun = trio.current_time()
        said = await tools.heard(ws, 1000)
        assert said.get("data", said)["e"] == "serverShutdown"
        assert said.get("stream") == (None if path == "/ws" else "!serverShutdown")
        assert trio.current_time() - begun == pytest.approx(540, abs=1)
        with pytest.raises(ConnectionClosed) as raised:
            await tools.heard(ws, 1000)
        assert trio.current_time() - begun == pytest.approx(600, abs=1)
        assert raised.value.reason.code == 1001


async def test_connections_are_told_and_ended_by_path(tools):
    """`say_shutdown` and `end_connections` mean those whose path begins so."""
    async with (
        tools.open("futures") as client,
        client.socket("/public/ws") as public,
        client.socket("/market/ws") as market,
    ):
        client.sim.say_shutdown("/market")
        assert (await tools.heard(market))["e"] == "serverShutdown"
        assert await tools.is_quiet(public)
        assert [each.path for each in client.sim.connections()] == ["/public/ws", "/market/ws"]
        assert client.sim.end_connections("/public") == 1
        with pytest.raises(ConnectionClosed):
            await tools.heard(public)
        client.sim.end_connections("/market", abrupt=False)
        with pytest.raises(ConnectionClosed) as raised:
            await tools.heard(market)
        assert raised.value.reason.code == 1001
        await tools.until(lambda: not client.sim.connections())


class _Line:
    """A connection that keeps what is pushed."""

    def __init__(self):
        self.pushed = []
        self.on_text = self.on_age = None

    def push(self, payload):
        self.pushed.append(json.loads(payload))

    def push_frame(self, frame):
        self.pushed.append(frame)

    def close(self, code, reason=""):
        self.pushed.append(code)


@given(st.text(max_size=80) | st.from_type(dict).map(repr) | st.builds(
    lambda **said: json.dumps(said),
    method=st.sampled_from(["SUBSCRIBE", "UNSUBSCRIBE", "SET_PROPERTY", "GET_PROPERTY", "LIST_SUBSCRIPTIONS", None, 1]),
    params=st.none() | st.lists(st.text(max_size=5) | st.booleans() | st.integers(), max_size=3),
    id=st.none() | st.integers() | st.text(max_size=5) | st.booleans(),
))  # fmt: skip
def test_each_message_gets_one_answer(text):
    """Whatever a client sends is answered once, by a result or an error."""
    streams = Streams(SPOT, set, lambda: 1)
    line = _Line()
    opened = streams.open(line, Place.of(SPOT, "/ws", {}))
    opened.take(text)
    assert len(line.pushed) == 1
    assert "id" in line.pushed[0]
    streams.close(opened)
    assert not streams.lines


@given(st.sampled_from([SPOT, FUTURES]), st.text("/wstreampublickev", max_size=30), st.text(max_size=20))
def test_places_of_any_path(settings, path, names):
    """A path is a place of streams or none; names are never empty."""
    place = Place.of(settings, path, {"streams": names, "listenKey": names})
    assert place is None or all(place.names)
