"""What each account may do now: what an operator set, what rules hold it at, what clouds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import attrs

from quantmind.domain.risk import TradingState

STRICTNESS: Final = tuple(TradingState)


@attrs.frozen
class Halt:
    """A trading state with its cause and since when (Unix seconds)."""

    state: TradingState
    cause: str
    since: float

    def looser_than(self, other: Halt) -> bool:
        """Whether more may be done than under the other."""
        return STRICTNESS.index(self.state) < STRICTNESS.index(other.state)


UNKNOWN_ORDER: Final = "no_unknown"
"""The cloud of an order that has been unknown for too long."""
DEGRADED: Final = "degraded"
"""The cloud of whatever keeps new risk from an account for as long as it lasts (`actors.condition_board`)."""

NOT_STARTED: Final = Halt(TradingState.HALTED, "the governor has not started yet", 0.0)


@attrs.define(eq=False)
class HaltLatch:
    """What each account may do now. Written by the governor; the executor reads it just before it sends.

    Clouds are only shown: what they stand for is looked at itself by whoever decides. That of `DEGRADED` is written by
    the actor `health`.

    An account that nobody has set yet is halted: what was not restored is not active. `on_change` hears of each
    state that is another than before.
    """

    on_change: Callable[[str, Halt], None] | None = None
    _states: dict[str, Halt] = attrs.field(factory=dict, init=False)
    _holds: dict[str, dict[str, Halt]] = attrs.field(factory=dict, init=False)
    _clouds: dict[str, dict[str, Halt]] = attrs.field(factory=dict, init=False)

    def read(self, broker: str) -> Halt:
        """The strictest of what an operator set and what rules hold the account at."""
        halt = self.operator(broker)
        for held in self._holds.get(broker, {}).values():
            if halt.looser_than(held):
                halt = held
        return halt

    def operator(self, broker: str) -> Halt:
        """What an operator (or the STOP file) set."""
        return self._states.get(broker, NOT_STARTED)

    def set(self, broker: str, halt: Halt) -> None:
        before = self.shown(broker)
        self._states[broker] = halt
        self._tell(broker, before)

    def holds(self, broker: str) -> Mapping[str, Halt]:
        """What rules hold the account at, by their names."""
        return self._holds.get(broker, {})

    def hold(self, broker: str, rule: str, halt: Halt | None) -> None:
        """Have a rule hold an account, or (None) let it go."""
        before = self.shown(broker)
        held = dict(self._holds.get(broker, {}))
        if halt is None:
            held.pop(rule, None)
        else:
            held[rule] = halt
        self._holds[broker] = held
        self._tell(broker, before)

    def cloud(self, broker: str, name: str, halt: Halt | None) -> None:
        """What an account may do at most for a while, whatever its state is; None: this does not cloud it any more."""
        before = self.shown(broker)
        clouds = dict(self._clouds.get(broker, {}))
        if halt is None:
            clouds.pop(name, None)
        else:
            clouds[name] = halt
        self._clouds[broker] = clouds
        self._tell(broker, before)

    def clouds(self, broker: str) -> Mapping[str, Halt]:
        """What clouds an account now, by name."""
        return self._clouds.get(broker, {})

    def shown(self, broker: str) -> Halt:
        """What to tell others: the state, or what clouds it where that is tighter."""
        halt = self.read(broker)
        for cloud in self._clouds.get(broker, {}).values():
            if halt.looser_than(cloud):
                halt = cloud
        return halt

    def _tell(self, broker: str, before: Halt) -> None:
        after = self.shown(broker)
        if self.on_change is not None and after.state is not before.state:
            self.on_change(broker, after)

    def all(self) -> Mapping[str, Halt]:
        """What operators set, by broker."""
        return dict(self._states)
