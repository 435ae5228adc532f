"""Supervisors below supervisors."""

import functools

import pytest
import trio
import trio.testing

from actors.runtime import (
    ActorSpec,
    Backoff,
    Call,
    NotDelivered,
    ReplyLost,
    Request,
    Restart,
    RestartLimitReached,
    RestartWindow,
    StartFailed,
    State,
    Strategy,
    Supervisor,
    supervise,
)

STEADY = Backoff(first=1.0, cap=1.0, jitter=lambda: 1.0)
Sup = functools.partial(Supervisor, backoff=STEADY, on_event=lambda event: None)


def fragile(log=None, name="a"):
    async def main(inbox):
        if log is not None:
            log.append(f"+{name}")
        try:
            async for message in inbox:
                if isinstance(message, Call) and message.request == Request():
                    message.answer(inbox.incarnation)
                else:
                    raise RuntimeError("boom")
        finally:
            if log is not None:
                log.append(f"-{name}")

    return ActorSpec(name, lambda: main)


async def test_refs_and_queues_survive_the_restart_of_a_nested_supervisor(nursery, autojump_clock):
    """A nested supervisor that gave up is restarted by its parent, with the same addresses and what was queued."""
    inner = Sup("inner", [fragile()], window=RestartWindow(0, 100))
    tree = Sup("outer", [supervise(inner)])
    await nursery.start(tree.run)
    ref = inner.ref("a")
    assert tree.ref("inner/a") is ref
    ref.tell_nowait("boom")
    assert await ref.ask(Request()) == 2
    assert tree.snapshot().children[0].incarnation == 2
    nursery.cancel_scope.cancel()


async def test_giving_up_travels_up_and_the_root_answers_everyone(autojump_clock):
    """Each level tries as often as its window allows; when the root gives up, nobody is left waiting."""
    inner = Sup("inner", [fragile()], window=RestartWindow(1, 1000))
    tree = Sup("outer", [supervise(inner)], window=RestartWindow(1, 1000))
    lost = 0

    async def client():
        nonlocal lost
        for _ in range(4):
            await inner.ref("a").tell("boom")
            await trio.sleep(5)
        with pytest.raises(NotDelivered):
            await inner.ref("a").ask(Request())
        lost = 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(client)
        with pytest.raises(RestartLimitReached, match="RestartLimitReached: inner: a needed restart"):
            await tree.run()
    assert lost == 1
    assert tree.snapshot().children[0].children[0].incarnation == 4


async def test_a_nested_supervisor_is_ready_when_its_children_are(nursery, autojump_clock):
    """What stands behind a nested supervisor starts when all below it are ready."""
    log = []

    async def slow(inbox):
        await trio.sleep(3)
        log.append("ready")
        inbox.ready()
        await inbox.wait_stopping()

    inner = Sup("inner", [ActorSpec("x", lambda: slow), ActorSpec("y", lambda: slow)])
    tree = Sup("outer", [supervise(inner), fragile(log, "b")])
    began = trio.current_time()
    await nursery.start(tree.run)
    assert trio.current_time() == began + 6
    assert log == ["ready", "ready", "+b"]
    nursery.cancel_scope.cancel()


async def test_a_nested_start_failure_is_a_start_failure_of_the_whole(autojump_clock):
    """On the very first start a fault of the set-up anywhere ends the root with the path in its text."""

    async def bad(inbox):
        raise OSError("no such terminal")

    tree = Sup("outer", [supervise(Sup("inner", [ActorSpec("bad", lambda: bad)]))])
    with pytest.raises(StartFailed, match="inner/bad ended before it was ready: OSError: no such terminal"):
        await tree.run()


async def test_not_becoming_ready_again_is_a_crash_for_its_own_supervisor(nursery, autojump_clock):
    """When a nested supervisor runs again, a child that was ready once and is not now is repaired there."""
    trouble = iter([False, True, True, False])

    async def shaky(inbox):
        if next(trouble):
            raise OSError("not yet")
        async for call in inbox:
            call.answer(inbox.incarnation)

    inner = Sup("inner", [ActorSpec("x", lambda: shaky), fragile()])
    tree = Sup("outer", [supervise(inner)], window=RestartWindow(1, 1000))
    await nursery.start(tree.run)
    tree.fail("inner", RuntimeError("drill"))
    assert await inner.ref("x").ask(Request()) == 4
    assert await inner.ref("a").ask(Request()) == 2
    assert tree.snapshot().children[0].incarnation == 2
    nursery.cancel_scope.cancel()


async def test_a_stop_reaches_all_levels_in_reverse(autojump_clock):
    """Stopping the root stops nested supervisors in their place of the order, theirs in reverse too."""
    log = []
    inner = Sup("inner", [fragile(log, "x"), fragile(log, "y")])
    tree = Sup("outer", [fragile(log, "a"), supervise(inner), fragile(log, "b")])
    async with trio.open_nursery() as nursery:
        await nursery.start(tree.run)
        log.clear()
        await tree.stop()
    assert log == ["-b", "-y", "-x", "-a"]


async def test_a_nested_supervisor_restarts_with_its_siblings(nursery, autojump_clock):
    """A sibling's strategy ends a nested supervisor gracefully and starts it again after the one before it."""
    log = []
    inner = Sup("inner", [fragile(log, "x"), fragile(log, "y")])
    tree = Sup("outer", [fragile(log, "a"), supervise(inner)], Strategy.REST_FOR_ONE)
    await nursery.start(tree.run)
    log.clear()
    tree.ref("a").tell_nowait("boom")
    await trio.sleep(10)
    assert log == ["-a", "-y", "-x", "+a", "+x", "+y"]
    nursery.cancel_scope.cancel()


async def test_a_retired_nested_supervisor_answers_for_all_below(nursery, autojump_clock):
    """A nested supervisor that will not run again answers what is queued below it at once."""
    retired = []
    spec = fragile()
    spec = ActorSpec("a", spec.make, retire=lambda: retired.append("a"))
    inner = Sup("inner", [spec], window=RestartWindow(0, 100))
    tree = Sup("outer", [supervise(inner, restart=Restart.TEMPORARY), fragile(name="b")])
    await nursery.start(tree.run)
    ref = inner.ref("a")
    ref.tell_nowait("boom")
    with pytest.raises(NotDelivered):
        await ref.ask(Request())
    assert retired == ["a"]
    assert tree.snapshot().children[0].state is State.FAILED
    nursery.cancel_scope.cancel()


async def test_cancelling_the_root_answers_who_waits_below(autojump_clock):
    """When the root is cancelled, the message in hand deep below is lost and the queued one not delivered."""

    async def slow(inbox):
        async for _ in inbox:
            await trio.sleep_forever()

    inner = Sup("inner", [ActorSpec("a", lambda: slow)])
    tree = Sup("outer", [supervise(inner)])
    outcomes = []

    async def asker():
        try:
            await inner.ref("a").ask(Request())
        except (ReplyLost, NotDelivered) as error:
            outcomes.append(type(error).__name__)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(asker)
        nursery.start_soon(asker)
        with trio.move_on_after(3):
            await tree.run()
    assert sorted(outcomes) == ["NotDelivered", "ReplyLost"]


def test_a_supervisor_has_one_parent():
    """A supervisor cannot be in two places of a tree."""
    inner = Sup("inner", [])
    Sup("one", [supervise(inner)])
    with pytest.raises(ValueError, match="child of one already"):
        Sup("two", [supervise(inner)])
