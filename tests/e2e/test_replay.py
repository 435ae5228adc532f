"""`quantmind replay` on the journal of a real gateway: while it runs, after it, under other policies."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from e2e.test_cli_trading import first_price
from gateway_process import TOKEN, GatewayProcess, quantmind, running, until, write_config

BROKER = {
    "type": "mt5_mock",
    "initial_balance": 10000,
    "symbols": {"EURUSD": {}, "XAUUSD": {}},
    "feed": {"type": "random_walk", "seed": 1},
}


def configure(folder: Path, account: dict[str, Any], **risk: Any) -> Path:
    """A configuration whose account has limits."""
    path = write_config(folder, {"demo": BROKER})
    written = json.loads(path.read_text(encoding="utf-8"))
    written["risk"] = {"accounts": {"demo": {"initial_capital": 10000, **account}}, **risk}
    path.write_text(json.dumps(written), encoding="utf-8")
    return path


def trade(config: Path, side: str, lots: str, sl: float | None, *more: str) -> subprocess.CompletedProcess[str]:
    stop = () if sl is None else ("--sl", f"{sl:.5f}")
    return quantmind(config, "trade", "EURUSD", side, lots, *stop, "--yes", "--json", *more)


def trade_some(config: Path, gateway: GatewayProcess) -> None:
    """Small and large, with a stop and without, closed again; verdicts for an EA; a halt."""
    bid = first_price(gateway)
    until(lambda: trade(config, "buy", "0.10", bid - 0.01).returncode == 0)
    trade(config, "buy", "0.50", bid - 0.008)
    trade(config, "sell", "0.90", bid + 0.009)
    trade(config, "buy", "0.20", None)
    quantmind(config, "close", "--all")
    asked = {"type": "trade_open", "ea_name": "alpha", "token": TOKEN, "symbol": "EURUSD", "magic": 7, "side": "buy"}
    for number, lots in enumerate((0.05, 0.3, 5)):
        gateway.post("/command", {**asked, "request_id": f"a{number}", "volume": lots, "sl": round(bid - 0.01, 5)})
    halt = {"state": "halted", "reason": "a test", "broker": "demo"}
    assert gateway.post("/risk/state", halt)[0] == 200
    trade(config, "buy", "0.10", bid - 0.01)


def replayed(config: Path, *arguments: str) -> dict[str, Any]:
    ran = quantmind(config, "replay", *arguments, "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_a_gateway_with_a_firms_rules(tmp_path: Path) -> None:
    """Every decision is judged again: the same while it runs, from a copy and from an export; not under other rules."""
    config = configure(tmp_path, {"preset": "ftmo-2step"})
    journal = tmp_path / "state" / "journal.sqlite3"
    with running(config) as gateway:
        trade_some(config, gateway)
        live = replayed(config)
        assert (live["different"], live["errors"], live["without_inputs"]) == (0, [], 0)
        assert live["were_approved"] >= 4
        assert live["were_refused"] >= 3
        gateway.stop()
    copy, export = tmp_path / "copy.sqlite3", tmp_path / "log.jsonl"
    shutil.copy(journal, copy)
    assert quantmind(config, "journal", "export", str(export)).returncode == 0
    for file in (journal, copy, export):
        assert replayed(config, "--journal", str(file)) == live

    stricter = configure(tmp_path, {"preset": "ftmo-2step", "rules": {"daily_loss": {"percent": 0.5}}})
    changes = replayed(stricter, "--journal", str(copy), "--policy", "config")["changes"]
    assert changes["refused"]["by_rule"]["daily_loss"] >= 1
    assert changes["refused"]["lots_now"] == 0 < changes["refused"]["lots_was"]
    none = configure(tmp_path, {"max_volume": 10})
    found = replayed(none, "--journal", str(copy), "--policy", f"{none}:demo", "--all")
    assert found["changes"]["allowed"]["by_rule"]["daily_loss"] >= 1
    assert found["changes"]["untold"]["count"] == 0
    # Another firm's day ends at another time, and what there was then is in no record.
    other = replayed(config, "--journal", str(copy), "--policy", "fundednext-stellar-1step")
    assert set(other["lacking"]) == {"daily_loss: what the account had when the day began"}
    shown = quantmind(config, "replay", "--journal", str(copy), "--policy", "fundednext-stellar-1step").stdout
    assert "untold" in shown


def test_a_trial_week(tmp_path: Path) -> None:
    """With a policy that is only observed nothing is refused, and the journal tells what would have been."""
    config = configure(tmp_path, {"preset": "ftmo-2step"}, observe_only=True)
    with running(config) as gateway:
        bid = first_price(gateway)
        until(lambda: trade(config, "buy", "0.10", bid - 0.01).returncode == 0)
        ran = trade(config, "buy", "0.90", bid - 0.02)
        assert ran.returncode == 0, ran.stderr
        (reason, *_) = json.loads(ran.stdout)["reasons"]
        assert (reason["rule"], reason["observed"]) == ("daily_loss", True)
        gateway.stop()
    found = replayed(config)
    assert found["different"] == 0
    refused = found["observed"]["changes"]["refused"]
    assert (refused["by_rule"]["daily_loss"], refused["lots_was"]) == (1, 0.9)
    shown = quantmind(config, "replay").stdout
    assert "observed  " in shown
    assert "1  by daily_loss" in shown
