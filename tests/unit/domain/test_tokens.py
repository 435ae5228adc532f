"""A token's hash and its end, as they are written."""

from __future__ import annotations

import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantmind.domain.tokens import digest_in, digest_of, hash_of, moment_in


@given(st.text())
def test_the_hash_is_sha256_of_the_whole_token(token: str) -> None:
    """The prefix is hashed, too, and what is written is read back."""
    digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
    assert digest_of(token) == digest
    assert hash_of(token) == f"sha256:{digest.hex()}"
    assert digest_in(hash_of(token)) == digest


@pytest.mark.parametrize(
    "written",
    [
        "",
        "sha256:",
        "a" * 64,
        "sha256:" + "a" * 63,
        "sha256:" + "A" * 64,
        "sha1:" + "a" * 40,
        "sha256:" + "a" * 64 + "\n",
    ],
)
def test_what_is_no_hash(written: str) -> None:
    """It is refused, and the text of the error does not show it: it may be the token."""
    with pytest.raises(ValueError, match="no hash") as caught:
        digest_in(written)
    assert not written or written not in str(caught.value).replace("sha256: and", "")


def test_ends() -> None:
    """A date counts to the end of its day in UTC, a moment is itself."""
    assert moment_in("2027-01-31") == moment_in("2027-02-01T00:00:00Z") == moment_in("2027-01-31T23:59:59Z") + 1
    assert moment_in("1970-01-01T00:00:01.500Z") == 1.5


@pytest.mark.parametrize(
    "written",
    [
        "",
        "90d",
        "2027-02-30",
        "2027-1-1",
        "2027-01-31T10:00",
        "2027-01-31T10:00:00",
        "2027-01-31T10:00:00+02:00",
        "31.1.27",
    ],
)
def test_what_is_no_end(written: str) -> None:
    """A local time or a day that there is not is no end."""
    with pytest.raises(ValueError):
        moment_in(written)


@given(st.text(max_size=40))
def test_any_text_is_an_end_or_a_value_error(written: str) -> None:
    """Nothing else comes out."""
    with contextlib.suppress(ValueError, OverflowError):
        assert isinstance(moment_in(written), float)
