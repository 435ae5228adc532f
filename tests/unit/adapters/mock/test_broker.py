"""The paper broker behind its port: what each call promises, with faults, and when it is cancelled."""

import math
from decimal import Decimal

import pytest
import trio

from quantmind.adapters.mock import Faults, MockBroker, build
from quantmind.config.brokers import MockBrokerConfig, RandomWalkFeed, ReplayFeed, SymbolOverrides
from quantmind.domain.accounts import Cause
from quantmind.domain.orders import (
    Absent,
    Cancel,
    Close,
    Modify,
    Open,
    OrderType,
    Origin,
    Placed,
    Refused,
    Side,
    Unknown,
)
from quantmind.domain.quotes import Quote
from quantmind.domain.risk.approval import Terms, approve
from quantmind.errors import BrokerUnavailable
from quantmind.ports import Broker, Recovery

ORIGIN = Origin("ea", 7, "r1")
NAME = "20140508_eurusd_tick_quote.csv"
MIDNIGHT = 1_399_507_200_000


def approved(proposal):
    return approve(proposal, Terms(Decimal(1), None), approval_id="a", incarnation=1, deadline=1e9, reduces=False)


def buy(volume="0.1", symbol="EURUSD", **more):
    return approved(Open(ORIGIN, "demo", symbol, Decimal(volume), Side.BUY, **more))


def replaying(folder, text, speed=0.0, **more):
    path = folder / NAME
    path.write_text(text)
    return build(MockBrokerConfig(name="demo", feed=ReplayFeed(path=path, speed=speed, **more)))


async def connected(config=None):
    broker = build(config or MockBrokerConfig(name="demo"), wall=lambda: 1_795_424_400.0)
    await broker.connect()
    await broker.poll()
    return broker


async def test_it_is_a_broker():
    """The port's own words, checked by the type checker here and by use below."""
    broker: Broker = build(MockBrokerConfig(name="demo"))
    assert broker.name == "demo"
    assert broker.paced


async def test_orders_go_through_their_life():
    """Open, change, part close, close; each is found by its tag."""
    broker = await connected()
    placed = await broker.place(buy(sl=Decimal("1.08")), "open")
    assert isinstance(placed, Placed)
    changed = await broker.place(approved(Modify(ORIGIN, "demo", placed.ticket, new_tp=Decimal("1.09"))), "modify")
    assert isinstance(changed, Placed)
    part = await broker.place(approved(Close(ORIGIN, "demo", "EURUSD", placed.ticket, Decimal("0.04"))), "part")
    assert isinstance(part, Placed)
    sample = await broker.sample()
    assert [(p.ticket, p.volume, p.tp) for p in sample.positions] == [
        (placed.ticket, Decimal("0.06"), Decimal("1.09000"))
    ]
    rest = await broker.place(approved(Close(ORIGIN, "demo", "EURUSD", placed.ticket)), "rest")
    assert isinstance(rest, Placed)
    for tag, outcome in {"open": placed, "modify": changed, "part": part, "rest": rest}.items():
        assert await broker.find(tag) == outcome
    sample = await broker.sample()
    assert sample.positions == ()
    assert sample.account.balance == 10_000 + part.profit + rest.profit


async def test_a_refused_order_is_absent():
    """The account never had it."""
    broker = await connected()
    assert isinstance(await broker.place(buy("0.001"), "t"), Refused)
    assert await broker.find("t") == Absent()


async def test_a_sample_is_of_the_last_poll_and_says_when_it_was_taken(autojump_clock):
    """Account and positions at the same ticks."""
    broker = await connected()
    await trio.sleep(3.5)
    sample = await broker.sample()
    assert sample.taken_at == trio.current_time()
    assert (sample.broker, sample.orders) == ("demo", ())
    account = sample.account
    assert (account.login, account.server, account.currency, account.leverage) == (1, "QuantMind-Mock", "USD", 100)
    assert (account.margin_mode, account.trade_allowed) == ("hedging", True)


async def test_orders_fill_at_the_last_tick_that_was_given_out(tmp_path):
    """Not at one that is read ahead: what a client saw is what it trades on."""
    broker = replaying(tmp_path, "0,1.1,1.2\n1,1.3,1.4\n60000,1.5,1.6\n", speed=1.0)
    await broker.connect()
    assert isinstance(await broker.place(buy(), "early"), Refused)
    await broker.poll()
    placed = await broker.place(buy(), "t")
    assert isinstance(placed, Placed)
    assert placed.price == Decimal("1.20000")
    (position,) = (await broker.sample()).positions
    assert position.time_msc == MIDNIGHT
    await broker.aclose()


async def test_every_tick_of_a_poll_passes_the_stops_before_it_goes_out(tmp_path):
    """A dip within one poll closes the position, though the poll's last price is above its stop."""
    broker = replaying(tmp_path, "0,1.10000,1.10010\n9,1.09900,1.09910\n9,1.09950,1.09960\n", start="first_subscriber")
    await broker.connect()
    assert (await broker.poll()).quotes == ()
    broker.start_feed()
    broker.account.tick(Quote("EURUSD", 1.10000, 1.10010, 1))
    placed = await broker.place(buy(sl=Decimal("1.09910")), "t")
    assert isinstance(placed, Placed)
    poll = await broker.poll()
    assert [q.time_msc - MIDNIGHT for q in poll.quotes] == [0, 9, 9]
    assert poll.ended
    assert (await broker.sample()).positions == ()
    assert broker.account.deals[-1].price == Decimal("1.09900")


async def test_connect_may_be_repeated_and_the_feed_goes_on(tmp_path):
    """Neither a second connect nor closing and connecting again gives a tick twice or skips one."""
    broker = replaying(tmp_path, "".join(f"{n},1.1,1.2\n" for n in range(600)))
    seen = []
    for _ in range(3):
        specs = await broker.connect()
        await broker.connect()
        assert [spec.name for spec in specs] == ["EURUSD"]
        seen += [q.time_msc - MIDNIGHT for q in (await broker.poll()).quotes]
        await broker.aclose()
        await broker.aclose()
    assert seen == list(range(600))


@pytest.mark.parametrize("call", ["poll", "sample", "find", "place"])
async def test_nothing_works_before_connect_and_after_aclose(call):
    """As at a broker that can't be reached; nothing was sent."""
    broker = build(MockBrokerConfig(name="demo"))
    calls = {"poll": broker.poll, "sample": broker.sample}
    calls |= {"find": lambda: broker.find("t"), "place": lambda: broker.place(buy(), "t")}
    with pytest.raises(BrokerUnavailable, match="demo is not connected"):
        await calls[call]()
    await broker.connect()
    await broker.poll()
    await calls[call]()
    await broker.aclose()
    with pytest.raises(BrokerUnavailable, match="demo is not connected"):
        await calls[call]()


async def test_a_missing_recording_is_a_broker_that_can_not_be_reached(tmp_path):
    """Said at connect, with the file; when the file appears it connects."""
    path = tmp_path / NAME
    broker = build(MockBrokerConfig(name="demo", feed=ReplayFeed(path=path, speed=0)))
    with pytest.raises(BrokerUnavailable, match=NAME):
        await broker.connect()
    path.write_text("0,1.1,1.2\n")
    await broker.connect()
    assert len((await broker.poll()).quotes) == 1


async def test_a_bad_line_stops_the_feed_where_the_operator_sees_it(tmp_path):
    """What stood before it is given; then every poll and connect says file and line, and orders still work."""
    broker = replaying(tmp_path, "0,1.1,1.2\nhello\n")
    await broker.connect()
    assert len((await broker.poll()).quotes) == 1
    for _ in range(2):
        with pytest.raises(BrokerUnavailable, match=rf"{NAME}, line 2"):
            await broker.poll()
        with pytest.raises(BrokerUnavailable, match=rf"{NAME}, line 2"):
            await broker.connect()
    assert broker.paced
    assert isinstance(await broker.place(buy(), "t"), Placed)


@pytest.mark.parametrize("call", ["connect", "poll", "sample", "find", "place"])
async def test_each_call_can_be_made_to_fail(call):
    """And works again when the switch is set back."""
    broker = await connected()
    calls = {"connect": broker.connect, "poll": broker.poll, "sample": broker.sample}
    calls |= {"find": lambda: broker.find("t"), "place": lambda: broker.place(buy(), "t")}
    setattr(broker.faults, f"{call}_error", "pulled the plug")
    with pytest.raises(BrokerUnavailable, match="pulled the plug"):
        await calls[call]()
    assert broker.account.deals == ()
    setattr(broker.faults, f"{call}_error", None)
    await calls[call]()


async def test_a_silent_feed_goes_on_where_it_was(tmp_path):
    """Nothing is lost while it is silent."""
    broker = replaying(tmp_path, "0,1.1,1.2\n1,1.1,1.2\n")
    await broker.connect()
    broker.faults.poll_silent = True
    assert (await broker.poll()).quotes == ()
    broker.faults.poll_silent = False
    assert len((await broker.poll()).quotes) == 2


async def test_a_broker_may_never_answer(autojump_clock):
    """The caller's deadline ends it."""
    broker = build(MockBrokerConfig(name="demo"))
    broker.faults.connect_delay_s = math.inf
    with trio.move_on_after(1e6) as scope:
        await broker.connect()
    assert scope.cancelled_caught


async def test_an_unknown_outcome_may_have_been_executed():
    """The answer was lost; the tag finds it."""
    broker = await connected()
    broker.faults.place_unknown = "executed"
    assert isinstance(await broker.place(buy(), "t"), Unknown)
    broker.faults.find_blind = True
    assert await broker.find("t") is None
    broker.faults.find_blind = False
    found = await broker.find("t")
    assert isinstance(found, Placed)
    assert [p.ticket for p in (await broker.sample()).positions] == [found.ticket]


async def test_an_unknown_outcome_may_have_been_lost():
    """The request never arrived; the tag is absent."""
    broker = await connected()
    broker.faults.place_unknown = "lost"
    assert isinstance(await broker.place(buy(), "t"), Unknown)
    assert await broker.find("t") == Absent()
    assert broker.account.deals == ()


async def test_a_caller_that_gives_up_waiting_does_not_undo_its_order(autojump_clock):
    """The order is executed when it is sent; a late answer that nobody waits for changes nothing."""
    broker = await connected()
    broker.faults.place_delay_s = 5.0
    with trio.move_on_after(1.0) as scope:
        await broker.place(buy(), "t")
    assert scope.cancelled_caught
    assert isinstance(await broker.find("t"), Placed)
    started = trio.current_time()
    assert isinstance(await broker.place(buy(), "u"), Placed)
    assert trio.current_time() - started == 5.0


async def test_a_call_that_was_cancelled_before_it_began_did_nothing():
    """The account and the feed are as they were."""
    broker = await connected()
    before = broker.account.market.price("EURUSD")
    with trio.CancelScope() as scope:
        scope.cancel()
        await broker.place(buy(), "t")
    with trio.CancelScope() as scope:
        scope.cancel()
        await broker.poll()
    assert scope.cancelled_caught
    assert await broker.find("t") == Absent()
    assert broker.account.market.price("EURUSD") == before


@pytest.mark.parametrize("tag", ["", "x" * 17])
async def test_a_tag_that_a_broker_could_not_keep_is_a_bug(tag):
    """1 to 16 characters."""
    broker = await connected()
    with pytest.raises(ValueError, match="tag"):
        await broker.place(buy(), tag)
    assert broker.account.deals == ()


def test_the_configuration_reaches_account_and_symbols():
    """Each value where it belongs; a change of digits moves the tick size with it."""
    config = MockBrokerConfig(
        name="demo",
        login=77,
        server="S",
        currency="EUR",
        leverage=30,
        initial_balance=Decimal(500),
        symbols={
            "EURUSD": SymbolOverrides(digits=4, stops_level=5, volume_max=Decimal(2)),
            "DAX": SymbolOverrides(currency_base="EUR", currency_profit="EUR", tick_size=Decimal("0.5"), digits=1),
        },
        feed=RandomWalkFeed(seed=3),
    )
    broker = build(config, name="other")
    assert isinstance(broker, MockBroker)
    assert broker.faults == Faults()
    assert broker.name == "other"
    terms = broker.account.terms
    assert (terms.login, terms.server, terms.currency, terms.leverage) == (77, "S", "EUR", 30)
    assert broker.account.balance == Decimal(500)
    eurusd, dax = broker.account.market.specs["EURUSD"], broker.account.market.specs["DAX"]
    assert (eurusd.tick_size, eurusd.stops_level, eurusd.volume_max) == (Decimal("0.0001"), 5, Decimal(2))
    assert (dax.tick_size, dax.digits, dax.currency_margin) == (Decimal("0.5"), 1, "EUR")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"tick_size": Decimal("0.000001")}, "tick_size"),
        ({"volume_min": Decimal(2), "volume_max": Decimal(1)}, "volume_min 2 is above volume_max 1"),
        ({"volume_min": Decimal("0.05"), "volume_step": Decimal("0.1")}, "volume_step"),
    ],
)
def test_a_symbol_that_contradicts_itself_is_refused(overrides, said):
    """With symbol and values."""
    with pytest.raises(ValueError, match=f"EURUSD.*{said}"):
        build(MockBrokerConfig(name="demo", symbols={"EURUSD": SymbolOverrides(**overrides)}))


async def test_absurd_sizes_are_counted_and_do_not_crash():
    """The largest numbers that a configuration may have."""
    huge = Decimal(10) ** 12
    symbols = {"EURUSD": SymbolOverrides(contract_size=huge, volume_max=huge, start_price=huge / 2, digits=0)}
    broker = await connected(MockBrokerConfig(name="demo", initial_balance=huge, symbols=symbols))
    assert isinstance(await broker.place(buy(str(huge)), "t"), Refused)
    assert (await broker.sample()).account.equity == huge


async def test_two_brokers_of_one_configuration_see_the_same_prices():
    """The seed makes the market."""
    one, other = [build(MockBrokerConfig(name="demo"), wall=lambda: 5.0) for _ in range(2)]
    await one.connect()
    await other.connect()
    for _ in range(50):
        assert await one.poll() == await other.poll()


async def test_a_waiting_order_goes_through_its_life():
    """Placed, sampled, changed, cancelled; the order's own tag tells its present truth."""
    broker = await connected()
    limit = Open(ORIGIN, "demo", "EURUSD", Decimal("0.1"), Side.BUY, order_type=OrderType.LIMIT, price=Decimal("1.05"))
    placed = await broker.place(approved(limit), "limit")
    assert isinstance(placed, Placed)
    assert placed.pending
    sample = await broker.sample()
    assert [(order.ticket, order.price) for order in sample.orders] == [(placed.order, Decimal("1.05000"))]
    assert (sample.positions, sample.account.margin) == ((), 0)
    changed = await broker.place(approved(Modify(ORIGIN, "demo", placed.order, new_price=Decimal("1.04"))), "change")
    assert isinstance(changed, Placed)
    assert await broker.find("limit") == placed
    gone = await broker.place(approved(Cancel(ORIGIN, "demo", placed.order)), "cancel")
    assert isinstance(gone, Placed)
    assert (await broker.sample()).orders == ()
    found = await broker.find("limit")
    assert isinstance(found, Placed)
    assert (found.pending, found.volume, found.comment) == (False, 0, "Order cancelled by the trader")


async def test_an_order_expires_by_the_clock_where_ticks_are_of_now():
    """A request that comes before the next poll finds it gone."""
    now = 1_795_424_400.0
    broker = build(MockBrokerConfig(name="demo"), wall=lambda: now)
    await broker.connect()
    await broker.poll()
    limit = Open(
        ORIGIN,
        "demo",
        "EURUSD",
        Decimal("0.1"),
        Side.BUY,
        order_type=OrderType.LIMIT,
        price=Decimal("1.05"),
        expiration=now + 60,
    )
    placed = await broker.place(approved(limit), "limit")
    assert isinstance(placed, Placed)
    now += 60
    assert isinstance(await broker.place(approved(Cancel(ORIGIN, "demo", placed.order)), "cancel"), Refused)
    found = await broker.find("limit")
    assert isinstance(found, Placed)
    assert (found.pending, found.volume) == (False, 0)
    assert (await broker.sample()).orders == ()


async def test_the_time_of_a_recording_is_its_own(tmp_path):
    """An order in a replay of 2014 does not expire by the clock of today."""
    broker = replaying(tmp_path, "0,1.10000,1.10010\n60000,1.10000,1.10010\n", speed=1.0)
    await broker.connect()
    await broker.poll()
    limit = Open(
        ORIGIN,
        "demo",
        "EURUSD",
        Decimal("0.1"),
        Side.BUY,
        order_type=OrderType.LIMIT,
        price=Decimal("1.05"),
        expiration=MIDNIGHT / 1000 + 30,
    )
    assert isinstance(await broker.place(approved(limit), "limit"), Placed)
    await broker.poll()
    assert len((await broker.sample()).orders) == 1
    await broker.aclose()


async def test_a_poll_can_fill_reject_and_stop_out(tmp_path):
    """One dip within a poll: the order fills, another has no money and ends with its reason, the account is closed."""
    text = "0,1.10000,1.10010\n1,1.09900,1.09910\n2,1.02000,1.02010\n"
    broker = replaying(tmp_path, text, start="first_subscriber")
    await broker.connect()
    broker.account.tick(Quote("EURUSD", 1.10000, 1.10010, 1))
    for tag in ("first", "second"):
        limit = Open(
            ORIGIN, "demo", "EURUSD", Decimal(8), Side.BUY, order_type=OrderType.LIMIT, price=Decimal("1.09910")
        )
        assert isinstance(await broker.place(approved(limit), tag), Placed)
    broker.start_feed()
    await broker.poll()
    first, second = await broker.find("first"), await broker.find("second")
    assert isinstance(first, Placed)
    assert isinstance(second, Placed)
    assert (first.volume, first.price) == (8, Decimal("1.09910"))
    assert second.volume == 0
    assert "10019" in second.comment
    deals = await broker.deals(0)
    assert [deal.cause for deal in deals] == [Cause.CLIENT, Cause.STOP_OUT]
    assert (await broker.sample()).positions == ()
    await broker.aclose()


async def test_switches_for_a_silent_feed_and_its_cure(autojump_clock):
    """Some symbols or the whole feed fall silent until the step that cures them; a step that can't be done says so."""
    two = {"EURUSD": SymbolOverrides(), "USDJPY": SymbolOverrides()}
    broker = await connected(MockBrokerConfig(name="demo", symbols=two))
    broker.faults.silent_symbols, broker.faults.cured_by = frozenset({"EURUSD"}), Recovery.RECONNECT
    await broker.recover(Recovery.RESUBSCRIBE, ("EURUSD",))
    await trio.sleep(1)
    assert {quote.symbol for quote in (await broker.poll()).quotes} == {"USDJPY"}
    broker.faults.poll_silent = True
    broker.faults.recover_error = "no route"
    with pytest.raises(BrokerUnavailable, match="no route"):
        await broker.recover(Recovery.RECONNECT, ())
    await trio.sleep(1)
    assert (await broker.poll()).quotes == ()
    broker.faults.recover_error = None
    await broker.recover(Recovery.RECONNECT, ())
    await trio.sleep(1)
    assert {quote.symbol for quote in (await broker.poll()).quotes} == {"EURUSD", "USDJPY"}
