"""Events on their way to a consumer: bounded, in order, and conflated when the consumer is behind."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import attrs

from quantmind.client.channel_events import AccountUpdate, ChannelSnapshot, ChannelUpdate
from quantmind.client.feed_events import (
    FeedEvent,
    FeedStatus,
    Gap,
    Key,
    NewEpoch,
    SeqReset,
    Subscribed,
    SymbolRejected,
    Tick,
)


@attrs.define
class FeedBuffer:
    """A queue of at most about `capacity` events; when it is full, only the newest of each kind stays.

    Then of each symbol the newest tick is kept, behind a `Gap` that names exactly the ticks that were dropped, and of
    each state (feed status, rejection, connection) the newest. What lies before a `NewEpoch` goes, since that event
    says that ticks were missed. What remains is bounded by the number of symbols, so the capacity grows with it: at
    least four places for each, or a full buffer would be sorted through at every tick.

    Updates of channels are not conflated, but for accounts: they stay, each in its place, behind the newest snapshot of
    their channel. Where they fill half of the buffer all of them go, and `take_lost` says so: the channels must begin
    anew.
    """

    capacity: int
    _events: deque[FeedEvent] = attrs.field(factory=deque, init=False)
    _limit: int = attrs.field(default=0, init=False)
    _conflated: int = attrs.field(default=0, init=False)
    _peak: int = attrs.field(default=0, init=False)
    _lost: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._limit = self.capacity

    def __len__(self) -> int:
        return len(self._events)

    @property
    def conflated(self) -> int:
        """Ticks dropped because the consumer was behind."""
        return self._conflated

    @property
    def peak(self) -> int:
        """The most events that ever waited."""
        return self._peak

    def extend(self, events: Iterable[FeedEvent]) -> None:
        """Put events at the end. Never waits, never fails."""
        self._events.extend(events)
        if len(self._events) > self._limit:
            self._conflate()
            self._limit = max(self.capacity, 2 * len(self._events))
        self._peak = max(self._peak, len(self._events))

    def take(self) -> FeedEvent | None:
        """The oldest event, or None."""
        return self._events.popleft() if self._events else None

    def take_lost(self) -> bool:
        """Whether updates of channels went since this was asked last."""
        lost, self._lost = self._lost, False
        return lost

    def _conflate(self) -> None:
        events = list(self._events)
        first_epoch = next((event for event in events if isinstance(event, NewEpoch)), None)
        at = max((at for at, event in enumerate(events) if isinstance(event, NewEpoch)), default=-1)
        begins = {event.channel: at for at, event in enumerate(events) if isinstance(event, ChannelSnapshot)}
        before = sum(isinstance(event, Tick) for event in events)
        newest: dict[object, int] = {}
        lost_from: dict[Key, int] = {}
        dropped: set[Key] = set()
        for place, event in enumerate(events):
            if isinstance(event, Tick | Gap | SeqReset) and place < at:
                continue
            if isinstance(event, ChannelSnapshot | ChannelUpdate) and place < begins.get(event.channel, 0):
                continue
            if isinstance(event, Tick):
                older = newest.get(event.key)
                if older is not None:
                    lost_from.setdefault(event.key, _tick(events[older]).seq)
                    dropped.add(event.key)
                newest[event.key] = place
            elif isinstance(event, Gap):
                # Its tick follows, always: the two come together.
                key = (event.broker, event.symbol)
                older = newest.get(key)
                lost_from.setdefault(key, event.from_seq if older is None else _tick(events[older]).seq)
                if event.conflated:
                    dropped.add(key)
            elif isinstance(event, SeqReset):
                key = (event.broker, event.symbol)
                newest.pop(key, None)
                lost_from.pop(key, None)
                dropped.discard(key)
                newest["reset", key] = place
            else:
                newest[_state_key(event)] = place
        kept: list[FeedEvent] = []
        for place in sorted(newest.values()):
            event = events[place]
            if isinstance(event, Tick) and event.key in lost_from:
                first = lost_from[event.key]
                kept.append(Gap(event.symbol, event.broker, first, event.seq - 1, conflated=event.key in dropped))
            elif isinstance(event, NewEpoch) and first_epoch is not None:
                event = NewEpoch(event.epoch, first_epoch.previous)
            kept.append(event)
        self._conflated += before - sum(isinstance(event, Tick) for event in kept)
        if sum(isinstance(event, ChannelUpdate) for event in kept) > self.capacity // 2:
            kept = [event for event in kept if not isinstance(event, ChannelSnapshot | ChannelUpdate)]
            self._lost = True
        self._events = deque(kept)


def _tick(event: FeedEvent) -> Tick:
    assert isinstance(event, Tick)
    return event


# Of events with the same key only the newest tells something. Bounded: by the symbols, and one for each class else.
def _state_key(event: FeedEvent) -> object:
    match event:
        case FeedStatus():
            return (FeedStatus, event.broker, event.symbol)
        case SymbolRejected():
            return (SymbolRejected, event.symbol)
        case Subscribed():
            return (Subscribed, event.symbol)
        case AccountUpdate():
            return (AccountUpdate, event.broker)
        case ChannelUpdate():
            return id(event)
        case ChannelSnapshot():
            return (ChannelSnapshot, event.channel)
        case _:
            return type(event)
