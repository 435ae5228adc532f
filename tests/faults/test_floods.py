"""Whatever port is flooded: an operator's halt and an EA's close get their answers, and the gateway is as it was."""

from __future__ import annotations

import itertools
import json
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from floods import BROKER, FLOODS, configured, start
from gateway_process import TOKEN, GatewayProcess, quantmind, running, until

WITHIN_S = 20.0
FLOOD_S = 40.0
"""Longer than all that a test waits for meanwhile; it is ended with the test."""
HOLD_S = 1.0
"""A flood is given so long to take hold."""
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """One for all floods, so that what one leaves behind meets the next."""
    with running(configured(tmp_path_factory.mktemp("flooded"))) as started:
        until(lambda: started.get("/ticks/EURUSD")["bid"])
        yield started
        assert started.process.poll() is None, "\n".join(started.log[-80:])


def close_over_zmq(gateway: GatewayProcess, ticket: int) -> dict[str, Any]:
    """What an EA that connects just now is answered to its close."""
    closing = {"type": "trade_close", "ea_name": "alpha", "symbol": "EURUSD", "ticket": ticket, "broker": BROKER}
    proved = {"execute": True, "token": TOKEN, "expires_at": time.time() + 30, "request_id": f"close-{next(NUMBERS)}"}
    context = zmq.Context()
    ea = context.socket(zmq.REQ)
    try:
        ea.setsockopt(zmq.RCVTIMEO, int(WITHIN_S * 1000))
        ea.connect(f"tcp://127.0.0.1:{gateway.port('commands')}")
        ea.send(json.dumps({**closing, **proved}).encode())
        reply: dict[str, Any] = json.loads(ea.recv())
        return reply
    finally:
        context.destroy(0)


def opened(gateway: GatewayProcess) -> int:
    """The ticket of a new position, on an account that trades; what a flood was promised before it must have ended."""
    status, released = gateway.post("/risk/state", {"state": "active", "broker": BROKER, "reason": "a test"})
    assert status == 200, released

    def opened_now() -> int | None:
        order = {"symbol": "EURUSD", "action_type": "BUY", "volume": 0.1, "broker": BROKER}
        return gateway.post("/trade", order)[1].get("ticket")

    return int(until(opened_now, WITHIN_S))


@pytest.mark.parametrize("name", FLOODS)
def test_a_halt_and_a_close_get_through(gateway: GatewayProcess, name: str) -> None:
    """Over a connection of its own each, in the middle of the flood; and afterwards everything answers as before."""
    ticket = opened(gateway)
    flood = start(name, gateway.port(FLOODS[name].door), FLOOD_S, TOKEN)
    try:
        time.sleep(HOLD_S)
        status, halted = gateway.post("/risk/state", {"state": "halted", "broker": BROKER, "reason": f"flood {name}"})
        assert (status, [each["state"] for each in halted["states"]]) == (200, ["halted"]), halted
        closed = close_over_zmq(gateway, ticket)
        assert (closed["status"], closed["ticket"]) == ("success", ticket), closed
    finally:
        flood.kill()
        flood.communicate()
    assert until(lambda: gateway.get(f"/positions?broker={BROKER}")["items"] == [], WITHIN_S)
    down = [actor["name"] for actor in gateway.get("/status")["actors"]["not_running"]]
    assert [each for each in down if "/sessions/" not in each] == []
    wrong = [at for at, line in enumerate(gateway.log) if " ERROR " in line or "Traceback" in line]
    assert not wrong, "\n".join(gateway.log[max(0, wrong[0] - 5) :][:80])


def test_what_was_turned_away_is_shown(gateway: GatewayProcess) -> None:
    """Who waited for turns, who made room and whose connection was cut can be read from /status."""
    flood = start("http_idle", gateway.port("rest"), FLOOD_S)
    try:
        until(lambda: gateway.get("/status")["http"]["made_room"], WITHIN_S)
    finally:
        flood.kill()
        flood.communicate()
    shown = gateway.get("/status")
    assert shown["turns"]["http"]["waited"] > 0
    assert shown["http"]["turned_away"] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="what peers bring can be bounded on Linux only")
@pytest.mark.parametrize(("name", "part"), [("zmq_frames", "zmq_commands"), ("pub_topics", "publish")])
def test_a_peer_that_never_ends_is_cut(gateway: GatewayProcess, name: str, part: str) -> None:
    """A message of endless frames, or endless topics, ends its connection; it is counted, and memory stays bounded."""

    def cut() -> int:
        found = gateway.get("/status")[part]
        return int(found.get("socket", found)["cut"])

    before, held_mb = cut(), resident_mb(gateway)
    flood = start(name, gateway.port(FLOODS[name].door), FLOOD_S)
    try:
        until(lambda: cut() > before, WITHIN_S)
    finally:
        flood.kill()
        flood.communicate()
    assert resident_mb(gateway) < held_mb + 250


def resident_mb(gateway: GatewayProcess) -> float:
    text = Path(f"/proc/{gateway.process.pid}/status").read_text(encoding="ascii")
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024


def test_an_operator_gets_in_by_the_subcommand(tmp_path: Path) -> None:
    """`quantmind halt` works while more connections than there are places say nothing."""
    config = configured(tmp_path)
    with running(config) as gateway:
        until(lambda: gateway.get("/ticks/EURUSD")["bid"])
        where = ("127.0.0.1", gateway.port("rest"))
        silent = [socket.create_connection(where, timeout=WITHIN_S) for _ in range(700)]
        halted = quantmind(config, "halt", "--broker", BROKER)
        for each in silent:
            each.close()
    assert (halted.returncode, halted.stdout) == (0, "demo is halted: by hand (by owner)\n"), halted.stderr
