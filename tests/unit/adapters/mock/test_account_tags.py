"""The client tag stays with what an order became, so that an order can be told by what is open and what was done."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from quantmind.adapters.mock import PaperAccount, Terms
from quantmind.adapters.mock import account_file as files
from quantmind.adapters.mock.persist import Persistence
from quantmind.adapters.mock.terminal_view import TerminalView
from quantmind.domain.accounts import Cause, Deal, Entry
from quantmind.domain.orders import Cancel, Close, Modify, Open, OrderType, Origin, Placed, Side
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import usual_spec

ORIGIN = Origin("alpha", 7)
START_MSC = 1_795_424_400_000


def make(margin_mode: str = "hedging", **terms) -> PaperAccount:
    account = PaperAccount(Terms(margin_mode=margin_mode, **terms), [usual_spec("EURUSD")])
    price(account, "1.08500")
    return account


def price(account: PaperAccount, bid: str) -> list[Deal]:
    at = max(START_MSC, account.time_msc + 1)
    return list(account.tick(Quote("EURUSD", float(bid), float(Decimal(bid) + Decimal("0.0001")), at)))


def trade(account: PaperAccount, tag: str, side: Side = Side.BUY, lots: str = "0.10", **more) -> Placed:
    outcome = account.open(Open(ORIGIN, "demo", "EURUSD", Decimal(lots), side, **more), tag)
    assert isinstance(outcome, Placed), outcome
    return outcome


def close(account: PaperAccount, tag: str, ticket: int, lots: str | None = None, by: int | None = None) -> Placed:
    volume = None if lots is None else Decimal(lots)
    outcome = account.close(Close(ORIGIN, "demo", "EURUSD", ticket, volume, by), tag)
    assert isinstance(outcome, Placed), outcome
    return outcome


def tags(account: PaperAccount) -> list[tuple[Entry, str]]:
    return [(deal.entry, deal.tag) for deal in account.deals]


def held(account: PaperAccount) -> list[tuple[int, str]]:
    return [(position.ticket, position.tag) for position in account.positions()]


@pytest.mark.parametrize("margin_mode", ["hedging", "netting"])
def test_a_position_and_its_deals_have_the_tags_of_their_requests(margin_mode):
    """The position that of its order, each partial close its own; a change of stops leaves all as it was."""
    account = make(margin_mode)
    ticket = trade(account, "open").ticket
    account.modify(Modify(ORIGIN, "demo", ticket, new_sl=Decimal("1.08000")), "modify")
    close(account, "part", ticket, "0.04")
    assert held(account) == [(ticket, "open")]
    close(account, "rest", ticket)
    assert tags(account) == [(Entry.IN, "open"), (Entry.OUT, "part"), (Entry.OUT, "rest")]


@pytest.mark.parametrize("order_type", [OrderType.LIMIT, OrderType.STOP])
def test_a_waiting_order_hands_its_tag_on(order_type):
    """To its position and its deal when it fills, changed or not; and it keeps it in the record of its end."""
    account = make()
    level, through = ("1.08000", "1.07900") if order_type is OrderType.LIMIT else ("1.09000", "1.09100")
    placed = trade(account, "wait", order_type=order_type, price=Decimal(level))
    account.modify(Modify(ORIGIN, "demo", placed.ticket, new_tp=Decimal("1.20000")), "modify")
    assert [order.tag for order in account.orders()] == ["wait"]
    (deal,) = price(account, through)
    assert deal.tag == "wait"
    assert held(account) == [(placed.ticket, "wait")]
    assert account.records[placed.ticket].order.tag == "wait"


def test_a_cancelled_order_keeps_its_own_tag():
    """That of the cancellation belongs to the cancellation."""
    account = make()
    placed = trade(account, "wait", order_type=OrderType.LIMIT, price=Decimal("1.08000"))
    account.cancel(Cancel(ORIGIN, "demo", placed.ticket), "cancel")
    assert account.records[placed.ticket].order.tag == "wait"


@pytest.mark.parametrize("cause", [Cause.SL, Cause.TP, Cause.STOP_OUT])
def test_what_the_account_closes_by_itself_has_no_tag(cause):
    """Nobody asked for a stop loss, a take profit or a stop out at that moment."""
    account = make(initial_balance=Decimal(1000), leverage=100)
    stops = {Cause.SL: {"sl": Decimal("1.08000")}, Cause.TP: {"tp": Decimal("1.09000")}}.get(cause, {})
    trade(account, "open", lots="0.50", **stops)
    (deal,) = price(account, {Cause.SL: "1.07900", Cause.TP: "1.09100", Cause.STOP_OUT: "1.07000"}[cause])
    assert (deal.cause, deal.tag) == (cause, "")


def test_both_deals_of_a_close_by_have_its_tag():
    """And what is left of the larger position keeps its own."""
    account = make()
    long, short = trade(account, "long", lots="0.30"), trade(account, "short", Side.SELL, "0.10")
    close(account, "match", long.ticket, by=short.ticket)
    assert tags(account)[2:] == [(Entry.OUT_BY, "match"), (Entry.OUT_BY, "match")]
    assert held(account) == [(long.ticket, "long")]


def test_a_netting_position_has_the_tag_of_the_order_that_opened_or_turned_it():
    """Adding and reducing leave it; each deal has the tag of its own order."""
    account = make("netting")
    ticket = trade(account, "first").ticket
    trade(account, "more")
    trade(account, "less", Side.SELL, "0.05")
    assert held(account) == [(ticket, "first")]
    trade(account, "turn", Side.SELL, "0.40")
    assert held(account) == [(ticket, "turn")]
    trade(account, "flat", Side.BUY, "0.25")
    assert tags(account) == [
        (Entry.IN, "first"),
        (Entry.IN, "more"),
        (Entry.OUT, "less"),
        (Entry.INOUT, "turn"),
        (Entry.OUT, "flat"),
    ]


def test_what_a_terminal_asks_for_has_no_tag():
    """It did not come from the gateway, and no tag finds it."""
    account = make()
    request = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "type_filling": 0}
    assert TerminalView(account).order_send(request)["retcode"] == 10009
    assert tags(account) == [(Entry.IN, "")]
    assert account.find("") is None
    assert account.snapshot().tags == ()


async def keep(path: Path, account: PaperAccount) -> None:
    persistence = Persistence.open(path, "demo", make())
    await persistence.save(account)
    await persistence.aclose(account)


def restored(path: Path) -> PaperAccount:
    account = PaperAccount(Terms(), [usual_spec("EURUSD")])
    Persistence.open(path, "demo", account)
    return account


def everything_tagged() -> PaperAccount:
    account = make()
    position = trade(account, "open")
    for tag in ("wait", "gone"):
        order = trade(account, tag, order_type=OrderType.LIMIT, price=Decimal("1.08000"))
    account.cancel(Cancel(ORIGIN, "demo", order.ticket), "cancel")
    close(account, "part", position.ticket, "0.04")
    return account


async def test_tags_survive_a_restart(tmp_path):
    """Of positions, waiting orders, ended orders and deals."""
    account = everything_tagged()
    await keep(tmp_path / "a", account)
    again = restored(tmp_path / "a")
    assert again.snapshot() == account.snapshot()
    assert held(again) == [(account.positions()[0].ticket, "open")]
    assert [order.tag for order in again.orders()] == ["wait"]
    assert [record.order.tag for record in again.records.values()] == ["gone"]
    assert tags(again) == [(Entry.IN, "open"), (Entry.OUT, "part")]


def without_tags(value):
    """The JSON of a value as a program wrote it that kept no tags with it."""
    if isinstance(value, dict):
        return {key: without_tags(each) for key, each in value.items() if key != "tag"}
    return [without_tags(each) for each in value] if isinstance(value, list) else value


async def test_a_file_from_before_tags_is_read(tmp_path):
    """All is as it was, with no tags; what an order became is still found by its tag, and the file goes on."""
    path, account = tmp_path / "a", everything_tagged()
    await keep(path, account)
    stripped = 0
    with sqlite3.connect(path) as connection:
        for table in ("account", "deals", "ended"):
            for number, body in connection.execute(f"SELECT number, body FROM {table}").fetchall():
                older = msgspec.json.encode(without_tags(msgspec.json.decode(body)))
                stripped += older != body
                row = (older, files._digest(older), number)
                connection.execute(f"UPDATE {table} SET body = ?, digest = ? WHERE number = ?", row)
    connection.close()
    assert stripped == 4  # the account itself, two deals, one ended order

    again = restored(path)
    assert held(again) == [(account.positions()[0].ticket, "")]
    assert [order.tag for order in again.orders()] == [""]
    assert tags(again) == [(Entry.IN, ""), (Entry.OUT, "")]
    assert (again.balance, again.state()) == (account.balance, account.state())
    assert again.find("part") == account.find("part")
    trade(again, "new")
    assert tags(again)[-1] == (Entry.IN, "new")
