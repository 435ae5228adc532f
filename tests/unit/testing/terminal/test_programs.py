"""What a made-up terminal tells MQL5 programs and the Python package does not have: transactions, ticks, its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from quantmind.config.brokers import MockBrokerConfig, SymbolOverrides
from quantmind.testing.mt5.connection import Connection
from quantmind.testing.terminal import FakeTerminal
from quantmind.testing.terminal.news import MOST
from quantmind.testing.terminal.transactions import Kind

START = 1_795_424_400
SERVER = START + 7200
Call = Callable[..., Any]


def config(margin_mode: Any = "hedging") -> MockBrokerConfig:
    return MockBrokerConfig(name="x", login=5, symbols={"EURUSD": SymbolOverrides()}, margin_mode=margin_mode)


class Desk:
    """A terminal, and one program that calls it."""

    def __init__(self, folder: Path, margin_mode: str = "hedging") -> None:
        self.now = float(START)
        self.terminal = FakeTerminal(config(margin_mode), clock=lambda: self.now)
        self.connection = Connection()
        assert self.connection.open(str(self.terminal.serve(folder)), 5)
        self.last = 0
        self.terminal.tick("EURUSD", 1.1, 1.1001)

    def send(self, **fields: Any) -> dict[str, Any]:
        request = {"action": 1, "symbol": "EURUSD", "volume": 0.2, "type": 0, "type_filling": 1, **fields}
        answer = self.connection.call("program_send", request=request, program="ea")
        assert isinstance(answer, dict)
        return answer

    def news(self, program: str = "ea") -> list[dict[str, Any]]:
        answer = self.connection.call("events", program=program, after=self.last, symbol="EURUSD")
        self.last = answer["last"]
        rows: list[dict[str, Any]] = answer["transactions"]
        return rows


@pytest.fixture
def open_desk(tmp_path: Path) -> Iterator[Call]:
    desks: list[Desk] = []

    def make(margin_mode: str = "hedging") -> Desk:
        desks.append(Desk(tmp_path, margin_mode))
        return desks[-1]

    yield make
    for each in desks:
        each.connection.close()
        each.terminal.close()


@pytest.fixture
def desk(open_desk: Call) -> Desk:
    made: Desk = open_desk()
    return made


def kinds(rows: list[dict[str, Any]]) -> list[str]:
    return [Kind(row["type"]).name for row in rows]


OF_A_MARKET_ORDER = ["ORDER_ADD", "DEAL_ADD", "ORDER_DELETE", "HISTORY_ADD"]


def test_a_market_order_is_told_step_by_step(desk: Desk) -> None:
    """Order, deal, and history as a terminal tells them; at the end the request with its answer."""
    answer = desk.send(sl=1.09, tp=1.2)
    order, deal = answer["result"]["order"], answer["result"]["deal"]
    rows = desk.news()
    assert kinds(rows) == [*OF_A_MARKET_ORDER, "REQUEST"]
    added, dealt, deleted, kept, request = rows
    assert (added["order"], added["order_state"], added["volume"], added["position"]) == (order, 0, 0.2, 0)
    assert (dealt["deal"], dealt["order"], dealt["position"], dealt["price_sl"]) == (deal, order, order, 0.0)
    assert (deleted["order_state"], deleted["volume"], kept["position"]) == (4, 0.0, order)
    assert (request["request"]["sl"], request["result"]["request_id"]) == (1.09, answer["request_id"])
    assert (request["order"], request["result"]["retcode"]) == (0, 10009)
    assert [row["number"] for row in rows] == list(range(1, 6))
    assert desk.news() == []


def test_a_request_is_told_to_its_program_alone(desk: Desk) -> None:
    """What happens to the account everybody hears, and an answer only who asked."""
    desk.send()
    assert kinds(desk.news("another")) == OF_A_MARKET_ORDER


def test_stops_that_are_moved_and_hit(desk: Desk) -> None:
    """A position is told when no deal explains its change; a stop makes an order of the server's, and no request."""
    position = desk.send()["result"]["order"]
    desk.news()
    desk.send(action=6, position=position, sl=1.09)
    rows = desk.news()
    assert kinds(rows) == ["POSITION", "REQUEST"]
    assert (rows[0]["position"], rows[0]["price_sl"], rows[0]["volume"]) == (position, 1.09, 0.2)
    desk.terminal.tick("EURUSD", 1.08, 1.0801)
    rows = desk.news()
    assert kinds(rows) == OF_A_MARKET_ORDER
    assert (rows[0]["order_type"], rows[0]["position"], rows[1]["price_sl"]) == (1, position, 1.09)


def test_the_life_of_a_waiting_order(desk: Desk) -> None:
    """Placed, changed, filled; and one that is taken back, one whose time is over."""
    order = desk.send(action=5, type=2, price=1.09, type_filling=2)["result"]["order"]
    rows = desk.news()
    assert kinds(rows) == ["ORDER_ADD", "ORDER_UPDATE", "REQUEST"]
    assert [row["order_state"] for row in rows] == [0, 1, 0]
    desk.send(action=7, order=order, price=1.095)
    (changed, _) = desk.news()
    assert (changed["type"], changed["order_state"], changed["price"]) == (Kind.ORDER_UPDATE, 1, pytest.approx(1.095))
    desk.terminal.tick("EURUSD", 1.094, 1.0941)
    rows = desk.news()
    assert kinds(rows) == ["DEAL_ADD", "ORDER_DELETE", "HISTORY_ADD"]
    assert (rows[1]["order_type"], rows[1]["order_state"], rows[1]["position"]) == (2, 4, order)
    taken = desk.send(action=5, type=2, price=1.08, type_filling=2)["result"]["order"]
    desk.send(action=5, type=2, price=1.07, type_filling=2, type_time=2, expiration=SERVER + 60)
    desk.news()
    desk.send(action=8, order=taken)
    rows = desk.news()
    assert kinds(rows) == ["ORDER_DELETE", "HISTORY_ADD", "REQUEST"]
    assert (rows[0]["order_state"], rows[0]["volume"]) == (2, 0.2)
    desk.now += 61
    desk.terminal.pass_time()
    rows = desk.news()
    assert (kinds(rows), rows[0]["order_state"], rows[0]["time_expiration"]) == (
        ["ORDER_DELETE", "HISTORY_ADD"],
        6,
        SERVER + 60,
    )


def test_two_positions_that_close_each_other(desk: Desk) -> None:
    """One order of its own type with two deals, and what is left of the first position between them."""
    first, second = desk.send()["result"]["order"], desk.send(type=1, volume=0.3)["result"]["order"]
    desk.news()
    desk.send(action=10, position=first, position_by=second)
    rows = desk.news()
    assert kinds(rows) == ["ORDER_ADD", "DEAL_ADD", "POSITION", "DEAL_ADD", "ORDER_DELETE", "HISTORY_ADD", "REQUEST"]
    assert (rows[0]["order_type"], rows[0]["volume"], rows[0]["position_by"]) == (8, 0.2, second)
    assert (rows[2]["position"], rows[2]["volume"]) == (first, 0.0)


def test_a_position_that_turns(open_desk: Call) -> None:
    """On a netting account the other side's order is one deal, and the position keeps its number."""
    desk = open_desk("netting")
    position = desk.send()["result"]["order"]
    desk.news()
    desk.send(type=1, volume=0.5)
    rows = desk.news()
    assert kinds(rows) == [*OF_A_MARKET_ORDER, "REQUEST"]
    assert (rows[1]["deal_type"], rows[1]["position"]) == (1, position)


def test_what_was_refused_or_lost(desk: Desk) -> None:
    """A refusal is an answer; without an answer there is none to tell, whatever became of the request."""
    assert desk.send(volume=0.001)["result"]["retcode"] == 10014
    (refusal,) = desk.news()
    assert (refusal["result"]["retcode"], refusal["request"]["volume"]) == (10014, 0.001)
    desk.terminal.faults.autotrading_off = True
    assert desk.send()["result"]["retcode"] == 10027
    assert desk.news() == []
    desk.terminal.faults.autotrading_off = False
    desk.terminal.faults.answer_lost = True
    answer = desk.send()
    assert (answer["result"], answer["code"]) == (None, -10002)
    assert kinds(desk.news()) == OF_A_MARKET_ORDER
    desk.terminal.faults.answer_lost = False
    desk.terminal.faults.ambiguous = 10012
    unknown = desk.send()["result"]
    assert (unknown["retcode"], unknown["order"], unknown["deal"]) == (10012, 0, 0)
    assert kinds(desk.news()) == [*OF_A_MARKET_ORDER, "REQUEST"]
    desk.terminal.faults.ambiguous = 0
    desk.terminal.faults.request_lost = True
    second = desk.send()
    assert (second["result"], second["request_id"]) == (None, answer["request_id"] + 2)
    assert desk.news() == []


def test_an_account_that_nobody_may_trade(desk: Desk) -> None:
    """It says so, and refuses: to an investor all, to programs what the broker keeps to people."""

    def allowed() -> tuple[bool, bool]:
        row = desk.connection.call("account_info")
        return row["trade_allowed"], row["trade_expert"]

    assert allowed() == (True, True)
    desk.terminal.faults.read_only = True
    assert (allowed(), desk.send()["result"]["retcode"]) == ((False, True), 10017)
    desk.terminal.faults.read_only = False
    desk.terminal.faults.server_autotrading_off = True
    assert (allowed(), desk.send()["result"]["retcode"]) == ((True, False), 10026)


def test_only_so_many_wait(desk: Desk) -> None:
    """A program that does not ask for long misses the older ones."""
    for _ in range(MOST // 5 + 2):
        desk.send(volume=0.01)
    rows = desk.news()
    assert (len(rows), rows[-1]["number"]) == (MOST, (MOST // 5 + 2) * 5)


def test_time_and_ticks(desk: Desk) -> None:
    """A program sees that there was a tick, and both times of the server; its polls are no calls to count."""
    call = desk.connection.call
    before = call("events", program="ea", symbol="EURUSD")
    assert (before["transactions"], before["ticks"]) == ([], 1)
    desk.now += 100
    desk.terminal.tick("EURUSD", 1.1, 1.1001, time_msc=(START + 90) * 1000)
    after = call("events", program="ea", symbol="EURUSD")
    assert (after["ticks"], after["time_current"], after["time_trade_server"]) == (2, SERVER + 90, SERVER + 100)
    assert "events" not in desk.terminal.calls
    assert after["connected"]
    desk.terminal.faults.disconnected = True
    assert not call("events", program="ea", symbol="EURUSD")["connected"]


def test_ticks_by_the_millisecond(desk: Desk) -> None:
    """From a time on the oldest ones, from 0 the newest ones; several of one millisecond stay several."""
    for number in range(3):
        desk.terminal.tick("EURUSD", 1.2 + number / 100, 1.3, time_msc=(START + 1) * 1000 + number // 2)
    call = desk.connection.call

    def bids(name: str, **arguments: Any) -> list[float]:
        rows = call(name, symbol="EURUSD", flags=-1, **arguments)
        return [row["bid"] for row in rows]

    assert bids("ticks_page", from_msc=0, count=2) == [1.21, 1.22]
    assert bids("ticks_page", from_msc=(SERVER + 1) * 1000, count=2) == [1.2, 1.21]
    assert bids("ticks_page", from_msc=1, count=0) == []
    second = (SERVER + 1) * 1000
    assert bids("ticks_between", from_msc=second, to_msc=second) == [1.2, 1.21]
    assert call("ticks_page", symbol="NONE", from_msc=0, count=1, flags=-1) is None
