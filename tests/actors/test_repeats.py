"""A repeat acts once and hears what has become of its first, by whatever door and wherever the first is remembered."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from command_path import (
    EA_TOKEN,
    TOKEN,
    CommandPath,
    InlineJournal,
    WallClock,
    closing,
    make_broker,
    open_command_path,
    opening,
    order,
)
from rest_path import RestPath, rest_of
from trio.testing import MockClock

from quantmind.domain.orders import Cancel, Origin
from quantmind.domain.quotes import Quote
from quantmind.records import Intent

WHERE = ["in memory", "commands restarted", "left the memory", "gateway restarted"]
SELL = {"symbol": "EURUSD", "action_type": "SELL", "volume": 0.1}


@attrs.define(eq=False)
class Life:
    """A command path over one journal and one broker, which can lose what it has in memory."""

    journal: Path
    broker: Any
    clock: WallClock
    how: dict[str, Any]
    stack: contextlib.AsyncExitStack
    path: CommandPath

    async def move(self, where: str) -> None:
        """Let what happened so far be remembered only there."""
        if where == "commands restarted":
            await self.path.crash("execution/commands")
        elif where == "left the memory":
            capacity, self.path.known.capacity = self.path.known.capacity, 0
            self.path.known._trim()
            self.path.known.capacity = capacity
            assert self.path.known.forgets
        elif where == "gateway restarted":
            await self.stack.aclose()
            self.path = await self.stack.enter_async_context(_open(self.journal, self.broker, self.clock, self.how))

    def rest(self) -> RestPath:
        return rest_of(self.path)


def _open(journal: Path, broker: Any, clock: WallClock, how: dict[str, Any]) -> Any:
    return open_command_path(journal=InlineJournal(journal), broker=broker, clock=clock, **how)


@contextlib.asynccontextmanager
async def living(folder: Path, **how: Any) -> AsyncIterator[Life]:
    journal, broker, clock = folder / "journal.sqlite3", make_broker(), WallClock()
    async with contextlib.AsyncExitStack() as stack:
        path = await stack.enter_async_context(_open(journal, broker, clock, how))
        yield Life(journal, broker, clock, how, stack, path)


def rules(reply: dict[str, Any]) -> list[str]:
    return [reason["rule"] for reason in reply.get("reasons", [])]


def same(first: dict[str, Any], again: dict[str, Any]) -> bool:
    return {**first, "timestamp": 0} == {**again, "timestamp": 0}


# --- what becomes of an order in the book --------------------------------------------------------------------------


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("end", ["filled", "cancelled", "expired"])
async def test_a_waiting_order_is_repeated_as_it_is_by_now(
    end: str, where: str, tmp_path: Path, autojump_clock: MockClock
) -> None:
    """First it waits, then it has filled, was cancelled or expired; each once it is known, and the last for good."""
    async with living(tmp_path) as life:
        account = life.broker.inner.account
        now_msc = int(life.clock.now() * 1000)
        account.pass_time(now_msc)
        expiration = {"expiration": life.clock.now() + 60} if end == "expired" else {}
        body = order(life.clock, order_type="limit", price=1.08, **expiration)
        first = await life.path.ask(body)
        assert first["pending"] is True
        assert same(first, await life.path.ask(body))
        if end == "filled":
            account.tick(Quote("EURUSD", 1.0795, 1.0796, now_msc + 1))
        elif end == "cancelled":
            account.carry_out(Cancel(Origin("", 0), "demo", first["ticket"]), "elsewhere")
        else:
            account.pass_time(now_msc + 61_000)
        await trio.sleep(4)
        await life.move(where)
        last = await life.path.ask(body)
        assert last["status"] == "success"
        assert "pending" not in last
        assert last["order_id"] == first["order_id"]
        if end == "filled":
            assert (last["price"], last["volume"]) == (1.0796, 0.1)
        else:
            assert (last["ended"], last["volume"]) == (end, 0)
        assert same(last, await life.path.ask(body))
        assert len(life.broker.sent) == 1


async def test_a_waiting_order_whose_record_can_not_be_read(tmp_path: Path, autojump_clock: MockClock) -> None:
    """It is repeated as it was known last; that it was placed stays true."""
    async with living(tmp_path) as life:
        body = order(life.clock, order_type="limit", price=1.08)
        first = await life.path.ask(body)
        life.path.journal.fails = "disk full"
        assert same(first, await life.path.ask(body))


@pytest.mark.parametrize("where", WHERE)
async def test_an_unknown_order_is_repeated_as_it_was_found(
    where: str, tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Unknown with its order_id, then what reconciling found, and that for good."""
    async with living(tmp_path) as life:
        faults = life.broker.inner.faults
        faults.place_unknown, faults.find_blind = "executed", True
        first = await life.path.ask(order(life.clock))
        faults.place_unknown = None
        await life.move(where)
        again = await life.path.ask(order(life.clock))
        assert (again["status"], again["order_id"]) == ("unknown", first["order_id"])
        faults.find_blind = False
        await trio.sleep(3)
        found = await life.path.ask(order(life.clock))
        assert (found["status"], found["price"]) == ("success", 1.0851)
        await life.move(where)
        assert same(found, await life.path.ask(order(life.clock)))
        assert len(life.broker.sent) == 1


async def test_what_was_found_reads_as_what_was_answered(tmp_path: Path, autojump_clock: MockClock) -> None:
    """An answer that was lost is repeated with every field that it had, and the same values, of each kind of order."""
    async with living(tmp_path) as life:
        faults, clock = life.broker.inner.faults, life.clock
        tickets: dict[str, int] = {}

        def messages(way: str) -> dict[str, dict[str, Any]]:
            part = {"volume": 0.02}
            act = {"ea_name": "alpha", "execute": True, "token": EA_TOKEN, "expires_at": clock.now() + 30}
            modify = {"type": "trade_modify", "ticket": tickets.get("open"), "new_sl": 1.08, **act}
            cancel = {"type": "trade_cancel", "ticket": tickets.get(f"limit-{way}"), **act}
            return {
                "open": order(clock, f"open-{way}", sl=1.07),
                "reduced": order(clock, f"reduced-{way}", volume=7, reduce=True, magic=8),
                "limit": order(clock, f"limit-{way}", order_type="limit", price=1.08),
                "close": closing(clock, tickets.get("open", 0), f"close-{way}", **part),
                "modify": {**modify, "request_id": f"modify-{way}"},
                "cancel": {**cancel, "request_id": f"cancel-{way}"},
            }

        for kind in messages(""):
            told: dict[str, dict[str, Any]] = {}
            for way in ("told", "lost"):
                faults.place_unknown = "executed" if way == "lost" else None
                message = messages(way)[kind]
                if kind == "modify" and way == "lost":
                    message["new_sl"] = 1.081
                told[way] = await life.path.ask(message)
                faults.place_unknown = None
                if way == "lost":
                    assert told[way]["status"] == "unknown", told
                    await trio.sleep(4)
                    told[way] = await life.path.ask({**message, "expires_at": clock.now() + 30})
                assert told[way]["status"] == "success", told
                tickets.setdefault(kind, told[way]["ticket"])
                tickets[f"{kind}-{way}"] = told[way]["ticket"]
            one, other = told["told"], told["lost"]
            assert one.keys() == other.keys(), kind
            differs = {name for name in one if one[name] != other[name]}
            assert differs <= {"timestamp", "request_id", "order_id", "ticket", "order", "sl"}, (kind, one, other)


async def test_an_answer_that_names_the_order_also_without_the_journal(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Unknown, and the journal can't be read: the answer has the order_id that was said before."""
    async with living(tmp_path) as life:
        faults = life.broker.inner.faults
        faults.place_unknown, faults.find_blind = "executed", True
        first = await life.path.ask(order(life.clock))
        life.path.journal.fails = "disk full"
        again = await life.path.ask(order(life.clock))
        assert (again["status"], again["order_id"]) == ("unknown", first["order_id"])


async def test_a_door_that_gives_up_says_how_to_ask(tmp_path: Path, autojump_clock: MockClock) -> None:
    """After 5 s the answer is `unknown` and says where the outcome will be; there it is in flight, then known."""
    async with living(tmp_path) as life:
        gate = trio.Event()
        life.broker.after = gate.wait
        rest = life.rest()
        reply = await life.path.ask(order(life.clock))
        assert (reply["status"], reply["request_id"]) == ("unknown", "r1")
        assert "GET /commands/r1" in reply["message"]
        shown = (await rest.ask("GET", "/commands/r1")).body
        assert (shown["state"], shown["in_flight"], shown["reply"]["status"]) == ("intent", True, "unknown")
        gate.set()
        life.broker.after = None
        await trio.sleep(1)
        shown = (await rest.ask("GET", "/commands/r1")).body
        assert (shown["state"], shown["in_flight"], shown["known_by"]) == ("filled", False, "answer")
        assert shown["reply"]["price"] == 1.0851
        assert shown["command"]["volume"] == "0.1"


# --- REST ----------------------------------------------------------------------------------------------------------


async def opened(life: Life, key: str = "open") -> int:
    """A position, as it is in the next sample."""
    reply = await life.rest().ask("POST", "/trade", {**SELL, "action_type": "BUY"}, key=key)
    assert reply.status == 200
    await trio.sleep(1)
    return int(reply.body["ticket"])


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("act", ["close", "change", "cancel"])
async def test_what_was_done_to_a_ticket_is_repeated_when_it_has_gone(
    act: str, where: str, tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Neither the account nor its deals show the ticket any more: with its key the first answer stands, at once."""
    async with living(tmp_path) as life:
        if act == "cancel":
            limit = {**SELL, "order_type": "limit", "price": 1.2}
            ticket = (await life.rest().ask("POST", "/trade", limit, key="open")).body["ticket"]
            ask: tuple[Any, ...] = ("DELETE", f"/brokers/demo/orders/{ticket}")
        else:
            ticket = await opened(life)
            path = f"/brokers/demo/positions/{ticket}"
            ask = ("POST", f"{path}/close") if act == "close" else ("PATCH", path, {"stop_loss": 1.08})
        first = await life.rest().ask(*ask, key="k")
        assert first.status == 200
        if act == "change":
            assert (await life.rest().ask("POST", f"{path}/close", key="then")).status == 200
        await trio.sleep(2)
        await life.move(where)
        rest = life.rest()
        again = await rest.ask(*ask, key="k")
        assert (again.status, same(first.body, again.body)) == (200, True)
        assert (await rest.ask(*ask, key="new")).status == 404
        other = ask[1].replace(str(ticket), str(ticket + 1))
        conflict = await rest.ask(ask[0], other, *ask[2:], key="k")
        assert (conflict.status, conflict.body["code"]) == (409, "request_id_conflict")


async def test_a_close_whose_key_can_not_be_looked_up(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Without the record a position that is there is closed; of one that is not, nobody says that nothing was done."""
    async with living(tmp_path) as life:
        ticket = await opened(life)
        await life.move("left the memory")
        life.path.journal.fails = "disk full"
        rest = life.rest()
        gone = await rest.ask("POST", f"/brokers/demo/positions/{ticket + 1}/close", key="k")
        assert (gone.status, gone.body["code"]) == (503, "no_journal")
        assert (await rest.ask("POST", f"/brokers/demo/positions/{ticket}/close", key="c")).status == 200


@pytest.mark.parametrize("where", WHERE)
async def test_a_key_is_for_one_request(where: str, tmp_path: Path, autojump_clock: MockClock) -> None:
    """Another body, another path or another ticket with a key that was used is 409, whatever came first."""
    async with living(tmp_path) as life:
        ticket = await opened(life, key="trade")
        stops = (f"/brokers/demo/positions/{ticket}", {"stop_loss": 1.08})
        assert (await life.rest().ask("PATCH", *stops, key="change")).status == 200
        part = {"volume": 0.04}
        close = f"/brokers/demo/positions/{ticket}/close"
        assert (await life.rest().ask("POST", close, part, key="close")).status == 200
        await life.move(where)
        rest, sent = life.rest(), len(life.broker.sent)
        for key, method, path, body in (
            ("trade", "POST", "/trade", SELL),
            ("trade", "POST", close, None),
            ("trade", "PATCH", *stops),
            ("change", "PATCH", stops[0], {"stop_loss": 1.07}),
            ("change", "POST", close, None),
            ("change", "POST", "/trade", SELL),
            ("change", "DELETE", f"/brokers/demo/orders/{ticket}", None),
            ("close", "POST", close, None),
            ("close", "POST", close, {"volume": 0.05}),
            ("close", "POST", "/trade", SELL),
        ):
            answer = await rest.ask(method, path, body, key=key)
            assert (answer.status, answer.body["code"]) == (409, "request_id_conflict"), (key, method, path)
        assert len(life.broker.sent) == sent


@pytest.mark.parametrize("where", WHERE)
async def test_a_close_over_zeromq_is_repeated_when_it_has_gone(
    where: str, tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The governor knows no such ticket any more, and is not asked."""
    async with living(tmp_path) as life:
        ticket = (await life.path.ask(order(life.clock)))["ticket"]
        first = await life.path.ask(closing(life.clock, ticket, "c"))
        assert first["status"] == "success"
        await trio.sleep(2)
        await life.move(where)
        assert same(first, await life.path.ask(closing(life.clock, ticket, "c")))
        assert (await life.path.ask(closing(life.clock, ticket, "d")))["code"] == "unknown_ticket"


async def test_a_close_goes_out_though_nobody_can_say_whether_its_id_is_new(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The memory has forgotten some and the journal can't be read: what reduces risk does not wait for it."""
    async with living(tmp_path) as life:
        ticket = (await life.path.ask(order(life.clock)))["ticket"]
        await life.move("left the memory")
        for fault in ("fails", "hangs"):
            setattr(life.path.journal, fault, "disk full")
            message = closing(life.clock, ticket, f"c-{fault}", volume=0.05)
            assert (await life.path.ask(message))["status"] == "success"
            setattr(life.path.journal, fault, None)


# --- many at once --------------------------------------------------------------------------------------------------


async def test_fifty_at_once_by_two_doors(tmp_path: Path, autojump_clock: MockClock) -> None:
    """One order, one answer to all, half of them over HTTP; a conflict among them is told at once."""
    async with living(tmp_path) as life:
        life.broker.inner.faults.place_delay_s = 0.5
        rest = life.rest()
        message = {
            "type": "trade_open",
            "ea_name": "rest:owner",
            "magic": 0,
            "side": "sell",
            "symbol": "EURUSD",
            "volume": 0.1,
            "request_id": "k",
            "execute": True,
            "token": TOKEN,
        }
        heard: list[dict[str, Any]] = []
        conflicts: list[str] = []

        async def by_http() -> None:
            answer = await rest.ask("POST", "/trade", SELL, key="k")
            assert answer.status == 200
            heard.append(answer.body)

        async def by_zmq() -> None:
            heard.append(await life.path.ask({**message, "expires_at": life.clock.now() + 30}))

        async def conflict() -> None:
            await trio.sleep(0.2)
            conflicts.append((await rest.ask("POST", "/trade", {**SELL, "volume": 0.2}, key="k")).body["code"])

        async with trio.open_nursery() as nursery:
            for _ in range(25):
                nursery.start_soon(by_http)
                nursery.start_soon(by_zmq)
            nursery.start_soon(conflict)
        assert len(life.broker.sent) == 1
        assert len(heard) == 50
        assert all(same(heard[0], each) for each in heard)
        assert conflicts == ["request_id_conflict"]


# --- verdicts ------------------------------------------------------------------------------------------------------


async def test_an_approval_that_was_called_over_stays_over(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A halt that came and went: whoever asked under it hears the same afterwards."""
    async with living(tmp_path) as life:
        assert (await life.path.ask(opening("a")))["approved"] is True
        await life.path.set_state("halted")
        assert rules(await life.path.ask(opening("a"))) == ["approval_expired"]
        await life.path.set_state("active")
        assert rules(await life.path.ask(opening("a"))) == ["approval_expired"]
        assert (await life.path.ask(opening("b")))["approved"] is True


@pytest.mark.parametrize("where", WHERE)
async def test_a_reported_approval_is_not_given_again(where: str, tmp_path: Path, autojump_clock: MockClock) -> None:
    """Once its trade was reported and is in a sample, no repeat is approved, also while its time still runs."""
    async with living(tmp_path, approval_ttl_s=30.0) as life:
        approved = await life.path.ask(opening("a"))
        result = {"type": "trade_result", "ea_name": "alpha", "approval_id": approved["approval_id"], "volume": 0.1}
        assert (await life.path.ask(result))["status"] == "success"
        await trio.sleep(1)
        await life.move(where)
        again = await life.path.ask(opening("a"))
        assert (again["approved"], rules(again)) == (False, ["approval_expired"])


async def test_a_refusal_without_a_record_hides_no_order(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Refused while nobody could read who had used the id: once it can be read, the order that has it is told again."""
    async with living(tmp_path) as life:
        first = await life.path.ask(order(life.clock))
        journal = InlineJournal(life.journal, fails="disk full")
        await life.stack.aclose()
        fresh = open_command_path(journal=journal, broker=life.broker, clock=life.clock)
        path = await life.stack.enter_async_context(fresh)
        assert rules(await path.ask(opening("r1")))[0] == "journal"
        assert (await path.ask(order(life.clock)))["status"] == "unknown"
        journal.fails = None
        await trio.sleep(3)
        assert same(first, await path.ask(order(life.clock)))
        assert (await path.ask(opening("r1")))["code"] == "request_id_conflict"
        assert len(life.broker.sent) == 1


# --- what frees an id ----------------------------------------------------------------------------------------------


async def test_what_ended_after_its_intent_is_remembered(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Its time was over while its intent was written: nothing was sent, and so it stays, in memory and on record."""
    async with living(tmp_path) as life:
        gate = trio.Event()
        life.path.journal.gate, life.path.journal.gate_for = gate, Intent
        asked = life.path.later(order(life.clock, expires_at=life.clock.now() + 0.4))
        await trio.sleep(0.6)
        gate.set()
        first = await asked.wait()
        assert first["code"] == "expired"
        assert "order_id" in first
        life.path.journal.gate = None
        for where in WHERE:
            await life.move(where)
            again = await life.path.ask(order(life.clock))
            assert same(first, again), where
        assert (await life.path.ask(order(life.clock, volume=0.2)))["code"] == "request_id_conflict"
        assert life.broker.sent == []


async def test_a_wrong_token_frees_the_key(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Who may not do it has not used the key."""
    async with living(tmp_path) as life:
        rest = life.rest()
        assert (await rest.ask("POST", "/trade", SELL, key="k", token=EA_TOKEN)).status == 403
        assert (await rest.ask("POST", "/trade", {**SELL, "volume": 0.2}, key="k")).status == 200
