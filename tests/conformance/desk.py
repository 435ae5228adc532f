"""A trader's desk for the cases: prices, orders and the checks that many of them share."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs
import trio
from conformance.subject import Executed, Subject

from quantmind.domain.accounts import Deal, PendingOrder, Position
from quantmind.domain.orders import (
    Absent,
    Close,
    Open,
    OrderType,
    Origin,
    Outcome,
    Placed,
    Proposal,
    Refused,
    Side,
    Unknown,
)
from quantmind.domain.retcodes import AMBIGUOUS, SUCCESSES, Retcode
from quantmind.domain.risk.approval import Approved, Terms, approve
from quantmind.domain.symbols import SymbolSpec
from quantmind.ports import Broker

ORIGIN = Origin("conformance", 4711)
COMMENT = "by the case"
SPREAD = 10
"""Ticks between bid and ask."""
LOOKS = 200
LOOK_EVERY_S = 0.02


def new_tag() -> str:
    """A tag as the gateway makes them: 16 characters that were never used, by this run or an earlier one."""
    return uuid.uuid4().hex[:16]


def approved(proposal: Proposal, tag: str = "a", *, reduces: bool = False) -> Approved:
    """A verdict as the governor would give it; `reduces`: it was proved to make a position smaller."""
    return approve(proposal, Terms(Decimal(1), None), approval_id=tag, incarnation=1, deadline=1e9, reduces=reduces)


@attrs.define(eq=False)
class Desk:
    """A connected subject with prices, and the words that cases are written in. Levels are ticks from the start."""

    subject: Subject
    specs: Mapping[str, SymbolSpec]
    shorts: bool = True
    """Whether a sell opens a position."""

    @classmethod
    async def open(cls, subject: Subject, *, shorts: bool = True) -> Desk:
        """Connect, and price each symbol."""
        specs = {spec.name: spec for spec in await subject.broker.connect()}
        desk = cls(subject, specs, shorts)
        for symbol in subject.starts:
            await desk.price(0, symbol)
        return desk

    @property
    def broker(self) -> Broker:
        return self.subject.broker

    @property
    def symbol(self) -> str:
        """The symbol that is traded unless another one is named."""
        return next(iter(self.subject.starts))

    @property
    def other_symbol(self) -> str:
        return list(self.subject.starts)[1]

    @property
    def second_side(self) -> Side:
        """That of a position beside a long one: a short one where there is such a thing."""
        return Side.SELL if self.shorts else Side.BUY

    @property
    def spec(self) -> SymbolSpec:
        return self.specs[self.symbol]

    @property
    def lots(self) -> Decimal:
        """A volume that can be split in ten."""
        return self.spec.volume_min * 10

    def level(self, ticks: int, symbol: str | None = None) -> Decimal:
        """The price so many ticks above the symbol's starting bid."""
        spec = self.specs[symbol or self.symbol]
        return (self.subject.starts[spec.name] + ticks * spec.tick_size).quantize(spec.point)

    async def price(self, ticks: int, symbol: str | None = None) -> tuple[Decimal, Decimal]:
        """Let the bid be there, and the ask above it; the adapter has given it out."""
        symbol = symbol or self.symbol
        bid, ask = self.level(ticks, symbol), self.level(ticks + SPREAD, symbol)
        await self.subject.move(symbol, bid, ask)
        await self.broker.poll()
        return bid, ask

    # --- requests ----------------------------------------------------------------------------------------------

    def order(self, side: Side = Side.BUY, lots: Decimal | None = None, symbol: str | None = None, **more: Any) -> Open:
        """An order at the market, unless `more` says otherwise."""
        return Open(
            ORIGIN,
            self.broker.name,
            symbol or self.symbol,
            self.lots if lots is None else lots,
            side,
            comment=COMMENT,
            **more,
        )

    def limit(self, ticks: int, side: Side = Side.BUY, **more: Any) -> Open:
        """A limit order at a level."""
        return self.order(side, order_type=OrderType.LIMIT, price=self.level(ticks), **more)

    def closing(
        self, ticket: int, lots: Decimal | None = None, symbol: str | None = None, by: int | None = None
    ) -> Close:
        """A close of a position, or of a part."""
        return Close(ORIGIN, self.broker.name, symbol or self.symbol, ticket, lots, by)

    async def place(self, proposal: Proposal, tag: str | None = None) -> Outcome:
        """Ask for it once."""
        tag = tag or new_tag()
        return await self.broker.place(approved(proposal, tag), tag)

    async def placed(self, proposal: Proposal, tag: str | None = None) -> Placed:
        """Ask for it, and it must be carried out."""
        outcome = await self.place(proposal, tag)
        assert isinstance(outcome, Placed), outcome
        assert outcome.retcode in SUCCESSES
        return outcome

    async def unknown(self, proposal: Proposal, tag: str) -> Unknown:
        """Ask for it, and nobody must be able to say what became of it."""
        outcome = await self.place(proposal, tag)
        assert isinstance(outcome, Unknown), outcome
        assert outcome.reason
        return outcome

    async def refused(self, proposal: Proposal, *codes: Retcode) -> Refused:
        """Ask for it, and it must be refused with one of the codes, in plain words, with nothing done or changed."""
        before, tag = await self.holdings(), new_tag()
        outcome = await self.place(proposal, tag)
        assert isinstance(outcome, Refused), outcome
        assert outcome.retcode not in SUCCESSES | AMBIGUOUS
        assert outcome.retcode in codes, outcome
        assert 0 < len(outcome.comment) <= 400
        assert outcome.comment.isprintable()
        assert await self.find(tag) == Absent()
        assert await self.truth(tag) == []
        assert await self.holdings() == before
        return outcome

    # --- what there is -----------------------------------------------------------------------------------------

    async def find(self, tag: str) -> Placed | Absent:
        """What the broker says of a tag once it can tell."""
        for _ in range(LOOKS):
            found = await self.broker.find(tag)
            if found is not None:
                return found
            await trio.sleep(LOOK_EVERY_S)
        raise AssertionError(f"find could not tell of {tag} in {LOOKS * LOOK_EVERY_S:g} s")

    async def found(self, tag: str) -> Placed:
        """What the broker says of a tag that it must know."""
        found = await self.find(tag)
        assert isinstance(found, Placed), found
        return found

    async def truth(self, tag: str | None = None) -> list[Executed]:
        """What the broker's side carried out, of one tag or of all."""
        return [each for each in await self.subject.executed() if tag is None or each.tag == tag]

    async def check_tag(self, tag: str, *, may_be_forgotten: bool = False) -> Placed | Absent:
        """Find a tag whose outcome nobody knows: it was carried out once or never, and find says which.

        Args:
            may_be_forgotten: a change that no longer shows may be said to be absent.
        """
        found = await self.find(tag)
        truth = await self.truth(tag)
        if may_be_forgotten and isinstance(found, Absent) and len(truth) == 1 and truth[0].volume is None:
            return found
        assert len(truth) == (1 if isinstance(found, Placed) else 0), (found, truth)
        if isinstance(found, Placed):
            (done,) = truth
            if done.waits and not found.pending:  # it has filled or ended since
                assert found.order == done.ticket
            else:
                assert (found.ticket, found.volume) == (done.ticket, done.volume), (found, done)
        return found

    async def positions(self) -> Sequence[Position]:
        return (await self.broker.sample()).positions

    async def position(self, ticket: int) -> Position | None:
        return next((each for each in await self.positions() if each.ticket == ticket), None)

    async def orders(self) -> Sequence[PendingOrder]:
        return (await self.broker.sample()).orders

    async def waiting(self, ticket: int) -> PendingOrder | None:
        return next((each for each in await self.orders() if each.ticket == ticket), None)

    async def deals(self) -> Sequence[Deal]:
        return await self.broker.deals(0)

    async def holdings(self) -> tuple[Any, ...]:
        """All that an order may change, as a value."""
        sample = await self.broker.sample()
        positions = [(each.ticket, each.side, each.volume, each.sl, each.tp, each.tag) for each in sample.positions]
        return sample.account.balance, positions, list(sample.orders), len(await self.deals()), await self.truth()

    async def reconnect(self) -> None:
        """Let the broker be reached again, and reach it."""
        await self.subject.mend()
        await self.broker.connect()
