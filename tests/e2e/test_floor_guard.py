"""A bridge that guards its account by itself, at a whole gateway: what it hears, how fast, and when no more."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
import zmq
from gateway_process import TOKEN, GatewayProcess, running, until, write_config

from quantmind.domain.accounts import Account
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import usual_spec
from quantmind.wire import bridge

FAR = {"type": "mt5_socket", "mode": "listen", "account_id": "5", "timeout": 4}
ACCOUNT = Account(5, "Demo", "USD", 100, "hedging", *(Decimal(10_000),) * 2, Decimal(0), *(Decimal(10_000),) * 2)
LATE_S = 0.75
"""What a busy machine may add."""


@attrs.define(eq=False)
class Ea:
    """A DEALER that answers what it is asked, and keeps when it heard what."""

    port: int
    heard: list[tuple[float, bridge.Guard]] = attrs.field(factory=list)
    session: str = ""
    let_in_at: float = 0.0
    state: bridge.GuardState = "watching"
    _over: threading.Event = attrs.field(factory=threading.Event, init=False)
    _batch: int = 0

    def run(self) -> None:
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.connect(f"tcp://127.0.0.1:{self.port}")
            hello = {"type": "bridge_hello", "id": "h", "protocol": 1, "token": TOKEN, "account": 5, "server": "Demo"}
            socket.send_json({**hello, "margin_mode": "hedging", "guard": True})
            while not self._over.is_set():
                if socket.poll(50):
                    for answer in self._answers(socket.recv()):
                        socket.send(answer)

    def _answers(self, raw: bytes) -> Iterator[bytes]:
        kind = bridge.kind_in(raw)
        if kind == "reply":
            self.session = bridge.read(bridge.decode_reply(raw).data, bridge.Accepted).session
            self.let_in_at = time.monotonic()
        elif kind == "guard":
            assert self.session, "it is let in first"
            self.heard.append((time.monotonic(), bridge.decode_guard(raw)))
            yield bridge.encode(bridge.Guarded(seq=self.last.seq, state=self.state, session=self.session))
        else:
            request = bridge.decode(raw)
            yield bridge.encode_reply(request.id, self._answer(request), self.session)

    def _answer(self, request: bridge.AnyRequest) -> msgspec.Struct:
        match request:
            case bridge.Hello():
                return bridge.Welcome(protocol=1, account=5, server="Demo", margin_mode="hedging")
            case bridge.SymbolsGet():
                return bridge.Symbols(symbols=(usual_spec("BTCUSD"),))
            case bridge.TicksGet():
                self._batch += 1
                quote = Quote("BTCUSD", 50_000.0, 50_001.0, int(time.time() * 1000))
                return bridge.Ticks(number=self._batch, ticks=(quote,))
            case bridge.SampleGet():
                return bridge.Holdings(account=ACCOUNT, positions=(), orders=())
            case bridge.DealsGet():
                return bridge.Deals(deals=())
            case _:
                return bridge.Nothing()

    @property
    def last(self) -> bridge.Guard:
        return self.heard[-1][1]

    def when(self, what: Any) -> float:
        """When it first heard what fits."""
        return until(lambda: next((at for at, each in tuple(self.heard) if what(each)), None))


@contextmanager
def guarding(gateway: GatewayProcess) -> Iterator[Ea]:
    ea = Ea(gateway.port("commands"))
    thread = threading.Thread(target=ea.run)
    thread.start()
    try:
        yield ea
    finally:
        ea._over.set()
        thread.join()


def guard_of(gateway: GatewayProcess) -> Any:
    return gateway.get("/status")["bridges"]["brokers"]["far"]["guard"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = write_config(tmp_path, {"far": FAR})
    accounts = {"far": {"preset": "ftmo-2step", "initial_capital": 10_000}}
    whole = {**json.loads(path.read_text(encoding="utf-8")), "risk": {"accounts": accounts}}
    path.write_text(json.dumps(whole), encoding="utf-8")
    return path


def test_a_guard_hears_the_gateway_live_and_die(config: Path) -> None:
    """At once, rightly, each second, without a gap; nothing after a kill; and the next one says what still holds."""
    with running(config) as gateway, guarding(gateway) as ea:
        first = ea.when(lambda _: True)
        assert first - ea.let_in_at < LATE_S
        began = ea.heard[0][1]
        assert began.seq == 1
        assert (began.known, began.floor) in ((False, None), (True, 9_500)), "never none as if there were none"
        ea.when(lambda told: told.known and told.trading_state == "active")
        assert (ea.last.floor, ea.last.next_floor, ea.last.broker) == (9_500, 9_500, "far")
        assert ea.last.next_reset is not None
        assert 0 < ea.last.next_reset - time.time() <= 86_400
        heartbeat = gateway.command({"type": "heartbeat", "ea_name": "a", "magic": 1, "symbol": "BTCUSD"})
        for name in ("floor", "next_floor", "next_reset", "trading_state", "cause"):
            assert getattr(ea.last, name) == heartbeat[name], name

        asked, since = time.monotonic(), ea.last.seq
        body = {"state": "halted", "broker": "far", "reason": "enough for today"}
        assert gateway.post("/risk/state", body)[0] == 200
        assert ea.when(lambda told: told.seq > since and told.trading_state == "halted") - asked < LATE_S
        assert "enough for today" in (ea.last.cause or "")

        until(lambda: len(ea.heard) > 5)
        times = [at for at, _ in ea.heard]
        assert max(b - a for a, b in itertools.pairwise(times)) < 1 + LATE_S
        assert [each.seq for _, each in ea.heard] == list(range(1, len(ea.heard) + 1))
        status = until(lambda: guard if (guard := guard_of(gateway))["acknowledged"] else None)
        assert (status["state"], status["faults"], status["held"]) == ("watching", 0, None)
        assert 0 <= status["seq"] - status["acknowledged"] <= 1
        assert status["age_s"] < 1 + LATE_S

        ea.state = "flat"
        until(lambda: guard_of(gateway)["state"] == "flat")
        (event,) = until(lambda: _events(gateway))
        assert (event["state"], event["before"]) == ("flat", "watching")
        assert any("guard.bridge broker=far state=flat" in line for line in gateway.log)

        gateway.kill()
        time.sleep(0.2)
        before = len(ea.heard)
        time.sleep(2.5)
        assert len(ea.heard) == before
    with running(config) as again, guarding(again) as ea:
        ea.when(lambda told: told.known)
        assert [each.seq for _, each in ea.heard] == list(range(1, len(ea.heard) + 1))
        assert {each.trading_state for _, each in ea.heard} == {"halted"}
        assert ea.last.floor == 9_500


def _events(gateway: GatewayProcess) -> list[Any]:
    items = gateway.get("/journal?kind=event&limit=1000")["items"]
    return [each["body"] for each in items if each["body"].get("name") == "guard"]


def test_who_does_not_ask_hears_no_beats(config: Path) -> None:
    """A bridge of before, which would not know what that is."""
    with running(config) as gateway, zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(f"tcp://127.0.0.1:{gateway.port('commands')}")
        hello = {"type": "bridge_hello", "id": "h", "protocol": 1, "token": TOKEN, "account": 5, "server": "Demo"}
        socket.send_json({**hello, "margin_mode": "hedging"})
        kinds, end = [], time.monotonic() + 3
        while time.monotonic() < end:
            if socket.poll(100):
                kinds.append(socket.recv_json()["type"])
        assert "reply" in kinds
        assert "guard" not in kinds
        assert guard_of(gateway) is None
