"""How often to say what happens again and again."""

from __future__ import annotations

from collections.abc import Hashable

import attrs


@attrs.define(eq=False)
class Rarely:
    """Says when a thing that repeats is due to be told again: the first time, then at most every `every_s` seconds.

    Keys are remembered for ever, so they must be few: reasons and brokers, never what a stranger sent.
    """

    every_s: float
    _last: dict[Hashable, float] = attrs.field(factory=dict, init=False)
    _untold: dict[Hashable, int] = attrs.field(factory=dict, init=False)

    def due(self, key: Hashable, now: float) -> int:
        """How many there were since it was last told, this one included; 0 when it is too early to tell.

        Args:
            now: seconds of any clock that does not run backwards.
        """
        count = self._untold.get(key, 0) + 1
        last = self._last.get(key)
        if last is not None and now - last < self.every_s:
            self._untold[key] = count
            return 0
        self._last[key] = now
        self._untold[key] = 0
        return count
