"""A request on its way, and the one right to answer it.

Whoever asks waits on one `Reply`. A `Call` is a request together with the duty to settle that reply. The duty
has one owner at a time: a mailbox, an incarnation that has taken the call, or whoever opened it. Handing the call
on (`forward`, `Ref.pass_on`) moves the duty and leaves the old `Call` without any. However the owner ends (it
answers, crashes, forgets the call, is stopped), the reply is settled, so nobody waits for ever.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Generic, TypeVar, final

import attrs
import trio

from .errors import ActorError
from .reply import Holder, Reply

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@attrs.frozen
class Request(Generic[R_co]):
    """Base of messages that expect an answer of type `R_co`. Subclass it as a frozen attrs class."""


@final
class Call(Generic[R]):
    """A request, and the duty to answer it, as an actor finds them in its inbox."""

    __slots__ = ("_reply", "_turn", "request")
    __match_args__ = ("request",)

    request: Request[R]

    def __init__(self, request: Request[R], reply: Reply, turn: int) -> None:
        self._reply = reply
        self._turn = turn
        self.request = request

    @staticmethod
    def open(
        request: Request[R],
        *,
        deadline: float = math.inf,
        on_reply: Callable[[R | ActorError], None],
    ) -> Call[R]:
        """Make a call whose answer goes to a callback, so that no task has to wait for it.

        Hand it to an actor with `Ref.pass_on_nowait`. `on_reply` is called once, whatever happens, unless
        `abandon` came first: with the answer, or with `NotDelivered` or `ReplyLost`. It runs in the step of
        whoever settles the call, possibly inside `pass_on_nowait` itself, so it must be short and must not raise
        (an exception is logged). A deadline does not wake anybody by itself: it only keeps the call from being
        started late.

        Args:
          request: what is asked.
          deadline: on Trio's clock; later than this no handler starts it.
          on_reply: takes the outcome.
        """
        return Call(request, Reply(deadline, on_reply), 0)

    def __repr__(self) -> str:
        state = "settled" if self._reply.settled else "open" if self._reply.turn == self._turn else "handed on"
        return f"<Call {state} {self.request!r}>"

    def __del__(self) -> None:
        # The collector may run in any thread and between any two steps, so the reply is closed in Trio's own time.
        reply = self._reply
        if reply.turn != self._turn or reply.idle():
            return
        with contextlib.suppress(trio.RunFinishedError):  # no asker is left in that run
            reply.token.run_sync_soon(reply.forgotten)

    @property
    def deadline(self) -> float:
        """When the asker stops waiting, on Trio's clock. May be `math.inf`."""
        return self._reply.deadline

    @property
    def committed(self) -> bool:
        """Whether anybody in the chain has passed the point of no return."""
        return self._reply.committed

    def answer(self, value: R) -> bool:
        """Answer. False when nobody waits for it, or the duty is no longer this call's."""
        return self._reply.turn == self._turn and self._reply.settle(value)

    def refuse(self, error: ActorError) -> bool:
        """Answer with an error. False when nobody waits for it, or the duty is no longer this call's."""
        return self._reply.turn == self._turn and self._reply.settle(error)

    def wanted(self) -> bool:
        """Whether somebody still waits: not answered, not abandoned, the deadline not passed."""
        return self._reply.wanted()

    def commit(self) -> bool:
        """Pass the point of no return. After False, do nothing: the asker has gone or it is too late.

        After True an asker that gets no answer is told `ReplyLost`, never `NotDelivered`, all along the chain.
        Calling it again changes nothing and gives True.
        """
        reply = self._reply
        if reply.turn != self._turn or reply.settled:
            return False
        if not reply.committed:
            if not reply.wanted():
                return False
            reply.committed = True
        return True

    def move(self) -> Call[R]:
        """Keep the duty beyond the message in hand, to answer later in the same incarnation.

        When the incarnation ends, or the call is forgotten, the asker gets `ReplyLost`.
        """
        if self._reply.turn == self._turn:
            self._reply.keep()
        return self

    def forward(
        self,
        request: Request[R],
        *,
        undelivered: Callable[[], None] | None = None,
        answered: Callable[[R | ActorError], None] | None = None,
    ) -> Call[R]:
        """A new request that inherits the duty to answer: whoever receives it answers the first asker.

        Args:
          request: what the next actor is asked.
          undelivered: called once if the new call is discarded without reaching a handler (dropped, conflated,
            refused, expired in a queue, its mailbox closed, or never passed on), before `answered`.
          answered: called once with the final answer or error, also when the asker has gone, in the step that
            answers. Must not raise; if it does, that is logged.

        Raises:
          ActorError: the duty is no longer this call's.
        """
        self._demand_duty()
        reply = self._reply
        reply.hook(undelivered, answered)
        reply.keep()
        reply.turn += 1
        return Call(request, reply, reply.turn)

    def abandon(self) -> bool:
        """Nobody waits any more, says who opened the call. False when it was answered already.

        From then on `wanted` and `commit` give False and `on_reply` is not called.
        """
        return self._reply.abandon()

    # --- for addresses, mailboxes and inboxes ---

    def hand_over(self) -> Call[R]:
        """The same request with the duty taken from this object, for a mailbox to own."""
        self._demand_duty()
        return Call(self.request, self._reply, self._reply.pass_turn())

    def _demand_duty(self) -> None:
        if self._reply.turn != self._turn:
            raise ActorError(f"the duty to answer {self.request!r} was handed on already; use the newer call")

    def awaited(self) -> bool:
        """As `wanted`, without a look at the clock."""
        return not (self._reply.settled or self._reply.gone)

    def taken(self, holder: Holder) -> None:
        """A handler has it now."""
        self._reply.taken(holder)

    def put_down(self, holder: Holder) -> None:
        """Its handler goes on to the next message: unless kept or handed on, it is closed."""
        reply = self._reply
        if not reply.settled and reply.holder is holder and reply not in holder.held:
            reply.lose(f"{holder.name} went on without answering")

    def undeliver(self, why: str) -> None:
        """No handler will see it."""
        if self._reply.turn == self._turn:
            self._reply.undeliver(why)

    def lose(self, why: str) -> None:
        """Its owner ended without answering."""
        if self._reply.turn == self._turn:
            self._reply.lose(why)
