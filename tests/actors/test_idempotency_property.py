"""Whatever goes wrong between and during requests: each id acts at most once, and what is said of it is true and stays.

A story is a list of steps: requests with few ids, repeats, other bodies under the same id, crashes of each actor, a
journal and a broker that fail in their ways, halts, a person who settles, restarts of the gateway. It is told with a
mock clock; journal and paper account outlive the restarts.
"""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import trio
from command_path import (
    CommandPath,
    InlineJournal,
    WallClock,
    WatchedBroker,
    closing,
    make_broker,
    open_command_path,
    opening,
    order,
)
from examples import examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rest_path import executor_of
from trio.testing import MockClock

from actors.messages import SettleOrder
from actors.reconcile import proposal_of
from actors.runtime import ActorError
from quantmind.adapters.journal import reading
from quantmind.domain.order_life import OrderState, found_state
from quantmind.domain.orders import Outcome
from quantmind.domain.quotes import Quote
from quantmind.domain.risk import Approved
from quantmind.records import Record

IDS = ("a", "b")
BODIES = ("market", "larger", "limit", "part", "verdict")
ACTORS = (
    "execution/commands",
    "execution/governor",
    "execution/brokers/executor:demo",
    "execution/brokers/closer:demo",
)
WAIT_S = 40.0

Step = tuple[Any, ...]
Reply = dict[str, Any]
ids, bodies = st.sampled_from(IDS), st.sampled_from(BODIES)
asks = st.tuples(st.just("ask"), ids, bodies, st.booleans())
crashes = st.tuples(st.just("crash"), st.sampled_from(ACTORS))
STEPS = st.one_of(
    asks,
    asks,
    crashes,
    st.tuples(st.just("journal"), st.sampled_from(["up", "down", "late", "full"])),
    st.tuples(st.just("place"), st.sampled_from(["well", "executed", "lost", "unreachable", "slow"])),
    st.tuples(st.just("find"), st.sampled_from(["well", "blind", "unreachable"])),
    st.tuples(st.just("sleep"), st.sampled_from([0.0, 0.02, 0.4, 2.5, 6.0])),
    st.tuples(st.just("state"), st.sampled_from(["active", "halted"])),
    st.tuples(st.sampled_from(["fill", "settle", "forget", "restart"])),
)


def scene(*steps: Any) -> st.SearchStrategy[tuple[Step, ...]]:
    """Steps that are worth telling together; a text is the id that the scene is about."""
    fixed = [st.just(each) if isinstance(each, tuple) else each for each in steps]
    return ids.flatmap(lambda own: st.tuples(*fixed).map(lambda told: tuple(_about(own, each) for each in told)))


def _about(own: str, step: Step) -> Step:
    return tuple(own if each == "own" else each for each in step)


def asked(*of: str) -> st.SearchStrategy[Step]:
    return st.tuples(st.just("ask"), st.just("own"), st.sampled_from(of), st.just(True))


SCENES = st.one_of(
    # A crash with a repeat in flight.
    scene(
        ("place", "slow"),
        ("ask", "own", "market", False),
        ("sleep", 0.02),
        ("ask", "own", "market", False),
        crashes,
        ("sleep", 0.4),
    ),
    # An order in the book ends there.
    scene(asked("limit"), ("fill",), ("sleep", 6.0), asked("limit")),
    # Nobody knows, then somebody does.
    scene(
        st.tuples(st.just("place"), st.sampled_from(["executed", "lost"])),
        ("find", "blind"),
        asked("market", "limit", "part"),
        ("place", "well"),
        st.sampled_from([("settle",), ("find", "well"), ("restart",)]),
        ("sleep", 2.5),
    ),
    # A halt comes and goes.
    scene(asked("verdict"), ("state", "halted"), asked("verdict"), ("state", "active"), asked("verdict")),
    # What reduces risk goes out without the journal, and somebody crashes.
    scene(
        st.tuples(st.just("journal"), st.sampled_from(["down", "full"])),
        ("place", "slow"),
        ("ask", "own", "part", False),
        ("sleep", 0.02),
        st.one_of(crashes, st.just(("restart",))),
        ("sleep", 0.4),
        asked("part"),
        ("journal", "up"),
        ("sleep", 2.5),
        asked("part"),
    ),
    # The gateway comes back, and its journal later.
    scene(
        asked("market", "limit"),
        st.tuples(st.just("journal"), st.sampled_from(["down", "late", "full"])),
        ("restart",),
        asked("market", "limit"),
        ("journal", "up"),
        ("sleep", 2.5),
        asked("market", "limit"),
    ),
)
STORIES = st.lists(STEPS.map(lambda step: (step,)) | SCENES, min_size=4, max_size=16)


@attrs.define(eq=False)
class StoryBroker(WatchedBroker):
    """Knows the ids that nobody could tell from used ones when their orders came: what reduces risk goes out then."""

    path: CommandPath | None = None
    unrecorded: set[str] = attrs.field(factory=set)

    async def place(self, order: Approved, tag: str) -> Outcome:
        assert self.path is not None
        known, journal = self.path.known, self.path.journal
        if (known.forgets or not known.loaded) and reading.order(journal.connection, tag) is None:
            self.unrecorded.add(str(order.proposal.origin.request_id))
        return await super().place(order, tag)


@attrs.define(eq=False)
class Story:
    """What was asked and heard of each id, and what must hold."""

    file: Path
    broker: StoryBroker = attrs.field(factory=lambda: StoryBroker(make_broker().inner))
    clock: WallClock = attrs.field(factory=WallClock)
    ticket: int = 0
    asked: dict[str, list[str]] = attrs.field(factory=lambda: {each: [] for each in IDS})
    answered: dict[str, list[tuple[str, Reply]]] = attrs.field(factory=lambda: {each: [] for each in IDS})
    final: dict[str, tuple[str, Reply]] = attrs.field(factory=dict)
    """The first answer of an id that may not change any more, and to which body."""
    over: set[str] = attrs.field(factory=set)
    """Approvals that were called over since the last restart."""
    journal_mode: str = "up"
    journal_failed_at: float = float("-inf")
    crashed_at: float = float("-inf")
    path: CommandPath | None = None

    # --- asking ---

    def message(self, request_id: str, body: str) -> dict[str, Any]:
        if body == "verdict":
            return opening(request_id)
        if body == "part":
            return closing(self.clock, self.ticket, request_id, volume=0.01)
        more: dict[str, Any] = {"larger": {"volume": 0.2}, "limit": {"order_type": "limit", "price": 1.08}}.get(
            body, {}
        )
        return order(self.clock, request_id, **more)

    async def ask(self, request_id: str, body: str) -> Reply:
        assert self.path is not None
        alone = not self.asked[request_id]
        self.asked[request_id].append(body)
        since = trio.current_time()
        reply = await self.path.ask(self.message(request_id, body), within=WAIT_S)
        alone = alone and len(self.asked[request_id]) == 1
        self.hear(request_id, body, {**reply, "timestamp": 0}, alone=alone, since=since)
        return reply

    # --- what must hold of an answer ---

    def hear(self, request_id: str, body: str, reply: Reply, *, alone: bool, since: float) -> None:
        if request_id in self.broker.unrecorded:
            return
        assert self.path is not None
        before = self.answered[request_id]
        story = f"{body} {request_id} hears {reply}; before: {before}"
        self.answered[request_id] = [*before, (body, reply)]
        code = reply.get("code")
        if code == "request_id_conflict":
            assert set(self.asked[request_id]) - {body}, f"nothing else was asked: {story}"
            # With its first out of the memory, another body that is in flight looks like the first until it is told.
            own = self.final.get(request_id, ("", {}))[0] == body
            assert not own or self.path.known.forgets, f"its own id: {story}"
            return
        says_nothing_was_done = reply["status"] == "rejected" or (reply["status"] == "error" and is_final(reply))
        if body != "verdict" and (says_nothing_was_done or (reply["status"] == "error" and alone)):
            # Of another body it is true whatever became of the id's first one.
            own = self.final.get(request_id, (body, {}))[0] == body
            assert not (own and self.done(request_id)), f"it was: {story}"
        if reply["status"] == "error" and not is_final(reply):
            return  # it speaks of this copy only
        journal_failed = self.journal_failed_at >= since
        if body == "verdict":
            self.hear_verdict(reply, story, journal_failed=journal_failed)
            return
        first_body, first = self.final.get(request_id, (body, None))
        if first is not None and first_body == body:
            # Of a copy that was in the hands of one who crashed nobody knows more than that.
            unread = reply["status"] == "unknown" and (journal_failed or self.crashed_at >= since - 1)
            assert reply == first or unread, f"it was {first}: {story}"
        if reply["status"] == "success" or (reply["status"] == "error" and self.on_record(request_id, reply)):
            assert first_body == body, f"the id was used by {first_body}: {story}"
        settled = reply["status"] == "success" and "pending" not in reply
        if settled or (reply["status"] in ("rejected", "error") and self.on_record(request_id, reply)):
            self.final.setdefault(request_id, (body, reply))

    def hear_verdict(self, reply: Reply, story: str, *, journal_failed: bool) -> None:
        approval = reply.get("approval_id")
        rules = [reason["rule"] for reason in reply.get("reasons", ())]
        if reply["status"] == "success":
            assert approval not in self.over, f"it was over: {story}"
            assert float(reply["valid_until"]) > self.clock.now() - WAIT_S
        elif rules == ["approval_expired"]:
            self.over.add(approval)

    def on_record(self, request_id: str, reply: Reply) -> bool:
        """Whether the journal has this answer; one that it could not take may be another after a restart."""
        assert self.path is not None
        known = reading.lookup(self.path.journal.connection, "alpha", request_id)
        return known is not None and known.reply is not None and known.reply["status"] == reply["status"]

    # --- what the broker did ---

    def tags(self, request_id: str) -> list[str]:
        return [tag for tag, approved in self.broker.sent if approved.proposal.origin.request_id == request_id]

    def done(self, request_id: str) -> bool:
        return any(self.broker.inner.account.find(tag) is not None for tag in self.tags(request_id))

    def at_most_once(self) -> None:
        for request_id in set(IDS) - self.broker.unrecorded:
            assert len(self.tags(request_id)) <= 1, f"{request_id} was sent as {self.tags(request_id)}"
        assert self.broker.tags_sent_twice == []

    # --- telling it ---

    async def tell(self, steps: Sequence[Step]) -> None:
        left = list(steps)
        aside: list[Record] = []
        while True:
            journal = InlineJournal(self.file, aside=aside)
            self.set_journal(journal, self.journal_mode)
            async with open_command_path(
                journal=journal, broker=self.broker, clock=self.clock, approval_ttl_s=4.0
            ) as path:
                self.path = self.broker.path = path
                self.over.clear()
                if not self.ticket:
                    self.ticket = (await path.ask(order(self.clock, "p", volume=1)))["ticket"]
                while left:
                    step = left.pop(0)
                    if step[0] == "restart":
                        aside = journal.aside
                        break
                    await self.do(path, *step)
                    self.at_most_once()
                else:
                    await self.end(path)
                    return

    async def do(self, path: CommandPath, what: str, *how: Any) -> None:
        faults, account = self.broker.inner.faults, self.broker.inner.account
        if what == "ask":
            request_id, body, wait = how
            if wait:
                await self.ask(request_id, body)
            else:
                path.nursery.start_soon(self.ask, request_id, body)
        elif what == "crash":
            path.root.fail(how[0], RuntimeError("crashed by a test"))
            self.crashed_at = trio.current_time()
        elif what == "journal":
            self.set_journal(path.journal, how[0])
        elif what == "place":
            faults.place_unknown = how[0] if how[0] in ("executed", "lost") else None
            faults.place_error = "no line" if how[0] == "unreachable" else None
            faults.place_delay_s = 0.5 if how[0] == "slow" else 0.0
        elif what == "find":
            faults.find_blind, faults.find_error = how[0] == "blind", "no line" if how[0] == "unreachable" else None
        elif what == "sleep":
            await trio.sleep(how[0])
        elif what == "state":
            with trio.move_on_after(3):
                await self.set_state(path, how[0])
        elif what == "fill":
            account.tick(Quote("EURUSD", 1.0795, 1.0796, account._books.time_msc + 1))
            account.tick(Quote("EURUSD", 1.0850, 1.0851, account._books.time_msc + 1))
        elif what == "settle":
            await self.settle(path)
        elif what == "forget":
            in_flight = {key for key, entry in path.known._entries.items() if entry.in_flight}
            for key in list(path.known._entries.keys() - in_flight):
                path.known._remove(key)
            path.known.forgets = True
            self.over.clear()  # an approval lasts seconds; what is pushed out of the memory is far older

    def set_journal(self, journal: InlineJournal, mode: str) -> None:
        self.journal_mode = mode
        journal.fails = "disk full" if mode == "down" else None
        journal.write_fails = "disk full" if mode == "full" else None
        journal.late = mode == "late"
        if mode != "up":
            self.journal_failed_at = float("inf")
        elif self.journal_failed_at == float("inf"):
            self.journal_failed_at = trio.current_time()

    async def set_state(self, path: CommandPath, state: str) -> None:
        with contextlib.suppress(ActorError):
            await path.set_state(state)

    async def settle(self, path: CommandPath) -> None:
        """A person who looks at the account itself settles what nobody knows."""
        for intent in reading.open_intents(path.journal.connection, "demo"):
            found = self.broker.inner.account.find(intent.order_id)
            state = OrderState.NOT_SENT if found is None else found_state(proposal_of(intent), found)
            fill = found is not None and not found.pending
            numbers = {"ticket": found.ticket, "price": found.price} if fill and found is not None else {}
            if found is not None and found.pending:
                numbers = {"ticket": found.ticket}
            word = SettleOrder(intent.order_id, state, "seen in the terminal", "owner", **numbers)
            with trio.move_on_after(8), contextlib.suppress(ActorError):
                await executor_of(path).ask(word)

    async def end(self, path: CommandPath) -> None:
        """All is well again: what each id has become is known, and is said from now on."""
        for step in (("journal", "up"), ("place", "well"), ("find", "well"), ("sleep", 60.0)):
            await self.do(path, *step)
        await path.set_state("active")
        await path.sample()
        for request_id in IDS:
            if request_id in self.broker.unrecorded:
                continue
            done = self.done(request_id)
            known = reading.lookup(path.journal.connection, "alpha", request_id)
            heard = [(body, await self.ask(request_id, body)) for body in BODIES if body != "verdict"]
            heard += [(body, await self.ask(request_id, body)) for body, _ in heard]
            mine = {body for body, reply in heard if reply.get("code") != "request_id_conflict"}
            replies = {str({**reply, "timestamp": 0}) for body, reply in heard if body in mine}
            assert len(mine) <= 1, heard
            assert len(replies) <= 1, heard
            if done:
                assert known is not None
                assert mine, heard
                (tag,) = self.tags(request_id)
                found = self.broker.inner.account.find(tag)
                assert found is not None
                for reply in (reply for body, reply in heard if body in mine):
                    assert (reply["status"], bool(reply.get("pending"))) == ("success", found.pending), (found, heard)
            self.at_most_once()


def is_final(reply: Reply) -> bool:
    return "order_id" in reply or reply.get("code") == "expired"


ANOTHER_BODY = [
    (("ask", "a", "market", True),),
    (("journal", "late"),),
    (("forget",),),
    (("ask", "a", "limit", True), ("fill",), ("sleep", 6.0), ("ask", "a", "limit", True)),
]
"""The id of a filled order is used for another one, which nobody can look up: that this one was not sent is true."""
EXAMPLES = examples(150, 60)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(STORIES)
@example(ANOTHER_BODY)
def test_each_id_acts_once_and_what_is_said_stays(story: Sequence[Sequence[Step]]) -> None:
    """Any order of requests, failures and repairs: see the module."""
    steps = list(itertools.chain.from_iterable(story))

    async def main() -> None:
        with tempfile.TemporaryDirectory() as folder:
            await Story(Path(folder) / "journal.sqlite3").tell(steps)

    trio.run(main, clock=MockClock(autojump_threshold=0))
