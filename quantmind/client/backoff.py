"""How long to wait before the next try: exponential with full jitter, so that many clients don't come back at once."""

from __future__ import annotations

import random

import attrs


@attrs.define
class Backoff:
    """Pauses between tries: each is drawn evenly from 0 to a limit that doubles up to `most_s`.

    `first_s` is the first limit. `noted` tells how long the last try held: after `good_after_s` or more the limits
    begin anew, so that a link which breaks every second is not tried without a pause. Source of full jitter: M.
    Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    first_s: float
    most_s: float
    good_after_s: float
    rng: random.Random = attrs.field(factory=random.Random)
    _tries: int = attrs.field(default=0, init=False)

    def noted(self, held_s: float) -> None:
        """A connection ended after `held_s` seconds."""
        if held_s >= self.good_after_s:
            self._tries = 0

    def limit_s(self) -> float:
        """The longest that the next pause can be, in seconds."""
        # 2.0**64 seconds is beyond any `most_s`; without the bound the power overflows after a night of tries.
        return min(self.most_s, self.first_s * 2.0 ** min(self._tries, 64))

    def next_s(self) -> float:
        """The next pause, in seconds."""
        pause = self.rng.uniform(0.0, self.limit_s())
        self._tries += 1
        return pause
