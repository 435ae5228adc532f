"""BC-080 to BC-089: orders whose outcome nobody heard, and how they are found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from conformance.desk import ORIGIN, Desk, new_tag
from conformance.subject import Capability, Loss, needs

from quantmind.domain.orders import Absent, Cancel, Modify, Placed, Proposal

GIVES_UP_AFTER_S = 0.05
CHANGES = {
    "close": lambda desk, position, _: desk.closing(position),
    "close a part": lambda desk, position, _: desk.closing(position, desk.spec.volume_min),
    "change a position": lambda desk, position, _: Modify(ORIGIN, desk.broker.name, position, new_sl=desk.level(-300)),
    "change an order": lambda desk, _, order: Modify(ORIGIN, desk.broker.name, order, new_price=desk.level(-600)),
    "cancel": lambda desk, _, order: Cancel(ORIGIN, desk.broker.name, order),
}


async def test_bc_080_an_answer_that_was_lost(desk: Desk) -> None:
    """An order that was carried out and whose answer was lost is Unknown, and is then found as it was filled, once."""
    tag = new_tag()
    await desk.subject.lose(Loss.ANSWER)
    await desk.unknown(desk.order(), tag)
    await desk.subject.lose(None)
    found = await desk.check_tag(tag)
    assert isinstance(found, Placed)
    (position,), (deal,) = await desk.positions(), await desk.deals()
    assert (found.ticket, found.price, found.volume) == (position.ticket, position.price_open, position.volume)
    assert (found.order, found.deal) == (deal.order, deal.ticket)


async def test_bc_081_a_request_that_was_lost(desk: Desk) -> None:
    """An order that never arrived is Unknown, and is then surely absent, with nothing done."""
    before, tag = await desk.holdings(), new_tag()
    await desk.subject.lose(Loss.REQUEST)
    await desk.unknown(desk.order(), tag)
    await desk.subject.lose(None)
    assert await desk.check_tag(tag) == Absent()
    assert await desk.holdings() == before


@needs(Capability.BLINDNESS)
async def test_bc_082_not_known_yet_is_not_absent(desk: Desk) -> None:
    """While the broker can't tell, find answers None, of what was carried out and of what never was; later it tells."""
    done, never = new_tag(), new_tag()
    await desk.placed(desk.order(), done)
    await desk.subject.blind(True)
    assert await desk.broker.find(done) is None
    assert await desk.broker.find(never) is None
    await desk.subject.blind(False)
    assert isinstance(await desk.find(done), Placed)
    assert await desk.find(never) == Absent()


async def test_bc_083_a_tag_that_never_was(desk: Desk) -> None:
    """A tag that nobody used is absent, on an empty account and on a busy one."""
    assert await desk.find(new_tag()) == Absent()
    await desk.placed(desk.order())
    assert await desk.find(new_tag()) == Absent()


async def test_bc_084_find_says_what_place_said(desk: Desk) -> None:
    """Find gives the answer that place gave, as often as it is asked and after a reconnect."""
    tag = new_tag()
    placed = await desk.placed(desk.order(), tag)
    assert [await desk.find(tag) for _ in range(2)] == [placed, placed]
    await desk.broker.aclose()
    await desk.broker.connect()
    assert await desk.find(tag) == placed


@needs(Capability.FINDS_CLOSED)
async def test_bc_085_an_order_is_found_after_its_position_was_closed(desk: Desk) -> None:
    """Find still says how an order was filled after its position was closed, and does not take it for the close."""
    tag = new_tag()
    placed = await desk.placed(desk.order(), tag)
    await desk.price(40)
    await desk.placed(desk.closing(placed.ticket))
    found = await desk.found(tag)
    assert (found.ticket, found.price, found.volume) == (placed.ticket, placed.price, placed.volume)
    assert found.deal == placed.deal


@needs(Capability.PENDING)
async def test_bc_086_a_waiting_order_whose_answer_was_lost(desk: Desk) -> None:
    """A limit order whose answer was lost is found as waiting, and after it has filled as filled."""
    tag = new_tag()
    await desk.subject.lose(Loss.ANSWER)
    await desk.unknown(desk.limit(-500), tag)
    await desk.subject.lose(None)
    found = await desk.check_tag(tag)
    assert isinstance(found, Placed)
    (order,) = await desk.orders()
    assert (found.pending, found.ticket, found.volume) == (True, order.ticket, order.volume)
    await desk.price(-600)
    found = await desk.found(tag)
    (position,) = await desk.positions()
    assert (found.pending, found.ticket, found.price) == (False, position.ticket, position.price_open)


@needs(Capability.FINDS_CHANGES, Capability.STOPS, Capability.PENDING)
@pytest.mark.parametrize("loss", list(Loss), ids=lambda loss: loss.name.lower())
@pytest.mark.parametrize("what", list(CHANGES))
async def test_bc_087_changes_are_found(desk: Desk, what: str, loss: Loss) -> None:
    """A close, change or cancellation that is Unknown is found if it was carried out, and else absent with nothing
    changed.
    """
    position, order = await desk.placed(desk.order()), await desk.placed(desk.limit(-500))
    make: Callable[[Desk, int, int], Proposal] = CHANGES[what]
    before, tag = await desk.holdings(), new_tag()
    await desk.subject.lose(loss)
    await desk.unknown(make(desk, position.ticket, order.ticket), tag)
    await desk.subject.lose(None)
    found = await desk.check_tag(tag)
    assert isinstance(found, Placed) == (loss is Loss.ANSWER)
    assert (await desk.holdings() == before) == (loss is Loss.REQUEST)


async def test_bc_088_whoever_gives_up_can_look(desk: Desk) -> None:
    """An order whose answer is late and whose caller gives up is found as carried out, once, or surely absent."""
    tag = new_tag()
    await desk.subject.hold_answers(True)
    with trio.move_on_after(GIVES_UP_AFTER_S) as scope:
        await desk.place(desk.order(), tag)
    assert scope.cancelled_caught
    await desk.subject.hold_answers(False)
    found = await desk.check_tag(tag)
    await desk.placed(desk.order())
    assert isinstance(await desk.check_tag(tag), type(found))


async def test_bc_089_a_loss_does_not_spread(desk: Desk) -> None:
    """Orders before and after one that is Unknown are answered as ever, and each tag has its own fate."""
    tags = [new_tag() for _ in range(5)]
    losses = [None, Loss.ANSWER, None, Loss.REQUEST, None]
    for tag, loss in zip(tags, losses, strict=True):
        await desk.subject.lose(loss)
        await (desk.placed if loss is None else desk.unknown)(desk.order(), tag)
    await desk.subject.lose(None)
    found = [isinstance(await desk.check_tag(tag), Placed) for tag in tags]
    assert found == [True, True, True, False, True]
