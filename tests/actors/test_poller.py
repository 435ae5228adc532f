"""The poller: its grid, what it drops and what it never loses, outages, and the state of the feed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.boards import Boards, Catalog, DealBook, Link
from actors.feed_watch import STALE_AFTER_S
from actors.hub import Demand
from actors.messages import AccountSampled, FeedState, SymbolsKnown, TickBatch
from actors.poller import BATCH, Poller
from actors.runtime import Backoff, Inbox, Mailbox, MailboxPolicy, Ref
from actors.sampler import DEALS_OVERLAP_MSC
from quantmind.adapters.guarded import GuardedBroker
from quantmind.domain.accounts import Account, Cause, Deal, Entry, Sample
from quantmind.domain.orders import Absent, Outcome, Placed, Side
from quantmind.domain.quotes import Quote
from quantmind.domain.risk.approval import Approved
from quantmind.domain.sessions import ALWAYS, Sessions
from quantmind.domain.symbols import SymbolSpec, usual_spec
from quantmind.errors import BrokerUnavailable
from quantmind.ports import Poll, Recovery

ACCOUNT = Account(1, "server", "USD", 100, "hedging", *[Decimal(0)] * 5)


def quote(bid: float, symbol: str = "EURUSD", ask: float | None = None) -> Quote:
    return Quote(symbol, bid, bid + 1 if ask is None else ask, 0)


@attrs.define(eq=False)
class FakeBroker:
    """Gives what it is told to, once each; without more, nothing."""

    name: str = "demo"
    paced: bool = True
    polls: list[Poll | Exception] = attrs.field(factory=list)
    last: Poll = attrs.field(factory=lambda: Poll(()))
    connect_errors: list[str] = attrs.field(factory=list)
    connects: int = 0
    connect_takes_s: float = 0.0
    polled_at: list[float] = attrs.field(factory=list)
    poll_takes_s: float = 0.0
    sample_error: str | None = None
    sampled_at: list[float] = attrs.field(factory=list)
    hangs: bool = False
    history: list[Deal] = attrs.field(factory=list)
    deals_error: str | None = None
    deals_hang: bool = False
    asked_since: list[int] = attrs.field(factory=list)
    balance: Decimal = Decimal(0)
    recoveries: list[tuple[float, Recovery, tuple[str, ...]]] = attrs.field(factory=list)
    recover_error: str | None = None
    recover_takes_s: float = 0.0
    cured_by: Recovery | None = None
    cured: bool = False

    hours: dict[str, Sessions] = attrs.field(factory=dict)
    symbols: tuple[str, ...] = ("EURUSD", "GBPUSD")

    def start_feed(self) -> None:
        raise NotImplementedError

    def sessions(self, symbol: str) -> Sessions:
        return self.hours.get(symbol, ALWAYS)

    async def connect(self) -> Sequence[SymbolSpec]:
        await trio.lowlevel.checkpoint()
        self.connects += 1
        await trio.sleep(self.connect_takes_s)
        if self.connect_errors:
            raise BrokerUnavailable(self.connect_errors.pop(0))
        return [usual_spec(symbol) for symbol in self.symbols]

    async def poll(self) -> Poll:
        self.polled_at.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self.hangs:
            await trio.sleep_forever()
        if self.poll_takes_s:
            await trio.sleep(self.poll_takes_s)
        given = self.polls.pop(0) if self.polls else self.last
        if isinstance(given, Exception):
            raise given
        return given

    async def sample(self) -> Sample:
        await trio.lowlevel.checkpoint()
        self.sampled_at.append(trio.current_time())
        if self.sample_error is not None:
            raise BrokerUnavailable(self.sample_error)
        return Sample(self.name, attrs.evolve(ACCOUNT, balance=self.balance), (), (), trio.current_time())

    async def deals(self, since_msc: int) -> Sequence[Deal]:
        await trio.lowlevel.checkpoint()
        self.asked_since.append(since_msc)
        if self.deals_hang:
            await trio.sleep_forever()
        if self.deals_error is not None:
            raise BrokerUnavailable(self.deals_error)
        return [deal for deal in self.history if deal.time_msc >= since_msc]

    async def place(self, order: Approved, tag: str) -> Outcome:
        raise NotImplementedError

    async def find(self, tag: str) -> Placed | Absent | None:
        raise NotImplementedError

    async def recover(self, step: Recovery, symbols: Sequence[str]) -> None:
        await trio.lowlevel.checkpoint()
        self.recoveries.append((trio.current_time(), step, tuple(symbols)))
        await trio.sleep(self.recover_takes_s)
        if self.recover_error is not None:
            raise BrokerUnavailable(self.recover_error)
        if step is self.cured_by:
            self.cured = True

    async def aclose(self) -> None:
        raise NotImplementedError


class FakeClock:
    def now(self) -> float:
        return 1_800_000_000.0 + trio.current_time()


@attrs.define(eq=False)
class World:
    broker: FakeBroker = attrs.field(factory=FakeBroker)
    boards: Boards = attrs.field(factory=lambda: Boards(Catalog(("demo",))))
    hub: Mailbox[Any] = attrs.field(factory=lambda: Mailbox(MailboxPolicy(capacity=100)))
    governor: Mailbox[Any] = attrs.field(factory=lambda: Mailbox(MailboxPolicy(capacity=100)))
    settings: dict[str, Any] = attrs.field(factory=dict)

    @asynccontextmanager
    async def running(self, **settings: Any) -> AsyncIterator[Poller]:
        """A poller at work; leaving the block asks it to stop."""
        poller = Poller(
            **{
                "broker": GuardedBroker(self.broker, self.link.breaker),
                "hub": Ref("hub", self.hub),
                "governor": Ref("governor", self.governor),
                "boards": self.boards,
                "clock": FakeClock(),
                "poll_interval_s": 0.1,
                "account_interval_s": 0.5,
                "backoff": Backoff(first=1.0, cap=30.0, jitter=lambda: 1.0),
                **settings,
            }
        )
        inbox: Inbox[Any] = Inbox(Mailbox(MailboxPolicy()))
        with trio.fail_after(10_000):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(poller, inbox)
                yield poller
                inbox.request_stop()

    @property
    def link(self) -> Link:
        return self.boards.links.of("demo")

    def told(self) -> list[Any]:
        """What the hub was told since the last look."""
        taken = []
        while self.hub.load_nowait():
            taken.append(self.hub.pop_nowait())
        return taken

    def ticks(self) -> list[Quote]:
        return [quote for message in self.told() if isinstance(message, TickBatch) for quote in message.quotes]

    def states(self) -> list[tuple[str, int]]:
        """What the hub was told of the feed as a whole."""
        told = [message for message in self.told() if isinstance(message, FeedState)]
        return [(message.state, message.age_ms) for message in told if message.symbol is None]


@pytest.fixture
def world() -> World:
    return World()


async def test_ready_before_the_broker_answers(world: World, autojump_clock: MockClock) -> None:
    """A broker that is dead at start is a state with a reason, and the catalog stays empty."""
    world.broker.connect_errors = ["no route"] * 100
    async with world.running():
        await trio.sleep(0.5)
        assert (world.link.feed, world.link.feed_error) == ("degraded", "no route")
        assert world.boards.catalog.names() == []


async def test_connecting_makes_the_symbols_known(world: World, autojump_clock: MockClock) -> None:
    """The catalog has them before the hub hears of it."""
    async with world.running():
        await trio.sleep(0.05)
        assert world.boards.catalog.names() == ["EURUSD", "GBPUSD"]
        assert isinstance(world.told()[0], SymbolsKnown)


async def test_polls_on_a_fixed_grid(world: World, autojump_clock: MockClock) -> None:
    """What a poll takes does not move the next one."""
    world.broker.poll_takes_s = 0.03
    async with world.running():
        await trio.sleep(1.05)
    first = world.broker.polled_at[0]
    assert [round(at - first, 6) for at in world.broker.polled_at] == [round(n * 0.1, 6) for n in range(11)]
    assert world.link.overruns == 0


async def test_an_overrun_is_skipped_and_counted(world: World, autojump_clock: MockClock) -> None:
    """After a poll that took two and a half intervals the next is on the grid, without catching up."""
    world.broker.poll_takes_s = 0.25
    async with world.running():
        await trio.sleep(1.0)
    first = world.broker.polled_at[0]
    assert [round(at - first, 6) for at in world.broker.polled_at] == [0.0, 0.3, 0.6, 0.9]
    assert world.link.overruns == 2 * len(world.broker.polled_at[1:])


async def test_only_changed_ticks_go_on(world: World, autojump_clock: MockClock) -> None:
    """Unchanged ones confirm the price, and crossed ones are counted."""
    world.broker.polls = [
        Poll([quote(1.0), quote(2.0, "GBPUSD")]),
        Poll([quote(1.0), quote(3.0, "GBPUSD")], crossed=2),
        Poll([quote(1.0), quote(5.0, ask=4.0), quote(float("nan")), quote(1.0, ask=float("inf"))]),
    ]
    async with world.running():
        await trio.sleep(0.35)
        assert [(each.symbol, each.bid) for each in world.ticks()] == [
            ("EURUSD", 1.0),
            ("GBPUSD", 2.0),
            ("GBPUSD", 3.0),
        ]
        assert world.link.crossed == 5
        assert world.link.ticks == 3
        priced = world.boards.prices.read("demo", "EURUSD")
        other = world.boards.prices.read("demo", "GBPUSD")
    assert priced is not None
    assert other is not None
    assert (priced.quote.bid, round(priced.confirmed_at, 6)) == (1.0, 0.2)
    assert (other.quote.bid, round(other.confirmed_at, 6)) == (3.0, 0.1)


async def test_a_price_is_as_old_as_the_question(world: World, autojump_clock: MockClock) -> None:
    """What a slow answer says may have been true when it was asked for, and is not known to be true any later."""
    world.broker.poll_takes_s = 4.0
    world.broker.last = Poll([quote(1.0)])
    async with world.running():
        await trio.sleep(4.05)
        priced = world.boards.prices.read("demo", "EURUSD")
        assert priced is not None
        assert (world.broker.polled_at[0], priced.confirmed_at) == (0.0, 0.0)
        assert world.link.feed == "live"


async def test_batches_are_bounded(world: World, autojump_clock: MockClock) -> None:
    """Many ticks of one poll become several messages, in order."""
    world.broker.polls = [Poll([quote(float(n)) for n in range(1, 2 * BATCH + 2)])]
    async with world.running():
        await trio.sleep(0.05)
        batches = [message for message in world.told() if isinstance(message, TickBatch)]
    assert [len(batch.quotes) for batch in batches] == [BATCH, BATCH, 1]
    assert [each.bid for batch in batches for each in batch.quotes] == [float(n) for n in range(1, 2 * BATCH + 2)]


async def test_a_live_feed_does_not_wait_and_keeps_the_newest(world: World, autojump_clock: MockClock) -> None:
    """With no room at the hub the newest tick of each symbol is owed, and those it replaced are counted."""
    world.hub = Mailbox(MailboxPolicy(capacity=1))
    world.broker.polls = [Poll([quote(float(n)), quote(float(n), "GBPUSD")]) for n in range(1, 5)]
    async with world.running():
        await trio.sleep(0.55)
        assert len(world.broker.polled_at) == 6
        told = world.told()
        await trio.sleep(0.1)
        told += world.told()
    assert isinstance(told[0], SymbolsKnown)
    batches = [[(each.symbol, each.bid) for each in item.quotes] for item in told if isinstance(item, TickBatch)]
    # The first one waits for room. GBPUSD and EURUSD are quiet by now, and their last price arrives all the same.
    assert batches == [[("EURUSD", 1.0), ("GBPUSD", 1.0)], [("EURUSD", 4.0), ("GBPUSD", 4.0)]]
    assert world.link.dropped == 4
    assert world.link.ticks == 4


async def test_senders_that_keep_the_hub_full_do_not_silence_a_live_feed(
    world: World, autojump_clock: MockClock
) -> None:
    """Ticks and the state of the feed wait in line as everybody does, so each message is a turn nearer."""
    world.hub = Mailbox(MailboxPolicy(capacity=2))
    crowd, took = Ref[Any]("hub", world.hub), 0
    world.broker.polls = [Poll([quote(float(n))]) for n in range(1, 1000)]

    async def crowd_in() -> None:
        while True:
            await crowd.tell("a client's message")

    async with world.running(), trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(crowd_in)
        got: list[Any] = []
        for _ in range(500):
            await trio.sleep(0.01)
            took += world.hub.load_nowait()
            got.append(world.hub.pop_nowait())
        nursery.cancel_scope.cancel()
    ticks = [each.bid for message in got if isinstance(message, TickBatch) for each in message.quotes]
    # 22 places are in front of each message, at 0.01 s a turn: some four a second in five seconds.
    assert len(ticks) >= 8
    assert ticks == sorted(set(ticks))
    assert [message.state for message in got if isinstance(message, FeedState)] == ["live"]
    assert took == 500


async def test_a_crash_is_said_since_nobody_watches_the_feed_then(world: World, autojump_clock: MockClock) -> None:
    """Clients hear that it is silent, and the link says why, however long the poller stays away."""
    world.broker.polls = [Poll([quote(1.0)]), RuntimeError("a bug")]
    with pytest.raises(ExceptionGroup):
        async with world.running():
            await trio.sleep(1)
    assert (world.link.feed, world.link.feed_error) == ("failed", "its poller ended: RuntimeError: a bug")
    assert [state for state, _ in world.states()] == ["live", "stale"]


@pytest.mark.parametrize("way", ["unpaced", "lossless"])
async def test_a_replay_waits_for_the_hub(world: World, autojump_clock: MockClock, way: str) -> None:
    """Not one tick is lost, however slowly the hub takes them."""
    world.hub = Mailbox(MailboxPolicy(capacity=1))
    world.broker.paced = way != "unpaced"
    world.broker.polls = [Poll([quote(float(n))]) for n in range(1, 21)]
    got: list[float] = []
    async with world.running(lossless=way == "lossless"):
        while len(got) < 20:
            await trio.sleep(0.3)
            got += [each.bid for each in world.ticks()]
    assert got == [float(n) for n in range(1, 21)]
    assert world.link.dropped == 0


async def test_the_step_that_ends_a_replay_is_not_dropped(world: World, autojump_clock: MockClock) -> None:
    """The feed says that it is paced once it has given its last ticks; they wait as all before."""
    world.hub = Mailbox(MailboxPolicy(capacity=1))

    class Ending(FakeBroker):
        async def poll(self) -> Poll:
            given = await super().poll()
            self.paced = not self.polls
            return given

    world.broker = Ending(paced=False, last=Poll((), ended=True))
    world.broker.polls = [Poll([quote(float(n))], ended=n == 5) for n in range(1, 6)]
    got: list[float] = []
    async with world.running():
        for _ in range(40):
            await trio.sleep(0.3)
            got += [each.bid for each in world.ticks()]
    assert got == [1.0, 2.0, 3.0, 4.0, 5.0]


async def test_a_replay_survives_a_hub_that_is_away(world: World, autojump_clock: MockClock) -> None:
    """It tries again until there is one."""
    world.broker.paced = False
    world.hub.close("restarting")
    world.broker.polls = [Poll([quote(1.0)])]
    async with world.running():
        await trio.sleep(3)
        world.hub.open()
        await trio.sleep(1)
        assert [each.bid for each in world.ticks()] == [1.0]


async def test_an_unpaced_feed_is_polled_at_once(world: World, autojump_clock: MockClock) -> None:
    """No time passes between its polls; when it gives nothing it is back on the grid."""
    world.broker.paced = False
    world.broker.polls = [Poll([quote(float(n))]) for n in range(1, 51)]
    async with world.running():
        await trio.sleep(0.35)
    assert world.broker.polled_at[:51] == [world.broker.polled_at[0]] * 51
    assert len(world.broker.polled_at) == 51 + 3


async def test_an_outage_is_a_state_with_back_off(world: World, autojump_clock: MockClock) -> None:
    """A failed poll degrades the link with its reason; it reconnects with growing waits and is live again."""
    world.broker.last = Poll([quote(1.0)])
    async with world.running():
        await trio.sleep(1.0)
        assert world.link.feed == "live"
        world.broker.polls = [BrokerUnavailable("gone")]
        world.broker.connect_errors = ["still gone", "still gone 2"]
        await trio.sleep(0.2)
        assert (world.link.feed, world.link.feed_error) == ("degraded", "gone")
        since = world.link.feed_since
        await trio.sleep(1.0)
        assert world.link.feed_error == "still gone"
        assert world.link.feed_since > since
        await trio.sleep(10.0)
        assert (world.link.feed, world.link.feed_error) == ("live", None)
        assert world.broker.connects == 4


async def test_waits_between_attempts_are_capped(world: World, autojump_clock: MockClock) -> None:
    """After many failures it still tries every 30 s."""
    world.broker.connect_errors = ["no"] * 1000
    async with world.running(stale_after_s=3600.0):
        await trio.sleep(300)
        before = world.broker.connects
        await trio.sleep(300)
        assert world.broker.connects - before == 10


async def test_a_silent_feed_is_stale_and_comes_back(world: World, autojump_clock: MockClock) -> None:
    """Clients are told once with the age, and once when prices come again."""
    world.broker.polls = [Poll([quote(1.0)])]
    async with world.running():
        await trio.sleep(1.0)
        assert world.states() == [("live", 0)]
        await trio.sleep(STALE_AFTER_S)
        ((state, age_ms),) = world.states()
        assert state == "stale"
        assert STALE_AFTER_S * 1000 <= age_ms <= STALE_AFTER_S * 1000 + 500
        assert world.link.feed == "stale"
        await trio.sleep(30)
        assert world.states() == []
        world.broker.polls = [Poll([quote(1.0)])]
        await trio.sleep(0.2)
        assert world.states() == [("live", 0)]
        assert world.link.feed == "live"


async def test_an_outage_becomes_stale_for_clients(world: World, autojump_clock: MockClock) -> None:
    """While the link says why."""
    world.broker.last = Poll([quote(1.0)])
    async with world.running():
        await trio.sleep(1.0)
        world.broker.connect_errors = ["no"] * 100
        world.broker.polls = [BrokerUnavailable("gone")]
        await trio.sleep(12.0)
        assert [state for state, _ in world.states()] == ["live", "stale"]
        assert (world.link.feed, world.link.feed_error) == ("degraded", "no")


async def test_a_poll_that_hangs_is_stale_and_given_up(world: World, autojump_clock: MockClock) -> None:
    """It holds up neither the watch nor the account."""
    world.broker.last = Poll([quote(1.0)])
    async with world.running():
        await trio.sleep(1.0)
        world.broker.hangs = True
        await trio.sleep(11.0)
        assert [state for state, _ in world.states()] == ["live", "stale"]
        assert world.link.feed == "degraded"
        world.broker.hangs = False
        await trio.sleep(5.0)
        assert world.link.feed == "live"
        assert len(world.broker.sampled_at) > 25


async def test_a_state_reaches_the_hub_when_there_is_room(world: World, autojump_clock: MockClock) -> None:
    """It is told again until it was taken."""
    world.hub.close("restarting")
    world.broker.polls = [Poll([quote(1.0)])]
    async with world.running():
        await trio.sleep(12.0)
        world.hub.open()
        await trio.sleep(1.0)
        ((state, age_ms),) = world.states()
    assert state == "stale"
    assert age_ms >= 12_000


async def test_an_ended_replay_keeps_its_prices(world: World, autojump_clock: MockClock) -> None:
    """They stay confirmed, nothing is stale, and it is polled on the grid."""
    world.broker.paced = False
    world.broker.polls = [Poll([quote(1.0)], ended=True)]
    world.broker.last = Poll((), ended=True)
    async with world.running():
        await trio.sleep(60)
        assert [state for state, _ in world.states()] == ["live", "ended"]
        assert world.link.feed == "ended"
        priced = world.boards.prices.read("demo", "EURUSD")
        assert priced is not None
        assert trio.current_time() - priced.confirmed_at <= 0.11


async def test_a_feed_may_wait_for_its_first_subscriber(world: World, autojump_clock: MockClock) -> None:
    """It is started once, is not stale meanwhile, and a new incarnation starts it at once."""
    started: list[float] = []
    demand = Demand()

    def start() -> None:
        started.append(trio.current_time())

    async with world.running(start_feed=start, wanted=demand.wait):
        await trio.sleep(60)
        assert (started, world.link.feed, world.states()) == ([], "waiting", [])
        demand.note("demo")
        await trio.sleep(1)
        assert started == [60.0]
    async with world.running(start_feed=start, wanted=demand.wait):
        await trio.sleep(1)
    assert started == [60.0, 61.0]


async def test_samples_the_account_on_its_own_grid(world: World, autojump_clock: MockClock) -> None:
    """The governor and the link get each; polls are not touched by it."""
    async with world.running():
        await trio.sleep(2.25)
    assert [round(at, 6) for at in world.broker.sampled_at] == [0.0, 0.5, 1.0, 1.5, 2.0]
    samples = []
    while world.governor.load_nowait():
        samples.append(world.governor.pop_nowait())
    assert all(isinstance(message, AccountSampled) for message in samples)
    assert samples[-1].sample is world.link.sample
    shown = world.boards.accounts.all()["demo"]
    assert shown.sample is world.link.sample
    assert shown.version == 1, "it says what the first one said"
    assert len(world.broker.polled_at) == 23


async def test_an_account_that_an_order_has_changed_is_read_early(world: World, autojump_clock: MockClock) -> None:
    """Changes that come together share one sample, the grid stays, and no stream of orders holds a sample up."""
    async with world.running():
        await trio.sleep(0.1)
        for _ in range(3):
            world.link.changed.set()
            await trio.sleep(0.01)
        await trio.sleep(0.5)
        assert [round(at, 6) for at in world.broker.sampled_at] == [0.0, 0.15, 0.5]
        for _ in range(100):
            world.link.changed.set()
            await trio.sleep(0.01)
        assert 15 <= len([at for at in world.broker.sampled_at if at > 0.6]) <= 22


async def test_failing_samples_and_a_full_governor_stop_nothing(world: World, autojump_clock: MockClock) -> None:
    """The next sample counts."""
    world.governor = Mailbox(MailboxPolicy(capacity=1))
    world.broker.sample_error = "no account"
    async with world.running():
        await trio.sleep(2.0)
        assert world.link.sample is None
        assert world.link.account_error == "no account"
        world.broker.sample_error = None
        await trio.sleep(3.0)
        assert world.link.sample is not None
        assert world.link.sample.taken_at > 4.0
        assert world.link.account_error is None
        assert len(world.broker.polled_at) > 40


async def test_stops_while_it_waits_for_the_hub(world: World, autojump_clock: MockClock) -> None:
    """A replay that finds no room ends when asked to."""
    world.hub = Mailbox(MailboxPolicy(capacity=1))
    world.broker.paced = False
    world.broker.polls = [Poll([quote(float(n))]) for n in range(1, 100)]
    async with world.running():
        await trio.sleep(1)
    assert len(world.broker.polls) > 90


def deal(ticket: int, time_msc: int) -> Deal:
    return Deal(
        ticket, ticket, ticket, "EURUSD", Side.BUY, Entry.IN, Decimal(1), Decimal(1), Decimal(0), Cause.CLIENT, time_msc
    )


async def test_deals_are_read_when_the_account_has_changed(world: World, autojump_clock: MockClock) -> None:
    """At the change, twice more for a history that lags behind, and else only now and then."""
    world.broker.history = [deal(1, 100_000)]
    async with world.running():
        await trio.sleep(2.25)
        assert len(world.broker.asked_since) == 3 + 1  # one at the start, three for the first sample
        before = len(world.broker.asked_since)
        await trio.sleep(3)
        assert len(world.broker.asked_since) == before
        world.broker.balance = Decimal(5)
        world.broker.history.append(deal(2, 200_000))
        await trio.sleep(2)
        assert len(world.broker.asked_since) == before + 3
        await trio.sleep(30)
        assert before + 3 + 2 <= len(world.broker.asked_since) <= before + 3 + 3
    assert world.broker.asked_since[0] == 0
    assert world.broker.asked_since[-1] == 200_000 - DEALS_OVERLAP_MSC
    assert [item.ticket for item in world.boards.deals.of("demo").all()] == [1, 2]


async def test_deals_that_cannot_be_read_are_no_secret(
    world: World, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The link says why, the log once, samples go on, and it mends by itself; also when the broker hangs."""
    book = world.boards.deals.of("demo")
    world.broker.deals_error = "no history"
    world.broker.history = [deal(1, 100_000)]
    async with world.running():
        await trio.sleep(5)
        assert (world.link.deals_error, book.read_at) == ("no history", None)
        assert [record.getMessage() for record in caplog.records if "fail.deals" in record.getMessage()] == [
            "fail.deals broker=demo reason=no history"
        ]
        world.broker.deals_error = None
        await trio.sleep(2)
        assert (world.link.deals_error, len(book.all())) == (None, 1)
        world.broker.deals_hang = True
        sampled = len(world.broker.sampled_at)
        await trio.sleep(20)
        assert world.link.deals_error == f"it did not answer within {STALE_AFTER_S:g} s"
        assert len(world.broker.sampled_at) >= sampled + 39


def test_a_book_of_deals_is_bounded_and_in_order() -> None:
    """Each deal once, by time and then by ticket; the oldest go first."""
    book = DealBook(capacity=3)
    assert (book.newest_msc, list(book.all())) == (None, [])
    assert book.add([deal(5, 20), deal(4, 20), deal(9, 10), deal(9, 10)]) == 3
    before = book.all()
    assert book.add([deal(9, 10), deal(4, 20), deal(1, 30)]) == 1
    assert [item.ticket for item in book.all()] == [4, 5, 1]
    assert [item.ticket for item in before] == [9, 4, 5]
    assert book.newest_msc == 30
    assert [[item.ticket for item in book.since(msc)] for msc in (-1, 20, 20.5, 30, 31)] == [
        [4, 5, 1],
        [4, 5, 1],
        [1],
        [1],
        [],
    ]


# --- a silent feed is got going again --------------------------------------------------------------------------------


def steps(world: World) -> list[tuple[float, Recovery]]:
    return [(at, step) for at, step, _ in world.broker.recoveries]


async def test_a_silent_feed_is_taken_through_the_steps(world: World, autojump_clock: MockClock) -> None:
    """Subscribed to again, connected again, restarted; each of them is counted and shown, with what was silent."""
    world.broker.polls = [Poll([quote(1.0), quote(1.0, "GBPUSD")])]
    async with world.running():
        await trio.sleep(35)
        at = [round(at) for at, _ in steps(world)]
        assert [step for _, step in steps(world)] == [Recovery.RESUBSCRIBE, Recovery.RECONNECT, Recovery.RESTART]
        assert at == [10, 20, 30]
        assert world.broker.connects == 3  # the first one, and one after each of the harsher steps
        assert world.link.recoveries == {"resubscribe": 1, "reconnect": 1, "restart": 1}
        assert world.link.recovered is not None
        assert (world.link.recovered.step, world.link.recovered.error) == ("restart", None)
        assert world.link.recovered.symbols == ("EURUSD", "GBPUSD")
        assert world.states() == [("live", 0), ("stale", 10_000)]


@pytest.mark.parametrize("cure", list(Recovery))
async def test_each_step_can_be_the_one_that_helps(world: World, cure: Recovery, autojump_clock: MockClock) -> None:
    """Then nothing harsher is done, and clients hear that it is live."""
    world.broker.cured_by = cure
    world.broker.polls = [Poll([quote(1.0), quote(1.0, "GBPUSD")])]
    async with world.running():
        while not world.broker.cured:
            await trio.sleep(0.5)
        world.broker.last = Poll([quote(2.0), quote(2.0, "GBPUSD")])
        await trio.sleep(120)
        assert steps(world)[-1][1] is cure
        assert [state for state, _ in world.states()] == ["live", "stale", "live"]
        assert world.link.feed == "live"


async def test_a_step_that_fails_is_told_and_the_next_one_follows(world: World, autojump_clock: MockClock) -> None:
    """What went wrong is shown; the feed is stale, and degraded only while it is not connected."""
    world.broker.polls, world.broker.recover_error = [Poll([quote(1.0)])], "no route"
    async with world.running():
        await trio.sleep(11)
        assert world.link.recovered is not None
        assert (world.link.recovered.step, world.link.recovered.error) == ("resubscribe", "no route")
        assert world.link.feed == "stale"
        await trio.sleep(10)
        assert world.link.recovered is not None
        assert (world.link.recovered.step, world.link.recovered.error) == ("reconnect", "no route")
        await trio.sleep(30)
        assert Recovery.RESTART in [step for _, step in steps(world)]


async def test_a_connection_in_the_making_is_not_cut(world: World, autojump_clock: MockClock) -> None:
    """A terminal that takes twenty-five seconds to start is waited for, and then given time to speak."""
    world.broker.connect_takes_s = 25.0
    async with world.running():
        await trio.sleep(34)
        assert world.broker.connects == 1
        assert steps(world) == []


async def test_where_there_is_no_connection_only_a_restart_is_more(world: World, autojump_clock: MockClock) -> None:
    """Connecting is tried all the time; what may hang is started anew after three times as long."""
    world.broker.connect_errors = ["refused"] * 1000
    async with world.running():
        await trio.sleep(45)
        assert {step for _, step in steps(world)} == {Recovery.RESTART}
        assert 30 <= steps(world)[0][0] <= 31


async def test_a_recording_is_as_quiet_as_its_market_was(world: World, autojump_clock: MockClock) -> None:
    """It is shown as stale, and nobody restarts anything for it."""
    world.broker.polls = [Poll([quote(1.0)])]
    async with world.running(lossless=True):
        await trio.sleep(300)
        assert [state for state, _ in world.states()] == ["live", "stale"]
        assert steps(world) == []


async def test_one_symbol_that_is_silent_is_told_by_itself(world: World, autojump_clock: MockClock) -> None:
    """Its clients hear that it is stale and that it is back; the feed as a whole stays live, and connected."""
    world.broker.polls = [Poll([quote(1.0), quote(1.0, "GBPUSD")])]
    world.broker.last = Poll([quote(2.0)])
    async with world.running():
        await trio.sleep(12)
        told = [(each.symbol, each.state) for each in world.told() if isinstance(each, FeedState)]
        assert told == [(None, "live"), ("GBPUSD", "stale")]
        assert world.link.feed == "live"
        assert {name: one.state for name, one in world.link.silent.items()} == {"GBPUSD": "stale"}
        assert steps(world) == [(10.0, Recovery.RESUBSCRIBE)]
        assert world.broker.recoveries[0][2] == ("GBPUSD",)
        world.broker.last = Poll([quote(3.0), quote(3.0, "GBPUSD")])
        await trio.sleep(100)
        told = [(each.symbol, each.state) for each in world.told() if isinstance(each, FeedState)]
        assert told == [("GBPUSD", "live")]
        assert (world.link.silent, world.broker.connects) == ({}, 1)


async def test_a_symbol_that_is_stale_is_told_again_after_the_whole_feed_was(
    world: World, autojump_clock: MockClock
) -> None:
    """What is said of the feed covers its symbols, so what differs from it is said anew."""
    world.broker.polls = [Poll([quote(1.0), quote(1.0, "GBPUSD")])]
    world.broker.last = Poll([quote(2.0)])
    async with world.running():
        await trio.sleep(12)
        world.told()
        world.broker.last = Poll(())
        await trio.sleep(11)
        world.broker.last = Poll([quote(3.0)])
        await trio.sleep(2)
        told = [(each.symbol, each.state) for each in world.told() if isinstance(each, FeedState)]
        assert told == [(None, "stale"), (None, "live"), ("GBPUSD", "stale")]


async def test_a_closed_market_is_told_as_closed(world: World, autojump_clock: MockClock) -> None:
    """Quiet, not dead: nothing is tried, and prices out of hours make it live."""
    world.broker.hours = dict.fromkeys(["EURUSD", "GBPUSD"], Sessions(((0, 1),)))
    world.broker.polls = [Poll([quote(1.0), quote(1.0, "GBPUSD")])]
    async with world.running():
        await trio.sleep(300)
        assert [state for state, _ in world.states()] == ["live", "closed"]
        assert world.link.feed == "closed"
        assert {one.state for one in world.link.silent.values()} == {"closed"}
        assert steps(world) == []
        world.broker.polls = [Poll([quote(2.0), quote(2.0, "GBPUSD")])]
        await trio.sleep(1)
        assert [state for state, _ in world.states()] == ["live"]


@pytest.mark.parametrize("after", ["the start", "an outage"])
async def test_the_account_is_read_again_after_connections_that_failed(
    world: World, after: str, autojump_clock: MockClock
) -> None:
    """However many attempts it took to reach the broker, its account and deals are read once it is reached."""
    errors = ["no route"] * 3
    world.broker.connect_errors = errors if after == "the start" else []
    async with world.running():
        if after == "an outage":
            await trio.sleep(2)
            world.broker.connect_errors, world.broker.last = errors, Poll([quote(1.0)])
            world.broker.polls = [BrokerUnavailable("cut")]
        await trio.sleep(30)
        read, deals = len(world.broker.sampled_at), len(world.broker.asked_since)
        assert world.broker.connects >= 4
        await trio.sleep(30)
        assert len(world.broker.sampled_at) > read
        assert len(world.broker.asked_since) > deals


async def test_a_feed_that_is_reached_again_and_says_nothing_is_stale(world: World, autojump_clock: MockClock) -> None:
    """It has been reached, so nobody is told that it has not: what is wrong is that it is silent."""
    world.broker.polls = [Poll([quote(1.0)]), *[Poll(())] * 120, BrokerUnavailable("cut")]
    async with world.running():
        await trio.sleep(12)
        assert world.link.feed == "stale"
        await trio.sleep(20)
        assert world.broker.connects >= 2
        assert world.link.feed == "stale"


async def test_one_symbol_that_can_not_be_asked_for_again_degrades_nothing(
    world: World, autojump_clock: MockClock
) -> None:
    """Others speak, so the feed can be reached, whatever became of the attempt."""
    world.broker.polls, world.broker.recover_error = [Poll([quote(1.0), quote(1.0, "GBPUSD")])], "no such symbol"
    world.broker.last = Poll([quote(2.0)])
    async with world.running():
        feeds = set()
        for _ in range(3000):
            await trio.sleep(0.01)
            feeds.add(world.link.feed)
        assert world.link.recovered is not None
        assert (world.link.recovered.step, world.link.recovered.error) == ("resubscribe", "no such symbol")
        assert feeds - {"connecting"} == {"live"}


async def test_a_connection_is_not_cut_either_after_a_step_that_took_its_time(
    world: World, autojump_clock: MockClock
) -> None:
    """A step that ends while a connection is being made leaves it alone, and so does what is due next."""
    world.broker.polls = [Poll([quote(1.0)]), *[Poll(())] * 110, BrokerUnavailable("cut")]
    async with world.running():
        await trio.sleep(9)
        world.broker.recover_takes_s, world.broker.connect_takes_s = 12.0, 25.0
        await trio.sleep(26)
        assert [step for _, step in steps(world)] == [Recovery.RESUBSCRIBE]
        await trio.sleep(5)
        assert world.broker.connects == 2
        assert world.link.feed == "stale"


async def test_a_broker_that_can_not_be_reached_is_no_closed_market(world: World, autojump_clock: MockClock) -> None:
    """Over a weekend, too, it stays degraded until it is reached; clients hear that the market is closed."""
    world.broker.hours = dict.fromkeys(["EURUSD", "GBPUSD"], Sessions(((0, 1),)))
    world.broker.polls = [Poll([quote(1.0), quote(1.0, "GBPUSD")])]
    async with world.running():
        await trio.sleep(20)
        assert world.link.feed == "closed"
        world.broker.connect_errors = ["no route"] * 8
        world.broker.polls = [BrokerUnavailable("cut")]
        await trio.sleep(0.2)
        feeds = set()
        while world.broker.connect_errors:
            feeds.add(world.link.feed)
            await trio.sleep(0.05)
        assert feeds == {"degraded"}
        await trio.sleep(60)
        assert world.link.feed == "closed"
        assert [state for state, _ in world.states()] == ["live", "closed"]


async def test_a_symbol_that_is_traded_no_more_is_not_silent(world: World, autojump_clock: MockClock) -> None:
    """With the next connection nobody waits for it, and nobody is told that it is."""
    world.broker.polls = [Poll([quote(1.0), quote(1.0, "GBPUSD")])]
    world.broker.last = Poll([quote(2.0)])
    async with world.running():
        await trio.sleep(12)
        assert set(world.link.silent) == {"GBPUSD"}
        world.broker.symbols, world.broker.polls = ("EURUSD",), [BrokerUnavailable("cut")]
        await trio.sleep(12)
        assert world.link.silent == {}
        assert world.link.feed == "live"
