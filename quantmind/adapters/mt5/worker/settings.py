"""What a worker is told at its start: one JSON object on its standard input, or options of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Of one terminal. Times in seconds; an empty `token` lets nobody in."""

    token: str
    module: str = "MetaTrader5"
    path: str | None = None
    login: int | None = None
    password: str | None = None
    server: str | None = None
    timeout_ms: int = 60_000
    portable: bool = False
    symbols: tuple[str, ...] = ()
    symbol_suffix: str = ""
    symbol_names: dict[str, str] = {}
    server_zone: str | None = None
    sent_file: str | None = None
    """Where it keeps what it sent; null: in memory only."""
    clock_file: str | None = None
    """Where it keeps what it measured of the server's clock."""
    host: str = "127.0.0.1"
    port: int = 0
    parent: bool = True
    """Whoever started it holds its standard input open: it ends when that does."""
    absent_after_s: float = 60.0
    """How long after it was sent a request that the terminal does not know may still get through."""

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in self.__struct_fields__ if name not in ("token", "password")}
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())}, token=****, password=****)"

    def file(self, name: str | None) -> Path | None:
        """A file's path."""
        return None if name is None else Path(name)


def settings_from(raw: bytes) -> Settings:
    """The settings in a JSON object. Raises ValueError: it has none, or a wrong one; no value is named in it."""
    try:
        return msgspec.json.decode(raw, type=Settings)
    except msgspec.MsgspecError as exc:
        raise ValueError(f"the worker's settings can't be read: {exc}") from None


def settings_as_json(settings: Settings) -> dict[str, Any]:
    """The same as plain values."""
    plain: dict[str, Any] = msgspec.to_builtins(settings)
    return plain
