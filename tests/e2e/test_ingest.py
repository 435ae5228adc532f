"""A terminal's prices from outside: sent to the gateway, seen by a client, traded on, and stale when they stop."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import zmq
from gateway_process import TOKEN, GatewayProcess, running, write_config
from raw_ws import RawClient

from quantmind.app import open_gateway
from quantmind.client import NativeBridge
from quantmind.config import load

BROKER = {"type": "mt5_mock", "symbols": {"EURUSD": {}, "USDJPY": {}}, "feed": {"type": "ingest"}}
WITHIN_S = 60.0


def config_at(folder: Path, brokers: dict[str, Any], **data: Any) -> Path:
    return write_config(
        folder, brokers, data={"ingest_port": 0, **data}, poll_interval_ms=20, account_interval_ms=50
    )  # fmt: skip


def until(condition: Callable[[], Any], within_s: float = WITHIN_S) -> Any:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it never happened")


def bridge_to(gateway: GatewayProcess, **login: str) -> NativeBridge:
    return NativeBridge(gateway.port("commands"), gateway.port("ingest"), gateway.port("publish"), **login)


def answer_to(bridge: NativeBridge, command: dict[str, Any]) -> dict[str, Any]:
    request_id = bridge.send_command(command)
    answer = until(bridge.receive)
    assert answer["request_id"] == request_id
    return dict(answer)


@attrs.define(eq=False)
class Terminal:
    """A program beside the gateway that sends a price again and again, in a thread."""

    bridge: NativeBridge
    price: tuple[float, float]
    stopping: threading.Event = attrs.field(factory=threading.Event)
    thread: threading.Thread | None = None

    def start(self) -> None:
        self.thread = threading.Thread(target=self._send)
        self.thread.start()

    def stop(self) -> None:
        self.stopping.set()
        if self.thread is not None:
            self.thread.join()

    def _send(self) -> None:
        while not self.stopping.is_set():
            self.bridge.publish_tick("EURUSD", *self.price)
            time.sleep(0.05)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    with running(config_at(tmp_path, {"demo": BROKER})) as started:
        yield started


def feed_of(gateway: GatewayProcess, broker: str = "demo") -> str:
    return str(next(each for each in gateway.get("/status")["brokers"] if each["broker"] == broker)["feed"])


def test_ticks_in_ticks_out_an_order_between_and_silence(gateway: GatewayProcess):
    """What a terminal sends is what a client sees, in order, and what an order fills at; silent it is stale."""
    client = RawClient(gateway.port("websocket"))
    client.send({"type": "subscribe", "symbols": ["EURUSD", "USDJPY"]})
    client.collect()
    with bridge_to(gateway, user="demo", token=TOKEN) as bridge:
        until(lambda: bridge.publish_tick("EURUSD", 1.0, 1.0001))
        sent = [(round(1.08 + number / 100_000, 5), round(1.08012 + number / 100_000, 5)) for number in range(500)]
        for number, (bid, ask) in enumerate(sent):
            until(lambda: bridge.publish_tick("EURUSD", bid, ask))  # noqa: B023  # called before the next turn
            if number % 5 == 0:
                until(lambda: bridge.publish_tick("USDJPY", 150.0 + number / 1000, 150.1 + number / 1000))  # noqa: B023
        until(lambda: (bridge.get_latest_tick("EURUSD") or {}).get("bid") == sent[-1][0])

        terminal = Terminal(bridge, (1.0900, 1.0901))
        terminal.start()
        try:
            until(lambda: (bridge.get_latest_tick("EURUSD@demo") or {}).get("ask") == 1.0901)
            until(lambda: feed_of(gateway) == "live")
            order = {
                "type": "trade_open", "ea_name": "A", "symbol": "EURUSD", "volume": 0.1, "magic": 1, "side": "buy",
                "execute": True, "token": TOKEN, "expires_at": time.time() + 30,
            }  # fmt: skip
            until(lambda: gateway.get("/account"))
            opened = answer_to(bridge, order)
            assert opened["status"] == "success", opened
            assert (opened["price"], opened["volume"]) == (1.0901, 0.1)
            terminal.price = (1.0950, 1.0951)
            until(lambda: (bridge.get_latest_tick("EURUSD") or {}).get("bid") == 1.095)
            close = {**order, "type": "trade_close", "ticket": opened["ticket"], "expires_at": time.time() + 30}
            closed = answer_to(bridge, {key: close[key] for key in close if key not in ("side", "volume")})
            assert (closed["status"], closed["price"], closed["profit"]) == ("success", 1.095, 49.0)
        finally:
            terminal.stop()

        until(lambda: feed_of(gateway) == "stale")
        refused = answer_to(bridge, {**order, "expires_at": time.time() + 30})
        assert refused["approved"] is False
        assert "price_fresh" in [reason["rule"] for reason in refused["reasons"]]
        until(lambda: bridge.publish_tick("EURUSD", 1.0, 1.1) and feed_of(gateway) == "live")

    status = gateway.get("/status")["ingest"]
    assert status["auth"] == "plain"
    assert status["connections"] == {"granted": 1, "denied": {}}
    assert status["dropped"] == {}
    assert status["accepted"]["demo"] == status["brokers"]["demo"]["accepted"] >= 600
    gateway.stop()
    client.join()
    messages = client.messages()
    ticks = [each["data"] for each in messages if each["type"] == "tick" and not each.get("snapshot")]
    seen = [(tick["bid"], tick["ask"]) for tick in ticks if tick["symbol"] == "EURUSD"]
    assert seen[1 : 1 + len(sent)] == sent
    yen = [tick["bid"] for tick in ticks if tick["symbol"] == "USDJPY"]
    assert yen == [150.0 + number / 1000 for number in range(0, 500, 5)]
    for symbol in ("EURUSD", "USDJPY"):
        numbers = [tick["seq"] for tick in ticks if tick["symbol"] == symbol]
        assert numbers == list(range(1, len(numbers) + 1))
    states = [each["state"] for each in messages if each["type"] == "status" and each.get("symbol") == "EURUSD"]
    assert [state for state, _ in itertools.groupby(states)][-2:] == ["stale", "live"]


def test_nobody_else_makes_prices(tmp_path: Path):
    """A wrong token, no credentials, and a user that takes no ticks change no price of anybody."""
    walk = {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "feed": {"type": "random_walk"}}
    brokers = {"demo": BROKER, "second": BROKER, "walk": walk}
    with running(config_at(tmp_path, brokers)) as gateway:
        strangers = [
            bridge_to(gateway, user="demo", token="wrong-token-0123456789"),
            bridge_to(gateway),
            bridge_to(gateway, user="walk", token=TOKEN),
            bridge_to(gateway, user="nobody", token=TOKEN),
        ]
        with bridge_to(gateway, user="second", token=TOKEN) as known:
            until(lambda: known.publish_tick("EURUSD", 1.2, 1.3) and known.get_latest_tick("EURUSD@second"))
            for stranger in strangers:
                assert not any(stranger.publish_tick("EURUSD", 9.0, 9.1) for _ in range(50))
                assert not stranger.publishing
            denied = {"unknown_token": 1, "unknown_broker": 2}
            until(lambda: gateway.get("/status")["ingest"]["connections"]["denied"] == denied)
            until(lambda: known.publish_tick("EURUSD", 1.25, 1.35) and known.get_latest_tick("EURUSD@second"))
            assert known.get_latest_tick("EURUSD@demo") is None
        for stranger in strangers:
            stranger.close()
        status = gateway.get("/status")["ingest"]
        assert "demo" not in status["accepted"]
        assert "wrong-token" not in "\n".join(gateway.log)
        assert gateway.stop() == 0


def test_bad_ticks_are_dropped_with_reasons(gateway: GatewayProcess):
    """Whatever a terminal that was let in sends, the gateway goes on, and /status says why it was dropped."""
    now = round(time.time() * 1000)
    good = {"symbol": "EURUSD", "bid": 1.1, "ask": 1.2, "last": 0, "volume": 0, "time_msc": now}
    bad: list[tuple[str, list[bytes]]] = [
        (reason, [b"tick.EURUSD", json.dumps({**good, **fields}).encode()])
        for reason, fields in {
            "crossed": {"bid": 1.3}, "negative": {"bid": -1}, "no_price": {"bid": 0}, "bad_number": {"bid": "1"},
            "ahead": {"time_msc": now + 3_600_000}, "old": {"time_msc": now - 3_600_000}, "invalid_message": {"x": 1},
            "wrong_topic": {"symbol": "USDJPY"}, "too_high": {"ask": 1e12 * 5},
        }.items()
    ]  # fmt: skip
    bad += [
        ("frames", [b"tick.EURUSD"]),
        ("frames", [b"tick.EURUSD", b"{}", b"{}"]),
        ("frames", [b"tick.EURUSD"] * 50),
        ("invalid_json", [b"tick.EURUSD", b"NaN"]),
        ("invalid_json", [b"tick.EURUSD", json.dumps({**good, "bid": float("nan")}).encode()]),
        ("not_utf8", [b"tick.EURUSD", b"\xff\xfe"]),
        ("oversize", [b"tick.EURUSD", b" " * 5000]),
        ("unknown_symbol", [b"tick.GBPUSD", json.dumps({**good, "symbol": "GBPUSD"}).encode()]),
    ]
    expected: dict[str, int] = {}
    for reason, _ in bad:
        expected[reason] = expected.get(reason, 0) + 1
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        socket.linger, socket.plain_username, socket.plain_password = 0, b"demo", TOKEN.encode()
        socket.connect(f"tcp://127.0.0.1:{gateway.port('ingest')}")
        assert socket.poll(20_000)
        for _, frames in bad:
            socket.send_multipart(frames)
        socket.send_multipart([b"tick.EURUSD", json.dumps({**good, "time_msc": round(time.time() * 1000)}).encode()])
        until(lambda: gateway.get("/status")["ingest"]["accepted"].get("demo") == 1)
        assert gateway.get("/status")["ingest"]["dropped"] == {"demo": expected}
        # Longer than the socket takes: its sender loses the connection, and nobody else does.
        socket.send_multipart([b"tick.EURUSD", b" " * 100_000])
        with bridge_to(gateway, user="demo", token=TOKEN) as bridge:
            until(lambda: bridge.publish_tick("EURUSD", 1.15, 1.25))
            until(lambda: gateway.get("/status")["ingest"]["accepted"]["demo"] >= 2)
    names = {name["name"] for name in gateway.get("/status")["actors"]["not_running"]}
    assert names == set()
    assert gateway.stop() == 0


def test_without_credentials_where_that_is_configured(tmp_path: Path):
    """`ingest_auth: none` takes ticks of any program of this machine, for the one broker that takes them."""
    with (
        running(config_at(tmp_path, {"demo": BROKER}, ingest_auth="none")) as gateway,
        bridge_to(gateway) as bridge,
    ):
        until(lambda: bridge.publish_tick("EURUSD", 1.1, 1.2) and bridge.get_latest_tick("EURUSD"))
        assert gateway.get("/status")["ingest"]["auth"] == "none"
        assert gateway.stop() == 0


def test_no_port_is_open_where_no_broker_takes_ticks(tmp_path: Path):
    """A gateway without such a feed listens for no ticks and says nothing of them."""
    brokers = {"walk": {"type": "mt5_mock"}, "off": {**BROKER, "enabled": False}}
    with running(config_at(tmp_path, brokers)) as gateway:
        assert "ingest" not in gateway.addresses
        assert "ingest" not in gateway.get("/status")


@pytest.mark.parametrize("actor", ["edges/zmq_auth", "edges/zmq_data"])
async def test_a_crash_of_either_actor_is_survived(tmp_path: Path, actor: str):
    """The one that lets in, or the one that reads, comes back by itself, and a terminal is heard again."""
    config = load(config_at(tmp_path, {"demo": BROKER}), {})
    with open_gateway(config, token=TOKEN) as gateway:
        async with trio.open_nursery() as nursery:
            await nursery.start(gateway.tree.root.run)
            ports = [int(gateway.addresses[name].rpartition(":")[2]) for name in ("commands", "ingest", "publish")]

            async def heard() -> None:
                with trio.fail_after(WITHIN_S), NativeBridge(*ports, user="demo", token=TOKEN) as bridge:
                    while not bridge.publish_tick("EURUSD", 1.1, 1.2):
                        await trio.sleep(0.02)

            await heard()
            gateway.tree.root.fail(actor, RuntimeError("a planted crash"))
            await heard()
            with trio.fail_after(WITHIN_S):
                await gateway.tree.root.stop()
            nursery.cancel_scope.cancel()
