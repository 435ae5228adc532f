"""What can be seen from outside, and the switch that makes things fail."""

import logging

import attrs
import pytest
import trio
import trio.testing

from actors.runtime import (
    ActorSpec,
    Backoff,
    Call,
    Crashed,
    GaveUp,
    Kind,
    MailboxPolicy,
    Overflow,
    Parked,
    Pool,
    ReplyLost,
    Request,
    Restarting,
    RestartLimitReached,
    RestartWindow,
    Snapshot,
    Started,
    State,
    Stopped,
    Supervisor,
    supervise,
)

STEADY = Backoff(first=1.0, cap=8.0, jitter=lambda: 1.0)


async def worker(inbox):
    async for call in inbox:
        await trio.sleep(2)
        call.answer(inbox.incarnation)


def build(on_event=None, window=RestartWindow()):  # noqa: B008  # frozen
    inner = Supervisor(
        "execution",
        [ActorSpec("governor", lambda: worker, mailbox=MailboxPolicy(Overflow.REJECT, 3))],
        backoff=STEADY,
        window=window,
    )
    pool = Pool("sessions", capacity=4)
    return Supervisor("root", [supervise(inner), supervise(pool)], backoff=STEADY, on_event=on_event), pool


def find(tree, name):
    return next(node for node in tree.snapshot().walk() if node.name == name)


async def test_a_snapshot_shows_the_whole_tree(nursery, autojump_clock):
    """A snapshot names each node by its path, with its kind, state, queue and last error."""
    tree, pool = build(on_event=lambda event: None)
    await nursery.start(tree.run)
    pool.start_nowait(ActorSpec("one", lambda: worker))
    await trio.sleep(1)
    assert [(node.name, node.kind, node.state) for node in tree.snapshot().walk()] == [
        ("root", Kind.SUPERVISOR, State.RUNNING),
        ("execution", Kind.SUPERVISOR, State.RUNNING),
        ("execution/governor", Kind.ACTOR, State.RUNNING),
        ("sessions", Kind.POOL, State.RUNNING),
        ("sessions/one", Kind.ACTOR, State.RUNNING),
    ]
    ref = tree.ref("execution/governor")
    for _ in range(5):
        ref.pass_on_nowait(Call.open(Request(), on_reply=lambda outcome: None))
        await trio.testing.wait_all_tasks_blocked()
    now = find(tree, "execution/governor")
    assert (now.queued, now.capacity, now.peak, now.refused) == (3, 3, 3, 1)
    assert now.in_state_s == 1
    failed_at = trio.current_time()
    tree.fail("execution/governor", ValueError("drill"))
    await trio.sleep(0.5)
    now = find(tree, "execution/governor")
    assert (now.state, now.incarnation, now.restarts) == (State.BACKING_OFF, 1, 1)
    assert (now.last_error, now.last_error_at, now.in_state_s) == ("ValueError: drill", failed_at, 0.5)
    assert tree.snapshot().children[0] == find(tree, "execution")
    assert pool.snapshot() == find(tree, "sessions")
    nursery.cancel_scope.cancel()


def test_a_snapshot_can_be_taken_at_any_time():
    """Before the first run, after the last and outside of Trio a snapshot is a plain call that does not raise."""
    tree, _ = build(on_event=lambda event: None)
    assert {node.state for node in tree.snapshot().walk()} == {State.STOPPED}

    async def main():
        async with trio.open_nursery() as nursery:
            await nursery.start(tree.run)
            await tree.stop()

    trio.run(main)
    after = tree.snapshot()
    assert isinstance(after, Snapshot)
    assert {node.state for node in after.walk()} == {State.STOPPED}
    assert after.in_state_s >= 0
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        after.name = "x"


async def test_events_tell_the_life_of_all_below_the_root(autojump_clock):
    """The root's hook hears of each start, crash, restart, stop and giving up, with path and time."""
    events = []
    tree, _ = build(on_event=events.append, window=RestartWindow(1, 100))
    async with trio.open_nursery() as nursery:
        await nursery.start(tree.run)
        began = trio.current_time()
        tree.fail("execution/governor", ValueError("one"))
        await trio.sleep(5)
        tree.fail("execution/governor", ValueError("two"))
        await trio.sleep(5)
        await tree.stop()
    told = [(type(event), event.path, event.at - began) for event in events if event.path.startswith("execution")]
    assert told == [
        (Started, "execution/governor", 0),
        (Started, "execution", 0),
        (Crashed, "execution/governor", 0),
        (Restarting, "execution/governor", 0),
        (Started, "execution/governor", 1),
        (Crashed, "execution/governor", 5),
        (GaveUp, "execution", 5),
        (Crashed, "execution", 5),
        (Restarting, "execution", 5),
        (Started, "execution/governor", 6),
        (Started, "execution", 6),
        (Stopped, "execution/governor", 10),
        (Stopped, "execution", 10),
    ]
    crash = next(event for event in events if isinstance(event, Crashed))
    assert (crash.incarnation, str(crash.error)) == (1, "one")
    assert isinstance(crash.error, ValueError)
    gave_up = next(event for event in events if isinstance(event, GaveUp))
    assert isinstance(gave_up.error, RestartLimitReached)
    assert next(event for event in events if isinstance(event, Restarting)).in_s == 1


async def test_without_a_hook_crashes_are_logged_once_with_their_traceback(nursery, autojump_clock, caplog):
    """The default hook logs under actors.runtime, a crash with its traceback; with a hook nothing is logged."""
    for hook, crashes in ((None, 1), (lambda event: None, 0)):
        caplog.clear()
        tree, _ = build(on_event=hook)
        with caplog.at_level(logging.INFO, "actors.runtime"):
            async with trio.open_nursery() as inner:
                await inner.start(tree.run)
                tree.fail("execution/governor", ValueError("drill"))
                await trio.sleep(5)
                await tree.stop()
        assert len([record for record in caplog.records if record.exc_info]) == crashes
        assert bool(caplog.records) == bool(crashes)


async def test_a_hook_that_raises_disturbs_nobody(nursery, autojump_clock, caplog):
    """A bug in the hook is logged, and the tree goes on."""

    def bad(event):
        raise RuntimeError("bad hook")

    tree, _ = build(on_event=bad)
    await nursery.start(tree.run)
    tree.fail("execution/governor", ValueError("drill"))
    assert await tree.ref("execution/governor").ask(Request()) == 2
    assert caplog.records
    nursery.cancel_scope.cancel()


async def test_the_fault_switch_ends_an_actor_where_it_is(nursery, autojump_clock):
    """`fail` ends the incarnation as if it had raised the error just there: its asker hears ReplyLost."""
    events = []
    tree, _ = build(on_event=events.append)
    await nursery.start(tree.run)
    ref = tree.ref("execution/governor")

    async def asker():
        with pytest.raises(ReplyLost):
            await ref.ask(Request())

    async with trio.open_nursery() as askers:
        askers.start_soon(asker)
        await trio.sleep(1)
        assert tree.fail("execution/governor", OSError("cable"))
    assert [event.error.args for event in events if isinstance(event, Crashed)] == [("cable",)]
    assert await ref.ask(Request()) == 2
    nursery.cancel_scope.cancel()


async def test_the_fault_switch_works_on_supervisors_and_pool_children(nursery, autojump_clock):
    """Any node below the root can be made to fail; a failed supervisor is started again with all below it."""
    tree, pool = build(on_event=lambda event: None)
    await nursery.start(tree.run)
    await pool.start(ActorSpec("one", lambda: worker))
    assert tree.fail("sessions/one", OSError("cable"))
    assert tree.fail("execution", OSError("cable"))
    await trio.sleep(5)
    assert find(tree, "sessions/one").incarnation == 2
    assert find(tree, "execution").incarnation == find(tree, "execution/governor").incarnation == 2
    nursery.cancel_scope.cancel()


async def test_the_fault_switch_needs_somebody_to_fail(autojump_clock):
    """During the back-off, before the start and after the end there is nobody to fail; an unknown path is an error."""
    tree, _ = build(on_event=lambda event: None)
    assert not tree.fail("execution", OSError())
    async with trio.open_nursery() as nursery:
        await nursery.start(tree.run)
        assert tree.fail("execution/governor", OSError())
        await trio.sleep(0.5)
        assert not tree.fail("execution/governor", OSError())
        for bad in ("nobody", "execution/nobody", "execution/governor/nobody"):
            with pytest.raises(LookupError):
                tree.fail(bad, OSError())
        with pytest.raises(LookupError, match="takes no messages"):
            tree.ref("execution")
        await trio.sleep(5)
        assert tree.fail("execution/governor", OSError())
        await trio.sleep(5)
        await tree.stop()
    assert not tree.fail("execution/governor", OSError())


async def test_parking_is_an_event(nursery, autojump_clock):
    """A parked child is told of, with the time to its next trial."""
    events = []
    tree = Supervisor(
        "root",
        [ActorSpec("a", lambda: worker)],
        window=RestartWindow(0, 1),
        park_after_window=True,
        retry_every=30,
        on_event=events.append,
    )
    await nursery.start(tree.run)
    tree.fail("a", OSError("cable"))
    await trio.sleep(1)
    assert [event.retry_in_s for event in events if isinstance(event, Parked)] == [30]
    nursery.cancel_scope.cancel()
