"""Random crashes, faults, forwards and stops: every asker gets exactly one outcome, and nobody is left over."""

import contextlib
import random

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.runtime import (
    ActorError,
    ActorSpec,
    Backoff,
    Call,
    MailboxPolicy,
    NotDelivered,
    Overflow,
    Pool,
    ReplyLost,
    Request,
    Restart,
    RestartLimitReached,
    RestartWindow,
    StartFailed,
    Strategy,
    Supervisor,
    supervise,
)

TARGETS = ["group/front", "group/middle", "back", "parked/shaky", "pool/child"]


@attrs.frozen
class Job(Request[int]):
    number: int
    route: tuple[str, ...] = ()


@attrs.define
class Chaos:
    """One random run. Everything random comes from `dice`, so a seed tells the whole story but for task order."""

    dice: random.Random
    outcomes: dict[int, list[object]] = attrs.field(factory=dict)
    hooks: dict[int, list[str]] = attrs.field(factory=dict)
    started: set[Job] = attrs.field(factory=set)
    hops: int = 0
    tree: Supervisor = attrs.field(init=False)
    pool: Pool = attrs.field(init=False)

    def __attrs_post_init__(self):
        group = Supervisor(
            "group",
            [self.spec("front"), self.spec("middle")],
            self.dice.choice(list(Strategy)),
            RestartWindow(self.dice.randrange(4), 5),
            Backoff(0.2, 1),
        )
        parked = Supervisor(
            "parked",
            [self.spec("shaky"), self.spec("calm")],
            self.dice.choice(list(Strategy)),
            RestartWindow(1, 5),
            Backoff(0.2, 1),
            park_after_window=True,
            retry_every=3,
        )
        self.pool = Pool("pool", capacity=2, window=RestartWindow(2, 5), backoff=Backoff(0.1, 0.5))
        self.tree = Supervisor(
            "root",
            [self.spec("back"), supervise(group), supervise(parked), supervise(self.pool)],
            self.dice.choice(list(Strategy)),
            RestartWindow(self.dice.choice([3, 1000]), 10),
            Backoff(0.2, 1),
            on_event=lambda event: None,
        )

    def spec(self, name, restart=Restart.PERMANENT):
        overflow = self.dice.choice(list(Overflow))
        key = (lambda call: call.request.number % 3 or None) if overflow is Overflow.CONFLATE else None
        policy = MailboxPolicy(overflow, self.dice.randint(1, 6), key=key, reason="chaos")
        main = self.in_batches if self.dice.random() < 0.5 else self.one_by_one
        return ActorSpec(name, lambda: main, restart=restart, mailbox=policy, grace=self.dice.choice([0, 0.3, 2]))

    async def one_by_one(self, inbox):
        await trio.sleep(self.dice.choice([0, 0.1]))
        kept = []
        async for call in inbox:
            await self.handle(call, kept)

    async def in_batches(self, inbox):
        kept = []
        async for batch in inbox.batches(self.dice.randint(1, 5)):
            for call in batch:
                await self.handle(call, kept)

    async def handle(self, call, kept):
        assert call.request not in self.started, "a message ran twice"
        self.started.add(call.request)
        match self.dice.choice("aaaaaaarmmmmppppppnnnncccssggxwww"):
            case "a":
                call.answer(call.request.number)
            case "r":
                call.refuse(NotDelivered("not today"))
            case "m":
                kept.append(call.move())
                if len(kept) > 2:
                    kept.pop(self.dice.randrange(3)).answer(-1)
            case "p":
                await self.somebody().pass_on(self.forwarded(call))
            case "n":
                self.somebody().pass_on_nowait(self.forwarded(call))
            case "c":
                call.commit()
                await trio.sleep(0.2)
                call.answer(0)
            case "s":
                pass
            case "g":
                call.move()
            case "x":
                raise RuntimeError("chaos")
            case "w":
                await trio.sleep(self.dice.random() * 3)

    def forwarded(self, call):
        self.hops += 1
        hop, seen = self.hops, self.hooks.setdefault(self.hops, [])
        return call.forward(
            attrs.evolve(call.request, route=(*call.request.route, str(hop))),
            undelivered=lambda: seen.append("undelivered"),
            answered=lambda outcome: seen.append("answered"),
        )

    def somebody(self):
        try:
            return self.tree.ref(self.dice.choice(TARGETS))
        except LookupError:  # the pool has no child just now
            return self.tree.ref("back")

    async def asker(self, number):
        seen = self.outcomes[number] = []
        try:
            with trio.move_on_after(self.dice.choice([0.1, 1, 5, 60])) as scope:
                seen.append(await self.somebody().ask(Job(number)))
        except ActorError as error:
            seen.append(error)
        if scope.cancelled_caught:
            seen.append("timed out")

    async def caller(self, number):
        seen = self.outcomes[number] = []
        deadline = trio.current_time() + self.dice.choice([0.5, 5, 100])
        call = Call.open(Job(number), deadline=deadline, on_reply=seen.append)
        self.somebody().pass_on_nowait(call)
        if self.dice.random() < 0.2:
            await trio.sleep(self.dice.random())
            if call.abandon():
                assert not call.wanted()
                assert not call.commit()
                assert seen == []
                seen.append("abandoned")

    async def trouble(self):
        while True:
            await trio.sleep(self.dice.random() * 2)
            match self.dice.choice("fffp"):
                case "f":
                    path = self.dice.choice([*TARGETS, "group", "parked", "pool"])
                    try:
                        self.tree.fail(path, OSError("trouble"))
                    except LookupError:
                        assert path == "pool/child"
                case "p":
                    with contextlib.suppress(NotDelivered, ValueError):
                        self.pool.start_nowait(self.spec("child", self.dice.choice(list(Restart))))

    async def run(self):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.askers)
            with trio.move_on_after(self.dice.choice([15, 60])):
                async with trio.open_nursery() as inner:
                    inner.start_soon(self.trouble)
                    inner.start_soon(self.stop_some_time)
                    with contextlib.suppress(RestartLimitReached, StartFailed):
                        await self.tree.run()
                    inner.cancel_scope.cancel()

    async def stop_some_time(self):
        await trio.sleep(self.dice.choice([8, 30, 1000]))
        await self.tree.stop()

    async def askers(self):
        async with trio.open_nursery() as nursery:
            for number in range(150):
                nursery.start_soon(self.dice.choice([self.asker, self.caller]), number)
                await trio.sleep(self.dice.choice([0, 0, 0.05, 0.3]))


def check(chaos):
    """Every asker has one outcome; every hop heard the final answer once, and of its loss at most once, before."""
    assert len(chaos.outcomes) == 150
    for number, seen in chaos.outcomes.items():
        assert len(seen) == 1, (number, seen)
        assert isinstance(seen[0], int | str | NotDelivered | ReplyLost)
    for hop, seen in chaos.hooks.items():
        assert seen in (["answered"], ["undelivered", "answered"]), (hop, seen)
    for node in chaos.tree.snapshot().walk():
        assert node.queued == 0
        assert node.state.value in ("stopped", "failed")


async def run_chaos(seed):
    chaos = Chaos(random.Random(seed))
    before = trio.lowlevel.current_statistics().tasks_living
    await chaos.run()
    await trio.sleep(200)  # whatever was forgotten has been collected, whatever had a deadline is over
    assert trio.lowlevel.current_statistics().tasks_living == before
    check(chaos)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_every_asker_gets_one_outcome(seed):
    """Whatever crashes, is stopped, dropped, forwarded or forgotten: one outcome for each asker, no task left."""
    trio.run(run_chaos, seed, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.mark.parametrize("seed", range(15))
def test_every_asker_gets_one_outcome_by_seed(seed):
    """The same for fixed seeds, so that a repeat run varies only the order in which Trio runs its tasks."""
    trio.run(run_chaos, seed, clock=trio.testing.MockClock(autojump_threshold=0))
