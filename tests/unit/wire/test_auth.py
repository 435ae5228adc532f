"""Tokens: whose they are, and what they may do."""

from __future__ import annotations

import pytest

from quantmind.wire.auth import NOBODY, SCOPES, Authenticator, Identity

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
