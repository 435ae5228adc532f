"""Who is asking, and what they may do."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import attrs

from quantmind.domain.clock import iso
from quantmind.domain.tokens import STRONG, digest_of
from quantmind.wire.brake import Brake
from quantmind.wire.ws_rate import Pace, RateLimit

SCOPES = ("read", "ea", "bridge", "trade", "admin")
OWNER: Final = "owner"
"""The name of the token that QUANTMIND_TOKEN or the first start gives; no other may have it."""

MOST_COUNTS: Final = 4096
"""Different denials that are counted one by one; doors, reasons and names are few, so this is never reached."""


@attrs.frozen
class Identity:
    """A token's name, scopes and bindings; nobody in particular has no name and none.

    Attributes:
        eas: The EAs that it speaks for; empty: any.
        brokers: The brokers that it reaches; empty: any.
        expires: Unix seconds; None: never.
        rate_limit_per_s: Requests in a second; None: as many as it likes.
        digest: SHA-256 of the token, which tells it from an earlier one of the same name.
    """

    name: str = ""
    scopes: frozenset[str] = frozenset()
    eas: frozenset[str] = frozenset()
    brokers: frozenset[str] = frozenset()
    expires: float | None = None
    rate_limit_per_s: float | None = None
    digest: bytes = attrs.field(default=b"", eq=False, repr=False)

    def may(self, scope: str) -> bool:
        """Whether it has the scope; `admin` has all of them."""
        return scope in self.scopes or "admin" in self.scopes

    def speaks_for(self, ea_name: str) -> bool:
        """Whether it may send what this EA sends."""
        return not self.eas or ea_name in self.eas

    def reaches(self, broker: str | None) -> bool:
        """Whether it may see and reach this broker; None: what is of none."""
        return not self.brokers or broker is None or broker in self.brokers

    @property
    def bound(self) -> bool:
        """Whether there are EAs or brokers that it has nothing to do with."""
        return bool(self.eas or self.brokers)

    @property
    def key(self) -> str:
        """Names this very token, for what remembers who let it in; says nothing of its text."""
        return self.digest.hex()[:32]


NOBODY = Identity()


@attrs.frozen
class Denial:
    """Why a token opens nothing now.

    Attributes:
        code: `unauthorized`, or `busy` where there were too many wrong ones before it.
        reason: One word, to be counted.
        message: For whoever sent it; it never has the token.
        name: Of the token, where it is known.
        retry_after_s: When to try again; None: not at all.
    """

    code: str
    reason: str
    message: str
    name: str = ""
    retry_after_s: int | None = None


def outside_brokers(identity: Identity, broker: str) -> str:
    """Why a broker is out of reach, with what is not."""
    return f"the token {identity.name} is bound to the brokers {_listed(identity.brokers)} and may not reach {broker}"


def outside_eas(identity: Identity, ea_name: str) -> str:
    """Why a token may not speak for an EA, with those that it may speak for."""
    return f"the token {identity.name} is bound to the EAs {_listed(identity.eas)} and may not speak for {ea_name}"


def lacks_scope(identity: Identity, *scopes: str) -> str:
    """Which scope is missing; several: any of them would do."""
    return f"the token {identity.name} lacks the scope {' or '.join(scopes)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


class Authenticator:
    """Tells whose a token is. Every comparison takes the same time whatever was sent.

    Tokens that were given at the start stay; those of the file are replaced as a whole (`replace`). It also counts
    who was denied what, for the record, and slows down who tries wrong ones.
    """

    def __init__(
        self,
        tokens: Mapping[str, tuple[str, frozenset[str]]],
        *,
        identities: Iterable[Identity] = (),
        now: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            tokens: secret → (name, scopes).
            identities: further ones, known by their digests.
            now: Unix seconds, for what expires.
            steady: seconds of a clock that does not run backwards, for rates.
        """
        self._now, self._steady = now, steady
        self._given = [
            *(Identity(name, scopes, digest=digest_of(secret)) for secret, (name, scopes) in tokens.items()),
            *identities,
        ]
        self._known: list[Identity] = []
        self._standing: dict[str, Identity] = {}
        self._rates: dict[str, RateLimit] = {}
        self._denials: dict[tuple[str, str, str], int] = {}
        self.brake = Brake()
        self.replace(())

    @classmethod
    def single(cls, token: str) -> Authenticator:
        """One token that may do everything."""
        return cls({token: (OWNER, frozenset(SCOPES))})

    # ------------------------------------------------------------------ who there is

    @property
    def given(self) -> tuple[Identity, ...]:
        """Those that were given at the start."""
        return tuple(self._given)

    @property
    def known(self) -> tuple[Identity, ...]:
        """All, expired ones among them."""
        return tuple(self._known)

    def replace(self, identities: Iterable[Identity]) -> None:
        """From now on there are these, besides those that were given at the start."""
        self._known = [*self._given, *identities]
        self._standing = {identity.key: identity for identity in self._known}
        names = {identity.name for identity in self._known}
        self._rates = {name: rate for name, rate in self._rates.items() if name in names}

    def expired(self, identity: Identity) -> bool:
        """Whether its time is over."""
        return identity.expires is not None and identity.expires <= self._now()

    def stands(self, identity: Identity) -> bool:
        """Whether who was let in with it may stay: the same token is still there, with the same rights, in time."""
        return self._standing.get(identity.key) == identity and not self.expired(identity)

    def key_stands(self, key: str) -> bool:
        """The same for one of which only the `key` was kept."""
        identity = self._standing.get(key)
        return identity is not None and not self.expired(identity)

    # ------------------------------------------------------------------ whose it is

    def identify(self, token: str) -> Identity | None:
        """The token's identity, or None. Looks at every known token, so time tells nothing."""
        found = self._find(token)
        return None if found is None or self.expired(found) else found

    def _find(self, token: str) -> Identity | None:
        digest = digest_of(token)
        found: Identity | None = None
        for identity in self._known:
            if hmac.compare_digest(identity.digest, digest):
                found = identity
        return found

    def bearer(self, header: str) -> Identity | None:
        """The identity of an `Authorization: Bearer …` header, or None."""
        token = bearer_token(header)
        return None if token is None else self.identify(token)

    def admit(self, token: str | None, *, peer: str, via: str) -> Identity | Denial:
        """Whose a token is, or why it opens nothing; counts wrong ones by address.

        An address that has tried too many is held for a while. A right token that is long enough not to be guessed
        passes even then: a program with an old token must not lock its owner out of the same machine.

        Args:
            token: None where one was sent that can't be one.
            peer: the address that it came from.
            via: the door, for the count.
        """
        now = self._steady()
        identity = None if token is None else self.identify(token)
        held_s = self.brake.held_for(peer, now)
        if held_s > 0 and (identity is None or token is None or len(token) < STRONG):
            after = max(1, round(held_s + 0.5))
            return self._denied(
                via,
                Denial(
                    "busy",
                    "too_many_wrong",
                    f"too many wrong tokens came from here; this one was not looked at, try again in {after} s",
                    retry_after_s=after,
                ),
            )
        if identity is not None:
            return identity
        ended = None if token is None else self._find(token)
        if ended is not None:
            assert ended.expires is not None, "only its time can keep a known one out"
            message = f"the token {ended.name} has expired at {iso(ended.expires)}; make another with `quantmind token`"
            return self._denied(via, Denial("unauthorized", "expired", message, ended.name))
        self.brake.wrong(peer, now)
        return self._denied(
            via, Denial("unauthorized", "unknown_token", "the token is not known; check it against the gateway's")
        )

    def _denied(self, via: str, denial: Denial) -> Denial:
        self.count_denied(via, denial.reason, denial.name)
        return denial

    # ------------------------------------------------------------------ how often, and what for the record

    def in_rate(self, identity: Identity) -> bool:
        """Account for one request of a token: whether it is within its rate."""
        per_s = identity.rate_limit_per_s
        if per_s is None:
            return True
        rate = self._rates.get(identity.name)
        if rate is None:
            rate = self._rates[identity.name] = RateLimit(per_s, self._steady())
        return rate.take(self._steady()) is Pace.OK

    def count_denied(self, via: str, reason: str, name: str) -> None:
        """Somebody was denied something at a door; `name` is of the token, empty where it is not known."""
        key = (via, reason, name)
        if key in self._denials or len(self._denials) < MOST_COUNTS:
            self._denials[key] = self._denials.get(key, 0) + 1

    @property
    def denials(self) -> Mapping[tuple[str, str, str], int]:
        """(door, reason, token's name) → how often since the start."""
        return self._denials


def bearer_token(header: str) -> str | None:
    """The token in an `Authorization` header, or None when it is of another kind."""
    kind, _, token = header.partition(" ")
    return token.strip() if kind.lower() == "bearer" else None
