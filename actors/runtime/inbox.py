"""What one incarnation of an actor reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar, final

import trio

from .call import Call
from .mailbox import Mailbox
from .reply import Reply

M = TypeVar("M")


def _ignore() -> None:
    pass


@final
class Inbox(Generic[M]):
    """The reading end of an actor's mailbox, for one incarnation.

    `async for message in inbox` gives one message at a time and ends when the actor is asked to stop. Taking the
    next message settles the one before: a `Call` that was neither answered, moved nor handed on is closed, and its
    asker gets `ReplyLost`. A request nobody waits for any more is never given out. What has not been given out
    stays in the mailbox, whatever happens to this incarnation.
    """

    def __init__(
        self,
        mailbox: Mailbox[Any],
        *,
        name: str = "actor",
        incarnation: int = 1,
        on_ready: Callable[[], None] = _ignore,
    ) -> None:
        self.name = name
        """The actor's name."""
        self.incarnation = incarnation
        """How many times this actor has been started, this one included: 1, 2, 3 …"""
        self.held: set[Reply] = set()
        self._mailbox = mailbox
        self._on_ready = on_ready
        self._ready = False
        self._stopping = trio.Event()
        self._stop = False
        self._in_hand: Call[Any] | None = None

    # --- for the actor ---

    def ready(self) -> None:
        """Say that start-up work is done. The first read says it by itself."""
        if not self._ready:
            self._ready = True
            self._on_ready()

    @property
    def stopping(self) -> bool:
        """Whether the actor has been asked to stop."""
        return self._stop

    async def wait_stopping(self) -> None:
        """Wait until the actor is asked to stop."""
        await self._stopping.wait()

    def __aiter__(self) -> Inbox[M]:
        return self

    async def __anext__(self) -> M:
        self._put_down()
        await self._wait()
        message = self._mailbox.pop_nowait()
        if isinstance(message, Call):
            message.taken(self)
            self._in_hand = message
        return message  # type: ignore[no-any-return]  # the mailbox holds Any: it takes M and calls for M alike

    def batches(self, limit: int) -> Batches[M]:
        """Read many messages for each time the actor wakes: `async for batch in inbox.batches(64)`.

        A batch is an iterator that takes messages from the mailbox one by one, without waiting, and ends when there
        are none, after `limit` of them, or when the actor is asked to stop. What it has not given out stays in the
        mailbox, so a crash loses the message in hand and no other. Other tasks run once between two batches.

        Args:
          limit: the most messages in a batch, at least 1. Bounds how long other tasks wait.
        """
        if limit < 1:
            raise ValueError(f"a batch holds at least 1 message, the limit was {limit}")
        return Batches(self, limit)

    # --- for the runtime ---

    def request_stop(self) -> None:
        """Let the message in hand finish; interrupt only the wait for the next one."""
        if not self._stop:
            self._stop = True
            self._stopping.set()
            self._mailbox.nudge()

    def finish(self) -> None:
        """The incarnation is over: no call that it has taken stays without an answer."""
        self._stop = True
        self._on_ready = _ignore  # it holds the incarnation, which holds this: nothing is left for the collector
        in_hand, self._in_hand = self._in_hand, None
        if in_hand is not None:
            in_hand.put_down(self)
        while self.held:
            self.held.pop().lose(f"{self.name} ended without answering")

    # --- inside ---

    def _put_down(self) -> None:
        if self._in_hand is not None:
            in_hand, self._in_hand = self._in_hand, None
            in_hand.put_down(self)

    async def _wait(self) -> None:
        # Returns when a message can be taken without waiting. Always lets other tasks run, and takes nothing before
        # the last checkpoint, so being cancelled here loses nothing.
        if not self._ready:
            self.ready()
        if self._stop:
            raise StopAsyncIteration
        if self._mailbox.load_nowait():
            await trio.lowlevel.checkpoint()
        else:
            await self._mailbox.wait()
        while not self._stop:
            if self._mailbox.load_nowait():
                return
            await self._mailbox.wait()
        raise StopAsyncIteration

    def _take_up_to(self, limit: int) -> Iterator[M]:
        mailbox = self._mailbox
        while limit and not self._stop:
            self._put_down()
            try:
                message = mailbox.pop_nowait()
            except trio.WouldBlock:
                return
            limit -= 1
            if isinstance(message, Call):
                message.taken(self)
                self._in_hand = message
            yield message
        self._put_down()


@final
class Batches(Generic[M]):
    """What `Inbox.batches` gives: an asynchronous iterator over batches.

    Not an asynchronous generator, so leaving the loop early needs no care.
    """

    def __init__(self, inbox: Inbox[M], limit: int) -> None:
        self._inbox = inbox
        self._limit = limit

    def __aiter__(self) -> Batches[M]:
        return self

    async def __anext__(self) -> Iterator[M]:
        inbox = self._inbox
        inbox._put_down()  # noqa: SLF001
        await inbox._wait()  # noqa: SLF001
        return inbox._take_up_to(self._limit)  # noqa: SLF001
