"""What a full mailbox does, and that it outlives its readers."""

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime import ActorError, Call, Mailbox, MailboxPolicy, NotDelivered, Overflow, Request

CONFLATE = MailboxPolicy(Overflow.CONFLATE, 4, key=lambda message: message[0])


def drain(box):
    taken = []
    while True:
        try:
            taken.append(box.pop_nowait())
        except trio.WouldBlock:
            return taken


def open_call():
    outcomes: list[object | ActorError] = []
    return Call.open(Request(), on_reply=outcomes.append), outcomes


def test_conflating_replaces_in_place():
    """The newest value of a key takes the place that the first one had in the queue."""
    box = Mailbox(CONFLATE)
    for message in [("a", 1), ("b", 1), ("a", 2), ("a", 3)]:
        box.put_nowait(message)
    assert drain(box) == [("a", 3), ("b", 1)]
    assert box.statistics().conflated == 2


def test_a_key_of_none_is_never_conflated():
    """Messages without a key are all kept, and refused when the mailbox is full."""
    box = Mailbox(MailboxPolicy(Overflow.CONFLATE, 2, key=lambda message: None))
    box.put_nowait("x")
    box.put_nowait("x")
    with pytest.raises(NotDelivered, match="full"):
        box.put_nowait("x")
    assert (drain(box), box.statistics().refused) == (["x", "x"], 1)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers())), st.integers(1, 6))
def test_conflating_keeps_the_newest_of_each_key(messages, capacity):
    """What is read is, for each key that got in, its newest value, in the order in which the keys came."""
    box = Mailbox(MailboxPolicy(Overflow.CONFLATE, capacity, key=lambda message: message[0]))
    model: dict[str, int] = {}
    refused = 0
    for key, value in messages:
        if key in model or len(model) < capacity:
            model[key] = value
            box.put_nowait((key, value))
        else:
            refused += 1
            with pytest.raises(NotDelivered):
                box.put_nowait((key, value))
    stats = box.statistics()
    assert stats.queued == stats.peak == len(model)
    assert stats.refused == refused
    assert stats.conflated == len(messages) - refused - len(model)
    assert drain(box) == list(model.items())


@given(st.lists(st.one_of(st.integers(0, 99), st.none())), st.integers(1, 5))
def test_drop_oldest_keeps_the_newest(steps, capacity):
    """The queue holds the newest messages in order; each one pushed out is counted."""
    box = Mailbox(MailboxPolicy(Overflow.DROP_OLDEST, capacity))
    model: list[int] = []
    dropped = 0
    for step in steps:
        if step is None:
            taken = model.pop(0) if model else None
            assert drain_one(box) == taken
        else:
            model.append(step)
            box.put_nowait(step)
            if len(model) > capacity:
                model.pop(0)
                dropped += 1
    assert box.statistics().dropped == dropped
    assert drain(box) == model


def drain_one(box):
    try:
        return box.pop_nowait()
    except trio.WouldBlock:
        return None


@given(st.integers(1, 9), st.integers(0, 20))
def test_reject_takes_its_capacity_and_no_more(capacity, count):
    """Beyond the capacity each message is refused, and the queue is as it was."""
    box = Mailbox(MailboxPolicy(Overflow.REJECT, capacity))
    refused = 0
    for number in range(count):
        try:
            box.put_nowait(number)
        except NotDelivered:
            refused += 1
    assert drain(box) == list(range(min(count, capacity)))
    assert refused == box.statistics().refused == max(0, count - capacity)


async def test_blocking_waits_for_room():
    """Under the block policy a sender waits for room; one that must not wait is refused."""
    box = Mailbox(MailboxPolicy(capacity=1))
    await box.put(1)
    with pytest.raises(NotDelivered):
        box.put_nowait(2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.put, 3)
        await trio.testing.wait_all_tasks_blocked()
        assert box.statistics().senders_waiting == 1
        assert drain(box) == [1, 3]


async def test_a_cancelled_sender_has_sent_nothing():
    """Giving up the wait for room leaves the queue as it was."""
    box = Mailbox(MailboxPolicy(capacity=1))
    await box.put(1)
    with trio.move_on_after(0):
        await box.put(2)
    assert drain(box) == [1]


@pytest.mark.parametrize("overflow", [Overflow.DROP_OLDEST, Overflow.CONFLATE])
async def test_a_request_pushed_out_tells_its_asker(overflow):
    """The asker of a dropped or conflated request hears NotDelivered at once."""
    key = (lambda message: "same") if overflow is Overflow.CONFLATE else None
    box = Mailbox(MailboxPolicy(overflow, 1, key=key))
    call, outcomes = open_call()
    box.put_nowait(call)
    box.put_nowait("newer")
    assert [type(outcome) for outcome in outcomes] == [NotDelivered]
    assert drain(box) == ["newer"]


async def test_closing_answers_what_is_queued_and_refuses_the_rest():
    """A closed mailbox answers queued requests, wakes senders that wait for room, and refuses all that comes."""
    box = Mailbox(MailboxPolicy(capacity=1))
    call, outcomes = open_call()
    box.put_nowait(call)
    refused = []

    async def sender(message):
        try:
            await box.put(message)
        except NotDelivered as error:
            refused.append(str(error))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender, "waits")
        await trio.testing.wait_all_tasks_blocked()
        box.close("it is over")
    await sender("late")
    with pytest.raises(NotDelivered, match="it is over"):
        box.put_nowait("later")
    assert refused == ["it is over"] * 2
    assert [type(outcome) for outcome in outcomes] == [NotDelivered]
    box.open()
    box.put_nowait("again")
    assert drain(box) == ["again"]
    assert (box.statistics().peak, box.statistics().dropped, box.statistics().refused) == (1, 1, 3)


def test_the_peak_is_remembered_over_closing():
    """The most that ever waited stays known when a mailbox is closed and opened again."""
    box = Mailbox(MailboxPolicy())
    for number in range(5):
        box.put_nowait(number)
    box.close("over")
    box.open()
    box.put_nowait(5)
    assert (box.statistics().peak, box.statistics().queued, box.statistics().dropped) == (5, 1, 5)


async def test_a_reader_that_ends_between_waking_and_taking_loses_nothing():
    """A message on its way to a reader that is gone when it arrives stays in the mailbox."""
    box = Mailbox(MailboxPolicy(Overflow.DROP_OLDEST, 1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.wait)
        await trio.testing.wait_all_tasks_blocked()
        box.put_nowait(1)
        nursery.cancel_scope.cancel()
    box.put_nowait(2)
    assert box.statistics().queued == 2
    box.put_nowait(3)
    assert (drain(box), box.statistics().dropped) == ([2, 3], 1)


async def test_an_inbox_has_one_reader():
    """A second task that reads at the same time is told so."""
    box = Mailbox(MailboxPolicy())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.wait)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await box.wait()
        box.nudge()


def test_a_policy_needs_a_key_exactly_when_it_conflates():
    """A key without conflation, conflation without a key, or no capacity is a fault of the set-up."""
    with pytest.raises(ValueError, match="without a key"):
        MailboxPolicy(Overflow.CONFLATE)
    with pytest.raises(ValueError, match="with a key"):
        MailboxPolicy(Overflow.BLOCK, key=lambda message: message)
    with pytest.raises(ValueError, match="capacity"):
        MailboxPolicy(capacity=0)
