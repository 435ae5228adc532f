"""The file STOP and the calendar of events, from outside: on disk, and in /status."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import attrs
import trio
from gateway_process import TOKEN, GatewayProcess, running, until, write_config

from quantmind.app import open_gateway
from quantmind.config import load

WALK = {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "feed": {"type": "random_walk", "seed": 1}}
ORDER = {"type": "trade_open", "ea_name": "x", "symbol": "EURUSD", "volume": 0.1, "magic": 1, "side": "buy"}
BROKERS = {"demo": WALK, "other": WALK}


def trading(gateway: GatewayProcess) -> list[str]:
    return [broker["trading"]["state"] for broker in gateway.get("/status")["brokers"]]


def halted(gateway: GatewayProcess) -> bool:
    return trading(gateway) == ["halted", "halted"]


def test_touch_stop(tmp_path: Path) -> None:
    """Every account is halted within 2 s, also after a kill and a start, and stays so when the file has gone."""
    config = write_config(tmp_path, BROKERS, poll_interval_ms=50)
    stop = tmp_path / "state" / "STOP"
    with running(config) as gateway:
        until(lambda: trading(gateway) == ["active", "active"])
        assert gateway.get("/status")["stop_file"]["there"] is False
        stop.touch()
        until(lambda: halted(gateway), 2.0)
        shown = gateway.get("/status")
        assert shown["stop_file"]["there"] is True
        assert shown["brokers"][0]["trading"]["cause"] == "the file STOP is there (by STOP file)"
        _, refused = gateway.post("/command", {**ORDER, "broker": "demo"})
        assert "trading_state" in [reason["rule"] for reason in refused["reasons"]]
        gateway.kill()
    with running(config) as gateway:
        assert halted(gateway)
        stop.unlink()
        until(lambda: gateway.get("/status")["stop_file"]["there"] is False)
        time.sleep(1.5)
        assert halted(gateway)
        status, _ = gateway.post("/risk/state", {"state": "active", "reason": "all is well"})
        assert status == 200
        time.sleep(1.5)
        until(lambda: trading(gateway) == ["active", "active"], 5.0)


def test_stop_while_it_was_down(tmp_path: Path) -> None:
    """A file that was put there meanwhile halts before the first command can come."""
    config = write_config(tmp_path, BROKERS, poll_interval_ms=50)
    with running(config) as gateway:
        assert gateway.stop() == 0
    (tmp_path / "state" / "STOP").write_text("the server moves\n", encoding="utf-8")
    with running(config) as gateway:
        assert halted(gateway)
        assert gateway.get("/status")["brokers"][1]["trading"]["cause"] == "the server moves (by STOP file)"


async def test_the_calendar_is_read(tmp_path: Path) -> None:
    """From the file that the configuration names, again when it changes; a broken one stands in /status."""
    file = tmp_path / "news.csv"
    file.write_text("time,currency,impact,title\n2026-11-23T13:30:00Z,USD,high,NFP\n", encoding="utf-8")
    os.utime(file, (1_795_424_400, 1_795_424_400))
    config = load(write_config(tmp_path, BROKERS), {})
    config = attrs.evolve(config, risk=attrs.evolve(config.risk, news_file=file))
    with open_gateway(config, token=TOKEN) as gateway:
        board = gateway.tree.boards.news
        async with trio.open_nursery() as nursery:
            await nursery.start(gateway.tree.root.run)
            at = GatewayProcess(None, None, [], dict(gateway.addresses))  # type: ignore[arg-type]
            shown = (await trio.to_thread.run_sync(at.get, "/status"))["news"]
            assert shown["file"] == str(file)
            assert shown["refreshed_at"] == "2026-11-23T09:00:00.000Z"
            assert (shown["events"], shown["by_impact"]["high"], shown["error"]) == (1, 1, None)
            file.write_text(json.dumps([{"time": "soon"}]), encoding="utf-8")
            with trio.fail_after(30):
                while board.error is None:
                    await trio.sleep(0.1)
            assert board.error == "event 1, time: 'soon' is no time: write 2026-11-23T13:30:00Z"
            view = board.view(("USD",), 1_795_440_600.0, 60, 60)
            assert view is not None
            assert [event.title for event in view.events] == ["NFP"]
            with trio.fail_after(30):
                await gateway.tree.root.stop()
            nursery.cancel_scope.cancel()
