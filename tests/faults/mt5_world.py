"""Gateways with MetaTrader 5 terminals that are made up: the terminal in the test's process, the worker in its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
from gateway_process import GatewayProcess, running, until, write_config

from quantmind.config.brokers import MockBrokerConfig, SymbolOverrides
from quantmind.testing.terminal import FakeTerminal

SYMBOLS = {"EURUSD": SymbolOverrides(), "USDJPY": SymbolOverrides()}
_STARTED = re.compile(r"start\.worker broker=(\S+) pid=(\d+)")


@attrs.define(eq=False)
class Terminals:
    """A gateway, and the terminals behind its brokers by their names."""

    gateway: GatewayProcess
    terminals: dict[str, FakeTerminal]

    def broker(self, name: str) -> dict[str, Any]:
        """What /status says of a broker."""
        found: dict[str, Any] = next(
            each for each in self.gateway.get("/status")["brokers"] if each["trading"]["broker"] == name
        )
        return found

    def codes(self, name: str) -> list[str]:
        """Why it is degraded."""
        return [cause["code"] for cause in self.broker(name)["condition"]["causes"]]

    def active(self, name: str, within_s: float = 30.0) -> None:
        """Wait until it trades."""
        until(lambda: self.broker(name)["trading"]["state"] == "active", within_s)

    def workers(self, name: str) -> list[int]:
        """The process ids of its workers, the newest last."""
        found = [_STARTED.search(line) for line in self.gateway.log]
        return [int(each[2]) for each in found if each is not None and each[1] == name]

    def kill_worker(self, name: str) -> None:
        """End the worker that runs at once; nothing if it has ended already."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.workers(name)[-1], signal.SIGKILL)

    def trade(self, name: str, volume: float = 0.01, **more: Any) -> tuple[int, Any]:
        """A market order by REST."""
        body = {"symbol": "EURUSD", "action_type": "BUY", "volume": volume, "broker": name, **more}
        return self.gateway.post("/trade", body)

    def trades_again(self, name: str, within_s: float = 60.0) -> None:
        """Wait until an order goes through; until then each is refused, and none is left in doubt."""

        def through() -> bool:
            status, reply = self.trade(name)
            assert status in (200, 422, 503), reply
            return status == 200

        until(through, within_s)

    def outcome(self, request_id: str) -> dict[str, Any]:
        """What became of a command."""
        found: dict[str, Any] = self.gateway.get(f"/commands/{request_id}")
        return found


@contextlib.contextmanager
def terminals(
    folder: Path,
    *names: str,
    beside: dict[str, Any] | None = None,
    risk: dict[str, Any] | None = None,
    env: dict[str, str] | None = None,
    **settings: Any,
) -> Iterator[Terminals]:
    """A running gateway with a terminal for each name; each makes up prices and trades on them.

    Args:
        beside: further brokers.
        risk: the section `risk`.
        env: of the gateway, beside its usual one.
        settings: of each broker of type mt5.
    """
    with contextlib.ExitStack() as stack:
        made: dict[str, FakeTerminal] = {}
        brokers: dict[str, Any] = {}
        for number, name in enumerate(names, 1):
            place = folder / name
            place.mkdir()
            config = MockBrokerConfig(name=name, login=number, symbols=SYMBOLS)
            made[name] = stack.enter_context(FakeTerminal(config))
            path = made[name].serve(place)
            made[name].run_walk(seed=number, every_s=0.1)
            brokers[name] = {"type": "mt5", "module": "quantmind.testing.mt5", "path": str(path), **settings}
        path = write_config(folder, {**brokers, **(beside or {})}, poll_interval_ms=50)
        if risk is not None:
            whole = json.loads(path.read_text(encoding="utf-8"))
            path.write_text(json.dumps({**whole, "risk": risk}), encoding="utf-8")
        gateway = stack.enter_context(running(path, env=env))
        world = Terminals(gateway, made)
        for name in names:
            world.active(name)
        yield world
        if gateway.process.poll() is None:
            gateway.stop()


def wait_until_gone(pid: int, within_s: float = 10.0) -> None:
    """Wait until there is no such process."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    raise AssertionError(f"process {pid} is still there after {within_s} s")
