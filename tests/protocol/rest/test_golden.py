"""Requests and their answers, byte for byte over a real socket: the contract of the REST door.

In a file, these stand for whatever fits: `<any>`, `<int>`, `<number>`, `<str>`, `<time>`, `<hex32>`, `<hex64>`.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from unit.edges.rest.harness import OWNER, World, open_server, request

from actors.halts import Halt
from actors.known import Asked
from actors.messages import SettleOrder
from quantmind.adapters.journal import reading
from quantmind.domain.order_life import KnownBy, OrderState
from quantmind.domain.risk import TradingState
from quantmind.edges.rest import ROUTES
from quantmind.records import Decision, Intent, Record, Settled

CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in sorted((Path(__file__).parent / "golden").glob("*.json"))
    for case in json.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
]
FITS = {
    "<any>": lambda _: True,
    "<int>": lambda value: type(value) is int,
    "<number>": lambda value: type(value) in (int, Decimal),
    "<str>": lambda value: isinstance(value, str) and value != "",
    "<time>": lambda value: re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value) is not None,
    "<hex64>": lambda value: re.fullmatch(r"[0-9a-f]{64}", value) is not None,
    "<hex32>": lambda value: re.fullmatch(r"[0-9a-f]{32}", value) is not None,
}


def differences(wanted: Any, got: Any, where: str = "$") -> list[str]:
    """Where `got` is not what the file says."""
    if isinstance(wanted, str) and wanted in FITS:
        return [] if FITS[wanted](got) else [f"{where}: {got!r} is no {wanted}"]
    if isinstance(wanted, dict) and isinstance(got, dict):
        found = [f"{where}: {key} is missing" for key in wanted.keys() - got.keys()]
        found += [f"{where}: {key} is not in the file" for key in got.keys() - wanted.keys()]
        return found + [
            each for key in wanted.keys() & got.keys() for each in differences(wanted[key], got[key], f"{where}.{key}")
        ]
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        return [
            each for n, pair in enumerate(zip(wanted, got, strict=True)) for each in differences(*pair, f"{where}[{n}]")
        ]
    return [] if wanted == got and type(wanted) is type(got) else [f"{where}: {got!r} is not {wanted!r}"]


def prepare(world: World, given: dict[str, Any]) -> None:
    """Make the world that a case takes place in."""
    if given.get("tick"):
        world.put_tick(age_s=float(given.get("tick_age_s", 0)))
    if given.get("sample"):
        world.put_sample(positions=given.get("positions", 2), orders=given.get("orders", 0))
    if "deals" in given:
        world.put_deals(deals=given["deals"])
    if "bars" in given:
        world.put_bars(minutes=given["bars"])
    if "journal" in given:
        world.context.log.put(given["journal"])
    world.context.log.down = given.get("journal_down")
    if given.get("eas"):
        world.put_eas()
    if given.get("router"):
        world.put_router()
    world.store.fails = given.get("store_fails")
    for _ in range(given.get("clients", 0)):
        world.put_client()
    link = world.boards.links.of("demo")
    link.feed, link.feed_error = given.get("feed", link.feed), given.get("feed_error")
    if "reply" in given:
        world.reply = lambda _: dict(given["reply"])
    if "adopt_reply" in given:
        world.adopt_reply = lambda _: dict(given["adopt_reply"])
    if "risk" in given:
        world.put_risk(**given["risk"])
    if "baseline_reply" in given:
        world.baseline_reply = lambda _: dict(given["baseline_reply"])
    for rule, cause in given.get("holds", {}).items():
        world.boards.halts.hold("demo", rule, Halt(TradingState.HALTED, cause, 1795424400.123))
    if "state_reply" in given:
        world.state_reply = lambda _: dict(given["state_reply"])


def record_of(told: dict[str, Any]) -> Record:
    """A record of the journal as a file writes it."""
    kind, fields = next(iter(told.items()))
    fields = {**fields, "at": float(fields.get("at", 1795424400))}
    if kind == "settled":
        state, known_by = OrderState(fields["state"]), KnownBy(fields.get("known_by", "answer"))
        return Settled(**{**fields, "state": state, "known_by": known_by})
    common = {
        "broker": "demo",
        "ea_name": "alpha",
        "magic": 7,
        "symbol": "EURUSD",
        "fingerprint": "f",
        "at": 1795424400,
    }
    return {"intent": Intent, "decision": Decision}[kind](**{**common, **fields})


async def write_records(world: World, given: dict[str, Any]) -> None:
    """What the journal has, and what is in memory."""
    await world.context.journal.append([record_of(told) for told in given.get("records", ())])
    world.context.journal.fails = given.get("journal_down")
    for told in given.get("in_flight", ()):
        asked = Asked("demo", told["body"], 1795424400)
        world.context.known.begin((told["ea_name"], told["request_id"]), "f", asked)
    settle_reply = given.get("settle_reply")
    if settle_reply == "as asked":
        world.settle_reply = lambda word: settled_as(world, word)
    elif settle_reply is not None:
        world.settle_reply = lambda _: dict(settle_reply)


def settled_as(world: World, word: SettleOrder) -> dict[str, Any]:
    """What an executor that takes the word answers."""
    record = reading.order(world.context.journal.connection, word.order_id)
    assert record is not None
    reply = {"status": "success", "approved": True, "ticket": word.ticket, "price": word.price}
    return {
        "status": "success",
        "record": attrs.evolve(record, state=word.state, known_by=KnownBy.PERSON, reply=reply, settled_at=1795424401.5),
    }


@pytest.mark.parametrize("case", CASES)
async def test_answer_is_as_the_file_says(case, monkeypatch):
    """Status, headers and body."""
    monkeypatch.setattr("quantmind.edges.rest.gate.LINGER_S", 0.05)
    given, asked, wanted = case.get("world", {}), case["request"], case["response"]
    text = asked.get("text")
    body = None if text is None else b"x" * 2000 if text == "<2000 bytes>" else text.encode()
    method = asked["method"]
    async with open_server(brokers=tuple(given.get("brokers", ("demo",))), **given.get("settings", {})) as served:
        raw: list[bytes] = []
        submit = served.world.context.door.submit
        monkeypatch.setattr(
            type(served.world.context.door),
            "submit",
            lambda _, data, *rest, **how: (raw.append(data), submit(data, *rest, **how)),
        )
        prepare(served.world, given)
        await write_records(served.world, given)
        client = await served.connect()
        await client.send(
            b"".join(request(method, asked["path"], body, token=asked.get("token", OWNER), **asked.get("headers", {})))
        )
        with trio.fail_after(20):
            reply = await client.reply(head=method == "HEAD")
    assert reply is not None
    got: Any = None
    if reply.body:
        is_json = "json" in reply.headers["content-type"]
        got = json.loads(reply.body, parse_float=Decimal) if is_json else reply.body.decode()
    assert differences(wanted["body"], got) == []
    assert reply.status == wanted["status"]
    assert (
        differences(wanted.get("headers", {}), {name: reply.headers.get(name) for name in wanted.get("headers", {})})
        == []
    )
    assert not set(wanted.get("absent", ())) & set(reply.headers)
    if reply.status >= 400:
        assert reply.headers["content-type"] == "application/problem+json"
    if "command" in case:
        assert [each.decode() for each in raw] == [case["command"]]


def test_every_route_has_a_case():
    """A route without a golden file would be a promise that nobody checks."""
    seen = {
        (case.values[0]["request"]["method"], case.values[0]["request"]["path"].partition("?")[0]) for case in CASES
    }
    for route in ROUTES:
        pattern = re.compile(re.sub(r"<[\w:]+>", "[^/]+", route.rule) + r"\Z")
        assert any(method == route.method and pattern.match(path) for method, path in seen), route.endpoint
