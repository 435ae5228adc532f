"""Errors of the network layer.

NetError
├── AddressTaken       another program listens there
├── HandshakeRefused   a server answered, and takes no connection
└── PeerGone           the other side of one connection ended, or was dropped
"""

from __future__ import annotations


class NetError(Exception):
    """The network, or what answers on it, is not as it must be."""


class AddressTaken(NetError):
    """Another program listens on `host`:`port`."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.host = host
        self.port = port

    def __str__(self) -> str:
        where = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        return f"{where} is taken by another program; stop it or set another port"


class HandshakeRefused(NetError):
    """A server has answered the request for a WebSocket with the HTTP status `status`."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text

    def __str__(self) -> str:
        return self.text


class PeerGone(NetError):
    """The connection is over: `code` is the WebSocket close code (None: it never opened), `reason` in words."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        code = "before it opened" if self.code is None else f"with code {self.code}"
        return f"the connection ended {code}" + (f": {self.reason}" if self.reason else "")
