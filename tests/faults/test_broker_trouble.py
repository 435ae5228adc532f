"""A broker behind a bad line: each state of its breaker and each step of the watchdog, and closes in all of them.

The broker is the ledger broker, over TCP, through the fault proxy; the gateway's whole command path stands before it,
with poller, executor, governor and health. Here the clock is a mock one, which jumps when everybody waits; the same is
done once on a real clock, with a real gateway, in test_broker_trouble_for_real.py.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from command_path import CommandPath, closing, open_command_path, opening, order
from faults.chaos.ledger_broker import LedgerBroker
from faults.stream_link import StreamLink, open_line
from trio.testing import MockClock

from actors.messages import FeedState
from quantmind.domain.breaker import BreakerState
from quantmind.domain.sessions import Sessions
from quantmind.ports import Recovery
from quantmind.testing.proxy import FaultProxy

NEVER = Sessions(((0, 1),))
"""A minute on Monday."""
CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


@attrs.define(eq=False)
class Trouble:
    """A gateway's command path before a broker, and the line between them."""

    path: CommandPath
    link: StreamLink
    proxy: FaultProxy
    server: LedgerBroker
    _ids: Any = attrs.field(factory=lambda: itertools.count(1), init=False)

    @property
    def breaker(self) -> BreakerState:
        return self.path.boards.links.of("demo").breaker.state(trio.current_time())

    async def open(self) -> dict[str, Any]:
        return await self.path.ask(order(self.path.clock, f"o{next(self._ids)}", sl=1.0))

    async def verdict(self) -> dict[str, Any]:
        return await self.path.ask(opening(f"v{next(self._ids)}", sl=1.0))

    async def close(self, ticket: int) -> dict[str, Any]:
        return await self.path.ask(closing(self.path.clock, ticket, f"c{next(self._ids)}"))

    async def refused(self, rule: str) -> None:
        """Nothing new passes, neither an order nor a verdict, and the rule is among the reasons."""
        for reply in (await self.open(), await self.verdict()):
            assert reply["status"] == "rejected", reply
            assert rule in [reason["rule"] for reason in reply["reasons"]]

    async def goes_through(self, ticket: int) -> None:
        """A close is sent, whatever becomes of its answer; it is repeated until the position is gone."""
        with trio.fail_after(120):
            while ticket in self.positions():
                reply = await self.close(ticket)
                assert reply["status"] in ("success", "unknown") or reply["code"] == "unknown_ticket", reply
                await trio.sleep(2.5)

    def positions(self) -> set[int]:
        """What is open, by the ledger."""
        return set(self.server.book.positions)

    async def settled(self) -> None:
        """Every unknown order has been found."""
        await trio.sleep(3)
        with trio.fail_after(60):
            while await self.path.journal.open_intents("demo"):
                await trio.sleep(0.5)

    async def beat(self) -> dict[str, Any]:
        return await self.path.ask({"type": "heartbeat", "ea_name": "alpha", "symbol": "EURUSD", "magic": 7})

    async def until(self, what: Any, within_s: float = 300.0) -> None:
        with trio.fail_after(within_s):
            while not what():
                await trio.sleep(0.25)

    async def live(self) -> None:
        """Everything works."""
        await self.until(lambda: (found := self.path.boards.conditions.of("demo")) is not None and not found.causes)
        await self.until(lambda: self.path.boards.links.of("demo").feed == "live")

    def causes(self) -> tuple[str, ...]:
        condition = self.path.boards.conditions.of("demo")
        assert condition is not None
        return condition.codes

    def told(self) -> list[tuple[str | None, str]]:
        """What clients were told of the feed since the last look."""
        found = []
        while self.path.hub.load_nowait():
            message = self.path.hub.pop_nowait()
            if isinstance(message, FeedState):
                found.append((message.symbol, message.state))
        return found


@contextlib.asynccontextmanager
async def open_trouble(folder: Path) -> AsyncIterator[Trouble]:
    """Everything as it should be, with a position or more to come."""
    async with open_line(folder) as line, open_command_path(live=line.link) as path:
        trouble = Trouble(path, line.link, line.proxy, line.server)
        await trouble.live()
        yield trouble


@pytest.fixture
def clock() -> MockClock:
    """Jumps when nothing has happened for a moment: what one end of a line has sent is there at the other by then."""
    return MockClock(autojump_threshold=0.003)


async def test_what_works(tmp_path: Path, clock: MockClock) -> None:
    """Else the tests below would show nothing."""
    async with open_trouble(tmp_path) as trouble:
        opened = await trouble.open()
        assert opened["status"] == "success", opened
        assert (await trouble.verdict())["approved"] is True
        assert (await trouble.beat())["trading_state"] == "active"
        assert (await trouble.close(opened["ticket"]))["status"] == "success"
        assert trouble.breaker is CLOSED


async def test_orders_without_an_answer(tmp_path: Path, clock: MockClock) -> None:
    """Closed, open, half-open, open again, closed on probation, open, closed: closes go through in each of them."""
    async with open_trouble(tmp_path) as trouble:
        tickets = [(await trouble.open())["ticket"] for _ in range(6)]
        trouble.server.mischief.set({"drop": 1.0})  # orders are carried out, their answers are lost; the rest works
        for failures in range(5):
            assert trouble.breaker is CLOSED, failures
            assert (await trouble.open())["status"] == "unknown"
            await trouble.settled()
        assert trouble.breaker is OPEN
        await trouble.refused("breaker")
        beat = await trouble.beat()
        assert beat["trading_state"] == "reduce_only"
        assert "circuit breaker is open: 5 calls in a row failed" in beat["cause"]
        await trouble.goes_through(tickets.pop())

        trouble.link.finds = trio.Event()
        await trouble.until(lambda: trouble.breaker is HALF_OPEN)
        await trouble.refused("breaker")
        await trouble.goes_through(tickets.pop())  # its answer is lost, and so it is the probe that failed
        assert trouble.breaker is OPEN
        await trouble.refused("breaker")
        trouble.link.finds.set()

        await trouble.until(lambda: trouble.breaker is CLOSED)  # an order was looked up with success
        await trouble.until(lambda: trouble.causes() == ())
        assert (await trouble.beat())["trading_state"] == "active"
        assert (await trouble.open())["status"] == "unknown"
        assert trouble.breaker is OPEN  # on probation, one is enough
        await trouble.settled()
        await trouble.goes_through(tickets.pop())

        trouble.server.mischief.set({})
        trouble.link.finds = trio.Event()
        await trouble.until(lambda: trouble.breaker is HALF_OPEN)
        assert (await trouble.close(tickets.pop()))["status"] == "success"
        assert trouble.breaker is CLOSED
        trouble.link.finds.set()
        for _ in range(5):
            assert (await trouble.open())["status"] == "success"


async def test_a_line_that_lets_nothing_through(tmp_path: Path, clock: MockClock) -> None:
    """The account can't be read, so the breaker opens; once the line is back closes work at once, opens later."""
    async with open_trouble(tmp_path) as trouble:
        tickets = [(await trouble.open())["ticket"] for _ in range(3)]
        trouble.proxy.set_faults(swallow=True)
        await trouble.until(lambda: trouble.breaker is OPEN)
        assert "feed_stale" not in trouble.causes()  # it is too early for that
        await trouble.refused("breaker")
        lost = await trouble.close(tickets[0])
        assert lost["status"] == "unknown"  # it was sent, and nobody can tell
        await trouble.until(lambda: {"breaker", "feed_stale", "account_unread"} <= set(trouble.causes()))
        trouble.proxy.restore()
        # The connections that have lost something stay dead: the watchdog makes new ones.
        await trouble.until(lambda: trouble.path.boards.links.of("demo").feed == "live")
        assert trouble.breaker is OPEN
        await trouble.refused("breaker")
        assert (await trouble.close(tickets[1]))["status"] == "success"
        await trouble.until(lambda: trouble.breaker is CLOSED)
        await trouble.live()
        assert (await trouble.open())["status"] == "success"
        await trouble.goes_through(tickets[0])
        await trouble.goes_through(tickets[2])


async def test_a_line_that_is_cut_again_and_again(tmp_path: Path, clock: MockClock) -> None:
    """A reset is no silence: the link connects again by itself, and nothing is doubled or lost."""
    async with open_trouble(tmp_path) as trouble:
        tickets = [(await trouble.open())["ticket"] for _ in range(4)]
        for ticket in tickets:
            trouble.proxy.reset_all()
            await trouble.goes_through(ticket)
            await trouble.live()
        assert trouble.link.steps == []
        assert trouble.positions() == set()


# --- the watchdog ----------------------------------------------------------------------------------------------------


def go_deaf(trouble: Trouble) -> None:
    trouble.link.deaf = True


def lose_the_line(trouble: Trouble) -> None:
    trouble.proxy.swallow_all()


def get_stuck(trouble: Trouble) -> None:
    trouble.link.stuck = True


@pytest.mark.parametrize(
    ("fall_silent", "cure"),
    [(go_deaf, Recovery.RESUBSCRIBE), (lose_the_line, Recovery.RECONNECT), (get_stuck, Recovery.RESTART)],
)
async def test_each_step_of_the_watchdog(tmp_path: Path, clock: MockClock, fall_silent: Any, cure: Recovery) -> None:
    """What the mildest step that helps takes; meanwhile opens are refused, closes go through, and clients are told."""
    async with open_trouble(tmp_path) as trouble:
        tickets = [(await trouble.open())["ticket"] for _ in range(4)]
        trouble.told()
        fall_silent(trouble)
        await trio.sleep(7)
        await trouble.refused("price_fresh")
        for step, ticket in zip(Recovery, tickets, strict=False):
            reply = await trouble.close(ticket)
            assert reply["status"] == ("unknown" if fall_silent is lose_the_line else "success"), reply
            await trouble.until(lambda: trouble.link.steps and trouble.link.steps[-1][0] is step)  # noqa: B023
            if step is cure:
                break
            await trio.sleep(1)
            assert "no price comes while the market is open" in (await trouble.beat())["cause"]
        await trouble.live()
        assert [step for step, _ in trouble.link.steps] == list(Recovery)[: list(Recovery).index(cure) + 1]
        assert [state for symbol, state in trouble.told() if symbol is None] == ["stale", "live"]
        await trouble.until(lambda: trouble.breaker is CLOSED)
        await trouble.live()
        assert (await trouble.open())["status"] == "success"
        for ticket in tickets:
            await trouble.goes_through(ticket)


async def test_a_closed_market_is_left_alone(tmp_path: Path, clock: MockClock) -> None:
    """Silence out of hours is no trouble: nothing is tried, the account is not degraded, and closes go through."""
    async with open_trouble(tmp_path) as trouble:
        ticket = (await trouble.open())["ticket"]
        trouble.told()
        trouble.link.hours = NEVER
        await trouble.path.crash("poller:demo")  # it reads the hours when it connects
        go_deaf(trouble)
        await trouble.until(lambda: trouble.path.boards.links.of("demo").feed == "closed")
        await trio.sleep(90)
        assert trouble.link.steps == []
        assert trouble.causes() == ()
        assert trouble.told()[-1] == (None, "closed")
        await trouble.refused("price_fresh")
        assert (await trouble.close(ticket))["status"] == "success"
