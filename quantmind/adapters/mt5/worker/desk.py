"""The worker's door: who may ask, what was asked, and that each request gets exactly one reply."""

from __future__ import annotations

import logging
import secrets
from typing import Any, Final, Protocol

import attrs
import msgspec

from quantmind.adapters.mt5.terminal.calls import NoAnswer
from quantmind.net.zmq import Incoming
from quantmind.wire import bridge

logger: Final = logging.getLogger("quantmind.mt5.worker")

LEAST_TOKEN: Final = 16


class Unavailable(Exception):
    """The terminal can't be reached, or must not be used; nothing was sent. The text says what to do."""


class Serves(Protocol):
    """What answers a request that was let in."""

    def handle(self, request: bridge.AnyRequest) -> msgspec.Struct:
        """Do it. Raises Unavailable or NoAnswer: nothing was sent."""
        ...


@attrs.define(eq=False)
class Desk:
    """Answers one gateway at a time: the last one that showed the credential.

    Args:
        token: the credential; it was made for this worker alone.
    """

    service: Serves
    _token: str = attrs.field(repr=False)
    _route: tuple[bytes, ...] | None = attrs.field(default=None, init=False)
    refused: int = attrs.field(default=0, init=False)

    def answer(self, incoming: Incoming) -> bytes:
        """The reply to a message, whatever it is."""
        if incoming.body is None:
            return bridge.encode_error("", bridge.INVALID, incoming.fault or "the message has no body")
        try:
            request = bridge.decode(incoming.body)
        except bridge.BridgeFault as fault:
            return bridge.encode_error(_id_in(incoming.body), bridge.INVALID, str(fault))
        refusal = self._refusal(request, incoming.route)
        if refusal is not None:
            self.refused += 1
            return bridge.encode_error(request.id, *refusal)
        try:
            return bridge.encode_reply(request.id, self.service.handle(request))
        except (Unavailable, NoAnswer) as exc:
            return bridge.encode_error(request.id, bridge.UNAVAILABLE, str(exc))
        except Exception as exc:
            logger.exception("crash.worker request=%s", type(request).__name__)
            return bridge.encode_error(request.id, bridge.INTERNAL, f"the worker failed: {type(exc).__name__}: {exc}")

    def _refusal(self, request: bridge.AnyRequest, route: tuple[bytes, ...]) -> tuple[str, str] | None:
        if isinstance(request, bridge.Hello):
            right = len(self._token) >= LEAST_TOKEN and secrets.compare_digest(
                request.token.encode(), self._token.encode()
            )
            if not right:
                return bridge.UNAUTHORIZED, "the token is not this worker's"
            if request.protocol != bridge.PROTOCOL:
                return (
                    bridge.INVALID,
                    f"protocol must be {bridge.PROTOCOL}, was {request.protocol}; update the older side",
                )
            self._route = route
            return None
        if route != self._route:
            return bridge.UNAUTHORIZED, "say bridge_hello with the worker's token first"
        return None


def _id_in(body: bytes) -> str:
    """The id of a request that is wrong otherwise, so that its sender need not wait."""
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    request_id = found.get("id") if isinstance(found, dict) else None
    return request_id if isinstance(request_id, str) and len(request_id) <= 64 else ""
