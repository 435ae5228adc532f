"""Every door and every operation against every scope and none, on real sockets, from here and from another address.

Two gateways run as processes of their own: one on loopback, with everything that a door may be there (HTTP and
WebSocket in clear text, ZeroMQ by NULL, and endpoints by PLAIN and CURVE beside), and one on an address of this machine
that others reach, as docs/encryption.md demands it (TLS and `auth: required`; PLAIN and CURVE). The first is walked
from loopback, the second from a network namespace that a pair of interfaces joins to this one. What must come of each
operation is said by tests/scope_contract.py, which also binds the code's own tables (tests/unit/edges/test_scopes.py):
a route, a command or a message that has no line there fails.

Covered: all REST routes; every type of command, with and without `execute`, over POST /command, POST /, and ZeroMQ by
NULL, PLAIN and CURVE; every WebSocket message and channel; subscriptions to what is published, and ticks sent in, by
each mechanism. As whom: nobody, each scope alone, a token for another EA, one for another broker, one that has expired,
a wrong one; foreign CURVE keys. Besides: guessing (an address that tried ten wrong tokens is held at all doors, a long
right token passes, another address is not held); that a gateway on loopback can't be reached from elsewhere; that one
which is reached from elsewhere without encryption, or without asking for tokens, does not start; and that no order on
record is of a token that may not send it.

Not covered here: what a token sees in each answer (the unit tests of the routes do that; here is one look at each list
with a token of another broker), web pages (test_other_origin.py), rates.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import pytest
from certificates import Authority, needs_openssl
from gateway_process import TOKEN, GatewayProcess, quantmind, running, until, write_config
from other_place import OtherPlace, other_place
from scope_contract import ALPHA, MAY, REST, WS
from security.tries import (
    WALKER,
    WS_MESSAGES,
    Site,
    Try,
    by_key,
    command,
    commands_over_zmq,
    curve,
    differ,
    http,
    over_rest,
    over_websocket,
    ticks_over_zmq,
    websocket,
    zmq_try,
)
from security.who_may import (
    BRANCH,
    CONFIGURED,
    ENDED,
    FORBIDDEN,
    HELD,
    NOBODY,
    READ,
    SHORT,
    SHUT,
    STANDING,
    UNAUTHORIZED,
    WRONG,
    YES,
    may_ask,
    may_send,
)

from quantmind.client.rest import RestClient
from quantmind.wire.brake import MOST_WRONG

pytestmark = needs_openssl

WALK = {
    "type": "mt5_mock",
    "symbols": {"EURUSD": {}},
    "feed": {"type": "random_walk", "seed": 1, "ticks_per_s": 50},
    "initial_balance": 1_000_000,
}
FED = {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "feed": {"type": "ingest"}}
BROKERS = {"demo": WALK, "other": WALK, "fed": FED, "fed2": FED}
EVERY = (NOBODY, ENDED, *STANDING)


# --- the gateways ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place() -> Iterator[OtherPlace]:
    with other_place() as made:
        yield made


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("ca"))


def secured(host: str, keys: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Endpoints for commands and for data that ask who comes."""
    plain = {"host": host, "port": 0, "mechanism": "plain"}
    by_keys = {
        "host": host,
        "port": 0,
        "mechanism": "curve",
        "curve_server_key": str(keys / "server.key_secret"),
        "curve_clients_dir": str(keys / "clients"),
    }
    return [plain, by_keys], [plain, by_keys, {**plain, "serves": "ingest"}]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("keys")
    config = write_config(folder, BROKERS)
    made = quantmind(config, "keys", "--out", str(folder), "--client", "desk", "--json")
    assert made.returncode == 0, made.stderr
    return {"folder": folder, **{each["name"]: each for each in json.loads(made.stdout)["keys"]}}


def configured(folder: Path, host: str, keys: dict[str, Any], **doors: Any) -> Path:
    """A configuration with all the tokens."""
    commands, data = secured(host, keys["folder"])
    config = write_config(
        folder,
        BROKERS,
        commands={"secure": commands},
        data={"secure": data, "ingest_port": 0},
        account_interval_ms=50,
        **doors,
    )
    text = json.loads(config.read_text(encoding="utf-8"))
    text["tokens"] = {who.name: who.configured for who in CONFIGURED}
    text["risk"] = {"accounts": {"default": {"max_open_positions": 100_000}}}
    config.write_text(json.dumps(text), encoding="utf-8")
    return config


def settled_in(gateway: GatewayProcess, place: OtherPlace | None, ca: Path | None, keys: dict[str, Any]) -> Site:
    """Wait until it trades, and give it a position, a pending order and an order on record."""
    with RestClient(gateway.addresses["rest"], TOKEN, ca=ca) as client:
        until(lambda: all(each["trading"]["state"] == "active" for each in client.get("/status")["brokers"][:2]))
        until(lambda: client.get("/ticks/EURUSD@other"))
        order = {"broker": "demo", "symbol": "EURUSD", "action_type": "BUY", "volume": 1.0}
        opened = client.send("POST", "/trade", order, key="the-first")
        waiting = client.send(
            "POST", "/trade", {**order, "volume": 0.01, "order_type": "limit", "price": 0.5}, key="the-second"
        )
    secret = Path(keys["desk"]["secret_file"]).read_text(encoding="utf-8")
    own = secret.partition('secret-key = "')[2].partition('"')[0]
    return Site(
        gateway=gateway,
        place=place,
        ca=ca,
        server_key=keys["server"]["public_key"],
        desk=(keys["desk"]["public_key"], own),
        position=opened["ticket"],
        pending=waiting["ticket"],
        order_id=opened["order_id"],
        request_id="the-first",
    )


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, Any]) -> Iterator[Site]:
    """A gateway on loopback, walked from there."""
    with running(configured(tmp_path_factory.mktemp("near"), "127.0.0.1", keys)) as gateway:
        yield settled_in(gateway, None, None, keys)


@pytest.fixture(scope="module")
def far(
    tmp_path_factory: pytest.TempPathFactory, keys: dict[str, Any], place: OtherPlace, authority: Authority
) -> Iterator[Site]:
    """A gateway that others reach, walked from there."""
    issued = authority.issue(names=f"IP:{place.here}")
    config = configured(
        tmp_path_factory.mktemp("far"),
        place.here,
        keys,
        tls={"certificate": str(issued.certificate), "key": str(issued.key)},
        websocket={"host": place.here, "auth": "required"},
        rest={"host": place.here, "hosts": [place.here]},
    )
    with running(config) as gateway:
        yield settled_in(gateway, place, authority.file, keys)


@pytest.fixture(params=["near", "far"])
def site(request: pytest.FixtureRequest) -> Site:
    return request.getfixturevalue(request.param)


# --- the walks -------------------------------------------------------------------------------------------------------


def test_the_table_is_whole() -> None:
    """Every WebSocket message is tried, and every command and identity has its outcome for each door."""
    assert {name.partition(" ")[0] for name in WS_MESSAGES} | {"AuthMessage"} == set(WS)
    assert {kind for kind, _ in MAY} == set(ALPHA)
    assert {may_send(who, *each) for who in EVERY for each in MAY} == {YES, UNAUTHORIZED, FORBIDDEN}
    assert {may_ask(who, each) for who in EVERY for each in REST} == {YES, UNAUTHORIZED, FORBIDDEN}


def test_every_operation_as_everybody(site: Site) -> None:
    """Each door does for each token what the contract says, and nothing else."""
    tries = [
        one
        for who in EVERY
        for one in (
            *over_rest(site, who),
            over_websocket(site, who),
            *commands_over_zmq(site, who),
            *ticks_over_zmq(site, who),
        )
    ]
    tries += by_key(site)
    fed = site.get("/status")["ingest"]["accepted"].get("fed", 0)
    assert differ(tries, site.walk(tries)) == []
    until(lambda: site.get("/status")["ingest"]["accepted"]["fed"] > fed)
    assert on_record(site) == {
        **{name: {"demo"} for name in ("owner", "ea", "trade", "admin")},
        "branch": {"other"},
    }


def on_record(site: Site) -> dict[str, set[str]]:
    """Whose orders went out, and to which brokers, as the journal has it."""
    decided: dict[str, str] = {}
    sent: dict[str, set[str]] = {}
    after = 0
    while after is not None:
        page = site.get(f"/journal?kind=decision,intent&limit=1000&after={after}")
        for line in page["items"]:
            if line["kind"] == "decision":
                decided[line["order_id"]] = line["body"]["by"]
            else:
                sent.setdefault(decided[line["order_id"]], set()).add(line["broker"])
        after = page["next"]
    return sent


def test_lists_of_another_broker(site: Site) -> None:
    """Where no broker is named, a token that is bound to one sees nothing of the others."""
    asked = [name for name, (scope, kind) in REST.items() if scope == "read" and kind in ("query", "shows", "figures")]
    tries = [http(site, BRANCH, "GET", name.removeprefix("GET "), None, YES) for name in asked]
    seen = site.walk(tries)
    assert differ(tries, seen) == []
    for name, one in zip(asked, seen, strict=True):
        said = json.dumps(one["said"]).replace("\\", "")
        assert '"broker": "demo"' not in said, name
        assert 'broker="demo"' not in said, name
    assert [each["broker"] for each in seen[asked.index("GET /status")]["said"]["brokers"]] == ["other"]


def guesses(site: Site) -> list[Try]:
    """Ten wrong tokens over HTTP, and then each door."""
    status = ("GET", "/status", None)
    beat = [command("heartbeat", False, "demo", WRONG.token)]
    tries = [http(site, WRONG, *status, UNAUTHORIZED) for _ in range(MOST_WRONG)]
    for who, expected in ((WRONG, HELD), (ENDED, HELD), (SHORT, HELD), (READ, YES)):
        tries.append(http(site, who, *status, expected))
        tries.append(websocket(site, who, [{"type": "ping"}], [YES] if expected == YES else expected))
    tries.append(http(site, NOBODY, "GET", "/health", None, YES))
    kept_out = [
        zmq_try(site, WRONG, "commands", "commands_plain", {"plain": ["ea", WRONG.token]}, SHUT, messages=beat),
        zmq_try(site, WRONG, "publish", "publish_plain", {"plain": ["ea", WRONG.token]}, SHUT, topic="tick.demo"),
        zmq_try(site, WRONG, "ingest", "ingest_plain", {"plain": ["fed", WRONG.token]}, SHUT, symbol="EURUSD"),
        zmq_try(site, SHORT, "publish", "publish_plain", {"plain": ["ea", SHORT.token]}, SHUT, topic="tick.demo"),
        zmq_try(site, READ, "publish", "publish_plain", {"plain": ["ea", READ.token]}, YES, topic="tick.demo"),
    ]
    given = {"door": "together", "tries": [one.given for one in kept_out]}
    tries.append(Try("PLAIN while held", given, [one.expected for one in kept_out]))
    by_message = [command("heartbeat", False, "demo", f"{WRONG.token}{n}") for n in range(MOST_WRONG + 2)]
    codes = [UNAUTHORIZED] * MOST_WRONG + [HELD] * 2
    login = curve(site, site.desk)
    tries.append(zmq_try(site, WRONG, "commands", "commands_curve", login, codes, messages=by_message))
    ours = [command("heartbeat", False, "demo", STANDING[1].token)]
    tries.append(zmq_try(site, STANDING[1], "commands", "commands_curve", login, [YES], messages=ours))
    return tries


def test_guessing(site: Site) -> None:
    """After ten wrong tokens an address is held at every door, but for a right token that nobody can guess.

    Another address is not.
    """
    tries = guesses(site)
    assert differ(tries, site.walk(tries)) == []
    denied = site.get("/status")["tokens"]["denied"]
    assert {"http.too_many_wrong", "ws.too_many_wrong", "ingest.too_many_wrong", "zmq.too_many_wrong"} <= denied.keys()
    if site.place is not None:
        # Who guesses elsewhere does not keep this machine's own programs out.
        tries = [http(site, SHORT, "GET", "/status", None, YES)]
        assert differ(tries, attrs.evolve(site, place=None).walk(tries)) == []


# --- what is not reached ---------------------------------------------------------------------------------------------


def test_a_gateway_on_loopback_is_not_reached_from_elsewhere(near: Site, place: OtherPlace) -> None:
    """Not at this machine's address, and not at the other place's own loopback."""
    ports = {name: urlsplit(address).port for name, address in near.gateway.addresses.items()}
    assert len(ports) >= 10
    tries = [
        Try(f"{name} at {host}", {"door": "tcp", "host": host, "port": port}, "refused")
        for name, port in ports.items()
        for host in (place.here, "127.0.0.1")
    ]
    came = place.run(WALKER, [one.given for one in tries])
    assert differ(tries, came) == []
    # The place does reach this machine: what refuses is no wall between them.
    with socket.create_server((place.here, 0)) as listening:
        given = {"door": "tcp", "host": place.here, "port": listening.getsockname()[1]}
        assert place.run(WALKER, [given]) == ["open"]


def test_doors_for_others_without_encryption(tmp_path: Path, place: OtherPlace) -> None:
    """The gateway does not start; it names every door, and says of each what is missing."""
    doors = ("websocket", "rest", "commands", "data")
    ran = quantmind(write_config(tmp_path, {"demo": WALK}, **{door: {"host": place.here} for door in doors}), "run")
    assert ran.returncode == 2
    for door in doors:
        (line,) = (line for line in ran.stderr.splitlines() if f"gateway.{door}.host" in line)
        assert ("gateway.tls.certificate" if door in ("websocket", "rest") else "under secure") in line


def test_doors_for_others_that_ask_nobody(tmp_path: Path, place: OtherPlace, authority: Authority) -> None:
    """Encryption alone is not enough: the feed asks each client for a token, and HTTP is told its names."""
    issued = authority.issue("bare", names=f"IP:{place.here}")
    tls = {"certificate": str(issued.certificate), "key": str(issued.key)}
    ran = quantmind(
        write_config(tmp_path, {"demo": WALK}, tls=tls, websocket={"host": place.here}, rest={"host": place.here}),
        "run",
    )
    assert ran.returncode == 2
    assert "set gateway.websocket.auth: required" in ran.stderr
    assert "gateway.rest.hosts has no name" in ran.stderr
