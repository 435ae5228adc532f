"""What a terminal tells its MQL5 programs, numbered, so that each asks for what it does not have yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from quantmind.adapters.mock.account import PaperAccount
from quantmind.testing.terminal.transactions import State, Transaction, request_transaction, transactions

MOST: Final = 1024
"""Transactions that wait for a program; a terminal forgets older ones, too."""


@attrs.frozen
class _Told:
    number: int
    program: str | None
    """The only one that is told; None: all are."""
    transaction: Transaction


@attrs.define(eq=False)
class News:
    """The transactions of one account. What changes the account calls `look` when it is done."""

    account: PaperAccount
    last: int = attrs.field(default=0, init=False)
    """The number of the newest one."""
    _told: deque[_Told] = attrs.field(factory=lambda: deque(maxlen=MOST), init=False)
    _state: State = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._state = State.of(self.account)

    def look(self, offset_s: int) -> None:
        """Note what has happened to the account since the last look."""
        before, now = self._state, State.of(self.account)
        if now == before:
            return
        for transaction in transactions(before, self.account, offset_s):
            self._tell(transaction, None)
        self._state = now

    def answered(self, program: str, request: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """A program's request was answered: it alone is told, with both."""
        self._tell({**request_transaction(), "request": dict(request), "result": dict(result)}, program)

    def since(self, number: int, program: str) -> Sequence[Transaction]:
        """What a program was told after a number, oldest first, at most `MOST`."""
        return [
            {"number": told.number, **told.transaction}
            for told in self._told
            if told.number > number and told.program in (None, program)
        ]

    def _tell(self, transaction: Transaction, program: str | None) -> None:
        self.last += 1
        self._told.append(_Told(self.last, program, transaction))
