"""Tokens on disk: written whole or not at all, read when they change, and kept when what is there is wrong."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from quantmind.adapters import token_file as module
from quantmind.adapters.token_file import TokenStore, TokenWatch, identities_of, make_token
from quantmind.config import Secret, TokenConfig
from quantmind.domain.tokens import STRONG, digest_of, hash_of
from quantmind.errors import StartError

posix = pytest.mark.skipif(os.name != "posix", reason="modes of files")


def made(secret: str, **more: object) -> TokenConfig:
    return TokenConfig(hash=Secret(hash_of(secret)), **more)  # type: ignore[arg-type]


def test_new_tokens() -> None:
    """Each has the prefix and 256 bits, and is like no other."""
    found = {make_token() for _ in range(1000)}
    assert len(found) == 1000
    assert all(token.startswith("qm_") and len(token) == 3 + 43 > STRONG for token in found)


def test_identities() -> None:
    """Everything that a token has is in who it lets in; one without a hash lets nobody in."""
    token = made("s", scopes=("ea",), eas=("alpha",), brokers=("demo",), expires="1970-01-01", rate_limit_per_s=5)
    (identity,) = identities_of({"robot": token, "empty": TokenConfig()})
    assert (identity.name, identity.scopes, identity.eas) == ("robot", {"ea"}, {"alpha"})
    assert (identity.brokers, identity.expires, identity.rate_limit_per_s) == ({"demo"}, 86_400, 5)
    assert identity.digest == digest_of("s")


def test_store(tmp_path: Path) -> None:
    """What was written is read; the token is not in the file."""
    store = TokenStore(tmp_path / "state")
    with store.changing():
        assert store.read() == {}
        store.write({"a": made("the-secret")})
    assert store.read() == {"a": made("the-secret")}
    assert "the-secret" not in store.path.read_text(encoding="utf-8")
    assert [each.name for each in store.folder.iterdir() if each.suffix == ".new"] == []


@posix
def test_mode(tmp_path: Path) -> None:
    """Only its owner may look into the file, whatever stood there before."""
    store = TokenStore(tmp_path)
    store.path.write_text("tokens: {}\n", encoding="utf-8")
    store.path.chmod(0o644)
    store.write({})
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk takes no token away, and nothing half is left."""
    store = TokenStore(tmp_path)
    store.write({"a": made("x")})

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(StartError, match="No space left"):
        store.write({})
    assert store.read() == {"a": made("x")}
    assert [each.name for each in tmp_path.iterdir()] == ["tokens.yaml"]


def test_a_broken_file_is_not_written_over(tmp_path: Path) -> None:
    """Somebody may mend it: the fault is said with its line."""
    store = TokenStore(tmp_path)
    store.path.write_text("tokens: {a: {hash: nonsense}}\n", encoding="utf-8")
    with pytest.raises(StartError, match="nothing was changed"):
        store.read()


async def test_watch(tmp_path: Path) -> None:
    """The file is followed; what is wrong with it takes nothing away; one that has gone holds no tokens."""
    store, watch = TokenStore(tmp_path), TokenWatch(tmp_path / "tokens.yaml")
    assert (await watch.look()).identities == ()
    store.write({"a": made("x")})
    first = await watch.look()
    assert [identity.name for identity in first.identities] == ["a"]
    assert first.error is None
    assert await watch.look() is first
    store.write({"a": made("x"), "b": made("y")})
    assert len((await watch.look()).identities) == 2
    for text in ("tokens: [", "tokens: {a: {hash: x}}", "\0"):
        store.path.write_text(text, encoding="utf-8")
        store.path.chmod(0o600)
        broken = await watch.look()
        assert len(broken.identities) == 2
        assert broken.error is not None
        assert "tokens.yaml" in broken.error
    store.write({"b": made("y")})
    mended = await watch.look()
    assert len(mended.identities) == 1
    assert mended.error is None
    store.path.unlink()
    assert (await watch.look()).identities == ()


@posix
async def test_a_file_that_others_may_change_is_not_taken(tmp_path: Path) -> None:
    """Whoever can write it could make himself an admin. With the right mode it is taken."""
    store, watch = TokenStore(tmp_path), TokenWatch(tmp_path / "tokens.yaml")
    store.write({"a": made("x")})
    store.path.chmod(0o660)
    reading = await watch.look()
    assert reading.identities == ()
    assert reading.error is not None
    assert "chmod 600" in reading.error
    store.path.chmod(0o600)
    assert len((await watch.look()).identities) == 1


async def test_what_is_no_file(tmp_path: Path) -> None:
    """A folder in its place is said, and keeps what was there."""
    (tmp_path / "tokens.yaml").mkdir()
    assert (await TokenWatch(tmp_path / "tokens.yaml").look()).error == "it is no file"
