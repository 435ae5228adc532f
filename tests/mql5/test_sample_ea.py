"""The sample EA at a running gateway that has the account by the bridge EA: both EAs in one made-up terminal."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from gateway_process import GatewayProcess, done, running, until
from mql5.worlds import PRICE, SAMPLE, World, bridged, is_active, world

RISK = {
    "accounts": {
        "mine": {
            "initial_capital": 10_000,
            "max_volume": 0.5,
            "rules": {"daily_loss": {"percent": 5}, "max_loss": {"percent": 10}},
            "allowances": {"assumed_stop_percent": 0.1},
        }
    }
}


def volumes(made: World) -> list[float]:
    """Of the deals that the terminal carried out."""
    return [float(each.volume) for each in made.terminal.executed() if each.volume is not None]


def shown(made: World) -> str:
    """All that the EA has drawn on its chart, one line after the other; a label has 63 characters at most."""
    try:
        chart = json.loads((made.folder / "chart.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    labels = sorted(chart["objects"], key=lambda each: each["ydistance"])
    assert all(0 < len(each["text"]) <= 63 for each in labels)
    return "".join(each["text"] for each in labels)


def test_an_approved_trade_is_made_once_and_reported(tmp_path: Path) -> None:
    """It asks, opens what was approved, says how it came out, and holds it; nothing stays reserved."""
    with world(tmp_path, risk=RISK) as made, bridged(made) as (gateway, _):
        sample = made.start_sample(gateway)
        sample.wait_for("sample: opened: order", timeout=30)
        time.sleep(2)
        assert volumes(made) == [0.1]
        (position,) = until(lambda: gateway.get("/positions?broker=mine")["items"])
        assert position["magic"] == 20261
        ea = next(each for each in gateway.get("/eas")["items"] if each["ea_name"] == "sample")
        assert ea["broker"] == "mine"
        until(lambda: "room left today: " in shown(made) and "floor 9500.00" in shown(made), 10)


def test_what_is_refused_is_not_traded(tmp_path: Path) -> None:
    """The reason stands in its log and on its chart."""
    risk = {"accounts": {"mine": {"max_volume": 0.5, "rules": {"symbols": {"allow": ["USDJPY"]}}}}}
    with world(tmp_path, risk=risk) as made, bridged(made) as (gateway, _):
        sample = made.start_sample(gateway)
        sample.wait_for("sample: not opened: refused: symbols", timeout=30)
        assert made.terminal.executed() == []


def test_an_order_whose_answer_did_not_come_is_not_made_again(tmp_path: Path) -> None:
    """The server had it: one position, and nothing more is opened while nobody could know."""
    with world(tmp_path, risk=RISK) as made, bridged(made) as (gateway, _):
        made.terminal.faults.answer_lost = True
        sample = made.start_sample(gateway, InpHoldSeconds=0, InpMagic=99)
        sample.wait_for("nobody knows what became of it", timeout=30)
        made.terminal.faults.answer_lost = False
        until(lambda: "opens nothing: nobody knows yet what became of the last order" in shown(made), 10)
        time.sleep(3)
        assert volumes(made) == [0.1]


def test_a_larger_volume_is_cut_to_what_may_be_traded(tmp_path: Path) -> None:
    """It trades no more than was approved."""
    with world(tmp_path, risk=RISK) as made, bridged(made) as (gateway, _):
        made.start_sample(gateway, InpVolume=3.0).wait_for("sample: opened: order", timeout=30)
        assert volumes(made) == [0.5]


def test_a_multiplier_that_is_pushed_counts_for_the_next_trade(tmp_path: Path) -> None:
    """Half the risk is half the volume, without a heartbeat between."""
    with world(tmp_path, risk=RISK) as made, bridged(made) as (gateway, _):
        sample = made.start_sample(gateway, InpHoldSeconds=2, InpVolume=0.4)
        sample.wait_for("sample: opened: order", timeout=30)
        assert (
            gateway.command({"type": "risk_update", "ea_name": "sample", "risk_multiplier": 0.5})["status"] == "success"
        )
        until(lambda: volumes(made)[:3] == [0.4, 0.4, 0.2])


def test_a_position_is_closed_and_reported(tmp_path: Path) -> None:
    """By its own clock, with the gateway's leave."""
    with world(tmp_path, risk=RISK) as made, bridged(made) as (gateway, _):
        sample = made.start_sample(gateway, InpHoldSeconds=1)
        sample.wait_for("sample: closed: ticket", timeout=30)
        journal = gateway.get("/journal?limit=1000")["items"]
        assert any(each.get("kind") == "decision" and "trade_close" in json.dumps(each) for each in journal)


def test_a_gateway_that_is_away_does_not_stop_the_ea(tmp_path: Path) -> None:
    """Its stop goes on following the price, and its ticks are not kept waiting by heartbeats."""
    with world(tmp_path, risk=RISK) as made:
        with running(made.config) as gateway:
            made.start_bridge()
            until(lambda: is_active(gateway), 60)
            sample = made.start_sample(gateway, InpStopPoints=300, InpTrailPoints=100)
            sample.wait_for("sample: opened: order", timeout=30)
            gateway.kill()
        sample.wait_for("sample: no heartbeat", timeout=20)
        time.sleep(3)
        begun = time.monotonic()
        made.price(PRICE + 0.00200)
        until(lambda: [float(each.sl or 0) for each in made.terminal.account.positions()] >= [PRICE + 0.0009], 20)
        assert time.monotonic() - begun < 5


def test_a_stop_follows_the_price(tmp_path: Path) -> None:
    """Tightening a stop is asked for, too, and done."""
    with world(tmp_path, risk=RISK) as made, bridged(made) as (gateway, _):
        made.start_sample(gateway, InpStopPoints=300, InpTrailPoints=100).wait_for("sample: opened: order", timeout=30)
        made.price(PRICE + 0.00200)
        until(lambda: [float(each.sl or 0) for each in made.terminal.account.positions()] >= [PRICE + 0.0009], 20)


def test_the_kill_switch_stops_it_at_once(tmp_path: Path) -> None:
    """A halt is pushed: it opens nothing more, and says why on its chart."""
    with world(tmp_path, risk=RISK) as made, bridged(made) as (gateway, _):
        sample = made.start_sample(gateway, InpHoldSeconds=1)
        sample.wait_for("sample: closed: ticket", timeout=30)
        done(made.config, "halt", "--reason", "a test of the switch")
        until(lambda: "opens nothing: the account is halted: a test of the switch" in shown(made), 10)
        until(lambda: not made.terminal.account.positions())
        before = len(made.terminal.executed())
        time.sleep(3)
        assert len(made.terminal.executed()) == before
        done(made.config, "release", "--reason", "the test goes on")
        until(lambda: len(made.terminal.executed()) > before)


def test_a_gateway_that_was_restarted_goes_on_being_asked(tmp_path: Path) -> None:
    """While it is away nothing is opened, and what is open is still closed."""
    with world(tmp_path, risk=RISK) as made:
        with running(made.config) as gateway:
            made.start_bridge()
            until(lambda: is_active(gateway), 60)
            sample = made.start_sample(gateway, InpHoldSeconds=4)
            sample.wait_for("sample: opened: order", timeout=30)
            gateway.kill()
        sample.wait_for("sample: closed: ticket", timeout=30)
        made_by_then = len(made.terminal.executed())
        time.sleep(3)
        assert len(made.terminal.executed()) == made_by_then
        with running(made.config) as again:
            until(lambda: is_active(again), 60)
            until(lambda: len(made.terminal.executed()) > made_by_then, 60)


def test_the_gateway_places_the_orders_if_it_is_told_to(tmp_path: Path) -> None:
    """Both ways of trading are one input."""
    with world(tmp_path, risk=RISK) as made, bridged(made) as (gateway, _):
        token = done(made.config, "token", "add", "sample", "--scope", "ea", "--ea", "sample", "--broker", "mine")[
            "token"
        ]
        sample = made.start_sample(gateway, InpGatewayTrades=True, InpToken=token, InpHoldSeconds=1)
        sample.wait_for("sample: opened by the gateway: ticket", timeout=30)
        sample.wait_for("sample: closed by the gateway: ticket", timeout=30)


def test_the_guard_of_the_terminal_holds_it_back(tmp_path: Path) -> None:
    """When the bridge has cut itself off, other EAs of the terminal open nothing either."""
    with world(tmp_path, risk=RISK) as made:
        with running(made.config) as gateway:
            bridge = made.start_bridge()
            until(lambda: is_active(gateway), 60)
            until(lambda: (guard(gateway) or {}).get("state") == "watching")
            made.start_sample(gateway).wait_for("sample: opened: order", timeout=30)
            gateway.kill()
        bridge.wait_for("guard.state cut_off", timeout=20)
        until(lambda: "the floor guard of this terminal opens nothing" in shown(made), 20)


def guard(gateway: GatewayProcess) -> Any:
    return gateway.get("/status")["bridges"]["brokers"]["mine"]["guard"]


def test_in_the_strategy_tester_it_says_what_it_does(tmp_path: Path) -> None:
    """It trades nothing, or without the gateway, as its input says."""
    with world(tmp_path) as made:
        inputs = {"InpSignal": "QM_SIGNAL_BUY", "InpStopPoints": 0, "InpTakePoints": 0, "InpEaName": "sample"}
        refusing = made.start(SAMPLE, inputs, MQL_TESTER=1)
        refusing.wait_for("nothing is governed here: nothing is traded", timeout=20)
        time.sleep(2)
        assert made.terminal.executed() == []
        trading = made.start(SAMPLE, {**inputs, "InpInTester": "QM_TESTER_TRADE"}, MQL_TESTER=1)
        trading.wait_for("it trades without the gateway's limits", timeout=20)
        until(made.terminal.executed, 20)
