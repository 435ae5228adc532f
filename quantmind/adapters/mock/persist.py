"""A paper account that survives a restart: what changed is on disk before anybody hears of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
import trio

from quantmind.adapters.mock.account import PaperAccount
from quantmind.adapters.mock.account_file import AccountFile, AccountFileDown, AccountFileError, Rows
from quantmind.adapters.mock.books import Books
from quantmind.adapters.mock.record import (
    AccountRecord,
    History,
    Holdings,
    Mark,
    RecordError,
    history_since,
    holdings_of,
    mark_of,
    record_of,
    restore,
)

PRICES_EVERY_S = 10.0
"""Where nothing but prices changed they are written so often: a restart shows the equity at these."""
HUNG_S = 5.0
"""A disk that has not answered for so long is down, so that nobody's request waits for it."""


@attrs.frozen
class _Written:
    """What is on disk."""

    holdings: Holdings | None
    mark: Mark
    rows: Rows
    at: float


@attrs.define(eq=False)
class Persistence:
    """Keeps one account in one file.

    All happens in calls of `save`: the account is looked at on the event loop, between two of its changes, and
    written in a thread. Each write is whole, so the file has the account as it was at one moment.

    Args:
        monotonic: seconds, for how often prices alone are written.
    """

    _broker: str
    _file: AccountFile
    _monotonic: Callable[[], float]
    _written: _Written
    _down: str | None = attrs.field(default=None, init=False)
    _turn: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    # A thread that was given up keeps its token until it ends: nobody else touches the file before.
    _threads: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), init=False)

    @classmethod
    def open(
        cls, path: Path, broker: str, account: PaperAccount, *, monotonic: Callable[[], float] = trio.current_time
    ) -> Persistence:
        """Open the file and make a new account what it says; without a file the account stays as it is.

        Raises:
            AccountFileError: the file is there and can't be used, or is another account's. It was not changed.
        """
        file, kept = AccountFile.open(path)
        if kept is None:
            return cls(broker, file, monotonic, _Written(None, Mark(), Rows(), 0.0))
        try:
            restore(account, kept.record, kept.history, broker)
        except RecordError as exc:
            file.close()
            raise file.unusable(str(exc)) from exc
        books = account.books
        return cls(broker, file, monotonic, _Written(holdings_of(books), mark_of(books), kept.rows, 0.0))

    @property
    def down(self) -> str | None:
        """Why the last `save` failed; None when it did not."""
        return self._down

    async def save(self, account: PaperAccount, *, prices: bool = False) -> None:
        """Make what has changed durable; nothing is written when nothing has.

        Cancelled, it lets a write go on by itself; a later call finds out what became of it.

        Args:
            prices: write also when nothing but prices has changed since the last write.

        Raises:
            AccountFileDown: it can't be written now, or the disk has not answered in `HUNG_S`. The next call tries
                again.
        """
        await trio.lowlevel.checkpoint()
        if not self._is_due(account.books, prices):
            return
        try:
            await self._save(account, prices)
        except AccountFileDown as exc:
            self._down = str(exc)
            raise
        self._down = None

    async def aclose(self, account: PaperAccount) -> None:
        """Write the last prices and let the file go; `save` opens it again. Safe to repeat.

        Raises:
            AccountFileDown: the last write failed.
        """
        try:
            await self.save(account, prices=True)
        finally:
            with trio.move_on_after(HUNG_S):
                await trio.to_thread.run_sync(self._file.close, abandon_on_cancel=True, limiter=self._threads)

    async def _save(self, account: PaperAccount, prices: bool) -> None:
        with trio.move_on_after(HUNG_S) as scope:
            async with self._turn:
                # Whoever had the turn before may have written what we came for.
                if self._is_due(account.books, prices):
                    await self._write(account.books)
        if scope.cancelled_caught:
            raise AccountFileDown(f"the disk of {self._file.path} has not answered for {HUNG_S:g} s")

    def _is_due(self, books: Books, prices: bool) -> bool:
        written = self._written
        if mark_of(books) != written.mark or holdings_of(books) != written.holdings:
            return True
        return prices or self._monotonic() - written.at >= PRICES_EVERY_S

    async def _write(self, books: Books) -> None:
        before, now = self._written, self._monotonic()
        record, mark = record_of(books, self._broker), mark_of(books)
        history = history_since(books, before.mark)

        # Notes by itself that it is done: the caller may have been cancelled and gone. What an abandoned thread has
        # written by then is written once more, in the same rows.
        def write(record: AccountRecord, history: History) -> None:
            rows = self._file.write(record, history, before.rows)
            self._written = _Written(record.holdings, mark, rows, now)

        await trio.to_thread.run_sync(write, record, history, abandon_on_cancel=True, limiter=self._threads)


__all__ = ["AccountFileDown", "AccountFileError", "Persistence"]
