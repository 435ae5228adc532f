"""What an incarnation reads, in which order, and what stays queued when it ends."""

from functools import partial

import attrs
import pytest
import trio
import trio.testing

from actors.runtime import (
    ActorSpec,
    Backoff,
    Call,
    Inbox,
    MailboxPolicy,
    NotDelivered,
    ReplyLost,
    Request,
    Supervisor,
    run_until_stopping,
)

STEADY = Backoff(first=1.0, cap=8.0, jitter=lambda: 1.0)


@attrs.frozen
class Do(Request[int]):
    number: int = 0


def one(main, **options):
    """A tree with one actor."""
    return Supervisor("s", [ActorSpec("a", lambda: main, **options)], backoff=STEADY, on_event=lambda event: None)


def tell_all(ref, messages):
    for message in messages:
        ref.tell_nowait(message)


async def test_queued_messages_survive_a_crash_and_the_one_in_hand_is_not_run_twice(nursery, autojump_clock):
    """After a crash the next incarnation goes on with the message behind the one that crashed."""
    seen = []

    async def fragile(inbox):
        async for message in inbox:
            seen.append((inbox.incarnation, message))
            if message in (1, 3):
                raise ValueError(message)

    tree = one(fragile)
    tell_all(tree.ref("a"), range(6))
    nursery.start_soon(tree.run)
    await trio.sleep(60)
    assert seen == [(1, 0), (1, 1), (2, 2), (2, 3), (3, 4), (3, 5)]
    nursery.cancel_scope.cancel()


async def test_a_batch_loses_only_the_message_in_hand(nursery, autojump_clock):
    """A crash in the middle of a batch leaves what the batch had not given out in the mailbox."""
    seen = []

    async def fragile(inbox):
        async for batch in inbox.batches(10):
            for message in batch:
                seen.append((inbox.incarnation, message))
                if message == 3:
                    raise ValueError(message)

    tree = one(fragile)
    tell_all(tree.ref("a"), range(6))
    nursery.start_soon(tree.run)
    await trio.sleep(60)
    assert seen == [(1, 0), (1, 1), (1, 2), (1, 3), (2, 4), (2, 5)]
    nursery.cancel_scope.cancel()


async def test_a_batch_never_begun_loses_nothing(nursery, autojump_clock):
    """A crash between getting a batch and taking its first message loses no message."""
    seen = []

    async def fragile(inbox):
        async for batch in inbox.batches(10):
            if inbox.incarnation == 1:
                raise ValueError("before the first")
            seen.extend(batch)

    tree = one(fragile)
    nursery.start_soon(tree.run)
    await trio.testing.wait_all_tasks_blocked()
    tell_all(tree.ref("a"), "abc")
    await trio.sleep(60)
    assert seen == ["a", "b", "c"]
    nursery.cancel_scope.cancel()


async def test_a_batch_has_a_limit_and_takes_what_comes_meanwhile(nursery, autojump_clock):
    """A batch ends after its limit, includes what arrives while it is read, and other tasks run between two."""
    batches = []

    async def reader(inbox):
        async for batch in inbox.batches(3):
            batches.append([])
            for message in batch:
                batches[-1].append(message)
                if message == 0:
                    ref.tell_nowait("meanwhile")

    tree = one(reader)
    ref = tree.ref("a")
    tell_all(ref, [0, 1])
    nursery.start_soon(tree.run)
    await trio.testing.wait_all_tasks_blocked()
    tell_all(ref, range(1, 6))
    await trio.testing.wait_all_tasks_blocked()
    assert batches == [[0, 1, "meanwhile"], [1, 2, 3], [4, 5]]
    with pytest.raises(ValueError, match="at least 1"):
        Inbox(ref).batches(0)
    nursery.cancel_scope.cancel()


async def test_a_batch_settles_each_message_with_the_next(nursery, autojump_clock):
    """In a batch too, taking the next message closes the one before, and so does the end of the batch."""
    outcomes = []

    async def reader(inbox):
        async for batch in inbox.batches(3):
            for call in batch:
                if call.request.number == 1:
                    call.answer(1)
                outcomes.append(call.request.number)
            outcomes.append("end of batch")

    tree = one(reader)
    for number in range(4):
        tree.ref("a").pass_on_nowait(Call.open(Do(number), on_reply=lambda outcome: outcomes.append(type(outcome))))
    nursery.start_soon(tree.run)
    assert tree.ref("a").statistics().queued == 4
    await trio.testing.wait_all_tasks_blocked()
    assert outcomes == [
        *(0, ReplyLost, int, 1, 2, ReplyLost, "end of batch"),
        *(3, ReplyLost, "end of batch"),
    ]
    assert tree.ref("a").statistics().queued == 0
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("batched", [False, True])
async def test_a_busy_reader_lets_others_run(nursery, autojump_clock, batched):
    """An actor whose mailbox is never empty runs other tasks once for each message or batch."""
    turns = 0

    async def one_by_one(inbox):
        async for _ in inbox:
            ref.tell_nowait("more")

    async def in_batches(inbox):
        async for batch in inbox.batches(5):
            for _ in batch:
                ref.tell_nowait("more")

    tree = one(in_batches if batched else one_by_one)
    ref = tree.ref("a")
    ref.tell_nowait("first")
    nursery.start_soon(tree.run)
    for _ in range(100):
        await trio.lowlevel.checkpoint()
        turns += 1
    assert turns == 100
    nursery.cancel_scope.cancel()


async def test_stopping_lets_the_message_in_hand_finish(autojump_clock):
    """A request to stop lets the message in hand finish; what is behind it is answered NotDelivered."""
    outcomes = []

    async def slow(inbox):
        async for call in inbox:
            await trio.sleep(3)
            call.answer(call.request.number)

    tree = one(slow, grace=10)

    async def asker(number):
        try:
            outcomes.append(await tree.ref("a").ask(Do(number)))
        except NotDelivered as error:
            outcomes.append(type(error))

    async with trio.open_nursery() as nursery:
        await nursery.start(tree.run)
        nursery.start_soon(asker, 1)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(asker, 2)
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        await tree.stop()
        assert trio.current_time() == began + 3
    assert outcomes == [1, NotDelivered]


async def test_stopping_ends_a_batch_after_the_message_in_hand(autojump_clock):
    """A batch gives out nothing more once the actor has been asked to stop."""
    seen = []

    async def slow(inbox):
        async for batch in inbox.batches(10):
            for message in batch:
                seen.append(message)
                await trio.sleep(3)

    tree = one(slow, grace=10)
    tell_all(tree.ref("a"), range(5))
    async with trio.open_nursery() as nursery:
        await nursery.start(tree.run)
        await trio.sleep(4)
        await tree.stop()
    assert seen == [0, 1]


async def test_an_actor_can_wait_for_the_request_to_stop(autojump_clock):
    """An actor that does not read its inbox learns of a stop by `wait_stopping` and `stopping`."""
    log = []

    async def ticker(inbox):
        inbox.ready()
        log.append(inbox.stopping)
        await inbox.wait_stopping()
        log.append(inbox.stopping)

    tree = one(ticker, grace=100)
    async with trio.open_nursery() as nursery:
        await nursery.start(tree.run)
        await tree.stop()
    assert log == [False, True]


async def test_an_actor_of_tasks_runs_them_until_asked_to_stop(autojump_clock):
    """They run side by side, and are cancelled within the grace; one that raises is a crash of the actor."""
    log = []

    async def ticks(name):
        try:
            while True:
                log.append(name)
                await trio.sleep(10)
        finally:
            log.append(f"{name} ended")

    async def breaks():
        await trio.sleep(15)
        if "broke" not in log:
            log.append("broke")
            raise RuntimeError("once")
        await trio.sleep_forever()

    async def main(inbox):
        inbox.ready()
        await run_until_stopping(inbox, partial(ticks, "a"), breaks)

    tree = one(main, grace=100)
    async with trio.open_nursery() as nursery:
        await nursery.start(tree.run)
        await trio.sleep(20)
        assert log == ["a", "a", "broke", "a ended", "a"]
        began = trio.current_time()
        await tree.stop()
    assert trio.current_time() == began
    assert log[-1] == "a ended"


async def test_leaving_the_loop_early_keeps_the_rest(nursery, autojump_clock):
    """An actor may stop reading; what it has not taken waits for the next incarnation."""
    seen = []

    async def reads_one(inbox):
        async for batch in inbox.batches(10):
            seen.append((inbox.incarnation, next(batch)))
            break

    tree = one(reads_one)
    tell_all(tree.ref("a"), "abc")
    nursery.start_soon(tree.run)
    await trio.sleep(60)
    assert seen == [(1, "a"), (2, "b"), (3, "c")]
    nursery.cancel_scope.cancel()


async def test_a_message_that_arrives_with_the_stop_is_not_lost(autojump_clock):
    """A message that wakes the reader in the same moment as a stop is not started, and its asker hears of it."""

    async def reader(inbox):
        async for call in inbox:
            call.answer(1)

    tree = one(reader, mailbox=MailboxPolicy(capacity=1))
    outcomes = []
    async with trio.open_nursery() as nursery:
        await nursery.start(tree.run)
        await trio.testing.wait_all_tasks_blocked()
        tree.ref("a").pass_on_nowait(Call.open(Do(), on_reply=outcomes.append))
        await tree.stop()
    assert len(outcomes) == 1
    assert outcomes == [1] or isinstance(outcomes[0], NotDelivered)
