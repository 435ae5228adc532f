"""The floor guard: what the terminal does by itself when its gateway is gone."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from gateway_process import GatewayProcess, running, until
from mql5.worlds import PRICE, World, bridged, is_active, order, world

RULES = {"daily_loss": {"percent": 5}, "max_loss": {"percent": 10}}
ALLOWANCES = {"assumed_stop_percent": 0.2}
"""What is open has no stop at the server: only the guard closes it."""
RISK = {"accounts": {"mine": {"initial_capital": 10_000, "max_volume": 50, "rules": RULES, "allowances": ALLOWANCES}}}
FLOOR = 9_500.0
"""Of the first day: 5 % of what it began with."""


def equity(made: World) -> float:
    return float(made.terminal.account.state().equity)


def guard(gateway: GatewayProcess) -> Any:
    return gateway.get("/status")["bridges"]["brokers"]["mine"]["guard"]


def test_the_account_is_flat_above_its_floor(tmp_path: Path) -> None:
    """The gateway is killed, the price falls: the EA closes everything before the floor is reached."""
    with world(tmp_path, risk=RISK) as made:
        with running(made.config) as gateway:
            bridge = made.start_bridge(InpGuardBuffer=50)
            until(lambda: is_active(gateway), 60)
            until(lambda: (guard(gateway) or {}).get("state") == "watching")
            assert gateway.command(order("r1", volume=1.0))["status"] == "success"
            pending = order("r2", volume=0.1, order_type="limit", price=1.05)
            assert gateway.command(pending)["status"] == "success"
            gateway.kill()
        bridge.wait_for("guard.state cut_off", timeout=20)
        fallen = PRICE
        while made.terminal.account.positions():
            fallen = round(fallen - 0.00020, 5)
            assert fallen > 1.09, "nobody closed"
            made.price(fallen)
            time.sleep(0.05)
        bridge.wait_for("guard.state flat", timeout=20)
        assert not made.terminal.account.orders()
        assert FLOOR < equity(made) <= FLOOR + 60
        # It is there again and hears what was done.
        with running(made.config) as again:
            until(lambda: (guard(again) or {}).get("state") == "watching", 60)


def test_over_a_gap_it_closes_behind_the_gap(tmp_path: Path) -> None:
    """Nobody can do better than the market: the account ends below the floor by what the gap took."""
    with world(tmp_path, risk=RISK) as made:
        with running(made.config) as gateway:
            bridge = made.start_bridge(InpGuardBuffer=50)
            until(lambda: is_active(gateway), 60)
            until(lambda: (guard(gateway) or {}).get("state") == "watching")
            assert gateway.command(order("r1", volume=1.0))["status"] == "success"
            gateway.kill()
        bridge.wait_for("guard.state cut_off", timeout=20)
        made.price(1.0930)
        bridge.wait_for("guard.state flat", timeout=20)
        assert FLOOR - 300 < equity(made) < FLOOR


def test_a_gateway_that_is_there_does_it_itself(tmp_path: Path) -> None:
    """The guard closes nothing while it hears of it, and a short silence is no reason."""
    with world(tmp_path, risk=RISK) as made, bridged(made, InpGuardBuffer=5_000) as (gateway, bridge):
        assert gateway.command(order("r1", volume=0.1))["status"] == "success"
        until(lambda: (guard(gateway) or {}).get("state") == "watching")
        # Equity is below floor and buffer all the time.
        time.sleep(6)
        assert made.terminal.account.positions()
        assert not [line for line in bridge.lines if "cut_off" in line]


def test_a_terminal_that_stands_still_is_no_silence_of_the_gateway(tmp_path: Path) -> None:
    """While a call takes longer than five beats the EA hears nothing, and what was said waits for it."""
    with world(tmp_path, risk=RISK) as made, bridged(made, InpGuardBuffer=5_000) as (gateway, bridge):
        assert gateway.command(order("r1", volume=0.1))["status"] == "success"
        until(lambda: (guard(gateway) or {}).get("state") == "watching")
        with made.terminal._lock:
            time.sleep(7)
        time.sleep(2)
        assert made.terminal.account.positions()
        assert not [line for line in bridge.lines if "cut_off" in line]


def test_floors_outlive_the_terminal(tmp_path: Path) -> None:
    """Gateway and terminal die together; the terminal that begins again guards by what it wrote down."""
    with world(tmp_path, risk=RISK) as made:
        with running(made.config) as gateway:
            bridge = made.start_bridge()
            until(lambda: is_active(gateway), 60)
            until(lambda: (guard(gateway) or {}).get("state") == "watching")
            assert gateway.command(order("r1", volume=1.0))["status"] == "success"
            gateway.kill()
            bridge.kill()
        again = made.start_bridge(InpGuardBuffer=100)
        again.wait_for("guard.state cut_off", timeout=20)
        made.price(1.0958)
        again.wait_for("guard.state flat", timeout=20)
        assert equity(made) > FLOOR


def cut_off(made: World, **inputs: Any) -> Any:
    """A bridge with a position of one lot, whose gateway was killed."""
    with running(made.config) as gateway:
        bridge = made.start_bridge(**inputs)
        until(lambda: is_active(gateway), 60)
        until(lambda: (guard(gateway) or {}).get("state") == "watching")
        assert gateway.command(order("r1", volume=1.0))["status"] == "success"
        gateway.kill()
    bridge.wait_for("guard.state cut_off", timeout=20)
    return bridge


def test_floors_are_of_one_account_alone(tmp_path: Path) -> None:
    """Nothing is closed in another account that the terminal has been logged in to."""
    with world(tmp_path, risk=RISK) as made:
        bridge = cut_off(made, InpGuardBuffer=100)
        made.terminal.faults.wrong_account = 99
        made.price(1.0958)
        time.sleep(3)
        assert made.terminal.account.positions()
        made.terminal.faults.wrong_account = 0
        bridge.wait_for("guard.state flat", timeout=20)


def test_a_bridge_that_was_replaced_guards_no_more(tmp_path: Path) -> None:
    """The gateway is there and another bridge has the account: the first one closes nothing, and holds nobody back."""
    with world(tmp_path, risk=RISK) as made, bridged(made, InpGuardBuffer=5_000) as (gateway, first):
        until(lambda: (guard(gateway) or {}).get("state") == "watching")
        assert gateway.command(order("r1", volume=0.1))["status"] == "success"
        second = made.start_bridge(InpGuardBuffer=5_000)
        first.wait_for("guard.state off", timeout=20)
        second.wait_for("the gateway has taken it", timeout=20)
        time.sleep(7)
        assert made.terminal.account.positions()
        assert not [line for line in first.lines if "cut_off" in line]


def test_a_filling_mode_that_is_refused_is_not_the_end(tmp_path: Path) -> None:
    """A server may refuse what it says that it takes: the next one is tried."""
    with world(tmp_path, risk=RISK) as made:
        bridge = cut_off(made, InpGuardBuffer=100)
        made.terminal.faults.retcode, made.terminal.faults.retcode_times = 10_030, 1
        made.price(1.0958)
        bridge.wait_for("10030", timeout=20)
        bridge.wait_for("guard.state flat", timeout=20)


def test_a_slow_timer_guards_as_well(tmp_path: Path) -> None:
    """Whatever the input says, it looks five times a second."""
    with world(tmp_path, risk=RISK) as made:
        bridge = cut_off(made, InpGuardBuffer=100, InpTimerMs=5_000)
        made.price(1.0958)
        bridge.wait_for("guard.state flat", timeout=20)


def test_floors_of_a_day_long_over_close_nothing(tmp_path: Path) -> None:
    """What was told before a weekend or a holiday is nobody's floor; nothing is opened either."""
    with world(tmp_path, risk=RISK) as made:
        bridge = cut_off(made, InpGuardBuffer=100)
        bridge.kill()
        (file,) = (tmp_path / "Common" / "Files" / "QuantMind").glob("guard-*.json")
        kept = json.loads(file.read_bytes())
        file.write_text(json.dumps({**kept, "next_reset": time.time() - 90_000}))
        again = made.start_bridge(InpGuardBuffer=100)
        again.wait_for("guard.state cut_off", timeout=20)
        made.price(1.0958)
        time.sleep(3)
        assert made.terminal.account.positions()


def test_what_can_t_be_closed_is_tried_again(tmp_path: Path) -> None:
    """Until the account is flat, whatever the server says meanwhile."""
    with world(tmp_path, risk=RISK) as made:
        with running(made.config) as gateway:
            bridge = made.start_bridge(InpGuardBuffer=100)
            until(lambda: is_active(gateway), 60)
            until(lambda: (guard(gateway) or {}).get("state") == "watching")
            assert gateway.command(order("r1", volume=1.0))["status"] == "success"
            gateway.kill()
        bridge.wait_for("guard.state cut_off", timeout=20)
        made.terminal.faults.retcode, made.terminal.faults.retcode_times = 10_018, 3
        made.price(1.0958)
        bridge.wait_for("guard.state flattening", timeout=20)
        bridge.wait_for("guard.close position", timeout=20)
        bridge.wait_for("guard.state flat", timeout=20)
        assert not made.terminal.account.positions()


def test_the_file_of_floors_says_what_the_gateway_told(tmp_path: Path) -> None:
    """Floor, the next one and when; money digit by digit."""
    with world(tmp_path, risk=RISK) as made, bridged(made) as (gateway, _):
        until(lambda: (guard(gateway) or {}).get("state") == "watching")
        (file,) = (tmp_path / "Common" / "Files" / "QuantMind").glob("guard-*.json")
        kept = json.loads(file.read_bytes())
        assert (kept["has_floor"], kept["floor"]) == (True, FLOOR)
        assert kept["next_reset"] > time.time()
