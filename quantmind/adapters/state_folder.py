"""The gateway's folder on disk: its token, its journal's file, and where it listens now."""

from __future__ import annotations

import json
import os
import secrets
import stat
from pathlib import Path

import attrs

from quantmind.errors import StartError

JOURNAL_FILE = "journal.sqlite3"
TOKEN_FILE = "token"  # noqa: S105  # a file's name
ADDRESSES_FILE = "gateway.json"
EXIT_UNAVAILABLE = 69


@attrs.frozen
class StateFolder:
    """A folder that only its owner can look into (on Windows: as private as the user's profile is)."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> StateFolder:
        """Make the folder where there is none.

        Raises:
            StartError: it can't be made or written to.
        """
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            probe = path / f".probe-{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as exc:
            message = f"the state folder {path} can't be used ({exc.strerror}); set gateway.state_dir or --state"
            raise StartError(message, EXIT_UNAVAILABLE) from exc
        return cls(path)

    @property
    def journal(self) -> Path:
        return self.path / JOURNAL_FILE

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
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(token + "\n")
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
        """Note where the gateway listens, for the other subcommands."""
        temporary = self.path / f"{ADDRESSES_FILE}.new"
        temporary.write_text(json.dumps({"pid": os.getpid(), "addresses": addresses}), encoding="utf-8")
        temporary.replace(self.path / ADDRESSES_FILE)

    def forget_addresses(self) -> None:
        """The gateway no longer listens."""
        (self.path / ADDRESSES_FILE).unlink(missing_ok=True)

    def read_addresses(self) -> dict[str, str]:
        """Where a gateway with this state listens; empty when none is known."""
        try:
            noted = json.loads((self.path / ADDRESSES_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        addresses = noted.get("addresses") if isinstance(noted, dict) else None
        return addresses if isinstance(addresses, dict) else {}
