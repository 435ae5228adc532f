"""The tries of the matrix: every operation of every door as everybody, each with what must come of it."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
from gateway_process import TOKEN, GatewayProcess
from other_place import OtherPlace, run_program
from scope_contract import CHANNELS, COMMAND_ROUTES, MAY, REST, message, request_of
from security.who_may import (
    FORBIDDEN,
    HELD,
    SHUT,
    UNAUTHORIZED,
    YES,
    Who,
    let_in,
    may_ask,
    may_feed,
    may_send,
    may_subscribe,
)

from quantmind.client.rest import RestClient
from quantmind.net.zmq import curve_pair

WALKER = Path(__file__).with_name("walker.py")
_numbers = itertools.count(1)


@attrs.frozen
class Site:
    """A gateway, and from where it is walked."""

    gateway: GatewayProcess
    place: OtherPlace | None
    """None: from loopback."""
    ca: Path | None
    server_key: str
    desk: tuple[str, str]
    """The pair of a client that may connect by CURVE."""
    position: int
    pending: int
    order_id: str
    request_id: str

    @property
    def open(self) -> bool:
        """Whether there are doors that ask nobody for a token."""
        return self.place is None

    def walk(self, tries: list[Try]) -> list[Any]:
        """Try them all, from there."""
        given = [one.given for one in tries]
        return run_program(WALKER, given) if self.place is None else self.place.run(WALKER, given)

    def get(self, path: str) -> Any:
        with RestClient(self.gateway.addresses["rest"], TOKEN, ca=self.ca) as client:
            return client.get(path)


@attrs.frozen
class Try:
    """One operation, and what must come of it; lists where one connection carries several."""

    label: str
    given: dict[str, Any]
    expected: Any


# --- what comes of an operation, in the words of the contract --------------------------------------------------------

DONE = frozenset({200, 400, 404, 409, 422})
MALFORMED = frozenset(
    {"invalid_json", "invalid_message", "unknown_field", "unknown_type", "invalid_query", "content_type"}
)
_REFUSALS = {"unauthorized": UNAUTHORIZED, "forbidden": FORBIDDEN, "busy": HELD, "rate_limited": HELD}


def heard(code: str) -> str:
    """What an answer's code or status says: a request that was let through, or why not."""
    return f"a broken request: {code}" if code in MALFORMED else _REFUSALS.get(code, YES)


def outcome(given: dict[str, Any], came: Any) -> Any:
    """What the walker saw, as one word for each operation."""
    door = given["door"]
    if door == "http":
        status, code = came["status"], came["code"]
        by_status = {401: UNAUTHORIZED, 403: FORBIDDEN, 429: HELD}.get(status)
        if by_status is not None:
            return by_status if heard(code) == by_status else f"{status} {code}"
        return heard(str(code)) if status in DONE else f"{status} {code}"
    if door == "ws":
        if came["close"] is not None:
            return {4001: UNAUTHORIZED, 4029: HELD}.get(came["close"], came)
        return [heard(code) for code in came["answers"]]
    if door == "together":
        return [outcome(each, one) for each, one in zip(given["tries"], came, strict=True)]
    if door == "commands" and came != SHUT:
        return [heard(code) for code in came]
    return YES if came in ("ticks", "listens") else came


def differ(tries: list[Try], came: list[Any]) -> list[str]:
    """What came out otherwise than it must."""
    wrong = []
    for one, saw in zip(tries, came, strict=True):
        got = outcome(one.given, saw)
        if got != one.expected:
            wrong.append(f"{one.label}: expected {one.expected}, got {got} ({json.dumps(saw)[:300]})")
    return wrong


# --- the table -------------------------------------------------------------------------------------------------------


def http(site: Site, who: Who, method: str, path: str, body: bytes | None, expected: str, label: str = "") -> Try:
    headers = {} if who.token is None else {"X-Token": who.token}
    given = {
        "door": "http",
        "url": site.gateway.addresses["rest"],
        "method": method,
        "path": path,
        "headers": headers,
        "body": None if body is None else body.decode(),
        "ca": None if site.ca is None else str(site.ca),
    }
    return Try(f"{who.name}: {method} {path} {label}", given, expected)


def command(kind: str, execute: bool, broker: str, token: str | None = None) -> dict[str, Any]:
    """A command under a request_id of its own, in time."""
    fresh = {"request_id": f"m-{next(_numbers)}", "expires_at": time.time() + 50} if execute else {}
    return message(kind, execute, broker=broker, **fresh, **({} if token is None else {"token": token}))


def over_rest(site: Site, who: Who) -> Iterator[Try]:
    """Every route, and every command by the routes that take them; for who is bound to a broker also its own."""
    for broker in ("demo", *who.brokers & {"other"}):
        for endpoint in REST:
            if endpoint in COMMAND_ROUTES:
                continue
            if broker != "demo" and REST[endpoint][1] in ("open", "shows", "figures", "record", "whole"):
                continue
            position, pending = (site.position, site.pending) if broker == "demo" else (100, 101)
            method, path, body = request_of(
                endpoint, broker=broker, ticket=position, order=pending,
                order_id=site.order_id, request_id=site.request_id,
            )  # fmt: skip
            yield http(site, who, method, path, body, may_ask(who, endpoint, broker=broker), f"for {broker}")
        for endpoint, (kind, execute) in itertools.product(COMMAND_ROUTES, sorted(MAY)):
            expected = may_ask(who, endpoint)
            if expected == YES:
                expected = may_send(who, kind, execute, broker=broker)
            method, path = endpoint.split(" ")
            body = json.dumps(command(kind, execute, broker)).encode()
            yield http(site, who, method, path, body, expected, f"{kind} execute={execute} for {broker}")


WS_MESSAGES: dict[str, dict[str, Any]] = {
    "PingMessage": {"type": "ping"},
    "GetSymbols": {"type": "get_symbols"},
    "SubscribeMessage": {"type": "subscribe", "symbols": ["EURUSD@demo"]},
    "UnsubscribeMessage": {"type": "unsubscribe"},
    **{f"SubscribeMessage {name}": {"type": "subscribe", "channels": [name]} for name in CHANNELS},
}
"""In this order on one connection; `auth` comes last."""


def over_websocket(site: Site, who: Who) -> Try:
    """Every message and every channel, on one connection."""
    expected: Any = [may_subscribe(who, name, required=not site.open) for name in WS_MESSAGES]
    messages = list(WS_MESSAGES.values())
    if who.token is not None:
        expected.append(YES)
        messages.append({"type": "auth", "token": who.token})
    if who.token is not None and not who.stands:
        expected = UNAUTHORIZED
    return websocket(site, who, messages, expected)


def websocket(site: Site, who: Who, messages: list[dict[str, Any]], expected: Any) -> Try:
    given = {
        "door": "ws",
        "url": site.gateway.addresses["websocket"],
        "token": who.token,
        "messages": messages,
        "ca": None if site.ca is None else str(site.ca),
    }
    return Try(f"{who.name}: WebSocket", given, expected)


def zmq_try(site: Site, who: Who, door: str, address: str, login: Any, expected: Any, **more: Any) -> Try:
    given = {"door": door, "address": site.gateway.addresses[address], "login": login, **more}
    how = "null" if login is None else " ".join(str(each) for each in (*login, *login.get("plain", ())[:1]))
    return Try(f"{who.name}: {address} by {how}", given, expected)


def curve(site: Site, pair: tuple[str, str]) -> dict[str, Any]:
    return {"curve": [site.server_key, *pair]}


def commands_over_zmq(site: Site, who: Who) -> Iterator[Try]:
    """Every command by NULL, by PLAIN as each user, and by CURVE."""
    brokers = ("demo", *who.brokers & {"other"})
    for broker in brokers:
        said = [command(kind, execute, broker, who.token) for kind, execute in sorted(MAY)]
        for address, login, needs_token in (
            *([("commands", None, False)] if site.open else []),
            ("commands_curve", curve(site, site.desk), True),
        ):
            expected = [may_send(who, *each, broker=broker, needs_token=needs_token) for each in sorted(MAY)]
            yield zmq_try(site, who, "commands", address, login, expected, messages=said)
        for user in ("ea", "bridge", "owner"):
            login = None if who.token is None else {"plain": [user, who.token]}
            said = [command(kind, execute, broker) for kind, execute in sorted(MAY)]
            inside = [may_send(who, *each, broker=broker, needs_token=True) for each in sorted(MAY)]
            expected = inside if let_in(who, "commands", user) else SHUT
            yield zmq_try(site, who, "commands", "commands_plain", login, expected, messages=said)


def ticks_over_zmq(site: Site, who: Who) -> Iterator[Try]:
    """What is published, and what is sent in, by each mechanism."""
    topic = "tick.demo"
    if site.open:
        yield zmq_try(site, who, "publish", "publish", None, YES, topic=topic)
    for user in ("ea", "bridge", "owner"):
        login = None if who.token is None else {"plain": [user, who.token]}
        expected = YES if let_in(who, "publish", user) else SHUT
        yield zmq_try(site, who, "publish", "publish_plain", login, expected, topic=topic)
    for address in (*(["ingest"] if site.open else []), "ingest_plain"):
        for broker in ("fed", "fed2", "demo"):
            login = None if who.token is None else {"plain": [broker, who.token]}
            expected = YES if may_feed(who, broker) and broker != "demo" else SHUT
            yield zmq_try(site, who, "ingest", address, login, expected, symbol="EURUSD")


def by_key(site: Site) -> Iterator[Try]:
    """CURVE asks for a key, and lets nobody in by another mechanism; nor does PLAIN."""
    stranger, heartbeat = curve_pair(), [command("heartbeat", False, "demo", TOKEN)]
    for who, login, expected in (
        (Who("desk"), curve(site, site.desk), YES),
        (Who("stranger"), curve(site, stranger), SHUT),
        (Who("desk that takes another for the gateway"), {"curve": [stranger[0], *site.desk]}, SHUT),
        (Who("owner by PLAIN"), {"plain": ["ea", TOKEN]}, SHUT),
        (Who("owner by NULL"), None, SHUT),
    ):
        inside = [YES] if expected == YES else SHUT
        yield zmq_try(site, who, "commands", "commands_curve", login, inside, messages=heartbeat)
        yield zmq_try(site, who, "publish", "publish_curve", login, expected, topic="tick.demo")
    for address in ("commands_plain", "publish_plain", "ingest_plain"):
        door = address.partition("_")[0]
        more = {"messages": heartbeat, "topic": "tick.demo", "symbol": "EURUSD"}
        yield zmq_try(site, Who("desk by CURVE"), door, address, curve(site, site.desk), SHUT, **more)
