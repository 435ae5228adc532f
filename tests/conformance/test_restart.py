"""BC-110 to BC-114: the adapter is killed and made anew over the same account."""

from __future__ import annotations

from conformance.cutting import Cut, at_each_checkpoint
from conformance.desk import ORIGIN, Desk, approved, new_tag
from conformance.subject import Capability, Loss, needs

from quantmind.domain.orders import Absent, Cancel, Modify, Placed


async def restart(desk: Desk) -> None:
    """A kill, and the next adapter is connected."""
    await desk.subject.restart()
    await desk.broker.connect()


@needs(Capability.KEEPS, Capability.PENDING, Capability.STOPS)
async def test_bc_110_what_was_answered_is_there_after_a_kill(desk: Desk) -> None:
    """A kill straight after an answer undoes nothing of it, be it an order, a change, a close or a cancellation."""
    opened = await desk.placed(desk.order())
    await restart(desk)
    (position,) = await desk.positions()
    assert (position.ticket, position.volume, position.price_open) == (opened.ticket, opened.volume, opened.price)

    limit = await desk.placed(desk.limit(-500))
    await restart(desk)
    assert [(each.ticket, each.price) for each in await desk.orders()] == [(limit.ticket, desk.level(-500))]

    await desk.placed(Modify(ORIGIN, desk.broker.name, opened.ticket, new_sl=desk.level(-300)))
    await restart(desk)
    assert [each.sl for each in await desk.positions()] == [desk.level(-300)]

    await desk.placed(Modify(ORIGIN, desk.broker.name, limit.ticket, new_price=desk.level(-600)))
    await restart(desk)
    assert [each.price for each in await desk.orders()] == [desk.level(-600)]

    part = await desk.placed(desk.closing(opened.ticket, desk.spec.volume_min))
    await restart(desk)
    assert [each.volume for each in await desk.positions()] == [desk.lots - desk.spec.volume_min]
    assert [each.ticket for each in await desk.deals()] == [opened.deal, part.deal]

    await desk.placed(Cancel(ORIGIN, desk.broker.name, limit.ticket))
    await restart(desk)
    assert list(await desk.orders()) == []


@needs(Capability.KEEPS, Capability.FINDS_CLOSED, Capability.FINDS_CHANGES, Capability.PENDING)
async def test_bc_111_tags_are_found_after_a_kill(desk: Desk) -> None:
    """A kill straight after an answer, and find says the same as the answer; an absent tag stays absent."""
    tags = [new_tag() for _ in range(3)]
    opened = await desk.placed(desk.order(), tags[0])
    await restart(desk)
    assert await desk.find(tags[0]) == opened
    limit = await desk.placed(desk.limit(-500), tags[1])
    await restart(desk)
    assert await desk.find(tags[1]) == limit
    closed = await desk.placed(desk.closing(opened.ticket), tags[2])
    await restart(desk)
    assert [await desk.find(tag) for tag in tags] == [opened, limit, closed]
    assert await desk.find(new_tag()) == Absent()


@needs(Capability.KEEPS)
async def test_bc_112_an_unknown_order_is_found_after_a_kill(desk: Desk) -> None:
    """An order that was Unknown is found after a kill if it was carried out, and is else surely absent."""
    lost, unheard = new_tag(), new_tag()
    await desk.subject.lose(Loss.REQUEST)
    await desk.unknown(desk.order(), lost)
    await desk.subject.lose(Loss.ANSWER)
    await desk.unknown(desk.order(), unheard)
    await desk.subject.lose(None)
    await restart(desk)
    assert await desk.check_tag(lost) == Absent()
    assert isinstance(await desk.check_tag(unheard), Placed)


@needs(Capability.KEEPS)
async def test_bc_113_numbers_go_on_after_a_kill(desk: Desk) -> None:
    """Kill after kill the account is as it was, and no order, deal or position gets a number that another one had."""
    orders: list[int] = []
    deals: list[int] = []
    for _ in range(3):
        placed = await desk.placed(desk.order())
        closed = await desk.placed(desk.closing(placed.ticket))
        orders += [placed.order, closed.order]
        deals += [placed.deal, closed.deal]
        before, account = await desk.holdings(), (await desk.broker.sample()).account
        await restart(desk)
        assert await desk.holdings() == before
        assert (await desk.broker.sample()).account == account
        await desk.price(len(orders))
    assert len(set(orders)) == len(set(deals)) == 6
    assert [each.ticket for each in await desk.deals()] == deals


@needs(Capability.KEEPS)
async def test_bc_114_a_kill_at_any_moment_of_an_order(desk: Desk) -> None:
    """An order that is given up at any checkpoint, with a kill straight after it, was carried out and is found, or is
    absent.
    """
    tags: dict[int, str] = {}

    async def order(at: int) -> object:
        tags[at] = new_tag()
        return await desk.broker.place(approved(desk.order(lots=desk.spec.volume_min), tags[at]), tags[at])

    async def check(cut: Cut[object]) -> None:
        await restart(desk)
        found = await desk.check_tag(tags[cut.at])
        if cut.result is not None:
            assert found == cut.result
        await desk.price(cut.at)

    await at_each_checkpoint(order, check)
