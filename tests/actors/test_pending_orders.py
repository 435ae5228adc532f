"""Pending orders, netting and close-by through door, governor, executor and paper account."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from command_path import CommandPath, make_broker, open_command_path
from trio.testing import MockClock

from quantmind.domain.quotes import Quote
from quantmind.domain.risk import Policy

TOKEN = "ea-token-0123456789"


def message(path: CommandPath, kind: str, request_id: str, **fields: Any) -> dict[str, Any]:
    common = {"ea_name": "alpha", "token": TOKEN, "execute": True, "expires_at": path.clock.now() + 30}
    return {"type": kind, "request_id": request_id, **common, **fields}


def order(path: CommandPath, request_id: str, side: str = "buy", volume: float = 0.1, **fields: Any) -> dict[str, Any]:
    body = {"symbol": "EURUSD", "magic": 7, "side": side, "volume": volume, **fields}
    return message(path, "trade_open", request_id, **body)


def limit(path: CommandPath, request_id: str, **fields: Any) -> dict[str, Any]:
    return order(path, request_id, order_type="limit", price=1.08, **fields)


async def test_an_order_in_the_book_counts_before_any_sample(autojump_clock: MockClock) -> None:
    """The limit of open positions holds between two samples, and a cancelled order makes room at once."""
    async with open_command_path(policy=Policy(max_open_positions=2), sampling=False) as path:
        await path.sample()
        first = await path.ask(limit(path, "a"))
        assert (first["status"], first["pending"]) == ("success", True)
        assert (await path.ask(limit(path, "b")))["status"] == "success"
        refused = await path.ask(order(path, "c"))
        assert [reason["rule"] for reason in refused["reasons"]] == ["max_open_positions"]
        assert (await path.ask(message(path, "trade_cancel", "d", ticket=first["ticket"])))["status"] == "success"
        assert (await path.ask(order(path, "e")))["status"] == "success"
        again = await path.ask(message(path, "trade_cancel", "f", ticket=first["ticket"]))
        assert again["code"] == "unknown_ticket"


async def test_an_order_that_filled_is_a_position(autojump_clock: MockClock) -> None:
    """It can't be taken back any more, and closes by the same ticket."""
    async with open_command_path() as path:
        waiting = await path.ask(limit(path, "a"))
        await path.settle()
        path.broker.inner.account.tick(Quote("EURUSD", 1.0795, 1.0796, 2))
        await path.sample()
        cancel = await path.ask(message(path, "trade_cancel", "b", ticket=waiting["ticket"]))
        assert cancel["code"] == "unknown_ticket"
        assert "trade_close" in cancel["message"]
        close = message(path, "trade_close", "c", symbol="EURUSD", ticket=waiting["ticket"])
        closed = await path.ask(close)
        assert (closed["status"], closed["price"]) == ("success", 1.0795)


async def test_a_repeat_of_a_pending_order_places_nothing(autojump_clock: MockClock) -> None:
    """The same id gets the same answer, with its ticket."""
    async with open_command_path() as path:
        body = limit(path, "a", expiration=path.clock.now() + 3600)
        first = await path.ask(body)
        again = await path.ask(body)
        assert again["ticket"] == first["ticket"]
        assert len(path.broker.sent) == 1


async def test_two_orders_that_close_a_netted_position_do_not_turn_it_round(autojump_clock: MockClock) -> None:
    """Under a halt the first passes as a reduction; a second one, while that is on its way, would open a position."""
    async with open_command_path(broker=make_broker(margin_mode="netting")) as path:
        assert (await path.ask(order(path, "a", volume=0.3)))["status"] == "success"
        await path.set_state("halted")
        one, two = path.later(order(path, "b", "sell", 0.3)), path.later(order(path, "c", "sell", 0.3))
        answers = [await one.wait(), await two.wait()]
        assert sorted(answer["status"] for answer in answers) == ["rejected", "success"]
        assert path.broker.inner.account.positions() == ()


async def test_small_steps_do_not_walk_round_the_limit(autojump_clock: MockClock) -> None:
    """On a netting account an EA that goes on and on is stopped where it would be on a hedging one."""
    policy = Policy(max_open_positions=3, max_volume=Decimal("0.5"))
    async with open_command_path(broker=make_broker(margin_mode="netting"), policy=policy) as path:
        answers = [await path.ask(order(path, f"r{n}", volume=0.5)) for n in range(6)]
        assert [answer["status"] for answer in answers] == ["success"] * 3 + ["rejected"] * 3
        assert "0.5 lots on a netting account" in answers[-1]["reasons"][0]["message"]
        (held,) = path.broker.inner.account.positions()
        assert held.volume == Decimal("1.5")


async def test_a_close_and_an_order_that_closes_do_not_turn_it_round(autojump_clock: MockClock) -> None:
    """Under a halt a close by ticket on its way leaves nothing that an order against the position could reduce."""
    async with open_command_path(broker=make_broker(margin_mode="netting")) as path:
        opened = await path.ask(order(path, "a", volume=0.3))
        await path.set_state("halted")
        path.broker.inner.faults.place_delay_s = 0.4
        one = path.later(message(path, "trade_close", "b", symbol="EURUSD", ticket=opened["ticket"]))
        await path.settle(0.1)
        refused = await path.ask(order(path, "c", "sell", 0.3))
        assert [reason["rule"] for reason in refused["reasons"]] == ["trading_state"]
        assert (await one.wait())["status"] == "success"
        assert path.broker.inner.account.positions() == ()


async def test_two_parts_of_a_hedge_do_not_turn_it_round(autojump_clock: MockClock) -> None:
    """Under a halt two closes of one leg, each of which alone lowers the net exposure, don't raise it together."""
    async with open_command_path() as path:
        long = await path.ask(order(path, "a", volume=1.0))
        await path.ask(order(path, "b", "sell", 0.6))
        await path.set_state("halted")
        part = {"symbol": "EURUSD", "ticket": long["ticket"], "volume": 0.5}
        one, two = (path.later(message(path, "trade_close", each, **part)) for each in ("c", "d"))
        answers = [await one.wait(), await two.wait()]
        assert sorted(answer["status"] for answer in answers) == ["rejected", "success"]


async def test_a_fill_that_a_sample_shows_before_its_answer_counts_once(autojump_clock: MockClock) -> None:
    """A netting account that was closed, and whose answer is late, is flat and not short: a buy then opens."""
    async with open_command_path(broker=make_broker(margin_mode="netting"), sampling=False) as path:
        await path.sample()
        assert (await path.ask(order(path, "a", volume=0.3)))["status"] == "success"
        await path.sample()
        await path.set_state("halted")
        path.broker.inner.faults.place_delay_s = 0.4
        closing = path.later(order(path, "b", "sell", 0.3))
        await path.settle(0.2)
        await path.sample()
        assert (await closing.wait())["status"] == "success"
        refused = await path.ask(order(path, "c", "buy", 0.3))
        assert [reason["rule"] for reason in refused["reasons"]] == ["trading_state"]
        assert path.broker.inner.account.positions() == ()


async def test_an_unknown_pending_order_is_found_again(autojump_clock: MockClock) -> None:
    """Its answer was lost: reconciling finds it in the book, and a repeat hears so."""
    async with open_command_path() as path:
        path.broker.inner.faults.place_unknown = "executed"
        body = limit(path, "a")
        assert (await path.ask(body))["status"] == "unknown"
        path.broker.inner.faults.place_unknown = None
        await path.settle(5)
        found = await path.ask(body)
        assert (found["status"], found["pending"]) == ("success", True)
        (waiting,) = path.broker.inner.account.orders()
        assert found["ticket"] == waiting.ticket
        assert len(path.broker.sent) == 1
