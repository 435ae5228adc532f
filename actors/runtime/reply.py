"""What one asker waits for: settled once, by whoever owns the duty to answer, however that owner ends."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any, Protocol

import trio

from .errors import NotDelivered, ReplyLost

_log = logging.getLogger("actors.runtime")


class Holder(Protocol):
    """An incarnation that has taken calls and owes their answers."""

    name: str
    held: set[Reply]


class Reply:
    """What one asker waits for. Shared by every `Call` of a chain; settled once."""

    __slots__ = (
        "_answered",
        "_on_reply",
        "_undelivered",
        "committed",
        "deadline",
        "gone",
        "holder",
        "settled",
        "token",
        "turn",
    )

    def __init__(self, deadline: float, on_reply: Callable[[Any], None]) -> None:
        self.deadline = deadline
        self.token = trio.lowlevel.current_trio_token()
        self.turn = 0  # which Call of the chain has the duty
        self.settled = False  # the final answer is known
        self.gone = False  # the asker does not wait any more
        self.committed = False
        self.holder: Holder | None = None
        self._on_reply: Callable[[Any], None] | None = on_reply
        self._answered: list[Callable[[Any], None]] | None = None
        self._undelivered: list[Callable[[], None]] | None = None

    def settle(self, outcome: object) -> bool:
        """Make `outcome` the final answer and tell everyone. False when nobody waits for it any more."""
        if self.settled:
            return False
        self.settled = True
        self._let_go()
        if self._answered is not None or self._undelivered is not None:
            self._run_hooks(outcome)
        on_reply, self._on_reply = self._on_reply, None
        if on_reply is None:
            return False
        _guarded(on_reply, outcome)
        return True

    def lose(self, why: str) -> None:
        """The owner ended without answering."""
        if self.settled:
            self._run_hooks(NotDelivered(why))  # it was forwarded after it had been settled
        else:
            self.settle(ReplyLost(why))

    def undeliver(self, why: str) -> None:
        """The request reached no handler. If something was committed before, the outcome is unknown all the same."""
        if self.settled:
            self._run_hooks(NotDelivered(why))  # as above
        else:
            self.settle(ReplyLost(why) if self.committed else NotDelivered(why))

    def forgotten(self) -> None:
        """The call with the duty was garbage collected."""
        self.lose("the call was forgotten without an answer")

    def abandon(self) -> bool:
        """The asker goes away. False when it was answered already."""
        if self.settled:
            return False
        self.gone = True
        self._on_reply = None
        return True

    def wanted(self) -> bool:
        """Whether anybody still waits."""
        if self.settled or self.gone:
            return False
        return self.deadline == math.inf or trio.current_time() < self.deadline

    def idle(self) -> bool:
        """Whether closing it would change nothing for anybody."""
        return (self.settled or self.gone) and self._answered is None and self._undelivered is None

    def taken(self, holder: Holder) -> None:
        """A handler has it now: from here on an unanswered request is lost, not undelivered."""
        self.holder = holder
        self._undelivered = None

    def keep(self) -> None:
        """The holder owes an answer beyond the message in hand."""
        if self.holder is not None and not self.settled:
            self.holder.held.add(self)

    def pass_turn(self) -> int:
        """Take the duty from the present owner and give it to the next."""
        self._let_go()
        self.turn += 1
        return self.turn

    def hook(self, undelivered: Callable[[], None] | None, answered: Callable[[Any], None] | None) -> None:
        """Remember what the next hop wants to hear."""
        if undelivered is not None:
            self._undelivered = [*(self._undelivered or ()), undelivered]
        if answered is not None:
            self._answered = [*(self._answered or ()), answered]

    def _let_go(self) -> None:
        if self.holder is not None:
            self.holder.held.discard(self)
            self.holder = None

    def _run_hooks(self, outcome: object) -> None:
        if self._undelivered is not None:
            unsent, self._undelivered = self._undelivered, None
            for release in reversed(unsent):
                _guarded(release)
        if self._answered is not None:
            hooks, self._answered = self._answered, None
            for hook in reversed(hooks):
                _guarded(hook, outcome)


def _guarded(hook: Callable[..., None], *args: object) -> None:
    # A hook runs inside somebody else's step (the answerer's, or a stranger's whose message pushed this one out
    # of a full mailbox), so its bug must not become theirs.
    try:
        hook(*args)
    except Exception:  # noqa: BLE001  # see above: whatever it is, it is logged and goes no further
        _log.exception("fail.hook hook=%r", hook)
