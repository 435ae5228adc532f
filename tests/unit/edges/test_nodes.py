"""Other gateways at the command port: who is let in, and that an order of theirs is done once or surely not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.boards import Boards, Catalog
from actors.known import KnownCommands
from actors.runtime import ActorSpec, Supervisor
from quantmind.domain.accounts import Account, Deal, Position, Sample
from quantmind.domain.order_life import KnownBy, OrderState
from quantmind.domain.orders import Absent, Ending, Placed, Refused, Side, Unknown
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import usual_spec
from quantmind.domain.tokens import digest_of
from quantmind.edges import nodes
from quantmind.edges.bridges import BridgeGate
from quantmind.edges.nodes import MOST_GUESTS, MOST_WAITING, STALE_S, NodeHost
from quantmind.errors import BrokerUnavailable, JournalDown
from quantmind.records import OrderRecord
from quantmind.wire import bridge
from quantmind.wire.auth import Authenticator, Identity

BOTH = frozenset({"bridge", "trade"})
ONE = Identity("front", BOTH, brokers=frozenset({"mine"}), digest=digest_of("front-token"))
OTHER = Identity("side", BOTH, brokers=frozenset({"other"}), digest=digest_of("side-token"))
WIDE = Identity("wide", BOTH, digest=digest_of("wide-token"))
LAME = Identity("lame", frozenset({"bridge"}), brokers=frozenset({"mine"}), digest=digest_of("lame-token"))
BARE = Identity("bare", frozenset({"trade"}), brokers=frozenset({"mine"}), digest=digest_of("bare-token"))
ACCOUNT = Account(
    **{
        field.name: {
            "login": 77,
            "server": "Demo",
            "currency": "USD",
            "leverage": 100,
            "margin_mode": "netting",
            "trade_allowed": True,
        }.get(field.name, Decimal(1))
        for field in attrs.fields(Account)
    }
)
FILLED = {"status": "success", "order_id": "o1", "retcode": 10009, "ticket": 5, "order": 6, "price": 1.1, "volume": 0.1}


class Clock:
    at = 1_800_000_000.0

    def now(self) -> float:
        return self.at


@attrs.define(eq=False)
class World:
    """A host with fakes behind it, and what each connection was sent."""

    host: NodeHost
    gate: BridgeGate
    tokens: Authenticator
    commands: list[dict[str, Any]] = attrs.field(factory=list)
    reply: dict[str, Any] = attrs.field(factory=lambda: dict(FILLED))
    held: bool = False
    waiting: list[Any] = attrs.field(factory=list)
    records: dict[str, OrderRecord] = attrs.field(factory=dict)
    positions: list[Position] = attrs.field(factory=list)
    down: Exception | None = None
    hangs: bool = False
    sent: dict[str, list[bridge.Reply]] = attrs.field(factory=dict)
    number: int = 0

    # --- what is behind the host ---

    def submit(self, raw: bytes, answer: Any, *, identity: Identity) -> None:
        self.commands.append({**json.loads(raw), "by": identity.name})
        self.waiting.append(answer)
        if not self.held:
            self.release()

    def release(self) -> None:
        """Answer what was asked."""
        self.held = False
        while self.waiting:
            self.waiting.pop(0)(self.reply)

    async def sweep(self) -> None:
        await trio.sleep_forever()

    async def remembered(self, request_id: str, ea_name: str | None, limit: int) -> Sequence[OrderRecord]:
        assert ea_name is None
        if self.down is not None:
            raise self.down
        if self.hangs:
            await trio.sleep_forever()
        return [self.records[request_id]] if request_id in self.records else []

    async def order(self, order_id: str) -> OrderRecord | None:
        return next((each for each in self.records.values() if each.order_id == order_id), None)

    async def sample(self) -> Sample:
        if self.down is not None:
            raise self.down
        return Sample("mine", ACCOUNT, tuple(self.positions), (), 0.0)

    async def deals(self, since_msc: int) -> Sequence[Deal]:
        return ()

    # --- the other gateway ---

    def say(self, who: str, body: bytes) -> bool:
        def send(payload: bytes) -> bool:
            self.sent.setdefault(who, []).append(bridge.decode_reply(payload))
            return True

        return self.gate.take(body, who, send, None)

    async def ask(self, who: str, request: bridge.AnyRequest) -> bridge.Reply:
        """Say it and hear the answer to it."""
        assert self.say(who, bridge.encode(request))
        while True:
            found = [each for each in self.sent.get(who, []) if each.id == request.id]
            if found:
                return found[-1]
            await trio.sleep(0.001)

    def next(self) -> str:
        self.number += 1
        return str(self.number)

    async def hello(self, who: str = "a", token: str = "front-token") -> str:
        """Say hello and be let in; the session."""
        reply = await self.ask(who, bridge.Hello(id=self.next(), protocol=1, token=token))
        assert reply.error is None, reply
        return bridge.read(reply.data, bridge.Welcome).session

    def buy(self, session: str, tag: str = "t1", **more: Any) -> bridge.OrderSend:
        order = {"symbol": "EURUSD", "volume": Decimal("0.1"), "side": Side.BUY, "magic": 7, **more}
        return bridge.OrderSend(id=self.next(), session=session, tag=tag, **order)

    async def find(self, session: str, tag: str = "t1") -> Placed | Absent | None:
        reply = await self.ask("a", bridge.OrderFind(id=self.next(), session=session, tag=tag))
        assert reply.error is None, reply
        return bridge.read(reply.data, bridge.Found).answer()


def outcome(reply: bridge.Reply) -> Any:
    assert reply.error is None, reply
    return bridge.read(reply.data, bridge.Result).outcome()


def make() -> World:
    boards = Boards(Catalog(("mine", "other")))
    boards.catalog.set("mine", [usual_spec("EURUSD"), usual_spec("USDJPY")])
    boards.links.of("mine").sample = Sample("mine", ACCOUNT, (), (), 0.0)
    tokens = Authenticator({}, identities=[ONE, OTHER, WIDE, LAME, BARE])
    host = NodeHost({}, boards, None, KnownCommands(), None, Clock())  # type: ignore[arg-type]
    world = World(host, BridgeGate({}, host, tokens, Clock()), tokens)
    host.brokers, host.journal, host.door = {"mine": world, "other": world}, world, world  # type: ignore[dict-item,assignment]
    return world


@pytest.fixture
async def world(nursery: trio.Nursery) -> AsyncIterator[World]:
    made = make()
    await nursery.start(Supervisor("root", [ActorSpec("nodes", lambda: made.host)]).run)
    yield made
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("token", "code", "why"),
    [
        ("", "unauthorized", "a token of scope bridge is needed"),
        ("nonsense", "unauthorized", "token"),
        ("lame-token", "forbidden", "has no scope trade"),
        ("bare-token", "forbidden", "has no scope bridge"),
        ("wide-token", "forbidden", "reaches 2 brokers here"),
        ("side-token", "unavailable", "broker other is not connected there yet"),
    ],
)
async def test_who_is_let_in(world: World, token: str, code: str, why: str) -> None:
    """A token with both scopes, of one broker, whose account is known; everybody else hears what is missing."""
    reply = await world.ask("a", bridge.Hello(id=world.next(), protocol=1, token=token))
    assert reply.code == code
    assert why in (reply.error or ""), reply
    await world.hello("b")
    assert [each["token"] for each in world.host.snapshot()["guests"] if each["broker"] == "mine"] == ["front"]


async def test_the_name_of_a_connection_proves_nothing(world: World) -> None:
    """Each request has the session; a hello needs the token again."""
    session = await world.hello()
    for wrong in ("", "x", session[:-1]):
        assert (await world.ask("a", world.buy(wrong))).code == "unauthorized"
    assert world.commands == []
    assert (await world.ask("nobody", world.buy(session))).code == "unauthorized"
    assert outcome(await world.ask("a", world.buy(session))).ticket == 5
    assert session not in repr(world.host.guests) + repr(world.host.snapshot())


async def test_an_order_is_a_command(world: World) -> None:
    """Of the EA with the token's name, with the tag as its request id and what was asked for, and nothing else."""
    session = await world.hello()
    placed = outcome(await world.ask("a", world.buy(session, sl=Decimal("1.05"), comment="hi")))
    assert placed == Placed(10009, order=6, ticket=5, price=Decimal("1.1"), volume=Decimal("0.1"))
    (command,) = world.commands
    assert command.pop("timestamp") == Clock.at
    assert command == {
        "type": "trade_open", "ea_name": "front", "broker": "mine", "request_id": "t1", "execute": True,
        "symbol": "EURUSD", "volume": 0.1, "side": "buy", "order_type": "market", "sl": 1.05, "magic": 7,
        "comment": "hi", "reduce": False, "by": "front",
    }  # fmt: skip
    close = bridge.PositionClose(id=world.next(), session=session, tag="t2", symbol="EURUSD", ticket=5, by=6)
    await world.ask("a", close)
    assert (world.commands[-1]["type"], world.commands[-1]["close_by"]) == ("trade_close", 6)


@pytest.mark.parametrize(
    ("reply", "means"),
    [
        ({"status": "unknown", "message": "who knows"}, Unknown("who knows")),
        (
            {"status": "rejected", "reasons": [{"message": "daily loss"}]},
            Refused(10006, "the governor of that gateway refuses: daily loss"),
        ),
        (
            {"status": "error", "code": "broker_refused", "retcode": 10019, "message": "no money"},
            Refused(10019, "no money"),
        ),
        ({"status": "error", "code": "unknown_symbol", "message": "no such"}, Refused(10013, "no such")),
        ({"status": "error", "code": "busy", "message": "later"}, "unavailable"),
        ({"status": "error", "code": "broker_unavailable", "message": "away"}, "unavailable"),
    ],
)
async def test_what_an_answer_means(world: World, reply: dict[str, Any], means: Any) -> None:
    """Nothing that may have been sent is said to be refused, and nothing that was not is unknown."""
    world.reply = reply
    session = await world.hello()
    answer = await world.ask("a", world.buy(session))
    if isinstance(means, str):
        assert answer.code == means
    else:
        assert outcome(answer) == means


async def test_what_was_said_to_be_absent_does_not_come_later(world: World) -> None:
    """An order that was on its way while it was looked for is refused when it arrives."""
    session = await world.hello()
    assert isinstance(await world.find(session), Absent)
    late = await world.ask("a", world.buy(session))
    assert (late.code, world.commands) == ("unavailable", [])
    assert outcome(await world.ask("a", world.buy(session, "t2"))).ticket == 5


async def test_what_is_in_hand_is_not_absent(world: World) -> None:
    """The one that asked for it came again by another connection, and looks for it before it is decided."""
    world.held = True
    session = await world.hello("a")
    world.say("a", bridge.encode(world.buy(session)))
    while not world.commands:
        await trio.sleep(0.001)
    session = await world.hello("b")
    world.sent["a"] = []
    reply = await world.ask("b", bridge.OrderFind(id=world.next(), session=session, tag="t1"))
    assert bridge.read(reply.data, bridge.Found).found == "not_yet"
    world.release()
    await trio.testing.wait_all_tasks_blocked()
    assert world.sent["a"] == [], "it was told nothing any more"


@pytest.mark.parametrize(
    ("state", "age_s", "found"),
    [
        (OrderState.FILLED, 1, "placed"),
        (OrderState.PLACED, 1, "placed"),
        (OrderState.CANCELLED, 1, "placed"),
        (OrderState.INTENT, 1e6, "not_yet"),
        (OrderState.UNKNOWN, 1e6, "not_yet"),
        (OrderState.DENIED, 1, "absent"),
        (OrderState.NOT_SENT, 1, "absent"),
        (OrderState.REFUSED, 1, "absent"),
        (OrderState.APPROVED, 1, "not_yet"),
        (OrderState.APPROVED, 1e3, "absent"),
    ],
)
async def test_what_became_of_it(world: World, state: OrderState, age_s: float, found: str) -> None:
    """As the record has it."""
    world.records["t1"] = record("t1", state, age_s)
    answer = await world.find(await world.hello())
    assert {"placed": Placed, "absent": Absent, "not_yet": type(None)}[found] is type(answer)
    if isinstance(answer, Placed):
        assert (answer.ticket, answer.order) == (5, 6)


def record(tag: str, state: OrderState, age_s: float = 1.0, ea_name: str = "front") -> OrderRecord:
    known = None if state in (OrderState.APPROVED, OrderState.INTENT) else KnownBy.ANSWER
    return OrderRecord(
        f"o-{tag}", "mine", ea_name, 7, "EURUSD", tag, "", {}, Clock.at - age_s, state, dict(FILLED), known, None
    )


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (None, "not_yet"),
        ({"status": "unknown"}, "not_yet"),
        (FILLED, "placed"),
        ({"status": "rejected"}, "absent"),
    ],
)
async def test_what_no_journal_could_take_is_known_in_memory(world: World, reply: Any, found: str) -> None:
    """A close goes out on a full disk; while its answer was lost it must not be said to be absent."""
    entry = world.host.known.begin(("front", "t1"), "")
    entry.reply = reply
    answer = await world.find(await world.hello())
    assert {"placed": Placed, "absent": Absent, "not_yet": type(None)}[found] is type(answer)


async def test_a_token_of_another_name_finds_what_the_first_one_sent(world: World) -> None:
    """A token that leaked is replaced: what it sent was sent."""
    world.records["t1"] = record("t1", OrderState.FILLED, ea_name="the-one-before")
    assert isinstance(await world.find(await world.hello()), Placed)
    world.records["t2"] = attrs.evolve(record("t2", OrderState.FILLED), broker="other")
    assert isinstance(await world.find(await world.hello(), "t2"), Absent)


async def test_an_order_that_comes_too_late_is_not_begun(world: World) -> None:
    """By the clock that the welcome told."""
    reply = await world.ask("a", bridge.Hello(id=world.next(), protocol=1, token="front-token"))
    welcome = bridge.read(reply.data, bridge.Welcome)
    late = world.buy(welcome.session, "t1", start_by_ms=welcome.clock_ms - 1)
    assert (await world.ask("a", late)).code == "late"
    in_time = world.buy(welcome.session, "t2", start_by_ms=welcome.clock_ms + 60_000)
    assert outcome(await world.ask("a", in_time)).ticket == 5
    assert [each["request_id"] for each in world.commands] == ["t2"]


async def test_a_waiting_order_that_its_server_took_off(world: World) -> None:
    """It was there, and has ended: that is no absence."""
    taken_off = {**FILLED, "ended": "rejected", "volume": 0}
    world.records["t1"] = attrs.evolve(record("t1", OrderState.REFUSED), reply=taken_off)
    found = await world.find(await world.hello())
    assert isinstance(found, Placed)
    assert found.ended is Ending.REJECTED


async def test_a_journal_that_hangs_holds_nothing_up(world: World, autojump_clock: trio.testing.MockClock) -> None:
    """A look-up is given up, and the close behind it gets its turn."""
    del autojump_clock
    session = await world.hello()
    world.down = None
    world.hangs = True
    world.say("a", bridge.encode(bridge.OrderFind(id="f", session=session, tag="t0")))
    closed = await world.ask("a", world.buy(session, "t1"))
    assert outcome(closed).ticket == 5
    (looked,) = [each for each in world.sent["a"] if each.id == "f"]
    assert looked.code == "unavailable"


async def test_a_rate_counts_here_too(world: World) -> None:
    """Orders beyond it are refused; questions are not counted."""
    slow = Identity("slow", BOTH, brokers=frozenset({"mine"}), rate_limit_per_s=1.0, digest=digest_of("slow-token"))
    world.tokens.replace([slow])
    session = await world.hello("a", "slow-token")
    codes = [(await world.ask("a", world.buy(session, f"t{number}"))).code for number in range(20)]
    assert "unavailable" in codes
    assert len(world.commands) == codes.count("") < 20
    assert (await world.ask("a", bridge.SampleGet(id=world.next(), session=session))).error is None


async def test_tags_are_theirs(world: World) -> None:
    """A position that they opened has the tag that they asked with; of others' they see none."""
    world.records = {"t1": record("t1", OrderState.FILLED), "x": record("x", OrderState.FILLED, ea_name="someone")}
    there = {"symbol": "EURUSD", "side": Side.BUY, "volume": Decimal(1), "price_open": Decimal(1)}
    there.update(price_current=Decimal(1), profit=Decimal(0), time_msc=1)
    tags = ("o-t1", "o-x", "nobodys", "")
    world.positions = [Position(ticket=number, tag=tag, **there) for number, tag in enumerate(tags)]  # type: ignore[arg-type]
    session = await world.hello()
    reply = await world.ask("a", bridge.SampleGet(id=world.next(), session=session))
    held = bridge.read(reply.data, bridge.Holdings)
    assert [each.tag for each in held.positions] == ["t1", "", "", ""]


async def test_prices(world: World) -> None:
    """The newest of each symbol once, then only what changed; a batch that did not arrive comes again."""
    prices = world.host.boards.prices
    session = await world.hello()

    async def ticks(after: int) -> bridge.Ticks:
        reply = await world.ask("a", bridge.TicksGet(id=world.next(), session=session, after=after))
        return bridge.read(reply.data, bridge.Ticks)

    assert (await ticks(0)).ticks == ()
    prices.confirm(
        "mine", [Quote("EURUSD", 1.1, 1.2, 5), Quote("EURUSD", 1.11, 1.2, 6), Quote("USDJPY", 90, 91, 4)], 1.0
    )
    first = await ticks(1)
    assert [(each.symbol, each.time_msc) for each in first.ticks] == [("USDJPY", 4), ("EURUSD", 6)]
    assert (await ticks(1)) == first
    prices.confirm_again("mine", ["USDJPY"], 2.0)
    second = await ticks(first.number)
    assert (second.ticks, second.confirmed) == ((), ("USDJPY",))
    assert (await ticks(second.number)).confirmed == ()
    again = await ticks(0)
    assert len(again.ticks) == 2


async def test_trouble_behind_it_is_told(world: World) -> None:
    """A broker or a journal that is away is no empty account and no absent order; the others are answered on."""
    session = await world.hello()
    for trouble in (BrokerUnavailable("away"), JournalDown("down")):
        world.down = trouble
        assert (await world.ask("a", bridge.SampleGet(id=world.next(), session=session))).code == "unavailable"
        assert (await world.ask("a", bridge.OrderFind(id=world.next(), session=session, tag="t"))).code == "unavailable"
    world.down = ZeroDivisionError()
    assert (await world.ask("a", bridge.SampleGet(id=world.next(), session=session))).code == "internal"
    world.down = None
    assert (await world.ask("a", bridge.SampleGet(id=world.next(), session=session))).error is None
    assert world.host.snapshot()["errors"] == 5


async def test_a_request_that_waited_too_long_is_not_begun(
    world: World, autojump_clock: trio.testing.MockClock
) -> None:
    """Whoever asked has given it up, and looks for it."""
    del autojump_clock
    world.held = True
    session = await world.hello()
    world.say("a", bridge.encode(world.buy(session, "t1")))
    late = world.buy(session, "t2")
    world.say("a", bridge.encode(late))
    await trio.sleep(STALE_S + 1)
    world.release()
    reply = await world.ask("a", bridge.SampleGet(id=world.next(), session=session))
    assert reply.error is None
    assert [each["request_id"] for each in world.commands] == ["t1"]
    (refused,) = [each for each in world.sent["a"] if each.id == late.id]
    assert refused.code == "unavailable"


async def test_what_one_may_ask_is_bounded(world: World) -> None:
    """One that asks without end is let go, and may come again."""
    world.held = True
    session = await world.hello()
    for number in range(MOST_WAITING + 3):
        world.say("a", bridge.encode(world.buy(session, f"t{number}")))
        await trio.testing.wait_all_tasks_blocked() if number == 0 else None
    assert world.sent["a"][-1].code == "unauthorized"
    assert world.host.snapshot()["guests"] == []
    world.release()
    await world.hello()


async def test_so_many_gateways_and_no_more(world: World) -> None:
    """The next one hears that it is full; who has gone leaves its place."""
    many = [
        Identity(f"n{number}", BOTH, brokers=frozenset({"mine"}), digest=digest_of(f"n{number}"))
        for number in range(MOST_GUESTS + 1)
    ]
    world.tokens.replace(many)
    for number in range(MOST_GUESTS):
        await world.hello(f"c{number}", f"n{number}")
    full = await world.ask("x", bridge.Hello(id=world.next(), protocol=1, token=f"n{MOST_GUESTS}"))
    assert full.code == "busy"
    world.host.guests[0].leave("gone")
    await world.hello("x", f"n{MOST_GUESTS}")


async def test_a_token_that_ends_ends_it(world: World) -> None:
    """With the next thing that it asks."""
    new = Identity("new", BOTH, brokers=frozenset({"mine"}), digest=digest_of("new-token"))
    world.tokens.replace([new])
    session = await world.hello("a", "new-token")
    world.tokens.replace([])
    assert (await world.ask("a", world.buy(session))).code == "unauthorized"
    assert world.commands == []


async def test_one_that_says_nothing_has_gone(world: World, autojump_clock: trio.testing.MockClock) -> None:
    """Its place is free again."""
    del autojump_clock
    await world.hello()
    await trio.sleep(nodes.IDLE_S + 1)
    assert world.host.snapshot()["guests"] == []


@settings(max_examples=examples(1_000, 300), deadline=None)
@given(
    st.fixed_dictionaries(
        {"type": st.sampled_from(sorted(bridge.REQUESTS)), "id": st.text(max_size=5)},
        optional={
            "tag": st.text(max_size=20) | st.integers(),
            "symbol": st.text(max_size=8),
            "volume": st.floats() | st.integers() | st.text(max_size=3),
            "side": st.sampled_from(["buy", "sell", "x"]),
            "ticket": st.integers(-5, 2**70),
            "after": st.integers(-(2**65), 2**65),
            "since_msc": st.integers(-5, 2**65),
            "most": st.integers(-5, 2**65),
            "symbols": st.lists(st.text(max_size=3)),
        },
    )
)
async def test_whatever_is_asked_is_answered(asked: dict[str, Any]) -> None:
    """Once, and with nothing that ends the host."""
    world = make()
    async with trio.open_nursery() as nursery:
        await nursery.start(Supervisor("root", [ActorSpec("nodes", lambda: world.host)]).run)
        session = await world.hello()
        world.sent.clear()
        if world.say("a", json.dumps({**asked, "session": session}).encode()):  # else it is no JSON, and not ours
            with trio.fail_after(5):
                while not world.sent.get("a"):
                    await trio.lowlevel.checkpoint()
            assert len(world.sent["a"]) == 1
        assert (await world.ask("a", bridge.SymbolsGet(id="last", session=session))).error is None
        nursery.cancel_scope.cancel()
