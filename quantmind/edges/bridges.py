"""Who says `bridge_hello` at a command port: a terminal's bridge, or another gateway.

A terminal can't listen, so its bridge connects here and names its account; then we ask and it answers. Another gateway
names none: it asks, and an account of ours is its terminal (`quantmind.edges.nodes`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, Protocol

import attrs
import trio

from quantmind.domain.clock import Clock
from quantmind.domain.rarely import Rarely
from quantmind.edges.door import over_rate
from quantmind.edges.floor_guard import FloorGuard
from quantmind.edges.nodes import Guest, NodeHost
from quantmind.wire import bridge
from quantmind.wire.auth import Authenticator, Denial, Identity

logger: Final = logging.getLogger("quantmind.bridges")

VIA: Final = "bridge"
HELLO: Final = "bridge_hello"
SAID: Final = frozenset({HELLO, "reply", "transaction", bridge.GUARDED})
"""What a bridge says has one of these types, and no command has one of them or of `bridge.REQUESTS`."""
MOST_GONE: Final = 64
"""Bridges that are asked no more, and are still known."""
LOG_EVERY_S: Final = 10.0

Send = Callable[[bytes], bool]


class Arrived(Protocol):
    """A bridge that was let in."""

    @property
    def proof(self) -> str:
        """What all that it says must have in it."""
        ...

    @property
    def account(self) -> int: ...

    @property
    def gone(self) -> str | None:
        """Why it is asked no more; None: it is there."""
        ...

    def take(self, body: bytes) -> None:
        """A message of it. Never waits."""
        ...

    def counts(self, body: bytes) -> bool:
        """Whether a message that is not for `take` is to be looked at."""
        ...

    def send(self, payload: bytes) -> bool:
        """Send a message, never waiting; False: it has gone."""
        ...

    def leave(self, why: str) -> None:
        """It is asked no more. Safe to repeat."""
        ...


class BridgeInlet(Protocol):
    """A broker's place for its bridge."""

    @property
    def account(self) -> str | None:
        """The number of the account that it must have; None: any."""
        ...

    def arrive(self, send: Send, account: int, server: str, now: float) -> Arrived:
        """Take in a bridge that may come; the one before it is asked no more."""
        ...

    def snapshot(self) -> Mapping[str, Any]:
        """For /status."""
        ...


@attrs.define(eq=False)
class BridgeStatistics:
    """For /status: bridges that came and were let in, and why others were not."""

    received: int = 0
    refused: dict[str, int] = attrs.field(factory=dict)


@attrs.define
class _Seat:
    """A bridge by the route that its messages come by, and the token it showed."""

    arrived: Arrived
    broker: str
    identity: Identity


@attrs.define(eq=False)
class BridgeGate:
    """Tells what bridges say from commands, at every command port. Outlives the ports' incarnations.

    Args:
        berths: the places by broker.
        nodes: answers other gateways.
        guard: tells those that ask for it what they guard their account by; None: nobody does.
    """

    berths: Mapping[str, BridgeInlet]
    nodes: NodeHost
    authenticator: Authenticator
    clock: Clock
    guard: FloorGuard | None = None
    statistics: BridgeStatistics = attrs.field(factory=BridgeStatistics)
    _seats: dict[Hashable, _Seat] = attrs.field(factory=dict, init=False)
    _guests: dict[Hashable, Guest] = attrs.field(factory=dict, init=False)
    _rarely: Rarely = attrs.field(factory=lambda: Rarely(LOG_EVERY_S), init=False)

    def take(self, body: bytes, sender: Hashable, send: Send, token: str | None) -> bool:
        """Take a message if it is a bridge's; else it is somebody's command. Never raises for what is in it.

        Args:
            sender: the connection that it came by.
            send: gives a message back by that.
            token: what the connection was let in with; None where it showed none.
        """
        kind = bridge.kind_in(body)
        if kind in bridge.REQUESTS:
            self._ask(kind, body, sender, send)
            return True
        if kind not in SAID:
            return False
        self.statistics.received += 1
        seat = self._seats.get(sender)
        if kind == HELLO:
            self._greet(body, sender, send, token)
        elif seat is None:
            self._refuse(send, bridge.UNASKED, bridge.UNAUTHORIZED, "say bridge_hello first, with a token", "no_hello")
        elif not self.authenticator.stands(seat.identity):
            self._drop(sender, "the token that it was let in with has been revoked or has expired")
            self._refuse(send, bridge.UNASKED, bridge.UNAUTHORIZED, "the token has ended", "token_gone")
        elif seat.arrived.gone == bridge.ANOTHER:
            self._refuse(send, bridge.UNASKED, bridge.REPLACED, bridge.ANOTHER, "replaced")
        elif seat.arrived.gone is not None:
            del self._seats[sender]
            why = f"{seat.arrived.gone}; say bridge_hello to be asked again"
            self._refuse(send, bridge.UNASKED, bridge.UNAUTHORIZED, why, "gone")
        elif kind != bridge.GUARDED:
            seat.arrived.take(body)
        elif seat.arrived.counts(body) and self.guard is not None:
            self.guard.said(seat.broker, seat.arrived, body)
        return True

    def snapshot(self) -> dict[str, Any]:
        """For /status."""
        guard = self.guard
        brokers = {
            name: {**berth.snapshot(), "guard": None if guard is None else guard.status(name)}
            for name, berth in self.berths.items()
        }
        return {**attrs.asdict(self.statistics), "brokers": brokers}

    # --- inside ------------------------------------------------------------------------------------------------

    def _greet(self, body: bytes, sender: Hashable, send: Send, token: str | None) -> None:
        try:
            offer = bridge.decode_hello(body)
        except bridge.BridgeFault as fault:
            self._refuse(send, bridge.id_in(body), bridge.INVALID, str(fault), "malformed")
            return
        if offer.protocol != bridge.PROTOCOL:
            why = f"protocol must be {bridge.PROTOCOL}, was {offer.protocol}; update the older side"
            self._refuse(send, offer.id, bridge.INVALID, why, "protocol")
            return
        found = self._admitted(offer, token)
        if isinstance(found, Denial):
            self._refuse(send, offer.id, found.code, found.message, found.reason)
            return
        if isinstance(offer, bridge.Hello):
            self._greet_node(offer, body, sender, send, found)
            return
        name = self._broker_of(offer, found)
        if isinstance(name, Denial):
            self._refuse(send, offer.id, name.code, name.message, name.reason)
            return
        seat = self._seats.get(sender)
        if seat is not None and seat.arrived.gone == bridge.ANOTHER:
            why = f"{bridge.ANOTHER} for the same account: end one of the two, or connect anew to take its place"
            self._refuse(send, offer.id, bridge.REPLACED, why, "replaced")
            return
        # One that says it again has missed our answer, or was asked nothing for a while: what it is doing goes on.
        if (
            seat is None
            or seat.arrived.gone is not None
            or (seat.broker, seat.arrived.account) != (name, offer.account)
        ):
            if seat is not None:
                self._drop(sender, "it has come for another account")
            self._forget_the_gone()
            arrived = self.berths[name].arrive(send, offer.account, offer.server, self.clock.now())
            seat = self._seats[sender] = _Seat(arrived, name, found)
        seat.identity = found
        send(bridge.encode_reply(offer.id, bridge.Accepted(session=seat.arrived.proof)))
        if self.guard is not None:
            self.guard.arrived(name, seat.arrived, wanted=offer.guard)

    # Another gateway, which asks of an account of ours what it would ask of a terminal.
    def _greet_node(self, hello: bridge.Hello, body: bytes, sender: Hashable, send: Send, identity: Identity) -> None:
        if not identity.may("trade"):
            self.authenticator.count_denied(VIA, "no_scope_trade", identity.name)
            why = f"the token {identity.name} has no scope trade, which another gateway needs besides bridge"
            self._refuse(send, hello.id, "forbidden", why, "no_scope_trade")
            return
        reached = [name for name in self.nodes.brokers if identity.reaches(name)]
        if len(reached) != 1:
            why = (
                f"the token {identity.name} reaches {len(reached)} brokers here, and another gateway trades one: bind "
                "the token to it, quantmind token add … --broker NAME"
            )
            self._refuse(send, hello.id, "forbidden", why, "no_broker")
            return
        guest = self._guests.get(sender)
        if guest is None or guest.gone is not None or guest.identity != identity:
            try:
                guest = self.nodes.arrive(identity, reached[0], send)
            except OverflowError as full:
                self._refuse(send, hello.id, "busy", str(full), "full")
                return
            self._guests = {key: each for key, each in self._guests.items() if each.gone is None}
            self._guests[sender] = guest
        guest.ask(body)

    def _ask(self, kind: str, body: bytes, sender: Hashable, send: Send) -> None:
        guest = self._guests.get(sender)
        if guest is not None and guest.gone is None and not self.authenticator.stands(guest.identity):
            guest.leave("the token that it was let in with has been revoked or has expired")
        if guest is None or guest.gone is not None:
            why = "say bridge_hello first, with a token" if guest is None else f"{guest.gone}; say bridge_hello again"
            self._refuse(send, bridge.id_in(body), bridge.UNAUTHORIZED, why, "no_hello")
            return
        if kind in bridge.ORDERS and not self.authenticator.in_rate(guest.identity):
            self.authenticator.count_denied(VIA, "rate_limit", guest.identity.name)
            self._refuse(send, bridge.id_in(body), bridge.UNAVAILABLE, over_rate(guest.identity), "rate_limit")
            return
        guest.ask(body)

    def _admitted(self, offer: bridge.Offer | bridge.Hello, token: str | None) -> Identity | Denial:
        shown = offer.token or token
        if not shown:
            return Denial("unauthorized", "no_token", "a token of scope bridge is needed here; send it as `token`")
        found = self.authenticator.admit(shown, peer=VIA, via=VIA)
        if isinstance(found, Denial):
            return found
        if not found.may("bridge"):
            self.authenticator.count_denied(VIA, "no_scope_bridge", found.name)
            return Denial(
                "forbidden",
                "no_scope_bridge",
                f"the token {found.name} has no scope bridge; `quantmind token add` makes one that has",
            )
        return found

    # Which broker it is for: the one that it names, or the one that takes its account.
    def _broker_of(self, offer: bridge.Offer, identity: Identity) -> str | Denial:
        reached = [name for name in self.berths if identity.reaches(name)]
        if not reached:
            return Denial(
                "forbidden",
                "token_of_another_broker",
                f"the token {identity.name} is of no broker that waits for a bridge, which has type mt5_socket and "
                "mode listen",
            )
        account = str(offer.account)
        if offer.broker:
            fitting = [name for name in reached if name == offer.broker]
        else:
            fitting = [name for name in reached if self.berths[name].account == account]
            fitting = fitting or [name for name in reached if self.berths[name].account is None]
        if len(fitting) != 1:
            named = f"broker {offer.broker}" if offer.broker else f"account {account}"
            several = "more than one broker takes" if fitting else "no broker that waits for a bridge takes"
            return Denial(
                "forbidden",
                "no_broker",
                f"{several} {named}; set account_id of the broker to it, or say `broker` in bridge_hello: "
                f"{', '.join(reached)}",
            )
        wanted = self.berths[fitting[0]].account
        if wanted is not None and wanted != account:
            return Denial(
                "forbidden",
                "another_account",
                f"broker {fitting[0]} has account_id {wanted}, and the terminal is logged in as {account}: correct one "
                "of them",
            )
        return fitting[0]

    def _refuse(self, send: Send, request_id: str, code: str, message: str, reason: str) -> None:
        self.statistics.refused[reason] = self.statistics.refused.get(reason, 0) + 1
        count = self._rarely.due(reason, trio.current_time())
        if count:
            logger.warning("refuse.bridge reason=%s count=%d: %s", reason, count, ascii(message))
        send(bridge.encode_error(request_id, code, message))

    def _drop(self, sender: Hashable, why: str) -> None:
        seat = self._seats.pop(sender, None)
        if seat is not None:
            seat.arrived.leave(why)

    # Whoever was replaced is remembered for a while: two that each take the place of the other would both be useless.
    def _forget_the_gone(self) -> None:
        gone = [sender for sender, seat in self._seats.items() if seat.arrived.gone is not None]
        for sender in gone[: max(0, len(gone) - MOST_GONE)]:
            del self._seats[sender]
