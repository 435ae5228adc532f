"""Starting in order, restarting by the rules, stopping in reverse."""

import functools
import itertools

import pytest
import trio
import trio.testing

from actors.runtime import (
    ActorError,
    ActorSpec,
    Backoff,
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
)

STEADY = Backoff(first=1.0, cap=8.0, jitter=lambda: 1.0)


def quiet(event):
    """A hook that keeps test output short."""


Sup = functools.partial(Supervisor, backoff=STEADY, on_event=quiet)


@pytest.fixture
def log():
    return []


@pytest.fixture
def actor(log):
    """Specs of actors that log their lives: +name when made, !name when ready, -name when over."""

    def make(name, ready_after=0.0, crash_on=None, stop_after=0.0, **options):
        async def main(inbox):
            log.append(f"+{name}")
            try:
                await trio.sleep(ready_after)
                inbox.ready()
                log.append(f"!{name}")
                async for message in inbox:
                    if message == crash_on:
                        raise RuntimeError(name)
                await trio.sleep(stop_after)
            finally:
                log.append(f"-{name}")

        return ActorSpec(name, lambda: main, **options)

    return make


def states(tree):
    return {child.name: child.state for child in tree.snapshot().children}


async def test_children_start_in_order_each_after_the_one_before_is_ready(nursery, autojump_clock, actor, log):
    """Nobody starts before all that stand before it are ready."""
    tree = Sup("s", [actor("a", 3), actor("b", 2), actor("c", 1)])
    began = trio.current_time()
    await nursery.start(tree.run)
    assert log == ["+a", "!a", "+b", "!b", "+c", "!c"]
    assert trio.current_time() == began + 6
    nursery.cancel_scope.cancel()


async def test_children_stop_in_reverse_order(autojump_clock, actor, log):
    """The last started is the first to end, each within its grace."""
    tree = Sup("s", [actor("a", stop_after=1), actor("b", stop_after=2), actor("c", stop_after=3)])
    async with trio.open_nursery() as nursery:
        await nursery.start(tree.run)
        log.clear()
        began = trio.current_time()
        await tree.stop()
        assert trio.current_time() == began + 6
    assert log == ["-c", "-b", "-a"]
    assert set(states(tree).values()) == {State.STOPPED}


async def test_an_actor_that_ignores_the_stop_is_cancelled_after_its_grace(autojump_clock, actor, log):
    """Whoever has not ended when its grace is over is cancelled, and its asker hears ReplyLost in that moment."""
    lost = []

    async def deaf(inbox):
        async for _ in inbox:
            await trio.sleep_forever()

    tree = Sup("s", [ActorSpec("deaf", lambda: deaf, grace=2), actor("b")])

    async def asker():
        with pytest.raises(ReplyLost):
            await tree.ref("deaf").ask(Request())
        lost.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        await nursery.start(tree.run)
        nursery.start_soon(asker)
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        await tree.stop()
    assert lost == [began + 2]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (Strategy.ONE_FOR_ONE, ["-b", "+b", "!b"]),
        (Strategy.REST_FOR_ONE, ["-b", "-d", "-c", "+b", "!b", "+c", "!c", "+d", "!d"]),
        (Strategy.ONE_FOR_ALL, ["-b", "-d", "-c", "-a", "+a", "!a", "+b", "!b", "+c", "!c", "+d", "!d"]),
    ],
)
async def test_strategies_end_in_reverse_and_restart_in_order(nursery, autojump_clock, actor, log, strategy, expected):
    """Affected siblings end in reverse order and start again in order, each when the one before is ready."""
    tree = Sup("s", [actor("a", 1), actor("b", 5, "boom"), actor("c", 3), actor("d", 2)], strategy)
    await nursery.start(tree.run)
    log.clear()
    began = trio.current_time()
    tree.ref("b").tell_nowait("boom")
    await trio.sleep(100)
    assert log == expected
    ready_after = {"a": 1, "b": 5, "c": 3, "d": 2}
    last = max(trio.current_time() - child.in_state_s for child in tree.snapshot().children)
    assert last == began + 1 + sum(ready_after[entry[1:]] for entry in expected if entry[0] == "!")
    nursery.cancel_scope.cancel()


async def test_a_crash_while_siblings_wait_for_their_turn(nursery, autojump_clock, actor, log):
    """When a restarting child crashes again before it is ready, those behind it have not run in between."""
    crashes = 2

    async def shaky(inbox):
        nonlocal crashes
        log.append("+b")
        if inbox.incarnation > 1 and crashes:
            crashes -= 1
            await trio.sleep(1)
            raise RuntimeError("again")
        async for _ in inbox:
            raise RuntimeError("first")

    tree = Sup("s", [actor("a"), ActorSpec("b", lambda: shaky), actor("c")], Strategy.REST_FOR_ONE)
    await nursery.start(tree.run)
    log.clear()
    tree.ref("b").tell_nowait("boom")
    await trio.sleep(100)
    assert log == ["-c", "+b", "+b", "+b", "+c", "!c"]
    nursery.cancel_scope.cancel()


async def test_refs_stay_valid_and_back_off_grows(nursery, autojump_clock, log):
    """One address reaches every incarnation; a message sent during the back-off is served after it."""
    made = []

    def make():
        made.append(trio.current_time())
        return shaky

    async def shaky(inbox):
        async for call in inbox:
            call.answer(inbox.incarnation)
            raise RuntimeError

    tree = Sup("s", [ActorSpec("a", make)])
    ref = tree.ref("a")
    assert tree.ref("a") is ref
    nursery.start_soon(tree.run)
    assert [await ref.ask(Request()) for _ in range(5)] == [1, 2, 3, 4, 5]
    assert [later - earlier for earlier, later in itertools.pairwise(made)] == [1, 2, 4, 8]
    await trio.sleep(100)
    crashed_at = trio.current_time()
    assert [await ref.ask(Request()) for _ in range(2)] == [6, 7]
    assert made[-1] == crashed_at + 1
    nursery.cancel_scope.cancel()


async def test_beyond_the_window_it_gives_up_and_answers_everyone(autojump_clock, actor, log):
    """One restart too many ends the supervisor with the cause; siblings stop in order; nobody waits for ever."""
    tree = Sup("s", [actor("a"), actor("b", crash_on="boom"), actor("c")], window=RestartWindow(2, 100))
    outcomes = []

    async def client():
        for _ in range(3):
            await tree.ref("b").tell("boom")
            await trio.sleep(10)
        with pytest.raises(NotDelivered):
            await tree.ref("b").ask(Request())
        outcomes.append("refused")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(client)
        with pytest.raises(RestartLimitReached, match="restart number 3") as caught:
            await tree.run()
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert log[-2:] == ["-c", "-a"]
    assert outcomes == ["refused"]
    assert tree.snapshot().state is State.FAILED


async def test_who_restarts_after_which_end(autojump_clock):
    """Permanent always restarts, transient after a crash only, temporary never; and then the supervisor is done."""
    ran = []

    def spec(name, restart, ends):
        async def main(inbox):
            ran.append(name)
            inbox.ready()
            await trio.sleep(1)
            if next(ends):
                raise RuntimeError(name)

        ends = iter(ends)
        return ActorSpec(name, lambda: main, restart=restart)

    tree = Sup(
        "s",
        [
            spec("transient", Restart.TRANSIENT, [True, False]),
            spec("temporary", Restart.TEMPORARY, [True]),
            spec("once", Restart.TEMPORARY, [False]),
        ],
    )
    await tree.run()
    assert sorted(ran) == ["once", "temporary", "transient", "transient"]
    assert states(tree) == {"transient": State.STOPPED, "temporary": State.FAILED, "once": State.STOPPED}
    with pytest.raises(NotDelivered):
        await tree.ref("temporary").tell("late")

    permanent = Sup("p", [spec("permanent", Restart.PERMANENT, [False] * 9)], window=RestartWindow(1, 100))
    with pytest.raises(RestartLimitReached, match="returned"):
        await permanent.run()


async def test_a_temporary_child_is_not_restarted_with_its_siblings(nursery, autojump_clock, actor, log):
    """A temporary child that a sibling's strategy took down stays down, and refuses messages at once."""
    tree = Sup(
        "s", [actor("a", crash_on="boom"), actor("b", restart=Restart.TEMPORARY), actor("c")], Strategy.ONE_FOR_ALL
    )
    await nursery.start(tree.run)
    log.clear()
    tree.ref("a").tell_nowait("boom")
    await trio.sleep(10)
    assert log == ["-a", "-c", "-b", "+a", "!a", "+c", "!c"]
    with pytest.raises(NotDelivered):
        tree.ref("b").tell_nowait("late")
    nursery.cancel_scope.cancel()


async def test_the_queue_of_an_actor_that_will_not_run_again_is_answered(nursery, autojump_clock):
    """Requests queued behind a temporary actor's last message get NotDelivered at once, and `retire` is called once."""
    retired = []

    async def once(inbox):
        async for call in inbox:
            await trio.sleep(1)
            call.answer(1)
            return

    tree = Sup(
        "s",
        [ActorSpec("a", lambda: once, restart=Restart.TEMPORARY, retire=lambda: retired.append(trio.current_time()))],
    )
    ref = tree.ref("a")
    outcomes = []

    async def asker():
        try:
            outcomes.append(await ref.ask(Request()))
        except NotDelivered:
            outcomes.append(trio.current_time())

    async with trio.open_nursery() as askers:
        for _ in range(3):
            askers.start_soon(asker)
        began = trio.current_time()
        nursery.start_soon(tree.run)
    assert sorted(outcomes) == sorted([1, began + 1, began + 1])
    assert retired == [began + 1]


@pytest.mark.parametrize("restart", list(Restart))
async def test_a_crash_before_the_first_readiness_is_a_fault_of_the_set_up(autojump_clock, actor, log, restart):
    """The first start failing ends the supervisor with StartFailed, and who runs already is stopped."""

    async def bad(inbox):
        raise OSError("no such terminal")

    tree = Sup("s", [actor("a"), ActorSpec("bad", lambda: bad, restart=restart), actor("c")])
    with pytest.raises(StartFailed, match="bad ended before it was ready: OSError: no such terminal") as caught:
        await tree.run()
    assert isinstance(caught.value.__cause__, OSError)
    assert log == ["+a", "!a", "-a"]


async def test_a_child_that_has_done_its_work_before_it_was_ready_holds_back_nobody(
    nursery, autojump_clock, actor, log
):
    """A transient or temporary child may just do something and return; what stands behind it starts then."""

    async def job(inbox):
        await trio.sleep(2)
        log.append("done")

    jobs = [ActorSpec(str(rule), lambda: job, restart=rule) for rule in (Restart.TRANSIENT, Restart.TEMPORARY)]
    tree = Sup("s", [*jobs, actor("a")])
    await nursery.start(tree.run)
    assert log == ["done", "done", "+a", "!a"]
    nursery.cancel_scope.cancel()


async def test_a_factory_that_raises_is_a_crash(autojump_clock):
    """An exception while the actor is made counts as one while it runs."""

    def make():
        raise OSError("no such file")

    with pytest.raises(StartFailed, match="no such file"):
        await Sup("s", [ActorSpec("a", make)]).run()


async def test_never_becoming_ready_counts_as_a_crash(nursery, autojump_clock, actor, log):
    """Beyond `start_within` an incarnation is ended and counted as crashed; on the first start that is fatal."""

    async def slow(inbox):
        if inbox.incarnation != 1:
            log.append(trio.current_time())
            await trio.sleep(20 if inbox.incarnation == 2 else 1)
        async for _ in inbox:
            raise RuntimeError

    tree = Sup("s", [ActorSpec("slow", lambda: slow, start_within=5), actor("b")], Strategy.REST_FOR_ONE)
    await nursery.start(tree.run)
    log.clear()
    began = trio.current_time()
    tree.ref("slow").tell_nowait("boom")
    await trio.sleep(100)
    assert log == ["-b", began + 1, began + 1 + 5 + 2, "+b", "!b"]
    assert "within 5 seconds" in tree.snapshot().children[0].last_error
    nursery.cancel_scope.cancel()

    async def never(inbox):
        await trio.sleep_forever()

    with pytest.raises(StartFailed, match="within 5 seconds"):
        await Sup("t", [ActorSpec("never", lambda: never, start_within=5)]).run()


async def test_stop_during_back_off_is_immediate(autojump_clock, actor):
    """Nobody waits for a child that backs off, nor for those that wait for their turn behind it."""
    tree = Sup(
        "s",
        [actor("a", crash_on="boom", grace=50), actor("b", grace=50)],
        Strategy.REST_FOR_ONE,
        backoff=Backoff(first=100, cap=100, jitter=lambda: 1.0),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(tree.run)
        tree.ref("a").tell_nowait("boom")
        await trio.sleep(1)
        assert set(states(tree).values()) == {State.BACKING_OFF}
        began = trio.current_time()
        await tree.stop()
        assert trio.current_time() == began
    assert set(states(tree).values()) == {State.STOPPED}


async def test_stop_before_the_first_step_of_a_child(autojump_clock, actor, log):
    """A stop that comes before a child's first step, or before `run` itself, leaves nobody running."""
    tree = Sup("s", [actor("a"), actor("b")])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tree.run)
        await tree.stop()
    assert log.count("+a") == log.count("-a")
    assert tree.snapshot().state is State.STOPPED
    with pytest.raises(NotDelivered):
        tree.ref("a").tell_nowait("late")

    early = Sup("e", [actor("x")])
    early.request_stop()
    await early.run()
    assert "+x" not in log


async def test_stop_while_children_start(autojump_clock, actor, log):
    """A stop during the start ends those that run and those that wait, without their start limit."""
    tree = Sup("s", [actor("a"), actor("b", ready_after=9, grace=1), actor("c")])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tree.run)
        await trio.sleep(2)
        began = trio.current_time()
        await tree.stop()
        assert trio.current_time() == began + 1
    assert log == ["+a", "!a", "+b", "-b", "-a"]


async def test_a_crash_during_the_stop_is_recorded_and_not_repaired(autojump_clock, actor, log):
    """Who crashes while stopping is not started again, and the stop goes on."""

    async def messy(inbox):
        inbox.ready()
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("while cancelled")

    tree = Sup("s", [actor("a"), ActorSpec("messy", lambda: messy, grace=1)])
    async with trio.open_nursery() as nursery:
        await nursery.start(tree.run)
        await tree.stop()
    assert log == ["+a", "!a", "-a"]
    messy_now = tree.snapshot().children[1]
    assert (messy_now.state, messy_now.last_error) == (State.FAILED, "ValueError: while cancelled")


async def test_stop_while_a_sibling_is_being_ended_for_a_restart(autojump_clock, actor, log):
    """A stop that comes while a strategy takes siblings down finishes that, and then nobody is started again."""
    tree = Sup(
        "s", [actor("a", crash_on="boom"), actor("b", stop_after=3), actor("c", stop_after=3)], Strategy.ONE_FOR_ALL
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(tree.run)
        log.clear()
        tree.ref("a").tell_nowait("boom")
        await trio.sleep(1)
        await tree.stop()
    assert log == ["-a", "-c", "-b"]
    assert [child.restarts for child in tree.snapshot().children] == [0, 0, 0]


async def test_two_crashes_at_once_are_each_repaired(nursery, autojump_clock, actor, log):
    """Two children that crash in the same moment both come back, in order."""
    tree = Sup(
        "s",
        [actor("a", crash_on="boom"), actor("b", crash_on="boom"), actor("c", crash_on="boom")],
        Strategy.REST_FOR_ONE,
    )
    await nursery.start(tree.run)
    log.clear()
    for name in "cab":
        tree.ref(name).tell_nowait("boom")
    await trio.sleep(60)
    assert log[-6:] == ["+a", "!a", "+b", "!b", "+c", "!c"]
    assert log.count("+c") == log.count("-c")
    assert set(states(tree).values()) == {State.RUNNING}
    nursery.cancel_scope.cancel()


async def test_cancelling_run_ends_everything_at_once(autojump_clock, actor, log):
    """Cancelling `run` cancels the children without their grace, and everyone who waits is told."""
    tree = Sup("s", [actor("a", stop_after=100), actor("b", stop_after=100)])
    with trio.move_on_after(3):
        await tree.run()
    assert sorted(log[4:]) == ["-a", "-b"]
    with pytest.raises(NotDelivered):
        tree.ref("a").tell_nowait("late")


@pytest.mark.parametrize("fatal", [KeyboardInterrupt, SystemExit])
async def test_keyboard_interrupt_and_exit_are_not_crashes(autojump_clock, actor, fatal):
    """What is meant to end the process is not repaired by a restart."""

    async def exits(inbox):
        raise fatal

    with pytest.raises(BaseExceptionGroup) as caught:
        await Sup("s", [actor("a"), ActorSpec("exits", lambda: exits)]).run()
    assert caught.value.subgroup(fatal) is not None


async def test_a_group_of_crash_and_cancellation_is_both(autojump_clock, log):
    """An actor with tasks of its own that crashes while it is cancelled is recorded, and the cancellation goes on."""

    async def grumble():
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("in a task")

    async def parent(inbox):
        inbox.ready()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(grumble)
            await trio.sleep_forever()

    tree = Sup("s", [ActorSpec("a", lambda: parent)])
    with trio.move_on_after(3) as scope:
        await tree.run()
    assert scope.cancelled_caught
    assert tree.snapshot().children[0].last_error == "ValueError: in a task"


async def test_a_supervisor_runs_once_at_a_time(nursery, autojump_clock, actor):
    """A second `run` beside the first is refused."""
    tree = Sup("s", [actor("a")])
    await nursery.start(tree.run)
    with pytest.raises(ActorError, match="runs already"):
        await tree.run()
    nursery.cancel_scope.cancel()


def test_names_are_parts_of_paths():
    """Two children of one name, an empty name or one with a slash are faults of the set-up."""
    spec = ActorSpec("a", lambda: None)
    with pytest.raises(ValueError, match="two children"):
        Supervisor("s", [spec, spec])
    for bad in ("", "a/b"):
        with pytest.raises(ValueError, match="part of a path"):
            ActorSpec(bad, lambda: None)
        with pytest.raises(ValueError, match="part of a path"):
            Supervisor(bad, [])
