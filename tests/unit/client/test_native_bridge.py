"""`NativeBridge`: one answer for each command, the newest tick or none, and a simulation that approves nothing."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import attrs
import pytest
import zmq

from quantmind.client import NativeBridge, native_bridge, native_link
from quantmind.client.native_bridge import AmbiguousSymbol, BridgeBusy, BridgeClosed

HOST = "127.0.0.1"
OPEN = {"type": "trade_open", "ea_name": "A", "symbol": "EURUSD", "volume": 0.1, "magic": 1}
TICK = {"symbol": "EURUSD", "bid": 1.1, "ask": 1.2, "seq": 1, "broker": "demo"}


@attrs.define(eq=False)
class Clock:
    """Seconds that pass when the test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@attrs.define(eq=False)
class Gateway:
    """A gateway's three sockets, moved by the test."""

    context: zmq.Context[Any]
    commands: zmq.Socket[bytes]
    ingest: zmq.Socket[bytes]
    publish: zmq.Socket[bytes]
    ports: tuple[int, int, int]

    def send_tick(self, broker: str = "demo", **fields: Any) -> None:
        tick = {**TICK, "broker": broker, **fields}
        self.publish.send_multipart([f"tick.{broker}.{tick['symbol']}".encode(), json.dumps(tick).encode()])

    def next_command(self) -> tuple[bytes, dict[str, Any]]:
        peer, body = self.commands.recv_multipart()
        return peer, json.loads(body)

    def answer(self, peer: bytes, request_id: str | None, **fields: Any) -> None:
        self.commands.send_multipart([peer, json.dumps({"request_id": request_id, **fields}).encode()])


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with zmq.Context() as context:
        sockets = [context.socket(kind) for kind in (zmq.ROUTER, zmq.SUB, zmq.PUB)]
        ports = [socket.bind_to_random_port(f"tcp://{HOST}") for socket in sockets]
        for socket in sockets:
            socket.linger, socket.rcvtimeo = 0, 20_000
        sockets[1].subscribe(b"tick.")
        try:
            yield Gateway(context, sockets[0], sockets[1], sockets[2], (ports[0], ports[1], ports[2]))
        finally:
            context.destroy(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bridge(gateway: Gateway, clock: Clock) -> Iterator[NativeBridge]:
    with NativeBridge(*gateway.ports, monotonic=clock, wall=lambda: 1_795_424_400.5) as made:
        yield made


def until(condition: Callable[[], Any], within_s: float = 20.0) -> Any:
    """What a loop of 10 ms does: call again until there is something."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it never happened")


def another_router(gateway: Gateway) -> zmq.Socket[bytes]:
    """A gateway that comes back on the same port; libzmq lets go of it some milliseconds after closing."""
    router = gateway.context.socket(zmq.ROUTER)
    router.linger = 0

    def bound() -> bool:
        try:
            router.bind(f"tcp://{HOST}:{gateway.ports[0]}")
        except zmq.ZMQError:
            return False
        return True

    until(bound)
    return router


def connected(gateway: Gateway, bridge: NativeBridge) -> None:
    """Wait until commands go out and ticks come in."""
    until(lambda: gateway.send_tick(symbol="READY") or bridge.get_latest_tick("READY"))
    request_id = bridge.send_command({"type": "heartbeat", "ea_name": "A"})
    until(lambda: bridge.poll() or gateway.commands.poll(10))
    peer, _ = gateway.next_command()
    gateway.answer(peer, request_id, status="success")
    assert until(bridge.receive)["status"] == "success"


def test_a_command_and_its_answer(gateway: Gateway, bridge: NativeBridge):
    """What was sent comes out as it was, with an id and a time; the answer is the gateway's, once."""
    assert bridge.receive() is None
    request_id = bridge.send_command({**OPEN, "sl": Decimal("1.08501")})
    until(lambda: bridge.poll() or gateway.commands.poll(10))
    peer, sent = gateway.next_command()
    assert sent == {**OPEN, "sl": 1.08501, "request_id": request_id, "timestamp": 1_795_424_400.5}
    gateway.answer(peer, request_id, status="success", approved=True)
    assert until(bridge.receive) == {"request_id": request_id, "status": "success", "approved": True}
    assert bridge.receive() is None
    assert (bridge.statistics.commands, bridge.statistics.replies) == (1, 1)


def test_answers_in_any_order(gateway: Gateway, bridge: NativeBridge):
    """Many in flight; each answer says which command it is of, and a doubled one is dropped."""
    ids = [bridge.send_command({**OPEN, "request_id": f"r{number}"}) for number in range(50)]
    assert ids == [f"r{number}" for number in range(50)]
    until(lambda: bridge.poll() or gateway.commands.poll(10))
    commands = [gateway.next_command() for _ in ids]
    assert [command["request_id"] for _, command in commands] == ids
    for peer, command in reversed(commands):
        gateway.answer(peer, command["request_id"], status="success")
        gateway.answer(peer, command["request_id"], status="doubled")
    gateway.answer(commands[0][0], None, status="error")
    gateway.commands.send_multipart([commands[0][0], b"no json"])
    assert [until(bridge.receive)["request_id"] for _ in ids] == ids[::-1]
    until(lambda: bridge.poll() == 0 and bridge.statistics.late == 52)


def test_no_gateway_means_nothing_was_sent(clock: Clock, gateway: Gateway):
    """Nobody is connected: after two seconds the answer says so, and a gateway that comes later gets no old order."""
    gateway.commands.close()
    with NativeBridge(*gateway.ports, monotonic=clock) as bridge:
        request_id = bridge.send_command({**OPEN, "execute": True})
        assert bridge.receive() is None
        clock.now += native_bridge.CONNECT_WITHIN_S
        answer = bridge.receive()
        assert answer is not None
        assert (answer["status"], answer["code"], answer["approved"]) == ("error", "not_connected", False)
        assert (answer["request_id"], answer["local"]) == (request_id, True)
        router = another_router(gateway)
        fresh = bridge.send_command(OPEN)
        until(lambda: bridge.poll() or router.poll(10))
        assert json.loads(router.recv_multipart()[1])["request_id"] == fresh
        assert router.poll(100) == 0
        router.close()


def test_what_waited_too_long_is_not_sent_when_the_program_wakes_up(gateway: Gateway, clock: Clock):
    """A program that slept for a minute sends no order of a minute ago, though a gateway is there by then."""
    gateway.commands.close()
    with NativeBridge(*gateway.ports, monotonic=clock) as bridge:
        bridge.send_command({**OPEN, "request_id": "old"})
        clock.now += 60.0
        router = another_router(gateway)
        assert router.poll(500) == 0
        answer = bridge.receive()
        assert answer is not None
        assert answer["code"] == "not_connected"
        assert router.poll(100) == 0
        router.close()


def test_no_answer_is_an_unknown_outcome(gateway: Gateway, bridge: NativeBridge, clock: Clock):
    """Sent and never answered: unknown, never approved, and an answer that comes after all changes nothing."""
    connected(gateway, bridge)
    request_id = bridge.send_command({**OPEN, "execute": True})
    until(lambda: bridge.poll() or gateway.commands.poll(10))
    peer, _ = gateway.next_command()
    clock.now += native_bridge.REPLY_WITHIN_S + native_bridge.CONNECT_WITHIN_S
    answer = bridge.receive()
    assert answer is not None
    assert (answer["status"], answer["code"], answer["approved"]) == ("unknown", "no_reply", False)
    assert answer["request_id"] == request_id
    gateway.answer(peer, request_id, status="success", approved=True)
    until(lambda: bridge.poll() == 0 and bridge.statistics.late == 1)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ({}, "type"),
        ({"type": ""}, "type"),
        ({"type": 7}, "type"),
        ({**OPEN, "volume": math.nan}, "volume must be a number, was nan"),
        ({**OPEN, "volume": Decimal("Infinity")}, "volume"),
        ({**OPEN, "request_id": ""}, "request_id"),
        ({**OPEN, "request_id": 5}, "request_id"),
        ({**OPEN, "request_id": "x" * 65}, "64"),
        ({**OPEN, "comment": object()}, "JSON"),
        ({**OPEN, "comment": "x" * 70_000}, "bytes"),
        ({**OPEN, "comment": "\ud800"}, "JSON"),
    ],
)
def test_what_is_no_command_is_not_sent(bridge: NativeBridge, command: dict[str, Any], words: str):
    """The text says what is wrong, and no answer is owed."""
    with pytest.raises(ValueError, match=words):
        bridge.send_command(command)
    assert bridge.statistics.commands == 0


def test_an_id_in_flight_is_not_used_twice(bridge: NativeBridge):
    """Two commands of one id could not be told apart."""
    bridge.send_command({**OPEN, "request_id": "r"})
    with pytest.raises(ValueError, match="'r' is in flight"):
        bridge.send_command({**OPEN, "request_id": "r"})


def test_commands_without_answers_are_bounded(bridge: NativeBridge, clock: Clock):
    """Who never receives is told so; after receiving it goes on."""
    for _ in range(native_bridge.MOST_IN_FLIGHT):
        bridge.send_command(OPEN)
    with pytest.raises(BridgeBusy, match="nothing was sent"):
        bridge.send_command(OPEN)
    clock.now += 60.0
    assert bridge.poll() == native_bridge.MOST_IN_FLIGHT
    with pytest.raises(BridgeBusy):
        bridge.send_command(OPEN)
    assert bridge.receive() is not None
    bridge.send_command(OPEN)


def test_the_newest_tick(gateway: Gateway, bridge: NativeBridge, clock: Clock):
    """Only the newest of a symbol, with how long ago it can have come at most."""
    assert bridge.get_latest_tick("EURUSD") is None
    connected(gateway, bridge)
    bridge.get_latest_tick("EURUSD")
    clock.now += 0.25
    for seq in range(1, 300):
        gateway.send_tick(seq=seq)
    until(lambda: (bridge.get_latest_tick("EURUSD") or {}).get("seq") == 299)
    clock.now += 1.0
    tick = bridge.get_latest_tick("EURUSD")
    assert tick is not None
    assert {key: tick[key] for key in TICK} == {**TICK, "seq": 299}
    assert 1000 <= tick["received_ms_ago"] <= 1250
    assert bridge.get_latest_tick("EURUSD", max_age_s=0.5) is None
    assert bridge.get_latest_tick("EURUSD", max_age_s=2.0) is not None
    assert bridge.get_latest_tick("GBPUSD") is None
    assert bridge.get_latest_tick("RUSD") is None


def test_a_symbol_of_two_brokers_is_asked_for_by_broker(gateway: Gateway, bridge: NativeBridge):
    """Which of two prices counts is not for the order of their arrival to say."""
    connected(gateway, bridge)
    gateway.send_tick("demo", symbol="US.30", bid=1.0)
    gateway.send_tick("live", symbol="US.30", bid=2.0)
    assert until(lambda: bridge.get_latest_tick("US.30@live"))["bid"] == 2.0
    assert until(lambda: bridge.get_latest_tick("US.30@demo"))["bid"] == 1.0
    assert bridge.get_latest_tick("US.30@none") is None
    with pytest.raises(AmbiguousSymbol, match=r"demo, live; ask for US\.30@BROKER"):
        bridge.get_latest_tick("US.30")


def test_one_broker_only(gateway: Gateway, clock: Clock):
    """A bridge that is told its broker sees no other one's prices."""
    with NativeBridge(*gateway.ports, broker="live", monotonic=clock) as bridge:
        until(lambda: gateway.send_tick("live", bid=2.0) or bridge.get_latest_tick("EURUSD"))
        gateway.send_tick("demo", bid=1.0)
        gateway.send_tick("live", bid=2.5)
        assert until(lambda: (bridge.get_latest_tick("EURUSD") or {}).get("bid") == 2.5)


def test_ticks_that_nobody_looked_at_are_not_shown_as_new(gateway: Gateway, bridge: NativeBridge, monkeypatch):
    """With a full queue the newest were lost: nothing is shown until another tick comes, and none that waited."""
    connected(gateway, bridge)
    monkeypatch.setattr(native_link, "HIGH_WATER", 200)
    gateway.send_tick(seq=1)
    assert until(lambda: bridge.get_latest_tick("EURUSD"))
    for seq in range(2, 900):
        gateway.send_tick(seq=seq)

    def overflowed() -> bool:
        bridge.get_latest_tick("EURUSD")
        return bridge.statistics.overflows > 0

    until(overflowed)
    seen = set()

    def newest() -> bool:
        gateway.send_tick(seq=1000)
        seen.add((bridge.get_latest_tick("EURUSD") or {}).get("seq"))
        return 1000 in seen

    assert until(newest)
    assert seen <= {None, 1000}
    assert bridge.statistics.overflows == 1


@pytest.mark.parametrize("symbol", ["", "EUR USD", "E" * 32, "EURUSD@", "@demo", "EURUSD@a@b", "\n"])
def test_what_is_no_symbol(bridge: NativeBridge, symbol: str):
    """A misspelt name is an error and not a silence."""
    with pytest.raises(ValueError, match="symbol"):
        bridge.get_latest_tick(symbol)


def test_what_is_published_is_not_trusted(gateway: Gateway, bridge: NativeBridge):
    """Something else on the port shows no tick and crashes nothing."""
    connected(gateway, bridge)
    for body in (b"", b"[]", b"{", b"\xff", b"[" * 50_000):
        gateway.publish.send_multipart([b"tick.demo.EURUSD", body])
    for topic in (b"tick.", b"tick..", b"tick.demo", b"tick.demo."):
        gateway.publish.send_multipart([topic, b"{}"])
    gateway.send_tick(symbol="LAST")
    assert until(lambda: bridge.get_latest_tick("LAST"))
    assert bridge.get_latest_tick("EURUSD") is None


def test_ticks_into_the_gateway(gateway: Gateway, clock: Clock):
    """Once the gateway listens a tick goes out as the protocol has it; before that it is said to be gone."""
    with NativeBridge(*gateway.ports, monotonic=clock, wall=lambda: 1_795_424_400.5) as bridge:
        assert not bridge.publishing
        assert not bridge.publish_tick("EURUSD", 1.1, 1.2)
        gateway.ingest.poll(100)
        until(lambda: bridge.publishing or gateway.ingest.poll(10))
        assert bridge.publish_tick("EURUSD", 1.1, 1.2, last=1.15, volume=2)
        topic, body = gateway.ingest.recv_multipart()
        assert topic == b"tick.EURUSD"
        assert json.loads(body) == {
            "symbol": "EURUSD", "bid": 1.1, "ask": 1.2, "last": 1.15, "volume": 2.0, "time_msc": 1_795_424_400_500,
        }  # fmt: skip
        assert (bridge.statistics.ticks_published, bridge.statistics.ticks_unheard) == (1, 1)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"bid": math.nan}, "bid must be a number"),
        ({"ask": math.inf}, "ask must be a number"),
        ({"bid": -1.0}, "bid must not be negative"),
        ({"bid": 1.3}, "above ask"),
        ({"symbol": "EUR USD"}, "symbol must be"),
        ({"time_msc": -5}, "time_msc"),
    ],
)
def test_what_is_no_tick_is_not_sent(bridge: NativeBridge, fields: dict[str, Any], words: str):
    """The same rules as the gateway's, said at once."""
    with pytest.raises(ValueError, match=words):
        bridge.publish_tick(**{"symbol": "EURUSD", "bid": 1.1, "ask": 1.2, **fields})


def test_a_refused_terminal_tries_again(gateway: Gateway, clock: Clock, caplog):
    """libzmq gives up after a refusal; the bridge opens another socket and says so once."""
    asked: list[list[bytes]] = []
    zap = gateway.context.socket(zmq.ROUTER)
    zap.linger = 0
    zap.bind("inproc://zeromq.zap.01")
    door = gateway.context.socket(zmq.SUB)
    door.linger, door.plain_server, door.zap_domain = 0, True, b"ingest"
    door.subscribe(b"tick.")
    port = door.bind_to_random_port(f"tcp://{HOST}")
    right = False

    def step(bridge: NativeBridge) -> bool:
        bridge.publish_tick("EURUSD", 1.1, 1.2)
        door.poll(1)
        if zap.poll(1):
            request = zap.recv_multipart()
            asked.append(request)
            status = b"200" if right else b"400"
            zap.send_multipart([request[0], b"", b"1.0", request[3], status, b"", b"demo" if right else b"", b""])
        return bridge.publishing

    ports = (gateway.ports[0], port, gateway.ports[2])
    with NativeBridge(*ports, user="demo", token="t0ken", monotonic=clock) as bridge:
        until(lambda: step(bridge) or asked)
        for _ in range(20):
            assert not step(bridge)
            time.sleep(0.01)
        assert len(asked) == 1
        clock.now += native_link.REOPEN_S
        until(lambda: step(bridge) or len(asked) == 2)
        clock.now += native_link.REOPEN_S
        right = True
        until(lambda: step(bridge))
        assert bridge.publish_tick("EURUSD", 1.1, 1.2)
    assert asked[0][-2:] == [b"demo", b"t0ken"]
    assert len([record for record in caplog.records if "wait.gateway" in record.getMessage()]) == 1
    assert "t0ken" not in caplog.text
    zap.close()
    door.close()


def test_a_closed_bridge_says_so(bridge: NativeBridge):
    """Every use after closing is an error; closing again is none."""
    bridge.close()
    bridge.close()
    for use in (
        lambda: bridge.send_command(OPEN),
        bridge.receive,
        bridge.poll,
        lambda: bridge.get_latest_tick("EURUSD"),
        lambda: bridge.publish_tick("EURUSD", 1.1, 1.2),
    ):
        with pytest.raises(BridgeClosed):
            use()
    assert not bridge.publishing


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"command_port": 0}, "command_port must be 1 to 65535, was 0"),
        ({"data_port": 65536}, "data_port"),
        ({"user": "demo"}, "belong together"),
        ({"token": "x"}, "belong together"),
        ({"user": "demo", "token": ""}, "password"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], words: str):
    """What can't work is refused before a socket is opened."""
    with pytest.raises(ValueError, match=words):
        NativeBridge(**arguments)


def test_several_threads_may_use_it(gateway: Gateway, bridge: NativeBridge):
    """Each command is answered once, whoever sends and whoever receives."""
    connected(gateway, bridge)
    count, threads = 100, 4
    stop = threading.Event()
    answers: list[str] = []

    def serve() -> None:
        while not stop.is_set():
            if gateway.commands.poll(10):
                peer, command = gateway.next_command()
                gateway.answer(peer, command["request_id"], status="success")

    def work(name: int) -> None:
        for number in range(count):
            bridge.send_command({**OPEN, "request_id": f"{name}-{number}"})
            bridge.get_latest_tick("EURUSD")
            answer = bridge.receive()
            if answer is not None:
                answers.append(answer["request_id"])

    workers = [threading.Thread(target=serve), *(threading.Thread(target=work, args=(n,)) for n in range(threads))]
    for worker in workers:
        worker.start()
    try:
        for worker in workers[1:]:
            worker.join(60)
        until(lambda: answers.extend(a["request_id"] for a in iter(bridge.receive, None)) or len(answers) == 400)
    finally:
        stop.set()
        workers[0].join(60)
    assert sorted(answers) == sorted(f"{name}-{number}" for name in range(threads) for number in range(count))


WITHOUT_PYZMQ = """
import json, sys, warnings
sys.modules["zmq"] = None
from quantmind.client import NativeBridge
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    bridge = NativeBridge()
ids = [bridge.send_command({"type": kind, "request_id": kind}) for kind in ("trade_open", "heartbeat")]
print(json.dumps({
    "simulated": bridge.simulated, "warned": [(w.category.__name__, w.filename == "<string>") for w in caught],
    "answers": [bridge.receive() for _ in ids], "rest": bridge.receive(), "tick": bridge.get_latest_tick("EURUSD"),
    "published": bridge.publish_tick("EURUSD", 1.1, 1.2), "publishing": bridge.publishing,
}))
bridge.close()
"""


def test_without_pyzmq_it_is_a_simulation_that_approves_nothing():
    """It says that it is one, warns once, and refuses every command with the reason."""
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_PYZMQ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ},
    )
    found = json.loads(ran.stdout)
    assert found["simulated"] is True
    assert found["warned"] == [["RuntimeWarning", True]]
    assert [answer["request_id"] for answer in found["answers"]] == ["trade_open", "heartbeat"]
    for answer in found["answers"]:
        assert (answer["approved"], answer["status"], answer["simulated"]) == (False, "rejected", True)
        assert "pyzmq" in answer["reasons"][0]["message"]
    assert (found["rest"], found["tick"], found["published"], found["publishing"]) == (None, None, False, False)


def test_with_pyzmq_it_is_none(bridge: NativeBridge):
    """The label says the truth both ways."""
    assert bridge.simulated is False
