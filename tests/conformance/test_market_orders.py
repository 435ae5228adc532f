"""BC-030 to BC-039: orders at the market."""

from __future__ import annotations

import pytest
import trio
from conformance.desk import COMMENT, ORIGIN, Desk, approved, new_tag
from conformance.subject import Capability, needs

from quantmind.domain.accounts import Cause, Entry
from quantmind.domain.orders import Outcome, Placed, Refused, Side


@pytest.mark.parametrize("side", list(Side))
async def test_bc_030_an_order_fills_once(desk: Desk, side: Side) -> None:
    """A market order fills once, a buy at the ask and a sell at the bid, and its answer has volume, ticket, order and
    deal.
    """
    bid, ask = await desk.price(12)
    tag = new_tag()
    outcome = await desk.placed(desk.order(side), tag)
    assert (outcome.price, outcome.volume) == (ask if side is Side.BUY else bid, desk.lots)
    assert not outcome.pending
    assert min(outcome.ticket, outcome.order, outcome.deal) > 0
    (truth,) = await desk.truth()
    assert (truth.tag, truth.ticket, truth.volume) == (tag, outcome.ticket, desk.lots)
    (position,) = await desk.positions()
    assert (position.ticket, position.symbol, position.side) == (outcome.ticket, desk.symbol, side)
    assert (position.volume, position.price_open) == (desk.lots, outcome.price)
    (deal,) = await desk.deals()
    assert (deal.ticket, deal.order, deal.position) == (outcome.deal, outcome.order, outcome.ticket)
    assert (deal.side, deal.entry, deal.cause) == (side, Entry.IN, Cause.CLIENT)
    assert (deal.volume, deal.price, deal.profit) == (desk.lots, outcome.price, 0)


async def test_bc_031_times_are_utc(desk: Desk) -> None:
    """Positions, waiting orders and deals have the UTC time at which they were made, and not the server's."""
    await desk.subject.pass_time(5)
    await desk.price(1)
    await desk.placed(desk.order())
    sample, deals = await desk.broker.sample(), await desk.deals()
    for made in (*sample.positions, *deals):
        assert abs(made.time_msc - desk.subject.wall() * 1000) <= 2000


@needs(Capability.MAGIC)
async def test_bc_032_what_is_open_and_done_says_whose_it_is(desk: Desk) -> None:
    """A position and its entry deal have the magic number and the comment of their order."""
    await desk.placed(desk.order())
    (position,), (deal,) = await desk.positions(), await desk.deals()
    assert (position.magic, position.comment) == (ORIGIN.magic, COMMENT)
    assert (deal.magic, deal.comment) == (ORIGIN.magic, COMMENT)


@needs(Capability.TAGS)
async def test_bc_033_what_is_open_and_done_has_its_tag(desk: Desk) -> None:
    """A position and its entry deal have the tag of their order."""
    tag = new_tag()
    await desk.placed(desk.order(), tag)
    assert [each.tag for each in await desk.positions()] == [tag]
    assert [each.tag for each in await desk.deals()] == [tag]


@needs(Capability.REPEATS_TAGS)
async def test_bc_034_a_repeated_tag_is_found(desk: Desk) -> None:
    """Where a tag may be used twice both orders are carried out, and find tells of one of them and never of none."""
    tag = new_tag()
    first, second = await desk.placed(desk.order(), tag), await desk.placed(desk.order(Side.SELL), tag)
    assert len(await desk.truth(tag)) == 2
    assert (await desk.found(tag)).deal in (first.deal, second.deal)


@needs(Capability.UNIQUE_TAGS)
async def test_bc_035_a_used_tag_is_refused_for_ever(desk: Desk) -> None:
    """Where tags are unique a second order is refused, also after the position of the first was closed."""
    tag = new_tag()
    first = await desk.placed(desk.order(), tag)
    assert isinstance(await desk.place(desk.order(), tag), Refused)
    await desk.placed(desk.closing(first.ticket))
    assert isinstance(await desk.place(desk.order(), tag), Refused)
    assert len(await desk.truth(tag)) == 1
    assert (await desk.found(tag)).ticket == first.ticket


@needs(Capability.UNIQUE_WAITING_TAGS)
async def test_bc_036_a_waiting_tag_is_refused(desk: Desk) -> None:
    """Where tags are unique while their order waits a second order is refused as long, and the first is found."""
    tag = new_tag()
    first = await desk.placed(desk.limit(-500), tag)
    assert isinstance(await desk.place(desk.order(), tag), Refused)
    assert len(await desk.truth(tag)) == 1
    assert (await desk.found(tag)).ticket == first.ticket


@needs(Capability.HEDGING)
async def test_bc_037_hedging(desk: Desk) -> None:
    """On a hedging account each order has a position of its own, opposite ones too."""
    orders = [await desk.placed(desk.order(side)) for side in (Side.BUY, Side.SELL, Side.BUY)]
    positions = await desk.positions()
    assert [each.ticket for each in positions] == [each.ticket for each in orders]
    assert [each.side for each in positions] == [Side.BUY, Side.SELL, Side.BUY]


@needs(Capability.NETTING, Capability.SHORT)
async def test_bc_038_netting(desk: Desk) -> None:
    """On a netting account orders of a symbol add to one position, reduce it, reverse it and close it."""
    steps = [(Side.BUY, 1, Side.BUY, 1), (Side.BUY, 1, Side.BUY, 2), (Side.SELL, 1, Side.BUY, 1)]
    steps += [(Side.SELL, 3, Side.SELL, 2), (Side.BUY, 2, None, 0)]
    for side, lots, left_side, left in steps:
        await desk.placed(desk.order(side, desk.lots * lots))
        held = [(each.side, each.volume) for each in await desk.positions()]
        assert held == ([] if left_side is None else [(left_side, desk.lots * left)])
    entries = [deal.entry for deal in await desk.deals()]
    assert entries == [Entry.IN, Entry.IN, Entry.OUT, Entry.INOUT, Entry.OUT]


async def test_bc_039_calls_at_once_get_their_own_answers(desk: Desk) -> None:
    """Orders, samples and look-ups at the same time each get their own answer, and each order is carried out once."""
    tags = {new_tag(): (number + 1) * desk.spec.volume_step + desk.lots for number in range(6)}
    outcomes: dict[str, Outcome] = {}

    async def order(tag: str) -> None:
        outcomes[tag] = await desk.broker.place(approved(desk.order(lots=tags[tag]), tag), tag)

    async def look(tag: str) -> None:
        await desk.broker.sample()
        await desk.broker.find(tag)
        await desk.broker.deals(0)

    async with trio.open_nursery() as nursery:
        for tag in tags:
            nursery.start_soon(order, tag)
            nursery.start_soon(look, tag)
    for tag, lots in tags.items():
        outcome = outcomes[tag]
        assert isinstance(outcome, Placed)
        assert outcome.volume == lots
        (truth,) = await desk.truth(tag)
        assert (truth.ticket, truth.volume) == (outcome.ticket, lots)
        assert await desk.find(tag) == outcome
