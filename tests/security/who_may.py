"""Who tries the doors, and what the contract (tests/scope_contract.py) says to each of them: pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs
from scope_contract import (
    CHANNEL_SCOPES,
    COMMAND_ROUTES,
    MAY,
    NONE,
    PLAIN_USERS,
    REST,
    SENDERS,
    WS,
    WS_ALWAYS,
)

from quantmind.domain.tokens import hash_of
from quantmind.wire.auth import SCOPES

YES, UNAUTHORIZED, FORBIDDEN, HELD, SHUT = "yes", "unauthorized", "forbidden", "held", "shut"


@attrs.frozen
class Who:
    """Somebody with a token, or with none."""

    name: str
    scopes: frozenset[str] = frozenset()
    eas: frozenset[str] = frozenset()
    brokers: frozenset[str] = frozenset()
    ended: bool = False
    known: bool = True
    """Whether the gateway has heard of the token."""
    token: str | None = None

    @classmethod
    def of(cls, name: str, scopes: Iterable[str], **more: Any) -> Who:
        """With a token that is too long to be guessed."""
        return cls(name, frozenset(scopes), token=f"qm_{name:x<43}", **more)

    @property
    def stands(self) -> bool:
        """Whether the token opens anything."""
        return self.token is not None and self.known and not self.ended

    @property
    def configured(self) -> dict[str, Any]:
        """What a configuration has of the token."""
        assert self.token is not None
        ends = {"expires": "2020-01-01"} if self.ended else {}
        bound = {"eas": sorted(self.eas), "brokers": sorted(self.brokers)}
        return {"hash": hash_of(self.token), "scopes": sorted(self.scopes), **bound, **ends}

    def has(self, scopes: Iterable[str]) -> bool:
        """Whether the token has one of the scopes."""
        return bool(self.scopes & {*scopes, "admin"})

    def reaches(self, broker: str) -> bool:
        return not self.brokers or broker in self.brokers


_MOST = frozenset(SCOPES) - {"bridge"}
NOBODY = Who("nobody")
READ = Who.of("read", {"read"})
ADMIN = Who.of("admin", {"admin"})
BRANCH = Who.of("branch", SCOPES, brokers=frozenset({"other"}))
STANDING = (
    READ,
    Who.of("ea", {"ea"}),
    Who.of("bridge", {"bridge"}, brokers=frozenset({"fed"})),
    Who.of("trade", {"trade"}),
    ADMIN,
    Who.of("beta", {"ea"}, eas=frozenset({"beta"})),
    Who.of("robot", _MOST, eas=frozenset({"beta"})),
    BRANCH,
)
"""Every single scope; bound to another EA, with one scope and with nearly all; bound to another broker, with all."""
ENDED = Who.of("ended", _MOST, ended=True)
WRONG = Who("wrong", token="qm_a-wrong-token-0123456789-0123456789-012345", known=False)
SHORT = Who("short", frozenset({"read"}), token="a-short-token")
"""Right, and short enough to be guessed."""
CONFIGURED = (*STANDING, ENDED, SHORT)


def may_send(who: Who, kind: str, execute: bool, *, broker: str = "demo", needs_token: bool = False) -> str:
    """What a command of the EA alpha comes to."""
    may = MAY[kind, execute]
    if who.token is None:
        return UNAUTHORIZED if needs_token or NONE not in may else YES
    if not who.stands:
        return UNAUTHORIZED
    if not who.has(may - {NONE}) or (who.eas and "alpha" not in who.eas) or not who.reaches(broker):
        return FORBIDDEN
    return YES


def may_ask(who: Who, endpoint: str, *, broker: str = "demo") -> str:
    """What a request for a route comes to, before any command in it is looked at."""
    scope, kind = REST[endpoint]
    if scope is None:
        return YES
    if not who.stands:
        return UNAUTHORIZED
    if not who.has({scope}):
        return FORBIDDEN
    # Its orders would be of an EA of another name; and an account is more than its EAs.
    if who.eas and (scope == "admin" or (scope == "trade" and endpoint not in COMMAND_ROUTES)):
        return FORBIDDEN
    if kind == "whole":
        return FORBIDDEN if who.brokers or who.eas else YES
    if kind in ("open", "shows", "figures") or endpoint in COMMAND_ROUTES:
        return YES
    return YES if who.reaches(broker) else FORBIDDEN


def may_subscribe(who: Who, message: str, *, broker: str = "demo", required: bool) -> str:
    """What a WebSocket message comes to; `SubscribeMessage` is for ticks of a broker, or names a channel."""
    kind, _, channel = message.partition(" ")
    assert kind in WS
    if who.token is None and required and kind not in WS_ALWAYS:
        return UNAUTHORIZED
    if channel:
        if who.token is None:
            return UNAUTHORIZED
        return YES if who.has(CHANNEL_SCOPES) else FORBIDDEN
    if kind == "SubscribeMessage" and not who.reaches(broker):
        return FORBIDDEN
    return YES


def let_in(who: Who, serves: str, user: str) -> bool:
    """Whether a connection by PLAIN comes to be. What is published is of every broker, and there are several."""
    bound = serves == "publish" and bool(who.brokers)
    return who.stands and user in PLAIN_USERS[serves] and who.has(PLAIN_USERS[serves][user]) and not bound


def may_feed(who: Who, broker: str) -> bool:
    """Whether it may send a broker's ticks."""
    return who.stands and who.has(SENDERS) and who.reaches(broker)
