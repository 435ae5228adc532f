"""A trader at a gateway whose disk fails: what was answered is remembered, and asked again after a restart."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import time
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from gateway_process import GatewayProcess, write_config

from quantmind.adapters.journal.audit import verify_journal

WITHIN_S = 60.0
"""For a state to come about: far more than any takes, on a machine that does other things, too."""
ALIVE = {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "feed": {"type": "random_walk", "seed": 1}}

Message = dict[str, Any]
Reply = dict[str, Any]


def configure(folder: Path, *, persist: bool, state: Path | None = None) -> Path:
    """A gateway's configuration with one paper account; `state` elsewhere than beside it."""
    path = write_config(folder, {"demo": {**ALIVE, "persist": persist}}, account_interval_ms=100)
    if state is not None:
        config = json.loads(path.read_text(encoding="utf-8"))
        config["gateway"]["state_dir"] = str(state)
        path.write_text(json.dumps(config), encoding="utf-8")
    return path


@attrs.define(eq=False)
class Trader:
    """Asks over REST and keeps each request with its answer."""

    gateway: GatewayProcess
    answered: dict[str, tuple[Message, Reply]] = attrs.field(factory=dict)
    number: int = 0

    def ask(self, kind: str, **fields: Any) -> Reply:
        self.number += 1
        message = {"type": kind, "ea_name": "alpha", "magic": 7, "request_id": f"r{self.number}", **fields}
        if message.get("execute"):
            message.setdefault("expires_at", time.time() + 55)
        status, reply = self.gateway.post("/command", message)
        assert status == 200, reply
        if "request_id" in reply:
            assert reply["request_id"] == message["request_id"]
        self.answered[message["request_id"]] = message, reply
        return dict(reply)

    def open(self, volume: float = 0.1) -> Reply:
        return self.ask("trade_open", symbol="EURUSD", side="buy", volume=volume, execute=True)

    def opened(self, volume: float = 0.1) -> int:
        """The ticket of a position; tried again while the account is not read yet."""
        reply = eventually(lambda: self.open(volume), lambda reply: reply["status"] == "success")
        return int(reply["ticket"])

    def verdict(self) -> Reply:
        return self.ask("trade_open", symbol="EURUSD", side="buy", volume=0.01)

    def close(self, ticket: int, volume: float | None = None) -> Reply:
        fields = {} if volume is None else {"volume": volume}
        return self.ask("trade_close", symbol="EURUSD", ticket=ticket, execute=True, **fields)

    def set_state(self, state: str) -> tuple[int, Any]:
        return self.gateway.post("/risk/state", {"state": state, "reason": "a test"})

    @property
    def state(self) -> str:
        (broker,) = self.gateway.get("/status")["brokers"]
        return str(broker["trading"]["state"])

    @property
    def journal(self) -> dict[str, Any]:
        """What /status says of it."""
        return dict(self.gateway.get("/status")["journal"])

    def volumes(self) -> dict[int, float]:
        """What is open, by ticket. Just after a start the account is not read yet."""
        return {item["ticket"]: item["volume"] for item in self._items("/positions")}

    def deals(self) -> list[Any]:
        """Of the account. Just after a start they are not read yet."""
        return self._items("/deals?limit=1000")

    def _items(self, path: str) -> list[Any]:
        """A list of the account, once it is there: until it is read the answer is 503, never an empty list."""

        def look() -> list[Any] | None:
            try:
                return list(self.gateway.get(path)["items"])
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    raise
                return None

        return list(eventually(look, lambda found: found is not None))

    def until_down(self) -> str:
        return str(eventually(lambda: self.journal["down"], lambda down: down is not None))

    def until_up(self) -> None:
        eventually(lambda: self.journal["down"], lambda down: down is None)

    def repeat(self, request_id: str) -> tuple[Reply, Reply]:
        """The first answer to a request, and the one that it gets now."""
        message, first = self.answered[request_id]
        status, again = self.gateway.post("/command", message)
        assert status == 200, again
        return _timeless(first), _timeless(again)

    def executed(self) -> list[str]:
        """The ids of the orders that went out, oldest first."""
        return [
            key for key, (message, reply) in self.answered.items() if message.get("execute") and "order_id" in reply
        ]


def _timeless(reply: Reply) -> Reply:
    return {key: value for key, value in reply.items() if key != "timestamp"}


def rules(reply: Reply) -> list[str]:
    return [item["rule"] for item in reply.get("reasons", ())]


def eventually(look: Callable[[], Any], enough: Callable[[Any], bool]) -> Any:
    """What `look` gives once it is enough."""
    end = time.monotonic() + WITHIN_S
    while True:
        found = look()
        if enough(found):
            return found
        assert time.monotonic() < end, found
        time.sleep(0.05)


# --- the file, read beside ----------------------------------------------------------------------------------------


def check_journal(file: Path) -> None:
    """The chain is whole, and every table says what its lines say."""
    report = verify_journal(file, now=time.time())
    assert report.ok, [str(fault) for fault in report.faults]


def orders(file: Path) -> dict[str, str]:
    """The state of each order that is recorded, by its id."""
    with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        return dict(connection.execute("SELECT order_id, state FROM intents"))


def checksum(folder: Path) -> dict[str, str]:
    """What is in each file of a folder."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
