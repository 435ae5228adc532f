"""What a token is made of: its text, its hash, when it ends. Pure.

A token is 256 random bits, so its hash is one SHA-256: what makes a slow hash worth its time is a secret that can be
guessed from a list, and there is no list of 2**256 texts.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Final

PREFIX: Final = "qm_"
"""Every token that is made begins so: whoever finds one in a log, a commit or a chat knows what it is."""
HASH_PREFIX: Final = "sha256:"
STRONG: Final = 24
"""Characters of a token that nobody guesses by asking a gateway: those that are made have 46, the first start's 43."""

_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z")


def digest_of(token: str) -> bytes:
    """Return the SHA-256 of a whole token, its prefix included."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def hash_of(token: str) -> str:
    """Return a token's hash as it is written: `sha256:` and 64 hex digits."""
    return HASH_PREFIX + digest_of(token).hex()


def digest_in(written: str) -> bytes:
    """Return the digest in a written hash.

    Raises:
        ValueError: it is none; the text does not have it, since it may be a token that was pasted here.
    """
    if _HASH.fullmatch(written) is None:
        raise ValueError("it is no hash: sha256: and 64 hex digits in lower case")
    return bytes.fromhex(written.removeprefix(HASH_PREFIX))


def moment_in(written: str) -> float:
    """Return the Unix seconds at which a token ends: a moment in UTC, or a date, whose whole day still counts.

    Raises:
        ValueError: it is neither, or there is no such day or time.
    """
    if _DATE.fullmatch(written):
        return (datetime.fromisoformat(written).replace(tzinfo=UTC) + timedelta(days=1)).timestamp()
    if _MOMENT.fullmatch(written) is None:
        raise ValueError("it is neither a date nor a time in UTC")
    return datetime.fromisoformat(written).timestamp()
