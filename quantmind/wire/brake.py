"""Who tries wrong tokens is slowed down: so many from one address, then none for a while. Pure; memory is bounded."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Final

import attrs

MOST_WRONG: Final = 10
WITHIN_S: Final = 60.0
HELD_S: Final = 60.0
MOST_ADDRESSES: Final = 1024
"""Beyond them the one that was heard of longest ago is forgotten."""


@attrs.define
class _Peer:
    wrong: list[float] = attrs.field(factory=list)
    held_until: float = -math.inf


@attrs.define(eq=False)
class Brake:
    """Counts wrong tokens by address. Times are seconds of a clock that does not run backwards."""

    _peers: OrderedDict[str, _Peer] = attrs.field(factory=OrderedDict, init=False)

    def __len__(self) -> int:
        return len(self._peers)

    def held_for(self, address: str, now: float) -> float:
        """For how many seconds an address is still held; 0: it is not."""
        peer = self._peers.get(address)
        return 0.0 if peer is None else max(0.0, peer.held_until - now)

    def wrong(self, address: str, now: float) -> None:
        """A wrong token came from there. What comes while it is held does not hold it for longer."""
        peer = self._peers.get(address)
        if peer is None:
            peer = self._peers[address] = _Peer()
        self._peers.move_to_end(address)
        while len(self._peers) > MOST_ADDRESSES:
            self._peers.popitem(last=False)
        if now < peer.held_until:
            return
        peer.wrong = [at for at in peer.wrong if now - at < WITHIN_S]
        peer.wrong.append(now)
        if len(peer.wrong) >= MOST_WRONG:
            peer.held_until, peer.wrong = now + HELD_S, []
