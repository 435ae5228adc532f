"""`quantmind` with a fault planted at each door, each of which quotes all that it has in hand: for tests of secrets.

Run as `python -m security.faulty_gateway run …`.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import attrs

import actors.commands
import quantmind.edges.door
import quantmind.edges.rest
from actors.messages import HandleCommand
from quantmind.cli import main
from quantmind.edges.rest.context import Ask, RestContext
from quantmind.net.ws import ServerConnection
from quantmind.wire import ws_messages
from quantmind.wire.ws_messages import AuthMessage

BOOM = "boom"


def _boom(*held: object) -> NoReturn:
    raise RuntimeError(f"{BOOM} with {held!r}")


def _break_decoding() -> None:
    real = quantmind.edges.door.decode

    def decode(raw: bytes) -> Any:
        return _boom(raw) if b"boom-decode" in raw else real(raw)

    quantmind.edges.door.decode = decode


def _break_commands() -> None:
    real = actors.commands.Commands._handle

    def handle(self: Any, call: Any, lost: Any) -> None:
        request: HandleCommand = call.request
        if request.command.envelope.ea_name == "boom-command":
            _boom(self, call, request, lost)
        real(self, call, lost)

    actors.commands.Commands._handle = handle


def _break_rest() -> None:
    async def handler(context: RestContext, ask: Ask) -> NoReturn:
        _boom(context, ask)

    quantmind.edges.rest.ROUTES = tuple(
        attrs.evolve(route, handler=handler) if route.endpoint in ("GET /account", "POST /command") else route
        for route in quantmind.edges.rest.ROUTES
    )


def _break_websocket() -> None:
    real = ws_messages.decode

    def decode(raw: str | bytes) -> Any:
        message = real(raw)
        return _boom(message) if isinstance(message, AuthMessage) and message.id == "boom" else message

    ws_messages.decode = decode
    shake = ServerConnection.handshake

    async def handshake(self: ServerConnection) -> Any:
        found = await shake(self)
        return _boom(self, found) if found.path.startswith("/boom") else found

    ServerConnection.handshake = handshake


if __name__ == "__main__":
    _break_decoding()
    _break_commands()
    _break_rest()
    _break_websocket()
    sys.exit(main())
