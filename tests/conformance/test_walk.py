"""BC-120: whatever is done in whichever order, with whatever mishaps, the account and our record of it agree."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import trio
from conformance.cutting import cut_at
from conformance.desk import ORIGIN, Desk, approved, new_tag
from conformance.subject import Capability, Kind, Loss
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quantmind.domain.orders import Absent, Cancel, Modify, Placed, Proposal, Refused, Side, Unknown
from quantmind.errors import BrokerUnavailable

CHECKPOINTS = 12
SIDES = st.sampled_from(list(Side))
NUMBERS = st.integers(0, 9)
REQUESTS = st.one_of(
    st.tuples(st.just("open"), SIDES, NUMBERS),
    st.tuples(st.just("limit"), SIDES, NUMBERS),
    st.tuples(st.sampled_from(["close", "part", "change", "cancel"]), NUMBERS, NUMBERS),
)
MISHAPS = st.one_of(st.none(), st.none(), st.sampled_from(list(Loss)), st.just("cut off"), st.integers(1, CHECKPOINTS))
STEPS = st.one_of(
    st.tuples(REQUESTS, MISHAPS),
    st.tuples(REQUESTS, MISHAPS),
    st.integers(-300, 300),
    st.sampled_from(["reconnect", "kill"]),
)


@attrs.define(eq=False)
class Walk:
    """What was asked for, what was heard of it, and whether it can all be true."""

    desk: Desk
    kind: Kind
    initial: Decimal
    heard: dict[str, Any] = attrs.field(factory=dict, init=False)
    """By tag: the outcome, the error, or None of what nobody heard of."""

    async def do(self, step: Any) -> None:
        """One step."""
        desk = self.desk
        if isinstance(step, int):
            await desk.price(step)
        elif step == "reconnect":
            await desk.broker.aclose()
            await desk.broker.connect()
        elif step == "kill":
            if Capability.KEEPS in self.kind.capabilities:
                await desk.subject.restart()
                await desk.broker.connect()
                await self.check()
                await desk.price(0)
        else:
            request, mishap = step
            proposal = await self.proposal(*request)
            if proposal is not None:
                await self.ask(proposal, mishap)

    async def proposal(self, what: str, first: Any, second: int) -> Proposal | None:
        """What a step asks for; None where there is nothing to ask it of."""
        desk = self.desk
        if what == "open":
            return desk.order(first, desk.spec.volume_min * (second + 1))
        if what == "limit":
            away = -50 - 25 * second if first is Side.BUY else 50 + 25 * second
            return desk.limit(away, first)
        sample = await desk.broker.sample()
        there = sample.orders if what == "cancel" else sample.positions
        if not there:
            return None
        chosen = there[first % len(there)]
        if what == "cancel":
            return Cancel(ORIGIN, desk.broker.name, chosen.ticket)
        if what == "change":
            return Modify(ORIGIN, desk.broker.name, chosen.ticket, new_sl=desk.level(-100 * (second - 4)))
        return desk.closing(chosen.ticket, desk.spec.volume_min * (second + 1) if what == "part" else None)

    async def ask(self, proposal: Proposal, mishap: Any) -> None:
        """One request, and what is heard of it."""
        desk, tag = self.desk, new_tag()
        self.heard[tag] = None
        if isinstance(mishap, int):
            self.heard[tag] = (await cut_at(mishap, desk.broker.place(approved(proposal, tag), tag))).result
        elif mishap == "cut off":
            await desk.subject.cut()
            try:
                await desk.place(proposal, tag)
            except BrokerUnavailable as exc:
                self.heard[tag] = exc
            await desk.reconnect()
            assert isinstance(self.heard[tag], BrokerUnavailable)
        else:
            await desk.subject.lose(mishap)
            self.heard[tag] = await desk.place(proposal, tag)
            await desk.subject.lose(None)

    async def check(self) -> None:
        """All that must be true whatever was done."""
        desk = self.desk
        for tag, heard in self.heard.items():
            found = await desk.check_tag(tag, may_be_forgotten=self.kind.forgets_changes)
            if isinstance(heard, Placed):
                assert isinstance(found, Placed), "what was acknowledged is gone"
                assert found.ticket == heard.ticket or heard.pending
            elif isinstance(heard, Refused | BrokerUnavailable):
                assert found == Absent()
            else:
                assert heard is None or isinstance(heard, Unknown)
        # An order that was given up may have been on its way; by now it was asked for, and answers come in order.
        done = [each.tag for each in await desk.truth()]
        assert len(set(done)) == len(done)
        assert set(done) <= set(self.heard)
        sample, deals = await desk.broker.sample(), list(await desk.deals())
        if Capability.BALANCE in self.kind.capabilities:
            made = sum((each.profit + each.commission + each.swap for each in deals), Decimal(0))
            assert sample.account.balance == self.initial + made
        assert sample.account.equity == sample.account.balance + sample.account.profit
        dealt = sum(each.volume * each.side.sign for each in deals)
        assert dealt == sum(each.volume * each.side.sign for each in sample.positions)
        assert [each.time_msc for each in deals] == sorted(each.time_msc for each in deals)
        for some in (deals, sample.positions, sample.orders):
            assert len({each.ticket for each in some}) == len(some)
            if Capability.TAGS in self.kind.capabilities:
                assert {each.tag for each in some} <= {"", *done}


async def walk(kind: Kind, steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with kind.open(Path(folder)) as subject:
            desk = await Desk.open(subject)
            walked = Walk(desk, kind, (await desk.broker.sample()).account.balance)
            for step in steps:
                await walked.do(step)
            await walked.check()


@settings(
    max_examples=examples(40, 15),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(STEPS, min_size=5, max_size=25))
def test_bc_120_nothing_lost_nothing_twice(kind: Kind, steps: list[Any]) -> None:
    """Whatever is asked, with whatever mishaps: nothing acknowledged is gone, nothing is done twice, all adds up."""
    trio.run(walk, kind, steps)
