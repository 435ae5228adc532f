"""The address of an actor: the only way in."""

from __future__ import annotations

import enum
from typing import Any, Generic, TypeVar, final

import trio

from .call import Call, Request
from .errors import ActorError, NotDelivered
from .mailbox import Mailbox, MailboxStatistics
from .reply import Reply

M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")


class _Pending(enum.Enum):
    PENDING = enum.auto()


class _Waiter(Generic[R]):
    """One task waiting for one outcome."""

    __slots__ = ("_outcome", "_task")

    def __init__(self) -> None:
        self._outcome: R | ActorError | _Pending = _Pending.PENDING
        self._task: trio.lowlevel.Task | None = None

    def resolve(self, outcome: R | ActorError) -> None:
        self._outcome = outcome
        if self._task is not None:
            task, self._task = self._task, None
            trio.lowlevel.reschedule(task)

    async def wait(self) -> R | ActorError:
        if self._outcome is _Pending.PENDING:
            self._task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._give_up)
        outcome, self._outcome = self._outcome, _Pending.PENDING
        assert outcome is not _Pending.PENDING
        return outcome

    def _give_up(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED


@final
class Ref(Generic[M_contra]):
    """An address that stays valid over restarts. Compares by identity; one actor has one."""

    __slots__ = ("_mailbox", "name")

    def __init__(self, name: str, mailbox: Mailbox[Any]) -> None:
        self.name = name
        """The actor's name."""
        self._mailbox = mailbox

    def __repr__(self) -> str:
        return f"<Ref {self.name}>"

    def tell_nowait(self, message: M_contra) -> None:
        """Send without waiting and without an answer.

        Raises:
          NotDelivered: the mailbox has no room, or the actor does not run.
        """
        self._mailbox.put_nowait(message)

    async def tell(self, message: M_contra) -> None:
        """Send without an answer; under the block policy wait for room. If cancelled, nothing was sent.

        Raises:
          NotDelivered: there is no room under another policy, or the actor does not run.
        """
        await self._mailbox.put(message)

    async def ask(self, request: Request[R]) -> R:
        """Send a request and wait for its answer. Bound the wait with `trio.fail_after`.

        The deadline of the caller travels with the request: once it has passed, no handler starts it. If cancelled
        while waiting, a handler may have it already, and the outcome is unknown.

        Raises:
          NotDelivered: no handler had it. It may be sent again.
          ReplyLost: a handler had it and ended without answering. The outcome is unknown.
        """
        waiter: _Waiter[R] = _Waiter()
        await trio.lowlevel.checkpoint_if_cancelled()
        reply = Reply(trio.current_effective_deadline(), waiter.resolve)
        call = Call(request, reply, 0)
        try:
            try:
                self._mailbox.offer(call)  # the common case: one trip through the scheduler less
            except trio.WouldBlock:
                await self._mailbox.put(call)
            del call  # the handler's is the only one, so that one forgotten there is noticed
            outcome = await waiter.wait()
        except NotDelivered:
            await trio.lowlevel.checkpoint()
            raise
        finally:
            reply.abandon()
        if isinstance(outcome, ActorError):
            try:
                raise outcome
            finally:
                del outcome  # or the traceback would hold the frame that holds it
        return outcome

    async def pass_on(self, call: Call[Any]) -> bool:
        """Hand the duty to answer `call` to this actor; under the block policy wait for room.

        Does not raise when it cannot be delivered: the asker hears it. If cancelled, the asker gets `ReplyLost`.

        Returns:
          Whether it was delivered to the mailbox.

        Raises:
          ActorError: the duty is no longer this call's.
        """
        handed = call.hand_over()
        if not handed.awaited():
            handed.undeliver("nobody waited for it any more")
            await trio.lowlevel.checkpoint()
            return False
        try:
            await self._mailbox.put(handed)
        except NotDelivered as error:
            handed.undeliver(f"{self.name}: {error}")
            return False
        except BaseException:
            handed.lose("its handler was stopped while passing it on")
            raise
        return True

    def pass_on_nowait(self, call: Call[Any]) -> bool:
        """Hand the duty to answer `call` to this actor without waiting.

        Does not raise when it cannot be delivered: the asker hears it, before this returns.

        Returns:
          Whether it was delivered to the mailbox.

        Raises:
          ActorError: the duty is no longer this call's.
        """
        handed = call.hand_over()
        if not handed.awaited():
            handed.undeliver("nobody waited for it any more")
            return False
        try:
            self._mailbox.put_nowait(handed)
        except NotDelivered as error:
            handed.undeliver(f"{self.name}: {error}")
            return False
        return True

    def statistics(self) -> MailboxStatistics:
        """What waits in the actor's mailbox, and what has happened to messages so far."""
        return self._mailbox.statistics()
