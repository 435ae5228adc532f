"""Paper brokers with a mistake each, as an adapter may make it: what the cases must find out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import trio

from quantmind.adapters.mock import MockBroker
from quantmind.domain.accounts import Account, Deal, Sample
from quantmind.domain.orders import Absent, Close, Modify, Open, Outcome, Placed, Refused, Unknown
from quantmind.domain.quotes import Quote
from quantmind.domain.retcodes import Retcode
from quantmind.domain.risk.approval import Approved
from quantmind.domain.symbols import SymbolSpec
from quantmind.errors import BrokerUnavailable
from quantmind.ports import Poll, Recovery

HOUR_MS = 3_600_000


class Flawed:
    """A paper broker as it is; each flaw below changes one thing."""

    def __init__(self, broker: MockBroker) -> None:
        self._broker = broker

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


class SendsAgain(Flawed):
    """What is unknown is sent once more."""

    async def place(self, order: Approved, tag: str) -> Outcome:
        outcome = await self._broker.place(order, tag)
        return await self._broker.place(order, tag) if isinstance(outcome, Unknown) else outcome


class TakesUnknownForUnsent(Flawed):
    """A lost answer is said to be an outage."""

    async def place(self, order: Approved, tag: str) -> Outcome:
        outcome = await self._broker.place(order, tag)
        if isinstance(outcome, Unknown):
            raise BrokerUnavailable(outcome.reason)
        return outcome


class TakesUnknownForRefused(Flawed):
    """A lost answer is said to be a refusal."""

    async def place(self, order: Approved, tag: str) -> Outcome:
        outcome = await self._broker.place(order, tag)
        return Refused(int(Retcode.TIMEOUT), outcome.reason) if isinstance(outcome, Unknown) else outcome


class SendsAfterAnError(Flawed):
    """An order that can't be sent now is kept, and sent later."""

    def __init__(self, broker: MockBroker) -> None:
        super().__init__(broker)
        self._late: list[tuple[Approved, str]] = []

    async def place(self, order: Approved, tag: str) -> Outcome:
        try:
            return await self._broker.place(order, tag)
        except BrokerUnavailable:
            self._late.append((order, tag))
            raise

    async def connect(self) -> Sequence[SymbolSpec]:
        specs = await self._broker.connect()
        while self._late:
            await self._broker.place(*self._late.pop())
        return specs


class KnowsWhatItHeard(Flawed):
    """Find tells of the outcomes that this adapter has heard, and does not ask the broker."""

    def __init__(self, broker: MockBroker) -> None:
        super().__init__(broker)
        self._heard: dict[str, Placed] = {}

    async def place(self, order: Approved, tag: str) -> Outcome:
        outcome = await self._broker.place(order, tag)
        if isinstance(outcome, Placed):
            self._heard[tag] = outcome
        return outcome

    async def find(self, tag: str) -> Placed | Absent | None:
        found = await self._broker.find(tag)
        return found if found is None else self._heard.get(tag, Absent())


class FindsTheOpenOnly(Flawed):
    """Find looks at what is open, and not at the history."""

    async def find(self, tag: str) -> Placed | Absent | None:
        found = await self._broker.find(tag)
        account = self._broker.account
        there = {each.tag for each in account.positions()} | {each.tag for each in account.orders()}
        return found if found is None or tag in there else Absent()


class FindsTheLast(Flawed):
    """Find takes the newest deal of ours for the one that is looked for."""

    async def find(self, tag: str) -> Placed | Absent | None:
        found = await self._broker.find(tag)
        deals = self._broker.account.deals
        return await self._broker.find(deals[-1].tag) if found == Absent() and deals else found


class TakesBlindForAbsent(Flawed):
    """What the broker can't tell yet is said to be absent."""

    async def find(self, tag: str) -> Placed | Absent | None:
        return await self._broker.find(tag) or Absent()


class CutsTags(Flawed):
    """One character of the longest tags is lost."""

    async def place(self, order: Approved, tag: str) -> Outcome:
        return await self._broker.place(order, tag[:15] if len(tag) == 16 else tag)

    async def find(self, tag: str) -> Placed | Absent | None:
        return await self._broker.find(tag[:15])


class TakesNoDataForNothing(Flawed):
    """An answer without data is an empty account."""

    async def sample(self) -> Sample:
        try:
            return await self._broker.sample()
        except BrokerUnavailable:
            state: Account = self._broker.account.state()
            return Sample(self._broker.name, state, (), (), 0.0)


class SaysOldSamples(Flawed):
    """A sample is answered from the one before."""

    _last: Sample | None = None

    async def sample(self) -> Sample:
        last, self._last = self._last, await self._broker.sample()
        return last or self._last


class AgesByTheWall(Flawed):
    """The time of a sample is the wall clock's."""

    async def sample(self) -> Sample:
        clock = self._broker._clock
        assert clock is not None
        return attrs.evolve(await self._broker.sample(), taken_at=clock())


class SaysServerTime(Flawed):
    """Times are those of the server's clock, two hours ahead."""

    async def poll(self) -> Poll:
        poll = await self._broker.poll()
        return attrs.evolve(poll, quotes=[attrs.evolve(q, time_msc=q.time_msc + 2 * HOUR_MS) for q in poll.quotes])

    async def deals(self, since_msc: int) -> Sequence[Deal]:
        deals = await self._broker.deals(since_msc)
        return [attrs.evolve(each, time_msc=each.time_msc + 2 * HOUR_MS) for each in deals]


class SaysTicksTwice(Flawed):
    """Each poll begins with the tick that the one before ended with."""

    _last: Sequence[Quote] = ()

    async def poll(self) -> Poll:
        poll = await self._broker.poll()
        last, self._last = self._last, poll.quotes[-1:]
        return attrs.evolve(poll, quotes=[*last, *poll.quotes])


class LeavesTheSinceOut(Flawed):
    """Deals since a time are those after it."""

    async def deals(self, since_msc: int) -> Sequence[Deal]:
        return await self._broker.deals(since_msc + 1)


class SaysDealsTwice(Flawed):
    """The newest deal is read by two questions, and said twice."""

    async def deals(self, since_msc: int) -> Sequence[Deal]:
        deals = list(await self._broker.deals(since_msc))
        return [*deals, *deals[-1:]]


class ForgetsCommission(Flawed):
    """A deal's commission is not read."""

    async def deals(self, since_msc: int) -> Sequence[Deal]:
        return [attrs.evolve(each, commission=each.commission * 0) for each in await self._broker.deals(since_msc)]


class KeepsNoTags(Flawed):
    """Tags of deals are not read."""

    async def deals(self, since_msc: int) -> Sequence[Deal]:
        return [attrs.evolve(each, tag="") for each in await self._broker.deals(since_msc)]


class ChangesTheOtherStop(Flawed):
    """A stop that is not named is removed with the change, as a terminal's request does that leaves it out."""

    async def place(self, order: Approved, tag: str) -> Outcome:
        proposal = order.proposal
        if isinstance(proposal, Modify) and self._broker.account.positions():
            zero = self._broker.account.balance * 0
            new_tp = zero if proposal.new_tp is None else proposal.new_tp
            order = _with(order, attrs.evolve(proposal, new_tp=new_tp))
        return await self._broker.place(order, tag)


class RoundsVolumes(Flawed):
    """A volume between two steps is rounded, and nobody is told."""

    async def place(self, order: Approved, tag: str) -> Outcome:
        proposal = order.proposal
        if isinstance(proposal, Open | Close) and proposal.volume is not None:
            spec, volume = self._broker.account.market.specs.get(proposal.symbol), proposal.volume
            if spec is not None and volume.is_finite() and volume > spec.volume_min:
                order = _with(order, attrs.evolve(proposal, volume=spec.floor_volume(volume)))
        return await self._broker.place(order, tag)


class OnlyReduces(Flawed):
    """An order of which less would do is taken for one that may open nothing."""

    async def place(self, order: Approved, tag: str) -> Outcome:
        if isinstance(order.proposal, Open) and order.proposal.reduce:
            return Refused(int(Retcode.INVALID_ORDER), "there is nothing that it could reduce")
        return await self._broker.place(order, tag)


class MixesAnswersUp(Flawed):
    """Two requests at the same time get each other's answers."""

    _answer: Outcome | None = None

    async def place(self, order: Approved, tag: str) -> Outcome:
        self._answer = await self._broker.place(order, tag)
        await trio.sleep(0.05)  # until others have theirs
        return self._answer


class SaysRefusedForDone(Flawed):
    """The code of an answer is not looked at."""

    async def place(self, order: Approved, tag: str) -> Outcome:
        outcome = await self._broker.place(order, tag)
        return Placed(outcome.retcode) if isinstance(outcome, Refused) else outcome


class ClosesForGood(Flawed):
    """It can't be connected again."""

    _closed = False

    async def aclose(self) -> None:
        self._closed = True
        await self._broker.aclose()

    async def connect(self) -> Sequence[SymbolSpec]:
        if self._closed:
            raise BrokerUnavailable("closed")
        return await self._broker.connect()


class ForgetsWhenRestarted(Flawed):
    """What was sent before it was begun anew it does not know."""

    _restarted = False

    async def recover(self, step: Recovery, symbols: Sequence[str]) -> None:
        self._restarted = self._restarted or step is Recovery.RESTART
        await self._broker.recover(step, symbols)

    async def find(self, tag: str) -> Placed | Absent | None:
        return Absent() if self._restarted else await self._broker.find(tag)


class WorksUnconnected(Flawed):
    """It reaches the broker by itself, whatever was said."""

    async def place(self, order: Approved, tag: str) -> Outcome:
        await self._broker.connect()
        return await self._broker.place(order, tag)


class AnswersBeforeItIsKept(Flawed):
    """The answer comes before the disk has it."""

    def __init__(self, broker: MockBroker) -> None:
        super().__init__(broker)

        async def keep() -> None:
            return None

        broker._keep = keep  # type: ignore[method-assign]


def _with(order: Approved, proposal: Any) -> Approved:
    return attrs.evolve(order, proposal=proposal)
