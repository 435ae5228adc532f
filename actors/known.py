"""Commands that are remembered by (EA name, request id), so that a repeat acts once and hears the same answer.

A plain table that outlives the commands actor: a repeat must find its first also after a crash in between.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Any

import attrs

from actors.halts import Halt
from actors.messages import Reply
from actors.runtime import ActorError, Call, NotDelivered
from quantmind.domain.risk import TradingState
from quantmind.records import Known
from quantmind.wire import replies

Key = tuple[str, str]

REMEMBERED_USED = 10_000
"""Reported approvals: more than can be reported while an approval lasts."""

CLOCK_SLACK_MS = 50.0


@attrs.frozen
class Asked:
    """What a command in flight asks for, of which account, and when it came (Unix seconds)."""

    broker: str
    body: dict[str, Any]
    at: float


@attrs.define(eq=False)
class Entry:
    """One remembered command. `reply` None while it is in flight, or when its answer was lost."""

    fingerprint: str
    reply: Reply | None = None
    lost: bool = False
    """Nobody here knows what became of it: the journal must be asked."""
    joined: list[Call[Reply]] = attrs.field(factory=list)
    symbol: str = ""
    asked: Asked | None = None
    """While it is in flight."""

    @property
    def in_flight(self) -> bool:
        return self.reply is None and not self.lost

    @property
    def may_have_changed(self) -> bool:
        """Whether the journal may know better: it was unknown, waited at the broker, or was refused unrecorded."""
        if self.reply is None:
            return False
        return self.reply["status"] == "unknown" or bool(self.reply.get("pending")) or self.unrecorded

    @property
    def unrecorded(self) -> bool:
        """Whether it was refused because the journal is down: another command may have its id on record."""
        return self.reply is not None and any(each["rule"] == "journal" for each in self.reply.get("reasons", ()))


@attrs.define(eq=False)
class KnownCommands:
    """The newest `capacity` commands with an id. Older ones are still caught by the journal's unique key."""

    capacity: int = 100_000
    loaded: bool = False
    """What the journal remembers was taken over, as much of it as finds room."""
    forgets: bool = False
    """There was no room for all: the journal remembers more."""
    _entries: OrderedDict[Key, Entry] = attrs.field(factory=OrderedDict, init=False)
    _names: Counter[str] = attrs.field(factory=Counter, init=False)
    """How many entries each EA has."""
    _used: OrderedDict[str, None] = attrs.field(factory=OrderedDict, init=False)

    def __len__(self) -> int:
        return len(self._entries)

    def load(self, known: Sequence[Known]) -> None:
        """Take over what a journal remembers, oldest first; what is here already stays."""
        self.loaded = True
        self.forgets |= len(known) >= self.capacity
        for item in known:
            key = (item.ea_name, item.request_id)
            if key not in self._entries:
                self._put(key, Entry(item.fingerprint, item.reply, lost=item.reply is None, symbol=item.symbol))
            if item.released and item.reply is not None:
                self.end(item.reply)
        self._trim()

    def get(self, key: Key) -> Entry | None:
        return self._entries.get(key)

    def of_id(self, request_id: str) -> dict[str, Entry]:
        """What is remembered under a request id, by the name of the EA that used it."""
        found = ((name, self._entries.get((name, request_id))) for name in self._names)
        return {name: entry for name, entry in found if entry is not None}

    def begin(self, key: Key, fingerprint: str, asked: Asked | None = None) -> Entry:
        """A command starts; its answer comes with `finish`."""
        entry = Entry(fingerprint, symbol="" if asked is None else asked.body["symbol"], asked=asked)
        self._put(key, entry)
        self._entries.move_to_end(key)
        self._trim()
        return entry

    def finish(self, key: Key, entry: Entry, outcome: Reply | ActorError | Any) -> None:
        """The first has its answer: everyone who joined gets it, and it is kept or the id is freed."""
        joined, entry.joined, entry.asked = entry.joined, [], None
        if isinstance(outcome, ActorError):
            if isinstance(outcome, NotDelivered) and self._entries.get(key) is entry:
                self._remove(key)  # nobody had it: the id is free
            entry.lost = True
            for call in joined:
                call.refuse(outcome)
            return
        if _remembered(outcome):
            entry.reply = outcome
        elif self._entries.get(key) is entry:
            self._remove(key)
        for call in joined:
            call.answer(outcome)

    def use(self, approval_id: str) -> None:
        """An EA has reported what it did with an approval: a repeat of its request gets no second one."""
        self._used[approval_id] = None
        if len(self._used) > REMEMBERED_USED:
            self._used.popitem(last=False)

    def end(self, first: Reply) -> None:
        """The approval in this answer, if there is one, is over: whoever heard so hears nothing else later."""
        if "valid_until" in first and "approval_id" in first:
            self.use(first["approval_id"])

    def was_used(self, first: Reply) -> bool:
        """Whether the result of the approval in this answer has been reported, or it was said to be over."""
        return first.get("approval_id") in self._used

    def repeated(self, first: Reply, halt: Halt, now: float) -> Reply:
        """What a repeat of a command hears whose first answer was this; `now` is Unix seconds."""
        return as_it_stands(first, halt, now, over=self.was_used(first))

    def _put(self, key: Key, entry: Entry) -> None:
        if key not in self._entries:
            self._names[key[0]] += 1
        self._entries[key] = entry

    def _remove(self, key: Key) -> None:
        del self._entries[key]
        self._forget_name(key[0])

    def _forget_name(self, name: str) -> None:
        self._names[name] -= 1
        if not self._names[name]:
            del self._names[name]

    def _trim(self) -> None:
        # In-flight entries are few (the door's limit) and young, so the oldest is never one of them.
        while len(self._entries) > self.capacity:
            self.forgets = True
            (name, _), _ = self._entries.popitem(last=False)
            self._forget_name(name)


def _remembered(reply: Reply) -> bool:
    # An error that names an order is an outcome after an intent. Every other error frees the id.
    return reply["status"] != "error" or "order_id" in reply


def as_it_stands(first: Reply, halt: Halt, now: float, *, over: bool = False) -> Reply:
    """A repeat's answer: the first's, unless it was an approval that no longer holds. `now` is Unix seconds.

    `over`: what the approval promised is over whatever its time says.
    """
    if first["status"] != "success" or "valid_until" not in first:
        return first
    if over:
        return replies.expired_approval("the approval has been used, or has ended; ask again with a new id", first)
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
