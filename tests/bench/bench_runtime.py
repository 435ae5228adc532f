"""What the actor runtime costs, in microseconds: `python tests/bench/bench_runtime.py`.

Read the ratios; the numbers depend on the machine and on what else it does.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable

import attrs
import trio

from actors.runtime import (
    ActorError,
    ActorSpec,
    Call,
    Inbox,
    MailboxPolicy,
    Overflow,
    Request,
    Supervisor,
)

N = 20_000
REPEATS = 5
BATCH = 64


@attrs.frozen
class Ping(Request[int]):
    n: int


async def one_by_one(inbox: Inbox[Call[int] | tuple[int, int]]) -> None:
    async for message in inbox:
        if isinstance(message, Call):
            message.answer(1)


async def in_batches(inbox: Inbox[Call[int] | tuple[int, int]]) -> None:
    async for batch in inbox.batches(2 * BATCH):
        for message in batch:
            if isinstance(message, Call):
                message.answer(1)


async def measure(what: str, count: int, body: Callable[[], Awaitable[None]]) -> None:
    await body()
    took = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        await body()
        took.append((time.perf_counter() - begin) / count * 1e6)
    print(f"{what:<58} {statistics.median(took):8.2f} us  (best {min(took):.2f})")


async def main() -> None:
    wide = MailboxPolicy(capacity=8 * BATCH, reason="a few batches")
    latest = MailboxPolicy(Overflow.CONFLATE, 512, key=lambda message: message[0])
    tree = Supervisor(
        "bench",
        [
            ActorSpec("single", lambda: one_by_one, mailbox=wide),
            ActorSpec("batched", lambda: in_batches, mailbox=wide),
            ActorSpec("latest", lambda: in_batches, mailbox=latest),
            ActorSpec("relay", lambda: relay, mailbox=wide),
            ActorSpec("relay_batched", lambda: relay_batched, mailbox=wide),
        ],
    )
    single, batched, latest_ref = tree.ref("single"), tree.ref("batched"), tree.ref("latest")

    async def relay(inbox: Inbox[Call[int]]) -> None:
        async for call in inbox:
            single.pass_on_nowait(call.forward(call.request))

    async def relay_batched(inbox: Inbox[Call[int]]) -> None:
        async for batch in inbox.batches(2 * BATCH):
            for call in batch:
                batched.pass_on_nowait(call.forward(call.request))

    async def ask(name: str) -> None:
        ref = tree.ref(name)
        for n in range(N):
            await ref.ask(Ping(n))

    async def commands(name: str) -> None:
        """A burst as an edge sends it: `BATCH` calls at once, answers to a callback."""
        ref, answers = tree.ref(name), 0
        done = trio.Event()

        def on_reply(_: int | ActorError) -> None:
            nonlocal answers
            answers += 1
            if answers % BATCH == 0:
                done.set()

        for n in range(N // BATCH):
            done = trio.Event()
            for _ in range(BATCH):
                ref.pass_on_nowait(Call.open(Ping(n), deadline=trio.current_time() + 60, on_reply=on_reply))
            await done.wait()

    async def tell_batched() -> None:
        for n in range(N):
            batched.tell_nowait((n, n))
            if n % BATCH == BATCH - 1:
                await trio.lowlevel.checkpoint()

    async def tell_single() -> None:
        for n in range(N):
            await single.tell((n, n))

    async def tell_conflating() -> None:
        for n in range(N):
            latest_ref.tell_nowait((n % 64, n))
        await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        await nursery.start(tree.run)
        await measure("ask, one by one", N, lambda: ask("single"))
        await measure("ask, reader in batches", N, lambda: ask("batched"))
        await measure("ask over one relay", N, lambda: ask("relay"))
        await measure(f"Call.open, {BATCH} in flight, one by one", N, lambda: commands("single"))
        await measure(f"Call.open, {BATCH} in flight, in batches", N, lambda: commands("batched"))
        await measure(f"Call.open, {BATCH} in flight, relay in batches", N, lambda: commands("relay_batched"))
        await measure("tell, one by one", N, tell_single)
        await measure(f"tell_nowait, {BATCH} for each wake-up of the reader", N, tell_batched)
        await measure("tell_nowait, conflating to 64 keys", N, tell_conflating)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
