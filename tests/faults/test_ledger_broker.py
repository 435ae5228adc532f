"""The broker of the chaos test tells the truth: its ledger has each fill, and `find` never denies what may come."""

from __future__ import annotations

import contextlib
import json
import select
import socket
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from faults.chaos import records
from faults.chaos.broker_link import BrokerLink
from faults.chaos.ledger_broker import LedgerBroker
from faults.chaos.mischief import Mischief, Rates

from quantmind.domain.orders import Absent, Close, Modify, Open, Origin, Placed, Refused, Side, Unknown
from quantmind.domain.risk.approval import Approved, Terms, approve
from quantmind.errors import BrokerUnavailable

ORIGIN = Origin("ea", 7, "r1")
BUY = Open(ORIGIN, "demo", "EURUSD", Decimal("0.10"), Side.BUY)
WITHIN_S = 20.0


def approved(proposal: Any) -> Approved:
    terms = Terms(Decimal(1), None)
    return approve(proposal, terms, approval_id="a", incarnation=1, deadline=1e9, reduces=False)


@attrs.define
class Place:
    """A broker, who is linked to it, and its ledger."""

    broker: LedgerBroker
    link: BrokerLink
    ledger: Path
    port: int

    def rates(self, **rates: float) -> None:
        self.broker.mischief.set(rates)

    def kinds(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in records.read(self.ledger) if record["kind"] == kind]

    async def open(self, tag: str = "tag-1") -> Placed:
        outcome = await self.link.place(approved(BUY), tag)
        assert isinstance(outcome, Placed)
        return outcome

    async def found(self, tag: str) -> Placed | Absent:
        """What `find` says as soon as it says something."""
        with trio.fail_after(WITHIN_S):
            while True:
                with contextlib.suppress(BrokerUnavailable):
                    found = await self.link.find(tag)
                    if found is not None:
                        return found
                await trio.sleep(0.01)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    ledger = tmp_path / "ledger.jsonl"
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        broker = LedgerBroker(records.Appender(ledger, durable=True), Mischief(3), nursery)
        nursery.start_soon(trio.serve_listeners, broker.serve, listeners)
        link = BrokerLink("demo", port)
        nursery.start_soon(link.run)
        assert {spec.name for spec in await link.connect()} == {"EURUSD", "GBPUSD", "AUDUSD"}
        yield Place(broker, link, ledger, port)
        nursery.cancel_scope.cancel()


async def test_what_is_answered_is_in_the_ledger_and_in_the_account(place: Place) -> None:
    """An open, a part closed, a stop changed and the rest closed: answer, ledger, account, deals and `find` agree."""
    opened = await place.open()
    part = await place.link.place(approved(Close(ORIGIN, "demo", "EURUSD", opened.ticket, Decimal("0.04"))), "tag-2")
    changed = await place.link.place(approved(Modify(ORIGIN, "demo", opened.ticket, new_sl=Decimal("0.9"))), "tag-3")
    sample = await place.link.sample()
    assert [(held.ticket, held.volume, held.sl) for held in sample.positions] == [
        (opened.ticket, Decimal("0.06"), Decimal("0.9"))
    ]
    rest = await place.link.place(approved(Close(ORIGIN, "demo", "EURUSD", opened.ticket)), "tag-4")
    assert isinstance(part, Placed)
    assert isinstance(changed, Placed)
    assert isinstance(rest, Placed)
    fills = place.kinds("fill")
    assert [(fill["tag"], fill["entry"], fill["volume"]) for fill in fills] == [
        ("tag-1", "in", "0.10"),
        ("tag-2", "out", "0.04"),
        ("tag-3", "change", "0.06"),
        ("tag-4", "out", "0.06"),
    ]
    assert [Decimal(fill["price"]) for fill in fills if fill["price"]] == [opened.price, part.price, rest.price]
    assert len({opened.price, part.price, rest.price}) == 3
    sample = await place.link.sample()
    assert part.profit is not None
    assert rest.profit is not None
    assert sample.account.balance == 1_000_000 + part.profit + rest.profit
    assert sample.positions == []
    assert [deal.ticket for deal in await place.link.deals(0)] == [opened.deal, part.deal, rest.deal]
    for tag, outcome in (("tag-1", opened), ("tag-2", part), ("tag-3", changed), ("tag-4", rest)):
        assert await place.link.find(tag) == outcome
    assert await place.link.find("tag-5") == Absent()


@pytest.mark.parametrize("fault", ["drop", "drop_and_close", "late"])
async def test_an_answer_that_does_not_come_leaves_it_unknown_and_found(fault: str, place: Place) -> None:
    """It was carried out once, the adapter says unknown, and `find` tells what became of it."""
    place.rates(**{fault: 1.0})
    assert isinstance(await place.link.place(approved(BUY), "tag-1"), Unknown)
    place.rates()
    found = await place.found("tag-1")
    (fill,) = place.kinds("fill")
    assert isinstance(found, Placed)
    assert (found.ticket, str(found.price), str(found.volume)) == (fill["ticket"], fill["price"], fill["volume"])


@pytest.mark.parametrize("fault", ["lose", "lose_and_close"])
async def test_an_order_that_is_lost_is_unknown_and_then_absent(fault: str, place: Place) -> None:
    """Nothing was carried out; `find` can't tell for a while, and then surely."""
    place.rates(**{fault: 1.0, "settle_s": 0.2})
    assert isinstance(await place.link.place(approved(BUY), "tag-1"), Unknown)
    assert await place.found("tag-1") == Absent()
    assert place.kinds("fill") == []
    assert len(place.kinds("arrival")) == 1


async def test_an_order_that_is_still_on_its_way_is_never_absent(place: Place) -> None:
    """`find` can't tell until it has come, and then it has been carried out."""
    place.rates(hold=1.0)
    assert isinstance(await place.link.place(approved(BUY), "tag-1"), Unknown)
    assert await place.link.find("tag-1") is None
    assert isinstance(await place.found("tag-1"), Placed)
    assert place.kinds("absent") == []


async def test_what_another_connection_still_has_to_say_is_waited_for(place: Place) -> None:
    """An order that a killed gateway has sent, and that nobody has read yet, may still come: it is not absent."""
    order = {"op": "order_send", "id": 1, "tag": "tag-1", "action": "open", "symbol": "EURUSD", "side": "buy"}
    raw = json.dumps({**order, "volume": "0.10", "sl": None, "tp": None, "magic": 7}).encode() + b"\n"
    before = set(place.broker.sessions)
    with socket.create_connection(("127.0.0.1", place.port)) as killed:
        while set(place.broker.sessions) == before:
            await trio.sleep(0.001)
        killed.sendall(raw)
    (mine,), (other,) = before, set(place.broker.sessions) - before
    # It is here, and no step of the broker's in between.
    assert select.select([other.lines.stream.socket], [], [], WITHIN_S)[0]
    assert place.broker._find(mine, "tag-1") == {"found": None}
    assert isinstance(await place.found("tag-1"), Placed)
    assert place.kinds("absent") == []


async def test_a_tag_is_refused_only_while_its_order_is_open(place: Place) -> None:
    """A second one is refused, and unknown for who asks; after the close it is carried out again, by the ledger."""
    opened = await place.open()
    assert isinstance(await place.link.place(approved(BUY), "tag-1"), Unknown)
    assert len(place.kinds("duplicate")) == 1
    close = await place.link.place(approved(Close(ORIGIN, "demo", "EURUSD", opened.ticket)), "tag-2")
    assert isinstance(close, Placed)
    again = await place.open()
    assert again.ticket != opened.ticket
    assert [fill["ticket"] for fill in place.kinds("fill") if fill["tag"] == "tag-1"] == [opened.ticket, again.ticket]
    assert await place.link.find("tag-1") == opened


async def test_a_copy_that_the_network_makes_is_carried_out_once(place: Place) -> None:
    """The refusal of the copy may come first: the order is placed or unknown, and never refused."""
    place.rates(copy=1.0)
    outcomes = [await place.link.place(approved(BUY), f"tag-{number}") for number in range(12)]
    place.rates()
    assert {type(outcome) for outcome in outcomes} == {Placed, Unknown}
    assert len(place.kinds("fill")) == len(place.kinds("duplicate")) == 12
    for number in range(12):
        assert isinstance(await place.found(f"tag-{number}"), Placed)


async def test_second_answers_and_told_deals_are_nobodys_answer(place: Place) -> None:
    """What is answered twice, answered late or told to all is counted, and taken for no other order's answer."""
    place.rates(twice=0.5, slow=0.5, events=1.0)
    opened = [await place.open(f"tag-{number}") for number in range(8)]
    assert len({outcome.ticket for outcome in opened}) == 8
    await place.link.sample()
    assert place.link.unasked > 0
    assert place.link.events == 16
    assert place.link.events_again == 8


async def test_a_refusal_is_final(place: Place) -> None:
    """A requote, a ticket that is not open, more than is open: refused with the broker's code, and without a fill."""
    place.rates(requote=1.0)
    requoted = await place.link.place(approved(BUY), "tag-1")
    place.rates()
    opened = await place.open("tag-2")
    missing = await place.link.place(approved(Close(ORIGIN, "demo", "EURUSD", 5)), "tag-3")
    much = await place.link.place(approved(Close(ORIGIN, "demo", "EURUSD", opened.ticket, Decimal(1))), "tag-4")
    assert [getattr(outcome, "retcode", None) for outcome in (requoted, missing, much)] == [10004, 10036, 10038]
    assert all(isinstance(outcome, Refused) for outcome in (requoted, missing, much))
    assert [fill["tag"] for fill in place.kinds("fill")] == ["tag-2"]


async def test_nothing_is_sent_without_a_connection(tmp_path: Path) -> None:
    """A broker that is not there: everything says so, and no order is unknown for it."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        link = BrokerLink("demo", nobody.getsockname()[1])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.run)
            for ask in (link.poll, link.sample, lambda: link.place(approved(BUY), "t"), lambda: link.find("t")):
                with pytest.raises(BrokerUnavailable):
                    await ask()
            nursery.cancel_scope.cancel()


def test_the_same_seed_gives_the_same_fates() -> None:
    """What goes wrong can be repeated."""
    first, second = (Mischief(5, Rates(lose=0.2, hold=0.2, drop=0.3, requote=0.1)) for _ in range(2))
    fates = [first.fate() for _ in range(200)]
    assert fates == [second.fate() for _ in range(200)]
    assert {fate.delivery for fate in fates} == {"", "lose", "hold"}
