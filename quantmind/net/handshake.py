"""What is known of a peer before its connection opens."""

from __future__ import annotations

import socket
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from quantmind.net.errors import NetError
from quantmind.net.tls_socket import TlsSocket


@attrs.frozen
class Handshake:
    """The request that opened a connection."""

    path: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    """Names in lower case; of a repeated header, the values joined by commas. `host` is not among them. Not shown, like
    the path: a token may be in either."""
    remote: str
    """Address and port of the peer."""


def remote_of(raw: socket.socket | TlsSocket) -> str:
    """Return the peer's address and port; of one that has gone, `unknown`."""
    try:
        host, port, *_ = raw.getpeername()
    except (OSError, ValueError):
        return "unknown"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def headers_of(pairs: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Return headers by name in lower case; the values of a repeated one are joined by commas."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


_PORTS: Final = {"ws": 80, "wss": 443}


def parse_url(url: str) -> tuple[str, int, str, bool]:
    """Return host, port and path of a ws:// or wss:// address, and whether it is the latter.

    Raises:
        NetError: it is none.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme, 0)
        if host is None or parts.scheme not in _PORTS:
            raise ValueError(url)
    except ValueError:
        raise NetError(f"{url!r} is not an address of the form ws://host:port/path, or wss:// with TLS") from None
    path = parts.path or "/"
    return host, port, f"{path}?{parts.query}" if parts.query else path, parts.scheme == "wss"
