"""What can be seen of WebSocket clients: each as it is now, and what became of all of them."""

from __future__ import annotations

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
    messages: int
    """That it sent."""
    messages_sent: int
    """To it: each tick counts, an answer with its snapshots counts as one."""
    bytes_sent: int
    queued_bytes: int
    conflated: int
    """Ticks replaced by newer ones, because the client was behind."""
