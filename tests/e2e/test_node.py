"""A gateway in front of another one: the account is there, both governors judge, and nothing is done twice."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import zmq
from gateway_process import TOKEN, GatewayProcess, done, running, until, write_config


@attrs.define(eq=False)
class Pair:
    """The gateway that has the account, and the one that trades on it."""

    folder: Path
    back: GatewayProcess
    front: GatewayProcess
    back_config: Path
    front_config: Path

    def order(self, request_id: str, at: GatewayProcess | None = None, **more: Any) -> Any:
        """A command at the one in front."""
        asked = {"type": "trade_open", "ea_name": "a", "magic": 7, "symbol": "EURUSD", "volume": 0.1, "side": "buy"}
        asked.update(execute=True, token=TOKEN, request_id=request_id, timestamp=time.time(), **more)
        return (at or self.front).command({name: value for name, value in asked.items() if value is not None})


def free_port() -> int:
    with zmq.Context() as context, context.socket(zmq.REP) as socket:
        return socket.bind_to_random_port("tcp://127.0.0.1")


def ready(gateway: GatewayProcess, within_s: float = 60.0) -> None:
    until(lambda: gateway.get("/status")["brokers"][0]["trading"]["state"] == "active", within_s)


def settled(gateway: GatewayProcess, request_id: str) -> Any:
    """What became of a command, once that is known."""
    found = gateway.get(f"/commands/{request_id}")
    return found if found["state"] not in ("intent", "sent", "unknown", "approved") else None


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Pair]:
    (tmp_path / "back").mkdir()
    (tmp_path / "front").mkdir()
    mine = {"type": "mt5_mock", "login": 77, "symbols": {"EURUSD": {}, "USDJPY": {}}, "persist": True}
    back_config = write_config(tmp_path / "back", {"mine": mine}, commands={"port": free_port()})
    whole = json.loads(back_config.read_text(encoding="utf-8"))
    whole["risk"] = {"accounts": {"default": {"max_volume": 0.5}}}
    back_config.write_text(json.dumps(whole), encoding="utf-8")
    token = done(back_config, "token", "add", "front", "--scope", "bridge", "--scope", "trade", "--broker", "mine")
    with running(back_config) as back:
        far = {
            "type": "mt5_socket",
            "vps_host": "127.0.0.1",
            "vps_port": back.port("commands"),
            "token": token["token"],
            "account_id": "77",
            "timeout": 5,
            "breaker": {"failures": 5, "open_s": 2},
        }
        front_config = write_config(tmp_path / "front", {"far": far})
        with running(front_config) as front:
            ready(front)
            yield Pair(tmp_path, back, front, back_config, front_config)


def test_orders_of_every_kind(made: Pair) -> None:
    """What the front is answered is what the back did; ticks, account and positions are the back's."""
    opened = made.order("open")
    assert opened["status"] == "success", opened
    ticket = opened["ticket"]
    (position,) = until(lambda: made.front.get("/positions?broker=far")["items"])
    (there,) = made.back.get("/positions?broker=mine")["items"]
    assert (position["ticket"], position["magic"], position["volume"]) == (there["ticket"], 7, 0.1) == (ticket, 7, 0.1)
    tick = made.front.get("/ticks/EURUSD")
    assert tick["bid"] > 0
    sl = round(tick["bid"] - 0.01, 5)
    changed = made.order("change", type="trade_modify", ticket=ticket, new_sl=sl, symbol=None, volume=None, side=None)
    assert (changed["status"], changed["sl"]) == ("success", sl), changed
    part = made.order("part", type="trade_close", ticket=ticket, volume=0.04, side=None)
    assert (part["status"], part["volume"]) == ("success", 0.04), part
    waiting = made.order("limit", order_type="limit", price=round(tick["bid"] / 2, 5))
    assert (waiting["status"], waiting.get("pending")) == ("success", True), waiting
    until(lambda: [each["ticket"] for each in made.front.get("/orders?broker=far")["items"]] == [waiting["ticket"]])
    gone = made.order("cancel", type="trade_cancel", ticket=waiting["ticket"], symbol=None, volume=None, side=None)
    assert gone["status"] == "success", gone
    rest = made.order("rest", type="trade_close", ticket=ticket, volume=None, side=None)
    assert rest["status"] == "success", rest
    until(lambda: made.front.get("/positions?broker=far")["items"] == [])
    assert made.back.get("/positions?broker=mine")["items"] == []
    assert made.front.get("/status")["brokers"][0]["condition"]["state"] == "ok"
    assert made.back.get("/status")["nodes"]["guests"] == [{"token": "front", "broker": "mine"}]
    names = {each["ea_name"] for each in made.back.get("/journal?kind=intent&limit=100")["items"]}
    assert names == {"front"}


def test_both_governors_judge(made: Pair) -> None:
    """What the back refuses the front hears with the back's reason; a halt there stops it here."""
    refused = made.order("big", volume=0.8)
    assert (refused["status"], refused["approved"]) == ("error", False), refused
    assert "the governor of that gateway refuses: one order of the account may have 0.5 lots" in refused["message"]
    assert made.back.get("/positions?broker=mine")["items"] == []
    opened = made.order("open")
    assert opened["status"] == "success"
    halted = {"broker": "mine", "state": "halted", "reason": "test"}
    assert made.back.post("/risk/state", halted)[0] == 200
    assert made.order("halted")["approved"] is False
    closed = made.order("close", type="trade_close", ticket=opened["ticket"], volume=None, side=None)
    assert closed["status"] == "success", closed


def test_a_front_that_dies_in_the_middle(made: Pair) -> None:
    """Killed while orders are under way and started again, three times: each is carried out once or surely not."""
    asked: list[str] = []
    front = made.front
    with contextlib.ExitStack() as stack:
        for life in range(3):
            names = [f"{life}-{number}" for number in range(12)]
            asked += names
            for name in names:
                threading.Thread(target=_quietly, args=(made.order, name, front), daemon=True).start()
            time.sleep(0.05 + 0.1 * life)
            front.kill()
            front = stack.enter_context(running(made.front_config))
            ready(front)
        sent = {each["request_id"] for each in front.get("/journal?kind=intent&limit=1000")["items"]}
        outcomes = {name: until(lambda n=name: settled(front, n), 90.0) for name in asked if name in sent}
        filled = {found["reply"]["ticket"] for found in outcomes.values() if found["state"] == "filled"}
        there = {each["ticket"] for each in made.back.get("/positions?broker=mine&limit=1000")["items"]}
        assert filled == there, outcomes
        until(lambda: {each["ticket"] for each in front.get("/positions?broker=far&limit=1000")["items"]} == there)
        for name in asked:
            again = made.order(name, front)
            if name in outcomes and outcomes[name]["state"] == "filled":
                assert again["ticket"] == outcomes[name]["reply"]["ticket"]
        front.stop()


def test_a_back_that_dies(made: Pair) -> None:
    """Meanwhile the front refuses, then it goes on; what was under way is known."""
    opened = made.order("first")
    made.back.kill()
    until(lambda: made.front.get("/status")["brokers"][0]["trading"]["state"] != "active")
    assert made.order("second")["approved"] is False
    with running(made.back_config) as back:
        ready(back)
        ready(made.front)
        again = made.order("third")
        assert again["status"] == "success", again
        both = {opened["ticket"], again["ticket"]}
        until(lambda: {each["ticket"] for each in back.get("/positions?broker=mine")["items"]} == both)
        # A token that is taken away ends it.
        done(made.back_config, "token", "revoke", "front")
        until(lambda: made.front.get("/status")["brokers"][0]["trading"]["state"] != "active")
        assert made.order("fourth")["approved"] is False


def _quietly(what: Any, *arguments: Any) -> None:
    with contextlib.suppress(zmq.ZMQError):
        what(*arguments)
