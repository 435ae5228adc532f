"""What the gateway must know of an account beyond what the exchange keeps: a file that outlives the process.

Of an open position: the number that the gateway gave it and the order that opened it, since the exchange tells trades
of the last days alone; of a position or a waiting order: the stops that its trader wants. A stop is an order of its own
at the exchange, so between two of them, or before a waiting order has filled, the wish is all there is.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec

from quantmind.adapters.binance.names import Role, client_id
from quantmind.adapters.binance.records import NOUGHT

logger: Final = logging.getLogger("quantmind.binance")

MOST: Final = 2000
"""Positions and waiting orders; exchanges allow 200 waiting orders of a symbol."""


@attrs.frozen
class Before:
    """The stops that were wanted before a change of which it is not known yet whether it was carried out.

    `until`: by then (Unix seconds) it has arrived or never will.
    """

    sl: Decimal
    tp: Decimal
    by: str
    until: float


@attrs.frozen
class Carried:
    """One position, or one waiting order, by the gateway's number.

    `sl` and `tp` are 0 where none is wanted; `tag` is that of the order, `by` of the request that set the stops,
    `moved` of the one that moved the order last. `amount` and `cost` are those of a position, 0 of an order that waits;
    the trades up to `last` (time in Unix milliseconds, and id) are in them, or have handed on what the order wants.
    """

    ticket: int
    symbol: str
    key: str
    tag: str = ""
    by: str = ""
    moved: str = ""
    time_msc: int = 0
    sl: Decimal = NOUGHT
    tp: Decimal = NOUGHT
    waits: bool = False
    amount: Decimal = NOUGHT
    cost: Decimal = NOUGHT
    doubt: Before | None = None
    last: tuple[int, int] = (0, 0)

    @property
    def order_id(self) -> str:
        """The client order id of the order."""
        return client_id(Role.ORDER, self.tag, self.moved)

    @property
    def stops_tag(self) -> str:
        """What its stops are called by; where no request of ours has anything to do with it, its number."""
        return self.by or self.tag or f"{self.ticket:x}"


@attrs.frozen
class _Kept:
    account: int
    items: list[Carried]


class CarriedFileError(Exception):
    """The file can't be read or written; says why."""


@attrs.define(eq=False)
class CarriedFile:
    """All that is carried, by number. One process writes it.

    Args:
        path: the file; None keeps it in memory alone.
    """

    path: Path | None
    account: int = attrs.field(default=0, init=False)
    """Whose they are; 0: it was not said yet."""
    _items: dict[int, Carried] = attrs.field(factory=dict, init=False)
    fault: str | None = attrs.field(default=None, init=False)
    """Why it could not be written last; None: it was."""

    @classmethod
    def open(cls, path: Path | None) -> CarriedFile:
        """Read what is there. Raises CarriedFileError: it can't be read, and was not changed."""
        opened = cls(path)
        if path is None:
            return opened
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return opened
        except OSError as exc:
            raise CarriedFileError(f"{path} can't be read ({exc.strerror})") from exc
        try:
            kept = msgspec.json.decode(raw, type=_Kept | list[Carried])  # once it was a list
        except msgspec.MsgspecError as exc:
            raise CarriedFileError(
                f"{path} is damaged ({exc}): look at what stops are in force at the exchange, then move the file away"
            ) from exc
        if isinstance(kept, _Kept):
            opened.account = kept.account
        items = kept.items if isinstance(kept, _Kept) else kept
        opened._items = {item.ticket: item for item in items}
        return opened

    @property
    def items(self) -> Mapping[int, Carried]:
        """Each by its number."""
        return self._items

    def position(self, symbol: str, key: str) -> Carried | None:
        """The open position of a symbol."""
        found = (item for item in self._items.values() if (item.symbol, item.key) == (symbol, key) and not item.waits)
        return next(found, None)

    def belongs_to(self, account: int) -> None:
        """This account is traded now. What is kept of another one says nothing of it, and is forgotten.

        Args:
            account: 0: the exchange does not say.
        """
        if account in (0, self.account):
            return
        before, self.account = self.account, account
        if before and self._items:
            logger.error("change.account file=%s before=%d now=%d", self.path, before, account)
            self._items.clear()
        self._surely_write()

    def keep(self, *items: Carried, drop: tuple[int, ...] = (), whatever: bool = False) -> None:
        """Keep what is as it is now, forget what is gone.

        Args:
            whatever: it has happened already, so it is remembered though it can't be written; `fault` says so, and it
                is tried again with whatever is to be kept next.

        Raises:
            CarriedFileError: nothing was changed.
        """
        before = dict(self._items)
        for ticket in drop:
            self._items.pop(ticket, None)
        for item in items:
            self._items.pop(item.ticket, None)
            self._items[item.ticket] = item
        while len(self._items) > MOST:
            del self._items[next(iter(self._items))]
        if self._items == before and self.fault is None:
            return
        if whatever:
            self._surely_write()
            return
        try:
            self._write()
        except CarriedFileError:
            self._items = before
            raise

    # Or say once that it could not be done.
    def _surely_write(self) -> None:
        told = self.fault
        try:
            self._write()
        except CarriedFileError as error:
            if told is None:
                logger.error("fail.positions reason=%s", ascii(str(error)))

    # As with what is sent, it is there once it is written, whatever becomes of this process.
    def _write(self) -> None:
        if self.path is None:
            return
        plain: Any = _Kept(self.account, list(self._items.values()))
        temporary = self.path.with_name(self.path.name + ".new")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(plain))
            temporary.replace(self.path)
        except OSError as exc:
            self.fault = f"{self.path} can't be written ({exc.strerror})"
            raise CarriedFileError(self.fault) from exc
        self.fault = None
