"""The terminal that is made up, reached as programs reach a real one: from this process, from others, and badly."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from quantmind.config.brokers import MockBrokerConfig, SymbolOverrides
from quantmind.testing import mt5
from quantmind.testing.terminal import FakeTerminal

START = 1_795_424_400
CONFIG = MockBrokerConfig(
    name="x", login=5, server="Demo", symbols={"EURUSD": SymbolOverrides(), "USDJPY": SymbolOverrides()}
)
SERVER = START + 7200


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[FakeTerminal]:
    with FakeTerminal(CONFIG, clock=lambda: START) as made:
        path = made.serve(tmp_path)
        made.tick("EURUSD", 1.1, 1.1001)
        assert mt5.initialize(str(path), login=5, server="Demo", password="any")
        yield made
        mt5.shutdown()


def order(**more: Any) -> dict[str, Any]:
    return {
        "action": mt5.TRADE_ACTION_DEAL,
        "symbol": "EURUSD",
        "volume": 0.1,
        "type": mt5.ORDER_TYPE_BUY,
        "price": 1.1001,
        "magic": 7,
        "comment": "why",
        **more,
    }


def test_an_order_and_what_is_left_of_it(terminal: FakeTerminal) -> None:
    """Filled, open, in history, closed: each call as the package has it, in the server's time."""
    assert mt5.version()[0] == 500  # type: ignore[index]
    assert mt5.positions_get() == ()
    result = mt5.order_send(order())
    assert (result.retcode, result.request.comment) == (10009, "why")
    (position,) = mt5.positions_get(symbol="EURUSD")
    assert (position.ticket, position.time, position.comment) == (result.order, SERVER, "why")
    assert mt5.positions_total() == 1
    closing = order(type=mt5.ORDER_TYPE_SELL, price=1.1, position=position.ticket, comment="enough", magic=8)
    assert mt5.order_send(closing).retcode == 10009
    opened, closed = mt5.history_deals_get(0, SERVER + 1)
    assert [(deal.comment, deal.magic, deal.entry) for deal in (opened, closed)] == [("why", 7, 0), ("enough", 8, 1)]
    rows = mt5.history_orders_get(datetime.fromtimestamp(0, UTC), datetime.fromtimestamp(SERVER + 1, UTC))
    assert [(row.ticket, row.comment, row.state) for row in rows] == [
        (opened.order, "why", mt5.ORDER_STATE_FILLED),
        (closed.order, "enough", mt5.ORDER_STATE_FILLED),
    ]
    assert mt5.history_orders_get(ticket=opened.order)[0].position_id == position.ticket
    assert mt5.history_deals_get(position=position.ticket) == (opened, closed)
    assert (mt5.history_orders_total(0, SERVER + 1), mt5.history_deals_total(0, SERVER + 1)) == (2, 2)
    assert mt5.last_error() == (1, "Success")
    assert [each.ticket for each in terminal.executed()] == [position.ticket] * 2


def test_a_waiting_order_and_its_ends(terminal: FakeTerminal) -> None:
    """Placed, changed, cancelled; each is in history with how it ended."""
    pending = {"action": mt5.TRADE_ACTION_PENDING, "type": mt5.ORDER_TYPE_BUY_LIMIT, "price": 1.05}
    first = mt5.order_send(order(**pending))
    second = mt5.order_send(order(**pending))
    assert mt5.orders_total() == 2
    change = {"action": mt5.TRADE_ACTION_MODIFY, "order": first.order, "price": 1.06, "type_time": 0}
    assert mt5.order_send(change).retcode == 10009
    assert mt5.orders_get(ticket=first.order)[0].price_open == pytest.approx(1.06)
    assert mt5.order_send({"action": mt5.TRADE_ACTION_REMOVE, "order": second.order}).retcode == 10009
    terminal.tick("EURUSD", 1.055, 1.0551)
    assert mt5.orders_get() == ()
    states = {row.ticket: row.state for row in mt5.history_orders_get(0, SERVER + 1)}
    assert states == {first.order: mt5.ORDER_STATE_FILLED, second.order: mt5.ORDER_STATE_CANCELED}
    assert [(each.waits, each.volume) for each in terminal.executed()][-1][1] is not None


def test_ticks_bars_and_depth(terminal: FakeTerminal) -> None:
    """By number and by field; a second's ticks are all there; what nobody asked for is None."""
    for bid in (1.2, 1.3):
        terminal.tick("EURUSD", bid, bid + 0.0001, time_msc=START * 1000 + 500)
    rows = mt5.copy_ticks_from("EURUSD", SERVER, 10, mt5.COPY_TICKS_ALL)
    assert list(rows["bid"]) == [1.1, 1.2, 1.3]
    assert [row["time_msc"] for row in rows] == [SERVER * 1000, SERVER * 1000 + 500, SERVER * 1000 + 500]
    assert rows.dtype.names[5] == "time_msc"
    assert len(mt5.copy_ticks_from("EURUSD", SERVER, 2, mt5.COPY_TICKS_ALL)) == 2
    assert len(mt5.copy_ticks_range("EURUSD", SERVER, SERVER, mt5.COPY_TICKS_INFO)) == 1
    assert len(mt5.copy_ticks_from("EURUSD", SERVER, 2, mt5.COPY_TICKS_TRADE)) == 0
    (bar,) = mt5.copy_rates_from_pos("EURUSD", mt5.TIMEFRAME_H1, 0, 5)
    assert (bar["open"], bar["high"], bar["low"], bar["close"], bar["tick_volume"]) == (1.1, 1.3, 1.1, 1.3, 3)
    assert len(mt5.copy_rates_range("EURUSD", mt5.TIMEFRAME_M1, SERVER, SERVER + 60)) == 1
    assert mt5.copy_rates_from("EURUSD", 999, SERVER, 5) is None
    assert mt5.last_error()[0] == mt5.RES_E_INVALID_PARAMS
    assert mt5.symbol_info_tick("USDJPY") is None
    assert mt5.symbol_info("NOPE") is None
    assert mt5.market_book_get("EURUSD") is None
    assert mt5.market_book_add("EURUSD")
    assert [level.price for level in mt5.market_book_get("EURUSD")] == [1.3001, 1.3]
    with pytest.raises(ValueError, match="no field"):
        rows[0]["nope"]


def test_crossed_ticks_are_shown_and_not_traded_on(terminal: FakeTerminal) -> None:
    """As a terminal shows what its server sends."""
    terminal.tick("EURUSD", 1.3, 1.2)
    tick = mt5.symbol_info_tick("EURUSD")
    assert (tick.bid, tick.ask) == (1.3, 1.2)
    assert mt5.order_send(order()).price == pytest.approx(1.1001)


@pytest.mark.parametrize(
    ("request_", "field"),
    [({"nope": 1}, "nope"), ({"volume": "0.1"}, "volume"), ({"type": 1.5}, "type"), ({"symbol": 5}, "symbol")],
)
def test_a_request_that_is_none(terminal: FakeTerminal, request_: dict[str, Any], field: str) -> None:
    """None, and the argument by its name."""
    assert mt5.order_send(order(**request_)) is None
    assert mt5.last_error() == (-2, f'Invalid "{field}" argument')
    assert mt5.order_check(order(**request_)) is None
    with pytest.raises(TypeError):
        mt5.order_send([1])  # type: ignore[arg-type]
    assert terminal.executed() == []


@pytest.mark.parametrize("code", [-10001, -10002, -10003, -10004, -10005])
def test_a_lost_connection(terminal: FakeTerminal, code: int) -> None:
    """Every call is None with the code, and initialize fails."""
    terminal.faults.ipc_lost = code
    for call in (mt5.account_info, mt5.terminal_info, mt5.positions_get, mt5.symbols_get, mt5.version):
        assert call() is None
        assert mt5.last_error()[0] == code
    assert mt5.order_send(order()) is None
    assert not mt5.symbol_select("EURUSD", True)
    assert terminal.executed() == []


def test_a_terminal_that_goes_away(terminal: FakeTerminal) -> None:
    """None and no connection, until initialize reaches it again; the account is as it was."""
    mt5.order_send(order())
    terminal.restart()
    assert mt5.positions_get() is None
    assert mt5.last_error()[0] == mt5.RES_E_INTERNAL_FAIL_RECEIVE
    assert mt5.positions_get() is None
    assert mt5.last_error()[0] == mt5.RES_E_INTERNAL_FAIL_CONNECT


def test_half_an_answer(terminal: FakeTerminal) -> None:
    """Is none."""
    terminal.faults.half_answers = True
    assert mt5.account_info() is None
    assert mt5.last_error()[0] == mt5.RES_E_INTERNAL_FAIL_RECEIVE


def test_an_answer_or_a_request_that_is_lost(terminal: FakeTerminal) -> None:
    """None both times; the account tells which."""
    terminal.faults.request_lost = True
    assert mt5.order_send(order()) is None
    assert mt5.positions_total() == 0
    terminal.faults.request_lost, terminal.faults.answer_lost = False, True
    assert mt5.order_send(order()) is None
    assert mt5.positions_total() == 1


def test_logged_out_and_somebody_else(terminal: FakeTerminal, tmp_path: Path) -> None:
    """Calls for the account fail, those for the terminal do not."""
    terminal.faults.logged_out = True
    assert mt5.account_info() is None
    assert mt5.last_error()[0] == mt5.RES_E_AUTH_FAILED
    assert not mt5.terminal_info().connected
    terminal.faults.logged_out = False
    terminal.faults.wrong_account = 99
    assert mt5.account_info().login == 99
    assert not mt5.initialize(str(tmp_path / "terminal64.fake"), login=6)
    assert mt5.last_error()[0] == mt5.RES_E_AUTH_FAILED


def test_a_server_whose_time_shifts(terminal: FakeTerminal) -> None:
    """All its times do."""
    terminal.offset_s = 3 * 3600
    terminal.tick("EURUSD", 1.2, 1.2001)
    assert mt5.symbol_info_tick("EURUSD").time == START + 3 * 3600


def test_it_holds_the_process_while_it_is_frozen(terminal: FakeTerminal) -> None:
    """No other thread of the caller's process runs, as with the real package."""
    beats: list[float] = []
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(0.002):
            beats.append(time.monotonic())

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        time.sleep(0.05)
        terminal.faults.frozen_s = 0.4
        began = time.monotonic()
        assert mt5.order_send(order()).retcode == 10009
        ended = time.monotonic()
    finally:
        stop.set()
        thread.join()
    assert ended - began >= 0.4
    within = [beat for beat in beats if began < beat < ended]
    longest = max(b - a for a, b in zip([began, *within], [*within, ended], strict=True))
    assert longest >= 0.38, "somebody else ran"


PROGRAM = """
import sys
from quantmind.testing import mt5
assert mt5.initialize(sys.argv[1])
print("ready", flush=True)
mt5.order_send({"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "price": 1.1001})
"""


@pytest.mark.parametrize("after", [True, False])
def test_a_program_may_be_killed(terminal: FakeTerminal, tmp_path: Path, after: bool) -> None:
    """In the middle of a frozen order: terminal and account live on, with the order or without it."""
    terminal.faults.frozen_s, terminal.faults.frozen_after = 60.0, after
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "terminal64.fake")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        end = time.monotonic() + 20
        while "order_send" not in terminal.calls and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.1)
    finally:
        program.kill()
        program.wait()
        program.stdout.close()  # type: ignore[union-attr]
    terminal.faults.frozen_s = 0.0
    assert mt5.positions_total() == int(after)
    assert len(terminal.executed()) == int(after)
    assert mt5.order_send(order()).retcode == 10009


def test_two_terminals_are_two(terminal: FakeTerminal, tmp_path: Path) -> None:
    """Each file leads to its own."""
    (tmp_path / "other").mkdir()
    with FakeTerminal(MockBrokerConfig(name="y", login=6)) as other:
        path = other.serve(tmp_path / "other")
        assert mt5.initialize(str(path))
        assert mt5.account_info().login == 6
        assert mt5.initialize(str(tmp_path / "terminal64.fake"))
        assert mt5.account_info().login == 5


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack("!I", 2**31) + b"x",
        struct.pack("!I", 4) + b"nope",
        struct.pack("!I", 6) + b'"key1"',
        b"",
    ],
)
def test_nobody_gets_in_without_the_key(terminal: FakeTerminal, tmp_path: Path, raw: bytes) -> None:
    """The connection ends, and nothing else happens."""
    said = json.loads((tmp_path / "terminal64.fake").read_text(encoding="utf-8"))
    with socket.create_connection(("127.0.0.1", said["port"]), timeout=5) as stranger:
        try:
            stranger.sendall(raw)
            stranger.shutdown(socket.SHUT_WR)
            assert stranger.recv(100) == b""
        except TimeoutError:
            raise
        except OSError:
            # What it has not read when it closes makes a reset of the end.
            pass
    assert mt5.account_info().login == 5
    assert terminal.executed() == []


@pytest.mark.parametrize("message", [[], {"call": 5}, {"call": "order_send"}, {"call": "__init__", "arguments": {}}, 7])
def test_calls_that_are_none(terminal: FakeTerminal, tmp_path: Path, message: Any) -> None:
    """Answered with a failure; nothing of the terminal's own can be called."""
    said = json.loads((tmp_path / "terminal64.fake").read_text(encoding="utf-8"))
    with socket.create_connection(("127.0.0.1", said["port"]), timeout=5) as program:
        for each in (said["key"], message):
            raw = json.dumps(each).encode()
            program.sendall(struct.pack("!I", len(raw)) + raw)
        (length,) = struct.unpack("!I", program.recv(4))
        answer = json.loads(program.recv(length))
    assert answer["result"] is None
    assert answer["error"][0] == -2
    assert terminal.executed() == []


def test_without_a_terminal_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither by name nor by the environment; the error says how to name one."""
    mt5.shutdown()
    monkeypatch.delenv("QUANTMIND_FAKE_TERMINAL", raising=False)
    assert not mt5.initialize()
    assert "QUANTMIND_FAKE_TERMINAL" in mt5.last_error()[1]
    for wrong in ("no", str(tmp_path)):
        assert not mt5.initialize(wrong)
        assert mt5.last_error()[0] == mt5.RES_E_INTERNAL_FAIL_INIT
    with FakeTerminal(CONFIG) as made:
        monkeypatch.setenv("QUANTMIND_FAKE_TERMINAL", str(made.serve(tmp_path)))
        assert mt5.initialize()
        mt5.shutdown()


def test_the_package_s_helpers(terminal: FakeTerminal) -> None:
    """They send once."""
    assert mt5.Buy("EURUSD", 0.1, comment="x").retcode == 10009
    assert mt5.Sell("EURUSD", 0.1).retcode == 10009
    assert mt5.Close("EURUSD") is True
    assert mt5.Close("EURUSD") is True, "there was nothing"
    terminal.faults.requotes = 1
    assert mt5.Buy("EURUSD", 0.1).retcode == 10004
    assert terminal.faults.requotes == 0
