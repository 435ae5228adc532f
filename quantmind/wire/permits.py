"""What a token must have for each command, whatever door it came by."""

from __future__ import annotations

from typing import Final

import attrs

from quantmind.wire.auth import Identity, lacks_scope, outside_eas
from quantmind.wire.commands import Command, Trade, kind_of


@attrs.frozen
class Permit:
    """What one type of command asks of who sends it.

    Attributes:
        scopes: Any of them will do.
        anonymous: Whoever has no token may send it too, where the door takes commands without one.
        executes: With `execute` a token is needed, with any of these instead.
    """

    scopes: tuple[str, ...]
    anonymous: bool
    executes: tuple[str, ...] = ()


_TRADE: Final = Permit(("ea",), anonymous=True, executes=("ea", "trade"))
PERMITS: Final = {
    "trade_open": _TRADE,
    "trade_close": _TRADE,
    "trade_modify": _TRADE,
    "trade_cancel": _TRADE,
    "trade_result": Permit(("ea",), anonymous=True),
    "heartbeat": Permit(("ea",), anonymous=True),
    "risk_update": Permit(("ea",), anonymous=True),  # the governor wants admin of one that raises it
}
"""Every type of command. One that is not here is refused."""

Refusal = tuple[str, str]
"""The code and the text of an error."""


def why_not(command: Command, identity: Identity) -> Refusal | None:
    """Why somebody may not send a command, or None: scope and EAs. Brokers are judged once it has been routed."""
    kind = kind_of(command)
    permit = PERMITS.get(kind)
    if permit is None:
        return "forbidden", f"no token may send {kind}: nobody has said what it needs"
    execute = bool(permit.executes) and isinstance(command, Trade) and command.execute
    scopes = permit.executes if execute else permit.scopes
    if not identity.name:
        if execute:
            return "unauthorized", f"execute needs a token with the scope {' or '.join(scopes)}; send it as `token`"
        if not permit.anonymous:
            return "unauthorized", f"{kind} needs a token with the scope {' or '.join(scopes)}"
        return None
    if not any(identity.may(scope) for scope in scopes):
        return "forbidden", f"{lacks_scope(identity, *scopes)}, which {kind} needs"
    if not identity.speaks_for(command.envelope.ea_name):
        return "forbidden", outside_eas(identity, command.envelope.ea_name)
    return None
