"""The worker's door: who may ask, what was asked, and that each request gets exactly one reply."""

from __future__ import annotations

import logging
import secrets
from typing import Final, Protocol

import attrs
import msgspec

from quantmind.adapters.mt5.terminal.calls import NoAnswer
from quantmind.net.zmq import Incoming
from quantmind.wire import bridge

logger: Final = logging.getLogger("quantmind.mt5.worker")

LEAST_TOKEN: Final = 16


class Unavailable(Exception):
    """The terminal can't be reached, or must not be used; nothing was sent. The text says what to do."""


class Late(Exception):
    """An order waited too long for its turn; nothing was sent."""


class Serves(Protocol):
    """What answers a request that was let in."""

    def handle(self, request: bridge.AnyRequest) -> msgspec.Struct:
        """Do it. Raises Unavailable, NoAnswer or Late: nothing was sent."""
        ...


@attrs.define(eq=False)
class Desk:
    """Answers one gateway at a time: the last one that showed the credential.

    Args:
        token: the credential; it was made for this worker alone. None: whoever asks was called by us.
    """

    service: Serves
    _token: str | None = attrs.field(repr=False)
    _route: tuple[bytes, ...] | None = attrs.field(default=None, init=False)
    _session: str = attrs.field(default="", init=False, repr=False)
    refused: int = attrs.field(default=0, init=False)

    @classmethod
    def of_a_caller(cls, service: Serves) -> Desk:
        """For a worker that called its gateway: it has shown its own credential there."""
        return cls(service, None)

    def answer(self, incoming: Incoming, proof: str = "") -> bytes:
        """The reply to a message, whatever it is.

        Args:
            proof: what is to be in it, so that the other side knows whose it is.
        """
        if incoming.body is None:
            return bridge.encode_error("", bridge.INVALID, incoming.fault or "the message has no body", proof)
        try:
            request = bridge.decode(incoming.body)
        except bridge.BridgeFault as fault:
            return bridge.encode_error(bridge.id_in(incoming.body), bridge.INVALID, str(fault), proof)
        refusal = self._refusal(request, incoming.route)
        if refusal is not None:
            self.refused += 1
            return bridge.encode_error(request.id, *refusal, proof)
        try:
            said = self.service.handle(request)
            if isinstance(said, bridge.Welcome):
                said = msgspec.structs.replace(said, session=self._session)
            return bridge.encode_reply(request.id, said, proof)
        except Late as exc:
            return bridge.encode_error(request.id, bridge.LATE, str(exc), proof)
        except (Unavailable, NoAnswer) as exc:
            return bridge.encode_error(request.id, bridge.UNAVAILABLE, str(exc), proof)
        except Exception as exc:
            logger.exception("crash.worker request=%s", type(request).__name__)
            why = f"the worker failed: {type(exc).__name__}: {exc}"
            return bridge.encode_error(request.id, bridge.INTERNAL, why, proof)

    def _refusal(self, request: bridge.AnyRequest, route: tuple[bytes, ...]) -> tuple[str, str] | None:
        if self._token is None:
            return _other_protocol(request) if isinstance(request, bridge.Hello) else None
        if isinstance(request, bridge.Hello):
            right = len(self._token) >= LEAST_TOKEN and secrets.compare_digest(
                request.token.encode(), self._token.encode()
            )
            if not right:
                return bridge.UNAUTHORIZED, "the token is not this worker's"
            other = _other_protocol(request)
            if other is not None:
                return other
            self._route, self._session = route, secrets.token_urlsafe(16)
            return None
        if route != self._route or not secrets.compare_digest(request.session.encode(), self._session.encode()):
            return bridge.UNAUTHORIZED, "say bridge_hello with the worker's token first"
        return None


def _other_protocol(hello: bridge.Hello) -> tuple[str, str] | None:
    if hello.protocol == bridge.PROTOCOL:
        return None
    return bridge.INVALID, f"protocol must be {bridge.PROTOCOL}, was {hello.protocol}; update the older side"
