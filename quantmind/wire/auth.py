"""Who is asking, and what they may do."""

from __future__ import annotations

import hashlib
import hmac

import attrs

SCOPES = ("read", "ea", "bridge", "trade", "admin")


@attrs.frozen
class Identity:
    """A token's name and scopes; nobody in particular has no name and none."""

    name: str = ""
    scopes: frozenset[str] = frozenset()

    def may(self, scope: str) -> bool:
        """Whether it has the scope; `admin` has all of them."""
        return scope in self.scopes or "admin" in self.scopes


NOBODY = Identity()


class Authenticator:
    """Tells whose a token is. Every comparison takes the same time whatever was sent."""

    def __init__(self, tokens: dict[str, tuple[str, frozenset[str]]]) -> None:
        """`tokens`: secret → (name, scopes)."""
        self._known = [
            (hashlib.sha256(secret.encode()).digest(), Identity(name, scopes))
            for secret, (name, scopes) in tokens.items()
        ]

    @classmethod
    def single(cls, token: str) -> Authenticator:
        """One token that may do everything."""
        return cls({token: ("owner", frozenset(SCOPES))})

    def identify(self, token: str) -> Identity | None:
        """The token's identity, or None. Looks at every known token, so time tells nothing."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        found: Identity | None = None
        for known, identity in self._known:
            if hmac.compare_digest(known, digest):
                found = identity
        return found

    def bearer(self, header: str) -> Identity | None:
        """The identity of an `Authorization: Bearer …` header, or None."""
        kind, _, token = header.partition(" ")
        return self.identify(token.strip()) if kind.lower() == "bearer" else None
