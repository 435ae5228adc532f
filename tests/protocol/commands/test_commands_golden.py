"""Each golden file over the real ROUTER socket, as REQ and as DEALER, with and without the empty delimiter.

In a file: `setup` how the path is made, `before` messages sent first, `state` a trading state set then, `send` the
message (an object, or `raw` text, or `base64`), `expect` all fields of the answer. `$now+30` is Unix seconds,
`$last.ticket` a field of the answer before, `$first.ticket` of the first one. Matchers: `<text>`, `<number>`,
`<integer>`, `<any>`, `<absent>`.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from command_path import CommandPath, InlineJournal, make_broker, open_command_path, opening

from quantmind.adapters.journal import SqliteJournal
from quantmind.domain.risk import EaLimits
from quantmind.net.zmq import DealerSocket, ReqSocket, RouterSocket, ZmqContext
from quantmind.wire.commands import TYPES

FILES = sorted(Path(__file__).parent.glob("*.json"))
CODES = {
    "invalid_json", "invalid_message", "unknown_type", "unknown_field", "unknown_symbol", "unknown_broker",
    "broker_required", "unknown_ticket", "unknown_approval", "unauthorized", "forbidden", "request_id_required",
    "request_id_conflict", "expired", "broker_refused", "broker_unavailable", "busy", "internal",
}  # fmt: skip


class SystemClock:
    def now(self) -> float:
        return time.time()


class Peer:
    """A client of one kind."""

    def __init__(self, context: ZmqContext, port: int, kind: str) -> None:
        self.kind = kind
        self.req = ReqSocket.connect(context, "127.0.0.1", port) if kind == "req" else None
        self.dealer = DealerSocket.connect(context, "127.0.0.1", port) if kind != "req" else None

    async def ask(self, payload: bytes) -> dict[str, Any]:
        with trio.fail_after(20):
            if self.req is not None:
                body: bytes | None = await self.req.request(payload)
            else:
                assert self.dealer is not None
                self.dealer.send_frames([b"", payload] if self.kind == "dealer_delimited" else [payload])
                (incoming,) = await self.dealer.receive_batch(1)
                body = incoming.body
        assert body is not None
        reply: dict[str, Any] = json.loads(body)
        return reply


@asynccontextmanager
async def served(tmp_path: Path, setup: dict[str, Any]) -> AsyncIterator[tuple[ZmqContext, RouterSocket, CommandPath]]:
    broker = make_broker(margin_mode=setup.get("margin_mode", "hedging"))
    for name, value in setup.get("faults", {}).items():
        setattr(broker.inner.faults, name, value)
    journal: Any = SqliteJournal(tmp_path / "journal.sqlite3", durable=False)
    if "journal" in setup:
        journal = InlineJournal()

    def limits(ea_name: str) -> EaLimits:
        if ea_name == "poison":
            raise RuntimeError("a bug")
        return EaLimits()

    with ZmqContext() as context:
        socket = RouterSocket.bind(context, "127.0.0.1", 0)
        async with open_command_path(
            journal=journal,
            broker=broker,
            clock=SystemClock(),
            socket=socket,
            ea_limits=limits,
            brokers=tuple(setup["brokers"]) if "brokers" in setup else None,
            max_in_flight=setup.get("max_in_flight", 1024),
        ) as path:
            if "journal" in setup:
                journal.fails = setup["journal"]
            yield context, socket, path


def read(file: Path) -> dict[str, Any]:
    golden: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return golden


def filled(value: Any, heard: list[dict[str, Any]]) -> Any:
    if isinstance(value, dict):
        return {key: filled(item, heard) for key, item in value.items()}
    if isinstance(value, str) and value.startswith("$now"):
        return SystemClock().now() + float(value.removeprefix("$now") or 0)
    if isinstance(value, str) and value.startswith("$last."):
        return heard[-1][value.removeprefix("$last.")]
    if isinstance(value, str) and value.startswith("$first."):
        return heard[0][value.removeprefix("$first.")]
    return value


def encoded(send: dict[str, Any], heard: list[dict[str, Any]]) -> bytes:
    if "raw" in send:
        return str(send["raw"]).encode()
    if "base64" in send:
        return base64.b64decode(send["base64"])
    return json.dumps(filled(send, heard)).encode()


def matches(expected: Any, found: Any) -> bool:
    match expected:
        case "<any>":
            return True
        case "<text>":
            return isinstance(found, str) and bool(found)
        case "<number>":
            return isinstance(found, int | float) and not isinstance(found, bool)
        case "<integer>":
            return isinstance(found, int) and not isinstance(found, bool)
        case dict():
            wanted = {key: value for key, value in expected.items() if value != "<absent>"}
            return set(wanted) == set(found) and all(matches(value, found[key]) for key, value in wanted.items())
        case list():
            return len(expected) == len(found) and all(map(matches, expected, found))
    return bool(expected == found) and isinstance(expected, bool) == isinstance(found, bool)


@pytest.mark.parametrize("kind", ["req", "dealer", "dealer_delimited"])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_golden(file: Path, kind: str, tmp_path: Path) -> None:
    """The answer has exactly the fields that the file says, by every kind of socket."""
    golden = read(file)
    assert golden["name"] == file.stem
    async with served(tmp_path, golden.get("setup", {})) as (context, socket, path):
        peer = Peer(context, socket.port, kind)
        heard: list[dict[str, Any]] = []
        for message in golden.get("before", []):
            heard.append(await peer.ask(encoded(message, heard)))
            assert heard[-1]["status"] in ("success", "unknown"), heard[-1]
        if "state" in golden:
            await path.set_state(golden["state"])
        reply = await peer.ask(encoded(golden["send"], heard))
        assert matches(filled(golden["expect"], heard), reply), json.dumps(reply, indent=2)


def test_every_type_and_code_has_a_golden_file() -> None:
    """Nothing that the protocol names is without an example."""
    golden = [read(file) for file in FILES]
    assert {item["expect"].get("code") for item in golden} >= CODES
    types = {item["send"].get("type") for item in golden if item["expect"]["status"] == "success"}
    assert types == set(TYPES)
    assert {item["expect"]["status"] for item in golden} == {"success", "rejected", "error", "unknown"}


# --- frames --------------------------------------------------------------------------------------------------------

BEAT = b'{"type":"heartbeat","ea_name":"alpha","symbol":"EURUSD","magic":7,"request_id":"%s"}'


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([b""], "invalid_message"),
        ([b"", b""], "invalid_message"),
        ([b"", b"", b""], "invalid_message"),
        ([b"", b"{}", b"{}"], "invalid_message"),
        ([b"{}", b"{}"], "invalid_message"),
        ([b"a"] * 20, "invalid_message"),
        ([b"", b"\xff\xfe\x00"], "invalid_json"),
        ([b"\x00\x01\x02"], "invalid_json"),
        ([b"", b" "], "invalid_json"),
        ([b"", b"[" * 60_000], "invalid_json"),
        ([b"", b'{"type":"heartbeat","ea_name":"' + b"x" * 60_000 + b'"}'], "invalid_message"),
    ],
    ids=range(11),
)
async def test_odd_frames_are_answered(frames: list[bytes], code: str, tmp_path: Path) -> None:
    """Whatever frames come, their sender gets one answer, and the next message is served."""
    async with served(tmp_path, {}) as (context, socket, _):
        peer = Peer(context, socket.port, "dealer")
        assert peer.dealer is not None
        peer.dealer.send_frames(frames)
        peer.dealer.send(BEAT % b"next")
        heard = []
        with trio.fail_after(20):
            while len(heard) < 2:
                heard += [json.loads(incoming.body or b"") for incoming in await peer.dealer.receive_batch()]
        assert [reply.get("code") for reply in heard if reply["request_id"] is None] == [code]
        assert [reply["status"] for reply in heard if reply["request_id"] == "next"] == ["success"]


async def test_a_mebibyte_drops_its_sender_alone(tmp_path: Path) -> None:
    """A message above the limit costs its sender the connection, and nobody else anything."""
    async with served(tmp_path, {}) as (context, socket, _):
        rude, polite = (Peer(context, socket.port, "dealer") for _ in range(2))
        assert rude.dealer is not None
        assert (await polite.ask(BEAT % b"a"))["status"] == "success"
        rude.dealer.send(b'{"type":"' + b"x" * 2**20 + b'"}')
        for n in range(20):
            assert (await polite.ask(BEAT % b"%d" % n))["status"] == "success"
        # connected anew by itself
        with trio.fail_after(10):
            assert (await rude.ask(BEAT % b"again"))["status"] == "success"


async def test_many_in_flight_are_told_apart(tmp_path: Path) -> None:
    """A DEALER with hundreds of requests in flight gets one answer for each, by its request_id."""
    async with served(tmp_path, {}) as (context, socket, path):
        peer = Peer(context, socket.port, "dealer")
        assert peer.dealer is not None
        sent = {}
        for n in range(600):
            message = [
                {"type": "heartbeat", "ea_name": "alpha", "symbol": "EURUSD", "magic": n},
                opening(volume=0.01),
                opening(volume=0.01, execute=True, token="ea-token-0123456789", expires_at=SystemClock().now() + 30),
                {"type": "nonsense"},
            ][n % 4]
            sent[f"id-{n}"] = {**message, "request_id": f"id-{n}"}
            assert peer.dealer.send(json.dumps(sent[f"id-{n}"]).encode())
        heard: dict[str, Any] = {}
        with trio.fail_after(30):
            while len(heard) < len(sent):
                for incoming in await peer.dealer.receive_batch():
                    reply = json.loads(incoming.body or b"")
                    assert reply["request_id"] not in heard, "one answer each"
                    heard[reply["request_id"]] = reply
        for request_id, message in sent.items():
            reply = heard[request_id]
            assert ("trading_state" in reply) == (message["type"] == "heartbeat")
            assert ("order_id" in reply) == bool(message.get("execute"))
            assert (reply.get("code") == "unknown_type") == (message["type"] == "nonsense")
        assert path.broker.opened == 150
        assert path.door.in_flight == 0


async def test_crashing_the_edge_loses_no_message(tmp_path: Path) -> None:
    """What comes while the reading actor is down waits in its socket, and is answered when it is back."""
    async with served(tmp_path, {}) as (context, socket, path):
        peer = Peer(context, socket.port, "dealer")
        assert peer.dealer is not None
        heard: list[str] = []
        for n in range(100):
            peer.dealer.send(BEAT % b"%d" % n)
            if n % 25 == 0:
                path.root.fail("zmq_commands", RuntimeError("crashed by a test"))
                await trio.sleep(0.005)
        with trio.fail_after(20):
            while len(heard) < 100:
                heard += [json.loads(i.body or b"")["request_id"] for i in await peer.dealer.receive_batch()]
        assert sorted(heard, key=int) == [str(n) for n in range(100)]


async def test_stopping_answers_what_was_let_in(tmp_path: Path) -> None:
    """A stop of the edge waits for the answers of what it has read."""
    async with served(tmp_path, {}) as (context, socket, path):
        peer = Peer(context, socket.port, "dealer")
        assert peer.dealer is not None
        path.broker.inner.faults.place_delay_s = 0.3
        message = opening("a", execute=True, token="ea-token-0123456789", expires_at=SystemClock().now() + 30)
        peer.dealer.send(json.dumps(message).encode())
        await trio.sleep(0.1)
        assert path.door.in_flight == 1
        path.root.request_stop()
        with trio.fail_after(10):
            (incoming,) = await peer.dealer.receive_batch(1)
        assert json.loads(incoming.body or b"")["status"] == "success"


async def test_crashes_of_everyone_under_traffic(tmp_path: Path) -> None:
    """With the real journal and socket: whoever crashes, each request has one answer and each id one deal at most."""
    actors = [
        "journal",
        "zmq_commands",
        "execution/commands",
        "execution/governor",
        "execution/brokers/executor:demo",
        "execution/brokers/closer:demo",
    ]
    async with served(tmp_path, {}) as (context, socket, path):
        peer = Peer(context, socket.port, "dealer")
        assert peer.dealer is not None
        expires = SystemClock().now() + 50
        wire = {"execute": True, "token": "ea-token-0123456789", "expires_at": expires, "volume": 0.01}
        orders = {f"r{n}": json.dumps(opening(f"r{n}", **wire)).encode() for n in range(120)}
        heard: dict[str, Any] = {}

        async def listen(count: int) -> None:
            assert peer.dealer is not None
            with trio.fail_after(30):
                while len(heard) < count:
                    for incoming in await peer.dealer.receive_batch():
                        reply = json.loads(incoming.body or b"")
                        assert reply["request_id"] not in heard, "one answer each"
                        heard[reply["request_id"]] = reply

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, len(orders))
            for n, payload in enumerate(orders.values()):
                peer.dealer.send(payload)
                await trio.sleep(0.005)
                if n % 12 == 5:
                    path.root.fail(actors[n // 12 % len(actors)], RuntimeError("crashed by a test"))
        await trio.sleep(3)  # a sample, and what was unknown is reconciled
        first, tickets = dict(heard), []
        for request_id, payload in orders.items():
            heard.clear()
            peer.dealer.send(payload)
            await listen(1)
            last = heard[request_id]
            assert last["status"] != "unknown", last
            if first[request_id]["status"] == "success":
                assert last["ticket"] == first[request_id]["ticket"]
            if last["status"] == "success":
                tickets.append(last["ticket"])
        assert path.broker.tags_sent_twice == []
        assert sorted(tickets) == [position.ticket for position in path.broker.inner.account.positions()]
        assert path.broker.opened == len(tickets) > 0
