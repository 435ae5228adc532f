"""A child that crashes too often is set aside and tried again, and its troubles stay its own."""

import functools

import pytest
import trio
import trio.testing

from actors.runtime import (
    ActorSpec,
    Backoff,
    Call,
    NotDelivered,
    Parked,
    ReplyLost,
    Request,
    RestartWindow,
    State,
    Strategy,
    Supervisor,
    supervise,
)

Sup = functools.partial(
    Supervisor,
    backoff=Backoff(first=1.0, cap=1.0, jitter=lambda: 1.0),
    window=RestartWindow(1, 10),
    park_after_window=True,
    on_event=lambda event: None,
)


class Patient:
    """An actor that crashes while it is ill, on its first message or before it is ready."""

    def __init__(self, at_start=False):
        self.ill = True
        self.at_start = at_start
        self.starts = []

    def spec(self, name="a"):
        return ActorSpec(name, lambda: self)

    async def __call__(self, inbox):
        self.starts.append(trio.current_time())
        if self.ill and self.at_start:
            raise RuntimeError("at start")
        async for message in inbox:
            if self.ill:
                raise RuntimeError("ill")
            if isinstance(message, Call):
                message.answer(inbox.incarnation)


async def healthy(inbox):
    async for call in inbox:
        call.answer(0)


async def lose(ref, times):
    for _ in range(times):
        with pytest.raises(ReplyLost):
            await ref.ask(Request())


async def test_beyond_its_window_a_child_is_parked_and_refuses_at_once(nursery, autojump_clock):
    """A parked child's queue is answered, new messages are refused at once, and nothing escalates."""
    patient = Patient()
    tree = Sup("s", [patient.spec(), ActorSpec("b", lambda: healthy)])
    await nursery.start(tree.run)
    ref = tree.ref("a")
    await lose(ref, 1)
    outcomes = []
    ref.pass_on_nowait(Call.open(Request(), on_reply=lambda outcome: outcomes.append(type(outcome))))
    ref.pass_on_nowait(Call.open(Request(), on_reply=lambda outcome: outcomes.append(type(outcome))))
    await trio.sleep(2)
    assert outcomes == [ReplyLost, NotDelivered]
    assert tree.snapshot().children[0].state is State.PARKED
    with pytest.raises(NotDelivered, match="parked"):
        await ref.ask(Request())
    with pytest.raises(NotDelivered, match="parked"):
        ref.tell_nowait("x")
    assert await tree.ref("b").ask(Request()) == 0
    nursery.cancel_scope.cancel()


async def test_a_parked_child_is_tried_again_and_returns(nursery, autojump_clock):
    """It is tried every `retry_every` seconds, once each, and takes messages again when it becomes ready."""
    patient = Patient(at_start=True)
    tree = Sup("s", [patient.spec(), ActorSpec("b", lambda: healthy)], retry_every=60.0)
    began = trio.current_time()
    await nursery.start(tree.run)
    assert trio.current_time() == began  # it holds back nobody
    await trio.sleep(150)
    assert [moment - began for moment in patient.starts] == [0, 1, 61, 121]
    patient.ill = False
    with pytest.raises(NotDelivered, match="parked"):
        await tree.ref("a").ask(Request())
    await trio.sleep(60)
    assert await tree.ref("a").ask(Request()) == 5
    assert tree.snapshot().children[0].state is State.RUNNING
    nursery.cancel_scope.cancel()


async def test_a_trial_ends_with_one_crash(nursery, autojump_clock):
    """A child on trial that crashes before it was ready for a whole window is parked at once, later it is not."""
    patient = Patient()
    tree = Sup("s", [patient.spec()], retry_every=60.0)
    await nursery.start(tree.run)
    ref = tree.ref("a")
    await lose(ref, 2)
    await trio.sleep(61)
    await lose(ref, 1)
    await trio.testing.wait_all_tasks_blocked()
    assert tree.snapshot().children[0].state is State.PARKED
    await trio.sleep(61 + 20)
    await lose(ref, 2)
    await trio.testing.wait_all_tasks_blocked()
    assert tree.snapshot().children[0].state is State.PARKED
    nursery.cancel_scope.cancel()


async def test_stop_while_parked_is_immediate(autojump_clock):
    """A supervisor with a parked child stops without waiting for the next trial."""
    patient = Patient()
    tree = Sup("s", [patient.spec()])
    async with trio.open_nursery() as nursery:
        await nursery.start(tree.run)
        await lose(tree.ref("a"), 2)
        await trio.sleep(1)
        began = trio.current_time()
        await tree.stop()
        assert trio.current_time() == began
    assert tree.snapshot().children[0].state is State.STOPPED


async def test_siblings_go_on_without_a_parked_child(nursery, autojump_clock):
    """When a child is parked its affected siblings restart without it, and its failing trials leave them alone."""
    patient, events = Patient(), []
    begun = []

    async def sibling(inbox):
        begun.append(trio.current_time())
        async for call in inbox:
            call.answer(0)

    tree = Sup(
        "s",
        [patient.spec(), ActorSpec("b", lambda: sibling)],
        Strategy.REST_FOR_ONE,
        retry_every=60.0,
        on_event=events.append,
    )
    await nursery.start(tree.run)
    began = trio.current_time()
    await lose(tree.ref("a"), 2)
    patient.at_start = True
    await trio.sleep(200)
    assert [moment - began for moment in begun] == [0, 1, 1]
    assert [event.at - began for event in events if isinstance(event, Parked)] == [1, 61, 121, 181]
    assert await tree.ref("b").ask(Request()) == 0
    nursery.cancel_scope.cancel()


async def test_a_parked_supervisor_refuses_for_all_below(nursery, autojump_clock):
    """Parking a nested supervisor answers what is queued anywhere below it, and a trial opens it again."""
    patient = Patient()
    inner = Supervisor("inner", [patient.spec(), ActorSpec("b", lambda: healthy)], window=RestartWindow(0, 10))
    tree = Sup("s", [supervise(inner)], retry_every=60.0)
    await nursery.start(tree.run)
    await lose(inner.ref("a"), 2)
    await trio.testing.wait_all_tasks_blocked()
    for name in "ab":
        with pytest.raises(NotDelivered, match="parked"):
            await inner.ref(name).ask(Request())
    patient.ill = False
    await trio.sleep(61)
    assert await inner.ref("a").ask(Request()) == 3
    assert await tree.ref("inner/b").ask(Request()) == 0
    nursery.cancel_scope.cancel()
