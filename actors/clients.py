"""What can be seen of WebSocket clients: each as it is now, and what became of all of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Protocol

import attrs


@attrs.define(eq=False)
class WsStatistics:
    """For /status; outlives sessions."""

    accepted: int = 0
    messages: int = 0
    refused: dict[str, int] = attrs.field(factory=dict)
    """Connections turned away, by reason: handshake, origin, max_clients, overload, stopping."""
    closed: dict[int, int] = attrs.field(factory=dict)
    """Connections that ended, by close code."""
    errors: dict[str, int] = attrs.field(factory=dict)
    """Errors sent, by code."""

    def refuse(self, reason: str) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def close(self, code: int) -> None:
        self.closed[code] = self.closed.get(code, 0) + 1

    def fail(self, code: str) -> None:
        self.errors[code] = self.errors.get(code, 0) + 1


@attrs.frozen
class ClientInfo:
    """One client as an operator sees it. `connected_at` in Unix seconds."""

    number: int
    remote: str
    connected_at: float
    name: str | None
    """Of its token; None without one."""
    scopes: tuple[str, ...]
    subscriptions: int
    symbols: tuple[str, ...]
    """The first of its subscriptions, by the names it uses."""
    channels: tuple[str, ...]
    """Private channels that it has."""
    messages: int
    """That it sent."""
    messages_sent: int
    """To it: each tick counts, an answer with its snapshots counts as one."""
    bytes_sent: int
    queued_bytes: int
    conflated: int
    """Ticks replaced by newer ones, because the client was behind."""


class Connected(Protocol):
    """A client that is there; a `Session` is one."""

    @property
    def number(self) -> int: ...

    def info(self) -> ClientInfo: ...

    def recheck(self) -> None: ...


@attrs.define(eq=False)
class Clients:
    """The connected clients, and how many there may be. Written by sessions."""

    capacity: int
    statistics: WsStatistics = attrs.field(factory=WsStatistics)
    _sessions: dict[int, Connected] = attrs.field(factory=dict, init=False)
    _numbers: Iterator[int] = attrs.field(factory=lambda: itertools.count(1), init=False)

    def __len__(self) -> int:
        return len(self._sessions)

    def __bool__(self) -> bool:
        return True

    def next_number(self) -> int:
        """A number that no client had before."""
        return next(self._numbers)

    def join(self, session: Connected) -> bool:
        """Count a client in; False when there are as many as may be."""
        if len(self._sessions) >= self.capacity:
            return False
        self._sessions[session.number] = session
        return True

    def leave(self, session: Connected) -> None:
        self._sessions.pop(session.number, None)

    def recheck(self) -> None:
        """Have every client end whose token no longer holds."""
        for session in list(self._sessions.values()):
            session.recheck()

    def all(self) -> list[ClientInfo]:
        """Each client as it is now, the longest connected first."""
        return [session.info() for session in self._sessions.values()]
