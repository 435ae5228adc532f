"""The bridge EA between a terminal and a running gateway."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import zmq
from gateway_process import TOKEN, GatewayProcess, done, running, until
from mql5.worlds import BRIDGE, LOGIN, bridged, is_active, order, world
from slow_gateway import asked_late, listening


def positions(gateway: GatewayProcess) -> Any:
    return gateway.get("/positions?broker=mine")["items"]


@pytest.mark.parametrize("margin_mode", ["hedging", "netting"])
def test_an_account_by_its_bridge(tmp_path: Path, margin_mode: str) -> None:
    """Prices come, an order is placed, changed in part and closed, and each shows at the gateway as at the terminal."""
    with world(tmp_path, margin_mode=margin_mode) as made, bridged(made) as (gateway, _):
        account = gateway.get("/account?broker=mine")
        assert (account["login"], account["server"], account["margin_mode"]) == (LOGIN, "Demo", margin_mode)
        assert gateway.get("/status")["bridges"]["brokers"]["mine"]["connected"]
        opened = gateway.command(order("r1", sl=1.09, comment="mine"))
        assert opened["status"] == "success", opened
        ticket = opened["ticket"]
        (position,) = until(lambda: positions(gateway))
        assert (position["ticket"], position["volume"], position["sl"], position["magic"]) == (ticket, 0.1, 1.09, 7)
        assert position["comment"] == "mine"
        change = {"type": "trade_modify", "ea_name": "a", "ticket": ticket, "new_sl": 1.095, "new_tp": 1.12}
        keys = {"execute": True, "token": TOKEN, "timestamp": time.time()}
        changed = gateway.command({**change, **keys, "request_id": "r2"})
        assert (changed["status"], changed["sl"], changed["tp"]) == ("success", 1.095, 1.12), changed
        close = {"type": "trade_close", "ea_name": "a", "symbol": "EURUSD", "ticket": ticket, "volume": 0.04}
        closed = gateway.command({**close, **keys, "request_id": "r3"})
        assert (closed["status"], closed["volume"]) == ("success", 0.04), closed
        until(lambda: [each["volume"] for each in positions(gateway)] == [0.06])
        assert gateway.command({**close, **keys, "request_id": "r4", "volume": 0.06})["status"] == "success"
        until(lambda: not positions(gateway))
        assert made.terminal.account.positions() == ()
        deals = gateway.get("/deals?broker=mine")["items"]
        assert sorted(each["volume"] for each in deals) == [0.04, 0.06, 0.1]


def test_what_the_market_says_reaches_the_gateway(tmp_path: Path) -> None:
    """The last price at the terminal is the gateway's within a second."""
    with world(tmp_path) as made, bridged(made) as (gateway, _):
        made.price(1.23456)
        until(lambda: abs(gateway.get("/ticks/EURUSD")["bid"] - 1.23456) < 0.00002, 5)


def test_a_stop_that_the_server_carries_out_is_seen_at_once(tmp_path: Path) -> None:
    """The EA's event makes the gateway look; nobody waits for the next regular sample."""
    with world(tmp_path) as made, bridged(made) as (gateway, _):
        assert gateway.command(order("r1", sl=1.099))["status"] == "success"
        until(lambda: positions(gateway))
        made.price(1.098)
        until(lambda: not positions(gateway), 5)
        deal = next(each for each in gateway.get("/deals?broker=mine")["items"] if each["entry"] == "out")
        assert deal["cause"] == "sl"


def test_a_kill_switch_reaches_the_terminal(tmp_path: Path) -> None:
    """A halt that flattens closes everything at the terminal, and nothing is opened after it."""
    with world(tmp_path) as made, bridged(made) as (gateway, _):
        assert gateway.command(order("r1"))["status"] == "success"
        done(made.config, "flatten", "--yes", "--reason", "a test")
        until(lambda: not made.terminal.account.positions())
        refused = gateway.command(order("r2"))
        assert (refused["status"], refused["approved"]) == ("rejected", False)
        assert len(made.terminal.executed()) == 2


def test_a_gateway_that_dies_in_the_middle_of_an_order(tmp_path: Path) -> None:
    """The fill that nobody heard of is found when both are back, and the order is not sent again."""
    with world(tmp_path) as made:
        with running(made.config) as gateway:
            bridge = made.start_bridge()
            until(lambda: is_active(gateway), 60)
            made.terminal._done = slow = Slow()
            asked = order("first")
            asking = threading.Thread(target=lambda: _suppressed(gateway, asked), daemon=True)
            asking.start()
            assert slow.carried_out.wait(30)
            gateway.kill()
        with running(made.config) as again:
            until(lambda: is_active(again), 60)
            (there,) = made.terminal.executed()
            until(lambda: again.command({**asked, "timestamp": time.time()}).get("ticket") == there.ticket)
            until(lambda: positions(again))
            assert len(made.terminal.executed()) == 1
        assert bridge.terminate() == 0


def test_a_terminal_that_ends_and_begins_again_knows_what_it_sent(tmp_path: Path) -> None:
    """The EA is killed while the server works on an order; its file tells the next one, and nothing is sent twice."""
    with world(tmp_path) as made, bridged(made) as (gateway, bridge):
        made.terminal.faults.answer_lost = True
        asked = order("first")
        said = gateway.command(asked)
        assert said["status"] == "unknown", said
        made.terminal.faults.answer_lost = False
        bridge.kill()
        made.start_bridge()
        (there,) = made.terminal.executed()
        until(lambda: gateway.command({**asked, "timestamp": time.time()}).get("ticket") == there.ticket, 60)
        assert len(made.terminal.executed()) == 1
        (file,) = (tmp_path / "Common" / "Files" / "QuantMind").glob("bridge-*.sent")
        sent = [json.loads(line) for line in file.read_bytes().splitlines() if line]
        assert len([line for line in sent if "what" in line]) == 1


class Slow(list[Any]):
    """The server carries out what it is asked, and takes its time to say so."""

    def __init__(self) -> None:
        super().__init__()
        self.carried_out = threading.Event()

    def append(self, one: Any) -> None:
        super().append(one)
        self.carried_out.set()
        time.sleep(1.0)


def _suppressed(gateway: GatewayProcess, asked: Any) -> None:
    try:
        gateway.command(asked)
    except zmq.ZMQError:
        return


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"InpToken": "not-a-token-of-this-gateway"}, "does not take it"),
        ({"InpToken": "short"}, "the input Token is missing or too short"),
        ({"InpPort": 0}, "the input Port must be 1 to 65535"),
        ({"InpSymbols": "NOSUCH"}, "the terminal has no symbol NOSUCH: correct the inputs"),
        ({"InpSymbolNames": "EURUSD"}, "write EURUSD=EURUSDm"),
        ({"InpBroker": "other"}, "does not take it"),
    ],
)
def test_a_bridge_that_can_t_work_says_why(tmp_path: Path, inputs: dict[str, Any], says: str) -> None:
    """In its log, with the way out; and it trades nothing."""
    with world(tmp_path) as made, running(made.config) as gateway:
        bridge = made.start_bridge(**inputs)
        bridge.wait_for(says, timeout=20)
        assert not gateway.get("/status")["bridges"]["brokers"]["mine"]["connected"]


def test_without_a_gateway_it_says_what_to_start(tmp_path: Path) -> None:
    """And goes on trying."""
    with world(tmp_path) as made:
        bridge = made.start_bridge()
        bridge.wait_for("start the gateway (quantmind run)", timeout=20)


def test_an_address_that_is_not_listed(tmp_path: Path) -> None:
    """The setting of the terminal is named."""
    with world(tmp_path) as made:
        bridge = made.start(BRIDGE, {"InpPort": made.port, "InpToken": made.token}, MQL_ALLOW="example.org")
        bridge.wait_for('Tools > Options > Expert Advisors > "Allow WebRequest for listed URL"', timeout=20)


def test_a_second_bridge_of_an_account_takes_the_place(tmp_path: Path) -> None:
    """And the first one says so and stops, instead of fighting for it."""
    with world(tmp_path) as made, bridged(made) as (gateway, first):
        second = made.start_bridge()
        first.wait_for("another bridge of this account has come", timeout=20)
        second.wait_for("the gateway has taken it", timeout=20)
        # What was asked at the moment of the change may have been lost with the first.
        until(lambda: is_active(gateway), 60)
        numbers = iter(range(100))
        until(lambda: gateway.command(order(f"o{next(numbers)}"))["status"] == "success", 60)


def test_a_gateway_that_takes_its_time_and_asks_at_once(tmp_path: Path) -> None:
    """A hello is answered when the next one has gone out already; the question behind that answer is not lost."""
    with world(tmp_path) as made, listening(made.port) as slow:
        made.start_bridge(InpOfferMs=50)
        said = asked_late(slow, {"type": "symbols_get", "id": "1"})
        assert {each["name"] for each in said["data"]["symbols"]} == {"EURUSD", "USDJPY"}


def test_a_negative_magic_number_stays_what_it_is(tmp_path: Path) -> None:
    """Else its EA does not find its position, and opens another."""
    with world(tmp_path) as made, bridged(made) as (gateway, _):
        assert gateway.command(order("r1", magic=-5))["status"] == "success"
        (position,) = until(lambda: positions(gateway))
        assert position["magic"] == -5


def test_a_terminal_that_logs_in_later_is_waited_for(tmp_path: Path) -> None:
    """As after a start of the computer: the EA begins by itself."""
    with world(tmp_path) as made:
        made.terminal.faults.logged_out = True
        bridge = made.start_bridge()
        bridge.wait_for("the bridge can't begin yet: the terminal is not logged in", timeout=20)
        made.terminal.faults.logged_out = False
        with running(made.config) as gateway:
            until(lambda: is_active(gateway), 60)
            assert gateway.command(order("r1"))["status"] == "success"


def test_another_account_at_the_terminal(tmp_path: Path) -> None:
    """Nothing is read or traded in it."""
    with world(tmp_path) as made, bridged(made) as (gateway, _):
        made.terminal.faults.wrong_account = 99
        until(lambda: gateway.command(order("r1"))["approved"] is False)
        assert made.terminal.executed() == []


def test_it_does_not_run_in_the_strategy_tester(tmp_path: Path) -> None:
    """It says so."""
    with world(tmp_path) as made:
        bridge = made.start(BRIDGE, {"InpToken": made.token}, MQL_TESTER=1)
        bridge.wait_for("does not run in the Strategy Tester", timeout=20)
        assert bridge.wait(20) == 1
