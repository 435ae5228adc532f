"""GET /metrics of a whole gateway: nothing that /status counts is missing, and no row reads what is not there."""

from __future__ import annotations

import json
import ssl
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from certificates import Authority, needs_openssl
from gateway_process import TOKEN, GatewayProcess, quantmind, running, until, write_config
from metric_walk import Samples, parsed, value, without_a_row

from quantmind.client.rest import RestClient
from quantmind.edges.rest.metric_table import METRICS
from quantmind.testing.binance.in_thread import SimulatorThread, start_simulator_thread
from quantmind.testing.binance.simulator import KEYS

WALK = {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "feed": {"type": "random_walk", "seed": 1, "ticks_per_s": 50}}
FED = {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "feed": {"type": "ingest"}}
COINS = {"type": "binance_spot", "api_key": KEYS.api_key, "api_secret": KEYS.secret, "symbols": ["BTCUSDT"]}
BY_CHANCE = {
    "broker_trading_hold",
    "ingest_denied",
    "secure_denied",
    "tls_failed",
    "broker_symbol_silent",
    "exchange_banned_until_timestamp_seconds",
    "exchange_lost_trades",
    "commands_without_place",
    "turns_pressed",
    "turns_waited",
    "turns_waiting",
    "websocket_closed",
    "websocket_errors",
    "websocket_refused",
}
"""Of what has not happened here: counts by reason begin with the first of a reason."""


def scrape(gateway: GatewayProcess, trust: ssl.SSLContext) -> Samples:
    request = urllib.request.Request(gateway.addresses["rest"] + "metrics", headers={"X-Token": TOKEN})
    with urllib.request.urlopen(request, timeout=20, context=trust) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return parsed(answer.read().decode())


def send_ticks(gateway: GatewayProcess) -> None:
    """A good one and a broken one."""
    with zmq.Context() as context, context.socket(zmq.XPUB) as sender:
        sender.setsockopt(zmq.LINGER, 0)
        sender.plain_username, sender.plain_password = b"fed", TOKEN.encode()
        sender.connect(gateway.addresses["ingest"])
        assert sender.poll(20_000)
        tick = {"symbol": "EURUSD", "bid": 1.25, "ask": 1.2501, "time_msc": int(time.time() * 1000)}
        for sent in (tick, {**tick, "bid": 2}):
            sender.send_multipart([b"tick.EURUSD", json.dumps(sent).encode()])
        time.sleep(0.2)


def come_with_a_guard(gateway: GatewayProcess) -> None:
    """As the bridge of `far`, which says that its guard watches, and has gone again."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as bridge:
        bridge.setsockopt(zmq.LINGER, 0)
        bridge.connect(gateway.addresses["commands"])
        hello = {"type": "bridge_hello", "id": "1", "protocol": 1, "token": TOKEN, "account": 5, "server": "Demo"}
        bridge.send_json({**hello, "margin_mode": "hedging", "guard": True})
        session = ""
        while bridge.poll(20_000):
            heard = bridge.recv_json()
            if heard["type"] == "reply":
                session = heard["data"]["session"]
            elif heard["type"] == "guard":
                bridge.send_json({"type": "guarded", "seq": heard["seq"], "state": "watching", "session": session})
                bridge.poll(500)
                return
        raise AssertionError("no beat came")


@pytest.fixture
def sim() -> Iterator[SimulatorThread]:
    """An exchange whose prices walk."""
    with start_simulator_thread() as sim:
        sim.do(lambda it: it.start_walk())
        yield sim


def surprise(client: RestClient, sim: SimulatorThread) -> None:
    """A word that is new to the gateway, streams that break, and a trade; until all have been seen."""
    until(lambda: client.get("/status")["exchanges"]["coins"]["connected"])
    sim.do(lambda it: it.engine.on_event({"e": "somethingOf2027", "E": 1}))
    until(lambda: client.get("/status")["exchanges"]["coins"]["strange"])
    sim.do(lambda it: it.end_connections())

    def is_up_again() -> bool:
        now = client.get("/status")["exchanges"]["coins"]
        lines = (now["user"], now["market"]["lines"]["market"])
        return all(line["gaps"] and line["lost"] is None and line["quiet_s"] is not None for line in lines)

    until(is_up_again)
    sim.do(lambda it: it.trade("BTCUSDT", 60_000, 1))
    until(lambda: client.get("/status")["exchanges"]["coins"]["clock"]["event_bound_ms"] is not None)


@needs_openssl
def test_all_of_it(tmp_path: Path, sim: SimulatorThread) -> None:
    """With TLS, endpoints by PLAIN and CURVE, ticks that come in: each figure has a row, and each row its figure."""
    authority = Authority.make(tmp_path)
    issued = authority.issue()
    calendar = tmp_path / "news.csv"
    calendar.write_text("time,currency,impact,title\n2026-11-25T13:30:00Z,USD,high,GDP\n", encoding="utf-8")
    plain = {"host": "127.0.0.1", "port": 0, "mechanism": "plain"}
    config = write_config(
        tmp_path,
        {
            "demo": WALK,
            "fed": FED,
            "far": {"type": "mt5_socket", "mode": "listen"},
            "coins": {**COINS, "base_url": sim.url},
        },
        commands={"secure": [plain, {**plain, "mechanism": "curve", "curve_clients_dir": str(tmp_path / "clients")}]},
        data={"secure": [plain], "ingest_port": 0},
        tls={"certificate": str(issued.certificate), "key": str(issued.key)},
    )
    text = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps({**text, "risk": {"news_file": str(calendar)}}), encoding="utf-8")
    (tmp_path / "clients").mkdir()
    assert quantmind(config, "keys").returncode == 0
    trust = ssl.create_default_context(cafile=str(authority.file))
    with running(config) as gateway, RestClient(gateway.addresses["rest"], TOKEN, ca=authority.file) as client:
        until(lambda: client.get("/status")["brokers"][0]["trading"]["state"] == "active")
        heartbeat = {"type": "heartbeat", "ea_name": "alpha", "symbol": "EURUSD", "magic": 7, "broker": "demo"}
        client.send("POST", "/command", {**heartbeat, "token": "wrong"}, key="none")
        with zmq.Context() as context, context.socket(zmq.REQ) as requests:
            requests.setsockopt(zmq.LINGER, 0)
            requests.connect(gateway.addresses["commands"])
            requests.send_json({**heartbeat, "token": "wrong"})
            assert requests.poll(20_000)
            requests.recv()
            requests.send_json({"type": "bridge_hello", "id": "1", "protocol": 1, "token": "wrong"})
            assert requests.poll(20_000)
        come_with_a_guard(gateway)
        until(lambda: client.get("/status")["bridges"]["brokers"]["far"]["guard"]["acknowledged"])
        send_ticks(gateway)
        until(lambda: client.get("/status")["ingest"]["dropped"])
        surprise(client, sim)
        status = client.get("/status")
        found = scrape(gateway, trust)
        assert without_a_row(status) == []
        assert value(found, "figures_unreadable") == 0
        names = {name.removesuffix("_count") for name, _ in found}
        absent = {row.name for row in METRICS if row.full_name not in names}
        assert absent <= BY_CHANCE, absent - BY_CHANCE
        assert value(found, "tokens_denied_total", door="zmq", reason="unknown_token") == 1
        assert value(found, "commands_unauthorized_total", door="zmq") == 1
        assert value(found, "commands_received_total", door="http") == 1
        assert value(found, "commands_received_total", door="commands_curve") == 0
        assert value(found, "ingest_accepted_total", broker="fed") == 1
        assert value(found, "ingest_dropped_total", broker="fed", reason="crossed") == 1
        assert value(found, "actor_state", actor="execution/governor", state="running") == 1
        assert value(found, "bridge_guard_state", broker="far", state="watching") == 1
        assert value(found, "bridge_guard_acknowledged", broker="far") >= 1
        assert value(found, "bridge_guard_held", broker="far") == 0
        assert value(found, "news_events_by_impact", impact="high") == 1
        assert value(found, "exchange_connected", broker="coins") == 1
        assert value(found, "exchange_line_lost", broker="coins", line="account") == 0
        assert value(found, "exchange_line_messages_total", broker="coins", line="market") > 1
        assert value(found, "exchange_limit_most", broker="coins", limit="REQUEST_WEIGHT 1M") == 6000
        assert abs(value(found, "exchange_clock_offset_seconds", broker="coins")) < 1
        assert value(found, "exchange_assets_not_counted", broker="coins") == 2
        assert value(found, "exchange_strange_total", broker="coins", word="event=somethingOf2027") == 1
        assert value(found, "secure_keys", socket="commands_curve") == 0
        assert value(found, "tls_certificate_expires_timestamp_seconds") > time.time() + 80 * 86400
        ticks = value(found, "broker_ticks_polled_total", broker="demo")
        until(lambda: value(scrape(gateway, trust), "broker_ticks_polled_total", broker="demo") > ticks)
