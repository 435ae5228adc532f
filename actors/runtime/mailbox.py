"""A bounded queue that outlives the incarnations reading from it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import attrs
import trio
from attrs import validators

from .call import Call
from .errors import NotDelivered

M = TypeVar("M")


class Overflow(enum.Enum):
    """What a full mailbox does with one more message."""

    BLOCK = "block"
    """`tell` waits for room; `tell_nowait` is refused."""
    REJECT = "reject"
    """The message is refused."""
    DROP_OLDEST = "drop_oldest"
    """The oldest queued message goes."""
    CONFLATE = "conflate"
    """A message replaces the queued one with the same key, in its place; with no such one, as REJECT."""


@attrs.frozen
class MailboxPolicy:
    """How much a mailbox holds and what happens beyond."""

    overflow: Overflow = Overflow.BLOCK
    capacity: int = attrs.field(default=64, validator=[validators.instance_of(int), validators.ge(1)])
    """Messages that may wait. One more may be on its way to a reader that has just been woken."""
    key: Callable[[Any], Hashable] | None = None
    """For CONFLATE: what makes two messages the same thing. Sees a message as the actor would (a request as its
    `Call`) and gives None for one that must never be replaced."""
    reason: str = ""
    """One line: why this capacity and this policy."""

    def __attrs_post_init__(self) -> None:
        if (self.key is None) == (self.overflow is Overflow.CONFLATE):
            raise ValueError(
                f"a mailbox needs a key exactly when it conflates; this one is {self.overflow.value} "
                f"{'without' if self.key is None else 'with'} a key"
            )


@attrs.frozen
class MailboxStatistics:
    """What a mailbox holds and what has happened to messages since it was made."""

    queued: int
    """Messages that wait now."""
    capacity: int
    peak: int
    """The most that ever waited."""
    dropped: int
    """Accepted and then discarded: pushed out by newer ones, or found when the mailbox closed."""
    conflated: int
    """Accepted and then replaced by a newer one with the same key."""
    refused: int
    """Not accepted: full or closed."""
    expired: int
    """Requests never started, because the asker had gone or the deadline had passed."""
    senders_waiting: int
    """Tasks that wait for room now."""
    open: bool
    """Whether it takes messages."""


class _Nothing(enum.Enum):
    NOTHING = enum.auto()


_NOTHING = _Nothing.NOTHING
_NUDGE = object()  # wakes the reader without a message


class _Cell:
    """A place in a conflating queue. What is in it may change while it waits."""

    __slots__ = ("key", "message")

    def __init__(self, key: Hashable, message: Any) -> None:
        self.key = key
        self.message = message


class Mailbox(Generic[M]):
    """A memory channel with an overflow policy, for many senders and one reader at a time.

    Both ends belong to the supervisor's record of the actor and not to an incarnation, because Trio throws away
    what is queued when a receiving end is closed. It may be closed and opened again.
    """

    def __init__(self, policy: MailboxPolicy) -> None:
        self.policy = policy
        self._conflating = policy.overflow is Overflow.CONFLATE
        self._cells: dict[Hashable, _Cell] = {}
        self._closed_because: str | None = None
        self._head: Any = _NOTHING  # received and not yet taken by the actor: still ours if it ends now
        self._reading = False
        self._peak = 0
        self._dropped = self._conflated = self._refused = self._expired = 0
        self._tx, self._rx = trio.open_memory_channel[Any](policy.capacity)

    # --- senders ---

    def offer(self, message: M) -> None:
        """Queue a message if there is room for it, or can be made.

        Raises:
          NotDelivered: the actor does not run.
          trio.WouldBlock: there is no room. Nothing is counted: the sender may wait for it.
        """
        if self._closed_because is not None:
            self._refused += 1
            raise NotDelivered(self._closed_because)
        if self._conflating:
            self._offer_conflating(message)
            return
        try:
            self._tx.send_nowait(message)
        except trio.WouldBlock:
            if self.policy.overflow is not Overflow.DROP_OLDEST:
                raise
            oldest = self._remove_oldest()
            self._tx.send_nowait(message)
            self._dropped += 1
            _discard(oldest, "newer messages pushed it out of the mailbox")

    def _offer_conflating(self, message: M) -> None:
        assert self.policy.key is not None
        key = self.policy.key(message)
        cell = None if key is None else self._cells.get(key)
        if cell is not None:
            replaced, cell.message = cell.message, message
            self._conflated += 1
            _discard(replaced, "a newer message took its place in the mailbox")
            return
        cell = _Cell(key, message)
        self._tx.send_nowait(cell)
        if key is not None:
            self._cells[key] = cell

    def put_nowait(self, message: M) -> None:
        """Queue a message without waiting.

        Raises:
          NotDelivered: there is no room, or the actor does not run.
        """
        try:
            self.offer(message)
        except trio.WouldBlock:
            self._refused += 1
            raise NotDelivered(f"the mailbox is full ({self.policy.capacity} messages)") from None

    async def put(self, message: M) -> None:
        """Queue a message; under the block policy wait for room. If cancelled, it was not queued.

        Raises:
          NotDelivered: there is no room under another policy, or the actor does not run.
        """
        if self.policy.overflow is not Overflow.BLOCK:
            await trio.lowlevel.checkpoint_if_cancelled()
            try:
                self.put_nowait(message)
            finally:
                await trio.lowlevel.cancel_shielded_checkpoint()
            return
        if self._closed_because is not None:
            await trio.lowlevel.checkpoint()
        try:
            await self._tx.send(message)
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            self._refused += 1
            raise NotDelivered(self._closed_because or "the mailbox was closed") from None

    def _remove_oldest(self) -> Any:
        # Frees a place in the channel, also when the oldest message is the one already on its way out of it.
        oldest, self._head = self._head, _NOTHING
        if oldest is _NOTHING:
            return self._open_cell(self._rx.receive_nowait())
        self._head = self._open_cell(self._rx.receive_nowait())
        return oldest

    # --- the reader ---

    def load_nowait(self) -> bool:
        """Whether a message waits that is worth handling. Closes requests nobody waits for any more."""
        while True:
            if self._head is _NOTHING:
                try:
                    item = self._rx.receive_nowait()
                except (trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError):
                    return False
                if item is _NUDGE:
                    continue
                self._head = self._open_cell(item)
            if isinstance(self._head, Call) and not self._head.wanted():
                late, self._head = self._head, _NOTHING
                self._expired += 1
                late.undeliver("nobody waited for it any more when its turn came")
                continue
            return True

    def pop_nowait(self) -> M:
        """Take the oldest message worth handling.

        Raises:
          trio.WouldBlock: there is none.
        """
        if not self.load_nowait():
            raise trio.WouldBlock
        message, self._head = self._head, _NOTHING
        return message  # type: ignore[no-any-return]  # the mailbox holds Any: it takes M and calls for M alike

    async def wait(self) -> None:
        """Wait until a message may be there, or for a `nudge`. Takes nothing: a reader that ends here loses none.

        Raises:
          trio.BusyResourceError: another task waits already.
        """
        if self._reading:
            raise trio.BusyResourceError("another task reads this inbox; an inbox has one reader")
        if self._head is not _NOTHING:
            await trio.lowlevel.checkpoint()
            return
        self._reading = True
        try:
            item = await self._rx.receive()
        finally:
            self._reading = False
        if item is not _NUDGE:
            self._head = self._open_cell(item)

    def nudge(self) -> None:
        """Wake the reader if it waits."""
        if self._reading and self._tx.statistics().tasks_waiting_receive:
            self._tx.send_nowait(_NUDGE)

    def _open_cell(self, item: Any) -> Any:
        if not self._conflating:
            return item
        if item.key is not None:
            del self._cells[item.key]
        return item.message

    # --- the supervisor ---

    @property
    def is_open(self) -> bool:
        """Whether it takes messages."""
        return self._closed_because is None

    def close(self, why: str) -> None:
        """Refuse messages from now on, and tell those who wait: queued requests, and senders waiting for room."""
        if self._closed_because is not None:
            return
        self._closed_because = why
        queued = [] if self._head is _NOTHING else [self._head]
        self._head = _NOTHING
        self._tx.close()  # first, so that senders waiting for room are refused rather than let in
        while True:
            try:
                item = self._rx.receive_nowait()
            except trio.EndOfChannel:
                break
            if item is not _NUDGE:
                queued.append(self._open_cell(item))
        self._peak = max(self._peak, self._rx.statistics().peak_buffer_used)
        self._rx.close()
        self._dropped += len(queued)
        for message in queued:
            _discard(message, why)

    def open(self) -> None:
        """Take messages again after `close`."""
        if self._closed_because is not None:
            self._closed_because = None
            self._tx, self._rx = trio.open_memory_channel[Any](self.policy.capacity)

    def statistics(self) -> MailboxStatistics:
        """What it holds now and what has happened so far."""
        channel = self._rx.statistics()
        return MailboxStatistics(
            queued=channel.current_buffer_used + (self._head is not _NOTHING),
            capacity=self.policy.capacity,
            peak=max(self._peak, channel.peak_buffer_used),
            dropped=self._dropped,
            conflated=self._conflated,
            refused=self._refused,
            expired=self._expired,
            senders_waiting=channel.tasks_waiting_send,
            open=self._closed_because is None,
        )


def _discard(message: object, why: str) -> None:
    if isinstance(message, Call):
        message.undeliver(why)
