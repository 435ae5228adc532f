"""Bridges that come by themselves: who is let in, for which broker, and that commands are left alone."""

from __future__ import annotations

import json
import types
from typing import Any

import attrs
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.boards import Boards, Catalog
from quantmind.adapters.mt5.berth import MOST_WAITING, Berth
from quantmind.domain.risk import Policy
from quantmind.domain.tokens import digest_of
from quantmind.edges.bridges import MOST_GONE, BridgeGate
from quantmind.edges.floor_guard import FloorGuard
from quantmind.wire import bridge
from quantmind.wire.auth import Authenticator, Identity

TOKENS = {
    "b-token": ("bridge", frozenset({"bridge"})),
    "t-token": ("trader", frozenset({"read", "ea", "trade"})),
    "o-token": ("owner", frozenset({"admin"})),
}
BOUND = Identity("bound", frozenset({"bridge"}), brokers=frozenset({"two"}), digest=digest_of("bound-token"))


def no_nodes() -> Any:
    return types.SimpleNamespace(brokers={})


class Clock:
    def now(self) -> float:
        return 1_800_000_000.0


@attrs.define(eq=False)
class World:
    """A gate with two brokers, and what each connection was sent."""

    gate: BridgeGate
    berths: dict[str, Berth]
    sent: dict[str, list[bytes]] = attrs.field(factory=dict)
    deaf: set[str] = attrs.field(factory=set)

    @classmethod
    def make(cls, **accounts: str | None) -> World:
        berths = {name: Berth(name, account) for name, account in (accounts or {"one": "1", "two": "2"}).items()}
        policies = dict.fromkeys(berths, Policy())
        guard = FloorGuard(Boards(Catalog(tuple(berths))), policies, no_nodes(), Clock(), lambda _records: None)
        return cls(BridgeGate(berths, no_nodes(), Authenticator(TOKENS, identities=[BOUND]), Clock(), guard), berths)

    def guard(self, name: str) -> Any:
        return self.gate.snapshot()["brokers"][name]["guard"]

    def say(self, who: str, body: bytes, token: str | None = None) -> bool:
        def send(payload: bytes) -> bool:
            if who in self.deaf:
                return False
            self.sent.setdefault(who, []).append(payload)
            return True

        return self.gate.take(body, who, send, token)

    def hello(self, who: str, account: int = 1, *, via: str | None = None, **more: Any) -> bridge.Reply:
        """Say hello and hear the answer."""
        offer = {"id": "h", "protocol": 1, "account": account, "server": "Demo", "margin_mode": "hedging"}
        body = json.dumps({"type": "bridge_hello", **offer, "token": "b-token", **more}).encode()
        assert self.say(who, body, via)
        reply = bridge.decode_reply(self.sent[who][-1])
        assert reply.id == "h"
        return reply

    def arrive(self, who: str, account: int = 1, **more: Any) -> str:
        """Say hello and be let in; the session."""
        reply = self.hello(who, account, **more)
        assert reply.error is None, reply
        return bridge.read(reply.data, bridge.Accepted).session


@pytest.fixture
async def world() -> World:
    return World.make()


async def test_it_finds_its_broker_by_its_account(world: World) -> None:
    """And is asked from then on; nobody else is."""
    assert not world.berths["one"].alive
    session = world.arrive("a")
    assert world.berths["one"].alive
    assert not world.berths["two"].alive
    caller = await world.berths["one"].start()
    assert (caller.account, caller.server, caller.proof) == (1, "Demo", session)
    assert caller.send(b"question")
    assert world.sent["a"][-1] == b"question"
    assert world.gate.snapshot()["brokers"]["one"]["connected"]
    assert session not in repr(world.gate.snapshot()) + repr(caller)


@pytest.mark.parametrize(
    ("said", "code", "why"),
    [
        ({"token": ""}, "unauthorized", "a token of scope bridge is needed"),
        ({"token": "nonsense"}, "unauthorized", "token"),
        ({"token": "t-token"}, "forbidden", "has no scope bridge"),
        ({"token": "bound-token"}, "forbidden", "no broker that waits for a bridge takes account 1"),
        ({"broker": "three"}, "forbidden", "takes broker three"),
        ({"broker": "two"}, "forbidden", "has account_id 2, and the terminal is logged in as 1"),
        ({"account": 9}, "forbidden", "takes account 9"),
        ({"protocol": 2}, "invalid_message", "update the older side"),
        ({"account": "x"}, "invalid_message", "account"),
        ({"margin_mode": "x"}, "invalid_message", "margin_mode"),
        ({"more": 1}, "invalid_message", "more"),
    ],
)
async def test_who_is_not_let_in_hears_why(world: World, said: dict[str, Any], code: str, why: str) -> None:
    """And is counted; no answer has a token in it."""
    reply = world.hello("a", **said)
    assert reply.code == code
    assert why in (reply.error or ""), reply.error
    assert not any(berth.alive for berth in world.berths.values())
    assert sum(world.gate.snapshot()["refused"].values()) == 1
    assert b"-token" not in b"".join(world.sent["a"])


async def test_the_token_of_the_connection_counts_where_none_is_said(world: World) -> None:
    """As on an endpoint with PLAIN."""
    assert world.hello("a", token="", via="b-token").error is None
    assert world.hello("b", 2, token="", via="t-token").code == "forbidden"
    assert world.hello("c", 2, token="bound-token").error is None


async def test_a_broker_without_an_account_takes_any() -> None:
    """If it is the only one; one that has the account goes first."""
    world = World.make(any=None, mine="7")
    world.arrive("a", 7)
    assert (world.berths["mine"].alive, world.berths["any"].alive) == (True, False)
    world.arrive("b", 8)
    assert world.berths["any"].alive
    two = World.make(x=None, y=None)
    assert "more than one broker takes account 8" in (two.hello("a", 8).error or "")
    assert two.hello("a", 8, broker="y").error is None


async def test_what_it_says_goes_to_its_broker_alone(world: World) -> None:
    """And only with the session that it was given."""
    one, two = world.arrive("a"), world.arrive("b", 2)
    first, second = await world.berths["one"].start(), await world.berths["two"].start()
    assert world.say("a", bridge.encode_reply("5", bridge.Nothing(), one))
    assert world.say("b", bridge.encode_transaction("deal", two))
    assert [bridge.decode_said(each.body or b"") for each in first.said()] == [
        bridge.Reply("5", b"{}", session=one),
    ]
    assert [bridge.decode_said(each.body or b"") for each in second.said()] == [
        bridge.Transaction(event="deal", session=two)
    ]


async def test_who_has_not_said_hello_is_told_to(world: World) -> None:
    """A bridge that outlived a gateway begins again."""
    assert world.say("a", bridge.encode_reply("5", bridge.Nothing(), "old"))
    reply = bridge.decode_reply(world.sent["a"][-1])
    assert (reply.id, reply.code) == ("", "unauthorized")
    assert "bridge_hello" in (reply.error or "")


async def test_the_name_of_a_connection_proves_nothing(world: World) -> None:
    """Somebody takes the name of the bridge's connection as it ends: what has not its session is not looked at."""
    session = world.arrive("a")
    caller = await world.berths["one"].start()
    for wrong in ("", "guessed", session[:-1]):
        assert world.say("a", bridge.encode_reply("5", bridge.Nothing(), wrong))
    assert caller.said() == []
    assert world.gate.snapshot()["brokers"]["one"]["strange"] == 3
    assert world.say("a", bridge.encode_reply("5", bridge.Nothing(), session))
    assert len(caller.said()) == 1


async def test_the_last_that_comes_has_the_place(world: World) -> None:
    """A terminal that crashed leaves a connection behind; whoever was replaced hears it, and does not fight."""
    old = world.arrive("a")
    before = await world.berths["one"].start()
    world.arrive("b")
    assert before.gone == bridge.ANOTHER
    assert (await world.berths["one"].start()) is not before
    assert bridge.decode_reply(world.sent["a"][-1]).code == bridge.REPLACED
    assert world.say("a", bridge.encode_reply("5", bridge.Nothing(), old))
    assert bridge.decode_reply(world.sent["a"][-1]).code == bridge.REPLACED
    assert world.hello("a").code == bridge.REPLACED
    assert world.gate.snapshot()["brokers"]["one"]["arrivals"] == 2


async def test_hello_again_disturbs_nothing(world: World) -> None:
    """It may have missed our answer. With another account it is another bridge."""
    session = world.arrive("a")
    caller = await world.berths["one"].start()
    assert world.arrive("a") == session
    assert caller.gone is None
    world.arrive("a", 2)
    assert caller.gone is not None
    assert world.berths["two"].alive
    assert not world.berths["one"].alive


async def test_a_token_that_ends_ends_it(world: World) -> None:
    """With the next thing that it says."""
    gate = world.gate
    gate.authenticator.replace([Identity("new", frozenset({"bridge"}), digest=digest_of("new-token"))])
    session = world.arrive("a", token="new-token")
    caller = await world.berths["one"].start()
    gate.authenticator.replace([])
    assert world.say("a", bridge.encode_reply("5", bridge.Nothing(), session))
    assert caller.gone is not None
    assert bridge.decode_reply(world.sent["a"][-1]).code == "unauthorized"


async def test_one_that_has_gone_is_noticed_when_it_is_asked(world: World) -> None:
    """And may come again."""
    world.arrive("a")
    caller = await world.berths["one"].start()
    world.deaf.add("a")
    assert not caller.send(b"question")
    assert not world.berths["one"].alive
    world.deaf.clear()
    world.arrive("a")
    assert world.berths["one"].alive


async def test_gone_ones_are_forgotten(world: World) -> None:
    """A terminal that comes again and again leaves nothing behind."""
    for number in range(1000):
        world.arrive(f"c{number}")
    assert len(world.gate._seats) <= MOST_GONE + 2


async def test_a_guard_s_word_is_no_answer(world: World) -> None:
    """It wakes nobody who waits for one, and however many come, the bridge is not let go for them."""
    session = world.arrive("a", guard=True)
    assert world.guard("one")["state"] is None
    caller = await world.berths["one"].start()
    news = caller._news._next
    for _ in range(MOST_WAITING + 1):
        assert world.say("a", bridge.encode(bridge.Guarded(seq=0, state="cut_off", session=session)))
    assert (caller.gone, caller.said(), caller._news._next) == (None, [], news)
    assert (world.guard("one")["state"], world.guard("one")["faults"]) == ("cut_off", 0)
    assert world.gate.snapshot()["brokers"]["one"]["received"] == MOST_WAITING + 1
    assert world.guard("two") is None


async def test_a_guard_s_word_needs_the_session(world: World) -> None:
    """Where it stands, and not only somewhere; and who has not come says nothing."""
    session = world.arrive("a", guard=True)
    for wrong in ("", session[:-1], "x" + session):
        world.say("a", bridge.encode(bridge.Guarded(seq=0, state="flat", session=wrong)))
    world.say("b", bridge.encode(bridge.Guarded(seq=0, state="flat", session=session)))
    assert bridge.decode_reply(world.sent["b"][-1]).code == "unauthorized"
    assert world.guard("one")["state"] is None
    assert (world.guard("one")["faults"], world.gate.snapshot()["brokers"]["one"]["strange"]) == (1, 2)


async def test_who_was_replaced_guards_nothing(world: World) -> None:
    """Its word is not that of who has its place; one without a guard has none."""
    old = world.arrive("a", guard=True)
    world.arrive("b", guard=True)
    assert world.say("a", bridge.encode(bridge.Guarded(seq=0, state="flat", session=old)))
    assert bridge.decode_reply(world.sent["a"][-1]).code == bridge.REPLACED
    assert world.guard("one")["state"] is None
    session = world.arrive("c")
    assert world.guard("one") is None
    assert world.say("c", bridge.encode(bridge.Guarded(seq=0, state="flat", session=session)))
    assert world.guard("one") is None


@pytest.mark.parametrize(
    "command",
    [
        {"type": "heartbeat", "ea_name": "reply"},
        {"type": "trade_open", "comment": "transaction", "symbol": "EURUSD"},
        {"type": "trade_open", "comment": "bridge_hello"},
        {"comment": "reply"},
        {"type": 5, "x": "reply"},
        ["reply"],
    ],
)
async def test_commands_are_left_alone(world: World, command: Any) -> None:
    """Whatever words are in them; a bridge's connection may send some, too."""
    assert not world.say("a", json.dumps(command).encode())
    world.arrive("b")
    assert not world.say("b", json.dumps(command).encode())


@settings(max_examples=examples(2_000, 500), deadline=None)
@given(
    st.binary(max_size=200)
    | st.fixed_dictionaries(
        {"type": st.sampled_from(["bridge_hello", "reply", "transaction", "guarded", "x"])},
        optional={
            "id": st.text(max_size=80) | st.integers(),
            "protocol": st.integers(0, 2) | st.text(max_size=3),
            "token": st.sampled_from(["b-token", "x", ""]) | st.integers(),
            "account": st.integers(-5, 2**70) | st.text(max_size=5),
            "session": st.text(max_size=30),
            "guard": st.booleans() | st.none(),
            "seq": st.integers() | st.floats(),
            "state": st.sampled_from(["watching", "flat", "x"]) | st.none(),
            "data": st.recursive(st.none() | st.integers(), lambda inner: st.lists(inner), max_leaves=5),
        },
    ).map(lambda said: json.dumps(said).encode())
)
async def test_whatever_comes_is_answered_or_passed_on(body: bytes) -> None:
    """Never an exception, at most one answer, and nobody is let in without a right token."""
    world = World.make()
    world.say("a", body)
    assert len(world.sent.get("a", [])) <= 1
    for answer in world.sent.get("a", []):
        bridge.decode_reply(answer)
