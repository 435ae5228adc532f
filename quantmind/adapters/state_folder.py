"""The gateway's folder on disk: its token, its journal's file, and where it listens now. One gateway at a time."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from quantmind.adapters.private_folder import make_private
from quantmind.config.places import ADDRESSES_FILE, TOKEN_FILE
from quantmind.errors import EXIT_UNAVAILABLE, StartError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

logger = logging.getLogger("quantmind.state")

LOCK_FILE = "lock"
JOURNAL_FILE = "journal.sqlite3"
STOP_FILE = "STOP"


@attrs.frozen
class StateFolder:
    """A folder that only its owner can look into (on Windows: as private as the user's profile is)."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> StateFolder:
        """Make the folder where there is none.

        One that a gateway has used, and that can't be written to now, is taken as it is: positions are open, and
        somebody must be able to close them.

        Raises:
            StartError: it can't be made, was never used and can't be written to, or others may write in it.
        """
        try:
            make_private(path)
            probe = path / f".probe-{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as exc:
            folder = cls(path)
            if folder.was_used:
                logger.critical("fail.state_folder path=%s reason=%s", path, exc.strerror)
                return folder
            message = f"the state folder {path} can't be used ({exc.strerror}); set gateway.state_dir or --state"
            raise StartError(message, EXIT_UNAVAILABLE) from exc
        return cls(path)

    @property
    def was_used(self) -> bool:
        """A gateway has held it and kept its journal here."""
        return (self.path / LOCK_FILE).exists() and self.journal.exists()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other gateway out for the length of the block; the system lets go if the process dies.

        Two on one journal would each take the other's orders in flight for lost ones.

        Raises:
            StartError: another gateway has it, or it can't be locked.
        """
        try:
            descriptor = self._open_lock()
        except OSError as exc:
            raise StartError(f"{self.path / LOCK_FILE} can't be opened ({exc.strerror})", EXIT_UNAVAILABLE) from exc
        try:
            try:
                _lock(descriptor)
            except OSError as exc:
                raise self._not_ours(exc) from exc
            yield
        finally:
            os.close(descriptor)

    # A file that was there before can be locked where nothing can be written.
    def _open_lock(self) -> int:
        lock = self.path / LOCK_FILE
        try:
            return os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            with contextlib.suppress(OSError):
                return os.open(lock, os.O_RDONLY)
            raise

    def _not_ours(self, error: OSError) -> StartError:
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            number = self._noted().get("pid")
            who = "another gateway" if number is None else f"another gateway (process {number})"
            text = f"{who} uses the state folder {self.path}; stop it, or give this one its own with --state"
        else:
            text = f"the state folder {self.path} can't be locked ({error.strerror}); set one on a local disk"
        return StartError(text, EXIT_UNAVAILABLE)

    @property
    def journal(self) -> Path:
        return self.path / JOURNAL_FILE

    @property
    def stop_file(self) -> Path:
        """While somebody has put a file here, all accounts are halted."""
        return self.path / STOP_FILE

    def paper_account(self, broker: str) -> Path:
        """Where the account of a paper broker is kept."""
        return self.path / f"paper-{broker}.sqlite3"

    def sent_orders(self, broker: str) -> Path:
        """Where the worker of a terminal keeps what it has sent."""
        return self.path / f"mt5-{broker}.sent"

    def server_clock(self, broker: str) -> Path:
        """Where the worker of a terminal keeps what it has measured of the server's clock."""
        return self.path / f"mt5-{broker}.clock"

    def exchange_orders(self, broker: str) -> Path:
        """Where an exchange's adapter keeps what it has sent."""
        return self.path / f"exchange-{broker}.sent"

    def exchange_positions(self, broker: str) -> Path:
        """Where an exchange's adapter keeps the numbers and the wanted stops of positions."""
        return self.path / f"exchange-{broker}.positions"

    @property
    def token_file(self) -> Path:
        return self.path / TOKEN_FILE

    def token(self) -> str:
        """The token that was made at first start; made now if there is none.

        Raises:
            StartError: the file can't be read or written, is empty, or others may read it.
        """
        try:
            descriptor = os.open(self.token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return self._read_token()
        except OSError as exc:
            raise StartError(f"{self.token_file} can't be written ({exc.strerror})", EXIT_UNAVAILABLE) from exc
        token = secrets.token_urlsafe(32)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(token + "\n")
        except OSError as exc:
            # An empty one would be in the way of the next start.
            with contextlib.suppress(OSError):
                self.token_file.unlink()
            raise StartError(f"{self.token_file} can't be written ({exc.strerror})", EXIT_UNAVAILABLE) from exc
        return token

    def _read_token(self) -> str:
        try:
            mode = self.token_file.stat().st_mode
            token = self.token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise StartError(
                f"{self.token_file} can't be read ({exc}); remove it to get a new one", EXIT_UNAVAILABLE
            ) from exc
        if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise StartError(
                f"{self.token_file} may be read by others; run: chmod 600 {self.token_file}", EXIT_UNAVAILABLE
            )
        if len(token) < 16:
            raise StartError(f"{self.token_file} holds no token; remove it to get a new one", EXIT_UNAVAILABLE)
        return token

    def write_addresses(self, addresses: dict[str, str]) -> None:
        """Note where the gateway listens, for the other subcommands; it runs without the note, too."""
        temporary = self.path / f"{ADDRESSES_FILE}.new"
        try:
            temporary.write_text(json.dumps({"pid": os.getpid(), "addresses": addresses}), encoding="utf-8")
            temporary.replace(self.path / ADDRESSES_FILE)
        except OSError as exc:
            logger.warning("fail.note file=%s reason=%s", self.path / ADDRESSES_FILE, exc.strerror)
            with contextlib.suppress(OSError):
                temporary.unlink()

    def forget_addresses(self) -> None:
        """The gateway no longer listens."""
        try:
            (self.path / ADDRESSES_FILE).unlink(missing_ok=True)
        except OSError as exc:
            logger.warning("fail.note file=%s reason=%s", self.path / ADDRESSES_FILE, exc.strerror)

    def read_addresses(self) -> dict[str, str]:
        """Where a gateway with this state listens; empty when none is known."""
        addresses = self._noted().get("addresses")
        return addresses if isinstance(addresses, dict) else {}

    def _noted(self) -> dict[str, Any]:
        try:
            noted = json.loads((self.path / ADDRESSES_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return noted if isinstance(noted, dict) else {}


# Ends with the descriptor, also when the process dies. Not waited for.
def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
