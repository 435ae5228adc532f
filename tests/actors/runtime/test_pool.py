"""Children that come and go."""

import functools
import gc

import attrs
import pytest
import trio
import trio.testing

from actors.runtime import (
    ActorSpec,
    Backoff,
    Call,
    NotDelivered,
    Pool,
    ReplyLost,
    Request,
    Restart,
    RestartLimitReached,
    RestartWindow,
    StartFailed,
    State,
    Supervisor,
    supervise,
)

STEADY = Backoff(first=1.0, cap=1.0, jitter=lambda: 1.0)
Sup = functools.partial(Supervisor, backoff=STEADY, on_event=lambda event: None)


@attrs.frozen
class Do(Request[int]):
    what: str = ""


async def session(inbox):
    async for call in inbox:
        match call.request.what:
            case "boom":
                raise RuntimeError("boom")
            case "bye":
                call.answer(0)
                return
            case "slow":
                await trio.sleep(3)
                call.answer(3)
            case _:
                call.answer(inbox.incarnation)


def child(name, restart=Restart.TEMPORARY, main=session, **options):
    return ActorSpec(name, lambda: main, restart=restart, **options)


@pytest.fixture
async def pool(nursery):
    pool = Pool("pool", capacity=3, backoff=STEADY, window=RestartWindow(2, 100))
    tree = Sup("root", [supervise(pool)])
    await nursery.start(tree.run)
    pool.tree = tree
    yield pool
    nursery.cancel_scope.cancel()


async def test_children_come_and_go(pool, autojump_clock):
    """A child answers from the moment it is added; one that has ended is forgotten and its name is free."""
    ref = pool.start_nowait(child("x"))
    assert await ref.ask(Do()) == 1
    assert pool.refs() == (ref,)
    assert pool.tree.ref("pool/x") is ref
    assert await ref.ask(Do("bye")) == 0
    await trio.testing.wait_all_tasks_blocked()
    assert len(pool) == 0
    assert pool
    with pytest.raises(NotDelivered):
        await ref.ask(Do())
    assert await pool.start_nowait(child("x")).ask(Do()) == 1


async def test_an_asker_of_a_child_that_ends_never_hangs(pool, autojump_clock):
    """The message in hand is lost, what is queued behind it is not delivered, both at once."""
    ref = pool.start_nowait(child("x"))
    outcomes = []
    for what in ("boom", "", ""):
        ref.pass_on_nowait(Call.open(Do(what), on_reply=lambda outcome: outcomes.append(type(outcome))))
    await trio.testing.wait_all_tasks_blocked()
    assert outcomes == [ReplyLost, NotDelivered, NotDelivered]


async def test_crashes_of_temporary_children_stay_theirs(pool, autojump_clock):
    """Temporary children may crash as often as they like: neither the pool nor another child notices."""
    other = pool.start_nowait(child("other"))
    for number in range(50):
        with pytest.raises(ReplyLost):
            await pool.start_nowait(child(f"x{number}")).ask(Do("boom"))
    await trio.testing.wait_all_tasks_blocked()
    assert pool.refs() == (other,)
    assert await other.ask(Do()) == 1
    assert pool.tree.snapshot().children[0].incarnation == 1


async def test_a_full_pool_starts_nobody(pool, autojump_clock):
    """Beyond its capacity a pool refuses, and has room again when a child ends."""
    refs = [pool.start_nowait(child(name)) for name in "abc"]
    with pytest.raises(NotDelivered, match="full"):
        pool.start_nowait(child("d"))
    with pytest.raises(ValueError, match="already"):
        pool.start_nowait(child("a"))
    await refs[0].ask(Do("bye"))
    await trio.testing.wait_all_tasks_blocked()
    pool.start_nowait(child("d"))


async def test_start_waits_until_the_child_is_ready(pool, autojump_clock):
    """`start` returns when the child is ready, and raises StartFailed when it ends before."""

    async def slow(inbox):
        await trio.sleep(4)
        await session(inbox)

    async def bad(inbox):
        raise OSError("refused")

    began = trio.current_time()
    await pool.start(child("slow", main=slow))
    assert trio.current_time() == began + 4
    with pytest.raises(StartFailed) as caught:
        await pool.start(child("bad", main=bad))
    assert isinstance(caught.value.__cause__, OSError)
    assert pool.tree.snapshot().children[0].incarnation == 1


async def test_permanent_and_transient_children_are_restarted(pool, autojump_clock):
    """A child is restarted by its own rule, with the same address."""
    permanent = pool.start_nowait(child("p", Restart.PERMANENT))
    transient = pool.start_nowait(child("t", Restart.TRANSIENT))
    assert await permanent.ask(Do("bye")) == 0
    assert await permanent.ask(Do()) == 2
    with pytest.raises(ReplyLost):
        await transient.ask(Do("boom"))
    assert await transient.ask(Do()) == 2
    assert await transient.ask(Do("bye")) == 0
    await trio.testing.wait_all_tasks_blocked()
    assert pool.refs() == (permanent,)


async def test_a_restarted_pool_begins_empty(pool, autojump_clock):
    """When the pool itself is restarted its children have ended, and who waits for them is told."""
    permanent = pool.start_nowait(child("p", Restart.PERMANENT))
    temporary = pool.start_nowait(child("t"))
    for _ in range(3):
        with pytest.raises(ReplyLost):
            await permanent.ask(Do("boom"))
    await trio.testing.wait_all_tasks_blocked()
    for ref in (permanent, temporary):
        with pytest.raises(NotDelivered):
            await ref.ask(Do())
    with pytest.raises(NotDelivered, match="does not run"):
        pool.start_nowait(child("x"))
    await trio.sleep(2)
    assert len(pool) == 0
    assert await pool.start_nowait(child("p")).ask(Do()) == 1
    assert pool.tree.snapshot().children[0].incarnation == 2


async def test_a_pool_alone_gives_up_like_a_supervisor(autojump_clock):
    """Permanent children beyond the window end a pool with RestartLimitReached."""
    pool = Pool("alone", capacity=1, backoff=STEADY, window=RestartWindow(0, 1), on_event=lambda event: None)
    async with trio.open_nursery() as nursery:

        async def run():
            with pytest.raises(RestartLimitReached):
                await pool.run()

        nursery.start_soon(run)
        await trio.testing.wait_all_tasks_blocked()
        pool.start_nowait(child("p", Restart.PERMANENT)).tell_nowait("not a call")


async def test_all_children_stop_at_once_each_within_its_grace(autojump_clock):
    """Stopping a pool asks all children together; who ignores it is cancelled after its own grace."""

    async def deaf(inbox):
        inbox.ready()
        try:
            await trio.sleep_forever()
        finally:
            ended.append(trio.current_time() - began)

    ended = []
    pool = Pool("pool", capacity=10)
    tree = Sup("root", [supervise(pool)])
    async with trio.open_nursery() as nursery:
        await nursery.start(tree.run)
        for grace in (5, 1, 3):
            await pool.start(child(f"deaf{grace}", main=deaf, grace=grace))
        polite = await pool.start(child("polite", grace=9))
        answers = []
        polite.pass_on_nowait(Call.open(Do("slow"), on_reply=answers.append))
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        nursery.start_soon(tree.stop)
        await trio.sleep(2)
        assert tree.snapshot().children[0].state is State.STOPPING
        with pytest.raises(NotDelivered):
            pool.start_nowait(child("late"))
    assert ended == [1, 3, 5]
    assert answers == [3]
    assert len(pool) == 0


async def test_a_child_added_and_stopped_before_its_first_step(autojump_clock):
    """A stop in the same moment as a start leaves nobody running."""
    pool = Pool("pool", capacity=10, on_event=lambda event: None)
    async with trio.open_nursery() as nursery:
        await nursery.start(pool.run)
        ref = pool.start_nowait(child("x"))
        await pool.stop()
    with pytest.raises(NotDelivered):
        ref.tell_nowait("late")


async def test_a_supervisor_may_be_a_child_of_a_pool(pool, autojump_clock):
    """A connection may be a small tree of its own."""
    inner = Sup("conn", [child("reader", Restart.PERMANENT), child("writer", Restart.PERMANENT)])
    pool.start_nowait(supervise(inner, restart=Restart.TEMPORARY))
    assert await inner.ref("writer").ask(Do()) == 1
    assert [node.name for node in pool.snapshot().walk()] == [
        "pool",
        "pool/conn",
        "pool/conn/reader",
        "pool/conn/writer",
    ]


async def test_children_that_came_and_went_leave_nothing_for_the_collector(pool):
    """A pool may have hundreds in a second: objects that hold each other would make the collector hold everybody up."""

    async def come_and_go(name):
        assert await pool.start_nowait(child(name)).ask(Do("bye")) == 0
        while len(pool):
            await trio.lowlevel.checkpoint()

    await come_and_go("first")
    gc.collect()
    gc.disable()
    try:
        for number in range(20):
            await come_and_go(f"x{number}")
        left = gc.collect()
    finally:
        gc.enable()
    assert left < 20, f"{left} objects"
