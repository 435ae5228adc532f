"""Each command but heartbeats leaves exactly one line in the log, whatever becomes of it, and none holds a token."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import attrs
import pytest
import trio
from command_path import (
    EA_TOKEN,
    READ_TOKEN,
    TOKEN,
    CommandPath,
    InlineJournal,
    Notebook,
    WallClock,
    closing,
    open_command_path,
    opening,
    order,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.messages import Trail
from quantmind.adapters.journal.chain import text
from quantmind.edges.command_log import BURST, LINES_PER_S, CommandLog
from quantmind.records import Command, Decision, Event
from quantmind.wire.auth import NOBODY
from quantmind.wire.commands import Trade, decode

SECRETS = (TOKEN, EA_TOKEN, READ_TOKEN, "stranger-token-0123456789")


@attrs.define(eq=False)
class Lines:
    """What the journal was given: lines that nobody waited for, and lines that are in the log."""

    journal: InlineJournal

    def all(self) -> list[tuple[str, str, str | None, dict[str, Any]]]:
        """(kind, ea_name, request_id, body) of commands and decisions."""
        found: list[tuple[str, str, str | None, dict[str, Any]]] = []
        for record in self.journal.noted:
            if isinstance(record, Command):
                body = {"type": record.kind, "by": record.by, "repeat": record.repeat, "command": record.body}
                found.append(("command", record.ea_name, record.request_id, {**body, "reply": record.reply}))
            elif isinstance(record, Decision):
                body = {"approved": record.approved, "reply": record.reply, "by": record.by}
                found.append(("decision", record.ea_name, record.request_id, body))
        rows = self.journal.connection.execute(
            "SELECT kind, ea_name, request_id, body FROM log WHERE kind IN ('command', 'decision')"
        )
        return found + [(kind, ea, request_id, json.loads(body)) for kind, ea, request_id, body in rows]

    def of(self, ea_name: str) -> list[tuple[str, dict[str, Any]]]:
        return [(kind, body) for kind, name, _, body in self.all() if name == ea_name]

    def counted(self) -> Counter[str]:
        return Counter(ea_name for _, ea_name, _, _ in self.all())

    def written(self) -> str:
        """Everything as text, with the bodies that are not in the lines above."""
        rows = self.journal.connection.execute("SELECT body FROM log").fetchall()
        return text([*self.journal.noted, *(body for (body,) in rows)])


# --- one line each -------------------------------------------------------------------------------------------------

Message = dict[str, Any]


def wrong_commands(clock: Any) -> dict[str, Message]:
    """Commands that end before anything is decided, by why."""
    return {
        "unknown_broker": opening("r", broker="nowhere"),
        "unauthorized": opening("r", token="stranger-token-0123456789"),
        "no token": opening("r", execute=True),
        "forbidden": order(clock, token=READ_TOKEN),
        "request_id_required": {k: v for k, v in order(clock).items() if k != "request_id"},
        "no side": {k: v for k, v in order(clock).items() if k != "side"},
        "expired": order(clock, expires_at=1.0),
        "expired verdict": opening("r", expires_at=1.0),
        "too far ahead": order(clock, expires_at=9e9),
        "no time": {k: v for k, v in order(clock).items() if k != "expires_at"},
        "unknown_symbol": order(clock, symbol="NOPE"),
        "unknown_ticket": closing(clock, 4711, "r"),
        "unknown approval": {"type": "trade_result", "ea_name": "a", "approval_id": "x", "volume": 0.1},
        "risk_update": {"type": "risk_update", "ea_name": "a", "risk_multiplier": 0.5},
        "risk_update forbidden": {"type": "risk_update", "ea_name": "low", "risk_multiplier": 0.9},
    }


async def test_commands_that_end_early_have_a_line(autojump_clock: MockClock) -> None:
    """What is refused before a decision is a command line: type, who, what was asked, what was answered."""
    async with open_command_path() as path:
        await path.ask({"type": "risk_update", "ea_name": "low", "risk_multiplier": 0.1})
        lines = Lines(path.journal)
        before = len(lines.all())
        for why, message in wrong_commands(path.clock).items():
            reply = await path.ask(message)
            found = lines.all()[before:]
            assert [kind for kind, *_ in found] == ["command"], why
            kind, ea_name, request_id, body = found[0]
            assert (kind, ea_name, request_id) == ("command", message["ea_name"], message.get("request_id")), why
            assert body["type"] == message["type"]
            assert body["command"]["type"] == message["type"]
            assert (body["reply"]["status"], body["reply"].get("code")) == (reply["status"], reply.get("code")), why
            assert body["repeat"] is False
            path.journal.noted.clear()
            before = len(lines.all())


async def test_a_line_says_who_and_where(autojump_clock: MockClock) -> None:
    """The token's name and the account stand in the line; without a known token there is no name."""
    async with open_command_path() as path:
        await path.ask(closing(path.clock, 4711, "r"))
        await path.ask(opening("s", token="stranger-token-0123456789"))
        known, stranger = (record for record in path.journal.noted if isinstance(record, Command))
        assert (known.by, known.broker, known.via) == ("robot", "demo", "zmq")
        assert known.body["ticket"] == 4711
        assert (stranger.by, stranger.broker) == ("", None)


async def test_a_decision_is_the_line(autojump_clock: MockClock) -> None:
    """A verdict with or without an id, an approval, a refusal and an executed order have a decision and no more."""
    async with open_command_path() as path:
        for message in (
            opening(ea_name="a"),
            opening(ea_name="b", volume=5),
            opening("r", ea_name="c"),
            opening("r", ea_name="d", volume=5),
            {"type": "trade_close", "ea_name": "e", "symbol": "EURUSD", "ticket": 9},
            order(path.clock, ea_name="f"),
        ):
            await path.ask(message)
        lines = Lines(path.journal)
        assert {name: [kind for kind, _ in lines.of(name)] for name in "abcdef"} == {
            name: ["decision"] for name in "abcdef"
        }
        states = path.journal.connection.execute("SELECT kind FROM log WHERE ea_name = 'f' ORDER BY seq").fetchall()
        assert states == [("decision",), ("intent",), ("outcome",)]


async def test_heartbeats_and_nonsense_are_counted_only(autojump_clock: MockClock) -> None:
    """A heartbeat, also one with a wrong token, and a message that can't be understood leave no line."""
    async with open_command_path() as path:
        beat = {"type": "heartbeat", "ea_name": "a", "magic": 7}
        await path.ask(beat)
        await path.ask({**beat, "token": "stranger-token-0123456789"})
        await path.ask(b"nonsense")
        await path.ask(b'{"type":"trade_open","ea_name":"a","stoploss":1}')
        assert Lines(path.journal).all() == []
        assert (path.door.statistics.heartbeats, path.door.statistics.malformed) == (2, 2)
        (ea,) = path.boards.eas.all()
        assert ea.heartbeats == 1


async def test_each_repeat_has_a_line_of_its_own(autojump_clock: MockClock) -> None:
    """Repeats that joined the first, or were answered from memory or the journal, are marked; a conflict is none."""
    async with open_command_path() as path:
        path.journal.gate, path.journal.gate_for = trio.Event(), Decision
        message = order(path.clock)
        first, joined = path.later(message), path.later(message)
        await trio.sleep(0.1)
        path.journal.gate.set()
        await first.wait()
        await joined.wait()
        path.journal.gate = None
        await path.ask(message)
        path.known._entries.clear()  # as after a restart with a long history
        await path.ask({**message, "expires_at": path.clock.now() - 1})
        assert (await path.ask({**message, "volume": 0.2}))["code"] == "request_id_conflict"
        lines = Lines(path.journal).of("alpha")
        assert Counter(kind for kind, _ in lines) == {"command": 4, "decision": 1}
        assert [body["repeat"] for kind, body in lines if kind == "command"] == [True, True, True, False]
        assert path.broker.opened == 1


async def test_a_repeat_that_only_the_journal_knows_is_one_line(autojump_clock: MockClock) -> None:
    """The governor's own look at the key (a verdict asked again after our memory of it went) is a marked line."""
    async with open_command_path() as path:
        await path.ask(opening("r"))
        path.known._entries.clear()
        await path.ask(opening("r"))
        kinds = [(kind, body.get("repeat")) for kind, body in Lines(path.journal).of("alpha")]
        assert sorted(kinds, key=str) == [("command", True), ("decision", None)]


async def test_busy_and_late_answers_have_a_line(autojump_clock: MockClock) -> None:
    """What the door answers by itself (too many in flight, nothing decided in time) is a line as well."""
    async with open_command_path(max_in_flight=1) as path:
        path.journal.hangs = True
        first = path.later(order(path.clock))
        await trio.sleep(0.01)
        second = path.later(opening("s", ea_name="beta"))
        assert (await second.wait())["code"] == "busy"
        await first.wait()
        path.journal.hangs = False
        lines = Lines(path.journal)
        assert [kind for kind, _ in lines.of("beta")] == ["command"]
        assert [kind for kind, _ in lines.of("alpha")] == ["command"]


async def test_what_the_executor_refuses_has_a_line(autojump_clock: MockClock) -> None:
    """An order that was approved and may not go out any more leaves what was answered."""
    async with open_command_path() as path:
        await path.crash("execution/brokers/executor:demo")
        path.journal.fails = "planted"
        await path.crash("execution/brokers/executor:demo")  # it can't reconcile now
        path.journal.fails = None
        reply = await path.ask(order(path.clock))
        assert reply["code"] == "broker_unavailable"
        assert [kind for kind, _ in Lines(path.journal).of("alpha")] == ["command"]


@pytest.mark.parametrize("actor", ["execution/commands", "execution/governor"])
async def test_a_crash_leaves_one_line(actor: str, autojump_clock: MockClock) -> None:
    """A command that was in hand when its actor crashed is in the log once: as its decision or as what was answered."""
    async with open_command_path() as path:
        path.journal.gate, path.journal.gate_for = trio.Event(), Decision
        later = path.later(opening("r"))
        await trio.sleep(0.05)
        await path.crash(actor)
        path.journal.gate.set()
        await later.wait()
        assert Lines(path.journal).counted() == {"alpha": 1}


KINDS = st.sampled_from(
    [
        "verdict",
        "refused",
        "order",
        "close",
        "modify",
        "cancel",
        "result",
        "update",
        "raise",
        "wrong broker",
        "wrong token",
        "no token",
        "reader",
        "expired",
        "old",
        "wrong symbol",
        "wrong ticket",
        "heartbeat",
        "nonsense",
    ]
)
STEPS = st.tuples(
    KINDS,
    st.sampled_from(["a", "b"]),
    st.sampled_from([None, "1", "2"]),
    st.sampled_from(["now", "together"]),
    st.sampled_from(["works"] * 6 + ["fails", "works again", "halt", "release", "forget"]),
)


def make(kind: str, ea_name: str, request_id: str | None, clock: Any, ticket: int) -> Message | bytes:
    """A message of a kind."""
    given_id = {} if request_id is None else {"request_id": request_id}
    base: Message = {"ea_name": ea_name, "magic": 7, **given_id}
    execute = {"execute": True, "token": EA_TOKEN, "expires_at": clock.now() + 30}
    trade = {**base, "type": "trade_open", "symbol": "EURUSD", "volume": 0.1, "side": "buy"}
    made: dict[str, Message | bytes] = {
        "verdict": trade,
        "refused": {**trade, "volume": 7},
        "order": {**trade, **execute},
        "close": {**base, **execute, "type": "trade_close", "symbol": "EURUSD", "ticket": ticket},
        "modify": {**base, **execute, "type": "trade_modify", "ticket": ticket, "new_sl": 1.05},
        "cancel": {**base, **execute, "type": "trade_cancel", "ticket": ticket},
        "result": {"type": "trade_result", "ea_name": ea_name, "approval_id": "x", "volume": 0, **given_id},
        "update": {"type": "risk_update", "ea_name": ea_name, "risk_multiplier": 0.5, **given_id},
        "raise": {"type": "risk_update", "ea_name": ea_name, "risk_multiplier": 1, "token": TOKEN, **given_id},
        "wrong broker": {**trade, "broker": "nowhere"},
        "wrong token": {**trade, **execute, "token": "stranger-token-0123456789"},
        "no token": {**trade, "execute": True},
        "reader": {**trade, **execute, "token": READ_TOKEN},
        "expired": {**trade, **execute, "expires_at": clock.now() - 5},
        "old": {**{k: v for k, v in {**trade, **execute}.items() if k != "expires_at"}, "timestamp": clock.now() - 60},
        "wrong symbol": {**trade, **execute, "symbol": "NOPE"},
        "wrong ticket": {**base, **execute, "type": "trade_close", "symbol": "EURUSD", "ticket": 4711},
        "heartbeat": {"type": "heartbeat", **base},
        "nonsense": b'{"type":"trade_open"',
    }
    return made[kind]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEPS, min_size=1, max_size=14))
def test_exactly_one_line_each(steps: list[tuple[str, str, str | None, str, str]]) -> None:
    """As many lines of an EA as commands of it, whatever they were and in whatever order, with a journal that fails."""

    async def main() -> None:
        sent: Counter[str] = Counter()
        async with open_command_path() as path:
            lines = Lines(path.journal)
            opened = await path.ask(order(path.clock, ea_name="seed"))
            for kind, ea_name, request_id, how, event in steps:
                await happen(path, event)
                message = make(kind, ea_name, request_id, path.clock, opened["ticket"])
                if kind not in ("heartbeat", "nonsense"):
                    sent[ea_name] += 2 if how == "together" else 1
                if how == "together":
                    pair = [path.later(message), path.later(message)]
                    for each in pair:
                        await each.wait()
                else:
                    await path.ask(message)
            path.journal.fails = None
            await trio.sleep(5)  # what went out while the journal was down is written now
            counted = lines.counted()
            del counted["seed"]
            assert counted == sent
            assert not any(secret in lines.written() for secret in SECRETS)

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def happen(path: CommandPath, event: str) -> None:
    if event == "fails":
        path.journal.fails = "planted"
    elif event == "works again":
        path.journal.fails = None
    elif event in ("halt", "release"):
        await path.set_state("halted" if event == "halt" else "active")
    elif event == "forget":
        path.known._entries.clear()


# --- rationed ------------------------------------------------------------------------------------------------------


def trade() -> Trade:
    command = decode(json.dumps(opening(token=EA_TOKEN)).encode())
    assert isinstance(command, Trade)
    return command


@attrs.define(eq=False)
class Ration:
    """A command log with a notebook, and one command to be written again and again."""

    notebook: Notebook = attrs.field(factory=Notebook)
    log: CommandLog = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.log = CommandLog("zmq", self.notebook, WallClock())

    def write(self, times: int, trail: Trail | None = None) -> None:
        command = trade()
        for _ in range(times):
            self.log.conclude(command, NOBODY, Trail() if trail is None else trail, {"status": "error", "code": "busy"})

    @property
    def commands(self) -> int:
        return sum(isinstance(line, Command) for line in self.notebook.lines)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [dict(line.data) for line in self.notebook.lines if isinstance(line, Event)]


async def test_a_flood_is_counted_and_not_written(autojump_clock: MockClock) -> None:
    """A burst has its lines, then as many a second as are allowed; the rest is counted."""
    ration = Ration()
    ration.write(BURST + 500)
    assert (ration.commands, ration.log.unnoted) == (BURST, 500)
    await trio.sleep(1)
    ration.write(500)
    assert ration.commands == BURST + LINES_PER_S
    await trio.sleep(3600)
    ration.write(BURST + 1)
    assert ration.commands == 2 * BURST + LINES_PER_S


async def test_an_event_says_how_many_have_no_line(autojump_clock: MockClock) -> None:
    """At once when it begins, then once a minute with those since, and not while there are none."""
    ration = Ration()
    ration.log.report(trio.current_time())
    assert ration.events == []
    ration.write(BURST + 3)
    ration.log.report(trio.current_time())
    ration.write(4)
    ration.log.report(trio.current_time())
    await trio.sleep(59)
    ration.write(int(59 * LINES_PER_S) + 1)
    ration.log.report(trio.current_time())
    assert ration.events == [{"via": "zmq", "commands": 3, "total": 3}]
    await trio.sleep(1)
    ration.log.report(trio.current_time())
    assert ration.events[1] == {"via": "zmq", "commands": ration.log.unnoted - 3, "total": ration.log.unnoted}
    await trio.sleep(600)
    ration.log.report(trio.current_time())
    assert len(ration.events) == 2


async def test_what_is_written_takes_nothing_of_the_ration(autojump_clock: MockClock) -> None:
    """A decision that is on its way to disk is no line to be made, so it costs none."""
    ration = Ration()
    ration.write(BURST + 10, Trail(written=True))
    assert (ration.commands, ration.log.unnoted) == (0, 0)


async def test_a_flood_holds_up_no_real_decision(autojump_clock: MockClock) -> None:
    """Verdicts with an id and approvals are in the log also where a flood has used up the ration."""
    async with open_command_path() as path:
        path.door.log._left, path.door.log._at = 0.0, trio.current_time()
        await path.ask(opening(ea_name="a", broker="nowhere"))
        await path.ask(opening(ea_name="a", volume=7))
        assert path.door.statistics.unnoted == 2
        await path.ask(opening("r", ea_name="b", volume=7))
        await path.ask(opening(ea_name="b"))
        await path.ask(order(path.clock, ea_name="b"))
        lines = Lines(path.journal)
        assert lines.of("a") == []
        assert [kind for kind, _ in lines.of("b")] == ["decision"] * 3
        await trio.sleep(0.2)
        assert [line.data["commands"] for line in path.journal.noted if isinstance(line, Event)] == [2]
