"""Tokens on disk: the file in the state folder, which a command changes and a running gateway looks at."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs
import trio

from quantmind.adapters.private_folder import make_private
from quantmind.config import ConfigError, TokenConfig
from quantmind.config.source import MAX_BYTES
from quantmind.config.token_file import parse_tokens, text_of
from quantmind.domain.tokens import PREFIX, digest_in
from quantmind.errors import EXIT_UNAVAILABLE, EXIT_USAGE, StartError
from quantmind.ports import TokenReading
from quantmind.wire.auth import Identity

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

TOKENS_FILE: Final = "tokens.yaml"
LOCK_FILE: Final = "tokens.lock"
TOKEN_BYTES: Final = 32
_TRIES: Final = 20
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO

_Stamp = tuple[int, int, int, int, int]
"""Device, inode, size, mode, and time of the last change (nanoseconds)."""


def make_token() -> str:
    """Return a new token: 256 bits from the system's source of random bits, behind the prefix."""
    return PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def identities_of(tokens: Mapping[str, TokenConfig]) -> tuple[Identity, ...]:
    """Return who the tokens let in; one without a hash lets nobody in."""
    return tuple(
        Identity(
            name,
            frozenset(token.scopes),
            frozenset(token.eas),
            frozenset(token.brokers),
            token.expires_at,
            token.rate_limit_per_s,
            digest_in(token.hash.reveal()),
        )
        for name, token in tokens.items()
        if token.hash is not None
    )


# --- for the gateway ---------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class TokenWatch:
    """Reads the file when it has changed. One that is not there holds no tokens; one that can't be read, or is wrong,
    leaves those that were read before. Reading happens in a thread; cancelled, nothing was seen."""

    path: Path
    _reading: TokenReading = attrs.field(factory=TokenReading, init=False)
    _stamp: _Stamp | None = attrs.field(default=None, init=False)
    _threads: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), init=False)
    """One that hangs must not become many."""

    @property
    def name(self) -> str:
        return str(self.path)

    async def look(self) -> TokenReading:
        """Look once more."""
        self._reading, self._stamp = await trio.to_thread.run_sync(
            _look, self.path, self._reading, self._stamp, abandon_on_cancel=True, limiter=self._threads
        )
        return self._reading


def _look(path: Path, before: TokenReading, stamp: _Stamp | None) -> tuple[TokenReading, _Stamp | None]:
    try:
        found = path.stat()
        if _stamp_of(found) == stamp:
            return before, stamp
        if not stat.S_ISREG(found.st_mode):
            return attrs.evolve(before, error="it is no file"), None
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return TokenReading(()), None
    except OSError as error:
        return attrs.evolve(before, error=f"it can't be read ({error.strerror or type(error).__name__})"), None
    stamp = _stamp_of(found)
    if os.name == "posix" and found.st_mode & _OTHERS:
        return attrs.evolve(before, error=f"others may read or change it; run: chmod 600 {path}"), stamp
    try:
        tokens = identities_of(parse_tokens(data, path.name))
    except ConfigError as error:
        faults = error.faults
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        return attrs.evolve(before, error=f"{faults[0]}{more}"), stamp
    return TokenReading(tokens), stamp


def _stamp_of(found: os.stat_result) -> _Stamp:
    return found.st_dev, found.st_ino, found.st_size, found.st_mode, found.st_mtime_ns


# --- for the command ---------------------------------------------------------------------------------------------


@attrs.frozen
class TokenStore:
    """The file as `quantmind token` reads and writes it."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / TOKENS_FILE

    def read(self) -> Mapping[str, TokenConfig]:
        """The tokens of the file; none where there is none.

        Raises:
            StartError: it can't be read, or is not right: nothing is written over what somebody may mend.
        """
        try:
            with self.path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StartError(f"{self.path} can't be read ({error.strerror})", EXIT_UNAVAILABLE) from error
        try:
            return parse_tokens(data, str(self.path))
        except ConfigError as error:
            raise StartError(f"{error}\nmend or remove the file; nothing was changed", EXIT_USAGE) from None

    def write(self, tokens: Mapping[str, TokenConfig]) -> None:
        """Put a new file in the place of the old one, whole or not at all, for its owner's eyes only.

        Raises:
            StartError: it can't be written; the old one is as it was.
        """
        temporary = self.folder / f"{TOKENS_FILE}.{os.getpid()}.new"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
                file.write(text_of(tokens))
                file.flush()
                os.fsync(file.fileno())
            _replace(temporary, self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise StartError(f"{self.path} can't be written ({error.strerror})", EXIT_UNAVAILABLE) from error

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Keep every other command from changing the file for the length of the block; the system lets go if it dies.

        Raises:
            StartError: another one changes it now, or the folder can't be used, or others may write in it.
        """
        try:
            make_private(self.folder)
            descriptor = os.open(self.folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StartError(f"{self.folder} can't be used ({error.strerror})", EXIT_UNAVAILABLE) from error
        try:
            try:
                _lock(descriptor)
            except OSError as error:
                message = f"another `quantmind token` changes {self.path} now; run this again"
                raise StartError(message, EXIT_UNAVAILABLE) from error
            yield
        finally:
            os.close(descriptor)


# Windows refuses while a gateway has the old one open, which is a moment.
def _replace(temporary: Path, path: Path) -> None:
    for _ in range(_TRIES if sys.platform == "win32" else 0):
        try:
            temporary.replace(path)
        except PermissionError:
            time.sleep(0.05)
        else:
            return
    temporary.replace(path)


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)  # waits for up to ten seconds
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
