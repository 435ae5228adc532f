"""Commands that are remembered by (EA name, request id), so that a repeat acts once and hears the same answer.

A plain table that outlives the commands actor: a repeat must find its first also after a crash in between.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import attrs

from actors.boards import Halt
from actors.messages import Reply
from actors.runtime import ActorError, Call, NotDelivered
from quantmind.domain.risk import TradingState
from quantmind.ports import Known
from quantmind.wire import replies

Key = tuple[str, str]

REMEMBERED_USED = 10_000
"""Reported approvals: more than can be reported while an approval lasts."""

CLOCK_SLACK_MS = 50.0

_REMEMBERED_ERRORS = frozenset({"broker_refused", "broker_unavailable"})
"""Error codes that are outcomes after an intent. Every other error frees the id."""


@attrs.define(eq=False)
class Entry:
    """One remembered command. `reply` None while it is in flight, or when its answer was lost."""

    fingerprint: str
    reply: Reply | None = None
    lost: bool = False
    """Nobody here knows what became of it: the journal must be asked."""
    joined: list[Call[Reply]] = attrs.field(factory=list)

    @property
    def in_flight(self) -> bool:
        return self.reply is None and not self.lost


@attrs.define(eq=False)
class KnownCommands:
    """The newest `capacity` commands with an id. Older ones are still caught by the journal's unique key."""

    capacity: int = 100_000
    _entries: OrderedDict[Key, Entry] = attrs.field(factory=OrderedDict, init=False)
    _used: OrderedDict[str, None] = attrs.field(factory=OrderedDict, init=False)

    def __len__(self) -> int:
        return len(self._entries)

    def load(self, known: Sequence[Known]) -> None:
        """Take over what a journal remembers, oldest first; what is here already stays."""
        for item in known:
            key = (item.ea_name, item.request_id)
            if key not in self._entries:
                self._entries[key] = Entry(item.fingerprint, item.reply, lost=item.reply is None)
        self._trim()

    def get(self, key: Key) -> Entry | None:
        return self._entries.get(key)

    def begin(self, key: Key, fingerprint: str) -> Entry:
        """A command starts; its answer comes with `finish`."""
        entry = self._entries[key] = Entry(fingerprint)
        self._entries.move_to_end(key)
        self._trim()
        return entry

    def finish(self, key: Key, entry: Entry, outcome: Reply | ActorError | Any) -> None:
        """The first has its answer: everyone who joined gets it, and it is kept or the id is freed."""
        joined, entry.joined = entry.joined, []
        if isinstance(outcome, ActorError):
            if isinstance(outcome, NotDelivered) and self._entries.get(key) is entry:
                del self._entries[key]  # nobody had it: the id is free
            entry.lost = True
            for call in joined:
                call.refuse(outcome)
            return
        if _remembered(outcome):
            entry.reply = outcome
        elif self._entries.get(key) is entry:
            del self._entries[key]
        for call in joined:
            call.answer(outcome)

    def use(self, approval_id: str) -> None:
        """An EA has reported what it did with an approval: a repeat of its request gets no second one."""
        self._used[approval_id] = None
        if len(self._used) > REMEMBERED_USED:
            self._used.popitem(last=False)

    def was_used(self, first: Reply) -> bool:
        """Whether the result of the approval in this answer has been reported."""
        return first.get("approval_id") in self._used

    def _trim(self) -> None:
        # In-flight entries are few (the door's limit) and young, so the oldest is never one of them.
        while len(self._entries) > self.capacity:
            self._entries.popitem(last=False)


def _remembered(reply: Reply) -> bool:
    if reply["status"] != "error":
        return True
    return reply["code"] in _REMEMBERED_ERRORS and "order_id" in reply


def as_it_stands(first: Reply, halt: Halt, now: float) -> Reply:
    """A repeat's answer: the first's, unless it was an approval that no longer holds. `now` is Unix seconds."""
    if first["status"] != "success" or "valid_until" not in first:
        return first
    left = float(first["valid_until"]) - now
    # More than it ever had is a clock that was set back: its exposure is not held any more.
    if left <= 0 or left * 1000 > float(first["valid_for_ms"]) + CLOCK_SLACK_MS:
        return replies.expired_approval("the approval has ended; ask again with a new request_id", first)
    if halt.state is not TradingState.ACTIVE and "max_volume" in first:
        return replies.expired_approval(f"trading is {halt.state.value} since then ({halt.cause})", first)
    return {**first, "valid_for_ms": int(left * 1000)}


def as_before(known: Known, fingerprint: str) -> Reply:
    """The answer for a command whose key the journal already has."""
    if known.fingerprint != fingerprint:
        return replies.error(
            "request_id_conflict",
            f"{known.ea_name} used request_id {known.request_id} for another order; use a new one",
        )
    if known.reply is None:
        message = "the order went out and its outcome is not known yet; it is being reconciled"
        return replies.unknown(message, order_id=known.record_id)
    return known.reply
