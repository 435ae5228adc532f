"""Everyone who asks gets one outcome, whoever had the duty to answer and however they ended."""

import gc
import threading

import attrs
import pytest
import trio
import trio.testing

from actors.runtime import (
    ActorError,
    ActorSpec,
    Backoff,
    Call,
    MailboxPolicy,
    NotDelivered,
    Overflow,
    ReplyLost,
    Request,
    Supervisor,
)

STEADY = Backoff(first=1.0, cap=8.0, jitter=lambda: 1.0)


@attrs.frozen
class Do(Request[int]):
    what: str = ""


class Log(list):
    """Outcomes, with errors by the name of their class."""

    def __call__(self, outcome):
        self.append(type(outcome).__name__ if isinstance(outcome, ActorError) else outcome)


@pytest.fixture
def log():
    return Log()


@pytest.fixture
async def run(nursery):
    """Start actors by name and give their addresses."""

    async def start(**actors):
        specs = [
            made if isinstance(made, ActorSpec) else ActorSpec(name, lambda made=made: made)
            for name, made in actors.items()
        ]
        tree = Supervisor("s", specs, backoff=STEADY, on_event=lambda event: None)
        await nursery.start(tree.run)
        return tree, *[tree.ref(name) for name in actors]

    yield start
    nursery.cancel_scope.cancel()


async def stuck(inbox):
    inbox.ready()
    await trio.sleep_forever()


async def echo(inbox):
    async for call in inbox:
        match call.request.what:
            case "boom":
                raise ValueError("boom")
            case "silent":
                pass
            case "refuse":
                call.refuse(NotDelivered("no"))
            case _:
                call.answer(42)


async def test_ask_gets_the_answer_or_the_error(run, autojump_clock):
    """An asker gets the value, or the error its handler chose, and the actor goes on."""
    _, ref = await run(echo=echo)
    assert await ref.ask(Do()) == 42
    with pytest.raises(NotDelivered, match="no"):
        await ref.ask(Do("refuse"))


async def test_a_crash_wakes_the_asker_at_once(run, autojump_clock):
    """The asker of the message in hand hears ReplyLost in the moment of the crash, without a timeout."""
    _, ref = await run(echo=echo)
    began = trio.current_time()
    with pytest.raises(ReplyLost):
        await ref.ask(Do("boom"))
    assert trio.current_time() == began


async def test_going_on_without_answering_closes_the_call(run, autojump_clock):
    """Reading the next message closes an unanswered one: its asker hears ReplyLost."""
    _, ref = await run(echo=echo)
    with pytest.raises(ReplyLost):
        await ref.ask(Do("silent"))


async def test_only_the_first_answer_counts(run, autojump_clock, log):
    """The second answer to one call is not given, and says so."""
    told = []

    async def twice(inbox):
        async for call in inbox:
            told.extend([call.answer(1), call.answer(2), call.refuse(NotDelivered("x"))])

    _, ref = await run(twice=twice)
    assert await ref.ask(Do()) == 1
    assert told == [True, False, False]


async def test_a_callback_gets_each_outcome_once(run, autojump_clock, log):
    """A call made for a callback ends like any other: a value, ReplyLost or NotDelivered, once."""
    tree, ref = await run(echo=echo)
    for what in ["", "boom", "silent", ""]:
        assert ref.pass_on_nowait(Call.open(Do(what), on_reply=log))
    await trio.sleep(10)
    assert log == [42, "ReplyLost", "ReplyLost", 42]
    await tree.stop()
    assert not ref.pass_on_nowait(Call.open(Do(), on_reply=log))
    assert log[4:] == ["NotDelivered"]


async def test_an_abandoned_call_is_never_started(run, autojump_clock, log):
    """After `abandon` the call is not wanted, cannot be committed, is not started, and calls nobody back."""
    seen = []

    async def slow(inbox):
        async for call in inbox:
            seen.append(call.request.what)
            await trio.sleep(1)
            seen.append(call.answer(1))

    tree, ref = await run(slow=slow)
    first, second = (Call.open(Do(what), on_reply=log) for what in "ab")
    ref.pass_on_nowait(first)
    ref.pass_on_nowait(second)
    await trio.sleep(0.5)
    assert first.abandon()
    assert second.abandon()
    assert not first.wanted()
    assert not first.commit()
    await trio.sleep(5)
    assert seen == ["a", False]
    assert log == []
    assert tree.snapshot().children[0].expired == 1


async def test_abandoning_what_was_answered_is_too_late(run, autojump_clock, log):
    """`abandon` gives False once the answer is there."""
    _, ref = await run(echo=echo)
    call = Call.open(Do(), on_reply=log)
    ref.pass_on_nowait(call)
    await trio.sleep(1)
    assert not call.abandon()
    assert log == [42]


async def test_an_expired_request_is_never_started(run, autojump_clock, log):
    """What waits in the queue beyond its deadline is closed instead of started, and `undelivered` runs."""
    seen = []

    async def slow(inbox):
        async for call in inbox:
            seen.append(call.request.what)
            await trio.sleep(5)
            call.answer(1)

    _, ref = await run(slow=slow)
    ref.pass_on_nowait(Call.open(Do("first"), on_reply=log))
    call = Call.open(Do(), deadline=trio.current_time() + 2, on_reply=log)
    late = call.forward(Do("late"), undelivered=lambda: log("undelivered"))
    assert late.deadline == trio.current_time() + 2
    ref.pass_on_nowait(late)
    with pytest.raises(trio.TooSlowError), trio.fail_after(1):
        await ref.ask(Do("timed out"))
    await trio.sleep(20)
    assert seen == ["first"]
    assert log == [1, "undelivered", "NotDelivered"]


async def test_commit_is_the_point_of_no_return(run, autojump_clock, log):
    """Committing succeeds while somebody waits, again after that, and turns a later loss into ReplyLost."""

    async def front(inbox):
        async for call in inbox:
            assert call.commit()
            await trio.sleep(2)
            assert call.commit()
            assert call.committed
            forwarded = call.forward(Do("next"))
            assert forwarded.committed
            assert not await back.pass_on(forwarded)

    _, back, ref = await run(
        back=ActorSpec("back", lambda: stuck, mailbox=MailboxPolicy(Overflow.REJECT, 1)), front=front
    )
    back.tell_nowait("fills the only place")
    with pytest.raises(ReplyLost, match="full"):
        await ref.ask(Do())


async def test_commit_after_the_deadline_is_refused(run, autojump_clock, log):
    """Once the deadline has passed or the asker has gone, `commit` is False, and a forwarded call is the same."""
    said = []

    async def slow(inbox):
        async for call in inbox:
            await trio.sleep(5)
            said.append((call.wanted(), call.commit(), call.forward(Do()).commit()))

    _, ref = await run(slow=slow)
    with pytest.raises(trio.TooSlowError), trio.fail_after(1):
        await ref.ask(Do())
    ref.pass_on_nowait(Call.open(Do(), deadline=trio.current_time() + 6, on_reply=log))
    await trio.sleep(20)
    assert said == [(False, False, False)] * 2


async def test_a_call_handed_on_has_no_duty_left(run, autojump_clock, log):
    """After handing it on, the old object can neither answer nor be handed on again."""
    trouble = []

    async def front(inbox):
        async for call in inbox:
            forwarded = call.forward(Do())
            assert back.pass_on_nowait(forwarded)
            assert not call.answer(0)
            assert not forwarded.answer(0)
            for bad in (call.forward, back.pass_on_nowait):
                with pytest.raises(ActorError, match="handed on already"):
                    bad(call)
            with pytest.raises(ActorError, match="handed on already"):
                back.pass_on_nowait(forwarded)
            trouble.append("told")

    _, back, ref = await run(back=echo, front=front)
    assert await ref.ask(Do()) == 42
    assert trouble == ["told"]


async def test_a_passed_on_call_survives_its_forwarder(run, autojump_clock, log):
    """Who receives a passed-on call answers the asker, although the actor between has crashed since."""

    async def slow(inbox):
        async for call in inbox:
            await trio.sleep(5)
            call.answer(7)

    async def front(inbox):
        async for call in inbox:
            await back.pass_on(call.move())
            raise RuntimeError("after handing on")

    _, back, ref = await run(back=slow, front=front)
    assert await ref.ask(Do()) == 7


@pytest.mark.parametrize("how", ["full", "dropped", "conflated", "never passed on", "forgotten"])
async def test_undelivered_runs_once_when_no_handler_is_reached(run, autojump_clock, log, how):
    """However a forwarded call is discarded on its way, `undelivered` runs once, and then everyone is told."""
    overflow = {"dropped": Overflow.DROP_OLDEST, "conflated": Overflow.CONFLATE}.get(how, Overflow.REJECT)
    key = (lambda message: "same") if how == "conflated" else None
    policy = MailboxPolicy(overflow, 1, key=key)

    async def front(inbox):
        async for call in inbox:
            forwarded = call.forward(
                Do("next"), undelivered=lambda: log("undelivered"), answered=lambda outcome: log(outcome)
            )
            if how == "never passed on":
                raise RuntimeError("on the way")
            if how == "forgotten":
                del forwarded
                continue
            if how == "full":
                back.tell_nowait("fills the only place")
            back.pass_on_nowait(forwarded)
            if how in ("dropped", "conflated"):
                back.tell_nowait("newer")

    _, back, ref = await run(back=ActorSpec("back", lambda: stuck, mailbox=policy), front=front)
    expected = ReplyLost if how in ("never passed on", "forgotten") else NotDelivered
    with pytest.raises(expected):
        await ref.ask(Do())
    await trio.sleep(3)
    assert log == ["undelivered", expected.__name__]


async def test_undelivered_runs_when_the_mailbox_closes(run, autojump_clock, log):
    """A forwarded call still queued when its actor is retired runs `undelivered`, and the asker is told."""
    tree, back = await run(back=stuck)
    call = Call.open(Do(), on_reply=log)
    back.pass_on_nowait(call.forward(Do(), undelivered=lambda: log("undelivered"), answered=log))
    await tree.stop()
    assert log == ["undelivered", "NotDelivered", "NotDelivered"]


async def test_undelivered_does_not_run_once_a_handler_had_it(run, autojump_clock, log):
    """A handler that crashes with the forwarded call in hand runs `answered`, not `undelivered`."""

    async def front(inbox):
        async for call in inbox:
            back.pass_on_nowait(call.forward(Do("boom"), undelivered=lambda: log("undelivered"), answered=log))

    _, back, ref = await run(back=echo, front=front)
    with pytest.raises(ReplyLost):
        await ref.ask(Do())
    assert log == ["ReplyLost"]


async def test_answered_hooks_see_the_answer_before_the_asker(run, autojump_clock, log):
    """Hooks of all hops see the final answer in the answering step, nearest first, also when the asker has gone."""

    async def last(inbox):
        async for call in inbox:
            await trio.sleep(2)
            log(("told", call.answer(5)))

    async def middle(inbox):
        async for call in inbox:
            back.pass_on_nowait(call.forward(Do(), answered=lambda outcome: log(("middle", outcome))))

    async def front(inbox):
        async for call in inbox:
            between.pass_on_nowait(call.forward(Do(), answered=lambda outcome: log(("front", outcome))))

    _, back, between, ref = await run(back=last, middle=middle, front=front)
    assert await ref.ask(Do()) == 5
    log(("asker", 5))
    assert log == [("middle", 5), ("front", 5), ("told", True), ("asker", 5)]
    log.clear()
    with trio.move_on_after(1):
        await ref.ask(Do())
    await trio.sleep(5)
    assert log == [("middle", 5), ("front", 5), ("told", False)]


async def test_a_hook_that_raises_is_logged_and_goes_on(run, autojump_clock, log, caplog):
    """A bug in a hook or in `on_reply` stops neither the other hooks nor the answerer."""

    def bad(_):
        raise RuntimeError("bad hook")

    async def front(inbox):
        async for call in inbox:
            call.forward(Do(), answered=log).forward(Do(), answered=bad).answer(3)

    tree, ref = await run(front=front)
    assert await ref.ask(Do()) == 3
    ref.pass_on_nowait(Call.open(Do(), on_reply=bad))
    await trio.sleep(1)
    assert log == [3, 3]
    assert len(caplog.records) == 3
    assert tree.snapshot().children[0].incarnation == 1


async def test_a_moved_call_is_answered_later(run, autojump_clock, log):
    """A moved call may be answered after other messages were read."""

    async def later(inbox):
        waiting = []
        async for call in inbox:
            waiting.append(call.move())
            if len(waiting) == 3:
                for number, kept in enumerate(waiting):
                    kept.answer(number)
                log(len(inbox.held))

    _, ref = await run(later=later)
    for _ in range(3):
        ref.pass_on_nowait(Call.open(Do(), on_reply=log))
    await trio.sleep(1)
    assert log == [0, 1, 2, 0]


async def test_a_moved_call_ends_with_its_incarnation(run, autojump_clock, log):
    """When an incarnation ends, each call that it had moved and not answered is closed with ReplyLost."""
    kept = []

    async def keeper(inbox):
        async for call in inbox:
            kept.append(call.move())
            if len(kept) == 2:
                raise RuntimeError("with two calls in its pocket")

    _, ref = await run(keeper=keeper)
    ref.pass_on_nowait(Call.open(Do(), on_reply=log))
    ref.pass_on_nowait(Call.open(Do(), on_reply=log))
    await trio.sleep(0.5)
    assert log == ["ReplyLost", "ReplyLost"]
    assert [call.answer(1) for call in kept] == [False, False]


async def test_a_moved_and_forgotten_call_wakes_its_asker(run, autojump_clock):
    """A moved call that is garbage collected closes its reply while its actor lives on."""

    async def careless(inbox):
        async for call in inbox:
            call.move()
            del call

    tree, ref = await run(careless=careless)
    with pytest.raises(ReplyLost, match="forgotten"):
        await ref.ask(Do())
    assert tree.snapshot().children[0].incarnation == 1


async def test_a_call_collected_in_another_thread_closes_its_reply(run, autojump_clock, log):
    """The cyclic collector may run in any thread; the asker is told in Trio's own time all the same."""
    box = []

    async def careless(inbox):
        async for call in inbox:
            call.move()
            cycle = [call]
            cycle.append(cycle)
            box.append(1)
            del call, cycle

    _, ref = await run(careless=careless)
    gc.disable()
    try:
        ref.pass_on_nowait(Call.open(Do(), on_reply=lambda outcome: log((outcome, threading.current_thread()))))
        await trio.testing.wait_all_tasks_blocked()
        assert box
        assert log == []
        worker = threading.Thread(target=gc.collect)
        worker.start()
        while worker.is_alive():
            await trio.lowlevel.checkpoint()
        await trio.testing.wait_all_tasks_blocked()
    finally:
        gc.enable()
    assert [(type(outcome), thread) for outcome, thread in log] == [(ReplyLost, threading.main_thread())]


async def test_an_opened_call_that_is_never_sent_closes_itself(autojump_clock, log):
    """A call made for a callback and dropped calls back with ReplyLost."""
    Call.open(Do(), on_reply=log)
    await trio.sleep(1)
    assert log == ["ReplyLost"]


def test_a_call_may_outlive_its_run():
    """A call collected after Trio has ended is no error."""
    kept = []

    async def main():
        kept.append(Call.open(Do(), on_reply=kept.append))

    trio.run(main)
    kept.clear()
    gc.collect()


async def test_pass_on_waits_for_room_under_the_block_policy(run, autojump_clock, log):
    """`pass_on` waits where `tell` would; a forwarder that ends while waiting closes the call."""

    async def front(inbox):
        async for call in inbox:
            await back.pass_on(call.forward(Do(), undelivered=lambda: log("undelivered")))

    tree, back, ref = await run(back=ActorSpec("back", lambda: stuck, mailbox=MailboxPolicy(capacity=1)), front=front)
    back.tell_nowait("fills the only place")
    async with trio.open_nursery() as nursery:

        async def asker():
            with pytest.raises(ReplyLost):
                await ref.ask(Do())
            log("lost")

        nursery.start_soon(asker)
        await trio.sleep(1)
        assert log == []
        tree.fail("front", RuntimeError("drill"))
    assert log == ["undelivered", "lost"]
    assert tree.snapshot().children[0].queued == 1


async def test_a_call_can_be_passed_on_within_an_actor(run, autojump_clock):
    """An actor may pass a call on to itself, and the call survives the message in hand."""

    async def twice(inbox):
        async for call in inbox:
            if call.request.what:
                tree.ref("twice").pass_on_nowait(call.forward(Do()))
            else:
                call.answer(9)

    tree, ref = await run(twice=twice)
    assert await ref.ask(Do("again")) == 9
