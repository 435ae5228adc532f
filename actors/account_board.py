"""The newest account of each broker as the channel `account` tells of it. Written by pollers, read by sessions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from quantmind.domain.accounts import Sample


@attrs.frozen
class Shown:
    """A sample that says something new; `version` grows with each of its broker."""

    sample: Sample
    version: int


@attrs.define(eq=False)
class AccountBoard:
    """What subscribers of `account` are shown. A sample that says what the one before said is none."""

    _shown: dict[str, Shown] = attrs.field(factory=dict, init=False)
    _listeners: set[Callable[[], None]] = attrs.field(factory=set, init=False)

    def put(self, sample: Sample) -> None:
        """Take a broker's newest sample."""
        before = self._shown.get(sample.broker)
        if before is not None and _says(before.sample) == _says(sample):
            self._shown[sample.broker] = Shown(sample, before.version)
            return
        self._shown[sample.broker] = Shown(sample, 1 if before is None else before.version + 1)
        for listener in self._listeners:
            listener()

    def all(self) -> Mapping[str, Shown]:
        """By broker."""
        return self._shown

    def listen(self, listener: Callable[[], None]) -> None:
        """Have a function called, which never waits, whenever an account says something new."""
        self._listeners.add(listener)

    def forget(self, listener: Callable[[], None]) -> None:
        """Call it no more. Harmless for one that is not called."""
        self._listeners.discard(listener)


def _says(sample: Sample) -> tuple[Any, ...]:
    return sample.account, len(sample.positions), len(sample.orders)
