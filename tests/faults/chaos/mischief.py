"""What goes wrong at the ledger broker, drawn from a seeded source by rates that may change while it runs."""

from __future__ import annotations

import random
from typing import Any

import attrs

LATE_AFTER_S = 0.35
"""Beyond what the link waits for an answer (`broker_link.ANSWER_WITHIN_S`)."""


@attrs.frozen
class Rates:
    """How often, from 0 to 1, each thing goes wrong; the default is never. `settle_s` is how long `find` may be blind.

    The first group is about an order on its way here, the second about its answer on its way back.
    """

    lose: float = 0.0
    """It never arrives, and nobody answers."""
    lose_and_close: float = 0.0
    """It never arrives, and the connection ends."""
    hold: float = 0.0
    """It arrives after everyone has given up, whoever is connected then."""
    copy: float = 0.0
    """The network delivers it twice. The copy's refusal may be answered first."""
    requote: float = 0.0
    """It is refused, and the same order might pass the next time."""

    drop: float = 0.0
    """It is carried out and never answered."""
    drop_and_close: float = 0.0
    """It is carried out, and the connection ends."""
    late: float = 0.0
    """It is answered after the other side has given up."""
    slow: float = 0.0
    """It is answered a little later, in another order than was asked."""
    twice: float = 0.0
    """It is answered twice."""

    drop_read: float = 0.0
    """A question (account, deals, a tag) is never answered."""
    events: float = 0.0
    """A deal is told to everyone, and as often told a second time."""
    settle_s: float = 0.0


@attrs.frozen
class Fate:
    """What will happen to one order. Durations in seconds."""

    delivery: str
    requoted: bool
    answer: str
    hold_s: float
    slow_s: float


@attrs.define
class Mischief:
    """Draws fates. The same seed and the same orders in the same order give the same fates."""

    seed: int
    rates: Rates = attrs.field(factory=Rates)
    _rng: random.Random = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def set(self, changes: dict[str, Any]) -> None:
        """Use other rates from now on; those that are not named become 0."""
        self.rates = Rates(**changes)

    def fate(self) -> Fate:
        """Of the next order."""
        return Fate(
            delivery=self._one_of("lose", "lose_and_close", "hold", "copy"),
            requoted=self.happens("requote"),
            answer=self._one_of("drop", "drop_and_close", "late", "slow", "twice"),
            hold_s=self._rng.uniform(LATE_AFTER_S, 1.2),
            slow_s=self._rng.uniform(0.005, 0.08),
        )

    def happens(self, name: str) -> bool:
        """Whether the thing goes wrong this time."""
        rate: float = getattr(self.rates, name)
        return self._rng.random() < rate

    def blind_s(self) -> float:
        """How long `find` can't tell yet of a tag, from when it might first have."""
        return self._rng.choice((0.0, self.rates.settle_s / 2, self.rates.settle_s))

    def _one_of(self, *names: str) -> str:
        drawn = self._rng.random()
        for name in names:
            drawn -= getattr(self.rates, name)
            if drawn < 0:
                return name
        return ""
