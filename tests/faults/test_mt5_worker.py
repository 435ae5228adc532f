"""A terminal that hangs, a worker that is killed, two terminals of which one is dead: one broken part stays one."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from faults.mt5_world import Terminals, terminals, wait_until_gone
from gateway_process import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="workers are killed by POSIX signals here")

LIMIT_S = 2.0
BACK_WITHIN_S = 5.0
"""A worker is back so long after the limit of the call that it hung in, with a margin for a busy machine."""
MARGIN_S = 5.0
SHORT = {"failures": 5, "open_s": 2}
"""The breaker, which kills may well open: not for a minute each time."""
KILLS = 12
LONG_KILLS = 150
FREE = {"accounts": {"default": {"max_open_positions": 10_000}}}


def test_an_order_that_hangs_and_was_carried_out(tmp_path: Path) -> None:
    """The terminal lets no thread of its worker run for 60 s: the order is unknown, then found as filled, once.

    Meanwhile another broker trades, and the worker is back soon after the limit.
    """
    with terminals(
        tmp_path, "mt5", beside={"paper": {"type": "mt5_mock", "symbols": {"EURUSD": {}}}}, order_timeout_s=LIMIT_S
    ) as world:
        faults = world.terminals["mt5"].faults
        first = world.workers("mt5")[-1]
        faults.frozen_s, faults.frozen_after = 60.0, True
        began = time.monotonic()
        status, reply = world.trade("mt5")
        faults.frozen_s = 0.0
        assert (status, reply["code"]) == (504, "unknown"), reply
        assert world.trade("paper")[0] == 200
        until(lambda: len(world.workers("mt5")) == 2, LIMIT_S + BACK_WITHIN_S + MARGIN_S)
        until(lambda: world.broker("mt5")["feed"] == "live", LIMIT_S + BACK_WITHIN_S + MARGIN_S)
        assert LIMIT_S <= time.monotonic() - began <= LIMIT_S + BACK_WITHIN_S + MARGIN_S
        wait_until_gone(first)
        world.active("mt5")
        found = until(lambda: _settled(world, reply["request_id"]))
        (done,) = world.terminals["mt5"].executed()
        assert (found["state"], found["reply"]["ticket"]) == ("filled", done.ticket)
        until(lambda: [each["ticket"] for each in world.gateway.get("/positions?broker=mt5")["items"]] == [done.ticket])
        world.trades_again("mt5")
        assert len(world.terminals["mt5"].executed()) == 2


def test_an_order_that_hangs_and_never_arrived(tmp_path: Path) -> None:
    """It is unknown as long as it may get through, surely absent then, and never sent again."""
    with terminals(tmp_path, "mt5", order_timeout_s=LIMIT_S, settle_after_s=3) as world:
        faults = world.terminals["mt5"].faults
        faults.frozen_s = 60.0
        status, reply = world.trade("mt5")
        faults.frozen_s = 0.0
        assert (status, reply["code"]) == (504, "unknown"), reply
        refused = until(lambda: _refusal(world, "mt5"))
        assert "no_unknown" in refused or "account_fresh" in refused or "equity_fresh" in refused, refused
        found = until(lambda: _settled(world, reply["request_id"]))
        assert found["state"] == "not_sent"
        assert world.terminals["mt5"].executed() == []
        world.trades_again("mt5")


def test_a_question_that_hangs(tmp_path: Path) -> None:
    """Any call of the terminal may hang: the worker is ended all the same, and another one comes up."""
    with terminals(tmp_path, "mt5", query_timeout_s=1, breaker=SHORT) as world:
        faults = world.terminals["mt5"].faults
        faults.frozen_call, faults.frozen_s = "positions_get", 60.0
        until(lambda: len(world.workers("mt5")) > 1)
        faults.frozen_s = 0.0
        world.trades_again("mt5")


def test_a_dead_terminal_leaves_the_other_alone(tmp_path: Path) -> None:
    """Its broker is degraded and says why; orders at the other one are answered as ever."""
    with terminals(tmp_path, "alive", "dead", risk=FREE) as world:
        world.terminals["dead"].close()
        until(lambda: world.broker("dead")["condition"]["state"] == "degraded")
        for _ in range(20):
            status, reply = world.trade("alive")
            assert status == 200, reply
        assert world.broker("alive")["condition"]["state"] == "ok"
        assert world.trade("dead")[0] in (422, 503)
        until(lambda: "terminal" in str(world.broker("dead")["condition"]["causes"]))
        assert len(world.workers("alive")) == 1


def test_the_wrong_account_is_not_traded(tmp_path: Path) -> None:
    """Somebody logs in to another account in the terminal: nothing is read or traded there."""
    with terminals(tmp_path, "mt5") as world:
        faults = world.terminals["mt5"].faults
        faults.wrong_account = 777
        until(lambda: "logged in as 777" in str(world.broker("mt5")["condition"]["causes"]))
        assert world.trade("mt5")[0] in (422, 503)
        assert world.terminals["mt5"].executed() == []
        faults.wrong_account = 0
        world.trades_again("mt5")


@pytest.mark.parametrize(
    "kills", [pytest.param(KILLS, id="short"), pytest.param(LONG_KILLS, id="long", marks=pytest.mark.long)]
)
def test_kills_at_any_moment_of_an_order(tmp_path: Path, kills: int) -> None:
    """Kill -9 of the worker while orders are under way: none is carried out twice, and no fill is lost."""
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    with terminals(tmp_path, "mt5", settle_after_s=1, order_timeout_s=LIMIT_S, breaker=SHORT, risk=FREE) as world:
        terminal = world.terminals["mt5"]
        terminal.faults.delay_s = 0.004  # a call takes its time, so that kills come in the middle of one
        asked: dict[str, tuple[int, Any]] = {}
        for number in range(1, kills + 1):
            timer = threading.Timer(rng.uniform(0.0, 0.08), world.kill_worker, ["mt5"])
            timer.start()
            status, reply = world.trade("mt5")
            if "request_id" in reply:
                asked[reply["request_id"]] = (status, reply)
            timer.join()
            until(lambda n=number: len(world.workers("mt5")) > n, 60.0)
            _wait_until_ready(world)
        terminal.faults.delay_s = 0.0
        states = {request_id: until(lambda r=request_id: _settled(world, r), 60.0) for request_id in asked}
        done = terminal.executed()
        by_tag: dict[str, int] = {}
        for each in done:
            tag = each.request["comment"].partition("|")[0]
            by_tag[tag] = by_tag.get(tag, 0) + 1
        assert all(times == 1 for times in by_tag.values()), (seed, by_tag)
        filled = {found["order_id"] for found in states.values() if found["state"] == "filled"}
        assert filled == set(by_tag), (seed, states)
        for request_id, (status, reply) in asked.items():
            if status == 200:
                assert states[request_id]["state"] == "filled", (seed, reply)
        until(lambda: len(world.gateway.get("/positions?broker=mt5&limit=1000")["items"]) == len(done))
        print(f"seed={seed} asked={len(asked)} filled={len(filled)} workers={len(world.workers('mt5'))}")


def test_a_killed_gateway_leaves_no_worker(tmp_path: Path) -> None:
    """Its worker hears of it by its standard input, and ends."""
    with terminals(tmp_path, "mt5") as world:
        pid = world.workers("mt5")[-1]
        os.kill(pid, 0)
        world.gateway.process.send_signal(signal.SIGKILL)
        world.gateway.process.wait()
        wait_until_gone(pid)


def _wait_until_ready(world: Terminals) -> None:
    try:
        until(lambda: _ready(world), 60.0)
    except AssertionError:
        raise AssertionError(f"it is not ready: {world.broker('mt5')}\n{''.join(world.gateway.log[-80:])}") from None


def _ready(world: Terminals) -> bool:
    broker = world.broker("mt5")
    return (broker["feed"], broker["orders"], broker["trading"]["state"]) == ("live", "ready", "active")


def _settled(world: Terminals, request_id: str) -> dict[str, Any] | None:
    found = world.outcome(request_id)
    return found if found["state"] not in ("intent", "sent", "unknown", "approved") else None


def _refusal(world: Terminals, name: str) -> list[str] | None:
    status, reply = world.trade(name)
    if status == 200:
        raise AssertionError(reply)
    return [reason["rule"] for reason in reply.get("reasons", ())] or None


def test_ctrl_c_is_the_gateway_s(tmp_path: Path) -> None:
    """A terminal sends it to both: the worker stays until the gateway has ended in order."""
    with terminals(tmp_path, "mt5") as world:
        pid = world.workers("mt5")[-1]
        os.kill(pid, signal.SIGINT)
        time.sleep(0.5)
        assert world.trade("mt5")[0] == 200
        assert world.gateway.stop(signal.SIGINT) == 0
        wait_until_gone(pid)
        assert world.workers("mt5") == [pid]


def test_what_waits_behind_an_order_that_hangs_was_not_sent(tmp_path: Path) -> None:
    """A close that waits for it hears so when the worker is ended, and goes out when it is sent again."""
    with terminals(tmp_path, "mt5", order_timeout_s=LIMIT_S) as world:
        status, opened = world.trade("mt5")
        assert status == 200, opened
        path = f"/brokers/mt5/positions/{opened['ticket']}/close"
        until(lambda: world.gateway.get("/positions?broker=mt5")["items"])
        faults = world.terminals["mt5"].faults
        faults.frozen_s, faults.frozen_after = 60.0, True
        hanging = threading.Thread(target=world.trade, args=("mt5",))
        hanging.start()
        until(lambda: world.terminals["mt5"].calls[-1] == "order_send")
        status, reply = world.gateway.post(path, {})
        faults.frozen_s = 0.0
        hanging.join()
        assert status == 503, reply
        assert "not connected" in str(reply) or "nothing was sent" in str(reply)
        until(lambda: _ready(world), 60.0)
        status, reply = world.gateway.post(path, {})
        assert status == 200, reply
        assert sum(each.ticket == opened["ticket"] for each in world.terminals["mt5"].executed()) == 2


def test_a_password_is_seen_by_nobody(tmp_path: Path) -> None:
    """Neither in the arguments of a process nor in a log, a status or a file of the state folder."""
    password = "hunter2-hunter2"
    with terminals(tmp_path, "mt5", password="${MT5_PASSWORD}", env={"MT5_PASSWORD": password}) as world:
        for pid in (world.workers("mt5")[-1], world.gateway.process.pid):
            shown = Path(f"/proc/{pid}/cmdline").read_bytes()
            assert b"quantmind" in shown
            assert password.encode() not in shown
        assert world.trade("mt5")[0] == 200
        files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
        assert any(path.name.endswith(".sent") for path in files)
        assert not [path for path in files if password.encode() in path.read_bytes()]
        assert password not in "\n".join(world.gateway.log)
        assert password not in str(world.gateway.get("/status"))
