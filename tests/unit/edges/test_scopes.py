"""Every operation of every door, and what a token must have for it: what is added without a line here fails.

The tables are the contract (tests/scope_contract.py); the code's own tables are held against them.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from command_path import EA_TOKEN, open_command_path
from protocol.ws.ws_gateway import open_gateway
from scope_contract import ALPHA, CHANNELS, MAY, NONE, REST, SENDERS, WS, message, request_of
from trio.testing import MockClock
from unit.edges.rest.harness import make_world, open_world

from quantmind.domain.tokens import digest_of
from quantmind.edges.ingest import DOMAIN, plain_judge
from quantmind.edges.rest import ROUTES
from quantmind.net.zap import Denied, Granted, ZapRequest
from quantmind.records import Intent
from quantmind.wire import ws_messages
from quantmind.wire.auth import NOBODY, SCOPES, Authenticator, Identity
from quantmind.wire.commands import TYPES, decode
from quantmind.wire.permits import PERMITS, why_not

# --- commands --------------------------------------------------------------------------------------------------------


def test_every_type_of_command_has_a_line() -> None:
    """One that is new is refused until somebody has said what it needs, here and in the code."""
    assert {kind for kind, _ in MAY} == set(TYPES) == set(PERMITS) == set(ALPHA)


@pytest.mark.parametrize(("kind", "execute"), sorted(MAY))
def test_scopes_of_commands(kind: str, execute: bool) -> None:
    """Each type takes its scopes and admin and no other; the refusal names the token and what it lacks."""
    command = decode(json.dumps(message(kind, execute)).encode())
    for scope in (NONE, *SCOPES):
        identity = NOBODY if scope == NONE else Identity(f"the-{scope}", frozenset({scope}))
        refusal = why_not(command, identity)
        assert (refusal is None) == (scope in MAY[kind, execute]), (scope, refusal)
        if refusal is not None:
            assert refusal[0] == ("unauthorized" if scope == NONE else "forbidden")
            assert scope == NONE or (f"the-{scope}" in refusal[1] and "lacks the scope ea" in refusal[1])


@pytest.mark.parametrize("kind", sorted(ALPHA))
def test_bound_to_eas(kind: str) -> None:
    """It speaks for these alone, whatever its scope, and hears which those are."""
    command = decode(json.dumps(message(kind)).encode())
    for scope in ("ea", "admin"):
        for eas, may in (({"alpha"}, True), ({"beta", "gamma"}, False)):
            refusal = why_not(command, Identity("robot", frozenset({scope}), eas=frozenset(eas)))
            assert (refusal is None) == may
            if refusal is not None:
                assert refusal == (
                    "forbidden",
                    "the token robot is bound to the EAs beta, gamma and may not speak for alpha",
                )


@pytest.mark.parametrize("kind", sorted(ALPHA))
async def test_bound_to_brokers(kind: str, autojump_clock: MockClock) -> None:
    """A command that goes elsewhere is forbidden, with what is not, and counted; nobody else's is."""
    async with open_command_path() as path:
        robot = Identity("robot", frozenset({"ea"}), brokers=frozenset({"other"}), digest=digest_of("r-token"))
        ours = Identity("ours", frozenset({"ea"}), brokers=frozenset({"demo"}), digest=digest_of("o-token"))
        path.door.authenticator.replace([robot, ours])
        refused = await path.ask(message(kind, token="r-token", request_id="1"))
        assert (refused["status"], refused["code"]) == ("error", "forbidden")
        assert refused["message"] == "the token robot is bound to the brokers other and may not reach demo"
        assert path.door.authenticator.denials[("zmq", "forbidden", "robot")] == 1
        assert (await path.ask(message(kind, token="o-token", request_id="2"))).get("code") != "forbidden"


async def test_a_token_that_is_over_its_rate(autojump_clock: MockClock) -> None:
    """It is busy and may try again; another token is not held up."""
    async with open_command_path() as path:
        slow = Identity("slow", frozenset({"ea"}), rate_limit_per_s=2, digest=digest_of("slow"))
        path.door.authenticator.replace([slow])
        answers = [await path.ask(message("heartbeat", token="slow")) for _ in range(6)]
        assert [answer["status"] for answer in answers[:2]] == ["success", "success"]
        assert answers[-1]["code"] == "busy"
        assert "the token slow sends more than 2 requests a second" in answers[-1]["message"]
        assert (await path.ask(message("heartbeat", token=EA_TOKEN)))["status"] == "success"


async def test_guessing_over_zeromq(autojump_clock: MockClock) -> None:
    """After ten wrong tokens the eleventh is not looked at, and whoever sends none goes on."""
    async with open_command_path() as path:
        codes = [(await path.ask(message("heartbeat", token=f"guess-{n}")))["code"] for n in range(12)]
        assert codes == ["unauthorized"] * 10 + ["busy"] * 2
        assert (await path.ask(message("heartbeat")))["status"] == "success"


# --- REST ------------------------------------------------------------------------------------------------------------

BOUND = "bound-token-of-other-0123456789"
EAS = "bound-token-of-alpha-0123456789"


def test_every_route_has_a_line() -> None:
    """With its scope, in both tables."""
    assert {route.endpoint: route.scope for route in ROUTES} == {name: scope for name, (scope, _) in REST.items()}
    rules = {rule.rule for rule in make_world().app.url_map.iter_rules()}
    assert rules == {name.split(" ", 1)[1] for name in REST}


def bind(world: Any) -> None:
    every = frozenset(SCOPES)
    world.context.authenticator.replace(
        [
            Identity("branch", every, brokers=frozenset({"other"}), digest=digest_of(BOUND)),
            Identity("robot", every, eas=frozenset({"alpha"}), digest=digest_of(EAS)),
        ]
    )


async def ask(world: Any, endpoint: str, token: str, *, broker: str = "demo") -> tuple[int, Any]:
    method, path, data = request_of(endpoint, broker=broker)
    headers = {"X-Token": token, "Content-Type": "application/json"}
    response = await world.app.test_client().open(path, method=method, headers=headers, data=data)
    data = await response.get_data()
    return response.status_code, json.loads(data) if "json" in response.content_type else data.decode()


@pytest.mark.parametrize("endpoint", [name for name, (_, kind) in REST.items() if kind not in ("open", "record")])
async def test_routes_and_tokens_that_are_bound_to_brokers(endpoint: str) -> None:
    """Another broker is forbidden by name wherever it is named; the token's own is not; nothing was done."""
    kind = REST[endpoint][1]
    async with open_world(brokers=("demo", "other")) as world:
        bind(world)
        status, problem = await ask(world, endpoint, BOUND)
        if kind == "shows":
            assert [broker["broker"] for broker in problem["brokers"]] == ["other"]
            return
        if kind == "figures":
            assert 'broker="other"' in problem
            assert "demo" not in problem
            return
        if kind == "command":
            return  # judged behind the door, see test_bound_to_brokers
        assert (status, problem["code"]) == (403, "forbidden")
        assert "the token branch is bound to" in problem["detail"]
        assert BOUND not in json.dumps(problem)
        assert world.commands == []
        assert world.states == []
        assert world.context.authenticator.denials == {("http", "forbidden", "branch"): 1}
        if kind != "whole":
            assert (await ask(world, endpoint, BOUND, broker="other"))[0] != 403


@pytest.mark.parametrize("endpoint", ["GET /risk", "GET /symbols", "GET /state", "GET /journal", "GET /eas"])
async def test_lists_show_a_bound_token_its_brokers(endpoint: str) -> None:
    """Without naming one it sees what is of its own."""
    async with open_world(brokers=("demo", "other")) as world:
        bind(world)
        response = await world.app.test_client().get(endpoint.split(" ")[1], headers={"X-Token": BOUND})
        assert response.status_code == 200
        text = (await response.get_data()).decode()
        assert '"broker":"demo"' not in text


@pytest.mark.parametrize("endpoint", [name for name, (scope, _) in REST.items() if scope == "admin"])
async def test_who_speaks_for_eas_does_not_act_on_accounts(endpoint: str) -> None:
    """Also with the scope admin: an account is more than its EAs."""
    async with open_world(brokers=("demo", "other")) as world:
        bind(world)
        status, problem = await ask(world, endpoint, EAS)
        assert (status, problem["code"]) == (403, "forbidden")
        assert "the token robot is bound to EAs" in problem["detail"]
        assert world.states == []


async def test_who_did_it_is_the_name_of_the_token() -> None:
    """At every operation that changes something: what the record gets is the name, not the scope and not a header."""
    long = "qm_" + "k" * 43
    headers = {"X-Token": long, "Content-Type": "application/json", "By": "somebody"}
    async with open_world() as world:
        world.context.authenticator.replace([Identity("desk", frozenset({"admin"}), digest=digest_of(long))])
        body = {"type": "trade_open", "magic": 7, "symbol": "EURUSD", "execute": True}
        await world.context.journal.append([Intent("o1", "demo", "alpha", 7, "EURUSD", "o1", "f", body, 1.0)])
        client = world.app.test_client()

        async def send(method: str, path: str, **fields: Any) -> Any:
            response = await client.open(path, method=method, headers=headers, data=json.dumps(fields).encode())
            return json.loads(await response.get_data())

        await send("POST", "/risk/state", state="halted", reason="x")
        assert world.states[-1].by == "desk"
        await send("PUT", "/risk/baseline", broker="demo", balance=1, equity=1, reason="x")
        assert world.baselines[-1].by == "desk"
        adopted = await send("POST", "/brokers/demo/drift/adopt", reason="x")
        assert adopted["adopted"][0]["by"] == "desk"
        await send("POST", "/orders/o1/settle", outcome="filled", ticket=5, reason="x")
        assert world.settlements[-1].by == "desk"
        said = await send("PUT", "/state", mandate={"mode": "none"}, reason="x")
        assert said["mandate"]["by"] == "desk", said
        await send("POST", "/command", ea_name="alpha", **ALPHA["heartbeat"], type="heartbeat")
        assert world.commands[-1].identity.name == "desk"


async def test_guessing_over_http() -> None:
    """The eleventh wrong token within a minute hears 429 with when to try again; a long right one passes."""
    long = "qm_" + "k" * 43
    async with open_world() as world:
        world.context.authenticator.replace([Identity("desk", frozenset({"read"}), digest=digest_of(long))])
        client = world.app.test_client()
        statuses = [(await client.get("/status", headers={"X-Token": f"guess-{n}"})).status_code for n in range(12)]
        assert statuses == [401] * 10 + [429] * 2
        response = await client.get("/status", headers={"X-Token": "guess"})
        assert 1 <= int(response.headers["Retry-After"]) <= 61
        assert (await client.get("/status", headers={"X-Token": long})).status_code == 200
        assert (await client.get("/health")).status_code == 200


async def test_a_rate_over_http() -> None:
    """429 with Retry-After, whatever the route."""
    async with open_world() as world:
        slow = Identity("slow", frozenset({"read"}), rate_limit_per_s=2, digest=digest_of("slow"))
        world.context.authenticator.replace([slow])
        client = world.app.test_client()
        answers = [await client.get("/", headers={"X-Token": "slow"}) for _ in range(6)]
        assert answers[0].status_code == 200
        assert answers[-1].status_code == 429
        assert answers[-1].headers["Retry-After"] == "1"
        assert "the token slow" in json.loads(await answers[-1].get_data())["detail"]


# --- WebSocket -------------------------------------------------------------------------------------------------------


def test_every_message_has_a_line() -> None:
    """A new one is thought of."""
    assert {kind.__name__ for kind in ws_messages.ClientMessage.__args__} - {"WsFault"} == set(WS)


@pytest.mark.parametrize(
    ("token", "code"), [(None, "unauthorized"), ("good-token", None), ("all-token", None), ("ea-token", "forbidden")]
)
@pytest.mark.parametrize("channel", CHANNELS)
async def test_channels(token: str | None, code: str | None, channel: str) -> None:
    """Each needs the scope read."""
    headers = None if token is None else {"Authorization": f"Bearer {token}"}
    async with open_gateway() as gateway, gateway.connect(headers) as client:
        answer = await client.ask({"type": "subscribe", "channels": [channel]})
        assert answer.get("code") == code


# --- ingestion -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", SCOPES)
def test_ticks_need_the_scope_bridge(scope: str) -> None:
    """And the broker that they are for."""
    identity = Identity("t", frozenset({scope}), brokers=frozenset({"demo"}), digest=digest_of("s"))
    judge = plain_judge(Authenticator({}, identities=[identity]), ["demo", "other"])
    granted = isinstance(judge(ZapRequest(DOMAIN, "127.0.0.1", "PLAIN", (b"demo", b"s"))), Granted)
    assert granted == (scope in SENDERS)
    assert not isinstance(judge(ZapRequest(DOMAIN, "127.0.0.1", "PLAIN", (b"other", b"s"))), Granted)


def test_guessing_at_the_door_for_ticks() -> None:
    """After ten wrong tokens a peer is not let in for a while, and may try again; a long right one is."""
    long = "qm_" + "k" * 43
    identity = Identity("t", frozenset({"bridge"}), brokers=frozenset({"demo"}), digest=digest_of(long))
    judge = plain_judge(Authenticator({}, identities=[identity]), ["demo"])
    verdicts = [judge(ZapRequest(DOMAIN, "10.0.0.9", "PLAIN", (b"demo", b"guess"))) for _ in range(11)]
    assert verdicts == [Denied("unknown_token")] * 10 + [Denied("too_many_wrong", again=True)]
    assert isinstance(judge(ZapRequest(DOMAIN, "10.0.0.9", "PLAIN", (b"demo", long.encode()))), Granted)
