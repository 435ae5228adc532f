"""Tokens: whose they are, and what they may do."""

from __future__ import annotations

import attrs
import pytest

from quantmind.domain.tokens import digest_of
from quantmind.wire import auth as module
from quantmind.wire.auth import NOBODY, SCOPES, Authenticator, Denial, Identity
from quantmind.wire.brake import HELD_S, MOST_ADDRESSES, MOST_WRONG, Brake

AUTH = Authenticator({"secret-one": ("one", frozenset({"ea"})), "secret-two": ("two", frozenset({"admin"}))})


@pytest.mark.parametrize("token", ["", "secret", "secret-one ", "SECRET-ONE", "\ud800", "x" * 100_000, "secret-one\0"])
def test_unknown_tokens(token: str) -> None:
    """Nothing but the token is the token, whatever text is sent."""
    assert AUTH.identify(token) is None


def test_known_tokens() -> None:
    """A token has its name and scopes; admin has all of them; nobody has none."""
    one, two = AUTH.identify("secret-one"), AUTH.identify("secret-two")
    assert one == Identity("one", frozenset({"ea"}))
    assert one.may("ea")
    assert not one.may("trade")
    assert two is not None
    assert all(two.may(scope) for scope in SCOPES)
    assert not any(NOBODY.may(scope) for scope in SCOPES)


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ("Bearer secret-one", True),
        ("bearer  secret-one ", True),
        ("Basic secret-one", False),
        ("secret-one", False),
        ("", False),
    ],
)
def test_bearer(header: str, known: bool) -> None:
    """A token comes in an Authorization header as Bearer."""
    assert (AUTH.bearer(header) is not None) == known


def test_single() -> None:
    """One token may do everything."""
    owner = Authenticator.single("s" * 20).identify("s" * 20)
    assert owner is not None
    assert owner.may("admin")


# --- bindings, ends, the file's tokens -------------------------------------------------------------------------------

LONG = "qm_" + "x" * 43


@attrs.define
class Times:
    """Both clocks of an authenticator."""

    wall: float = 1000.0
    steady: float = 0.0

    def make(self, *identities: Identity, **tokens: str) -> Authenticator:
        known = {secret: (name, frozenset({"read"})) for name, secret in tokens.items()}
        return Authenticator(known, identities=identities, now=lambda: self.wall, steady=lambda: self.steady)


def bearer(name: str, secret: str = LONG, **more: object) -> Identity:
    return Identity(name, frozenset({"read"}), digest=digest_of(secret), **more)  # type: ignore[arg-type]


def test_bindings() -> None:
    """Without a binding it is anybody's; with one, only what is named, and what is of no broker at all."""
    free, bound = Identity("a"), Identity("b", eas=frozenset({"alpha"}), brokers=frozenset({"demo"}))
    assert free.speaks_for("x")
    assert free.reaches("x")
    assert not free.bound
    assert bound.speaks_for("alpha")
    assert not bound.speaks_for("beta")
    assert bound.reaches("demo")
    assert bound.reaches(None)
    assert not bound.reaches("live")
    assert bound.bound


def test_every_known_hash_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """By `compare_digest`, whether the first matches, the last or none: time tells nothing."""
    compared: list[bytes] = []

    def compare(known: bytes, digest: bytes) -> bool:
        compared.append(known)
        return known == digest

    monkeypatch.setattr(module.hmac, "compare_digest", compare)
    times = Times()
    authenticator = times.make(bearer("c", "c" * 50), a="a-secret", b="b-secret")
    authenticator.replace([bearer("d", "d" * 50)])
    for token in ("a-secret", "b-secret", "c" * 50, "d" * 50, "none"):
        compared.clear()
        authenticator.identify(token)
        assert compared == [digest_of(each) for each in ("a-secret", "b-secret", "c" * 50, "d" * 50)]


def test_expiry() -> None:
    """From its end on a token opens nothing and keeps nothing open; the answer names it and never shows it."""
    times = Times()
    authenticator = times.make(bearer("desk", expires=2000.0))
    identity = authenticator.identify(LONG)
    assert identity is not None
    assert authenticator.stands(identity)
    assert authenticator.key_stands(identity.key)
    times.wall = 2000.0
    assert authenticator.identify(LONG) is None
    assert not authenticator.stands(identity)
    assert not authenticator.key_stands(identity.key)
    denial = authenticator.admit(LONG, peer="p", via="http")
    assert isinstance(denial, Denial)
    assert (denial.code, denial.reason, denial.name) == ("unauthorized", "expired", "desk")
    assert "desk" in denial.message
    assert LONG not in denial.message
    assert len(authenticator.brake) == 0, "it is no guess"


def test_replaced_tokens() -> None:
    """Those of the start stay; one of the same name with another secret, or other rights, is another."""
    times = Times()
    authenticator = times.make(owner="o" * 20)
    authenticator.replace([bearer("desk")])
    before = authenticator.identify(LONG)
    assert before is not None
    assert authenticator.stands(before)
    for changed in ([], [bearer("desk", "y" * 50)], [attrs.evolve(bearer("desk"), brokers=frozenset({"demo"}))]):
        authenticator.replace(changed)
        assert not authenticator.stands(before)
    authenticator.replace([bearer("desk")])
    assert authenticator.stands(before)
    assert authenticator.identify("o" * 20) is not None


def test_no_hash_shows() -> None:
    """Neither in a text of an identity nor in what it is compared by."""
    assert digest_of(LONG).hex() not in repr(bearer("desk"))
    assert "digest" not in repr(bearer("desk"))


# --- guessing and rates ----------------------------------------------------------------------------------------------


def test_guessing_is_slowed_down() -> None:
    """After ten wrong ones from an address it is held: wrong ones and short ones wait, a long right one passes."""
    times = Times()
    authenticator = times.make(bearer("desk"), short="short-secret")
    for _ in range(MOST_WRONG):
        assert authenticator.admit("guess", peer="p", via="ws") == Denial(
            "unauthorized", "unknown_token", "the token is not known; check it against the gateway's"
        )
    for token in ("guess", "short-secret", None):
        denial = authenticator.admit(token, peer="p", via="ws")
        assert isinstance(denial, Denial)
        assert (denial.code, denial.reason) == ("busy", "too_many_wrong")
        assert denial.retry_after_s is not None
        assert 1 <= denial.retry_after_s <= HELD_S + 1
    assert isinstance(authenticator.admit(LONG, peer="p", via="ws"), Identity)
    assert isinstance(authenticator.admit("short-secret", peer="q", via="ws"), Identity)
    times.steady += HELD_S
    assert isinstance(authenticator.admit("short-secret", peer="p", via="ws"), Identity)
    assert authenticator.denials == {("ws", "unknown_token", ""): MOST_WRONG, ("ws", "too_many_wrong", ""): 3}


def test_slow_mistakes_hold_nobody() -> None:
    """Nine in a minute, minute after minute, are a program with an old token."""
    brake = Brake()
    for at in range(100):
        brake.wrong("p", at * 7.0)
        assert brake.held_for("p", at * 7.0) == 0


def test_the_brake_forgets_the_oldest_address() -> None:
    """Whoever has many addresses fills no memory."""
    brake = Brake()
    for number in range(MOST_ADDRESSES * 3):
        brake.wrong(str(number), 0.0)
    assert len(brake) == MOST_ADDRESSES


def test_a_held_address_is_not_held_for_longer_by_trying() -> None:
    """Its time runs from the tenth."""
    brake = Brake()
    for at in range(200):
        brake.wrong("p", at / 4)
    assert brake.held_for("p", 50.0) == pytest.approx((MOST_WRONG - 1) / 4 + HELD_S - 50.0)


def test_rates_are_of_each_token() -> None:
    """One that is over its rate is refused until time has passed; others are not, and the owner never."""
    times = Times()
    one, two = bearer("one", "1" * 50, rate_limit_per_s=2), bearer("two", "2" * 50, rate_limit_per_s=2)
    authenticator = times.make(one, two)
    assert [authenticator.in_rate(one) for _ in range(4)] == [True, True, False, False]
    assert authenticator.in_rate(two)
    times.steady += 0.5
    assert [authenticator.in_rate(one) for _ in range(2)] == [True, False]
    assert all(authenticator.in_rate(Identity("owner")) for _ in range(10_000))


def test_counts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is denied, the count has no more rows than it may."""
    monkeypatch.setattr(module, "MOST_COUNTS", 3)
    authenticator = Times().make()
    for number in range(10):
        authenticator.count_denied("http", str(number), "")
    assert len(authenticator.denials) == 3
