"""What stands before every broker: deadlines, and a breaker that never keeps back what reduces risk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from quantmind.adapters.guarded import Deadlines, GuardedBroker
from quantmind.domain.accounts import Account, Sample
from quantmind.domain.breaker import Breaker, BreakerState, Path
from quantmind.domain.orders import Absent, Placed, Refused, Unknown
from quantmind.domain.sessions import ALWAYS, Sessions
from quantmind.domain.symbols import usual_spec
from quantmind.errors import BrokerUnavailable
from quantmind.ports import Poll, Recovery

SAMPLE = Sample("demo", Account(1, "server", "USD", 100, "hedging", *[Decimal(0)] * 5), (), (), 0.0)
FILLED = Placed(10009, ticket=1, price=Decimal("1.1"), volume=Decimal("0.1"))


@attrs.define(eq=False)
class Order:
    """As much of an approved order as what stands before a broker looks at."""

    reduces: bool = False


@attrs.define(eq=False)
class Scripted:
    """Answers each call as `answer` says; notes what was asked."""

    answer: Any = None
    takes_s: float = 0.0
    asked: list[str] = attrs.field(factory=list)
    name: str = "demo"
    paced: bool = True
    started: int = 0

    def start_feed(self) -> None:
        self.started += 1

    def sessions(self, symbol: str) -> Sessions:
        return ALWAYS

    async def _say(self, what: str, usual: Any) -> Any:
        self.asked.append(what)
        await trio.sleep(self.takes_s)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return usual if self.answer is None else self.answer

    async def connect(self) -> Any:
        return await self._say("connect", [usual_spec("EURUSD")])

    async def poll(self) -> Any:
        return await self._say("poll", Poll(()))

    async def sample(self) -> Any:
        return await self._say("sample", SAMPLE)

    async def deals(self, since_msc: int) -> Any:
        return await self._say("deals", [since_msc])

    async def place(self, order: Any, tag: str) -> Any:
        return await self._say("place", FILLED)

    async def find(self, tag: str) -> Any:
        return await self._say("find", Absent())

    async def recover(self, step: Recovery, symbols: Sequence[str]) -> Any:
        return await self._say("recover", None)

    async def aclose(self) -> None:
        await self._say("aclose", None)


@attrs.define(eq=False)
class World:
    broker: Scripted = attrs.field(factory=Scripted)
    breaker: Breaker = attrs.field(factory=Breaker)
    guarded: GuardedBroker = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.guarded = GuardedBroker(self.broker, self.breaker)  # type: ignore[arg-type]

    async def place(self, *, reduces: bool = False) -> Any:
        return await self.guarded.place(Order(reduces), "tag")  # type: ignore[arg-type]

    @property
    def state(self) -> BreakerState:
        return self.breaker.state(trio.current_time())


CALLS: dict[str, tuple[Callable[[GuardedBroker], Awaitable[Any]], str, Path | None]] = {
    "connect": (lambda b: b.connect(), "connect_s", Path.MARKET),
    "poll": (lambda b: b.poll(), "poll_s", Path.MARKET),
    "sample": (lambda b: b.sample(), "sample_s", Path.ACCOUNT),
    "deals": (lambda b: b.deals(7), "deals_s", None),
    "find": (lambda b: b.find("tag"), "find_s", Path.ORDERS),
    "recover": (lambda b: b.recover(Recovery.RECONNECT, ("EURUSD",)), "recover_s", Path.MARKET),
}


@pytest.mark.parametrize("what", CALLS)
async def test_every_call_has_a_deadline(what: str, autojump_clock: MockClock) -> None:
    """One that is not answered is `BrokerUnavailable` after its time and not before, and counts as a failure."""
    call, deadline, path = CALLS[what]
    world = World(Scripted(takes_s=1e9))
    within_s = getattr(Deadlines(), deadline)
    began = trio.current_time()
    with pytest.raises(BrokerUnavailable, match=f"did not answer within {within_s:g} s"):
        await call(world.guarded)
    assert trio.current_time() - began == within_s
    assert {each: world.breaker.in_a_row(each) for each in Path} == {each: int(each is path) for each in Path}


@pytest.mark.parametrize("what", CALLS)
async def test_every_call_is_counted(what: str, autojump_clock: MockClock) -> None:
    """A failure as one, whatever raised it; an answer goes through as it is."""
    call, _, path = CALLS[what]
    for error in (BrokerUnavailable("no route"), KeyError("a bug")):
        world = World(Scripted(error))
        with pytest.raises(type(error)):
            await call(world.guarded)
        assert world.breaker.failures == int(path is not None)
    world = World()
    await call(world.guarded)
    assert (world.broker.asked, world.breaker.failures) == ([what], 0)


@pytest.mark.parametrize("what", [*CALLS, "place"])
async def test_a_call_that_is_given_up_is_no_failure(what: str, autojump_clock: MockClock) -> None:
    """Who stops asking, as an actor that is restarted does, says nothing of the broker."""
    world = World(Scripted(takes_s=5.0))
    with trio.move_on_after(1.0) as scope:
        await (world.place() if what == "place" else CALLS[what][0](world.guarded))
    assert scope.cancelled_caught
    assert world.breaker.failures == 0


async def test_an_order_without_an_answer_is_unknown(autojump_clock: MockClock) -> None:
    """It may have left: after the deadline it is no error, and it counts as a failure."""
    world = World(Scripted(takes_s=1e9))
    outcome = await world.place()
    assert outcome == Unknown("the broker has not answered for 20 s")
    assert trio.current_time() == Deadlines().place_s
    assert world.breaker.in_a_row(Path.ORDERS) == 1


@pytest.mark.parametrize(
    ("answer", "fails"),
    [
        (FILLED, False),
        (Refused(10018, "market closed"), False),
        (Refused(10024, "too many requests"), True),
        (Unknown("lost"), True),
        (BrokerUnavailable("not connected"), True),
        (KeyError("a bug"), True),
    ],
)
async def test_what_counts_as_a_failure_of_an_order(answer: Any, fails: bool, autojump_clock: MockClock) -> None:
    """No answer, and one that says leave me alone; a refusal is an answer."""
    world = World(Scripted(answer))
    if isinstance(answer, Exception):
        with pytest.raises(type(answer)):
            await world.place()
    else:
        assert await world.place() is answer
    assert world.breaker.in_a_row(Path.ORDERS) == int(fails)


async def test_open_it_sends_nothing_new_and_every_close(autojump_clock: MockClock) -> None:
    """Five lost orders open it: opens are refused before they are sent, closes are sent as ever."""
    world = World(Scripted(Unknown("lost")))
    for _ in range(5):
        await world.place()
    assert world.state is BreakerState.OPEN
    asked = len(world.broker.asked)
    with pytest.raises(BrokerUnavailable, match=r"circuit breaker is open.*lost.*tried in 60 s"):
        await world.place()
    assert len(world.broker.asked) == asked
    assert await world.place(reduces=True) == Unknown("lost")
    world.broker.answer = None
    assert await world.place(reduces=True) == FILLED
    assert world.state is BreakerState.OPEN  # its time is not over
    await trio.sleep(60)
    assert world.state is BreakerState.HALF_OPEN
    with pytest.raises(BrokerUnavailable, match="half_open"):
        await world.place()
    assert await world.place(reduces=True) == FILLED
    assert world.state is BreakerState.CLOSED
    assert await world.place() == FILLED


async def test_it_refuses_without_counting_itself(autojump_clock: MockClock) -> None:
    """What it keeps back is no failure of the broker, and does not prolong it."""
    world = World(Scripted(Unknown("lost")))
    for _ in range(5):
        await world.place()
    for _ in range(20):
        await trio.sleep(1)
        with pytest.raises(BrokerUnavailable):
            await world.place()
    assert (world.breaker.failures, world.breaker.opened) == (5, 1)
    assert world.breaker.probe_in_s(trio.current_time()) == 40.0


async def test_looking_is_never_kept_back(autojump_clock: MockClock) -> None:
    """Prices, account, deals and look-ups are asked for while it is open: closes are decided by them."""
    world = World(Scripted(Unknown("lost")))
    for _ in range(5):
        await world.place()
    world.broker.answer, world.broker.asked = None, []
    for call, _, _ in CALLS.values():
        await call(world.guarded)
    assert world.broker.asked == list(CALLS)


async def test_a_look_up_as_the_probe_leaves_it_on_probation(autojump_clock: MockClock) -> None:
    """The first order after it decides."""
    world = World(Scripted(Unknown("lost")))
    for _ in range(5):
        await world.place()
    await trio.sleep(60)
    world.broker.answer = None
    assert await world.guarded.find("probe") == Absent()
    assert world.state is BreakerState.CLOSED
    world.broker.answer = Unknown("lost again")
    await world.place()
    assert world.state is BreakerState.OPEN


async def test_what_else_it_passes_on(autojump_clock: MockClock) -> None:
    """Name, pace, hours, the beginning of a feed and its end are the broker's own."""
    world = World()
    assert (world.guarded.name, world.guarded.paced, world.guarded.sessions("EURUSD")) == ("demo", True, ALWAYS)
    world.guarded.start_feed()
    await world.guarded.aclose()
    assert (world.broker.started, world.broker.asked) == (1, ["aclose"])


def test_orders_are_what_it_looks_at() -> None:
    """The stand-in for an approved order has what the real one has."""
    from quantmind.domain.risk.approval import Approved

    assert "reduces" in {field.name for field in attrs.fields(Approved)}


async def test_letting_a_connection_go_is_no_probe(autojump_clock: MockClock) -> None:
    """A step of the watchdog that works out says nothing of a broker that can't be reached."""
    world = World()
    for _ in range(5):
        world.breaker.failed(Path.MARKET, "no route", trio.current_time())
    await trio.sleep(61)
    for step in Recovery:
        await world.guarded.recover(step, ("EURUSD",))
        assert world.state is BreakerState.HALF_OPEN
    await world.guarded.poll()
    assert world.state is BreakerState.CLOSED
